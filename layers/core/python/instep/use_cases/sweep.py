"""The tick: which accounts have work (every ten minutes)."""

from __future__ import annotations

from dataclasses import dataclass

from instep.domain.account import Account, Phase
from instep.use_cases.accounts import find_account
from instep.use_cases.initial_sync import start_initial_sync
from instep.use_cases.runs import find_run
from instep.use_cases.stored import DIRECTORY
from instep.use_cases.world import World

PAGE = 50


@dataclass(frozen=True, slots=True)
class Swept:
    """What a tick found: accounts looked at, initial syncs gone on with, accounts without work."""

    accounts: int
    resumed: int
    idle: int


def sweep(world: World, account_id: str | None = None) -> Swept:
    """Goes on with every initial sync whose execution is gone; of one account, or of all."""
    account_ids = [account_id] if account_id else every_account(world)
    found = [account for one in account_ids if (account := find_account(world, one)) is not None]
    resumed = sum(_resume(world, account) for account in found)
    return Swept(len(found), resumed, len(found) - resumed)


def every_account(world: World) -> list[str]:
    """The ids of all accounts ever connected and not erased."""
    account_ids: list[str] = []
    after: str | None = None
    while True:
        page = world.settings.query(DIRECTORY, after=after, limit=PAGE)
        account_ids += [item["item"] for item in page.items]
        if page.next is None:
            return account_ids
        after = page.next


def _resume(world: World, account: Account) -> bool:
    if account.phase is not Phase.INITIAL_SYNC:
        return False
    if account.initial_sync_run:
        run = find_run(world, account.account_id, account.initial_sync_run)
        if run.lease_until is not None and run.lease_until > world.clock.now():
            return False
    start_initial_sync(world, account)
    return True
