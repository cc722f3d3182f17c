"""Everything a use case may touch, made once by bootstrap (or by the simulator)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from instep.domain.account import Account
from instep.domain.pace import Lane
from instep.use_cases.pacing import Pacer
from instep.use_cases.ports import (
    ActionKit,
    Clock,
    Events,
    Ids,
    Machines,
    Queue,
    Secrets,
    Store,
    Strive,
    Watch,
)

Reads = Literal["sql", "rest"]
"""How ActionKit is read: by SQL reports, or by REST where those are not allowed."""


class Probe(Protocol):
    """The live checks of C1, before anything is stored. Both raise ConfigurationError or
    Unavailable with the codes of the contract."""

    def actionkit(self, hostname: str, username: str, password: str) -> Reads:
        """How ActionKit can be read."""

    def strive(self, api_key: str, campaign_id: int) -> None: ...

    def emails(
        self,
        hostname: str,
        username: str,
        password: str,
        reads: Reads,
        user_ids: Sequence[int],
    ) -> Mapping[int, str]:
        """Emails of users there, by id: whether it is the same ActionKit (C4)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator fixed when deploying."""

    records_per_minute_ceiling: int = 1000
    worker_seconds: int = 60
    """How long a worker may live: an intent older than that has nobody behind it."""
    history_days: int = 400
    consent_years: int = 5


@dataclass(frozen=True, slots=True)
class World:
    """The ports. `actionkit` and `strive` open a client for an account as it is connected now;
    they raise Unauthorised if its credentials are gone."""

    settings: Store
    users: Store
    groups: Store
    live: Queue
    bulk: Queue
    events: Events
    secrets: Secrets
    machines: Machines
    clock: Clock
    ids: Ids
    watch: Watch
    probe: Probe
    actionkit: Callable[[Account, Lane], ActionKit]
    strive: Callable[[Account], Strive]
    consent_key: Callable[[], bytes]
    limits: Limits
    secrets_prefix: str
    api_url: str

    def lane(self, lane: Lane) -> Queue:
        """The queue of a lane."""
        return self.live if lane is Lane.LIVE else self.bulk

    def pacer(self, account: Account, lane: Lane) -> Pacer:
        """The account's pace, for its present epoch."""
        return Pacer(self.users, self.clock, self.ids, account.account_id, account.epoch, lane)

    def digest(self, account_id: str, number: str) -> str:
        """The keyed hash under which a number's consent record is kept (F13)."""
        message = f"{account_id}\n{number}".encode()
        return hmac.new(self.consent_key(), message, hashlib.sha256).hexdigest()[:40]
