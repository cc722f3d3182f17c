"""From a plan to what is kept of it: while it is under way, afterwards, and after a crash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from instep.domain.fields import (
    REFUSED,
    REFUSED_BY_STRIVE,
    answered,
    read_back,
    refused,
    same,
)
from instep.domain.people import Member, Side
from instep.domain.person import row_alone, with_status
from instep.domain.plan import Change, Plan, Seen
from instep.domain.record import (
    ConsentState,
    Draft,
    FieldState,
    FieldWrite,
    Intent,
    Record,
    Sent,
    Status,
)
from instep.domain.rules import Kind

CLOCK_SKEW: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a plan's effects.

    `member`: the member made or changed, as read back; None if it was not read. `actions`: ids of
    the actions written to ActionKit. `strive_refused`, `actionkit_refused`: what a side refused,
    by its own names; what is not named was written. `create_refused`:
    Strive refused to create the member. `wrong_user`: an action reached another user.
    `refusal_restored`: the creation had overridden a refusal, which was restored (U1). `joined`,
    `left`: groups.
    """

    member: Member | None = None
    actions: tuple[int, ...] = ()
    create_refused: bool = False
    strive_refused: frozenset[str] = field(default_factory=frozenset)
    actionkit_refused: frozenset[str] = field(default_factory=frozenset)
    wrong_user: bool = False
    refusal_restored: bool = False
    joined: frozenset[int] = field(default_factory=frozenset)
    left: frozenset[int] = field(default_factory=frozenset)


def sync_ids(intent_id: str) -> tuple[str, str]:
    """The marks of an intent's two actions: that of the values and that of the consent (U6)."""
    return intent_id, f"{intent_id}-consent"


def intent_of(plan: Plan, intent_id: str, now: datetime, expires_at: datetime) -> Intent:
    """The plan as it is stored before any effect."""
    return Intent(
        intent_id=intent_id,
        at=now,
        expires_at=expires_at,
        create=plan.create,
        member_id=plan.record.member_id,
        field_writes=() if plan.create else plan.field_writes,
        created_fields={one.field_id: one.name for one in plan.field_writes if plan.create},
        consent=plan.record.consent,
        opt_in_strive=plan.opt_in_strive,
        opt_in_actionkit=plan.opt_in_actionkit,
        join=tuple(sorted(plan.join)),
        leave=tuple(sorted(plan.leave)),
        evidence=plan.evidence,
    )


def under_way(record: Record, plan: Plan, intent: Intent) -> Record:
    """The record while the plan is carried out: as it was, with the intent. What this look showed
    of earlier writes is kept whatever becomes of the plan: those are not awaited any more (F6)."""
    if record.member_id is None or record.member_id != plan.record.member_id:
        return replace(record, intent=intent)
    writing = {one.field_id for one in plan.field_writes}
    answers = {
        field_id: new
        for field_id, old in record.fields.items()
        if old.sent is not None
        and field_id not in writing
        and (new := plan.record.fields.get(field_id)) is not None
        and new.sent is None
    }
    return replace(record, intent=intent, fields={**record.fields, **answers})


# --- settle ---


def settle(plan: Plan, done: Done, now: datetime) -> Record:
    """The record after the effects, without an intent; `changed_at` stays the time of its look.
    Bases are set only for what was read back; what was written to ActionKit stays awaited until a
    look shows it (F6)."""
    record = plan.record
    if done.create_refused:
        return _not_created(plan, now)
    if plan.create is not None and done.member is not None:
        record = replace(record, member_id=done.member.member_id)
    fields = dict(record.fields)
    for write in plan.field_writes:
        if write.field_id in fields:
            fields[write.field_id] = _settled_field(write, fields[write.field_id], done)
    groups = record.groups - (plan.join - done.joined) | (plan.leave - done.left)
    if plan.release_member is not None:
        groups = record.groups
    record = replace(
        record,
        fields=fields,
        consent=_settled_consent(plan, done),
        groups=groups,
        watermark=max((record.watermark, *done.actions)),
        intent=None,
    )
    if record.status is Status.ERASED and done.member is not None and not done.member.opt_in:
        return replace(record, member_id=None, consent=ConsentState())
    if record.member_id is not None and record.status in (Status.SYNCED, Status.FAILED):
        record = with_status(record)
    if done.wrong_user:
        record = replace(record, status=Status.FAILED, reason="wrong_user", reason_detail="")
    before = (plan.record.status, plan.record.reason, plan.record.reason_detail)
    if (record.status, record.reason, record.reason_detail) != before:
        record = replace(record, reason_at=now)
    return record


