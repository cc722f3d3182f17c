"""Where a user's record stands in the indexes, so that lists are sorted and searched by reading
no more than what is shown (U7).

An index to sort by keeps a *stream* for each status, and one for each warning: a user with a
warning has a marker, an item of its own that stands in the warning's streams with the same sort
keys. An index to search keeps one for each first character, whatever the status.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain

from instep.domain.record import Record, Status, Warning  # noqa: A004
from instep.use_cases.ports import INDEXES, Item
from instep.use_cases.stored import stamp
from instep.use_cases.world import World

STATUS = "status"
"""What names the streams of indexes to sort by."""
BY_NAME = "by_name"
BY_EMAIL = "by_email"
BY_CHANGED = "by_changed"
FIND_BY_ID = "find_by_id"
FIND_BY_NUMBER = "find_by_number"
FIND_BY_EMAIL = "find_by_email"
FIND_BY_NAME = "find_by_name"
FIND_BY_LAST_NAME = "find_by_last_name"

STATUSES = tuple(sorted(status.value for status in Status if status is not Status.PENDING))
"""Streams of all users; `pending` is never recorded (U8)."""

Positions = dict[str, tuple[str, str]]
"""How far each stream was read: the sort key and item of its last entry."""


def text_key(*parts: str) -> str:
    """Text as it is sorted and searched: in small letters, with single spaces, and no longer than
    a sort key may be (1024 bytes)."""
    return " ".join(" ".join(parts).split()).casefold()[:250]


KEY_CHARACTERS = 200
"""A sort key may have 1024 bytes; longer names and emails are sorted by their beginning."""
CHUNK = 50
"""How much of a stream is read at once where nothing else is asked for."""


def sort_keys(record: Record) -> dict[str, str]:
    """By what a record with a status is sorted. Who has no name or email comes first."""
    keys = {
        "name_key": text_key(record.first_name, record.last_name)[:KEY_CHARACTERS] or "-",
        "email_key": text_key(record.email)[:KEY_CHARACTERS] or "-",
    }
    if record.changed_at is not None:
        keys["changed_at"] = stamp(record.changed_at)
    return keys


def index_keys(record: Record) -> dict[str, str]:
    """All that a record with a status stands in indexes by; who has no last name or number is not
    found by it."""
    keys = {**sort_keys(record), "id_key": str(record.user_id)}
    if record.number:
        keys["number_key"] = record.number.removeprefix("+")
    if last_name := text_key(record.last_name):
        keys["last_name_key"] = last_name[:KEY_CHARACTERS]
    for index in INDEXES.values():
        if index.stream != STATUS and index.sort in keys:
            keys[index.stream] = keys[index.sort][0]
    return keys


def warning_stream(warning: Warning) -> str:
    """The stream of the users with a warning."""
    return f"warning:{warning.value}"


def marker_key(warning: Warning, user_id: int) -> str:
    """The key of a user's marker for a warning."""
    return f"warning/{warning.value}/{user_id:012d}"


def marker_items(account_id: str, record: Record) -> list[Item]:
    """The markers of a record, to be put before the record is."""
    return [
        {
            "account_id": account_id,
            "item": marker_key(warning, record.user_id),
            STATUS: warning_stream(warning),
            "user_id": record.user_id,
            **sort_keys(record),
        }
        for warning in sorted(record.warnings)
    ]


def user_of(entry: Item) -> int:
    """The user of an index's entry: keys end with the id."""
    return int(entry["item"].rsplit("/", 1)[1])


@dataclass(frozen=True, slots=True)
class Streams:
    """Some streams of one index, read as one list. `one_by_one`: one stream after the other, else
    merged by the sort key. `chunks`: how much of a stream is read at once, where not CHUNK."""

    world: World
    account_id: str
    index: str
    names: tuple[str, ...]
    prefix: str = ""
    descending: bool = False
    one_by_one: bool = False
    chunks: Mapping[str, int] = field(default_factory=dict)

    def entries(self, after: Positions) -> Iterator[Item]:
        """Entries in order, each stream from after its position; queried only as far as read."""
        names = sorted(self.names, reverse=self.descending and self.one_by_one)
        streams = [self._stream(name, after.get(name)) for name in names]
        if self.one_by_one:
            return chain.from_iterable(streams)
        sort = INDEXES[self.index].sort
        return merge(*streams, key=lambda entry: str(entry[sort]), reverse=self.descending)

    def position(self, entry: Item) -> tuple[str, str]:
        """Where an entry is in its stream."""
        return entry[INDEXES[self.index].sort], entry["item"]

    def name(self, entry: Item) -> str:
        """The stream of an entry."""
        return str(entry[INDEXES[self.index].stream])

    def _stream(self, name: str, position: tuple[str, str] | None) -> Iterator[Item]:
        chunk = self.chunks.get(name, CHUNK)
        after: Item | None = None
        if position is not None:
            of = INDEXES[self.index]
            after = {
                "account_id": self.account_id,
                "item": position[1],
                of.stream: name,
                of.sort: position[0],
            }
        while True:
            page = self.world.users.query_index(
                self.index,
                self.account_id,
                name,
                prefix=self.prefix,
                after=after,
                limit=chunk,
                descending=self.descending,
            )
            yield from page
            if len(page) < chunk:
                return
            after = page[-1]
