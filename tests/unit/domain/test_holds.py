"""A6: what is at stake in a plan, and plans without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from instep.domain.consent import Reading
from instep.domain.holds import HoldKind, Stake, at_stake, threshold
from instep.domain.people import FieldRow, Side, User
from instep.domain.plan import Plan
from instep.domain.record import Base, Status, Warning  # noqa: A004
from instep.domain.rules import Moment, Option, Source, SourceKind
from tests.property.small_world import NUMBERS, OPT_IN, PRIMARY, START, World, rules_with

N, N2 = NUMBERS[0], NUMBERS[1]
OPTED_OUT_THERE = Stake(HoldKind.OPT_OUTS, Side.STRIVE)
OPTED_OUT_HERE = Stake(HoldKind.OPT_OUTS, Side.ACTIONKIT)
REMOVED = Stake(HoldKind.REMOVALS, Side.STRIVE)


def linked(opt_in: bool = True) -> World:
    one = World(rules_with({"city": Option.TWO_WAY, "nick": Option.TWO_WAY}), now=START)
    one.users[1] = User(1, "one@example.org", city="x")
    one.set_phone(1, N)
    one.set_opt_in(1, "yes")
    one.add_member(N, opt_in, city="x")
    one.wait(60)
    one.quiet()
    one.wait(60)
    return one


def stakes(one: World) -> set[Stake]:
    one.held = frozenset(Stake(kind, side) for kind in HoldKind for side in Side)
    one.sync(1)
    return set(one.stakes)


def test_a6_the_threshold() -> None:
    assert [threshold(linked) for linked in (0, 20_000, 20_100, 1_000_000)] == [
        200, 200, 201, 10_000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("side", "value", "stake"),
    [
        (Side.ACTIONKIT, "y", Stake(HoldKind.OVERWRITES, Side.STRIVE)),
        (Side.ACTIONKIT, "", Stake(HoldKind.CLEARS, Side.STRIVE)),
        (Side.STRIVE, "y", Stake(HoldKind.OVERWRITES, Side.ACTIONKIT)),
        (Side.STRIVE, " ", Stake(HoldKind.CLEARS, Side.ACTIONKIT)),
    ],
)
def test_a6_fields(side: Side, value: str, stake: Stake) -> None:
    one = linked()
    city = one.rules.mappings[0]
    if side is Side.ACTIONKIT:
        one.edit_user(1, city, value)
    else:
        one.edit_member(one.member_of(1).member_id, city, value)
    before = one.records[1]
    assert stakes(one) == {stake}
    state = one.records[1].fields["f-city"]
    assert (state.rule, state.sent) == ("held", None)
    assert state.base == before.fields["f-city"].base
    assert (one.users[1].city, one.member_of(1).city) == (
        (value, "x") if side is Side.ACTIONKIT else ("x", value)
    )


def test_a6_filling_an_empty_value_is_not_at_stake() -> None:
    one = linked()
    one.edit_user(1, one.rules.mappings[1], "Addy")
    assert stakes(one) == set()
    assert one.member_of(1).custom == {"nick": "Addy"}


def test_a6_creations_and_opt_ins_are_not_at_stake() -> None:
    one = linked(opt_in=False)
    one.users[2] = User(2, "two@example.org", city="z")
    one.set_phone(2, N2)
    one.set_opt_in(2, "yes")
    one.text(one.member_of(1).member_id, opt_in=True)
    assert stakes(one) == set()
    one.sync(2)
    assert one.stakes == frozenset()
    assert one.records[2].created_member


@pytest.mark.parametrize(
    ("page_id", "page_type", "at_risk"),
    [(5, "signup", False), (8, "import", True), (None, "", True)],
)
def test_a6_an_opt_out_by_an_action_of_the_person_gets_through(
    page_id: int | None, page_type: str, at_risk: bool
) -> None:
    one = linked()
    one.set_opt_in(1, "no", page_id=page_id, page_type=page_type)
    assert stakes(one) == ({OPTED_OUT_THERE} if at_risk else set())
    assert one.member_of(1).opt_in is at_risk


@pytest.mark.parametrize(("kind", "at_risk"), [("keyword", False), ("organizer", True)])
def test_a6_an_opt_out_by_a_text_of_the_person_gets_through(kind: str, at_risk: bool) -> None:
    one = linked()
    one.text(one.member_of(1).member_id, opt_in=False)
    one.events[-1] = replace(one.events[-1], type=kind)
    assert stakes(one) == ({OPTED_OUT_HERE} if at_risk else set())
    assert one.reading(1) is (Reading.TRUE if at_risk else Reading.FALSE)


def test_a6_what_keeps_up_a_standing_refusal_gets_through() -> None:
    """F14: another user of the number refused, and this one's member follows."""
    one = linked()
    one.users[2] = User(2, "two@example.org")
    one.set_phone(2, N)
    one.set_opt_in(2, "yes")
    one.quiet()
    one.set_opt_in(2, "no", page_type="import")
    one.sync(2)
    assert stakes(one) == set()
    assert one.member_of(1).opt_in is False


