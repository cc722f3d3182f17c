"""What every user came to when last noted, so that any change is found, with a clock or without one
(U3): deletions, removed rows, rows without a time, users imported with old times.

A bucket is some hundred user ids. Each has an item with the checksum of each of its users, and for
a thousand buckets there is one with what each comes to as a whole: so one statement and a few items
tell of a million ids whether anything changed. A user's new checksum is read before the user is put
on the queue and stored afterwards: what changes in between is found again, never lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from instep.domain.account import Account
from instep.domain.rules import Kind
from instep.use_cases.ports import BUCKET, NEW, ActionKit, Item, Sum
from instep.use_cases.stored import walk
from instep.use_cases.world import World

PART = 1000
"""Buckets whose sums lie in one item."""
UNKNOWN = "unknown/"
AT_ONCE = 1000
"""Users of one question by id."""


def names_of(account: Account) -> tuple[str, ...]:
    """The userfields that count: the opt-in userfield and the mapped ones."""
    mapped = {one.actionkit_field for one in account.mappings if one.kind is Kind.CUSTOM}
    return tuple(sorted({account.settings.opt_in_userfield or "", *mapped} - {""}))


@dataclass(frozen=True, slots=True)
class Bucket:
    """What the users of a bucket came to, and of which userfields that tells. Of the tick and the
    initial sync, who may both note a bucket, the one who read it before the other loses."""

    number: int
    userfields: tuple[str, ...]
    users: Mapping[int, int] = field(default_factory=dict)
    version: int = 0

    def item(self, account_id: str) -> Item:
        """As stored: one short text."""
        text = " ".join(f"{user_id}:{one}" for user_id, one in sorted(self.users.items()))
        return {
            "account_id": account_id,
            "item": _bucket_key(self.number),
            "userfields": list(self.userfields),
            "users": text,
            "version": self.version + 1,
        }

    def store(self, world: World, account_id: str) -> bool:
        """Stores it over the version that was read. False: somebody came between."""
        expect = {"version": self.version} if self.version else NEW
        return world.users.put(self.item(account_id), expect=expect)


def read_buckets(world: World, account_id: str, numbers: Iterable[int]) -> dict[int, Bucket]:
    """The buckets that were noted."""
    keys = {_bucket_key(one): one for one in numbers}
    found = {}
    for key, item in world.users.get_many(account_id, keys).items():
        pairs = (one.split(":") for one in item["users"].split())
        users = {int(user_id): int(checksum) for user_id, checksum in pairs}
        names = tuple(item["userfields"])
        found[keys[key]] = Bucket(keys[key], names, users, item["version"])
    return found


def bucket_of(user_id: int) -> int:
    """The bucket of a user."""
    return user_id // BUCKET


def note_users(
    world: World, account: Account, actionkit: ActionKit, user_ids: Sequence[int]
) -> None:
    """Notes what users come to who are about to be looked at for the first time."""
    if actionkit.finds_changes_by() != "checksums" or not user_ids:
        return
    names = names_of(account)
    now: dict[int, int] = {}
    for start in range(0, len(user_ids), AT_ONCE):
        now |= actionkit.checksums_of(user_ids[start : start + AT_ONCE], names)
    for number in sorted({bucket_of(one) for one in user_ids}):
        mine = {one: checksum for one, checksum in now.items() if bucket_of(one) == number}
        while True:
            empty = Bucket(number, names)
            before = read_buckets(world, account.account_id, [number]).get(number, empty)
            kept = before.users if before.userfields == names else {}
            after = replace(before, userfields=names, users={**kept, **mine})
            if after.store(world, account.account_id):
                break


def note_unknown(world: World, account_id: str, user_ids: Iterable[int]) -> None:
    """Notes that users are about to be looked at who were perhaps never compared. Their buckets are
    compared at their next turn whatever they come to: who came and went in between is in a record
    alone, and no sum tells of it."""
    token = world.ids.new()
    world.users.put_many(
        [
            {"account_id": account_id, "item": f"{UNKNOWN}{number:09d}", "token": token}
            for number in sorted({bucket_of(one) for one in user_ids})
        ]
    )


def read_unknown(world: World, account_id: str) -> dict[int, Item]:
    """The buckets of such users, with what is noted of them."""
    items = walk(world.users, account_id, UNKNOWN)
    return {int(one["item"].removeprefix(UNKNOWN)): one for one in items}


@dataclass(frozen=True, slots=True)
class Sums:
    """What the buckets came to when last compared, and of which userfields that tells."""

    userfields: tuple[str, ...] = ()
    sums: Mapping[int, Sum] = field(default_factory=dict)

    def items(self, account_id: str, buckets: Iterable[int]) -> list[Item]:
        """As stored: those of the parts that hold these buckets."""
        parts = {one // PART for one in buckets}
        items = []
        for part in sorted(parts):
            text = " ".join(
                f"{number}:{one.rows}:{one.sum}"
                for number, one in sorted(self.sums.items())
                if number // PART == part
            )
            items.append(
                {
                    "account_id": account_id,
                    "item": f"sums/{part:06d}",
                    "userfields": list(self.userfields),
                    "sums": text,
                }
            )
        return items


def read_sums(world: World, account_id: str, userfields: tuple[str, ...]) -> Sums:
    """All sums that were noted of these userfields."""
    sums: dict[int, Sum] = {}
    for item in walk(world.users, account_id, "sums/"):
        if tuple(item["userfields"]) == userfields:
            sums |= _sums_of(item)
    return Sums(userfields, sums)


def _sums_of(item: Mapping[str, Any]) -> dict[int, Sum]:
    triples = (one.split(":") for one in item["sums"].split())
    return {int(number): Sum(int(rows), int(total)) for number, rows, total in triples}


def _bucket_key(number: int) -> str:
    return f"checksums/{number:09d}"
