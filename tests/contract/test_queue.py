"""What every Queue does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from instep.adapters.memory import ManualClock, MemoryQueue
from instep.adapters.sqs import SqsQueue
from instep.use_cases.ports import Queue
from tests.contract.places import Client

Lane = tuple[Queue, Callable[[], list[dict[str, Any]]]]
"""A queue, and what can be received from it now."""


@pytest.fixture
def lane(place: Client | None) -> Iterator[Lane]:
    if place is None:
        memory = MemoryQueue()
        yield memory, lambda: [one.body for one in memory.sent if not one.delay_seconds]
        return
    sqs = place("sqs")
    url = sqs.create_queue(QueueName=f"lane-{uuid.uuid4().hex}")["QueueUrl"]

    def received() -> list[dict[str, Any]]:
        bodies: list[dict[str, Any]] = []
        while True:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages")
            if not messages:
                return bodies
            bodies += [json.loads(message["Body"]) for message in messages]

    yield SqsQueue(sqs, url, ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), Random(1)), received
    sqs.delete_queue(QueueUrl=url)


def by_number(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(bodies, key=lambda body: body["n"])


def test_messages_come_out_as_they_went_in(lane: Lane) -> None:
    queue, received = lane
    bodies = [{"n": n, "users": [n, None, "ñ"], "deep": {"yes": True}} for n in range(23)]
    queue.send(bodies, "acme")
    assert by_number(received()) == bodies


def test_no_messages(lane: Lane) -> None:
    queue, received = lane
    queue.send([], "acme")
    assert received() == []


def test_a_delayed_message_waits(lane: Lane) -> None:
    queue, received = lane
    queue.send([{"n": 1}], "acme", delay_seconds=900)
    queue.send([{"n": 2}], "acme", delay_seconds=0)
    assert received() == [{"n": 2}]


@pytest.mark.parametrize("delay_seconds", [-1, 901])
def test_delays_that_sqs_does_not_know(lane: Lane, delay_seconds: int) -> None:
    queue, received = lane
    with pytest.raises(ValueError):
        queue.send([{"n": 1}], "acme", delay_seconds)
    assert received() == []


def test_what_is_no_json_is_refused(lane: Lane) -> None:
    queue, received = lane
    with pytest.raises(TypeError):
        queue.send([{"n": 1}, {"n": {1, 2}}], "acme")
    assert received() == []


def test_a_message_is_no_one_elses(lane: Lane) -> None:
    queue, received = lane
    body = {"n": 1, "users": [1]}
    queue.send([body], "acme")
    body["users"] = [2]
    assert received() == [{"n": 1, "users": [1]}]
