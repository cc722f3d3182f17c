"""Whether what a feed tells of a member is news to us (U4)."""

from __future__ import annotations

from instep.domain.people import Member
from instep.domain.record import Record
from instep.domain.rules import Rules


def is_news(record: Record, member: Member | None, rules: Rules) -> bool:
    """Whether the linked member differs from what the last look of the user left: then the user is
    looked at. Our own writes, once read back, are no news. None: the member is gone."""
    raise NotImplementedError
