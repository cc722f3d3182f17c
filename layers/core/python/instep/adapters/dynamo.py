"""Tables on DynamoDB. Requests are built by plain functions and sent by `DynamoStore`.

What AWS refuses and an emulator may let pass (empty keys, overlapping update paths, a start key
outside of the query) is refused here with ValueError or TypeError, before anything is sent.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from instep.adapters.system import SystemClock, wait_before_retry
from instep.use_cases.ports import INDEXES, MISSING, Clock, Item, Page

KEY: Final = ("account_id", "item")
INDEX_ATTRIBUTES: Final = tuple(
    dict.fromkeys(name for one in INDEXES.values() for name in (one.stream, one.sort))
)

LONGEST_PARTITION_KEY_BYTES: Final = 2048
LONGEST_SORT_KEY_BYTES: Final = 1024
MOST_GETS: Final = 100
MOST_WRITES: Final = 25
MOST_ATTEMPTS: Final = 10
NUMBER_LIMIT: Final = 10**38
"""DynamoDB keeps 38 digits."""

Request = dict[str, Any]


@dataclass(slots=True)
class Consumed:
    """Capacity units used, of the table and of its indexes apart, for the bench. `refused` counts
    writes whose condition did not hold; these are billed too."""

    table_reads: float = 0.0
    table_writes: float = 0.0
    index_reads: float = 0.0
    index_writes: float = 0.0
    refused: int = 0


# --- values ------------------------------------------------------------------------------------


def marshalled(value: Any) -> dict[str, Any]:
    """A value in DynamoDB's notation. Raises TypeError for what Store does not keep (floats, sets,
    tuples, bytes), ValueError for numbers that DynamoDB would round and for empty names."""
    if isinstance(value, str):
        return {"S": str.__str__(value)}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        if abs(value) >= NUMBER_LIMIT:
            raise ValueError("a number of more than 38 digits cannot be stored")
        return {"N": int.__repr__(value)}
    if value is None:
        return {"NULL": True}
    if isinstance(value, list):
        return {"L": [marshalled(one) for one in value]}
    if isinstance(value, dict):
        return {"M": marshalled_item(value)}
    raise TypeError(f"a {type(value).__name__} cannot be stored")


def marshalled_item(value: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an item, or the entries of a map, in DynamoDB's notation."""
    for name in value:
        if not isinstance(name, str):
            raise TypeError(f"a {type(name).__name__} cannot be a name")
        if not name:
            raise ValueError("a name cannot be empty")
    return {str.__str__(name): marshalled(one) for name, one in value.items()}


def unmarshalled(value: Mapping[str, Any]) -> Any:
    """The value again."""
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "BOOL":
            return inner
        case "N":
            return int(inner)
        case "NULL":
            return None
        case "L":
            return [unmarshalled(one) for one in inner]
        case "M":
            return unmarshalled_item(inner)
    raise TypeError(f"an attribute of the type {kind} is none of ours")


def unmarshalled_item(value: Mapping[str, Any]) -> Item:
    """The item again."""
    return {name: unmarshalled(one) for name, one in value.items()}


# --- what AWS refuses --------------------------------------------------------------------------


def check_text(name: str, value: object, longest_bytes: int = LONGEST_SORT_KEY_BYTES) -> None:
    """Raises ValueError if this cannot be (a part of) a key: text, not empty, not too long."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be text and not empty")
    if len(value) * 4 > longest_bytes and len(value.encode()) > longest_bytes:
        raise ValueError(f"{name} is longer than {longest_bytes} bytes")


def check_key(account_id: object, item: object) -> None:
    """Raises ValueError if this cannot be an item's key."""
    check_text("account_id", account_id, LONGEST_PARTITION_KEY_BYTES)
    check_text("item", item)


def check_item(value: Mapping[str, Any]) -> None:
    """Raises ValueError if the item has no proper key, or an index attribute that cannot be one."""
    check_key(value.get("account_id"), value.get("item"))
    check_index_attributes(value)


def check_index_attributes(value: Mapping[str, Any]) -> None:
    """Raises ValueError if an attribute that belongs to an index is there and not a key's text."""
    for name in INDEX_ATTRIBUTES:
        if name in value:
            check_text(name, value[name])


