"""What the API takes and gives. Input is strict: no other keys, no other types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from instep.domain.automations import Outcome
from instep.domain.newcomers import NewcomerReason, NewcomerStatus
from instep.domain.people import Side
from instep.domain.record import Status, Warning  # noqa: A004
from instep.domain.rules import Kind, Option, Resubscribe, SourceKind

T = TypeVar("T")

Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Value = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] | None,
    AfterValidator(lambda value: value or None),
]
"""None and "" are any value."""
Id = Annotated[int, Field(ge=1, le=999_999_999_999)]
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
    """A Strive group that the user is entitled to: the sync put the member into it (`in`), joining
    waits for staff (`held`), or staff discarded it."""

    group: int
    name: str | None
    state: Literal["in", "held", "discarded"]


class ActionReasonShown(BaseModel):
    """Why an action does not count (yet), and what would change it."""

    code: str
    text: str
    fix: str | None


class ActionShown(BaseModel):
    """An action on a synced page; `fields` are its actionfields, each with its values."""

    action_id: int
    page_id: int
    user_id: int
    member_id: int | None
    created_at: datetime | None
    fields: dict[str, list[str]]
    outcome: Literal["synced", "waiting", "not_counted"]
    reason: ActionReasonShown | None


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
    """All that is kept of one user; of actions and history the newest entries."""

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
    actions: list[ActionShown]
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


# --- pages, usergroups, groups ---


class NamingGiven(_Input):
    """Another name for the group than it would get, and whether a group of that name that the sync
    did not make may be used."""

    group_name: Name | None = None
    use_existing_group: bool = False


class PageShown(BaseModel):
    """A page of ActionKit; `group` is that of a synced page, `actions` the complete ones."""

    page_id: int
    name: str
    title: str | None
    type: str
    synced: bool
    group: int | None
    actions: int | None
    updated_at: datetime | None


class UsergroupShown(BaseModel):
    """A usergroup of ActionKit; `group` is that of a synced one."""

    usergroup_id: int
    name: str
    users: int | None
    synced: bool
    group: int | None


class ActionfieldShown(BaseModel):
    """The name of an actionfield."""

    name: str


class ActionfieldsShown(BaseModel):
    """Actionfields seen on synced pages."""

    items: list[ActionfieldShown]


class ActionfieldGroupGiven(_Input):
    """A group for those who acted with an actionfield, on one synced page or any, with a value or
    any."""

    name: Name
    actionfield: Name
    page_id: Id | None = None
    value: Value = None
    use_existing_group: bool = False


class ActionfieldGroupShown(BaseModel):
    """An ActionField group; `group` is the Strive group."""

    id: str
    name: str
    page_id: int | None
    actionfield: str
    value: str | None
    group: int


class GroupShown(BaseModel):
    """A Strive group of the integration. `members` is null where Strive cannot be asked; `hold_id`
    names what waits for staff before it is joined."""

    group: int
    name: str
    kind: Literal["primary"] | SourceKind
    members: int | None
    protected: bool
    hold_id: str | None


# --- automations ---


class AutomationGiven(_Input):
    """A rule: on one synced page or any, with an actionfield or any action; and what is done."""

    once_per: Literal["person", "action"]
    page_id: Id | None = None
    actionfield: Name | None = None
    value: Value = None
    add_to_group: Id | None = None
    publish_event: bool = False
    enabled: bool = True


class EnabledGiven(_Input):
    """Whether a rule is switched on."""

    enabled: bool


class AutomationShown(BaseModel):
    """A rule."""

    id: str
    page_id: int | None
    actionfield: str | None
    value: str | None
    once_per: Literal["person", "action"]
    add_to_group: int | None
    publish_event: bool
    enabled: bool


class AutomationRunShown(BaseModel):
    """What became of a rule for an action."""

    at: datetime
    action_id: int
    user_id: int
    member_id: int | None
    outcome: Outcome
    reason: ReasonShown


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
