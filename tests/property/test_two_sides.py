"""Edits on both sides end alike in any order (U3), and what a feed of Strive tells is news where
there is something to do (U4)."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from instep.domain.fields import same, strive_value
from instep.domain.news import is_news
from instep.domain.people import Side, User
from instep.domain.record import Record, Status
from instep.domain.rules import Option
from tests.property.small_world import NUMBERS, Habits, World, edited, rules_with

OPTIONS = st.sampled_from(list(Option))
VALUES = st.sampled_from(["", "x", "y", "94103"])
NAMES = ("city", "postal_code", "nick")
HABITS = st.builds(
    Habits,
    actionkit_sets_place_from_zip=st.booleans(),
    strive_sets_state_from_zip=st.booleans(),
    actionkit_capitalises=st.booleans(),
)


def world(options: dict[str, Option], habits: Habits, *opted_in: bool) -> World:
    """Linked pairs, and a user whose member the sync created."""
    one = World(rules_with(options), random.Random(1), habits)
    for user_id, status in enumerate(opted_in, start=1):
        one.users[user_id] = User(user_id, f"u{user_id}@example.org", city="x", zip="11201")
        one.set_phone(user_id, NUMBERS[user_id - 1])
        one.set_opt_in(user_id, "yes")
        if user_id != len(opted_in):
            one.add_member(NUMBERS[user_id - 1], status, city="y")
    one.wait(60)
    one.quiet()
    one.wait(60)
    return one


def edit(one: World, side: Side, user_id: int, name: str, value: str) -> None:
    mapping = next((m for m in one.rules.mappings if m.strive_field == name), None)
    if side is Side.ACTIONKIT:
        if mapping is None:
            one.set_opt_in(user_id, "yes" if value in ("", "x") else "no")
        else:
            one.edit_user(user_id, mapping, value)
    elif mapping is None:
        one.text(one.member_of(user_id).member_id, opt_in=value in ("", "x"))
    else:
        one.edit_member(one.member_of(user_id).member_id, mapping, value)


def values(one: World) -> object:
    return [
        (user.city, user.zip, user.state, one.reading(user_id), member.city, member.postal_code,
         member.custom, member.opt_in, member.groups, record.warnings, record.status,
         sorted((row.name, row.value) for row in user.fields))
        for user_id, user in sorted(one.users.items())
        for record in [one.records[user_id]]
        for member in [one.members[record.member_id or 0]]
    ]  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(NAMES), OPTIONS, min_size=1),
    st.tuples(st.integers(1, 2), st.sampled_from([*NAMES, "opt_in"]), VALUES),
    st.tuples(st.integers(1, 2), st.sampled_from([*NAMES, "opt_in"]), VALUES),
    st.booleans(),
)
@settings(max_examples=300)
def test_the_two_directions_commute(
    options: dict[str, Option],
    there: tuple[int, str, str],
    here: tuple[int, str, str],
    between: bool,
) -> None:
    """An edit in ActionKit and one in Strive of another field or person, in either order."""
    fields = [one[1] if one[1] in options else "opt_in" for one in (there, here)]
    if there[0] == here[0] and fields[0] == fields[1]:
        here = (3 - here[0], *here[1:])
    ends = []
    for order in ((Side.ACTIONKIT, Side.STRIVE), (Side.STRIVE, Side.ACTIONKIT)):
        one = world(options, Habits(), True, True)
        for side in order:
            edit(one, side, *(there if side is Side.ACTIONKIT else here))
            one.wait(10)
            if between:
                for user_id in one.everybody():
                    one.sync(user_id)
        one.quiet()
        ends.append(values(one))
    assert ends[0] == ends[1]


# --- news (U4) ---


def news(one: World, user_id: int) -> bool:
    record = one.records[user_id]
    return is_news(record, one.members.get(record.member_id or 0), one.rules)


@given(
    st.dictionaries(st.sampled_from([*NAMES, "state", "email"]), OPTIONS),
    HABITS,
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 3),
                  st.sampled_from([*NAMES, "opt_in"]), VALUES),
        max_size=5,
    ),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=300)
def test_u4_at_rest_nothing_is_news_and_every_change_is(
    options: dict[str, Option],
    habits: Habits,
    edits: list[tuple[Side, int, str, str]],
    opted_in: bool,
) -> None:
    one = world(options, habits, True, opted_in, True)
    for side, user_id, name, value in edits:
        if name in options or name == "opt_in":
            edit(one, side, user_id, name, value)
        one.wait(16)
    one.quiet()
    one.wait(20)
    one.quiet()
    for user_id in one.users:
        assert not news(one, user_id), "nothing happened"
        record, member = one.records[user_id], one.member_of(user_id)
        for mapping in one.rules.mappings:
            other = edited(member, mapping, "new")
            changed = not same(mapping.name, strive_value(mapping, member), "new")
            assert is_news(record, other, one.rules) is changed
        assert is_news(record, replace(member, opt_in=not member.opt_in), one.rules)
        assert is_news(record, replace(member, phone_number="+12125550199"), one.rules)
        assert is_news(record, replace(member, groups=frozenset()), one.rules)
        assert not is_news(record, replace(member, groups=member.groups | {77}), one.rules)
        assert is_news(record, None, one.rules)


@given(
    st.dictionaries(st.sampled_from([*NAMES, "state"]), OPTIONS),
    HABITS,
    st.lists(
        st.tuples(st.sampled_from(Side), st.integers(1, 3),
                  st.sampled_from([*NAMES, "opt_in"]), VALUES, st.sampled_from([1, 16])),
        max_size=6,
    ),
)  # fmt: skip
@settings(max_examples=300)
def test_u4_what_is_no_news_needs_no_look(
    options: dict[str, Option],
    habits: Habits,
    edits: list[tuple[Side, int, str, str, int]],
) -> None:
    """Nothing that Strive shows makes decide write, where is_news says that nothing is new."""
    one = world(options, habits, True, False, True)
    for side, user_id, name, value, minutes in edits:
        concerned = name in options or name == "opt_in"
        if concerned:
            edit(one, side, user_id, name, value)
        # ActionKit's changes, and a STOP that changes nothing, have feeds of their own.
        elsewhere = concerned and (side is Side.ACTIONKIT or name not in options)
        if not news(one, user_id) and not elsewhere and not one.records[user_id].awaits:
            assert not one.sync(user_id).writes
        one.sync(user_id)
        one.wait(minutes)


def test_u4_an_unlinked_user_has_no_news() -> None:
    assert not is_news(Record(1), None, rules_with())


def test_e1_a_member_to_be_opted_out_is_news_while_opted_in() -> None:
    one = world({}, Habits(), True, True)
    member = one.member_of(1)
    record = Record(1, status=Status.ERASED, member_id=member.member_id)
    assert is_news(record, member, one.rules)
    assert not is_news(record, replace(member, opt_in=False), one.rules)
