from __future__ import annotations

import json
from typing import Any

import pytest

from local.twins.actionkit import ActionRefused
from tests.unit.twins.actionkit_client import Caller


def made(**unknowns: Any) -> Caller:
    caller = Caller(**unknowns)
    caller.twin.add_page("sync", "Import")
    caller.twin.add_page("join", "Signup")
    caller.twin.add_page("leave", "Unsubscribe", send_email=False)
    caller.twin.define_userfield("opt_in")
    return caller


def test_an_action_for_a_new_address_creates_the_user() -> None:
    caller = made()
    response = caller.act("join", email=" new@example.org ", name="Grace Hopper", source="form")
    assert response.status == 201
    answer = response.json()
    assert answer["created_user"] is True
    assert answer["subscribed_user"] is True
    assert answer["type"] == "Signup"
    assert answer["page"] == "/rest/v1/signuppage/2/"
    assert answer["user"] == "/rest/v1/user/1/"
    assert answer["resource_uri"] == "/rest/v1/signupaction/1/"
    assert answer["akid"] == caller.twin.akid(1)
    assert "action_id=1" in answer["redirect_url"]
    assert response.headers["Location"].endswith("/rest/v1/signupaction/1/")
    user = caller.twin.user(1)
    assert (user["email"], user["first_name"], user["last_name"], user["source"]) == (
        "new@example.org",
        "Grace",
        "Hopper",
        "form",
    )
    assert user["subscription_status"] == "subscribed"
    assert len(caller.twin.mails_sent) == 1


def test_an_action_changes_profile_userfields_phones_and_fields() -> None:
    caller = made()
    caller.twin.add_user("ada@example.org", first_name="A")
    caller.wait(10)
    response = caller.act(
        "sync",
        email="ADA@example.org",
        first_name=" Ada ",
        user_opt_in=" true ",
        mobile_phone="202-555-0100",
        phone="202-555-0101",
        action_sync_id="s1",
        action_strive_member=7,
        nonsense="x",
    )
    answer = response.json()
    assert answer["created_user"] is False
    assert answer["fields"] == {"sync_id": "s1", "strive_member": "7"}
    assert "opt_in" not in json.dumps(answer)
    assert answer["source"] == "restful_api"
    user = caller.twin.user(1)
    assert user["first_name"] == "Ada"
    assert user["fields"] == {"opt_in": ["true"]}
    assert {phone["type"]: phone["phone"] for phone in user["phones"]} == {
        "mobile": "202-555-0100",
        "home": "202-555-0101",
    }
    row = caller.twin.userfield_rows(1)[0]
    assert row["action_id"] == answer["id"]
    assert row["updated_at"] == "2026-05-04 12:00:10.250000"


def test_writing_again_keeps_the_row_and_moves_its_clock() -> None:
    caller = made()
    caller.act("sync", email="ada@example.org", user_opt_in="true")
    first = caller.twin.userfield_rows(1)[0]
    caller.wait(5)
    caller.act("sync", email="ada@example.org", user_opt_in="true")
    second = caller.twin.userfield_rows(1)[0]
    assert second["id"] == first["id"]
    assert second["action_id"] == first["action_id"] + 1
    assert second["updated_at"] > first["updated_at"]
    caller.twin.set_field(1, "opt_in", "no")
    assert caller.twin.userfield_rows(1)[0]["action_id"] is None


def test_a_us_zip_sets_city_and_state() -> None:
    caller = made()
    caller.act("sync", email="a@example.org", zip="60601-1234", city="Wrong", country="USA")
    user = caller.twin.user(1)
    assert (user["zip"], user["plus4"], user["postal"]) == ("60601", "1234", "60601")
    assert (user["city"], user["state"], user["region"]) == ("Chicago", "IL", "IL")
    assert user["country"] == "United States"
    caller.act("sync", email="a@example.org", city="Evanston")
    assert caller.twin.user(1)["city"] == "Evanston"


def test_a_bad_us_zip_is_refused_and_nothing_is_done() -> None:
    caller = made()
    response = caller.act("sync", email="a@example.org", zip="ABC", first_name="Ada")
    assert (response.status, list(response.json()["errors"])) == (400, ["zip"])
    response = caller.act("sync", email="a@example.org", postal="W1", country="us")
    assert list(response.json()["errors"]) == ["postal"]
    assert caller.twin.users() == {}
    assert caller.twin.actions() == []


def test_outside_the_us_zip_and_state_are_postal_and_region() -> None:
    caller = made()
    response = caller.act(
        "sync", email="a@example.org", country="United Kingdom", postal="W1", region="London"
    )
    assert response.status == 201
    user = caller.twin.user(1)
    assert (user["postal"], user["region"], user["zip"]) == ("W1", "London", "")