def check_update(set_to: Mapping[str, Any], add: Mapping[str, int], remove: Sequence[str]) -> None:
    """Raises ValueError if an attribute is named twice or is part of the key; TypeError if
    something else than an integer is added."""
    names = [*set_to, *add, *remove]
    if len(set(names)) != len(names):
        raise ValueError("an attribute is changed twice in one update")
    if any(name in KEY for name in names):
        raise ValueError("an item's key cannot be changed")
    if any(type(one) is not int for one in add.values()):
        raise TypeError("only integers can be added")
    if any(name in INDEX_ATTRIBUTES for name in add):
        raise ValueError("an index attribute is not a number")
    check_index_attributes(set_to)


def check_query(account_id: str, prefix: str, after: str | None, limit: int) -> None:
    """Raises ValueError if the page cannot be asked for."""
    check_text("account_id", account_id, LONGEST_PARTITION_KEY_BYTES)
    if limit < 1:
        raise ValueError("a page has at least one item")
    if after is None:
        return
    check_text("the start", after)
    if not after.startswith(prefix):
        raise ValueError("the start lies outside of the query")


def check_index_query(
    index: str, account_id: str, stream: str, prefix: str, after: Item | None, limit: int
) -> None:
    """Raises ValueError if the page of the index cannot be asked for, KeyError if there is no such
    index."""
    of = INDEXES[index]
    check_query(account_id, prefix, None if after is None else after[of.sort], limit)
    check_text(of.stream, stream)
    if after is not None and (after["account_id"], after[of.stream]) != (account_id, stream):
        raise ValueError("the start lies outside of the query")


# --- requests ----------------------------------------------------------------------------------


