"""Actions, actionfields and automations (P6, P7)."""

from __future__ import annotations

from typing import Any

import pytest

from instep.domain.automations import REASONS, Outcome
from instep.domain.record import Status
from instep.use_cases.firing import EVENT, runs_of
from instep.use_cases.stored import stamp
from tests.unit.api.desk import NOW, Desk
from tests.unit.api.pushing import push_event, token_of, webhook_of

RULE: dict[str, Any] = {"once_per": "person", "publish_event": True}


def syncing(desk: Desk, pages: int = 1) -> None:
    """Running, with pages that are synced, and live actions."""
    desk.listed(pages=pages)
    for call in ("pause", "resume"):
        assert desk.call(f"POST /activation/{call}").status == 200
    for page_id in desk.pages:
        assert desk.call(f"PUT /pages/{page_id}/sync").status == 200


def add_person(desk: Desk, number: int, opt_in: str = "yes") -> int:
    user_id = desk.actionkit.add_user(f"user{number}@example.org")
    desk.actionkit.add_phone(user_id, f"312555{number:04d}")
    desk.actionkit.set_field(user_id, "sms_opt_in", opt_in)
    return user_id


def act(desk: Desk, user_id: int, page: str = "page-1", **fields: str) -> int:
    """A person acts on a page, which ActionKit pushes, and what it asks for is done: the action."""
    desk.clock.sleep(60)
    given = {f"action_{name}": value for name, value in fields.items()}
    action_id = desk.actionkit.take_action(page, given, user_id)
    pushed = push_event(token_of(desk), f"action_id={action_id}")
    assert webhook_of(desk)(pushed, None)["statusCode"] == 200
    desk.work_live()
    return action_id


# --- actions ---


def test_p6_an_action_is_listed_with_what_became_of_it(desk: Desk) -> None:
    syncing(desk)
    user_id = add_person(desk, 1)
    action_id = act(desk, user_id, colour="red")
    (action,) = desk.all("/actions")
    (user,) = desk.all("/users")
    at = action.pop("created_at")
    assert at.endswith("Z")
    assert action == {
        "action_id": action_id,
        "page_id": desk.pages[0],
        "user_id": user_id,
        "member_id": user["member_id"],
        "fields": {"colour": ["red"]},
        "outcome": "synced",
        "reason": None,
    }
    assert user["member_id"] is not None
    assert desk.call("GET /actionfields").body == {"items": [{"name": "colour"}]}
    page = desk.call(f"GET /users/{user_id}").body
    assert page["actions"] == desk.all("/actions")
    groups = {one["name"]: one["state"] for one in page["groups"]}
    assert groups == {"ActionKit Integration": "in", "Page 1": "in"}


def test_p6_an_action_that_does_not_count_says_why(desk: Desk) -> None:
    syncing(desk)
    nobody = desk.actionkit.add_user("nobody@example.org")
    act(desk, nobody)
    spam = act(desk, add_person(desk, 2))
    desk.actionkit.set_action_status(spam, "spam")
    desk.call(f"POST /users/{desk.all('/actions')[0]['user_id']}/sync")
    desk.work_live()
    not_counted, waiting = desk.all("/actions")
    shown = [(one["outcome"], one["reason"]["code"]) for one in (not_counted, waiting)]
    assert shown == [("not_counted", "not_complete"), ("waiting", "no_phone")]
    for one in (not_counted, waiting):
        assert set(one["reason"]) == {"code", "text", "fix"}
        assert all(one["reason"].values())


@pytest.mark.parametrize("limit", [1, 3, 500])
def test_p6_actions_are_paged_newest_first_of_a_page_or_a_person(desk: Desk, limit: int) -> None:
    syncing(desk, pages=2)
    people = [add_person(desk, number) for number in range(2)]
    taken = [
        (act(desk, user_id, page), page_id, user_id)
        for user_id in people
        for page, page_id in zip(("page-1", "page-2"), desk.pages, strict=True)
        for _ in range(2)
    ]
    taken.reverse()

    def shown(**query: int) -> list[tuple[int, int, int]]:
        found = desk.all("/actions", limit, **query)
        return [(one["action_id"], one["page_id"], one["user_id"]) for one in found]

    assert shown() == taken
    for page_id in desk.pages:
        assert shown(page_id=page_id) == [one for one in taken if one[1] == page_id]
        for user_id in people:
            both = [one for one in taken if one[1:] == (page_id, user_id)]
            assert shown(page_id=page_id, user_id=user_id) == both
    for user_id in people:
        assert shown(user_id=user_id) == [one for one in taken if one[2] == user_id]
    assert shown(page_id=999_999_999) == shown(user_id=999_999_999) == []
    assert desk.call(f"DELETE /pages/{desk.pages[0]}/sync").status == 204
    assert shown() == [one for one in taken if one[1] == desk.pages[1]]


