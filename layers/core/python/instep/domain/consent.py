"""Subscribed: what the opt-in userfield says and who wins (F10, F11, F13, F14)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from instep.domain.people import FieldRow

_TRUE: Final = frozenset({"t", "true", "1", "opt in", "opt-in", "y", "yes"})
_FALSE: Final = frozenset({"f", "false", "0", "opt out", "opt-out", "n", "no"})
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class Reading(StrEnum):
    """How a value of the opt-in userfield is read (F10). NONE: there is no value."""

    TRUE = "true"
    FALSE = "false"
    UNRECOGNISED = "unrecognised"
    NONE = ""


def read_value(raw: str) -> Reading:
    """One value, ignoring case and surrounding space."""
    value = raw.strip().lower()
    if not value:
        return Reading.NONE
    if value in _TRUE:
        return Reading.TRUE
    if value in _FALSE:
        return Reading.FALSE
    return Reading.UNRECOGNISED


@dataclass(frozen=True, slots=True)
class OptIn:
    """The opt-in userfield of a user: how it is read, and the row that decided it."""

    reading: Reading
    row: FieldRow | None = None

    @property
    def raw(self) -> str:
        return self.row.value if self.row else ""

    @property
    def set_at(self) -> datetime | None:
        return self.row.updated_at if self.row else None


def read_rows(rows: Iterable[FieldRow]) -> OptIn:
    """Several values: any recognised false is false, all true is true, else unrecognised (F10).
    Of the rows that decided, the one set last."""
    by_reading: dict[Reading, list[FieldRow]] = {}
    for row in rows:
        by_reading.setdefault(read_value(row.value), []).append(row)
    by_reading.pop(Reading.NONE, None)
    if not by_reading:
        return OptIn(Reading.NONE)
    for reading in (Reading.FALSE, Reading.UNRECOGNISED, Reading.TRUE):
        if reading in by_reading:
            return OptIn(reading, max(by_reading[reading], key=_set_last))
    raise AssertionError(by_reading)


def _set_last(row: FieldRow) -> tuple[datetime, int]:
    return (row.updated_at or _LONG_AGO, row.action_id or 0)
