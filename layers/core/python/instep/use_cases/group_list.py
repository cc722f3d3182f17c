"""The groups of the integration as they lie in the groups table, and as staff see them (G5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from instep.domain.account import PRIMARY_GROUP_NAME, Account, Phase
from instep.domain.holds import backfill_of
from instep.domain.rules import Source
from instep.use_cases.accounts import audit, load_account
from instep.use_cases.choices import read_choices
from instep.use_cases.errors import NotFoundError, StateError
from instep.use_cases.holds import open_holds
from instep.use_cases.ports import Item
from instep.use_cases.staff import asked_by_staff
from instep.use_cases.world import World

PREFIX = "group/"
COUNTED_FOR = timedelta(seconds=10)
"""How long a page of the list may be waited for."""


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A group. `members`: how many are in it now; None where Strive cannot be asked, or answers too
    slowly for so many groups."""

    group_id: int
    name: str
    kind: str
    members: int | None
    protected: bool
    hold_id: str | None


def group_key(group_id: int) -> str:
    """The key of a group of the integration."""
    return f"{PREFIX}{group_id:012d}"


def note_primary(world: World, account_id: str, group_id: int) -> None:
    """Notes that a group is the primary one."""
    _note(world, account_id, group_id, PRIMARY_GROUP_NAME, "primary", "primary", True)


def note_group(world: World, account_id: str, source: Source) -> None:
    """Notes that a group was made, or is used, for a source."""
    kind, made = source.kind.value, source.made_group
    _note(world, account_id, source.group_id, source.name, kind, source.source_id, made)


def _note(
    world: World, account_id: str, group_id: int, name: str, kind: str, source_id: str, made: bool
) -> None:
    values = {"name": name, "kind": kind, "source_id": source_id, "made": made}
    world.groups.put({**values, "account_id": account_id, "item": group_key(group_id)})


def list_groups(
    world: World, account_id: str, after: str | None, limit: int
) -> tuple[list[ShownGroup], str | None]:
    """Groups by id, and where to go on."""
    account = load_account(world, account_id)
    page = world.groups.query(account_id, PREFIX, after=after, limit=limit)
    held = {stake: hold.hold_id for stake, hold in open_holds(world, account_id).items()}
    kept = _kept_up(world, account)
    members = _members(world, account, [group_of(item) for item in page.items])
    shown = [
        ShownGroup(
            group_of(item),
            item["name"],
            item["kind"],
            members.get(group_of(item)),
            group_of(item) in kept,
            held.get(backfill_of(group_of(item))),
        )
        for item in page.items
    ]
    return shown, page.next


def group_of(item: Item) -> int:
    """The id of a noted group."""
    return int(item["item"].rsplit("/", 1)[1])


def _kept_up(world: World, account: Account) -> set[int]:
    kept = {
        one.group_id for one in read_choices(world, account.account_id).sources if not one.ending
    }
    primary = account.primary_group
    return kept | ({primary} if primary is not None and account.phase is not Phase.OFF else set())


def _members(world: World, account: Account, group_ids: list[int]) -> dict[int, int]:
    if account.connection is None or account.phase is Phase.STOPPED_CREDENTIALS:
        return {}
    counted: dict[int, int] = {}
    until = world.clock.now() + COUNTED_FOR
    with asked_by_staff(world, account) as (_, strive):
        for one in group_ids:  # One request each.
            if world.clock.now() >= until:
                break
            counted[one] = strive.count_in_group(one)
    return counted


def delete_group(world: World, account_id: str, who: str, group_id: int) -> None:
    """Deletes a group in Strive that is not kept up. Raises NotFoundError; StateError `protected`,
    with the reason."""
    account = load_account(world, account_id)
    item = world.groups.get(account_id, group_key(group_id))
    if item is None:
        raise NotFoundError("no_group", "The integration has no such group.")
    if group_id in _kept_up(world, account):
        raise StateError("protected", _why_protected(item))
    with asked_by_staff(world, account) as (_, strive):
        strive.delete_group(group_id)
    world.groups.delete(account_id, group_key(group_id))
    audit(world, account_id, who, "group", {"group": group_id, "name": item["name"]}, None)


def _why_protected(item: dict[str, Any]) -> str:
    return {
        "primary": "This is the group of everybody who is synced. It is protected while the "
        "account is on.",
        "page": "Its page is synced. Stop syncing the page first.",
        "usergroup": "Its usergroup is synced. Stop syncing the usergroup first.",
        "actionfield": "It is an ActionField group. Delete it among those.",
    }[item["kind"]]
