"""What staff choose to keep up as groups: pages (P2), usergroups (G4), ActionField groups (G3), and
that those groups stay (G5).

| item of the groups table | what |
|---|---|
| `choice/source/{source}` | what is kept up: the source with its group |
| `group/{group}` | a group of the integration, with the source it was made for; it stays |
| `making/{name}` | that a group of the name is just being made, and for what |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from instep.domain.account import PRIMARY_GROUP_NAME, Account
from instep.domain.groups import same_text
from instep.domain.rules import Source, SourceKind
from instep.use_cases.accounts import audit, change_account, load_account
from instep.use_cases.actions import note_actionfields
from instep.use_cases.activation import refuse_inactive
from instep.use_cases.backfill import start_backfill
from instep.use_cases.catalogue import find_page, find_usergroup
from instep.use_cases.choices import (
    Choices,
    delete_source,
    page_source,
    read_choices,
    store_source,
    usergroup_source,
)
from instep.use_cases.errors import ConfigurationError, NotAdmitted, NotFoundError, StateError
from instep.use_cases.feed_of_actions import begin_feed, note_sums
from instep.use_cases.granted import moment_of
from instep.use_cases.group_list import PREFIX, group_key, group_of, note_group, note_primary
from instep.use_cases.holds import open_holds, queue_waiting
from instep.use_cases.ports import NEW, ActionKit, Group, Item, Strive
from instep.use_cases.relook import look_again
from instep.use_cases.staff import asked_by_staff
from instep.use_cases.stored import stamp, walk
from instep.use_cases.world import World

MAKING: Final = timedelta(seconds=30)
"""How long making a group may take."""
BY_ITSELF: Final = "InStep"
ADDED: Final = {SourceKind.USERGROUP: "usergroup", SourceKind.ACTIONFIELD: "actionfield"}
"""What is added to a name that another group of the integration has; to a page's its short name."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What staff said of the group: another name than the one it would get, and whether a group
    of that name that the sync did not make may be used."""

    group_name: str | None = None
    use_existing: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """An ActionField group as staff want it."""

    name: str
    actionfield: str
    page_id: int | None = None
    value: str | None = None


# --- staff ---


def sync_page(world: World, account_id: str, who: str, page_id: int, naming: Naming) -> Source:
    """Syncs a page: its group is made and filled. Of a page that is synced nothing changes. Raises
    NotFoundError; StateError `not_active`, `own_page`, `group_name_taken`."""
    account = _active(world, account_id)
    page = find_page(world, account_id, page_id)
    if page_id == account.import_page_id:
        raise StateError("own_page", "This is the page that the sync itself writes to.")
    name = naming.group_name or page.title.strip() or page.name
    draft = _Draft(page_source(page_id), SourceKind.PAGE, name, page.name, page_id=page_id)
    return _keep_up(world, account, who, draft, naming)


def sync_usergroup(
    world: World, account_id: str, who: str, usergroup_id: int, naming: Naming
) -> Source:
    """Syncs a usergroup, in the same way."""
    account = _active(world, account_id)
    usergroup = find_usergroup(world, account_id, usergroup_id)
    name = naming.group_name or usergroup.name
    source_id = usergroup_source(usergroup_id)
    draft = _Draft(source_id, SourceKind.USERGROUP, name, usergroup_id=usergroup_id)
    return _keep_up(world, account, who, draft, naming)


def make_actionfield_group(
    world: World, account_id: str, who: str, wanted: Wanted, use_existing: bool
) -> Source:
    """Makes an ActionField group. Raises ConfigurationError for a page that is not synced;
    StateError `not_active`, `group_name_taken`."""
    account = _active(world, account_id)
    choices = read_choices(world, account_id)
    refuse_unsynced(choices, wanted.page_id)
    draft = _Draft(
        f"actionfield-{world.ids.new().lower()}",
        SourceKind.ACTIONFIELD,
        wanted.name,
        page_id=wanted.page_id,
        actionfield=wanted.actionfield,
        value=wanted.value,
    )
    return _keep_up(world, account, who, draft, Naming(use_existing=use_existing))


def unsync_page(world: World, account_id: str, who: str, page_id: int) -> None:
    """The group and its members stay, and are no longer kept up. Raises StateError
    `page_in_use`, naming what uses the page."""
    account = load_account(world, account_id)
    choices = read_choices(world, account_id)
    source = choices.source(page_source(page_id))
    if source is None:
        find_page(world, account_id, page_id)
    users = [
        f"the ActionField group “{one.name}”"
        for one in choices.sources
        if one.kind is SourceKind.ACTIONFIELD and one.page_id == page_id and not one.ending
    ]
    users += [
        f"the automation {one.rule_id}" for one in choices.automations if one.page_id == page_id
    ]
    if users:
        raise StateError("page_in_use", f"The page is used by {', '.join(users)}.")
    _let_go(world, account, who, source)


def unsync_usergroup(world: World, account_id: str, who: str, usergroup_id: int) -> None:
    """The group and its members stay, and are no longer kept up."""
    account = load_account(world, account_id)
    source = read_choices(world, account_id).source(usergroup_source(usergroup_id))
    if source is None:  # Of one that is synced it does not matter whether it is there yet.
        find_usergroup(world, account_id, usergroup_id)
    _let_go(world, account, who, source)


def delete_actionfield_group(world: World, account_id: str, who: str, source_id: str) -> None:
    """Takes whom the sync put into the group out of it; a group that the sync made and that is
    empty then is deleted (`finish_backfill`). Raises NotFoundError."""
    account = load_account(world, account_id)
    source = read_choices(world, account_id).source(source_id)
    if source is None or source.kind is not SourceKind.ACTIONFIELD or source.ending:
        raise NotFoundError("no_actionfield_group", "There is no such ActionField group.")
    ending = replace(source, ending=True, backfill="")
    store_source(world, account_id, ending, source)
    audit(world, account_id, who, "actionfield_group", _audited(source), None)
    _fill(world, account, ending)


def refuse_unsynced(choices: Choices, page_id: int | None) -> None:
    """Raises ConfigurationError naming `page_id` unless the page is synced."""
    if page_id is not None and page_id not in choices.page_ids:
        message = "This page is not synced. Sync it first."
        raise ConfigurationError("invalid_value", message, "page_id")


def _active(world: World, account_id: str) -> Account:
    account = load_account(world, account_id)
    refuse_inactive(account)
    return account


# --- groups, made and let go ---


@dataclass(frozen=True, slots=True)
class _Draft:
    source_id: str
    kind: SourceKind
    name: str
    short_name: str = ""
    page_id: int | None = None
    usergroup_id: int | None = None
    actionfield: str | None = None
    value: str | None = None

    @property
    def made_for(self) -> str:
        """What a group is made for, the same when a call is made again."""
        if self.kind is not SourceKind.ACTIONFIELD:
            return self.source_id
        return f"actionfield of {self.page_id}: {self.actionfield} {self.value}"


def _keep_up(world: World, account: Account, who: str, draft: _Draft, naming: Naming) -> Source:
    account_id = account.account_id
    choices = read_choices(world, account_id)
    if (there := choices.source(draft.source_id)) is not None:
        return _fill(world, account, there)
    with asked_by_staff(world, account) as (actionkit, strive):
        group, made = _group_for(world, account, strive, draft, choices, naming)
        moment = moment_of(world, account, actionkit)
        source = Source(
            source_id=draft.source_id,
            kind=draft.kind,
            group_id=group.group_id,
            name=group.name,
            since=moment,
            page_id=draft.page_id,
            usergroup_id=draft.usergroup_id,
            actionfield=draft.actionfield,
            value=draft.value,
            made_group=made,
        )
        _begin(world, account_id, actionkit, source)
    if not store_source(world, account_id, source, None):
        return read_choices(world, account_id).source(draft.source_id) or source
    note_group(world, account_id, source)
    world.groups.delete(account_id, _making_key(source.name))
    audit(world, account_id, who, _what(source), None, _audited(source))
    return _fill(world, account, source)


def _fill(world: World, account: Account, source: Source) -> Source:
    """Has a source's people looked at, unless that was asked for already; what is cut off in
    between is made good by the next tick."""
    if source.backfill:
        return source
    note_group(world, account.account_id, source)
    filled = replace(source, backfill=start_backfill(world, account, source))
    store_source(world, account.account_id, filled, source)
    return filled


def _begin(world: World, account_id: str, actionkit: ActionKit, source: Source) -> None:
    """What is to be known of a page's actions before they are looked at."""
    if source.kind is SourceKind.PAGE and source.page_id is not None:
        begin_feed(world, account_id, source.since)
        note_sums(world, account_id, actionkit, source.page_id)
        note_actionfields(world, account_id, actionkit.actionfields([source.page_id]) or [])