def test_a6_a_held_opt_out_leaves_consent_undecided_until_it_is_released() -> None:
    one = linked()
    one.set_opt_in(1, "no", page_type="import")
    before, consents = one.records[1], dict(one.consents)
    assert stakes(one) == {OPTED_OUT_THERE}
    assert one.records[1] == before
    assert one.consents == consents
    assert one.plans[-1] == Plan(before)
    one.held = frozenset()
    assert one.sync(1).opt_in_strive is False
    assert one.consents[N].refused


def test_a6_a_held_opt_out_at_a_first_link_is_decided_as_at_a_first_link() -> None:
    one = World(rules_with({"city": Option.POPULATE_NO_OVERWRITE}), now=START)
    one.users[1] = User(1, "one@example.org", city="x")
    one.set_phone(1, N)
    one.set_opt_in(1, "no", page_type="import")
    one.add_member(N, opt_in=True)
    assert stakes(one) == {OPTED_OUT_THERE}
    record = one.records[1]
    assert (record.status, record.consent.userfield) == (Status.SYNCED, "")
    assert one.member_of(1).city == "x"
    assert one.member_of(1).opt_in
    one.held = frozenset()
    one.quiet()
    assert not one.member_of(1).opt_in


def test_a6_removals_from_groups() -> None:
    """Of a usergroup that the user left. By P2 nobody leaves a group that is not kept up."""
    one = linked()
    source = Source(
        "usergroup-5", SourceKind.USERGROUP, 10, "Drivers", Moment(START, 0), usergroup_id=5
    )
    one.rules = replace(one.rules, sources=(source,))
    one.users[1] = replace(one.users[1], usergroups=frozenset({5}))
    one.quiet()
    assert one.records[1].groups == {PRIMARY, 10}
    one.users[1] = replace(one.users[1], usergroups=frozenset())
    assert stakes(one) == {REMOVED}
    assert one.records[1].groups == {PRIMARY, 10}
    assert 10 in one.member_of(1).groups
    one.held, one.discarded = frozenset(), frozenset({REMOVED})
    one.sync(1)
    assert one.records[1].groups == {PRIMARY}
    assert 10 in one.member_of(1).groups
    one.discarded = frozenset()
    assert one.sync(1) == Plan(one.records[1])


def test_p2_nobody_is_at_stake_in_a_group_that_is_not_kept_up_any_more() -> None:
    one = linked()
    one.set_primary_group(None)
    assert stakes(one) == set()
    assert one.records[1].groups == frozenset()
    assert PRIMARY in one.member_of(1).groups


def test_a6_a_link_does_not_end_while_its_removals_are_held() -> None:
    one = linked()
    del one.users[1]
    before = one.records[1]
    assert stakes(one) == {REMOVED}
    assert one.records[1] == before
    one.held, one.discarded = frozenset(), frozenset({REMOVED})
    member_id = one.member_of(1).member_id
    plan = one.sync(1)
    assert plan.history == ()
    assert one.records[1].status is Status.DELETED
    assert PRIMARY in one.members[member_id].groups


