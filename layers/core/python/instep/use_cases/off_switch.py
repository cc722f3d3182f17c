"""The pace is also the off switch (A5): it follows the account."""

from __future__ import annotations

from dataclasses import replace

from instep.domain.account import Account, Phase
from instep.domain.people import Side
from instep.use_cases.accounts import change_account, load_account
from instep.use_cases.pacing import switch_pace
from instep.use_cases.world import World


def follow_account(world: World, account_id: str) -> Account:
    """Sets switch, epoch and limit of the pace as the account has them; the account.

    Of two changes at once the later one may get here first. So the account is read again
    afterwards: whoever is last sees what the other stored, and sets that.
    """
    account = load_account(world, account_id)
    while True:
        limit = account.settings.records_per_minute
        switch_pace(world.users, account_id, account.carries_refusals, account.epoch, limit)
        now = load_account(world, account_id)
        if now.version == account.version:
            return now
        account = now


def stop_for_credentials(world: World, account: Account, side: Side) -> None:
    """Stops the account at the first 401 or 403 (A5)."""
    reason = f"{side.value}_credentials"

    def stopped(now: Account) -> Account:
        if now.epoch != account.epoch or not (now.active or now.phase is Phase.PAUSED):
            return now
        return replace(now, phase=Phase.STOPPED_CREDENTIALS, reason=reason)

    old, new = change_account(world, account.account_id, stopped)
    if new.phase is Phase.STOPPED_CREDENTIALS and new.epoch == account.epoch:
        limit = new.settings.records_per_minute
        switch_pace(world.users, account.account_id, False, new.epoch, limit)
    if old.phase is not new.phase:  # Of many workers who were refused, one tells of it.
        world.watch.alarm("credentials refused", account_id=account.account_id, side=side.value)
