"""Days of two-way sync: the whole application and both twins, with people and staff at work."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast
from unittest.mock import patch

from instep.domain.account import core_mappings
from instep.use_cases.ports import Item
from local.twins.strive import StriveTwin
from tests.simulation.acts import Acts
from tests.simulation.days import HOUR, Days
from tests.simulation.edits import People
from tests.simulation.faults import NONE, Profile
from tests.simulation.lanes import load_handler
from tests.simulation.ledger import Ledger, WatchedStrive
from tests.simulation.loop import SECOND
from tests.simulation.staff import Staff
from tests.simulation.story import CUSTOM
from tests.simulation.world import Simulation

STAFF_SHARE = 0.2
WEBHOOK_SECONDS = 10
QUIET_CYCLES = 4
"""So many cycles after the last edit and the last fault, and then until nothing is left. Without
SQL as many more as there are users: one is looked at in turn in each (U3: within a day)."""
SETTLE_SECONDS = 300
LONGEST_REST_SECONDS = 8 * HOUR
MOST_CALLS = 60_000


class DaysSimulation(Simulation):
    """One account's days, from its connection on."""

    def __init__(self, days: Days, profile: Profile = NONE) -> None:
        self.days = days
        self.disturbed = profile != NONE
        super().__init__(days.story, profile)
        self.ledger = Ledger(self.loop, days, self.actionkit, cast(WatchedStrive, self.strive))
        for mapping in core_mappings():
            self._choose(mapping.name, days.story.options[mapping.strive_field])
        for name in CUSTOM:
            self._choose(f"custom:{name}", days.story.custom.get(name))
        for name, value in days.story.settings.items():
            self.ledger.choosing(self.ledger.settings, name, value)
        self.people = People(self.ledger, random.Random(f"{days.seed}/people"))
        self.staff = Staff(self, random.Random(f"{days.seed}/staff"))
        self.acts = Acts(self, random.Random(f"{days.seed}/acts"))
        self.functions.add("webhook", load_handler("webhook", self.world, {}), WEBHOOK_SECONDS)
        self._chance = random.Random(f"{days.seed}/who")
        self.ledger.begin()
        self.users.watchers.append(self.ledger.stored)
        self.began_us = self.loop.now_us
        self.edits_left = len(days.edits_us) + len(days.acts_us)
        self._gaps = list(days.ticks)
        self.most_calls = MOST_CALLS
        self.quiet_ticks: int | None = None
        self._begin = self.machines.begin
        self.machines.begin = self._begun  # type: ignore[method-assign]

    def _choose(self, name: str, value: object) -> None:
        self.ledger.choosing(self.ledger.options, name, value)

    def _strive(self, kind: type[StriveTwin] = WatchedStrive) -> StriveTwin:
        return super()._strive(kind)

    # --- what happens ---

    def run(self) -> None:
        """From the connection until everything has come to rest. Raises BrokenError."""
        with self._sizes():
            for at_us in self.days.edits_us:
                self.loop.at(at_us, self._edit)
            for at_us in self.days.acts_us:
                self.loop.at(at_us, self._act)
            self._call()
            self.loop.at(self._next_gap(), self._tick)
            if not self.loop.run_until(self._quiet, 4 * 86_400):
                raise AssertionError(f"it never became quiet: {self.unsettled()}")
            if self.staff.gave_up:
                return
            self.loop.note("QUIET: nobody does anything more")
            if not self.loop.run_until(self._rests, LONGEST_REST_SECONDS):
                raise AssertionError(f"it never came to rest: {self.unsettled()}")

    def cycles(self) -> None:
        """More cycles, as many as show whatever was new."""
        self.most_calls = self.wire.calls + MOST_CALLS
        with self._sizes():
            wanted = self.ticks + 2 + self._in_turn()
            if not self.loop.run_until(
                lambda: self._cycled(wanted) and self._at_rest(), LONGEST_REST_SECONDS
            ):
                raise AssertionError(f"it has no rest: {self.unsettled()}")

    @contextmanager
    def _sizes(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(self.story.sizes())
            most = self.days.hold_above
            for name, value in (("LEAST", most), ("threshold", lambda linked: most)):
                stack.enter_context(patch(f"instep.use_cases.holds.{name}", value))
            yield

    def _begun(self, machine: str, name: str, payload: Any) -> str:
        """Runs of one account never overlap: none begins while another is at work (U3)."""
        if machine == "account-sync" and "-sync-" in name:
            for other in self.machines.executions.values():
                same = other.payload.get("run_id") == payload["run_id"]
                at_work = other.machine == machine and other.status == "RUNNING" and not same
                if at_work and "-sync-" in other.name:
                    self.loop.broken(f"{name} begins while {other.name} is at work")
        return self._begin(machine, name, payload)

    def _edit(self) -> None:
        self.edits_left -= 1
        if self._chance.random() < STAFF_SHARE and self.staff_done:
            self.staff.do_something()
        else:
            self.people.do_something()
        self._judged()

    def _act(self) -> None:
        self.edits_left -= 1
        self.acts.do_something()
        self._judged()

    def trouble_again(self, seconds: float) -> None:
        """Once more as much goes wrong as at first, for a while."""
        if self.disturbed and self.dice.quiet and self.quiet_ticks is None:
            self.loop.note("faults begin again")
            self.dice.quiet = False
            self.loop.at(int(seconds * SECOND), self._become_quiet)

    def _judged(self) -> None:
        for problem in (*self.ledger.problems, *self.acts.problems):
            self.loop.broken(problem)

    def _next_gap(self) -> int:
        gap = self._gaps.pop(0) if len(self._gaps) > 1 else self._gaps[0]
        return gap * SECOND

    def _tick(self) -> None:
        self.ticked_us = self.loop.now_us
        self.acts.note(self.loop.now_us)
        if self.quiet_ticks is not None:
            self.staff.release_all()
        super()._tick()
        self._judged()

    def _quiet(self) -> bool:
        """Nobody does anything more, and nothing goes wrong any more."""
        if self.staff.gave_up:
            return True
        if not (self.edits_left == 0 and self.dice.quiet and self.staff_done and self.staff.idle):
            return False
        self.quiet_ticks = self.ticks
        return True

    def _rests(self) -> bool:
        assert self.quiet_ticks is not None
        return self._cycled(self.quiet_ticks + QUIET_CYCLES + self._in_turn()) and self._at_rest()

    def _cycled(self, ticks: int) -> bool:
        """Whether so many ticks were, and the last had time to do what it found."""
        return self.ticks >= ticks and self.loop.now_us > self.ticked_us + SETTLE_SECONDS * SECOND

    def _in_turn(self) -> int:
        in_turn = self.story.actionkit_unknowns.sql_forbidden
        return max(self.ledger.users) if in_turn else 0

    def _at_rest(self) -> bool:
        self._judged()
        return self.settled() and self.staff.idle and not self.open_holds()

    # --- what is there ---

    def open_holds(self) -> list[Item]:
        return [one for one in self.items("hold/") if one["state"] == "open"]


@contextmanager
def days_simulated(days: Days, profile: Profile = NONE) -> Iterator[DaysSimulation]:
    """A simulation that is cleaned up afterwards."""
    simulation = DaysSimulation(days, profile)
    try:
        yield simulation
    finally:
        simulation.close()
