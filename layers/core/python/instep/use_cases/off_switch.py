"""The pace is also the off switch (A5): it follows the account."""

from __future__ import annotations

from instep.domain.account import Account
from instep.use_cases.accounts import load_account
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
        switch_pace(world.users, account_id, account.active, account.epoch, limit)
        now = load_account(world, account_id)
        if now.version == account.version:
            return now
        account = now
