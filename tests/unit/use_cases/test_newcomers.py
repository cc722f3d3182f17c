"""U5: users made of members whom somebody added to the primary group."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from instep.adapters.actionkit import ActionKitClient
from instep.domain.account import Phase
from instep.domain.newcomers import NEWCOMER_REASONS, NewcomerReason
from instep.domain.pace import Lane
from instep.use_cases import newcomers
from instep.use_cases.ports import Act, Changed, EmailOwner, Place
from instep.use_cases.records import People
from instep.use_cases.work import Work, work_of
from instep.use_cases.worker import work_on
from local.twins.http import Fault
from tests.unit.api.desk import HOST, NOW, PASSWORD, Desk, Slots, linked

NUMBER = "+13125550123"


@pytest.fixture(autouse=True)
def creating(desk: Desk) -> None:
    """The setting is on."""
    assert desk.call("PATCH /settings", {"create_users": True}).status == 200


def add(desk: Desk, email: str = "eve@example.org", number: str = NUMBER, **more: Any) -> int:
    """A member whom an organiser puts into the primary group."""
    desk.clock.sleep(60)
    return desk.strive.add_member(
        desk.campaign.campaign_id,
        number,
        email=email,
        groups=[desk.group],
        first_name=more.pop("first_name", "Eve"),
        last_name=more.pop("last_name", "Adams"),
        **more,
    )


def see(desk: Desk) -> None:
    """What the feed of joins tells, all of it."""
    strive = desk.world.strive(desk.account())
    joined, _ = strive.changed_since("joins", Place(NOW - timedelta(days=9)), 500, desk.group)
    newcomers.see_joined(desk.world, desk.account(), joined)


def messages(desk: Desk) -> list[tuple[Work, Lane]]:
    found = [(work_of(one.body), Lane.LIVE) for one in desk.live.sent]
    found += [(work_of(one.body), Lane.BULK) for one in desk.bulk.sent]
    desk.live.sent.clear()
    desk.bulk.sent.clear()
    return found


def make(desk: Desk) -> list[str]:
    """Does the work of members that lies on the queues; looks at users stay undone."""
    outcomes = []
    while works := [one for one in messages(desk) if one[0].member_ids]:
        for work, lane in works:
            desk.clock.sleep(700)
            outcomes.append(newcomers.make_users(desk.world, desk.account(), work, lane))
            if outcomes[-1] in ("later", "stopped"):
                return outcomes
    return outcomes


def see_and_make(desk: Desk) -> list[str]:
    see(desk)
    return make(desk)


def shown(desk: Desk, **query: Any) -> list[tuple[int, str, str]]:
    return [
        (one["member_id"], one["status"], one["reason"]["code"])
        for one in desk.all("/members", **query)
    ]


def ours(desk: Desk) -> list[dict[str, Any]]:
    """Our actions, with what they carry."""
    return [one for one in desk.actionkit.actions() if one["source"] == "instep-strive-sync"]


def user_with(
    desk: Desk, email: str, number: str | None = None, opt_in: str | None = "true"
) -> int:
    user_id = desk.actionkit.add_user(email)
    if number is not None:
        desk.actionkit.add_phone(user_id, number, "mobile")
    if opt_in is not None:
        desk.actionkit.set_field(user_id, "sms_opt_in", opt_in)
    return user_id


# --- making a user ---


@pytest.mark.parametrize("opt_in", [True, False])
def test_a_user_is_made_in_three_steps(desk: Desk, opt_in: bool) -> None:
    member_id = add(desk, "Eve@Example.org", opt_in=opt_in)
    assert see_and_make(desk) == ["done"]
    (user_id,) = desk.actionkit.user_ids()
    user = desk.actionkit.user(user_id)
    value = "true" if opt_in else "false"
    assert (user["email"], user["first_name"], user["last_name"]) == (
        "Eve@Example.org",
        "Eve",
        "Adams",
    )
    assert [(one["type"], one["phone"]) for one in user["phones"]] == [("mobile", NUMBER)]
    assert user["fields"] == {"sms_opt_in": [value]}
    first, second, third = ours(desk)
    assert first["fields"].keys() == {"strive_member", "sync_id"}
    assert first["created_user"]
    assert json.loads(second["fields"]["former_data"][0]) == {
        "first_name": {"from": "", "to": "Eve"},
        "last_name": {"from": "", "to": "Adams"},
        "phone_number": {"from": "", "to": NUMBER},
    }
    assert json.loads(third["fields"]["former_data"][0]) == {"opt_in": {"from": "", "to": value}}
    for action in (first, second, third):
        assert action["fields"]["strive_member"] == [str(member_id)]
        assert action["page"] == desk.account().import_page
    assert len({one["fields"]["sync_id"][0] for one in ours(desk)}) == 3
    assert desk.actionkit.subscription_changes() == []
    assert desk.actionkit.mails_sent == []


def test_history_evidence_and_the_look_that_links(desk: Desk) -> None:
    member_id = add(desk)
    see(desk)
    ((work, lane),) = messages(desk)
    assert (work.user_ids, work.member_ids, lane) == ((), (member_id,), Lane.LIVE)
    assert newcomers.make_users(desk.world, desk.account(), work, lane) == "done"
    (user_id,) = desk.actionkit.user_ids()
    assert shown(desk) == [(member_id, "waiting", "waiting")]
    ((look, lane),) = messages(desk)
    assert (look.user_ids, look.cause, lane) == ((user_id,), "newcomer", Lane.LIVE)
    assert work_on(desk.world, look, lane) == "done"
    assert People(desk.world, "demo").member_holders([member_id]) == {member_id: user_id}
    page = desk.call(f"GET /users/{user_id}").body
    assert (page["status"], page["member_id"]) == ("synced", member_id)
    written = {one["field"]: one for one in desk.all(f"/users/{user_id}/history")}
    for field, new in {
        "email": "eve@example.org",
        "first_name": "Eve",
        "phone_number": NUMBER,
        "opt_in": "true",
    }.items():
        one = written[field]
        assert (one["side"], one["new"], one["old"]) == ("actionkit", new, "")
        assert (one["cause"], one["rule"]) == ("newcomer", "created")
    evidence = [one["effect"] for one in desk.all(f"/users/{user_id}/consent")]
    assert "written to ActionKit" in evidence
    # The member is no newcomer any more, whatever is left of it.
    assert shown(desk) == []
    newcomers.retry_all(desk.world, desk.account())
    make(desk)
    assert desk.items("newcomer/") == []
    assert len(ours(desk)) == 3


def test_nobody_is_made_during_an_initial_sync(desk: Desk) -> None:
    member_id = add(desk)
    desk.change(phase=Phase.INITIAL_SYNC)
    see_and_make(desk)
    assert desk.actionkit.user_ids() == []
    newcomers.retry_due(desk.world, desk.account())
    assert messages(desk) == []
    desk.change(phase=Phase.SYNCING)
    newcomers.retry_due(desk.world, desk.account())
    make(desk)
    assert len(desk.actionkit.user_ids()) == 1
    assert shown(desk) == [(member_id, "waiting", "waiting")]


def test_what_the_feed_tells_again_is_known(desk: Desk) -> None:
    add(desk)
    see(desk)
    assert len(messages(desk)) == 1
    see(desk)
    assert messages(desk) == []


def test_few_go_to_the_live_lane_many_to_the_other(desk: Desk) -> None:
    for number in range(20):
        add(desk, f"m{number}@example.org", f"+1312555{number:04d}")
    see(desk)
    assert [(len(work.member_ids), lane) for work, lane in messages(desk)] == [(20, Lane.LIVE)]
    for number in range(20, 45):
        add(desk, f"m{number}@example.org", f"+1312555{number:04d}")
    see(desk)
    works = messages(desk)
    assert [(len(work.member_ids), lane) for work, lane in works] == [
        (20, Lane.BULK),
        (5, Lane.BULK),
    ]


def test_the_linked_are_left_out(desk: Desk) -> None:
    member_id = add(desk)
    desk.store(linked(7, member_id))
    see(desk)
    assert messages(desk) == []
    assert desk.items("newcomer/") == []


# --- why not ---


def test_setting_off_and_on_again(desk: Desk) -> None:
    desk.call("PATCH /settings", {"create_users": False})
    member_id = add(desk)
    see_and_make(desk)
    assert shown(desk) == [(member_id, "not_created", "setting_off")]
    newcomers.retry_due(desk.world, desk.account())
    assert messages(desk) == []
    desk.call("PATCH /settings", {"create_users": True})
    desk.live.sent.clear()
    newcomers.retry_all(desk.world, desk.account())
    make(desk)
    assert len(desk.actionkit.user_ids()) == 1


def test_one_stored_while_the_setting_was_switched_on_is_found_by_the_tick(desk: Desk) -> None:
    desk.call("PATCH /settings", {"create_users": False})
    add(desk)
    see_and_make(desk)
    desk.call("PATCH /settings", {"create_users": True})
    messages(desk)  # Those that the setting asked for are lost.
    desk.clock.sleep(1201)
    newcomers.retry_due(desk.world, desk.account())
    make(desk)
    assert len(desk.actionkit.user_ids()) == 1


def test_without_an_email(desk: Desk) -> None:
    member_id = add(desk, " ")
    see_and_make(desk)
    assert shown(desk) == [(member_id, "not_created", "no_email")]
    desk.strive.edit_member(member_id, email="eve@example.org")
    newcomers.see_changed(desk.world, desk.account(), [member_id, 999])
    make(desk)
    assert shown(desk) == [(member_id, "waiting", "waiting")]
    assert len(desk.actionkit.user_ids()) == 1


def test_who_was_linked_once(desk: Desk) -> None:
    member_id = add(desk)
    newcomers.note_linked(desk.world, "demo", member_id)
    see_and_make(desk)
    assert shown(desk) == [(member_id, "not_created", "was_linked")]
    assert desk.actionkit.user_ids() == []


def test_who_was_in_the_group_at_its_adoption(desk: Desk) -> None:
    before = add(desk, "a@example.org", "+13125550101")
    strive = desk.world.strive(desk.account())
    newcomers.note_adoption(desk.world, desk.account(), strive, desk.group)
    assert desk.items("adoption/") == []  # The group is our own.
    desk.change(adopt_primary_group=True)
    newcomers.note_adoption(desk.world, desk.account(), strive, desk.group)
    after = add(desk, "b@example.org", "+13125550102")
    newcomers.note_adoption(desk.world, desk.account(), strive, desk.group)
    see_and_make(desk)
    assert sorted(shown(desk)) == [
        (before, "not_created", "adopted"),
        (after, "waiting", "waiting"),
    ]
    # Taken out and added again, by somebody.
    desk.strive.leave_group(desk.group, before)
    desk.clock.sleep(60)
    desk.strive.join_group(desk.group, before)
    see_and_make(desk)
    assert (before, "waiting", "waiting") in shown(desk)


@pytest.mark.parametrize("how", ["left", "deleted"])
def test_who_is_in_the_group_no_more_is_no_newcomer(desk: Desk, how: str) -> None:
    member_id = add(desk, "")
    see_and_make(desk)
    if how == "left":
        desk.strive.leave_group(desk.group, member_id)
    else:
        desk.strive.delete_member(member_id)
    newcomers.see_changed(desk.world, desk.account(), [member_id])
    make(desk)
    assert desk.items("newcomer/") == []


# --- emails that are somebody's ---


@pytest.mark.parametrize(
    ("number", "opt_in", "expected"),
    [
        (NUMBER, "true", "waiting"),
        (NUMBER, "TBD", "waiting"),
        (NUMBER, None, "email_taken"),
        ("+13125550199", "true", "email_taken"),
        (None, "true", "email_taken"),
    ],
)
def test_an_email_of_a_user(
    desk: Desk, number: str | None, opt_in: str | None, expected: str
) -> None:
    user_id = user_with(desk, "EVE@example.org", number, opt_in)
    before = desk.actionkit.user(user_id)
    member_id = add(desk)
    see(desk)
    ((work, lane),) = messages(desk)
    newcomers.make_users(desk.world, desk.account(), work, lane)
    assert shown(desk) == [(member_id, expected, expected)]
    assert ours(desk) == []
    assert desk.actionkit.user(user_id) == before
    looks = [work.user_ids for work, _ in messages(desk)]
    assert looks == ([(user_id,)] if expected == "waiting" else [])


def test_a_user_who_comes_between(desk: Desk, monkeypatch: Any) -> None:
    """Found nobody, and yet the action did not create: nothing more is written."""
    member_id = add(desk)
    see(desk)
    open_actionkit = desk.world.actionkit
    client = open_actionkit(desk.account(), Lane.LIVE)
    found = client.user_by_email
    seen: list[EmailOwner | None] = []

    def user_by_email(email: str, sync_ids: Sequence[str] = ()) -> EmailOwner | None:
        seen.append(found(email, sync_ids))
        if len(seen) == 1:
            user_with(desk, email, "+13125550199")
        return seen[-1]

    monkeypatch.setattr(client, "user_by_email", user_by_email)
    object.__setattr__(desk.world, "actionkit", lambda *_: client)
    make(desk)
    object.__setattr__(desk.world, "actionkit", open_actionkit)
    assert seen[0] is None
    assert shown(desk) == [(member_id, "email_taken", "email_taken")]
    (action,) = ours(desk)
    assert action["fields"].keys() == {"strive_member", "sync_id"}
    # Once the email is another, that one is tried.
    desk.strive.edit_member(member_id, email="eve2@example.org")
    newcomers.see_changed(desk.world, desk.account(), [member_id])
    make(desk)
    assert shown(desk) == [(member_id, "waiting", "waiting")]


# --- trouble ---


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_an_action_whose_answer_is_lost_is_found(desk: Desk, lost: int) -> None:
    add(desk)
    see(desk)
    ((work, lane),) = messages(desk)
    path, at = "/rest/v1/action/", 0

    def at_action(count: int) -> None:
        """Lets some pass, then loses one answer."""
        desk.actionkit.faults.set([])
        answer = desk.actionkit.handle

        def handle(request: Any) -> Any:
            nonlocal at
            if request.method == "POST" and request.path == path:
                at += 1
                if at == count:
                    desk.actionkit.faults.add(Fault("answer_lost", times=1, path="action"))
            return answer(request)

        desk.actionkit.handle = handle  # type: ignore[method-assign]

    at_action(lost)
    assert newcomers.make_users(desk.world, desk.account(), work, lane) == "later"
    assert len(ours(desk)) == lost
    desk.clock.sleep(100)
    ((again, lane),) = messages(desk)
    assert again.tries == 1
    assert newcomers.make_users(desk.world, desk.account(), again, lane) == "done"
    assert len(ours(desk)) == 3
    assert len(desk.actionkit.user_ids()) == 1
    user = desk.actionkit.user(desk.actionkit.user_ids()[0])
    assert [one["phone"] for one in user["phones"]] == [NUMBER]
    assert user["fields"] == {"sms_opt_in": ["true"]}
    assert len(desk.items("history/")) == 1


def test_two_workers_make_one_user(desk: Desk) -> None:
    add(desk)
    see(desk)
    ((work, lane),) = messages(desk)
    answer = desk.actionkit.handle
    met: list[str] = []

    def handle(request: Any) -> Any:
        if request.method == "POST" and request.path.endswith("/action/") and not met:
            met.append("busy")
            assert newcomers.make_users(desk.world, desk.account(), work, lane) == "done"
        return answer(request)

    desk.actionkit.handle = handle  # type: ignore[method-assign]
    assert newcomers.make_users(desk.world, desk.account(), work, lane) == "done"
    assert met == ["busy"]
    assert len(ours(desk)) == 3
    make(desk)
    assert len(ours(desk)) == 3


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault("too_many_requests", path="user/"), "later"),
        (Fault("unavailable", path="user/"), "later"),
        (Fault("cut_before_work", path="user/"), "later"),
    ],
)
def test_a_side_that_is_away(desk: Desk, fault: Fault, outcome: str) -> None:
    add(desk)
    see(desk)
    ((work, lane),) = messages(desk)
    desk.actionkit.faults.add(fault)
    for tries in range(5):
        desk.clock.sleep(700)
        assert newcomers.make_users(desk.world, desk.account(), work, lane) == outcome
        works = messages(desk)
        if not works:
            break
        ((work, _),) = works
        assert work.tries == tries + 1
    assert tries == 3  # Then the tick takes over, so that messages do not add up.
    desk.actionkit.faults.clear()
    desk.clock.sleep(700)
    newcomers.retry_due(desk.world, desk.account())
    make(desk)
    assert len(ours(desk)) == 3


def test_refused_credentials_stop_the_account(desk: Desk) -> None:
    add(desk)
    see(desk)
    desk.secrets.put(
        desk.account().connection.secret,  # type: ignore[union-attr]
        {"username": "staff", "password": "no", "strive_api_key": desk.campaign.api_key},
    )
    assert make(desk) == ["stopped"]
    assert desk.account().phase is Phase.STOPPED_CREDENTIALS


def test_the_pace_is_kept(desk: Desk) -> None:
    """Each member is one record, however many requests it takes."""
    desk.call("PATCH /settings", {"records_per_minute": 3})
    for number in range(6):
        add(desk, f"m{number}@example.org", f"+1312555{number:04d}")
    see(desk)
    ((work, lane),) = messages(desk)
    desk.actionkit.reset_counts()
    assert newcomers.make_users(desk.world, desk.account(), work, lane) == "waiting"
    ((rest, _),) = [one for one in messages(desk) if one[0].member_ids]
    assert (len(rest.member_ids), rest.tries) == (3, 0)
    assert len(desk.actionkit.user_ids()) == 3
    assert desk.actionkit.most_users_in_any_60_seconds() <= 3


def test_an_email_that_is_refused(desk: Desk) -> None:
    member_id = add(desk, "no email at all")
    see_and_make(desk)
    assert shown(desk) == [(member_id, "failed", "actionkit_refused")]
    desk.strive.edit_member(member_id, email="eve@example.org")
    newcomers.see_changed(desk.world, desk.account(), [member_id])
    make(desk)
    assert shown(desk) == [(member_id, "waiting", "waiting")]


def test_a_name_that_is_refused_is_left_out(desk: Desk) -> None:
    add(desk, first_name="x" * 300)
    see_and_make(desk)
    user = desk.actionkit.user(desk.actionkit.user_ids()[0])
    assert (user["first_name"], user["last_name"]) == ("", "Adams")
    assert [one["phone"] for one in user["phones"]] == [NUMBER]
    (history,) = desk.items("history/")
    assert "first_name" not in {one["field"] for one in history["entries"]}


def test_a_made_user_who_gets_another_email_is_not_made_again(desk: Desk) -> None:
    add(desk)
    see_and_make(desk)
    (user_id,) = desk.actionkit.user_ids()
    desk.actionkit.edit_user(user_id, email="other@example.org")
    newcomers.retry_all(desk.world, desk.account())
    make(desk)
    assert desk.actionkit.user_ids() == [user_id]
    assert len(ours(desk)) == 3


# --- the list ---


def test_the_list_is_paged_filtered_and_searched(desk: Desk) -> None:
    desk.call("PATCH /settings", {"create_users": False})
    ids = {}
    for number, name in enumerate(["Ada", "Bo", "Cleo", "Öz"]):
        email = f"{name.lower()}@example.org" if number % 2 else ""
        ids[name] = add(desk, email, f"+1312555{number:04d}", first_name=name, last_name="Yu")
    see_and_make(desk)
    everybody = desk.all("/members")
    assert [one["name"] for one in everybody] == ["Ada Yu", "Bo Yu", "Cleo Yu", "Öz Yu"]
    assert desk.all("/members", 1) == everybody
    assert desk.all("/members", status="waiting") == []
    assert desk.all("/members", 3, status="not_created") == everybody
    for q, names in {
        "bo": ["Bo Yu"],
        "YU": ["Ada Yu", "Bo Yu", "Cleo Yu", "Öz Yu"],
        "öz@": ["Öz Yu"],
        "+1312555000": ["Ada Yu", "Bo Yu", "Cleo Yu", "Öz Yu"],
        "13125550002": ["Cleo Yu"],
        str(ids["Cleo"]): ["Cleo Yu"],
        "x": [],
    }.items():
        found = [one["name"] for one in desk.all("/members", 2, q=q)]
        assert found == names, q
    one = everybody[1]
    assert one["reason"]["code"] == "setting_off"
    assert one["reason"]["text"] == NEWCOMER_REASONS[NewcomerReason.SETTING_OFF].text
    assert one["phone"] == "+13125550001"
    assert one["email"] == "bo@example.org"
    assert everybody[0]["email"] is None
    for name in ("status", "limit", "cursor"):
        answer = desk.call("GET /members", **{name: "no_such"})
        assert (answer.status, answer.fields) == (422, {name})


def test_every_reason_has_words(desk: Desk) -> None:
    assert NEWCOMER_REASONS.keys() == set(NewcomerReason)


# --- the port ---


@pytest.mark.parametrize("reads", ["sql", "rest"])
def test_whose_an_email_is(desk: Desk, reads: Any) -> None:
    client = ActionKitClient(desk.transport, HOST, "staff", PASSWORD, Slots(), reads, desk.clock)
    user_id = user_with(desk, "A+b@Example.org")
    user_with(desk, "b@example.org")
    assert client.user_by_email("a+B@example.org") == EmailOwner(user_id)
    assert client.user_by_email("a@example.org") is None
    assert client.user_by_email("a+B@example.org", ["s"]) == EmailOwner(user_id, {})
    page = desk.account().import_page
    for email, mark in (("a+b@example.org", "s"), ("new@example.org", "t")):
        client.act(Act(page, email, actionfields={"sync_id": mark}))
    assert client.user_by_email("a+b@example.org", ["s", "t"]) == EmailOwner(user_id, {"s": False})
    new = client.user_by_email("new@example.org", ["s", "t"])
    assert new is not None
    assert new.acted == {"t": True}


def test_a_change_that_a_feed_names_twice(desk: Desk) -> None:
    """The later membership counts."""
    member_id = add(desk)
    earlier, later = NOW, NOW + timedelta(minutes=1)
    joined = [Changed(member_id, later), Changed(member_id, earlier)]
    newcomers.see_joined(desk.world, desk.account(), joined)
    (item,) = desk.items("newcomer/")
    assert item["joined_at"].startswith("2026-05-04T12:01:00")
