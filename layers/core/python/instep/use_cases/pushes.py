"""Pushed actions (P3, P4): what ActionKit's after-action push says is only a hint. It is put on the
live lane before it is answered, and ActionKit's API is asked what really happened."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from instep.domain.account import Account
from instep.domain.pace import Lane
from instep.use_cases.accounts import find_account
from instep.use_cases.actions import action_key
from instep.use_cases.choices import read_choices
from instep.use_cases.cursors import read_cursors
from instep.use_cases.errors import AccountStopped, NotAdmitted, SideError, Unauthorised
from instep.use_cases.feed_of_actions import AT_ONCE, not_looked_at
from instep.use_cases.granted import granted
from instep.use_cases.off_switch import stop_for_credentials
from instep.use_cases.ports import NEW
from instep.use_cases.stored import stamp
from instep.use_cases.sync import sync_users
from instep.use_cases.work import ACTION, PUSHED, Work, batches_of, later_seconds
from instep.use_cases.world import World

MOST_BYTES: Final = 262_144
MERGED: Final = timedelta(seconds=5)
"""Of pushes that name no action one look is made in so long."""
AGAIN_SECONDS: Final = (5, 30, 120)
"""When an action that is not to be seen yet is looked for again."""
NAMES_OF_IDS: Final = frozenset({"action_id", "actionid", "core_action_id"})
URI: Final = re.compile(r"/(?:[a-z]*action)/([0-9]{1,15})/?$")

Received = Literal["ok", "unknown", "too_large"]


def receive(world: World, account_id: str, token: str, body: bytes) -> Received:
    """Takes a push: "unknown" for a wrong address, and nothing is stored then."""
    account = find_account(world, account_id)
    known = account.settings.webhook_token if account is not None else ""
    if account is None or not known or not hmac.compare_digest(known.encode(), token.encode()):
        return "unknown"
    if len(body) > MOST_BYTES:
        return "too_large"
    if not account.active:
        return "ok"
    action_id = action_id_in(body)
    if action_id is not None:
        _send(world, account, action_id, 0)
    else:
        wait = _merged(world, account_id)
        if wait is not None:
            _send(world, account, 0, wait)
    return "ok"


def _send(
    world: World, account: Account, action_id: int, delay_seconds: int, tries: int = 0
) -> None:
    work = Work(account.account_id, account.epoch, (), PUSHED, tries=tries, action_id=action_id)
    world.live.send([work.body()], account.account_id, delay_seconds)


def _merged(world: World, account_id: str) -> int | None:
    """In how many seconds a look for new actions is to be asked for; None: one is coming."""
    while True:
        now = world.clock.now()
        item = world.groups.get(account_id, "push")
        last = datetime.fromisoformat(item["at"]) if item else None
        if last is not None and last > now:
            return None
        at = now if last is None or now - last >= MERGED else last + MERGED
        new = {"account_id": account_id, "item": "push", "at": stamp(at)}
        if world.groups.put(new, expect={"at": item["at"]} if item else NEW):
            return max(0, -int((now - at).total_seconds() // 1))


# --- what a body says ---


def action_id_in(body: bytes) -> int | None:
    """The id of an action, if the body names one in a way that can be recognised: JSON or a form,
    a name such as `action_id`, or an action's address in the REST API. Everything else is only
    "something happened": what it looks like is not public (docs/assumptions.md)."""
    for name, value in _pairs(body):
        text = str(value).strip()
        if name.casefold().replace("-", "_") in NAMES_OF_IDS and _is_id(text):
            return int(text)
        if (found := URI.search(text[:500])) and _is_id(found[1]):
            return int(found[1])
    return None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) <= 15 and int(text) > 0


def _pairs(body: bytes) -> Iterator[tuple[str, Any]]:
    text = body.decode("utf-8", "replace")
    try:
        yield from _flat(json.loads(text), 0)
        return
    except (ValueError, RecursionError):
        pass
    try:
        yield from parse_qsl(text, max_num_fields=500)
    except ValueError:
        return


def _flat(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > 5:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "action" and isinstance(inner, dict) and isinstance(inner.get("id"), int):
                yield "action_id", inner["id"]
            if isinstance(inner, dict | list):
                yield from _flat(inner, depth + 1)
            elif isinstance(inner, str | int) and not isinstance(inner, bool):
                yield name, inner
    elif isinstance(value, list):
        for inner in value[:100]:
            yield from _flat(inner, depth + 1)


# --- what really happened ---


def look_for(world: World, account: Account, work: Work) -> str:
    """Asks ActionKit about a pushed action, or for new ones, and looks at their users."""
    try:
        return _look_for(world, account, work)
    except AccountStopped:
        return "dropped"  # The feed finds what was taken meanwhile.
    except Unauthorised as refusal:
        stop_for_credentials(world, account, refusal.side)
        return "stopped"
    except NotAdmitted as turn:
        _send(world, account, work.action_id, max(1, round(turn.retry_after_seconds)), work.tries)
        return "waiting"
    except SideError as failure:
        world.watch.count(f"{failure.side.value}_failures")
        delay = round(later_seconds(work.tries))
        _send(world, account, work.action_id, delay, work.tries + 1)
        return "later"


def _look_for(world: World, account: Account, work: Work) -> str:
    account_id = account.account_id
    page_ids = read_choices(world, account_id).page_ids
    if not page_ids:
        return "done"
    if work.action_id:
        if world.groups.get(account_id, action_key(work.action_id)) is not None:
            return "done"
        with granted(world, account, Lane.LIVE, 1):
            taken = world.actionkit(account, Lane.LIVE).taken(work.action_id)
        if taken is not None:
            if taken.page_id not in page_ids:
                return "done"
            one = replace(work, user_ids=(taken.user_id,), cause=ACTION, action_id=0, tries=0)
            return sync_users(world, one, Lane.LIVE)
    elif _queue_new(world, account, page_ids):
        return "done"
    if work.tries < len(AGAIN_SECONDS):
        _send(world, account, work.action_id, AGAIN_SECONDS[work.tries], work.tries + 1)
        return "again"
    if work.action_id:  # A number that is no action's: perhaps there is another.
        _queue_new(world, account, page_ids)
    return "done"


def _queue_new(world: World, account: Account, page_ids: tuple[int, ...]) -> bool:
    """Puts the users of new actions on the live lane. Whether there were any."""
    actionkit = world.actionkit(account, Lane.LIVE)
    cursor = read_cursors(world, account.account_id).actions
    after = cursor.horizon(world.clock.now())
    users: set[int] = set()
    while True:
        with granted(world, account, Lane.LIVE, AT_ONCE) as limit:
            rows = actionkit.taken_after(after, page_ids, limit)
        users |= {one.user_id for one in not_looked_at(world, account.account_id, rows)}
        if len(rows) < limit:
            break
        after = rows[-1].action_id
    for ids in batches_of(sorted(users)):
        work = Work(account.account_id, account.epoch, ids, ACTION)
        world.live.send([work.body()], account.account_id)
    return bool(users)
