"""What staff configured, as decide needs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Option(StrEnum):
    """The six options of a mapping (F3)."""

    ONE_WAY_OVERWRITE_ACTIONKIT = "one_way_overwrite_actionkit"
    ONE_WAY_OVERWRITE_STRIVE = "one_way_overwrite_strive"
    POPULATE_NO_OVERWRITE = "populate_no_overwrite"
    POPULATE_OVERWRITE_ACTIONKIT = "populate_overwrite_actionkit"
    POPULATE_OVERWRITE_STRIVE = "populate_overwrite_strive"
    TWO_WAY = "two_way"


class Kind(StrEnum):
    """A core field (a column on both sides) or a custom one (custom field and userfield)."""

    CORE = "core"
    CUSTOM = "custom"


class Resubscribe(StrEnum):
    """When ActionKit may lift a refusal that came from Strive (F11.3)."""

    NEVER = "never"
    OWN_ACTION = "own_action"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapped field with an option. Subscribed and Phone Number are not mappings (F8, F10).

    `field_id` is new for each mapping ever made, so a re-made mapping starts without a base.
    A `broken` one is skipped, and what is known of it kept (F3).
    """

    field_id: str
    kind: Kind
    strive_field: str
    actionkit_field: str
    option: Option
    broken: bool = False

    @property
    def name(self) -> str:
        """The field's name in history: a custom field is `custom:NAME`."""
        return f"custom:{self.strive_field}" if self.kind is Kind.CUSTOM else self.strive_field


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything staff decided that bears on one person.

    `first_activated_at`: a recognised false that somebody set later is a refusal (F11.1).
    `import_page_id`: actions on this page are our own writes. `closed_groups`: groups that carry a
    flow now; whoever joins one is texted, so nobody joins by a backfill (P8). `refusals_only`: the
    account is paused or being switched off: opt-outs are carried, nothing else is done (A5).
    """

    mappings: tuple[Mapping, ...]
    opt_in_userfield: str
    first_activated_at: datetime
    phone_types: tuple[str, ...] = ()
    phone_fallback: bool = False
    default_region: str = "US"
    resubscribe: Resubscribe = Resubscribe.NEVER
    resubscribe_changed_at: datetime | None = None
    import_page_id: int | None = None
    primary_group: int | None = None
    closed_groups: frozenset[int] = frozenset()
    refusals_only: bool = False
