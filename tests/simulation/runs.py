"""Runs of a seed: undisturbed, disturbed, and what is wrong with either; and days of a seed."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass, field
from typing import Any

from instep.domain.record import Status
from tests.simulation.calm import Calm
from tests.simulation.days import draw_days
from tests.simulation.days_world import DaysSimulation, days_simulated
from tests.simulation.faults import NONE, Profile
from tests.simulation.invariants import broken, differences, end_state
from tests.simulation.loop import BrokenError
from tests.simulation.resting import broken_days
from tests.simulation.story import Story, draw
from tests.simulation.world import Simulation, simulated

SHOWN_LINES = 40
SHOWN_ABOUT = 60


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended. `trace`: a hash of every line."""

    problems: tuple[str, ...]
    state: dict[str, Any]
    trace: str
    tail: tuple[str, ...] = ()
    seconds: float = 0.0
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is wrong with a seed."""

    seed: int
    profile: str
    problems: tuple[str, ...] = field(default=())
    tail: tuple[str, ...] = field(default=())
    kind: str = "initial"

    def __str__(self) -> str:
        alone = (
            f"make simulate ARGS='--kind {self.kind} --seed {self.seed} --profile {self.profile}'"
        )
        lines = [f"seed {self.seed}, {self.profile}: {alone}"]
        lines += [f"  {problem}" for problem in self.problems[:20]]
        lines += ["of its trace:", *(f"  {line[:200]}" for line in self.tail)]
        return "\n".join(lines)


def run(story: Story, profile: Profile = NONE, again: bool = True) -> Ran:
    """One run, and with `again` a second look at everybody, which must change nothing."""
    with simulated(story, profile) as simulation:
        problems: list[str] = []
        state: dict[str, Any] = {}
        try:
            simulation.run()
            problems += broken(simulation)
            if story.derives:
                # What a side derived by itself may be news yet.
                simulation.look_at_everybody()
            state = end_state(simulation)
            if again:
                problems += _second_look(simulation)
        except (BrokenError, AssertionError) as error:
            problems.append(str(error))
        trace = simulation.loop.trace
        return Ran(
            tuple(problems),
            state,
            hashlib.sha256("\n".join(trace).encode()).hexdigest(),
            tuple(trace[-SHOWN_LINES:]) if problems else (),
            simulation.loop.now_us / 1e6,
            simulation.wire.calls,
        )


def _second_look(simulation: Simulation) -> list[str]:
    """With nothing new, a look writes nothing on either side, and no record (F6)."""
    actions = len(simulation.actionkit.actions())
    versions = {user_id: record.version for user_id, record in simulation.records().items()}
    sides = simulation.both_sides()
    simulation.look_at_everybody()
    problems = []
    if len(simulation.actionkit.actions()) != actions:
        problems.append("a second look wrote to ActionKit")
    if simulation.both_sides() != sides:
        problems.append("a second look changed a side")
    for user_id, record in simulation.records().items():
        if record.version != versions[user_id]:
            problems.append(f"a second look wrote the record of user {user_id}")
    return problems


def check(seed: int, name: str, profile: Profile, twice: bool = False) -> Verdict:
    """Runs a seed undisturbed and disturbed, and compares; `twice`: also the same trace again."""
    story = draw(seed)
    calm, wild = run(story), run(story, profile)
    problems = [f"undisturbed: {one}" for one in calm.problems]
    problems += [f"disturbed: {one}" for one in wild.problems]
    if calm.state and wild.state:
        problems += [f"end state {one}" for one in differences(calm.state, wild.state)]
    if twice and (run(story).trace, run(draw(seed), profile).trace) != (calm.trace, wild.trace):
        problems.append("the second run of the seed took another way")
    return Verdict(seed, name, tuple(problems), wild.tail or calm.tail)


# --- days ---


def run_days(seed: int, profile: Profile = NONE) -> Ran:
    """Some days, and a few cycles more, which must change nothing."""
    with days_simulated(draw_days(seed), profile) as simulation:
        problems: list[str] = []
        try:
            simulation.run()
            if not simulation.staff.gave_up:
                problems += broken_days(simulation)
                problems += _idle_cycles(simulation)
            if not problems and not simulation.staff.gave_up:
                problems += Calm(simulation, random.Random(f"{seed}/calm")).rounds()
                problems += broken_days(simulation)
        except (BrokenError, AssertionError) as error:
            problems.append(str(error))
        trace = simulation.loop.trace
        return Ran(
            tuple(problems),
            {},
            hashlib.sha256("\n".join(trace).encode()).hexdigest(),
            shortened(trace, problems) if problems else (),
            simulation.loop.now_us / 1e6,
            simulation.wire.calls,
        )


def _idle_cycles(simulation: DaysSimulation) -> list[str]:
    """With nothing new, cycles write nothing on either side, and no record (F6)."""
    actions = len(simulation.actionkit.actions())
    versions = {user_id: record.version for user_id, record in simulation.records().items()}
    sides = simulation.both_sides()
    simulation.cycles()
    problems = []
    if len(simulation.actionkit.actions()) != actions:
        problems.append("an idle cycle wrote to ActionKit")
    if simulation.both_sides() != sides:
        problems.append("an idle cycle changed a side")
    for user_id, record in simulation.records().items():
        # What is kept of somebody erased is deleted once more whenever they are looked at.
        if record.version != versions.get(user_id) and record.status is not Status.ERASED:
            problems.append(f"an idle cycle wrote the record of user {user_id}")
    return problems


def shortened(trace: list[str], problems: list[str]) -> tuple[str, ...]:
    """Of a trace the lines about the people whom the first problem names, and what was done to
    them; without a name its end."""
    text = problems[0] if problems else ""
    users = re.findall(r"users? \[?(\d+)", text)
    members = re.findall(r"members? \[?(\d+)", text)
    if not users and not members:
        return tuple(trace[-SHOWN_LINES:])
    wanted = [f"{int(one):012d}" for one in users] + [f"user {one} " for one in users]
    wanted += [f"user {one}:" for one in users] + [f"member {one}" for one in members]
    wanted += [f"{int(one):012d}" for one in members] + ["STAFF", "QUIET", "faults end"]
    noise = (".get", ".query", "index")
    kept = [
        line
        for line in trace
        if any(one in line for one in wanted) and not any(one in line for one in noise)
    ]
    return tuple(kept[-SHOWN_ABOUT:])


def check_days(seed: int, name: str, profile: Profile, twice: bool = False) -> Verdict:
    """Runs the days of a seed; `twice`: also that the second run takes the same way."""
    ran = run_days(seed, profile)
    problems = list(ran.problems)
    if twice and run_days(seed, profile).trace != ran.trace:
        problems.append("the second run of the seed took another way")
    return Verdict(seed, name, tuple(problems), ran.tail, "days")
