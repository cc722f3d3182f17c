"""P6: the list of actions, what became of each, and what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from instep.domain.holds import backfill_of
from instep.domain.pace import Lane
from instep.domain.people import Action, User
from instep.domain.plan import Seen
from instep.domain.record import Record, Status
from instep.use_cases import holds, sources
from instep.use_cases.action_list import ShownAction, list_actions
from instep.use_cases.actions import (
    NEWS,
    action_key,
    fields_key,
    forget_actions,
    list_actionfields,
    note_actionfields,
    note_actions,
    undecided,
)
from instep.use_cases.activation import pause, resume
from instep.use_cases.cursors import ActionCursor
from instep.use_cases.erasure import erase_person
from instep.use_cases.feed_of_actions import find_changed
from instep.use_cases.sources import Naming
from instep.use_cases.work import Work, work_of
from instep.use_cases.worker import work_on
from tests.unit.api.desk import NOW, Desk, linked, unlinked

WHO = "ana@example.org"


def page(desk: Desk, pages: int = 1) -> int:
    """A synced page, and live actions from now on; its group."""
    desk.listed(pages=pages)
    pause(desk.world, "demo", WHO)
    resume(desk.world, "demo", WHO)
    made = [sources.sync_page(desk.world, "demo", WHO, one, Naming()) for one in desk.pages]
    desk.bulk.sent.clear()
    return made[0].group_id


def add_person(desk: Desk, number: int = 1, opt_in: str = "yes") -> int:
    user_id = desk.actionkit.add_user(f"user{number}@example.org")
    desk.actionkit.add_phone(user_id, f"312555{number:04d}")
    desk.actionkit.set_field(user_id, "sms_opt_in", opt_in)
    return user_id


def act(desk: Desk, user_id: int, page_name: str = "page-1", **fields: str) -> int:
    desk.clock.sleep(60)
    given = {f"action_{name}": value for name, value in fields.items()}
    return desk.actionkit.take_action(page_name, given, user_id)


def look(desk: Desk, *user_ids: int, cause: str = "changed") -> None:
    """Looks at users, and at them again where that is wanted."""
    work = Work("demo", desk.account().epoch, user_ids, cause)
    assert work_on(desk.world, work, Lane.LIVE) == "done"
    while desk.live.sent:
        sent = desk.live.sent.pop(0)
        desk.clock.sleep(sent.delay_seconds)
        work_on(desk.world, work_of(sent.body), Lane.LIVE)


def shown(desk: Desk, page_id: int | None = None, user_id: int | None = None) -> list[ShownAction]:
    return list_actions(desk.world, "demo", page_id, user_id, None, 500)[0]


def outcome(desk: Desk) -> tuple[str, str | None]:
    """Of the one action that is listed."""
    (one,) = shown(desk)
    assert one.reason is None or all(one.reason)
    return one.outcome, one.reason[0] if one.reason else None


def note(desk: Desk, user_id: int, *actions: Action, before: bool = True) -> None:
    seen = {user_id: Seen(desk.clock.now(), User(user_id, "x@example.org", actions=actions))}
    note_actions(desk.world, "demo", seen, [user_id] if before else [], by_sums=False)


def action(
    desk: Desk,
    action_id: int,
    status: str = "complete",
    at: datetime | None = NOW,
    **fields: tuple[str, ...],
) -> Action:
    shown_fields = tuple(sorted(fields.items()))
    return Action(action_id, desk.pages[0], status, at, "signup", fields=shown_fields)


# --- outcomes ---


def test_p6_synced_once_the_member_is_in_the_group(desk: Desk) -> None:
    page(desk)
    user_id = add_person(desk)
    action_id = act(desk, user_id, colour="red")
    look(desk, user_id)
    assert outcome(desk) == ("synced", None)
    (one,) = shown(desk)
    assert (one.action_id, one.page_id, one.user_id) == (action_id, desk.pages[0], user_id)
    assert one.member_id in [each["id"] for each in desk.strive.members()]
    assert one.fields == {"colour": ["red"]}
    assert one.created_at is not None


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (unlinked(5), "no_phone"),
        (unlinked(5, status=Status.INELIGIBLE_INVALID_PHONE, reason="invalid_phone"),
         "invalid_phone"),
        (unlinked(5, status=Status.INELIGIBLE_NO_OPT_IN, reason="no_opt_in_value"),
         "no_opt_in_value"),
        (unlinked(5, status=Status.DUPLICATE_PHONE, reason="number_taken", reason_detail="4"),
         "number_taken"),
        (unlinked(5, status=Status.MEMBER_DELETED, reason="member_deleted"), "member_deleted"),
        (None, "not_scanned"),
    ],
)  # fmt: skip
def test_p6_waiting_with_the_reason_of_the_user(
    desk: Desk, record: Record | None, code: str
) -> None:
    page(desk)
    note(desk, 5, action(desk, 100))
    if record is not None:
        desk.store(record)
    assert outcome(desk) == ("waiting", code)


def test_p6_who_becomes_eligible_is_listed_as_synced(desk: Desk) -> None:
    page(desk)
    user_id = desk.actionkit.add_user("later@example.org")
    act(desk, user_id)
    look(desk, user_id)
    assert outcome(desk) == ("waiting", "no_phone")
    desk.actionkit.add_phone(user_id, "3125550101")
    look(desk, user_id)
    assert outcome(desk) == ("waiting", "no_opt_in_value")
    desk.actionkit.set_field(user_id, "sms_opt_in", "yes")
    look(desk, user_id)
    assert outcome(desk) == ("synced", None)


def with_flow(desk: Desk, group: int) -> None:
    flow = desk.strive.add_flow(desk.campaign.campaign_id, "Welcome")
    desk.strive.edit_group(group, flow_id=flow)


def test_p6_held_then_discarded_then_taken_in_by_a_newer_action(desk: Desk) -> None:
    group = page(desk)
    with_flow(desk, group)
    user_id = add_person(desk)
    desk.actionkit.add_past_actions("page-1", [user_id])
    look(desk, user_id)
    assert outcome(desk) == ("waiting", "held")
    ((hold,), _) = holds.list_holds(desk.world, "demo", None, 10)
    assert (hold.people, hold.opted_in, hold.hold.stake) == (1, 1, backfill_of(group))
    holds.discard(desk.world, "demo", WHO, hold.hold.hold_id)
    look(desk, user_id)
    assert outcome(desk) == ("waiting", "discarded")
    assert desk.strive.group_members(group) == []
    act(desk, user_id)
    look(desk, user_id)
    assert {(one.outcome, one.reason) for one in shown(desk)} == {("synced", None)}
    assert len(desk.strive.texts()) == 1


def test_p6_held_and_released(desk: Desk) -> None:
    group = page(desk)
    with_flow(desk, group)
    user_id = add_person(desk)
    desk.actionkit.add_past_actions("page-1", [user_id])
    look(desk, user_id)
    ((hold,), _) = holds.list_holds(desk.world, "demo", None, 10)
    holds.release(desk.world, "demo", WHO, hold.hold.hold_id, 1)
    look(desk, user_id)
    assert outcome(desk) == ("synced", None)
    assert (len(desk.strive.texts()), len(desk.strive.group_members(group))) == (1, 1)


@pytest.mark.parametrize("status", ["spam", "incomplete"])
def test_p6_not_counted_while_it_is_not_complete(desk: Desk, status: str) -> None:
    group = page(desk)
    user_id = add_person(desk)
    action_id = act(desk, user_id)
    look(desk, user_id)
    desk.actionkit.set_action_status(action_id, status)
    look(desk, user_id)
    assert outcome(desk) == ("not_counted", "not_complete")
    assert desk.strive.group_members(group) == []
    desk.actionkit.set_action_status(action_id, "complete")
    look(desk, user_id)
    assert outcome(desk) == ("synced", None)
    assert len(desk.strive.group_members(group)) == 1


def test_p6_a_deleted_action_is_not_listed_any_more(desk: Desk) -> None:
    group = page(desk)
    user_id = add_person(desk)
    action_id = act(desk, user_id, colour="red")
    look(desk, user_id)
    desk.actionkit.delete_action(action_id)
    look(desk, user_id)
    assert shown(desk) == shown(desk, user_id=user_id) == shown(desk, desk.pages[0]) == []
    assert desk.strive.group_members(group) == []
    places = ("action/", "user-action/", "page-action/", "actionfields/")
    assert not [one for one in desk.groups.everything() if one["item"].startswith(places)]


def test_p5_an_action_that_came_and_went_between_two_comparisons_is_found(desk: Desk) -> None:
    """A sum is then what it was, but the action was looked at, after its push."""
    page(desk)
    user_id = add_person(desk)

    def second_look() -> frozenset[int]:
        actionkit = desk.world.actionkit(desk.account(), Lane.BULK)
        found = find_changed(desk.world, desk.account(), actionkit, ActionCursor())
        desk.groups.put_many(found.notes)
        for one in found.news:
            desk.groups.delete("demo", one["item"], expect={"token": one["token"]})
        return found.user_ids

    first = act(desk, user_id)
    look(desk, user_id)
    assert second_look() == {user_id}
    assert second_look() == frozenset()
    action_id = act(desk, user_id, colour="red")
    look(desk, user_id)
    desk.actionkit.delete_action(action_id)
    assert second_look() == {user_id}
    look(desk, user_id)
    assert [one.action_id for one in shown(desk)] == [first]
    assert second_look() == frozenset()
    assert not desk.groups.query("demo", NEWS).items


def test_p6_only_actions_on_pages_that_are_synced_are_listed(desk: Desk) -> None:
    page(desk, pages=2)
    user_id = add_person(desk)
    first, second = act(desk, user_id), act(desk, user_id, "page-2")
    look(desk, user_id)
    assert [one.action_id for one in shown(desk)] == [second, first]
    sources.unsync_page(desk.world, "demo", WHO, desk.pages[1])
    assert [one.action_id for one in shown(desk)] == [first]
    assert shown(desk, desk.pages[1]) == []


def test_u3_the_actions_of_a_merged_user_are_the_primarys(desk: Desk) -> None:
    page(desk)
    first, second = add_person(desk), add_person(desk, 2)
    action_id = act(desk, second)
    look(desk, first, second)
    desk.actionkit.merge_users(first, second)
    look(desk, first, second)
    (one,) = shown(desk)
    assert (one.action_id, one.user_id, one.outcome) == (action_id, first, "synced")
    assert shown(desk, user_id=second) == []


def test_p6_an_action_deleted_just_before_its_user_was_merged_is_not_listed(desk: Desk) -> None:
    page(desk)
    first, second = add_person(desk), add_person(desk, 2)
    action_id = act(desk, second, colour="canary")
    look(desk, first, second)
    desk.actionkit.delete_action(action_id)
    desk.actionkit.merge_users(first, second)
    look(desk, first, second)
    assert shown(desk) == shown(desk, user_id=second) == shown(desk, desk.pages[0]) == []
    assert "canary" not in repr(desk.groups.everything())


@pytest.mark.parametrize("primary_first", [True, False])
def test_p7_an_action_that_a_merge_moved_is_not_decided_again(
    desk: Desk, primary_first: bool
) -> None:
    """Whoever of the two is looked at first."""
    page(desk)
    first, second = add_person(desk), add_person(desk, 2)
    action_id = act(desk, second, colour="red")
    look(desk, first, second)
    desk.actionkit.merge_users(first, second)
    for user_id in (first, second) if primary_first else (second, first):
        look(desk, user_id)
        noted = desk.groups.get("demo", action_key(action_id))
        assert noted is not None
        assert noted["decided"]
    (one,) = shown(desk)
    assert (one.user_id, one.fields) == (first, {"colour": ["red"]})
    assert shown(desk, user_id=first) == shown(desk, desk.pages[0]) == [one]


def test_e1_of_an_erased_person_no_field_is_shown_or_kept(desk: Desk) -> None:
    page(desk)
    user_id = add_person(desk)
    act(desk, user_id, colour="canary")
    look(desk, user_id)
    erase_person(desk.world, "demo", user_id, WHO)
    while desk.live.sent:
        work_on(desk.world, work_of(desk.live.sent.pop(0).body), Lane.LIVE)
    (one,) = shown(desk)
    assert (one.user_id, one.fields) == (user_id, {})
    assert "canary" not in repr(desk.groups.everything())


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_p6_pages_of_the_list_hold_every_action_once(desk: Desk, limit: int) -> None:
    page(desk, pages=2)
    people = [add_person(desk, number) for number in range(3)]
    taken = [act(desk, one, name) for name in ("page-1", "page-2") for one in people]
    look(desk, *people)
    for page_id, user_id, wanted in (
        (None, None, taken),
        (desk.pages[0], None, taken[:3]),
        (None, people[1], [taken[1], taken[4]]),
        (desk.pages[1], people[1], [taken[4]]),
    ):
        found: list[int] = []
        after: str | None = None
        for _ in range(20):
            some, after = list_actions(desk.world, "demo", page_id, user_id, after, limit)
            found += [one.action_id for one in some]
            if after is None:
                break
        assert found == wanted[::-1]


# --- what is kept of them ---


def test_p7_an_action_is_undecided_until_it_was_complete_in_a_look(desk: Desk) -> None:
    page(desk)
    complete, spam = action(desk, 100), action(desk, 101, "spam")
    both = [complete, spam]
    assert undecided(desk.world, "demo", both) == {100}
    note(desk, 5, *both)
    assert undecided(desk.world, "demo", both) == frozenset()
    now_complete = replace(spam, status="complete")
    assert undecided(desk.world, "demo", [complete, now_complete]) == {101}
    note(desk, 5, complete, now_complete)
    assert undecided(desk.world, "demo", [complete, now_complete]) == frozenset()


def test_p7_decided_once_it_stays_so_whatever_its_status(desk: Desk) -> None:
    page(desk)
    one = action(desk, 100)
    for status in ("complete", "spam", "complete"):
        note(desk, 5, replace(one, status=status))
    assert undecided(desk.world, "demo", [one]) == frozenset()


def test_a_second_note_of_the_same_writes_nothing_new(desk: Desk) -> None:
    page(desk)
    one = action(desk, 100, colour=("red",))
    note(desk, 5, one)
    before = desk.groups.everything()
    note(desk, 5, one)
    assert desk.groups.everything() == before


def test_an_action_that_moved_to_another_user_is_theirs(desk: Desk) -> None:
    page(desk)
    one = action(desk, 100)
    note(desk, 5, one)
    note(desk, 6, one, before=False)
    note(desk, 5)
    assert [each.user_id for each in shown(desk)] == [6]
    assert shown(desk, user_id=5) == []
    assert undecided(desk.world, "demo", [one]) == frozenset()


def test_e2_fields_go_after_the_days_that_values_are_kept(desk: Desk) -> None:
    page(desk)
    days = timedelta(days=desk.world.limits.history_days)
    recent, old = desk.clock.now() - timedelta(days=1), desk.clock.now() - days
    note(desk, 5, action(desk, 100, at=recent, a=("x",)), action(desk, 101, at=old, a=("y",)))
    kept = desk.groups.get("demo", fields_key(100))
    assert kept is not None
    assert kept["expires_at"] == int((recent + days).timestamp())
    assert desk.groups.get("demo", fields_key(101)) is None
    item = desk.groups.get("demo", action_key(101))
    assert item is not None
    assert "expires_at" not in item


def test_g3_names_of_actionfields_are_kept_in_order_once_each(desk: Desk) -> None:
    note_actionfields(desk.world, "demo", ["size", " colour ", "", "  "])
    note_actionfields(desk.world, "demo", ["colour", "Größe"])
    assert list_actionfields(desk.world, "demo") == ["Größe", "colour", "size"]


def test_e1_forgotten_actions_stay_decided(desk: Desk) -> None:
    page(desk)
    one = action(desk, 100, colour=("red",))
    note(desk, 5, one)
    desk.store(linked(5, 50))
    forget_actions(desk.world, "demo", 5)
    assert desk.groups.get("demo", fields_key(100)) is None
    assert undecided(desk.world, "demo", [one]) == frozenset()
