"""F3 to F7: docs/decisions.md says what is written where, and decide does it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from instep.domain.decide import decide
from instep.domain.people import FieldRow, Member, MemberChange, Phone, Side, User
from instep.domain.plan import Plan, Seen
from instep.domain.record import Base, ConsentState, FieldState, Record, Status
from instep.domain.rules import Option, Rules
from tests.property.small_world import IMPORT_PAGE, NUMBERS, OPT_IN, START, rules_with
from tests.unit.domain.decision_tables import assert_complete, read_table

NOW = START + timedelta(days=100)
LAST_LOOK = NOW - timedelta(days=10)
OPTIONS = [option.value for option in Option]
EMAIL_OPTIONS = (
    Option.ONE_WAY_OVERWRITE_STRIVE,
    Option.POPULATE_NO_OVERWRITE,
    Option.POPULATE_OVERWRITE_STRIVE,
)
CREATED = read_table("Fields", "A member is created")
FIRST = read_table("Fields", "First link")
AFTERWARDS = read_table("Fields", "Afterwards")
BOTH_CHANGED = read_table("Fields", "Two-way, both changed")

NAMES = ("city", "nick")  # a core field, and a custom one
VALUES = ("", " \t", "x", " x ", "y", "z")
HALVES = ("", "x", "y")
NOTHING, CANNOT_BE, CONFLICT = "–", "cannot be", " *"


# --- a person with one mapped field ---


def user_with(name: str, value: str) -> User:
    rows = (FieldRow(OPT_IN, "true", LAST_LOOK, 1, 5, "signup"),)
    user = User(1, "one@example.org", phones=(Phone(1, "mobile", NUMBERS[0]),), fields=rows)
    if name == "nick":
        return replace(user, fields=(*rows, FieldRow("ak_nick", value)))
    return replace(user, **{name: value})  # type: ignore[arg-type]


def member_with(name: str, value: str) -> Member:
    member = Member(50, NUMBERS[0], opt_in=True, created_at=LAST_LOOK)
    if name == "nick":
        return replace(member, custom={"nick": value})
    return replace(member, **{name: value})  # type: ignore[arg-type]


def linked_record(name: str, state: FieldState | None) -> Record:
    """The record of a link that is quiet but for the field."""
    return Record(
        1,
        status=Status.SYNCED,
        number=NUMBERS[0],
        member_id=50,
        fields={} if state is None else {f"f-{name}": state},
        consent=ConsentState(
            "true", "true", LAST_LOOK, OPT_IN, opted_in=True, false_seen_at=LAST_LOOK
        ),
        changed_at=LAST_LOOK,
    )


def decided(
    rules: Rules, user: User, member: Member | None, record: Record | None, *log: MemberChange
) -> Plan:
    linked = member if record is not None and record.member_id is not None else None
    return decide(Seen(NOW, user, linked=linked, matched=member, changes=log), record, rules, NOW)


def written(plan: Plan) -> list[tuple[Side, str]]:
    """What the plan writes of the field. The systems' own names are left to other tests."""
    values = [
        *((Side.STRIVE, value) for value in (plan.strive | plan.strive_custom).values()),  # type: ignore[operator]
        *((Side.ACTIONKIT, value) for value in (plan.actionkit | plan.actionkit_custom).values()),  # type: ignore[operator]
    ]
    if plan.create is None:
        assert sorted(values) == sorted((one.side, one.new) for one in plan.field_writes)
    return values


def meant(cell: str, a: str, s: str) -> list[tuple[Side, str]]:
    """What a cell says is written."""
    if cell == NOTHING:
        return []
    side, sign, value = cell.removesuffix(CONFLICT).partition(" := ")
    assert sign, cell
    to = {"Strive": Side.STRIVE, "ActionKit": Side.ACTIONKIT}[side]
    return [(to, {"a": a.strip(), "s": s.strip(), "empty": ""}[value])]


def email_cell(cell: str, a: str, s: str) -> str:
    """The cell of an email: nothing is written to ActionKit (F7)."""
    return NOTHING if cell.startswith("ActionKit") or a.strip() == s.strip() else cell


