"""Workers killed at random, every message delivered twice, answers lost after writes: it ends as if
nothing had happened (U1, U2, U6, U10, A3, A4).

Each seed has an account and twins of its own; all are disturbed at once, since most of it is
waiting. What nothing disturbed is the same story in the simulator, which must agree with the
deployed application anyway.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import pytest

from local.twins.http import Fault
from tests.e2e.deployment import Deployment, wait_for
from tests.e2e.joined import HIGH_PACE, Joined, join_story
from tests.simulation.invariants import differences
from tests.simulation.runs import run
from tests.simulation.story import Story, draw

SEEDS: Final = tuple(range(101, 111))
PEOPLE: Final = 25
KILLS: Final = 14
TROUBLE_SECONDS: Final = 600
WRITES: Final = "POST|PATCH|DELETE"

ACTIONKIT_FAULTS: Final = (
    Fault("answer_lost", 0.08, method="POST", path="/action/"),
    Fault("error_after_work", 0.04, method="POST", path="/action/"),
    Fault("server_error", 0.03),
    Fault("too_many_requests", 0.03, retry_after_seconds=1),
    Fault("cut_before_work", 0.02),
)
STRIVE_FAULTS: Final = (
    Fault("answer_lost", 0.06, method=WRITES),
    Fault("error_after_work", 0.03, method=WRITES),
    Fault("server_error", 0.02),
    Fault("too_many_requests", 0.02, retry_after_seconds=1),
    Fault("cut_before_work", 0.01),
)


@pytest.fixture(scope="module")
def disturbed(deployment: Deployment, whole_list: Joined) -> dict[int, Joined]:
    """Every seed's account, after all the trouble."""
    accounts = {seed: join_story(deployment, _story(seed)) for seed in SEEDS}
    rng = random.Random("trouble")
    deployment.tap.doubled = frozenset(one.account_id for one in accounts.values())
    for one in accounts.values():
        one.set_up()
        with one.twins.held():
            one.twins.actionkit.faults.set(ACTIONKIT_FAULTS)
            one.strive.faults.set(STRIVE_FAULTS)
        wait_for("it is on", lambda one=one: _on(one), 300, pause=0.5)  # type: ignore[misc]
    try:
        _kill_workers(deployment, accounts.values(), rng)
    finally:
        deployment.tap.doubled = frozenset()
        for one in accounts.values():
            with one.twins.held():
                one.twins.actionkit.faults.clear()
                one.strive.faults.clear()
    for one in accounts.values():
        one.follow(send_back=True)
    return accounts


@pytest.mark.parametrize("seed", SEEDS)
def test_it_ends_as_if_nothing_had_happened(disturbed: dict[int, Joined], seed: int) -> None:
    one = disturbed[seed]
    calm = run(draw(seed, PEOPLE), again=False)
    assert calm.problems == ()
    assert one.broken() == []
    assert list(differences(calm.state, one.end_state())) == []


def test_there_was_trouble(disturbed: dict[int, Joined], deployment: Deployment) -> None:
    """Else the test above says nothing."""
    died = ("Worker process died", "Worker init failed", "exited immediately")
    assert any(end in deployment.emulator_output() for end in died)
    for kind in ("answer_lost", "server_error", "too_many_requests"):
        for side in ("actionkit", "strive"):
            assert sum(getattr(one, side).faults.hits[kind] for one in disturbed.values()) > 0


def _story(seed: int) -> Story:
    """The seed's story, at a pace that holds nobody back: it changes no end."""
    story = draw(seed, people=PEOPLE)
    return replace(story, settings={**story.settings, "records_per_minute": HIGH_PACE})


def _on(one: Joined) -> bool:
    """Staff try again where a side was busy or away."""
    status, _ = one.api.call("PUT", "/activation", {"confirm_no_new_member_automation": True})
    return status == 200


def _kill_workers(deployment: Deployment, accounts: Iterable[Joined], rng: random.Random) -> None:
    """Ends worker processes at once, now this one, now that one, until all had their trouble."""
    untroubled = list(accounts)
    killed = 0
    until = time.monotonic() + TROUBLE_SECONDS
    while killed < KILLS or untroubled:
        assert time.monotonic() < until, f"{killed} killed, {len(untroubled)} accounts untroubled"
        time.sleep(rng.uniform(0.5, 3))
        untroubled = [
            one for one in untroubled if not (one.actionkit.faults.hits and one.strive.faults.hits)
        ]
        processes = deployment.worker_processes()
        if processes and killed < 2 * KILLS:
            deployment.kill(rng.choice(processes))
            killed += 1
