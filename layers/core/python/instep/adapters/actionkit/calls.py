"""Requests to ActionKit, one attempt each, and what its answers say."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, Final, Literal

from instep.adapters.answers import (
    PASSING,
    error_of,
    http_time,
    json_of,
    text_of,
    unanswered,
    unreadable,
)
from instep.domain.people import Side
from instep.use_cases.ports import (
    Clock,
    HttpAnswer,
    HttpRequest,
    NoAnswerError,
    Permits,
    Transport,
)

ROOT: Final = "/rest/v1/"
SQL: Final = "report/run/sql/"
RETRY_SECONDS: Final = 1.0
"""How long before a failed read is tried once more."""
MAX_PAGES: Final = 1000
MAX_ROWS: Final = 10_000
"""ActionKit refuses a report of more rows."""

Query = Sequence[tuple[str, str]]
Body = Mapping[str, Any]


class Calls:
    """Calls with a staff account's credentials. A call either takes a slot of the account's pace
    for each attempt, or its caller holds a grant (`granted`): then there is one attempt alone,
    since the grant is for one."""

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        username: str,
        password: str,
        permits: Permits,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._base_url = base_url.rstrip("/")
        self._login = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._permits = permits
        self._clock = clock
        self._schemas: dict[str, Mapping[str, Any]] = {}

    def read(
        self,
        path: str,
        query: Query = (),
        body: Body | None = None,
        granted: bool = False,
        absent: Sequence[int] = (),
    ) -> Any:
        """The JSON of a read: a GET, or with a body the POST of a report; None for a status that
        says that it is `absent`. Raises Unauthorised, Busy, Rejected, Unavailable."""
        answer = self._answered(path, query, body, granted, absent)
        return None if answer.status in absent else _json(answer)

    def read_at(self, path: str, query: Query = (), granted: bool = False) -> tuple[Any, datetime]:
        """As `read`, with the time by ActionKit's clock (the header `Date`); by ours where the
        answer does not say."""
        answer = self._answered(path, query, None, granted, ())
        at = http_time(answer.headers.get("date", ""))
        return _json(answer), at or self._clock.now()

    def _answered(
        self, path: str, query: Query, body: Body | None, granted: bool, absent: Sequence[int]
    ) -> HttpAnswer:
        answer = self._read(path, query, body, granted)
        if answer.status in PASSING and not granted:
            self._clock.sleep(RETRY_SECONDS)
            answer = self._read(path, query, body, granted)
        if answer.status != 200 and answer.status not in absent:
            raise error_of(Side.ACTIONKIT, answer, False, refused_fields(answer))
        return answer

    def _read(self, path: str, query: Query, body: Body | None, granted: bool) -> HttpAnswer:
        try:
            return self.attempt("GET" if body is None else "POST", path, query, body, granted)
        except NoAnswerError as error:
            raise unanswered(Side.ACTIONKIT, error, writing=False) from None

    def write(
        self, path: str, body: Body, granted: bool = False, hoped_for: Sequence[int] = (200, 201)
    ) -> HttpAnswer:
        """The answer to a POST, made once. Raises as `read`; Unavailable says whether the write
        may have happened."""
        try:
            answer = self.attempt("POST", path, (), body, granted)
        except NoAnswerError as error:
            raise unanswered(Side.ACTIONKIT, error, writing=True) from None
        if answer.status not in hoped_for:
            raise error_of(Side.ACTIONKIT, answer, True, refused_fields(answer))
        return answer

    def attempt(
        self,
        method: str,
        path: str,
        query: Query = (),
        body: Body | None = None,
        granted: bool = False,
    ) -> HttpAnswer:
        """One HTTP attempt, whatever comes of it. Raises NoAnswerError."""
        headers = {"Authorization": f"Basic {self._login}", "Accept": "application/json"}
        content = b""
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False).encode()
        url = f"{self._base_url}{ROOT}{path}"
        slot: AbstractContextManager[None] = nullcontext() if granted else self._permits.slot()
        with slot:
            return self._transport.send(HttpRequest(method, url, tuple(query), headers, content))

    def report(
        self, query: str, values: Mapping[str, Any] | None = None, granted: bool = False
    ) -> list[list[Any]]:
        """The rows of an SQL report, never from the cache of results. `values` fill `{{ name }}`
        in the query; ActionKit quotes them."""
        body = {"query": query, **(values or {}), "refresh": True, "cache_duration": 1}
        rows = self.read(SQL, body=body, granted=granted)
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise unreadable(Side.ACTIONKIT, writing=False)
        return rows

    def listed(self, resource: str, query: Query, granted: bool = False) -> list[dict[str, Any]]:
        """All objects of a list, page by page: the next one is asked for by place, never by the
        address that an answer gives. A page without anything is the last; the same page again, from
        a list that does not turn its pages, is an error."""
        found: list[dict[str, Any]] = []
        before: list[dict[str, Any]] = []
        for _ in range(MAX_PAGES):
            place = (("_limit", "100"), ("_offset", str(len(found))))
            page = self.read(f"{resource}/", (*query, *place), granted=granted)
            meta, objects = page_of(page)
            found += objects
            if not objects or not meta.get("next"):
                return found
            if objects == before:
                break
            before = objects
        raise unreadable(Side.ACTIONKIT, writing=False)

    def allowed(
        self, resource: str, what: Literal["filtering", "ordering"], granted: bool = False
    ) -> frozenset[str]:
        """By what a resource's lists may be filtered or ordered, as its schema says, which is asked
        once."""
        if resource not in self._schemas:
            schema = self.read(f"{resource}/schema/", granted=granted)
            self._schemas[resource] = schema if isinstance(schema, dict) else {}
        return frozenset(self._schemas[resource].get(what) or ())

    def total(self, resource: str, query: Query = (), granted: bool = False) -> int:
        """How many objects a list has; a page far beyond its end shows nobody's values."""
        beyond = (("_limit", "1"), ("_offset", "1000000000"))
        meta, _ = page_of(self.read(f"{resource}/", (*query, *beyond), granted=granted))
        return int(meta["total_count"])


def _json(answer: HttpAnswer) -> Any:
    found = json_of(answer)
    if found is None:
        raise unreadable(Side.ACTIONKIT, writing=False)
    return found


def page_of(page: Any) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    """`meta` and `objects` of a page of a list."""
    if isinstance(page, dict):
        meta, objects = page.get("meta"), page.get("objects")
        if isinstance(meta, dict) and isinstance(objects, list):
            return meta, [one for one in objects if isinstance(one, dict)]
    raise unreadable(Side.ACTIONKIT, writing=False)


def refused_fields(answer: HttpAnswer) -> list[str]:
    """The fields that an error body names, by our own names: never what it says of them.

    Seen are `{"errors": {field: [text]}}`, `{field: text}`, `{resource: {field: [text]}}`,
    `{resource: {"errors": [text]}}`, `{field: [text]}`, `{"errors": text or [text]}` and
    `{"error": text}`; an empty body names nothing.
    """
    return list(dict.fromkeys(_fields(json_of(answer))))


def _fields(body: Any) -> Iterator[str]:
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        if isinstance(value, dict):
            yield from _fields(value)
        elif name not in ("errors", "error"):
            yield text_of(name).removeprefix("user_")


def id_in(uri: Any) -> int:
    """The id at the end of a path or a whole URI. Raises ValueError."""
    return int(text_of(uri).rstrip("/").rpartition("/")[2])
