"""Texts, once (P7): a claim on whatever may text somebody, taken before it is done.

A claim is made for a rule and an action, or a rule and a person; for a live action that takes its
user into a group with a flow, for the group and the action; for a backfill into such a group that
staff released, for the hold and the user. Only who has its token acts, before the deadline. If the
answer is lost, nobody knows whether it was done: after the deadline whoever comes next asks Strive.
Any trace: it was done. None, of all that Strive could show, once its logs had the time: it is tried
again, under a new token. What cannot be read is `unknown`, and never tried again. Claims never
expire.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import TypeAdapter

from instep.use_cases.ports import NEW
from instep.use_cases.stored import dumped, loaded
from instep.use_cases.world import World

State = Literal["claimed", "joining", "publishing", "done", "failed", "unknown"]
ENDED: Final = ("done", "failed", "unknown")
SPARE_SECONDS: Final = 30
"""How long after a worker's last moment a request of its may still arrive."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose turn it is, and how far they came. `joined`: the part of the group is done;
    `action_id`: for which action it was made."""

    token: str
    attempt: int
    claimed_at: datetime
    deadline: datetime
    action_id: int
    state: State = "claimed"
    joined: bool = False
    version: int = 0


CLAIM: TypeAdapter[Claim] = TypeAdapter(Claim)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a worker may do with a claim: `mine`, act under it; `over`, it has ended; `waits`, until
    another's deadline; `left`, find out what somebody who is gone did."""

    kind: Literal["mine", "over", "waits", "left"]
    claim: Claim


def for_rule(rule_id: str, once_per: str, action_id: int, member_id: int) -> str:
    """The key of the claim of a rule for an action, or for a person."""
    subject = f"person-{member_id}" if once_per == "person" else f"action-{action_id}"
    return f"claim/rule-{rule_id}/{subject}"


def for_group(group_id: int, action_id: int) -> str:
    """The key of the claim of a group with a flow for a live action."""
    return f"claim/group-{group_id}/action-{action_id}"


def for_release(hold_id: str, user_id: int) -> str:
    """The key of the claim of somebody whom staff released from a hold."""
    return f"claim/hold-{hold_id}/user-{user_id}"


def find_claim(world: World, account_id: str, key: str) -> Claim | None:
    """The claim, if anybody made it."""
    item = world.groups.get(account_id, key)
    return None if item is None else loaded(CLAIM, item)


def take_turn(world: World, account_id: str, key: str, action_id: int) -> Turn:
    """Takes the claim if nobody has it, or says how it stands."""
    fresh = _fresh(world, action_id, 1)
    if _store(world, account_id, key, fresh, None):
        return Turn("mine", replace(fresh, version=1))
    claim = find_claim(world, account_id, key)
    if claim is None:
        raise LookupError("a claim went, though claims never expire")
    if claim.state in ENDED:
        return Turn("over", claim)
    return Turn("left" if world.clock.now() >= claim.deadline else "waits", claim)


def take_over(world: World, account_id: str, key: str, claim: Claim) -> Claim | None:
    """The claim of somebody who is gone and, as was found out, did no more than what is noted; None
    if another was faster."""
    anew = _fresh(world, claim.action_id, claim.attempt + 1)
    return _advanced(world, account_id, key, replace(anew, joined=claim.joined), claim)


def advance(
    world: World, account_id: str, key: str, claim: Claim, state: State, joined: bool = False
) -> Claim | None:
    """Notes how far it came, before the next effect; None if the claim is another's by now."""
    new = replace(claim, state=state, joined=claim.joined or joined)
    return _advanced(world, account_id, key, new, claim)


def give_back(world: World, account_id: str, key: str, claim: Claim) -> None:
    """Nothing was done under the claim, and whoever comes next may go on at once."""
    now = world.clock.now()
    _advanced(world, account_id, key, replace(claim, state="claimed", deadline=now), claim)


def _advanced(world: World, account_id: str, key: str, new: Claim, old: Claim) -> Claim | None:
    stored = _store(world, account_id, key, new, old)
    return replace(new, version=old.version + 1) if stored else None


def _fresh(world: World, action_id: int, attempt: int) -> Claim:
    now = world.clock.now()
    deadline = now + timedelta(seconds=world.limits.worker_seconds + SPARE_SECONDS)
    return Claim(world.ids.new(), attempt, now, deadline, action_id)


def _store(world: World, account_id: str, key: str, claim: Claim, over: Claim | None) -> bool:
    version = 1 if over is None else over.version + 1
    item = dumped(CLAIM, replace(claim, version=version))
    expect = NEW if over is None else {"version": over.version}
    return world.groups.put({**item, "account_id": account_id, "item": key}, expect=expect)
