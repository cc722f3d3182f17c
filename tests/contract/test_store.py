"""What every Store does."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from moto import mock_aws

from instep.adapters.dynamo import DynamoStore
from instep.adapters.memory import ManualClock, MemoryStore
from instep.use_cases.ports import MISSING, NEW, Item, Store
from tests.contract.places import Client, create_table

ACCOUNT = "acme"


@pytest.fixture
def store(place: Client | None) -> Iterator[Store]:
    if place is None:
        yield MemoryStore()
        return
    dynamodb = place("dynamodb")
    name = f"users-{uuid.uuid4().hex}"
    create_table(dynamodb, name)
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    yield DynamoStore(dynamodb, name, clock, Random(1))
    dynamodb.delete_table(TableName=name)


def item(key: str, **attributes: Any) -> Item:
    return {"account_id": ACCOUNT, "item": key, **attributes}


def indexed(key: str, name: str, status: str = "matched") -> Item:
    return item(
        key, status=status, name_key=name, email_key=f"{key}@example.org", changed_at="2026-01-01"
    )


def skip_on_moto(request: pytest.FixtureRequest, why: str) -> None:
    if request.node.callspec.params["place"] == "moto":
        pytest.skip(f"moto differs from AWS: {why}")


def keys(items: list[Item]) -> list[str]:
    return [one["item"] for one in items]


def walk(store: Store, prefix: str = "", limit: int = 2, descending: bool = False) -> list[str]:
    """All keys, page by page."""
    found: list[str] = []
    after: str | None = None
    for _ in range(100):
        page = store.query(ACCOUNT, prefix, after, limit, descending)
        assert len(page.items) == limit or page.next is None
        found += keys(page.items)
        after = page.next
        if after is None:
            return found
    raise AssertionError("the pages do not end")


def walk_index(
    store: Store,
    index: str,
    status: str,
    prefix: str = "",
    limit: int = 2,
    descending: bool = False,
) -> list[Item]:
    """All entries of a stream, page by page."""
    found: list[Item] = []
    for _ in range(100):
        after = found[-1] if found else None
        page = store.query_index(index, ACCOUNT, status, prefix, after, limit, descending)
        found += page
        if len(page) < limit:
            return found
    raise AssertionError("the pages do not end")


# --- values ---


def test_an_item_comes_back_as_it_was_put(store: Store) -> None:
    value = item(
        "user/1",
        text="ñandú 🙂",
        empty="",
        number=12345678901234567890123456789012345678,
        negative=-7,
        zero=0,
        yes=True,
        no=False,
        nothing=None,
        some=[1, "two", [True, None], {"three": [3]}],
        none=[],
        deep={"a b": {"c.d": {"size": []}}, "empty": {}},
        **{"size": "a reserved word", "with.dot": 1, "with space#:": 2},
    )
    assert store.put(value)
    found = store.get(ACCOUNT, "user/1")
    assert found == value
    assert found is not None
    assert found["yes"] is True
    assert type(found["number"]) is int


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.get(ACCOUNT, "user/1") is None
    assert store.get_many(ACCOUNT, ["user/1", "user/2"]) == {}
    assert store.get_many(ACCOUNT, []) == {}


def test_an_item_is_no_one_elses(store: Store) -> None:
    value = item("user/1", deep={"list": [1]})
    store.put(value)
    value["deep"]["list"].append(2)
    first = store.get(ACCOUNT, "user/1")
    assert first is not None
    first["deep"]["list"].append(3)
    store.query(ACCOUNT).items[0]["deep"]["list"].append(4)
    store.get_many(ACCOUNT, ["user/1"])["user/1"]["deep"]["list"].append(5)
    assert store.get(ACCOUNT, "user/1") == item("user/1", deep={"list": [1]})

    change = {"list": [1]}
    store.update(ACCOUNT, "user/1", set_to={"deep": change})
    change["list"].append(6)
    assert store.get(ACCOUNT, "user/1") == item("user/1", deep={"list": [1]})


@pytest.mark.parametrize("bad", [1.0, Decimal(1), {1, 2}, (1, 2), b"bytes", object()])
def test_other_types_are_refused(store: Store, bad: object) -> None:
    for value in (bad, [bad], {"in": {"side": bad}}):
        with pytest.raises(TypeError):
            store.put(item("user/1", value=value))
        with pytest.raises(TypeError):
            store.put_many([item("user/1", value=value)])
        with pytest.raises(TypeError):
            store.update(ACCOUNT, "user/1", set_to={"value": value})
        with pytest.raises(TypeError):
            store.put(item("user/1"), expect={"value": value})
    with pytest.raises(TypeError):
        store.put(item("user/1", value={1: "a name that is a number"}))
    assert store.get(ACCOUNT, "user/1") is None


def test_numbers_that_would_be_rounded_are_refused(store: Store) -> None:
    with pytest.raises(ValueError):
        store.put(item("user/1", number=10**38))


@pytest.mark.parametrize(
    "bad",
    [
        {"account_id": "", "item": "a"},
        {"account_id": "a", "item": ""},
        {"account_id": "a"},
        {"item": "a"},
        {"account_id": "a", "item": 1},
        {"account_id": "a", "item": "x" * 1025},
        {"account_id": "a", "item": "é" * 513},
        {"account_id": "x" * 2049, "item": "a"},
        {"account_id": "a", "item": "a", "": 1},
        {"account_id": "a", "item": "a", "map": {"": 1}},
        {"account_id": "a", "item": "a", "status": ""},
        {"account_id": "a", "item": "a", "status": 1},
        {"account_id": "a", "item": "a", "name_key": None},
        {"account_id": "a", "item": "a", "name_key": "x" * 1025},
    ],
)
def test_what_cannot_be_a_key_or_a_name_is_refused(store: Store, bad: Item) -> None:
    with pytest.raises(ValueError):
        store.put(bad)
    with pytest.raises(ValueError):
        store.put_many([bad])


def test_empty_keys_are_refused_everywhere(store: Store) -> None:
    with pytest.raises(ValueError):
        store.get(ACCOUNT, "")
    with pytest.raises(ValueError):
        store.get_many(ACCOUNT, ["a", ""])
    with pytest.raises(ValueError):
        store.update(ACCOUNT, "", set_to={"a": 1})
    with pytest.raises(ValueError):
        store.delete("", "a")
    with pytest.raises(ValueError):
        store.query("")
    with pytest.raises(ValueError):
        store.query_index("by_name", ACCOUNT, "")
    with pytest.raises(ValueError):
        store.count_index("by_name", ACCOUNT, "")


def test_an_item_has_at_most_400_kb(store: Store) -> None:
    assert store.put(item("big", text="x" * 390 * 1024))
    with pytest.raises(ClientError) as refused:
        store.put(item("big", text="x" * 401 * 1024))
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError):
        store.update(ACCOUNT, "big", set_to={"more": "x" * 20 * 1024})
    assert store.get(ACCOUNT, "big") == item("big", text="x" * 390 * 1024)


# --- conditions ---


def test_put_if_new(store: Store) -> None:
    assert store.put(item("user/1", who="first"), NEW)
    assert not store.put(item("user/1", who="second"), NEW)
    assert store.get(ACCOUNT, "user/1") == item("user/1", who="first")
    assert store.put(item("user/2"), NEW)


def test_put_replaces_the_whole_item(store: Store) -> None:
    store.put(item("user/1", version=1, old=True))
    assert store.put(item("user/1", version=2), {"version": 1})
    assert store.get(ACCOUNT, "user/1") == item("user/1", version=2)
    assert not store.put(item("user/1", version=3), {"version": 1})
    assert store.put(item("user/1", version=4), {})


@pytest.mark.parametrize(
    ("expect", "holds"),
    [
        ({"number": 1}, True),
        ({"number": "1"}, False),
        ({"number": 2}, False),
        ({"yes": True}, True),
        ({"nothing": None}, True),
        ({"nothing": MISSING}, False),
        ({"absent": MISSING}, True),
        ({"absent": ""}, False),
        ({"empty": ""}, True),
        ({"deep": {"b": [1, {"c": None}], "a": ""}}, True),
        ({"deep": {"b": [1]}}, False),
        ({"number": 1, "yes": True, "absent": MISSING}, True),
        ({"number": 1, "yes": False}, False),
        ({"item": "user/1", "account_id": ACCOUNT}, True),
        ({"size": MISSING, "with.dot": 1}, True),
    ],
)
def test_conditions(store: Store, expect: dict[str, Any], holds: bool) -> None:
    value = item(
        "user/1",
        number=1,
        yes=True,
        nothing=None,
        empty="",
        deep={"a": "", "b": [1, {"c": None}]},
        **{"with.dot": 1},
    )
    store.put(value)
    assert store.update(ACCOUNT, "user/1", set_to={"seen": 1}, expect=expect) is holds
    found = store.get(ACCOUNT, "user/1")
    assert found == (value | {"seen": 1} if holds else value)
    assert store.put(value, expect) is holds
    assert store.delete(ACCOUNT, "user/1", expect) is holds
    assert (store.get(ACCOUNT, "user/1") is None) is holds


@pytest.mark.parametrize(
    "expect", [{"number": True}, {"yes": 1}, {"absent": None}, {"deep": [True]}]
)
def test_conditions_go_by_type(
    store: Store, expect: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    skip_on_moto(request, "it compares as Python does")
    value = item("user/1", number=1, yes=True, deep=[1])
    store.put(value)
    assert not store.put(item("user/1"), expect)
    assert store.get(ACCOUNT, "user/1") == value


def test_conditions_on_what_is_not_there(store: Store) -> None:
    assert not store.put(item("user/1"), {"version": 1})
    assert not store.update(ACCOUNT, "user/1", set_to={"a": 1}, expect={"version": 1})
    assert not store.delete(ACCOUNT, "user/1", {"version": 1})
    assert store.get(ACCOUNT, "user/1") is None
    assert store.delete(ACCOUNT, "user/1", {"version": MISSING})
    assert store.update(ACCOUNT, "user/1", set_to={"a": 1}, expect={"version": MISSING})


# --- updates and deletes ---


def test_update_sets_adds_and_removes(store: Store) -> None:
    store.put(item("run", done=1, old="x", gone=1, kept=[1]))
    assert store.update(
        ACCOUNT,
        "run",
        set_to={"old": {"new": True}, "size": 1},
        add={"done": 2, "failed": -1},
        remove=["gone", "never there"],
    )
    assert store.get(ACCOUNT, "run") == item(
        "run", done=3, old={"new": True}, size=1, failed=-1, kept=[1]
    )


def test_update_makes_what_is_missing(store: Store) -> None:
    assert store.update(ACCOUNT, "run", add={"done": 1})
    assert store.get(ACCOUNT, "run") == item("run", done=1)


def test_an_update_may_change_nothing(store: Store, request: pytest.FixtureRequest) -> None:
    skip_on_moto(request, "it fails where no change is asked for")
    assert store.update(ACCOUNT, "empty")
    assert store.get(ACCOUNT, "empty") == item("empty")


def test_updates_that_aws_refuses(store: Store) -> None:
    store.put(item("run", done=1, text="x", yes=True))
    with pytest.raises(ValueError):
        store.update(ACCOUNT, "run", set_to={"done": 1}, remove=["done"])
    with pytest.raises(ValueError):
        store.update(ACCOUNT, "run", set_to={"done": 1}, add={"done": 1})
    with pytest.raises(ValueError):
        store.update(ACCOUNT, "run", remove=["text", "text"])
    with pytest.raises(ValueError):
        store.update(ACCOUNT, "run", set_to={"item": "other"})
    with pytest.raises(ValueError):
        store.update(ACCOUNT, "run", set_to={"name_key": ""})
    with pytest.raises(TypeError):
        store.update(ACCOUNT, "run", add={"done": True})
    for name in ("text", "yes"):
        with pytest.raises(ClientError) as refused:
            store.update(ACCOUNT, "run", add={name: 1})
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert store.get(ACCOUNT, "run") == item("run", done=1, text="x", yes=True)


def test_delete(store: Store) -> None:
    store.put(item("user/1"))
    assert store.delete(ACCOUNT, "user/1")
    assert store.delete(ACCOUNT, "user/1")
    assert store.get(ACCOUNT, "user/1") is None
    assert store.query(ACCOUNT).items == []


# --- many ---


def test_many_more_than_a_batch_and_the_same_twice(store: Store) -> None:
    values = [item(f"user/{n:04d}", n=n) for n in range(230)]
    store.put_many([item("user/0007", n=-1), *values])
    wanted = [value["item"] for value in values]
    found = store.get_many(ACCOUNT, (*wanted, *wanted[:50], "user/9999"))
    assert found == {value["item"]: value for value in values}
    store.put_many([])
    store.put_many([item("user/0001", n=1), item("user/0001", n=2)])
    again = store.get(ACCOUNT, "user/0001")
    assert again is not None
    assert again["n"] == 2


# --- queries ---


def test_keys_come_in_the_order_of_their_bytes(store: Store) -> None:
    ordered = ["B", "a", "a/", "a/1", "a0", "z", "é", "ﬀ", "\uffff", "𝄞", "🙂"]
    shuffled = Random(3).sample(ordered, len(ordered))
    store.put_many([item(key) for key in shuffled])
    assert keys(store.query(ACCOUNT).items) == ordered
    assert keys(store.query(ACCOUNT, descending=True).items) == ordered[::-1]
    for limit in (1, 2, 5, 11, 12):
        assert walk(store, limit=limit) == ordered
        assert walk(store, limit=limit, descending=True) == ordered[::-1]


def test_query_by_prefix(store: Store) -> None:
    for key in ("use", "user", "user/", "user/1", "user/2", "user/\U0010ffff", "user0", "v"):
        store.put(item(key))
    store.put({"account_id": "other", "item": "user/3"})
    wanted = ["user/", "user/1", "user/2", "user/\U0010ffff"]
    assert walk(store, "user/") == wanted
    assert walk(store, "user/", descending=True) == wanted[::-1]
    assert walk(store, "nothing") == []
    assert keys(store.query(ACCOUNT, "user/", limit=1, descending=True).items) == wanted[-1:]


def test_query_goes_on_after_what_is_gone(store: Store) -> None:
    for key in ("a", "b", "c"):
        store.put(item(key))
    page = store.query(ACCOUNT, limit=2)
    assert page.next == "b"
    store.delete(ACCOUNT, "b")
    assert keys(store.query(ACCOUNT, after=page.next).items) == ["c"]
    assert keys(store.query(ACCOUNT, after="b", descending=True).items) == ["a"]


def test_a_page_is_full_though_dynamodb_reads_a_megabyte_at_a_time(store: Store) -> None:
    store.put_many([item(f"user/{n}", text="x" * 390_000) for n in range(5)])
    page = store.query(ACCOUNT, limit=4)
    assert keys(page.items) == ["user/0", "user/1", "user/2", "user/3"]
    assert page.next == "user/3"
    assert len(store.get_many(ACCOUNT, [f"user/{n}" for n in range(5)])) == 5


def test_queries_that_aws_refuses(store: Store) -> None:
    for limit in (0, -1):
        with pytest.raises(ValueError):
            store.query(ACCOUNT, limit=limit)
    with pytest.raises(ValueError):
        store.query(ACCOUNT, "user/", after="run/1")
    entry = indexed("user/1", "smith")
    with pytest.raises(ValueError):
        store.query_index("by_name", ACCOUNT, "matched", "jones", after=entry)
    with pytest.raises(ValueError):
        store.query_index("by_name", ACCOUNT, "other", after=entry)
    with pytest.raises(KeyError):
        store.query_index("by_nothing", ACCOUNT, "matched")


# --- indexes ---


def test_an_index_gives_keys_in_order(store: Store) -> None:
    for key, name in (("user/1", "b"), ("user/2", "a"), ("user/3", "é"), ("user/4", "b b")):
        store.put(indexed(key, name))
    store.put(indexed("user/5", "a", status="missing"))
    store.put(indexed("user/6", "a") | {"account_id": "other"})
    found = walk_index(store, "by_name", "matched")
    assert keys(found) == ["user/2", "user/1", "user/4", "user/3"]
    assert found[0] == item("user/2", status="matched", name_key="a")
    assert walk_index(store, "by_name", "matched", descending=True) == found[::-1]
    assert keys(walk_index(store, "by_name", "matched", "b")) == ["user/1", "user/4"]
    assert keys(walk_index(store, "by_name", "matched", "b", 1, True)) == ["user/4", "user/1"]
    assert keys(walk_index(store, "by_email", "matched")) == [f"user/{n}" for n in range(1, 5)]
    assert walk_index(store, "by_name", "nobody") == []
    assert store.count_index("by_name", ACCOUNT, "matched") == 4
    assert store.count_index("by_name", ACCOUNT, "nobody") == 0


def test_the_same_sort_key_loses_nobody(store: Store) -> None:
    store.put_many([indexed(f"user/{n}", "same") for n in range(7)])
    for limit, descending in itertools.product((1, 2, 7, 8), (False, True)):
        found = walk_index(store, "by_name", "matched", "sa", limit, descending)
        assert sorted(keys(found)) == [f"user/{n}" for n in range(7)]


def test_an_index_follows_its_items(store: Store) -> None:
    def names() -> list[str]:
        return keys(walk_index(store, "by_name", "matched"))

    store.put_many([indexed("user/1", "a"), indexed("user/2", "b"), item("user/3", status="x")])
    assert names() == ["user/1", "user/2"]
    store.update(ACCOUNT, "user/1", set_to={"name_key": "c"})
    assert names() == ["user/2", "user/1"]
    store.update(ACCOUNT, "user/2", set_to={"status": "missing"})
    assert names() == ["user/1"]
    assert keys(walk_index(store, "by_name", "missing")) == ["user/2"]
    store.update(ACCOUNT, "user/1", remove=["name_key"])
    assert names() == []
    assert keys(walk_index(store, "by_email", "matched")) == ["user/1"]
    store.put(indexed("user/1", "d"))
    assert names() == ["user/1"]
    store.put(item("user/1"))
    assert names() == []
    store.put(indexed("user/1", "d"))
    store.delete(ACCOUNT, "user/1")
    assert names() == []
    assert store.count_index("by_email", ACCOUNT, "matched") == 0


# --- the two side by side ---

ITEM_KEYS = st.sampled_from(["a", "a/1", "a/2", "ab", "b", "é", "🙂"])
VALUES = st.recursive(
    # No 0 and 1 beside booleans: moto takes them for equal.
    st.none() | st.booleans() | st.integers(2, 4) | st.sampled_from(["", "2", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("k"), inner),
    max_leaves=3,
)
KEY_TEXTS = st.sampled_from(["p", "pq", "q"])
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "version": st.integers(0, 2),
        "value": VALUES,
        "status": KEY_TEXTS,
        "name_key": KEY_TEXTS,
        "changed_at": KEY_TEXTS,
    },
)
EXPECT = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "item": st.just(MISSING),
        "version": st.integers(0, 2) | st.just(MISSING),
        # Not NULL: moto takes a missing attribute for it.
        "value": VALUES.filter(lambda value: value is not None) | st.just(MISSING),
        "status": KEY_TEXTS | st.just(MISSING),
    },
)


class SideBySide(RuleBasedStateMachine):
    """Does the same on both stores and compares what they say."""

    real: DynamoStore
    accounts = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.account = f"account-{next(self.accounts)}"
        self.memory = MemoryStore()

    def both(self, call: str, *args: Any, **kwargs: Any) -> Any:
        def outcome(store: Store) -> Any:
            try:
                return getattr(store, call)(*args, **kwargs)
            except ClientError as error:
                return error.response["Error"]["Code"]

        in_memory, real = outcome(self.memory), outcome(self.real)
        assert in_memory == real
        return real

    @rule(key=ITEM_KEYS, attributes=ATTRIBUTES, expect=EXPECT)
    def put(self, key: str, attributes: Item, expect: dict[str, Any] | None) -> None:
        self.both("put", {"account_id": self.account, "item": key, **attributes}, expect)

    @rule(
        key=ITEM_KEYS,
        set_to=ATTRIBUTES,
        add=st.none() | st.dictionaries(st.sampled_from(["n", "m"]), st.integers(-2, 2)),
        remove=st.lists(st.sampled_from(["version", "value", "status", "name_key"]), unique=True),
        expect=EXPECT,
    )
    def update(
        self,
        key: str,
        set_to: Item,
        add: dict[str, int] | None,
        remove: list[str],
        expect: dict[str, Any] | None,
    ) -> None:
        add = {name: value for name, value in (add or {}).items() if name not in set_to}
        remove = [name for name in remove if name not in set_to and name not in add]
        if not (set_to or add or remove):  # moto does not know it
            return
        self.both("update", self.account, key, set_to, add, remove, expect)

    @rule(key=ITEM_KEYS, expect=EXPECT)
    def delete(self, key: str, expect: dict[str, Any] | None) -> None:
        self.both("delete", self.account, key, expect)

    @rule(
        prefix=st.sampled_from(["", "a", "a/", "é"]),
        limit=st.integers(1, 4),
        descending=st.booleans(),
    )
    def query(self, prefix: str, limit: int, descending: bool) -> None:
        found = [self.pages(store, prefix, limit, descending) for store in (self.memory, self.real)]
        assert found[0] == found[1]

    def pages(self, store: Store, prefix: str, limit: int, descending: bool) -> list[Item]:
        """All items, page by page. (AWS sets `next` at a full last page, moto does not.)"""
        items: list[Item] = []
        after = None
        while True:
            page = store.query(self.account, prefix, after, limit, descending)
            items += page.items
            after = page.next
            if after is None:
                return items

    @rule(
        index=st.sampled_from(["by_name", "by_changed"]),
        status=KEY_TEXTS,
        prefix=st.sampled_from(["", "p"]),
        descending=st.booleans(),
    )
    def query_index(self, index: str, status: str, prefix: str, descending: bool) -> None:
        sort_key = {"by_name": "name_key", "by_changed": "changed_at"}[index]
        found = [
            store.query_index(index, self.account, status, prefix, descending=descending)
            for store in (self.memory, self.real)
        ]
        # Which of two equal sort keys comes first is not said.
        assert [one[sort_key] for one in found[0]] == [one[sort_key] for one in found[1]]
        assert sorted(map(repr, map(sorted, map(dict.items, found[0])))) == sorted(
            map(repr, map(sorted, map(dict.items, found[1])))
        )
        self.both("count_index", index, self.account, status)

    @invariant()
    def all_the_same(self) -> None:
        assert self.memory.query(self.account).items == self.real.query(self.account).items


def test_memory_and_dynamodb_side_by_side() -> None:
    with mock_aws():
        dynamodb = boto3.client("dynamodb")
        create_table(dynamodb, "users")

        class OnMoto(SideBySide):
            real = DynamoStore(dynamodb, "users")

        run_state_machine_as_test(
            OnMoto, settings=settings(max_examples=15, stateful_step_count=20, deadline=None)
        )
        dynamodb.close()
