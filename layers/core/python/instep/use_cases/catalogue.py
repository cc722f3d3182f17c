"""What an account needs on both sides before anybody is synced: the integration's import page and
the primary group (U6, G1)."""

from __future__ import annotations

from dataclasses import replace

from instep.domain.account import PRIMARY_GROUP_NAME, Account
from instep.domain.pace import Lane
from instep.use_cases import newcomers
from instep.use_cases.accounts import change_account, load_account
from instep.use_cases.changes import Finder
from instep.use_cases.cursors import read_cursors, store_cursors
from instep.use_cases.errors import AccountStopped, NotAdmitted, SideError, Unauthorised
from instep.use_cases.off_switch import stop_for_credentials
from instep.use_cases.ports import Strive
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
    world.groups.put(
        {
            "account_id": account_id,
            "item": f"group/{group_id:012d}",
            "name": PRIMARY_GROUP_NAME,
            "kind": "primary",
        }
    )
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