@pytest.mark.parametrize("name", ["page_id", "user_id"])
@pytest.mark.parametrize("wrong", ["none", "", "1.5", "-1", "1000000000000"])
def test_p6_what_is_no_id_is_named(desk: Desk, name: str, wrong: str) -> None:
    desk.connect()
    answer = desk.call("GET /actions", **{name: wrong})
    assert (answer.status, answer.fields) == (422, {name})


def test_p6_a_cursor_is_that_of_a_page_or_a_person(desk: Desk) -> None:
    syncing(desk)
    user_id = add_person(desk, 1)
    for _ in range(2):
        act(desk, user_id)
    cursor = desk.call("GET /actions", limit=1, user_id=user_id).body["next_cursor"]
    assert desk.call("GET /actions", user_id=user_id, cursor=cursor).status == 200
    others: list[dict[str, Any]] = [{}, {"user_id": user_id + 1}, {"page_id": desk.pages[0]}]
    for query in others:
        assert desk.call("GET /actions", cursor=cursor, **query).fields == {"cursor"}


# --- rules ---


def test_p7_a_rule_is_made_listed_switched_and_deleted(desk: Desk) -> None:
    syncing(desk)
    group = desk.strive.add_group(desk.campaign.campaign_id, "Volunteers")
    wanted = {
        "page_id": desk.pages[0],
        "actionfield": "colour",
        "value": "red",
        "once_per": "action",
        "add_to_group": group,
        "publish_event": True,
        "enabled": True,
    }
    answer = desk.call("POST /automations", {**wanted, "actionfield": " colour ", "value": "red "})
    assert answer.status == 201
    made = answer.body
    assert made == {"id": made["id"], **wanted}
    assert desk.all("/automations") == [made]
    for enabled in (False, False, True, True):
        answer = desk.call(f"PATCH /automations/{made['id']}", {"enabled": enabled})
        assert (answer.status, answer.body) == (200, {**made, "enabled": enabled})
        assert desk.all("/automations") == [answer.body]
    assert desk.call(f"GET /automations/{made['id']}/runs").body == {
        "items": [],
        "next_cursor": None,
    }
    assert desk.call(f"DELETE /automations/{made['id']}").status == 204
    assert desk.all("/automations") == []
    assert desk.call(f"DELETE /automations/{made['id']}").code == "no_automation"
    changes = [one["new"] for one in desk.all("/audit") if one["what"] == "automation"]
    assert [one and one["enabled"] for one in changes] == [None, True, False, True]


def test_p7_what_is_left_out_is_null(desk: Desk) -> None:
    desk.listed()
    made = desk.call("POST /automations", RULE).body
    assert made == {
        "id": made["id"],
        "page_id": None,
        "actionfield": None,
        "value": None,
        "once_per": "person",
        "add_to_group": None,
        "publish_event": True,
        "enabled": True,
    }
    made = desk.call("POST /automations", {**RULE, "once_per": "action", "enabled": False}).body
    assert not made["enabled"]


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_p7_rules_are_paged(desk: Desk, limit: int) -> None:
    desk.listed()
    made = [
        desk.call("POST /automations", {**RULE, "actionfield": f"field{number}"}).body
        for number in range(5)
    ]
    assert desk.all("/automations", limit) == made


