"""P7: which rules are about an action, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.domain.automations import (
    REASONS,
    Outcome,
    Verdict,
    decide_rule,
    due,
    matches,
)
from instep.domain.groups import is_live
from instep.domain.people import Action
from instep.domain.record import Record, Status
from instep.domain.rules import Automation, Moment, Rules, Source, SourceKind
from tests.property.small_world import START, rules_with

NOW = START + timedelta(days=3)
LONG_AGO = Moment(START, 0)
PAGE, OTHER_PAGE, UNSYNCED_PAGE = 3, 4, 5
LINKED = Record(1, status=Status.SYNCED, member_id=50)


def page(page_id: int, since: Moment = LONG_AGO) -> Source:
    return Source(f"page-{page_id}", SourceKind.PAGE, 30 + page_id, "P", since, page_id=page_id)


def rules(
    *automations: Automation,
    live_since: Moment | None = LONG_AGO,
    page_since: Moment = LONG_AGO,
) -> Rules:
    return rules_with(
        sources=(page(PAGE, page_since), page(OTHER_PAGE)),
        automations=automations,
        live_since=live_since,
    )


def rule(
    page_id: int | None = None,
    actionfield: str | None = None,
    value: str | None = None,
    since: Moment = LONG_AGO,
    enabled: bool = True,
) -> Automation:
    return Automation("r", since, page_id, actionfield, value, enabled=enabled, publish_event=True)


def action(
    action_id: int = 100,
    page_id: int = PAGE,
    status: str = "complete",
    at: datetime | None = NOW,
    page_type: str = "petition",
    uploaded: bool = False,
    **fields: tuple[str, ...],
) -> Action:
    return Action(
        action_id,
        page_id,
        status,
        at,
        page_type,
        uploaded=uploaded,
        fields=tuple(sorted(fields.items())),
    )


def verdict(
    one: Automation | None = None,
    act: Action | None = None,
    with_rules: Rules | None = None,
    record: Record = LINKED,
    opted_in: bool = True,
    quiet: bool = False,
    now: datetime = NOW,
) -> tuple[str, str]:
    said = decide_rule(
        one or rule(), act or action(), with_rules or rules(), record, opted_in, quiet, now
    )
    return said.outcome.value, said.reason


# --- which rules are about an action ---


@pytest.mark.parametrize(
    ("one", "about"),
    [
        (rule(), True),
        (rule(PAGE), True),
        (rule(OTHER_PAGE), False),
        (rule(actionfield="colour"), True),
        (rule(actionfield=" Colour"), True),
        (rule(actionfield="size"), False),
        (rule(actionfield="colour", value="red"), True),
        (rule(actionfield="colour", value=" RED "), True),
        (rule(actionfield="colour", value="blue"), True),
        (rule(actionfield="colour", value="green"), False),
        (rule(PAGE, "colour", "red"), True),
        (rule(OTHER_PAGE, "colour", "red"), False),
        (rule(enabled=False), False),
    ],
)
def test_p7_a_page_or_any_and_perhaps_an_actionfield_with_a_value(
    one: Automation, about: bool
) -> None:
    assert matches(one, action(colour=("Red", " Blue ")), rules(one)) is about


@pytest.mark.parametrize("page_id", [UNSYNCED_PAGE])
def test_p7_any_page_is_any_synced_page(page_id: int) -> None:
    assert not matches(rule(), action(page_id=page_id), rules())
    assert matches(rule(), action(page_id=OTHER_PAGE), rules())


@pytest.mark.parametrize("status", ["incomplete", "spam", ""])
def test_p5_an_action_that_is_not_complete_sets_nothing_off(status: str) -> None:
    assert not matches(rule(), action(status=status), rules())


def test_p7_due_are_the_actions_that_are_new_and_that_a_rule_is_about() -> None:
    actions = [
        action(100),
        action(101),
        action(102, page_id=OTHER_PAGE),
        action(103, status="spam"),
    ]
    every = [one.action_id for one in actions]
    assert due(actions, every, rules(rule())) == {100, 101, 102}
    assert due(actions, every, rules(rule(PAGE))) == {100, 101}
    assert due(actions, [101], rules(rule(PAGE), rule(OTHER_PAGE))) == {101}
    assert due(actions, every, rules(rule(enabled=False))) == frozenset()
    assert due(actions, every, rules()) == frozenset()
    assert due(actions, [], rules(rule())) == frozenset()


# --- what becomes of it ---


def test_p7_a_live_action_of_somebody_opted_in_is_done() -> None:
    assert verdict() == ("done", "done")


@pytest.mark.parametrize(
    ("ago", "outcome"),
    [
        (timedelta(hours=24) - timedelta(seconds=1), ("done", "done")),
        (timedelta(hours=24), ("too_old", "taken_long_ago")),
        (timedelta(days=700), ("too_old", "taken_long_ago")),
    ],
)
def test_p7_after_24_hours_it_is_too_old(ago: timedelta, outcome: tuple[str, str]) -> None:
    assert verdict(act=action(at=NOW - ago)) == outcome


def test_p7_an_action_without_a_time_is_too_old() -> None:
    assert verdict(act=action(at=None)) == ("too_old", "taken_long_ago")


def test_p7_what_was_taken_before_the_rule_was_made_is_past() -> None:
    """Also with an id from before, or with a later id and an older time, as an import has it."""
    made = Moment(NOW - timedelta(minutes=5), 200)
    past = ("too_old", "taken_before")
    assert verdict(rule(since=made), action(201)) == ("done", "done")
    assert verdict(rule(since=made), action(200)) == past
    assert verdict(rule(since=made), action(201, at=NOW - timedelta(minutes=6))) == past


def test_p7_what_was_taken_before_the_page_was_synced_is_past() -> None:
    synced = rules(page_since=Moment(NOW - timedelta(minutes=5), 200))
    past = ("too_old", "taken_before")
    assert verdict(act=action(201), with_rules=synced) == ("done", "done")
    assert verdict(act=action(200), with_rules=synced) == past
    assert verdict(act=action(201, at=NOW - timedelta(minutes=6)), with_rules=synced) == past


def test_a5_what_was_taken_while_off_or_paused_is_past() -> None:
    on = Moment(NOW - timedelta(minutes=5), 200)
    off = ("too_old", "taken_while_off")
    assert verdict(act=action(201), with_rules=rules(live_since=on)) == ("done", "done")
    assert verdict(act=action(200), with_rules=rules(live_since=on)) == off
    assert verdict(act=action(201), with_rules=rules(live_since=None)) == off


@pytest.mark.parametrize(
    "changed", [{"page_type": "import"}, {"page_type": "unsubscribe"}, {"uploaded": True}]
)
def test_p7_imports_uploads_and_unsubscribe_pages_set_nothing_off(
    changed: dict[str, object],
) -> None:
    one = action(**changed)  # type: ignore[arg-type]
    assert verdict(act=one) == ("not_eligible", "not_by_a_person")


@pytest.mark.parametrize(
    "record",
    [
        Record(1, status=Status.INELIGIBLE_NO_PHONE, reason="no_phone"),
        Record(1, status=Status.DUPLICATE_PHONE),
        Record(1, status=Status.DELETED, member_id=50),
        Record(1, status=Status.ERASED, member_id=50),
    ],
)
def test_p7_who_has_no_member_is_not_eligible(record: Record) -> None:
    assert verdict(record=record) == ("not_eligible", "not_synced")


def test_p7_a_member_who_is_not_opted_in_is_not_texted() -> None:
    assert verdict(opted_in=False) == ("not_opted_in", "not_opted_in")


def test_a6_whose_opt_out_is_held_gets_no_text() -> None:
    assert verdict(quiet=True) == ("not_opted_in", "opt_out_held")
    assert verdict(quiet=True, opted_in=False) == ("not_opted_in", "not_opted_in")


def test_p7_what_is_past_says_so_first() -> None:
    """Whoever it was by: staff see that it was not the person's fault."""
    nobody = Record(1, status=Status.INELIGIBLE_NO_PHONE)
    old = action(at=NOW - timedelta(days=2), page_type="import")
    assert verdict(act=old, record=nobody, opted_in=False)[0] == "too_old"
    assert verdict(act=action(page_type="import"), record=nobody) == (
        "not_eligible",
        "not_by_a_person",
    )


