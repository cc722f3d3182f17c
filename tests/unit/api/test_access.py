"""Who may do what, and in which order a call is refused (O5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from instep.api.access import Role, roles_of
from tests.unit.api.desk import Desk

EDITOR, VIEWER = Role.EDITOR, Role.VIEWER


@pytest.mark.parametrize(
    ("claim", "roles"),
    [
        (["demo:editor", "look:viewer"], {"demo": EDITOR, "look": VIEWER}),
        ('["demo:editor", "look:viewer"]', {"demo": EDITOR, "look": VIEWER}),
        ("demo:editor,look:viewer", {"demo": EDITOR, "look": VIEWER}),
        ("demo:editor, look:viewer", {"demo": EDITOR, "look": VIEWER}),
        ("[demo:editor look:viewer]", {"demo": EDITOR, "look": VIEWER}),
        ("demo:viewer demo:editor", {"demo": EDITOR}),
        ("demo:editor demo:viewer", {"demo": EDITOR}),
        ("demo", {}),
        ("demo:", {}),
        ("demo:owner", {}),
        ("Demo:editor", {}),
        ("*:editor", {}),
        (f"{'a' * 41}:editor", {}),
        ("[", {}),
        ('["demo:editor"', {}),
        ("", {}),
        (None, {}),
        (7, {}),
        ([["demo:editor"]], {}),
    ],
)
def test_every_form_of_the_claim(claim: object, roles: dict[str, Role]) -> None:
    assert roles_of(claim) == roles


@pytest.mark.parametrize("accounts", ["", "other:editor", "demo-1:editor", "dem:editor", None])
@pytest.mark.parametrize("call", ["GET /settings", "PUT /connection", "GET /no-such-call"])
def test_another_account_is_403_whatever_the_call(
    desk: Desk, accounts: str | None, call: str
) -> None:
    answer = desk.call(call, {}, accounts=accounts)
    assert (answer.status, answer.code) == (403, "forbidden")


@pytest.mark.parametrize("account", ["Demo", "d" * 41, "-accounts%2F", "demo%20", "-accounts"])
def test_an_account_that_cannot_exist_is_403(desk: Desk, account: str) -> None:
    answer = desk.call("GET /settings", account=account, accounts="-accounts:editor demo:editor")
    assert answer.status == 403


def test_a_viewer_reads_and_writes_nothing(desk: Desk) -> None:
    desk.connect()
    viewer: dict[str, Any] = {"accounts": "demo:viewer"}
    assert desk.call("GET /settings", **viewer).status == 200
    for call in (
        *("PUT /connection", "PATCH /settings", "POST /settings/webhook-token"),
        *("PUT /activation", "DELETE /activation", "POST /activation/pause"),
        *("POST /fields", "PATCH /fields/core-city", "DELETE /fields/core-city"),
        *("POST /users/1/sync", "DELETE /people/1", "DELETE /connection"),
        *("POST /holds/1/release", "DELETE /holds/1"),
        *("PUT /pages/1/sync", "DELETE /pages/1/sync", "PUT /usergroups/1/sync"),
        *("DELETE /usergroups/1/sync", "POST /actionfield-groups", "DELETE /actionfield-groups/1"),
        *("DELETE /groups/1", "POST /automations", "PATCH /automations/1"),
        "DELETE /automations/1",
    ):
        assert desk.call(call, {"nonsense": 1}, **viewer).status == 403, call


CALLS = [
    *("GET /connection", "GET /settings", "PATCH /settings", "GET /settings/opt-in-values"),
    *("POST /settings/webhook-token", "GET /activation", "PUT /activation", "DELETE /activation"),
    *("POST /activation/pause", "POST /activation/resume", "GET /fields", "POST /fields"),
    *("PATCH /fields/core-city", "DELETE /fields/core-city", "GET /fields/available"),
    *("GET /users", "GET /users/1", "POST /users/1/sync", "GET /users/1/history"),
    *("GET /users/1/consent", "GET /runs", "GET /runs/1", "GET /audit", "GET /pages"),
    *("DELETE /connection", "DELETE /people/1", "GET /members", "GET /conflicts", "GET /holds"),
    *("POST /holds/1/release", "DELETE /holds/1"),
    *("PUT /pages/1/sync", "DELETE /pages/1/sync", "GET /actions", "GET /actionfields"),
    *("GET /usergroups", "PUT /usergroups/1/sync", "DELETE /usergroups/1/sync"),
    *("GET /actionfield-groups", "POST /actionfield-groups", "DELETE /actionfield-groups/1"),
    *("GET /groups", "DELETE /groups/1", "GET /automations", "POST /automations"),
    *("PATCH /automations/1", "DELETE /automations/1", "GET /automations/1/runs"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("body", [None, {}, {"nonsense": True}])
def test_before_the_first_connection_every_call_is_404(desk: Desk, call: str, body: Any) -> None:
    """Also where the input is wrong."""
    answer = desk.call(call, body, limit=0)
    assert answer.status == 404
    assert desk.settings.everything() == desk.users.everything() == desk.groups.everything() == []


def test_one_account_never_shows_anothers(desk: Desk) -> None:
    desk.connect()
    assert desk.call("GET /settings", account="other").status == 404
    desk.call("PUT /connection", desk.others_credentials(), account="other")
    mine, others = (
        desk.call("GET /settings", account=name).body["webhook_url"] for name in ("demo", "other")
    )
    assert mine != others


def test_health_and_description_need_no_token(desk: Desk) -> None:
    assert desk.raw("GET", "/health").body == {"status": "ok"}
    assert desk.raw("GET", "/openapi.json").status == 200


def test_an_unknown_path_is_404(desk: Desk) -> None:
    assert desk.raw("GET", "/no-such-path").code == "no_route"
    desk.connect()
    assert desk.call("GET /no-such-call").code == "no_route"
    assert desk.call("POST /connection", {}).code == "no_route"


def test_what_is_no_json_is_422(desk: Desk) -> None:
    accounts = "demo:editor"
    path = "/api/accounts/demo/connection"
    for body in ("{", "[]", "7", "null", ""):
        answer = desk.raw("PUT", path, body, accounts)
        assert answer.status == 422, body


def test_a_fault_of_ours_is_500_without_its_text(desk: Desk, monkeypatch: Any) -> None:
    desk.connect()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret text with +13125550100")

    monkeypatch.setattr(desk.settings, "get", broken)
    event = {
        "version": "2.0",
        "rawPath": "/api/accounts/demo/settings",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "http": {"method": "GET", "path": "/api/accounts/demo/settings"},
            "stage": "$default",
            "authorizer": {"jwt": {"claims": {"accounts": "demo:editor"}}},
        },
    }
    answer = desk.api.resolve(event, None)  # type: ignore[arg-type]
    assert answer["statusCode"] == 500
    assert json.loads(answer["body"])["error"]["code"] == "internal_error"
    assert "secret text" not in answer["body"] + repr(desk.watch.alarms)
    assert desk.watch.alarms[0].details["error"] == "RuntimeError"