def _group_for(
    world: World,
    account: Account,
    strive: Strive,
    draft: _Draft,
    choices: Choices,
    naming: Naming,
) -> tuple[Group, bool]:
    """The group in Strive, and whether we made it. Raises StateError `group_name_taken`."""
    account_id = account.account_id
    groups = strive.groups()
    ours = {group_of(one): one for one in _groups(world, account_id)}
    kept = {one.group_id for one in choices.sources} | {account.primary_group}
    name = _free_name(draft, [one.name for one in groups if one.group_id in kept])
    making_key = _making_key(name)
    making = world.groups.get(account_id, making_key)
    for group in (one for one in groups if same_text(one.name, name)):
        item = ours.get(group.group_id)
        ours_before = item is not None and item["made"] and item["source_id"] == draft.source_id
        if (making is not None and making["for"] == draft.made_for) or ours_before:
            return group, True
        if naming.use_existing:
            return group, False
        raise StateError(
            "group_name_taken",
            f"Strive has a group named “{group.name}” that the sync did not make for this. Choose "
            "another name, or confirm that it is to be used.",
        )
    _begin_making(world, account_id, name, draft.made_for, making)
    return strive.create_group(name), True


def _begin_making(
    world: World, account_id: str, name: str, made_for: str, making: Item | None
) -> None:
    """Notes that a group is being made. Raises NotAdmitted while another call is at it."""
    now = world.clock.now()
    if making is not None and now - datetime.fromisoformat(making["at"]) < MAKING:
        raise NotAdmitted(MAKING.total_seconds())
    key = _making_key(name)
    item = {"account_id": account_id, "item": key, "for": made_for, "at": stamp(now)}
    expect = NEW if making is None else {"at": making["at"]}
    if not world.groups.put(item, expect=expect):
        raise NotAdmitted(MAKING.total_seconds())


