"""What an account needs on both sides before anybody is synced: the integration's import page and
the primary group (U6, G1); and what there is in ActionKit for staff to choose from: pages and
usergroups (P1, G4), as last read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from instep.domain.account import PRIMARY_GROUP_NAME, Account
from instep.domain.pace import Lane
from instep.domain.rules import Source
from instep.use_cases import newcomers
from instep.use_cases.accounts import change_account, load_account
from instep.use_cases.actions import note_actionfields
from instep.use_cases.changes import Finder
from instep.use_cases.choices import page_source, read_choices, usergroup_source
from instep.use_cases.cursors import read_cursors, store_cursors
from instep.use_cases.errors import (
    AccountStopped,
    NotAdmitted,
    NotFoundError,
    Rejected,
    SideError,
    Unauthorised,
    Unavailable,
)
from instep.use_cases.group_list import note_primary
from instep.use_cases.off_switch import stop_for_credentials
from instep.use_cases.ports import ActionKit, Item, PageRow, Strive
from instep.use_cases.stored import dumped, loaded, walk
from instep.use_cases.world import World


def read_catalogue(world: World, account_id: str) -> str:
    """Makes what is missing. "ready"; "stopped" if the account is not on (any more); "again" if a
    side is busy or away."""
    account = load_account(world, account_id)
    if not account.active:
        return "stopped"
    try:
        _make_what_is_missing(world, account)
    except AccountStopped:
        return "stopped"
    except Unauthorised as refusal:
        stop_for_credentials(world, account, refusal.side)
        return "stopped"
    except (NotAdmitted, SideError):
        return "again"
    return "ready"


def _make_what_is_missing(world: World, account: Account) -> None:
    account_id = account.account_id
    had_group = account.primary_group is not None
    page = world.actionkit(account, Lane.LIVE).ensure_import_page()
    strive = world.strive(account)
    group_id = _primary_group(strive, account)
    if not had_group:
        newcomers.note_adoption(world, account, strive, group_id)
    _, account = change_account(
        world,
        account_id,
        lambda one: replace(
            one, import_page=page.name, import_page_id=page.page_id, primary_group=group_id
        ),
    )
    note_primary(world, account_id, group_id)
    refresh_catalogue(world, account)
    _begin_feeds(world, account)


def _begin_feeds(world: World, account: Account) -> None:
    """What changes from now on is found by scheduled syncs (U3, U4)."""
    before = read_cursors(world, account.account_id)
    cursors = Finder(world, account).begun(before)
    if cursors != before:
        store_cursors(world, account.account_id, cursors)


def _primary_group(strive: Strive, account: Account) -> int:
    """The group we have (followed by its id), else the one of that name, else a new one.

    ON asked whether a group of that name may be used (A2), so one that is found now is either
    adopted or what an earlier try of ours made before it died.
    """
    groups = strive.groups()
    ours = [one.group_id for one in groups if one.group_id == account.primary_group]
    named = [one.group_id for one in groups if one.name == PRIMARY_GROUP_NAME]
    if ours or named:
        return (ours or named)[0]
    return strive.create_group(PRIMARY_GROUP_NAME).group_id


# --- pages and usergroups ---

PAGES_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was last read. `actions`: complete ones; None where that is not known."""

    page_id: int
    name: str
    title: str = ""
    type: str = ""
    updated_at: datetime | None = None
    actions: int | None = None


@dataclass(frozen=True, slots=True)
class Usergroup:
    """A usergroup as it was last read."""

    usergroup_id: int
    name: str
    users: int | None = None


PAGE: TypeAdapter[Page] = TypeAdapter(Page)
USERGROUP: TypeAdapter[Usergroup] = TypeAdapter(Usergroup)


def refresh_catalogue(world: World, account: Account) -> None:
    """Reads all pages and usergroups, and stores those that are new or changed."""
    account_id = account.account_id
    actionkit = world.actionkit(account, Lane.LIVE)
    synced = read_choices(world, account_id).page_ids
    after, more = 0, True
    while more:
        rows = actionkit.pages_after(after, PAGES_AT_ONCE)
        more = len(rows) == PAGES_AT_ONCE
        after = rows[-1].page_id if rows else after
        _store_pages(world, account_id, actionkit, rows, synced)
    usergroups = [
        Usergroup(one.usergroup_id, one.name, one.users) for one in actionkit.usergroups()
    ]
    shown = {_usergroup_key(one.usergroup_id): dumped(USERGROUP, one) for one in usergroups}
    _store_changed(world, account_id, shown, _known(world, account_id, shown))
    _forget_missing(world, account_id, "usergroup/", shown)
    if synced:
        note_actionfields(world, account_id, actionkit.actionfields(synced) or [])


