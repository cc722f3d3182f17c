"""An account: one Strive campaign joined to one ActionKit instance, and all that staff set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from instep.domain.rules import Kind, Mapping, Moment, Option, Resubscribe, Rules

PRIMARY_GROUP_NAME = "ActionKit Integration"
"""The group of every member synced to a user (G1)."""


class Phase(StrEnum):
    """What an account is doing."""

    OFF = "off"
    INITIAL_SYNC = "initial_sync"
    SYNCING = "syncing"
    PAUSED = "paused"
    STOPPED_CREDENTIALS = "stopped_credentials"


@dataclass(frozen=True, slots=True)
class Connection:
    """Both systems as connected. The credentials are in the secret of that name (C3)."""

    hostname: str
    campaign_id: int
    connected_at: datetime
    actionkit_reads: Literal["sql", "rest"]
    secret: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of A1. `webhook_token` is the unguessable part of the webhook's address."""

    opt_in_userfield: str | None = None
    phone_types: tuple[str, ...] = ()
    phone_fallback: bool = False
    create_users: bool = False
    default_region: str = "US"
    records_per_minute: int = 1000
    resubscribe_from_actionkit: Resubscribe = Resubscribe.NEVER
    resubscribe_changed_at: datetime | None = None
    webhook_token: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """One account, as stored: a single item, changed under its version.

    `epoch` grows with each ON, OFF, pause, resume and new connection: work of an older epoch is
    dropped (A5); `first_epoch` is that of the first ON. `initial_sync_run` is the run of the last
    initial sync, `initial_sync_done` whether it has ended. `confirmed_by`/`confirmed_at`: who said
    that no new-member automation is on (A2). `sql_lags`: a SQL read older than our own last write
    was once seen. `live_since`: the moment in ActionKit when the account was switched on or resumed
    last (P8). `off_at`: when an account was switched off whose connection is still there, for
    the last refusals (A5).
    """

    account_id: str
    version: int = 0
    connection: Connection | None = None
    settings: Settings = field(default_factory=Settings)
    mappings: tuple[Mapping, ...] = ()
    phase: Phase = Phase.OFF
    reason: str = ""
    epoch: int = 0
    first_activated_at: datetime | None = None
    first_epoch: int = 0
    confirmed_by: str = ""
    confirmed_at: datetime | None = None
    import_page_id: int | None = None
    import_page: str = ""
    primary_group: int | None = None
    adopt_primary_group: bool = False
    initial_sync_run: str = ""
    initial_sync_done: bool = False
    sql_lags: bool = False
    off_at: datetime | None = None
    live_since: Moment | None = None

    @property
    def active(self) -> bool:
        """On, and neither paused nor stopped."""
        return self.phase in (Phase.INITIAL_SYNC, Phase.SYNCING)

    @property
    def leaving(self) -> bool:
        """Switched off, and refusals made by then may still be carried."""
        return self.phase is Phase.OFF and self.off_at is not None

    @property
    def carries_refusals(self) -> bool:
        """On, paused, or about to be off: a refusal reaches the other side (A5)."""
        return self.active or self.phase is Phase.PAUSED or self.leaving

    def rules(self) -> Rules:
        """The rules as decide needs them. Raises ValueError before the first activation."""
        if self.settings.opt_in_userfield is None or self.first_activated_at is None:
            raise ValueError("an account has rules from its first activation on")
        return Rules(
            mappings=self.mappings,
            opt_in_userfield=self.settings.opt_in_userfield,
            first_activated_at=self.first_activated_at,
            phone_types=self.settings.phone_types,
            phone_fallback=self.settings.phone_fallback,
            default_region=self.settings.default_region,
            resubscribe=self.settings.resubscribe_from_actionkit,
            resubscribe_changed_at=self.settings.resubscribe_changed_at,
            import_page_id=self.import_page_id,
            primary_group=self.primary_group,
            live_since=self.live_since,
            refusals_only=not self.active,
        )

    def bumped(self) -> Account:
        """The account with the next version, as it is to be stored."""
        return replace(self, version=self.version + 1)


CORE_FIELDS: dict[str, str] = {
    "first_name": "first_name",
    "last_name": "last_name",
    "email": "email",
    "city": "city",
    "state": "state",
    "postal_code": "zip",
}
"""Strive column → ActionKit column of the core fields that have an option (F1)."""

EMAIL_OPTIONS = (
    Option.POPULATE_NO_OVERWRITE,
    Option.POPULATE_OVERWRITE_STRIVE,
    Option.ONE_WAY_OVERWRITE_STRIVE,
)
"""The options that never overwrite ActionKit's unique key (F7)."""


def allowed_options(mapping: Mapping) -> tuple[Option, ...]:
    """The options that a mapping may have (F3, F7)."""
    if mapping.kind is Kind.CORE and mapping.strive_field == "email":
        return EMAIL_OPTIONS
    return tuple(Option)


def core_mappings() -> tuple[Mapping, ...]:
    """The core fields as they are mapped on connecting (F1)."""
    return tuple(
        Mapping(f"core-{strive}", Kind.CORE, strive, actionkit, Option.POPULATE_NO_OVERWRITE)
        for strive, actionkit in CORE_FIELDS.items()
    )
