"""Works on the messages of a lane: each names users to be looked at."""

from __future__ import annotations

import json
import os
from typing import Any

from instep.bootstrap import observed, world
from instep.domain.pace import Lane
from instep.use_cases.work import work_of
from instep.use_cases.worker import work_on

LANE = Lane(os.environ["LANE"])
WORLD = world()


@observed
def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """One message at a time (BatchSize 1). Expected failures put the work back on the lane by
    themselves; what is raised is a fault of ours, and comes back up to the lane's limit."""
    for message in event["Records"]:
        work = work_of(json.loads(message["body"]))
        outcome = work_on(WORLD, work, LANE)
        WORLD.watch.note(
            outcome, account_id=work.account_id, run_id=work.run_id, users=len(work.user_ids)
        )
    return {"batchItemFailures": []}
