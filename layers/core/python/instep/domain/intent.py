"""From a plan to what is kept of it: while it is under way, afterwards, and after a crash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from instep.domain.people import Member
from instep.domain.plan import Plan, Seen
from instep.domain.record import Intent, Record


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a plan's effects.

    `member_id`: the member made or linked. `member`: the member as read back after the writes,
    None if it was not read. `action_ids`: ids of the actions written to ActionKit.
    `refused_columns`, `refused_userfields`: what ActionKit refused, by its own names (the other
    values were written). `refusal_restored`: the creation had overridden a refusal, which was
    restored (U1). `failed`: a reason code of `reasons.REASONS` with status `failed`, "" if none.
    """

    member_id: int | None = None
    member: Member | None = None
    action_ids: tuple[int, ...] = ()
    refused_columns: frozenset[str] = frozenset()
    refused_userfields: frozenset[str] = frozenset()
    refusal_restored: bool = False
    failed: str = ""
    failed_detail: str = ""


def intent_of(plan: Plan, intent_id: str, now: datetime, expires_at: datetime) -> Intent:
    """The plan as it is stored before any effect."""
    raise NotImplementedError


def settle(plan: Plan, done: Done, now: datetime) -> Record:
    """The record after the effects; without an intent, its version as the plan's record has it."""
    raise NotImplementedError


def recover(record: Record, seen: Seen, actions_found: tuple[int, ...], now: datetime) -> Record:
    """The record without its expired intent, as far as a fresh look shows what was done."""
    raise NotImplementedError
