"""An initial sync that is stopped on its way goes on, and does not start over (A3 to A5).

Each story has an account of its own; all of them are told at once, since most of it is waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.deployment import Deployment, wait_for
from tests.e2e.joined import Joined, join_story
from tests.simulation.story import draw

PEOPLE = 120
RECORDS_PER_MINUTE = 600
"""Slow enough that there is a midway."""
STOPPED_WITHIN_SECONDS = 60
WORKERS_AT_ONCE = 2
"""Of the bulk lane, on the local stack."""


def _paused(one: Joined) -> None:
    """Pause keeps the credentials; refusals are asked for, but nobody who did not refuse is looked
    at or written; resume goes on."""
    _midway(one)
    one.api.must("POST", "/activation/pause")
    assert one.progress()["phase"] == "paused"
    _stopped(one)
    sides, records = one.both_sides(), one.records()
    scanned = one.progress()["progress"]["scanned"]
    one.deployment.tick(one.account_id)
    wait_for("nobody asks any more", _quiet(one), STOPPED_WITHIN_SECONDS, pause=3)
    assert one.both_sides() == sides
    assert one.records() == records
    assert one.progress()["progress"]["scanned"] == scanned
    assert one.api.must("GET", "/connection")
    one.api.must("POST", "/activation/resume")


def _off_and_on(one: Joined) -> None:
    """OFF deletes the credentials; ON with new ones goes on from what is stored."""
    _midway(one)
    run = one.account().initial_sync_run
    status, _ = one.api.call("DELETE", "/activation")
    assert status == 202
    wait_for("the connection is gone", lambda: one.api.call("GET", "/connection")[0] == 404, 60)
    prefix = f"instep/{one.account_id}/"
    assert not [name for name in one.deployment.secrets() if name.startswith(prefix)]
    _stopped(one)
    asked = _asked(one)
    one.deployment.tick(one.account_id)
    assert _asked(one) == asked
    status, answer = one.api.call("PUT", "/activation", {"confirm_no_new_member_automation": True})
    assert (status, answer["error"]["code"]) == (409, "not_ready")
    _new_password(one, "canary-password-8Zt")
    one.api.must("PUT", "/connection", one.connection())
    assert one.progress()["phase"] == "off"
    one.switch_on()
    assert one.account().initial_sync_run == run


def _execution_gone(one: Joined) -> None:
    """An execution that somebody stopped is started again by the tick, once its lease is over."""
    _midway(one)
    one.deployment.machines.stop_execution(executionArn=_run(one)["execution"])
    one.deployment.tick(one.account_id)
    assert _run(one)["attempts"] == 1
    _end_lease(one)
    one.deployment.tick(one.account_id)
    assert _run(one)["attempts"] == 2
    one.deployment.tick(one.account_id)
    assert _run(one)["attempts"] == 2


def _refused(refuse: Callable[[Joined], None], side: str) -> Callable[[Joined], None]:
    def story(one: Joined) -> None:
        """Stopped at the first answer; connecting again goes on by itself."""
        _midway(one)
        refuse(one)
        wait_for("stopped", lambda: one.progress()["phase"] == "stopped_credentials", 120)
        assert one.progress()["reason"]["code"] == f"{side}_credentials"
        for method, path in (
            ("POST", "/activation/pause"),
            ("POST", "/activation/resume"),
            ("PUT", "/activation"),
        ):
            body = {"confirm_no_new_member_automation": True} if method == "PUT" else None
            status, answer = one.api.call(method, path, body)
            assert (status, answer["error"]["code"]) == (409, "stopped_credentials")
        _stopped(one)
        refused = one.twins.actionkit.statuses["401"] + one.twins.actionkit.statuses["403"]
        one.deployment.tick(one.account_id)
        if side == "actionkit":
            # None but what was on its way when the first was refused, and none afterwards.
            assert 1 <= refused <= WORKERS_AT_ONCE
            counted = one.twins.actionkit.statuses
            assert counted["401"] + counted["403"] == refused
        _mend(one)
        one.api.must("PUT", "/connection", one.connection())

    return story


def _refuse_login(one: Joined) -> None:
    with one.twins.held():
        one.twins.actionkit._login = "staff:changed elsewhere"


def _refuse_resource(one: Joined) -> None:
    with one.twins.held():
        one.twins.actionkit.switch(
            forbidden=["report", "action", "user"], missing_permission_status=403
        )


def _refuse_key(one: Joined) -> None:
    with one.twins.held():
        one.strive._keys.pop(one.told.api_key)


def _mend(one: Joined) -> None:
    with one.twins.held():
        one.twins.actionkit.switch(forbidden=[])
        one.told = replace(one.told, api_key=one.strive.add_key([one.campaign_id]))
    _new_password(one, "canary-password-9Kd")


STORIES: dict[str, Callable[[Joined], None]] = {
    "paused": _paused,
    "off and on": _off_and_on,
    "execution gone": _execution_gone,
    "login refused": _refused(_refuse_login, "actionkit"),
    "permission withdrawn": _refused(_refuse_resource, "actionkit"),
    "key withdrawn": _refused(_refuse_key, "strive"),
}


@pytest.fixture(scope="module")
def told(deployment: Deployment) -> Iterator[dict[str, Future[list[str]]]]:
    """Every story, on its way."""
    with ThreadPoolExecutor(len(STORIES)) as pool:
        yield {
            name: pool.submit(_tell, _account(deployment, seed), story)
            for seed, (name, story) in enumerate(STORIES.items(), 21)
        }


@pytest.mark.parametrize("name", STORIES)
def test_it_goes_on_and_ends_right(told: dict[str, Future[list[str]]], name: str) -> None:
    """What was scanned stays scanned, and the end is that of a sync that nobody stopped; refused
    credentials make one alarm, not one of each worker."""
    alarms = [] if name in ("paused", "off and on", "execution gone") else ["credentials refused"]
    assert told[name].result() == alarms


def _account(deployment: Deployment, seed: int) -> Joined:
    story = draw(seed, people=PEOPLE)
    settings = {**story.settings, "records_per_minute": RECORDS_PER_MINUTE}
    return join_story(deployment, replace(story, settings=settings))


def _tell(one: Joined, story: Callable[[Joined], None]) -> list[str]:
    """What is wrong in the end, reading back aside: that takes minutes, and is the long list's."""
    one.set_up()
    one.switch_on()
    story(one)
    one.until_synced()
    return one.broken_at_last()


