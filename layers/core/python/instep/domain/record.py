"""What we keep of a user: link, bases, what was last seen and sent, status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from instep.domain.people import Side
from instep.domain.rules import Kind, Option


class Status(StrEnum):
    """The closed list of U8. `pending` is never stored: it is the total less what is recorded."""

    PENDING = "pending"
    SYNCED = "synced"
    INELIGIBLE_NO_PHONE = "ineligible_no_phone"
    INELIGIBLE_INVALID_PHONE = "ineligible_invalid_phone"
    INELIGIBLE_NO_OPT_IN = "ineligible_no_opt_in"
    DUPLICATE_PHONE = "duplicate_phone"
    FAILED = "failed"
    DELETED = "deleted"
    MEMBER_DELETED = "member_deleted"
    ERASED = "erased"


class Warning(StrEnum):
    """The closed list of warnings beside a status."""

    PHONE_DIFFERS = "phone_differs"
    PHONE_MISSING = "phone_missing"
    OPT_IN_CLEARED = "opt_in_cleared"
    OPT_IN_PREDATES_PHONE = "opt_in_predates_phone"
    INVALID_FOR_ACTIONKIT = "invalid_for_actionkit"
    REFUSAL_OVERRULED = "refusal_overruled"
    RESUBSCRIBE_NEEDS_CONSENT = "resubscribe_needs_consent"


@dataclass(frozen=True, slots=True)
class Base:
    """The pair of values when both sides were last seen to agree or to have settled (F6)."""

    actionkit: str
    strive: str
    option: Option


@dataclass(frozen=True, slots=True)
class Sent:
    """A write that was made and not yet read back (F6): to which side, what, over what, from what
    value of the other side, and when."""

    side: Side
    value: str
    before: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FieldState:
    """A mapped field of one person: both values as last seen, base, awaited write, last rule."""

    actionkit: str = ""
    strive: str = ""
    base: Base | None = None
    sent: Sent | None = None
    rule: str = ""
    changed_after: datetime | None = None
    changed_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConsentState:
    """Subscribed of one link.

    `actionkit`: the userfield as last read ("true", "false", "unrecognised", "" for none), `raw`
    the raw value that decided it, `set_at` its row's time; `userfield`: which field that was
    (F12). `opted_in`: the member as last seen. `not_asked`: created by the sync as opted out with
    no refusal since. `false_seen_at`: since the standing refusal (or the creation) ActionKit was
    first seen to hold a recognised false then (F11.3). `predates_phone`: the number replaced a
    linked one, and no opt-in was given for it yet (F14). `sent_*`: awaited consent writes;
    `sent_strive_at` stays as the time of our last one. `overruled`: raw value of a recognised
    false that the member's status overruled (F11.1). `uncarried`: the side whose opt-in waits
    until the numbers agree (F14). `event_id`: subscription events up to it are accounted for.
    `not_accepted`: the side that did not take a write of ours within 20 minutes (F11.6).
    """

    actionkit: str = ""
    raw: str = ""
    set_at: datetime | None = None
    userfield: str = ""
    opted_in: bool | None = None
    not_asked: bool = False
    false_seen_at: datetime | None = None
    predates_phone: bool = False
    overruled: str | None = None
    sent_actionkit: bool | None = None
    sent_actionkit_at: datetime | None = None
    sent_strive: bool | None = None
    sent_strive_at: datetime | None = None
    uncarried: Side | None = None
    not_accepted: Side | None = None
    event_id: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """One entry of what is known of a person's consent (F15)."""

    at: datetime
    side: Side
    raw: str
    opted_in: bool | None
    evidence: str
    effect: str


