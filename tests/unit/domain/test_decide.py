"""U1, U2, U3, U8, F8, G1: statuses, links, claims, groups."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from instep.domain.decide import decide, eligible
from instep.domain.people import FieldRow, Phone, Rival, Side, User
from instep.domain.plan import Change, Plan, Seen
from instep.domain.reasons import REASONS, WARNINGS, explain
from instep.domain.record import Record, Status, Warning  # noqa: A004
from instep.domain.rules import Moment, Option, Source, SourceKind
from tests.property.small_world import NUMBERS, OPT_IN, PRIMARY, START, World, rules_with

N, N2, N3 = NUMBERS


def user(user_id: int, *numbers: str, value: str = "yes", kind: str = "mobile") -> User:
    phones = tuple(Phone(user_id * 10 + i, kind, one, START) for i, one in enumerate(numbers))
    fields = (FieldRow(OPT_IN, value, START, 1, 5, "signup"),) if value else ()
    return User(user_id, f"user{user_id}@example.org", "Ada", "Moe", fields=fields, phones=phones)


def world(*users: User, **settings: object) -> World:
    one = World(rules_with(**settings), now=START + timedelta(days=1))  # type: ignore[arg-type]
    one.users = {each.user_id: each for each in users}
    return one


def statuses(one: World) -> dict[int, Status]:
    return {user_id: record.status for user_id, record in one.records.items()}


# --- eligibility and statuses (U8) ---


@pytest.mark.parametrize(
    ("someone", "status", "reason"),
    [
        (user(1), Status.INELIGIBLE_NO_PHONE, "no_phone"),
        (user(1, value=""), Status.INELIGIBLE_NO_PHONE, "no_phone"),
        (user(1, N, kind="fax"), Status.INELIGIBLE_NO_PHONE, "no_phone_of_chosen_type"),
        (user(1, "555"), Status.INELIGIBLE_INVALID_PHONE, "invalid_phone"),
        (user(1, "555", value=""), Status.INELIGIBLE_INVALID_PHONE, "invalid_phone"),
        (user(1, N, value=""), Status.INELIGIBLE_NO_OPT_IN, "no_opt_in_value"),
        (user(1, N, value="  "), Status.INELIGIBLE_NO_OPT_IN, "no_opt_in_value"),
        (user(1, N, value="TBD"), Status.SYNCED, "created"),
    ],
)
def test_u8_phone_reasons_come_before_opt_in_reasons(
    someone: User, status: Status, reason: str
) -> None:
    one = world(someone)
    plan = one.sync(1)
    assert (plan.record.status, plan.record.reason) == (status, reason)
    assert plan.record.reason_at == one.now
    assert plan.writes is (status is Status.SYNCED)
    assert eligible(someone, one.rules) is (status is Status.SYNCED)


def test_u8_every_reason_and_warning_has_words() -> None:
    assert set(WARNINGS) == set(Warning)
    assert {reason.status for reason in REASONS.values()} == set(Status)
    for code in REASONS:
        text, fix = explain(code, "7")
        assert text
        assert fix
        assert "{" not in text + fix
    assert "7" in explain("number_taken", "7")[0]


def test_the_record_shows_the_user_as_last_seen() -> None:
    one = world(user(1, N))
    record = one.sync(1).record
    assert (record.email, record.first_name, record.last_name, record.phone) == (
        "user1@example.org", "Ada", "Moe", N,
    )  # fmt: skip


def test_u3_a_user_whom_actionkit_does_not_show_is_not_decided() -> None:
    one = world(user(1, N))
    one.quiet()
    record = one.records[1]
    seen = replace(one.look(1), user=None, deleted=False)
    assert decide(seen, record, one.rules, one.now) == Plan(record)
    with pytest.raises(ValueError, match="record"):
        decide(seen, None, one.rules, one.now)


def test_an_erased_person_is_never_touched() -> None:
    one = world(user(1, N))
    record = Record(1, status=Status.ERASED)
    assert decide(one.look(1), record, one.rules, one.now) == Plan(record)
    gone = Seen(one.now, None, deleted=True)
    assert decide(gone, record, one.rules, one.now) == Plan(record)


# --- creating and matching (U1) ---


def test_u1_no_match_creates_a_member_with_every_mapped_value() -> None:
    options = {
        "first_name": Option.POPULATE_NO_OVERWRITE,
        "last_name": Option.ONE_WAY_OVERWRITE_ACTIONKIT,
        "email": Option.ONE_WAY_OVERWRITE_STRIVE,
        "city": Option.TWO_WAY,
        "nick": Option.TWO_WAY,
    }
    one = world(user(1, N), options=options)
    one.edit_user(1, one.rules.mappings[4], " Addy ")
    plan = one.sync(1)
    assert plan.create is not None
    assert plan.create.number == plan.claim == N
    assert plan.create.values == {"first_name": "Ada", "email": "user1@example.org"}
    assert plan.create.custom == {"nick": "Addy"}
    assert plan.record.member_id is None
    record = one.records[1]
    assert record.member_id in one.members
    assert record.created_member
    assert record.fields["f-first_name"].base is not None
    assert Change(Side.STRIVE, "custom:nick", "", "Addy", "created") in plan.history
    assert Change(Side.STRIVE, "opt_in", "", "true", "created") in plan.history


def test_u1_a_member_with_the_number_is_linked() -> None:
    one = world(user(1, N))
    member_id = one.add_member(N, opt_in=True)
    plan = one.sync(1)
    assert plan.create is None
    assert (plan.record.member_id, plan.record.reason) == (member_id, "linked")
    assert plan.claim == N
    assert plan.record.linked_at == one.now


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (lambda u: replace(u, phones=()), Warning.PHONE_MISSING),
        (lambda u: replace(u, phones=(Phone(1, "mobile", "555"),)), Warning.PHONE_MISSING),
        (lambda u: replace(u, fields=()), Warning.OPT_IN_CLEARED),
    ],
)
def test_u1_a_linked_user_who_loses_phone_or_value_stays_linked(
    change: object, warning: Warning
) -> None:
    one = world(user(1, N))
    one.quiet()
    member_id = one.records[1].member_id
    one.users[1] = change(one.users[1])  # type: ignore[operator]
    one.quiet()
    assert one.records[1].member_id == member_id
    assert one.records[1].status is Status.SYNCED
    assert one.records[1].warnings == {warning}


def test_u1_a_deleted_member_is_not_made_again_by_itself() -> None:
    one = world(user(1, N), user(2, N))
    one.quiet()
    del one.members[one.member_of(1).member_id]
    one.quiet()
    assert statuses(one) == {1: Status.MEMBER_DELETED, 2: Status.DUPLICATE_PHONE}
    assert one.claims == {N: 1}
    assert one.members == {}
    assert not one.member_claims


def test_u1_a_member_somebody_adds_again_is_linked_as_a_first_link() -> None:
    one = world(user(1, N))
    one.quiet()
    del one.members[one.member_of(1).member_id]
    one.quiet()
    member_id = one.add_member(N, opt_in=False)
    one.quiet()
    assert one.records[1].member_id == member_id
    assert one.records[1].reason == "linked"
    assert one.users[1].fields[-1].value == "false"


def test_u1_staff_can_have_the_member_made_again() -> None:
    one = world(user(1, N))
    one.quiet()
    del one.members[one.member_of(1).member_id]
    one.quiet()
    seen = replace(one.look(1), recreate=True)
    assert decide(seen, one.records[1], one.rules, one.now).create is not None
    seen = replace(seen, recreate=False)
    assert decide(seen, one.records[1], one.rules, one.now).create is None


# --- one user per member (U2) ---


def test_u2_the_lowest_id_among_the_eligible_wins_whoever_is_looked_at_first() -> None:
    one = world(user(3, N), user(2, N), user(1, N, value=""))
    plan = one.sync(3)
    assert (plan.record.status, plan.record.reason_detail) == (Status.DUPLICATE_PHONE, "2")
    assert plan.look_again == (2,)
    one.quiet()
    assert statuses(one) == {
        1: Status.INELIGIBLE_NO_OPT_IN, 2: Status.SYNCED, 3: Status.DUPLICATE_PHONE,
    }  # fmt: skip


def test_u2_an_existing_link_wins() -> None:
    one = world(user(3, N))
    one.quiet()
    one.users[1] = user(1, N)
    one.quiet()
    assert statuses(one) == {3: Status.SYNCED, 1: Status.DUPLICATE_PHONE}
    assert one.records[1].reason_detail == "3"


def test_u2_an_existing_link_wins_even_if_its_user_is_not_eligible_any_more() -> None:
    one = world(user(3, N))
    one.quiet()
    one.users[1] = user(1, N)
    one.users[3] = user(3, value="")
    one.quiet()
    assert statuses(one) == {3: Status.SYNCED, 1: Status.DUPLICATE_PHONE}


def test_u2_if_the_winner_is_deleted_the_next_is_decided_as_a_first_link() -> None:
    one = world(user(1, N), user(2, N))
    one.quiet()
    member_id = one.member_of(1).member_id
    del one.users[1]
    plan = one.sync(1)
    assert plan.look_again == (2,)
    assert plan.release == (N,)
    one.quiet()
    assert statuses(one) == {1: Status.DELETED, 2: Status.SYNCED}
    assert one.records[2].member_id == member_id


def test_u2_a_claim_whose_holder_is_gone_or_ineligible_is_taken_over() -> None:
    one = world(user(2, N))
    one.claims[N] = 1
    plan = one.sync(2)
    assert (plan.claim, plan.claim_over) == (N, 1)
    one = world(user(1, N, value=""), user(2, N))
    one.claims[N] = 1
    one.quiet()
    assert statuses(one) == {1: Status.INELIGIBLE_NO_OPT_IN, 2: Status.SYNCED}


def test_u2_a_member_that_is_anothers_is_not_linked_again() -> None:
    """The member of user 1 got user 2's number in Strive before user 1 was looked at again."""
    one = world(user(1, N, N2), user(2, N2))
    one.users[1] = replace(
        one.users[1], phones=(Phone(1, "mobile", N, START), Phone(2, "home", N2, START))
    )
    one.sync(1)
    member = one.member_of(1)
    one.members[member.member_id] = replace(member, phone_number=N2)
    plan = one.sync(2)
    assert (plan.record.reason, plan.record.reason_detail) == ("member_taken", "1")
    assert plan.look_again == (1,)
    one.quiet()
    assert one.records[2].member_id == member.member_id
    assert one.records[1].member_id not in (None, member.member_id)


