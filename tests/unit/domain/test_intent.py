"""Intents: settled from what happened, and found out after a crash (U1, U6, U10, F6, F11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from instep.domain.consent import Reading
from instep.domain.decide import decide
from instep.domain.intent import (
    Done,
    intent_of,
    recover,
    recovered_changes,
    settle,
    sync_ids,
)
from instep.domain.people import Phone, Side, User
from instep.domain.record import Base, Status, Warning  # noqa: A004
from instep.domain.rules import Option
from tests.property.small_world import NUMBERS, PRIMARY, START, World, rules_with

N = NUMBERS[0]
OPTIONS = {
    "first_name": Option.TWO_WAY,
    "postal_code": Option.POPULATE_OVERWRITE_ACTIONKIT,
    "nick": Option.TWO_WAY,
}


def world(value: str = "yes", **settings: object) -> World:
    one = World(rules_with(OPTIONS, **settings))
    one.users[1] = User(
        1, "one@example.org", "Ada", zip="11201", phones=(Phone(1, "mobile", N, START),)
    )
    one.set_opt_in(1, value)
    one.edit_user(1, one.rules.mappings[2], "Addy")
    one.wait(60)
    return one


def linked(value: str = "yes", opt_in: bool = True) -> World:
    one = world(value)
    one.add_member(N, opt_in, first_name="Eve", nick="E")
    return one


# --- settle ---


def test_settle_after_a_creation() -> None:
    one = world()
    plan = one.sync(1)
    record = one.records[1]
    assert plan.create is not None
    assert record.created_member
    assert record.consent.sent_strive is None
    assert record.consent.opted_in is True
    assert record.groups == {PRIMARY}
    assert record.intent is None
    assert record.fields["f-nick"].base == Base("Addy", "Addy", Option.TWO_WAY)


def test_settle_where_strive_refused_the_creation() -> None:
    one = world()
    plan = decide(one.look(1), None, one.rules, one.now)
    record = settle(plan, Done(create_refused=True), one.now)
    assert (record.status, record.reason) == (Status.FAILED, "strive_refused")
    assert (record.member_id, record.fields, record.groups) == (None, {}, frozenset())
    assert record.number == N
    again = decide(one.look(1), record, one.rules, one.now)
    assert again.create == plan.create


def test_settle_raises_the_watermark_to_the_last_action() -> None:
    one = linked()
    plan = decide(one.look(1), None, one.rules, one.now)
    assert settle(plan, Done(actions=(41, 42)), one.now).watermark == 42


def test_u6_a_value_that_actionkit_refused_is_reported_and_the_others_stay_awaited() -> None:
    one = linked()
    plan = decide(one.look(1), None, one.rules, one.now)
    assert plan.actionkit == {"first_name": "Eve"}
    assert plan.actionkit_custom == {"ak_nick": "E"}
    record = settle(plan, Done(actionkit_refused=frozenset({"first_name"})), one.now)
    assert record.fields["f-first_name"].base == Base("Ada", "Eve", Option.TWO_WAY)
    assert record.fields["f-nick"].sent is not None
    assert record.warnings == {Warning.INVALID_FOR_ACTIONKIT}


def test_what_strive_refused_is_not_sent_again() -> None:
    one = world()
    one.quiet()
    one.edit_user(1, one.rules.mappings[0], "Zoe")
    plan = decide(one.look(1), one.records[1], one.rules, one.now)
    assert plan.strive == {"first_name": "Zoe"}
    record = settle(plan, Done(strive_refused=frozenset({"first_name"})), one.now)
    assert (record.status, record.reason) == (Status.FAILED, "strive_refused")
    again = decide(one.look(1), record, one.rules, one.now)
    assert not again.writes
    assert again.record == record


def test_u6_an_action_that_reached_another_user_has_failed() -> None:
    one = linked()
    plan = decide(one.look(1), None, one.rules, one.now)
    record = settle(plan, Done(actions=(5,), wrong_user=True), one.now)
    assert (record.status, record.reason) == (Status.FAILED, "wrong_user")
    assert record.fields["f-first_name"].sent is None


def test_u1_a_creation_that_overrode_a_refusal_becomes_a_refusal() -> None:
    one = world()
    plan = decide(one.look(1), None, one.rules, one.now)
    one._apply(plan, None, one.look(1), 1, None)
    member_id = one.member_of(1).member_id
    one._set_status(member_id, opt_in=False, kind="api")
    done = Done(member=one.members[member_id], refusal_restored=True)
    one.records[1] = settle(plan, done, one.now)
    one.quiet()
    assert one.consents[N].refused
    assert (one.member_of(1).opt_in, one.reading(1)) == (False, Reading.FALSE)


def test_groups_that_were_not_joined_are_tried_again() -> None:
    one = linked()
    plan = decide(one.look(1), None, one.rules, one.now)
    record = settle(plan, Done(member=one.look(1).matched), one.now)
    assert record.groups == frozenset()
    assert settle(plan, Done(joined=frozenset({PRIMARY})), one.now).groups == {PRIMARY}


# --- recover ---


def crashed(one: World, steps: int) -> World:
    """The worker died after so many steps; its intent has expired."""
    one.sync(1, crash_after=steps)
    one.wait(10)
    return one


@pytest.mark.parametrize("value", ["yes", "no", "TBD"])
@pytest.mark.parametrize("steps", range(1, 8))
def test_u1_a_member_that_a_dead_worker_made_is_ours(steps: int, value: str) -> None:
    one = crashed(world(value), steps)
    one.quiet()
    record = one.records[1]
    assert record.created_member
    assert record.intent is None
    assert len(one.members) == 1
    assert one.member_of(1).opt_in is (value == "yes")
    assert record.consent.not_asked is (value != "yes")
    assert record.warnings == frozenset()
    assert one.users[1].fields[0].value == value
    assert not one.consents[N].refused
    assert record.fields["f-nick"].base == Base("Addy", "Addy", Option.TWO_WAY)


def test_a_member_that_somebody_else_made_meanwhile_is_a_first_link() -> None:
    one = crashed(world("TBD"), 1)
    one.add_member(N, opt_in=False, first_name="Else")
    one.quiet()
    assert not one.records[1].created_member
    assert one.records[1].reason == "linked"
    assert one.reading(1) is Reading.FALSE


def test_a_member_older_than_the_intent_is_somebody_elses() -> None:
    one = world("TBD")
    one.sync(1, crash_after=1)
    member_id = one.add_member(N, opt_in=False, first_name="Ada", postal_code="11201", nick="Addy")
    member = one.members[member_id]
    made = replace(member, custom={"nick": "Addy"})
    intent = one.records[1].intent
    assert intent is not None
    for minutes, ours in ((16, False), (15, True)):
        at = intent.at - timedelta(minutes=minutes)
        seen = replace(one.look(1), linked=replace(made, created_at=at))
        recovered = recover(one.records[1], seen, {}, one.now)
        assert recovered.created_member is ours


def test_who_opted_out_between_the_creation_and_the_recovery_has_refused() -> None:
    one = crashed(world("yes"), 2)
    (member_id,) = one.members
    one.text(member_id, opt_in=False)
    one.quiet()
    assert one.consents[N].refused
    assert (one.member_of(1).opt_in, one.reading(1)) == (False, Reading.FALSE)


@pytest.mark.parametrize("steps", range(1, 8))
@pytest.mark.parametrize("seed", range(6))
def test_a_first_link_interrupted_anywhere_ends_as_if_it_had_not_been(
    steps: int, seed: int
) -> None:
    undisturbed, one = linked("TBD"), linked("TBD")
    one.chance.seed(seed)
    undisturbed.quiet()
    crashed(one, steps).quiet()
    one.wait(60)
    one.quiet()
    (member,), (expected,) = one.members.values(), undisturbed.members.values()
    assert (member.first_name, member.custom, member.opt_in, member.postal_code) == (
        expected.first_name, expected.custom, expected.opt_in, expected.postal_code,
    )  # fmt: skip
    assert one.reading(1) is undisturbed.reading(1)
    assert one.users[1].first_name == undisturbed.users[1].first_name
    assert one.records[1].warnings == frozenset()
    assert len(one.actions) == len(undisturbed.actions)


@pytest.mark.parametrize("steps", range(1, 8))
@pytest.mark.parametrize("refuser", ["actionkit", "strive"])
def test_a_refusal_keeps_its_side_through_a_crash(steps: int, refuser: str) -> None:
    """Our own opt-out is no refusal by the member: it can be lifted in ActionKit (F11.3)."""
    one = linked()
    one.quiet()
    one.wait(60)
    if refuser == "actionkit":
        one.set_opt_in(1, "no")
    else:
        one.text(one.member_of(1).member_id, opt_in=False)
    crashed(one, steps).quiet()
    assert (one.member_of(1).opt_in, one.reading(1)) == (False, Reading.FALSE)
    one.wait(60)
    one.set_opt_in(1, "yes")
    one.quiet()
    assert one.member_of(1).opt_in is (refuser == "actionkit")


def test_an_action_that_was_found_is_awaited_and_not_sent_again() -> None:
    one = linked()
    one.habits.actionkit_capitalises = True
    seen = one.look(1)
    plan = decide(seen, None, one.rules, one.now)
    intent = intent_of(plan, "i", one.now, one.now + timedelta(minutes=2))
    record = replace(settle(plan, Done(), one.now), member_id=None, fields={}, intent=intent)
    values_id, _ = sync_ids("i")
    recovered = recover(record, seen, {values_id: 900}, one.now)
    assert recovered.intent is None
    assert recovered.watermark == 900
    sent = recovered.fields["f-first_name"].sent
    assert sent is not None
    assert (sent.side, sent.value, sent.before) == (Side.ACTIONKIT, "Eve", "Ada")
    assert recover(record, seen, {}, one.now).fields == {}


def test_what_a_dead_worker_did_is_in_the_history() -> None:
    one = world()
    one.sync(1, crash_after=2)
    record = one.records[1]
    seen = replace(one.look(1), linked=None)
    changes = {(c.field, c.new) for c in recovered_changes(record, seen, {})}
    assert ("first_name", "Ada") in changes
    assert ("custom:nick", "Addy") in changes
    assert ("opt_in", "true") in changes
    one = world()
    one.sync(1, crash_after=1)
    assert recovered_changes(one.records[1], one.look(1), {}) == ()


def test_u2_who_is_gone_gives_up_the_claim_that_a_dead_worker_took() -> None:
    one = world()
    one.sync(1, crash_after=1)
    assert one.records[1].intent is not None
    assert one.claims == {N: 1}
    del one.users[1]
    one.wait(5)
    plan = one.sync(1)
    assert plan.release == (N,)
    assert one.claims == {}


def test_f11_3_a_userfield_set_again_after_a_dead_workers_write_is_answered_again() -> None:
    one = linked(value="yes", opt_in=False)
    for steps in range(1, 7):
        one.sync(1, crash_after=steps)
        if one.reading(1) is Reading.FALSE:
            break
        one.records.pop(1, None)
        one.claims.clear()
        one.member_claims.clear()
    assert one.records[1].intent is not None
    one.wait(5)
    one.set_opt_in(1, "TBD")
    one.wait(5)
    one.quiet()
    one.wait(30)
    one.quiet()
    assert one.reading(1) is Reading.FALSE
    assert one.records[1].status is Status.SYNCED


def test_f6_what_a_look_read_back_is_known_though_its_worker_died() -> None:
    """Else what a person set afterwards would be taken for the answer to our write."""
    one = world()
    one.rules = rules_with(OPTIONS | {"first_name": Option.POPULATE_OVERWRITE_STRIVE})
    one.sync(1, crash_after=2)  # The member was created, and that is all.
    one.wait(5)
    one.sync(1, crash_after=1)  # Another worker saw them, and died before they joined the group.
    record = one.records[1]
    assert record.intent is not None
    assert record.member_id is not None
    one.wait(5)
    one.edit_member(record.member_id, one.rules.mappings[0], "Eve")
    one.changes.clear()  # A Strive that keeps no log of changes.
    one.wait(5)
    one.quiet()
    assert one.member_of(1).first_name == "Ada"
