"""Pages, usergroups and actions by REST, where SQL reports are not allowed.

A list of actions shows them, so whoever took them counts as read (A3): the caller holds the grant,
and no slots are taken. Pages and usergroups are no records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from instep.adapters.actionkit.calls import Calls, Query, id_in, page_of
from instep.adapters.actionkit.rest import PAGES_AT_ONCE, on_pages
from instep.adapters.answers import text_of, time_of
from instep.domain.rules import Moment
from instep.use_cases.ports import PageRow, Taken, UsergroupRow

MAX_LIMIT: Final = 100
"""Rows of one page."""
LOOKED_THROUGH: Final = 500
"""The newest actions that are looked through where they cannot be asked for by id and page."""

Rows = Iterator[dict[str, Any]]


class RestActions:
    """Reads the pages, usergroups and actions of an instance."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def moment(self) -> Moment:
        """ActionKit's time as its answer bears it, and the newest action's id."""
        newest = (("order_by", "-id"), ("_limit", "1"))
        page, at = self._calls.read_at("action/", newest, granted=True)
        return Moment(at, max((int(one["id"]) for one in page_of(page)[1]), default=0))

    def pages_after(self, page_id: int, limit: int) -> list[PageRow]:
        """Pages with ids above this, ascending."""
        rows = islice(self._after("page", page_id, limit), limit)
        return [
            PageRow(
                int(row["id"]),
                text_of(row.get("name")),
                text_of(row.get("title")),
                text_of(row.get("type")),
                time_of(row.get("updated_at")),
            )
            for row in rows
        ]

    def usergroups(self) -> list[UsergroupRow]:
        """All usergroups, by id."""
        rows = self._calls.listed("usergroup", (("order_by", "id"),))
        found = {_id(row): text_of(row.get("name")) for row in rows}
        return [UsergroupRow(one, found[one], None) for one in sorted(found)]

    def taken(self, action_id: int) -> Taken | None:
        """The action; None for 404."""
        row = self._calls.read(f"action/{int(action_id)}/", granted=True, absent=(404,))
        return None if row is None else _taken(row)

    def taken_after(self, action_id: int, page_ids: Sequence[int], limit: int) -> list[Taken]:
        """Actions on these pages with ids above this, ascending. Where they cannot be asked for by
        id and page those among the newest 500 of all pages: for older ones everybody has to be
        looked at in turn."""
        pages = on_pages(self._calls, page_ids)
        by_id = "id" in self._calls.allowed("action", "filtering", granted=True)
        if by_id and (pages or len(page_ids) > PAGES_AT_ONCE):
            rows = self._after("action", action_id, limit, pages, granted=True)
        else:
            rows = iter(self._newest(action_id))
        found = (one for one in map(_taken, rows) if one.page_id in page_ids)
        return list(islice(found, limit))

    def _newest(self, after: int) -> list[dict[str, Any]]:
        """The newest actions above an id, ascending."""
        found: list[dict[str, Any]] = []
        for offset in range(0, LOOKED_THROUGH, MAX_LIMIT):
            place = (("_limit", str(MAX_LIMIT)), ("_offset", str(offset)))
            page = self._calls.read("action/", (("order_by", "-id"), *place), granted=True)
            meta, rows = page_of(page)
            above = [row for row in rows if int(row["id"]) > after]
            found += above
            if len(above) < len(rows) or not meta.get("next"):
                break
        return sorted({int(row["id"]): row for row in found}.values(), key=_id)

    def _after(
        self, resource: str, after: int, limit: int, among: Query = (), granted: bool = False
    ) -> Rows:
        """A list's objects above an id, ascending: no more at once than are wanted."""
        if "id" not in self._calls.allowed(resource, "filtering", granted):
            rows = self._calls.listed(resource, (*among, ("order_by", "id")), granted)
            yield from sorted((row for row in rows if _id(row) > after), key=_id)
            return
        size, more = min(limit, MAX_LIMIT), True
        while more:
            query = (*among, ("id__gt", str(after)), ("order_by", "id"), ("_limit", str(size)))
            meta, rows = page_of(self._calls.read(f"{resource}/", query, granted=granted))
            rows = [row for row in rows if _id(row) > after]
            yield from rows
            more = bool(rows and meta.get("next"))
            after = max(map(_id, rows), default=after)


def _id(row: dict[str, Any]) -> int:
    return int(row["id"]) if "id" in row else id_in(row.get("resource_uri"))


def _taken(row: dict[str, Any]) -> Taken:
    return Taken(int(row["id"]), id_in(row["user"]), id_in(row["page"]))
