"""Whether what a feed tells of a member is news to us (U4)."""

from __future__ import annotations

from instep.domain.fields import same, strive_value
from instep.domain.people import Member
from instep.domain.record import Record, Status
from instep.domain.rules import Rules


def is_news(record: Record, member: Member | None, rules: Rules) -> bool:
    """Whether the linked member differs from what the last look of the user left: then the user is
    looked at. Our own writes, once read back, are no news. None: the member is gone.

    A text that changes nothing (a STOP of somebody opted out) is told by the feed of refusals.
    """
    if record.member_id is None:
        return False
    if member is None:
        return True
    if record.status is Status.ERASED:
        return member.opt_in
    if member.opt_in is not record.consent.opted_in or member.phone_number != record.number:
        return True
    if not record.groups <= member.groups:
        return True
    for mapping in rules.mappings:
        state = record.fields.get(mapping.field_id)
        shown = strive_value(mapping, member)
        if not mapping.broken and not same(mapping.name, shown, state.strive if state else ""):
            return True
    return False
