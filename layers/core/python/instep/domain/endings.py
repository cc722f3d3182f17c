"""How a link ends: a user who is gone or merged, a member who is gone, a number that changed hands,
and a person who is erased. A merge passes the link on (F8, U1, U3, E1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from instep.domain import consent as subscribed
from instep.domain.consent import CONFIRM, ConsentDecision
from instep.domain.fields import actionkit_value
from instep.domain.groups import NO_GROUPS, actions_digest, kept_up
from instep.domain.people import Member, Rival, Side
from instep.domain.person import (
    Person,
    finished,
    left,
    other_number,
    row_alone,
    text_of,
    undecided,
    with_status,
    without_link,
)
from instep.domain.phone import choose_number, numbers_of
from instep.domain.plan import Change, Plan, Seen
from instep.domain.record import (
    ConsentState,
    Evidence,
    FieldState,
    NumberConsent,
    Record,
    Status,
)
from instep.domain.rules import Rules

ERASED: Final = "erased"

# --- a user who is gone, or merged into another ---


def gone(seen: Seen, record: Record, rules: Rules, now: datetime) -> Plan:
    """The user was deleted or merged away: the link ends, and the member leaves every group that
    the sync put it into (U3). Where the primary has taken the link over, nothing of it is touched.
    """
    merged, heir = seen.merged_into, seen.heir
    passed = heir is not None and heir.member_id is not None and heir.member_id == record.member_id
    inside = seen.linked.groups if seen.linked and not passed else frozenset[int]()
    leave = record.groups & kept_up(rules) & inside
    new = replace(_merged_away(without_link(record), merged), actions="")
    others = {rival.user_id for rival in seen.rivals if rival.number == record.number}
    if merged is not None:
        others.add(merged)
    plan = Plan(
        record=replace(new, consent=ConsentState()),
        release=() if record.number is None else (record.number,),
        release_member=record.member_id,
        leave=leave,
        history=left(leave, "link_ended"),
        look_again=tuple(sorted(others - {record.user_id})),
    )
    return finished(record, plan, seen.at, now)


def merged_away(seen: Seen, record: Record, primary: int, rules: Rules, now: datetime) -> Plan:
    """A merge names the user: with a link, all is kept until the primary was looked at and took it
    over, or turned out to have one or to be gone too; then it ends here (U3)."""
    if record.member_id is None or not _may_inherit(seen.heir, seen.linked):
        return gone(seen, record, rules, now)
    waiting = finished(record, Plan(_merged_away(record, primary)), seen.at, now)
    return replace(waiting, look_again=(primary,))


def _may_inherit(heir: Record | None, member: Member | None) -> bool:
    if member is None:
        return False
    gone_too = (Status.DELETED, Status.ERASED)
    return heir is None or (heir.member_id is None and heir.status not in gone_too)


def _merged_away(record: Record, primary: int | None) -> Record:
    return replace(
        record,
        status=Status.DELETED,
        reason="deleted" if primary is None else "merged",
        reason_detail="" if primary is None else str(primary),
        warnings=frozenset(),
    )


def inherited(person: Person, bequest: Record) -> Plan:
    """The user has no link, and one who was merged into them has: it passes, with member, bases and
    groups (U3). An heir need not be eligible, as nobody need be whose link goes on (U1).

    Nothing is written. The other is looked at before, so that nothing of theirs is under way any
    more, and after, when their record lets go of the link; then the pair is decided as a linked
    one, and consent as at first link."""
    known, seen, member, loser = person.known, person.seen, person.seen.linked, bequest.user_id
    ready = bequest.status is Status.DELETED and bequest.intent is None
    if not ready or member is None or member.member_id != bequest.member_id:
        return Plan(person.record or Record(known.user_id))
    number: str | None = bequest.number
    over: int | None = loser
    if seen.linked_holder in (None, loser, known.user_id):
        number, over = member.phone_number, seen.linked_holder
    state = known.consent
    if state.userfield not in ("", person.rules.opt_in_userfield):
        state = ConsentState(predates_phone=state.predates_phone)
    predates = state.predates_phone or bequest.consent.predates_phone
    new = replace(
        known,
        number=number,
        member_id=member.member_id,
        created_member=bequest.created_member,
        linked_at=bequest.linked_at,
        default_region=bequest.default_region or person.rules.default_region,
        warnings=frozenset(),
        fields=_inherited_fields(person, bequest),
        groups=bequest.groups & member.groups,
        declined_groups=bequest.declined_groups,
        consent=replace(undecided(state), predates_phone=predates),
    )
    release = other_number(known, number)
    return person.finished(
        Plan(
            record=with_status(new),
            claim=number,
            claim_over=over,
            release=release,
            take_over=loser,
            look_again=tuple(sorted({loser, *person.sharers(release)})),
        )
    )


def _inherited_fields(person: Person, bequest: Record) -> dict[str, FieldState]:
    """The states of the mapped fields, with the values of the new user: those are no changes that
    somebody made at a known time, and what they lack nobody cleared (F4, F5)."""
    fields = {}
    for mapping in person.rules.mappings:
        state = bequest.fields.get(mapping.field_id)
        if state is None:
            continue
        value, base, sent = actionkit_value(mapping, person.user), state.base, state.sent
        if base is not None and base.actionkit and not value:
            base = None
        if sent is not None and sent.side is Side.ACTIONKIT:
            sent = None
        fields[mapping.field_id] = replace(
            state,
            actionkit=value,
            base=base,
            sent=sent,
            changed_after=None,
            changed_before=None,
        )
    return fields


# --- a member who is gone, a link that ends ---


def member_deleted(person: Person, member_id: int) -> Plan:
    """The linked member was deleted in Strive: not made again by itself; the user keeps the claim
    on the number (U1)."""
    known, number = person.known, person.choice.number
    watched = subscribed.watch(person.consent_look(number), known.consent)
    new = replace(
        without_link(known),
        number=known.number,
        status=Status.MEMBER_DELETED,
        reason="member_deleted",
        reason_detail="",
        warnings=frozenset(),
        consent=watched.state,
        actions=actions_digest(person.user),
    )
    again = person.told_of_refusal(watched, number)
    if person.seen.matched or person.seen.recreate:
        again |= {known.user_id}
    return person.finished(
        Plan(
            record=new,
            due=person.due,
            release_member=member_id,
            evidence=watched.evidence,
            consent=person.consents(watched, number),
            look_again=tuple(sorted(again)),
        )
    )


def link_holds(person: Person, member: Member) -> bool:
    """Whether the link goes on, though the numbers may differ (F8)."""
    number = person.choice.number
    if number is None or number == member.phone_number:
        return True
    if member.phone_number not in numbers_of(person.user, person.rules, person.record):
        return False
    return not any(chose(rival, member.phone_number) for rival in person.seen.rivals)


def chose(rival: Rival, number: str) -> bool:
    return rival.eligible and rival.number == number


def link_ended(person: Person, member: Member) -> Plan:
    """The user has another number: the link ends, and everybody concerned is decided afresh, as at
    a first link. The old member keeps its values and its consent (F8). A refusal not yet carried
    is carried first, and the link ends at the next look."""
    known = person.known
    decision = subscribed.go_on(
        person.consent_look(member.phone_number, member, differs=True), known.consent
    )
    if decision.to_strive is False:
        return refusal_first(person, member, decision)
    leave = known.groups & kept_up(person.rules) & member.groups
    new = replace(
        without_link(known),
        status=Status.PENDING,
        reason="decided_afresh",
        reason_detail="",
        warnings=frozenset(),
        consent=replace(row_alone(decision.state), predates_phone=True),
    )
    again = {known.user_id} | person.sharers([known.number, member.phone_number])
    return person.finished(
        Plan(
            record=new,
            release=() if known.number is None else (known.number,),
            release_member=member.member_id,
            leave=leave,
            history=left(leave, "link_ended"),
            evidence=decision.evidence,
            consent=person.consents(decision, member.phone_number),
            look_again=tuple(sorted(again)),
        )
    )


def refusal_first(person: Person, member: Member, decision: ConsentDecision) -> Plan:
    again = {person.user.user_id} | person.told_of_refusal(decision, member.phone_number)
    return person.finished(
        Plan(
            record=replace(person.known, consent=decision.state),
            opt_in_strive=decision.to_strive,
            opt_in_actionkit=decision.to_actionkit,
            history=person.history(member, (), decision, NO_GROUPS),
            evidence=decision.evidence,
            consent=person.consents(decision, member.phone_number),
            look_again=tuple(sorted(again)),
        )
    )


# --- a person who is erased ---


def erased(seen: Seen, record: Record | None, rules: Rules, now: datetime) -> Plan:
    """The person is erased (E1): the linked member is opted out, nothing else is written; a record
    without values is kept, and that the numbers are refused. The member's id is kept until the
    member is seen to be opted out. Raises ValueError if nobody says who it is about."""
    user, linked = seen.user, seen.linked
    if record is None:
        if user is None:
            raise ValueError("a look that shows nobody needs a record")
        record = Record(user.user_id)
    member = linked if record.member_id is not None else None
    chosen = choose_number(user, rules, record).number if user else None
    numbers = {record.number, record.phone, chosen, member.phone_number if member else None}
    numbers |= numbers_of(user, rules, record, chosen_types_only=True) if user else set()
    refusal = Evidence(now, Side.ACTIONKIT, "", False, ERASED, "refusal")
    held = {record.number, chosen if seen.holder == record.user_id else None}
    others = {one.user_id for one in seen.rivals if one.number in numbers}
    holders = (seen.holder, seen.linked_holder if member else None)
    others |= {one for one in holders if one is not None}
    new = Record(
        record.user_id,
        version=record.version,
        status=Status.ERASED,
        reason=ERASED,
        watermark=record.watermark,
    )
    plan = Plan(
        record=new,
        release=tuple(sorted(one for one in held if one is not None)),
        release_member=record.member_id,
        evidence=(refusal,),
        consent={
            number: subscribed.refused(before, refusal, None)
            for number, before in sorted(_read_consents(seen, chosen).items())
            if number in numbers
        },
        look_again=tuple(sorted(others - {record.user_id})),
        erase=True,
    )
    if member is not None and member.opt_in:
        plan = _opted_out(plan, member, now)
    return finished(record, plan, seen.at, now)


def still_erased(seen: Seen, record: Record, now: datetime) -> Plan:
    """An erased person: never decided again, but the opt-out of the member goes on until it is
    seen to have happened."""
    erase = seen.erase or (seen.user is not None and seen.user.erased)
    plan = Plan(replace(record, member_id=None, consent=ConsentState()), erase=erase)
    if record.member_id is not None and seen.linked is not None and seen.linked.opt_in:
        sent_at = record.consent.sent_strive_at
        if sent_at is not None and now - sent_at < CONFIRM:
            return Plan(record, erase=erase)
        plan = _opted_out(plan, seen.linked, now)
    done = finished(record, plan, seen.at, now)
    if seen.erase:  # The claims were given up before this look: others may be next (U2).
        others = {one.user_id for one in seen.rivals} - {record.user_id}
        done = replace(done, look_again=tuple(sorted(others)))
    return done


def _opted_out(plan: Plan, member: Member, now: datetime) -> Plan:
    consent = ConsentState(opted_in=False, sent_strive=False, sent_strive_at=now)
    change = Change(Side.STRIVE, "opt_in", text_of(True), text_of(False), ERASED)
    return replace(
        plan,
        record=replace(plan.record, member_id=member.member_id, consent=consent),
        opt_in_strive=False,
        history=(change,),
    )


def _read_consents(seen: Seen, chosen: str | None) -> dict[str, NumberConsent]:
    """The consent records that this look read, by number."""
    read = dict(seen.other_consents)
    if seen.linked is not None:
        read[seen.linked.phone_number] = seen.linked_consent
    if chosen is not None:
        read[chosen] = seen.consent
    return read
