"""Subscribed: what the opt-in userfield says and who wins (F10, F11, F13, F14).

Four moments: a user without a link is only watched; a member is created; a link is made with a
member who was there; and afterwards. A refusal belongs to the number and outlives all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from instep.domain.people import FieldRow, Member, Phone, Side, SubscriptionEvent
from instep.domain.record import (
    ConsentState,
    Evidence,
    NumberConsent,
    Warning,  # noqa: A004
)
from instep.domain.rules import Resubscribe, Rules

CONFIRM: Final = timedelta(minutes=20)
"""A consent write that is not read back by then has failed (F11.6)."""
CLOCK_SKEW: Final = timedelta(minutes=15)
SAME_WRITE: Final = CLOCK_SKEW + timedelta(minutes=1)
"""How far apart the time of a decision and the time that Strive gives the write may be: a worker
lives for a minute."""
SAME_CREATION: Final = timedelta(minutes=1)
"""How far apart a creation and its own event may be: both times are Strive's."""
WARNINGS: Final = frozenset(
    {
        Warning.OPT_IN_CLEARED,
        Warning.OPT_IN_PREDATES_PHONE,
        Warning.REFUSAL_OVERRULED,
        Warning.RESUBSCRIBE_NEEDS_CONSENT,
    }
)
"""The warnings that consent gives."""

TEXTED: Final = frozenset({"text", "sms", "keyword", "stop", "incoming_message"})
"""Types of subscription events by which the person texted. The list that Strive really has is not
public: an opt-out of a type that is not here may be held, at most for 24 hours."""
_TRUE: Final = frozenset({"t", "true", "1", "opt in", "opt-in", "y", "yes"})
FALSE_VALUES: Final = frozenset({"f", "false", "0", "opt out", "opt-out", "n", "no"})
"""The recognised false spellings, in lower case and without surrounding space (F10)."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class Reading(StrEnum):
    """How a value of the opt-in userfield is read (F10). NONE: there is no value."""

    TRUE = "true"
    FALSE = "false"
    UNRECOGNISED = "unrecognised"
    NONE = ""


def read_value(raw: str) -> Reading:
    """One value, ignoring case and surrounding space."""
    value = raw.strip().lower()
    if not value:
        return Reading.NONE
    if value in _TRUE:
        return Reading.TRUE
    if value in FALSE_VALUES:
        return Reading.FALSE
    return Reading.UNRECOGNISED


@dataclass(frozen=True, slots=True)
class OptIn:
    """The opt-in userfield of a user: how it is read, and the row that decided it."""

    reading: Reading
    row: FieldRow | None = None

    @property
    def raw(self) -> str:
        return self.row.value if self.row else ""

    @property
    def set_at(self) -> datetime | None:
        return self.row.updated_at if self.row else None


def read_rows(rows: Iterable[FieldRow]) -> OptIn:
    """Several values: any recognised false is false, all true is true, else unrecognised (F10).
    Of the rows that decided, the one set last."""
    by_reading: dict[Reading, list[FieldRow]] = {}
    for row in rows:
        by_reading.setdefault(read_value(row.value), []).append(row)
    for reading in (Reading.FALSE, Reading.UNRECOGNISED, Reading.TRUE):
        if reading in by_reading:
            return OptIn(reading, max(by_reading[reading], key=_set_last))
    return OptIn(Reading.NONE)


def _set_last(row: FieldRow) -> tuple[datetime, int]:
    return (row.updated_at or _LONG_AGO, row.action_id or 0)


def by_own_action(row: FieldRow, rules: Rules) -> bool:
    """Whether the person set the userfield by an action of their own: one on a page that is known
    and neither our own nor an import page, which uploads and staff's imports write to."""
    ours = rules.import_page_id is not None and row.page_id == rules.import_page_id
    return row.action_id is not None and not ours and row.page_type not in ("", "import")


def overridden_refusal(events: Sequence[SubscriptionEvent]) -> bool:
    """Whether a member who was just created as opted in had opted out before: the last event but
    our own opt-in is an opt-out (U1)."""
    past = sorted(events, key=lambda event: event.event_id)
    if past and not past[-1].unsubscribe:
        past = past[:-1]
    return bool(past) and past[-1].unsubscribe


