"""What at most one account may have: a Strive campaign, and an opt-in userfield on a host (C4).

A claim is an item of its own, put under a condition. An account that died between its claim and
storing itself holds nothing: after a minute the claim may be taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from instep.domain.account import Account
from instep.use_cases.accounts import find_account
from instep.use_cases.ports import NEW
from instep.use_cases.world import World

CAMPAIGNS = "-campaigns"
OPT_IN_FIELDS = "-opt-in-fields"
"""Partitions of the settings table. No account can have such an id."""

CAMPAIGN_KEY = "campaign"

UNSAVED = timedelta(seconds=60)
"""Longer than any call of the API may take."""


def claim_campaign(world: World, account_id: str, campaign_id: int) -> bool:
    """Whether the campaign is now this account's."""
    return _claim(
        world,
        CAMPAIGNS,
        str(campaign_id),
        account_id,
        lambda one: held_campaign(world, one) == campaign_id,
    )


def held_campaign(world: World, account: Account) -> int | None:
    """The campaign that the account has, also after OFF, when its connection is gone."""
    if account.connection is not None:
        return account.connection.campaign_id
    kept = world.settings.get(account.account_id, CAMPAIGN_KEY)
    return None if kept is None else int(kept["campaign_id"])


def keep_campaign(world: World, account: Account) -> None:
    """Remembers the campaign before the connection goes: the links are to its members (C4)."""
    if account.connection is not None:
        world.settings.put(
            {
                "account_id": account.account_id,
                "item": CAMPAIGN_KEY,
                "campaign_id": account.connection.campaign_id,
            }
        )


def release_campaign(world: World, account_id: str, campaign_id: int) -> None:
    """Gives up a campaign, where it is this account's."""
    world.settings.delete(CAMPAIGNS, str(campaign_id), expect={"holder": account_id})


def claim_opt_in_field(world: World, account_id: str, hostname: str, userfield: str) -> bool:
    """Whether the userfield on this host is now this account's."""

    def holds(one: Account) -> bool:
        same_host = one.connection is not None and one.connection.hostname == hostname
        return same_host and one.settings.opt_in_userfield == userfield

    return _claim(world, OPT_IN_FIELDS, f"{hostname}/{userfield}", account_id, holds)


def release_opt_in_field(world: World, account: Account) -> None:
    """Gives up the account's opt-in userfield on its host, if it has one."""
    if account.connection is None or account.settings.opt_in_userfield is None:
        return
    key = f"{account.connection.hostname}/{account.settings.opt_in_userfield}"
    world.settings.delete(OPT_IN_FIELDS, key, expect={"holder": account.account_id})


def _claim(
    world: World, partition: str, item: str, account_id: str, holds: Callable[[Account], bool]
) -> bool:
    while True:
        found = world.settings.get(partition, item)
        now = world.clock.now()
        if found is not None and found["holder"] != account_id:
            claimed_at = datetime.fromisoformat(found["claimed_at"])
            holder = find_account(world, found["holder"])
            if now - claimed_at < UNSAVED or (holder is not None and holds(holder)):
                return False
        value = {
            "account_id": partition,
            "item": item,
            "holder": account_id,
            "claimed_at": now.isoformat(),
        }
        expect = {key: found[key] for key in ("holder", "claimed_at")} if found else NEW
        if world.settings.put(value, expect=expect):
            return True
