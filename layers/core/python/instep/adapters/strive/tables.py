"""Strive's tables over HTTP: reading them page by page, and writing them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from instep.adapters.answers import error_of, json_of, known_time, text_of, unanswered, unreadable
from instep.adapters.transport import encoded
from instep.domain.people import Side
from instep.use_cases.ports import HttpAnswer, HttpRequest, NoAnswerError, Transport

PAGE: Final = 1000
"""Rows asked for at once; Strive may have a lower cap and then answers fewer."""
MAX_QUERY: Final = 5900
"""Characters of a query string: with the rest of the URL below 6000."""
LONGEST_SELECT: Final = 200
"""Characters kept free for the columns asked for."""

DISPENSABLE: Final = frozenset(
    {"members_custom_fields", "member_change_log", "groups_members", "member_group_delete_log"}
)
"""Tables without which the sync goes on, as if they were empty."""
NO_SUCH_TABLE: Final = frozenset({"PGRST205", "42P01"})
"""The codes by which PostgREST (newer and older) says that there is no such table."""
NO_SUCH_METHOD: Final = "PGRST117"

Row = Mapping[str, Any]
Query = tuple[tuple[str, str], ...]


class Tables:
    """Reads and writes tables, rows of one campaign alone."""

    def __init__(self, transport: Transport, base_url: str, api_key: str, campaign_id: int) -> None:
        self._transport = transport
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._campaign_id = campaign_id
        self._missing: set[str] = set()

    def _mine(self) -> Query:
        return (("campaign_id", f"eq.{self._campaign_id}"),)

    def _room(self, column: str) -> int:
        """Characters of an encoded list of values that fit into a query string."""
        rest = (*self._mine(), (column, "in.()"), ("select", ""), ("order", "id.asc"))
        paging = len(f"&limit={PAGE}&id=gt.{2**63}&updated_at=gte.{'%3A' * 40}&offset={PAGE}")
        return MAX_QUERY - len(encoded(rest)) - paging - LONGEST_SELECT

    def _listed_rows(
        self, table: str, column: str, values: Iterable[str], select: str
    ) -> list[Row]:
        """Rows whose column has one of the values, by id."""
        found: list[Row] = []
        for some in chunks(list(dict.fromkeys(values)), self._room(column)):
            among: Query = (*self._mine(), (column, f"in.({','.join(some)})"))
            # An id can be filtered twice: both conditions hold.
            found += self._all_rows(table, "id", among, select)
        return found

    def _all_rows(self, table: str, key: str, query: Query, select: str) -> list[Row]:
        """All rows, page by page, in the order of their key. A page that is shorter than asked is
        the last only if it is empty or the total says so: Strive may have a cap of its own."""
        found: list[Row] = []
        after: Query = ()
        while True:
            rows, total = self._read(
                table,
                (
                    *query,
                    *after,
                    ("select", select),
                    ("order", f"{key}.asc"),
                    ("limit", str(PAGE)),
                ),
                count=True,
            )
            found += rows
            if not rows or (total is not None and len(rows) >= total):
                return found
            if after == (following := ((key, f"gt.{rows[-1][key]}"),)):
                raise unreadable(Side.STRIVE, writing=False)
            after = following

    def _read(self, table: str, query: Query, count: bool = False) -> tuple[list[Row], int | None]:
        """Rows, and how many there are in all where the answer tells. A dispensable table that
        Strive does not have is asked once and has none."""
        if table in self._missing:
            return [], 0
        headers = {"Prefer": "count=exact"} if count else {}
        try:
            answer = self._attempt("GET", table, query, headers=headers)
        except NoAnswerError as error:
            raise unanswered(Side.STRIVE, error, writing=False) from None
        if answer.status == 404 and table in DISPENSABLE and _code(answer) in NO_SUCH_TABLE:
            self._missing.add(table)
            return [], 0
        if answer.status not in (200, 206):
            raise error_of(Side.STRIVE, answer, writing=False, fields=())
        rows = rows_of(answer)
        if rows is None:
            raise unreadable(Side.STRIVE, writing=False)
        total = answer.headers.get("content-range", "").rpartition("/")[2]
        return rows, int(total) if total.isascii() and total.isdigit() else None

    # --- HTTP ---

    def _write(
        self,
        method: str,
        table: str,
        query: Query,
        body: Mapping[str, Any] | None = None,
        answer_with: str = "minimal",
        exists: bool = False,
        gone: bool = False,
    ) -> HttpAnswer:
        """A write's answer; with `exists` also the one that says that it is there already, with
        `gone` the one that says that it is not there."""
        try:
            answer = self._attempt(method, table, query, body, {"Prefer": f"return={answer_with}"})
        except NoAnswerError as error:
            raise unanswered(Side.STRIVE, error, writing=True) from None
        as_meant = (exists and _is_duplicate(answer)) or (gone and _is_gone(answer))
        if answer.status not in (200, 201, 204) and not as_meant:
            raise error_of(Side.STRIVE, answer, True, _refused_columns(answer, body or {}))
        return answer

    def _attempt(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        return self._transport.send(
            HttpRequest(
                method,
                f"{self._base_url}/{path}",
                query,
                {
                    "Authorization": f"Bearer {self._api_key}",
                    "Accept": "application/json",
                    **({"Content-Type": "application/json"} if content else {}),
                    **(headers or {}),
                },
                content,
            )
        )


def rows_of(answer: HttpAnswer) -> list[Row] | None:
    """The rows of an answer; None if it holds none, not even an empty list of them."""
    rows = json_of(answer)
    if isinstance(rows, dict) and "id" in rows:
        rows = [rows]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return rows


def time_in(row: Row, column: str) -> datetime:
    """The time in a column that always holds one."""
    try:
        return known_time(row.get(column))
    except ValueError:
        raise unreadable(Side.STRIVE, writing=False) from None


def _is_duplicate(answer: HttpAnswer) -> bool:
    """A 409 for a unique key, not for a group or member that does not exist."""
    return answer.status == 409 and _code(answer) in (None, "23505")


def _is_gone(answer: HttpAnswer) -> bool:
    """A 404 for a row, not for a table or a method that Strive does not have."""
    return answer.status == 404 and _code(answer) not in (*NO_SUCH_TABLE, NO_SUCH_METHOD)


def _code(answer: HttpAnswer) -> Any:
    """PostgREST's code in an error; None if there is none."""
    body = json_of(answer)
    return body.get("code") if isinstance(body, dict) else None


def _refused_columns(answer: HttpAnswer, sent: Collection[str]) -> list[str]:
    """Which of the columns sent the error's message names, in quotes as the database does."""
    body = json_of(answer)
    message = text_of(body.get("message")) if isinstance(body, dict) else ""
    return [name for name in re.findall(r"[\"'](\w+)[\"']", message) if name in sent]


def chunks(values: Sequence[str], room: int) -> Iterator[Sequence[str]]:
    """The values in lists that fit into `room` characters of a query string each."""
    start, used = 0, 0
    for place, value in enumerate(values):
        size = len(quote(value, safe="")) + len("%2C")
        if used + size > room and place > start:
            yield values[start:place]
            start, used = place, 0
        used += size
    if start < len(values):
        yield values[start:]
