"""Who has to be looked at, because something changed on either side (U3, U4).

`Finder.page` finds some of them and says how to note that they were found; the caller puts them on
the queue first and stores the notes afterwards. So whoever dies in between finds them again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Final

from instep.domain.account import Account
from instep.domain.news import is_news
from instep.domain.pace import Lane
from instep.domain.people import Member
from instep.domain.record import Record
from instep.use_cases.checksums import (
    Bucket,
    Sums,
    bucket_of,
    names_of,
    read_buckets,
    read_sums,
    read_unknown,
)
from instep.use_cases.cursors import (
    LATE,
    LONG_AGO,
    Cursors,
    FeedCursor,
    Mark,
    read_cursors,
)
from instep.use_cases.feed_of_actions import FoundActions, find_changed, find_new
from instep.use_cases.ports import BUCKET, ActionKit, Changed, Feed, Item, Place, Strive, Sum
from instep.use_cases.records import People
from instep.use_cases.runs import find_or_none
from instep.use_cases.stored import RECORD, loaded, member_key, stamp, user_key, walk
from instep.use_cases.world import World

STRIVE_FEEDS: Final[tuple[Feed, ...]] = (
    "members",
    "custom_values",
    "change_log",
    "events",
    "removals",
    "joins",
)
USERS: Final = "users"
"""The feed of ActionKit's users by time, for long lists and where there are no checksums."""
REFUSED_IN_ACTIONKIT: Final = "refused_in_actionkit"
REFUSED_IN_STRIVE: Final = "refused_in_strive"
PAGE: Final = 500
"""Rows of a feed read at once."""
BUCKETS: Final = 60
"""Buckets whose users are compared at once."""
SPAN: Final = 5000 // BUCKET
"""Buckets whose users one statement shows."""
SUMS: Final = 9000
"""Buckets that one statement sums up of a short list, where most are empty."""
FULL_SUMS: Final = 100_000 // BUCKET
"""Buckets that one statement sums up of a long list, where they are full of users."""
READ_AT_ONCE: Final = 180
"""Records that a page of changes may read where lists of rows show values too (REST)."""
TURN_SECONDS: Final = 6
READ_SECONDS: Final = 60
SHORT_LIST: Final = 100_000
"""A list of up to so many users is compared whole in every cycle, a longer one within a day."""
CYCLES_A_DAY: Final = 144
KNOWN: Final = 1000
"""Refusals that are remembered so that nobody is named twice; more are found as other changes."""
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Page:
    """Who was found. What is noted of it is to be stored once all of them are on the queue.
    `joined`: members whom somebody put into the primary group; `changed`: members without a user
    who changed (U5). `unknown`: what was noted of users who are known by now. `notes`: what actions
    come to; `news`: marks of actions that are known by now. `ended`: the sources where there is
    nothing more to be found now."""

    cursors: Cursors
    user_ids: tuple[int, ...] = ()
    joined: tuple[Changed, ...] = ()
    changed: tuple[int, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    sums: tuple[Item, ...] = ()
    unknown: tuple[Item, ...] = ()
    notes: tuple[Item, ...] = ()
    news: tuple[Item, ...] = ()
    ended: frozenset[str] = frozenset()

    @property
    def found(self) -> bool:
        """Whether there is anybody to be looked at."""
        return bool(self.user_ids or self.joined)

    def note(self, world: World, account_id: str) -> None:
        """Notes what users come to. The sums last, and only if nobody came between: else they are
        compared again."""
        stored = [one.store(world, account_id) for one in self.buckets]
        if self.sums and all(stored):
            world.users.put_many(self.sums)
            for one in self.unknown:
                world.users.delete(account_id, one["item"], expect={"token": one["token"]})
        if self.notes:
            world.groups.put_many(self.notes)
        for one in self.news:
            world.groups.delete(account_id, one["item"], expect={"token": one["token"]})


@dataclass(slots=True)
class _Finding:
    """A page under way."""

    cursors: Cursors
    user_ids: set[int] = field(default_factory=set)
    joined: list[Changed] = field(default_factory=list)
    newcomers: set[int] = field(default_factory=set)
    buckets: list[Bucket] = field(default_factory=list)
    sums: list[Item] = field(default_factory=list)
    unknown: list[Item] = field(default_factory=list)
    notes: list[Item] = field(default_factory=list)
    news: list[Item] = field(default_factory=list)
    more: bool = False
    """Whether the source that was read last has more."""


class Finder:
    """Finds changes of one account; opened for one step."""

    def __init__(self, world: World, account: Account) -> None:
        self._world = world
        self._account = account
        self._actionkit: ActionKit = world.actionkit(account, Lane.LIVE)
        self._strive: Strive = world.strive(account)
        self._people = People(world, account.account_id)
        self._now = world.clock.now()
        self._names = names_of(account)
        self._scanned_upto = _initial_cursor(world, account)
        self._is_long = False
        self._compared: set[int] = set()
        self._upto = None if account.initial_sync_done else self._scanned_upto
        """Up to whom the initial sync has come; None once it has ended."""

    def begun(self, cursors: Cursors) -> Cursors:
        """The cursors as they are to be used: with how long the list is, and with the beginning of
        every feed: what was there before is looked at anyway."""
        cursors = self._counted(cursors)
        for name in (REFUSED_IN_ACTIONKIT, USERS):
            if not cursors.feed(name).marks:
                newest = self._newest_change()
                cursors = cursors.with_feed(name, self._beginning(newest))
        group_id = self._account.primary_group or 0
        for feed in STRIVE_FEEDS:
            if not cursors.feed(feed).marks and (group_id or feed != "joins"):
                newest = self._strive.newest(feed, group_id)
                cursors = cursors.with_feed(feed, self._beginning(newest))
        if not cursors.feed(REFUSED_IN_STRIVE).marks:
            cursors = cursors.with_feed(REFUSED_IN_STRIVE, cursors.feed("events"))
        self._is_long = cursors.users > SHORT_LIST
        return cursors

    def _newest_change(self) -> datetime | None:
        if not self._finds_by_time():
            return None
        with self._rows(1):
            return self._actionkit.newest_change(self._names)

    @contextmanager
    def _rows(self, limit: int) -> Iterator[int]:
        """How many rows may be asked for: by SQL these are bare ids and times, by REST they show
        people, each in up to six lists, and count as records (A3)."""
        if self._actionkit.finds_changes_by() == "checksums":
            yield limit
            return
        pacer = self._world.pacer(self._account, Lane.BULK)
        grant = pacer.take(min(READ_AT_ONCE, limit * 6), TURN_SECONDS, READ_SECONDS)
        try:
            yield max(1, grant.records // 6)
        finally:
            pacer.settle(grant)

    def _beginning(self, newest: datetime | None) -> FeedCursor:
        return FeedCursor((Mark((newest or LONG_AGO + LATE) - LATE, self._now),))

    # --- refusals (A3: first of all) ---

    def refusals(self, cursors: Cursors) -> Page:
        """Users who refused on either side and are not known to have been looked at since."""
        finding = _Finding(cursors)
        feed = cursors.feed(REFUSED_IN_ACTIONKIT)
        userfield = self._account.settings.opt_in_userfield
        if userfield and self._finds_by_time():
            place = feed.horizon(self._now)
            with self._rows(KNOWN) as limit:
                rows = self._actionkit.refusals_since(place, limit, userfield)
            finding.user_ids |= {one.id for one in self._unknown(feed, rows)}
            self._keep_known(finding, REFUSED_IN_ACTIONKIT, rows)
        feed = cursors.feed(REFUSED_IN_STRIVE)
        events, _ = self._strive.unsubscribed_since(feed.horizon(self._now), KNOWN)
        fresh = self._unknown(feed, events)
        holders = self._people.member_holders({one.id for one in fresh})
        finding.user_ids |= set(holders.values())
        self._keep_known(finding, REFUSED_IN_STRIVE, events)
        return Page(finding.cursors, tuple(sorted(finding.user_ids)))

    @staticmethod
    def _unknown(feed: FeedCursor, rows: Sequence[Changed]) -> list[Changed]:
        return [one for one in rows if feed.known.get(str(one.row)) != stamp(one.at)]

    def _keep_known(self, finding: _Finding, name: str, rows: Sequence[Changed]) -> None:
        newest = max((one.at for one in rows), default=None)
        feed = finding.cursors.feed(name).walked(None, newest, self._now)
        known = {str(one.row): stamp(one.at) for one in rows}
        finding.cursors = finding.cursors.with_feed(name, replace(feed, known=known))

    def _finds_by_time(self) -> bool:
        return self._actionkit.finds_changes_by() != "nothing"

    # --- everything ---

    def page(self, cursors: Cursors, ended: frozenset[str] = frozenset()) -> Page:
        """Some of those who have to be looked at, from the sources that have not ended."""
        finding = _Finding(cursors)
        done = set(ended)
        for name, look in self._sources():
            if name not in done:
                finding.more = False
                look(finding)
                if not finding.more:
                    done.add(name)
        user_ids = tuple(sorted(self._scanned(finding.user_ids)))
        return Page(
            finding.cursors,
            user_ids,
            tuple(finding.joined),
            tuple(sorted(finding.newcomers)),
            tuple(finding.buckets),
            tuple(finding.sums),
            tuple(finding.unknown),
            tuple(finding.notes),
            tuple(finding.news),
            frozenset(done),
        )

    def all_ended(self, page: Page) -> bool:
        """Whether there was nothing more to be found."""
        return {name for name, _ in self._sources()} <= page.ended

    def _sources(self) -> list[tuple[str, Callable[[_Finding], None]]]:
        by = self._actionkit.finds_changes_by()
        sources: list[tuple[str, Callable[[_Finding], None]]] = []
        if by == "checksums":
            sources.append(("checksums", self._by_checksums))
            if self._is_long:
                sources.append((USERS, partial(self._by_time, compared=True)))
        else:
            sources.append(("in_turn", self._in_turn))
            if by == "times":
                sources.append((USERS, partial(self._by_time, compared=False)))
        sources += [(feed, partial(self._in_strive, feed=feed)) for feed in STRIVE_FEEDS]
        sources.append(("actions", self._new_actions))
        if by == "checksums":
            sources.append(("changed_actions", self._changed_actions))
        return [*sources, ("missing", self._missing_members)]

    def _scanned(self, user_ids: Iterable[int]) -> Iterable[int]:
        """Without those whom the initial sync has yet to come to."""
        upto = self._upto
        return user_ids if upto is None else [one for one in user_ids if one <= upto]

    # --- actions ---

    def _new_actions(self, finding: _Finding) -> None:
        """Those above the highest id that was seen 40 minutes ago (P5)."""
        with self._rows(PAGE) as limit:
            found = find_new(
                self._world, self._account, self._actionkit, finding.cursors.actions, limit
            )
        self._take(finding, found)

    def _changed_actions(self, finding: _Finding) -> None:
        """Those whose status or fields changed, and those that were deleted: by sums (P5)."""
        found = find_changed(self._world, self._account, self._actionkit, finding.cursors.actions)
        finding.notes += found.notes
        finding.news += found.news
        self._take(finding, found)

    @staticmethod
    def _take(finding: _Finding, found: FoundActions) -> None:
        finding.user_ids |= found.user_ids
        finding.more = found.more
        finding.cursors = replace(finding.cursors, actions=found.cursor)

    # --- ActionKit ---

    def _by_checksums(self, finding: _Finding) -> None:
        """Compares what users come to with what they came to when last noted: of a short list all
        in each cycle, of a long one within a day."""
        top = self._top_bucket(finding.cursors)
        finding.cursors = replace(finding.cursors, buckets=max(finding.cursors.buckets, top + 1))
        if not self._is_long:
            self._compare_sums(finding, 0, top)
            return
        size = -(-(top + 1) // CYCLES_A_DAY)
        first = 0 if finding.cursors.bucket > top else finding.cursors.bucket
        last = min(top, first + size - 1)
        self._compare_sums(finding, first, last)
        if not finding.more:
            finding.cursors = replace(finding.cursors, bucket=last + 1)

    def _counted(self, cursors: Cursors) -> Cursors:
        """With how many users there are, as of today."""
        if cursors.counted_at is not None and self._now - cursors.counted_at < DAY:
            return cursors
        users = self._actionkit.count_users()
        return replace(cursors, users=users, counted_at=self._now)

    def _top_bucket(self, cursors: Cursors) -> int:
        """The highest bucket that may hold anybody: users are added at the end."""
        if self._upto is not None:
            return bucket_of(self._upto)
        highest = max(self._scanned_upto, cursors.buckets * BUCKET - 1)
        while found := self._actionkit.user_ids_after(highest, 1000):
            highest = found[-1]
        return bucket_of(highest)

    def _compare_sums(self, finding: _Finding, first: int, last: int) -> None:
        noted = read_sums(self._world, self._account.account_id, self._names)
        sums = dict(noted.sums)
        found: dict[int, Sum] = {}
        size = FULL_SUMS if self._is_long else SUMS
        for start in range(first, last + 1, size):
            found |= self._actionkit.sums(start, min(last, start + size - 1), self._names)
        unknown = (
            {} if self._upto is not None else read_unknown(self._world, self._account.account_id)
        )
        inside = {one for one in (*found, *noted.sums, *unknown) if first <= one <= last}
        differing = sorted(
            one for one in inside if one in unknown or found.get(one) != noted.sums.get(one)
        )
        for number in differing[:BUCKETS]:
            # One that the initial sync is in the middle of is compared again until it has ended.
            partial_bucket = self._upto is not None and number == bucket_of(self._upto)
            if number in found and not partial_bucket:
                sums[number] = found[number]
            else:
                sums.pop(number, None)
        self._compare_users(finding, differing[:BUCKETS], unknown=unknown)
        finding.unknown += [unknown[one] for one in differing[:BUCKETS] if one in unknown]
        finding.more = len(differing) > BUCKETS
        if differing:
            done = differing[:BUCKETS]
            whole = Sums(self._names, sums)
            finding.sums += whole.items(self._account.account_id, done)

    def _compare_users(
        self,
        finding: _Finding,
        numbers: Sequence[int],
        candidates: Mapping[int, set[int]] | None = None,
        unknown: Collection[int] = (),
    ) -> None:
        """Finds the users of these buckets (or the candidates alone) that differ; notes them. Of
        the `unknown` buckets also who is recorded, and not there any more."""
        noted = read_buckets(self._world, self._account.account_id, numbers)
        every = self._checksums(numbers, candidates, self._names)
        for number in numbers:
            before = noted.get(number) or Bucket(number, self._names)
            only = None if candidates is None else candidates[number]
            now = then = _of_bucket(every, number)
            if before.userfields != self._names:
                # Other fields are mapped now. Compared is what was noted, and noted what counts.
                earlier = self._checksums([number], candidates, before.userfields)
                then = _of_bucket(earlier, number)
            among = {*then, *before.users} if only is None else only
            changed = {one for one in among if then.get(one) != before.users.get(one)}
            finding.user_ids |= changed
            if number in unknown:
                finding.user_ids |= {one.user_id for one in self._records_in(number)} - now.keys()
            if set(self._names) - set(before.userfields):
                # A field is new: what it held before now was perhaps looked at too early (F3).
                finding.user_ids |= self._linked_in(number)
            users = now if only is None else _with(before.users, only, now)
            after = replace(before, userfields=self._names, users=users)
            if only is not None and before.userfields != self._names:
                continue  # The whole bucket is noted anew when it is compared.
            if after != noted.get(number):
                finding.buckets.append(after)

    def _linked_in(self, number: int) -> set[int]:
        """The linked users of a bucket."""
        return {one.user_id for one in self._records_in(number) if one.member_id}

    def _records_in(self, number: int) -> Iterator[Record]:
        first, last = number * BUCKET, number * BUCKET + BUCKET - 1
        after = user_key(first - 1) if first else None
        items = walk(self._world.users, self._account.account_id, "user/", after, BUCKET)
        inside = takewhile(lambda item: item["item"] <= user_key(last), items)
        return (loaded(RECORD, item) for item in inside)

    def _checksums(
        self,
        numbers: Sequence[int],
        candidates: Mapping[int, set[int]] | None,
        names: Sequence[str],
    ) -> dict[int, int]:
        """What the users of these buckets come to now, or the candidates among them alone."""
        if candidates is not None:
            ids = sorted(one for number in numbers for one in candidates[number])
            return self._actionkit.checksums_of(ids, names) if ids else {}
        found: dict[int, int] = {}
        for first, last in _spans(numbers):
            upto = last * BUCKET + BUCKET - 1
            upto = upto if self._upto is None else min(upto, self._upto)
            if upto >= first * BUCKET:
                found |= self._actionkit.checksums(first * BUCKET - 1, upto, names)
        return found

    def _by_time(self, finding: _Finding, compared: bool) -> None:
        """Users in the order of their last change; `compared`: only who came to something else."""
        feed = finding.cursors.feed(USERS)
        place = feed.place or feed.horizon(self._now)
        with self._rows(PAGE) as limit:
            rows = self._actionkit.changed_since(place, limit, self._names)
        newest = rows[-1].at if rows else None
        ended = len(rows) < limit
        after = None if ended else Place(rows[-1].at, rows[-1].id)
        finding.cursors = finding.cursors.with_feed(USERS, feed.walked(after, newest, self._now))
        finding.more = not ended
        user_ids = {one.id for one in rows}
        if not compared:
            finding.user_ids |= user_ids
            return
        by_bucket: dict[int, set[int]] = {}
        for one in self._scanned(user_ids):
            by_bucket.setdefault(bucket_of(one), set()).add(one)
        self._compare_users(finding, sorted(by_bucket), by_bucket)

    def _in_turn(self, finding: _Finding) -> None:
        """Everybody within a day, or as fast as half of the pace allows: where changes without a
        time, or none at all, can be found."""
        cursors = finding.cursors
        size = min(-(-cursors.users // CYCLES_A_DAY), self._account.settings.records_per_minute * 5)
        size = max(1, size)
        some = self._actionkit.user_ids_after(cursors.turn, size)
        finding.user_ids |= set(some)
        if len(some) < size:
            # Recorded users above the highest id there is now: they are gone.
            key = user_key(some[-1] if some else cursors.turn)
            page = self._world.users.query(self._account.account_id, "user/", after=key, limit=PAGE)
            finding.user_ids |= {int(one["item"].rsplit("/", 1)[1]) for one in page.items}
        finding.cursors = replace(cursors, turn=some[-1] if len(some) == size else 0)

    # --- Strive ---

    def _in_strive(self, finding: _Finding, feed: Feed) -> None:
        """One feed's next page: members, compared with what is known of them."""
        group_id = self._account.primary_group or 0
        if feed == "joins" and not group_id:
            return
        cursor = finding.cursors.feed(feed)
        place = cursor.place or cursor.horizon(self._now)
        rows, after = self._strive.changed_since(feed, place, PAGE, group_id)
        newest = max((one.at for one in rows), default=None)
        ended = len(rows) < PAGE
        cursor = cursor.walked(None if ended else after, newest, self._now)
        finding.cursors = finding.cursors.with_feed(feed, cursor)
        finding.more = not ended
        named = {one.id for one in rows}
        if feed != "joins":
            named -= self._compared
        holders = self._people.member_holders(named)
        if feed == "joins":
            finding.joined += [one for one in rows if one.id not in holders]
            return
        self._news(finding, named, holders)

    def _news(self, finding: _Finding, member_ids: set[int], holders: Mapping[int, int]) -> None:
        """Who of these members is linked and differs from what is known, or is not linked and has
        a number that a user claims."""
        if not member_ids:
            return
        # Several feeds name a member for one change; what happens meanwhile they name again.
        self._compared |= member_ids
        members = self._strive.members_by_id(sorted(member_ids))
        records = self._people.records(holders.values())
        rules = self._account.rules()
        for member_id, user_id in holders.items():
            record = records.get(user_id)
            if record is None or is_news(record, members.get(member_id), rules):
                finding.user_ids.add(user_id)
        strangers = [one for id_, one in members.items() if id_ not in holders]
        finding.user_ids |= self._claiming(strangers)
        finding.newcomers |= member_ids - holders.keys()

    def _claiming(self, strangers: Sequence[Member]) -> set[int]:
        """Users who claim the number of a member whom nobody is linked to."""
        claimed = self._people.number_holders({one.phone_number for one in strangers})
        records = self._people.records(claimed.values())
        return {one for one in claimed.values() if _is_free(records.get(one))}

    def _missing_members(self, finding: _Finding) -> None:
        """Linked members who are not there any more: looked for when there are fewer members than
        there were."""
        cursors = finding.cursors
        if cursors.missing_after is None:
            if cursors.members is not None:
                added = self._strive.count_members(cursors.member_id)
                if self._strive.count_members() - added >= cursors.members:
                    if added:
                        finding.cursors = self._members_counted(cursors)
                    return
            cursors = replace(cursors, missing_after=0)
        after = cursors.missing_after or 0
        claims, whole = self._member_claims(after)
        there = self._members_there(after, max(claims, default=after))
        finding.user_ids |= {user for member, user in claims.items() if member not in there}
        finding.more = not whole
        cursors = replace(cursors, missing_after=None if whole else max(claims))
        finding.cursors = self._members_counted(cursors) if whole else cursors

    def _member_claims(self, after: int) -> tuple[dict[int, int], bool]:
        """A page of the members that are claimed and by whom; whether it was the last."""
        key = member_key(after) if after else None
        page = self._world.users.query(self._account.account_id, "member/", after=key, limit=PAGE)
        claims = {int(one["item"].rsplit("/", 1)[1]): one["user_id"] for one in page.items}
        return claims, page.next is None

    def _members_there(self, after: int, upto: int) -> set[int]:
        there: set[int] = set()
        while after < upto and (found := self._strive.member_ids(after, 1000)):
            there |= set(found)
            after = found[-1]
        return there

    def _members_counted(self, cursors: Cursors) -> Cursors:
        """With how many members there are up to the highest id there is now."""
        highest = self._highest_member(cursors.member_id)
        members = self._strive.count_members() - self._strive.count_members(highest)
        return replace(cursors, members=members, member_id=highest)

    def _highest_member(self, above: int) -> int:
        while found := self._strive.member_ids(above, 1000):
            above = found[-1]
        return above


def found_as_new(world: World, account: Account, userfield: str) -> bool:
    """Whether the next cycle finds by itself that a userfield counts now, and has everybody looked
    at: where all checksums are compared in each cycle, and none was noted with it."""
    sql = account.connection is not None and account.connection.actionkit_reads == "sql"
    if not sql or read_cursors(world, account.account_id).users > SHORT_LIST:
        return False
    noted = world.users.query(account.account_id, "sums/", limit=1).items
    return not any(userfield in item["userfields"] for item in noted)


def _initial_cursor(world: World, account: Account) -> int:
    run = find_or_none(world, account.account_id, account.initial_sync_run)
    return 0 if run is None else run.cursor


def _of_bucket(checksums: Mapping[int, int], number: int) -> dict[int, int]:
    return {one: checksum for one, checksum in checksums.items() if bucket_of(one) == number}


def _spans(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last bucket of each stretch that one statement can show."""
    first = last = -1
    for number in numbers:
        if first < 0 or number - first >= SPAN:
            if first >= 0:
                yield first, last
            first = number
        last = number
    if first >= 0:
        yield first, last


def _with(users: Mapping[int, int], only: set[int], now: Mapping[int, int]) -> dict[int, int]:
    """The users noted, those looked at with what they come to now."""
    others = {one: checksum for one, checksum in users.items() if one not in only}
    return others | {one: now[one] for one in only if one in now}


def _is_free(record: Record | None) -> bool:
    return record is None or record.member_id is None
