"""Backfills: everybody whom a page, a usergroup or an ActionField group concerns is looked at, at
the account's pace, when it is synced, let go or made again (P2, G3, G4, P8).

One after the other, in the order in which staff asked for them. ActionKit is walked by the ids of
those concerned; where it cannot be asked for them (REST), our own records of linked users are, and
where an ActionField group is deleted those of whom the sync put into it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from instep.domain.account import Account
from instep.domain.pace import Lane
from instep.domain.record import Record
from instep.domain.rules import Source, SourceKind
from instep.use_cases.choices import delete_source, read_choices
from instep.use_cases.cursors import read_cursors, store_cursors
from instep.use_cases.errors import Rejected
from instep.use_cases.ports import ActionKit
from instep.use_cases.runs import Run, find_or_none, store_run, with_batches
from instep.use_cases.stored import RECORD, loaded, user_key
from instep.use_cases.windows import (
    Step,
    expired,
    finished,
    go_on,
    launch,
    leased,
    send_opened,
    wait_seconds,
)
from instep.use_cases.work import BACKFILL, batches_of
from instep.use_cases.world import World

WINDOW: Final = 600


def start_backfill(world: World, account: Account, source: Source) -> str:
    """Has everybody looked at whom a source concerns, as it is now: the run that does it."""
    account_id, now = account.account_id, world.clock.now()
    run_id = f"{now:%Y%m%dT%H%M%SZ}-backfill-{world.ids.new()[-6:].lower()}"
    store_run(world, account_id, Run(run_id, "backfill", started=now, source=source))
    while True:
        cursors = read_cursors(world, account_id)
        waiting = replace(cursors, backfills=(*cursors.backfills, run_id))
        if store_cursors(world, account_id, waiting) is not None:
            break
    if account.active and not cursors.backfills:
        launch(world, account_id, run_id)
    return run_id


def resume_backfills(world: World, account: Account, anew: bool = False) -> bool:
    """Goes on with the backfill whose turn it is, if nobody works on it, or `anew` whoever does.
    Whether there was one to go on with."""
    cursors = read_cursors(world, account.account_id)
    ended = []
    for run_id in cursors.backfills:
        run = find_or_none(world, account.account_id, run_id)
        if run is None or run.state == "succeeded":
            ended.append(run_id)
            continue
        _forget_turns(world, account.account_id, ended)
        if not (anew or expired(world, run)):
            return False
        go_on(world, account.account_id, run_id)
        return True
    _forget_turns(world, account.account_id, ended)
    return False


# --- steps ---


def find_concerned(world: World, account: Account, run: Run) -> Step:
    """Puts more of those concerned on the bulk lane."""
    run_id = run.run_id
    if run.source is None:
        raise ValueError("a backfill is of something")
    actionkit = world.actionkit(account, Lane.BULK)
    expected = run.expected or _count(world, account, actionkit, run.source)
    if run.source.ending:  # Whoever is in the group because of us, whatever ActionKit shows now.
        ids, upto, last = _recorded(world, account.account_id, run.cursor, _has(run.source))
    elif actionkit.finds_changes_by() == "checksums":
        found = _concerned(world, account, actionkit, run.source, run.cursor)
        ids, upto, last = found, max(found, default=run.cursor), len(found) < WINDOW
    else:
        ids, upto, last = _recorded(world, account.account_id, run.cursor, _is_linked)
    now = world.clock.now()

    def with_window(one: Run) -> Run:
        if one.cursor != run.cursor or one.all_queued:
            return one
        opened = with_batches(one, batches_of(ids), now, BACKFILL)
        changed = replace(opened, cursor=upto, all_queued=last, windows=one.windows + 1)
        return leased(world, replace(changed, expected=expected), 0)

    new = send_opened(world, account, run_id, with_window)
    if new.all_queued:
        return Step("all_queued", wait_seconds(world, account, new))
    return Step("queued", 1)


def _concerned(
    world: World, account: Account, actionkit: ActionKit, source: Source, after: int
) -> list[int]:
    if source.kind is SourceKind.USERGROUP:
        return actionkit.grouped_after(source.usergroup_id or 0, after, WINDOW)
    pages = _pages(world, account, source)
    return actionkit.actors_after(pages, source.actionfield, after, WINDOW) if pages else []


def _count(world: World, account: Account, actionkit: ActionKit, source: Source) -> int:
    """How many there will be, as far as that can be asked."""
    if actionkit.finds_changes_by() != "checksums":
        return 0
    if source.kind is SourceKind.USERGROUP:
        rows = {one.usergroup_id: one.users for one in actionkit.usergroups()}
        return rows.get(source.usergroup_id or 0) or 0
    pages = _pages(world, account, source)
    return actionkit.count_actors(pages, source.actionfield) if pages else 0


def _pages(world: World, account: Account, source: Source) -> tuple[int, ...]:
    if source.page_id is not None:
        return (source.page_id,)
    return read_choices(world, account.account_id).page_ids


def _recorded(
    world: World, account_id: str, after: int, wanted: Callable[[Record], bool]
) -> tuple[list[int], int, bool]:
    """The next of our own records: whom of them is wanted, up to whom they go, whether they end."""
    key = user_key(after) if after else None
    page = world.users.query(account_id, "user/", after=key, limit=WINDOW)
    records: list[Record] = [loaded(RECORD, item) for item in page.items]
    ids = [one.user_id for one in records if wanted(one)]
    return ids, records[-1].user_id if records else after, page.next is None


def _is_linked(record: Record) -> bool:
    return record.member_id is not None


def _has(source: Source) -> Callable[[Record], bool]:
    """Whether somebody is in a group because of us, or about to be."""

    def has(record: Record) -> bool:
        joining = record.intent.join if record.intent else ()
        return source.group_id in {*record.groups, *record.waiting_groups, *joining}

    return has


def finish_backfill(world: World, account: Account, run: Run) -> Step:
    """The run has ended: a deleted group goes, if it is ours and empty; the next one's turn."""
    if run.source is not None and run.source.ending:
        _delete_group(world, account, run.source)
    finished(world, account, run.run_id)
    _forget_turns(world, account.account_id, [run.run_id])
    resume_backfills(world, account)
    return Step("finished")


def _delete_group(world: World, account: Account, source: Source) -> None:
    strive = world.strive(account)
    if source.made_group and strive.find_group(source.group_id) is not None:
        try:
            if strive.count_in_group(source.group_id) == 0:
                strive.delete_group(source.group_id)
        except Rejected as refusal:
            world.watch.note("a group stays", group=source.group_id, status=refusal.details)
    if strive.find_group(source.group_id) is None:
        world.groups.delete(account.account_id, f"group/{source.group_id:012d}")
    delete_source(world, account.account_id, source.source_id)


def _forget_turns(world: World, account_id: str, run_ids: list[str]) -> None:
    while run_ids:
        cursors = read_cursors(world, account_id)
        left = tuple(one for one in cursors.backfills if one not in run_ids)
        if left == cursors.backfills:
            return
        if store_cursors(world, account_id, replace(cursors, backfills=left)) is not None:
            return
