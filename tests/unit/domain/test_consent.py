"""F11, F13, F14: who wins over Subscribed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from instep.domain.consent import Reading
from instep.domain.decide import decide
from instep.domain.people import FieldRow, Member, Phone, Side, SubscriptionEvent, User
from instep.domain.plan import Seen
from instep.domain.record import NumberConsent, Record, Status, Warning  # noqa: A004
from instep.domain.rules import Option, Resubscribe
from tests.property.small_world import IMPORT_PAGE, NUMBERS, OPT_IN, START, World, rules_with

N, N2 = NUMBERS[0], NUMBERS[1]
BEFORE_ACTIVATION = START - timedelta(days=30)


def world(*values: str, set_at: datetime = START, **settings: Any) -> World:
    """User 1 with number N and an opt-in value."""
    one = World(rules_with(**settings), now=START)
    one.users[1] = User(1, "one@example.org", "Ada", "Moe")
    one.now = set_at
    one.set_phone(1, N)
    one.set_opt_in(1, *values)
    one.now = START + timedelta(days=1)
    return one


def linked(
    value: str, opt_in: bool, set_at: datetime = BEFORE_ACTIVATION, **settings: Any
) -> World:
    """User 1 linked to a member who was there; a quiet day has passed."""
    one = world(value, set_at=set_at, **settings)
    one.add_member(N, opt_in)
    one.quiet()
    one.wait(24 * 60)
    return one


def created(value: str, **settings: Any) -> World:
    one = world(value, **settings)
    one.quiet()
    one.wait(24 * 60)
    return one


def state(one: World) -> tuple[bool, Reading]:
    return one.member_of(1).opt_in, one.reading(1)


def warnings(one: World) -> set[Warning]:
    return set(one.records[1].warnings) - {Warning.PHONE_DIFFERS}


# --- first link ---


@pytest.mark.parametrize("value", ["yes", "no", "TBD"])
@pytest.mark.parametrize("opt_in", [True, False])
def test_f11_1_at_first_link_the_members_status_wins(value: str, opt_in: bool) -> None:
    one = linked(value, opt_in)
    assert state(one) == (opt_in, Reading.TRUE if opt_in else Reading.FALSE)


@pytest.mark.parametrize(("value", "opt_in"), [("no", True), ("TBD", True), ("TBD", False),
                                               ("yes", False)])  # fmt: skip
def test_f15_a_value_that_the_members_status_replaces_is_kept_as_evidence(
    value: str, opt_in: bool
) -> None:
    one = linked(value, opt_in)
    evidence = [entry for plan in one.plans for entry in plan.evidence]
    assert [entry.opted_in for entry in evidence if entry.side is Side.STRIVE] == [opt_in]
    assert [entry.raw for entry in evidence if entry.side is Side.ACTIONKIT] == [value]


def test_f11_1_a_false_set_after_the_first_activation_is_a_refusal() -> None:
    one = linked("no", opt_in=True, set_at=START)
    assert state(one) == (False, Reading.FALSE)
    assert one.consents[N].refused


def test_f11_3_who_refused_on_both_sides_before_the_first_link_is_not_resubscribed() -> None:
    """A member who was opted out when the link was made refused in Strive, whatever ActionKit
    says besides: a true set there later lifts nothing (`never`)."""
    one = linked("no", opt_in=False, set_at=START)
    one.wait(1)
    one.set_opt_in(1, "yes")
    one.quiet()
    assert state(one) == (False, Reading.TRUE)
    assert Warning.RESUBSCRIBE_NEEDS_CONSENT in one.records[1].warnings


def test_f11_1_a_false_without_a_time_is_old() -> None:
    one = world("no")
    user = one.users[1]
    one.users[1] = replace(user, fields=(replace(user.fields[0], updated_at=None),))
    one.add_member(N, opt_in=True)
    one.quiet()
    assert state(one) == (True, Reading.TRUE)


def test_f11_1_our_own_false_is_no_refusal() -> None:
    one = world("yes")
    one.set_opt_in(1, "false", page_id=IMPORT_PAGE, page_type="import")
    one.add_member(N, opt_in=True)
    one.quiet()
    assert state(one) == (True, Reading.TRUE)


def test_f11_1_an_overruled_false_is_recorded_and_warns_until_the_field_is_set_again() -> None:
    one = linked("No!", opt_in=True)
    assert warnings(one) == set()
    one = linked(" NO ", opt_in=True)
    assert warnings(one) == {Warning.REFUSAL_OVERRULED}
    assert one.records[1].consent.overruled == " NO "
    assert any(e.raw == " NO " for plan in one.plans for e in plan.evidence)
    one.set_opt_in(1, "yes")
    one.quiet()
    assert warnings(one) == set()


def test_f11_1_the_overruled_warning_ends_when_the_member_opts_out() -> None:
    one = linked("no", opt_in=True)
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    assert warnings(one) == set()
    assert state(one) == (False, Reading.FALSE)


def test_f11_1_a_member_never_asked_takes_a_true_value() -> None:
    """The member was created as opted out for user 1, who is deleted; user 2 says yes."""
    one = created("TBD")
    del one.users[1]
    one.sync(1)
    one.users[2] = User(2, "two@example.org", phones=(Phone(1, "mobile", N, START),))
    one.set_opt_in(2, "yes")
    one.quiet()
    assert one.member_of(2).opt_in is True
    assert one.records[2].reason == "linked"


def test_f11_1_a_member_never_asked_who_texted_stop_takes_no_true_value() -> None:
    one = created("TBD")
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    assert one.consents[N].refused
    del one.users[1]
    one.sync(1)
    one.users[2] = User(2, "two@example.org", phones=(Phone(1, "mobile", N, START),))
    one.set_opt_in(2, "yes")
    one.quiet()
    assert one.member_of(2).opt_in is False


@pytest.mark.parametrize(("kind", "minutes"), [("keyword", 0.5), ("text", 10), ("by hand", 10)])
def test_f11_1_an_opt_out_soon_after_our_creation_is_the_persons_own(
    kind: str, minutes: float
) -> None:
    """Strive noted no event of the creation itself."""
    made_at = START + timedelta(days=1)
    user = User(2, "two@example.org", phones=(Phone(1, "mobile", N, START),))
    yes = FieldRow(OPT_IN, "yes", made_at + timedelta(hours=1), 700, 5, "signup")
    member = Member(50, N, opt_in=False, created_at=made_at)
    out = SubscriptionEvent(9, 50, True, kind, made_at + timedelta(minutes=minutes))
    now = made_at + timedelta(hours=2)
    seen = Seen(
        now, replace(user, fields=(yes,)), matched=member,
        consent=NumberConsent(not_asked_at=made_at), events=(out,),
    )  # fmt: skip
    assert decide(replace(seen, events=()), None, rules_with(), now).opt_in_strive is True
    assert decide(seen, None, rules_with(), now).opt_in_strive is None


def test_f11_3_a_stop_at_the_time_of_our_own_write_is_the_persons_own() -> None:
    one = world("TBD")
    one.sync(1)
    one.events.clear()
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    assert one.consents[N].refused
    one.set_opt_in(1, "yes")
    one.quiet()
    assert one.member_of(1).opt_in is False


# --- created by the sync ---


@pytest.mark.parametrize(
    ("value", "opt_in"), [("yes", True), ("no", False), ("TBD", False), ("on", False)]
)
def test_f11_2_a_created_member_is_opted_in_only_for_a_true_value(value: str, opt_in: bool) -> None:
    one = created(value)
    assert one.member_of(1).opt_in is opt_in
    assert one.users[1].fields[0].value == value
    assert warnings(one) == set()


def test_f11_2_the_value_is_left_alone_until_the_members_status_changes() -> None:
    one = created("TBD")
    one.text(one.member_of(1).member_id, opt_in=True)
    one.quiet()
    assert one.users[1].fields[0].value == "true"


def test_f11_2_over_a_standing_refusal_a_member_is_created_as_opted_out() -> None:
    one = created("yes")
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    del one.members[one.member_of(1).member_id]
    one.sync(1)
    one.set_opt_in(1, "yes")
    one.sync(1)
    assert one.records[1].status is Status.MEMBER_DELETED
    del one.records[1]
    one.claims.clear()
    one.member_claims.clear()
    one.quiet()
    assert one.member_of(1).opt_in is False
    assert warnings(one) == {Warning.RESUBSCRIBE_NEEDS_CONSENT}


def test_f11_3_a_true_set_later_opts_in_whom_the_sync_never_asked() -> None:
    for value in ("TBD", "no"):
        one = created(value)
        one.set_opt_in(1, "Y")
        one.quiet()
        assert state(one) == (True, Reading.TRUE)


# --- afterwards ---


def test_f11_3_opt_outs_are_carried_both_ways() -> None:
    one = linked("yes", opt_in=True)
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    assert state(one) == (False, Reading.FALSE)
    one = linked("yes", opt_in=True)
    one.set_opt_in(1, "opt out")
    one.quiet()
    assert state(one) == (False, Reading.FALSE)
    assert one.users[1].fields[0].value == "opt out"


def test_f11_3_if_both_changed_the_opt_out_wins() -> None:
    one = linked("no", opt_in=False)
    one.set_opt_in(1, "yes")
    one.quiet()
    assert state(one)[0] is False
    one = linked("yes", opt_in=True)
    one.text(one.member_of(1).member_id, opt_in=False)
    one.set_opt_in(1, "Yes")
    one.quiet()
    assert state(one) == (False, Reading.FALSE)


def test_f11_3_a_false_set_after_our_own_false_is_a_change_too() -> None:
    one = linked("yes", opt_in=True)
    one.text(one.member_of(1).member_id, opt_in=False)
    one.sync(1)
    one.wait(1)
    one.set_opt_in(1, "no")
    one.text(one.member_of(1).member_id, opt_in=True)
    one.quiet()
    assert state(one) == (False, Reading.FALSE)


def test_f11_3_a_member_who_opts_in_is_carried_to_actionkit() -> None:
    one = linked("no", opt_in=False)
    one.text(one.member_of(1).member_id, opt_in=True)
    one.quiet()
    assert state(one) == (True, Reading.TRUE)
    assert not one.consents[N].refused


def test_f11_3_a_refusal_from_actionkit_can_be_lifted_there() -> None:
    one = linked("yes", opt_in=True)
    one.set_opt_in(1, "no")
    one.quiet()
    one.set_opt_in(1, "yes")
    one.quiet()
    assert state(one) == (True, Reading.TRUE)


def test_f11_5_an_upload_lifts_a_refusal_only_where_the_setting_is_any() -> None:
    for setting, opted in ((Resubscribe.OWN_ACTION, False), (Resubscribe.ANY, True)):
        one = linked("yes", opt_in=True, resubscribe=setting)
        one.set_opt_in(1, "no")
        one.quiet()
        one.set_opt_in(1, "yes", page_id=12, page_type="import")
        one.quiet()
        assert one.member_of(1).opt_in is opted


def stopped(setting: Resubscribe, changed_at: datetime | None = None) -> World:
    """A member who texted STOP; ActionKit was seen to hold our false."""
    one = linked("yes", opt_in=True, resubscribe=setting, resubscribe_changed_at=changed_at)
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    assert one.records[1].consent.false_seen_at is not None
    one.wait(60)
    return one


@pytest.mark.parametrize(
    ("setting", "page_type", "opted"),
    [
        (Resubscribe.NEVER, "signup", False),
        (Resubscribe.OWN_ACTION, "signup", True),
        (Resubscribe.OWN_ACTION, "import", False),
        (Resubscribe.ANY, "signup", True),
        (Resubscribe.ANY, "import", True),
    ],
)
def test_f11_3_a_refusal_from_strive_is_lifted_only_as_the_setting_says(
    setting: Resubscribe, page_type: str, opted: bool
) -> None:
    one = stopped(setting)
    one.set_opt_in(1, "yes", page_id=12, page_type=page_type)
    one.quiet()
    assert one.member_of(1).opt_in is opted
    assert one.reading(1) is Reading.TRUE
    assert warnings(one) == (set() if opted else {Warning.RESUBSCRIBE_NEEDS_CONSENT})


def test_f11_3_staff_who_edit_a_field_by_hand_are_no_action_of_the_person() -> None:
    one = stopped(Resubscribe.OWN_ACTION)
    one.set_opt_in(1, "yes", page_id=None, page_type="")
    one.quiet()
    assert one.member_of(1).opt_in is False


def test_f11_3_only_a_true_set_after_the_setting_was_changed_counts() -> None:
    late = START + timedelta(days=300)
    one = stopped(Resubscribe.ANY, changed_at=late)
    one.set_opt_in(1, "yes")
    one.quiet()
    assert one.member_of(1).opt_in is False
    one.now = late + timedelta(hours=1)
    one.set_opt_in(1, "yes")
    one.quiet()
    assert one.member_of(1).opt_in is True


def test_f11_3_a_true_without_a_false_seen_first_lifts_nothing() -> None:
    one = linked("yes", opt_in=True, resubscribe=Resubscribe.ANY)
    one.text(one.member_of(1).member_id, opt_in=False)
    one.sync(1)
    one.set_opt_in(1, "yes please")
    one.wait(1)
    one.set_opt_in(1, "yes")
    one.quiet()
    assert one.member_of(1).opt_in is False


def test_f11_3_an_ak_false_does_not_soften_a_refusal_from_strive() -> None:
    one = stopped(Resubscribe.NEVER)
    for value in ("yes", "no", "yes"):
        one.set_opt_in(1, value)
        one.quiet()
        one.wait(60)
    assert one.member_of(1).opt_in is False


def test_f11_3_an_unrecognised_value_changes_no_member_and_is_replaced() -> None:
    for opt_in in (True, False):
        one = linked("yes", opt_in=opt_in)
        one.set_opt_in(1, "maybe")
        one.quiet()
        assert state(one) == (opt_in, Reading.TRUE if opt_in else Reading.FALSE)


def test_f11_4_an_emptied_value_changes_no_member() -> None:
    one = linked("yes", opt_in=True)
    one.set_opt_in(1)
    one.quiet()
    assert state(one) == (True, Reading.NONE)
    assert warnings(one) == {Warning.OPT_IN_CLEARED}
    assert one.records[1].status is Status.SYNCED
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    assert state(one) == (False, Reading.FALSE)
    one.set_opt_in(1)
    one.quiet()
    assert state(one) == (False, Reading.FALSE)


def test_f11_6_a_consent_write_that_is_not_confirmed_in_20_minutes_has_failed() -> None:
    one = linked("yes", opt_in=True)
    one.text(one.member_of(1).member_id, opt_in=False)
    fields = one.users[1].fields
    one.sync(1)
    one.users[1] = replace(one.users[1], fields=fields)
    one.wait(19)
    assert not one.sync(1).record.reason.startswith("consent")
    one.wait(2)
    plan = one.sync(1)
    assert (plan.record.status, plan.record.reason) == (Status.FAILED, "consent_not_accepted")
    assert plan.record.reason_detail == "actionkit"
    one.wait(60)
    assert not one.sync(1).writes
    assert [one.records[1].status] == [Status.FAILED]
    one.set_opt_in(1, "no")
    one.quiet()
    assert [one.records[1].status] == [Status.SYNCED]


def test_f12_after_a_change_of_the_userfield_everybody_is_decided_as_at_first_link() -> None:
    one = linked("yes", opt_in=True)
    user = one.users[1]
    other = replace(user.fields[0], name="other", value="no", updated_at=BEFORE_ACTIVATION)
    one.users[1] = replace(user, fields=(*user.fields, other))
    one.rules = replace(one.rules, opt_in_userfield="other")
    plan = one.sync(1)
    assert plan.opt_in_strive is None
    assert plan.opt_in_actionkit is True
    assert plan.record.consent.overruled == "no"


def test_f12_refusals_are_kept_when_the_userfield_changes() -> None:
    one = stopped(Resubscribe.ANY)
    user = one.users[1]
    other = replace(user.fields[0], name="other", value="yes", page_id=5, updated_at=one.now)
    one.users[1] = replace(user, fields=(*user.fields, other))
    one.rules = replace(one.rules, opt_in_userfield="other")
    plan = one.sync(1)
    assert plan.opt_in_strive is None
    assert plan.opt_in_actionkit is False


# --- the number (F13, F14) ---


def two_users() -> World:
    """User 1 is linked and opted in; user 2 has the same number and says yes."""
    one = linked("yes", opt_in=True)
    one.users[2] = User(2, "two@example.org", phones=(Phone(8, "mobile", N, START),))
    one.set_opt_in(2, "yes")
    one.quiet()
    one.wait(60)
    assert one.records[2].status is Status.DUPLICATE_PHONE
    assert one.records[2].reason_detail == "1"
    return one


def test_f14_a_false_of_any_user_with_the_number_opts_the_linked_member_out() -> None:
    one = two_users()
    one.set_opt_in(2, "no")
    plan = one.sync(2)
    assert plan.look_again == (1,)
    one.quiet()
    assert state(one) == (False, Reading.FALSE)


def test_f14_such_a_refusal_is_lifted_by_the_linked_user_or_the_member() -> None:
    one = two_users()
    one.set_opt_in(2, "no")
    one.quiet()
    one.wait(60)
    one.set_opt_in(2, "yes")
    one.quiet()
    assert one.member_of(1).opt_in is False
    one.set_opt_in(1, "yes")
    one.quiet()
    assert state(one) == (True, Reading.TRUE)


def test_f14_the_number_counts_on_any_of_the_accounts_phone_types() -> None:
    one = two_users()
    phones = (Phone(8, "mobile", N2, START), Phone(9, "home", N, START))
    one.users[2] = replace(one.users[2], phones=phones)
    one.quiet()
    one.set_opt_in(2, "no")
    one.quiet()
    assert state(one) == (False, Reading.FALSE)


def test_f14_opt_ins_come_from_the_linked_user_alone() -> None:
    one = linked("no", opt_in=False)
    one.users[2] = User(2, "two@example.org", phones=(Phone(8, "mobile", N, START),))
    one.set_opt_in(2, "no")
    one.quiet()
    one.set_opt_in(2, "yes")
    one.quiet()
    assert one.member_of(1).opt_in is False


def differing() -> World:
    """User 1 is linked to N, which is now their home phone; their mobile is N2."""
    one = linked("yes", opt_in=True)
    phones = (Phone(1, "home", N, START), Phone(2, "mobile", N2, one.now))
    one.users[1] = replace(one.users[1], phones=phones)
    one.quiet()
    assert one.records[1].warnings == {Warning.PHONE_DIFFERS}
    return one


def test_f14_while_numbers_differ_only_opt_outs_are_carried() -> None:
    one = differing()
    one.set_opt_in(1, "no")
    one.quiet()
    assert state(one) == (False, Reading.FALSE)
    one.set_opt_in(1, "yes")
    one.quiet()
    assert one.member_of(1).opt_in is False
    one.users[1] = replace(one.users[1], phones=(Phone(1, "home", N, START),))
    one.quiet()
    assert state(one) == (True, Reading.TRUE)


def test_f14_an_opt_in_of_the_member_waits_until_the_numbers_agree() -> None:
    one = differing()
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    one.text(one.member_of(1).member_id, opt_in=True)
    one.quiet()
    assert state(one) == (True, Reading.FALSE)
    assert one.records[1].consent.uncarried is Side.STRIVE
    one.users[1] = replace(one.users[1], phones=(Phone(1, "home", N, START),))
    one.quiet()
    assert state(one) == (True, Reading.TRUE)


def renumbered(value: str) -> World:
    """User 1's number was replaced: the link to N has ended."""
    one = linked(value, opt_in=value == "yes")
    one.set_phone(1, N2)
    one.wait(60)
    return one


