"""What lies on a lane, and who does it."""

from __future__ import annotations

from instep.domain.pace import Lane
from instep.use_cases import erasure, holds, leaving, newcomers, pushes
from instep.use_cases.accounts import find_account
from instep.use_cases.confirming import CONFIRM, look_at_bucket
from instep.use_cases.sync import sync_users
from instep.use_cases.work import PUSHED, Work, is_of_refusals
from instep.use_cases.world import World

DROPPED = "dropped"


def work_on(world: World, work: Work, lane: Lane) -> str:
    """Does the work of a message; says what became of it, as `sync_users` does. Work of an earlier
    epoch, or of an account that is not running, is dropped without effect (A5)."""
    if work.cause == erasure.PURGE:
        return erasure.purge(world, work)
    account = find_account(world, work.account_id)
    if account is None or account.epoch != work.epoch:
        return DROPPED
    if work.cause in (leaving.CARRY, leaving.DELETE):
        return leaving.run_errand(world, account, work)
    if not (account.active or (account.carries_refusals and is_of_refusals(work))):
        return DROPPED
    if work.cause == PUSHED:
        return pushes.look_for(world, account, work)
    if work.member_ids:
        return newcomers.make_users(world, account, work, lane)
    if work.bucket and work.cause == CONFIRM:
        look_at_bucket(world, work)
        return "done"
    if work.bucket:
        return holds.queue_held(world, work)
    return sync_users(world, work, lane)
