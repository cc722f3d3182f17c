"""The part of PostgREST that Strive's public pages list: filters, select, order, paging, errors.

Operators: eq gt gte lt lte neq like ilike in is isdistinct, each also after `not.`. What the twin
does not model (`or`, `and`, embedding, casts) is refused with 400, never ignored.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from local.twins.http import Response, json_response
from local.twins.strive.tables import VISIBLE_AT, Kind, Row, Table, written

JSON_TYPE: Final = "application/json; charset=utf-8"


class Refused(Exception):
    """A request that the API refuses, with the body that PostgREST would send."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "details": details, "hint": hint, "message": message}

    def response(self) -> Response:
        return json_response(self.status, self.body, {"Content-Type": JSON_TYPE})


def no_such_column(table: Table, column: str) -> Refused:
    """What reading or filtering by a column that does not exist answers."""
    return Refused(400, "42703", f"column {table.name}.{column} does not exist")


def no_such_column_to_write(table: Table, column: str) -> Refused:
    """What writing a column that does not exist answers."""
    message = f"Could not find the '{column}' column of '{table.name}' in the schema cache"
    return Refused(400, "PGRST204", message)


def _unreadable(what: str) -> Refused:
    return Refused(400, "PGRST100", f'"failed to parse {what}"', "unexpected input")


# --- values ---------------------------------------------------------------------------------

_TYPE_NAMES: Final[Mapping[Kind, str]] = {
    "int": "bigint",
    "text": "text",
    "bool": "boolean",
    "time": "timestamp with time zone",
    "json": "json",
}
_TRUE: Final = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "off", "0"})


def literal(kind: Kind, text: str) -> Any:
    """A value written in a URL or a body as text, as the column's type. Refused if it is none."""
    try:
        if kind == "int":
            return int(text)
        if kind == "time":
            return _time(text)
        if kind == "json":
            return json.loads(text)
    except ValueError:
        raise _not_a(kind, text) from None
    if kind == "bool":
        lowered = text.strip().lower()
        if lowered in _TRUE:
            return True
        if lowered in _FALSE:
            return False
        raise _not_a(kind, text)
    return text


def _time(text: str) -> str:
    at = datetime.fromisoformat(text)
    return written(at.replace(tzinfo=UTC) if at.tzinfo is None else at, microseconds=True)


def _not_a(kind: Kind, text: str) -> Refused:
    code = "22007" if kind == "time" else "22P02"
    return Refused(400, code, f'invalid input syntax for type {_TYPE_NAMES[kind]}: "{text}"')


