"""The ports in memory, for tests, the simulator and the bench. They pass the contract tests of the
real ones and refuse what those refuse, with the same errors."""

from __future__ import annotations

import base64
import json
import random
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from instep.adapters.dynamo import (
    Consumed,
    check_index_query,
    check_item,
    check_key,
    check_query,
    check_update,
    marshalled,
)
from instep.adapters.machines import check_name, execution_arn
from instep.adapters.sqs import check_delay
from instep.adapters.system import sortable_id
from instep.use_cases.ports import INDEXES, MISSING, Clock, Item, Page

LARGEST_ITEM_BYTES: Final = 400 * 1024
READ_UNIT_BYTES: Final = 4096
WRITE_UNIT_BYTES: Final = 1024

# --- values ------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A deep copy in plain types. Raises TypeError and ValueError as `dynamo.marshalled` does."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is dict:
        if "" in value or any(type(name) is not str for name in value):
            marshalled(value)
        return {name: plain(one) for name, one in value.items()}
    if kind is list:
        return [plain(one) for one in value]
    ((notation, inner),) = marshalled(value).items()
    if notation == "N":
        return int(inner)
    return inner if notation == "S" else plain(dict(value) if notation == "M" else list(value))


def copied(value: Any) -> Any:
    """A deep copy of plain types."""
    kind = type(value)
    if kind is dict:
        return {name: copied(one) for name, one in value.items()}
    if kind is list:
        return [copied(one) for one in value]
    return value


def same(one: Any, other: Any) -> bool:
    """DynamoDB's equality: by type (1 is not true) and by value."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is dict:
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if kind is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def size_bytes(value: Any) -> int:
    """A value's size by DynamoDB's rules (developer guide, "item sizes and formats")."""
    kind = type(value)
    if kind is str:
        return len(value) if value.isascii() else len(value.encode())
    if kind is int:
        digits = len(str(abs(value)).rstrip("0")) or 1
        return (digits + 1) // 2 + (2 if value < 0 else 1)
    if kind is dict:
        return 3 + len(value) + attributes_bytes(value)
    if kind is list:
        return 3 + len(value) + sum(map(size_bytes, value))
    return 1


def attributes_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item: names and values."""
    return sum([size_bytes(name) + size_bytes(value) for name, value in item.items()])


