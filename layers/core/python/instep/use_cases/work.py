"""What lies on the queues: ids, meaning "look at these". Never values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from instep.domain.pace import Lane
from instep.use_cases.world import World

BATCH = 60
"""Users of one look: few enough that their answers stay under ActionKit's 10,000 rows, many enough
that 1000 users take no more than 30 requests."""

RECREATE = "recreate"
"""The cause of work by which staff ask for a deleted member to be made again (U1)."""


@dataclass(frozen=True, slots=True)
class Work:
    """Users to be looked at. `tries` grows with each time the same users were put back; `cause`
    is shown in the history; `run_id` is the run that counts them, "" for none. `apart`: others of
    the run may lie between them. `bucket`: the users are those noted there (confirming)."""

    account_id: str
    epoch: int
    user_ids: tuple[int, ...]
    cause: str
    run_id: str = ""
    tries: int = 0
    apart: bool = False
    bucket: str = ""

    def body(self) -> dict[str, Any]:
        """The message."""
        return {
            "account_id": self.account_id,
            "epoch": self.epoch,
            "user_ids": list(self.user_ids),
            "cause": self.cause,
            "run_id": self.run_id,
            "tries": self.tries,
            "apart": self.apart,
            "bucket": self.bucket,
        }


def work_of(body: Mapping[str, Any]) -> Work:
    """The work of a message. Raises KeyError if it is none of ours."""
    return Work(
        account_id=body["account_id"],
        epoch=body["epoch"],
        user_ids=tuple(sorted(set(body["user_ids"]))),
        cause=body["cause"],
        run_id=body["run_id"],
        tries=body["tries"],
        apart=body.get("apart", False),
        bucket=body.get("bucket", ""),
    )


def put_work(
    world: World, lane: Lane, work: Work, user_ids: Sequence[int], delay_seconds: float = 0
) -> None:
    """Puts users of this work on the lane again, as a new message with a delay: so its receive
    count does not grow, however long it waits for its turn."""
    if not user_ids:
        return
    again = replace(work, user_ids=tuple(user_ids), tries=work.tries + 1)
    delay = min(900, max(0, round(delay_seconds)))
    world.lane(lane).send([again.body()], work.account_id, delay)
