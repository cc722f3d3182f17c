"""Reads the tables of docs/decisions.md."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "decisions.md"
Row = dict[str, str]


def read_table(part: str, section: str) -> list[Row]:
    """The rows of the one table under `## part`, `### section`, by column; no backticks."""
    text = PAGE.read_text(encoding="utf-8")
    text = _below(_below(text, f"\n## {part}\n", "\n## "), f"\n### {section}\n", "\n### ")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    header, _, *rows = [_cells(line) for line in lines]
    assert rows, f"no rows under {section}"
    for row in rows:
        assert len(row) == len(header), f"{section}: {row}"
    return [dict(zip(header, row, strict=True)) for row in rows]


def expand(
    rows: Sequence[Row], dimensions: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Row, Row]]:
    """Each combination of the dimensions that a row stands for, with its row. A cell is one value,
    several with commas, `all`, or `all but` some."""
    for row in rows:
        alternatives = [_alternatives(row[name], values) for name, values in dimensions.items()]
        for combination in itertools.product(*alternatives):
            yield dict(zip(dimensions, combination, strict=True)), row


def assert_complete(rows: Sequence[Row], dimensions: Mapping[str, Sequence[str]]) -> None:
    """Every combination of the dimensions stands in the table exactly once."""
    found = sorted(tuple(one.values()) for one, _ in expand(rows, dimensions))
    wanted = sorted(itertools.product(*dimensions.values()))
    assert [one for one in wanted if one not in found] == [], "missing"
    assert [one for one, after in itertools.pairwise(found) if one == after] == [], "double"
    assert found == wanted


def _below(text: str, heading: str, end: str) -> str:
    assert text.count(heading) == 1, f"not one heading {heading.strip()}"
    return text.partition(heading)[2].partition(end)[0]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]


def _alternatives(cell: str, values: Sequence[str]) -> list[str]:
    if cell == "all":
        return list(values)
    but = cell.startswith("all but ")
    named = [one.strip() for one in cell.removeprefix("all but ").split(",")]
    unknown = [one for one in named if one not in values]
    assert not unknown, f"{unknown} is none of {values}"
    return [one for one in values if one not in named] if but else named
