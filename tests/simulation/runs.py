"""Runs of a seed: undisturbed, disturbed, and what is wrong with either."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.faults import NONE, Profile
from tests.simulation.invariants import broken, differences, end_state
from tests.simulation.loop import BrokenError
from tests.simulation.story import Story, draw
from tests.simulation.world import Simulation, simulated

SHOWN_LINES = 40


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

    def __str__(self) -> str:
        alone = f"make simulate ARGS='--seed {self.seed} --profile {self.profile}'"
        lines = [f"seed {self.seed}, {self.profile}: {alone}"]
        lines += [f"  {problem}" for problem in self.problems[:20]]
        lines += ["the end of its trace:", *(f"  {line[:200]}" for line in self.tail)]
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
