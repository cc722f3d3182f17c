"""F1, F2, F3, F7."""

from __future__ import annotations

from typing import Any

import pytest

from instep.domain.rules import Option
from tests.unit.api.desk import Desk

BODY = {"strive_field": "colour", "actionkit_field": "colour", "option": "two_way"}
EMAIL = {"populate_no_overwrite", "populate_overwrite_strive", "one_way_overwrite_strive"}


def test_core_fields_with_what_they_may_have(desk: Desk) -> None:
    desk.ready()
    shown = {one["strive_field"]: one for one in desk.all("/fields", limit=3)}
    assert {name: one["actionkit_field"] for name, one in shown.items()} == {
        "first_name": "first_name",
        "last_name": "last_name",
        "email": "email",
        "city": "city",
        "state": "state",
        "postal_code": "zip",
        "opt_in": "sms_opt_in",
        "phone_number": None,
    }
    assert {one["kind"] for one in shown.values()} == {"core"}
    assert {one["broken"] for one in shown.values()} == {None}
    every = {option.value for option in Option}
    for name, one in shown.items():
        none = name in ("opt_in", "phone_number")
        allowed = set() if none else EMAIL if name == "email" else every
        assert set(one["allowed_options"]) == allowed


@pytest.mark.parametrize("option", sorted(option.value for option in Option))
def test_options_of_the_core_fields(desk: Desk, option: str) -> None:
    desk.connect()
    for field in desk.all("/fields"):
        answer = desk.call(f"PATCH /fields/{field['field_id']}", {"option": option})
        if option in field["allowed_options"]:
            assert (answer.status, answer.body["option"]) == (200, option)
        else:
            assert (answer.status, answer.fields) == (422, {"option"})


def test_core_fields_stay(desk: Desk) -> None:
    desk.connect()
    for field in desk.all("/fields"):
        answer = desk.call(f"DELETE /fields/{field['field_id']}")
        assert (answer.status, answer.code) == (409, "core_field")


def test_a_custom_field_comes_changes_and_goes(desk: Desk) -> None:
    desk.ready()
    made = desk.call("POST /fields", BODY)
    assert made.status == 201
    assert made.body == {
        "field_id": made.body["field_id"],
        "kind": "custom",
        **BODY,
        "allowed_options": [option.value for option in Option],
        "broken": None,
    }
    path = f"/fields/{made.body['field_id']}"
    assert desk.all("/fields")[-1] == made.body
    changed = desk.call(f"PATCH {path}", {"option": "populate_no_overwrite"})
    assert changed.body == {**made.body, "option": "populate_no_overwrite"}
    gone = desk.call(f"DELETE {path}")
    assert (gone.status, gone.text) == (204, "")
    for call, body in ((f"DELETE {path}", None), (f"PATCH {path}", {"option": "two_way"})):
        assert (desk.call(call, body).status, desk.call(call, body).code) == (404, "no_field")
    again = desk.call("POST /fields", BODY)
    assert again.body["field_id"] != made.body["field_id"]
    audited = [one["what"] for one in desk.all("/audit")]
    assert audited[:4] == ["field_added", "field_removed", "field_changed", "field_added"]


@pytest.mark.parametrize(
    ("changed", "code", "fields"),
    [
        ({"strive_field": "no_such"}, "unknown_field", {"strive_field"}),
        ({"strive_field": "city"}, "unknown_field", {"strive_field"}),
        ({"strive_field": "age"}, "not_text", {"strive_field"}),
        ({"actionkit_field": "no_such"}, "unknown_field", {"actionkit_field"}),
        ({"actionkit_field": "skills"}, "several_values", {"actionkit_field"}),
        ({"actionkit_field": "sms_opt_in"}, "opt_in_field_reserved", {"actionkit_field"}),
        ({"strive_field": "nickname"}, "already_mapped", {"strive_field"}),
        ({"actionkit_field": "nickname"}, "already_mapped", {"actionkit_field"}),
        ({"option": "sometimes"}, "invalid_value", {"option"}),
        ({"more": 1}, "invalid_value", {"more"}),
        (
            {"strive_field": "age", "actionkit_field": "skills"},
            "several_values",
            {"strive_field", "actionkit_field"},
        ),
    ],
)
def test_what_cannot_be_mapped_is_named(
    desk: Desk, changed: dict[str, Any], code: str, fields: set[str]
) -> None:
    desk.ready()
    nickname = {"strive_field": "nickname", "actionkit_field": "nickname", "option": "two_way"}
    desk.call("POST /fields", nickname)
    before = desk.everything()
    answer = desk.call("POST /fields", {**BODY, **changed})
    assert (answer.status, answer.code, answer.fields) == (422, code, fields)
    assert desk.everything() == before


def test_a_core_and_a_custom_field_may_have_the_same_name(desk: Desk) -> None:
    """Two name spaces, kept apart."""
    desk.ready()
    desk.actionkit.define_userfield("city")
    desk.strive.add_custom_field(desk.campaign.campaign_id, "email", "Other email", "text")
    body = {"strive_field": "email", "actionkit_field": "city", "option": "two_way"}
    assert desk.call("POST /fields", body).status == 201


def test_available_says_why_not(desk: Desk) -> None:
    desk.ready()
    desk.call("POST /fields", BODY)
    shown = desk.call("GET /fields/available").body
    usable = {one["name"]: one["usable"] for one in shown["strive_fields"]}
    assert usable == {"colour": False, "nickname": True, "age": False}
    (age,) = [one for one in shown["strive_fields"] if one["name"] == "age"]
    assert (age["label"], age["type"]) == ("Age", "number")
    usable = {one["name"]: one["usable"] for one in shown["userfields"]}
    assert usable == {"colour": False, "nickname": True, "skills": False, "sms_opt_in": False}
    for one in shown["strive_fields"] + shown["userfields"]:
        assert one["usable"] is (one["why_not"] is None)