# --- changed numbers (F8) ---


def test_f8_while_the_members_number_is_still_on_the_user_the_link_stays() -> None:
    one = world(user(1, N))
    one.quiet()
    member_id = one.records[1].member_id
    phones = (Phone(1, "fax", N, START), Phone(2, "mobile", N2, START))
    one.users[1] = replace(one.users[1], phones=phones)
    one.quiet()
    assert one.records[1].member_id == member_id
    assert one.records[1].warnings == {Warning.PHONE_DIFFERS}
    assert one.claims == {N: 1}


def test_f8_another_eligible_user_who_chose_it_ends_the_link() -> None:
    one = world(user(1, N))
    one.quiet()
    member_id = one.records[1].member_id
    phones = (Phone(1, "fax", N, START), Phone(2, "mobile", N2, START))
    one.users[1] = replace(one.users[1], phones=phones)
    one.users[2] = user(2, N)
    one.quiet()
    assert one.records[2].member_id == member_id
    assert one.member_of(1).phone_number == N2
    assert one.claims == {N: 2, N2: 1}


def test_f8_when_no_phone_has_the_number_the_link_ends_and_all_are_decided_afresh() -> None:
    one = world(user(1, N), user(2, N))
    one.add_member(N, opt_in=True, first_name="Old")
    one.quiet()
    old = one.member_of(1)
    one.set_phone(1, N2)
    plan = one.sync(1)
    assert plan.record.reason == "decided_afresh"
    assert plan.look_again == (1, 2)
    assert (plan.release, plan.release_member) == ((N,), old.member_id)
    assert plan.leave == {PRIMARY}
    assert (plan.strive, plan.opt_in_strive) == ({}, None)
    one.quiet()
    assert one.member_of(1).phone_number == N2
    assert one.member_of(2).member_id == old.member_id
    kept = one.members[old.member_id]
    assert (kept.first_name, kept.opt_in) == ("Old", True)