def _settled_field(write: FieldWrite, state: FieldState, done: Done) -> FieldState:
    if write.side is Side.ACTIONKIT:
        if done.wrong_user:
            return replace(state, sent=None)
        if write.target in done.actionkit_refused:
            return refused(write, state, REFUSED)
        return state
    if write.target in done.strive_refused:
        return refused(write, state, REFUSED_BY_STRIVE)
    if done.member is None:
        return state
    return read_back(write, state, _shown(write, done.member))


def _settled_consent(plan: Plan, done: Done) -> ConsentState:
    state = plan.record.consent
    sent, member = state.sent_strive, done.member
    if sent is not None and member is not None and (done.refusal_restored or member.opt_in is sent):
        # A refusal that was restored is a change since the creation, and found as one (U1).
        state = replace(state, sent_strive=None)
    if plan.opt_in_actionkit is None:
        return state
    if done.wrong_user:
        return replace(state, sent_actionkit=None, sent_actionkit_at=None)
    if state.userfield in done.actionkit_refused:
        return replace(
            state, sent_actionkit=None, sent_actionkit_at=None, not_accepted=Side.ACTIONKIT
        )
    return state


def _not_created(plan: Plan, now: datetime) -> Record:
    """Strive refused to create the member: the user keeps the claim and stays without a link."""
    return replace(
        plan.record,
        status=Status.FAILED,
        reason="strive_refused",
        reason_detail="",
        reason_at=now,
        warnings=frozenset(),
        member_id=None,
        created_member=False,
        linked_at=None,
        default_region="",
        fields={},
        groups=frozenset(),
        waiting_groups=frozenset(),
        consent=row_alone(plan.record.consent),
        intent=None,
    )


def _shown(write: FieldWrite, member: Member) -> str:
    if write.kind is Kind.CUSTOM:
        return member.custom.get(write.target, "")
    return str(getattr(member, write.target))


# --- recover ---


def recover(record: Record, seen: Seen, found: Mapping[str, int], now: datetime) -> Record:
    """The record without its expired intent, as far as a fresh look shows what was done. Nothing
    is ever done again from an intent: what was not done is decided afresh.

    `found`: the action that bears each of the intent's `sync_ids`, where there is one. `seen`
    shows as `linked` the member whom the intent was about: the one with its `member_id`, or with
    the number of its `create`.
    """
    intent = record.intent
    if intent is None:
        return record
    watermark = max((record.watermark, *found.values()))
    record = replace(record, intent=None, watermark=watermark)
    member = _concerned(intent, seen)
    if intent.create is not None:
        ours = member is not None and _is_made_from(intent.create, intent, member)
        if member is None or not ours or record.member_id is not None:
            # The claim was taken before the intent was stored, and is known by the record alone:
            # whoever is gone, or has another number by now, gives it up.
            return replace(record, number=record.number or intent.create.number)
        return _created(record, intent, intent.create, member)
    values_id, consent_id = sync_ids(intent.intent_id)
    fields = dict(record.fields)
    for write in intent.field_writes:
        state = fields.get(write.field_id, FieldState(rule=write.rule))
        if write.side is Side.ACTIONKIT and values_id in found:
            fields[write.field_id] = replace(state, sent=_sent(write, intent.at), rule=write.rule)
        elif write.side is Side.STRIVE and member is not None:
            shown = _shown(write, member)
            if same(write.name, shown, write.new):
                sent = _sent(write, intent.at)
                done = replace(state, rule=write.rule)
                fields[write.field_id] = answered(write.name, write.option, done, sent, shown)
    inside = member.groups if member is not None else frozenset[int]()
    record = replace(
        record,
        fields=fields,
        consent=_recovered_consent(record.consent, intent, member, consent_id in found),
        groups=record.groups | (frozenset(intent.join) & inside),
    )
    if member is None or record.member_id is not None:
        return record
    return _linked(record, member, now)


