"""The ActionKit twin's control paths: what people and staff do there, by HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.unit.twins.actionkit_client import Caller


def control(caller: Caller, name: str, /, **body: Any) -> Any:
    response = caller.call("POST", f"/_twin/{name}", body)
    assert response.status == 200, (name, response.body)
    return response.json()


def made(**unknowns: Any) -> Caller:
    caller = Caller(**unknowns)
    caller.twin.add_page("join", "Signup")
    caller.twin.define_userfield("opt_in")
    return caller


def test_people() -> None:
    caller = made()
    ada = control(
        caller,
        "add-user",
        email="ada@example.org",
        first_name="Ada",
        fields={"opt_in": "yes"},
        phones=[{"phone": "2025550100", "type": "work"}, {"phone": "2025550101"}],
        subscribed=True,
        at="2025-01-02T03:04:05Z",
    )["user_id"]
    user = control(caller, "user", user_id=ada)
    assert (user["first_name"], user["fields"], user["groups"]) == ("Ada", {"opt_in": ["yes"]}, [])
    assert user["created_at"] == "2025-01-02 03:04:05.000000"
    assert [(phone["type"], phone["phone"]) for phone in user["phones"]] == [
        ("work", "2025550100"),
        ("mobile", "2025550101"),
    ]
    control(caller, "edit-user", user_id=ada, city="Bath", fields={"opt_in": "no"})
    control(caller, "add-phone", user_id=ada, phone="2025550102", type="home")
    user = caller.twin.user(ada)
    assert (user["city"], user["fields"], len(user["phones"])) == ("Bath", {"opt_in": ["no"]}, 3)
    control(caller, "set-field", user_id=ada, name="opt_in", value=None)
    assert caller.twin.user(ada)["fields"] == {}
    bob = control(caller, "add-user", email="bob@example.org")["user_id"]
    control(caller, "merge-users", primary_id=ada, user_ids=[bob])
    assert caller.twin.user_ids() == [ada]
    control(caller, "erase-user", user_id=ada)
    assert caller.twin.user(ada)["email"] == f"erased-{ada}@erased.invalid"
    control(caller, "delete-user", user_id=ada)
    assert caller.twin.user_ids() == []


def test_pages_and_actions() -> None:
    caller = made()
    page_id = control(caller, "add-page", name="river", type="Petition", title="<b>River</b>")
    page_id = page_id["page_id"]
    control(caller, "edit-page", page_id=page_id, title="نهر", name="river-2")
    assert caller.get(f"page/{page_id}/")["title"] == "نهر"
    taken = control(
        caller, "take-action", page="river-2", email="ada@example.org", action_why=["a", "b"]
    )
    assert taken == {"action_id": 1, "user_id": 1}
    response = caller.call(
        "POST",
        "/_twin/take-actions",
        [{"page": "join", "user_id": 1}, {"page": "join", "email": "bob@example.org"}],
    )
    assert response.json() == [{"action_id": 2, "user_id": 1}, {"action_id": 3, "user_id": 2}]
    control(caller, "edit-actionfield", action_id=1, name="why", value=["c"])
    control(caller, "edit-actionfield", action_id=1, name="how", value="d")
    assert caller.twin.actions()[0]["fields"] == {"why": ["c"], "how": ["d"]}
    control(caller, "edit-actionfield", action_id=1, name="how", value=None)
    control(caller, "set-action-status", action_id=1, status="spam")
    shown = caller.get("petitionaction/1/")
    assert (shown["status"], shown["fields"]) == ("spam", {"why": "c"})
    control(caller, "delete-action", action_id=1)
    assert [action["id"] for action in caller.twin.actions()] == [2, 3]
    assert caller.sql("SELECT COUNT(*) FROM core_petitionaction") == [[0]]


def test_usergroups() -> None:
    caller = made()
    users = [caller.twin.add_user(f"u{number}@example.org") for number in range(5)]
    group = control(caller, "add-usergroup", name="Leaders")["usergroup_id"]
    assert control(caller, "join-usergroup", user_id=users[0], usergroup_id=group) == {"joined": 1}
    many = {"usergroup_id": group, "user_ids": users}
    assert control(caller, "join-usergroup-many", **many) == {"joined": 4}
    assert control(caller, "leave-usergroup", user_id=users[1], usergroup_id=group) == {"left": 1}
    assert caller.twin.user(users[1])["groups"] == []
    assert control(caller, "leave-usergroup-many", **many) == {"left": 4}
    assert control(caller, "join-usergroup-many", usergroup_id=group, user_ids=[]) == {"joined": 0}


def test_what_is_refused() -> None:
    caller = made()
    caller.twin.add_user("ada@example.org")
    for name, body in (
        ("user", {"user_id": 9}),
        ("add-user", {"email": "ADA@example.org"}),
        ("add-user", {"email": "x@example.org", "fields": {"nope": "1"}}),
        ("add-user", {"email": "x@example.org", "colour": "red"}),
        ("edit-user", {"user_id": 1, "colour": "red"}),
        ("delete-user", {"user_id": 9}),
        ("merge-users", {"primary_id": 1, "user_ids": [9]}),
        ("set-field", {"user_id": 1, "name": "nope", "value": "x"}),
        ("add-page", {"name": "join"}),
        ("add-page", {"name": "x", "type": "Nope"}),
        ("edit-page", {"page_id": 9, "title": "x"}),
        ("take-action", {"page": "nope", "user_id": 1}),
        ("take-action", {"page": "join", "email": "nobody"}),
        ("take-action", {"page": "join", "user_id": 9}),
        ("add-past-actions", {"page": "nope", "user_ids": [1]}),
        ("add-past-actions", {"page": "join", "user_ids": [9]}),
        ("set-action-status", {"action_id": 9, "status": "spam"}),
        ("edit-actionfield", {"action_id": 9, "name": "x", "value": "y"}),
        ("join-usergroup", {"user_id": 1, "usergroup_id": 9}),
        ("take-actions", None),
    ):
        response = caller.call("POST", f"/_twin/{name}", body)
        assert response.status == 400, (name, body, response.body)
        assert response.json()["error"]
    assert len(caller.twin.users()) == 1
    assert caller.twin.actions() == []


def test_past_actions_are_quiet_and_many_are_quick() -> None:
    caller = made()
    heard: list[int] = []
    caller.twin.on_action(heard.append)
    users = [caller.twin.add_user(f"u{number}@example.org") for number in range(20_000)]
    before = caller.twin.user(1)
    started = time.monotonic()
    added = control(
        caller,
        "add-past-actions",
        page="join",
        user_ids=users,
        at="2024-05-06T07:08:09",
        fields={"shift": "am", "tools": ["spade", "gloves"]},
    )
    assert time.monotonic() - started < 5
    assert added["action_ids"] == list(range(1, 20_001))
    assert heard == []
    assert caller.twin.user(1) == before
    assert caller.twin.mails_sent == []
    shown = caller.get("signupaction/20000/")
    assert shown["created_at"] == shown["updated_at"] == "2024-05-06T07:08:09"
    assert (shown["status"], shown["fields"]) == (
        "complete",
        {"shift": "am", "tools": ["spade", "gloves"]},
    )
    assert caller.sql("SELECT COUNT(*) FROM core_signupaction") == [[20_000]]
    assert caller.twin.take_action("join", {}, 1) == 20_001
    [action_id] = caller.twin.add_past_actions("join", [1])
    assert caller.get(f"action/{action_id}/")["created_at"] == "2025-05-04T12:00:00.250000"


@pytest.mark.parametrize("switched_on", [True, False])
def test_what_moves_the_clock_of_an_action(switched_on: bool) -> None:
    causes = ["status", "fields", "actionfield"] if switched_on else []
    caller = made(action_updated_by=causes)
    caller.twin.add_user("ada@example.org")
    action_id = caller.twin.take_action("join", {"action_x": "1"}, 1)
    [field] = caller.get("actionfield/")["objects"]

    def moves() -> bool:
        action = caller.twin.actions()[0]
        moved: bool = action["updated_at"] == caller.now.strftime("%Y-%m-%d %H:%M:%S.%f")
        caller.wait(1)
        return moved

    caller.wait(1)
    caller.twin.set_action_status(action_id, "spam")
    assert moves() is switched_on
    caller.call("PUT", field["resource_uri"], {"value": "2"})
    assert moves() is switched_on
    caller.call("PUT", "signupaction/1/", {"fields": {"x": ["3", "4"]}})
    assert moves() is switched_on
    caller.twin.edit_actionfield(action_id, "x", "5")
    assert moves() is switched_on
    [field] = caller.get("actionfield/")["objects"]
    caller.call("DELETE", field["resource_uri"])
    assert moves() is switched_on
    assert caller.twin.actions()[0]["fields"] == {}


def test_by_default_an_actionfield_moves_no_clock_and_a_status_does() -> None:
    caller = made()
    caller.twin.add_user("ada@example.org")
    action_id = caller.twin.take_action("join", {}, 1)
    caller.wait(1)
    caller.twin.edit_actionfield(action_id, "x", "1")
    assert caller.get("action/1/")["updated_at"] == "2026-05-04T12:00:00.250000"
    caller.twin.set_action_status(action_id, "spam")
    assert caller.get("action/1/")["updated_at"] == "2026-05-04T12:00:01.250000"
