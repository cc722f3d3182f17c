"""Scheduled syncs of one account (U3, U4).

At every tick `check_account` finds out whether there is anything to do. Refusals go to the live
lane at once, whatever else is under way. For other changes a run is started, if none is at work,
whose state machine calls the steps `find`, `progress` and `finish`. Runs of one account
do not overlap: a tick that finds one at work is counted in it and leaves it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from instep.domain.account import Account, Phase
from instep.domain.pace import Lane
from instep.use_cases import holds, newcomers
from instep.use_cases.accounts import change_account
from instep.use_cases.backfill import find_concerned, finish_backfill, resume_backfills
from instep.use_cases.broken import check_mappings
from instep.use_cases.catalogue import refresh_catalogue
from instep.use_cases.changes import Finder, Page
from instep.use_cases.cursors import Cursors, read_cursors, store_cursors
from instep.use_cases.errors import (
    AccountStopped,
    NotAdmitted,
    SideError,
    Unauthorised,
)
from instep.use_cases.granted import moment_of
from instep.use_cases.initial_sync import finish as finish_initial_sync
from instep.use_cases.initial_sync import start_initial_sync
from instep.use_cases.off_switch import stop_for_credentials
from instep.use_cases.relook import find_recorded
from instep.use_cases.runs import (
    Run,
    change_run,
    counted_statuses,
    find_or_none,
    find_run,
    set_tallies,
    store_run,
    with_batches,
)
from instep.use_cases.sources import keep_groups
from instep.use_cases.stored import run_key
from instep.use_cases.windows import (
    Step,
    expired,
    finished,
    go_on,
    launch,
    leased,
    resend_all,
    send_open,
    send_opened,
    wait_seconds,
)
from instep.use_cases.work import REFUSAL, Work, batches_of
from instep.use_cases.world import World

CHANGED: Final = "changed"
"""The cause of looks that a feed asked for."""
FEW: Final = 120
"""So many users of a run go to the live lane; more would stand in its way."""
WINDOW: Final = 600
STEP_SECONDS: Final = 30
"""How long a step goes on finding before it lets the machine look how far the work is."""
FIELDS_CHECKED: Final = timedelta(hours=1)
LEFT_SECONDS: Final = 540
"""A run older than this does not wait for users who were put back: the next one takes them over."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a tick made of an account: "idle", "started" (a run), "resumed", "skipped" (one is at
    work), "away" (a side does not answer) or "off"; and how many refusals it put on the lane."""

    outcome: str
    refusals: int = 0


def check_account(world: World, account: Account) -> Checked:
    """Puts refusals on the live lane, and starts whatever has to be gone on with."""
    if account.phase not in (Phase.INITIAL_SYNC, Phase.SYNCING, Phase.PAUSED):
        return Checked("off")
    try:
        return _check(world, account)
    except AccountStopped:
        return Checked("off")
    except Unauthorised as refusal:
        stop_for_credentials(world, account, refusal.side)
        return Checked("off")
    except (NotAdmitted, SideError):
        return Checked("away")


def _check(world: World, account: Account) -> Checked:
    resumed = account.active and _resume(world, account)
    holds.apply_overdue(world, account)
    if account.active:
        newcomers.retry_due(world, account)
    if not account.import_page:  # The initial sync has yet to begin.
        return Checked("resumed" if resumed else "idle")
    if account.active:
        account = _with_live_since(world, account)
        keep_groups(world, account)
        refresh_catalogue(world, account)
    finder = Finder(world, account)
    before = read_cursors(world, account.account_id)
    cursors = finder.begun(before)
    refused = finder.refusals(cursors)
    if not account.active:
        _queue_apart(world, account, refused.user_ids)
        _store(world, account, refused.cursors, before)
        return Checked("idle", len(refused.user_ids))
    refused = _with_fields_checked(world, account, refused)
    run = find_or_none(world, account.account_id, cursors.run_id)
    if run is not None and run.state != "succeeded":
        _queue_apart(world, account, refused.user_ids)
        _store(world, account, refused.cursors, before)
        skip = lambda one: replace(one, skipped=one.skipped + 1)  # noqa: E731
        change_run(world, account.account_id, run.run_id, skip)
        return Checked("resumed" if resumed else "skipped", len(refused.user_ids))
    if cursors.counted_at != before.counted_at and account.initial_sync_done:
        set_tallies(world, account.account_id, counted_statuses(world, account.account_id))
    page = finder.page(refused.cursors)
    left = run is not None and run.open  # by the last run, whose messages may be lost
    if not (refused.user_ids or page.found or left or not finder.all_ended(page)):
        newcomers.see_changed(world, account, page.changed)
        page.note(world, account.account_id)
        _store(world, account, page.cursors, before)
        return Checked("resumed" if resumed else "idle")
    started = _start(world, account, refused, run)
    return Checked("started" if started else "skipped", len(refused.user_ids))


def _with_live_since(world: World, account: Account) -> Account:
    """From when on actions are live, of an account that went on by itself (A5)."""
    if account.live_since is not None:
        return account
    moment = moment_of(world, account, world.actionkit(account, Lane.LIVE))
    return change_account(
        world,
        account.account_id,
        lambda one: replace(one, live_since=moment) if one.live_since is None else one,
    )[1]


def _with_fields_checked(world: World, account: Account, page: Page) -> Page:
    """Looks now and then whether mapped fields are still there (F3)."""
    now, last = world.clock.now(), page.cursors.fields_checked_at
    if last is not None and now - last < FIELDS_CHECKED:
        return page
    actionkit, strive = world.actionkit(account, Lane.LIVE), world.strive(account)
    check_mappings(world, account, actionkit, strive)
    return replace(page, cursors=replace(page.cursors, fields_checked_at=now))


def _queue_apart(world: World, account: Account, user_ids: Sequence[int]) -> None:
    """Puts refusals on the live lane, uncounted by any run."""
    for ids in batches_of(user_ids):
        work = Work(account.account_id, account.epoch, ids, REFUSAL)
        world.live.send([work.body()], account.account_id)


def _store(world: World, account: Account, cursors: Cursors, before: Cursors) -> None:
    """Stores cursors that moved; where somebody came between, theirs stand: what was found is
    found again."""
    if cursors != before:
        store_cursors(world, account.account_id, cursors)


def _start(world: World, account: Account, refused: Page, last: Run | None) -> bool:
    """Starts a run, with the refusals as its first users and those whom the last run left. False:
    another tick was faster."""
    account_id, now = account.account_id, world.clock.now()
    run_id = f"{now:%Y%m%dT%H%M%SZ}-sync-{world.ids.new()[-6:].lower()}"
    run = Run(run_id, "scheduled_sync", started=now, sending=True)
    run = with_batches(run, batches_of(refused.user_ids), now, REFUSAL, live=True)
    for left in last.open if last else ():
        run = with_batches(run, [left.ids], now, left.cause, left.live)
    store_run(world, account_id, run)
    if store_cursors(world, account_id, replace(refused.cursors, run_id=run_id)) is None:
        world.users.delete(account_id, run_key(run_id))
        return False
    if last is not None and last.open:
        change_run(world, account_id, last.run_id, lambda one: replace(one, open=()))
    send_open(world, account, run_id, run.open)
    change_run(world, account_id, run_id, lambda one: replace(one, sending=False))
    launch(world, account_id, run_id)
    return True


def _resume(world: World, account: Account) -> bool:
    """Goes on with every run whose execution is gone."""
    account_id = account.account_id
    resumed = False
    if account.phase is Phase.INITIAL_SYNC:
        run = find_or_none(world, account.account_id, account.initial_sync_run)
        if run is not None and run.state == "succeeded":
            # Whoever ended the run died before the account knew.
            finish_initial_sync(world, account, run.run_id)
        elif run is None or expired(world, run):
            start_initial_sync(world, account)
            resumed = True
    cursors = read_cursors(world, account_id)
    for run_id in (cursors.run_id, cursors.relook_run):
        run = find_or_none(world, account.account_id, run_id)
        if run is not None and expired(world, run):
            go_on(world, account_id, run_id)
            resumed = True
    return resume_backfills(world, account) or resumed


# --- steps ---


def find(world: World, account: Account, run_id: str) -> Step:
    """Puts more of the run's users on the queue."""
    run = find_run(world, account.account_id, run_id)
    if run.sending:
        resend_all(world, account, run_id)
        return Step("queued", 1)
    if run.all_queued:
        return Step("all_queued", wait_seconds(world, account, run))
    if run.kind == "relook":
        return find_recorded(world, account, run)
    if run.kind == "backfill":
        return find_concerned(world, account, run)
    return _find_changed(world, account, run)