@dataclass(frozen=True, slots=True)
class ConsentLook:
    """What one look shows of one person's consent.

    `member`, `number` and `events` are the member's in question (None, the number's consent
    record, and none where there is no member). `phone` is the row of the user's chosen number.
    `differs`: the chosen number is not the member's (F8).
    """

    user_id: int
    opt_in: OptIn
    rules: Rules
    now: datetime
    number: NumberConsent
    member: Member | None = None
    events: tuple[SubscriptionEvent, ...] = ()
    phone: Phone | None = None
    differs: bool = False

    @property
    def reading(self) -> Reading:
        return self.opt_in.reading

    @property
    def ours(self) -> bool:
        """Whether the userfield was last set by this sync."""
        row = self.opt_in.row
        page = self.rules.import_page_id
        return row is not None and page is not None and row.page_id == page

    @property
    def uploaded(self) -> bool:
        """Whether the userfield was last set by somebody's import."""
        row = self.opt_in.row
        return row is not None and row.page_type == "import" and not self.ours

    @property
    def row_evidence(self) -> str:
        """What is known of how the userfield came to its value."""
        row = self.opt_in.row
        words = [f"userfield {self.rules.opt_in_userfield} of user {self.user_id}"]
        if row is not None and row.action_id is not None:
            words.append(f"action {row.action_id}")
        if row is not None and row.page_id is not None:
            kind = f" ({row.page_type})" if row.page_type else ""
            words.append(f"page {row.page_id}{kind}")
        if row is not None and row.updated_at is not None:
            words.append(f"set {row.updated_at:%Y-%m-%dT%H:%M:%SZ}")
        return ", ".join(words)

    def member_evidence(self, unsubscribe: bool) -> str:
        """What is known of how the member came to their status."""
        for event in reversed(self.events):
            if event.unsubscribe == unsubscribe:
                when = f"{event.created_at:%Y-%m-%dT%H:%M:%SZ}"
                return f"subscription event {event.event_id} ({event.type}), {when}"
        return f"member {self.member.member_id}" if self.member else "member"

    def from_actionkit(self, effect: str) -> Evidence:
        """An entry about the userfield."""
        opted = {Reading.TRUE: True, Reading.FALSE: False}.get(self.reading)
        return Evidence(self.now, Side.ACTIONKIT, self.opt_in.raw, opted, self.row_evidence, effect)

    def from_strive(self, opted_in: bool, effect: str) -> Evidence:
        """An entry about the member's status."""
        raw = "true" if opted_in else "false"
        evidence = self.member_evidence(unsubscribe=not opted_in)
        return Evidence(self.now, Side.STRIVE, raw, opted_in, evidence, effect)


@dataclass(frozen=True, slots=True)
class ConsentDecision:
    """What is to become of Subscribed: state, the number's record, writes and their rules.

    `refusal`: what this user's userfield refused in this look, which holds for every number of the
    user among the account's phone types (F14). `opted_in`: how a member is to be created.
    `refuses`: somebody refused, or a refusal that stands is kept up; nothing else was decided.
    """

    state: ConsentState
    number: NumberConsent
    to_strive: bool | None = None
    to_actionkit: bool | None = None
    rule: str = ""
    evidence: tuple[Evidence, ...] = ()
    warnings: frozenset[Warning] = field(default_factory=frozenset)
    refusal: Evidence | None = None
    opted_in: bool = False
    refuses: bool = False


def refused(number: NumberConsent, refusal: Evidence, user_id: int | None) -> NumberConsent:
    """The number's record after a refusal. One from Strive is not replaced by one from ActionKit
    while it stands, since it is harder to lift (F11.3); that there were both is kept."""
    standing = number.refusal if number.refused else None
    number = replace(number, not_asked_at=None)
    if standing is None or standing.side is refusal.side:
        also = number.also_refused_at if standing else None
        return replace(number, refusal=refusal, refusal_user_id=user_id, also_refused_at=also)
    if refusal.side is Side.ACTIONKIT:
        return replace(number, also_refused_at=refusal.at)
    return replace(number, refusal=refusal, refusal_user_id=user_id, also_refused_at=standing.at)


def opted_in(number: NumberConsent, opt_in: Evidence) -> NumberConsent:
    """The number's record after an opt-in, which lifts every refusal seen before."""
    return replace(number, opt_in=opt_in, also_refused_at=None, not_asked_at=None)


# --- a user without a link ---


