"""The initial sync: the whole list, window by window, resumed after any failure (A3, A4, O1).

The state machine `initial-sync` calls the steps; each is a function of what is stored, so a step
that is run twice, or again after a crash, goes on where the last one stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from instep.domain.account import Account, Phase
from instep.domain.pace import Lane
from instep.domain.people import Side
from instep.domain.record import Status
from instep.use_cases.accounts import change_account, load_account
from instep.use_cases.errors import (
    AccountStopped,
    Busy,
    InstepError,
    NotAdmitted,
    SideError,
    Unauthorised,
)
from instep.use_cases.off_switch import stop_for_credentials
from instep.use_cases.runs import (
    Interval,
    Run,
    change_run,
    find_run,
    store_run,
)
from instep.use_cases.work import BATCH, INITIAL_SYNC, Work
from instep.use_cases.world import World

MACHINE = "initial-sync"
WINDOW_SECONDS = 300
WINDOW_USERS = 5_000
"""A window is what five minutes of the pace can read, at most this many users."""
BACKLOG_USERS = 4 * BATCH
"""A new window is queued when no more than this is left of the last."""
WINDOWS_PER_EXECUTION = 100
"""Then an execution starts its successor: history stays short and a deploy reaches long runs."""
RESEND_SECONDS = 900
"""Users still open after this long are put on the queue again: their message may be lost."""
LEASE_SECONDS = 600
AWAY_SECONDS = 60
"""How long a side that cannot be reached is left alone."""
INDEX_SECONDS = 10
"""How long an index may be behind the table."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step tells the state machine: which way to go, and how long to wait first."""

    outcome: str
    wait_seconds: int = 0


def start_initial_sync(world: World, account: Account) -> str:
    """Starts the initial sync of an account, or goes on with the one it has: the run's id.

    What was open is put on the queue again, since messages are dropped while an account is off or
    paused; an execution that is still running goes on, else there is a new one.
    """
    account_id, run_id = account.account_id, account.initial_sync_run
    if not run_id:
        now = world.clock.now()
        made = f"{now:%Y%m%dT%H%M%SZ}-initial-{world.ids.new()[-6:].lower()}"
        store_run(world, account_id, Run(made, "initial_sync", started=now))
        _, account = change_account(
            world,
            account_id,
            lambda one: one if one.initial_sync_run else replace(one, initial_sync_run=made),
        )
        run_id = account.initial_sync_run
    _, run = change_run(world, account_id, run_id, lambda one: replace(one, sending=True))
    if not (run.execution and world.machines.running(run.execution)):
        _launch(world, account_id, run_id)
    return run_id


def _launch(world: World, account_id: str, run_id: str) -> None:
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
    arn = world.machines.start(MACHINE, name, {"account_id": account_id, "run_id": run_id})
    change_run(world, account_id, run_id, lambda one: replace(one, execution=arn))


def take_step(
    world: World, account_id: str, run_id: str, step: str, failed_state: str = ""
) -> Step:
    """One step of the machine. A side that is busy or away is an outcome: the machine waits and
    takes the step again."""
    account = load_account(world, account_id)
    if step == "failed":
        return _record_failure(world, account, run_id, failed_state)
    if account.initial_sync_run != run_id or account.phase is not Phase.INITIAL_SYNC:
        return _stopped(world, account_id, run_id)
    steps = {
        "count": _count,
        "queue_window": _queue_window,
        "progress": _progress,
        "start_successor": _start_successor,
        "settle": _settle,
        "finish": _finish,
    }
    try:
        return steps[step](world, account, run_id)
    except AccountStopped:
        return _stopped(world, account_id, run_id)
    except Unauthorised as refusal:
        stop_for_credentials(world, account, refusal.side)
        return _stopped(world, account_id, run_id)
    except (NotAdmitted, SideError) as failure:
        wait = again_seconds(world, account, failure)
        change_run(world, account_id, run_id, lambda one: _leased(world, one, wait))
        return Step("again", wait)


