"""What the ports in memory have beyond their contract: bills, lag, hooks."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from instep.adapters.dynamo import Consumed
from instep.adapters.memory import (
    LARGEST_ITEM_BYTES,
    Execution,
    MemoryMachines,
    MemoryQueue,
    MemoryStore,
    Sent,
    attributes_bytes,
    size_bytes,
)
from instep.use_cases.ports import NEW, Item


def item(key: str, **attributes: Any) -> Item:
    return {"account_id": "acme", "item": key, **attributes}


def indexed(key: str, **attributes: Any) -> Item:
    keys = {"status": "matched", "name_key": "n", "email_key": "e", "changed_at": "2026"}
    return item(key, **(keys | attributes))


def spent(store: MemoryStore) -> Consumed:
    """What was consumed since the last time."""
    consumed, store.consumed = store.consumed, Consumed()
    return consumed


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("", 0),
        ("abc", 3),
        ("é🙂", 6),
        (0, 2),
        (7, 2),
        (12, 2),
        (123, 3),
        (1200, 2),
        (-12, 3),
        (True, 1),
        (None, 1),
        ([], 3),
        (["a", 1], 3 + 2 + 1 + 2),
        ({}, 3),
        ({"ab": "c"}, 3 + 1 + 2 + 1),
    ],
)
def test_sizes_by_the_developer_guide(value: object, size: int) -> None:
    assert size_bytes(value) == size


def test_the_largest_item() -> None:
    store = MemoryStore()
    room = LARGEST_ITEM_BYTES - attributes_bytes(item("big", text=""))
    store.put(item("big", text="x" * room))
    with pytest.raises(ClientError):
        store.put(item("big", text="x" * (room + 1)))
    with pytest.raises(ClientError):
        store.update("acme", "big", set_to={"a": True})


def test_writes_are_billed_by_the_larger_of_before_and_after() -> None:
    store = MemoryStore()
    store.put(item("a", text="x" * 900))
    assert spent(store).table_writes == 1
    store.put(item("a", text="x" * 2000))
    assert spent(store).table_writes == 2
    store.put(item("a"))
    assert spent(store).table_writes == 2
    store.update("acme", "a", set_to={"text": "x" * 3000})
    assert spent(store).table_writes == 3
    store.delete("acme", "a")
    assert spent(store).table_writes == 3
    store.delete("acme", "a")
    assert spent(store) == Consumed(table_writes=1)
    store.put_many([item("a"), item("b", text="x" * 2000)])
    assert spent(store).table_writes == 3


def test_refused_writes_are_billed() -> None:
    store = MemoryStore()
    store.put(item("a", text="x" * 2000))
    spent(store)
    assert not store.put(item("a", text="x" * 3000), NEW)
    assert spent(store) == Consumed(table_writes=3, refused=1)
    assert not store.update("acme", "a", set_to={"b": 1}, expect={"b": 1})
    assert spent(store) == Consumed(table_writes=2, refused=1)
    assert not store.delete("acme", "nobody", {"b": 1})
    assert spent(store) == Consumed(table_writes=1, refused=1)


def test_indexes_are_billed_where_they_change() -> None:
    store = MemoryStore()
    store.put(item("a", status="pending"))
    assert spent(store).index_writes == 0
    store.put(indexed("a"))
    assert spent(store).index_writes == 3
    store.put(indexed("a", version=2))
    assert spent(store).index_writes == 0
    store.update("acme", "a", set_to={"name_key": "m"})
    assert spent(store).index_writes == 2
    store.update("acme", "a", set_to={"status": "missing"})
    assert spent(store).index_writes == 6
    store.update("acme", "a", remove=["changed_at"])
    assert spent(store).index_writes == 1
    store.delete("acme", "a")
    assert spent(store).index_writes == 2


def test_reads_are_billed_by_four_kilobytes() -> None:
    store = MemoryStore()
    store.put_many([item(f"user/{n}", text="x" * 1000) for n in range(9)])
    store.put(indexed("user/9"))
    spent(store)
    store.get("acme", "nobody")
    store.get("acme", "user/1")
    assert spent(store) == Consumed(table_reads=2)
    store.get_many("acme", ["user/1", "user/2", "user/2", "nobody"])
    assert spent(store) == Consumed(table_reads=3)
    store.query("acme", limit=5)
    assert spent(store) == Consumed(table_reads=2)
    store.query("nobody")
    assert spent(store) == Consumed(table_reads=1)
    store.query_index("by_name", "acme", "matched")
    store.count_index("by_name", "acme", "matched")
    assert spent(store) == Consumed(index_reads=1.0)


def test_an_index_may_lag() -> None:
    store = MemoryStore()
    store.put(indexed("a"))
    store.lagging = True
    assert store.query_index("by_name", "acme", "matched") == []
    store.lagging = False
    assert store.count_index("by_name", "acme", "matched") == 1
    store.lagging = True
    store.put(indexed("a", status="missing"))
    store.delete("acme", "a")
    store.put(indexed("a", name_key="z"))
    assert store.query_index("by_name", "acme", "matched")[0]["name_key"] == "n"
    store.lagging = False
    assert [one["name_key"] for one in store.query_index("by_name", "acme", "matched")] == ["z"]
    assert store.count_index("by_name", "acme", "missing") == 0


def test_a_table_without_indexes() -> None:
    store = MemoryStore(indexes=())
    store.put(indexed("a"))
    assert store.consumed.index_writes == 0
    with pytest.raises(ClientError):
        store.query_index("by_name", "acme", "matched")


def test_everything() -> None:
    store = MemoryStore()
    store.put({"account_id": "b", "item": "1"})
    store.put({"account_id": "a", "item": "2", "list": []})
    store.put({"account_id": "a", "item": "1"})
    everything = store.everything()
    assert [(one["account_id"], one["item"]) for one in everything] == [
        ("a", "1"),
        ("a", "2"),
        ("b", "1"),
    ]
    everything[1]["list"].append(1)
    assert store.get("a", "2") == {"account_id": "a", "item": "2", "list": []}


def test_a_queue_delivers() -> None:
    delivered: list[Sent] = []
    queue = MemoryQueue(delivered.append)
    queue.send([{"n": 1}], "acme", 30)
    assert delivered == [Sent({"n": 1}, "acme", 30)]
    assert queue.sent == []


def test_machines_tell_once_of_each_start() -> None:
    started: list[Execution] = []
    machines = MemoryMachines(on_start=started.append)
    arn = machines.start("initial-sync", "acme-1", {"n": 1})
    machines.start("initial-sync", "acme-1", {"n": 2})
    assert [(one.arn, one.name, one.payload) for one in started] == [(arn, "acme-1", {"n": 1})]
