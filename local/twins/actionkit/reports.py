"""``POST /rest/v1/report/run/sql/``: parameters, the cache of results, and the answer's form."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from local.twins.actionkit import sql
from local.twins.actionkit.database import Database
from local.twins.actionkit.functions import iso
from local.twins.actionkit.unknowns import Unknowns
from local.twins.http import Response, json_response

DEFAULT_CACHE_SECONDS = 600
_OPTIONS = frozenset({"query", "refresh", "cache_duration", "format"})
_PARAMETER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def quoted(value: object) -> str:
    """A parameter as ActionKit puts it into the SQL. Raises SqlRefused for lists and objects."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    raise sql.SqlRefused("a parameter is a number or a text")


def _as_it_is(value: int | float) -> object:
    return value


class Reports:
    """Runs reports; ``count_values`` is told whose values an answer shows (negative: unknown)."""

    def __init__(
        self,
        database: Database,
        unknowns: Callable[[], Unknowns],
        clock: Callable[[], datetime],
        count_values: Callable[[Collection[int]], None],
    ) -> None:
        self._db = database
        self._unknowns = unknowns
        self._clock = clock
        self._count_values = count_values
        self._results: dict[str, tuple[datetime, sql.Report]] = {}
        self.run_count = 0

    def run(self, body: Mapping[str, Any], accept: str) -> Response:
        """Answer one report: an array of arrays, or CSV with a header."""
        try:
            query = self._query(body)
            report = self._cached(query, body)
        except sql.SqlRefused as refused:
            return json_response(400, {"errors": str(refused)})
        self._count(report)
        if "text/csv" in accept or body.get("format") == "csv":
            text = io.StringIO()
            csv.writer(text).writerows([report.names, *report.rows])
            return Response(200, text.getvalue().encode(), {"Content-Type": "text/csv"})
        return json_response(200, report.rows)

    def explain(self, query: str) -> list[str]:
        """SQLite's plan for a statement."""
        text, values = sql.template(query)
        plan = f"EXPLAIN QUERY PLAN {sql.translate(text).sql}"
        return [row[3] for row in self._db.for_reports().execute(plan, values)]

    def _query(self, body: Mapping[str, Any]) -> str:
        query = body.get("query")
        if not isinstance(query, str) or not query.strip():
            raise sql.SqlRefused("query is required")

        def fill(found: re.Match[str]) -> str:
            if found[1] in _OPTIONS or found[1] not in body:
                raise sql.SqlRefused(f"no value for parameter {found[1]}")
            return quoted(body[found[1]])

        return _PARAMETER.sub(fill, query)

    def _cached(self, query: str, body: Mapping[str, Any]) -> sql.Report:
        unknowns = self._unknowns()
        now = self._clock()
        refresh = str(body.get("refresh", "")).lower() in ("true", "1", "yes")
        if unknowns.sql_result_cache and not refresh and query in self._results:
            made, report = self._results[query]
            lasts = timedelta(seconds=float(body.get("cache_duration", DEFAULT_CACHE_SECONDS)))
            if now - made < lasts:
                return report
        self.run_count += 1
        separator = "T" if unknowns.sql_datetimes == "iso" else " "
        show_decimal = str if unknowns.sql_decimals == "text" else _as_it_is
        report = sql.run(
            self._db.for_reports(), query, lambda text: iso(text, separator), show_decimal
        )
        if unknowns.sql_result_cache:
            self._results[query] = (now, report)
        return report

    def _count(self, report: sql.Report) -> None:
        users = set(report.user_ids)
        for action_id in report.action_ids:
            user_id = self._db.value("SELECT user_id FROM core_action WHERE id = ?", (action_id,))
            if user_id is not None:
                users.add(user_id)
        users.update(-1 - number for number in range(report.nameless))
        self._count_values(users)
