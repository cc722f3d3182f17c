"""The MySQL functions that SQLite lacks, and times as the database stores them.

Times are stored as text of fixed width, ``YYYY-MM-DD HH:MM:SS.ffffff`` in UTC, so that they
compare as text.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

STORED_TIME = "%Y-%m-%d %H:%M:%S.%f"
_STORED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
_GIVEN = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?")
_MONTH_UNITS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}
_UNIT_SECONDS = {
    "MICROSECOND": 1e-6,
    "SECOND": 1,
    "MINUTE": 60,
    "HOUR": 3600,
    "DAY": 86400,
    "WEEK": 604800,
}
GROUP_CONCAT_LIMIT = 1024
"""MySQL's default group_concat_max_len: longer answers are cut without an error."""


def stored(moment: datetime) -> str:
    """A moment as the database stores it."""
    return moment.astimezone(UTC).strftime(STORED_TIME)


def parsed(text: str) -> datetime:
    """The moment of a stored time."""
    return datetime.strptime(text, STORED_TIME).replace(tzinfo=UTC)


def is_stored_time(value: object) -> bool:
    return isinstance(value, str) and len(value) == 26 and bool(_STORED.fullmatch(value))


def iso(text: str, separator: str = "T") -> str:
    """A stored time as the API writes it: no zone, no microseconds if there are none."""
    return text[:10] + separator + text[11:19] + ("" if text.endswith(".000000") else text[19:])


def as_stored(value: Any) -> Any:
    """A time as people write it in SQL, in the stored form; other text as it is.

    Raises ValueError for text that begins as a date and is no time that MySQL takes.
    """
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
        return value
    given = _GIVEN.fullmatch(value)
    if given is None:
        raise ValueError("incorrect datetime value")
    day, minute, second, fraction = given.groups()
    return f"{day} {minute or '00:00'}:{second or '00'}.{(fraction or '').ljust(6, '0')}"


def _moment(value: Any) -> datetime | None:
    return None if value is None else parsed(as_stored(str(value)))


def _date_add(value: Any, amount: Any, unit: str) -> str | None:
    moment = _moment(value)
    if moment is None or amount is None:
        return None
    if unit in _MONTH_UNITS:
        months = moment.year * 12 + moment.month - 1 + int(amount) * _MONTH_UNITS[unit]
        year, month = divmod(months, 12)
        for day in range(moment.day, 27, -1):  # the last day of a shorter month
            try:
                return stored(moment.replace(year=year, month=month + 1, day=day))
            except ValueError:
                continue
        return stored(moment.replace(year=year, month=month + 1))
    return stored(moment + timedelta(seconds=float(amount) * _UNIT_SECONDS[unit]))


def _date_diff(later: Any, earlier: Any, unit: str) -> int | None:
    first, last = _moment(earlier), _moment(later)
    if first is None or last is None:
        return None
    return int((last - first).total_seconds() / _UNIT_SECONDS[unit])


def _unix_timestamp(value: Any) -> int | float | None:
    moment = _moment(value)
    if moment is None:
        return None
    seconds = moment.timestamp()
    return int(seconds) if seconds == int(seconds) else seconds


def _text(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _conv(number: Any, from_base: int, to_base: int) -> str | None:
    if number is None:
        return None
    value = int(str(number), from_base)
    digits = ""
    while True:
        value, digit = divmod(value, to_base)
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit] + digits
        if not value:
            return digits


def _substring_index(text: str, delimiter: str, count: int) -> str:
    parts = text.split(delimiter)
    return delimiter.join(parts[:count] if count > 0 else parts[count:] if count else [])


def _concat_ws(separator: Any, *values: Any) -> str | None:
    if separator is None:
        return None
    return str(separator).join(str(value) for value in values if value is not None)


def _row(*values: Any) -> str | None:
    """Values as one that is equal where they are; none if one of them is none."""
    if None in values:
        return None
    return json.dumps([_sortable(value) for value in values])


def _quote(value: Any) -> str:
    if value is None:
        return "NULL"
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return "'" + text.replace("\0", "\\0").replace("\x1a", "\\Z") + "'"


def _field(value: Any, *among: Any) -> int:
    return among.index(value) + 1 if value in among else 0


def _find_in_set(value: Any, among: Any) -> int:
    return _field(str(value), *str(among).split(","))