def test_f14_a_number_that_replaces_a_linked_one_starts_as_not_asked() -> None:
    one = renumbered("yes")
    one.quiet()
    assert one.member_of(1).phone_number == N2
    assert state(one) == (False, Reading.TRUE)
    assert warnings(one) == {Warning.OPT_IN_PREDATES_PHONE}
    one.set_opt_in(1, "yes")
    one.quiet()
    assert state(one) == (True, Reading.TRUE)
    assert warnings(one) == set()


def test_f14_unless_the_userfield_was_set_at_or_after_the_phones_row() -> None:
    one = renumbered("yes")
    one.set_opt_in(1, "yes")
    one.quiet()
    assert state(one) == (True, Reading.TRUE)


def test_f13_the_old_number_keeps_its_refusal() -> None:
    one = linked("yes", opt_in=True)
    one.text(one.member_of(1).member_id, opt_in=False)
    one.quiet()
    member_id = one.member_of(1).member_id
    one.set_phone(1, N2)
    one.quiet()
    assert one.consents[N].refused
    assert one.members[member_id].opt_in is False
    del one.members[member_id]
    one.users[3] = User(3, "three@example.org", phones=(Phone(30, "mobile", N, START),))
    one.set_opt_in(3, "yes")
    one.quiet()
    assert one.member_of(3).opt_in is False


