"""State machines: the very definitions of `statemachines/`, interpreted.

What a definition uses and this does not know is an error, never passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.simulation.lanes import ROOT, Functions
from tests.simulation.loop import SECOND, Killed, Task
from tests.simulation.ports import Wire

LAMBDA = "arn:aws:states:::lambda:invoke"
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "StringEquals": lambda value, other: isinstance(value, str) and value == other,
    "NumericEquals": lambda value, other: _number(value) and value == other,
    "NumericGreaterThan": lambda value, other: _number(value) and value > other,
    "NumericGreaterThanEquals": lambda value, other: _number(value) and value >= other,
    "NumericLessThan": lambda value, other: _number(value) and value < other,
    "NumericLessThanEquals": lambda value, other: _number(value) and value <= other,
    "BooleanEquals": lambda value, other: isinstance(value, bool) and value == other,
}
_KNOWN = {
    "Type", "Comment", "Next", "End", "Resource", "Parameters", "ResultSelector", "ResultPath",
    "OutputPath", "InputPath", "TimeoutSeconds", "Retry", "Catch", "Choices", "Default", "Seconds",
    "SecondsPath", "Result", "Error", "Cause", "ErrorPath", "CausePath", "ItemsPath",
    "ItemSelector", "ItemProcessor", "MaxConcurrency",
}  # fmt: skip


class StateFailed(Exception):
    """A state ended with an error, by the name that Retry and Catch know it by."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause


@dataclass(eq=False, slots=True)
class Execution:
    """One execution, with whatever was in its history."""

    machine: str
    name: str
    payload: Any
    status: str = "RUNNING"
    events: int = 0
    history: list[str] = field(default_factory=list)
    failure: str = ""


@cache
def definition(machine: str) -> dict[str, Any]:
    """A state machine as its file says."""
    path = ROOT / "statemachines" / f"{machine}.asl.json"
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


