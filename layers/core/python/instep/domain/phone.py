"""Which number of a user is texted (F8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

import phonenumbers

from instep.domain.countries import region_of
from instep.domain.people import Phone, User
from instep.domain.record import Record
from instep.domain.rules import Rules

FALLBACK_TYPES: Final = ("mobile", "work", "home")
"""The types of an empty list, and those of the setting `phone_fallback`."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class Found(StrEnum):
    """What a user's phones came to."""

    NUMBER = "number"
    INVALID = "invalid"
    UNCHOSEN = "unchosen"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Choice:
    """The number to text and its row; or that the rows of the types in question are all invalid
    (`INVALID`), that there are valid or invalid rows of other types alone (`UNCHOSEN`), or that
    the user has no phone (`NONE`)."""

    found: Found
    number: str | None = None
    phone: Phone | None = None


@lru_cache(maxsize=16_384)
def parse(raw: str, region: str) -> str | None:
    """E.164 of a phone as typed, None if it cannot be a number that exists."""
    try:
        parsed = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def region_for(user: User, rules: Rules, record: Record | None = None) -> str:
    """The region by which a user's phones are read: the country's, else the default region; a
    linked user keeps the default region under which the link was made."""
    kept = record.default_region if record is not None and record.member_id is not None else ""
    return region_of(user.country) or kept or rules.default_region


def choose_number(user: User, rules: Rules, record: Record | None = None) -> Choice:
    """The user's chosen number. Look and decide must both use this one, with the same record."""
    region = region_for(user, rules, record)
    types = _types(rules)
    rows = [phone for phone in user.phones if phone.raw.strip()]
    if not rows:
        return Choice(Found.NONE)
    for wanted in types:
        of_type = [phone for phone in rows if _type(phone) == wanted]
        for phone in sorted(of_type, key=_latest_first, reverse=True):
            number = parse(phone.raw, region)
            if number is not None:
                return Choice(Found.NUMBER, number, phone)
    if any(_type(phone) in types for phone in rows):
        return Choice(Found.INVALID)
    return Choice(Found.UNCHOSEN)


def numbers_of(
    user: User, rules: Rules, record: Record | None = None, chosen_types_only: bool = False
) -> frozenset[str]:
    """All valid numbers of a user: of any type, or of the account's types alone (F14)."""
    region = region_for(user, rules, record)
    types = _types(rules)
    return frozenset(
        number
        for phone in user.phones
        if not chosen_types_only or _type(phone) in types
        if (number := parse(phone.raw, region)) is not None
    )


def _types(rules: Rules) -> tuple[str, ...]:
    chosen = tuple(name.strip().lower() for name in rules.phone_types) or FALLBACK_TYPES
    return chosen + FALLBACK_TYPES if rules.phone_fallback else chosen


def _type(phone: Phone) -> str:
    return phone.type.strip().lower()


def _latest_first(phone: Phone) -> tuple[datetime, int]:
    return (phone.updated_at or _LONG_AGO, phone.phone_id)
