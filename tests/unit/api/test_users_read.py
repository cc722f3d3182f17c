"""U7 at any size: a page of the users list reads what it shows, and about a page more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from instep.adapters.memory import MemoryStore
from instep.domain.reasons import REASONS
from instep.domain.record import Record, Status, Warning  # noqa: A004
from instep.use_cases.ports import Item, Page
from instep.use_cases.runs import counted_statuses, set_tallies
from instep.use_cases.streams import STATUSES
from tests.unit.api.desk import NOW, Desk, linked, unlinked

PEOPLE = 20_000
FIRST = ("Ada", "Bo", "Chidi", "Dagny", "Ezra")
REASON_OF = {reason.status: code for code, reason in REASONS.items()}
OTHERS = sorted(set(Status) - {Status.PENDING, Status.SYNCED})


class ReadStore(MemoryStore):
    """Counts what is read: keys by queries, of the table or an index, and items by their keys."""

    keys = 0
    items = 0
    calls = 0

    def get(self, account_id: str, item: str) -> Item | None:
        self.items += 1
        self.calls += 1
        return super().get(account_id, item)

    def get_many(self, account_id: str, items: Iterable[str]) -> dict[str, Item]:
        calls = self.calls + 1
        found = super().get_many(account_id, items)
        self.calls = calls
        return found

    def query(self, *args: Any, **kwargs: Any) -> Page:
        page = super().query(*args, **kwargs)
        self.keys += len(page.items)
        self.calls += 1
        return page

    def query_index(self, *args: Any, **kwargs: Any) -> list[Item]:
        entries = super().query_index(*args, **kwargs)
        self.keys += len(entries)
        self.calls += 1
        return entries


@dataclass(frozen=True, slots=True)
class Crowd:
    """An account with twenty thousand users, of whom 6 in 10 are synced."""

    desk: Desk
    store: ReadStore


def person(number: int) -> Record:
    at = NOW + timedelta(seconds=number * 7919 % PEOPLE)
    name: dict[str, Any] = {"first_name": FIRST[number % 5], "last_name": f"Name{number:05d}"}
    name["changed_at"] = at
    if number % 10 < 6:
        warnings = frozenset({Warning.PHONE_DIFFERS} if number % 20 == 0 else ())
        phone = f"+1312{number:07d}"
        return linked(number, 100_000 + number, number=phone, warnings=warnings, **name)
    status = OTHERS[number // 10 % len(OTHERS)]
    email = f"user{number}@example.org"
    return unlinked(number, email, status=status, reason=REASON_OF[status], **name)


@pytest.fixture(scope="module")
def crowd() -> Iterator[Crowd]:
    store = ReadStore()
    desk = Desk(users=store)
    desk.connect()
    desk.store(*map(person, range(1, PEOPLE + 1)))
    yield Crowd(desk, store)
    desk.close()


QUERIES: tuple[dict[str, str], ...] = (
    *({"sort": by, "order": order} for by in ("status", "name", "email", "last_synced")
      for order in ("asc", "desc")),
    *({"status": "synced", "sort": by} for by in ("name", "email", "last_synced")),
    {"status": "failed"},
    {"warning": "phone_differs"},
    *({"q": q} for q in ("a", "ada", "bo name0", "name", "Name012", "user1", "user19999", "1")),
    *({"q": q} for q in ("+1", "1312", "+13120001234", "19", "12345", "nobody")),
    {"q": "name", "status": "synced", "sort": "last_synced"},
    {"q": "user", "warning": "phone_differs"},
)  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: "&".join(map("=".join, query.items())))
@pytest.mark.parametrize("limit", [20, 50, 500])
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "not counted yet"])
def test_u7_a_page_reads_what_it_shows_and_about_a_page_more(
    crowd: Crowd, query: dict[str, str], limit: int, counted: bool
) -> None:
    store, cursor = crowd.store, None
    tallies = counted_statuses(crowd.desk.world, "demo") if counted else {}
    set_tallies(crowd.desk.world, "demo", tallies)
    for _ in range(3):
        store.items = store.keys = store.calls = 0
        body = crowd.desk.call("GET /users", limit=limit, cursor=cursor, **query).body
        shown, cursor = len(body["items"]), body["next_cursor"]
        # Of each stream a few more; of each page one, which tells whether there is another.
        assert store.keys <= shown + limit * 5 // 4 + 2 * len(STATUSES)
        # The account and how many have each status, too.
        assert store.items <= 2 + shown + limit + 2
        assert store.calls <= (20 if counted else 30)
        assert shown == limit or cursor is None
        if cursor is None:
            break