@dataclass(frozen=True, slots=True)
class NumberConsent:
    """The consent record of a number (F13): last opt-in and last refusal as this sync saw them.

    `refusal_user_id`: the user whose userfield made the refusal, where one did (F14).
    `also_refused_at`: when ActionKit refused too, where the refusal kept is Strive's.
    `not_asked_at`: when the sync created the number's member as opted out; None once there was an
    opt-in or a refusal.
    """

    opt_in: Evidence | None = None
    refusal: Evidence | None = None
    refusal_user_id: int | None = None
    also_refused_at: datetime | None = None
    not_asked_at: datetime | None = None

    @property
    def refused(self) -> bool:
        """A refusal stands: seen later than the last opt-in, or in the same look."""
        if self.refusal is None:
            return False
        return self.opt_in is None or self.opt_in.at <= self.refusal.at


@dataclass(frozen=True, slots=True)
class Draft:
    """A member to be created: every mapped value the option allows."""

    number: str
    opt_in: bool
    values: Mapping[str, str] = field(default_factory=dict)
    custom: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldWrite:
    """One value of a mapped field to be written. `target` is the other system's own name."""

    field_id: str
    name: str
    side: Side
    kind: Kind
    target: str
    old: str
    new: str
    rule: str
    option: Option


@dataclass(frozen=True, slots=True)
class Intent:
    """A plan under way, stored before any effect. `intent_id` is the `sync_id` of its actions;
    `expires_at` is when its worker cannot be alive any more. `member_id`: the link being made.
    `created_fields`: the mapped fields of a member to be created, field id → name. `consent`: as it
    will be if all goes well."""

    intent_id: str
    at: datetime
    expires_at: datetime
    create: Draft | None = None
    member_id: int | None = None
    field_writes: tuple[FieldWrite, ...] = ()
    created_fields: Mapping[str, str] = field(default_factory=dict)
    consent: ConsentState | None = None
    opt_in_strive: bool | None = None
    opt_in_actionkit: bool | None = None
    join: tuple[int, ...] = ()
    leave: tuple[int, ...] = ()
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What we keep of one ActionKit user. `version` grows with every write and fences plans.

    `number`: the number this user claims. `groups`: groups that the sync itself put the member
    into; `waiting_groups`: those that a held backfill is to put them into, `declined_groups`: those
    whose backfill staff discarded (P8). `actions`: what the user's actions came to when last looked
    at (`groups.actions_digest`). `watermark`: the id of our own last action for this user: an older
    look is stale. `changed_at`: when that which the record tells was last seen to change: the time
    of a look, at which the values of `fields` were seen (F5). `default_region`: the account's
    default region when the link was made (F8). A user who was merged away or erased keeps
    `member_id` until the link has passed or the member is opted out.
    """

    user_id: int
    version: int = 0
    status: Status = Status.PENDING
    reason: str = ""
    reason_detail: str = ""
    reason_at: datetime | None = None
    warnings: frozenset[Warning] = frozenset()
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    phone: str | None = None
    number: str | None = None
    member_id: int | None = None
    created_member: bool = False
    linked_at: datetime | None = None
    default_region: str = ""
    fields: Mapping[str, FieldState] = field(default_factory=dict)
    consent: ConsentState = field(default_factory=ConsentState)
    groups: frozenset[int] = frozenset()
    waiting_groups: frozenset[int] = frozenset()
    declined_groups: frozenset[int] = frozenset()
    actions: str = ""
    watermark: int = 0
    changed_at: datetime | None = None
    intent: Intent | None = None

    @property
    def numbers(self) -> frozenset[str]:
        """The numbers that the record knows of: claimed, last chosen, and of a member who is being
        created."""
        draft = self.intent.create if self.intent else None
        known = (self.number, self.phone, draft.number if draft else None)
        return frozenset(one for one in known if one)

    @property
    def awaits(self) -> bool:
        """Whether a write is yet to be read back (F6), or the link of somebody merged or erased is
        yet to pass or to end (U3, E1): then the user is looked at again."""
        consent = self.consent
        ending = self.member_id is not None and self.status in (Status.DELETED, Status.ERASED)
        return ending or (
            any(state.sent is not None for state in self.fields.values())
            or consent.sent_actionkit is not None
            or consent.sent_strive is not None
        )
