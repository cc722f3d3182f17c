"""The list of every user scanned: filtered, searched, sorted, paged (U7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from instep.domain.record import Record, Status, Warning  # noqa: A004
from instep.use_cases.accounts import load_account
from instep.use_cases.records import People
from instep.use_cases.runs import read_tallies
from instep.use_cases.streams import (
    BY_CHANGED,
    BY_EMAIL,
    BY_NAME,
    FIND_BY_EMAIL,
    FIND_BY_ID,
    FIND_BY_LAST_NAME,
    FIND_BY_NAME,
    FIND_BY_NUMBER,
    KEY_CHARACTERS,
    STATUSES,
    Positions,
    Streams,
    text_key,
    user_of,
    warning_stream,
)
from instep.use_cases.world import World

Sort = Literal["status", "name", "email", "last_synced"]

MOST_EXAMINED = 1000
"""Records that one call looks at, where two filters or a filter and a search leave few of them. A
page may end early, with a cursor that goes on."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which users, and in which order."""

    status: Status | None = None
    warning: Warning | None = None
    q: str = ""
    sort: Sort = "name"
    descending: bool = False

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that can hold such users."""
        if self.warning is not None:
            return (warning_stream(self.warning),)
        return STATUSES if self.status is None else (self.status.value,)

    def admits(self, record: Record) -> bool:
        """Whether the record, as it is now, passes the filters."""
        if record.status is Status.PENDING:
            return False
        if self.status is not None and record.status is not self.status:
            return False
        return self.warning is None or self.warning in record.warnings


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on. `streams`: how far each was read. A search has read `source` so far."""

    streams: Positions = field(default_factory=dict)
    source: int = 0


def list_users(
    world: World, account_id: str, wanted: Wanted, place: Place | None, limit: int
) -> tuple[list[Record], Place | None]:
    """A page of records, and where the next one begins (None: there is none). Whoever does not
    change while one pages appears exactly once. A search that finds more than a page has them in
    the order of finding: ids, numbers, emails, full names, last names."""
    load_account(world, account_id)
    start = place or Place()
    if not text_key(wanted.q):
        return _filled(_sorted(world, account_id, wanted, start, limit), start, limit)
    page, after = _filled(_Search(world, account_id, wanted, limit).walk(start), start, limit)
    if place is None and after is None:
        page.sort(key=lambda record: _sort_key(record, wanted.sort), reverse=wanted.descending)
    return page, after


Walk = Iterator[tuple[Record | None, Place]]
"""Each entry's record, None where it is not to be shown, and the place after it."""


def _filled(walk: Walk, start: Place, limit: int) -> tuple[list[Record], Place | None]:
    page: list[Record] = []
    reached = start
    for examined, (record, place) in enumerate(walk):
        if examined == MOST_EXAMINED or (record is not None and len(page) == limit):
            return page, reached
        reached = place
        if record is not None:
            page.append(record)
    return page, None