# --- filters --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a row. `values`: where an index can find the rows; `since`: a lower bound
    of a time column."""

    column: str
    test: Callable[[Row], bool]
    values: tuple[Any, ...] | None = None
    since: str | None = None


_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_IS: Final[Mapping[str, Any]] = {"null": None, "unknown": None, "true": True, "false": False}


def filter_of(table: Table, key: str, condition: str) -> Filter:
    """One `column=operator.value` of a query string."""
    column, kind, value_of = _source(table, key)
    negated = condition.startswith("not.")
    name, dot, text = condition.removeprefix("not.").partition(".")
    if not dot:
        raise _unreadable(f"filter ({condition})")

    if name == "is":
        if text.lower() not in _IS:
            raise _unreadable(f"filter ({condition})")
        wanted = _IS[text.lower()]
        # In SQL `is` and `is distinct from` know null; every other operator says null of it,
        # and null selects no row, negated or not.
        return Filter(column, lambda row: (value_of(row) is wanted) is not negated)
    if name == "isdistinct":
        other = literal(kind, text)
        return Filter(column, lambda row: (value_of(row) != other) is not negated)

    holds: Callable[[Any], bool]
    values: tuple[Any, ...] | None = None
    since: str | None = None
    if name in _COMPARED:
        compare, right = _COMPARED[name], literal(kind, text)
        if kind == "json" and name not in ("eq", "neq"):
            raise Refused(400, "42883", f"operator does not exist for json: {name}")
        holds = lambda value: compare(value, right)  # noqa: E731
        values = (right,) if name == "eq" and kind != "json" else None
        since = right if kind == "time" and name in ("eq", "gt", "gte") else None
    elif name == "in":
        if kind == "json":
            raise Refused(400, "42883", "operator does not exist: json = json")
        listed = dict.fromkeys(literal(kind, part) for part in _listed(text))
        holds = listed.__contains__
        values = tuple(listed)
    elif name in ("like", "ilike"):
        if kind != "text":
            raise Refused(400, "42883", f"operator does not exist: {_TYPE_NAMES[kind]} ~~ unknown")
        pattern = _pattern(text, re.IGNORECASE if name == "ilike" else re.NOFLAG)
        holds = lambda value: pattern.fullmatch(value) is not None  # noqa: E731
    else:
        raise _unreadable(f"filter ({condition})")

    def test(row: Row) -> bool:
        value = value_of(row)
        return value is not None and holds(value) is not negated

    if negated or column != key:
        return Filter(column, test)
    return Filter(column, test, values, since)


def _source(table: Table, key: str) -> tuple[str, Kind, Callable[[Row], Any]]:
    """A filter's or order's left side: a column, or a path into a JSON column."""
    column, *steps = re.split(r"(->>?)", key)
    kind = table.columns.get(column)
    if kind is None:
        raise no_such_column(table, column)
    value_of = table.value_of(column)
    if not steps:
        return column, kind, value_of
    if kind != "json" or not all(steps):
        raise Refused(400, "42883", f"operator does not exist: {_TYPE_NAMES[kind]} -> unknown")
    names, as_text = steps[1::2], steps[-2] == "->>"
    if "->>" in steps[:-2]:
        raise Refused(400, "42883", "operator does not exist: text -> unknown")

    def at_path(row: Row) -> Any:
        value = value_of(row)
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if not as_text or value is None or isinstance(value, str):
            return value
        return json.dumps(value, ensure_ascii=False)

    return column, "text" if as_text else "json", at_path


def _listed(text: str) -> list[str]:
    """The values of `(1,2,"a, b")`; a quoted one may hold commas, `\\"` and `\\\\`."""
    if not (text.startswith("(") and text.endswith(")")):
        raise _unreadable(f"filter (in.{text})")
    inner = text[1:-1]
    if '"' not in inner:
        return inner.split(",") if inner else []
    values: list[str] = []
    place = 0
    while place <= len(inner):
        quoted = re.compile(r'"((?:[^"\\]|\\.)*)"(?=,|$)').match(inner, place)
        plain = re.compile(r"[^,]*").match(inner, place)
        if quoted:
            values.append(re.sub(r"\\(.)", r"\1", quoted.group(1)))
            place = quoted.end() + 1
        elif plain and '"' not in plain.group():
            values.append(plain.group())
            place = plain.end() + 1
        else:
            raise _unreadable(f"filter (in.{text})")
    return values


def _pattern(text: str, flags: re.RegexFlag) -> re.Pattern[str]:
    parts = {"%": ".*", "*": ".*", "_": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in text), flags | re.DOTALL)


# --- queries --------------------------------------------------------------------------------

_RESERVED: Final = frozenset({"select", "order", "limit", "offset", "on_conflict", "columns"})
_NOT_MODELLED: Final = frozenset({"or", "and", "not.or", "not.and"})


def filters_of(table: Table, query: Sequence[tuple[str, str]]) -> list[Filter]:
    """Every condition of a query string; they must all hold."""
    filters = []
    for key, condition in query:
        if key in _NOT_MODELLED:
            raise Refused(400, "PGRST100", f"this twin does not model '{key}'")
        if key not in _RESERVED:
            filters.append(filter_of(table, key, condition))
    return filters


def rows_of(
    table: Table, campaigns: frozenset[int], filters: Sequence[Filter], now: str
) -> list[Row]:
    """The rows of the campaigns that pass every filter, found by the smallest index that helps."""
    where: tuple[str, Sequence[Any]] = (table.campaign_column, sorted(campaigns))
    fewest = table.how_many(*where)
    for each in filters:
        if each.values is not None and each.column in table.indexed:
            count = table.how_many(each.column, each.values)
            if count < fewest:
                where, fewest = (each.column, each.values), count
    since = max((f.since for f in filters if f.since and f.column == table.log_clock), default=None)
    rows: list[Row] = []
    if since is not None and len(recent := table.since(since)) < fewest:
        rows = recent
    else:
        for value in where[1]:
            rows.extend(table.found(where[0], value))
    mine = table.campaign_column
    rows = [row for row in rows if row[mine] in campaigns]
    if table.log_clock is not None:
        rows = [row for row in rows if row.get(VISIBLE_AT, "") <= now]
    for each in filters:
        test = each.test
        rows = [row for row in rows if test(row)]
    return rows


def sort(table: Table, rows: list[Row], order: str) -> None:
    """Sorts by `column.asc|desc[.nullsfirst|nullslast],…`; nulls are the greatest value."""
    for term in reversed(order.split(",") if order else []):
        key, *how = term.split(".")
        direction = how[0] if how and how[0] in ("asc", "desc") else None
        nulls = how[-1] if how and how[-1] in ("nullsfirst", "nullslast") else None
        if len(how) != (direction is not None) + (nulls is not None):
            raise _unreadable(f"order ({order})")
        _, kind, value_of = _source(table, key)
        if kind == "json":
            raise Refused(400, "42883", "could not identify an ordering operator for type json")
        descending = direction == "desc"
        nulls_last = nulls == "nullslast" if nulls else not descending
        rows.sort(key=_sort_key(value_of, nulls_last is not descending), reverse=descending)


def _sort_key(value_of: Callable[[Row], Any], nulls_high: bool) -> Callable[[Row], Any]:
    def key(row: Row) -> tuple[bool, Any]:
        value = value_of(row)
        return ((value is None) is nulls_high, 0 if value is None else value)

    return key


def projection(table: Table, select: str) -> Callable[[Row], dict[str, Any]]:
    """How rows are shown under `select=*` or `select=column,alias:column,custom->>x`."""
    if select in ("", "*"):
        return table.shown
    shown: dict[str, Callable[[Row], Any]] = {}
    for part in select.split(","):
        if part == "*":
            shown.update((column, table.value_of(column)) for column in table.columns)
            continue
        if "(" in part or "::" in part:
            raise Refused(400, "PGRST200", "this twin models neither embedding nor casts")
        alias, colon, key = part.rpartition(":")
        _, _, value_of = _source(table, key)
        shown[alias if colon else re.split(r"->>?", key)[-1]] = value_of
    return lambda row: {name: value_of(row) for name, value_of in shown.items()}


@dataclass(frozen=True, slots=True)
class Window:
    """Which of the rows found are answered: the first `offset` are left out, at most `limit`
    (None: no limit) are shown."""

    offset: int
    limit: int | None


def window_of(query: Mapping[str, str], headers: Mapping[str, str], page_cap: int | None) -> Window:
    """From `limit`, `offset` and a `Range: 0-24` header, and never more than the page cap."""
    offset, limit = 0, page_cap
    ranged = re.fullmatch(r"(?:items=)?(\d+)-(\d*)", headers.get("range", ""))
    if ranged:
        offset = int(ranged.group(1))
        if ranged.group(2):
            wanted = int(ranged.group(2)) - offset + 1
            if wanted < 1:
                raise _unsatisfiable("Limit should be greater than or equal to zero.")
            limit = wanted if limit is None else min(limit, wanted)
    if "offset" in query:
        offset += _natural("offset", query["offset"])
    if "limit" in query:
        wanted = _natural("limit", query["limit"])
        limit = wanted if limit is None else min(limit, wanted)
    return Window(offset, limit)


def _natural(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise _unreadable(f"{name} ({text})")
    return int(text)


def _unsatisfiable(details: str) -> Refused:
    return Refused(416, "PGRST103", "Requested range not satisfiable", details)


def page(
    rows: Sequence[Row],
    window: Window,
    show: Callable[[Row], dict[str, Any]],
    count_exact: bool,
) -> Response:
    """The rows of a window as a bare array, with `Content-Range`; 206 for a part of a count."""
    total = len(rows)
    if count_exact and window.offset > total:
        raise _unsatisfiable(
            f"An offset of {window.offset} was requested, but there are only {total} rows."
        )
    end = total if window.limit is None else window.offset + window.limit
    part = rows[window.offset : end]
    return rows_response(
        206 if count_exact and len(part) < total else 200,
        [show(row) for row in part],
        content_range(window.offset, len(part), total if count_exact else None),
    )


def content_range(offset: int, count: int, total: int | None) -> str:
    span = f"{offset}-{offset + count - 1}" if count else "*"
    return f"{span}/{'*' if total is None else total}"


def rows_response(status: int, rows: list[dict[str, Any]], range_: str) -> Response:
    body = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(status, body, {"Content-Type": JSON_TYPE, "Content-Range": range_})


def preferences(headers: Mapping[str, str]) -> frozenset[str]:
    """What the `Prefer` header asks for: `count=exact`, `return=representation`, …"""
    return frozenset(part.strip() for part in headers.get("prefer", "").split(",") if part.strip())