class SimulatedMachines:
    """The port, and all executions. `functions` maps what a definition substitutes for a
    function's name (`${FeedFunction.Arn}` or the like) to the function."""

    def __init__(
        self, wire: Wire, functions: Functions, find_function: Callable[[str], str]
    ) -> None:
        self._wire = wire
        self._functions = functions
        self._find_function = find_function
        self.executions: dict[str, Execution] = {}

    # --- the port ---

    def start(self, machine: str, name: str, payload: Mapping[str, Any]) -> str:
        sent = json.dumps(payload)
        return self._wire.aws(
            f"machines.start {name}", lambda: self.begin(machine, name, json.loads(sent))
        )

    def running(self, execution_arn: str) -> bool:
        return self._wire.aws(
            f"machines.running {execution_arn}",
            lambda: (
                execution_arn in self.executions
                and self.executions[execution_arn].status == "RUNNING"
            ),
        )

    # --- executions ---

    def begin(self, machine: str, name: str, payload: Any) -> str:
        """The execution of that name begins, if there is none yet."""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name):
            raise ValueError(f"not an execution's name: {name}")
        arn = f"arn:aws:states:us-east-1:000000000000:execution:{machine}:{name}"
        if arn not in self.executions:
            execution = self.executions[arn] = Execution(machine, name, payload)
            self._wire.loop.spawn(f"{machine}:{name}", lambda: self._run(execution))
        return arn

    def _run(self, execution: Execution) -> None:
        loop = self._wire.loop
        states = definition(execution.machine)["States"]
        at: str | None = definition(execution.machine)["StartAt"]
        data = execution.payload
        try:
            while at is not None:
                execution.events += 2
                execution.history.append(json.dumps([at, data]))
                loop.note(execution.name, "enters", repr(at))
                dice = self._wire.dice
                if dice.chance(dice.profile.execution_aborted):
                    raise StateFailed("Aborted")
                loop.sleep(dice.seconds(0.02, 0.08))
                at, data = self._state(execution, at, states[at], data)
            execution.status = "SUCCEEDED"
            execution.history.append(json.dumps(["output", data]))
        except StateFailed as failed:
            execution.status = "ABORTED" if failed.error == "Aborted" else "FAILED"
            execution.failure = f"{failed.error} {failed.cause}"
            execution.history.append(json.dumps(["failed", failed.error, failed.cause]))
        loop.note(execution.name, execution.status, execution.failure)

    def _state(
        self, execution: Execution, name: str, state: Mapping[str, Any], data: Any
    ) -> tuple[str | None, Any]:
        """Does a state: the next one, and what it is given."""
        unknown = state.keys() - _KNOWN
        if unknown:
            raise NotImplementedError(f"{name}: {sorted(unknown)}")
        following = None if state.get("End") else state.get("Next")
        kind = state["Type"]
        if kind == "Succeed":
            return None, data
        if kind == "Fail":
            raise StateFailed(state.get("Error", ""), state.get("Cause", ""))
        if kind == "Choice":
            return _chosen(state, data), data
        if kind == "Wait":
            seconds = state["Seconds"] if "Seconds" in state else _path(state["SecondsPath"], data)
            self._wire.loop.sleep(int(seconds * SECOND))
            return following, data
        if kind == "Pass":
            return following, _placed(state, data, state.get("Result", self._given(state, data)))
        if kind == "Task":
            return self._tried(execution, state, data, following)
        if kind == "Map":
            return following, _placed(state, data, self._mapped(execution, state, data))
        raise NotImplementedError(f"{name}: a {kind}")

    def _mapped(self, execution: Execution, state: Mapping[str, Any], data: Any) -> list[Any]:
        """The iterations of an inline map, one after the other."""
        processor, results = state["ItemProcessor"], []
        for item in _path(state["ItemsPath"], data):
            context = {"Map": {"Item": {"Value": item}}}
            given = _filled(state["ItemSelector"], data, execution, context)
            at: str | None = processor["StartAt"]
            while at is not None:
                execution.events += 2
                execution.history.append(json.dumps([at, given]))
                self._wire.loop.note(execution.name, "enters", repr(at))
                at, given = self._state(execution, at, processor["States"][at], given)
            results.append(given)
        return results

    def _tried(
        self, execution: Execution, state: Mapping[str, Any], data: Any, following: str | None
    ) -> tuple[str | None, Any]:
        """A task, again as its Retry says, and where its Catch leads."""
        tries: dict[int, int] = {}
        while True:
            try:
                return following, self._task(execution, state, data)
            except StateFailed as failed:
                if failed.error == "Aborted":
                    raise
                execution.history.append(json.dumps([failed.error, failed.cause]))
                execution.events += 3
                place, rule = _rule(state.get("Retry", ()), failed.error)
                if rule is not None and tries.get(place, 0) < rule.get("MaxAttempts", 3):
                    self._wire.loop.sleep(self._pause(rule, tries.get(place, 0)))
                    tries[place] = tries.get(place, 0) + 1
                    continue
                _, caught = _rule(state.get("Catch", ()), failed.error)
                if caught is None:
                    raise
                output = {"Error": failed.error, "Cause": failed.cause}
                return caught["Next"], _placed(caught, data, output)

    def _pause(self, rule: Mapping[str, Any], tried: int) -> int:
        seconds = rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2.0) ** tried
        seconds = min(seconds, rule.get("MaxDelaySeconds", 1e9))
        if rule.get("JitterStrategy") == "FULL":
            return self._wire.dice.seconds(0.0, seconds)
        return int(seconds * SECOND)

    def _task(self, execution: Execution, state: Mapping[str, Any], data: Any) -> Any:
        if state["Resource"] != LAMBDA:
            raise NotImplementedError(state["Resource"])
        given = self._given(state, data, execution)
        if set(given) != {"FunctionName", "Payload"}:
            raise NotImplementedError(str(sorted(given)))
        execution.history.append(json.dumps(given["Payload"]))
        execution.events += 3
        answer = self._invoked(self._find_function(given["FunctionName"]), given["Payload"], state)
        result: Any = {"ExecutedVersion": "$LATEST", "StatusCode": 200, "Payload": answer}
        execution.history.append(json.dumps(result))
        if "ResultSelector" in state:
            result = _filled(state["ResultSelector"], result, execution)
        return _placed(state, data, result)

    def _invoked(self, function: str, payload: Any, state: Mapping[str, Any]) -> Any:
        loop, dice = self._wire.loop, self._wire.dice
        if dice.chance(dice.profile.invocation_lost):
            loop.sleep(SECOND)
            raise StateFailed("Lambda.ServiceException")
        me = loop.current()
        assert me is not None
        ended: list[Task] = []
        turn = me.turn + 1

        def on_end(task: Task) -> None:
            if me.turn == turn:
                ended.append(task)
                loop.wake(me)

        self._functions.invoke(function, payload, on_end)
        if "TimeoutSeconds" in state:
            limit = int(state["TimeoutSeconds"] * SECOND)
            loop.at(limit, lambda: None if me.turn != turn or ended else loop.wake(me))
        loop.park()
        if not ended:
            raise StateFailed("States.Timeout")
        error = ended[0].error
        if isinstance(error, Killed):
            raise StateFailed("Lambda.Unknown", "the process was gone")
        if error is not None:
            raise StateFailed(type(error).__name__, str(error))
        if dice.chance(dice.profile.invocation_lost):
            raise StateFailed("Lambda.SdkClientException")
        return ended[0].result

    def _given(self, state: Mapping[str, Any], data: Any, execution: Any = None) -> Any:
        given = _path(state["InputPath"], data) if "InputPath" in state else data
        return _filled(state["Parameters"], given, execution) if "Parameters" in state else given


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _path(
    path: str,
    data: Any,
    execution: Execution | None = None,
    inside: Mapping[str, Any] | None = None,
) -> Any:
    if path.startswith("$$."):
        if execution is None:
            raise NotImplementedError(path)
        context = {
            "Execution": {"Name": execution.name, "Input": execution.payload},
            "StateMachine": {"Name": execution.machine},
            **(inside or {}),
        }
        return _path(path[1:], context)
    if path == "$":
        return data
    if not re.fullmatch(r"\$(\.[A-Za-z_][A-Za-z0-9_]*)+", path):
        raise NotImplementedError(path)
    for key in path[2:].split("."):
        if not isinstance(data, dict) or key not in data:
            raise StateFailed("States.Runtime", f"{path} is not there")
        data = data[key]
    return data


