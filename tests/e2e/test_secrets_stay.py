"""Credentials, phones and emails are where they must be and nowhere else (C3, O1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import CANARY_NAME
from tests.e2e.joined import Joined
from tests.simulation.world import PASSWORD


@pytest.fixture(scope="module")
def credentials(at_rest: Joined) -> set[str]:
    return {PASSWORD, at_rest.told.api_key}


@pytest.fixture(scope="module")
def people(at_rest: Joined) -> set[str]:
    """Phones, emails and a name, as they may be written."""
    users, members = at_rest.before
    found = {number.removeprefix("+") for number in members}
    found |= {one.number.removeprefix("+") for one in at_rest.expected().values() if one.number}
    found |= {user["email"] for user in users.values()}
    found |= {member["email"] for member in members.values() if member["email"]}
    typed = {row["phone"].strip() for user in users.values() for row in user["phones"]}
    found |= {one for one in typed if len(one) >= 10 and "555" in one}
    return {*found, CANARY_NAME}


def _found(canaries: set[str], texts: list[str]) -> set[str]:
    whole = "\n".join(texts).lower()
    return {one for one in canaries if one.lower() in whole}


def test_the_canaries_sing_where_they_live(
    at_rest: Joined, credentials: set[str], people: set[str]
) -> None:
    """The search finds what is there: values in the users table, credentials in their secret."""
    users = [json.dumps(one, ensure_ascii=False) for one in at_rest.deployment.scan("UsersTable")]
    assert CANARY_NAME in _found(people, users)
    assert len(_found(people, users)) > 500
    name = at_rest.account().connection
    assert name is not None
    secret = at_rest.deployment.secretsmanager.get_secret_value(SecretId=name.secret)
    assert _found(credentials, [secret["SecretString"]]) == credentials


def test_no_log_line_has_any(at_rest: Joined, credentials: set[str], people: set[str]) -> None:
    """Nor what the local AWS itself wrote, which has the output of every function; people search
    by phone and by email, and no access log may keep that."""
    number = next(one.number for one in at_rest.expected().values() if one.number)
    email = at_rest.before[0][min(at_rest.before[0])]["email"]
    for query in (number.removeprefix("+"), email):
        assert at_rest.api.must("GET", f"/users?q={query}")["items"]
    lines = at_rest.deployment.log_lines()
    assert len(lines) > 100
    assert _found(credentials | people, lines) == set()
    assert _found(credentials | people, [at_rest.deployment.emulator_output()]) == set()


def test_no_message_has_any(at_rest: Joined, credentials: set[str], people: set[str]) -> None:
    """Messages carry ids."""
    sent = at_rest.deployment.tap.sent()
    assert len(sent) >= len(at_rest.told.people) // 50
    assert _found(credentials | people, sent) == set()
    assert _found(credentials | people, at_rest.deployment.dead_letters()) == set()


@pytest.mark.parametrize("machine", ["InitialSyncStateMachineArn", "ScheduledSyncStateMachineArn"])
def test_no_execution_has_any(
    at_rest: Joined, credentials: set[str], people: set[str], machine: str
) -> None:
    """Names, inputs, outputs and every event of the history."""
    at_rest.deployment.tick(at_rest.account_id)
    executions = at_rest.deployment.executions(machine)
    assert executions
    texts = [json.dumps(one, default=str) for one in executions]
    for one in executions:
        texts += [
            json.dumps(event, default=str)
            for event in at_rest.deployment.execution_history(one["executionArn"])
        ]
    assert _found(credentials | people, texts) == set()


@pytest.mark.parametrize("table", ["SettingsTable", "GroupsTable"])
def test_the_other_tables_have_neither(
    at_rest: Joined, credentials: set[str], people: set[str], table: str
) -> None:
    items = [json.dumps(one, ensure_ascii=False) for one in at_rest.deployment.scan(table)]
    assert items
    assert _found(credentials | people, items) == set()


def test_credentials_are_in_their_secret_alone(at_rest: Joined, credentials: set[str]) -> None:
    """Not in the users table, and in no answer of the API."""
    users = [json.dumps(one, ensure_ascii=False) for one in at_rest.deployment.scan("UsersTable")]
    assert _found(credentials, users) == set()
    answers: list[Any] = [
        at_rest.api.must("GET", path)
        for path in ("/connection", "/settings", "/audit", "/activation", "/runs", "/fields")
    ]
    assert _found(credentials, [json.dumps(one) for one in answers]) == set()
