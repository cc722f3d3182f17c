"""P2, P8, G3: backfills come one after another, go on after whatever stopped them, and a deleted
ActionField group empties and goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from instep.domain.account import Phase
from instep.domain.pace import Lane
from instep.use_cases import sources
from instep.use_cases.account_sync import check_account
from instep.use_cases.activation import pause, resume
from instep.use_cases.backfill import resume_backfills, start_backfill
from instep.use_cases.choices import read_choices
from instep.use_cases.cursors import read_cursors
from instep.use_cases.runs import Run, find_run
from instep.use_cases.sources import Naming, Wanted
from instep.use_cases.steps import take_step
from instep.use_cases.windows import LEASE_SECONDS
from instep.use_cases.work import BACKFILL, work_of
from instep.use_cases.worker import work_on
from local.twins.http import Fault
from tests.unit.api.desk import Desk

WHO = "ana@example.org"


def add_people(desk: Desk, people: int, opt_in: str = "yes") -> list[int]:
    """Eligible users."""
    there = len(desk.actionkit.user_ids())
    made = []
    for number in range(there, there + people):
        user_id = desk.actionkit.add_user(f"user{number}@example.org")
        desk.actionkit.add_phone(user_id, f"312555{number:04d}")
        desk.actionkit.set_field(user_id, "sms_opt_in", opt_in)
        made.append(user_id)
    return made


def sync(desk: Desk, page_id: int) -> int:
    """The group of the page, which is synced."""
    return sources.sync_page(desk.world, "demo", WHO, page_id, Naming()).group_id


def make(desk: Desk, name: str = "Reds", **wanted: Any) -> tuple[str, int]:
    one = Wanted(name, "colour", **wanted)
    source = sources.make_actionfield_group(desk.world, "demo", WHO, one, False)
    return source.source_id, source.group_id


def delete(desk: Desk, source_id: str) -> None:
    sources.delete_actionfield_group(desk.world, "demo", WHO, source_id)


def work_all(desk: Desk) -> None:
    """Has everything done that lies on the lanes, each message in its time."""
    while desk.live.sent or desk.bulk.sent:
        for lane, queue in ((Lane.LIVE, desk.live), (Lane.BULK, desk.bulk)):
            sent = list(queue.sent)
            queue.sent.clear()
            for one in sent:
                desk.clock.sleep(one.delay_seconds)
                work_on(desk.world, work_of(one.body), lane)


def waiting(desk: Desk) -> list[str]:
    """The runs that wait for their turn or have it, in order."""
    return list(read_cursors(desk.world, "demo").backfills)


def run_of(desk: Desk, run_id: str) -> Run:
    return find_run(desk.world, "demo", run_id)


def begun(desk: Desk) -> list[str]:
    """The backfills of which there are executions, by name."""
    some = [one.payload["run_id"] for one in desk.machines.executions.values()]
    return [one for one in some if "-backfill-" in one]


def play(desk: Desk, run_id: str, steps: int = 100) -> str:
    """What the state machine does with a run; what came of it at last."""
    world, outcome = desk.world, ""
    for _ in range(steps):
        outcome = take_step(world, "demo", run_id, "find").outcome
        work_all(desk)
        if outcome == "all_queued":
            outcome = take_step(world, "demo", run_id, "progress").outcome
            if outcome == "drained":
                return take_step(world, "demo", run_id, "finish").outcome
        if outcome == "stopped":
            break
        desk.clock.sleep(1)
    return outcome


def play_all(desk: Desk) -> None:
    """Every backfill, in its turn."""
    while runs := waiting(desk):
        assert play(desk, runs[0]) == "finished"


def inside(desk: Desk, group_id: int) -> set[int]:
    """The users whose members are in a group."""
    by_member = {one["member_id"]: one["user_id"] for one in desk.all("/users") if one["member_id"]}
    return {by_member.get(one, -one) for one in desk.strive.group_members(group_id)}


def member_of(desk: Desk, user_id: int) -> int:
    member_id = desk.call(f"GET /users/{user_id}").body["member_id"]
    assert isinstance(member_id, int)
    return member_id


# --- filling ---


def test_p2_past_actions_fill_the_group_of_a_page(desk: Desk) -> None:
    desk.listed(pages=2)
    people = add_people(desk, 5)
    desk.actionkit.add_past_actions("page-1", people[:3])
    desk.actionkit.add_past_actions("page-2", people[2:4])
    group = sync(desk, desk.pages[0])
    play_all(desk)
    assert inside(desk, group) == set(people[:3])
    assert desk.strive.texts() == []
    (run,) = [one for one in desk.all("/runs") if one["kind"] == "backfill"]
    assert run["state"] == "succeeded"


@pytest.mark.parametrize("window", [1, 2, 3, 600])
def test_p2_a_backfill_walks_by_windows(
    desk: Desk, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instep.use_cases.backfill.WINDOW", window)
    desk.listed(pages=1)
    people = add_people(desk, 6)
    for _ in range(2):
        desk.actionkit.add_past_actions("page-1", people)
    group = sync(desk, desk.pages[0])
    play_all(desk)
    assert inside(desk, group) == set(people)


def test_g4_a_usergroup_is_filled(desk: Desk) -> None:
    desk.listed(usergroups=1)
    people = add_people(desk, 4)
    (usergroup,) = desk.usergroups
    desk.actionkit.join_many(usergroup, people[:2])
    group = sources.sync_usergroup(desk.world, "demo", WHO, usergroup, Naming()).group_id
    play_all(desk)
    assert inside(desk, group) == set(people[:2])


def test_g3_an_actionfield_group_is_filled(desk: Desk) -> None:
    desk.listed(pages=1)
    people = add_people(desk, 4)
    desk.actionkit.add_past_actions("page-1", people[:1], fields={"colour": ["blue", " RED "]})
    desk.actionkit.add_past_actions("page-1", people[1:2], fields={"colour": "blue"})
    desk.actionkit.add_past_actions("page-1", people[2:3], fields={"size": "red"})
    sync(desk, desk.pages[0])
    _, reds = make(desk, "Reds", value="red")
    _, any_colour = make(desk, "Any", page_id=desk.pages[0])
    play_all(desk)
    assert inside(desk, reds) == {people[0]}
    assert inside(desk, any_colour) == set(people[:2])


# --- one after another ---


def test_backfills_come_one_after_another_as_staff_asked(desk: Desk) -> None:
    desk.listed(pages=3)
    people = add_people(desk, 3)
    for number, one in enumerate(people):
        desk.actionkit.add_past_actions(f"page-{number + 1}", [one])
    groups = [sync(desk, one) for one in desk.pages]
    first, second, third = waiting(desk)
    assert begun(desk) == [first]
    assert play(desk, first) == "finished"
    assert waiting(desk) == [second, third]
    assert begun(desk) == [first, second]
    assert [run_of(desk, one).state for one in (first, second, third)] == [
        "succeeded",
        "running",
        "running",
    ]
    assert inside(desk, groups[1]) == set()
    play_all(desk)
    assert [inside(desk, one) for one in groups] == [{one} for one in people]
    assert begun(desk) == [first, second, third]


def test_a_backfill_that_is_synced_and_let_go_meanwhile_ends(desk: Desk) -> None:
    desk.listed(pages=1)
    people = add_people(desk, 2)
    desk.actionkit.add_past_actions("page-1", people)
    group = sync(desk, desk.pages[0])
    sources.unsync_page(desk.world, "demo", WHO, desk.pages[0])
    assert len(waiting(desk)) == 2
    play_all(desk)
    assert inside(desk, group) == set()


# --- stopped on the way ---


def test_a_pause_stops_a_backfill_and_a_resume_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with the people whose messages the pause dropped."""
    monkeypatch.setattr("instep.use_cases.backfill.WINDOW", 2)
    desk.listed(pages=2)
    people = add_people(desk, 6)
    desk.actionkit.add_past_actions("page-1", people)
    desk.actionkit.add_past_actions("page-2", people[:1])
    groups = [sync(desk, one) for one in desk.pages]
    first, second = waiting(desk)
    assert take_step(desk.world, "demo", first, "find").outcome == "queued"
    pause(desk.world, "demo", WHO)
    work_all(desk)  # dropped
    assert play(desk, first) == "stopped"
    for one in desk.machines.executions.values():
        one.running = False
    desk.clock.sleep(3600)
    resume(desk.world, "demo", WHO)
    assert begun(desk)[-1] == first
    assert run_of(desk, first).attempts == 2
    play_all(desk)
    assert waiting(desk) == []
    assert run_of(desk, second).state == "succeeded"
    assert [inside(desk, one) for one in groups] == [set(people), {people[0]}]