def refused_while_unlinked() -> World:
    """User 2 refused for N while nobody was linked to it; a member with N is opted in."""
    one = world("yes")
    one.users[2] = User(2, "two@example.org", phones=(Phone(8, "mobile", N, START),))
    one.set_opt_in(2, "yes")
    first, one.users = one.users[1], {2: one.users[2]}
    one.rules = replace(one.rules, phone_types=("work",))
    one.users[2] = replace(one.users[2], phones=(Phone(8, "work", N, START),))
    one.claims[N] = 1
    one.records[1] = Record(1, status=Status.MEMBER_DELETED, number=N)
    one.sync(2)
    one.set_opt_in(2, "no")
    one.sync(2)
    assert one.consents[N].refused
    one.rules = replace(one.rules, phone_types=())
    one.users = {1: first}
    one.wait(60)
    return one


def test_f13_at_first_link_a_refusal_of_the_number_opts_the_member_out() -> None:
    one = refused_while_unlinked()
    one.add_member(N, opt_in=True)
    one.quiet()
    assert state(one) == (False, Reading.FALSE)


def test_f13_unless_the_member_is_seen_to_have_opted_in_since() -> None:
    one = refused_while_unlinked()
    one.text(one.add_member(N, opt_in=True), opt_in=True)
    one.quiet()
    assert state(one) == (True, Reading.TRUE)
    assert not one.consents[N].refused