def test_who_is_addressed() -> None:
    caller = made()
    caller.twin.add_user("ada@example.org")
    assert caller.act("sync", akid=caller.twin.akid(1)).json()["user"] == "/rest/v1/user/1/"
    assert list(caller.act("sync", akid=".1.wrong1").json()["errors"]) == ["akid"]
    assert list(caller.act("sync").json()["errors"]) == ["email"]
    assert list(caller.act("sync", email="nobody").json()["errors"]) == ["email"]
    wrong_hash = caller.act("sync", email="ada@example.org", akid="77.99.AbC123")
    assert wrong_hash.status == 201


def test_an_unknown_page_is_a_bare_text() -> None:
    response = made().act("nope", email="a@example.org")
    assert response.status == 400
    assert isinstance(response.json()["page"], str)


@pytest.mark.parametrize(("unknown", "status"), [("ignored", 201), ("refused", 400)])
def test_an_unknown_userfield(unknown: str, status: int) -> None:
    caller = made(unknown_userfield=unknown)
    response = caller.act("sync", email="a@example.org", user_nope="1")
    assert response.status == status
    if status == 400:
        assert list(response.json()["errors"]) == ["user_nope"]


def test_a_value_that_the_userfield_refuses() -> None:
    caller = made()
    caller.twin.define_userfield("age", field_type="integer")
    caller.twin.define_userfield("size", field_choices="S\nM")
    response = caller.act("sync", email="a@example.org", user_age="x", user_size="XL")
    assert response.status == 400
    assert sorted(response.json()["errors"]) == ["user_age", "user_size"]
    assert caller.act("sync", email="a@example.org", user_age="7", user_size="M").status == 201


def test_import_pages_subscribe_nobody_and_send_nothing() -> None:
    caller = made()
    caller.act("sync", email="a@example.org")
    assert caller.twin.user(1)["subscription_status"] == "never"
    assert caller.twin.subscriptions() == set()
    assert caller.twin.subscription_changes() == []
    assert caller.twin.mails_sent == []
    caller.twin.add_page("in", "Import", import_settings={"subscribe": True}, send_email=True)
    caller.act("in", email="a@example.org")
    assert caller.twin.counts()["mails_sent"] == 1
    assert caller.twin.counts()["subscription_changes"] == 1
    assert caller.twin.reset_counts()["mails_sent"] == 0
    assert caller.twin.counts()["subscription_changes"] == 0


def test_suppress_subscribe_and_skip_confirmation() -> None:
    caller = made()
    answer = caller.act("join", email="a@example.org", suppress_subscribe=1, skip_confirmation=1)
    assert answer.json()["subscribed_user"] is False
    assert caller.twin.subscriptions() == set()
    assert caller.twin.mails_sent == []


def test_an_unsubscribe_page_drops_every_list() -> None:
    caller = made()
    caller.act("join", email="a@example.org")
    caller.act("leave", email="a@example.org")
    assert caller.twin.subscriptions() == set()
    assert caller.twin.user(1)["subscription_status"] == "unsubscribed"
    assert [row["change"] for row in caller.twin.subscription_changes()] == [
        "subscribe",
        "unsubscribe",
    ]


def test_a_page_adds_to_its_groups() -> None:
    caller = made()
    group = caller.twin.add_usergroup("Leaders")
    caller.twin.add_page("lead", "Signup", groups=[group])
    caller.act("lead", email="a@example.org")
    assert caller.twin.user(1)["groups"] == [group]


@pytest.mark.parametrize("login", ["staff", None])
def test_the_short_answer(login: str | None) -> None:
    caller = made(action_answer="short" if login else "full")
    body = {"page": "sync", "email": "a@example.org"}
    response = (
        caller.call("POST", "action/", body)
        if login
        else caller.call("POST", "action/", body, login=None)
    )
    assert response.status == 201
    assert set(response.json()) == {"action_id", "akid", "rd", "redirect_url"}


@pytest.mark.parametrize(
    ("unknown", "rows"), [("empty_row", [""]), ("removes_row", []), ("ignored", ["yes"])]
)
def test_a_blank_userfield(unknown: str, rows: list[str]) -> None:
    caller = made(blank_userfield=unknown)
    caller.act("sync", email="a@example.org", user_opt_in="yes")
    caller.act("sync", email="a@example.org", user_opt_in="")
    assert [row["value"] for row in caller.twin.userfield_rows(1)] == rows


def test_several_values_of_a_userfield() -> None:
    caller = made()
    caller.twin.define_userfield("issues", allow_multiple=True)
    caller.act(
        "sync", email="a@example.org", user_issues=["air", "water"], user_opt_in=["no", "yes"]
    )
    assert caller.get("user/1/")["fields"] == {"issues": ["air", "water"], "opt_in": "yes"}


