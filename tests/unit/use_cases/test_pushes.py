"""P3, P4: what a push says is a hint; what ActionKit's API then says decides."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from instep.domain.account import Phase
from instep.domain.pace import Lane
from instep.use_cases import sources
from instep.use_cases.pushes import AGAIN_SECONDS, MERGED, MOST_BYTES, action_id_in, receive
from instep.use_cases.sources import Naming
from instep.use_cases.work import ACTION, PUSHED, work_of
from instep.use_cases.worker import work_on
from local.twins.http import Fault
from tests.unit.api.desk import Desk

WHO = "ana@example.org"
NO_ACTION = 424_242


@pytest.fixture
def page(desk: Desk) -> int:
    """A synced page, beside one that is not."""
    desk.listed(pages=2)
    sources.sync_page(desk.world, "demo", WHO, desk.pages[0], Naming())
    desk.live.sent.clear()
    return desk.pages[0]


def push(desk: Desk, body: bytes | str) -> None:
    token = desk.account().settings.webhook_token
    sent = body.encode() if isinstance(body, str) else body
    assert receive(desk.world, "demo", token, sent) == "ok"


def add_person(desk: Desk, number: int = 1) -> int:
    user_id = desk.actionkit.add_user(f"user{number}@example.org")
    desk.actionkit.add_phone(user_id, f"312555{number:04d}")
    desk.actionkit.set_field(user_id, "sms_opt_in", "yes")
    return user_id


def delays(desk: Desk) -> list[tuple[int, int]]:
    """What lies on the live lane: the action of each and its delay."""
    return [(one.body["action_id"], one.delay_seconds) for one in desk.live.sent]


def do_next(desk: Desk) -> str:
    """Does what comes next on the live lane, in its time; what came of it."""
    sent = desk.live.sent.pop(0)
    desk.clock.sleep(sent.delay_seconds)
    return work_on(desk.world, work_of(sent.body), Lane.LIVE)


def do_all(desk: Desk) -> list[str]:
    said = []
    while desk.live.sent:
        said.append(do_next(desk))
    return said


def reads(desk: Desk) -> int:
    return sum(desk.actionkit.requests.values())


def in_group(desk: Desk) -> int:
    (group,) = [one for one in desk.all("/groups") if one["kind"] == "page"]
    return len(desk.strive.group_members(group["group"]))


# --- what a body says ---


@pytest.mark.parametrize(
    "body",
    [
        '{"action_id": 17}',
        '{"action_id": "17"}',
        '{"ACTION-ID": " 17 "}',
        '{"actionid": 17, "akid": ".5.x"}',
        '{"core_action_id": 17}',
        '{"action": {"id": 17, "page": {"id": 3}}}',
        '{"data": [{"ignored": 1}, {"action_id": 17}]}',
        '{"resource_uri": "/rest/v1/petitionaction/17/"}',
        '{"action": "/rest/v1/action/17/"}',
        '{"action": {"resource_uri": "https://act.example.org/rest/v1/donationaction/17"}}',
        "action_id=17",
        "akid=.5.x&Action-Id=+17+&page=trees",
        "action=%2Frest%2Fv1%2Fsignupaction%2F17%2F",
        "action_id=&action_id=17",
    ],
)
def test_p4_an_action_is_recognised(body: str) -> None:
    assert action_id_in(body.encode()) == 17


@pytest.mark.parametrize(
    "body",
    [
        "",
        "17",
        "anything",
        "{}",
        "[]",
        '{"id": 17}',
        '{"page_id": 17}',
        '{"user": "/rest/v1/user/17/"}',
        '{"page": "/rest/v1/petitionpage/17/"}',
        '{"akid": ".17.abc"}',
        '{"action_id": null}',
        '{"action_id": 0}',
        '{"action_id": -17}',
        '{"action_id": true}',
        '{"action_id": 1.7}',
        '{"action_id": "17a"}',
        '{"action_id": "٣"}',
        '{"action_id": 1234567890123456}',
        '{"action": {"id": true}}',
        "action_id=",
        "action_id",
    ],
)
def test_p4_everything_else_means_that_something_happened(body: str) -> None:
    assert action_id_in(body.encode()) is None


@pytest.mark.parametrize("payload", ["json", "form"])
def test_p4_the_payloads_of_the_twin_name_their_action(desk: Desk, page: int, payload: Any) -> None:
    desk.actionkit.pushes.add("http://127.0.0.1/webhook", payload=payload)
    action_id = desk.actionkit.take_action("page-1", {"action_colour": "red"}, add_person(desk))
    (sent,) = desk.actionkit.pushes.take_due()
    assert action_id_in(sent.body) == action_id


# --- receiving ---


def test_p3_a_push_is_on_the_lane_before_it_is_answered_and_nothing_is_asked(
    desk: Desk, page: int
) -> None:
    before = reads(desk)
    push(desk, '{"action_id": 17}')
    assert delays(desk) == [(17, 0)]
    assert [one.body["cause"] for one in desk.live.sent] == [PUSHED]
    assert reads(desk) == before


def test_p4_pushes_that_name_no_action_are_merged_to_one_look_in_five_seconds(
    desk: Desk, page: int
) -> None:
    seconds = int(MERGED.total_seconds())
    assert seconds == 5
    for _ in range(10):
        push(desk, "?")
    assert delays(desk) == [(0, 0), (0, seconds)]  # at once, and for whatever came since
    desk.clock.sleep(seconds - 1)
    push(desk, "?")
    assert len(desk.live.sent) == 2
    desk.clock.sleep(1)
    push(desk, "?")  # the second look is due, and may be under way
    assert len(desk.live.sent) == 3
    desk.clock.sleep(3600)
    push(desk, "?")
    assert delays(desk)[3:] == [(0, 0)]


def test_p4_in_an_hour_of_pushes_there_is_a_look_every_five_seconds_at_most(
    desk: Desk, page: int
) -> None:
    began = desk.clock.now()
    due = []
    for _ in range(3600 // 2):
        push(desk, "?")
        now = (desk.clock.now() - began).total_seconds()
        due += [now + one.delay_seconds for one in desk.live.sent]
        desk.live.sent.clear()
        desk.clock.sleep(2)
    apart = [later - earlier for earlier, later in pairwise(due)]
    assert min(apart) >= 5
    assert max(apart) <= 7


def test_p4_a_wrong_token_stores_nothing(desk: Desk, page: int) -> None:
    before = desk.everything()
    token = desk.account().settings.webhook_token
    for wrong in ("", token[:-1], f"{token}x", "ключ"):
        assert receive(desk.world, "demo", wrong, b"{}") == "unknown"
        assert receive(desk.world, "nobody", token, b"{}") == "unknown"
        assert receive(desk.world, "demo", wrong, b"x" * (MOST_BYTES + 1)) == "unknown"
    assert receive(desk.world, "demo", token, b"x" * (MOST_BYTES + 1)) == "too_large"
    assert desk.everything() == before


def test_a5_while_off_or_paused_a_push_is_without_effect(desk: Desk, page: int) -> None:
    for phase in (Phase.OFF, Phase.PAUSED):
        desk.change(phase=phase)
        push(desk, "?")
        push(desk, "action_id=17")
    assert desk.live.sent == []


# --- what really happened ---


def test_p3_the_user_of_a_pushed_action_is_synced(desk: Desk, page: int) -> None:
    user_id = add_person(desk)
    action_id = desk.actionkit.take_action("page-1", {}, user_id)
    push(desk, f"action_id={action_id}")
    assert do_all(desk) == ["done"]
    (user,) = desk.all("/users")
    assert (user["user_id"], user["status"]) == (user_id, "synced")
    assert in_group(desk) == 1
    history = desk.call(f"GET /users/{user_id}/history").body["items"]
    assert {one["cause"] for one in history} == {ACTION}


def test_p3_an_action_that_was_looked_at_is_done_without_asking(desk: Desk, page: int) -> None:
    action_id = desk.actionkit.take_action("page-1", {}, add_person(desk))
    push(desk, f"action_id={action_id}")
    do_all(desk)
    before = reads(desk)
    for _ in range(3):
        push(desk, f"action_id={action_id}")
    assert do_all(desk) == ["done"] * 3
    assert reads(desk) == before


def test_p3_an_action_that_is_not_visible_is_looked_for_after_5_30_and_120_seconds(
    desk: Desk, page: int
) -> None:
    assert AGAIN_SECONDS == (5, 30, 120)
    push(desk, f"action_id={NO_ACTION}")
    said, waits = [], []
    while desk.live.sent:
        waits.append(desk.live.sent[0].delay_seconds)
        said.append(do_next(desk))
    assert waits == [0, 5, 30, 120]
    assert said == ["again", "again", "again", "done"]


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_p3_an_action_that_becomes_visible_is_taken_then(desk: Desk, page: int, tries: int) -> None:
    user_id = add_person(desk)
    others = [one["id"] for one in desk.actionkit.actions()]
    action_id = max(others, default=0) + 1
    push(desk, f"action_id={action_id}")
    for _ in range(tries):
        assert do_next(desk) == "again"
    assert desk.actionkit.take_action("page-1", {}, user_id) == action_id
    assert do_next(desk) == "done"
    assert (delays(desk), in_group(desk)) == ([], 1)


def test_p4_a_number_that_is_no_actions_is_a_reason_to_look_for_new_ones(
    desk: Desk, page: int
) -> None:
    """What was taken for an action's number may be a user's."""
    desk.actionkit.take_action("page-1", {}, add_person(desk))
    push(desk, f"action_id={NO_ACTION}")
    do_all(desk)
    assert in_group(desk) == 1


def test_p4_a_push_that_says_nothing_looks_for_new_actions(desk: Desk, page: int) -> None:
    for number in range(3):
        desk.actionkit.take_action("page-1", {}, add_person(desk, number))
    push(desk, "?")
    assert do_next(desk) == "done"
    (work,) = [one.body for one in desk.live.sent]
    assert (len(work["user_ids"]), work["cause"]) == (3, ACTION)
    do_all(desk)
    assert in_group(desk) == 3


def test_p4_if_there_is_nothing_new_yet_it_looks_again(desk: Desk, page: int) -> None:
    push(desk, "?")
    assert do_next(desk) == "again"
    assert delays(desk) == [(0, 5)]
    desk.actionkit.take_action("page-1", {}, add_person(desk))
    assert do_all(desk) == ["done", "done"]
    assert in_group(desk) == 1


def test_p4_new_actions_are_found_however_many_there_are(
    desk: Desk, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instep.use_cases.pushes.AT_ONCE", 2)
    for number in range(7):
        desk.actionkit.take_action("page-1", {}, add_person(desk, number))
    push(desk, "?")
    do_all(desk)
    assert in_group(desk) == 7


@pytest.mark.parametrize("named", [True, False])
def test_p3_an_action_of_a_page_that_is_not_synced_does_nothing(
    desk: Desk, page: int, named: bool
) -> None:
    action_id = desk.actionkit.take_action("page-2", {}, add_person(desk))
    push(desk, f"action_id={action_id}" if named else "?")
    said = do_all(desk)
    assert said[-1] == "done"
    assert said == (["done"] if named else ["again"] * 3 + ["done"])
    assert desk.all("/users") == desk.all("/actions") == []
    assert in_group(desk) == 0


def test_p3_without_a_synced_page_nothing_is_asked(desk: Desk) -> None:
    desk.listed(pages=1)
    action_id = desk.actionkit.take_action("page-1", {}, add_person(desk))
    before = reads(desk)
    push(desk, f"action_id={action_id}")
    push(desk, "?")
    assert do_all(desk) == ["done", "done"]
    assert reads(desk) == before


def test_p3_who_is_not_eligible_is_noted_with_the_reason_and_joins_later(
    desk: Desk, page: int
) -> None:
    user_id = desk.actionkit.add_user("nobody@example.org")
    action_id = desk.actionkit.take_action("page-1", {}, user_id)
    push(desk, f"action_id={action_id}")
    do_all(desk)
    (action,) = desk.all("/actions")
    assert (action["outcome"], action["reason"]["code"]) == ("waiting", "no_phone")
    desk.actionkit.add_phone(user_id, "3125550101")
    desk.actionkit.set_field(user_id, "sms_opt_in", "yes")
    desk.call(f"POST /users/{user_id}/sync")
    do_all(desk)
    assert in_group(desk) == 1
    (action,) = desk.all("/actions")
    assert (action["outcome"], action["reason"]) == ("synced", None)


@pytest.mark.parametrize("kind", ["unavailable", "too_many_requests", "cut_before_work"])
@pytest.mark.parametrize("named", [True, False])
def test_p3_a_push_survives_that_actionkit_is_away(
    desk: Desk, page: int, kind: Any, named: bool
) -> None:
    action_id = desk.actionkit.take_action("page-1", {}, add_person(desk))
    push(desk, f"action_id={action_id}" if named else "?")
    desk.actionkit.faults.add(Fault(kind))
    for _ in range(6):
        assert do_next(desk) == "later"
        assert len(desk.live.sent) == 1
    desk.actionkit.faults.clear()
    do_all(desk)
    assert in_group(desk) == 1


def test_a5_refused_credentials_stop_the_account_at_once(desk: Desk, page: int) -> None:
    action_id = desk.actionkit.take_action("page-1", {}, add_person(desk))
    push(desk, f"action_id={action_id}")
    desk.actionkit.switch(forbidden=frozenset({"report"}))
    assert do_all(desk) == ["stopped"]
    assert desk.account().phase is Phase.STOPPED_CREDENTIALS


def test_c3_nothing_of_a_body_is_kept(desk: Desk, page: int) -> None:
    push(desk, json.dumps({"email": "canary@example.org", "action_id": 17}))
    push(desk, "email=canary@example.org")
    assert "canary" not in desk.everything()
