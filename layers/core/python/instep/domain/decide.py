"""One person, one look, one decision: what is to be done and why.

The rules named in history: those of `fields`, and

| rule | when |
|---|---|
| `created` | the member was created |
| `first_link_member_wins` | the member's status was written to ActionKit (F11.1) |
| `not_asked_takes_true` | a member who was never asked took a true value (F11.1) |
| `refusal_carried` | somebody opted out on one side (F11.3) |
| `refusal_of_number` | a refusal stands on the number, made by another user or earlier (F13, F14) |
| `opt_in_carried` | somebody opted in, and no refusal stood in the way (F11.3) |
| `unrecognised_replaced` | the userfield was set to something unreadable (F11.3) |
| `refilled` | the userfield of a member who is opted out was emptied (F11.4) |
| `recovered` | written by a worker that died, as a later look found out |
| `entitled` | the member joined a group that the user belongs to (G6) |
| `not_entitled` | the member left a group that the sync had put them into (G6) |
| `link_ended` | the member left such a group because the link ended (F8, U3) |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from instep.domain import consent as subscribed
from instep.domain.consent import ConsentDecision, ConsentLook, OptIn, Reading, read_rows
from instep.domain.fields import (
    INVALID,
    REFUSED,
    REFUSED_BY_STRIVE,
    FieldDecision,
    FieldLook,
    decide_created,
    decide_field,
)
from instep.domain.groups import GroupDecision, decide_groups, entitled
from instep.domain.people import Member, Rival, Side, User
from instep.domain.phone import Choice, Found, choose_number, numbers_of
from instep.domain.plan import Change, Plan, Seen
from instep.domain.record import (
    ConsentState,
    Draft,
    FieldWrite,
    NumberConsent,
    Record,
    Status,
    Warning,  # noqa: A004
)
from instep.domain.rules import Kind, Rules

_NO_NUMBER = {
    Found.NONE: (Status.INELIGIBLE_NO_PHONE, "no_phone"),
    Found.UNCHOSEN: (Status.INELIGIBLE_NO_PHONE, "no_phone_of_chosen_type"),
    Found.INVALID: (Status.INELIGIBLE_INVALID_PHONE, "invalid_phone"),
}


def eligible(user: User, rules: Rules) -> bool:
    """Whether the user has a usable phone and a value in the opt-in userfield."""
    return (
        choose_number(user, rules).number is not None
        and _opt_in(user, rules).reading is not Reading.NONE
    )


def decide(seen: Seen, record: Record | None, rules: Rules, now: datetime) -> Plan:
    """Everything that follows from one look at one user.

    `record` is what is known of the user, without an intent under way; None for somebody new.
    A plan that changes nothing has the record it was given. Raises ValueError where neither a
    record nor the look says who it is about.
    """
    if seen.user is None:
        if record is None:
            raise ValueError("a look that shows nobody needs a record")
        gone = seen.deleted or seen.merged_into is not None
        told = record.status is Status.DELETED and seen.merged_into is None
        if not gone or told or record.status is Status.ERASED:
            return Plan(record)
        return _gone(seen, record, now)
    if record is not None and record.status is Status.ERASED:
        return Plan(record)
    person = _Person(seen, seen.user, record, rules, now)
    known = person.known
    if known.member_id is None:
        return _unlinked(person)
    if seen.linked is None:
        return _member_deleted(person, known.member_id)
    if _link_holds(person, seen.linked):
        return _linked(person, seen.linked)
    return _link_ended(person, seen.linked)


# --- the person ---


class _Person:
    """One look at one user, and what is known of them."""

    def __init__(
        self, seen: Seen, user: User, record: Record | None, rules: Rules, now: datetime
    ) -> None:
        self.seen = seen
        self.user = user
        self.record = record
        self.rules = rules
        self.now = now
        self.choice: Choice = choose_number(user, rules, record)
        self.opt_in = _opt_in(user, rules)
        self.known = replace(
            record or Record(user.user_id),
            email=user.email,
            first_name=user.first_name,
            last_name=user.last_name,
            phone=self.choice.number,
        )

    def number_consent(self, number: str | None) -> NumberConsent:
        """The consent record of one of the numbers concerned."""
        seen = self.seen
        if number is not None and number == self.choice.number:
            return seen.consent
        if seen.linked is not None and number == seen.linked.phone_number:
            return seen.linked_consent
        return seen.other_consents.get(number or "", NumberConsent())

    def consent_look(
        self, number: str | None, member: Member | None = None, differs: bool = False
    ) -> ConsentLook:
        member_id = member.member_id if member else None
        return ConsentLook(
            user_id=self.user.user_id,
            opt_in=self.opt_in,
            rules=self.rules,
            now=self.now,
            number=self.number_consent(number),
            member=member,
            events=tuple(one for one in self.seen.events if one.member_id == member_id),
            phone=self.choice.phone,
            differs=differs,
        )

    def sharers(self, numbers: Iterable[str | None]) -> frozenset[int]:
        """The other users who chose one of the numbers, and who holds the claim on it."""
        seen, wanted = self.seen, set(numbers)
        users = {one.user_id for one in seen.rivals if one.number in wanted}
        if self.choice.number in wanted and seen.holder is not None:
            users.add(seen.holder)
        if seen.linked and seen.linked.phone_number in wanted and seen.linked_holder is not None:
            users.add(seen.linked_holder)
        return frozenset(users - {self.user.user_id})


def _opt_in(user: User, rules: Rules) -> OptIn:
    return read_rows(row for row in user.fields if row.name == rules.opt_in_userfield)


# --- a user who is gone, a member who is gone, a link that ends ---


def _gone(seen: Seen, record: Record, now: datetime) -> Plan:
    """The user was deleted or merged away: the link ends, and the member leaves every group that
    the sync put it into (U3)."""
    merged = seen.merged_into
    leave = record.groups & seen.linked.groups if seen.linked else frozenset[int]()
    new = replace(
        _without_link(record),
        status=Status.DELETED,
        reason="deleted" if merged is None else "merged",
        reason_detail="" if merged is None else str(merged),
        warnings=frozenset(),
        consent=ConsentState(),
    )
    others = {rival.user_id for rival in seen.rivals if rival.number == record.number}
    if merged is not None:
        others.add(merged)
    return _finished(
        record,
        now,
        Plan(
            record=new,
            release=() if record.number is None else (record.number,),
            release_member=record.member_id,
            leave=leave,
            history=_left(leave, "link_ended"),
            look_again=tuple(sorted(others - {record.user_id})),
        ),
    )


def _member_deleted(person: _Person, member_id: int) -> Plan:
    """The linked member was deleted in Strive: not made again by itself; the user keeps the claim
    on the number (U1)."""
    known, number = person.known, person.choice.number
    watched = subscribed.watch(person.consent_look(number), known.consent)
    new = replace(
        _without_link(known),
        number=known.number,
        status=Status.MEMBER_DELETED,
        reason="member_deleted",
        reason_detail="",
        warnings=frozenset(),
        consent=watched.state,
    )
    again = _told_of_refusal(person, watched, number)
    if person.seen.matched or person.seen.recreate:
        again |= {known.user_id}
    return _finished(
        person.record,
        person.now,
        Plan(
            record=new,
            release_member=member_id,
            evidence=watched.evidence,
            consent=_consents(person, watched, number),
            look_again=tuple(sorted(again)),
        ),
    )


def _link_holds(person: _Person, member: Member) -> bool:
    """Whether the link goes on, though the numbers may differ (F8)."""
    number = person.choice.number
    if number is None or number == member.phone_number:
        return True
    if member.phone_number not in numbers_of(person.user, person.rules, person.record):
        return False
    return not any(_chose(rival, member.phone_number) for rival in person.seen.rivals)


def _chose(rival: Rival, number: str) -> bool:
    return rival.eligible and rival.number == number


def _link_ended(person: _Person, member: Member) -> Plan:
    """The user has another number: the link ends, and everybody concerned is decided afresh, as at
    a first link. The old member keeps its values and its consent (F8). A refusal not yet carried
    is carried first, and the link ends at the next look."""
    known = person.known
    decision = subscribed.go_on(
        person.consent_look(member.phone_number, member, differs=True), known.consent
    )
    if decision.to_strive is False:
        return _refusal_first(person, member, decision)
    leave = known.groups & member.groups
    new = replace(
        _without_link(known),
        status=Status.PENDING,
        reason="decided_afresh",
        reason_detail="",
        warnings=frozenset(),
        consent=replace(_row_alone(decision.state), predates_phone=True),
    )
    again = {known.user_id} | person.sharers([known.number, member.phone_number])
    return _finished(
        person.record,
        person.now,
        Plan(
            record=new,
            release=() if known.number is None else (known.number,),
            release_member=member.member_id,
            leave=leave,
            history=_left(leave, "link_ended"),
            evidence=decision.evidence,
            consent=_consents(person, decision, member.phone_number),
            look_again=tuple(sorted(again)),
        ),
    )


def _refusal_first(person: _Person, member: Member, decision: ConsentDecision) -> Plan:
    again = {person.user.user_id} | _told_of_refusal(person, decision, member.phone_number)
    nothing = GroupDecision(frozenset(), frozenset(), frozenset())
    return _finished(
        person.record,
        person.now,
        Plan(
            record=replace(person.known, consent=decision.state),
            opt_in_strive=decision.to_strive,
            opt_in_actionkit=decision.to_actionkit,
            history=_history(person, member, (), decision, nothing),
            evidence=decision.evidence,
            consent=_consents(person, decision, member.phone_number),
            look_again=tuple(sorted(again)),
        ),
    )


def _without_link(record: Record) -> Record:
    return replace(
        record,
        member_id=None,
        created_member=False,
        linked_at=None,
        default_region="",
        number=None,
        fields={},
        groups=frozenset(),
    )


def _row_alone(state: ConsentState) -> ConsentState:
    """What is known of the userfield, without what belonged to the link."""
    return ConsentState(
        actionkit=state.actionkit,
        raw=state.raw,
        set_at=state.set_at,
        userfield=state.userfield,
        predates_phone=state.predates_phone,
    )


# --- a user without a link ---


def _unlinked(person: _Person) -> Plan:
    """A user without a link: eligible, alone with the number, and then linked or created."""
    seen, known, number = person.seen, person.known, person.choice.number
    waits = known.status is Status.MEMBER_DELETED and not seen.recreate
    if waits and (seen.matched is None or not _is_eligible(person)):
        return _not_linked(person, Status.MEMBER_DELETED, "member_deleted", keep=True)
    if number is None:
        return _not_linked(person, *_NO_NUMBER[person.choice.found])
    if person.opt_in.reading is Reading.NONE:
        return _not_linked(person, Status.INELIGIBLE_NO_OPT_IN, "no_opt_in_value")
    winner = _winner(person, number)
    if winner != known.user_id:
        return _not_linked(person, Status.DUPLICATE_PHONE, "number_taken", winner)
    matched = seen.matched
    if matched is None:
        return _create(person, number)
    if seen.member_holder not in (None, known.user_id):
        return _not_linked(
            person, Status.DUPLICATE_PHONE, "member_taken", seen.member_holder, keep=True
        )
    return _first_link(person, matched)


def _is_eligible(person: _Person) -> bool:
    return person.choice.number is not None and person.opt_in.reading is not Reading.NONE


def _winner(person: _Person, number: str) -> int:
    """Who is synced of all who have the number: whoever holds the claim, else the lowest id among
    the eligible users whom ActionKit shows with it (U2)."""
    seen, user_id = person.seen, person.user.user_id
    if seen.holder is not None and (seen.holder == user_id or not seen.holder_lost):
        return seen.holder
    return min([user_id, *(one.user_id for one in seen.rivals if _chose(one, number))])


def _not_linked(
    person: _Person, status: Status, reason: str, winner: int | None = None, keep: bool = False
) -> Plan:
    """A user who is not synced. A true that turns into a false is a refusal all the same (F14).
    `keep`: the claim on the number is kept."""
    known, number = person.known, person.choice.number
    watched = subscribed.watch(person.consent_look(number), known.consent)
    release: set[str] = set()
    if not keep:
        if known.number is not None:
            release.add(known.number)
        if number is not None and person.seen.holder == known.user_id:
            release.add(number)
    new = replace(
        known,
        status=status,
        reason=reason,
        reason_detail="" if winner is None else str(winner),
        warnings=frozenset(),
        number=known.number if keep else None,
        consent=watched.state,
        fields={},
    )
    again = person.sharers(release) | _told_of_refusal(person, watched, number)
    if winner is not None and not _holds_rightly(person, winner):
        again |= {winner}
    matched = person.seen.matched
    claimed = matched is not None and person.seen.member_holder == known.user_id
    return _finished(
        person.record,
        person.now,
        Plan(
            record=new,
            release=tuple(sorted(release)),
            release_member=matched.member_id if matched and claimed else None,
            evidence=watched.evidence,
            consent=_consents(person, watched, number),
            look_again=tuple(sorted(again)),
        ),
    )


def _holds_rightly(person: _Person, winner: int) -> bool:
    """Whether this very look shows the winner with the number, and the claim is theirs: then
    nothing is to be found out about them."""
    seen, number = person.seen, person.choice.number
    return seen.holder == winner and any(
        one.user_id == winner and one.number == number and one.eligible for one in seen.rivals
    )


def _create(person: _Person, number: str) -> Plan:
    """No member has the number: one is created with every mapped value (F3, F11.2, U1)."""
    known, rules, user = person.known, person.rules, person.user
    decision = subscribed.create(person.consent_look(number), known.consent)
    fields = {
        one.field_id: decide_created(one, user, person.now)
        for one in rules.mappings
        if not one.broken
    }
    writes = [one.write for one in fields.values() if one.write]
    draft = Draft(
        number=number,
        opt_in=decision.opted_in,
        values={one.target: one.new for one in writes if one.kind is Kind.CORE},
        custom={one.target: one.new for one in writes if one.kind is Kind.CUSTOM},
    )
    groups = decide_groups(entitled(rules), (), (), rules)
    new = replace(
        _newly_linked(person, number),
        created_member=True,
        reason="created",
        fields={field_id: one.state for field_id, one in fields.items()},
        consent=decision.state,
        groups=groups.added,
        warnings=decision.warnings,
    )
    opted = "true" if decision.opted_in else "false"
    history = [
        Change(Side.STRIVE, "phone_number", "", number, "created"),
        Change(Side.STRIVE, "opt_in", "", opted, "created"),
        *(Change(one.side, one.name, one.old, one.new, one.rule) for one in writes),
        *_joined(groups.join),
    ]
    return _finished(
        person.record,
        person.now,
        Plan(
            record=new,
            claim=number,
            claim_over=person.seen.holder,
            release=_other_number(known, number),
            create=draft,
            field_writes=tuple(writes),
            join=groups.join,
            history=tuple(history),
            evidence=decision.evidence,
            consent=_consents(person, decision, number),
            look_again=tuple(sorted(_told_of_refusal(person, decision, number))),
        ),
    )


def _first_link(person: _Person, member: Member) -> Plan:
    """A member has the number: the pair is linked, by the rules of a first link."""
    number = member.phone_number
    decision = subscribed.link(person.consent_look(number, member), person.known.consent)
    new = replace(_newly_linked(person, number), member_id=member.member_id, reason="linked")
    return _pair(
        person,
        member,
        new,
        decision,
        frozenset(),
        claim=number,
        claim_over=person.seen.holder,
        release=_other_number(person.known, number),
    )


def _newly_linked(person: _Person, number: str) -> Record:
    return replace(
        person.known,
        status=Status.SYNCED,
        reason_detail="",
        number=number,
        member_id=None,
        created_member=False,
        linked_at=person.now,
        default_region=person.rules.default_region,
    )


def _other_number(known: Record, number: str) -> tuple[str, ...]:
    """A claim to be given up because another number is claimed."""
    return () if known.number in (None, number) else (known.number,)


# --- a linked pair ---


def _linked(person: _Person, member: Member) -> Plan:
    """A pair that stays linked."""
    known, seen, chosen = person.known, person.seen, person.choice.number
    number = member.phone_number
    differs = chosen is not None and chosen != number
    warnings: set[Warning] = set()
    if chosen is None:
        warnings.add(Warning.PHONE_MISSING)
    elif differs:
        warnings.add(Warning.PHONE_DIFFERS)
    decision = subscribed.go_on(person.consent_look(number, member, differs), known.consent)
    new = replace(known, default_region=known.default_region or person.rules.default_region)
    claim: _Claim = _Claim()
    if known.number != number:
        # The member's number was changed in Strive to another of the user's: the claim follows.
        holder = seen.holder if number == chosen else seen.linked_holder
        if holder in (None, known.user_id) or (number == chosen and seen.holder_lost):
            new = replace(new, number=number)
            claim = _Claim(number, holder, _other_number(known, number))
        elif holder is not None:
            claim = _Claim(look_again=frozenset({holder}))
    return _pair(
        person,
        member,
        new,
        decision,
        frozenset(warnings),
        claim=claim.number,
        claim_over=claim.over,
        release=claim.release,
        look_again=claim.look_again | person.sharers(claim.release),
    )


@dataclass(frozen=True, slots=True)
class _Claim:
    number: str | None = None
    over: int | None = None
    release: tuple[str, ...] = ()
    look_again: frozenset[int] = field(default_factory=frozenset)


def _pair(
    person: _Person,
    member: Member,
    new: Record,
    decision: ConsentDecision,
    warnings: frozenset[Warning],
    claim: str | None,
    claim_over: int | None,
    release: tuple[str, ...],
    look_again: frozenset[int] = frozenset(),
) -> Plan:
    """Fields, groups and status of a pair, whether just linked or for long."""
    rules = person.rules
    fields = _fields(person, member)
    groups = decide_groups(entitled(rules), member.groups, person.known.groups, rules)
    states = {field_id: one.state for field_id, one in fields.items()}
    states |= {
        one.field_id: person.known.fields[one.field_id]
        for one in rules.mappings
        if one.broken and one.field_id in person.known.fields
    }
    new = replace(
        new,
        fields=states,
        consent=decision.state,
        groups=groups.added,
        warnings=warnings | decision.warnings,
    )
    new = with_status(new)
    writes = tuple(one.write for one in fields.values() if one.write)
    again = look_again | _told_of_refusal(person, decision, member.phone_number)
    return _finished(
        person.record,
        person.now,
        Plan(
            record=new,
            claim=claim,
            claim_over=claim_over,
            release=release,
            strive=_values(writes, Side.STRIVE, Kind.CORE),
            strive_custom=_values(writes, Side.STRIVE, Kind.CUSTOM),
            actionkit=_values(writes, Side.ACTIONKIT, Kind.CORE),
            actionkit_custom=_values(writes, Side.ACTIONKIT, Kind.CUSTOM),
            field_writes=writes,
            opt_in_strive=decision.to_strive,
            opt_in_actionkit=decision.to_actionkit,
            join=groups.join,
            leave=groups.leave,
            history=_history(person, member, writes, decision, groups),
            conflicts=tuple(one.conflict for one in fields.values() if one.conflict),
            evidence=decision.evidence,
            consent=_consents(person, decision, member.phone_number),
            look_again=tuple(sorted(again)),
        ),
    )


def _fields(person: _Person, member: Member) -> dict[str, FieldDecision]:
    known = person.known
    changes = tuple(one for one in person.seen.changes if one.member_id == member.member_id)
    return {
        one.field_id: decide_field(
            FieldLook(one, person.user, member, changes, person.seen.at, known.changed_at),
            known.fields.get(one.field_id),
            person.rules,
        )
        for one in person.rules.mappings
        if not one.broken
    }


def with_status(record: Record) -> Record:
    """The linked pair's record with the status, reason and warnings that its parts call for."""
    rules = {state.rule for state in record.fields.values()}
    warnings = record.warnings - {Warning.INVALID_FOR_ACTIONKIT}
    if rules & {INVALID, REFUSED}:
        warnings |= {Warning.INVALID_FOR_ACTIONKIT}
    record = replace(record, warnings=warnings)
    if record.consent.not_accepted is not None:
        return replace(
            record,
            status=Status.FAILED,
            reason="consent_not_accepted",
            reason_detail=record.consent.not_accepted.value,
        )
    if REFUSED_BY_STRIVE in rules:
        return replace(record, status=Status.FAILED, reason="strive_refused", reason_detail="")
    reason = "created" if record.created_member else "linked"
    return replace(record, status=Status.SYNCED, reason=reason, reason_detail="")