def watch(look: ConsentLook, state: ConsentState) -> ConsentDecision:
    """A user without a link: nothing is carried, but a true that turns into a recognised false is
    a refusal for the numbers all the same (F14)."""
    state = _of_this_userfield(state, look.rules)
    refusal = _turned_false(look, state)
    number = refused(look.number, refusal, look.user_id) if refusal else look.number
    state = ConsentState(predates_phone=state.predates_phone)
    return ConsentDecision(
        state=_with_row(state, look),
        number=number,
        refusal=refusal,
        evidence=(refusal,) if refusal else (),
        refuses=refusal is not None,
    )


def create(look: ConsentLook, state: ConsentState) -> ConsentDecision:
    """A member that the sync creates is opted in only for a true value, never over a refusal
    (F11.2), and on a number that replaced a linked one only if asked for it (F14)."""
    watched = watch(look, state)
    number = watched.number
    predates = state.predates_phone and not _asked_for_this_phone(look)
    opted = look.reading is Reading.TRUE and not number.refused and not predates
    effect = "member created as opted in" if opted else "member created as opted out"
    evidence = look.from_actionkit(effect)
    warnings: set[Warning] = set()
    if opted:
        number = opted_in(number, evidence)
    elif not number.refused:
        number = replace(number, not_asked_at=look.now)
    if look.reading is Reading.TRUE and number.refused:
        warnings.add(Warning.RESUBSCRIBE_NEEDS_CONSENT)
    elif look.reading is Reading.TRUE and predates:
        warnings.add(Warning.OPT_IN_PREDATES_PHONE)
    new = replace(
        watched.state,
        opted_in=opted,
        not_asked=not opted and not number.refused,
        false_seen_at=look.now if number.refused and look.reading is Reading.FALSE else None,
        predates_phone=predates,
        sent_strive=opted,
        sent_strive_at=look.now,
    )
    return replace(
        watched,
        state=new,
        number=number,
        opted_in=opted,
        rule="created",
        evidence=(*watched.evidence, evidence),
        warnings=frozenset(warnings),
    )


# --- first link with a member who was there ---


def link(look: ConsentLook, state: ConsentState) -> ConsentDecision:
    """First link: the member's status wins, but for a refusal in ActionKit, and for a true value
    where the member was never asked (F11.1). Also after a change of the opt-in userfield (F12)."""
    member = _member(look)
    known = _of_this_userfield(state, look.rules)
    number = look.number
    refusal = _turned_false(look, known) or _set_false_since_activation(look)
    evidence: list[Evidence] = []
    to_strive: bool | None = None
    overruled: str | None = None
    not_asked = False
    predates = state.predates_phone and not _asked_for_this_phone(look)
    status = member.opt_in
    rule = "first_link_member_wins"
    if refusal is not None:
        if member.opt_in and _opted_in_since(look, number):
            number = opted_in(number, look.from_strive(opted_in=True, effect="opt-in"))
        number = refused(number, refusal, look.user_id)
        evidence.append(refusal)
    if member.opt_in and refusal is not None:
        status, rule = False, "refusal_carried"
    elif member.opt_in and number.refused and not _opted_in_since(look, number):
        status, rule = False, "refusal_of_number"
    elif member.opt_in:
        # A link that was interrupted after its write shows the write in place of what it overruled.
        interrupted = known.overruled if known.sent_actionkit else None
        overruled = look.opt_in.raw if look.reading is Reading.FALSE else interrupted
        entry = look.from_strive(opted_in=True, effect="member stays opted in")
        number = opted_in(number, entry)
        if look.reading is not Reading.TRUE:
            evidence.append(entry)
        if look.reading is Reading.FALSE:
            evidence.append(look.from_actionkit("overruled by the member's status"))
    elif _never_asked(look, look.number):
        if refusal is not None:
            pass  # the opt-out was ours, so the only refusal is ActionKit's
        elif look.reading is Reading.TRUE and not predates and not look.differs:
            status, rule = True, "not_asked_takes_true"
            entry = look.from_actionkit("member opted in, who had not been asked")
            number = opted_in(number, entry)
            evidence.append(entry)
        else:
            not_asked = True
    elif _refused_in_strive(look, known):
        entry = look.from_strive(opted_in=False, effect="member stays opted out")
        number = refused(number, entry, None)
        evidence.append(entry)
    if status is not member.opt_in:
        to_strive = status
    to_actionkit = None if look.reading is _reading_of(status) else status
    if look.reading is Reading.UNRECOGNISED or (look.reading is Reading.TRUE and not status):
        evidence.append(look.from_actionkit("replaced by the member's status"))
    wanted = known.sent_actionkit
    # What we wrote is not seen yet; unless somebody set the field again since it landed.
    unseen = (
        wanted is not None
        and look.reading is not _reading_of(wanted)
        and (look.ours or not _row_differs(look, known))
    )
    new = ConsentState(
        opted_in=status,
        not_asked=not_asked,
        false_seen_at=look.now if number.refused and look.reading is Reading.FALSE else None,
        predates_phone=predates,
        overruled=overruled,
        sent_actionkit=known.sent_actionkit if unseen else None,
        sent_actionkit_at=known.sent_actionkit_at if unseen else None,
        sent_strive_at=known.sent_strive_at,
        event_id=_last_event(look),
    )
    return _written(
        look,
        _with_row(new, look),
        ConsentDecision(
            new,
            number,
            to_strive,
            to_actionkit,
            rule,
            tuple(evidence),
            refusal=refusal,
            refuses=refusal is not None or rule == "refusal_of_number",
        ),
    )