def test_a6_what_can_be_read_back_only_after_a_hold_is_not_looked_for_before() -> None:
    """Else who is held was looked at every ten minutes until staff decided."""
    one = linked()
    one.edit_member(one.member_of(1).member_id, one.rules.mappings[0], "y")
    one.sync(1)
    assert one.records[1].awaits  # the action that sets it in ActionKit
    del one.users[1]
    assert stakes(one) == {REMOVED}
    assert one.records[1].awaits
    assert one.plans[-1].waits
    one.held = frozenset()
    assert not one.sync(1).waits
    assert not one.records[1].awaits


def test_a6_other_writes_of_somebody_held_are_read_back_meanwhile() -> None:
    one = linked()
    one.edit_member(one.member_of(1).member_id, one.rules.mappings[1], "y")  # where none was
    one.set_opt_in(1, "no", page_type="import")
    assert stakes(one) == {OPTED_OUT_THERE}
    assert one.records[1].awaits
    assert not one.plans[-1].waits
    one.sync(1)
    assert not one.records[1].awaits


def test_a6_a_held_conflict_is_listed_when_it_is_decided() -> None:
    one = linked()
    city = one.rules.mappings[0]
    one.edit_user(1, city, "a")
    one.edit_member(one.member_of(1).member_id, city, "s")
    stakes(one)
    assert (one.plans[-1].conflicts, one.plans[-1].history) == ((), ())
    one.held = frozenset()
    assert len(one.sync(1).conflicts) == 1


def test_a6_a_discarded_field_is_settled_until_somebody_changes_it() -> None:
    one = linked()
    city = one.rules.mappings[0]
    one.edit_user(1, city, "y")
    one.discarded = frozenset({Stake(HoldKind.OVERWRITES, Side.STRIVE)})
    plan = one.sync(1)
    assert plan.history == ()
    assert not plan.writes
    state = one.records[1].fields["f-city"]
    assert (state.base, state.rule) == (Base("y", "x", Option.TWO_WAY), "discarded")
    one.discarded = frozenset()
    one.wait(60)
    assert one.sync(1) == Plan(one.records[1])
    one.edit_member(one.member_of(1).member_id, city, "z")
    one.quiet()
    assert one.users[1].city == "z"


def test_a6_a_discarded_opt_out_to_strive_was_no_refusal() -> None:
    one = linked()
    one.set_opt_in(1, "no", page_type="import")
    one.discarded = frozenset({OPTED_OUT_THERE})
    plan = one.sync(1)
    assert not plan.writes
    assert [each.effect for each in plan.evidence] == ["discarded by staff"] * 2
    assert not one.consents[N].refused
    assert one.records[1].warnings == {Warning.REFUSAL_OVERRULED}
    one.discarded = frozenset()
    one.wait(60)
    assert one.sync(1) == Plan(one.records[1])
    one.set_opt_in(1, "n", page_type="signup")
    assert one.sync(1).opt_in_strive is False


def test_f13_a_discarded_opt_out_to_actionkit_stays_a_refusal_of_the_number() -> None:
    one = linked()
    one.text(one.member_of(1).member_id, opt_in=False)
    one.events[-1] = replace(one.events[-1], type="organizer")
    one.discarded = frozenset({OPTED_OUT_HERE})
    plan = one.sync(1)
    assert not plan.writes
    assert plan.evidence[-1].effect == "discarded by staff"
    assert one.reading(1) is Reading.TRUE
    assert one.consents[N].refused
    one.discarded = frozenset()
    one.wait(60)
    assert one.sync(1) == Plan(one.records[1])


def test_a6_refilling_an_emptied_userfield_is_no_opt_out() -> None:
    one = linked(opt_in=False)
    row = FieldRow(OPT_IN, "", one.now, one.next_id(), 8, "import")
    one.users[1] = replace(one.users[1], fields=(row,))
    assert stakes(one) == set()
    assert one.reading(1) is Reading.FALSE


def test_e1_an_erasure_is_never_held() -> None:
    one = linked()
    one.erasing.add(1)
    assert stakes(one) == set()
    assert one.records[1].status is Status.ERASED


def test_a6_a_plan_without_writes_has_nothing_at_stake() -> None:
    one = linked()
    assert at_stake(Plan(one.records[1]), one.look(1), one.rules) == frozenset()
