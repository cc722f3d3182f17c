"""Staff's own questions to the two systems: which fields there are, which values, which groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from instep.domain.account import Account, Phase
from instep.domain.pace import Lane
from instep.use_cases.errors import StateError, Unauthorised
from instep.use_cases.off_switch import stop_for_credentials
from instep.use_cases.ports import ActionKit, Strive
from instep.use_cases.world import World


def refuse_stopped(account: Account) -> None:
    """Raises StateError while the credentials are refused: no second try (A5)."""
    if account.phase is Phase.STOPPED_CREDENTIALS:
        raise StateError(
            "stopped_credentials",
            "ActionKit or Strive refused the credentials. Connect again; the sync then goes on.",
        )


@contextmanager
def asked_by_staff(world: World, account: Account) -> Iterator[tuple[ActionKit, Strive]]:
    """Both systems as connected, for questions that read no records.

    Raises StateError (`not_connected`, `stopped_credentials`, or the code of the side that just
    refused its credentials; that stops an account that is on, A5).
    """
    if account.connection is None:
        raise StateError("not_connected", "The account is not connected. Connect it first.")
    refuse_stopped(account)
    try:
        yield world.actionkit(account, Lane.LIVE), world.strive(account)
    except Unauthorised as refusal:
        stop_for_credentials(world, account, refusal.side)
        raise StateError(refusal.code, "The credentials are refused. Connect again.") from refusal