def _never_asked(look: ConsentLook, number: NumberConsent) -> bool:
    """Whether the member is the one whom the sync created on this number as opted out, and has
    neither opted in nor out since."""
    made, created = number.not_asked_at, _member(look).created_at
    if made is None or created is None or number.refused or abs(created - made) > SAME_WRITE:
        return False
    # Strive may note our creation as an opt-out; one at any other time is the person's own.
    outs = [event for event in look.events if event.unsubscribe]
    return len(outs) <= 1 and all(
        abs(event.created_at - created) <= SAME_CREATION and not is_texted(event) for event in outs
    )


def _refused_in_strive(look: ConsentLook, known: ConsentState) -> bool:
    """Whether somebody but us opted the member out, beside what the number's record says. What we
    wrote to carry a refusal from ActionKit is one event at about its time."""
    number = look.number
    if not number.refused or number.refusal is None:
        return True
    if number.refusal.side is Side.STRIVE:
        return False
    if known.opted_in is False:
        foreign = _foreign_events(look, known)
        return bool(foreign) and foreign[-1].unsubscribe
    carried_at = number.refusal.at
    outs = [
        event.created_at
        for event in look.events
        if event.unsubscribe and event.created_at >= carried_at - CLOCK_SKEW
    ]
    return len(outs) != 1 or outs[0] > carried_at + CLOCK_SKEW


def _opted_in_since(look: ConsentLook, number: NumberConsent) -> bool:
    """Whether a member who is opted in became so after the refusal of the number: certain for a
    refusal that was the member's own status, else an event has to show it."""
    refusal, also = number.refusal, number.also_refused_at
    if refusal is None:
        return True
    at = refusal.at if refusal.side is Side.ACTIONKIT else also
    return at is None or any(not one.unsubscribe and one.created_at > at for one in look.events)


def _set_false_since_activation(look: ConsentLook) -> Evidence | None:
    set_at = look.opt_in.set_at
    if look.reading is not Reading.FALSE or look.ours or set_at is None:
        return None
    if set_at <= look.rules.first_activated_at:
        return None
    return look.from_actionkit("refusal: set to false after the activation")


# --- afterwards ---


@dataclass(frozen=True, slots=True)
class _Since:
    """What changed on either side since the last look, our own writes aside."""

    state: ConsentState
    before: Reading
    set_again: bool
    opted_out: bool
    opted_in: bool
    stopped_again: bool
    was_in: bool


