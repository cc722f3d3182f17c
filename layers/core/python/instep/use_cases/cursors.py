"""How far each feed of changes was read (U3, U4), in one item per account.

A feed is read in the order of its side's own clock. Rows may appear late and out of order: a
transaction commits after another that began later, a server's clock is 15 minutes off. So each feed
is read again from a *horizon*: the newest time that had been seen at a reading 40 minutes ago, by
our clock. Only times of that side are compared with each other, and only spans of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from instep.use_cases.ports import NEW, Place
from instep.use_cases.stored import dumped, loaded
from instep.use_cases.world import World

CURSORS_KEY = "cursors"
LATE = timedelta(minutes=40)
"""Clocks may be 15 minutes fast and 15 minutes slow; ten more for what commits or is shown late."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest time seen in a feed at a reading."""

    newest: datetime
    read_at: datetime


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """One feed. `marks`: oldest first. `place`: how far the present walk has come, which began at
    `began` and has seen `newest`; None between walks. `known`: rows seen within the horizon, by
    their id, with their times, of feeds that must not name anybody twice."""

    marks: tuple[Mark, ...] = ()
    place: Place | None = None
    began: datetime | None = None
    newest: datetime | None = None
    known: Mapping[str, str] = field(default_factory=dict)

    def horizon(self, now: datetime) -> Place:
        """Where reading begins: everything at that time itself was seen long ago."""
        past = [one.newest for one in self.marks if now - one.read_at >= LATE]
        at = past[-1] if past else (self.marks[0].newest if self.marks else LONG_AGO)
        return Place(at)

    def walked(self, place: Place | None, newest: datetime | None, now: datetime) -> FeedCursor:
        """After a page: at `place`, or at the feed's end (None), with the newest time of it."""
        seen = max((one for one in (self.newest, newest) if one is not None), default=None)
        began = self.began or now
        if place is not None:
            return replace(self, place=place, began=began, newest=seen)
        return replace(self._marked(seen, began), place=None, began=None, newest=None)

    def _marked(self, newest: datetime | None, read_at: datetime) -> FeedCursor:
        """With a mark, if there is anything newer; without those that no horizon needs."""
        marks = self.marks
        if newest is not None and (not marks or newest > marks[-1].newest):
            marks = (*marks, Mark(newest, read_at))
        past = [one for one in marks if read_at - one.read_at >= LATE]
        return replace(self, marks=marks[max(0, len(past) - 1) :])


@dataclass(frozen=True, slots=True)
class ActionCursor:
    """The feed of actions, which is read by id (P5). `marks`: (id, when), oldest first: the highest
    id that was seen at a reading. What appears late below the highest is found by reading again
    from the one of 40 minutes ago. `walked`: up to where the present reading has come, 0 between
    readings. `page`: the last one whose turn it was in the slower second look."""

    marks: tuple[tuple[int, datetime], ...] = ()
    walked: int = 0
    page: int = 0

    @property
    def highest(self) -> int:
        """The highest id seen so far."""
        return self.marks[-1][0] if self.marks else 0

    def horizon(self, now: datetime) -> int:
        """The id above which actions are read again."""
        past = [action_id for action_id, at in self.marks if now - at >= LATE]
        return past[-1] if past else (self.marks[0][0] if self.marks else 0)

    def seen(self, action_id: int, now: datetime) -> ActionCursor:
        """After a reading up to this id, without marks that no horizon needs."""
        marks = self.marks
        if not marks or action_id > marks[-1][0]:
            marks = (*marks, (action_id, now))
        past = [one for one in marks if now - one[1] >= LATE]
        return replace(self, marks=marks[max(0, len(past) - 1) :])


@dataclass(frozen=True, slots=True)
class Cursors:
    """All feeds of an account. `run_id`: the scheduled sync that finds or found changes last;
    `relook_run`: that which looks at recorded users again; `backfills`: those that wait for their
    turn, the first of which has it. `actions`: the feed of actions. `buckets`: how many buckets
    there may be; `bucket`: the next one of a long list to be compared; `users`: how many there were
    at `counted_at`. `turn`: up to whom users were looked at in turn. `members`, `member_id`: how
    many members there were and the highest id; `missing_after`: how far missing members were
    looked for."""

    version: int = 0
    feeds: Mapping[str, FeedCursor] = field(default_factory=dict)
    run_id: str = ""
    relook_run: str = ""
    backfills: tuple[str, ...] = ()
    actions: ActionCursor = field(default_factory=ActionCursor)
    buckets: int = 0
    bucket: int = 0
    users: int = 0
    counted_at: datetime | None = None
    turn: int = 0
    members: int | None = None
    member_id: int = 0
    missing_after: int | None = None
    fields_checked_at: datetime | None = None

    def feed(self, name: str) -> FeedCursor:
        """One feed's cursor."""
        return self.feeds.get(name, FeedCursor())

    def with_feed(self, name: str, feed: FeedCursor) -> Cursors:
        """With one feed's cursor changed."""
        return self if feed == self.feed(name) else replace(self, feeds={**self.feeds, name: feed})


CURSORS: TypeAdapter[Cursors] = TypeAdapter(Cursors)


def read_cursors(world: World, account_id: str) -> Cursors:
    """The account's cursors; those of nothing before its first activation."""
    item = world.users.get(account_id, CURSORS_KEY)
    return Cursors() if item is None else loaded(CURSORS, item)


def store_cursors(world: World, account_id: str, cursors: Cursors) -> Cursors | None:
    """Stores them over those they were made from; None if somebody came between."""
    stored = replace(cursors, version=cursors.version + 1)
    item = dumped(CURSORS, stored) | {"account_id": account_id, "item": CURSORS_KEY}
    expect = {"version": cursors.version} if cursors.version else NEW
    return stored if world.users.put(item, expect=expect) else None
