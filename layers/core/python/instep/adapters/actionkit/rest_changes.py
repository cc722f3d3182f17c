"""What changed, by REST lists filtered and ordered by time, where an instance's schema allows it.

Lists show values, so whoever they show counts as read (A3): the caller holds the grant, except
where only the schema or a count is asked for. What has no time (removed rows, memberships) is not
to be found so; everybody has to be looked at in turn besides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from instep.adapters.actionkit.calls import Calls, id_in, page_of
from instep.adapters.actionkit.changes import spellings_of, time_text
from instep.adapters.answers import known_time, time_of
from instep.domain.consent import FALSE_VALUES
from instep.use_cases.ports import Changed, Place

OWNERS: Final = {"user": "id", "userfield": "user", "phone": "user"}
"""The lists with a clock, and by what each tells whose row it is."""
MAX_LIMIT: Final = 100
"""Rows of one page."""

Key = tuple[datetime, int]
Filters = list[tuple[str, str]]


class RestChanges:
    """Reads the feeds of an instance."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def can_tell(self) -> bool:
        """Whether all lists can be filtered by time and owner, and ordered by time."""
        return all(
            {"updated_at", owner} <= self._calls.allowed(resource, "filtering")
            and "updated_at" in self._calls.allowed(resource, "ordering")
            for resource, owner in OWNERS.items()
        )

    def changed_since(self, after: Place, limit: int, userfields: Sequence[str]) -> list[Changed]:
        """The first `limit` (time, user) after a place; fewer are all."""
        found: list[Changed] = []
        ended = False
        while len(found) < limit and not ended:
            size = min(limit - len(found), MAX_LIMIT)
            some, ended = self._some_changed(after, size, userfields)
            found += some
            if some:
                after = Place(some[-1].at, some[-1].id)
        return found

    def _some_changed(
        self, after: Place, size: int, userfields: Sequence[str]
    ) -> tuple[list[Changed], bool]:
        """At least one, if there are any, and whether those are all."""
        found: set[Key] = set()
        ends: list[Key] = []
        for resource, named in _lists(userfields):
            keys, end = self._first(resource, named, after, size)
            found.update(keys)
            ends += [] if end is None else [end]
        if ends:
            found = {key for key in found if key <= min(ends)}
        some = [Changed(user_id, at) for at, user_id in sorted(found)[:size]]
        return some, not ends and len(found) <= size

    def refusals_since(self, after: Place, limit: int, userfield: str) -> list[Changed]:
        """The first `limit` rows with a recognised false after a place, in order of (time, row);
        fewer are all."""
        said_no = [("name", userfield), *(("value__in", text) for text in sorted(FALSE_VALUES))]
        found: list[Changed] = []
        at, past = time_text(after.at, "T"), after.past
        while len(found) < limit:
            if past is not None:
                query = [("updated_at", at), ("id__gt", str(past)), ("order_by", "id")]
            else:
                query = [("updated_at__gt", at), ("order_by", "updated_at"), ("order_by", "id")]
            rows, more = self._page("userfield", [*said_no, *query], limit - len(found))
            found += [Changed(_owner(row), _time(row), int(row["id"])) for row in rows]
            if rows and more:
                at, past = time_text(found[-1].at, "T"), found[-1].row
            elif past is None:
                break
            else:
                past = None
        return found

    def newest_change(self, userfields: Sequence[str]) -> datetime | None:
        """The latest time in any of the lists."""
        times = [
            time_of(row.get("updated_at"))
            for resource, named in _lists(userfields)
            for row in self._page(resource, [*named, ("order_by", "-updated_at")], 1)[0]
        ]
        return max((at for at in times if at is not None), default=None)

    def users_with(self, numbers: Sequence[str]) -> list[int]:
        """Who typed one of the numbers; nobody if phones cannot be filtered by number."""
        if "normalized_phone" not in self._calls.allowed("phone", "filtering"):
            return []
        spellings = sorted({text for number in numbers for text in spellings_of(number)})
        among = [("normalized_phone__in", text) for text in spellings]
        phones = self._calls.listed("phone", [*among, ("order_by", "id")])
        return sorted({_owner(phone) for phone in phones})

    def _first(
        self, resource: str, named: Filters, after: Place, limit: int
    ) -> tuple[list[Key], Key | None]:
        """The first (time, user) after a place in one list, and up to where they are complete
        (None: to its end)."""
        at, owner = time_text(after.at, "T"), OWNERS[resource]
        found: list[Key] = []
        if after.past is not None:
            past = after.past
            same = [*named, ("updated_at", at), (f"{owner}__gt", str(past))]
            if self._total(resource, same) > limit:
                upto = _last_within(
                    limit,
                    past,
                    lambda upto: self._total(resource, [*same, (f"{owner}__lte", str(upto))]),
                )
                same.append((f"{owner}__lte", str(upto)))
                return self._of_one_time(resource, same), (after.at, upto)
            found = self._of_one_time(resource, same)
        later = [*named, ("updated_at__gt", at), ("order_by", "updated_at")]
        rows, more = self._page(resource, later, limit)
        if not more:
            return found + _keys(rows), None
        last = _time(rows[-1])
        complete = [key for key in _keys(rows) if key[0] < last]
        if found or complete:
            return found + complete, (last, -1)
        return self._first(resource, named, Place(last, 0), limit)

    def _of_one_time(self, resource: str, query: Filters) -> list[Key]:
        rows = self._calls.listed(resource, [*query, ("order_by", "id")], granted=True)
        return _keys(rows)

    def _page(self, resource: str, query: Filters, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """A list's first objects, and whether there are more."""
        place = [("_limit", str(min(limit, MAX_LIMIT)))]
        meta, rows = page_of(self._calls.read(f"{resource}/", [*query, *place], granted=True))
        return rows, bool(rows and meta.get("next"))

    def _total(self, resource: str, query: Filters) -> int:
        return self._calls.total(resource, query, granted=True)


def _lists(userfields: Sequence[str]) -> list[tuple[str, Filters]]:
    named = [("name__in", name) for name in userfields]
    if len(named) == 1:
        named = [("name", userfields[0])]
    lists: list[tuple[str, Filters]] = [("user", []), ("phone", [])]
    return [*lists, ("userfield", named)] if named else lists


def _last_within(limit: int, past: int, count: Callable[[int], int]) -> int:
    """The highest id up to which there are at most `limit` rows above `past`: but somebody's, if
    one alone has more."""
    low, step = past, 1
    while count(low + step) <= limit:
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if count(middle) <= limit:
            low = middle
        else:
            high = middle
    return low if low > past and count(low) else high


def _keys(rows: Sequence[dict[str, Any]]) -> list[Key]:
    return [(_time(row), _owner(row)) for row in rows]


def _time(row: dict[str, Any]) -> datetime:
    return known_time(row.get("updated_at"))


def _owner(row: dict[str, Any]) -> int:
    uri = row.get("user") or row.get("parent")
    return int(row["id"]) if uri is None else id_in(uri)
