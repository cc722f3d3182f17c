"""Refusals alone: what is decided while an account is paused or about to be off (A5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from instep.domain import consent as subscribed
from instep.domain.consent import WARNINGS, ConsentDecision
from instep.domain.groups import NO_GROUPS
from instep.domain.people import Member
from instep.domain.person import Person, finished, with_status
from instep.domain.plan import Plan, Seen
from instep.domain.record import Record, Status
from instep.domain.rules import Rules


def refusals_alone(seen: Seen, record: Record | None, rules: Rules, now: datetime) -> Plan:
    """Opt-outs of linked pairs are carried, refusals of others noted for their numbers. Nothing
    else happens, and nothing else that the look shows counts as seen: it is decided afterwards."""
    if seen.user is None:
        if record is None:
            raise ValueError("a look that shows nobody needs a record")
        return Plan(record)
    known = record or Record(seen.user.user_id)
    if seen.merged_into is not None or known.status is Status.DELETED:
        return Plan(known)
    person = Person(seen, seen.user, record, rules, now)
    if known.member_id is not None and seen.linked is not None:
        return _carried(person, known, seen.linked)
    return _noted(person, known)


def _carried(person: Person, known: Record, member: Member) -> Plan:
    number = member.phone_number
    look = person.consent_look(number, member, person.differs(member))
    decision = subscribed.go_on(look, known.consent)
    if not decision.refuses:
        return Plan(known)
    warnings = (known.warnings - WARNINGS) | decision.warnings
    new = with_status(replace(known, consent=decision.state, warnings=warnings))
    plan = Plan(
        record=new,
        opt_in_strive=decision.to_strive,
        opt_in_actionkit=decision.to_actionkit,
        history=person.history(member, (), decision, NO_GROUPS),
    )
    return _seen_alone(person, known, plan, decision, number)


def _noted(person: Person, known: Record) -> Plan:
    number = person.choice.number
    decision = subscribed.watch(person.consent_look(number), known.consent)
    if not decision.refuses:
        return Plan(known)
    row = decision.state
    consent = replace(
        known.consent,
        actionkit=row.actionkit,
        raw=row.raw,
        set_at=row.set_at,
        userfield=row.userfield,
    )
    return _seen_alone(person, known, Plan(replace(known, consent=consent)), decision, number)


def _seen_alone(
    person: Person, known: Record, plan: Plan, decision: ConsentDecision, number: str | None
) -> Plan:
    """The plan with what was refused. The record's time stays: nothing else was looked at (F5)."""
    plan = replace(
        plan,
        evidence=decision.evidence,
        consent=person.consents(decision, number),
        look_again=tuple(sorted(person.told_of_refusal(decision, number))),
    )
    return finished(known, plan, known.changed_at, person.now)