class _Expression:
    """Collects names and values, so that no attribute's name meets a reserved word."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def name(self, attribute: str) -> str:
        return self._names.setdefault(attribute, f"#{len(self._names)}")

    def value(self, value: Any) -> str:
        token = f":{len(self._values)}"
        self._values[token] = marshalled(value)
        return token

    def condition(self, expect: Mapping[str, Any] | None) -> Request:
        """The condition that every attribute is as expected; nothing if nothing is."""
        parts = [
            f"attribute_not_exists({self.name(attribute)})"
            if wanted is MISSING
            else f"{self.name(attribute)} = {self.value(wanted)}"
            for attribute, wanted in (expect or {}).items()
        ]
        return {"ConditionExpression": " AND ".join(parts)} if parts else {}

    def tokens(self) -> Request:
        """The attributes and values that were named."""
        request: Request = {}
        if self._names:
            request["ExpressionAttributeNames"] = {
                token: attribute for attribute, token in self._names.items()
            }
        if self._values:
            request["ExpressionAttributeValues"] = self._values
        return request


def key_of(account_id: str, item: str) -> Request:
    """An item's key in DynamoDB's notation."""
    check_key(account_id, item)
    return marshalled_item({"account_id": account_id, "item": item})


def put_request(table: str, value: Item, expect: Mapping[str, Any] | None = None) -> Request:
    """PutItem."""
    check_item(value)
    expression = _Expression()
    return {
        "TableName": table,
        "Item": marshalled_item(value),
        **expression.condition(expect),
        **expression.tokens(),
    }


def update_request(
    table: str,
    account_id: str,
    item: str,
    set_to: Mapping[str, Any],
    add: Mapping[str, int],
    remove: Sequence[str],
    expect: Mapping[str, Any] | None = None,
) -> Request:
    """UpdateItem."""
    check_update(set_to, add, remove)
    expression = _Expression()
    clauses = []
    if set_to:
        sets = (f"{expression.name(n)} = {expression.value(v)}" for n, v in set_to.items())
        clauses.append("SET " + ", ".join(sets))
    if add:
        adds = (f"{expression.name(n)} {expression.value(v)}" for n, v in add.items())
        clauses.append("ADD " + ", ".join(adds))
    if remove:
        clauses.append("REMOVE " + ", ".join(expression.name(n) for n in remove))
    return {
        "TableName": table,
        "Key": key_of(account_id, item),
        **({"UpdateExpression": " ".join(clauses)} if clauses else {}),
        **expression.condition(expect),
        **expression.tokens(),
    }


def delete_request(
    table: str, account_id: str, item: str, expect: Mapping[str, Any] | None = None
) -> Request:
    """DeleteItem."""
    expression = _Expression()
    return {
        "TableName": table,
        "Key": key_of(account_id, item),
        **expression.condition(expect),
        **expression.tokens(),
    }


def query_request(
    table: str,
    account_id: str,
    prefix: str = "",
    after: str | None = None,
    limit: int = 100,
    descending: bool = False,
) -> Request:
    """Query of the table itself."""
    check_query(account_id, prefix, after, limit)
    start = None if after is None else key_of(account_id, after)
    request = _query(table, {"account_id": account_id}, "item", prefix, start, limit, descending)
    return request | {"ConsistentRead": True}


def index_request(
    table: str,
    index: str,
    account_id: str,
    stream: str,
    prefix: str = "",
    after: Item | None = None,
    limit: int = 100,
    descending: bool = False,
) -> Request:
    """Query of an index."""
    check_index_query(index, account_id, stream, prefix, after, limit)
    of = INDEXES[index]
    start = None
    if after is not None:
        start = marshalled_item({name: after[name] for name in (*KEY, of.stream, of.sort)})
    partition = {"account_id": account_id, of.stream: stream}
    request = _query(table, partition, of.sort, prefix, start, limit, descending)
    return request | {"IndexName": index}


def count_request(table: str, index: str, account_id: str, stream: str) -> Request:
    """Query that counts one stream of an index."""
    request = index_request(table, index, account_id, stream)
    del request["Limit"]
    return request | {"Select": "COUNT"}


def _query(
    table: str,
    partition: Mapping[str, str],
    sort_key: str,
    prefix: str,
    start: Request | None,
    limit: int,
    descending: bool,
) -> Request:
    expression = _Expression()
    parts = [f"{expression.name(n)} = {expression.value(v)}" for n, v in partition.items()]
    if prefix:
        parts.append(f"begins_with({expression.name(sort_key)}, {expression.value(prefix)})")
    return {
        "TableName": table,
        "KeyConditionExpression": " AND ".join(parts),
        **expression.tokens(),
        "Limit": limit,
        "ScanIndexForward": not descending,
        **({"ExclusiveStartKey": start} if start else {}),
    }


def get_batches(table: str, account_id: str, items: Iterable[str]) -> list[Request]:
    """The `RequestItems` of as many BatchGetItem as it takes; each key once."""
    keys = [key_of(account_id, item) for item in dict.fromkeys(items)]
    return [
        {table: {"Keys": keys[at : at + MOST_GETS], "ConsistentRead": True}}
        for at in range(0, len(keys), MOST_GETS)
    ]


def write_batches(table: str, values: Sequence[Item]) -> list[Request]:
    """The `RequestItems` of as many BatchWriteItem as it takes; of two values of a key the later,
    since a batch may name a key once."""
    for value in values:
        check_item(value)
    last = {(value["account_id"], value["item"]): value for value in values}
    puts = [{"PutRequest": {"Item": marshalled_item(value)}} for value in last.values()]
    return [{table: puts[at : at + MOST_WRITES]} for at in range(0, len(puts), MOST_WRITES)]


# --- the store ---------------------------------------------------------------------------------


class DynamoStore:
    """Store on a table of DynamoDB; its indexes are those of `INDEXES`, keys only.

    `client` is boto3's low-level client; throttled requests are its retry settings' business.
    Raises botocore's ClientError for what DynamoDB refuses. `consumed` adds up capacity units,
    where given; a write that was refused by its condition counts as one, since AWS's answer does
    not say."""

    def __init__(
        self,
        client: Any,
        table_name: str,
        clock: Clock | None = None,
        chance: random.Random | None = None,
        consumed: Consumed | None = None,
    ) -> None:
        self._client = client
        self._table = table_name
        self._clock = clock or SystemClock()
        self._chance = chance or random.SystemRandom()
        self._consumed = consumed

    def get(self, account_id: str, item: str) -> Item | None:
        """One item, by a consistent read."""
        answer = self._call(
            "get_item",
            {"TableName": self._table, "Key": key_of(account_id, item), "ConsistentRead": True},
        )
        found = answer.get("Item")
        return None if found is None else unmarshalled_item(found)

    def get_many(self, account_id: str, items: Iterable[str]) -> dict[str, Item]:
        """Items by key, by consistent reads."""
        found = {}
        for batch in get_batches(self._table, account_id, items):
            for answer in self._all_of("batch_get_item", batch, "UnprocessedKeys"):
                for one in answer["Responses"].get(self._table, ()):
                    value = unmarshalled_item(one)
                    found[value["item"]] = value
        return found

    def put(self, value: Item, expect: Mapping[str, Any] | None = None) -> bool:
        """Replaces the whole item, if as expected."""
        return self._write("put_item", put_request(self._table, value, expect))

    def put_many(self, values: Sequence[Item]) -> None:
        """Replaces many items, each by itself."""
        for batch in write_batches(self._table, values):
            for _ in self._all_of("batch_write_item", batch, "UnprocessedItems"):
                pass

    def update(
        self,
        account_id: str,
        item: str,
        set_to: Mapping[str, Any] | None = None,
        add: Mapping[str, int] | None = None,
        remove: Sequence[str] = (),
        expect: Mapping[str, Any] | None = None,
    ) -> bool:
        """Changes attributes, if as expected."""
        request = update_request(
            self._table, account_id, item, set_to or {}, add or {}, remove, expect
        )
        return self._write("update_item", request)

    def delete(self, account_id: str, item: str, expect: Mapping[str, Any] | None = None) -> bool:
        """Deletes the item, if as expected."""
        return self._write("delete_item", delete_request(self._table, account_id, item, expect))

    def query(
        self,
        account_id: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        """A full page of items, or the last ones. `next` may be set though nothing is left."""
        request = query_request(self._table, account_id, prefix, after, limit, descending)
        items, next_key = self._page(request)
        return Page(items, None if next_key is None else next_key["item"])

    def query_index(
        self,
        index: str,
        account_id: str,
        stream: str,
        prefix: str = "",
        after: Item | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> list[Item]:
        """A full page of keys, or the last ones."""
        request = index_request(
            self._table, index, account_id, stream, prefix, after, limit, descending
        )
        return self._page(request)[0]

    def count_index(self, index: str, account_id: str, stream: str) -> int:
        """How many items one stream has."""
        request = count_request(self._table, index, account_id, stream)
        counted = 0
        while True:
            answer = self._call("query", request)
            counted += int(answer["Count"])
            if not answer.get("LastEvaluatedKey"):
                return counted
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _page(self, request: Request) -> tuple[list[Item], Item | None]:
        # DynamoDB ends a page early at 1 MB.
        items: list[Item] = []
        limit = request["Limit"]
        while True:
            answer = self._call("query", request | {"Limit": limit - len(items)})
            items += [unmarshalled_item(one) for one in answer["Items"]]
            last = answer.get("LastEvaluatedKey")
            if not last:
                return items, None
            if len(items) >= limit:
                return items, unmarshalled_item(last)
            request["ExclusiveStartKey"] = last

    def _write(self, operation: str, request: Request) -> bool:
        try:
            self._call(operation, request)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            if self._consumed is not None:
                self._consumed.refused += 1
                self._consumed.table_writes += 1
            return False
        return True

    def _all_of(self, operation: str, pending: Request, left: str) -> Iterator[Request]:
        """Answers until nothing is left. Raises ClientError if something stays undone."""
        for attempt in range(MOST_ATTEMPTS):
            if attempt:
                wait_before_retry(attempt, self._clock, self._chance)
            answer = self._call(operation, {"RequestItems": pending})
            yield answer
            pending = answer.get(left) or {}
            if not pending:
                return
        raise ClientError(
            {"Error": {"Code": "ThrottlingException", "Message": "part of a batch stays undone"}},
            operation,
        )

    def _call(self, operation: str, request: Request) -> Request:
        if self._consumed is None:
            answer: Request = getattr(self._client, operation)(**request)
            return answer
        answer = getattr(self._client, operation)(**request, ReturnConsumedCapacity="INDEXES")
        capacity = answer.get("ConsumedCapacity", [])
        reads = operation in ("get_item", "batch_get_item", "query")
        for one in capacity if isinstance(capacity, list) else [capacity]:
            of_table = one.get("Table", one).get("CapacityUnits", 0.0)
            indexes = one.get("GlobalSecondaryIndexes", {}).values()
            of_indexes = sum(index.get("CapacityUnits", 0.0) for index in indexes)
            if reads:
                self._consumed.table_reads += of_table
                self._consumed.index_reads += of_indexes
            else:
                self._consumed.table_writes += of_table
                self._consumed.index_writes += of_indexes
        return answer