def recovered_changes(record: Record, seen: Seen, found: Mapping[str, int]) -> tuple[Change, ...]:
    """What of an expired intent turned out to be done, for the history (U9)."""
    intent = record.intent
    if intent is None:
        return ()
    member = _concerned(intent, seen)
    values_id, consent_id = sync_ids(intent.intent_id)
    changes: list[Change] = []
    draft = intent.create
    made = draft is not None and member is not None and _is_made_from(draft, intent, member)
    if draft is not None and made:
        changes.append(Change(Side.STRIVE, "phone_number", "", draft.number, "created"))
        opted = "true" if draft.opt_in else "false"
        changes.append(Change(Side.STRIVE, "opt_in", "", opted, "created"))
        changes += [
            Change(Side.STRIVE, name, "", _drafted(draft, name), "created")
            for name in intent.created_fields.values()
        ]
    for write in intent.field_writes:
        if write.side is Side.ACTIONKIT:
            done = values_id in found
        else:
            done = member is not None and same(write.name, _shown(write, member), write.new)
        if done:
            changes.append(Change(write.side, write.name, write.old, write.new, write.rule))
    if member is not None and member.opt_in is intent.opt_in_strive:
        old, new = ("false", "true") if member.opt_in else ("true", "false")
        changes.append(Change(Side.STRIVE, "opt_in", old, new, "recovered"))
    if intent.opt_in_actionkit is not None and consent_id in found:
        raw = intent.consent.raw if intent.consent else ""
        new = "true" if intent.opt_in_actionkit else "false"
        changes.append(Change(Side.ACTIONKIT, "opt_in", raw, new, "recovered"))
    if member is not None:
        joined = [one for one in intent.join if one in member.groups]
        changes += [Change(Side.STRIVE, "groups", "", str(one), "entitled") for one in joined]
    return tuple(changes)


def _concerned(intent: Intent, seen: Seen) -> Member | None:
    """The member whom the intent was about, as the fresh look shows it."""
    for member in (seen.linked, seen.matched):
        if member is None:
            continue
        if intent.create is not None and member.phone_number == intent.create.number:
            return member
        if intent.create is None and member.member_id == intent.member_id:
            return member
    return None


def _is_made_from(draft: Draft, intent: Intent, member: Member) -> bool:
    """Whether a member is the one that an expired intent made: made since, and as drafted. Strive
    sets the state from the zip, and who was opted in may have opted out since."""
    if member.created_at is None or member.created_at < intent.at - CLOCK_SKEW:
        return False
    derived = {"state"} if draft.values.get("postal_code") else set()
    columns = {"first_name", "last_name", "email", "city", "state", "postal_code"} - derived
    if any(not _alike(getattr(member, one), draft.values.get(one, "")) for one in columns):
        return False
    return all(_alike(member.custom.get(one, ""), new) for one, new in draft.custom.items())


def _drafted(draft: Draft, name: str) -> str:
    """A drafted value by the field's name in history."""
    custom = name.removeprefix("custom:")
    return draft.values[name] if custom == name else draft.custom[custom]


def _alike(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _created(record: Record, intent: Intent, draft: Draft, member: Member) -> Record:
    fields = {}
    for field_id, name in intent.created_fields.items():
        value = _drafted(draft, name)
        sent = Sent(Side.STRIVE, value, "", value, intent.at)
        fields[field_id] = FieldState(actionkit=value, sent=sent, rule="created")
    return replace(
        record,
        number=draft.number,
        member_id=member.member_id,
        created_member=True,
        linked_at=intent.at,
        fields=fields,
        consent=intent.consent or ConsentState(),
        groups=frozenset(intent.join) & member.groups,
    )


def _linked(record: Record, member: Member, now: datetime) -> Record:
    """The link itself was made with the claims, before the intent; consent is decided as at first
    link again, which an unknown userfield asks for."""
    return replace(
        record,
        number=member.phone_number,
        member_id=member.member_id,
        linked_at=now,
        consent=replace(record.consent, userfield=""),
    )


def _recovered_consent(
    state: ConsentState, intent: Intent, member: Member | None, written: bool
) -> ConsentState:
    """Consent writes that happened are no changes by anybody else."""
    if written and intent.consent is not None and state.opted_in is None:
        # At a first link, what the userfield showed then is what the write replaced.
        then = intent.consent
        state = replace(state, actionkit=then.actionkit, raw=then.raw, set_at=then.set_at)
    if written:
        state = replace(
            state,
            sent_actionkit=intent.opt_in_actionkit,
            sent_actionkit_at=intent.at,
            # What the write replaced is not to be seen any more (F11.1).
            overruled=intent.consent.overruled if intent.consent else None,
        )
    wanted = intent.opt_in_strive
    if wanted is not None and member is not None and member.opt_in is wanted:
        state = replace(
            state,
            opted_in=wanted,
            not_asked=False,
            sent_strive=None,
            sent_strive_at=intent.at,
        )
    return state


def _sent(write: FieldWrite, at: datetime) -> Sent:
    return Sent(write.side, write.new, write.old, write.new, at)
