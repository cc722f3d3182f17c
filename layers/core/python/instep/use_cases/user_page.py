"""One user: both records as last seen, history, consent, and "sync now" (U9, F15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from instep.domain.record import Base, Record, Status
from instep.domain.rules import Option
from instep.use_cases.accounts import load_account
from instep.use_cases.action_list import ShownAction, list_actions
from instep.use_cases.activation import refuse_inactive
from instep.use_cases.errors import NotFoundError
from instep.use_cases.fields import PHONE_NUMBER, SUBSCRIBED, Field, all_fields
from instep.use_cases.group_list import group_key
from instep.use_cases.records import People, entries_of
from instep.use_cases.stored import evidence_prefix, history_prefix, walk
from instep.use_cases.work import RECREATE, Work
from instep.use_cases.world import World

BATCH = 50
NEWEST = 20
"""Entries of the history that a user's page shows; all are listed by themselves."""

STAFF_CAUSE = "staff"


@dataclass(frozen=True, slots=True)
class SeenField:
    """A mapped field of one person: values as last seen, None where not seen yet; the base; the
    rule of the last decision."""

    field: Field
    actionkit_value: str | None
    strive_value: str | None
    base: Base | None
    decision: str

    @property
    def option(self) -> Option | None:
        """The option as it is now."""
        return self.field.option


@dataclass(frozen=True, slots=True)
class UserPage:
    """All that is kept of one user. `groups`: id, name and state of Strive groups: "in" those that
    the sync put the member into, "held" for those that wait for staff, "discarded". `history` and
    `actions`: the newest; `member_number` the linked member's."""

    record: Record
    fields: tuple[SeenField, ...]
    groups: tuple[tuple[int, str, str], ...]
    history: tuple[dict[str, Any], ...]
    actions: tuple[ShownAction, ...]

    @property
    def member_number(self) -> str | None:
        return self.record.number if self.record.member_id is not None else None


EntryPlace = tuple[str, int]
"""Where a list of entries goes on: an item's key, and the entry in it that was shown last."""


def user_page(world: World, account_id: str, user_id: int) -> UserPage:
    """One user's page. Raises NotFoundError for a user who was never scanned."""
    account = load_account(world, account_id)
    record = _record(world, account_id, user_id)
    fields = tuple(_seen(record, field) for field in all_fields(account))
    newest, _ = _entries(world, account_id, history_prefix(user_id), None, NEWEST)
    groups = _groups(world, account_id, record)
    actions, _ = list_actions(world, account_id, None, user_id, None, NEWEST)
    return UserPage(record, fields, groups, tuple(newest), tuple(actions))


def _groups(world: World, account_id: str, record: Record) -> tuple[tuple[int, str, str], ...]:
    states = {
        **dict.fromkeys(record.groups, "in"),
        **dict.fromkeys(record.waiting_groups, "held"),
        **dict.fromkeys(record.declined_groups, "discarded"),
    }
    keys = {group_key(group_id): group_id for group_id in sorted(states)}
    named = world.groups.get_many(account_id, keys) if keys else {}
    return tuple(
        (group_id, str(named[key]["name"]) if key in named else "", states[group_id])
        for key, group_id in keys.items()
    )


def history(
    world: World, account_id: str, user_id: int, place: EntryPlace | None, limit: int
) -> tuple[list[dict[str, Any]], EntryPlace | None]:
    """Every write for a user, newest first: at, side, field, old, new, cause, rule (U9)."""
    _record(world, account_id, user_id)
    return _entries(world, account_id, history_prefix(user_id), place, limit)


def consent(
    world: World, account_id: str, user_id: int, place: EntryPlace | None, limit: int
) -> tuple[list[dict[str, Any]], EntryPlace | None]:
    """The evidence of a user's consent, newest first: at, side, raw, opted_in, evidence, effect
    (F15)."""
    _record(world, account_id, user_id)
    return _entries(world, account_id, evidence_prefix(user_id), place, limit)


def sync_now(world: World, account_id: str, user_id: int, recreate: bool) -> None:
    """Queues the user on the live lane. `recreate` has an effect on `member_deleted` alone (U1).

    Raises NotFoundError; StateError while the account is not running."""
    account = load_account(world, account_id)
    record = _record(world, account_id, user_id)
    refuse_inactive(account)
    again = recreate and record.status is Status.MEMBER_DELETED
    cause = RECREATE if again else STAFF_CAUSE
    work = Work(account_id, account.epoch, (user_id,), cause)
    world.live.send([work.body()], account_id)


def _record(world: World, account_id: str, user_id: int) -> Record:
    load_account(world, account_id)
    record = People(world, account_id).records([user_id]).get(user_id)
    if record is None:
        raise NotFoundError("no_user", "This user was not scanned yet, or does not exist.")
    return record


def _seen(record: Record, field: Field) -> SeenField:
    if field.field_id == SUBSCRIBED:
        opted_in = record.consent.opted_in
        shown = None if opted_in is None else ("true" if opted_in else "false")
        return SeenField(field, record.consent.raw, shown, None, "")
    if field.field_id == PHONE_NUMBER:
        number = record.number if record.member_id is not None else None
        return SeenField(field, record.phone, number, None, "")
    state = record.fields.get(field.field_id)
    if state is None:
        return SeenField(field, None, None, None, "")
    strive = state.strive if record.member_id is not None else None
    return SeenField(field, state.actionkit, strive, state.base, state.rule)


def _entries(
    world: World, account_id: str, prefix: str, place: EntryPlace | None, limit: int
) -> tuple[list[dict[str, Any]], EntryPlace | None]:
    """Entries of the items of a prefix, the newest item first."""
    found = list(islice(_walk(world, account_id, prefix, place), limit + 1))
    shown = found[:limit]
    more = len(found) > limit
    return [entry for entry, _ in shown], shown[-1][1] if more else None


def _walk(
    world: World, account_id: str, prefix: str, place: EntryPlace | None
) -> Iterator[tuple[dict[str, Any], EntryPlace]]:
    """Each entry after a place, with its own place; first the rest of the item shown last."""
    after: str | None = None
    if place is not None:
        after = place[0]
        item = world.users.get(account_id, after)
        for number, entry in enumerate(entries_of(item) if item else ()):
            if number > place[1]:
                yield entry, (after, number)
    for item in walk(world.users, account_id, prefix, after, BATCH, descending=True):
        for number, entry in enumerate(entries_of(item)):
            yield entry, (item["item"], number)
