"""What every Machines does."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from instep.adapters.machines import StepFunctionsMachines
from instep.adapters.memory import MemoryMachines
from instep.use_cases.ports import Machines
from tests.contract.places import Client

Place = tuple[Machines, Callable[[str], None]]
"""Machines with an "initial-sync" that waits, and what ends an execution."""

WAITS = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}


@pytest.fixture
def here(place: Client | None) -> Iterator[Place]:
    if place is None:
        memory = MemoryMachines()

        def end(arn: str) -> None:
            memory.executions[arn].running = False

        yield memory, end
        return
    client = place("stepfunctions")
    machine = client.create_state_machine(
        name=f"initial-sync-{uuid.uuid4().hex}",
        definition=json.dumps(WAITS),
        roleArn="arn:aws:iam::123456789012:role/machine",
    )["stateMachineArn"]

    def stop(arn: str) -> None:
        client.stop_execution(executionArn=arn)
        for _ in range(50):
            if client.describe_execution(executionArn=arn)["status"] != "RUNNING":
                return
            time.sleep(0.1)

    yield StepFunctionsMachines(client, {"initial-sync": machine}), stop
    client.delete_state_machine(stateMachineArn=machine)


def test_an_execution_runs_until_it_ends(here: Place) -> None:
    machines, end = here
    arn = machines.start("initial-sync", "acme-1", {"account_id": "acme"})
    assert arn.endswith(":acme-1")
    assert ":execution:initial-sync" in arn
    assert machines.running(arn)
    end(arn)
    assert not machines.running(arn)


def test_an_execution_that_exists_counts_as_started(here: Place) -> None:
    machines, end = here
    arn = machines.start("initial-sync", "acme-1", {"n": 1})
    assert machines.start("initial-sync", "acme-1", {"n": 1}) == arn
    assert machines.start("initial-sync", "acme-1", {"n": 2}) == arn
    end(arn)
    assert machines.start("initial-sync", "acme-1", {"n": 3}) == arn
    assert not machines.running(arn)
    assert machines.start("initial-sync", "acme-2", {"n": 1}) != arn


def test_an_execution_that_nobody_knows_does_not_run(here: Place) -> None:
    machines, _ = here
    arn = machines.start("initial-sync", "acme-1", {})
    assert not machines.running(arn.replace("acme-1", "acme-9"))


@pytest.mark.parametrize("name", ["", "x" * 81, "a b", "a/b", "a:b", "ä", "a\n"])
def test_names_that_are_none(here: Place, name: str) -> None:
    machines, _ = here
    with pytest.raises(ValueError):
        machines.start("initial-sync", name, {})


def test_the_longest_name(here: Place) -> None:
    machines, _ = here
    assert machines.running(machines.start("initial-sync", "x" * 80, {}))


def test_machines_that_are_not_there(here: Place) -> None:
    machines, _ = here
    with pytest.raises(KeyError):
        machines.start("no-such", "acme-1", {})
