"""The people as both systems show them in one look. Text values are plain text, "" where empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Side(StrEnum):
    """One of the two systems."""

    ACTIONKIT = "actionkit"
    STRIVE = "strive"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One row of a userfield (core_userfield): several rows make a field with several values.

    `updated_at` may be unknown (old rows). `action_id`, `page_id`, `page_type` and `source` tell
    which action set the row, where ActionKit knows it; `page_type` is lower case ("import").
    """

    name: str
    value: str
    updated_at: datetime | None = None
    action_id: int | None = None
    page_id: int | None = None
    page_type: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone row of a user, as typed."""

    phone_id: int
    type: str
    raw: str
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """An action that a user took on a page of those asked for. `status` and `page_type` are lower
    case; `uploaded`: its source is that of an upload. `fields`: every value of each actionfield, in
    the order of names and of their rows, so that two looks at the same action are equal."""

    action_id: int
    page_id: int
    status: str
    created_at: datetime | None = None
    page_type: str = ""
    source: str = ""
    uploaded: bool = False
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether it counts: not one that is incomplete, or was taken for spam (P5)."""
        return self.status == "complete"


@dataclass(frozen=True, slots=True)
class User:
    """An ActionKit user. `country` is ActionKit's English name; zip/state hold US addresses,
    postal/region all others (F9). `actions`: those on synced pages, by id. `erased`: ActionKit
    shows that the person was erased (E1)."""

    user_id: int
    email: str
    first_name: str = ""
    last_name: str = ""
    city: str = ""
    state: str = ""
    region: str = ""
    zip: str = ""
    postal: str = ""
    country: str = ""
    fields: tuple[FieldRow, ...] = ()
    phones: tuple[Phone, ...] = ()
    usergroups: frozenset[int] = frozenset()
    actions: tuple[Action, ...] = ()
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A Strive member. `custom` holds text custom fields by API name; `version` is `updated_at`
    exactly as Strive wrote it, the condition of a conditional write."""

    member_id: int
    phone_number: str
    opt_in: bool
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    custom: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[int] = frozenset()
    created_at: datetime | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class SubscriptionEvent:
    """One row of Strive's consent feed: `unsubscribe` true for an opt-out."""

    event_id: int
    member_id: int
    unsubscribe: bool
    type: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One row of Strive's change log: `field` is a member column or a custom field's API name."""

    member_id: int
    field: str
    old: str
    new: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Rival:
    """Another ActionKit user who shows a number of ours, as the same look saw them (U2)."""

    user_id: int
    number: str | None
    eligible: bool
