"""What a status or a warning means and what would change it, in plain words (U8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from instep.domain.record import Status, Warning  # noqa: A004


@dataclass(frozen=True, slots=True)
class Reason:
    """Words for staff. `{detail}` in a text stands for the record's `reason_detail`."""

    status: Status
    text: str
    fix: str


REASONS: Final[dict[str, Reason]] = {
    "not_scanned": Reason(
        Status.PENDING,
        "This user has not been looked at yet.",
        "Nothing to do: the user is looked at when the sync comes to them.",
    ),
    "decided_afresh": Reason(
        Status.PENDING,
        "The link has ended, because the user's number is no longer the member's.",
        "Nothing to do: the user is about to be decided afresh.",
    ),
    "linked": Reason(
        Status.SYNCED,
        "The user is linked to a member who was already in Strive.",
        "Nothing to do.",
    ),
    "created": Reason(
        Status.SYNCED,
        "The user is linked to a member whom the sync created in Strive.",
        "Nothing to do.",
    ),
    "no_phone": Reason(
        Status.INELIGIBLE_NO_PHONE,
        "The user has no phone number in ActionKit.",
        "Add a phone number to the user in ActionKit.",
    ),
    "no_phone_of_chosen_type": Reason(
        Status.INELIGIBLE_NO_PHONE,
        "The user has phone numbers, but none of the phone types chosen in Settings.",
        "Add a number of a chosen type to the user in ActionKit, choose more phone types in "
        "Settings, or turn on the phone fallback there.",
    ),
    "invalid_phone": Reason(
        Status.INELIGIBLE_INVALID_PHONE,
        "None of the user's phone numbers is a valid number.",
        "Correct the number in ActionKit; outside the default region, the user's country or a "
        "number with its country code (+…) is needed.",
    ),
    "no_opt_in_value": Reason(
        Status.INELIGIBLE_NO_OPT_IN,
        "The user has no value in the opt-in userfield.",
        "Set the opt-in userfield of the user in ActionKit.",
    ),
    "number_taken": Reason(
        Status.DUPLICATE_PHONE,
        "User {detail} has the same phone number and is the one who is synced.",
        "Correct the number of one of the two users in ActionKit. This user is decided again if "
        "user {detail} is deleted, merged or loses the number.",
    ),
    "member_taken": Reason(
        Status.DUPLICATE_PHONE,
        "The member with this phone number is linked to user {detail}.",
        "Correct the phone number of one of the two users in ActionKit.",
    ),
    "consent_not_accepted": Reason(
        Status.FAILED,
        "A subscription status was written {detail} and did not show there within 20 minutes.",
        "Check the person's subscription on both sides, then use “Sync now”.",
    ),
    "wrong_user": Reason(
        Status.FAILED,
        "ActionKit recorded a write for another user than the one meant.",
        "Check in ActionKit whether the user's email changed or was given to another user, then "
        "use “Sync now”.",
    ),
    "actionkit_refused": Reason(
        Status.FAILED,
        "ActionKit refused to record the change.",
        "Check the values of both records, then use “Sync now”.",
    ),
    "strive_refused": Reason(
        Status.FAILED,
        "Strive refused to create or to change the member.",
        "Check the user's number and values, then use “Sync now”.",
    ),
    "deleted": Reason(
        Status.DELETED,
        "The user was deleted in ActionKit.",
        "Nothing to do; the member stays in Strive as it was.",
    ),
    "merged": Reason(
        Status.DELETED,
        "The user was merged into user {detail} in ActionKit.",
        "Nothing to do: user {detail} is synced instead.",
    ),
    "member_deleted": Reason(
        Status.MEMBER_DELETED,
        "The linked member was deleted in Strive and is not made again by itself.",
        "Use “Make the member again” on the user's page, or add the number in Strive.",
    ),
    "erased": Reason(
        Status.ERASED,
        "The person was erased; their values are gone and they are never made again.",
        "Nothing can change this.",
    ),
}
"""Every reason code a record can have. A closed list."""


@dataclass(frozen=True, slots=True)
class WarningText:
    """Words for staff about a warning."""

    text: str
    fix: str


WARNINGS: Final[dict[Warning, WarningText]] = {
    Warning.PHONE_DIFFERS: WarningText(
        "The user's chosen number is another than the member's; the user still has both.",
        "Remove the number that is no longer right from the user, or change the member's.",
    ),
    Warning.PHONE_MISSING: WarningText(
        "The user has no valid phone number of the chosen types any more; the link goes on.",
        "Add the number to the user in ActionKit again.",
    ),
    Warning.OPT_IN_CLEARED: WarningText(
        "The opt-in userfield was emptied in ActionKit; the member's subscription was kept.",
        "Set the opt-in userfield to true or false.",
    ),
    Warning.OPT_IN_PREDATES_PHONE: WarningText(
        "The opt-in in ActionKit is older than the phone number, so it was not given for it.",
        "Set the opt-in userfield to true again, once the person has agreed for this number.",
    ),
    Warning.INVALID_FOR_ACTIONKIT: WarningText(
        "A value in Strive cannot be valid in ActionKit and was not written there.",
        "Correct the value in Strive (usually the zip code or state).",
    ),
    Warning.REFUSAL_OVERRULED: WarningText(
        "ActionKit said opted out, but the member is opted in; the member's status was kept.",
        "If the person does not want texts, opt the member out or set the userfield to false.",
    ),
    Warning.RESUBSCRIBE_NEEDS_CONSENT: WarningText(
        "ActionKit says opted in, but the person opted out of this number in Strive.",
        "The person can text to join again; or see “Resubscribe from ActionKit” in Settings.",
    ),
}
"""Every warning. A closed list."""


def explain(code: str, detail: str = "") -> tuple[str, str]:
    """Text and fix of a reason code; KeyError for a code that is not in the list."""
    reason = REASONS[code]
    return reason.text.replace("{detail}", detail), reason.fix.replace("{detail}", detail)
