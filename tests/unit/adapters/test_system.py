"""Ids, tokens, waits, and what operators are told."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from aws_lambda_powertools import Logger

from instep.adapters.memory import ManualClock, MemoryWatch, SeededIds
from instep.adapters.system import (
    LoggedWatch,
    SystemClock,
    SystemIds,
    sortable_id,
    wait_before_retry,
)
from instep.use_cases.ports import Ids

START = datetime(2026, 1, 1, tzinfo=UTC)
URL_SAFE = set(string.ascii_letters + string.digits + "-_")


def test_ids_sort_by_time() -> None:
    clock = ManualClock(START)
    for ids in (SystemIds(clock), SeededIds(Random(1), clock)):
        made = []
        for _ in range(50):
            made.append(ids.new())
            clock.sleep(0.001)
        assert sorted(made) == made
        assert len(set(made)) == 50
        assert {len(one) for one in made} == {26}


def test_an_id_by_hand() -> None:
    assert sortable_id(datetime(1970, 1, 1, tzinfo=UTC), 0) == "0" * 26
    assert (
        sortable_id(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 33) == "00000000Z8" + "0" * 14 + "11"
    )


@pytest.mark.parametrize("ids", [SystemIds(), SeededIds(Random(1), ManualClock(START))])
def test_tokens(ids: Ids) -> None:
    tokens = {ids.token() for _ in range(20)}
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {43}
    assert set("".join(tokens)) <= URL_SAFE


def test_a_seed_says_it_all() -> None:
    first, second = (SeededIds(Random(5), ManualClock(START)) for _ in range(2))
    assert [first.new(), first.token()] == [second.new(), second.token()]


def test_the_system_clock_is_in_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_waits_grow_but_not_for_ever() -> None:
    chance = Random(2)
    longest = []
    for attempt in range(1, 12):
        waits = []
        for _ in range(50):
            clock = ManualClock(START)
            wait_before_retry(attempt, clock, chance)
            waits.append((clock.now() - START).total_seconds())
        longest.append(max(waits))
    assert longest[0] <= 0.1
    assert longest[5] > 1
    assert max(longest) <= 2


def test_what_operators_read(capsys: pytest.CaptureFixture[str]) -> None:
    # A logger's stream is that of its making, and one service has one logger in a process.
    watch = LoggedWatch(Logger(service="what-operators-read"))
    watch.note("looked", account_id="acme", level="no clash", name=7)
    watch.alarm("stuck", account_id="acme")
    watch.count("Looked", 3)
    watch.count("Looked")
    watch.flush()
    note, alarm, metrics = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert note["message"] == "looked"
    assert note["details"] == {"account_id": "acme", "level": "no clash", "name": 7}
    assert (alarm["level"], alarm["message"]) == ("ERROR", "stuck")
    assert metrics["Looked"] == [3.0, 1.0]
    assert metrics["Alarms"] == [1.0]
    assert [one["Dimensions"] for one in metrics["_aws"]["CloudWatchMetrics"]] == [[["service"]]]


def test_what_tests_read() -> None:
    watch = MemoryWatch()
    watch.count("Looked", 2)
    watch.note("looked", account_id="acme")
    watch.alarm("stuck")
    assert watch.counts == {"Looked": 2, "Alarms": 1}
    assert watch.notes[0].details == {"account_id": "acme"}
    assert [line.message for line in watch.alarms] == ["stuck"]