def go_on(look: ConsentLook, state: ConsentState) -> ConsentDecision:
    """A linked pair (F11.3, F11.4): opt-outs are carried both ways and win; opt-ins where no
    refusal stands in the way."""
    if state.userfield != look.rules.opt_in_userfield:
        return link(look, state)
    member = _member(look)
    since = _since(look, state)
    number, evidence, refusal = _refusals(look, since)
    new = since.state
    to_strive: bool | None = None
    to_actionkit: bool | None = None
    rule = ""
    if number is not look.number:
        new = replace(new, false_seen_at=None)
    unseen = number.refused and member.opt_in and not since.opted_in
    refuses = bool(evidence) or (unseen and new.not_accepted is None and new.sent_strive is None)
    if refuses:
        rule = "refusal_carried" if evidence else "refusal_of_number"
        to_strive = False if member.opt_in else None
        to_actionkit = None if look.reading is Reading.FALSE else False
        new = replace(new, uncarried=None)
    elif since.opted_in:
        entry = look.from_strive(opted_in=True, effect="opt-in")
        number = opted_in(number, entry)
        evidence = (entry,)
        rule = "opt_in_carried"
        if look.differs:
            new = replace(new, uncarried=Side.STRIVE)
        elif look.reading is not Reading.TRUE:
            to_actionkit = True
    elif since.set_again or _waits(look, new):
        to_strive, to_actionkit, new, rule = _set_anew(look, since, new, number)
        if to_strive or (look.reading is Reading.TRUE and member.opt_in and since.set_again):
            effect = "member opted in" if to_strive else "opt-in"
            entry = look.from_actionkit(effect)
            number = opted_in(number, entry)
            evidence = (entry,)
        elif since.set_again:
            evidence = (look.from_actionkit("none: the member's status stays"),)
    if number.refused:
        new = replace(new, not_asked=False)
        if look.reading is Reading.FALSE and new.false_seen_at is None:
            new = replace(new, false_seen_at=look.now)
    elif member.opt_in or to_strive:
        new = replace(new, not_asked=False, false_seen_at=None)
    if since.set_again or not member.opt_in or to_strive is False:
        new = replace(new, overruled=None)
    return _written(
        look,
        _with_row(new, look),
        ConsentDecision(
            new,
            number,
            to_strive,
            to_actionkit,
            rule,
            evidence,
            refusal=refusal,
            refuses=refuses,
        ),
    )


def _since(look: ConsentLook, state: ConsentState) -> _Since:
    member, reading = _member(look), look.reading
    before = Reading(state.actionkit)
    was_in = state.opted_in if state.opted_in is not None else member.opt_in
    set_again = _row_differs(look, state)
    if state.sent_actionkit is not None:
        wanted = _reading_of(state.sent_actionkit)
        if reading is wanted:
            state = replace(state, sent_actionkit=None, sent_actionkit_at=None)
            # Not our row: somebody set the same after us.
            set_again = set_again and not look.ours and look.rules.import_page_id is not None
            before = wanted
        elif set_again:
            # Our write landed, and then somebody set the field again. (A row that is set without an
            # action may keep the one it had, ours: so what it says tells, not whose it seems.)
            state = replace(state, sent_actionkit=None, sent_actionkit_at=None)
            before = wanted
        elif not _overdue(state.sent_actionkit_at, look.now):
            set_again = False
        else:
            state = replace(
                state, sent_actionkit=None, sent_actionkit_at=None, not_accepted=Side.ACTIONKIT
            )
            set_again = False
    elif look.ours and reading is before:
        set_again = False
    foreign = _foreign_events(look, state)
    if state.sent_strive is not None:
        sent = state.sent_strive
        if member.opt_in is sent:
            state = replace(state, sent_strive=None)
            was_in = sent
        elif any(one.unsubscribe is sent for one in foreign):
            # Our write landed, and then the member changed their mind.
            state = replace(state, sent_strive=None)
            was_in = sent
        elif _overdue(state.sent_strive_at, look.now):
            state = replace(
                state, sent_strive=None, opted_in=member.opt_in, not_accepted=Side.STRIVE
            )
            was_in = member.opt_in
        else:
            was_in = member.opt_in
    opted_out = was_in and not member.opt_in
    opted_in = not was_in and member.opt_in
    stopped_again = (
        not member.opt_in and not opted_out and bool(foreign) and foreign[-1].unsubscribe
    )
    if state.sent_strive is None:
        state = replace(state, opted_in=member.opt_in)
    if foreign:
        state = replace(state, event_id=_last_event(look))
    agree = reading is _reading_of(member.opt_in)
    if set_again or opted_out or opted_in or agree:
        state = replace(state, not_accepted=None)
    return _Since(state, before, set_again, opted_out, opted_in, stopped_again, was_in)


