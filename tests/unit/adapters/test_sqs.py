"""The requests to SQS, and what happens where it takes only some messages."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from instep.adapters.memory import ManualClock
from instep.adapters.sqs import SqsQueue, send_requests


class Sqs:
    """A client that refuses messages as it is told, batch by batch."""

    def __init__(self, *failures: dict[str, bool]) -> None:
        self.failures = list(failures)
        self.batches: list[list[str]] = []

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.batches.append([entry["MessageBody"] for entry in Entries])
        failed = self.failures.pop(0) if self.failures else {}
        return {
            "Failed": [
                {"Id": at, "SenderFault": fault, "Code": "Some", "Message": "+15550100"}
                for at, fault in failed.items()
            ]
        }


def queue(client: Sqs) -> SqsQueue:
    return SqsQueue(client, "url", ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), Random(1))


def test_requests() -> None:
    assert send_requests("url", [{"user_ids": [1, 2]}], "acme", 30) == [
        {
            "QueueUrl": "url",
            "Entries": [
                {
                    "Id": "0",
                    "MessageBody": '{"user_ids":[1,2]}',
                    "MessageGroupId": "acme",
                    "DelaySeconds": 30,
                }
            ],
        }
    ]
    many = send_requests("url", [{"n": n} for n in range(21)], "acme", 0)
    assert [len(request["Entries"]) for request in many] == [10, 10, 1]
    assert [entry["Id"] for entry in many[1]["Entries"]] == [str(n) for n in range(10)]


def test_what_failed_is_sent_again_alone() -> None:
    client = Sqs({"1": False, "2": False}, {"2": False})
    queue(client).send([{"n": n} for n in range(3)], "acme")
    assert client.batches == [
        ['{"n":0}', '{"n":1}', '{"n":2}'],
        ['{"n":1}', '{"n":2}'],
        ['{"n":2}'],
    ]


def test_our_own_fault_is_not_tried_again() -> None:
    client = Sqs({"0": True})
    with pytest.raises(ClientError) as refused:
        queue(client).send([{"n": 1}], "acme")
    assert len(client.batches) == 1
    assert "+1555" not in str(refused.value)


def test_what_fails_every_time_is_an_error() -> None:
    client = Sqs(*[{"0": False}] * 9)
    with pytest.raises(ClientError):
        queue(client).send([{"n": 1}], "acme")
    assert len(client.batches) == 5
