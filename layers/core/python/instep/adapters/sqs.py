"""A lane on SQS."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from instep.adapters.system import SystemClock, wait_before_retry
from instep.use_cases.ports import Clock

MOST_MESSAGES: Final = 10
MOST_ATTEMPTS: Final = 5
LONGEST_DELAY_SECONDS: Final = 900


def send_requests(
    url: str, bodies: Sequence[Mapping[str, Any]], account_id: str, delay_seconds: int
) -> list[dict[str, Any]]:
    """SendMessageBatch, as many as it takes. The message group keeps a standard queue fair between
    accounts. Raises ValueError for a delay that SQS does not know."""
    check_delay(delay_seconds)
    entries = [
        {
            "Id": str(at % MOST_MESSAGES),
            "MessageBody": json.dumps(body, separators=(",", ":")),
            "MessageGroupId": account_id,
            "DelaySeconds": delay_seconds,
        }
        for at, body in enumerate(bodies)
    ]
    return [
        {"QueueUrl": url, "Entries": entries[at : at + MOST_MESSAGES]}
        for at in range(0, len(entries), MOST_MESSAGES)
    ]


def check_delay(delay_seconds: int) -> None:
    """Raises ValueError for a delay that SQS does not know."""
    if not 0 <= delay_seconds <= LONGEST_DELAY_SECONDS:
        raise ValueError(f"a delay is 0 to {LONGEST_DELAY_SECONDS} s")


class SqsQueue:
    """Queue on a standard queue of SQS. `client` is boto3's."""

    def __init__(
        self,
        client: Any,
        url: str,
        clock: Clock | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._client = client
        self._url = url
        self._clock = clock or SystemClock()
        self._chance = chance or random.SystemRandom()

    def send(
        self, bodies: Sequence[Mapping[str, Any]], account_id: str, delay_seconds: int = 0
    ) -> None:
        """Sends all messages, those that SQS did not take again. Raises ClientError if some stay
        refused."""
        for request in send_requests(self._url, bodies, account_id, delay_seconds):
            self._send(request)

    def _send(self, request: dict[str, Any]) -> None:
        entries = {entry["Id"]: entry for entry in request["Entries"]}
        failed: list[dict[str, Any]] = []
        for attempt in range(MOST_ATTEMPTS):
            if attempt:
                wait_before_retry(attempt, self._clock, self._chance)
            answer = self._client.send_message_batch(
                QueueUrl=request["QueueUrl"], Entries=list(entries.values())
            )
            failed = answer.get("Failed", [])
            if not failed:
                return
            if any(one.get("SenderFault") for one in failed):
                break
            entries = {one["Id"]: entries[one["Id"]] for one in failed}
        # The code only: SQS's message may quote the body.
        code = failed[0].get("Code", "InternalError")
        raise ClientError(
            {"Error": {"Code": code, "Message": "messages refused"}}, "SendMessageBatch"
        )
