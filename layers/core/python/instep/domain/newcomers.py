"""Members whom somebody added to the primary group and who have no user: whether they get one, and
what is written to make it (U5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from instep.domain.decide import eligible
from instep.domain.people import Member, User
from instep.domain.phone import choose_number
from instep.domain.rules import Rules


class NewcomerStatus(StrEnum):
    """The closed list of the contract."""

    WAITING = "waiting"
    NOT_CREATED = "not_created"
    EMAIL_TAKEN = "email_taken"
    FAILED = "failed"


class NewcomerReason(StrEnum):
    """Why a newcomer has a status. A closed list."""

    WAITING = "waiting"
    ADOPTED = "adopted"
    WAS_LINKED = "was_linked"
    NO_EMAIL = "no_email"
    SETTING_OFF = "setting_off"
    ERASED = "erased"
    EMAIL_TAKEN = "email_taken"
    ACTIONKIT_REFUSED = "actionkit_refused"
    WRONG_USER = "wrong_user"


@dataclass(frozen=True, slots=True)
class NewcomerText:
    """Words for staff."""

    status: NewcomerStatus
    text: str
    fix: str


NEWCOMER_REASONS: Final[dict[NewcomerReason, NewcomerText]] = {
    NewcomerReason.WAITING: NewcomerText(
        NewcomerStatus.WAITING,
        "The member was added to the primary group; the user is about to be made and linked.",
        "Nothing to do. If this stays, look at the user with the same email.",
    ),
    NewcomerReason.ADOPTED: NewcomerText(
        NewcomerStatus.NOT_CREATED,
        "The member was in the group before the sync adopted it.",
        "Take the member out of the group and add them again, if a user is wanted.",
    ),
    NewcomerReason.WAS_LINKED: NewcomerText(
        NewcomerStatus.NOT_CREATED,
        "The member was linked to a user once, and that link has ended.",
        "Add the person in ActionKit, with the member's number and an opt-in value.",
    ),
    NewcomerReason.NO_EMAIL: NewcomerText(
        NewcomerStatus.NOT_CREATED,
        "The member has no email, which every ActionKit user needs.",
        "Give the member an email in Strive.",
    ),
    NewcomerReason.SETTING_OFF: NewcomerText(
        NewcomerStatus.NOT_CREATED,
        "Creating users in ActionKit is switched off in Settings.",
        "Switch on “Create Users in ActionKit”; those who wait are then made.",
    ),
    NewcomerReason.ERASED: NewcomerText(
        NewcomerStatus.NOT_CREATED,
        "The person was erased, and is never made again.",
        "Nothing can change this.",
    ),
    NewcomerReason.EMAIL_TAKEN: NewcomerText(
        NewcomerStatus.EMAIL_TAKEN,
        "The member's email belongs to a user who has another number, or cannot be synced.",
        "Give that user the member's number and an opt-in value, or correct the email in Strive.",
    ),
    NewcomerReason.ACTIONKIT_REFUSED: NewcomerText(
        NewcomerStatus.FAILED,
        "ActionKit refused to record the user.",
        "Check the member's email, name and number in Strive.",
    ),
    NewcomerReason.WRONG_USER: NewcomerText(
        NewcomerStatus.FAILED,
        "ActionKit recorded a write for another user than the one just made.",
        "Check in ActionKit to whom the member's email belongs.",
    ),
}
"""Every reason."""


def why_not(
    member: Member,
    joined_at: datetime,
    adopted_at: datetime | None,
    was_linked: bool,
    was_erased: bool,
    creates: bool,
) -> NewcomerReason | None:
    """Why the member gets no user; None where nothing is in the way. What can change by itself
    comes last. `adopted_at`: the newest membership when the group was adopted, by Strive's clock.
    """
    if was_erased:
        return NewcomerReason.ERASED
    if was_linked:
        return NewcomerReason.WAS_LINKED
    if adopted_at is not None and joined_at <= adopted_at:
        return NewcomerReason.ADOPTED
    if not member.email.strip():
        return NewcomerReason.NO_EMAIL
    return None if creates else NewcomerReason.SETTING_OFF


def may_link(user: User, member: Member, rules: Rules) -> bool:
    """Whether a user who has the member's email is to be linked to the member."""
    chosen = choose_number(user, rules).number
    return eligible(user, rules) and chosen == member.phone_number


@dataclass(frozen=True, slots=True)
class Written:
    """One of the actions that make a user: what it sets, and as what the history names it."""

    columns: Mapping[str, str] = field(default_factory=dict)
    userfields: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[str, str] = field(default_factory=dict)


def actions_for(member: Member, email: str, rules: Rules) -> tuple[Written, Written, Written]:
    """What makes a user of a member: the email alone, which must create the user; then name and
    phone; then the opt-in, as the member's status is."""
    names = {
        name: value
        for name, value in (
            ("first_name", member.first_name.strip()),
            ("last_name", member.last_name.strip()),
        )
        if value
    }
    number, opted_in = member.phone_number, "true" if member.opt_in else "false"
    return (
        Written(history={"email": email}),
        Written(
            columns={**names, MOBILE: number},
            history={**names, "phone_number": number},
        ),
        Written(userfields={rules.opt_in_userfield: opted_in}, history={"opt_in": opted_in}),
    )


MOBILE: Final = "mobile_phone"
"""The parameter of an action that adds a number of the type mobile."""
