"""A plan: all that is to be done about one person, and why. Made by decide, done by apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from instep.domain.people import Member, MemberChange, Rival, Side, SubscriptionEvent, User
from instep.domain.record import Draft, Evidence, FieldWrite, NumberConsent, Record
from instep.domain.rules import Kind


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at one user: everything decide may know beside the record and the rules.

    `user` is None where ActionKit did not show the user; `deleted` only if a read by id said 404.
    `linked` is the member of the record's link (None: no link, or Strive shows no such member),
    or the one whom an expired intent was about (`recover`);
    `matched` the member with the user's chosen number (may be the same one).
    `holder` holds the claim on the chosen number, `member_holder` the one on `matched`; for both
    None means free. `holder_lost` is true where the look saw the holder ineligible for the number
    or gone, so that the claim may be taken over (U2).
    `linked_holder` holds the claim on the linked member's number.
    `rivals` are the others who show any number of the user, or the linked member's.
    `consent` is the consent record of the chosen number, `linked_consent` of the linked member's,
    `other_consents` those of the user's further numbers.
    `events` and `changes` are those of the linked and of the matched member, oldest first.
    `recreate`: staff asked to make a deleted member again (U1). `erase`: the person is to be
    erased (E1). `bequest`: the record of a user who was merged into this one and still has a link;
    unless the record has a link of its own `linked` is then that link's member. `heir`: what is
    kept of the user whom this one was merged into (U3). `fresh`: ids of complete actions that were
    not looked at with their user before (P7).
    """

    at: datetime
    user: User | None
    deleted: bool = False
    merged_into: int | None = None
    linked: Member | None = None
    matched: Member | None = None
    rivals: tuple[Rival, ...] = ()
    holder: int | None = None
    holder_lost: bool = False
    linked_holder: int | None = None
    member_holder: int | None = None
    consent: NumberConsent = field(default_factory=NumberConsent)
    linked_consent: NumberConsent = field(default_factory=NumberConsent)
    other_consents: Mapping[str, NumberConsent] = field(default_factory=dict)
    events: tuple[SubscriptionEvent, ...] = ()
    changes: tuple[MemberChange, ...] = ()
    recreate: bool = False
    erase: bool = False
    bequest: Record | None = None
    heir: Record | None = None
    fresh: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """A write to one side, for the history (U9). `rule` names the rule that decided it."""

    side: Side
    field: str
    old: str
    new: str
    rule: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both sides changed since the base, to different values (F5)."""

    field: str
    actionkit_value: str
    strive_value: str
    winner: Side


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about one user.

    `record` is the record as it will be once everything is carried out (its `member_id` is still
    None where `create` is set; `intent` is None). `claim` is the number to be held before any
    effect, `claim_over` whom it is taken from (None: it was free); `release` numbers and
    `release_member` claims to give up. `strive` holds column values and `strive_custom` custom
    values for the member, `actionkit` column values and `actionkit_custom` userfields; consent is
    apart in `opt_in_strive` and `opt_in_actionkit`.
    `field_writes` are the same values, field by field, and those of a member to be created.
    `join`, `leave`: Strive group ids; `texting`: of those to join the ones with a flow that a live
    action gives, with that action; `due`: actions that rules are yet to be decided for; `quiet`: an
    opt-out of the person is held, so nothing may text them (A6); `waits`: what is yet to be read
    back can only be once staff decided what is held. A plan concerns one member: where a link ends
    and another is to be made, these are two plans. `consent`: consent records to store,
    by number, before any effect (a refusal must outlive a crash).
    `look_again`: users to be looked at because of this plan. `take_over`: the user whose link this
    one takes (a merge): its claims may be taken from it. `erase`: all that is kept of the person
    is to be deleted, but the record, the consent of the numbers and what this very plan says (E1).
    """

    record: Record
    claim: str | None = None
    claim_over: int | None = None
    release: tuple[str, ...] = ()
    release_member: int | None = None
    create: Draft | None = None
    strive: Mapping[str, str] = field(default_factory=dict)
    strive_custom: Mapping[str, str] = field(default_factory=dict)
    actionkit: Mapping[str, str] = field(default_factory=dict)
    actionkit_custom: Mapping[str, str] = field(default_factory=dict)
    field_writes: tuple[FieldWrite, ...] = ()
    opt_in_strive: bool | None = None
    opt_in_actionkit: bool | None = None
    join: frozenset[int] = frozenset()
    leave: frozenset[int] = frozenset()
    texting: Mapping[int, int] = field(default_factory=dict)
    due: frozenset[int] = frozenset()
    quiet: bool = False
    waits: bool = False
    history: tuple[Change, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    consent: Mapping[str, NumberConsent] = field(default_factory=dict)
    look_again: tuple[int, ...] = ()
    take_over: int | None = None
    erase: bool = False

    @property
    def writes(self) -> bool:
        """Whether anything is done to either system, or may be by rules."""
        return bool(
            self.create
            or self.strive
            or self.strive_custom
            or self.actionkit
            or self.actionkit_custom
            or self.opt_in_strive is not None
            or self.opt_in_actionkit is not None
            or self.join
            or self.leave
            or self.due
        )

    @property
    def nothing(self) -> bool:
        """Whether there is not even a record to be stored, of somebody new who was not decided."""
        return self.record == Record(self.record.user_id) and not self.writes


def values_of(writes: Iterable[FieldWrite], side: Side, kind: Kind) -> dict[str, str]:
    """The values among field writes that go to one side, by its own names."""
    return {one.target: one.new for one in writes if one.side is side and one.kind is kind}