def _refusals(
    look: ConsentLook, since: _Since
) -> tuple[NumberConsent, tuple[Evidence, ...], Evidence | None]:
    """The number's record with what was refused since the last look, on either side."""
    number = look.number
    evidence: list[Evidence] = []
    from_actionkit: Evidence | None = None
    if (
        since.set_again
        and look.reading is Reading.FALSE
        and (since.before is Reading.TRUE or since.was_in or since.opted_in)
    ):
        from_actionkit = look.from_actionkit("refusal")
        if since.opted_in:
            # That lifts what was refused before; the refusal seen with it counts as later (F13).
            number = opted_in(number, look.from_strive(opted_in=True, effect="opt-in"))
        elif not since.was_in and not since.state.not_asked and number == NumberConsent():
            # Opted out by nobody known: that is Strive's refusal, and harder to lift.
            entry = look.from_strive(opted_in=False, effect="refusal")
            number = refused(number, entry, None)
        number = refused(number, from_actionkit, look.user_id)
        evidence.append(from_actionkit)
    if since.opted_out or since.stopped_again:
        entry = look.from_strive(opted_in=False, effect="refusal")
        number = refused(number, entry, None)
        evidence.append(entry)
    return number, tuple(evidence), from_actionkit


def _waits(look: ConsentLook, state: ConsentState) -> bool:
    """Whether an opt-in waits for something that may be there now: the numbers agree again, or a
    true was set for the new phone (F14)."""
    if look.differs:
        return False
    if state.predates_phone and look.reading is Reading.TRUE and _asked_for_this_phone(look):
        return True
    return state.uncarried is not None


def _set_anew(
    look: ConsentLook, since: _Since, state: ConsentState, number: NumberConsent
) -> tuple[bool | None, bool | None, ConsentState, str]:
    """The userfield was set again, or an opt-in has waited: what follows, where nobody refused."""
    member, reading = _member(look), look.reading
    if look.differs and member.opt_in and reading in (Reading.FALSE, Reading.UNRECOGNISED):
        return None, None, replace(state, uncarried=Side.STRIVE), "phone_differs"
    if look.differs and not member.opt_in and reading is Reading.TRUE:
        return None, None, replace(state, uncarried=Side.ACTIONKIT), "phone_differs"
    waited, state = state.uncarried, replace(state, uncarried=None)
    if reading is Reading.TRUE and not member.opt_in:
        if state.predates_phone:
            asked = _asked_for_this_phone(look) or (
                since.set_again and since.before is not Reading.TRUE and look.opt_in.set_at is None
            )
            if not asked:
                return None, None, state, "opt_in_predates_phone"
            state = replace(state, predates_phone=False)
        if _may_opt_in(look, state, number):
            return True, None, state, "opt_in_carried"
        return None, None, state, "resubscribe_needs_consent"
    if reading is Reading.UNRECOGNISED and (since.set_again or waited):
        return None, member.opt_in, state, "unrecognised_replaced"
    if reading is Reading.NONE and not member.opt_in:
        return None, False, state, "refilled"
    if waited is Side.STRIVE and member.opt_in and reading is not Reading.TRUE:
        return None, True, state, "opt_in_carried"
    return None, None, state, ""


def _may_opt_in(look: ConsentLook, state: ConsentState, number: NumberConsent) -> bool:
    """Whether a true in ActionKit may opt the member in (F11.3, F11.5, F14)."""
    if state.not_asked and not number.refused:
        return True
    refusal = number.refusal if number.refused else None
    if state.false_seen_at is None:
        return False
    setting, rules = look.rules.resubscribe, look.rules
    if refusal is not None and refusal.side is Side.ACTIONKIT:
        return not look.uploaded or setting is Resubscribe.ANY
    row = look.opt_in.row
    if row is None or setting is Resubscribe.NEVER:
        return False
    if setting is Resubscribe.OWN_ACTION and not by_own_action(row, rules):
        return False
    set_at = row.updated_at or state.false_seen_at
    return rules.resubscribe_changed_at is None or set_at > rules.resubscribe_changed_at


# --- shared ---


def _member(look: ConsentLook) -> Member:
    if look.member is None:
        raise ValueError("there is no member to decide about")
    return look.member


def _of_this_userfield(state: ConsentState, rules: Rules) -> ConsentState:
    """What is known, forgetting the value of another opt-in userfield (F12)."""
    if state.userfield in ("", rules.opt_in_userfield):
        return state
    return replace(state, actionkit="", raw="", set_at=None, sent_actionkit=None)


