"""The stop for accidents, as a batch of decided users goes through it (A6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from instep.domain.account import Account
from instep.domain.holds import HoldKind, Stake, at_stake, discard, withhold
from instep.domain.plan import Plan, Seen
from instep.domain.record import Record
from instep.domain.rules import Rules
from instep.use_cases import holds
from instep.use_cases.work import INITIAL_SYNC, RELOOK, Work
from instep.use_cases.world import World


@dataclass(frozen=True, slots=True)
class Decided:
    """One user's plan, before anything of it is done. `before` lies in the table; `known` is that
    without the intent of a worker that died."""

    user_id: int
    before: Record | None
    known: Record | None
    seen: Seen
    plan: Plan


@dataclass(slots=True)
class Brake:
    """Holds writes of one batch. What an initial sync does is never held; what follows from a
    change that staff made in our own settings is not counted, but waits where a hold is open.

    `again`: users to be looked at again, since a hold was decided just now."""

    world: World
    account: Account
    work: Work
    again: frozenset[int] = frozenset()
    _verdicts: dict[int, holds.Verdict] = field(default_factory=dict)

    def checked(self, decided: Sequence[Decided], rules: Rules) -> list[Decided]:
        """The plans without what is held, and as staff decided about those who were."""
        if self.work.cause == INITIAL_SYNC or not decided:
            return list(decided)
        account_id = self.account.account_id
        # A look for refusals alone says nothing of what else is held.
        kinds = {HoldKind.OPT_OUTS} if rules.refusals_only else holds.EVERY_KIND
        user_ids = [one.user_id for one in decided]
        self._verdicts = holds.decided_for(self.world, account_id, user_ids, kinds)
        stakes = {one.user_id: self._stakes(one, rules) for one in decided}
        held = self._held({user_id: some for user_id, some in stakes.items() if some})
        if held:
            holds.leave(self.world, account_id, stakes, kinds)
        joining = {
            one.user_id: _held(one, stakes[one.user_id] & held)
            for one in decided
            if stakes[one.user_id] & held
        }
        if joining:
            self.again = holds.join(self.world, account_id, joining)
        return [self._as_decided(one, stakes[one.user_id] & held, rules) for one in decided]

    def settle(self, user_ids: Collection[int]) -> None:
        """What staff decided about these users is carried out."""
        done = [self._verdicts[one] for one in user_ids if one in self._verdicts]
        if done:
            holds.settled(self.world, self.account.account_id, done)

    def _stakes(self, one: Decided, rules: Rules) -> frozenset[Stake]:
        said = self._verdicts.get(one.user_id, holds.Verdict())
        return at_stake(one.plan, one.seen, rules) - said.released - said.discarded

    def _held(self, people: dict[int, frozenset[Stake]]) -> frozenset[Stake]:
        account_id = self.account.account_id
        if not people or self.work.cause == RELOOK:
            return holds.open_stakes(self.world, account_id)
        return holds.count(self.world, account_id, people, self.work.cause)

    def _as_decided(self, one: Decided, held: frozenset[Stake], rules: Rules) -> Decided:
        plan = one.plan
        said = self._verdicts.get(one.user_id, holds.Verdict())
        if discarded := said.discarded & at_stake(plan, one.seen, rules):
            plan = discard(plan, one.known, discarded)
        if held:
            plan = withhold(plan, one.known, held)
        return replace(one, plan=plan)


def _held(one: Decided, stakes: frozenset[Stake]) -> holds.Held:
    member = one.seen.linked or one.seen.matched
    return holds.Held(one.plan.record.member_id, member is not None and member.opt_in, stakes)
