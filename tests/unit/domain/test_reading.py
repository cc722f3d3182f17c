"""F10: how the opt-in userfield is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from instep.domain.consent import Reading, overridden_refusal, read_rows, read_value
from instep.domain.people import FieldRow, SubscriptionEvent

T = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("raw", ["t", "true", "1", "opt in", "opt-in", "y", "yes", " YES ", "True"])
def test_f10_true(raw: str) -> None:
    assert read_value(raw) is Reading.TRUE


@pytest.mark.parametrize("raw", ["f", "false", "0", "opt out", "opt-out", "n", "no", " No ", "F"])
def test_f10_false(raw: str) -> None:
    assert read_value(raw) is Reading.FALSE


@pytest.mark.parametrize("raw", ["TBD", "maybe", "on", "off", "yess", "2", "opt  in", "-"])
def test_f10_everything_else_is_unrecognised(raw: str) -> None:
    assert read_value(raw) is Reading.UNRECOGNISED


@pytest.mark.parametrize(
    ("values", "reading"),
    [
        ((), Reading.NONE),
        (("", "  "), Reading.NONE),
        (("yes",), Reading.TRUE),
        (("yes", "1", ""), Reading.TRUE),
        (("yes", "no"), Reading.FALSE),
        (("TBD", "no"), Reading.FALSE),
        (("yes", "TBD"), Reading.UNRECOGNISED),
    ],
)
def test_f10_several_values(values: tuple[str, ...], reading: Reading) -> None:
    assert read_rows(FieldRow("sms", one) for one in values).reading is reading


def test_f10_of_the_rows_that_decide_the_one_set_last() -> None:
    rows = [
        FieldRow("sms", "no", T, 1),
        FieldRow("sms", "NO", T + timedelta(hours=1), 2),
        FieldRow("sms", "yes", T + timedelta(hours=2), 3),
    ]
    assert read_rows(rows).raw == "NO"
    assert read_rows(rows).set_at == T + timedelta(hours=1)


def events(*unsubscribe: bool) -> list[SubscriptionEvent]:
    return [SubscriptionEvent(i, 1, one, "x", T) for i, one in enumerate(unsubscribe)]


@pytest.mark.parametrize(
    ("unsubscribe", "overridden"),
    [
        ((), False),
        ((False,), False),
        ((True, False), True),
        ((True,), True),
        ((True, False, False), False),
        ((False, True, False), True),
    ],
)
def test_u1_a_creation_that_overrode_a_refusal(
    unsubscribe: tuple[bool, ...], overridden: bool
) -> None:
    assert overridden_refusal(events(*unsubscribe)) is overridden