# --- steps ---


def _midway(one: Joined) -> None:
    """Some users are scanned, others are not."""

    def scanned() -> int:
        return int(one.progress()["progress"]["scanned"])

    wait_for("some are scanned", lambda: scanned() > 0, 120, pause=0.1)
    assert scanned() < PEOPLE


def _stopped(one: Joined) -> None:
    """No execution runs any more, and no worker is at it (A5: within a minute)."""
    began = time.monotonic()
    wait_for(
        "the execution has ended",
        lambda: all(e.status != "RUNNING" for e in one.machines.executions.values()),
        STOPPED_WITHIN_SECONDS,
        pause=1,
    )
    wait_for("nobody asks any more", _quiet(one), STOPPED_WITHIN_SECONDS, pause=3)
    assert time.monotonic() - began < 2 * STOPPED_WITHIN_SECONDS


def _quiet(one: Joined) -> Callable[[], bool]:
    counts = [-1]

    def quiet() -> bool:
        counts.append(_asked(one))
        return counts[-1] == counts[-2]

    return quiet


def _asked(one: Joined) -> int:
    with one.twins.held():
        return sum(one.twins.actionkit.requests.values()) + sum(
            one.strive.counts().requests.values()
        )


def _new_password(one: Joined, password: str) -> None:
    with one.twins.held():
        one.twins.actionkit._login = f"{one.twins.username}:{password}"
        one.twins.password = password


def _run(one: Joined) -> dict[str, object]:
    [run] = one.items(f"run/{one.account().initial_sync_run}")
    return run


def _end_lease(one: Joined) -> None:
    """As if ten minutes had passed."""
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()

    def ended() -> bool:
        run = _run(one)
        changed = {**run, "lease_until": past, "version": int(str(run["version"])) + 1}
        return one.deployment.store("UsersTable").put(changed, expect={"version": run["version"]})

    wait_for("the lease is over", ended, 30, pause=0.05)