def _pad(text: Any, length: int, fill: str, left: bool) -> str:
    text = str(text)
    missing = (fill * length)[: max(0, length - len(text))]
    padded: str = missing + text if left else text + missing
    return padded[:length]


def _regexp(pattern: Any, value: Any) -> int | None:
    if pattern is None or value is None:
        return None
    return int(bool(re.search(pattern, str(value), re.IGNORECASE)))


def _null_in_null_out(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        return None if None in values else function(*values)

    return call


class _BitXor:
    def __init__(self) -> None:
        self.value = 0

    def step(self, value: Any) -> None:
        if value is not None:
            self.value ^= int(value)

    def finalize(self) -> int:
        # SQLite holds signed 64 bits; MySQL's answer is unsigned and rarely that large
        return self.value if self.value < 1 << 63 else self.value - (1 << 64)


class _GroupConcat:
    """``(separator, distinct, descending flags, value, order keys…)`` for each row."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, tuple[Any, ...]]] = []
        self.separator, self.distinct, self.descending = ",", 0, ""

    def step(self, separator: str, distinct: int, descending: str, value: Any, *keys: Any) -> None:
        self.separator, self.distinct, self.descending = separator, distinct, descending
        if value is not None:
            self.rows.append((str(value), keys))

    def finalize(self) -> str | None:
        rows = self.rows
        for place in range(len(self.descending) - 1, -1, -1):
            rows.sort(
                key=lambda row: (row[1][place] is not None, _sortable(row[1][place])),
                reverse=self.descending[place] == "d",
            )
        values = [value for value, _ in rows]
        if self.distinct:
            values = list({value.lower(): value for value in reversed(values)}.values())[::-1]
        return self.separator.join(values)[:GROUP_CONCAT_LIMIT] if values else None


def _sortable(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else (0 if value is None else value)


def register(
    connection: sqlite3.Connection,
    now: Callable[[], datetime],
    whole_seconds: Callable[[], bool],
) -> None:
    """Give a connection MySQL's functions; those named ``ak_`` are what translations call."""

    def date_text(value: Any) -> Any:
        if whole_seconds() and is_stored_time(value):
            return value[:19]
        return value

    def make(name: str, function: Callable[..., Any], arguments: int = -1) -> None:
        connection.create_function(name, arguments, function, deterministic=True)

    make("ak_now", lambda: stored(now().replace(microsecond=0)), 0)
    make("ak_now_micro", lambda: stored(now()), 0)
    make("ak_datetime", as_stored, 1)
    make("ak_date_text", date_text, 1)
    make("ak_date", lambda value: value and str(value)[:10], 1)
    make("ak_date_add", _date_add, 3)
    make("ak_date_diff", _date_diff, 3)
    make("ak_strftime", lambda value, form: value and parsed(as_stored(value)).strftime(form), 2)
    make("unix_timestamp", _unix_timestamp, 1)
    make("ak_from_unixtime", lambda value: stored(datetime.fromtimestamp(value, UTC)), 1)
    make("crc32", _null_in_null_out(lambda value: zlib.crc32(_text(value))), 1)
    make("md5", _null_in_null_out(lambda value: hashlib.md5(_text(value)).hexdigest()), 1)
    make("ak_sha1", _null_in_null_out(lambda value: hashlib.sha1(_text(value)).hexdigest()), 1)
    make("ak_sha256", _null_in_null_out(lambda value: hashlib.sha256(_text(value)).hexdigest()), 1)
    make("ak_bytes", _null_in_null_out(lambda value: len(_text(value))), 1)
    make("conv", _conv, 3)
    make("ak_substring_index", _null_in_null_out(_substring_index), 3)
    make("concat_ws", _concat_ws)
    make("ak_row", _row)
    make("ak_quote", _quote, 1)
    make("field", _field)
    make("find_in_set", _find_in_set, 2)
    make("ak_pad", _null_in_null_out(_pad), 4)
    make("reverse", _null_in_null_out(lambda value: str(value)[::-1]), 1)
    make("regexp", _regexp, 2)
    make(
        "ak_regexp_replace",
        _null_in_null_out(
            lambda value, pattern, by: re.sub(pattern, by, str(value), flags=re.IGNORECASE)
        ),
        3,
    )
    connection.create_aggregate("ak_bit_xor", 1, _BitXor)
    connection.create_aggregate("ak_group_concat", -1, _GroupConcat)  # type: ignore[arg-type]