def test_every_reason_has_words() -> None:
    assert all(text.endswith(".") for text in REASONS.values())


# --- whatever happens ---

TIMES: st.SearchStrategy[datetime | None] = st.sampled_from(
    [NOW, NOW - timedelta(hours=23), NOW - timedelta(hours=24), NOW - timedelta(days=900), None]
)
MOMENTS = st.builds(
    Moment, st.sampled_from([START, NOW - timedelta(hours=2), NOW]), st.sampled_from([0, 100, 102])
)
ACTIONS = st.builds(
    Action,
    action_id=st.integers(99, 104),
    page_id=st.sampled_from([PAGE, OTHER_PAGE, UNSYNCED_PAGE]),
    status=st.sampled_from(["complete", "spam"]),
    created_at=TIMES,
    page_type=st.sampled_from(["petition", "import", "unsubscribe"]),
    uploaded=st.booleans(),
    fields=st.sampled_from([(), (("colour", ("red",)),), (("Colour", ("blue", " Red")),)]),
)
AUTOMATIONS = st.builds(
    rule,
    st.sampled_from([None, PAGE, OTHER_PAGE]),
    st.sampled_from([None, "colour"]),
    st.sampled_from([None, "red"]),
    MOMENTS,
    st.booleans(),
)
RECORDS = st.builds(
    Record,
    st.just(1),
    status=st.sampled_from(Status),
    member_id=st.sampled_from([None, 50]),
)


