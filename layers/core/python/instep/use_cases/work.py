"""What lies on the queues: ids, meaning "look at these". Never values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from instep.domain.holds import HoldKind
from instep.domain.pace import Lane
from instep.use_cases.world import World

BATCH = 60
"""Users of one look: few enough that their answers stay under ActionKit's 10,000 rows, many enough
that 1000 users take no more than 30 requests."""

RECREATE = "recreate"
"""The cause of work by which staff ask for a deleted member to be made again (U1)."""
REFUSAL = "refusal"
"""The cause of work that a feed of refusals asked for: done in a pause too (A5)."""
ERASE = "erase"
"""The cause of work by which a person is erased (E1)."""
INITIAL_SYNC = "initial_sync"
RELOOK = "relook"
BACKFILL = "backfill"
"""The causes whose writes are no accidents: initial syncs, and what staff changed in our own
settings and confirmed (A6); a backfill is what follows from a page, usergroup or ActionField group
that was synced, let go or made again."""
ACTION = "action"
"""The cause of work that an action asked for."""
PUSHED = "pushed"
"""The cause of work that a push asked for: to find out what really happened (P4)."""
RELEASED = "released"
DISCARDED = "discarded"
"""The causes of work by which staff decided about a hold, as `released/opt_outs/to_strive` (A6)."""
OPT_OUTS = HoldKind.OPT_OUTS.value


def batches_of(user_ids: Sequence[int]) -> list[tuple[int, ...]]:
    """Users in batches of one look."""
    return [tuple(user_ids[i : i + BATCH]) for i in range(0, len(user_ids), BATCH)]


@dataclass(frozen=True, slots=True)
class Work:
    """Users to be looked at. `tries` grows with each time the same users were put back; `cause`
    is shown in the history; `run_id` is the run that counts them, "" for none. `apart`: others of
    the run may lie between them. `bucket`: the users are those noted there (confirming). `batch`:
    which of the run's batches these users are of, where a run counts them by their ids.
    `member_ids`: members whom somebody added to the primary group, to be made users (U5).
    `action_id`: the action that a push named."""

    account_id: str
    epoch: int
    user_ids: tuple[int, ...]
    cause: str
    run_id: str = ""
    tries: int = 0
    apart: bool = False
    bucket: str = ""
    batch: int = 0
    member_ids: tuple[int, ...] = ()
    action_id: int = 0

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
            "batch": self.batch,
            "member_ids": list(self.member_ids),
            "action_id": self.action_id,
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
        batch=body.get("batch", 0),
        member_ids=tuple(body.get("member_ids", ())),
        action_id=body.get("action_id", 0),
    )


def later_seconds(tries: int) -> float:
    """How long to leave a failing side, or an awaited answer, alone: 15 s, doubling to 10 min."""
    return float(min(600, 15 * 2 ** min(tries, 6)))


def is_of_refusals(work: Work) -> bool:
    """Whether it is done in a pause too (A5)."""
    cause, *of = work.cause.split("/")
    return cause in (REFUSAL, ERASE) or (cause in (RELEASED, DISCARDED) and OPT_OUTS in of)


def for_others(work: Work) -> Work:
    """The work for people whom it concerns besides, uncounted by any run. What was asked about one
    person, to erase them above all, is not asked about others."""
    of_one = work.cause.split("/")[0] in (ERASE, RECREATE, RELEASED, DISCARDED)
    cause = REFUSAL if of_one else work.cause
    return replace(work, cause=cause, run_id="", batch=0, tries=-1)


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
