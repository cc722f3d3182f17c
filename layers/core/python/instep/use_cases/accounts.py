"""Reading and changing an account, and the audit of every change (O6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instep.domain.account import Account
from instep.use_cases.errors import NotFoundError
from instep.use_cases.ports import NEW, Store
from instep.use_cases.stored import ACCOUNT, ACCOUNT_KEY, dumped, loaded
from instep.use_cases.world import World


def find_account(world: World, account_id: str) -> Account | None:
    """The account, or None before its first connection."""
    item = world.settings.get(account_id, ACCOUNT_KEY)
    return None if item is None else loaded(ACCOUNT, item)


def load_account(world: World, account_id: str) -> Account:
    """The account. Raises NotFoundError before its first connection."""
    account = find_account(world, account_id)
    if account is None:
        raise NotFoundError("no_account", "This account was never connected.")
    return account


def save_account(store: Store, account: Account) -> bool:
    """Stores the account under the version it was read with. False if somebody came between."""
    value = dumped(ACCOUNT, account.bumped())
    value |= {"account_id": account.account_id, "item": ACCOUNT_KEY}
    expect = NEW if account.version == 0 else {"version": account.version}
    return store.put(value, expect=expect)


def change_account(
    world: World, account_id: str, change: Callable[[Account], Account]
) -> tuple[Account, Account]:
    """Applies a change to the account as it is, again if somebody came between: (old, new).

    `change` may be called several times and may raise; a change to the same is not stored.
    """
    while True:
        old = load_account(world, account_id)
        new = change(old)
        if new == old:
            return old, old
        if save_account(world.settings, new):
            return old, new.bumped()


def audit(world: World, account_id: str, who: str, what: str, old: Any, new: Any) -> None:
    """Appends one entry: who changed what, from what to what. No secrets (O6)."""
    at = world.clock.now()
    world.settings.put(
        {
            "account_id": account_id,
            "item": f"audit/{at:%Y-%m-%dT%H:%M:%S.%fZ}/{world.ids.new()}",
            "at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
            "who": who,
            "what": what,
            "old": old,
            "new": new,
        }
    )
