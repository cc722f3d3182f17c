"""A5: while an account is paused or about to be off, refusals are carried and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from instep.domain.consent import Reading
from instep.domain.decide import decide
from instep.domain.people import Phone, Side, User
from instep.domain.plan import Plan
from instep.domain.record import Status
from instep.domain.rules import Option
from tests.property.small_world import NUMBERS, START, World, rules_with

N, N2 = NUMBERS[0], NUMBERS[1]


def paused(*, opt_in: bool = True) -> World:
    """User 1 linked, user 2 with the same number; the account is paused."""
    one = World(rules_with({"city": Option.TWO_WAY}), now=START)
    for user_id in (1, 2):
        one.users[user_id] = User(user_id, f"u{user_id}@example.org", city="x")
        one.set_phone(user_id, N)
        one.set_opt_in(user_id, "yes")
    one.add_member(N, opt_in, city="x")
    one.wait(60)
    one.quiet()
    one.wait(60)
    one.pause()
    return one


def test_a5_a_refusal_in_actionkit_is_carried_with_its_evidence() -> None:
    one = paused()
    one.set_opt_in(1, "no")
    one.users[1] = replace(one.users[1], city="new", first_name="New")
    before = one.records[1]
    plan = one.sync(1)
    assert plan.opt_in_strive is False
    assert [change.field for change in plan.history] == ["opt_in"]
    assert plan.evidence
    assert 2 in plan.look_again
    assert one.consents[N].refused
    record = one.records[1]
    assert replace(record, consent=before.consent) == before
    assert one.sync(1) == Plan(record)
    one.pause(False)
    one.quiet()
    assert one.member_of(1).city == "new"
    assert one.records[1].first_name == "New"


def test_a5_a_refusal_in_strive_is_carried() -> None:
    one = paused()
    one.text(one.member_of(1).member_id, opt_in=False)
    plan = one.sync(1)
    assert plan.opt_in_actionkit is False
    assert one.reading(1) is Reading.FALSE
    assert one.sync(1) == Plan(one.records[1])


def test_f14_a_refusal_of_another_user_of_the_number_reaches_the_member() -> None:
    one = paused()
    one.set_opt_in(2, "no")
    plan = one.sync(2)
    assert plan.look_again == (1,)
    assert not plan.writes
    assert one.consents[N].refused
    assert one.records[2].consent.actionkit == "false"
    assert one.sync(2) == Plan(one.records[2])
    assert one.sync(1).opt_in_strive is False


@pytest.mark.parametrize("what", ["opt-in", "field", "group", "phone", "deleted", "member"])
def test_a5_nothing_else_happens_and_it_is_decided_on_resume(what: str) -> None:
    one = paused(opt_in=False)
    member_id = one.member_of(1).member_id
    match what:
        case "opt-in":
            one.text(member_id, opt_in=True)
        case "field":
            one.edit_member(member_id, one.rules.mappings[0], "y")
        case "group":
            one.edit_groups(member_id, frozenset())
        case "phone":
            one.set_phone(1, N2)
        case "deleted":
            del one.users[1]
        case "member":
            del one.members[member_id]
    before = one.records[1]
    assert one.sync(1) == Plan(before)
    assert one.records[1] == before
    one.pause(False)
    plan = one.sync(1)
    assert plan.record != before


def test_a5_nobody_is_linked_or_created() -> None:
    one = paused()
    one.users[3] = User(3, "u3@example.org", phones=(Phone(3, "mobile", N2),))
    one.set_opt_in(3, "yes")
    plan = one.sync(3)
    assert plan.nothing
    assert 3 not in one.records
    assert not Plan(one.records[1]).nothing


def test_a5_a_refusal_whose_member_is_gone_is_noted_for_the_number() -> None:
    one = paused()
    one.members.clear()
    one.set_opt_in(1, "no")
    before = one.records[1]
    plan = one.sync(1)
    assert not plan.writes
    assert one.consents[N].refused
    assert one.records[1].member_id == before.member_id
    one.pause(False)
    one.quiet()
    assert one.records[1].status is Status.MEMBER_DELETED


def test_a5_a_user_whom_nobody_knows_needs_a_record() -> None:
    one = paused()
    with pytest.raises(ValueError, match="record"):
        decide(replace(one.look(1), user=None), None, one.rules, one.now)


def test_f5_a_look_for_refusals_alone_does_not_date_other_changes() -> None:
    """ActionKit's city was changed before Strive's, though a look for refusals came between."""
    one = paused()
    member_id = one.member_of(1).member_id
    one.edit_user(1, one.rules.mappings[0], "a")
    one.wait(60)
    one.edit_member(member_id, one.rules.mappings[0], "s")
    one.wait(60)
    one.set_opt_in(1, "no")
    one.sync(1)
    one.wait(60)
    one.pause(False)
    plan = one.sync(1)
    assert plan.actionkit == {"city": "s"}
    assert plan.conflicts[0].winner is Side.STRIVE
    assert one.now - START > timedelta(hours=4)
