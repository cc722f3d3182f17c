"""What is refused, each with its own code, and nothing stored (C1, C2, C4)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from local.stack import free_ports
from local.twins.people import populate
from tests.e2e.deployment import Deployment
from tests.e2e.joined import Joined, join_story
from tests.e2e.twins import Twins
from tests.simulation.story import draw

Change = Callable[[Joined], dict[str, Any]]


def _nobody(_: Joined) -> dict[str, Any]:
    return {"hostname": f"http://127.0.0.1:{free_ports([0])[0]}"}


def _no_actionkit(one: Joined) -> dict[str, Any]:
    """A server that is there and is no ActionKit."""
    return {"hostname": one.deployment.issuer}


def _missing_permission(one: Joined) -> dict[str, Any]:
    with one.twins.held():
        one.twins.actionkit.switch(forbidden=["userfield"])
    return {}


def _others_campaign(one: Joined) -> dict[str, Any]:
    """A campaign that is there, for which the key is not good."""
    with one.twins.held():
        return {"strive_campaign_id": one.strive.add_campaign("Elsewhere").campaign_id}


REFUSED: dict[str, tuple[Change, str, int]] = {
    "wrong hostname": (_no_actionkit, "actionkit_wrong_host", 422),
    "nobody answers": (_nobody, "actionkit_unreachable", 503),
    "wrong password": (lambda _: {"password": "wrong"}, "actionkit_credentials", 422),
    "wrong user": (lambda _: {"username": "nobody"}, "actionkit_credentials", 422),
    "missing permission": (_missing_permission, "actionkit_permission", 422),
    "bad key": (lambda _: {"strive_api_key": "strive_bad"}, "strive_credentials", 422),
    "another's campaign": (_others_campaign, "strive_campaign", 422),
    "private address": (lambda _: {"hostname": "10.0.0.1"}, "hostname_refused", 422),
    "metadata address": (
        lambda _: {"hostname": "https://169.254.169.254"},
        "hostname_refused",
        422,
    ),
    "name of a private address": (lambda _: {"hostname": "localhost"}, "hostname_refused", 422),
    "plain http": (lambda _: {"hostname": "http://act.example.org"}, "hostname_refused", 422),
    "a path": (lambda _: {"hostname": "https://act.example.org/rest"}, "hostname_refused", 422),
    "another port": (
        lambda _: {"hostname": "https://act.example.org:8443"},
        "hostname_refused",
        422,
    ),
    "with a password": (
        lambda _: {"hostname": "https://a:b@act.example.org"},
        "hostname_refused",
        422,
    ),
}


@pytest.fixture(scope="module")
def stranger(deployment: Deployment) -> Joined:
    """An account that was never connected."""
    return join_story(deployment, draw(1, people=3))


@pytest.fixture
def permitted(stranger: Joined) -> Joined:
    with stranger.twins.held():
        stranger.twins.actionkit.switch(forbidden=[])
    return stranger


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_connection_stores_nothing(permitted: Joined, what: str) -> None:
    change, code, status = REFUSED[what]
    changes = change(permitted)
    before = _stored(permitted)
    assert before == ([], [])
    answer = permitted.api.call("PUT", "/connection", permitted.connection(**changes))
    assert (answer[0], answer[1]["error"]["code"]) == (status, code)
    assert answer[1]["error"]["message"]
    assert permitted.twins.password not in json.dumps(answer[1])
    assert permitted.told.api_key not in json.dumps(answer[1])
    assert _stored(permitted) == before
    assert permitted.api.call("GET", "/connection")[0] == 404


def test_a_refused_connection_leaves_an_earlier_one(deployment: Deployment) -> None:
    one = join_story(deployment, draw(2, people=3))
    one.set_up()
    before, shown = _stored(one), one.api.must("GET", "/connection")
    assert before[0]
    assert before[1]
    for what in ("wrong password", "bad key", "nobody answers"):
        change, code, status = REFUSED[what]
        answer = one.api.call("PUT", "/connection", one.connection(**change(one)))
        assert (answer[0], answer[1]["error"]["code"]) == (status, code)
    assert _stored(one) == before
    assert one.api.must("GET", "/connection") == shown


def test_a_campaign_of_another_account_is_refused(begun: Joined, permitted: Joined) -> None:
    before = _stored(permitted)
    body = permitted.connection(
        strive_api_key=begun.told.api_key, strive_campaign_id=begun.campaign_id
    )
    status, answer = permitted.api.call("PUT", "/connection", body)
    assert (status, answer["error"]["code"]) == (409, "campaign_in_use")
    assert _stored(permitted) == before == ([], [])


def test_another_campaign_is_refused_once_there_are_links(whole_list: Joined) -> None:
    with whole_list.twins.held():
        other = whole_list.strive.add_campaign("Another")
    body = whole_list.connection(strive_api_key=other.api_key, strive_campaign_id=other.campaign_id)
    _refused_as_different(whole_list, body)


def test_another_actionkit_is_refused_once_there_are_links(
    deployment: Deployment, whole_list: Joined
) -> None:
    """Told by whom its ids belong to: it is there, the credentials are good, and the people are
    others."""
    others = Twins(deployment.board, "others", whole_list.twins.password)
    deployment.on_close(others.close)
    others.clock.arrive()
    populate(others.actionkit, others.strive, 1000, random.Random(99), others.clock())
    _refused_as_different(whole_list, whole_list.connection(hostname=others.actionkit_url))


def _refused_as_different(one: Joined, body: dict[str, Any]) -> None:
    shown, connection = one.api.must("GET", "/connection"), one.account().connection
    secrets = _stored(one)[1]
    status, answer = one.api.call("PUT", "/connection", body)
    assert (status, answer["error"]["code"]) == (409, "different_system")
    assert one.api.must("GET", "/connection") == shown
    assert one.account().connection == connection
    assert _stored(one)[1] == secrets
    assert one.progress()["phase"] == "syncing"


def _stored(one: Joined) -> tuple[list[str], list[str]]:
    """Every item of the tables and every secret that has to do with the account. What belongs to
    several accounts is in partitions of the settings whose names begin with a dash."""
    words = (f'"{one.account_id}"', f'"{one.twins.actionkit_url}/')
    items = []
    for table in ("SettingsTable", "UsersTable", "GroupsTable"):
        for item in one.deployment.scan(table):
            text, partition = json.dumps(item, sort_keys=True), item["account_id"]["S"]
            shared = partition.startswith("-") and any(word in text for word in words)
            claim = partition == "-campaigns" and item["item"]["S"] == str(one.campaign_id)
            if partition == one.account_id or shared or claim:
                items.append(text)
    names = [n for n in one.deployment.secrets() if n.startswith(f"instep/{one.account_id}/")]
    return sorted(items), names