def _store_pages(
    world: World,
    account_id: str,
    actionkit: ActionKit,
    rows: Sequence[PageRow],
    synced: Collection[int],
) -> None:
    """Counts the actions of those that are synced, and once of each other page: on a large instance
    counting all of them each time would be slow."""
    keys = {_page_key(one.page_id): one for one in rows}
    stored = _known(world, account_id, keys)
    known = {int(key.rsplit("/", 1)[1]): loaded(PAGE, item).actions for key, item in stored.items()}
    counted = [one.page_id for one in rows if one.page_id in synced or one.page_id not in known]
    counts = _counts(actionkit, counted)
    pages = {}
    for key, one in keys.items():
        actions = known.get(one.page_id)
        if one.page_id in counted:
            actions = None if counts is None else counts.get(one.page_id, 0)
        page = Page(one.page_id, one.name, one.title, one.type, one.updated_at, actions)
        pages[key] = dumped(PAGE, page)
    _store_changed(world, account_id, pages, stored)


def _counts(actionkit: ActionKit, page_ids: Sequence[int]) -> Mapping[int, int] | None:
    """How many there are, as far as ActionKit can say: that is not worth failing for."""
    try:
        return actionkit.count_actions(page_ids) if page_ids else {}
    except (Rejected, Unavailable):
        return None


def _known(world: World, account_id: str, keys: Collection[str]) -> Mapping[str, Item]:
    return world.groups.get_many(account_id, keys) if keys else {}


def _store_changed(
    world: World, account_id: str, shown: Mapping[str, Item], known: Mapping[str, Item]
) -> None:
    items = [
        {**values, "account_id": account_id, "item": key}
        for key, values in shown.items()
        if known.get(key) != {**values, "account_id": account_id, "item": key}
    ]
    if items:
        world.groups.put_many(items)


def _forget_missing(world: World, account_id: str, prefix: str, shown: Mapping[str, Item]) -> None:
    for item in list(walk(world.groups, account_id, prefix, page_size=1000)):
        if item["item"] not in shown:
            world.groups.delete(account_id, item["item"])


def find_page(world: World, account_id: str, page_id: int) -> Page:
    """A page of the catalogue. Raises NotFoundError."""
    item = world.groups.get(account_id, _page_key(page_id))
    if item is None:
        raise NotFoundError("no_page", "There is no such page.")
    return loaded(PAGE, item)


def find_usergroup(world: World, account_id: str, usergroup_id: int) -> Usergroup:
    """A usergroup of the catalogue. Raises NotFoundError."""
    item = world.groups.get(account_id, _usergroup_key(usergroup_id))
    if item is None:
        raise NotFoundError("no_usergroup", "There is no such usergroup.")
    return loaded(USERGROUP, item)


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the catalogue is listed: what has this text in its name or title, ignoring case; what
    is synced, or is not."""

    text: str = ""
    synced: bool | None = None


def list_pages(
    world: World, account_id: str, only: Filter, after: str | None, limit: int
) -> tuple[list[tuple[Page, Source | None]], str | None]:
    """Pages by id, each with what is kept up of it, and where to go on."""

    def named(item: Item) -> tuple[str, str]:
        page = loaded(PAGE, item)
        return page_source(page.page_id), f"{page.name}\n{page.title}"

    items, more = _listed(world, account_id, "page/", only, named, after, limit)
    return [(loaded(PAGE, item), source) for item, source in items], more


def list_usergroups(
    world: World, account_id: str, only: Filter, after: str | None, limit: int
) -> tuple[list[tuple[Usergroup, Source | None]], str | None]:
    """Usergroups by id, each with what is kept up of it, and where to go on."""

    def named(item: Item) -> tuple[str, str]:
        usergroup = loaded(USERGROUP, item)
        return usergroup_source(usergroup.usergroup_id), usergroup.name

    items, more = _listed(world, account_id, "usergroup/", only, named, after, limit)
    return [(loaded(USERGROUP, item), source) for item, source in items], more


def _listed(
    world: World,
    account_id: str,
    prefix: str,
    only: Filter,
    named: Callable[[Item], tuple[str, str]],
    after: str | None,
    limit: int,
) -> tuple[list[tuple[Item, Source | None]], str | None]:
    """Items that the filter lets through. `named`: the id of an item's source, and its names."""
    load_account(world, account_id)
    choices = read_choices(world, account_id)
    kept = {one.source_id: one for one in choices.sources}
    text = only.text.strip().casefold()
    size = PAGES_AT_ONCE if text or only.synced is not None else limit + 1
    found: list[tuple[Item, Source | None]] = []
    for item in walk(world.groups, account_id, prefix, after, size):
        source_id, names = named(item)
        source = kept.get(source_id)
        if text in names.casefold() and only.synced in (None, source is not None):
            if len(found) == limit:
                return found, found[-1][0]["item"]
            found.append((item, source))
    return found, None


def _page_key(page_id: int) -> str:
    return f"page/{page_id:012d}"


def _usergroup_key(usergroup_id: int) -> str:
    return f"usergroup/{usergroup_id:012d}"