def _free_name(draft: _Draft, taken: list[str]) -> str:
    """The name, with something added while a group that is kept up has it (P2)."""
    added = ADDED.get(draft.kind, draft.short_name)
    for name in _names(draft.name, added):
        if not any(same_text(name, one) for one in taken):
            return name
    raise AssertionError("names do not end")


def _names(name: str, added: str) -> Iterator[str]:
    yield name
    yield f"{name} ({added})"
    number = 2
    while True:
        yield f"{name} ({added} {number})"
        number += 1


def _let_go(world: World, account: Account, who: str, source: Source | None) -> None:
    if source is None:
        return
    delete_source(world, account.account_id, source.source_id)
    audit(world, account.account_id, who, _what(source), _audited(source), None)
    start_backfill(world, account, source)


# --- groups that vanish or are renamed ---


def keep_groups(world: World, account: Account) -> None:
    """Makes groups again that were deleted in Strive, fills them as a backfill, and follows those
    that were renamed there (G5). Who waits for a group that has no flow any more is looked at."""
    account_id = account.account_id
    choices = read_choices(world, account_id)
    for one in choices.sources:
        _fill(world, account, one)
    sources = [one for one in read_choices(world, account_id).sources if not one.ending]
    strive = world.strive(account)
    there = {one.group_id: one for one in strive.groups()}
    for stake, hold in open_holds(world, account_id).items():
        texts = stake.group_id in there and there[stake.group_id].flow_id is not None
        if stake.group_id and not texts:
            queue_waiting(world, account, hold)
    for source in sources:
        group = there.get(source.group_id) or strive.find_group(source.group_id)
        if group is None:
            _make_again(world, account, strive, source)
        elif group.name != source.name:
            renamed = replace(source, name=group.name)
            store_source(world, account_id, renamed, source)
            note_group(world, account_id, renamed)
    primary = account.primary_group
    if primary is not None and primary not in there and strive.find_group(primary) is None:
        _make_primary_again(world, account, strive)


def _make_again(world: World, account: Account, strive: Strive, source: Source) -> None:
    account_id = account.account_id
    group = _made_again(world, account_id, strive, source.source_id, source.name)
    again = replace(source, group_id=group.group_id, name=group.name, made_group=True, backfill="")
    if store_source(world, account_id, again, source):
        world.groups.delete(account_id, group_key(source.group_id))
        note_group(world, account_id, again)
        world.groups.delete(account_id, _making_key(source.name))
        audit(world, account_id, BY_ITSELF, "group_made_again", _audited(source), _audited(again))
        _fill(world, account, again)


def _make_primary_again(world: World, account: Account, strive: Strive) -> None:
    account_id, old = account.account_id, account.primary_group
    group = _made_again(world, account_id, strive, "primary", PRIMARY_GROUP_NAME)
    _, new = change_account(
        world,
        account_id,
        lambda one: replace(one, primary_group=group.group_id) if one.primary_group == old else one,
    )
    world.groups.delete(account_id, group_key(old or 0))
    note_primary(world, account_id, group.group_id)
    world.groups.delete(account_id, _making_key(PRIMARY_GROUP_NAME))
    audit(
        world,
        account_id,
        BY_ITSELF,
        "group_made_again",
        {"group": old, "name": PRIMARY_GROUP_NAME},
        {"group": group.group_id, "name": group.name},
    )
    look_again(world, new, "linked")


def _made_again(world: World, account_id: str, strive: Strive, source_id: str, name: str) -> Group:
    """A group of the name: one that an earlier try made before it died, else a new one."""
    making = world.groups.get(account_id, _making_key(name))
    if making is not None and making["for"] == source_id:
        for group in strive.groups():
            if group.name == name:
                return group
    _begin_making(world, account_id, name, source_id, making)
    return strive.create_group(name)


# --- items ---


def _groups(world: World, account_id: str) -> Iterator[Item]:
    return walk(world.groups, account_id, PREFIX, page_size=1000)


def _making_key(name: str) -> str:
    return f"making/{name.strip().casefold()}"


def _what(source: Source) -> str:
    return {
        SourceKind.PAGE: "page_sync",
        SourceKind.USERGROUP: "usergroup_sync",
        SourceKind.ACTIONFIELD: "actionfield_group",
    }[source.kind]


def _audited(source: Source) -> Mapping[str, Any]:
    values = {
        "id": source.source_id,
        "group": source.group_id,
        "name": source.name,
        "page_id": source.page_id,
        "usergroup_id": source.usergroup_id,
        "actionfield": source.actionfield,
        "value": source.value,
    }
    return {name: value for name, value in values.items() if value is not None}
