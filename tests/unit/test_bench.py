"""The bench counts what it says it counts: a small run of it, without the timing of imports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import write
from bench.paced import Ran, Sync
from bench.report import SYNCED, Line, lines_of

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(scope="module")
def ran() -> Ran:
    return Sync(people=150, seed=1).run()


@pytest.fixture(scope="module")
def figures(ran: Ran) -> dict[str, Line]:
    return {line.name: line for line in lines_of(ran, {"worker": 2.5})}


def test_every_user_is_recorded_and_nobody_is_bothered(ran: Ran) -> None:
    assert len(ran.records) == ran.users == 150
    assert (ran.texts, ran.mails) == (0, 0)


def test_requests_are_counted_apart(ran: Ran, figures: dict[str, Line]) -> None:
    asked = figures["ActionKit: questions per 1000 users"].value * ran.users / 1000
    written = figures["ActionKit: writes per 1000 users"].value * ran.users / 1000
    assert asked >= 150 / 50
    assert written >= 1
    assert round(asked + written) == sum(ran.actionkit.values())
    created = figures["Strive: POST /members per 1000 users"].value * ran.users / 1000
    assert round(created) == sum(one.created_member for one in ran.records.values())


def test_a_first_synced_user_costs_at_most_eight_writes(figures: dict[str, Line]) -> None:
    assert figures[f"table writes per {SYNCED}, units"].value <= 8
    assert figures[f"table writes per {SYNCED}, operations"].value >= 5
    assert figures[f"record of a {SYNCED}, bytes: 95 % are below"].value <= 1024


def test_an_unchanged_user_costs_no_write(figures: dict[str, Line]) -> None:
    assert figures["table writes per unchanged user"].value == 0
    assert figures["table reads per unchanged user"].value >= 1
    assert figures["ActionKit: writes for unchanged users"].value == 0


def test_the_pace_is_not_passed(figures: dict[str, Line]) -> None:
    assert figures["most users in any 60 seconds, share of the pace"].kept
    assert figures["state transitions per run"].value > 10
    assert figures["decisions per second and core"].value > 0


def test_a_missed_bound_shows(tmp_path: Path) -> None:
    kept, missed = Line("a", 1, most=1), Line("b", 0.5, least=0.98)
    assert (kept.kept, missed.kept) == (True, False)
    assert "MISSED" in str(missed)
    write([kept, missed], tmp_path / "bench.json")
    read = json.loads((tmp_path / "bench.json").read_text())
    assert read["b"] == {"value": 0.5, "most": None, "least": 0.98}