def test_what_was_asked_for_while_another_was_paused_waits(desk: Desk) -> None:
    """An un-sync in a pause: its look comes after the resume."""
    desk.listed(pages=1)
    people = add_people(desk, 1)
    desk.actionkit.add_past_actions("page-1", people)
    group = sync(desk, desk.pages[0])
    play_all(desk)
    pause(desk.world, "demo", WHO)
    sources.unsync_page(desk.world, "demo", WHO, desk.pages[0])
    (run_id,) = waiting(desk)
    assert run_id not in begun(desk)
    resume(desk.world, "demo", WHO)
    assert run_id in begun(desk)
    play_all(desk)
    assert inside(desk, group) == set(people)
    shown = desk.call(f"GET /users/{people[0]}").body["groups"]
    assert "Page 1" not in [one["name"] for one in shown]


def test_after_a_crash_the_tick_goes_on(desk: Desk) -> None:
    desk.listed(pages=1)
    people = add_people(desk, 3)
    desk.actionkit.add_past_actions("page-1", people)
    group = sync(desk, desk.pages[0])
    (run_id,) = waiting(desk)
    assert take_step(desk.world, "demo", run_id, "find").outcome == "all_queued"
    desk.bulk.sent.clear()  # and its messages were lost
    (execution,) = desk.machines.executions.values()
    execution.running = False
    assert not resume_backfills(desk.world, desk.account())  # somebody may be at it
    desk.clock.sleep(LEASE_SECONDS + 100)
    check_account(desk.world, desk.account())
    assert run_of(desk, run_id).attempts == 2
    play_all(desk)
    assert inside(desk, group) == set(people)


