"""What every Events does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws
from moto.events.utils import EventTemplateParser

from instep.adapters.events import SOURCE, EventBridgeEvents
from instep.adapters.memory import MemoryEvents, Published
from instep.use_cases.ports import Events, NotPublishedError
from tests.contract.places import Client

Bus = tuple[Events, Callable[[], list[Published]]]
"""Events, and what was published and not asked for yet."""


@pytest.fixture
def bus(place: Client | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    if place is None:
        memory = MemoryEvents()

        def taken() -> list[Published]:
            some, memory.published = memory.published, []
            return some

        yield memory, taken
        return
    # What moto would transform events with needs a library; there is nothing to transform.
    monkeypatch.setattr(EventTemplateParser, "parse", lambda event, **_: event)
    events, sqs, name = place("events"), place("sqs"), f"bus-{uuid.uuid4().hex}"
    events.create_event_bus(Name=name)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    pattern = json.dumps({"source": [SOURCE]})
    events.put_rule(Name="all", EventBusName=name, EventPattern=pattern)
    target = {"Id": "queue", "Arn": attributes["QueueArn"]}
    events.put_targets(Rule="all", EventBusName=name, Targets=[target])

    def received() -> list[Published]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        bodies = [json.loads(message["Body"]) for message in messages]
        return [Published(body["detail-type"], body["detail"]) for body in bodies]

    yield EventBridgeEvents(events, name), received
    events.remove_targets(Rule="all", EventBusName=name, Ids=["queue"])
    events.delete_rule(Name="all", EventBusName=name)
    events.delete_event_bus(Name=name)
    sqs.delete_queue(QueueUrl=url)


def test_an_event_comes_out_as_it_went_in(bus: Bus) -> None:
    events, published = bus
    detail = {"action_id": 7, "name": 'Ñandú "x"', "fields": {"size": ["S", "M"]}, "none": None}
    events.publish("automation", detail)
    assert published() == [Published("automation", detail)]
    events.publish("automation", {"action_id": 8})
    assert published() == [Published("automation", {"action_id": 8})]


def test_an_event_is_no_one_elses(bus: Bus) -> None:
    events, published = bus
    detail = {"users": [1]}
    events.publish("automation", detail)
    detail["users"] = [2]
    assert published() == [Published("automation", {"users": [1]})]


def test_what_is_no_json_is_refused(bus: Bus) -> None:
    events, published = bus
    with pytest.raises(TypeError):
        events.publish("automation", {"users": {1, 2}})
    assert published() == []


@pytest.mark.parametrize("fault", [NotPublishedError("Throttled"), TimeoutError()])
def test_in_memory_an_event_can_fail(fault: Exception) -> None:
    events = MemoryEvents()
    events.fault = fault
    with pytest.raises(type(fault)):
        events.publish("automation", {"n": 1})
    assert events.published == []
    events.fault = None
    events.publish("automation", {"n": 2})
    assert events.published == [Published("automation", {"n": 2})]


# --- what EventBridge may say -----------------------------------------------------------------


class Bridge:
    """A client that answers one thing, or raises it."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer = answer
        self.requests: list[dict[str, Any]] = []

    def put_events(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def refusal(status: int, code: str = "ThrottlingException") -> ClientError:
    """An error as the client raises it."""
    answer: Any = {
        "Error": {"Code": code, "Message": "of user 7"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "PutEvents")


def test_what_is_asked_of_eventbridge() -> None:
    bridge = Bridge({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})
    EventBridgeEvents(bridge, "instep-bus").publish("automation", {"n": 1})
    entry = {"EventBusName": "instep-bus", "Source": "instep", "DetailType": "automation"}
    assert bridge.requests == [{"Entries": [{**entry, "Detail": '{"n":1}'}]}]


FAILED = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "7"}]}


@pytest.mark.parametrize("answer", [FAILED, refusal(400), refusal(403, "AccessDenied")])
def test_what_eventbridge_refuses_was_surely_not_published(
    answer: dict[str, Any] | Exception,
) -> None:
    bridge = Bridge(answer)
    with pytest.raises(NotPublishedError) as refused:
        EventBridgeEvents(bridge, "instep-bus").publish("automation", {"n": 1})
    assert "7" not in str(refused.value)
    assert len(bridge.requests) == 1


@pytest.mark.parametrize("error", [refusal(500), refusal(503), ReadTimeoutError(endpoint_url="x")])
def test_an_answer_that_leaves_it_open_passes(error: Exception) -> None:
    bridge = Bridge(error)
    with pytest.raises(type(error)):
        EventBridgeEvents(bridge, "instep-bus").publish("automation", {"n": 1})
    assert len(bridge.requests) == 1


def test_an_error_as_the_client_raises_it(session: boto3.session.Session) -> None:
    with mock_aws():
        client = session.client("events")
        with pytest.raises(NotPublishedError, match="ResourceNotFoundException"):
            EventBridgeEvents(client, "no-such-bus").publish("automation", {"n": 1})
        client.close()
