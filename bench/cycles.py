"""Scheduled syncs after the initial one: cycles of ten minutes in which nothing changes, and cycles
in which people change on both sides (tests/simulation)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bench.counted import Use
from bench.paced import ACCOUNT, Sync
from instep.domain.record import Record, Status
from instep.domain.rules import Option
from instep.use_cases.fields import change_option
from instep.use_cases.ports import Item
from tests.simulation.loop import SECOND

CYCLE_SECONDS: Final = 600
CHANGED: Final = 35
"""So many users change in a cycle on each side."""
REFUSING: Final = 5
"""Every fifth of these refuses; of the others a name changes."""
REREAD: Final = 5
"""So many cycles later Strive's feeds are not read again for a change."""
WORKING: Final = REREAD + 1
"""Cycles with changes, one after the other: only the last costs as much as every other of a busy
account."""
QUIET: Final = 6
"""Cycles without a change, which are an hour."""
MOST_CYCLES: Final = 60


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one cycle cost. `requests`: those to both sides, by name; `transitions`: those of the
    tick, of a shard and of runs; `looks`: users named by messages."""

    uses: tuple[Use, ...]
    actionkit: Counter[str]
    strive: Counter[str]
    transitions: Mapping[str, int]
    executions: int
    invocations: int
    messages: int
    looks: int


@dataclass(slots=True)
class Cycles:
    """`first`: that after the initial sync; `option`: looks at all who are linked, after a mapping
    was changed; `quiet`: the cycles of an hour in which nothing changes, long after anything did;
    `working`: cycles with changes, in the last of which `changed` users did; `after`: those after
    them, until one finds nothing. `items`: the users table as it is in the end."""

    first: Cycle
    option: Cycle
    quiet: list[Cycle] = field(default_factory=list)
    working: list[Cycle] = field(default_factory=list)
    after: list[Cycle] = field(default_factory=list)
    changed: int = 0
    items: list[Item] = field(default_factory=list)


def cycles_of(sync: Sync) -> Cycles:
    """Counts all of them, on an account whose initial sync has ended."""
    ticks = _Ticks(sync)
    first = ticks.cycle()
    option = ticks.cycle(lambda: _carry_last_names(sync))
    found = Cycles(first, option)
    quiet: list[Cycle] = []
    while len(quiet) < REREAD + QUIET:
        cycle = ticks.cycle()
        quiet = [*quiet, cycle] if cycle.executions == 0 else []
        ticks.expect_an_end()
    found.quiet = quiet[REREAD:]
    people = _linked(sync)
    for number in range(WORKING):
        spread = _spread(people[number::WORKING])
        found.changed = len(spread)
        found.working.append(ticks.cycle(partial(_change, sync, spread, number)))
    while not found.after or found.after[-1].executions:
        found.after.append(ticks.cycle())
        ticks.expect_an_end()
    found.items = sync.tables["users"].store.everything()
    return found


class _Ticks:
    def __init__(self, sync: Sync) -> None:
        self._sync = sync
        self._count = 0

    def expect_an_end(self) -> None:
        """Raises where one cycle makes work for the next for ever."""
        if self._count > MOST_CYCLES:
            raise AssertionError("cycles without a change never find nothing")

    def cycle(self, change: Callable[[], None] = lambda: None) -> Cycle:
        """Something happens, the tick comes, and ten minutes later everything it led to is over."""
        sync, loop = self._sync, self._sync.loop
        sync.uses()
        actionkit, strive = sync.requests()
        lines, executions = len(loop.trace), len(sync.machines.executions)
        invocations = sync.functions.invoked
        sent = {name: len(lane.bodies) for name, lane in sync.lanes.items()}
        change()
        self._count += 1
        sync.machines.begin("scheduled-sync", f"tick-{self._count}", {})
        over_us = loop.now_us + CYCLE_SECONDS * SECOND
        loop.at(CYCLE_SECONDS * SECOND, lambda: None)
        if not loop.run_until(lambda: loop.now_us >= over_us and sync.settled(), 86_400):
            raise AssertionError("the cycle never came to an end")
        actionkit_then, strive_then = sync.requests()
        bodies = [
            json.loads(body)
            for name, lane in sync.lanes.items()
            for body in lane.bodies[sent[name] :]
        ]
        return Cycle(
            uses=tuple(sync.uses()),
            actionkit=actionkit_then - actionkit,
            strive=strive_then - strive,
            transitions=_transitions(loop.trace[lines:]),
            executions=len(sync.machines.executions) - executions - 1,
            invocations=sync.functions.invoked - invocations,
            messages=len(bodies),
            looks=sum(len(body["user_ids"]) for body in bodies),
        )


def _transitions(trace: list[str]) -> Counter[str]:
    """States entered, by whose they are."""
    counted: Counter[str] = Counter()
    for line in trace:
        execution, enters, state = line.partition(" enters ")
        if not enters:
            continue
        of_shard = state in ("'Check a shard'", "'Checked'")
        of_tick = execution.partition(" ")[2].startswith("tick-")
        counted["run" if not of_tick else "shard" if of_shard else "tick"] += 1
    return counted


def _carry_last_names(sync: Sync) -> None:
    """Last names are carried both ways from now on."""
    change_option(sync.world, ACCOUNT, "ana", "core-last_name", Option.TWO_WAY)


def _linked(sync: Sync) -> list[Record]:
    """Who is synced and opted in on both sides."""
    return [
        one
        for _, one in sorted(sync.records().items())
        if one.status is Status.SYNCED and one.consent.opted_in and one.consent.actionkit == "true"
    ]


def _spread(people: list[Record]) -> list[Record]:
    """As many as change in a cycle, from the whole list."""
    step = max(1, len(people) // (2 * CHANGED))
    return people[::step][: 2 * CHANGED]


def _change(sync: Sync, people: list[Record], cycle: int) -> None:
    """Half of the people change on ActionKit, half in Strive."""
    for place, record in enumerate(people):
        in_actionkit, refuses = place % 2 == 0, place // 2 % REFUSING == 0
        member_id = record.member_id or 0
        if in_actionkit and refuses:
            sync.actionkit.set_field(record.user_id, sync.sample.opt_in_userfield, "no")
        elif in_actionkit:
            sync.actionkit.edit_user(record.user_id, last_name=f"Moss{cycle}-{place}")
        elif refuses:
            sync.strive.text_in(member_id, "STOP")
        else:
            sync.strive.edit_member(member_id, last_name=f"Fern{cycle}-{place}")
