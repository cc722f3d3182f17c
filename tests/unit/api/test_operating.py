"""Runs, audit, description, errors (A4, O1, O6)."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import instep
from instep.api.errors import ErrorCode, answer_of, status_of
from instep.api.people_routes import console_url
from instep.domain.account import Phase
from instep.domain.automations import Outcome
from instep.domain.holds import HoldKind
from instep.domain.newcomers import NewcomerReason, NewcomerStatus
from instep.domain.people import Side
from instep.domain.record import Status, Warning  # noqa: A004
from instep.domain.rules import SourceKind
from instep.use_cases.errors import (
    AccountStopped,
    Busy,
    NotAdmitted,
    Rejected,
    Unauthorised,
    Unavailable,
)
from instep.use_cases.initial_sync import start_initial_sync
from instep.use_cases.ports import Item
from instep.use_cases.runs import Run, store_run
from tests.unit.api.desk import NOW, PASSWORD, Desk

# --- runs and progress ---


def test_runs_newest_first_and_one_by_one(desk: Desk) -> None:
    desk.connect()
    for day in range(3):
        at = NOW + timedelta(days=day)
        run = Run(
            f"{at:%Y%m%dT%H%M%SZ}-initial-x{day}",
            "initial_sync",
            state="succeeded",
            started=at,
            ended=at + timedelta(hours=1),
            execution=f"arn:aws:states:us-east-1:000000000000:execution:initial-sync:run{day}",
            total=5,
            scanned=5,
            by_status={Status.SYNCED.value: 4, Status.FAILED.value: 1},
        )
        store_run(desk.world, "demo", run)
    runs = desk.all("/runs", 2)
    assert [one["id"][:8] for one in runs] == ["20260506", "20260505", "20260504"]
    assert runs[-1] == {
        "id": "20260504T120000Z-initial-x0",
        "kind": "initial_sync",
        "state": "succeeded",
        "started": "2026-05-04T12:00:00Z",
        "ended": "2026-05-04T13:00:00Z",
        "counts": {"total": 5, "scanned": 5, "synced": 4, "failed": 1},
        "console_url": (
            "https://us-east-1.console.aws.amazon.com/states/home?region=us-east-1#/v2/executions"
            "/details/arn:aws:states:us-east-1:000000000000:execution:initial-sync:run0"
        ),
    }
    assert desk.call(f"GET /runs/{runs[0]['id']}").body == runs[0]
    assert desk.call("GET /runs", limit=3).body["next_cursor"] is None
    assert desk.call("GET /runs/no-such-run").code == "no_run"


def test_a_backfill_counts_who_is_yet_to_be_queued(desk: Desk) -> None:
    desk.connect()
    for number, (total, expected) in enumerate([(3, 8), (9, 8)]):
        run = Run(f"r{number}", "backfill", started=NOW, total=total, expected=expected)
        store_run(desk.world, "demo", run)
    assert [one["counts"]["total"] for one in desk.all("/runs")] == [9, 8]


@pytest.mark.parametrize(
    ("partition", "host"),
    [
        ("aws-us-gov", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("aws-cn", "us-gov-west-1.console.amazonaws.cn"),
    ],
)
def test_the_console_of_each_partition(partition: str, host: str) -> None:
    url = console_url(f"arn:{partition}:states:us-gov-west-1:1:execution:m:n")
    assert url is not None
    assert url.startswith(f"https://{host}/")
    assert console_url("") is None


def test_progress_adds_up(desk: Desk) -> None:
    desk.switch_on()
    run_id = desk.account().initial_sync_run
    run = Run(
        run_id, "initial_sync", version=0, total=10, scanned=4, by_status={"synced": 3, "failed": 1}
    )
    desk.users.delete("demo", f"run/{run_id}")
    store_run(desk.world, "demo", run)
    progress = desk.call("GET /activation").body["progress"]
    assert (progress["total"], progress["scanned"], progress["synced"]) == (10, 4, 3)
    assert progress["by_status"] == {"synced": 3, "failed": 1, "pending": 6}


# --- audit ---


def test_audit_is_paged_newest_first(desk: Desk) -> None:
    desk.connect()
    for rate in range(1, 6):
        desk.call("PATCH /settings", {"records_per_minute": rate})
    entries = desk.all("/audit", 2)
    assert [one["what"] for one in entries] == ["settings"] * 5 + ["connection"]
    assert entries[0]["new"] == {"records_per_minute": 5}
    assert entries[0]["old"] == {"records_per_minute": 4}
    times = [one["at"] for one in entries]
    assert times == sorted(times, reverse=True)
    assert all(time.endswith("Z") for time in times)


# --- the description ---


def description(desk: Desk) -> Any:
    return desk.raw("GET", "/openapi.json").body


def test_the_description_names_every_call_and_every_code(desk: Desk) -> None:
    spec = description(desk)
    assert spec["openapi"].startswith("3.")
    calls = {
        f"{method.upper()} {path}" for path, methods in spec["paths"].items() for method in methods
    }
    account = "/api/accounts/{account_id}"
    wanted = """
        PUT /connection|GET /connection|GET /settings|PATCH /settings|GET /settings/opt-in-values
        POST /settings/webhook-token|PUT /activation|GET /activation|DELETE /activation
        POST /activation/pause|POST /activation/resume|GET /fields|POST /fields
        PATCH /fields/{field_id}|DELETE /fields/{field_id}|GET /fields/available|GET /users
        GET /users/{user_id}|POST /users/{user_id}/sync|GET /users/{user_id}/history
        GET /users/{user_id}/consent|GET /runs|GET /runs/{run_id}|GET /audit
        DELETE /connection|DELETE /people/{user_id}|GET /members|GET /conflicts|GET /holds
        POST /holds/{hold_id}/release|DELETE /holds/{hold_id}|GET /pages|PUT /pages/{page_id}/sync
        DELETE /pages/{page_id}/sync|GET /actions|GET /actionfields|GET /usergroups
        PUT /usergroups/{usergroup_id}/sync|DELETE /usergroups/{usergroup_id}/sync
        GET /actionfield-groups|POST /actionfield-groups|DELETE /actionfield-groups/{group_id}
        GET /groups|DELETE /groups/{group}|GET /automations|POST /automations
        PATCH /automations/{rule_id}|DELETE /automations/{rule_id}
        GET /automations/{rule_id}/runs"""
    named = {one.strip().replace(" ", f" {account}", 1) for one in re.split(r"[|\n]", wanted)} - {
        ""
    }
    webhook = "/webhooks/actionkit/{account_id}/{token}"
    assert calls == {*named, "GET /health", f"POST {webhook}"}
    assert spec["paths"][webhook]["post"]["responses"].keys() == {"200", "404", "413"}
    assert spec["paths"][webhook]["post"]["security"] == []
    (codes,) = [
        one["enum"] for name, one in spec["components"]["schemas"].items() if name == "ErrorCode"
    ]
    assert set(codes) == set(ErrorCode)
    closed = {
        "NewcomerStatus": set(NewcomerStatus),
        "NewcomerReason": set(NewcomerReason),
        "Side": set(Side),
        "Status": set(Status),
        "Warning": set(Warning),
        "Outcome": set(Outcome),
        "SourceKind": set(SourceKind),
    }
    for name, values in closed.items():
        assert set(spec["components"]["schemas"][name]["enum"]) == values
    hold = spec["components"]["schemas"]["HoldShown"]["properties"]
    kinds = {*HoldKind, "group_backfill"}
    assert set(hold["kind"]["enum"]) == kinds
    assert hold["direction"]["enum"] == ["to_actionkit", "to_strive"]
    for path, methods in spec["paths"].items():
        for call in methods.values():
            assert call["summary"]
            described = {"403", "404", "409", "422", "429", "503"} <= set(call["responses"])
            assert described is path.startswith("/api/")


def test_every_reference_of_the_description_leads_somewhere(desk: Desk) -> None:
    spec = description(desk)
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(spec))):
        assert name in spec["components"]["schemas"]


def codes_in_use() -> set[str]:
    """Every code that is written anywhere in the package where errors are made."""
    found = set()
    makers = {"StateError": 0, "NotFoundError": 0, "ConfigurationError": 0, "Problem": 1}
    for path in Path(instep.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", None)
            if isinstance(node, ast.Call) and name in makers:
                code = node.args[makers[name]]
                if isinstance(code, ast.Constant):
                    found.add(str(code.value))
    return found


def test_every_code_in_use_is_of_the_closed_list() -> None:
    assert {"campaign_in_use", "actionkit_wrong_host", "no_run"} <= codes_in_use()
    assert codes_in_use() <= set(ErrorCode)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AccountStopped(), 409),
        (Unauthorised(Side.STRIVE, 401), 409),
        (NotAdmitted(2.0), 429),
        (Busy(Side.ACTIONKIT, 429, 5), 503),
        (Unavailable(Side.STRIVE, "cut", may_have_happened=True), 503),
        (Rejected(Side.ACTIONKIT, ["zip"], 400), 503),
    ],
)
def test_errors_of_the_sides_show_no_details(error: Any, status: int) -> None:
    assert status_of(error) == status
    assert answer_of(error).error.details is None


@pytest.mark.parametrize("call", ["GET /fields/available", "POST /fields", "PUT /activation"])
def test_a_side_that_does_not_answer_is_503(
    desk: Desk, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ready()
    monkeypatch.setattr(desk.transport, "_twins", {})
    bodies = {
        "POST /fields": {"strive_field": "a", "actionkit_field": "b", "option": "two_way"},
        "PUT /activation": {"confirm_no_new_member_automation": True},
    }
    answer = desk.call(call, bodies.get(call))
    assert answer.status == 503
    assert answer.code in ("actionkit_unreachable", "strive_unreachable")
    assert desk.account().phase is Phase.OFF


# --- answers that are lost ---


class Forgetful:
    """A settings table whose writes are done, but say so only the second time."""

    def __init__(self, desk: Desk) -> None:
        self._put = desk.settings.put
        self.on = True

    def put(self, value: Item, expect: Mapping[str, Any] | None = None) -> bool:
        done = self._put(value, expect)
        if expect is not None and self.on and value["item"] == "account":
            self.on = False
            return False
        return done


CALLS: list[tuple[str, Any]] = [
    ("PATCH /settings", {"create_users": True}),
    ("POST /settings/webhook-token", None),
    ("POST /fields", {"strive_field": "colour", "actionkit_field": "colour", "option": "two_way"}),
    ("PATCH /fields/core-city", {"option": "two_way"}),
    ("PUT /activation", {"confirm_no_new_member_automation": True}),
    ("DELETE /activation", None),
]


@pytest.mark.parametrize(("call", "body"), CALLS)
def test_a_change_whose_answer_is_lost_is_made_once(
    desk: Desk, call: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.ready()
    monkeypatch.setattr(desk.settings, "put", Forgetful(desk).put)
    audited = len(desk.all("/audit"))
    assert desk.call(call, body).status in (200, 201, 202)
    assert len(desk.all("/audit")) == audited + 1
    if call == "PUT /activation":
        assert len(desk.machines.executions) == 1
    if call == "POST /fields":
        assert len(desk.all("/fields")) == 9


def test_a_connection_whose_answer_is_lost_leaves_one_secret(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in ("first", "again"):
        monkeypatch.setattr(desk.settings, "put", Forgetful(desk).put)
        desk.connect()
        monkeypatch.undo()
        monkeypatch.setattr(desk.settings, "put", type(desk.settings).put.__get__(desk.settings))
        (secret,) = desk.secrets.names()
        connection = desk.account().connection
        assert connection is not None
        assert connection.secret == secret


def test_no_credentials_in_a_representation(desk: Desk) -> None:
    from instep.api.models import ConnectionGiven
    from instep.use_cases.connect import Credentials

    given = ConnectionGiven(**desk.credentials())
    for shown in (repr(given), str(given), repr(Credentials(**given.model_dump()))):
        assert PASSWORD not in shown
        assert desk.campaign.api_key not in shown


def test_going_on_is_what_resuming_does(desk: Desk) -> None:
    """The use case that others provide, as it is called here."""
    desk.switch_on()
    account = replace(desk.account())
    assert start_initial_sync(desk.world, account) == account.initial_sync_run


def test_answers_about_people_are_not_kept(desk: Desk) -> None:
    desk.connect()
    assert desk.call("GET /users").headers["Cache-Control"] == "no-store"
    assert desk.call("GET /users/1").headers["Cache-Control"] == "no-store"
