"""U3 and E1: merged users pass their link on, erased people are opted out and forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from instep.domain.consent import Reading
from instep.domain.decide import decide
from instep.domain.intent import Done, settle
from instep.domain.people import FieldRow, Phone, Side, User
from instep.domain.plan import Change, Plan
from instep.domain.record import ConsentState, Record, Status, Warning  # noqa: A004
from instep.domain.rules import Option
from tests.property.small_world import NUMBERS, OPT_IN, PRIMARY, START, World, rules_with

N, N2 = NUMBERS[0], NUMBERS[1]
CITY = {"city": Option.TWO_WAY}


def user(user_id: int, *numbers: str, value: str = "yes", city: str = "x") -> User:
    phones = tuple(Phone(user_id * 10 + i, "mobile", one, START) for i, one in enumerate(numbers))
    rows = (FieldRow(OPT_IN, value, START - timedelta(days=30), 1, 5, "signup"),) if value else ()
    email = f"user{user_id}@example.org"
    return User(user_id, email, "Ada", "Moe", city=city, fields=rows, phones=phones)


def world(*users: User, **settings: object) -> World:
    """Users 1 and 2: the first of a number is linked."""
    one = World(rules_with(CITY, **settings), now=START + timedelta(days=1))
    one.users = {each.user_id: each for each in users}
    one.quiet()
    one.wait(60)
    return one


# --- merges (U3) ---


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_u3_the_link_passes_to_a_primary_without_one(shown: bool, order: tuple[int, int]) -> None:
    one = world(user(1, N), user(2, N))
    before = one.records[1]
    one.merge(1, 2, shown)
    for user_id in order:
        one.sync(user_id)
    one.quiet()
    loser, primary = one.records[1], one.records[2]
    assert (loser.status, loser.reason, loser.reason_detail) == (Status.DELETED, "merged", "2")
    assert (loser.member_id, loser.number, loser.fields) == (None, None, {})
    assert (primary.status, primary.member_id) == (Status.SYNCED, before.member_id)
    assert primary.groups == before.groups == {PRIMARY}
    assert primary.fields["f-city"].base == before.fields["f-city"].base
    assert one.claims == {N: 2}
    assert one.member_claims == {before.member_id: 2}
    assert PRIMARY in one.member_of(2).groups
    assert len(one.members) == 1


def test_u3_until_the_primary_was_looked_at_the_link_is_kept() -> None:
    one = world(user(1, N), user(2, N))
    before = one.records[1]
    one.merge(1, 2)
    plan = one.sync(1)
    assert plan.look_again == (2,)
    assert not plan.writes
    kept = one.records[1]
    assert (kept.status, kept.member_id, kept.number) == (Status.DELETED, before.member_id, N)
    assert (kept.fields, kept.groups, kept.consent) == (
        before.fields, before.groups, before.consent,
    )  # fmt: skip
    assert kept.awaits
    assert one.sync(1) == Plan(kept, look_again=(2,))


def test_u3_a_primary_waits_until_nothing_of_the_other_is_under_way() -> None:
    one = world(user(1, N), user(2, N))
    one.merge(1, 2)
    assert one.sync(2) == Plan(one.records[2], look_again=(1,))
    assert one.sync(1).look_again == (2,)
    plan = one.sync(2)
    assert (plan.take_over, plan.claim, plan.claim_over) == (1, N, 1)
    assert plan.look_again == (1,)
    assert not plan.writes
    assert one.sync(1).look_again == (2,)


def test_u3_a_primary_with_a_link_keeps_it_and_the_other_ends() -> None:
    one = world(user(1, N), user(2, N2))
    member_id = one.member_of(1).member_id
    own = one.member_of(2).member_id
    one.merge(1, 2)
    one.quiet()
    assert one.records[2].member_id == own
    assert one.records[1].member_id is None
    assert one.members[member_id].groups == frozenset()
    assert (one.claims, one.member_claims) == ({N2: 2}, {own: 2})


def test_u3_whoever_was_merged_into_a_deleted_user_has_no_heir() -> None:
    one = world(user(1, N), user(2, N))
    member_id = one.member_of(1).member_id
    one.merge(1, 2)
    del one.users[2]
    one.quiet()
    assert one.records[1].member_id is one.records[2].member_id is None
    assert one.members[member_id].groups == frozenset()
    assert not one.claims
    assert not one.member_claims


def test_u3_a_link_whose_member_is_gone_does_not_pass() -> None:
    one = world(user(1, N), user(2, N))
    member_id = one.member_of(1).member_id
    one.merge(1, 2)
    del one.members[member_id]
    one.quiet()
    assert one.records[1].member_id is None
    assert one.records[2].status is Status.SYNCED
    assert one.claims == {N: 2}


def test_u3_merges_one_after_the_other() -> None:
    one = world(user(1, N), user(2, N), user(3, N))
    one.merge(1, 2)
    one.merge(2, 3)
    one.quiet()
    assert one.records[3].status is Status.SYNCED
    assert [one.records[each].reason for each in (1, 2)] == ["merged", "merged"]
    assert one.claims == {N: 3}


@pytest.mark.parametrize(
    ("primary", "warning"),
    [
        (user(2), Warning.PHONE_MISSING),
        (user(2, N, N2), Warning.PHONE_DIFFERS),
    ],
)
def test_u1_a_link_passes_to_one_who_is_not_eligible(primary: User, warning: Warning) -> None:
    one = world(user(1, N))
    member_id = one.member_of(1).member_id
    one.users[2] = primary
    one.merge(1, 2)
    one.quiet()
    record = one.records[2]
    assert (record.status, record.member_id) == (Status.SYNCED, member_id)
    assert record.warnings == {warning}


def test_f11_1_a_primary_without_a_value_gets_the_members_status() -> None:
    one = world(user(1, N))
    one.users[2] = user(2, N, value="")
    one.merge(1, 2)
    one.quiet()
    assert one.records[2].status is Status.SYNCED
    assert one.reading(2) is Reading.TRUE


def test_f8_a_primary_with_another_number_alone_ends_the_link() -> None:
    one = world(user(1, N))
    member_id = one.member_of(1).member_id
    one.users[2] = user(2, N2)
    one.merge(1, 2)
    for user_id in (1, 2, 2, 1):  # The link ends before the record that it came from lets go.
        one.sync(user_id)
    assert len(one.quiet()) <= 8
    assert one.member_of(2).phone_number == N2
    assert one.members[member_id].groups == frozenset()
    assert one.claims == {N2: 2}


def test_u3_the_bases_pass_and_what_the_primary_lacks_nobody_cleared() -> None:
    one = world(user(1, N, city="x"), user(2, N, city=""))
    one.merge(1, 2)
    one.quiet()
    assert one.member_of(2).city == "x"
    assert one.users[2].city == "x"


def test_u3_what_the_primary_has_goes_to_the_member() -> None:
    one = world(user(1, N, city="x"), user(2, N, city="y"))
    one.merge(1, 2)
    one.quiet()
    assert one.member_of(2).city == "y"


def test_f11_5_a_merge_never_opts_in_over_a_refusal() -> None:
    one = world(user(1, N), user(2, N))
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    assert one.reading(1) is Reading.FALSE
    one.merge(1, 2)
    one.quiet()
    assert one.member_of(2).opt_in is False
    assert one.reading(2) is Reading.FALSE


def test_f11_1_a_refusal_of_the_primary_opts_the_member_out() -> None:
    one = world(user(1, N), user(2, N, value="TBD"))
    one.merge(1, 2)
    one.sync(1)
    one.set_opt_in(2, "no")
    one.quiet()
    assert one.member_of(2).opt_in is False


def test_u3_somebody_new_who_is_merged_already_is_noted() -> None:
    one = world(user(1, N))
    one.users[2] = user(2, N2)
    one.merge(2, 1, shown=True)
    one.quiet()
    assert (one.records[2].status, one.records[2].reason_detail) == (Status.DELETED, "1")
    assert N2 not in one.claims


# --- erasure (E1) ---


def erased(one: World, user_id: int = 1, there: bool = False) -> Plan:
    """Erased here, or in ActionKit, which then shows nothing of the person."""
    if there:
        one.users[user_id] = User(user_id, f"erased-{user_id}", erased=True)
    else:
        one.erasing.add(user_id)
    return one.sync(user_id)


@pytest.mark.parametrize("there", [True, False])
def test_e1_the_member_is_opted_out_and_nothing_of_the_person_is_kept(there: bool) -> None:
    one = world(user(1, N))
    member = one.member_of(1)
    one.users[1] = replace(one.users[1], city="Gotham")
    plan = erased(one, there=there)
    assert plan.erase
    assert plan.opt_in_strive is False
    assert plan.history == (Change(Side.STRIVE, "opt_in", "true", "false", "erased"),)
    assert plan.record.member_id == member.member_id
    record = one.records[1]
    assert record == Record(
        1, status=Status.ERASED, reason="erased", reason_at=one.now, changed_at=one.now,
        watermark=record.watermark,
    )  # fmt: skip
    assert one.members[member.member_id] == replace(member, opt_in=False)
    assert one.consents[N].refused
    assert (one.claims, one.member_claims) == ({}, {})
    for text in ("user1@example.org", "Ada", "Moe", N, "Gotham"):
        assert text not in repr((plan.record, plan.evidence, plan.history))
        assert text not in repr(one.consents[N].refusal)


@pytest.mark.parametrize("opt_in", [True, False])
def test_e1_an_erased_person_is_never_made_again(opt_in: bool) -> None:
    one = world(user(1, N, value="yes" if opt_in else "no"))
    erased(one)
    count = len(one.members)
    one.set_opt_in(1, "yes")
    one.quiet()
    one.members.clear()
    assert one.quiet()[-1] == Plan(one.records[1])
    assert count == 1
    assert not one.members


def test_e1_the_opt_out_goes_on_until_the_member_is_seen_to_be_opted_out() -> None:
    one = world(user(1, N))
    one.erasing.add(1)
    plan = decide(one.look(1), one.records[1], one.rules, one.now)
    record = settle(plan, Done(strive_refused=frozenset({"opt_in"})), one.now)
    assert record.member_id is not None
    assert record.awaits
    assert decide(one.look(1), record, one.rules, one.now) == Plan(record, erase=True)
    later = one.now + timedelta(minutes=20)
    again = decide(one.look(1), record, one.rules, later)
    assert again.opt_in_strive is False
    assert again.history == plan.history
    one.text(record.member_id, opt_in=False)
    done = decide(one.look(1), record, one.rules, later)
    assert done.record.member_id is None
    assert done.record.consent == ConsentState()
    assert not done.writes


def test_e1_somebody_unknown_can_be_erased() -> None:
    one = World(rules_with())
    one.users[5] = user(5, N)
    plan = erased(one, 5)
    assert (plan.record.status, plan.writes) == (Status.ERASED, False)
    assert one.consents[N].refused
    gone = replace(one.look(6), erase=True, deleted=True)
    assert decide(gone, Record(6), one.rules, one.now).record.status is Status.ERASED
    with pytest.raises(ValueError, match="record"):
        decide(gone, None, one.rules, one.now)


def test_e1_a_refusal_from_strive_is_not_softened_by_an_erasure() -> None:
    one = world(user(1, N))
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    erased(one)
    refusal = one.consents[N].refusal
    assert refusal is not None
    assert refusal.side is Side.STRIVE
    assert one.consents[N].refused


def test_e1_whoever_shares_the_number_is_looked_at_and_may_be_synced_then() -> None:
    one = world(user(1, N), user(2, N))
    assert 2 in erased(one).look_again
    one.quiet()
    assert one.records[2].status is Status.SYNCED
    assert one.member_of(2).opt_in is False
    assert one.claims == {N: 2}


def test_e1_an_erasure_is_done_in_a_pause_too() -> None:
    one = world(user(1, N))
    one.pause()
    assert erased(one).erase


def test_e1_an_erasure_that_is_asked_for_again_says_so_again() -> None:
    """So what a worker that died did not delete is deleted by the next."""
    one = world(user(1, N))
    erased(one)
    record = one.records[1]
    assert erased(one) == Plan(record, erase=True)
