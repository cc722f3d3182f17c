"""Ring 1, one field: every option, any values, habits of both systems (F3 to F7)."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from instep.domain.fields import (
    OVERWRITES_ACTIONKIT,
    OVERWRITES_STRIVE,
    FieldLook,
    actionkit_value,
    decide_field,
    strive_value,
)
from instep.domain.people import FieldRow, Member, Side, User
from instep.domain.plan import Plan
from instep.domain.record import Base, FieldState
from instep.domain.rules import Kind, Mapping, Option
from tests.property.small_world import NUMBERS, START, Habits, World, rules_with

VALUES = st.sampled_from(["", " ", "x", "y", " x ", "z"])
OPTIONS = st.sampled_from(list(Option))
FIELDS = st.sampled_from(["city", "nick"])
TO_ACTIONKIT = OVERWRITES_ACTIONKIT | {
    Option.POPULATE_NO_OVERWRITE,
    Option.POPULATE_OVERWRITE_STRIVE,
}
TO_STRIVE = OVERWRITES_STRIVE | {
    Option.POPULATE_NO_OVERWRITE,
    Option.POPULATE_OVERWRITE_ACTIONKIT,
}


@dataclass(frozen=True)
class Edit:
    """A person sets a value on one side, and whether a cycle follows before the next edit."""

    side: Side
    value: str
    cycle: bool
    minutes: int


EDITS = st.lists(
    st.builds(
        Edit,
        st.sampled_from(list(Side)),
        VALUES,
        st.booleans(),
        st.sampled_from([1, 10, 16, 60]),
    ),
    max_size=6,
)
HABITS = st.builds(
    Habits,
    actionkit_capitalises=st.booleans(),
    strive_ignores=st.sampled_from([frozenset[str](), frozenset({"city"})]),
    actionkit_refuses=st.sampled_from([frozenset[str](), frozenset({"city", "ak_nick"})]),
)
NO_HABITS = st.just(Habits())


def pair(option: Option, name: str, a: str, s: str, habits: Habits) -> World:
    one = World(rules_with({name: option}), random.Random(1), habits)
    one.users[1] = User(1, "one@example.org")
    one.set_phone(1, NUMBERS[0])
    one.set_opt_in(1, "yes")
    one.edit_user(1, one.rules.mappings[0], a)
    one.add_member(NUMBERS[0], opt_in=True, **{name: s})
    one.wait(60)
    return one


def values(one: World) -> tuple[str, str]:
    (mapping,) = one.rules.mappings
    (member,) = one.members.values()
    return actionkit_value(mapping, one.users[1]), strive_value(mapping, member)


def edit(one: World, step: Edit) -> list[Plan]:
    (mapping,) = one.rules.mappings
    (member_id,) = one.members
    if step.side is Side.ACTIONKIT:
        one.edit_user(1, mapping, step.value)
    else:
        one.edit_member(member_id, mapping, step.value)
    plans = [one.sync(1)] if step.cycle else []
    one.wait(step.minutes)
    return plans


def check_writes(option: Option, plans: list[Plan], cleared: set[Side]) -> None:
    """No field is touched that its option forbids; nothing is emptied that nobody cleared."""
    for plan in plans:
        for write in plan.field_writes:
            if write.side is Side.ACTIONKIT:
                assert option in TO_ACTIONKIT
                assert option in OVERWRITES_ACTIONKIT or not write.old
            else:
                assert option in TO_STRIVE
                assert option in OVERWRITES_STRIVE or not write.old
            if not write.new:
                source = Side.STRIVE if write.side is Side.ACTIONKIT else Side.ACTIONKIT
                assert source in cleared


def at_rest(option: Option, a: str, s: str) -> bool:
    """What the options promise of two values, once nothing moves any more."""
    match option:
        case Option.ONE_WAY_OVERWRITE_ACTIONKIT:
            return a == s or not s
        case Option.ONE_WAY_OVERWRITE_STRIVE:
            return a == s or not a
        case Option.POPULATE_NO_OVERWRITE:
            return bool(a) == bool(s)
        case _:
            return a == s


@given(OPTIONS, FIELDS, VALUES, VALUES, EDITS, HABITS)
@settings(max_examples=1000)
def test_f6_every_history_comes_to_rest(
    option: Option, name: str, a: str, s: str, edits: list[Edit], habits: Habits
) -> None:
    one = pair(option, name, a, s, habits)
    first = one.sync(1)
    assert all(write.new for write in first.field_writes), "an empty value at first link"
    plans = [first]
    for step in edits:
        plans += edit(one, step)
    cleared = {step.side for step in edits if not step.value.strip()}
    plans += one.quiet(rounds=4)
    check_writes(option, plans, cleared)
    one.wait(24 * 60)
    record = one.records[1]
    settled = one.sync(1)
    assert not settled.writes
    again = one.sync(1)
    assert again == Plan(one.records[1])
    assert record.fields.keys() == again.record.fields.keys()


@given(OPTIONS, FIELDS, VALUES, VALUES, EDITS)
@settings(max_examples=1000)
def test_f3_in_the_end_both_sides_are_what_the_option_says(
    option: Option, name: str, a: str, s: str, edits: list[Edit]
) -> None:
    """Where both systems keep what they are sent, and nobody edits between a write and the next
    look at it."""
    one = pair(option, name, a, s, Habits())
    one.quiet()
    for step in edits:
        edit(one, step)
        if step.cycle:
            one.quiet()
    one.quiet(rounds=4)
    assert at_rest(option, *values(one))


@given(FIELDS, VALUES, st.permutations([Side.ACTIONKIT, Side.STRIVE]), VALUES)
def test_f5_one_change_wins_on_whichever_side_it_was_made(
    name: str, base: str, sides: list[Side], value: str
) -> None:
    one = pair(Option.TWO_WAY, name, base, base, Habits())
    one.quiet()
    edit(one, Edit(sides[0], value, cycle=False, minutes=60))
    one.quiet()
    assert values(one) == (value.strip(), value.strip())


MIRROR = {
    Option.ONE_WAY_OVERWRITE_ACTIONKIT: Option.ONE_WAY_OVERWRITE_STRIVE,
    Option.ONE_WAY_OVERWRITE_STRIVE: Option.ONE_WAY_OVERWRITE_ACTIONKIT,
    Option.POPULATE_OVERWRITE_ACTIONKIT: Option.POPULATE_OVERWRITE_STRIVE,
    Option.POPULATE_OVERWRITE_STRIVE: Option.POPULATE_OVERWRITE_ACTIONKIT,
    Option.POPULATE_NO_OVERWRITE: Option.POPULATE_NO_OVERWRITE,
}


def decided(
    option: Option, a: str, s: str, base: tuple[str, str] | None
) -> tuple[Side, str, str, str] | None:
    mapping = Mapping("f", Kind.CUSTOM, "nick", "nick", option)
    user = User(1, "one@example.org", fields=(FieldRow("nick", a, START),))
    member = Member(2, NUMBERS[0], True, custom={"nick": s})
    look = FieldLook(mapping, user, member, (), START, START - timedelta(days=1))
    known = FieldState(*(base or ("", "")), base=Base(*base, option) if base else None)
    write = decide_field(look, known, rules_with()).write
    return (write.side, write.old, write.new, write.rule) if write else None


@given(st.sampled_from(list(MIRROR)), VALUES, VALUES, st.none() | st.tuples(VALUES, VALUES))
@settings(max_examples=500)
def test_f3_both_directions_are_mirror_images(
    option: Option, a: str, s: str, base: tuple[str, str] | None
) -> None:
    one = decided(option, a, s, base)
    other = decided(MIRROR[option], s, a, (base[1], base[0]) if base else None)
    if one is None or other is None:
        assert one is other
    else:
        assert {one[0], other[0]} == set(Side)
        assert one[1:] == other[1:]


@given(OPTIONS, OPTIONS, FIELDS, VALUES, VALUES, EDITS)
@settings(max_examples=500)
def test_f3_a_change_of_the_option_comes_to_rest_too(
    before: Option, after: Option, name: str, a: str, s: str, edits: list[Edit]
) -> None:
    one = pair(before, name, a, s, Habits())
    one.quiet()
    for step in edits:
        edit(one, step)
    (mapping,) = one.rules.mappings
    one.rules = replace(one.rules, mappings=(replace(mapping, option=after),))
    one.wait(20)
    plans = one.quiet(rounds=4)
    check_writes(after, plans, {step.side for step in edits if not step.value.strip()})
