"""The stop for accidents, as a batch of decided users goes through it (A6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from instep.domain.account import Account
from instep.domain.holds import HoldKind, Stake, at_stake, discard, withhold
from instep.domain.people import Side
from instep.domain.rules import Rules
from instep.use_cases import holds
from instep.use_cases.work import DISCARDED, INITIAL_SYNC, RELEASED, RELOOK, Work
from instep.use_cases.world import World

if TYPE_CHECKING:
    from instep.use_cases.sync import Decided


class Brake:
    """Holds writes of one batch. What an initial sync does is never held; what follows from a
    change that staff made in our own settings is not counted, but waits where a hold is open."""

    def __init__(self, world: World, account: Account, work: Work) -> None:
        self._world = world
        self._account = account
        self._work = work
        self._decided, self._stake = _asked(work.cause)

    def checked(self, decided: Sequence[Decided], rules: Rules) -> list[Decided]:
        """The plans without what is held."""
        if self._work.cause == INITIAL_SYNC:
            return list(decided)
        if self._decided == DISCARDED and self._stake is not None:
            discarded = frozenset({self._stake})
            return [replace(one, plan=discard(one.plan, one.before, discarded)) for one in decided]
        people = {
            one.user_id: stakes - ({self._stake} if self._stake else set())
            for one in decided
            if (stakes := at_stake(one.plan, one.seen, rules))
        }
        held = self._held({user: stakes for user, stakes in people.items() if stakes})
        if not held:
            return list(decided)
        return [self._without(one, held & people.get(one.user_id, frozenset())) for one in decided]