def test_f11_1_only_the_member_that_the_sync_made_was_never_asked() -> None:
    """The one it made was deleted; somebody else then added one as opted out."""
    one = created("TBD")
    del one.members[one.member_of(1).member_id]
    one.quiet()
    one.add_member(N, opt_in=False)
    one.set_opt_in(1, "yes")
    one.quiet()
    assert state(one) == (False, Reading.FALSE)


def test_f13_a_refusal_seen_with_the_loss_of_the_number_is_carried_first() -> None:
    one = linked("yes", opt_in=True)
    member_id = one.member_of(1).member_id
    one.set_opt_in(1, "no")
    one.set_phone(1, N2)
    one.quiet()
    assert one.members[member_id].opt_in is False
    assert one.member_of(1).phone_number == N2


def test_u1_a_refusal_that_a_creation_overrode_is_found_at_the_next_look() -> None:
    one = created("yes")
    member_id = one.member_of(1).member_id
    one._set_status(member_id, opt_in=False, kind="api")
    one.quiet()
    assert one.consents[N].refused
    assert state(one) == (False, Reading.FALSE)


def test_options_of_fields_do_not_touch_consent() -> None:
    one = linked("yes", opt_in=True, options={"first_name": Option.ONE_WAY_OVERWRITE_STRIVE})
    assert not one.sync(1).writes
