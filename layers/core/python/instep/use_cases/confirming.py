"""Writes that are yet to be read back (F6, F11.6): whoever awaits one is looked at again, all of a
minute together, rather than the few of each batch by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from instep.use_cases.stored import stamp, walk
from instep.use_cases.work import Work, batches_of
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
    awaiting = walk(world.users, work.account_id, f"{work.bucket}/")
    ids = sorted({one for item in awaiting for one in item["user_ids"]})
    bodies = [replace(work, user_ids=some, bucket="").body() for some in batches_of(ids)]
    if bodies:
        world.bulk.send(bodies, work.account_id)
