"""What nothing else checks in the state machines' definitions (O1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.deployment.template import (
    MACHINES,
    RESOURCES,
    machine,
    machine_text,
    of_type,
    statements,
)

State = dict[str, Any]
ENDS = ("Succeed", "Fail")


def levels(definition: State) -> Iterator[State]:
    """A definition and those of the maps inside it, each with its states."""
    yield definition
    for state in definition["States"].values():
        if state["Type"] == "Map":
            yield from levels(state["ItemProcessor"])


def all_states(name: str) -> dict[str, State]:
    """The states of a machine, those inside maps too, by name."""
    return {state: one for level in levels(machine(name)) for state, one in level["States"].items()}


STATES = [(name, state) for name in MACHINES for state in all_states(name)]
TASKS = [one for one in STATES if all_states(one[0])[one[1]]["Type"] == "Task"]
LEVELS = [level for name in MACHINES for level in levels(machine(name))]
RUNS = ("AccountSyncStateMachine", "InitialSyncStateMachine")


def state_of(name: str, state: str) -> State:
    return all_states(name)[state]


def targets(state: State) -> Iterator[str]:
    """Every state that can come after this one."""
    for key in ("Next", "Default"):
        if key in state:
            yield state[key]
    for branch in [*state.get("Choices", []), *state.get("Catch", [])]:
        yield branch["Next"]


def references(value: Any) -> Iterator[str]:
    """Every JSONPath in a state's fields."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str) and (key.endswith((".$", "Path")) or key == "Variable"):
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@pytest.mark.parametrize("definition", LEVELS)
def test_every_target_exists_and_every_state_is_reached(definition: State) -> None:
    states = definition["States"]
    reached, waiting = set(), [definition["StartAt"]]
    while waiting:
        state = waiting.pop()
        if state not in reached:
            reached.add(state)
            waiting += targets(states[state])
    assert reached == set(states)


@pytest.mark.parametrize("definition", LEVELS)
def test_from_every_state_an_end_can_be_reached(definition: State) -> None:
    states = definition["States"]
    ending = {state for state, one in states.items() if one["Type"] in ENDS or one.get("End")}
    grown = True
    while grown:
        more = {state for state, one in states.items() if ending & set(targets(one))} - ending
        grown = bool(more)
        ending |= more
    assert ending == set(states)


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_says_what_it_is(name: str) -> None:
    definition = machine(name)
    assert definition["Comment"]
    assert "QueryLanguage" not in definition
    assert definition["TimeoutSeconds"] > 0


@pytest.mark.parametrize(("name", "state"), STATES)
def test_states_are_named_in_plain_words(name: str, state: str) -> None:
    assert re.fullmatch(r"[A-Z][a-z]*( [a-z]+)*", state)
    assert len(state) <= 80


@pytest.mark.parametrize(("name", "state"), TASKS)
def test_a_task_has_a_time_limit_longer_than_its_function_s(name: str, state: str) -> None:
    task = state_of(name, state)
    assert task["Resource"] == "arn:aws:states:::lambda:invoke"
    (substitution,) = re.findall(r"\$\{(\w+)\}", task["Parameters"]["FunctionName"])
    told = RESOURCES[name]["Properties"]["DefinitionSubstitutions"][substitution]
    function = told["Fn::GetAtt"].partition(".")[0]
    limit_seconds = RESOURCES[function]["Properties"].get("Timeout", 60)
    assert limit_seconds < task["TimeoutSeconds"] < 2 * limit_seconds


@pytest.mark.parametrize(("name", "state"), TASKS)
def test_a_task_is_tried_again_for_lambda_s_own_errors_alone(name: str, state: str) -> None:
    retries = state_of(name, state)["Retry"]
    assert retries
    for retry in retries:
        assert all(error.startswith("Lambda.") for error in retry["ErrorEquals"])
        assert retry["JitterStrategy"] == "FULL"
        assert retry["MaxDelaySeconds"] > retry["IntervalSeconds"]
        assert retry["BackoffRate"] > 1


