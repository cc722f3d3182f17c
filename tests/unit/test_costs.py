"""docs/costs.md multiplies and adds rightly."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")
THOUSANDTH = Decimal("0.001")


def tables() -> list[list[list[str]]]:
    """Every table of the page: header, then rows."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        rows = [[one.strip() for one in line[1:-1].split("|")] for line in block.splitlines()]
        found.append([rows[0], *rows[2:]])
    return found


PRICES = {row[0]: Decimal(row[1]) for row in tables()[0][1:]}
BILLS = [table for table in tables() if table[0][-1] == "USD" and table[0][0] == "what"]


def number(cell: str) -> Decimal:
    return Decimal(cell.replace(",", ""))


@pytest.mark.parametrize("bill", BILLS, ids=lambda bill: bill[1][0])
def test_each_line_is_count_times_price_and_the_sum_their_sum(bill: list[list[str]]) -> None:
    *lines, total = bill[1:]
    exact = [number(count) * number(times) * PRICES[price] for _, count, times, price, _ in lines]
    rounded = [one.quantize(THOUSANDTH, ROUND_HALF_UP) for one in exact]
    assert [number(line[-1]) for line in lines] == rounded
    assert total[0] == "sum"
    assert number(total[-1]) == sum(exact).quantize(THOUSANDTH, ROUND_HALF_UP)  # type: ignore[union-attr]


def test_there_are_four_bills_and_every_price_is_used() -> None:
    assert len(BILLS) == 4
    used = {line[3] for bill in BILLS for line in bill[1:-1]}
    assert used == set(PRICES)
