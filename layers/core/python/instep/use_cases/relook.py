"""Looking at recorded users again (F3, A5): a run through our own records.

Everybody who is linked after a changed mapping; all after a changed setting that bears on who has a
usable phone; and after a pause or OFF those who await an answer or could be the next for a number,
since their messages were dropped.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final, Literal

from instep.domain.account import Account
from instep.domain.record import Record, Status
from instep.use_cases.backfill import resume_backfills
from instep.use_cases.cursors import read_cursors, store_cursors
from instep.use_cases.runs import (
    Run,
    change_run,
    find_or_none,
    store_run,
    with_batches,
)
from instep.use_cases.stored import RECORD, loaded, run_key, user_key
from instep.use_cases.windows import Step, go_on, leased, send_opened, wait_seconds
from instep.use_cases.work import RELOOK, batches_of
from instep.use_cases.world import World

WINDOW: Final = 600
Scope = Literal["linked", "all", "waiting"]
SCOPES: Final = ("", "waiting", "linked", "all")
"""Each holds those before it."""


def look_again(world: World, account: Account, scope: Scope) -> None:
    """Has recorded users looked at again; one that is under way begins anew, with the wider of both
    scopes. Of an account that is not running nobody is: its next ON or resume looks at all who
    wait, and what changed meanwhile is asked for here again."""
    if account.first_activated_at is None:
        return
    account_id = account.account_id
    while True:
        cursors = read_cursors(world, account_id)
        run = find_or_none(world, account.account_id, cursors.relook_run)
        if run is not None and run.state != "succeeded":
            change_run(world, account_id, run.run_id, partial(_begun_anew, scope=scope))
            break
        now = world.clock.now()
        run_id = f"{now:%Y%m%dT%H%M%SZ}-relook-{world.ids.new()[-6:].lower()}"
        store_run(world, account_id, Run(run_id, "relook", started=now, scope=scope))
        if store_cursors(world, account_id, replace(cursors, relook_run=run_id)) is not None:
            break
        world.users.delete(account_id, run_key(run_id))
    resume_runs(world, account)


def _begun_anew(run: Run, scope: str) -> Run:
    wider = max(run.scope, scope, key=SCOPES.index)
    return replace(run, scope=wider, cursor=0, all_queued=False)


def resume_runs(world: World, account: Account) -> None:
    """Goes on at once with the runs that have not ended, as after a pause."""
    if not account.active:
        return
    cursors = read_cursors(world, account.account_id)
    for run_id in (cursors.run_id, cursors.relook_run):
        run = find_or_none(world, account.account_id, run_id)
        if run is not None and run.state != "succeeded":
            go_on(world, account.account_id, run_id)
    resume_backfills(world, account, anew=True)


def _concerned(record: Record, scope: str) -> bool:
    if record.status is Status.ERASED and record.member_id is None:
        return False
    waits = record.intent is not None or record.awaits or record.status is Status.DUPLICATE_PHONE
    linked = record.member_id is not None
    return scope == "all" or waits or (scope == "linked" and linked)


def find_recorded(world: World, account: Account, run: Run) -> Step:
    """The next of our records that are concerned."""
    account_id = account.account_id
    after = user_key(run.cursor) if run.cursor else None
    page = world.users.query(account_id, "user/", after=after, limit=WINDOW)
    records = [loaded(RECORD, item) for item in page.items]
    ids = [one.user_id for one in records if _concerned(one, run.scope)]
    now = world.clock.now()

    def with_window(one: Run) -> Run:
        if (one.cursor, one.scope) != (run.cursor, run.scope):
            return one
        opened = with_batches(one, batches_of(ids), now, RELOOK)
        cursor = records[-1].user_id if records else one.cursor
        return leased(
            world,
            replace(opened, cursor=cursor, all_queued=page.next is None, windows=one.windows + 1),
            0,
        )

    new = send_opened(world, account, run.run_id, with_window)
    return Step("all_queued" if new.all_queued else "queued", wait_seconds(world, account, new))
