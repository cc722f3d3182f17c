"""The requests to DynamoDB, as dictionaries, and what happens where it does only a part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from instep.adapters.dynamo import (
    Consumed,
    DynamoStore,
    count_request,
    delete_request,
    get_batches,
    index_request,
    marshalled,
    put_request,
    query_request,
    unmarshalled,
    update_request,
    write_batches,
)
from instep.adapters.memory import ManualClock
from instep.use_cases.ports import MISSING, NEW

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = {"account_id": {"S": "acme"}, "item": {"S": "user/1"}}


class Phase(StrEnum):
    ON = "on"


def test_values() -> None:
    value = {"a": ["x", 1, True, None, {"b": []}]}
    notation = {
        "M": {
            "a": {
                "L": [
                    {"S": "x"},
                    {"N": "1"},
                    {"BOOL": True},
                    {"NULL": True},
                    {"M": {"b": {"L": []}}},
                ]
            }
        }
    }
    assert marshalled(value) == notation
    assert unmarshalled(notation) == value
    assert type(marshalled(Phase.ON)["S"]) is str
    with pytest.raises(TypeError):
        unmarshalled({"SS": ["a"]})


def test_a_refusal_does_not_show_the_value() -> None:
    with pytest.raises(TypeError) as refused:
        marshalled({"phone": ("+15550100",)})
    assert "+1555" not in str(refused.value)


def test_put_request() -> None:
    value = {"account_id": "acme", "item": "user/1", "version": 2}
    assert put_request("t", value) == {
        "TableName": "t",
        "Item": {**KEY, "version": {"N": "2"}},
    }
    assert put_request("t", value, NEW) == {
        "TableName": "t",
        "Item": {**KEY, "version": {"N": "2"}},
        "ConditionExpression": "attribute_not_exists(#0)",
        "ExpressionAttributeNames": {"#0": "item"},
    }
    assert put_request("t", value, {"version": 1, "intent": MISSING}) == {
        "TableName": "t",
        "Item": {**KEY, "version": {"N": "2"}},
        "ConditionExpression": "#0 = :0 AND attribute_not_exists(#1)",
        "ExpressionAttributeNames": {"#0": "version", "#1": "intent"},
        "ExpressionAttributeValues": {":0": {"N": "1"}},
    }


def test_update_request() -> None:
    assert update_request(
        "t", "acme", "user/1", {"size": "x"}, {"done": 2}, ["gone"], {"size": "y", "gone": 1}
    ) == {
        "TableName": "t",
        "Key": KEY,
        "UpdateExpression": "SET #0 = :0 ADD #1 :1 REMOVE #2",
        "ConditionExpression": "#0 = :2 AND #2 = :3",
        "ExpressionAttributeNames": {"#0": "size", "#1": "done", "#2": "gone"},
        "ExpressionAttributeValues": {
            ":0": {"S": "x"},
            ":1": {"N": "2"},
            ":2": {"S": "y"},
            ":3": {"N": "1"},
        },
    }
    assert update_request("t", "acme", "user/1", {}, {}, ()) == {"TableName": "t", "Key": KEY}


def test_delete_request() -> None:
    assert delete_request("t", "acme", "user/1") == {"TableName": "t", "Key": KEY}
    assert delete_request("t", "acme", "user/1", {"user_id": 7}) == {
        "TableName": "t",
        "Key": KEY,
        "ConditionExpression": "#0 = :0",
        "ExpressionAttributeNames": {"#0": "user_id"},
        "ExpressionAttributeValues": {":0": {"N": "7"}},
    }


def test_query_request() -> None:
    assert query_request("t", "acme", "user/", "user/1", 5, descending=True) == {
        "TableName": "t",
        "KeyConditionExpression": "#0 = :0 AND begins_with(#1, :1)",
        "ExpressionAttributeNames": {"#0": "account_id", "#1": "item"},
        "ExpressionAttributeValues": {":0": {"S": "acme"}, ":1": {"S": "user/"}},
        "ExclusiveStartKey": KEY,
        "Limit": 5,
        "ScanIndexForward": False,
        "ConsistentRead": True,
    }
    # An empty text in a key condition is refused by AWS.
    assert query_request("t", "acme")["KeyConditionExpression"] == "#0 = :0"


def test_index_request() -> None:
    after = {"account_id": "acme", "item": "user/1", "status": "matched", "name_key": "smith"}
    assert index_request("t", "by_name", "acme", "matched", "s", after | {"other": 1.5}) == {
        "TableName": "t",
        "IndexName": "by_name",
        "KeyConditionExpression": "#0 = :0 AND #1 = :1 AND begins_with(#2, :2)",
        "ExpressionAttributeNames": {"#0": "account_id", "#1": "status", "#2": "name_key"},
        "ExpressionAttributeValues": {
            ":0": {"S": "acme"},
            ":1": {"S": "matched"},
            ":2": {"S": "s"},
        },
        "ExclusiveStartKey": {**KEY, "status": {"S": "matched"}, "name_key": {"S": "smith"}},
        "Limit": 100,
        "ScanIndexForward": True,
    }
    counting = count_request("t", "by_name", "acme", "matched")
    assert counting["Select"] == "COUNT"
    assert "Limit" not in counting


def test_batches() -> None:
    gets = get_batches("t", "acme", [f"user/{n}" for n in range(150)] + ["user/0"])
    assert [len(batch["t"]["Keys"]) for batch in gets] == [100, 50]
    assert all(batch["t"]["ConsistentRead"] for batch in gets)
    values = [{"account_id": "acme", "item": f"user/{n % 30}", "n": n} for n in range(60)]
    writes = write_batches("t", values)
    assert [len(batch["t"]) for batch in writes] == [25, 5]
    assert writes[0]["t"][0]["PutRequest"]["Item"]["n"] == {"N": "30"}


class Answers:
    """A client that gives the answers it was made with, and keeps the requests."""

    def __init__(self, *answers: dict[str, Any] | ClientError) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> dict[str, Any]:
            self.requests.append(request)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, ClientError):
                raise answer
            return answer

        return call


def test_what_stays_unprocessed_is_asked_for_again_after_a_wait() -> None:
    second = {"account_id": {"S": "acme"}, "item": {"S": "user/2"}}
    left = {"t": {"Keys": [second], "ConsistentRead": True}}
    client = Answers(
        {"Responses": {"t": [KEY]}, "UnprocessedKeys": left},
        {"Responses": {}, "UnprocessedKeys": left},
        {"Responses": {"t": [second]}, "UnprocessedKeys": {}},
    )
    clock = ManualClock(START)
    store = DynamoStore(client, "t", clock, Random(1))
    assert list(store.get_many("acme", ["user/1", "user/2"])) == ["user/1", "user/2"]
    assert [request["RequestItems"] for request in client.requests[1:]] == [left, left]
    assert timedelta(0) < clock.now() - START < timedelta(seconds=1)


def test_what_never_gets_processed_is_an_error() -> None:
    value = {"account_id": "acme", "item": "user/1"}
    left = {"t": [{"PutRequest": {"Item": KEY}}]}
    client = Answers({"UnprocessedItems": left})
    clock = ManualClock(START)
    with pytest.raises(ClientError) as refused:
        DynamoStore(client, "t", clock, Random(1)).put_many([value])
    assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    assert len(client.requests) == 10
    assert clock.now() - START < timedelta(seconds=15)


def test_other_errors_are_passed_on() -> None:
    client = Answers(ClientError({"Error": {"Code": "Throttled", "Message": ""}}, "PutItem"))
    with pytest.raises(ClientError):
        DynamoStore(client, "t").put({"account_id": "acme", "item": "user/1"})


def test_pages_that_dynamodb_cuts_short_are_filled() -> None:
    def key(n: int) -> dict[str, Any]:
        return {"account_id": {"S": "acme"}, "item": {"S": f"user/{n}"}}

    client = Answers(
        {"Items": [key(1)], "LastEvaluatedKey": key(1)},
        {"Items": [], "LastEvaluatedKey": key(2)},
        {"Items": [key(3), key(4)], "LastEvaluatedKey": key(4)},
    )
    page = DynamoStore(client, "t").query("acme", limit=3)
    assert [one["item"] for one in page.items] == ["user/1", "user/3", "user/4"]
    assert page.next == "user/4"
    assert [request["Limit"] for request in client.requests] == [3, 2, 2]
    assert client.requests[2]["ExclusiveStartKey"] == key(2)

    client = Answers({"Count": 3, "LastEvaluatedKey": key(2)}, {"Count": 2})
    assert DynamoStore(client, "t").count_index("by_name", "acme", "matched") == 5


def test_capacity_is_added_up_for_table_and_indexes() -> None:
    refused = ClientError(
        {"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}}, "PutItem"
    )
    client = Answers(
        {
            "ConsumedCapacity": {
                "CapacityUnits": 4.0,
                "Table": {"CapacityUnits": 2.0},
                "GlobalSecondaryIndexes": {
                    "by_name": {"CapacityUnits": 1.0},
                    "by_email": {"CapacityUnits": 1.0},
                },
            }
        },
        {"Responses": {}, "ConsumedCapacity": [{"CapacityUnits": 3.0}]},
        refused,
    )
    consumed = Consumed()
    store = DynamoStore(client, "t", consumed=consumed)
    assert store.put({"account_id": "acme", "item": "user/1"})
    store.get_many("acme", ["user/1"])
    assert not store.put({"account_id": "acme", "item": "user/1"}, NEW)
    assert consumed == Consumed(
        table_reads=3.0, table_writes=3.0, index_reads=0.0, index_writes=2.0, refused=1
    )
    assert client.requests[0]["ReturnConsumedCapacity"] == "INDEXES"