def test_a_run_that_ended_though_nobody_noted_it_gives_up_its_turn(desk: Desk) -> None:
    desk.listed(pages=2)
    for one in desk.pages:
        sync(desk, one)
    first, second = waiting(desk)
    source = run_of(desk, first).source
    assert source is not None
    desk.users.update("demo", f"run/{first}", set_to={"state": "succeeded"})
    desk.clock.sleep(LEASE_SECONDS + 100)
    assert resume_backfills(desk.world, desk.account())
    assert waiting(desk) == [second]
    assert begun(desk)[-1] == second
    assert start_backfill(desk.world, desk.account(), source) == waiting(desk)[-1]


def test_a_side_that_is_away_is_waited_for(desk: Desk) -> None:
    desk.listed(pages=1)
    people = add_people(desk, 1)
    desk.actionkit.add_past_actions("page-1", people)
    group = sync(desk, desk.pages[0])
    (run_id,) = waiting(desk)
    desk.actionkit.faults.add(Fault("unavailable", times=1))
    step = take_step(desk.world, "demo", run_id, "find")
    assert (step.outcome, step.wait_seconds > 0) == ("again", True)
    desk.clock.sleep(step.wait_seconds)
    play_all(desk)
    assert inside(desk, group) == set(people)


def test_a5_off_leaves_a_backfill_for_the_next_on(desk: Desk) -> None:
    desk.listed(pages=1)
    people = add_people(desk, 2)
    desk.actionkit.add_past_actions("page-1", people)
    group = sync(desk, desk.pages[0])
    (run_id,) = waiting(desk)
    desk.off()
    assert play(desk, run_id) == "stopped"
    assert waiting(desk) == [run_id]
    for one in desk.machines.executions.values():
        one.running = False
    answer = desk.call("PUT /activation", {"confirm_no_new_member_automation": True})
    assert answer.status == 200, answer.text
    assert desk.account().phase is Phase.SYNCING
    play_all(desk)
    assert inside(desk, group) == set(people)
    assert desk.strive.texts() == []


# --- a deleted ActionField group (G3) ---


def group_there(desk: Desk, group_id: int) -> bool:
    return desk.world.strive(desk.account()).find_group(group_id) is not None


