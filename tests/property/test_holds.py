"""A6 as a property: what is held is decided again as it was, what is discarded stays settled."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from instep.domain.holds import HoldKind, Stake, at_stake
from instep.domain.people import Side, User
from instep.domain.plan import Plan
from instep.domain.rules import Option, Resubscribe
from tests.property.small_world import NUMBERS, Habits, World, agree, rules_with

STAKES = [Stake(kind, side) for kind in HoldKind for side in Side]
SOME = st.frozensets(st.sampled_from(STAKES))
VALUES = st.sampled_from(["", "x", "y"])
EDITS = st.lists(
    st.tuples(
        st.sampled_from(
            ["city", "nick", "member city", "member nick", "opt in", "upload", "stop", "join",
             "leave group", "no groups", "phone", "delete", "cycle"]
        ),
        VALUES,
        st.sampled_from([1, 16, 60]),
    ),
    max_size=8,
)  # fmt: skip
OPT_INS = {"": "TBD", "x": "yes", "y": "no"}


def world(option: Option, linked: bool, opt_in: bool) -> World:
    rules = rules_with({"city": option, "nick": option}, resubscribe=Resubscribe.ANY)
    one = World(rules, random.Random(1), Habits())
    one.users[1] = User(1, "one@example.org", city="x")
    one.set_phone(1, NUMBERS[0])
    one.set_opt_in(1, "yes")
    one.add_member(NUMBERS[0], opt_in, city="y", nick="x")
    one.wait(60)
    if linked:
        one.quiet()
    return one


def happen(one: World, kind: str, value: str, minutes: int) -> None:
    member_id = min(one.members)
    mappings = {mapping.strive_field: mapping for mapping in one.rules.mappings}
    match kind.split():
        case ["cycle"]:
            one.sync(1)
        case ["member", name]:
            one.edit_member(member_id, mappings[name], value)
        case ["stop" | "join"]:
            one.text(member_id, opt_in=kind == "join")
        case ["leave", "group"]:
            one.edit_groups(member_id, frozenset())
        case ["no", "groups"]:
            one.set_primary_group(None)
        case _ if 1 not in one.users:
            pass
        case ["city" | "nick"]:
            one.edit_user(1, mappings[kind], value)
        case ["opt", "in"]:
            one.set_opt_in(1, OPT_INS[value])
        case ["upload"]:
            one.set_opt_in(1, OPT_INS[value], page_type="import")
        case ["phone"]:
            one.set_phone(1, NUMBERS[0 if value else 1])
        case ["delete"] if 1 in one.records:
            del one.users[1]
    one.wait(minutes)


def checked(one: World) -> Plan:
    """The next plan, which holds nothing of what is held or discarded."""
    plan = one.sync(1)
    assert one.seen is not None
    assert not at_stake(plan, one.seen, one.rules) & (one.held | one.discarded)
    return plan


@given(st.sampled_from(list(Option)), st.booleans(), st.booleans(), EDITS, SOME, EDITS)
@settings(max_examples=500)
def test_a6_what_is_held_stays_undecided(
    option: Option,
    linked: bool,
    opt_in: bool,
    edits: list[tuple[str, str, int]],
    held: frozenset[Stake],
    later: list[tuple[str, str, int]],
) -> None:
    one = world(option, linked, opt_in)
    for edit in edits:
        happen(one, *edit)
    one.held = held
    for edit in later:
        happen(one, *edit)
    for _ in range(4):
        checked(one)
        one.wait(10)
    before = one.records[1]
    for _ in range(2):
        plan = checked(one)
        assert plan == Plan(before, waits=plan.waits)
        assert before.awaits or not plan.waits
        one.wait(60)


@given(st.sampled_from(list(Option)), st.booleans(), st.booleans(), EDITS, st.sampled_from(STAKES))
@settings(max_examples=500)
def test_a6_what_was_held_and_is_released_ends_as_if_never_held(
    option: Option, linked: bool, opt_in: bool, edits: list[tuple[str, str, int]], held: Stake
) -> None:
    ends = []
    for holds in (frozenset({held}), frozenset[Stake]()):
        one = world(option, linked, opt_in)
        one.held = holds
        for edit in edits:
            if edit[0] != "cycle":
                happen(one, *edit)
        one.sync(1)
        one.wait(20)
        one.held = frozenset()
        one.quiet()
        members = sorted(one.members.values(), key=lambda member: member.member_id)
        record = one.records[1]
        user = one.users.get(1)
        ends.append((
            [(each.city, each.custom, each.opt_in, each.groups) for each in members],
            user and (user.city, one.reading(1)),
            record.status, record.number, record.warnings, record.groups,
            one.consents.get(NUMBERS[0]) and one.consents[NUMBERS[0]].refused,
        ))  # fmt: skip
    assert ends[0] == ends[1]


@given(st.sampled_from(list(Option)), st.booleans(), st.booleans(), EDITS, SOME)
@settings(max_examples=500)
def test_a6_what_is_discarded_is_settled_until_a_side_changes(
    option: Option,
    linked: bool,
    opt_in: bool,
    edits: list[tuple[str, str, int]],
    discarded: frozenset[Stake],
) -> None:
    one = world(option, linked, opt_in)
    for edit in edits:
        happen(one, *edit)
    one.discarded = discarded
    checked(one)
    taken = one.stakes & discarded
    one.discarded = frozenset()
    for _ in range(4):
        one.wait(20)
        one.sync(1)
        assert not one.stakes & taken
    one.wait(60)
    record = one.records[1]
    assert one.sync(1) == Plan(record)


@given(st.sampled_from([Option.TWO_WAY, Option.POPULATE_OVERWRITE_STRIVE]), VALUES, VALUES)
def test_a6_a_discarded_field_is_decided_again_once_somebody_changes_it(
    option: Option, value: str, next_value: str
) -> None:
    one = world(option, linked=True, opt_in=True)
    city = one.rules.mappings[0]
    one.edit_user(1, city, value)
    one.discarded = frozenset(STAKES)
    one.sync(1)
    one.discarded = frozenset()
    one.wait(60)
    one.edit_user(1, city, next_value)
    one.quiet()
    member = one.member_of(1)
    if next_value != value:
        assert agree(city, one.users[1], member)
