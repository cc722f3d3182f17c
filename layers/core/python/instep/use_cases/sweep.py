"""The tick: which accounts have work (every ten minutes)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from instep.use_cases import erasure, leaving
from instep.use_cases.account_sync import check_account
from instep.use_cases.accounts import find_account
from instep.use_cases.cursors import read_cursors
from instep.use_cases.runs import find_or_none
from instep.use_cases.stored import DIRECTORY, walk
from instep.use_cases.world import World

SHARD = 25
"""Accounts that one invocation checks, one after the other."""
SHARD_SECONDS = 180
"""Then those who are left wait for the next tick: a side that does not answer holds up few."""
WAIT_SECONDS = 5


def list_shards(world: World, account_id: str | None = None) -> list[list[str]]:
    """The accounts to be checked, in shards: one account, or all."""
    account_ids = [account_id] if account_id else every_account(world)
    return [account_ids[i : i + SHARD] for i in range(0, len(account_ids), SHARD)]


def every_account(world: World) -> list[str]:
    """The ids of all accounts ever connected and not erased."""
    return [item["item"] for item in walk(world.settings, DIRECTORY)]


def check_shard(world: World, account_ids: Sequence[str]) -> dict[str, Any]:
    """Checks accounts: how many were idle, had work, and so on. One that fails by a fault of ours
    or of AWS does not keep the others from being checked; it is an alarm if it goes on."""
    until = world.clock.now() + timedelta(seconds=SHARD_SECONDS)
    outcomes: Counter[str] = Counter()
    for account_id in account_ids:
        if world.clock.now() >= until:
            outcomes["not_reached"] += 1
            continue
        outcomes[_check(world, account_id)] += 1
    return {"accounts": len(account_ids), **outcomes}


def _check(world: World, account_id: str) -> str:
    try:
        account = find_account(world, account_id)
        if account is None:
            return "off"
        leaving.finish_overdue(world, account)
        erasure.resume_erasures(world, account)
        checked = check_account(world, account)
    except Exception as fault:  # noqa: BLE001 - one account's fault is not the others'
        error = type(fault).__name__
        world.watch.note("an account could not be checked", account_id=account_id, error=error)
        world.watch.count("ChecksFailed")
        return "failed"
    world.watch.note(checked.outcome, account_id=account_id, refusals=checked.refusals)
    if checked.outcome == "away":
        world.watch.count("AccountsAway")
    return checked.outcome


def has_work(world: World, account_id: str) -> bool:
    """Whether a scheduled sync of the account is at work."""
    run = find_or_none(world, account_id, read_cursors(world, account_id).run_id)
    return run is not None and run.state == "running"
