"""Queues and functions: messages at least once and in any order, invocations that may die."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any
from unittest.mock import patch

from instep.use_cases.world import World
from tests.simulation.loop import SECOND, Killed, Loop, Task
from tests.simulation.ports import AwsError, Wire

ROOT = Path(__file__).parents[2]

MOST_DOUBLED = 40
Handler = Callable[[Any, object], Any]


@cache
def _code(function: str) -> CodeType:
    path = ROOT / "functions" / function / "handler.py"
    return compile(path.read_text(), str(path), "exec")


def load_handler(function: str, world: World, environment: Mapping[str, str]) -> Handler:
    """The handler of a function's own file, with this world in the place of the real one."""
    module = ModuleType(f"{function}_handler")
    with (
        patch("instep.bootstrap.world", lambda: world),
        patch.dict(os.environ, environment),
    ):
        exec(_code(function), module.__dict__)
    handler: Handler = module.__dict__["handle"]
    return handler


class Functions:
    """Functions by name; each invocation is a process that ends with its time-out at the latest."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._handlers: dict[str, tuple[Handler, float]] = {}
        self._count = 0

    def add(self, name: str, handler: Handler, timeout_seconds: float) -> None:
        self._handlers[name] = (handler, timeout_seconds)

    def invoke(self, name: str, event: Any, on_end: Callable[[Task], None]) -> None:
        """Begins an invocation. Whoever asked is told with `on_end`: `error` is Killed where the
        process died."""
        loop = self._wire.loop
        handler, timeout_seconds = self._handlers[name]
        self._count += 1
        sent = json.dumps(event)

        def body() -> Any:
            return json.loads(json.dumps(handler(json.loads(sent), None)))

        task = loop.spawn(f"{name}#{self._count}", body, on_end)
        loop.at(int(timeout_seconds * SECOND), lambda: self._time_out(task))

    def _time_out(self, task: Task) -> None:
        if not task.ended:
            self._wire.loop.note(task.name, "timed out")
            self._wire.loop.kill(task)


@dataclass(slots=True)
class Message:
    """A message on a lane."""

    number: int
    body: str
    account_id: str
    receives: int = 0
    explained: bool = True
    """Each of its failures was a process that died or an AWS service that failed."""


class Lane:
    """A queue with the mapping that feeds a function, and its dead letters."""

    def __init__(
        self,
        wire: Wire,
        name: str,
        begin: Callable[[dict[str, Any], Callable[[Task], None]], None],
        concurrency: int,
        visibility_seconds: float,
        receives: int = 5,
    ) -> None:
        self._wire = wire
        self._loop: Loop = wire.loop
        self._name = name
        self._begin = begin
        self._concurrency = concurrency
        self._visibility_us = int(visibility_seconds * SECOND)
        self._receives = receives
        self._count = 0
        self._ready: list[Message] = []
        self._waiting = 0
        self._under_way = 0
        self.dead_letters: list[Message] = []
        self.faults: list[str] = []
        """What handlers raised of their own: none of it is expected."""
        self.bodies: list[str] = []
        self.most_waiting = 0

    @property
    def empty(self) -> bool:
        """Nothing waits, is hidden, or is being worked on."""
        return not self.outstanding

    @property
    def outstanding(self) -> int:
        """Messages that wait, are hidden, or are being worked on."""
        return len(self._ready) + self._waiting + self._under_way

    @property
    def ready(self) -> int:
        """Messages that could be delivered now."""
        return len(self._ready)

    # --- the port ---

    def send(
        self, bodies: Sequence[Mapping[str, Any]], account_id: str, delay_seconds: int = 0
    ) -> None:
        if not (isinstance(delay_seconds, int) and 0 <= delay_seconds <= 900):
            raise ValueError(f"a delay of {delay_seconds}")
        for start in range(0, len(bodies), 10):
            texts = [json.dumps(body) for body in bodies[start : start + 10]]

            def work(texts: list[str] = texts) -> None:
                for text in texts:
                    self.put(text, account_id, delay_seconds)

            self._wire.aws(f"{self._name}.send {len(texts)} in {delay_seconds} s", work)

    def put(self, body: str, account_id: str, delay_seconds: float) -> None:
        """A message is on the lane."""
        self._count += 1
        self.bodies.append(body)
        message = Message(self._count, body, account_id)
        dice = self._wire.dice
        late = dice.seconds(1.0, 120.0) if dice.chance(dice.profile.message_late) else 0
        self._hide(message, int(delay_seconds * SECOND) + dice.seconds(0.005, 0.3) + late)
        # Work that waits for its turn is sent again and again: doubles of doubles would fill the
        # lane, at rates that no real queue has.
        if self.outstanding < MOST_DOUBLED and dice.chance(dice.profile.message_doubled):
            self._hide(Message(self._count, body, account_id), dice.seconds(0.0, 200.0))

    def send_back(self) -> None:
        """Puts dead letters on the lane again, as operators do once the trouble is over (O3)."""
        back = [message for message in self.dead_letters if message.explained]
        self.dead_letters = [one for one in self.dead_letters if not one.explained]
        for message in back:
            self._loop.note(self._name, "sends back", message.number)
            message.receives = 0
            self._hide(message, 0)

    # --- delivery ---

    def _hide(self, message: Message, after_us: int) -> None:
        self._waiting += 1

        def appear() -> None:
            self._waiting -= 1
            self._ready.append(message)
            self.most_waiting = max(self.most_waiting, len(self._ready))
            self._pump()

        self._loop.at(after_us, appear)

    def _pump(self) -> None:
        while self._ready and self._under_way < self._concurrency:
            near = min(len(self._ready), 10)
            message = self._ready.pop(self._wire.dice.below(near))
            message.receives += 1
            if message.receives > self._receives:
                self._loop.note(self._name, message.number, "is a dead letter")
                self.dead_letters.append(message)
                continue
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        self._under_way += 1
        received = self._loop.now_us
        loop, dice = self._loop, self._wire.dice
        loop.note(self._name, "delivers", message.number, message.receives)
        if dice.chance(dice.profile.invocation_lost):
            loop.at(SECOND, lambda: self._ended(message, received, Killed()))
            return
        event = {
            "Records": [
                {
                    "messageId": f"{self._name}-{message.number}",
                    "body": message.body,
                    "attributes": {
                        "ApproximateReceiveCount": str(message.receives),
                        "MessageGroupId": message.account_id,
                    },
                }
            ]
        }
        self._begin(event, lambda task: self._ended(message, received, task.error))

    def _ended(self, message: Message, received: int, error: BaseException | None) -> None:
        self._under_way -= 1
        if error is not None:
            self._loop.note(self._name, message.number, "failed:", type(error).__name__)
            if not isinstance(error, Killed | AwsError):
                message.explained = False
                self.faults.append(f"{type(error).__name__}: {error}")
            left = max(0, self._visibility_us - (self._loop.now_us - received))
            self._hide(message, left)
        self._loop.at(0, self._pump)
