"""The list of every user scanned: filtered, searched, sorted, paged (U7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from instep.domain.record import Record, Status, Warning  # noqa: A004
from instep.use_cases.accounts import load_account
from instep.use_cases.records import People
from instep.use_cases.stored import number_key, walk
from instep.use_cases.streams import (
    BY_CHANGED,
    BY_EMAIL,
    BY_LAST_NAME,
    BY_NAME,
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
ID_DIGITS = 12


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


def _chunk(wanted: Wanted, limit: int) -> int:
    """How much is read of a stream at once: of all of them together about a page, since most of a
    page may come from any one of them."""
    return max(1, limit // len(wanted.streams))


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
        chunk=_chunk(wanted, limit),
    )
    positions = start.streams
    entries = streams.entries(positions)
    while batch := list(islice(entries, limit + 1)):
        records = People(world, account_id).records(user_of(entry) for entry in batch)
        for entry in batch:
            stream = entry["status"]
            positions = {**positions, stream: streams.position(entry)}
            record = records.get(user_of(entry))
            shown = record is not None and wanted.admits(record) and _in_stream(record, stream)
            yield (record if shown else None), Place(positions)


# --- a search ---


NUMBERS = 1
"""The second source. It and the first are read from the table itself, the others from indexes."""


class _Search:
    """Five sources one after the other: ids, numbers, emails, full names, last names. A person
    whom several of them would find is left to the first, which the record itself tells."""

    def __init__(self, world: World, account_id: str, wanted: Wanted, limit: int) -> None:
        self._world = world
        self._account_id = account_id
        self._wanted = wanted
        self._limit = limit
        self._batch = limit + 1  # What is one too many tells that there is another page.
        self._text = text_key(wanted.q)
        digits = wanted.q.strip().removeprefix("+")
        self._digits = digits if digits.isascii() and digits.isdigit() else ""
        self._id_digits = "" if wanted.q.strip().startswith("+") else self._digits
        self._matches: tuple[Callable[[Record], bool], ...] = (
            self._by_id,
            self._by_number,
            lambda record: text_key(record.email).startswith(self._text),
            lambda record: text_key(record.first_name, record.last_name).startswith(self._text),
            lambda record: text_key(record.last_name).startswith(self._text),
        )

    def walk(self, start: Place) -> Walk:
        """Every entry of one source after the other."""
        positions = start.streams
        for source in range(start.source, len(self._matches)):
            entries = self._entries(source, positions)
            while batch := list(islice(entries, self._batch)):
                records = People(self._world, self._account_id).records(
                    user_id for user_id, _, _ in batch
                )
                for user_id, stream, position in batch:
                    positions = {**positions, stream: position}
                    record = records.get(user_id)
                    shown = record is not None and self._is_of(source, record, stream, position)
                    yield (record if shown else None), Place(positions, source)
            positions = {}

    def _is_of(self, source: int, record: Record, stream: str, position: tuple[str, str]) -> bool:
        if not self._wanted.admits(record) or not self._matches[source](record):
            return False
        if source == NUMBERS and position[1] != number_key(record.number or ""):
            return False
        if source > NUMBERS and not _in_stream(record, stream):
            return False
        return not any(matches(record) for matches in self._matches[:source])

    def _entries(
        self, source: int, positions: Positions
    ) -> Iterator[tuple[int, str, tuple[str, str]]]:
        """User, stream and position of each entry of a source."""
        if source <= NUMBERS:
            yield from self._keys(source, positions)
            return
        index = (BY_EMAIL, BY_NAME, BY_LAST_NAME)[source - NUMBERS - 1]
        streams = Streams(
            self._world,
            self._account_id,
            index,
            self._wanted.streams,
            prefix=self._text[:KEY_CHARACTERS],
            chunk=_chunk(self._wanted, self._limit),
        )
        for entry in streams.entries(positions):
            yield user_of(entry), entry["status"], streams.position(entry)

    def _keys(
        self, source: int, positions: Positions
    ) -> Iterator[tuple[int, str, tuple[str, str]]]:
        """Records by id, or claims by number: items of the table itself."""
        after = positions.get("", ("", ""))[1]
        for prefix in self._prefixes(source):
            if after and not after.startswith(prefix) and after > prefix:
                continue
            start = after if after.startswith(prefix) else None
            for item in walk(self._world.users, self._account_id, prefix, start, self._batch):
                yield int(item["user_id"]), "", ("", item["item"])

    def _prefixes(self, source: int) -> list[str]:
        """Ids are kept in twelve digits: those that begin with 42 are 42, 420 to 429, 4200 to …"""
        if source == NUMBERS:
            return [f"number/+{self._digits}"] if self._digits else []
        digits = self._id_digits.lstrip("0")
        if not digits or digits != self._id_digits:
            return []
        zeros = range(ID_DIGITS - len(digits), -1, -1)
        return [f"user/{'0' * count}{digits}" for count in zeros]

    def _by_id(self, record: Record) -> bool:
        return bool(self._id_digits) and str(record.user_id).startswith(self._id_digits)

    def _by_number(self, record: Record) -> bool:
        number = (record.number or "").removeprefix("+")
        return bool(self._digits) and number.startswith(self._digits)


def _sort_key(record: Record, sort: Sort) -> tuple[str, int]:
    name = text_key(record.first_name, record.last_name)
    keys = {
        "name": name,
        "status": f"{record.status.value} {name}",
        "email": text_key(record.email),
        "last_synced": (record.changed_at or datetime.min.replace(tzinfo=UTC)).isoformat(),
    }
    return keys[sort], record.user_id
