"""One look at one user together with what is known of them, and what every plan is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from instep.domain import consent as subscribed
from instep.domain.automations import due
from instep.domain.consent import ConsentDecision, ConsentLook, OptIn, Reading, read_rows
from instep.domain.fields import INVALID, REFUSED, REFUSED_BY_STRIVE
from instep.domain.groups import GroupDecision
from instep.domain.people import Member, Side, User
from instep.domain.phone import Choice, choose_number, numbers_of
from instep.domain.plan import Change, Plan, Seen
from instep.domain.record import (
    ConsentState,
    FieldWrite,
    NumberConsent,
    Record,
    Status,
    Warning,  # noqa: A004
)
from instep.domain.rules import Rules


class Person:
    """One look at one user, and what is known of them. `known` is the record with the user's
    values as this look shows them; `record` as it was, None for somebody new."""

    def __init__(
        self, seen: Seen, user: User, record: Record | None, rules: Rules, now: datetime
    ) -> None:
        self.seen = seen
        self.user = user
        self.record = record
        self.rules = rules
        self.now = now
        self.choice: Choice = choose_number(user, rules, record)
        self.opt_in = opt_in_of(user, rules)
        self.known = replace(
            record or Record(user.user_id),
            email=user.email,
            first_name=user.first_name,
            last_name=user.last_name,
            phone=self.choice.number,
        )

    @property
    def eligible(self) -> bool:
        """A usable phone, and a value in the opt-in userfield."""
        return self.choice.number is not None and self.opt_in.reading is not Reading.NONE

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
        """What this look shows of the user's consent for a number, and of its member's."""
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

    def differs(self, member: Member) -> bool:
        """Whether the user's chosen number is another than the member's (F8)."""
        return self.choice.number not in (None, member.phone_number)

    def sharers(self, numbers: Iterable[str | None]) -> frozenset[int]:
        """The other users who chose one of the numbers, and who holds the claim on it."""
        seen, wanted = self.seen, set(numbers)
        users = {one.user_id for one in seen.rivals if one.number in wanted}
        if self.choice.number in wanted and seen.holder is not None:
            users.add(seen.holder)
        if seen.linked and seen.linked.phone_number in wanted and seen.linked_holder is not None:
            users.add(seen.linked_holder)
        return frozenset(users - {self.user.user_id})

    def consents(self, decision: ConsentDecision, number: str | None) -> dict[str, NumberConsent]:
        """The consent records that changed: the number's own, and by a refusal in ActionKit those
        of the user's other numbers among the account's phone types, as far as they were read."""
        changed: dict[str, NumberConsent] = {}
        if number is not None:
            changed[number] = decision.number
        if decision.refusal is not None:
            for other in self._other_numbers(number):
                before = self.number_consent(other)
                changed[other] = subscribed.refused(before, decision.refusal, self.user.user_id)
        return {
            number: consent
            for number, consent in changed.items()
            if consent != self.number_consent(number)
        }

    def told_of_refusal(self, decision: ConsentDecision, number: str | None) -> frozenset[int]:
        """Who else has to be looked at, because a refusal in ActionKit holds for their number."""
        if decision.refusal is None:
            return frozenset()
        return self.sharers([number, *self._other_numbers(number)])

    def _other_numbers(self, number: str | None) -> frozenset[str]:
        read = {self.choice.number, *self.seen.other_consents}
        numbers = numbers_of(self.user, self.rules, self.record, chosen_types_only=True)
        return frozenset(one for one in numbers if one in read and one != number)

    def history(
        self,
        member: Member,
        writes: Iterable[FieldWrite],
        decision: ConsentDecision,
        groups: GroupDecision,
    ) -> tuple[Change, ...]:
        """An entry for each write to a pair."""
        history = [Change(one.side, one.name, one.old, one.new, one.rule) for one in writes]
        if decision.to_strive is not None:
            old, new = text_of(member.opt_in), text_of(decision.to_strive)
            history.append(Change(Side.STRIVE, "opt_in", old, new, decision.rule))
        if decision.to_actionkit is not None:
            old, new = self.opt_in.raw, text_of(decision.to_actionkit)
            history.append(Change(Side.ACTIONKIT, "opt_in", old, new, decision.rule))
        history += joined(groups.join)
        history += left(groups.leave, "not_entitled")
        return tuple(history)

    @property
    def due(self) -> frozenset[int]:
        """The actions that rules are to be decided for by this look."""
        return due(self.user.actions, self.seen.fresh, self.rules)

    def finished(self, plan: Plan) -> Plan:
        """The plan with its record's times, as `finished` has it."""
        return finished(self.record, plan, self.seen.at, self.now)


def opt_in_of(user: User, rules: Rules) -> OptIn:
    """The user's opt-in userfield."""
    return read_rows(row for row in user.fields if row.name == rules.opt_in_userfield)


def without_link(record: Record) -> Record:
    """The record without all that belonged to the link but consent."""
    return replace(
        record,
        member_id=None,
        created_member=False,
        linked_at=None,
        default_region="",
        number=None,
        fields={},
        groups=frozenset(),
        waiting_groups=frozenset(),
        declined_groups=frozenset(),
    )


def row_alone(state: ConsentState) -> ConsentState:
    """What is known of the userfield, without what belonged to the link."""
    return ConsentState(
        actionkit=state.actionkit,
        raw=state.raw,
        set_at=state.set_at,
        userfield=state.userfield,
        predates_phone=state.predates_phone,
    )


def undecided(state: ConsentState) -> ConsentState:
    """The state of a link whose consent is yet to be decided, as at a first link."""
    return replace(row_alone(state), userfield="")


def other_number(record: Record, number: str | None) -> tuple[str, ...]:
    """The number whose claim is to be given up because this one is claimed."""
    return () if record.number in (None, number) else (record.number,)


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


def joined(group_ids: Iterable[int]) -> tuple[Change, ...]:
    """History of groups that the member joins."""
    return tuple(
        Change(Side.STRIVE, "groups", "", str(one), "entitled") for one in sorted(group_ids)
    )


def left(group_ids: Iterable[int], rule: str) -> tuple[Change, ...]:
    """History of groups that the member leaves."""
    return tuple(Change(Side.STRIVE, "groups", str(one), "", rule) for one in sorted(group_ids))


def text_of(status: bool) -> str:
    """A status as both systems write it."""
    return "true" if status else "false"


def finished(before: Record | None, plan: Plan, at: datetime | None, now: datetime | None) -> Plan:
    """The plan, with the times of its record moved only where something changed; nothing at all
    where nothing did. `at`: when what the record tells was seen; what was last seen then may have
    been changed any time later (F5)."""
    new = plan.record
    if before is not None:
        if not plan.writes and not plan.consent and _same_but_times(new, before):
            return Plan(before, erase=plan.erase, waits=plan.waits)
        said = (new.status, new.reason, new.reason_detail)
        same = said == (before.status, before.reason, before.reason_detail)
        new = replace(new, reason_at=before.reason_at if same else now)
    else:
        new = replace(new, reason_at=now)
    return replace(plan, record=replace(new, changed_at=at))


def _same_but_times(new: Record, before: Record) -> bool:
    return replace(new, reason_at=before.reason_at, changed_at=before.changed_at) == before
