"""What all runs have in common: executions, batches on the lanes, waiting, going on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from instep.domain.account import Account
from instep.domain.pace import Lane
from instep.domain.people import Side
from instep.use_cases.errors import Busy, InstepError, NotAdmitted
from instep.use_cases.runs import Interval, Run, change_run, find_run
from instep.use_cases.work import BATCH, INITIAL_SYNC, Work, batches_of
from instep.use_cases.world import World

MACHINES: Final = {
    "initial_sync": "initial-sync",
    "scheduled_sync": "account-sync",
    "relook": "account-sync",
    "backfill": "account-sync",
}
"""The state machine of each kind of run."""
WINDOWS_PER_EXECUTION = 100
"""Then an execution starts its successor: history stays short and a deploy reaches long runs."""
BACKLOG_USERS = 4 * BATCH
"""A new window is queued when no more than this is left of the last."""
RESEND_SECONDS = 900
"""Users still open after this long are put on the queue again: their message may be lost."""
LEASE_SECONDS = 600
AWAY_SECONDS = 60
"""How long a side that cannot be reached is left alone."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step tells the state machine: which way to go, and how long to wait first."""

    outcome: str
    wait_seconds: int = 0


def launch(world: World, account_id: str, run_id: str) -> None:
    """Starts the next execution of a run; a name that exists already counts as started."""
    lease_until = world.clock.now() + timedelta(seconds=LEASE_SECONDS)
    _, run = change_run(
        world,
        account_id,
        run_id,
        lambda one: replace(
            one,
            state="running",
            attempts=one.attempts + 1,
            windows=0,
            lease_until=lease_until,
            failure="",
        ),
    )
    name = f"{account_id}-{run_id}-{run.attempts}"
    payload = {"account_id": account_id, "run_id": run_id}
    arn = world.machines.start(MACHINES[run.kind], name, payload)
    change_run(world, account_id, run_id, lambda one: replace(one, execution=arn))


def go_on(world: World, account_id: str, run_id: str) -> None:
    """Goes on with a run: what was open is put on the queue again, since messages are dropped while
    an account is off or paused; an execution that is still running goes on, else there is a new
    one."""
    _, run = change_run(world, account_id, run_id, lambda one: replace(one, sending=True))
    if not (run.execution and world.machines.running(run.execution)):
        launch(world, account_id, run_id)


def expired(world: World, run: Run) -> bool:
    """Whether nobody works on a run that has not ended."""
    if run.state == "succeeded":
        return False
    return run.lease_until is None or run.lease_until <= world.clock.now()


def send_batches(
    world: World, account: Account, run_id: str, user_ids: Sequence[int], delay: int = 0
) -> None:
    """Puts users of an initial sync on the bulk lane."""
    for ids in batches_of(user_ids):
        work = Work(account.account_id, account.epoch, ids, INITIAL_SYNC, run_id)
        world.bulk.send([work.body()], account.account_id, delay)


def send_open(world: World, account: Account, run_id: str, intervals: Sequence[Interval]) -> None:
    """Puts open users on their lane, perhaps once more."""
    for one in intervals:
        if not one.batch:
            actionkit = world.actionkit(account, Lane.BULK)
            ids: Sequence[int] = actionkit.user_ids_between(one.after, one.upto)
            send_batches(world, account, run_id, ids)
            continue
        work = Work(account.account_id, account.epoch, one.ids, one.cause, run_id, batch=one.batch)
        lane = Lane.LIVE if one.live else Lane.BULK
        world.lane(lane).send([work.body()], account.account_id)


def send_opened(world: World, account: Account, run_id: str, opened: Callable[[Run], Run]) -> Run:
    """Changes a run, and puts on their lane the batches that the change opened: the run as it then
    is."""
    old, new = change_run(world, account.account_id, run_id, opened)
    before = {one.batch for one in old.open}
    send_open(world, account, run_id, [one for one in new.open if one.batch not in before])
    return new


