"""Conflicts: both sides changed a field to different values, and one of them won (F5).

Each is two items. Its values lie with the user, so that an erasure finds them (E1); what is listed
by time names no values, and is passed over where these are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from instep.domain.plan import Conflict
from instep.use_cases.accounts import load_account
from instep.use_cases.ports import Item
from instep.use_cases.stored import conflicts_prefix, stamp
from instep.use_cases.world import World

LISTED = "conflict/"
BATCH = 50


def conflict_items(
    world: World,
    account_id: str,
    user_id: int,
    at: datetime,
    intent_id: str,
    conflicts: Sequence[Conflict],
) -> list[Item]:
    """The items of one look's conflicts, under keys made of the intent: put again, they are the
    same. They expire as history does."""
    days = world.limits.history_days
    expires_at = int((world.clock.now() + timedelta(days=days)).timestamp())
    items: list[Item] = []
    for number, one in enumerate(conflicts):
        place = f"{stamp(at)}/{intent_id}/{number:03d}"
        values = f"{conflicts_prefix(user_id)}{place}"
        common = {"account_id": account_id, "expires_at": expires_at}
        items.append(
            {
                **common,
                "item": values,
                "at": stamp(at),
                "user_id": user_id,
                "field": one.field,
                "actionkit_value": one.actionkit_value,
                "strive_value": one.strive_value,
                "winner": one.winner.value,
            }
        )
        items.append({**common, "item": f"{LISTED}{place}", "values": values})
    return items


def list_conflicts(
    world: World, account_id: str, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Conflicts, newest first: at, user_id, field, both values, winner; and where to go on."""
    load_account(world, account_id)
    found = list(islice(_walk(world, account_id, after), limit + 1))
    shown = found[:limit]
    return [one for one, _ in shown], shown[-1][1] if len(found) > limit else None


def _walk(world: World, account_id: str, after: str | None) -> Iterator[tuple[Item, str]]:
    while True:
        page = world.users.query(account_id, LISTED, after=after, limit=BATCH, descending=True)
        values = world.users.get_many(account_id, [one["values"] for one in page.items])
        for one in page.items:
            if one["values"] in values:
                yield values[one["values"]], one["item"]
        if page.next is None:
            return
        after = page.next
