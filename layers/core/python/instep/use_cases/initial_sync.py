"""The initial sync: the whole list, window by window, resumed after any failure (A3, A4, O1).

The state machine `initial-sync` calls the steps; each is a function of what is stored, so a step
that is run twice, or again after a crash, goes on where the last one stopped.
"""

from __future__ import annotations

from dataclasses import replace

from instep.domain.account import Account, Phase
from instep.domain.pace import Lane
from instep.use_cases import windows
from instep.use_cases.accounts import change_account
from instep.use_cases.checksums import note_users
from instep.use_cases.runs import (
    Interval,
    Run,
    change_run,
    counted_statuses,
    find_run,
    set_tallies,
    store_run,
)
from instep.use_cases.windows import Step, finished, go_on, leased, resend_all, wait_seconds
from instep.use_cases.work import BATCH, batches_of
from instep.use_cases.world import World

WINDOW_SECONDS = 300
WINDOW_USERS = 5_000
"""A window is what five minutes of the pace can read, at most this many users."""
INDEX_SECONDS = 10
"""How long an index may be behind the table."""


def start_initial_sync(world: World, account: Account) -> str:
    """Starts the initial sync of an account, or goes on with the one it has: the run's id."""
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
    go_on(world, account_id, run_id)
    return run_id


def count(world: World, account: Account, run_id: str) -> Step:
    """Counts the users, so that progress has a total."""
    total = world.actionkit(account, Lane.BULK).count_users()
    change_run(
        world,
        account.account_id,
        run_id,
        lambda one: leased(world, replace(one, total=max(total, one.scanned)), 0),
    )
    return Step("counted")


def queue_window(world: World, account: Account, run_id: str) -> Step:
    """Puts the next window of ids on the bulk lane, as batches that surface at the pace. What the
    users come to is noted first: what changes from then on is found by scheduled syncs (U3)."""
    run = find_run(world, account.account_id, run_id)
    if run.sending:
        resend_all(world, account, run_id)
        return Step("queued", 1)
    if run.all_queued:
        return Step("all_queued", wait_seconds(world, account, run))
    actionkit = world.actionkit(account, Lane.BULK)
    pace = account.settings.records_per_minute
    size = min(WINDOW_USERS, max(BATCH, pace * WINDOW_SECONDS // 60))
    user_ids = actionkit.user_ids_after(run.cursor, size)
    note_users(world, account, actionkit, user_ids)
    now = world.clock.now()
    batches = batches_of(user_ids)
    opened = tuple(Interval(ids[0] - 1, ids[-1], len(ids), now) for ids in batches)

    def with_window(one: Run) -> Run:
        if one.cursor != run.cursor:
            return one
        if not user_ids:
            return leased(world, replace(one, all_queued=True), 0)
        done = one.scanned + one.open_users + len(user_ids)
        changed = replace(
            one,
            open=(*one.open, *opened),
            cursor=user_ids[-1],
            windows=one.windows + 1,
            sending=True,
            total=max(one.total, done),
        )
        return leased(world, changed, WINDOW_SECONDS)

    old, new = change_run(world, account.account_id, run_id, with_window)
    if new.all_queued:
        return Step("all_queued", wait_seconds(world, account, new))
    if new.cursor == old.cursor:
        return Step("queued", 1)
    for number, ids in enumerate(batches):
        delay = (old.open_users + number * BATCH - windows.BACKLOG_USERS) * 60 // pace
        windows.send_batches(world, account, run_id, ids, max(0, min(900, delay)))
    _, sent = change_run(world, account.account_id, run_id, lambda one: replace(one, sending=False))
    return Step("queued", wait_seconds(world, account, sent))


def settle(world: World, account: Account, run_id: str) -> Step:
    """Counts what is recorded, so that the tallies are exact."""
    run = find_run(world, account.account_id, run_id)
    if run.open:
        return Step("waiting", wait_seconds(world, account, run))
    counts = counted_statuses(world, account.account_id)
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
    change_run(world, account.account_id, run_id, lambda one: leased(world, one, 0))
    return Step("settled")


def finish(world: World, account: Account, run_id: str) -> Step:
    """The initial sync has ended."""
    run = find_run(world, account.account_id, run_id)
    set_tallies(world, account.account_id, run.by_status)
    finished(world, account, run_id)

    def done(one: Account) -> Account:
        phase = Phase.SYNCING if one.phase is Phase.INITIAL_SYNC else one.phase
        return replace(one, initial_sync_done=True, phase=phase)

    change_account(world, account.account_id, done)
    return Step("finished")
