"""What the API takes and gives. Input is strict: no other keys, no other types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from instep.domain.newcomers import NewcomerReason, NewcomerStatus
from instep.domain.people import Side
from instep.domain.record import Status, Warning  # noqa: A004
from instep.domain.rules import Kind, Option, Resubscribe

T = TypeVar("T")

Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
OptionName = Literal[
    "one_way_overwrite_actionkit",
    "one_way_overwrite_strive",
    "populate_no_overwrite",
    "populate_overwrite_actionkit",
    "populate_overwrite_strive",
    "two_way",
]


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class ListOf(BaseModel, Generic[T]):
    """A page of a list. `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None


# --- connection and settings ---


class ConnectionGiven(_Input):
    """The dedicated ActionKit staff account, and a Strive API key with its campaign."""

    hostname: Text
    username: Text
    password: Text = Field(repr=False)
    strive_api_key: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(
        repr=False
    )
    strive_campaign_id: int = Field(ge=1)


class ConnectionShown(BaseModel):
    """A connection, without its credentials."""

    hostname: str
    strive_campaign_id: int
    connected_at: datetime
    actionkit_reads: Literal["sql", "rest"]


class SettingsGiven(_Input):
    """The settings to be changed; those not named stay."""

    opt_in_userfield: Text | None = None
    phone_types: list[Text] = Field(default=[])
    phone_fallback: bool = False
    create_users: bool = False
    default_region: str = "US"
    records_per_minute: int = 1000
    resubscribe_from_actionkit: Literal["never", "own_action", "any"] = "never"

    def changes(self) -> dict[str, Any]:
        """What was named, in the types of the application."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "phone_types" in given:
            given["phone_types"] = tuple(name.strip() for name in given["phone_types"])
        if "resubscribe_from_actionkit" in given:
            given["resubscribe_from_actionkit"] = Resubscribe(given["resubscribe_from_actionkit"])
        return given


class SettingsShown(BaseModel):
    """All settings of an account."""

    opt_in_userfield: str | None
    phone_types: list[str]
    phone_fallback: bool
    create_users: bool
    default_region: str
    records_per_minute: int
    resubscribe_from_actionkit: Resubscribe
    webhook_url: str


class OptInValueShown(BaseModel):
    """A spelling found in the opt-in userfield."""

    value: str
    users: int
    read_as: Literal["true", "false", "unrecognised"]


class OptInValuesShown(BaseModel):
    """The commonest 500 spellings."""

    items: list[OptInValueShown]


class WebhookShown(BaseModel):
    """The address to paste into ActionKit."""

    webhook_url: str


# --- activation ---


class ActivationGiven(_Input):
    """What staff confirm at ON."""

    confirm_no_new_member_automation: bool = False
    adopt_primary_group: bool = False


class ReasonShown(BaseModel):
    """Why an account is as it is."""

    code: str
    text: str


class ProgressShown(BaseModel):
    """How far the account is; `by_status` adds up to `total`."""

    total: int
    scanned: int
    synced: int
    by_status: dict[Status, int]
    per_minute: float
    expected_end: datetime | None


class ActivationShown(BaseModel):
    """Whether the account is on, and what it does."""

    active: bool
    phase: Literal["off", "initial_sync", "syncing", "paused", "stopped_credentials"]
    reason: ReasonShown | None
    progress: ProgressShown


# --- fields ---


class FieldGiven(_Input):
    """A Strive custom field, an ActionKit userfield, and what is carried which way."""

    strive_field: Text
    actionkit_field: Text
    option: OptionName


class OptionGiven(_Input):
    """Another option."""

    option: OptionName


class FieldShown(BaseModel):
    """A mapped field."""

    field_id: str
    kind: Kind
    strive_field: str
    actionkit_field: str | None
    option: Option | None
    allowed_options: list[Option]
    broken: ReasonShown | None


class StriveFieldShown(BaseModel):
    """A Strive custom field and whether it can be mapped."""

    name: str
    label: str
    type: str
    usable: bool
    why_not: str | None


class UserfieldShown(BaseModel):
    """An ActionKit userfield and whether it can be mapped."""

    name: str
    usable: bool
    why_not: str | None


class AvailableShown(BaseModel):
    """What can be mapped, and what not."""

    strive_fields: list[StriveFieldShown]
    userfields: list[UserfieldShown]


# --- users ---


class StatusReasonShown(BaseModel):
    """Why a user has a status, since when, and what would change it."""

    code: str
    text: str
    fix: str | None
    at: datetime | None


class UserShown(BaseModel):
    """A user in the list."""

    user_id: int
    email: str | None
    name: str | None
    phone: str | None
    status: Status
    reason: StatusReasonShown
    warnings: list[Warning]
    member_id: int | None
    last_synced: datetime | None


class BaseShown(BaseModel):
    """The pair of values that both sides were last seen to settle on."""

    actionkit: str
    strive: str


class UserFieldShown(BaseModel):
    """A mapped field of one user; a value is null where it was never seen."""

    strive_field: str
    actionkit_field: str | None
    option: Option | None
    actionkit_value: str | None
    strive_value: str | None
    base: BaseShown | None
    decision: str | None


class UserSeenShown(BaseModel):
    """The ActionKit user as last seen: the raw opt-in value, `columns` and `userfields` that are
    mapped."""

    user_id: int
    email: str | None
    first_name: str | None
    last_name: str | None
    phone: str | None
    opt_in: str | None
    columns: dict[str, str | None]
    userfields: dict[str, str | None]


class MemberSeenShown(BaseModel):
    """The linked Strive member as last seen: `columns` and `custom` fields that are mapped."""

    member_id: int
    phone_number: str | None
    opt_in: bool | None
    created_by_sync: bool
    linked_at: datetime | None
    columns: dict[str, str | None]
    custom: dict[str, str | None]


class UserGroupShown(BaseModel):
    """A Strive group that the sync put the member into."""

    group: int
    name: str | None


class HistoryShown(BaseModel):
    """One write of one field."""

    at: datetime
    side: Side
    field: str
    old: str
    new: str
    cause: str
    rule: str


class UserPageShown(BaseModel):
    """All that is kept of one user; of the history the newest entries."""

    user_id: int
    status: Status
    reason: StatusReasonShown
    warnings: list[Warning]
    member_id: int | None
    phone: str | None
    last_synced: datetime | None
    user: UserSeenShown
    member: MemberSeenShown | None
    fields: list[UserFieldShown]
    groups: list[UserGroupShown]
    actions: list[Any]
    history: list[HistoryShown]


class SyncGiven(_Input):
    """`recreate`: make a member who was deleted in Strive again."""

    recreate: bool = False


class QueuedShown(BaseModel):
    """The user is queued."""

    user_id: int


class ConsentShown(BaseModel):
    """What was seen or done about a person's consent, and what followed."""

    at: datetime
    side: Side
    raw: str
    opted_in: bool | None
    evidence: str
    effect: str


class ConflictShown(BaseModel):
    """Both sides changed a field to different values, and one of them won."""

    at: datetime
    user_id: int
    field: str
    actionkit_value: str
    strive_value: str
    winner: Side


class MemberReasonShown(BaseModel):
    """Why a member has no user, and what would change it."""

    code: NewcomerReason
    text: str
    fix: str
    at: datetime | None


class MemberShown(BaseModel):
    """A member of the primary group who has no user."""

    member_id: int
    name: str | None
    email: str | None
    phone: str | None
    status: NewcomerStatus
    reason: MemberReasonShown


# --- holds ---


class HeldShown(BaseModel):
    """One person of a hold."""

    user_id: int
    member_id: int | None


class HoldShown(BaseModel):
    """What waits for staff: `people` linked people, of whom `opted_in` would be texted; `sample`
    shows some of them. `group` is that of a backfill."""

    hold_id: str
    kind: Literal["group_backfill", "opt_outs", "clears", "overwrites", "removals"]
    direction: Literal["to_actionkit", "to_strive"]
    group: int | None
    people: int
    opted_in: int
    sample: list[HeldShown] = Field(max_length=10)
    cause: str
    since: datetime


class ReleaseGiven(_Input):
    """The number of people that staff saw in the hold."""

    people: int = Field(ge=0)


class ReleasedShown(BaseModel):
    """The hold is released; its people are queued."""

    hold_id: str
    people: int


# --- runs, audit, health ---


class RunShown(BaseModel):
    """An execution."""

    id: str
    kind: str
    state: Literal["running", "succeeded", "failed"]
    started: datetime
    ended: datetime | None
    counts: dict[str, int]
    console_url: str | None


class AuditShown(BaseModel):
    """Who changed what."""

    at: datetime
    who: str
    what: str
    old: Any
    new: Any


class HealthShown(BaseModel):
    """The API answers."""

    status: Literal["ok"]