def decided(
    one: Automation,
    act: Action,
    with_rules: Rules,
    record: Record,
    flags: tuple[bool, bool],
) -> Verdict:
    return decide_rule(one, act, with_rules, record, *flags, NOW)


@given(
    AUTOMATIONS,
    ACTIONS,
    st.none() | MOMENTS,
    MOMENTS,
    RECORDS,
    st.tuples(st.booleans(), st.booleans()),
)
def test_p7_nothing_but_a_live_action_of_an_opted_in_member_is_ever_done(
    one: Automation,
    act: Action,
    live_since: Moment | None,
    page_since: Moment,
    record: Record,
    flags: tuple[bool, bool],
) -> None:
    with_rules = rules(one, live_since=live_since, page_since=page_since)
    said = decided(one, act, with_rules, record, flags)
    assert said.reason in REASONS
    assert said == decided(one, act, with_rules, record, flags)
    if said.outcome is Outcome.DONE:
        opted_in, quiet = flags
        assert is_live(act, with_rules, NOW)
        assert act.created_at is not None
        assert NOW - act.created_at < timedelta(hours=24)
        assert act.action_id > one.since.action_id
        assert record.member_id is not None
        assert opted_in
        assert not quiet


@given(st.lists(ACTIONS, max_size=4), st.lists(AUTOMATIONS, max_size=3), st.frozensets(
    st.integers(99, 104)
))  # fmt: skip
def test_p7_due_is_never_more_than_new_complete_actions_on_synced_pages(
    actions: list[Action], automations: Iterable[Automation], fresh: frozenset[int]
) -> None:
    found = due(actions, fresh, rules(*automations))
    assert found <= fresh
    good = {one.action_id for one in actions if one.complete and one.page_id in (PAGE, OTHER_PAGE)}
    assert found <= good
    off = [replace(one, enabled=False) for one in automations]
    assert due(actions, fresh, rules(*off)) == frozenset()