def _filled(
    template: Any,
    data: Any,
    execution: Execution | None,
    inside: Mapping[str, Any] | None = None,
) -> Any:
    if isinstance(template, dict):
        return {
            key.removesuffix(".$"): _path(value, data, execution, inside)
            if key.endswith(".$")
            else _filled(value, data, execution, inside)
            for key, value in template.items()
        }
    if isinstance(template, list):
        return [_filled(value, data, execution, inside) for value in template]
    return template


def _placed(state: Mapping[str, Any], data: Any, result: Any) -> Any:
    """The state's output: its result, put where ResultPath says."""
    path = state.get("ResultPath", "$")
    if path is None:
        output = data
    elif path == "$":
        output = result
    else:
        output = json.loads(json.dumps(data))
        *parents, last = path[2:].split(".")
        inside = output
        for key in parents:
            inside = inside.setdefault(key, {})
        inside[last] = result
    return _path(state["OutputPath"], output) if "OutputPath" in state else output


def _rule(rules: Any, error: str) -> tuple[int, Mapping[str, Any] | None]:
    for place, rule in enumerate(rules):
        names = rule["ErrorEquals"]
        general = error != "States.Runtime" and "States.ALL" in names
        task = error not in ("States.Timeout", "States.Runtime") and "States.TaskFailed" in names
        if error in names or general or task:
            return place, rule
    return -1, None


def _chosen(state: Mapping[str, Any], data: Any) -> str:
    for choice in state["Choices"]:
        if _holds(choice, data):
            following: str = choice["Next"]
            return following
    if "Default" not in state:
        raise StateFailed("States.NoChoiceMatched")
    default: str = state["Default"]
    return default


def _holds(choice: Mapping[str, Any], data: Any) -> bool:
    if "And" in choice:
        return all(_holds(one, data) for one in choice["And"])
    if "Or" in choice:
        return any(_holds(one, data) for one in choice["Or"])
    if "Not" in choice:
        return not _holds(choice["Not"], data)
    [operator] = choice.keys() - {"Variable", "Next", "Comment"}
    if operator == "IsPresent":
        try:
            _path(choice["Variable"], data)
        except StateFailed:
            return not choice[operator]
        return bool(choice[operator])
    return _OPERATORS[operator](_path(choice["Variable"], data), choice[operator])