@pytest.mark.parametrize(("name", "state"), TASKS)
def test_what_fails_is_caught_and_leads_to_an_end_that_says_what_to_do(
    name: str, state: str
) -> None:
    states = all_states(name)
    (caught,) = states[state]["Catch"]
    assert caught["ErrorEquals"] == ["States.ALL"]
    assert caught["ResultPath"] == "$.failure"
    after = caught["Next"]
    while states[after]["Type"] != "Fail":
        if states[after].get("End"):  # One iteration of a map: the others go on.
            assert re.search(r"(?i)nothing is lost", states[after]["Comment"])
            return
        after = states[after]["Next"]
    assert re.search(r"(?i)nothing is lost", states[after]["Cause"])
    assert "log group" in states[after]["Cause"]


@pytest.mark.parametrize("name", RUNS)
def test_the_record_of_a_failure_names_the_step(name: str) -> None:
    states = machine(name)["States"]
    for state, one in states.items():
        for caught in one.get("Catch", []):
            if state != "Record what failed":
                assert states[caught["Next"]]["Result"] == state
                assert states[caught["Next"]]["Next"] == "Record what failed"


@pytest.mark.parametrize("name", MACHINES)
def test_every_choice_has_a_way_for_what_nobody_expected(name: str) -> None:
    for state in all_states(name).values():
        if state["Type"] == "Choice":
            assert "Default" in state


@pytest.mark.parametrize("name", MACHINES)
def test_substitutions_are_all_used_and_all_there(name: str) -> None:
    used = set(re.findall(r"\$\{(\w+)\}", machine_text(name)))
    assert used == set(RESOURCES[name]["Properties"]["DefinitionSubstitutions"])


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_may_call_the_functions_that_it_calls_and_no_other(name: str) -> None:
    properties = RESOURCES[name]["Properties"]
    called = {json.dumps(one) for one in properties["DefinitionSubstitutions"].values()}
    role = properties["Role"]["Fn::GetAtt"].partition(".")[0]
    (statement,) = [one for place, one in statements() if place == role]
    resources = statement["Resource"]
    allowed = resources if isinstance(resources, list) else [resources]
    assert {json.dumps(one) for one in allowed} == called
    assert statement["Action"] == "lambda:InvokeFunction"


@pytest.mark.parametrize("name", MACHINES)
def test_paths_are_plain_and_lead_to_what_is_there(name: str) -> None:
    """Filters are null on the emulator; a path to nothing fails on AWS and is null there."""
    known = {
        "$",
        "$.account_id",
        "$.run_id",
        "$.outcome",
        "$.failure",
        "$.failed_state",
        "$.step",
        "$.step.outcome",
        "$.step.wait_seconds",
        "$.list",
        "$.list.outcome",
        "$.list.shards",
        "$.checked",
        "$.account_ids",
        "$$.Map.Item.Value",
        "$.Payload",
    }
    selected = re.compile(r"\$\.Payload\.[a-z_]+")
    for path in references(machine(name)):
        assert path in known or selected.fullmatch(path), path


@pytest.mark.parametrize("machine_name", MACHINES)
def test_a_wait_by_the_step_comes_after_a_step_that_says_how_long(machine_name: str) -> None:
    states = machine(machine_name)["States"]
    for name, state in states.items():
        if state.get("SecondsPath") == "$.step.wait_seconds":
            before = [one for one, other in states.items() if name in targets(other)]
            steps = [
                one
                for choice in before
                for one, other in states.items()
                if choice in targets(other) and other["Type"] == "Task"
            ]
            assert steps
            for step in steps:
                assert "wait_seconds.$" in states[step]["ResultSelector"]


def test_the_schedule_starts_the_tick() -> None:
    (schedule,) = of_type("AWS::Scheduler::Schedule").values()
    assert schedule["Target"]["Arn"] == {"Ref": "ScheduledSyncStateMachine"}
    assert json.loads(schedule["Target"]["Input"]) == {}
