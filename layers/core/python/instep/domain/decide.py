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
| `erased` | the member of a person who is erased was opted out (E1) |

While only refusals are carried (A5), `refusal_carried` and `refusal_of_number` are all there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from instep.domain import consent as subscribed
from instep.domain.consent import ConsentDecision, Reading
from instep.domain.endings import (
    chose,
    erased,
    gone,
    inherited,
    link_ended,
    link_holds,
    member_deleted,
    merged_away,
    still_erased,
)
from instep.domain.fields import FieldDecision, FieldLook, decide_created, decide_field
from instep.domain.groups import actions_digest, decide_groups
from instep.domain.people import Member, Side, User
from instep.domain.person import Person, joined, opt_in_of, other_number, with_status
from instep.domain.phone import Found, choose_number
from instep.domain.plan import Change, Plan, Seen, values_of
from instep.domain.record import (
    Draft,
    Record,
    Status,
    Warning,  # noqa: A004
)
from instep.domain.refusals import refusals_alone
from instep.domain.rules import Kind, Rules

_NO_NUMBER = {
    Found.NONE: (Status.INELIGIBLE_NO_PHONE, "no_phone"),
    Found.UNCHOSEN: (Status.INELIGIBLE_NO_PHONE, "no_phone_of_chosen_type"),
    Found.INVALID: (Status.INELIGIBLE_INVALID_PHONE, "invalid_phone"),
}


def eligible(user: User, rules: Rules) -> bool:
    """Whether the user has a usable phone and a value in the opt-in userfield. Of a user whose
    record says deleted, merged or erased nobody needs to ask: they are not synced whatever."""
    return (
        not user.erased
        and choose_number(user, rules).number is not None
        and opt_in_of(user, rules).reading is not Reading.NONE
    )


def decide(seen: Seen, record: Record | None, rules: Rules, now: datetime) -> Plan:
    """Everything that follows from one look at one user.

    `record` is what is known of the user, without an intent under way; None for somebody new.
    A plan that changes nothing has the record it was given, or for somebody new an empty one
    (`Plan.nothing`). Raises ValueError where neither a record nor the look says who it is about:
    who is to be erased, or is to inherit a link, may be given as an empty record.
    """
    user = seen.user
    if user is None and record is None:
        raise ValueError("a look that shows nobody needs a record")
    known = record or Record(user.user_id if user else 0)
    if known.status is Status.ERASED:
        return still_erased(seen, known, now)
    if seen.erase or (user is not None and user.erased):
        plan = erased(seen, record, rules, now)
    elif rules.refusals_only:
        return refusals_alone(seen, record, rules, now)
    elif seen.merged_into is not None:
        plan = merged_away(seen, known, seen.merged_into, rules, now)
    elif user is None:
        if not seen.deleted:
            return Plan(known)
        told = known.status is Status.DELETED and known.member_id is None
        plan = Plan(known) if told else gone(seen, known, rules, now)
    else:
        plan = _decided(Person(seen, user, record, rules, now))
    if seen.bequest is not None:
        # Whether the link of the user merged into this one passed or is to end, they come next.
        again = {*plan.look_again, seen.bequest.user_id}
        return replace(plan, look_again=tuple(sorted(again)))
    return plan


def _decided(person: Person) -> Plan:
    known, seen = person.known, person.seen
    if known.member_id is None and seen.bequest is not None:
        return inherited(person, seen.bequest)
    if known.member_id is None:
        return _unlinked(person)
    if seen.linked is None:
        return member_deleted(person, known.member_id)
    if link_holds(person, seen.linked):
        return _linked(person, seen.linked)
    return link_ended(person, seen.linked)


# --- a user without a link ---


def _unlinked(person: Person) -> Plan:
    """A user without a link: eligible, alone with the number, and then linked or created."""
    seen, known, number = person.seen, person.known, person.choice.number
    waits = known.status is Status.MEMBER_DELETED and not seen.recreate
    if waits and (seen.matched is None or not person.eligible):
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


def _winner(person: Person, number: str) -> int:
    """Who is synced of all who have the number: whoever holds the claim, else the lowest id among
    the eligible users whom ActionKit shows with it (U2)."""
    seen, user_id = person.seen, person.user.user_id
    if seen.holder is not None and (seen.holder == user_id or not seen.holder_lost):
        return seen.holder
    return min([user_id, *(one.user_id for one in seen.rivals if chose(one, number))])


