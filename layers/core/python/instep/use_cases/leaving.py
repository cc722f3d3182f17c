"""OFF: refusals that were made by then are carried first, within a minute; then the credentials and
the connection go (A5).

The account is off from the first moment: nothing but refusals is done for it any more. An errand on
the live lane carries them and ends with the deletion; a second one, a minute later, deletes in any
case, and so does the sweep. Each does nothing where the account was connected again meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from instep.domain.account import Account, Phase
from instep.domain.pace import Lane
from instep.use_cases.accounts import change_account
from instep.use_cases.changes import Finder
from instep.use_cases.cursors import read_cursors
from instep.use_cases.errors import AccountStopped, NotAdmitted, SideError
from instep.use_cases.exclusive import keep_campaign, release_opt_in_field
from instep.use_cases.off_switch import follow_account
from instep.use_cases.sync import sync_users
from instep.use_cases.work import REFUSAL, Work, batches_of
from instep.use_cases.world import World

CARRY: Final = "off"
DELETE: Final = "off/delete"
"""The causes of both errands."""
CARRY_SECONDS: Final = 35
LATEST_SECONDS: Final = 50


def begin(world: World, account: Account) -> None:
    """Puts both errands on the lane."""
    for cause, delay in ((DELETE, LATEST_SECONDS), (CARRY, 0)):
        errand = Work(account.account_id, account.epoch, (), cause)
        world.live.send([errand.body()], account.account_id, delay)


def run_errand(world: World, account: Account, work: Work) -> str:
    """Carries out one of them."""
    if work.cause == CARRY:
        _carry_refusals(world, account)
    delete_connection(world, account)
    return "done"


def finish_overdue(world: World, account: Account) -> None:
    """Deletes the connection of an account that has been off for more than a minute."""
    minute_ago = world.clock.now() - timedelta(seconds=60)
    if account.off_at is not None and account.off_at < minute_ago:
        delete_connection(world, account)


def _carry_refusals(world: World, account: Account) -> None:
    until = world.clock.now() + timedelta(seconds=CARRY_SECONDS)
    try:
        finder = Finder(world, account)
        refused = finder.refusals(finder.begun(read_cursors(world, account.account_id)))
    except (AccountStopped, NotAdmitted, SideError):
        return  # Within a minute or not at all.
    for ids in batches_of(refused.user_ids):
        if world.clock.now() >= until:
            return
        sync_users(world, Work(account.account_id, account.epoch, ids, REFUSAL), Lane.LIVE)


def delete_connection(world: World, account: Account) -> None:
    """Deletes credentials and connection of an account that is off. What is synced stays as it is,
    and so do the records."""
    if not account.leaving or account.connection is None:
        return
    keep_campaign(world, account)
    release_opt_in_field(world, account)
    world.secrets.delete(account.connection.secret)

    def gone(one: Account) -> Account:
        same = one.phase is Phase.OFF and one.connection == account.connection
        return replace(one, connection=None, off_at=None) if same else one

    change_account(world, account.account_id, gone)
    follow_account(world, account.account_id)
