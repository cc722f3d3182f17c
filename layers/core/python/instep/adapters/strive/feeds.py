"""Where Strive tells of changed members (U4): six tables, each read in the order of its times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from instep.adapters.answers import time_of, unreadable
from instep.adapters.strive.tables import PAGE, Query, Row, Tables, time_in
from instep.domain.people import Side
from instep.use_cases.ports import Changed, Feed, Place


@dataclass(frozen=True, slots=True)
class _Source:
    """A table, the column of its times, the one that names the member, and the one by which rows
    of one time are told apart: an id of the row, else the member, who needs naming only once."""

    table: str
    clock: str
    member: str
    key: str
    group: bool = False

    @property
    def columns(self) -> str:
        columns = [self.clock, self.member, self.key, *(["group_id"] if self.group else [])]
        return ",".join(dict.fromkeys(columns))


_SOURCES: Final[Mapping[Feed, _Source]] = {
    "members": _Source("members", "updated_at", "id", "id"),
    "custom_values": _Source("members_custom_fields", "updated_at", "id", "id"),
    "change_log": _Source("member_change_log", "updated_at", "member_id", "member_id"),
    "events": _Source("subscription_events", "created_at", "member_id", "id"),
    "joins": _Source("groups_members", "created_at", "member_id", "member_id", group=True),
    "removals": _Source(
        "member_group_delete_log", "member_removed_on", "member_id", "member_id", group=True
    ),
}


class Feeds(Tables):
    """Reads what changed. Ids and times alone, no values."""

    def changed_since(
        self, feed: Feed, after: Place, limit: int, group_id: int = 0
    ) -> tuple[list[Changed], Place]:
        """Members named by a feed after a place, in the order of time, at most `limit` rows, and
        the place after them; `joins` are those of one group. Fewer rows than `limit` is the end of
        the feed for now.

        The `past` of a place is a row's key, the member's id or an event's, not a number of rows:
        rows may leave a time while it is read, and no count would then lead to the next one. A
        place with `past` 0 is before all rows of its time, one with None after them."""
        return self._walk(_SOURCES[feed], self._among(feed, group_id), after, limit)

    def unsubscribed_since(self, after: Place, limit: int) -> tuple[list[Changed], Place]:
        """As `changed_since`, of the events that are opt-outs; `row` is the event's id."""
        among = (*self._among("events"), ("unsubscribe", "is.true"))
        return self._walk(_SOURCES["events"], among, after, limit)

    def newest(self, feed: Feed, group_id: int = 0) -> datetime | None:
        """The latest time in a feed; None if it is empty."""
        source = _SOURCES[feed]
        query: Query = (
            *self._among(feed, group_id),
            ("select", source.clock),
            ("order", f"{source.clock}.desc.nullslast"),
            ("limit", "1"),
        )
        rows, _ = self._read(source.table, query)
        return time_of(rows[0].get(source.clock)) if rows else None

    def count_members(self, above: int = 0) -> int:
        """How many members have an id above this."""
        query: Query = (*self._mine(), ("id", f"gt.{above}"), ("select", "id"), ("limit", "1"))
        _, total = self._read("members", query, count=True)
        if total is not None:
            return total
        count = 0
        while ids := self.member_ids(above, PAGE):
            count += len(ids)
            above = ids[-1]
        return count

    def member_ids(self, after: int, limit: int) -> list[int]:
        """Ids of members above `after`, ascending, at most `limit`; fewer is the end."""
        found: list[int] = []
        while len(found) < limit:
            query: Query = (
                *self._mine(),
                ("id", f"gt.{after}"),
                ("select", "id"),
                ("order", "id.asc"),
                ("limit", str(min(PAGE, limit - len(found)))),
            )
            rows, total = self._read("members", query, count=True)
            found += [row["id"] for row in rows]
            if not rows or (total is not None and len(rows) >= total):
                break
            if found[-1] <= after:
                raise unreadable(Side.STRIVE, writing=False)
            after = found[-1]
        return found

    def _among(self, feed: Feed, group_id: int = 0) -> Query:
        """The rows that a feed is about; those of no member tell of nobody."""
        group: Query = (("group_id", f"eq.{group_id}"),) if feed == "joins" else ()
        return (*self._mine(), (_SOURCES[feed].member, "gt.0"), *group)

    def _walk(
        self, source: _Source, among: Query, after: Place, limit: int
    ) -> tuple[list[Changed], Place]:
        """First the rest of the place's own time by key, then all later times; after each page
        that is not the last, so again from its last row."""
        found: list[Changed] = []
        place, rest_of_time = after, bool(after.past)
        while len(found) < limit:
            rows, total = self._read(
                source.table,
                (
                    *among,
                    *_beyond(source, place, rest_of_time),
                    ("select", source.columns),
                    ("order", f"{source.clock}.asc,{source.key}.asc"),
                    ("limit", str(min(PAGE, limit - len(found)))),
                ),
                count=True,
            )
            found += [_changed(source, row) for row in rows]
            if rows:
                reached = Place(found[-1].at, rows[-1][source.key])
                if reached == place:
                    raise unreadable(Side.STRIVE, writing=False)
                place = reached
            last = not rows or (total is not None and len(rows) >= total)
            if last and not rest_of_time:
                break
            rest_of_time = not last
        return found, place


def _beyond(source: _Source, place: Place, rest_of_time: bool) -> Query:
    at = place.at.isoformat()
    if rest_of_time:
        return ((source.clock, f"eq.{at}"), (source.key, f"gt.{place.past}"))
    return ((source.clock, f"gte.{at}" if place.past == 0 else f"gt.{at}"),)


def _changed(source: _Source, row: Row) -> Changed:
    return Changed(
        id=row[source.member],
        at=time_in(row, source.clock),
        row=row[source.key] if source.key != source.member else 0,
        group_id=row["group_id"] if source.group else 0,
    )