def test_f8_a_member_whose_number_was_changed_in_strive_to_another_of_the_users() -> None:
    one = world(user(1, N2, N))
    one.users[1] = replace(
        one.users[1], phones=(Phone(1, "mobile", N, START), Phone(2, "home", N2, START))
    )
    one.quiet()
    member = one.member_of(1)
    one.members[member.member_id] = replace(member, phone_number=N2)
    one.quiet()
    assert one.records[1].member_id == member.member_id
    assert one.records[1].warnings == {Warning.PHONE_DIFFERS}
    assert one.claims == {N2: 1}


def test_f8_a_member_whose_number_was_changed_in_strive_to_a_strangers() -> None:
    one = world(user(1, N))
    one.quiet()
    member = one.member_of(1)
    one.members[member.member_id] = replace(member, phone_number=N3)
    one.quiet()
    assert one.member_of(1).member_id != member.member_id
    assert one.member_of(1).phone_number == N
    assert PRIMARY not in one.members[member.member_id].groups


# --- deleted and merged (U3) ---


def test_u3_when_a_user_is_deleted_the_member_leaves_the_groups_the_sync_added_it_to() -> None:
    one = world(user(1, N))
    one.quiet()
    member = one.member_of(1)
    one.members[member.member_id] = replace(member, groups=member.groups | {5})
    del one.users[1]
    one.quiet()
    record = one.records[1]
    assert (record.status, record.reason) == (Status.DELETED, "deleted")
    assert record.member_id is None
    assert one.members[member.member_id].groups == {5}
    assert one.claims == {}
    assert one.member_claims == {}