def units(size: float, unit: int) -> int:
    """Capacity units for so many bytes: whole ones, at least one."""
    return max(1, -(-int(size) // unit))


def invalid(operation: str, message: str) -> ClientError:
    """What boto3 raises where DynamoDB refuses a request."""
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, operation)


# --- tables ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Partition:
    """The items of one account; keys sorted. Text compares by code points, which is the order of
    its UTF-8 bytes."""

    keys: list[str] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


Entry = tuple[str, str]
"""A place in an index: stream and sort key."""
STREAMS = frozenset(one.stream for one in INDEXES.values())


class MemoryStore:
    """Store as DynamoDB keeps it, with the conditions, limits, order and capacity units of its
    documentation. `indexes` are those that the table has.

    Indexes are brought up to date when they are read; while `lagging` is set they are not, so that
    a simulator can let them lag. `consumed` adds up what AWS would bill."""

    def __init__(self, indexes: Iterable[str] = tuple(INDEXES)) -> None:
        self.consumed = Consumed()
        self.lagging = False
        self._indexes = {index: INDEXES[index] for index in indexes}
        self._partitions: dict[str, _Partition] = {}
        self._streams: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        self._behind: list[tuple[str, str, str, Entry | None, Entry | None]] = []

    def everything(self) -> list[Item]:
        """Every item, by account and key; for assertions, not billed."""
        return [
            copied(partition.items[key])
            for _, partition in sorted(self._partitions.items())
            for key in partition.keys
        ]

    def get(self, account_id: str, item: str) -> Item | None:
        """One item."""
        check_key(account_id, item)
        partition = self._partition(account_id)
        self.consumed.table_reads += units(partition.sizes.get(item, 0), READ_UNIT_BYTES)
        found = partition.items.get(item)
        return None if found is None else copied(found)

    def get_many(self, account_id: str, items: Iterable[str]) -> dict[str, Item]:
        """Items by key."""
        keys = list(dict.fromkeys(items))
        for key in keys:
            check_key(account_id, key)
        found = {key: self.get(account_id, key) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def put(self, value: Item, expect: Mapping[str, Any] | None = None) -> bool:
        """Replaces the whole item, if as expected."""
        check_item(value)
        return self._write("PutItem", value["account_id"], value["item"], plain(value), expect)

    def put_many(self, values: Sequence[Item]) -> None:
        """Replaces many items, each by itself."""
        for value in values:
            check_item(value)
        last = {(value["account_id"], value["item"]): plain(value) for value in values}
        for (account_id, item), value in last.items():
            self._write("BatchWriteItem", account_id, item, value, None)

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
        set_to, add = set_to or {}, add or {}
        check_update(set_to, add, remove)
        check_key(account_id, item)
        changes = plain(dict(set_to)) | plain(dict(add))
        old = self._partition(account_id).items.get(item)
        if not self._holds(old, expect):
            return self._refuse(account_id, item)
        new = dict(old) if old is not None else {"account_id": account_id, "item": item}
        for name in add:
            before = new.get(name, 0)
            if type(before) is not int:
                raise invalid("UpdateItem", "An operand in the update has an incorrect data type")
            changes[name] = plain(before + changes[name])
        new |= changes
        for name in remove:
            new.pop(name, None)
        return self._write("UpdateItem", account_id, item, new, None)

    def delete(self, account_id: str, item: str, expect: Mapping[str, Any] | None = None) -> bool:
        """Deletes the item, if as expected."""
        check_key(account_id, item)
        return self._write("DeleteItem", account_id, item, None, expect)

    def query(
        self,
        account_id: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        """A full page of items, or the last ones. `next` may be set though nothing is left."""
        check_query(account_id, prefix, after, limit)
        partition = self._partition(account_id)
        keys = partition.keys
        low = bisect_left(keys, prefix)
        high = bisect_right(keys, prefix, low, key=lambda key: key[: len(prefix)])
        if after is not None:
            if descending:
                high = bisect_left(keys, after, low, high)
            else:
                low = bisect_right(keys, after, low, high)
        chosen = keys[max(low, high - limit) : high] if descending else keys[low:high][:limit]
        if descending:
            chosen.reverse()
        read = sum(partition.sizes[key] for key in chosen)
        self.consumed.table_reads += units(read, READ_UNIT_BYTES)
        items = [copied(partition.items[key]) for key in chosen]
        return Page(items, chosen[-1] if len(chosen) == limit else None)

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
        check_index_query(index, account_id, stream, prefix, after, limit)
        entries = self._stream(index, account_id, stream)
        of = INDEXES[index]
        low = bisect_left(entries, (prefix, ""))
        high = bisect_right(entries, prefix, low, key=lambda entry: entry[0][: len(prefix)])
        if after is not None:
            start = (after[of.sort], after["item"])
            if descending:
                high = bisect_left(entries, start, low, high)
            else:
                low = bisect_right(entries, start, low, high)
        chosen = entries[max(low, high - limit) : high] if descending else entries[low:high][:limit]
        if descending:
            chosen.reverse()
        items = [
            {"account_id": account_id, "item": item, of.stream: str(stream), of.sort: sort}
            for sort, item in chosen
        ]
        self._bill_index_read(sum(map(attributes_bytes, items)))
        return items

    def count_index(self, index: str, account_id: str, stream: str) -> int:
        """How many items one stream has."""
        check_index_query(index, account_id, stream, "", None, 1)
        entries = self._stream(index, account_id, stream)
        self._bill_index_read(
            sum(
                self._entry_bytes(index, account_id, item, (stream, sort)) for sort, item in entries
            )
        )
        return len(entries)

    # --- writing ---

    def _partition(self, account_id: str) -> _Partition:
        partition = self._partitions.get(account_id)
        if partition is None:
            partition = self._partitions[account_id] = _Partition()
        return partition

    def _holds(self, old: Item | None, expect: Mapping[str, Any] | None) -> bool:
        if not expect:
            return True
        holds = True
        for name, wanted in expect.items():
            if wanted is MISSING:
                holds &= old is None or name not in old
            else:
                value = plain(wanted)
                holds &= old is not None and name in old and same(old[name], value)
        return holds

    def _refuse(self, account_id: str, item: str, new_size: int = 0) -> bool:
        size = max(self._partition(account_id).sizes.get(item, 0), new_size)
        self.consumed.table_writes += units(size, WRITE_UNIT_BYTES)
        self.consumed.refused += 1
        return False

    def _write(
        self,
        operation: str,
        account_id: str,
        item: str,
        new: Item | None,
        expect: Mapping[str, Any] | None,
    ) -> bool:
        partition = self._partition(account_id)
        old = partition.items.get(item)
        size = 0 if new is None else attributes_bytes(new)
        if size > LARGEST_ITEM_BYTES:
            raise invalid(operation, "Item size has exceeded the maximum allowed size")
        if not self._holds(old, expect):
            return self._refuse(account_id, item, size)
        larger = max(size, partition.sizes.get(item, 0))
        self.consumed.table_writes += units(larger, WRITE_UNIT_BYTES)
        if new is not None:
            if old is None:
                insort(partition.keys, item)
            partition.items[item] = new
            partition.sizes[item] = size
        elif old is not None:
            del partition.keys[bisect_left(partition.keys, item)]
            del partition.items[item]
            del partition.sizes[item]
        if not all(STREAMS.isdisjoint(one) for one in (old, new) if one is not None):
            self._index(account_id, item, old, new)
        return True

    # --- indexes ---

    def _index(self, account_id: str, item: str, old: Item | None, new: Item | None) -> None:
        for index in self._indexes:
            before, after = self._entry(index, old), self._entry(index, new)
            if before == after:
                continue
            self._behind.append((index, account_id, item, before, after))
            for entry in (before, after):
                if entry is not None:
                    size = self._entry_bytes(index, account_id, item, entry)
                    self.consumed.index_writes += units(size, WRITE_UNIT_BYTES)

    def _entry(self, index: str, item: Item | None) -> Entry | None:
        of = self._indexes[index]
        if item is None or of.stream not in item or of.sort not in item:
            return None
        return item[of.stream], item[of.sort]

    def _entry_bytes(self, index: str, account_id: str, item: str, entry: Entry) -> int:
        of = INDEXES[index]
        stream, sort = entry
        return attributes_bytes(
            {"account_id": account_id, "item": item, of.stream: stream, of.sort: sort}
        )

    def _stream(self, index: str, account_id: str, stream: str) -> list[tuple[str, str]]:
        if index not in self._indexes:
            raise invalid("Query", "The table does not have the specified index")
        if not self.lagging:
            for of_index, of_account, item, before, after in self._behind:
                if before is not None:
                    entries = self._streams[of_index, of_account, before[0]]
                    del entries[bisect_left(entries, (before[1], item))]
                if after is not None:
                    entries = self._streams.setdefault((of_index, of_account, after[0]), [])
                    insort(entries, (after[1], item))
            self._behind.clear()
        return self._streams.get((index, account_id, stream), [])

    def _bill_index_read(self, size: int) -> None:
        self.consumed.index_reads += units(size, READ_UNIT_BYTES) / 2


# --- queues ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """A message on a lane, its body as it comes out again."""

    body: dict[str, Any]
    account_id: str
    delay_seconds: int


class MemoryQueue:
    """Queue that hands each message to `deliver`, or collects it in `sent`."""

    def __init__(self, deliver: Callable[[Sent], None] | None = None) -> None:
        self.sent: list[Sent] = []
        self._deliver = deliver or self.sent.append

    def send(
        self, bodies: Sequence[Mapping[str, Any]], account_id: str, delay_seconds: int = 0
    ) -> None:
        """Sends all messages."""
        check_delay(delay_seconds)
        texts = [json.dumps(body) for body in bodies]
        for text in texts:
            self._deliver(Sent(json.loads(text), account_id, delay_seconds))


# --- events ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Published:
    """An event as it comes out again."""

    kind: str
    detail: dict[str, Any]


class MemoryEvents:
    """Events that are kept in `published`. With a `fault` set, each publication raises it and
    publishes nothing."""

    def __init__(self) -> None:
        self.published: list[Published] = []
        self.fault: Exception | None = None

    def publish(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Publishes an event, or raises the fault."""
        text = json.dumps(detail)
        if self.fault is not None:
            raise self.fault
        self.published.append(Published(kind, json.loads(text)))


# --- secrets -----------------------------------------------------------------------------------


class MemorySecrets:
    """Secrets in a dictionary."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, str]] = {}

    def put(self, name: str, value: Mapping[str, str]) -> None:
        self._values[name] = dict(value)

    def get(self, name: str) -> Mapping[str, str] | None:
        value = self._values.get(name)
        return None if value is None else dict(value)

    def delete(self, name: str) -> None:
        self._values.pop(name, None)

    def names(self) -> list[str]:
        """The names of all secrets; for assertions."""
        return sorted(self._values)


# --- machines ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Execution:
    """An execution of a machine; whoever plays the machine ends it."""

    arn: str
    machine: str
    name: str
    payload: dict[str, Any]
    running: bool = True


class MemoryMachines:
    """Machines that only note what was started, and tell `on_start` once for each execution."""

    def __init__(
        self,
        machines: Iterable[str] = ("initial-sync", "scheduled-sync"),
        on_start: Callable[[Execution], None] | None = None,
    ) -> None:
        self.executions: dict[str, Execution] = {}
        self._arns = {
            machine: f"arn:aws:states:us-east-1:000000000000:stateMachine:{machine}"
            for machine in machines
        }
        self._on_start = on_start

    def start(self, machine: str, name: str, payload: Mapping[str, Any]) -> str:
        check_name(name)
        arn = execution_arn(self._arns[machine], name)
        text = json.dumps(payload)
        if arn not in self.executions:
            self.executions[arn] = Execution(arn, machine, name, json.loads(text))
            if self._on_start is not None:
                self._on_start(self.executions[arn])
        return arn

    def running(self, execution_arn: str) -> bool:
        execution = self.executions.get(execution_arn)
        return execution is not None and execution.running


# --- time, chance, operators -------------------------------------------------------------------


class ManualClock:
    """A clock that only moves when told to, or when somebody sleeps."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        """Moves on at once; never back."""
        self._now += timedelta(seconds=max(0.0, seconds))

    def set(self, now: datetime) -> None:
        """Moves to a time."""
        self._now = now


class SeededIds:
    """Ids and tokens from a seed."""

    def __init__(self, chance: random.Random, clock: Clock) -> None:
        self._chance = chance
        self._clock = clock

    def new(self) -> str:
        return sortable_id(self._clock.now(), self._chance.getrandbits(80))

    def token(self) -> str:
        return base64.urlsafe_b64encode(self._chance.randbytes(32)).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Line:
    """A log line."""

    message: str
    details: dict[str, Any]


class MemoryWatch:
    """What operators would have been told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: list[Line] = []
        self.alarms: list[Line] = []

    def count(self, metric: str, value: int = 1) -> None:
        self.counts[metric] += value

    def note(self, message: str, **details: Any) -> None:
        self.notes.append(Line(message, details))

    def alarm(self, message: str, **details: Any) -> None:
        """Kept, and counted in `Alarms` as the real one does."""
        self.alarms.append(Line(message, details))
        self.count("Alarms")
