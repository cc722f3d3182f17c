"""One person, one look, one decision: what is to be done and why."""

from __future__ import annotations

from datetime import datetime

from instep.domain.plan import Plan, Seen
from instep.domain.record import Record
from instep.domain.rules import Rules


def decide(seen: Seen, record: Record | None, rules: Rules, now: datetime) -> Plan:
    """Everything that follows from one look at one user."""
    raise NotImplementedError
