"""Finding actions (P3 to P5): at a push, in each cycle by their ids, and by a slower second look
for those that were changed or deleted. What is found is users: whatever the actions are is seen
when their users are looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import TypeAdapter

from instep.domain.account import Account
from instep.domain.rules import Moment
from instep.use_cases.actions import NEWS, action_key, of_page
from instep.use_cases.choices import read_choices
from instep.use_cases.cursors import ActionCursor, read_cursors, store_cursors
from instep.use_cases.ports import BUCKET_OF_ACTIONS, ActionKit, Item, Taken
from instep.use_cases.stored import dumped, loaded, walk
from instep.use_cases.world import World

AT_ONCE: Final = 500
"""Actions that one statement shows."""
BUCKETS: Final = 9000
PAGES_A_CYCLE: Final = 20
"""Pages whose actions are compared in one cycle: with more synced pages, each has its turn."""
DIFFERENT: Final = 20
"""Buckets whose actions are read in one cycle, where sums differ."""


@dataclass(frozen=True, slots=True)
class FoundActions:
    """Users of actions that are new or changed, the cursor after them, what is to be noted once the
    users are on the queue (`news`: which marks are then done), and whether there may be more at
    once."""

    user_ids: frozenset[int]
    cursor: ActionCursor
    notes: tuple[Item, ...] = ()
    news: tuple[Item, ...] = ()
    more: bool = False


# --- new ones, by their ids ---


def find_new(
    world: World, account: Account, actionkit: ActionKit, cursor: ActionCursor, limit: int
) -> FoundActions:
    """Actions above the horizon on synced pages that were not looked at with their users yet: what
    was seen in an earlier cycle still waits on a queue, or is found again."""
    now = world.clock.now()
    page_ids = read_choices(world, account.account_id).page_ids
    if not page_ids:
        return FoundActions(frozenset(), cursor)
    after = max(cursor.horizon(now), cursor.walked)
    rows = actionkit.taken_after(after, page_ids, min(limit, AT_ONCE))
    users = frozenset(one.user_id for one in not_looked_at(world, account.account_id, rows))
    upto = rows[-1].action_id if rows else after
    if len(rows) >= min(limit, AT_ONCE):
        return FoundActions(users, replace(cursor, walked=upto), more=True)
    return FoundActions(users, replace(cursor.seen(upto, now), walked=0))


def begin_feed(world: World, account_id: str, moment: Moment) -> None:
    """With the first page that is synced the feed begins: what was there is the backfill's."""
    if read_choices(world, account_id).page_ids:
        return
    while True:
        cursors = read_cursors(world, account_id)
        begun = ActionCursor().seen(moment.action_id, world.clock.now())
        if store_cursors(world, account_id, replace(cursors, actions=begun)) is not None:
            return


def not_looked_at(world: World, account_id: str, rows: Sequence[Taken]) -> list[Taken]:
    """Of these the actions that were not looked at with the users whose they are."""
    keys = {action_key(one.action_id): one for one in rows}
    known = world.groups.get_many(account_id, keys) if keys else {}
    return [
        one for key, one in keys.items() if key not in known or known[key]["user_id"] != one.user_id
    ]


# --- changed and deleted ones, by sums ---


@dataclass(frozen=True, slots=True)
class PageSums:
    """What the actions of a page came to when last compared: bucket → (rows, sum)."""

    buckets: Mapping[int, tuple[int, int]]


SUMS: TypeAdapter[PageSums] = TypeAdapter(PageSums)


def note_sums(world: World, account_id: str, actionkit: ActionKit, page_id: int) -> None:
    """Notes what the actions of a page come to, before a backfill looks at their users: what is
    changed from then on is found by the second look."""
    if actionkit.finds_changes_by() == "checksums":
        world.groups.put(_sums(account_id, page_id, _sums_now(actionkit, page_id)))


