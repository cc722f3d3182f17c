"""Runs: what an execution has done and has yet to do, in one item (A3, A4, O1).

The users still to be done are kept as intervals of ids. A worker ticks off what it has done; an
interval that is ticked off twice counts once, so progress is exact whatever is delivered twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from instep.domain.account import Account
from instep.domain.record import Status
from instep.use_cases.errors import NotFoundError
from instep.use_cases.ports import NEW
from instep.use_cases.records import counted
from instep.use_cases.stored import dumped, loaded, run_key
from instep.use_cases.work import Work
from instep.use_cases.world import World

RATE_SECONDS = 120
"""The rate shown is that of the last two minutes."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Users with ids above `after`, up to and with `upto`, put on the queue at `queued_at`."""

    after: int
    upto: int
    users: int
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One execution's work. `cursor`: ids up to here are done or open. `sending`: the last window
    is perhaps not wholly on the queue. `marks`: (seconds since 1970, scanned) of late."""

    run_id: str
    kind: str
    state: str = "running"
    version: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    execution: str = ""
    attempts: int = 0
    windows: int = 0
    total: int = 0
    cursor: int = 0
    all_queued: bool = False
    sending: bool = False
    open: tuple[Interval, ...] = ()
    scanned: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)
    marks: tuple[tuple[int, int], ...] = ()
    lease_until: datetime | None = None
    failure: str = ""

    @property
    def open_users(self) -> int:
        """Users on the queue and not yet ticked off."""
        return sum(interval.users for interval in self.open)


RUN: TypeAdapter[Run] = TypeAdapter(Run)


def ticked_off(
    run: Run, work: Work, done: Mapping[int, Status], again: Iterable[int], now: datetime
) -> Run:
    """The run after work of it. The users of a whole batch are ticked off with the gaps between
    them, those who were put back one by one: others may be open between them."""
    ids, waiting = work.user_ids, list(again)
    for first, last in zip(ids, ids, strict=True) if work.apart else ((ids[0], ids[-1]),):
        run = ticked(run, first, last, done, waiting, now)
    return run


def ticked(
    run: Run, first: int, last: int, done: Mapping[int, Status], again: Iterable[int], now: datetime
) -> Run:
    """The run after the users from `first` to `last` were worked on: those `done` count with
    their status, those to be looked at `again` stay open one by one."""
    left = sorted(again)
    open_now: list[Interval] = []
    scanned: dict[int, Status] = {}
    for interval in run.open:
        after, upto = max(interval.after, first - 1), min(interval.upto, last)
        if after >= upto:
            open_now.append(interval)
            continue
        inside = {one: status for one, status in done.items() if after < one <= upto}
        waiting = [one for one in left if after < one <= upto]
        scanned |= inside
        before = Interval(interval.after, after, 0, interval.queued_at)
        behind = Interval(upto, interval.upto, 0, interval.queued_at)
        rest = interval.users - len(inside) - len(waiting)
        pieces = [piece for piece in (before, behind) if piece.after < piece.upto]
        # Ids have gaps: how the rest is spread over two pieces is a guess, and only shown.
        for number, piece in enumerate(pieces):
            share = rest if number == len(pieces) - 1 else rest // 2
            open_now.append(replace(piece, users=max(0, share)))
            rest -= share
        open_now += [Interval(one - 1, one, 1, now) for one in waiting]
    if not scanned and open_now == list(run.open):
        return run
    total = run.scanned + len(scanned)
    by_status = dict(run.by_status)
    for status, users in counted(scanned).items():
        by_status[status] = by_status.get(status, 0) + users
    return replace(
        run,
        open=tuple(sorted(open_now, key=lambda one: one.after)),
        scanned=total,
        total=max(run.total, total),
        by_status=by_status,
        marks=_marked(run.marks, int(now.timestamp()), run.scanned),
    )


def _marked(
    marks: tuple[tuple[int, int], ...], at: int, scanned: int
) -> tuple[tuple[int, int], ...]:
    """Marks of the last two minutes, at least five seconds apart, and one older."""
    if marks and at - marks[-1][0] < 5:
        return marks
    recent = [mark for mark in marks if at - mark[0] <= RATE_SECONDS]
    return (*recent, (at, scanned))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an account is (A4). `by_status` adds up to `total`."""

    total: int
    scanned: int
    synced: int
    by_status: Mapping[str, int]
    per_minute: float
    expected_end: datetime | None


def find_run(world: World, account_id: str, run_id: str) -> Run:
    """A run. Raises NotFoundError."""
    item = world.users.get(account_id, run_key(run_id)) if run_id else None
    if item is None:
        raise NotFoundError("no_run", "There is no such run.")
    return loaded(RUN, item)


def store_run(world: World, account_id: str, run: Run) -> Run | None:
    """Stores the run over the version it was read with; None if somebody came between."""
    stored = replace(run, version=run.version + 1)
    item = dumped(RUN, stored) | {"account_id": account_id, "item": run_key(run.run_id)}
    expect = {"version": run.version} if run.version else NEW
    return stored if world.users.put(item, expect=expect) else None


def change_run(world: World, account_id: str, run_id: str, change: Any) -> tuple[Run, Run]:
    """Applies a change to the run as it is, again if somebody came between: (old, new)."""
    while True:
        old = find_run(world, account_id, run_id)
        new: Run = change(old)
        if new == old:
            return old, old
        stored = store_run(world, account_id, new)
        if stored is not None:
            return old, stored


def list_runs(
    world: World, account_id: str, after: str | None, limit: int
) -> tuple[list[Run], str | None]:
    """Runs, newest first, from after an earlier page's end."""
    page = world.users.query(account_id, "run/", after=after, limit=limit, descending=True)
    return [loaded(RUN, item) for item in page.items], page.next


def progress_of(world: World, account: Account) -> Progress:
    """The account's progress: that of its initial sync."""
    try:
        run = find_run(world, account.account_id, account.initial_sync_run)
    except NotFoundError:
        return Progress(0, 0, 0, {}, 0, None)
    now = world.clock.now()
    by_status = {status: users for status, users in run.by_status.items() if users}
    pending = max(0, run.total - sum(by_status.values()))
    if pending:
        by_status[Status.PENDING.value] = pending
    per_minute, expected_end = 0.0, None
    if run.state == "running" and run.marks:
        at, scanned = run.marks[0]
        seconds = now.timestamp() - at
        per_minute = round((run.scanned - scanned) * 60 / seconds, 1) if seconds > 0 else 0.0
        if per_minute > 0:
            expected_end = now + timedelta(minutes=max(0, run.total - run.scanned) / per_minute)
    return Progress(
        total=sum(by_status.values()),
        scanned=run.scanned,
        synced=by_status.get(Status.SYNCED.value, 0),
        by_status=by_status,
        per_minute=per_minute,
        expected_end=expected_end,
    )
