"""The stop for accidents and unmeant texts, as a batch of plans goes through it (A6, P8)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from instep.domain.account import Account
from instep.domain.holds import HoldKind, Stake, at_stake, backfills, discard, withhold
from instep.domain.plan import Plan, Seen
from instep.domain.record import Record
from instep.domain.rules import Rules
from instep.use_cases import holds
from instep.use_cases.work import BACKFILL, INITIAL_SYNC, RELOOK, Work
from instep.use_cases.world import World

NONE: Final[frozenset[Stake]] = frozenset()
BACKFILLS: Final = frozenset({HoldKind.GROUP_BACKFILL})


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
    """Holds writes of one batch. What an initial sync does is no accident; what follows from a
    change that staff made in our own settings is not counted, but waits where a hold is open. A
    backfill into a group that texts is held whatever its cause (P8).

    `again`: users to be looked at again, since a hold was decided just now."""

    world: World
    account: Account
    work: Work
    again: frozenset[int] = frozenset()
    _verdicts: dict[int, holds.Verdict] = field(default_factory=dict)

    def checked(self, decided: Sequence[Decided], rules: Rules) -> list[Decided]:
        """The plans without what is held, and as staff decided about those who were."""
        kinds = self._kinds(decided, rules)
        if not decided or not kinds:
            return list(decided)
        account_id = self.account.account_id
        user_ids = [one.user_id for one in decided]
        self._verdicts = holds.decided_for(self.world, account_id, user_ids, kinds)
        stakes = (
            {
                one.user_id: self._undecided(one, at_stake(one.plan, one.seen, rules))
                for one in decided
            }
            if kinds != BACKFILLS
            else {}
        )
        counted = self._held({user_id: some for user_id, some in stakes.items() if some})
        held = {
            one.user_id: self._with_backfills(one, stakes.get(one.user_id, NONE) & counted, rules)
            for one in decided
        }
        texting = {stake for some in held.values() for stake in some if stake.group_id}
        holds.open_backfills(self.world, account_id, texting, self.work.cause)
        holds.leave(
            self.world,
            account_id,
            {user_id: stakes.get(user_id, NONE) | some for user_id, some in held.items()},
            kinds,
        )
        joining = {
            one.user_id: _held(one, held[one.user_id]) for one in decided if held[one.user_id]
        }
        if joining:
            self.again = holds.join(self.world, account_id, joining)
        return [self._as_decided(one, held[one.user_id], rules) for one in decided]

    def released_by(self, user_id: int, group_id: int) -> str | None:
        """The hold from which staff released a person's backfill into a group, if they did."""
        said = self._verdicts.get(user_id, holds.Verdict())
        return said.group_holds.get(group_id)

    def settle(self, user_ids: Collection[int]) -> None:
        """What staff decided about these users is carried out."""
        done = [self._verdicts[one] for one in user_ids if one in self._verdicts]
        if done:
            holds.settled(self.world, self.account.account_id, done)

    def _kinds(self, decided: Sequence[Decided], rules: Rules) -> frozenset[HoldKind]:
        """The kinds of holds that this look bears on."""
        if rules.refusals_only:  # It says nothing of what else is held.
            return frozenset({HoldKind.OPT_OUTS})
        if self.work.cause != INITIAL_SYNC:
            return holds.EVERY_KIND
        waits = any(one.known is not None and one.known.waiting_groups for one in decided)
        joins = any(one.plan.join & rules.closed_groups for one in decided)
        return BACKFILLS if waits or joins else frozenset()

    def _undecided(self, one: Decided, stakes: frozenset[Stake]) -> frozenset[Stake]:
        said = self._verdicts.get(one.user_id, holds.Verdict())
        return stakes - said.released - said.discarded

    def _with_backfills(
        self, one: Decided, held: frozenset[Stake], rules: Rules
    ) -> frozenset[Stake]:
        return held | self._undecided(one, backfills(one.plan, rules, held))

    def _held(self, people: dict[int, frozenset[Stake]]) -> frozenset[Stake]:
        account_id = self.account.account_id
        if not people or self.work.cause in (RELOOK, BACKFILL):
            return holds.open_stakes(self.world, account_id)
        return holds.count(self.world, account_id, people, self.work.cause)

    def _as_decided(self, one: Decided, held: frozenset[Stake], rules: Rules) -> Decided:
        plan = one.plan
        said = self._verdicts.get(one.user_id, holds.Verdict())
        at_stake_now = at_stake(plan, one.seen, rules) | backfills(plan, rules, held)
        if discarded := said.discarded & at_stake_now:
            plan = discard(plan, one.known, discarded)
        if held:
            plan = withhold(plan, one.known, held)
        return replace(one, plan=plan)


def _held(one: Decided, stakes: frozenset[Stake]) -> holds.Held:
    member = one.seen.linked or one.seen.matched
    opted_in = (
        member.opt_in if member is not None else bool(one.plan.create and one.plan.create.opt_in)
    )
    return holds.Held(one.plan.record.member_id, opted_in, stakes)
