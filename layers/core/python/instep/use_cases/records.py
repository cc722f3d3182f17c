"""Records, claims and consent records of one account's people, and what is kept of each plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from instep.domain.plan import Change
from instep.domain.record import Evidence, NumberConsent, Record, Status
from instep.use_cases.ports import NEW, Item
from instep.use_cases.stored import (
    NUMBER_CONSENT,
    RECORD,
    consent_key,
    dumped,
    evidence_prefix,
    history_prefix,
    loaded,
    member_key,
    number_key,
    stamp,
    user_key,
)
from instep.use_cases.streams import index_keys, marker_items, marker_key
from instep.use_cases.world import World


def record_item(account_id: str, record: Record) -> Item:
    """The record as stored. It has its place in the indexes from its first status on: so an intent
    for somebody new writes no index."""
    item = dumped(RECORD, record)
    for name in ("warnings", "groups", "waiting_groups", "declined_groups"):
        if name in item:
            item[name] = sorted(item[name])
    item |= {"account_id": account_id, "item": user_key(record.user_id), "version": record.version}
    if record.status is not Status.PENDING:
        item |= index_keys(record)
    return item


class People:
    """What is kept of the people of one account."""

    def __init__(self, world: World, account_id: str) -> None:
        self._world = world
        self._store = world.users
        self._account_id = account_id

    def records(self, user_ids: Iterable[int]) -> dict[int, Record]:
        """The records that exist, by user id."""
        items = self._store.get_many(self._account_id, [user_key(one) for one in user_ids])
        records = [loaded(RECORD, item) for item in items.values()]
        return {record.user_id: record for record in records}

    def store(self, record: Record, over: Record | None) -> Record | None:
        """Stores the record over the one it was made from: as stored, or None if that one is no
        longer there."""
        stored = replace(record, version=1 if over is None else over.version + 1)
        expect = NEW if over is None else {"version": over.version}
        if stored.warnings:
            self._store.put_many(marker_items(self._account_id, stored))
        item = record_item(self._account_id, stored)
        put = self._store.put(item, expect=expect)
        # Perhaps the first try was answered into the void, and met itself when made again.
        if not put and self._store.get(self._account_id, item["item"]) != item:
            return None
        for warning in over.warnings - stored.warnings if over else ():
            self._store.delete(self._account_id, marker_key(warning, stored.user_id))
        return stored

    # --- claims (U2) ---

    def number_holders(self, numbers: Iterable[str]) -> dict[str, int]:
        """Who holds the claim on each number."""
        keys = {number_key(number): number for number in numbers}
        items = self._store.get_many(self._account_id, keys)
        return {keys[key]: item["user_id"] for key, item in items.items()}

    def member_holders(self, member_ids: Iterable[int]) -> dict[int, int]:
        """Who holds the claim on each member."""
        keys = {member_key(member_id): member_id for member_id in member_ids}
        items = self._store.get_many(self._account_id, keys)
        return {keys[key]: item["user_id"] for key, item in items.items()}

    def claim_number(self, number: str, user_id: int, holder: int | None) -> bool:
        """Claims the number, if its holder is still the one that was seen."""
        return self._claim(number_key(number), user_id, holder)

    def is_old_claim(self, number: str, before: datetime) -> bool:
        """Whether the claim on a number was made before then."""
        item = self._store.get(self._account_id, number_key(number))
        return item is not None and str(item.get("at", "")) < stamp(before)

    def claim_member(self, member_id: int, user_id: int, holder: int | None) -> bool:
        """Claims the member, if its holder is still the one that was seen."""
        return self._claim(member_key(member_id), user_id, holder)

    def release_number(self, number: str, user_id: int) -> None:
        """Gives up a claim on a number, where it is this user's."""
        self._store.delete(self._account_id, number_key(number), expect={"user_id": user_id})

    def release_member(self, member_id: int, user_id: int) -> None:
        """Gives up a claim on a member, where it is this user's."""
        self._store.delete(self._account_id, member_key(member_id), expect={"user_id": user_id})

    def _claim(self, key: str, user_id: int, holder: int | None) -> bool:
        item = {
            "account_id": self._account_id,
            "item": key,
            "user_id": user_id,
            "at": stamp(self._world.clock.now()),
        }
        if self._store.put(item, expect=NEW if holder is None else {"user_id": holder}):
            return True
        # Perhaps the first try was answered into the void, and met itself when made again.
        found = self._store.get(self._account_id, key)
        return found is not None and found["user_id"] == user_id

    # --- consent by number (F13) ---

    def consents(self, numbers: Iterable[str]) -> dict[str, tuple[NumberConsent, int]]:
        """The consent record of each number with its version (0: there is none yet)."""
        keys = {self._consent_key(number): number for number in numbers}
        found = {number: (NumberConsent(), 0) for number in keys.values()}
        for key, item in self._store.get_many(self._account_id, keys).items():
            found[keys[key]] = (loaded(NUMBER_CONSENT, item), item["version"])
        return found

    def store_consent(self, number: str, consent: NumberConsent, version: int) -> bool:
        """Stores a number's consent record over the version that was read. False: it changed."""
        item = dumped(NUMBER_CONSENT, consent)
        item |= {
            "account_id": self._account_id,
            "item": self._consent_key(number),
            "version": version + 1,
            "expires_at": self._expiry(365 * self._world.limits.consent_years),
        }
        return self._store.put(item, expect={"version": version} if version else NEW)

    def _consent_key(self, number: str) -> str:
        return consent_key(self._world.digest(self._account_id, number))

    # --- history and evidence (U9, F15) ---

    def history_item(
        self, user_id: int, at: datetime, intent_id: str, changes: Sequence[Change], cause: str
    ) -> Item:
        """One plan's writes, under a key made of the intent: put again, it is the same. What all
        of them have in common stands beside them, once."""
        entries = [
            {
                "side": change.side.value,
                "field": change.field,
                "old": change.old,
                "new": change.new,
                "rule": change.rule,
            }
            for change in changes
        ]
        key = f"{history_prefix(user_id)}{stamp(at)}/{intent_id}"
        item = self._entries(key, entries, self._world.limits.history_days)
        return item | {"at": stamp(at), "cause": cause}

    def evidence_item(
        self, user_id: int, at: datetime, intent_id: str, evidence: Sequence[Evidence]
    ) -> Item:
        """What one look learned of a person's consent."""
        entries = [
            {
                "at": stamp(one.at),
                "side": one.side.value,
                "raw": one.raw,
                "opted_in": one.opted_in,
                "evidence": one.evidence,
                "effect": one.effect,
            }
            for one in evidence
        ]
        key = f"{evidence_prefix(user_id)}{stamp(at)}/{intent_id}"
        return self._entries(key, entries, 365 * self._world.limits.consent_years)

    def _entries(self, key: str, entries: list[dict[str, Any]], days: int) -> Item:
        return {
            "account_id": self._account_id,
            "item": key,
            "entries": entries,
            "expires_at": self._expiry(days),
        }

    def _expiry(self, days: int) -> int:
        return int((self._world.clock.now() + timedelta(days=days)).timestamp())


def entries_of(item: Item) -> list[dict[str, Any]]:
    """The entries of an item of history or evidence, each with what they have in common."""
    common = {name: item[name] for name in ("at", "cause") if name in item}
    return [common | entry for entry in item["entries"]]


def counted(statuses: Mapping[int, Status]) -> dict[str, int]:
    """How many users have each status."""
    counts: dict[str, int] = {}
    for status in statuses.values():
        counts[status.value] = counts.get(status.value, 0) + 1
    return counts
