"""The steps of all runs, as the state machines call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from instep.domain.account import Account
from instep.use_cases import account_sync, initial_sync, windows
from instep.use_cases.accounts import load_account
from instep.use_cases.errors import AccountStopped, NotAdmitted, SideError, Unauthorised
from instep.use_cases.off_switch import stop_for_credentials
from instep.use_cases.runs import Run, change_run, find_run
from instep.use_cases.windows import Step, again_seconds, leased, record_failure, stopped
from instep.use_cases.world import World

Taken = Callable[[World, Account, str], Step]

STEPS: Final[dict[str, dict[str, Taken]]] = {
    "initial_sync": {
        "count": initial_sync.count,
        "queue_window": initial_sync.queue_window,
        "progress": windows.progress,
        "start_successor": windows.start_successor,
        "settle": initial_sync.settle,
        "finish": initial_sync.finish,
    },
    "account_sync": {
        "find": account_sync.find,
        "progress": windows.progress,
        "start_successor": windows.start_successor,
        "finish": account_sync.finish,
    },
}


def take_step(
    world: World, account_id: str, run_id: str, step: str, failed_state: str = ""
) -> Step:
    """One step of a machine. A side that is busy or away is an outcome: the machine waits and takes
    the step again."""
    account = load_account(world, account_id)
    if step == "failed":
        return record_failure(world, account, run_id, failed_state)
    run = find_run(world, account_id, run_id)
    if not account.active or not _is_current(account, run):
        return stopped(world, account_id, run_id)
    steps = STEPS["initial_sync" if run.kind == "initial_sync" else "account_sync"]
    try:
        if step == "progress" and account_sync.is_over(world, run):
            return Step("drained")
        return steps[step](world, account, run_id)
    except AccountStopped:
        return stopped(world, account_id, run_id)
    except Unauthorised as refusal:
        stop_for_credentials(world, account, refusal.side)
        return stopped(world, account_id, run_id)
    except (NotAdmitted, SideError) as failure:
        wait = again_seconds(world, account, failure)
        change_run(world, account_id, run_id, lambda one: leased(world, one, wait))
        return Step("again", wait)


def _is_current(account: Account, run: Run) -> bool:
    """Of an initial sync only the last one goes on, and only until it has ended."""
    if run.kind != "initial_sync":
        return True
    return account.initial_sync_run == run.run_id and not account.initial_sync_done
