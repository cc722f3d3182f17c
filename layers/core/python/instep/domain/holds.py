"""The stop for accidents: which writes of a plan are held until staff look at them (A6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from instep.domain.people import Side
from instep.domain.plan import Plan, Seen
from instep.domain.record import Record
from instep.domain.rules import Rules


class HoldKind(StrEnum):
    """What is done to a person that an accident may do to many."""

    OPT_OUTS = "opt_outs"
    CLEARS = "clears"
    OVERWRITES = "overwrites"
    REMOVALS = "removals"


@dataclass(frozen=True, slots=True, order=True)
class Stake:
    """A kind of write and the side that is written."""

    kind: HoldKind
    to: Side


def threshold(linked: int) -> int:
    """More people than this in one cycle are an accident."""
    return max(200, linked // 100)


def at_stake(plan: Plan, seen: Seen, rules: Rules) -> frozenset[Stake]:
    """The kinds of writes that a plan holds. Filling an empty value is none; nor is an opt-out
    that the person made by an action of their own: only what can be an accident is held."""
    raise NotImplementedError


def withhold(plan: Plan, before: Record | None, held: frozenset[Stake]) -> Plan:
    """The plan without these writes: nothing of what they rest on counts as seen, so that deciding
    again comes to the same, and withholding that again changes nothing."""
    raise NotImplementedError


def discard(plan: Plan, before: Record | None, discarded: frozenset[Stake]) -> Plan:
    """The plan without these writes, and the difference settled until a side changes again (F6)."""
    raise NotImplementedError
