"""Runs: what an execution has done and has yet to do, in one item (A3, A4, O1).

The users still to be done are kept as intervals of ids; where only some of the ids between are
meant, as in a scheduled sync, as batches of ids. A worker ticks off what it has done; what is
ticked off twice counts once, so progress is exact whatever is delivered twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from instep.domain.account import Account
from instep.domain.record import Status
from instep.domain.rules import Source
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
    """Users with ids above `after`, up to and with `upto`, put on the queue at `queued_at`.

    `batch` numbers one of which only the `ids` are meant, on the lane and for the cause given."""

    after: int
    upto: int
    users: int
    queued_at: datetime
    batch: int = 0
    ids: tuple[int, ...] = ()
    cause: str = ""
    live: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One execution's work. `cursor`: ids up to here are done or open. `sending`: the last window
    is perhaps not wholly on the queue. `marks`: (seconds since 1970, scanned) of late. `batches`:
    how many batches of ids there were. `scope`: of a look at recorded users again, whom.
    `skipped`: ticks that found this run still at work. `source`: of a backfill, what it is
    of; `expected`: how many users that will be."""

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
    batches: int = 0
    scope: str = ""
    skipped: int = 0
    source: Source | None = None
    expected: int = 0

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
    if work.batch:
        return _batch_ticked(run, work, done, waiting, now)
    for first, last in zip(ids, ids, strict=True) if work.apart else ((ids[0], ids[-1]),):
        run = ticked(run, first, last, done, waiting, now)
    return run


def with_batches(
    run: Run, batches: Iterable[tuple[int, ...]], now: datetime, cause: str, live: bool = False
) -> Run:
    """The run with more batches of ids open."""
    for ids in batches:
        number = run.batches + 1
        opened = Interval(ids[0] - 1, ids[-1], len(ids), now, number, ids, cause, live)
        run = replace(run, open=(*run.open, opened), batches=number, total=run.total + len(ids))
    return run


def still_open(run: Run, work: Work) -> tuple[int, ...]:
    """Those of a message's users who are not ticked off yet: of doubled messages that are put back
    only one goes on."""
    if work.batch:
        ids = {one for each in run.open if each.batch == work.batch for one in each.ids}
        return tuple(one for one in work.user_ids if one in ids)
    return tuple(
        one for one in work.user_ids if any(each.after < one <= each.upto for each in run.open)
    )


def _batch_ticked(
    run: Run, work: Work, done: Mapping[int, Status], again: list[int], now: datetime
) -> Run:
    """The run after work of one of its batches of ids."""
    waiting, worked = set(again), set(work.user_ids)
    open_now: list[Interval] = []
    scanned: dict[int, Status] = {}
    finished = 0
    for one in run.open:
        if one.batch != work.batch:
            open_now.append(one)
            continue
        left = tuple(i for i in one.ids if i in waiting or i not in worked)
        finished += len(one.ids) - len(left)
        scanned |= {i: done[i] for i in one.ids if i not in left and i in done}
        if left:
            open_now.append(replace(one, ids=left, users=len(left)))
    if not finished:
        return run
    return _counted_in(replace(run, open=tuple(open_now)), scanned, finished, now)


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
    run = replace(run, open=tuple(sorted(open_now, key=lambda one: one.after)))
    return _counted_in(run, scanned, len(scanned), now)


def _counted_in(run: Run, scanned: Mapping[int, Status], users: int, now: datetime) -> Run:
    total = run.scanned + users
    by_status = dict(run.by_status)
    for status, number in counted(scanned).items():
        by_status[status] = by_status.get(status, 0) + number
    return replace(
        run,
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
    run = find_or_none(world, account_id, run_id)
    if run is None:
        raise NotFoundError("no_run", "There is no such run.")
    return run


def find_or_none(world: World, account_id: str, run_id: str) -> Run | None:
    """A run, if there is one of this id."""
    item = world.users.get(account_id, run_key(run_id)) if run_id else None
    return None if item is None else loaded(RUN, item)


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


TALLIES_KEY = "tallies"


def counted_statuses(world: World, account_id: str) -> dict[str, int]:
    """How many users have each status, by counting the index."""
    counts = {
        status.value: world.users.count_index("by_changed", account_id, status.value)
        for status in Status
        if status is not Status.PENDING
    }
    return {status: users for status, users in counts.items() if users}


def set_tallies(world: World, account_id: str, by_status: Mapping[str, int]) -> None:
    """How many users have each status, as counted."""
    world.users.put({"account_id": account_id, "item": TALLIES_KEY, **by_status})


def add_tallies(world: World, account_id: str, changes: Mapping[str, int]) -> None:
    """Users who came to another status. After a crash a few may be missed, until the day's count
    puts it right."""
    add = {status: users for status, users in changes.items() if users and status != "pending"}
    if add:
        world.users.update(account_id, TALLIES_KEY, add=add)


def read_tallies(world: World, account_id: str) -> dict[str, int]:
    """How many users have each status, of which there are any as far as is known. What crashes
    left out may have a tally below zero, until the day's count."""
    item = world.users.get(account_id, TALLIES_KEY) or {}
    return {one.value: item[one.value] for one in Status if item.get(one.value, 0) > 0}


def list_runs(
    world: World, account_id: str, after: str | None, limit: int
) -> tuple[list[Run], str | None]:
    """Runs, newest first, from after an earlier page's end."""
    page = world.users.query(account_id, "run/", after=after, limit=limit, descending=True)
    return [loaded(RUN, item) for item in page.items], page.next


def progress_of(world: World, account: Account) -> Progress:
    """The account's progress: that of its initial sync, afterwards how many there are now."""
    if account.initial_sync_done:
        now_is = read_tallies(world, account.account_id)
        total = sum(now_is.values())
        return Progress(total, total, now_is.get(Status.SYNCED.value, 0), now_is, 0, None)
    run = find_or_none(world, account.account_id, account.initial_sync_run)
    if run is None:
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
