"""Permission for questions that read nobody by SQL and somebody by REST (A3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from instep.domain.account import Account
from instep.domain.pace import Lane
from instep.domain.rules import Moment
from instep.use_cases.ports import ActionKit
from instep.use_cases.world import World

TURN_SECONDS: Final = 3


@contextmanager
def granted(
    world: World, account: Account, lane: Lane, actions: int, for_staff: bool = False
) -> Iterator[int]:
    """How many actions may be asked for: by SQL their bare ids are shown, by REST each counts as
    its user. Raises NotAdmitted; AccountStopped, unless staff ask, who may before an account is
    on."""
    if account.connection is None or account.connection.actionkit_reads == "sql":
        yield actions
        return
    pacer = world.pacer(account, lane)
    grant = pacer.take(actions, TURN_SECONDS, for_staff=for_staff)
    try:
        yield grant.records
    finally:
        pacer.settle(grant)


def moment_of(world: World, account: Account, actionkit: ActionKit) -> Moment:
    """ActionKit's clock now, and the highest id of an action. Raises NotAdmitted."""
    with granted(world, account, Lane.LIVE, 1, for_staff=True):
        return actionkit.moment()
