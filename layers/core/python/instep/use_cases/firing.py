"""What actions set off, carried out once (P7, P8): rules, and joins of groups that text whoever
joins. docs/guarantees.md says what happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from instep.domain.automations import Outcome, Verdict, decide_rule, matches
from instep.domain.intent import CLOCK_SKEW
from instep.domain.people import Action, Member
from instep.domain.record import Record
from instep.domain.rules import Automation, Rules
from instep.use_cases.errors import Busy, Rejected, Unavailable
from instep.use_cases.ports import Item, NotPublishedError, Strive
from instep.use_cases.stored import stamp
from instep.use_cases.texts import (
    Claim,
    State,
    advance,
    find_claim,
    for_group,
    for_release,
    for_rule,
    give_back,
    take_over,
    take_turn,
)
from instep.use_cases.world import World

EVENT: Final = "Action taken"
"""The detail type of the events that rules publish (docs/events.md)."""
TRACES_AFTER: Final = timedelta(minutes=10)
"""How long after a join the log of what it set off can be read at the latest."""
OUTCOMES: Final[dict[State, Verdict]] = {
    "done": Verdict(Outcome.DONE, "done"),
    "failed": Verdict(Outcome.FAILED, "group_refused"),
    "unknown": Verdict(Outcome.UNKNOWN, "unreachable"),
}


Joined = Literal["now", "before", "not"]
"""Whether a member was put into a group; `before`: it was begun before, so that by now they may
have been taken out of it again; `not`: Strive refused, or nobody knows."""


class PendingError(Exception):
    """Somebody else is at it, or nobody knows yet what they did: to be looked at again."""

    def __init__(self, at: datetime) -> None:
        super().__init__(f"pending until {at}")
        self.at = at


@dataclass(frozen=True, slots=True)
class Happened:
    """Whose actions are to set something off. `record` and `member` as they are after the plan;
    `quiet`: an opt-out of theirs is held (A6)."""

    user_id: int
    record: Record
    member: Member | None
    quiet: bool


@dataclass(frozen=True, slots=True)
class Firing:
    """One batch's means to carry out what actions set off."""

    world: World
    account_id: str
    rules: Rules
    strive: Strive

    def join_once(self, group_id: int, action_id: int, member_id: int) -> Joined:
        """Puts a member into a group with a flow because of a live action. Raises PendingError,
        Busy, Unavailable."""
        return self._joined(for_group(group_id, action_id), group_id, action_id, member_id)

    def join_released(self, group_id: int, hold_id: str, user_id: int, member_id: int) -> Joined:
        """Puts a member into a group with a flow because staff released that, in the same way."""
        return self._joined(for_release(hold_id, user_id), group_id, 0, member_id)

    def _joined(self, key: str, group_id: int, action_id: int, member_id: int) -> Joined:
        begun = find_claim(self.world, self.account_id, key) is not None
        done = self._once(key, action_id, member_id, group_id, None)
        if done is None or done.outcome is not Outcome.DONE:
            return "not"
        return "before" if begun else "now"

    def fire(self, who: Happened, actions: Iterable[Action]) -> None:
        """Decides the rules for actions that were not looked at before, and carries out what they
        say. Raises PendingError, Busy, Unavailable: then all of it is to be done again."""
        for action in sorted(actions, key=lambda one: one.action_id):
            for rule in self.rules.automations:
                if matches(rule, action, self.rules):
                    self._apply(rule, action, who)

    def _apply(self, rule: Automation, action: Action, who: Happened) -> None:
        now = self.world.clock.now()
        opted_in = who.member is not None and who.member.opt_in
        verdict: Verdict | None = decide_rule(
            rule, action, self.rules, who.record, opted_in, who.quiet, now
        )
        member_id = who.record.member_id or 0
        key = for_rule(rule.rule_id, rule.once_per, action.action_id, member_id)
        if verdict is not None and verdict.outcome is Outcome.DONE:
            publish = self._publisher(rule, action, who) if rule.publish_event else None
            verdict = self._once(key, action.action_id, member_id, rule.add_to_group, publish)
        elif verdict is not None:
            verdict = self._begun(key, action.action_id, member_id, rule) or verdict
        if verdict is not None:
            self.world.groups.put(self._run(rule, action, who, verdict, now))

    def _publisher(self, rule: Automation, action: Action, who: Happened) -> Callable[[], None]:
        detail = {
            "version": 1,
            "account_id": self.account_id,
            "rule_id": rule.rule_id,
            "action_id": action.action_id,
            "page_id": action.page_id,
            "user_id": who.user_id,
            "member_id": who.record.member_id,
            "taken_at": None if action.created_at is None else stamp(action.created_at),
        }
        return lambda: self.world.events.publish(EVENT, detail)

    def _run(
        self, rule: Automation, action: Action, who: Happened, verdict: Verdict, now: datetime
    ) -> Item:
        return {
            "account_id": self.account_id,
            "item": f"{runs_of(rule.rule_id)}{action.action_id:015d}",
            "at": stamp(now),
            "action_id": action.action_id,
            "user_id": who.user_id,
            "member_id": who.record.member_id,
            "outcome": verdict.outcome.value,
            "reason": verdict.reason,
            "expires_at": int(now.timestamp()) + self.world.limits.history_days * 86_400,
        }

    # --- once ---

    def _once(
        self,
        key: str,
        action_id: int,
        member_id: int,
        group_id: int | None,
        publish: Callable[[], None] | None,
    ) -> Verdict | None:
        """Takes the claim and does it, unless it was done. None: it is done, or being done, for
        another action of the person."""
        turn = take_turn(self.world, self.account_id, key, action_id)
        claim: Claim | None = turn.claim
        if turn.claim.action_id != action_id and turn.kind in ("over", "waits"):
            return None
        if turn.kind == "over":
            return OUTCOMES[turn.claim.state]
        if turn.kind == "waits":
            raise PendingError(turn.claim.deadline)
        if turn.kind == "left":
            done = self._found_out(key, turn.claim, member_id, group_id)
            if done is not None:
                return done
            latest = find_claim(self.world, self.account_id, key) or turn.claim
            claim = take_over(self.world, self.account_id, key, latest)
        if claim is None:
            raise PendingError(self.world.clock.now())
        return self._do(key, claim, member_id, group_id, publish)

    def _do(
        self,
        key: str,
        claim: Claim,
        member_id: int,
        group_id: int | None,
        publish: Callable[[], None] | None,
    ) -> Verdict:
        if group_id is not None and not claim.joined:
            claim = self._advanced(key, claim, "joining")
            try:
                self.strive.join(group_id, member_id)
            except Rejected:
                self._advanced(key, claim, "failed")
                return OUTCOMES["failed"]
            except Busy:
                give_back(self.world, self.account_id, key, claim)
                raise
            except Unavailable as failure:
                if failure.may_have_happened:
                    raise PendingError(claim.deadline) from failure
                give_back(self.world, self.account_id, key, claim)
                raise
            claim = self._advanced(key, claim, "claimed", joined=True)
        if publish is not None:
            claim = self._advanced(key, claim, "publishing")
            try:
                publish()
            except NotPublishedError:
                self._advanced(key, claim, "failed")
                return Verdict(Outcome.FAILED, "event_refused")
            except Exception as fault:  # noqa: BLE001 - whatever it was, it may have been published
                self.world.watch.note("an event may be lost", error=type(fault).__name__)
                self._advanced(key, claim, "unknown")
                return OUTCOMES["unknown"]
        self._advanced(key, claim, "done")
        return OUTCOMES["done"]

    def _advanced(self, key: str, claim: Claim, state: State, joined: bool = False) -> Claim:
        advanced = advance(self.world, self.account_id, key, claim, state, joined)
        if advanced is None:  # Only after the deadline can it be another's.
            raise PendingError(self.world.clock.now())
        return advanced

    # --- what somebody did who is gone ---

    def _begun(self, key: str, action_id: int, member_id: int, rule: Automation) -> Verdict | None:
        """What came of a rule that was begun for this very action, though by now it would not be;
        None: nothing was begun, or nothing came of it."""
        claim = find_claim(self.world, self.account_id, key)
        if claim is None or claim.action_id != action_id:
            return None
        if claim.state in OUTCOMES:
            return OUTCOMES[claim.state]
        if self.world.clock.now() < claim.deadline:
            raise PendingError(claim.deadline)
        done = self._found_out(key, claim, member_id, rule.add_to_group)
        latest = find_claim(self.world, self.account_id, key)
        if done is None and not rule.publish_event and latest is not None and latest.joined:
            self._advanced(key, latest, "done")  # The group was all there was to it.
            return OUTCOMES["done"]
        return done

    def _found_out(
        self, key: str, claim: Claim, member_id: int, group_id: int | None
    ) -> Verdict | None:
        """Looks for traces of what was begun. None: nothing was done but what is noted. Raises
        PendingError while a trace may not be there yet."""
        if claim.state == "publishing":
            self._advanced(key, claim, "unknown")
            return OUTCOMES["unknown"]
        if claim.state != "joining" or group_id is None:
            return None
        try:
            traced = self._traced(group_id, member_id, claim.claimed_at)
        except Rejected:
            self._advanced(key, claim, "unknown")
            return OUTCOMES["unknown"]
        if traced:
            self._advanced(key, claim, "claimed", joined=True)
        elif self.world.clock.now() < claim.claimed_at + TRACES_AFTER:
            raise PendingError(claim.claimed_at + TRACES_AFTER)
        return None

    def _traced(self, group_id: int, member_id: int, since: datetime) -> bool:
        member = self.strive.members_by_id([member_id]).get(member_id)
        if member is not None and group_id in member.groups:
            return True
        since = since - CLOCK_SKEW
        return self.strive.left_since(group_id, member_id, since) or self.strive.texted_since(
            member_id, since
        )


def runs_of(rule_id: str) -> str:
    """The prefix of a rule's runs."""
    return f"rule-run/{rule_id}/"