def _with_row(state: ConsentState, look: ConsentLook) -> ConsentState:
    return replace(
        state,
        actionkit=look.reading.value,
        raw=look.opt_in.raw,
        set_at=look.opt_in.set_at,
        userfield=look.rules.opt_in_userfield,
    )


def _row_differs(look: ConsentLook, state: ConsentState) -> bool:
    return (look.reading.value, look.opt_in.raw, look.opt_in.set_at) != (
        state.actionkit,
        state.raw,
        state.set_at,
    )


def _turned_false(look: ConsentLook, state: ConsentState) -> Evidence | None:
    """A true that somebody turned into a recognised false since the last look."""
    if state.actionkit != Reading.TRUE.value or look.reading is not Reading.FALSE or look.ours:
        return None
    if state.sent_actionkit is False:
        return None
    return look.from_actionkit("refusal")


def _asked_for_this_phone(look: ConsentLook) -> bool:
    """Whether the opt-in was given by somebody at or after the phone's row was set (F14)."""
    set_at = look.opt_in.set_at
    phone_at = look.phone.updated_at if look.phone else None
    return not look.ours and set_at is not None and phone_at is not None and set_at >= phone_at


def _reading_of(status: bool) -> Reading:
    return Reading.TRUE if status else Reading.FALSE


def _overdue(sent_at: datetime | None, now: datetime) -> bool:
    return sent_at is None or now - sent_at >= CONFIRM


def _last_event(look: ConsentLook) -> int:
    return max((event.event_id for event in look.events), default=0)


def is_texted(event: SubscriptionEvent) -> bool:
    """Whether the person texted it: then it is nobody's write, ours neither."""
    return event.type.casefold() in TEXTED


def _foreign_events(look: ConsentLook, state: ConsentState) -> list[SubscriptionEvent]:
    """The events since those accounted for, less the one that our last write may have made."""
    foreign = sorted(
        (event for event in look.events if event.event_id > state.event_id),
        key=lambda event: event.event_id,
    )
    written_at = state.sent_strive_at
    if written_at is not None:
        wrote = state.sent_strive if state.sent_strive is not None else state.opted_in
        for event in foreign:
            near = abs(event.created_at - written_at) <= SAME_WRITE
            if event.unsubscribe is not wrote and near and not is_texted(event):
                foreign.remove(event)
                break
    return foreign


def _written(look: ConsentLook, state: ConsentState, decision: ConsentDecision) -> ConsentDecision:
    """The decision with its writes noted as awaited, none sent twice, and its warnings."""
    to_strive, to_actionkit = decision.to_strive, decision.to_actionkit
    if look.differs and to_actionkit:
        to_actionkit = None
        state = replace(state, uncarried=Side.STRIVE)
    if to_actionkit is not None and to_actionkit is state.sent_actionkit:
        to_actionkit = None
    if to_strive is not None and to_strive is state.sent_strive:
        to_strive = None
    if to_strive is not None:
        state = replace(
            state,
            opted_in=to_strive,
            sent_strive=to_strive,
            sent_strive_at=look.now,
            event_id=max(state.event_id, _last_event(look)),
            not_accepted=None,
        )
    if to_actionkit is not None:
        state = replace(
            state, sent_actionkit=to_actionkit, sent_actionkit_at=look.now, not_accepted=None
        )
    rule = decision.rule if to_strive is not None or to_actionkit is not None else ""
    return replace(
        decision,
        state=state,
        to_strive=to_strive,
        to_actionkit=to_actionkit,
        rule=rule,
        warnings=warnings_of(state),
    )


def warnings_of(state: ConsentState) -> frozenset[Warning]:
    """The warnings about the consent of a linked pair, once its state is decided."""
    warnings: set[Warning] = set()
    reading = Reading(state.actionkit)
    if state.overruled is not None:
        warnings.add(Warning.REFUSAL_OVERRULED)
    if reading is Reading.NONE and state.opted_in and state.sent_actionkit is None:
        warnings.add(Warning.OPT_IN_CLEARED)
    if reading is Reading.TRUE and not state.opted_in and state.sent_actionkit is None:
        if state.predates_phone:
            warnings.add(Warning.OPT_IN_PREDATES_PHONE)
        elif state.uncarried is None:
            warnings.add(Warning.RESUBSCRIBE_NEEDS_CONSENT)
    return frozenset(warnings)