def _chunks(world: World, account_id: str, wanted: Wanted, limit: int) -> dict[str, int]:
    """How much is read of each stream at once, to fill a page with few queries: of several together
    each its share of all, as far as that is known, and some more."""
    if len(wanted.streams) == 1 or wanted.sort == "status":
        return dict.fromkeys(wanted.streams, limit + 1)
    users = read_tallies(world, account_id)
    everybody = sum(users.values())
    if not everybody:
        return dict.fromkeys(wanted.streams, limit // len(wanted.streams) + 2)
    return {one: limit * 5 * users.get(one, 0) // (4 * everybody) + 2 for one in wanted.streams}


def _in_stream(record: Record, stream: str) -> bool:
    """Whether the record still stands there. An index may lag: who has left the stream stands in
    another one by now."""
    return record.status.value == stream or any(
        warning_stream(warning) == stream for warning in record.warnings
    )


# --- without a search ---


def _sorted(world: World, account_id: str, wanted: Wanted, start: Place, limit: int) -> Walk:
    index = {"name": BY_NAME, "status": BY_NAME, "email": BY_EMAIL, "last_synced": BY_CHANGED}
    streams = Streams(
        world,
        account_id,
        index[wanted.sort],
        wanted.streams,
        descending=wanted.descending,
        one_by_one=wanted.sort == "status",
        chunks=_chunks(world, account_id, wanted, limit),
    )
    positions = start.streams
    entries = streams.entries(positions)
    while batch := list(islice(entries, limit + 1)):
        records = People(world, account_id).records(user_of(entry) for entry in batch)
        for entry in batch:
            stream = streams.name(entry)
            positions = {**positions, stream: streams.position(entry)}
            record = records.get(user_of(entry))
            shown = record is not None and wanted.admits(record) and _in_stream(record, stream)
            yield (record if shown else None), Place(positions)


# --- a search ---


IDS, NUMBERS, EMAILS, NAMES, LAST_NAMES = range(5)
"""The sources of a search, one after the other."""
FOUND_BY = (FIND_BY_ID, FIND_BY_NUMBER, FIND_BY_EMAIL, FIND_BY_NAME, FIND_BY_LAST_NAME)
SORTED_BY = {EMAILS: BY_EMAIL, NAMES: BY_NAME}
"""Where a status or warning is chosen, these are read of those who have it alone."""


class _Search:
    """A person whom several sources would find is left to the first, which the record tells."""

    def __init__(self, world: World, account_id: str, wanted: Wanted, limit: int) -> None:
        self._world = world
        self._account_id = account_id
        self._wanted = wanted
        self._page = limit + 1  # What is one too many tells that there is another page.
        text = text_key(wanted.q)
        digits = wanted.q.strip().removeprefix("+")
        digits = digits if digits.isascii() and digits.isdigit() else ""
        ids = "" if wanted.q.strip().startswith("+") else digits
        self._prefixes = (ids, digits, text, text, text)

    def walk(self, start: Place) -> Walk:
        """Every entry of one source after the other."""
        positions = start.streams
        for source in range(start.source, len(FOUND_BY)):
            streams = self._streams(source)
            entries = streams.entries(positions)
            while batch := list(islice(entries, self._page)):
                records = People(self._world, self._account_id).records(map(user_of, batch))
                for entry in batch:
                    stream = streams.name(entry)
                    positions = {**positions, stream: streams.position(entry)}
                    record = records.get(user_of(entry))
                    shown = record is not None and self._is_of(source, record, stream)
                    yield (record if shown else None), Place(positions, source)
            positions = {}

    def _is_of(self, source: int, record: Record, stream: str) -> bool:
        if not self._wanted.admits(record):
            return False
        if self._by_status(source) and not _in_stream(record, stream):
            return False
        return self._matches(source, record) and not any(
            self._matches(earlier, record) for earlier in range(source)
        )

    def _matches(self, source: int, record: Record) -> bool:
        prefix = self._prefixes[source]
        return bool(prefix) and _found_by(source, record).startswith(prefix)

    def _by_status(self, source: int) -> bool:
        return source in SORTED_BY and len(self._wanted.streams) == 1

    def _streams(self, source: int) -> Streams:
        """Those of a source; none, where what was typed cannot begin such a thing."""
        prefix = self._prefixes[source][:KEY_CHARACTERS]
        index, names = FOUND_BY[source], tuple(prefix[:1])
        if self._by_status(source):
            index, names = SORTED_BY[source], self._wanted.streams
        chunks = dict.fromkeys(names, self._page)
        return Streams(self._world, self._account_id, index, names, prefix, chunks=chunks)


def _found_by(source: int, record: Record) -> str:
    """What a search looks at the beginning of."""
    if source == IDS:
        return str(record.user_id)
    if source == NUMBERS:
        return (record.number or "").removeprefix("+")
    if source == EMAILS:
        return text_key(record.email)
    first_name = record.first_name if source == NAMES else ""
    return text_key(first_name, record.last_name)


def _sort_key(record: Record, sort: Sort) -> tuple[str, int]:
    name = text_key(record.first_name, record.last_name)
    keys = {
        "name": name,
        "status": f"{record.status.value} {name}",
        "email": text_key(record.email),
        "last_synced": (record.changed_at or datetime.min.replace(tzinfo=UTC)).isoformat(),
    }
    return keys[sort], record.user_id