def resend_all(world: World, account: Account, run_id: str) -> None:
    """The step before this one died on the way: what it opened is put on the queue again."""
    send_open(world, account, run_id, find_run(world, account.account_id, run_id).open)
    change_run(world, account.account_id, run_id, lambda one: replace(one, sending=False))


def progress(world: World, account: Account, run_id: str) -> Step:
    """Says whether there is room for the next window; puts lost work on the queue again."""
    run = find_run(world, account.account_id, run_id)
    now = world.clock.now()
    due = run.open_users * 60 / account.settings.records_per_minute
    lost = [
        one for one in run.open if (now - one.queued_at).total_seconds() > RESEND_SECONDS + due
    ][:20]
    if lost:
        send_open(world, account, run_id, lost)
        run = change_run(
            world,
            account.account_id,
            run_id,
            lambda one: replace(
                one, open=tuple(replace(i, queued_at=now) if i in lost else i for i in one.open)
            ),
        )[1]
    wait = wait_seconds(world, account, run)
    run = change_run(world, account.account_id, run_id, lambda one: leased(world, one, wait))[1]
    if run.all_queued and not run.open:
        return Step("drained")
    if run.windows >= WINDOWS_PER_EXECUTION:
        return Step("successor")
    if run.sending or (not run.all_queued and run.open_users <= BACKLOG_USERS):
        return Step("room")
    return Step("busy", wait)


def start_successor(world: World, account: Account, run_id: str) -> Step:
    """Goes on in a new execution."""
    launch(world, account.account_id, run_id)
    return Step("started")


def finished(world: World, account: Account, run_id: str) -> None:
    """The run has ended."""
    now = world.clock.now()
    change_run(
        world,
        account.account_id,
        run_id,
        lambda one: replace(one, state="succeeded", ended=now, lease_until=None),
    )


def stopped(world: World, account_id: str, run_id: str) -> Step:
    """The account was switched off, paused or stopped: the run waits to be gone on with."""
    world.watch.note("run stopped", account_id=account_id, run_id=run_id)
    return Step("stopped")


def record_failure(world: World, account: Account, run_id: str, failed_state: str) -> Step:
    """Keeps which step failed; the sweep starts the run again when its lease has expired."""
    lease_until = world.clock.now() + timedelta(seconds=LEASE_SECONDS)
    change_run(
        world,
        account.account_id,
        run_id,
        lambda one: (
            one
            if one.state == "succeeded"  # It ended; only the answer was lost.
            else replace(one, state="failed", failure=failed_state, lease_until=lease_until)
        ),
    )
    world.watch.alarm(
        "a run failed", account_id=account.account_id, run_id=run_id, step=failed_state
    )
    return Step("recorded")


def again_seconds(world: World, account: Account, failure: InstepError) -> int:
    """When a step that a side could not serve now is to be taken again."""
    if isinstance(failure, NotAdmitted):
        return max(1, min(60, round(failure.retry_after_seconds)))
    if isinstance(failure, Busy):
        if failure.side is Side.ACTIONKIT:
            world.pacer(account, Lane.BULK).block(failure.retry_after_seconds)
        return max(1, round(failure.retry_after_seconds))
    return AWAY_SECONDS


def wait_seconds(world: World, account: Account, run: Run) -> int:
    """How long until the backlog is short again, or until those who are left may be done: longer
    and longer, while nothing moves. Between 1 and 60 seconds."""
    above = max(0, run.open_users - BACKLOG_USERS)
    last = max((interval.queued_at for interval in run.open), default=world.clock.now())
    idle_seconds = (world.clock.now() - last).total_seconds()
    # Where nothing more is to be queued, nobody is kept waiting by a late look.
    share = 2 if run.all_queued else 20
    seconds = max(above * 60 / account.settings.records_per_minute, idle_seconds / share)
    return max(1, min(60, int(seconds)))


def leased(world: World, run: Run, seconds: int) -> Run:
    """The run, looked after for a while longer."""
    until = world.clock.now() + timedelta(seconds=LEASE_SECONDS + seconds)
    return replace(run, lease_until=until)