def again_seconds(world: World, account: Account, failure: InstepError) -> int:
    """When a step that a side could not serve now is to be taken again."""
    if isinstance(failure, NotAdmitted):
        return max(1, min(60, round(failure.retry_after_seconds)))
    if isinstance(failure, Busy):
        if failure.side is Side.ACTIONKIT:
            world.pacer(account, Lane.BULK).block(failure.retry_after_seconds)
        return max(1, round(failure.retry_after_seconds))
    return AWAY_SECONDS


def _count(world: World, account: Account, run_id: str) -> Step:
    """Counts the users, so that progress has a total."""
    total = world.actionkit(account, Lane.BULK).count_users()
    change_run(
        world,
        account.account_id,
        run_id,
        lambda one: _leased(world, replace(one, total=max(total, one.scanned)), 0),
    )
    return Step("counted")


def _queue_window(world: World, account: Account, run_id: str) -> Step:
    """Puts the next window of ids on the bulk lane, as batches that surface at the pace."""
    run = find_run(world, account.account_id, run_id)
    actionkit = world.actionkit(account, Lane.BULK)
    if run.sending:
        # The step before this one died on the way: what it opened is put on the queue again.
        for interval in run.open:
            _send(world, account, run_id, actionkit.user_ids_between(interval.after, interval.upto))
        change_run(world, account.account_id, run_id, lambda one: replace(one, sending=False))
        return Step("queued", 1)
    if run.all_queued:
        return Step("all_queued", _wait_seconds(world, account, run))
    pace = account.settings.records_per_minute
    size = min(WINDOW_USERS, max(BATCH, pace * WINDOW_SECONDS // 60))
    user_ids = actionkit.user_ids_after(run.cursor, size)
    now = world.clock.now()
    batches = [user_ids[i : i + BATCH] for i in range(0, len(user_ids), BATCH)]
    opened = tuple(Interval(ids[0] - 1, ids[-1], len(ids), now) for ids in batches)

    def with_window(one: Run) -> Run:
        if one.cursor != run.cursor:
            return one
        if not user_ids:
            return _leased(world, replace(one, all_queued=True), 0)
        done = one.scanned + one.open_users + len(user_ids)
        changed = replace(
            one,
            open=(*one.open, *opened),
            cursor=user_ids[-1],
            windows=one.windows + 1,
            sending=True,
            total=max(one.total, done),
        )
        return _leased(world, changed, WINDOW_SECONDS)

    old, new = change_run(world, account.account_id, run_id, with_window)
    if new.all_queued:
        return Step("all_queued", _wait_seconds(world, account, new))
    if new.cursor == old.cursor:
        return Step("queued", 1)
    for number, ids in enumerate(batches):
        delay = (old.open_users + number * BATCH - BACKLOG_USERS) * 60 // pace
        _send(world, account, run_id, ids, max(0, min(900, delay)))
    _, sent = change_run(world, account.account_id, run_id, lambda one: replace(one, sending=False))
    return Step("queued", _wait_seconds(world, account, sent))


def _progress(world: World, account: Account, run_id: str) -> Step:
    """Says whether there is room for the next window; puts lost work on the queue again."""
    run = find_run(world, account.account_id, run_id)
    now = world.clock.now()
    lost = [
        interval
        for interval in run.open
        if (now - interval.queued_at).total_seconds() > RESEND_SECONDS + _due(account, run)
    ]
    if lost:
        actionkit = world.actionkit(account, Lane.BULK)
        for interval in lost[:20]:
            _send(world, account, run_id, actionkit.user_ids_between(interval.after, interval.upto))
        again = {(one.after, one.upto) for one in lost[:20]}
        run = change_run(
            world,
            account.account_id,
            run_id,
            lambda one: replace(
                one,
                open=tuple(
                    replace(i, queued_at=now) if (i.after, i.upto) in again else i for i in one.open
                ),
            ),
        )[1]
    wait = _wait_seconds(world, account, run)
    run = change_run(world, account.account_id, run_id, lambda one: _leased(world, one, wait))[1]
    if run.all_queued and not run.open:
        return Step("drained")
    if run.windows >= WINDOWS_PER_EXECUTION:
        return Step("successor")
    if run.sending or (not run.all_queued and run.open_users <= BACKLOG_USERS):
        return Step("room")
    return Step("busy", wait)


def _start_successor(world: World, account: Account, run_id: str) -> Step:
    """Goes on in a new execution."""
    _launch(world, account.account_id, run_id)
    return Step("started")


def _settle(world: World, account: Account, run_id: str) -> Step:
    """Counts what is recorded, so that the tallies are exact, and lets scheduled syncs begin."""
    run = find_run(world, account.account_id, run_id)
    if run.open:
        return Step("waiting", _wait_seconds(world, account, run))
    counts = {
        status.value: world.users.count_index("by_changed", account.account_id, status.value)
        for status in Status
        if status is not Status.PENDING
    }
    counts = {status: users for status, users in counts.items() if users}
    recorded = sum(counts.values())
    if recorded < run.scanned:
        return Step("waiting", INDEX_SECONDS)
    if (counts, recorded, recorded) != (dict(run.by_status), run.scanned, run.total):
        # The tallies are put right; what was counted may yet be behind in this or that status.
        change_run(
            world,
            account.account_id,
            run_id,
            lambda one: replace(one, by_status=counts, scanned=recorded, total=recorded),
        )
        return Step("waiting", INDEX_SECONDS)
    change_run(world, account.account_id, run_id, lambda one: _leased(world, one, 0))
    return Step("settled")


def _finish(world: World, account: Account, run_id: str) -> Step:
    """The initial sync has ended."""
    now = world.clock.now()
    change_run(
        world,
        account.account_id,
        run_id,
        lambda one: replace(one, state="succeeded", ended=now, lease_until=None),
    )

    def finished(one: Account) -> Account:
        phase = Phase.SYNCING if one.phase is Phase.INITIAL_SYNC else one.phase
        return replace(one, initial_sync_done=True, phase=phase)

    change_account(world, account.account_id, finished)
    return Step("finished")


def _stopped(world: World, account_id: str, run_id: str) -> Step:
    """The account was switched off, paused or stopped: the run waits to be gone on with."""
    world.watch.note("initial sync stopped", account_id=account_id, run_id=run_id)
    return Step("stopped")


def _record_failure(world: World, account: Account, run_id: str, failed_state: str) -> Step:
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
        "an initial sync failed", account_id=account.account_id, run_id=run_id, step=failed_state
    )
    return Step("recorded")


def _send(
    world: World, account: Account, run_id: str, user_ids: Sequence[int], delay: int = 0
) -> None:
    for start in range(0, len(user_ids), BATCH):
        ids = tuple(user_ids[start : start + BATCH])
        work = Work(account.account_id, account.epoch, ids, INITIAL_SYNC, run_id)
        world.bulk.send([work.body()], account.account_id, delay)


def _due(account: Account, run: Run) -> float:
    """Seconds that the open users take at the account's pace."""
    return run.open_users * 60 / account.settings.records_per_minute


def _wait_seconds(world: World, account: Account, run: Run) -> int:
    """How long until the backlog is short again, or until those who are left may be done: longer
    and longer, while nothing moves. Between 1 and 60 seconds."""
    above = max(0, run.open_users - BACKLOG_USERS)
    last = max((interval.queued_at for interval in run.open), default=world.clock.now())
    idle_seconds = (world.clock.now() - last).total_seconds()
    seconds = max(above * 60 / account.settings.records_per_minute, idle_seconds / 20)
    return max(1, min(60, int(seconds)))


def _leased(world: World, run: Run, seconds: int) -> Run:
    until = world.clock.now() + timedelta(seconds=LEASE_SECONDS + seconds)
    return replace(run, lease_until=until)
