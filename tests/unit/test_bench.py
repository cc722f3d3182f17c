"""The bench counts what it says it counts: a small run of it, without the timing of imports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench import ROOT
from bench.__main__ import write
from bench.cycle_lines import cycle_lines
from bench.cycles import Cycles, cycles_of
from bench.paced import Ran, Sync
from bench.report import SYNCED, Line, import_lines, lines_of

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")


@pytest.fixture(scope="module")
def counted() -> tuple[Ran, Cycles]:
    sync = Sync(people=150, seed=1)
    ran = sync.run()
    cycles = cycles_of(sync)
    sync.close()
    return ran, cycles


@pytest.fixture(scope="module")
def ran(counted: tuple[Ran, Cycles]) -> Ran:
    return counted[0]


@pytest.fixture(scope="module")
def cycles(counted: tuple[Ran, Cycles]) -> Cycles:
    return counted[1]


@pytest.fixture(scope="module")
def figures(ran: Ran, cycles: Cycles) -> dict[str, Line]:
    lines = [*lines_of(ran), *cycle_lines(cycles, ran), *import_lines({"worker": 2.5})]
    assert len({line.name for line in lines}) == len(lines)
    return {line.name: line for line in lines}


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


def test_an_idle_account_writes_nothing_but_the_pace_and_has_no_execution(
    cycles: Cycles, figures: dict[str, Line]
) -> None:
    idle = {name: line.value for name, line in figures.items() if "idle account" in name}
    assert idle["idle account: other table writes"] == 0
    assert idle["idle account: executions"] == idle["idle account: messages"] == 0
    statements = idle["idle account: statements to ActionKit"]
    assert 1 <= statements <= 5
    assert idle["idle account: table writes of the pace"] == 2 * statements
    assert 1 <= idle["idle account: requests to Strive"] <= 10
    assert sum(one.executions for one in cycles.quiet) == 0


def test_a_cycle_with_changes_carries_them_to_the_other_side(
    cycles: Cycles, figures: dict[str, Line]
) -> None:
    values = {name: line.value for name, line in figures.items()}
    assert cycles.changed >= 8
    written = values["changed user: writes to ActionKit"] + values["changed user: writes to Strive"]
    assert written == pytest.approx(1, abs=0.2)
    assert values["changed user: named by messages, times"] >= 1
    assert (
        values["changed user: table and index writes"] > values["changed user: table writes, units"]
    )
    assert values["cycle with changes: buckets noted"] == 1
    assert values["checksums item, bytes: most"] < 5 * 1024


def test_own_writes_ask_for_one_more_look_that_does_nothing(
    cycles: Cycles, figures: dict[str, Line]
) -> None:
    assert figures["cycle after changes: writes to either side"].value == 0
    assert figures["cycle after changes: table writes of users"].value == 0
    assert figures["cycles after changes until one finds nothing"].kept
    assert cycles.after[-1].looks == 0


def test_every_bound_that_holds_for_any_size_is_kept(figures: dict[str, Line]) -> None:
    small = ("changed user: table and index writes", "ActionKit: questions per 1000 users")
    missed = [name for name, line in figures.items() if not line.kept and name not in small]
    assert missed == []


def test_every_kind_of_item_stands_in_the_page_of_tables(cycles: Cycles) -> None:
    page = (ROOT / "docs" / "tables.md").read_text()
    kinds = {one["item"].split("/")[0] for one in cycles.items}
    assert {"user", "cursors", "sums", "checksums", "run", "pace"} <= kinds
    assert [kind for kind in sorted(kinds) if not re.search(rf"`{kind}[/`]", page)] == []


def test_a_missed_bound_shows(tmp_path: Path) -> None:
    kept, missed = Line("a", 1, most=1), Line("b", 0.5, least=0.98)
    assert (kept.kept, missed.kept) == (True, False)
    assert "MISSED" in str(missed)
    write([kept, missed], tmp_path / "bench.json")
    read = json.loads((tmp_path / "bench.json").read_text())
    assert read["b"] == {"value": 0.5, "most": None, "least": 0.98}