def _values(writes: Iterable[FieldWrite], side: Side, kind: Kind) -> Mapping[str, str]:
    return {one.target: one.new for one in writes if one.side is side and one.kind is kind}


# --- consent of numbers, history, the finished plan ---


def _consents(
    person: _Person, decision: ConsentDecision, number: str | None
) -> dict[str, NumberConsent]:
    """The consent records that changed: the number's own, and by a refusal in ActionKit those of
    the user's other numbers among the account's phone types, as far as the look read them."""
    changed: dict[str, NumberConsent] = {}
    if number is not None:
        changed[number] = decision.number
    if decision.refusal is not None:
        for other in _other_numbers(person, number):
            before = person.number_consent(other)
            changed[other] = subscribed.refused(before, decision.refusal, person.user.user_id)
    return {
        number: consent
        for number, consent in changed.items()
        if consent != person.number_consent(number)
    }


def _other_numbers(person: _Person, number: str | None) -> frozenset[str]:
    read = {person.choice.number, *person.seen.other_consents}
    numbers = numbers_of(person.user, person.rules, person.record, chosen_types_only=True)
    return frozenset(one for one in numbers if one in read and one != number)


def _told_of_refusal(
    person: _Person, decision: ConsentDecision, number: str | None
) -> frozenset[int]:
    """Who else has to be looked at, because a refusal in ActionKit holds for their number too."""
    if decision.refusal is None:
        return frozenset()
    return person.sharers([number, *_other_numbers(person, number)])