# --- the tables are complete ---


def test_the_tables_hold_every_combination_once() -> None:
    assert_complete(CREATED, {"ActionKit": ["empty", "a value"]})
    states = ["empty", "same", "changed"]
    assert_complete(FIRST, {"ActionKit": states, "Strive": states})
    states = ["empty", "cleared", "same", "changed"]
    assert_complete(AFTERWARDS, {"ActionKit": states, "Strive": states})
    for table in (CREATED, FIRST, AFTERWARDS):
        assert list(table[0])[-len(OPTIONS) :] == OPTIONS
    combinations = sum(len(table) * len(OPTIONS) for table in (CREATED, FIRST, AFTERWARDS))
    assert combinations == 6 * (2 + 3 * 3 + 4 * 4)


# --- the tables say what is decided ---


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("row", CREATED, ids=lambda row: row["ActionKit"])
def test_f3_a_member_is_created(row: dict[str, str], option: str, name: str) -> None:
    for a in VALUES:
        if bool(a.strip()) is (row["ActionKit"] == "a value"):
            plan = decided(rules_with({name: Option(option)}), user_with(name, a), None, None)
            assert plan.create is not None
            values = {**plan.create.values, **plan.create.custom}
            assert [(Side.STRIVE, one) for one in values.values()] == meant(row[option], a, "")
            assert written(plan) == []


