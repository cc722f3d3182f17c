"""The stop for accidents, and for texts that nobody meant: which writes of a plan are held until
staff look at them (A6, P8).

What is not held, so that it gets through whatever else is: filling an empty value, creations,
opt-ins, an opt-out that the person made by an action of their own or by a text of their own, and
one that keeps up a refusal that stands on the number already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from instep.domain.consent import WARNINGS, Reading, by_own_action, is_texted, warnings_of
from instep.domain.fields import DISCARDED, HELD
from instep.domain.people import Side
from instep.domain.person import finished, opt_in_of, undecided, with_status
from instep.domain.plan import Plan, Seen, values_of
from instep.domain.record import (
    Base,
    ConsentState,
    Evidence,
    FieldState,
    FieldWrite,
    Record,
    Status,
    Warning,  # noqa: A004
)
from instep.domain.rules import Kind, Rules


class HoldKind(StrEnum):
    """What is done to a person that an accident may do to many; and a backfill into a group whose
    flow texts whoever joins, which is always held (P8)."""

    GROUP_BACKFILL = "group_backfill"
    OPT_OUTS = "opt_outs"
    CLEARS = "clears"
    OVERWRITES = "overwrites"
    REMOVALS = "removals"


@dataclass(frozen=True, slots=True, order=True)
class Stake:
    """A kind of write and the side that is written; of a backfill the group, else 0."""

    kind: HoldKind
    to: Side
    group_id: int = 0


BY_STAFF: Final = "discarded by staff"
REMOVALS: Final = Stake(HoldKind.REMOVALS, Side.STRIVE)


def backfill_of(group_id: int) -> Stake:
    """A backfill into a group that carries a flow."""
    return Stake(HoldKind.GROUP_BACKFILL, Side.STRIVE, group_id)


def threshold(linked: int) -> int:
    """More people than this in one cycle are an accident."""
    return max(200, linked // 100)


def at_stake(plan: Plan, seen: Seen, rules: Rules) -> frozenset[Stake]:
    """The kinds of writes that a plan holds. Filling an empty value is none; nor is an opt-out
    that the person made by an action of their own: only what can be an accident is held."""
    if plan.erase:
        return frozenset()
    stakes = {stake for one in _writes(plan) if (stake := _stake(one)) is not None}
    if plan.leave:
        stakes.add(REMOVALS)
    if _keeps_up(plan):
        return frozenset(stakes)
    if plan.opt_in_strive is False and not _acted(seen, rules):
        stakes.add(Stake(HoldKind.OPT_OUTS, Side.STRIVE))
    if plan.opt_in_actionkit is False and _reads_true(seen, rules) and not _texted(plan, seen):
        stakes.add(Stake(HoldKind.OPT_OUTS, Side.ACTIONKIT))
    return frozenset(stakes)


def backfills(plan: Plan, rules: Rules, held: frozenset[Stake]) -> frozenset[Stake]:
    """The backfills of a plan into groups with a flow. Whose opt-out is held is not texted, by what
    they did themselves neither (A6)."""
    quiet = _opt_out(plan, held) is not None
    live = frozenset() if quiet else plan.texting.keys()
    return frozenset(backfill_of(one) for one in plan.join & rules.closed_groups - live)


def withhold(plan: Plan, before: Record | None, held: frozenset[Stake]) -> Plan:
    """The plan without these writes: nothing of what they rest on counts as seen, so that deciding
    again comes to the same, and withholding that again changes nothing.

    `held` are some of the plan's own stakes, `before` is the record that was decided on.
    """
    if not held:
        return plan
    if before is not None and REMOVALS in held and _ends_link(plan, before):
        return Plan(before, waits=before.awaits)
    fields = {
        one.field_id: replace(plan.record.fields[one.field_id], sent=None, rule=HELD)
        for one in _writes(plan)
        if _stake(one) in held
    }
    plan = _without_fields(plan, fields)
    if _opt_out(plan, held) is not None:
        plan = replace(_undecided(plan, before), quiet=True)
        others = replace(plan.record, consent=ConsentState())
        plan = replace(plan, waits=plan.record.awaits and not others.awaits)
    if REMOVALS in held:
        plan = _without_removals(plan, plan.record.groups | plan.leave)
    if waiting := _backfills(held):
        plan = _without_joins(plan, waiting)
        record = plan.record
        plan = replace(plan, record=replace(record, waiting_groups=record.waiting_groups | waiting))
    return _restated(plan, before)


def discard(plan: Plan, before: Record | None, discarded: frozenset[Stake]) -> Plan:
    """The plan without these writes, and the difference settled until a side changes again (F6).

    An opt-out that is not carried to Strive was no refusal. One that is not carried to ActionKit
    stays a refusal of the number: the member is opted out (F13).
    """
    if not discarded:
        return plan
    fields = {}
    for one in _writes(plan):
        if _stake(one) in discarded:
            state = plan.record.fields[one.field_id]
            base = Base(state.actionkit, state.strive, one.option)
            fields[one.field_id] = FieldState(state.actionkit, state.strive, base, rule=DISCARDED)
    plan = _without_fields(plan, fields)
    side = _opt_out(plan, discarded)
    if side is not None:
        plan = _discarded_opt_out(plan, before, side)
    if REMOVALS in discarded:
        plan = _without_removals(plan, plan.record.groups)
    if declined := _backfills(discarded):
        plan = _without_joins(plan, declined)
        record = plan.record
        plan = replace(
            plan, record=replace(record, declined_groups=record.declined_groups | declined)
        )
    return _restated(plan, before)


# --- what is at stake ---


def _writes(plan: Plan) -> tuple[FieldWrite, ...]:
    """The values for a pair; a member to be created has none to lose."""
    return () if plan.create is not None else plan.field_writes


def _stake(write: FieldWrite) -> Stake | None:
    if not write.old.strip():
        return None
    kind = HoldKind.OVERWRITES if write.new.strip() else HoldKind.CLEARS
    return Stake(kind, write.side)


def _keeps_up(plan: Plan) -> bool:
    """Whether the plan's opt-out keeps up what stands already, or is an erasure's."""
    rules = {one.rule for one in plan.history if one.field == "opt_in"}
    return bool(rules & {"refusal_of_number", "erased"})


def _acted(seen: Seen, rules: Rules) -> bool:
    row = opt_in_of(seen.user, rules).row if seen.user is not None else None
    return row is not None and by_own_action(row, rules)


def _reads_true(seen: Seen, rules: Rules) -> bool:
    return seen.user is not None and opt_in_of(seen.user, rules).reading is Reading.TRUE


def _texted(plan: Plan, seen: Seen) -> bool:
    """Whether the member is known to have opted out by a text."""
    events = [one for one in seen.events if one.member_id == plan.record.member_id]
    last = max(events, key=lambda one: one.event_id, default=None)
    return last is not None and last.unsubscribe and is_texted(last)


# --- plans with less in them ---


def _ends_link(plan: Plan, before: Record) -> bool:
    return before.member_id is not None and plan.record.member_id is None


def _opt_out(plan: Plan, stakes: frozenset[Stake]) -> Side | None:
    """The side of an opt-out that is to be taken out of the plan."""
    if _keeps_up(plan):
        return None
    for side, written in (
        (Side.STRIVE, plan.opt_in_strive),
        (Side.ACTIONKIT, plan.opt_in_actionkit),
    ):
        if written is False and Stake(HoldKind.OPT_OUTS, side) in stakes:
            return side
    return None


def _without_fields(plan: Plan, fields: dict[str, FieldState]) -> Plan:
    """The plan without the writes of these fields, which get other states."""
    if not fields:
        return plan
    dropped = [one for one in plan.field_writes if one.field_id in fields]
    writes = tuple(one for one in plan.field_writes if one.field_id not in fields)
    named = {(one.side, one.name) for one in dropped}
    names = {one.name for one in dropped}
    return replace(
        plan,
        record=replace(plan.record, fields={**plan.record.fields, **fields}),
        strive=values_of(writes, Side.STRIVE, Kind.CORE),
        strive_custom=values_of(writes, Side.STRIVE, Kind.CUSTOM),
        actionkit=values_of(writes, Side.ACTIONKIT, Kind.CORE),
        actionkit_custom=values_of(writes, Side.ACTIONKIT, Kind.CUSTOM),
        field_writes=writes,
        history=tuple(one for one in plan.history if (one.side, one.field) not in named),
        conflicts=tuple(one for one in plan.conflicts if one.field not in names),
    )


def _without_consent(plan: Plan, state: ConsentState, warnings: Iterable[Warning]) -> Plan:
    """The plan without the writes of Subscribed, whose state and warnings become these."""
    kept = plan.record.warnings - WARNINGS
    return replace(
        plan,
        record=replace(plan.record, consent=state, warnings=kept | frozenset(warnings)),
        opt_in_strive=None,
        opt_in_actionkit=None,
        history=tuple(one for one in plan.history if one.field != "opt_in"),
    )


def _undecided(plan: Plan, before: Record | None) -> Plan:
    """The plan with consent as it was, or, where the link is new, yet to be decided."""
    if before is not None and before.member_id is not None:
        plan = _without_consent(plan, before.consent, before.warnings & WARNINGS)
    else:
        known = before.consent if before is not None else ConsentState()
        plan = _without_consent(plan, undecided(known), ())
    return replace(plan, evidence=(), consent={})


def _discarded_opt_out(plan: Plan, before: Record | None, side: Side) -> Plan:
    """The plan with both sides' status as seen, and no opt-out written to the side."""
    new = plan.record.consent
    old = before.consent if before is not None and before.member_id is not None else ConsentState()
    if side is Side.STRIVE:
        at = new.sent_strive_at
        state = replace(
            new,
            opted_in=True,
            not_asked=old.not_asked,
            false_seen_at=old.false_seen_at,
            overruled=new.raw,
            sent_strive=None,
            sent_strive_at=old.sent_strive_at,
        )
        evidence = tuple(replace(one, effect=BY_STAFF) for one in plan.evidence)
        plan = replace(plan, evidence=evidence, consent={})
    else:
        at = new.sent_actionkit_at
        state = replace(new, sent_actionkit=None, sent_actionkit_at=None)
    if at is not None:
        entry = Evidence(at, side, "", None, "staff", BY_STAFF)
        plan = replace(plan, evidence=(*plan.evidence, entry))
    return _without_consent(plan, state, warnings_of(state))


def _without_removals(plan: Plan, groups: frozenset[int]) -> Plan:
    left = {str(one) for one in plan.leave}
    history = tuple(one for one in plan.history if one.field != "groups" or one.old not in left)
    return replace(
        plan, record=replace(plan.record, groups=groups), leave=frozenset(), history=history
    )


def _backfills(stakes: Iterable[Stake]) -> frozenset[int]:
    return frozenset(one.group_id for one in stakes if one.kind is HoldKind.GROUP_BACKFILL)


def _without_joins(plan: Plan, groups: frozenset[int]) -> Plan:
    out = {str(one) for one in groups}
    history = tuple(one for one in plan.history if one.field != "groups" or one.new not in out)
    return replace(
        plan,
        record=replace(plan.record, groups=plan.record.groups - groups),
        join=plan.join - groups,
        texting={group: action for group, action in plan.texting.items() if group not in groups},
        history=history,
    )


def _restated(plan: Plan, before: Record | None) -> Plan:
    """The plan with the status that is left; no plan at all where nothing is."""
    record = plan.record
    if record.member_id is not None and record.status in (Status.SYNCED, Status.FAILED):
        record = with_status(record)
    return finished(before, replace(plan, record=record), record.changed_at, record.reason_at)