def test_u3_a_merged_user_is_deleted_and_names_the_primary() -> None:
    one = world(user(1, N))
    one.quiet()
    heir = Record(7, status=Status.SYNCED, member_id=4711)
    seen = replace(one.look(1), user=None, deleted=False, merged_into=7, heir=heir)
    plan = decide(seen, one.records[1], one.rules, one.now)
    assert (plan.record.reason, plan.record.reason_detail) == ("merged", "7")
    assert 7 in plan.look_again
    again = decide(replace(seen, merged_into=None, deleted=True), plan.record, one.rules, one.now)
    assert again == Plan(plan.record)


# --- groups (G1, P2, P8) ---


def test_g1_every_member_synced_to_a_user_is_in_the_primary_group() -> None:
    one = world(user(1, N), user(2, N2))
    one.add_member(N, opt_in=True)
    one.quiet()
    assert all(PRIMARY in member.groups for member in one.members.values())
    assert one.records[1].groups == one.records[2].groups == {PRIMARY}


def test_g1_who_was_in_the_group_before_is_never_taken_out() -> None:
    one = world(user(1, N))
    member_id = one.add_member(N, opt_in=True)
    one.members[member_id] = replace(one.members[member_id], groups=frozenset({PRIMARY, 4}))
    one.quiet()
    assert one.records[1].groups == frozenset()
    del one.users[1]
    one.quiet()
    assert one.members[member_id].groups == {PRIMARY, 4}


def test_p8_nobody_is_put_into_a_group_with_a_flow() -> None:
    one = world(user(1, N), closed_groups=frozenset({PRIMARY}))
    one.quiet()
    assert one.member_of(1).groups == frozenset()
    one.rules = replace(one.rules, closed_groups=frozenset())
    one.quiet()
    assert one.member_of(1).groups == {PRIMARY}


def test_g4_a_group_that_the_user_is_no_longer_entitled_to_is_left() -> None:
    one = world(replace(user(1, N), usergroups=frozenset({5})))
    since = Moment(START, 0)
    source = Source("usergroup-5", SourceKind.USERGROUP, 10, "Drivers", since, usergroup_id=5)
    one.rules = replace(one.rules, sources=(source,))
    one.quiet()
    assert one.member_of(1).groups == {PRIMARY, 10}
    one.users[1] = replace(one.users[1], usergroups=frozenset())
    plan = one.sync(1)
    assert (set(plan.join), set(plan.leave)) == (set(), {10})
    assert {c.rule for c in plan.history} == {"not_entitled"}


def test_p2_nobody_is_taken_out_of_a_group_that_is_no_longer_kept_up() -> None:
    one = world(user(1, N))
    one.quiet()
    one.rules = replace(one.rules, primary_group=10)
    plan = one.sync(1)
    assert (set(plan.join), set(plan.leave)) == ({10}, set())
    assert one.member_of(1).groups == {PRIMARY, 10}
    assert one.records[1].groups == {10}


# --- nothing new ---


def test_an_unchanged_look_changes_nothing_at_all() -> None:
    one = world(user(1, N), user(2, N), user(3), options={"city": Option.TWO_WAY})
    one.quiet()
    one.wait(1000)
    for user_id in (1, 2, 3):
        record = one.records[user_id]
        assert one.sync(user_id) == Plan(record)
        assert one.records[user_id] is record


def test_times_move_only_with_what_they_tell_of() -> None:
    one = world(user(1))
    one.quiet()
    first = one.records[1]
    one.wait(60)
    one.users[1] = replace(one.users[1], last_name="New")
    one.sync(1)
    second = one.records[1]
    assert second.reason_at == first.reason_at
    assert second.changed_at == one.now
    one.users[1] = replace(user(1, N), last_name="New")
    one.sync(1)
    assert one.records[1].reason_at == one.now


def test_a_user_who_becomes_eligible_later_is_linked_then() -> None:
    one = world(user(1))
    one.quiet()
    one.set_phone(1, N)
    one.quiet()
    assert one.records[1].status is Status.SYNCED


def test_a_claim_is_given_up_by_who_is_no_longer_eligible() -> None:
    one = world(user(1, N, value=""))
    one.claims[N] = 1
    plan = one.sync(1)
    assert plan.release == (N,)
    assert one.claims == {}


def test_a_claim_on_the_member_is_given_up_too() -> None:
    one = world(user(1, N, value=""))
    member_id = one.add_member(N, opt_in=True)
    one.member_claims[member_id] = 1
    assert one.sync(1).release_member == member_id
    assert one.member_claims == {}


def test_rivals_of_other_numbers_do_not_matter() -> None:
    one = world(user(2, N))
    seen = replace(one.look(2), rivals=(Rival(1, N2, eligible=True), Rival(0, N, eligible=False)))
    assert decide(seen, None, one.rules, one.now).record.status is Status.SYNCED