def filled(desk: Desk) -> tuple[list[int], str, int]:
    """Two people in a group that stands for a colour."""
    desk.listed(pages=1)
    people = add_people(desk, 2)
    desk.actionkit.add_past_actions("page-1", people, fields={"colour": "red"})
    sync(desk, desk.pages[0])
    source_id, group = make(desk, value="red")
    play_all(desk)
    assert inside(desk, group) == set(people)
    return people, source_id, group


def test_g3_a_deleted_actionfield_group_empties_and_goes(desk: Desk) -> None:
    _, source_id, group = filled(desk)
    delete(desk, source_id)
    assert desk.all("/actionfield-groups") == []
    play_all(desk)
    assert not group_there(desk, group)
    assert read_choices(desk.world, "demo").source(source_id) is None
    assert group not in [one["group"] for one in desk.all("/groups")]


def test_g3_a_deleted_group_lets_go_whose_action_lost_the_field_just_before(desk: Desk) -> None:
    """ActionKit does not show them any more as somebody whom the group concerns."""
    _, source_id, group = filled(desk)
    acted = [one["id"] for one in desk.actionkit.actions() if one["page"] == "page-1"]
    desk.actionkit.edit_actionfield(acted[0], "colour", None)
    delete(desk, source_id)
    play_all(desk)
    assert not group_there(desk, group)


def test_g3_a_group_with_a_member_put_in_by_hand_stays_with_them(desk: Desk) -> None:
    _, source_id, group = filled(desk)
    own = desk.strive.add_member(desk.campaign.campaign_id, "+13125559999", opt_in=True)
    desk.strive.join_group(group, own)
    delete(desk, source_id)
    play_all(desk)
    assert group_there(desk, group)
    assert desk.strive.group_members(group) == [own]
    assert read_choices(desk.world, "demo").source(source_id) is None
    (shown,) = [one for one in desk.all("/groups") if one["group"] == group]
    assert (shown["protected"], shown["members"]) == (False, 1)
    assert desk.call(f"DELETE /groups/{group}").status == 204


def test_p2_who_was_in_it_before_the_sync_is_not_taken_out(desk: Desk) -> None:
    """A group that staff let the sync use, with one of its people in it already."""
    desk.listed(pages=1)
    first, second = add_people(desk, 2)
    desk.actionkit.add_past_actions("page-1", [first, second], fields={"colour": "red"})
    page_group = sync(desk, desk.pages[0])
    play_all(desk)
    assert inside(desk, page_group) == {first, second}
    group = desk.strive.add_group(desk.campaign.campaign_id, "Reds")
    desk.strive.join_group(group, member_of(desk, first))
    wanted = Wanted("Reds", "colour")
    source = sources.make_actionfield_group(desk.world, "demo", WHO, wanted, use_existing=True)
    play_all(desk)
    assert inside(desk, group) == {first, second}
    delete(desk, source.source_id)
    play_all(desk)
    assert inside(desk, group) == {first}


def test_g3_a_group_that_was_theirs_is_emptied_of_ours_and_stays(desk: Desk) -> None:
    desk.listed(pages=1)
    people = add_people(desk, 1)
    desk.actionkit.add_past_actions("page-1", people, fields={"colour": "red"})
    sync(desk, desk.pages[0])
    group = desk.strive.add_group(desk.campaign.campaign_id, "Reds")
    source = sources.make_actionfield_group(
        desk.world, "demo", WHO, Wanted("Reds", "colour"), use_existing=True
    )
    play_all(desk)
    assert inside(desk, group) == set(people)
    delete(desk, source.source_id)
    play_all(desk)
    assert group_there(desk, group)
    assert desk.strive.group_members(group) == []


def test_p8_a_backfill_is_named_as_the_cause(desk: Desk) -> None:
    people, _, _ = filled(desk)
    history = desk.call(f"GET /users/{people[0]}/history").body["items"]
    assert {one["cause"] for one in history} == {BACKFILL}


def test_runs_are_named_by_when_they_began(desk: Desk) -> None:
    desk.listed(pages=1)
    before = desk.clock.now()
    sync(desk, desk.pages[0])
    (run_id,) = waiting(desk)
    started = run_of(desk, run_id).started
    assert started is not None
    assert before - timedelta(seconds=1) <= started <= desk.clock.now()