def _not_linked(
    person: Person, status: Status, reason: str, winner: int | None = None, keep: bool = False
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
        actions=actions_digest(person.user),
    )
    again = person.sharers(release) | person.told_of_refusal(watched, number)
    if winner is not None and not _holds_rightly(person, winner):
        again |= {winner}
    matched = person.seen.matched
    claimed = matched is not None and person.seen.member_holder == known.user_id
    return person.finished(
        Plan(
            record=new,
            due=person.due,
            release=tuple(sorted(release)),
            release_member=matched.member_id if matched and claimed else None,
            evidence=watched.evidence,
            consent=person.consents(watched, number),
            look_again=tuple(sorted(again)),
        ),
    )


def _holds_rightly(person: Person, winner: int) -> bool:
    """Whether this very look shows the winner with the number, and the claim is theirs: then
    nothing is to be found out about them."""
    seen, number = person.seen, person.choice.number
    return seen.holder == winner and any(
        one.user_id == winner and one.number == number and one.eligible for one in seen.rivals
    )


def _create(person: Person, number: str) -> Plan:
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
    groups = decide_groups(user, (), known, person.seen.fresh, rules, person.now)
    new = replace(
        _newly_linked(person, number),
        created_member=True,
        reason="created",
        fields={field_id: one.state for field_id, one in fields.items()},
        consent=decision.state,
        groups=groups.added,
        declined_groups=groups.declined,
        actions=actions_digest(user),
        warnings=decision.warnings,
    )
    opted = "true" if decision.opted_in else "false"
    history = [
        Change(Side.STRIVE, "phone_number", "", number, "created"),
        Change(Side.STRIVE, "opt_in", "", opted, "created"),
        *(Change(one.side, one.name, one.old, one.new, one.rule) for one in writes),
        *joined(groups.join),
    ]
    return person.finished(
        Plan(
            record=new,
            claim=number,
            claim_over=person.seen.holder,
            release=other_number(known, number),
            create=draft,
            field_writes=tuple(writes),
            join=groups.join,
            texting=groups.texting,
            due=person.due,
            history=tuple(history),
            evidence=decision.evidence,
            consent=person.consents(decision, number),
            look_again=tuple(sorted(person.told_of_refusal(decision, number))),
        ),
    )


def _first_link(person: Person, member: Member) -> Plan:
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
        release=other_number(person.known, number),
    )


def _newly_linked(person: Person, number: str) -> Record:
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


# --- a linked pair ---


def _linked(person: Person, member: Member) -> Plan:
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
            claim = _Claim(number, holder, other_number(known, number))
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
    person: Person,
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
    groups = decide_groups(
        person.user, member.groups, person.known, person.seen.fresh, rules, person.now
    )
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
        waiting_groups=frozenset(),
        declined_groups=groups.declined,
        actions=actions_digest(person.user),
        warnings=warnings | decision.warnings,
    )
    new = with_status(new)
    writes = tuple(one.write for one in fields.values() if one.write)
    again = look_again | person.told_of_refusal(decision, member.phone_number)
    return person.finished(
        Plan(
            record=new,
            claim=claim,
            claim_over=claim_over,
            release=release,
            strive=values_of(writes, Side.STRIVE, Kind.CORE),
            strive_custom=values_of(writes, Side.STRIVE, Kind.CUSTOM),
            actionkit=values_of(writes, Side.ACTIONKIT, Kind.CORE),
            actionkit_custom=values_of(writes, Side.ACTIONKIT, Kind.CUSTOM),
            field_writes=writes,
            opt_in_strive=decision.to_strive,
            opt_in_actionkit=decision.to_actionkit,
            join=groups.join,
            leave=groups.leave,
            texting=groups.texting,
            due=person.due,
            history=person.history(member, writes, decision, groups),
            conflicts=tuple(one.conflict for one in fields.values() if one.conflict),
            evidence=decision.evidence,
            consent=person.consents(decision, member.phone_number),
            look_again=tuple(sorted(again)),
        ),
    )


def _fields(person: Person, member: Member) -> dict[str, FieldDecision]:
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