def find_changed(
    world: World, account: Account, actionkit: ActionKit, cursor: ActionCursor
) -> FoundActions:
    """Compares what the actions of some synced pages come to with what they came to when last
    compared, and finds the users of those that changed, came or went without a trace; where
    actions were noted since also of those that came and went in between."""
    account_id = account.account_id
    page_ids = read_choices(world, account_id).page_ids
    left = [one for one in page_ids if one > cursor.page]
    users: set[int] = set()
    notes: list[Item] = []
    news = _read_news(world, account_id)
    done = [item for (page_id, _), item in news.items() if page_id not in page_ids]
    budget = DIFFERENT
    for page_id in left[:PAGES_A_CYCLE]:
        now = _sums_now(actionkit, page_id)
        item = world.groups.get(account_id, _sums_key(page_id))
        before = loaded(SUMS, item).buckets if item else {}
        different = sorted(
            {one for one in now.keys() | before.keys() if now.get(one) != before.get(one)}
            | {bucket for page, bucket in news if page == page_id}
        )
        for bucket in different[:budget]:
            found, note = _compared(world, account_id, actionkit, page_id, bucket)
            users |= found
            notes.append(note)
            if (page_id, bucket) in news:
                done.append(news[page_id, bucket])
        if len(different) > budget:
            wait = set(different[budget:])
            now = {one: each for one, each in now.items() if one not in wait}
            now |= {one: before[one] for one in wait if one in before}
            notes.append(_sums(account_id, page_id, now))
            return FoundActions(frozenset(users), cursor, tuple(notes), tuple(done), more=True)
        budget -= len(different)
        if different or item is None:
            notes.append(_sums(account_id, page_id, now))
    at_end = len(left) <= PAGES_A_CYCLE
    cursor = replace(cursor, page=0 if at_end else left[PAGES_A_CYCLE - 1])
    return FoundActions(frozenset(users), cursor, tuple(notes), tuple(done))


def _read_news(world: World, account_id: str) -> dict[tuple[int, int], Item]:
    """The pages and buckets in which actions were noted since they were compared."""
    news = {}
    for item in walk(world.groups, account_id, NEWS):
        page_id, bucket = item["item"].removeprefix(NEWS).split("/")
        news[int(page_id), int(bucket)] = item
    return news


def _sums_now(actionkit: ActionKit, page_id: int) -> dict[int, tuple[int, int]]:
    sums: dict[int, tuple[int, int]] = {}
    after = -1
    while found := actionkit.action_sums(page_id, after, BUCKETS):
        sums |= {bucket: (one.rows, one.sum) for bucket, one in found.items()}
        after = max(found)
        if len(found) < BUCKETS:
            break
    return sums


def _compared(
    world: World, account_id: str, actionkit: ActionKit, page_id: int, bucket: int
) -> tuple[set[int], Item]:
    """The users of a bucket's actions that are others than noted, and what they come to now. Of a
    bucket that was never compared so far that is everybody in it."""
    first = bucket * BUCKET_OF_ACTIONS
    last = first + BUCKET_OF_ACTIONS - 1
    shown = {one.action_id: one for one in actionkit.taken_between(page_id, first - 1, last)}
    key = f"action-checks/{page_id:012d}/{bucket:012d}"
    item = world.groups.get(account_id, key)
    pairs = (one.split(":") for one in item["checks"].split()) if item else ()
    before = {int(action_id): int(check) for action_id, check in pairs}
    users = {
        one.user_id for action_id, one in shown.items() if before.get(action_id) != one.checksum
    }
    users |= _noted_users(world, account_id, page_id, first, last, shown)
    checks = " ".join(f"{one}:{each.checksum}" for one, each in sorted(shown.items()))
    return users, {"account_id": account_id, "item": key, "checks": checks}


def _noted_users(
    world: World,
    account_id: str,
    page_id: int,
    first: int,
    last: int,
    shown: Mapping[int, Taken],
) -> set[int]:
    """The users of actions that were noted and are not shown any more, or are another's."""
    prefix, gone = of_page(page_id), []
    for place in walk(
        world.groups, account_id, prefix, of_page(page_id, first - 1) if first else None
    ):
        action_id = int(place["item"].rsplit("/", 1)[1])
        if action_id > last:
            break
        gone.append(action_key(action_id))
    known = world.groups.get_many(account_id, gone) if gone else {}
    users = set()
    for item in known.values():
        one = shown.get(int(item["item"].rsplit("/", 1)[1]))
        if one is None or one.user_id != item["user_id"]:
            users.add(int(item["user_id"]))
    return users


def _sums_key(page_id: int) -> str:
    return f"action-sums/{page_id:012d}"


def _sums(account_id: str, page_id: int, buckets: Mapping[int, tuple[int, int]]) -> Item:
    item = dumped(SUMS, PageSums(buckets))
    return {**item, "account_id": account_id, "item": _sums_key(page_id)}