def first_link_pairs(row: dict[str, str]) -> list[tuple[str, str]]:
    """The pairs of values that a row of the first link is about."""

    def state(one: str, other: str) -> str:
        if not one.strip():
            return "empty"
        return "same" if one.strip() == other.strip() else "changed"

    return [
        (a, s)
        for a, s in itertools.product(VALUES, VALUES)
        if (state(a, s), state(s, a)) == (row["ActionKit"], row["Strive"])
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("row", FIRST, ids=lambda row: f"{row['ActionKit']}, {row['Strive']}")
def test_f3_f4_first_link(row: dict[str, str], option: str, name: str) -> None:
    """A new pair, a mapping that is new to a linked pair, and a base that its option outlived."""
    pairs = first_link_pairs(row)
    assert (pairs == []) is (row[option] == CANNOT_BE)
    rules = rules_with({name: Option(option)})
    other = next(one for one in Option if one != option)
    outlived = FieldState("x", "y", Base("x", "y", other))
    for a, s in pairs:
        for record in (None, linked_record(name, None), linked_record(name, outlived)):
            plan = decided(rules, user_with(name, a), member_with(name, s), record)
            assert written(plan) == meant(row[option], a, s)
            assert plan.conflicts == ()


def state_since(value: str, half: str) -> str:
    if not value.strip():
        return "cleared" if half else "empty"
    return "same" if value.strip() == half else "changed"


def later_cases(row: dict[str, str]) -> Iterator[tuple[str, str, Base]]:
    """All values and bases that a row of afterwards is about."""
    for a, s, ours, theirs in itertools.product(VALUES, VALUES, HALVES, HALVES):
        if (state_since(a, ours), state_since(s, theirs)) == (row["ActionKit"], row["Strive"]):
            yield a, s, Base(ours, theirs, Option.TWO_WAY)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("row", AFTERWARDS, ids=lambda row: f"{row['ActionKit']}, {row['Strive']}")
def test_f3_f4_f5_afterwards(row: dict[str, str], option: str, name: str) -> None:
    rules = rules_with({name: Option(option)})
    cell, differed = row[option], False
    for a, s, base in later_cases(row):
        base = replace(base, option=Option(option))
        state = FieldState(base.actionkit, base.strive, base)
        record = linked_record(name, state)
        plan = decided(rules, user_with(name, a), member_with(name, s), record)
        differ = a.strip() != s.strip()
        differed |= differ
        assert written(plan) == (meant(cell, a, s) if differ else [])
        listed = [(one.actionkit_value, one.strive_value, one.winner) for one in plan.conflicts]
        conflict = differ and cell.endswith(CONFLICT)
        assert listed == ([(a.strip(), s.strip(), Side.STRIVE)] if conflict else [])
    assert differed or cell == NOTHING


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("row", AFTERWARDS, ids=lambda row: f"{row['ActionKit']}, {row['Strive']}")
def test_f3_a_changed_option_keeps_a_base_whose_sides_agreed(
    row: dict[str, str], option: str
) -> None:
    rules = rules_with({"city": Option(option)})
    before = next(one for one in Option if one != option)
    for a, s, base in later_cases(row):
        if base.actionkit == base.strive and a.strip() != s.strip():
            state = FieldState(base.actionkit, base.strive, replace(base, option=before))
            record = linked_record("city", state)
            plan = decided(rules, user_with("city", a), member_with("city", s), record)
            assert written(plan) == meant(row[option], a, s)


@pytest.mark.parametrize("option", EMAIL_OPTIONS)
def test_f7_of_an_email_nothing_is_written_to_actionkit(option: Option) -> None:
    rules = rules_with({"email": option})
    for row in FIRST:
        for a, s in first_link_pairs(row):
            plan = decided(rules, user_with("email", a), member_with("email", s), None)
            assert written(plan) == meant(email_cell(row[option], a, s), a, s)
    for row in AFTERWARDS:
        for a, s, base in later_cases(row):
            state = FieldState(base.actionkit, base.strive, replace(base, option=option))
            record = linked_record("email", state)
            plan = decided(rules, user_with("email", a), member_with("email", s), record)
            assert written(plan) == meant(email_cell(row[option], a, s), a, s)


# --- both changed, with known times ---

STRIVE_CHANGED = NOW - timedelta(hours=2)


@pytest.mark.parametrize(("a", "s"), [("a", "s"), ("", "s"), ("a", "")])
@pytest.mark.parametrize("row", BOTH_CHANGED, ids=lambda row: row["ActionKit's change"])
def test_f5_both_changed(row: dict[str, str], a: str, s: str) -> None:
    when = row["ActionKit's change"]
    span = re.fullmatch(r"(\d+)(?: to (\d+))? minutes (later|earlier)", when)
    name, page, log_known = "nick", 5, "Strive's is not known" not in when
    earliest = latest = None if "time that is not known" in when else timedelta(hours=1)
    if span is not None:
        minutes = sorted(
            int(one) * (1 if span[3] == "later" else -1) for one in (span[1], span[2] or span[1])
        )
        earliest, latest = timedelta(minutes=minutes[0]), timedelta(minutes=minutes[1])
        name = "city" if span[2] else "nick"
    elif "write of this sync" in when:
        page = IMPORT_PAGE
    else:
        assert earliest is None or not log_known, when
    rules = rules_with({name: Option.TWO_WAY})
    user, member = user_with(name, a), member_with(name, s)
    state = FieldState("x", "x", Base("x", "x", Option.TWO_WAY))
    if name == "nick":
        at = None if earliest is None else STRIVE_CHANGED + earliest
        set_by = replace(user.fields[1], updated_at=at, page_id=page)
        user = replace(user, fields=(user.fields[0], set_by))
    else:
        assert earliest is not None
        assert latest is not None
        state = replace(
            state,
            actionkit=a,
            changed_after=STRIVE_CHANGED + earliest,
            changed_before=STRIVE_CHANGED + latest,
        )
    change = MemberChange(50, name, "x", s, "organizer", STRIVE_CHANGED)
    log = (change,) if log_known else ()
    plan = decided(rules, user, member, linked_record(name, state), *log)
    assert written(plan) == meant(row["what is written"], a, s)
    change_made = next(one for one in plan.history if one.field != "groups")
    assert change_made.rule == row["rule in the history"]
    winner = Side.ACTIONKIT if row["what is written"].startswith("Strive") else Side.STRIVE
    field = "custom:nick" if name == "nick" else "city"
    assert [(one.field, one.actionkit_value, one.strive_value) for one in plan.conflicts] == [
        (field, a, s)
    ]
    assert [one.winner for one in plan.conflicts] == [winner]
    assert (change_made.old, change_made.new) == ((s, a) if winner is Side.ACTIONKIT else (a, s))