def test_p7_an_equal_rule_is_refused(desk: Desk) -> None:
    syncing(desk)
    rule = {**RULE, "page_id": desk.pages[0], "actionfield": "colour", "value": "red"}
    made = desk.call("POST /automations", rule).body
    for same in (
        rule,
        {**rule, "enabled": False},
        {**rule, "actionfield": "COLOUR", "value": " Red"},
    ):
        answer = desk.call("POST /automations", same)
        assert (answer.status, answer.code) == (409, "rule_exists")
        assert made["id"] in answer.body["error"]["message"]
    for other in ({"value": "blue"}, {"value": None}, {"once_per": "action"}, {"page_id": None}):
        assert desk.call("POST /automations", {**rule, **other}).status == 201


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"once_per": ""}, "once_per"),
        ({"once_per": "week"}, "once_per"),
        ({"once_per": None}, "once_per"),
        ({"page_id": "2"}, "page_id"),
        ({"page_id": 0}, "page_id"),
        ({"page_id": 999_999_999}, "page_id"),
        ({"actionfield": ""}, "actionfield"),
        ({"actionfield": "x" * 256}, "actionfield"),
        ({"value": "red"}, "actionfield"),
        ({"actionfield": "colour", "value": 7}, "value"),
        ({"add_to_group": "1"}, "add_to_group"),
        ({"add_to_group": 0}, "add_to_group"),
        ({"add_to_group": 999_999_999}, "add_to_group"),
        ({"publish_event": False}, "add_to_group"),
        ({"publish_event": None}, "publish_event"),
        ({"publish_event": "yes"}, "publish_event"),
        ({"enabled": None}, "enabled"),
        ({"id": "mine"}, "id"),
    ],
)
def test_p7_what_is_wrong_with_a_rule_is_named(
    desk: Desk, changed: dict[str, Any], field: str
) -> None:
    desk.listed()
    answer = desk.call("POST /automations", {**RULE, **changed})
    assert (answer.status, answer.fields) == (422, {field})
    assert desk.all("/automations") == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "enabled"),
        ({"enabled": None}, "enabled"),
        ({"enabled": 1}, "enabled"),
        ({"enabled": True, "once_per": "action"}, "once_per"),
        (None, "body"),
    ],
)
def test_p7_of_a_rule_only_enabled_changes(desk: Desk, body: Any, field: str) -> None:
    desk.listed()
    made = desk.call("POST /automations", RULE).body
    answer = desk.call(f"PATCH /automations/{made['id']}", body)
    assert (answer.status, answer.fields) == (422, {field})
    assert desk.all("/automations") == [made]


def test_p7_a_rule_is_switched_off_but_not_on_while_the_account_is_off(desk: Desk) -> None:
    desk.listed()
    made = desk.call("POST /automations", RULE).body
    desk.off()
    assert desk.call(f"PATCH /automations/{made['id']}", {"enabled": False}).status == 200
    answer = desk.call(f"PATCH /automations/{made['id']}", {"enabled": True})
    assert (answer.status, answer.code) == (409, "not_active")
    assert desk.call(f"DELETE /automations/{made['id']}").status == 204


# --- what became of them ---


def test_p7_a_rule_fires_once_for_a_person_and_its_runs_are_listed(desk: Desk) -> None:
    syncing(desk)
    group = desk.strive.add_group(desk.campaign.campaign_id, "Volunteers")
    desk.clock.sleep(5)
    rule = desk.call("POST /automations", {**RULE, "add_to_group": group}).body
    user_id = add_person(desk, 1)
    first = act(desk, user_id)
    act(desk, user_id)
    refused = act(desk, add_person(desk, 2, opt_in="no"))
    members = {one["user_id"]: one["member_id"] for one in desk.all("/users")}
    runs = desk.all(f"/automations/{rule['id']}/runs", 1)
    assert [(one["action_id"], one["outcome"]) for one in runs] == [
        (refused, "not_opted_in"),
        (first, "done"),
    ]
    assert all(one.pop("at").endswith("Z") for one in runs)
    assert runs[1] == {
        "action_id": first,
        "user_id": user_id,
        "member_id": members[user_id],
        "outcome": "done",
        "reason": {"code": "done", "text": REASONS["done"]},
    }
    assert desk.strive.group_members(group) == [members[user_id]]
    (event,) = desk.events.published
    assert (event.kind, event.detail["action_id"]) == (EVENT, first)


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_p7_every_outcome_and_every_reason_can_be_shown(desk: Desk, limit: int) -> None:
    desk.listed()
    rule = desk.call("POST /automations", RULE).body
    pairs = [(outcome, reason) for outcome in Outcome for reason in REASONS]
    for action_id, (outcome, reason) in enumerate(pairs):
        desk.groups.put(
            {
                "account_id": "demo",
                "item": f"{runs_of(rule['id'])}{action_id:015d}",
                "at": stamp(NOW),
                "action_id": action_id,
                "user_id": 5,
                "member_id": None,
                "outcome": outcome.value,
                "reason": reason,
            }
        )
    runs = desk.all(f"/automations/{rule['id']}/runs", limit)
    assert [(one["outcome"], one["reason"]["code"]) for one in runs] == pairs[::-1]
    assert all(one["reason"]["text"] == REASONS[one["reason"]["code"]] for one in runs)


def test_e1_an_erased_person_s_actions_show_no_values(desk: Desk) -> None:
    syncing(desk)
    user_id = add_person(desk, 1)
    act(desk, user_id, colour="canary")
    assert "canary" in str(desk.all("/actions"))
    assert desk.call(f"DELETE /people/{user_id}").status == 202
    assert "canary" not in str([desk.all("/actions"), desk.call(f"GET /users/{user_id}").body])
    desk.work_live()
    assert desk.call(f"GET /users/{user_id}").body["status"] == Status.ERASED
    assert "canary" not in desk.everything()
