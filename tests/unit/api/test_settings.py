"""A1, F10, F12."""

from __future__ import annotations

from typing import Any

import pytest

from instep.domain.account import Phase
from tests.unit.api.desk import API_URL, Desk

ALL: dict[str, Any] = {
    "phone_types": ["home", "mobile"],
    "phone_fallback": True,
    "create_users": True,
    "default_region": "GB",
    "records_per_minute": 2000,
    "resubscribe_from_actionkit": "own_action",
}


def test_defaults(desk: Desk) -> None:
    desk.connect()
    settings = desk.call("GET /settings").body
    url = settings.pop("webhook_url")
    assert url.startswith(f"{API_URL}/webhooks/actionkit/demo/")
    assert len(url.rpartition("/")[2]) >= 32
    assert settings == {
        "opt_in_userfield": None,
        "phone_types": [],
        "phone_fallback": False,
        "create_users": False,
        "default_region": "US",
        "records_per_minute": 1000,
        "resubscribe_from_actionkit": "never",
    }


def test_every_setting_can_be_changed_and_the_others_stay(desk: Desk) -> None:
    desk.connect()
    before = desk.call("GET /settings").body
    answer = desk.call("PATCH /settings", ALL)
    assert (answer.status, answer.body) == (200, {**before, **ALL})
    for name in ALL:
        desk.call("PATCH /settings", {name: before[name]})
    assert desk.call("GET /settings").body == before


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("no_such_setting", 1),
        ("webhook_url", "https://example.org"),
        ("records_per_minute", 0),
        ("records_per_minute", 2001),
        ("records_per_minute", "fast"),
        ("records_per_minute", 10.0),
        ("records_per_minute", True),
        ("resubscribe_from_actionkit", "always"),
        ("phone_types", "mobile"),
        ("phone_types", [""]),
        ("phone_types", [" "]),
        ("phone_types", ["home", "home"]),
        ("phone_types", [1]),
        ("phone_fallback", "yes"),
        ("create_users", 1),
        ("default_region", "Narnia"),
        ("default_region", "gb"),
        ("default_region", None),
        ("opt_in_userfield", ""),
        ("opt_in_userfield", "no_such_field"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_changes(desk: Desk, name: str, wrong: object) -> None:
    desk.connect()
    before = desk.everything()
    answer = desk.call("PATCH /settings", {"create_users": True, name: wrong})
    assert (answer.status, answer.fields) == (422, {name})
    assert desk.everything() == before


def test_every_wrong_value_is_named(desk: Desk) -> None:
    desk.connect()
    answer = desk.call("PATCH /settings", {"records_per_minute": 0, "default_region": "XX"})
    assert answer.fields == {"records_per_minute", "default_region"}


def test_the_opt_in_userfield_changes_only_while_off(desk: Desk) -> None:
    desk.switch_on()
    same = desk.call("PATCH /settings", {"opt_in_userfield": "sms_opt_in"})
    assert same.status == 200
    for _ in ("on", "paused"):
        answer = desk.call("PATCH /settings", {"opt_in_userfield": "colour", "create_users": True})
        assert (answer.status, answer.code) == (409, "turn_off_first")
        desk.call("POST /activation/pause")
    assert not desk.call("GET /settings").body["create_users"]


def test_a_mapped_userfield_cannot_be_the_opt_in_userfield(desk: Desk) -> None:
    desk.connect()
    body = {"strive_field": "colour", "actionkit_field": "colour", "option": "two_way"}
    desk.call("POST /fields", body)
    answer = desk.call("PATCH /settings", {"opt_in_userfield": "colour"})
    assert (answer.status, answer.code) == (422, "opt_in_field_reserved")
    assert answer.fields == {"opt_in_userfield"}


def test_another_opt_in_userfield_lets_everyone_be_looked_at_again(desk: Desk) -> None:
    desk.ready()
    desk.change(initial_sync_done=True, initial_sync_run="a-run")
    desk.call("PATCH /settings", {"opt_in_userfield": "colour"})
    assert (desk.account().initial_sync_done, desk.account().initial_sync_run) == (False, "")


def test_the_pace_takes_the_new_limit_at_once(desk: Desk) -> None:
    desk.switch_on()
    desk.call("PATCH /settings", {"records_per_minute": 77})
    pace = desk.users.get("demo", "pace")
    assert pace is not None
    assert (pace["limit"], pace["active"], pace["epoch"]) == (77, True, desk.account().epoch)
    desk.call("POST /activation/pause")
    desk.call("PATCH /settings", {"records_per_minute": 78})
    pace = desk.users.get("demo", "pace")
    assert pace is not None
    assert (pace["limit"], pace["active"]) == (78, True)


def test_the_time_of_a_changed_resubscribe_rule_is_kept(desk: Desk) -> None:
    desk.connect()
    desk.call("PATCH /settings", {"resubscribe_from_actionkit": "never"})
    assert desk.account().settings.resubscribe_changed_at is None
    now = desk.clock.now()
    desk.call("PATCH /settings", {"resubscribe_from_actionkit": "any"})
    assert desk.account().settings.resubscribe_changed_at == now


def test_a_new_webhook_address(desk: Desk) -> None:
    desk.connect()
    old = desk.call("GET /settings").body["webhook_url"]
    answer = desk.call("POST /settings/webhook-token")
    assert (answer.status, answer.body["webhook_url"] != old) == (201, True)
    assert desk.call("GET /settings").body["webhook_url"] == answer.body["webhook_url"]
    token = answer.body["webhook_url"].rpartition("/")[2]
    assert token not in str(desk.all("/audit"))


def test_only_what_really_changed_is_audited(desk: Desk) -> None:
    desk.connect()
    desk.call("PATCH /settings", {"create_users": True, "default_region": "US"})
    desk.call("PATCH /settings", {"create_users": True})
    settings = [one for one in desk.all("/audit") if one["what"] == "settings"]
    assert [(one["old"], one["new"]) for one in settings] == [
        ({"create_users": False}, {"create_users": True})
    ]


# --- opt-in values ---


def test_each_spelling_with_how_it_is_read(desk: Desk) -> None:
    desk.ready()
    for number, value in enumerate([" Yes", "TBD", "TBD", "opt-out", ""]):
        user_id = desk.actionkit.add_user(f"user{number}@example.org")
        desk.actionkit.set_field(user_id, "sms_opt_in", value)
    answer = desk.call("GET /settings/opt-in-values")
    assert answer.status == 200
    assert sorted(answer.body["items"], key=lambda one: one["value"]) == [
        {"value": " Yes", "users": 1, "read_as": "true"},
        {"value": "TBD", "users": 2, "read_as": "unrecognised"},
        {"value": "opt-out", "users": 1, "read_as": "false"},
    ]


def test_opt_in_values_need_a_userfield_and_a_connection(desk: Desk) -> None:
    desk.connect()
    answer = desk.call("GET /settings/opt-in-values")
    assert (answer.status, answer.code) == (409, "not_ready")
    desk.call("PATCH /settings", {"opt_in_userfield": "sms_opt_in"})
    desk.call("DELETE /activation")
    assert desk.call("GET /settings/opt-in-values").code == "not_connected"
    assert desk.call("GET /fields/available").code == "not_connected"


def test_refused_credentials_stop_an_account_at_the_first_answer(desk: Desk) -> None:
    """A5: and nobody asks a second time."""
    desk.switch_on()
    before = desk.secrets.get(desk.secrets.names()[0])
    assert before is not None
    desk.secrets.put(desk.secrets.names()[0], {**before, "password": "changed"})
    answer = desk.call("GET /settings/opt-in-values")
    assert (answer.status, answer.code) == (409, "actionkit_credentials")
    assert desk.account().phase is Phase.STOPPED_CREDENTIALS
    shown = desk.call("GET /activation").body
    assert (shown["phase"], shown["reason"]["code"]) == (
        "stopped_credentials",
        "actionkit_credentials",
    )
    desk.secrets.put(desk.secrets.names()[0], before)
    for call in (
        *("GET /settings/opt-in-values", "GET /fields/available", "PUT /activation"),
        *("POST /activation/pause", "POST /activation/resume"),
    ):
        assert desk.call(call).code == "stopped_credentials", call