def _find_changed(world: World, account: Account, run: Run) -> Step:
    """The next of those who changed. They are on the queue before it is noted that they were
    found."""
    until = world.clock.now() + timedelta(seconds=STEP_SECONDS)
    finder = Finder(world, account)
    cursors = finder.begun(read_cursors(world, account.account_id))
    ended: frozenset[str] = frozenset()
    queued = 0
    while True:
        page = finder.page(cursors, ended)
        newcomers.see_joined(world, account, page.joined)
        newcomers.see_changed(world, account, page.changed)
        _queue(world, account, run.run_id, page.user_ids)
        queued += len(page.user_ids)
        page.note(world, account.account_id)
        if page.cursors != cursors:
            stored = store_cursors(world, account.account_id, page.cursors)
            if stored is None:
                return Step("queued", 1)
            cursors = stored
        ended = page.ended
        if finder.all_ended(page):
            break
        if queued >= WINDOW or world.clock.now() >= until:
            return Step("queued", 1)
    _, new = change_run(
        world, account.account_id, run.run_id, lambda one: replace(one, all_queued=True)
    )
    return Step("all_queued", wait_seconds(world, account, new))


def _queue(world: World, account: Account, run_id: str, user_ids: Sequence[int]) -> None:
    if not user_ids:
        return
    now = world.clock.now()

    def opened(one: Run) -> Run:
        live = one.total + len(user_ids) <= FEW
        changed = with_batches(one, batches_of(user_ids), now, CHANGED, live)
        return leased(world, replace(changed, windows=one.windows + 1), 0)

    send_opened(world, account, run_id, opened)


def finish(world: World, account: Account, run_id: str) -> Step:
    """The run has ended."""
    run = find_run(world, account.account_id, run_id)
    if run.kind == "backfill":
        return finish_backfill(world, account, run)
    finished(world, account, run_id)
    return Step("finished")


def is_over(world: World, run: Run) -> bool:
    """Whether a scheduled run has nothing more to wait for: who is left was put back for longer and
    is taken over by the next run."""
    if run.kind != "scheduled_sync" or not run.all_queued or run.started is None:
        return False
    return (world.clock.now() - run.started).total_seconds() > LEFT_SECONDS
