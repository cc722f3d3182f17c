"""What staff configured, as decide needs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


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
class Moment:
    """A moment in ActionKit: its clock, and the highest id of an action then. What was taken later
    is after it by both: an import may have an older time, a clock may run back."""

    at: datetime
    action_id: int


class SourceKind(StrEnum):
    """What a group of the integration can stand for beside the primary one."""

    PAGE = "page"
    USERGROUP = "usergroup"
    ACTIONFIELD = "actionfield"


@dataclass(frozen=True, slots=True)
class Source:
    """What entitles people to a group: having acted on a page (P2), being in a usergroup (G4),
    having acted with an actionfield, on one synced page or any, with any value or one (G3).

    `name`: of the group, as it was made; `made_group`: by us. `since`: when staff asked for it:
    actions taken before are past (P8). `ending`: staff deleted it, and whom the sync put into the
    group is being taken out again. `backfill`: the run that fills or empties the group."""

    source_id: str
    kind: SourceKind
    group_id: int
    name: str
    since: Moment
    page_id: int | None = None
    usergroup_id: int | None = None
    actionfield: str | None = None
    value: str | None = None
    made_group: bool = True
    ending: bool = False
    backfill: str = ""


@dataclass(frozen=True, slots=True)
class Automation:
    """A rule (P7): what is done when somebody acts on a page, or on any synced one.

    `since`: when it was made, or switched on last: actions taken before are past for it."""

    rule_id: str
    since: Moment
    page_id: int | None = None
    actionfield: str | None = None
    value: str | None = None
    once_per: Literal["person", "action"] = "person"
    add_to_group: int | None = None
    publish_event: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything staff decided that bears on one person.

    `first_activated_at`: a recognised false that somebody set later is a refusal (F11.1).
    `import_page_id`: actions on this page are our own writes. `closed_groups`: groups that carry a
    flow now; whoever joins one is texted, so a backfill into one is held (P8). `refusals_only`: the
    account is paused or being switched off: opt-outs are carried, nothing else is done (A5).
    `sources` are of synced pages, usergroups and ActionField groups. `live_since`: when the account
    was switched on or resumed last: actions taken before are not live; None: none is.
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
    sources: tuple[Source, ...] = ()
    automations: tuple[Automation, ...] = ()
    live_since: Moment | None = None
    refusals_only: bool = False

    @property
    def pages(self) -> tuple[int, ...]:
        """The synced pages, in order."""
        synced = (one.page_id for one in self.sources if one.kind is SourceKind.PAGE)
        return tuple(sorted(one for one in synced if one is not None))