def test_actions_are_listed_by_their_types_and_changed_there() -> None:
    caller = made()
    caller.act("join", email="a@example.org", action_x="1")
    caller.act("sync", email="a@example.org")
    assert [row["type"] for row in caller.get("action/?user=1&order_by=id")["objects"]] == [
        "Signup",
        "Import",
    ]
    assert caller.get("action/?page=2")["meta"]["total_count"] == 1
    assert caller.get("importaction/")["meta"]["total_count"] == 1
    assert caller.call("POST", "signupaction/", {}).status == 405
    assert caller.call("PUT", "signupaction/1/", {"fields": {"y": 2}}).status == 204
    assert caller.get("action/1/")["fields"] == {"y": "2"}
    field = caller.get("actionfield/?parent=1")["objects"][0]
    assert caller.call("PUT", field["resource_uri"], {"name": "z"}).status == 204
    assert caller.get("action/1/")["fields"] == {"z": "2"}
    assert caller.call("DELETE", "action/1/").status == 204
    assert caller.get("actionfield/")["meta"]["total_count"] == 0


def test_a_person_acts_and_listeners_hear_of_it() -> None:
    caller = made()
    heard: list[int] = []
    caller.twin.on_action(heard.append)
    action_id = caller.twin.take_action("join", {"email": "a@example.org", "user_opt_in": "yes"})
    assert heard == [action_id]
    assert caller.twin.actions()[0]["source"] == "website"
    with pytest.raises(ActionRefused):
        caller.twin.take_action("join", {"email": "a@example.org", "zip": "1"})


def test_form_bodies_are_taken_too() -> None:
    caller = made()
    response = caller.call(
        "POST",
        "action/",
        b"page=sync&email=a%2Bb%40example.org&user_opt_in=yes",
        {"content-type": "application/x-www-form-urlencoded"},
    )
    assert response.status == 201
    assert caller.twin.user(1)["email"] == "a+b@example.org"


def test_an_upload_takes_an_action_for_each_row() -> None:
    caller = made()
    caller.twin.add_user("bob@example.org", first_name="Bob")
    table = (
        "email,first_name,user_opt_in,zip,created_at\n"
        "ada@example.org,Ada,yes,,2026-01-02 03:04:05\n"
        "bob@example.org,,no,,\n"
        "cyd@example.org,Cyd,yes,bad,\n"
    )
    response = caller.upload("sync", table)
    assert response.status == 201
    location = response.headers["Location"].removeprefix("https://act.example.org")
    shown = caller.get(location)
    assert (shown["is_completed"], shown["has_errors"], shown["line_count"]) == (True, 1, 3)
    error = caller.get("uploaderror/?upload=1")["objects"][0]
    assert (error["row"], error["col"], error["value"]) == (3, 3, "bad")
    assert caller.twin.user(1)["first_name"] == ""
    assert caller.twin.user(2)["fields"] == {"opt_in": ["yes"]}
    assert [action["created_at"] for action in caller.twin.actions()] == [
        "2026-01-02 03:04:05.000000",
        "2026-05-04 12:00:00.250000",
    ]
    assert caller.twin.most_users_in_any_60_seconds() == 2


def test_uploads_refuse_unknown_fields_unless_they_may_make_them() -> None:
    caller = made(upload_seconds=30)
    table = "email\tuser_new\nada@example.org\tx\n"
    caller.upload("sync", table)
    assert caller.twin.users() == {}
    caller.upload("sync", table, autocreate_user_fields="true")
    assert caller.twin.user(1)["fields"] == {"new": ["x"]}
    assert caller.get("upload/2/")["is_completed"] is False
    caller.wait(30)
    assert caller.get("upload/2/")["is_completed"] is True
    caller.upload("sync", "user_id\tuser_new\n1\ty\n", user_fields_only="1")
    assert caller.twin.user(1)["fields"] == {"new": ["y"]}
    assert len(caller.twin.actions()) == 1
    assert list(caller.upload("join", table).json()["upload"]) == ["page"]


@pytest.mark.parametrize(("unknown", "city"), [("clears", ""), ("ignored", "Rome")])
def test_a_blank_column(unknown: str, city: str) -> None:
    caller = made(blank_column=unknown)
    caller.twin.add_user("a@example.org", city="Rome")
    caller.act("sync", email="a@example.org", city=" ")
    assert caller.twin.user(1)["city"] == city


def test_a_direct_write_may_keep_the_action_of_before() -> None:
    caller = made(direct_write_keeps_action_id=True)
    caller.act("sync", email="a@example.org", user_opt_in="yes")
    row = caller.twin.userfield_rows(1)[0]
    caller.twin.set_field(1, "opt_in", "no")
    caller.call("PUT", f"userfield/{row['id']}/", {"value": "maybe"})
    assert caller.twin.userfield_rows(1)[0]["action_id"] == row["action_id"] == 1


def test_the_source_of_phones_that_actions_make() -> None:
    caller = made(phone_source_of_actions="api")
    caller.act("sync", email="a@example.org", work_phone="2025550100", phone="")
    phones = caller.twin.user(1)["phones"]
    assert [(phone["type"], phone["source"]) for phone in phones] == [("work", "api")]
