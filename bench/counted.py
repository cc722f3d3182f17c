"""A table that remembers what each use of it cost, and for which item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from instep.adapters.memory import MemoryStore
from instep.use_cases.ports import Item, Page
from tests.simulation.lanes import Functions
from tests.simulation.loop import Task

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Use:
    """One read or write of one item, or one query. Units as AWS would bill them."""

    item: str
    reads: float
    writes: float
    index_reads: float
    index_writes: float


class CountedStore:
    """Store over a MemoryStore. `uses` grows while `counting` says so."""

    def __init__(self, counting: Callable[[], bool]) -> None:
        self.store = MemoryStore()
        self.uses: list[Use] = []
        self._counting = counting

    def get(self, account_id: str, item: str) -> Item | None:
        return self._use(item, lambda: self.store.get(account_id, item))

    def get_many(self, account_id: str, items: Iterable[str]) -> dict[str, Item]:
        found = {key: self.get(account_id, key) for key in dict.fromkeys(items)}
        return {key: item for key, item in found.items() if item is not None}

    def put(self, value: Item, expect: Mapping[str, Any] | None = None) -> bool:
        return self._use(value["item"], lambda: self.store.put(value, expect))

    def put_many(self, values: Sequence[Item]) -> None:
        for value in values:
            self.put(value)

    def update(
        self,
        account_id: str,
        item: str,
        set_to: Mapping[str, Any] | None = None,
        add: Mapping[str, int] | None = None,
        remove: Sequence[str] = (),
        expect: Mapping[str, Any] | None = None,
    ) -> bool:
        return self._use(
            item, lambda: self.store.update(account_id, item, set_to, add, remove, expect)
        )

    def delete(self, account_id: str, item: str, expect: Mapping[str, Any] | None = None) -> bool:
        return self._use(item, lambda: self.store.delete(account_id, item, expect))

    def query(
        self,
        account_id: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        return self._use(
            prefix, lambda: self.store.query(account_id, prefix, after, limit, descending)
        )

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
        return self._use(
            index,
            lambda: self.store.query_index(
                index, account_id, stream, prefix, after, limit, descending
            ),
        )

    def count_index(self, index: str, account_id: str, stream: str) -> int:
        return self._use(index, lambda: self.store.count_index(index, account_id, stream))

    def _use(self, item: str, work: Callable[[], T]) -> T:
        before = replace(self.store.consumed)
        answer = work()
        after = self.store.consumed
        if self._counting():
            self.uses.append(
                Use(
                    item,
                    after.table_reads - before.table_reads,
                    after.table_writes - before.table_writes,
                    after.index_reads - before.index_reads,
                    after.index_writes - before.index_writes,
                )
            )
        return answer


class CountedFunctions(Functions):
    """Functions. `invoked`: how often any was."""

    invoked = 0

    def invoke(self, name: str, event: Any, on_end: Callable[[Task], None]) -> None:
        self.invoked += 1
        super().invoke(name, event, on_end)
