"""F3 to F7, F9: one mapped field."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from instep.domain.decide import decide
from instep.domain.people import MemberChange, Side, User
from instep.domain.plan import Plan
from instep.domain.record import Base, Warning  # noqa: A004
from instep.domain.rules import Option
from tests.property.small_world import NUMBERS, START, Habits, World, mappings, rules_with

O = Option  # noqa: E741
A, S = Side.ACTIONKIT, Side.STRIVE
NAMES = ("city", "nick")  # a core field and a custom one


def pair(option: Option, a: str, s: str, name: str = "city", country: str = "") -> World:
    """User 1 and the member, not linked yet, with one mapped field."""
    one = World(rules_with({name: option}))
    one.users[1] = User(1, "one@example.org", country=country)
    one.set_phone(1, NUMBERS[0])
    one.set_opt_in(1, "yes")
    mapping = one.rules.mappings[0]
    one.edit_user(1, mapping, a)
    one.add_member(NUMBERS[0], opt_in=True, **{name: s})
    one.wait(24 * 60)
    return one


def agreed(option: Option, a: str, s: str, name: str = "city") -> World:
    """A linked pair with the base (x, x), then changed to a and s long after."""
    one = pair(option, "x", "x", name)
    one.quiet()
    one.wait(24 * 60)
    mapping = one.rules.mappings[0]
    if a != "x":
        one.edit_user(1, mapping, a)
    if s != "x":
        one.edit_member(one.member_of(1).member_id, mapping, s)
    return one


def writes(plan: Plan) -> list[tuple[Side, str]]:
    return [(one.side, one.new) for one in plan.field_writes]


FIRST = [
    # option, ActionKit, Strive, written
    (O.ONE_WAY_OVERWRITE_ACTIONKIT, "a", "s", [(A, "s")]),
    (O.ONE_WAY_OVERWRITE_ACTIONKIT, "", "s", [(A, "s")]),
    (O.ONE_WAY_OVERWRITE_ACTIONKIT, "a", "", []),
    (O.ONE_WAY_OVERWRITE_STRIVE, "a", "s", [(S, "a")]),
    (O.ONE_WAY_OVERWRITE_STRIVE, "", "s", []),
    (O.ONE_WAY_OVERWRITE_STRIVE, "a", "", [(S, "a")]),
    (O.POPULATE_NO_OVERWRITE, "a", "s", []),
    (O.POPULATE_NO_OVERWRITE, "", "s", [(A, "s")]),
    (O.POPULATE_NO_OVERWRITE, "a", "", [(S, "a")]),
    (O.POPULATE_OVERWRITE_ACTIONKIT, "a", "s", [(A, "s")]),
    (O.POPULATE_OVERWRITE_ACTIONKIT, "", "s", [(A, "s")]),
    (O.POPULATE_OVERWRITE_ACTIONKIT, "a", "", [(S, "a")]),
    (O.POPULATE_OVERWRITE_STRIVE, "a", "s", [(S, "a")]),
    (O.POPULATE_OVERWRITE_STRIVE, "", "s", [(A, "s")]),
    (O.POPULATE_OVERWRITE_STRIVE, "a", "", [(S, "a")]),
    (O.TWO_WAY, "a", "s", [(A, "s")]),
    (O.TWO_WAY, "", "s", [(A, "s")]),
    (O.TWO_WAY, "a", "", [(S, "a")]),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("option", "a", "s", "written"), FIRST)
def test_f3_f4_at_first_link(
    option: Option, a: str, s: str, written: list[tuple[Side, str]], name: str
) -> None:
    one = pair(option, a, s, name)
    assert writes(one.sync(1)) == written
    one.quiet()


@pytest.mark.parametrize("option", list(Option))
@pytest.mark.parametrize(("a", "s"), [("x", "x"), (" x ", "x"), ("", "  "), ("x\t", "\nx")])
def test_f4_values_are_compared_without_outer_white_space(option: Option, a: str, s: str) -> None:
    plan = pair(option, a, s).sync(1)
    assert writes(plan) == []
    assert plan.record.fields["f-city"].base == Base(a.strip(), s.strip(), option)


LATER = [
    (O.ONE_WAY_OVERWRITE_ACTIONKIT, "x", "s", [(A, "s")], "overwrite"),
    (O.ONE_WAY_OVERWRITE_ACTIONKIT, "a", "x", [(A, "x")], "overwrite"),
    (O.ONE_WAY_OVERWRITE_ACTIONKIT, "x", "", [(A, "")], "cleared"),
    (O.ONE_WAY_OVERWRITE_ACTIONKIT, "", "x", [(A, "x")], "fill"),
    (O.ONE_WAY_OVERWRITE_STRIVE, "a", "x", [(S, "a")], "overwrite"),
    (O.ONE_WAY_OVERWRITE_STRIVE, "x", "s", [(S, "x")], "overwrite"),
    (O.ONE_WAY_OVERWRITE_STRIVE, "", "x", [(S, "")], "cleared"),
    (O.ONE_WAY_OVERWRITE_STRIVE, "x", "", [(S, "x")], "fill"),
    (O.POPULATE_NO_OVERWRITE, "a", "x", [], "kept"),
    (O.POPULATE_NO_OVERWRITE, "a", "s", [], "kept"),
    (O.POPULATE_NO_OVERWRITE, "", "x", [(A, "x")], "refilled"),
    (O.POPULATE_NO_OVERWRITE, "x", "", [(S, "x")], "refilled"),
    (O.POPULATE_OVERWRITE_ACTIONKIT, "x", "s", [(A, "s")], "overwrite"),
    (O.POPULATE_OVERWRITE_ACTIONKIT, "a", "x", [(A, "x")], "overwrite"),
    (O.POPULATE_OVERWRITE_ACTIONKIT, "x", "", [(A, "")], "cleared"),
    (O.POPULATE_OVERWRITE_ACTIONKIT, "", "x", [(A, "x")], "fill"),
    (O.POPULATE_OVERWRITE_STRIVE, "a", "x", [(S, "a")], "overwrite"),
    (O.POPULATE_OVERWRITE_STRIVE, "x", "s", [(S, "x")], "overwrite"),
    (O.POPULATE_OVERWRITE_STRIVE, "", "x", [(S, "")], "cleared"),
    (O.POPULATE_OVERWRITE_STRIVE, "x", "", [(S, "x")], "fill"),
    (O.TWO_WAY, "a", "x", [(S, "a")], "changed"),
    (O.TWO_WAY, "x", "s", [(A, "s")], "changed"),
    (O.TWO_WAY, "", "x", [(S, "")], "cleared"),
    (O.TWO_WAY, "x", "", [(A, "")], "cleared"),
    (O.TWO_WAY, "z", "z", [], ""),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("option", "a", "s", "written", "rule"), LATER)
def test_f3_f4_later(
    option: Option, a: str, s: str, written: list[tuple[Side, str]], rule: str, name: str
) -> None:
    one = agreed(option, a, s, name)
    plan = one.sync(1)
    assert writes(plan) == written
    assert plan.record.fields[f"f-{name}"].rule == rule
    assert [(c.side, c.field, c.new, c.rule) for c in plan.history] == [
        (side, one.rules.mappings[0].name, value, rule) for side, value in written
    ]
    one.quiet()


@pytest.mark.parametrize("option", [O.ONE_WAY_OVERWRITE_ACTIONKIT, O.POPULATE_OVERWRITE_ACTIONKIT])
def test_f4_after_a_clear_was_carried_nothing_more_is_erased(option: Option) -> None:
    one = agreed(option, "x", "")
    one.quiet()
    one.edit_user(1, one.rules.mappings[0], "again")
    one.quiet()
    assert one.users[1].city == "again"


# --- two-way (F5) ---


def both_changed(minutes: float, name: str = "nick") -> Plan:
    """ActionKit changed to a, that many minutes after Strive changed to s."""
    one = agreed(O.TWO_WAY, "x", "x", name)
    mapping = one.rules.mappings[0]
    now = one.now
    one.now = now + timedelta(minutes=60)
    one.edit_member(one.member_of(1).member_id, mapping, "s")
    one.now += timedelta(minutes=minutes)
    one.edit_user(1, mapping, "a")
    one.now = now + timedelta(minutes=200)
    return one.sync(1)


@pytest.mark.parametrize(
    ("minutes", "winner", "rule"),
    [(16, A, "later"), (15, S, "strive_wins"), (0, S, "strive_wins"), (-15, S, "strive_wins"),
     (-16, S, "later")],
)  # fmt: skip
def test_f5_the_later_change_wins_with_15_minutes_of_skew(
    minutes: float, winner: Side, rule: str
) -> None:
    plan = both_changed(minutes)
    assert [one.winner for one in plan.conflicts] == [winner]
    conflict = plan.conflicts[0]
    assert (conflict.field, conflict.actionkit_value, conflict.strive_value) == (
        "custom:nick", "a", "s",
    )  # fmt: skip
    change = plan.history[0]
    assert (change.old, change.new) == (("s", "a") if winner is A else ("a", "s"))
    assert change.rule == rule


def test_f5_a_core_field_has_no_clock_so_intervals_overlap_and_strive_wins() -> None:
    plan = both_changed(90, name="city")
    assert writes(plan) == [(A, "s")]


def test_f5_a_core_change_certainly_later_wins() -> None:
    """The Strive change was not seen when the record last changed, but is older than that."""
    one = agreed(O.TWO_WAY, "x", "x")
    member_id = one.member_of(1).member_id
    one.edit_member(member_id, one.rules.mappings[0], "s")
    one.wait(20)
    one.records[1] = replace(one.records[1], changed_at=one.now)
    one.wait(5)
    one.edit_user(1, one.rules.mappings[0], "a")
    assert writes(one.sync(1)) == [(S, "a")]


@pytest.mark.parametrize("missing", ["row time", "our own row", "change log"])
def test_f5_an_unknown_time_or_one_of_our_own_writes_lets_strive_win(missing: str) -> None:
    one = agreed(O.TWO_WAY, "x", "x", "nick")
    mapping = one.rules.mappings[0]
    one.edit_member(one.member_of(1).member_id, mapping, "s")
    one.wait(60)
    one.edit_user(1, mapping, "a")
    row = next(row for row in one.users[1].fields if row.name == "ak_nick")
    others = tuple(r for r in one.users[1].fields if r != row)
    if missing == "row time":
        row = replace(row, updated_at=None)
    if missing == "our own row":
        row = replace(row, page_id=one.rules.import_page_id)
    if missing == "change log":
        one.changes.clear()
    one.users[1] = replace(one.users[1], fields=(*others, row))
    assert writes(one.sync(1)) == [(A, "s")]


def test_f5_without_an_import_page_no_row_is_our_own() -> None:
    one = agreed(O.TWO_WAY, "x", "x", "nick")
    one.rules = replace(one.rules, import_page_id=None)
    mapping = one.rules.mappings[0]
    one.edit_member(one.member_of(1).member_id, mapping, "s")
    one.wait(60)
    one.edit_user(1, mapping, "a")
    row = next(row for row in one.users[1].fields if row.name == "ak_nick")
    others = tuple(r for r in one.users[1].fields if r != row)
    row = replace(row, page_id=None, page_type="")
    one.users[1] = replace(one.users[1], fields=(*others, row))
    assert writes(one.sync(1)) == [(S, "a")]


def test_f5_a_worker_that_died_does_not_date_a_change() -> None:
    """The record is as old as the look before the worker died, though that was found out later."""
    one = agreed(O.TWO_WAY, "x", "x")
    mapping = one.rules.mappings[0]
    one.set_opt_in(1, "no")
    one.sync(1, crash_after=2)
    assert one.records[1].intent is not None
    one.edit_user(1, mapping, "a")
    one.wait(60)
    one.edit_member(one.member_of(1).member_id, mapping, "s")
    one.wait(60)
    assert writes(one.sync(1)) == [(A, "s")]


def test_f5_a_record_is_as_old_as_its_look() -> None:
    one = agreed(O.TWO_WAY, "x", "x")
    one.edit_user(1, one.rules.mappings[0], "a")
    seen = one.look(1)
    late = one.now + timedelta(minutes=2)
    assert decide(seen, one.records[1], one.rules, late).record.changed_at == seen.at


def test_f5_sides_that_differ_at_a_first_link_are_no_conflict() -> None:
    assert pair(O.TWO_WAY, "a", "s").sync(1).conflicts == ()


# --- settled answers (F6) ---


def test_f6_a_base_is_set_only_once_read_back() -> None:
    one = pair(O.TWO_WAY, "a", "s")
    one.sync(1)
    assert one.records[1].fields["f-city"].base is None
    assert one.records[1].fields["f-city"].sent is not None
    one.sync(1)
    assert one.records[1].fields["f-city"].base == Base("s", "s", O.TWO_WAY)


def test_f6_what_strive_was_sent_is_read_back_at_once() -> None:
    one = agreed(O.TWO_WAY, "a", "x")
    one.sync(1)
    state = one.records[1].fields["f-city"]
    assert (state.base, state.sent) == (Base("a", "a", O.TWO_WAY), None)


@pytest.mark.parametrize("option", [O.ONE_WAY_OVERWRITE_ACTIONKIT, O.TWO_WAY])
def test_f6_another_value_than_was_sent_is_the_answer_and_stands(option: Option) -> None:
    one = agreed(option, "x", "new york")
    one.habits.actionkit_capitalises = True
    one.quiet()
    state = one.records[1].fields["f-city"]
    assert (one.users[1].city, one.member_of(1).city) == ("NEW YORK", "new york")
    assert state.base == Base("NEW YORK", "new york", option)
    assert state.rule == "settled"
    one.wait(24 * 60)
    assert not one.sync(1).writes


def test_f6_a_target_that_a_person_changed_is_overwritten_once_for_each_change() -> None:
    one = agreed(O.ONE_WAY_OVERWRITE_ACTIONKIT, "x", "new york")
    one.habits.actionkit_capitalises = True
    one.quiet()
    for value in ("b", "c"):
        one.edit_user(1, one.rules.mappings[0], value)
        plans = one.quiet()
        assert sum(bool(plan.field_writes) for plan in plans) == 1
        assert one.users[1].city == "NEW YORK"


def test_f6_a_write_is_awaited_for_15_minutes_and_then_the_value_shown_is_the_answer() -> None:
    one = agreed(O.TWO_WAY, "a", "x")
    one.habits.strive_ignores = frozenset({"city"})
    assert writes(one.sync(1)) == [(S, "a")]
    one.wait(14)
    assert not one.sync(1).writes
    assert one.records[1].fields["f-city"].sent is not None
    one.wait(2)
    assert not one.sync(1).writes
    assert one.records[1].fields["f-city"].base == Base("a", "x", O.TWO_WAY)
    one.edit_user(1, one.rules.mappings[0], "b")
    assert writes(one.sync(1)) == [(S, "b")]


def test_f6_while_awaited_a_newer_value_of_the_source_is_sent_at_once() -> None:
    one = agreed(O.TWO_WAY, "a", "x")
    one.habits.strive_ignores = frozenset({"city"})
    one.sync(1)
    one.wait(2)
    one.edit_user(1, one.rules.mappings[0], "b")
    assert writes(one.sync(1)) == [(S, "b")]


def test_f6_a_person_who_changed_the_target_after_our_write_is_no_answer() -> None:
    one = agreed(O.TWO_WAY, "x", "s", "nick")
    mapping = one.rules.mappings[0]
    assert writes(one.sync(1)) == [(A, "s")]
    one.wait(5)
    one.edit_user(1, mapping, "person")
    assert writes(one.sync(1)) == [(S, "person")]


def test_f6_a_value_that_actionkit_refused_is_not_sent_again() -> None:
    one = pair(O.TWO_WAY, "11201", "94103", "postal_code")
    one.habits.actionkit_refuses = frozenset({"zip"})
    one.quiet()
    assert one.records[1].fields["f-postal_code"].rule == "refused"
    assert one.records[1].warnings == {Warning.INVALID_FOR_ACTIONKIT}
    one.wait(24 * 60)
    assert not one.sync(1).writes


@pytest.mark.parametrize("option", list(Option))
def test_f6_place_from_zip_comes_to_rest_under_every_option(option: Option) -> None:
    one = World(rules_with({"postal_code": option, "city": option, "state": option}))
    one.habits = Habits(actionkit_sets_place_from_zip=True, strive_sets_state_from_zip=True)
    one.users[1] = User(1, "o@example.org", zip="11201", city="Brooklyn", state="NY")
    one.set_phone(1, NUMBERS[0])
    one.set_opt_in(1, "yes")
    member_id = one.add_member(
        NUMBERS[0], opt_in=True, postal_code="60601", city="Chicago", state="IL"
    )
    one.quiet()
    one.edit_member(member_id, one.rules.mappings[0], "94103")
    one.quiet(rounds=5)
    one.edit_user(1, one.rules.mappings[0], "60601")
    one.quiet(rounds=5)


# --- options and mappings that change (F3) ---


def test_a_changed_option_drops_a_base_whose_values_differ() -> None:
    one = agreed(O.ONE_WAY_OVERWRITE_ACTIONKIT, "x", "s")
    one.habits.actionkit_capitalises = True
    one.quiet()
    one.rules = replace(one.rules, mappings=mappings({"city": O.ONE_WAY_OVERWRITE_STRIVE}))
    assert writes(one.sync(1)) == [(S, "S")]


def test_a_changed_option_keeps_a_base_whose_values_agree() -> None:
    one = agreed(O.POPULATE_NO_OVERWRITE, "x", "x")
    one.rules = replace(one.rules, mappings=mappings({"city": O.TWO_WAY}))
    one.edit_user(1, one.rules.mappings[0], "")
    assert writes(one.sync(1)) == [(S, "")]


def test_f3_a_broken_mapping_is_skipped_and_what_is_known_of_it_kept() -> None:
    one = agreed(O.TWO_WAY, "a", "x")
    before = one.records[1].fields["f-city"]
    one.rules = replace(
        one.rules, mappings=tuple(replace(m, broken=True) for m in one.rules.mappings)
    )
    plan = one.sync(1)
    assert writes(plan) == []
    assert plan.record.fields == {"f-city": before}


def test_a_mapping_that_was_removed_is_forgotten() -> None:
    one = agreed(O.TWO_WAY, "a", "x")
    one.rules = replace(one.rules, mappings=())
    assert one.sync(1).record.fields == {}


# --- email, zip and state (F7, F9) ---


@pytest.mark.parametrize(
    "option", [O.POPULATE_NO_OVERWRITE, O.POPULATE_OVERWRITE_STRIVE, O.ONE_WAY_OVERWRITE_STRIVE]
)
def test_f7_email_never_goes_to_actionkit_and_ignores_case(option: Option) -> None:
    one = pair(option, "Ada@Example.org", "ada@example.ORG", "email")
    assert writes(one.sync(1)) == []
    one = pair(option, "ada@example.org", "other@example.org", "email")
    assert all(side is S for side, _ in writes(one.sync(1)))
    one = agreed(O.POPULATE_NO_OVERWRITE, "x", "other@example.org", "email")
    assert writes(one.sync(1)) == []


@pytest.mark.parametrize("option", [O.TWO_WAY, O.ONE_WAY_OVERWRITE_ACTIONKIT])
def test_f7_not_even_with_an_option_that_is_not_allowed(option: Option) -> None:
    one = pair(option, "ada@example.org", "other@example.org", "email")
    assert writes(one.sync(1)) == []


def test_f9_abroad_zip_and_state_are_postal_and_region() -> None:
    one = World(rules_with({"postal_code": O.TWO_WAY, "state": O.TWO_WAY}))
    one.users[1] = User(1, "o@example.org", country="Canada", postal="K1A 0B1", zip="11201")
    one.set_phone(1, "+16135550123")
    one.set_opt_in(1, "yes")
    one.add_member("+16135550123", opt_in=True, state="Ontario")
    plan = one.sync(1)
    assert plan.strive == {"postal_code": "K1A 0B1"}
    assert plan.actionkit == {"region": "Ontario"}


@pytest.mark.parametrize(
    ("name", "value", "country", "valid"),
    [
        ("postal_code", "11201", "United States", True),
        ("postal_code", "11201-4321", "", True),
        ("postal_code", "1120", "United States", False),
        ("postal_code", "K1A 0B1", "United States", False),
        ("postal_code", "K1A 0B1", "Canada", True),
        ("state", "NY", "United States", True),
        ("state", "ny", "United States", True),
        ("state", "New York", "United States", False),
        ("state", "ZZ", "", False),
        ("state", "Ontario", "Canada", True),
        ("city", "12", "United States", True),
    ],
)
def test_f9_a_value_that_cannot_be_valid_is_not_sent(
    name: str, value: str, country: str, valid: bool
) -> None:
    one = pair(O.TWO_WAY, "", value, name, country)
    plan = one.sync(1)
    assert writes(plan) == ([(A, value)] if valid else [])
    assert (Warning.INVALID_FOR_ACTIONKIT in plan.record.warnings) is not valid
    one.quiet()
    if not valid:
        one.edit_user(1, one.rules.mappings[0], "94103" if name == "postal_code" else "CA")
        one.quiet()
        assert one.records[1].warnings == frozenset()


def test_f9_moving_abroad_clears_no_zip_in_strive() -> None:
    one = agreed(O.TWO_WAY, "x", "x")
    one = pair(O.ONE_WAY_OVERWRITE_STRIVE, "11201", "11201", "postal_code", "United States")
    one.quiet()
    one.users[1] = replace(one.users[1], country="Canada")
    one.quiet()
    assert one.member_of(1).postal_code == "11201"


def test_the_latest_change_log_row_of_the_value_counts() -> None:
    one = agreed(O.TWO_WAY, "x", "s", "nick")
    member_id = one.member_of(1).member_id
    early = START - timedelta(days=300)
    one.changes.insert(0, MemberChange(member_id, "nick", "q", "s", "organizer", early))
    one.wait(-5)
    one.edit_user(1, one.rules.mappings[0], "a")
    one.wait(30)
    assert writes(one.sync(1)) == [(A, "s")]
