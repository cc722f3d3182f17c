"""Writes that are yet to be read back (F6, F11.6): whoever awaits one is looked at again, all of a
minute together, rather than the few of each batch by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from instep.use_cases.stored import stamp
from instep.use_cases.work import BATCH, Work
from instep.use_cases.world import World

CONFIRM = "confirm"
"""The cause of such looks; their `tries` count the looks that showed nothing yet."""
FIRST_SECONDS = 30
LONGEST_SECONDS = 600
KEPT_SECONDS = 86_400


def await_answers(world: World, work: Work, user_ids: Sequence[int], tries: int) -> None:
    """Has users looked at in a minute or so; where `tries` looks showed nothing yet, later."""
    now = world.clock.now()
    due = now + timedelta(seconds=min(LONGEST_SECONDS, FIRST_SECONDS * 2**tries))
    due = due.replace(second=0, microsecond=0) + timedelta(minutes=1)
    bucket = f"{CONFIRM}/{stamp(due)}-{tries}"
    expires_at = int(now.timestamp()) + KEPT_SECONDS
    key = {"account_id": work.account_id, "expires_at": expires_at}
    entry = {**key, "item": f"{bucket}/{world.ids.new()}", "user_ids": list(user_ids)}
    world.users.put(entry)
    if world.users.get(work.account_id, bucket) is None:
        # The message first: two of them do no harm, none would.
        asked = Work(work.account_id, work.epoch, (), CONFIRM, tries=tries, bucket=bucket)
        delay = int((due - now).total_seconds())
        world.bulk.send([asked.body()], work.account_id, delay)
        world.users.put({**key, "item": bucket})


def look_at_bucket(world: World, work: Work) -> None:
    """Puts the users of a minute on the lane, in whole batches."""
    user_ids: set[int] = set()
    after: str | None = None
    while True:
        page = world.users.query(work.account_id, f"{work.bucket}/", after=after)
        user_ids.update(one for item in page.items for one in item["user_ids"])
        after = page.next
        if after is None:
            break
    ids = sorted(user_ids)
    batches = [tuple(ids[i : i + BATCH]) for i in range(0, len(ids), BATCH)]
    bodies = [replace(work, user_ids=some, bucket="").body() for some in batches]
    if bodies:
        world.bulk.send(bodies, work.account_id)
