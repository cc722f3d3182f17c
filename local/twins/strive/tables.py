"""The tables that the Strive twin keeps, with the columns that its API shows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast

Kind = Literal["int", "text", "bool", "time", "json"]
"""How a column's values are written in a filter and compared. A time is kept as text, as
`written` makes it, which sorts like the time itself."""

Row = dict[str, Any]

SEQ: Final = "\0seq"
"""Where a row keeps its number within the table; no API shows it."""
VISIBLE_AT: Final = "\0visible_at"
"""Where a row of a log keeps the time from which readers see it."""


def written(at: datetime, microseconds: bool = False) -> str:
    """A time as Strive writes it: milliseconds, or microseconds where they are not zero, and an
    offset of zero. Written so, text sorts like time."""
    at = at.astimezone(UTC)
    fraction = f"{at.microsecond:06d}"
    finer = fraction[3:].rstrip("0") if microseconds else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{fraction[:3]}{finer}+00:00"


class Table:
    """Rows of one kind, found quickly by the columns in `indexed`. Columns are written as in SQL,
    `id int, name text`; those that a new row lacks are null.

    A table with a `log_clock` is an append-only log, kept in the order of that column. `computed`
    columns are made when a row is shown.
    """

    def __init__(
        self,
        name: str,
        columns: str,
        indexed: Sequence[str] = (),
        log_clock: str | None = None,
        campaign_column: str = "campaign_id",
        computed: Mapping[str, Callable[[Row], Any]] | None = None,
    ) -> None:
        self.name = name
        self.columns: dict[str, Kind] = {
            column: cast(Kind, kind) for column, kind in map(str.split, columns.split(","))
        }
        self._blank = dict.fromkeys(self.columns)
        self.log_clock = log_clock
        self.campaign_column = campaign_column
        self.computed = dict(computed or {})
        self._rows: dict[int, Row] = {}
        self._indexes: dict[str, dict[Any, dict[int, Row]]] = {
            column: {} for column in (*indexed, campaign_column)
        }
        self._log: list[Row] = []
        self._last_seq = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    @property
    def indexed(self) -> frozenset[str]:
        return frozenset(self._indexes)

    def insert(self, row: Row) -> Row:
        """Adds a copy of the row, which is the one that counts from now on."""
        self._last_seq += 1
        row = {**self._blank, **row, SEQ: self._last_seq}
        self._rows[self._last_seq] = row
        for column, index in self._indexes.items():
            index.setdefault(row[column], {})[self._last_seq] = row
        if self.log_clock is not None:
            at = row[self.log_clock]
            if self._log and at < self._log[-1][self.log_clock]:
                self._log.insert(bisect_right(self._log, at, key=self._log_time), row)
            else:
                self._log.append(row)
        return row

    def update(self, row: Row, changes: Mapping[str, Any]) -> None:
        for column in self._indexes:
            if column in changes and changes[column] != row[column]:
                self._leave(column, row)
                self._indexes[column].setdefault(changes[column], {})[row[SEQ]] = row
        row.update(changes)

    def remove(self, row: Row) -> None:
        for column in self._indexes:
            self._leave(column, row)
        del self._rows[row[SEQ]]
        if self.log_clock is not None:
            self._log = [each for each in self._log if each is not row]

    def found(self, column: str, value: Any) -> list[Row]:
        """Rows whose indexed column has a value, in the order they were made."""
        return list(self._indexes[column].get(value, {}).values())

    def first(self, column: str, value: Any) -> Row | None:
        return next(iter(self._indexes[column].get(value, {}).values()), None)

    def how_many(self, column: str, values: Iterable[Any]) -> int:
        index = self._indexes[column]
        return sum(len(index.get(value, ())) for value in values)

    def since(self, at: str) -> list[Row]:
        """Rows of a log at or after a time, in order of time."""
        return self._log[bisect_left(self._log, at, key=self._log_time) :]

    def value_of(self, column: str) -> Callable[[Row], Any]:
        """How a column's value is got from a row."""
        if column in self.computed:
            return self.computed[column]
        return lambda row: row[column]

    def shown(self, row: Row) -> dict[str, Any]:
        """The row with every column, as `select=*` answers it."""
        computed = self.computed
        return {
            column: computed[column](row) if column in computed else row[column]
            for column in self.columns
        }

    def _leave(self, column: str, row: Row) -> None:
        index = self._indexes[column]
        bucket = index[row[column]]
        del bucket[row[SEQ]]
        if not bucket:
            del index[row[column]]

    def _log_time(self, row: Row) -> str:
        at: str = row[self.log_clock or ""]
        return at