def _history(
    person: _Person,
    member: Member,
    writes: Iterable[FieldWrite],
    decision: ConsentDecision,
    groups: GroupDecision,
) -> tuple[Change, ...]:
    history = [Change(one.side, one.name, one.old, one.new, one.rule) for one in writes]
    if decision.to_strive is not None:
        old, new = _text(member.opt_in), _text(decision.to_strive)
        history.append(Change(Side.STRIVE, "opt_in", old, new, decision.rule))
    if decision.to_actionkit is not None:
        old, new = person.opt_in.raw, _text(decision.to_actionkit)
        history.append(Change(Side.ACTIONKIT, "opt_in", old, new, decision.rule))
    history += _joined(groups.join)
    history += _left(groups.leave, "not_entitled")
    return tuple(history)


def _joined(group_ids: Iterable[int]) -> tuple[Change, ...]:
    return tuple(
        Change(Side.STRIVE, "groups", "", str(one), "entitled") for one in sorted(group_ids)
    )


def _left(group_ids: Iterable[int], rule: str) -> tuple[Change, ...]:
    return tuple(Change(Side.STRIVE, "groups", str(one), "", rule) for one in sorted(group_ids))


def _text(status: bool) -> str:
    return "true" if status else "false"


def _finished(before: Record | None, now: datetime, plan: Plan) -> Plan:
    """The plan, with the times of its record moved only where something changed; nothing at all
    where nothing did."""
    new = plan.record
    if before is not None:
        said = (new.status, new.reason, new.reason_detail)
        same = said == (before.status, before.reason, before.reason_detail)
        new = replace(new, reason_at=before.reason_at if same else now)
        if new == before and not plan.writes and not plan.consent:
            return Plan(before)
    else:
        new = replace(new, reason_at=now)
    return replace(plan, record=replace(new, changed_at=now))
