"""Taking and giving back permission to read from ActionKit, in one item per account (A3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from instep.domain.pace import (
    SLOT_MS,
    Admission,
    Lane,
    OpenGrant,
    Pace,
    admit,
    block,
    reopen,
    settle,
)
from instep.use_cases.errors import AccountStopped, NotAdmitted
from instep.use_cases.ports import NEW, Clock, Ids, Item, Store
from instep.use_cases.stored import PACE_KEY

HTTP_LEASE_SECONDS = 12
"""Longer than any HTTP attempt may take (10 s): then its worker is gone."""
TRIES = 40
CHANCE = 10
"""So many of an id's last characters are chance alone: enough among the grants of a minute."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for `records` users."""

    grant_id: str
    records: int


class Pacer:
    """The pace of one account, for one epoch and lane."""

    def __init__(
        self, users: Store, clock: Clock, ids: Ids, account_id: str, epoch: int, lane: Lane
    ) -> None:
        self._users = users
        self._clock = clock
        self._ids = ids
        self._account_id = account_id
        self._epoch = epoch
        self._lane = lane

    def take(
        self,
        records: int,
        wait_seconds: float = 0,
        lease_seconds: int = HTTP_LEASE_SECONDS,
        for_staff: bool = False,
    ) -> Grant:
        """Up to `records` users may be read, from now on and within the lease.

        Waits for its turn up to `wait_seconds`; then raises NotAdmitted. AccountStopped: the
        account is off, paused or of another epoch, unless staff ask.
        """
        grant_id = self._ids.new()[-CHANCE:]
        until = self._clock.now().timestamp() + wait_seconds
        while True:
            admission = self._change(
                lambda pace, now: admit(
                    pace, now, self._lane, records, grant_id, lease_seconds * 1000
                ),
                checked=records > 0 and not for_staff,
            )
            if not admission.refused:
                return Grant(grant_id, admission.records)
            self._wait(admission, until)

    def settle(
        self, grant: Grant, keep: int = 0, lease_seconds: int = 0, read: int | None = None
    ) -> None:
        """The request has ended; `read` of the records were read (None: all of them), and `keep`
        of them are yet to be written, within the lease."""
        self._change(
            lambda pace, now: Admission(
                settle(pace, now, grant.grant_id, keep, lease_seconds * 1000, read), 0
            ),
            checked=False,
        )

    def reopen(self, grant: Grant, lease_seconds: int, wait_seconds: float) -> bool:
        """A request for users kept by an earlier grant begins. False: that grant is gone."""
        until = self._clock.now().timestamp() + wait_seconds
        while True:
            admission = self._change(
                lambda pace, now: reopen(pace, now, grant.grant_id, lease_seconds * 1000)
            )
            if not admission.refused:
                return admission.records > 0
            self._wait(admission, until)

    def block(self, seconds: float) -> None:
        """ActionKit asked to slow down."""
        self._change(
            lambda pace, now: Admission(block(pace, now + int(seconds * 1000)), 0), checked=False
        )

    @contextmanager
    def slot(self) -> Iterator[None]:
        """One HTTP attempt that reads no records. Staff read lists while an account is off too."""
        grant = self.take(0, wait_seconds=5)
        try:
            yield
        finally:
            self.settle(grant)

    def _wait(self, admission: Admission, until: float) -> None:
        seconds = admission.retry_after_ms / 1000
        if self._clock.now().timestamp() + seconds > until:
            raise NotAdmitted(seconds)
        self._clock.sleep(seconds)

    def _change(self, step: Any, checked: bool = True) -> Admission:
        """Reads, changes and writes the pace under its version, until nobody came between."""
        for _ in range(TRIES):
            item = self._users.get(self._account_id, PACE_KEY)
            # Staff may ask before whoever connected could set the pace.
            pace = Pace(0) if item is None else pace_of(item)
            if checked and (not pace.active or pace.epoch != self._epoch):
                raise AccountStopped
            admission: Admission = step(pace, milliseconds(self._clock.now()))
            if admission.pace == pace:
                return admission
            version = 0 if item is None else item["version"]
            value = pace_item(self._account_id, admission.pace, version + 1)
            if self._users.put(value, expect={"version": version} if item else NEW):
                return admission
        raise NotAdmitted(1.0)


def milliseconds(at: datetime) -> int:
    """Whole milliseconds since 1970."""
    return int(at.timestamp() * 1000)


def switch_pace(users: Store, account_id: str, active: bool, epoch: int, limit: int) -> None:
    """Sets the off switch, epoch and limit of an account's pace; what was granted still counts.
    Never goes back to an earlier epoch."""
    while True:
        item = users.get(account_id, PACE_KEY)
        pace = Pace(limit) if item is None else pace_of(item)
        if pace.epoch > epoch:
            return
        switched = replace(pace, limit=limit, active=active, epoch=epoch)
        if item is not None and switched == pace:
            return
        version = 0 if item is None else item["version"]
        value = pace_item(account_id, switched, version + 1)
        if users.put(value, expect=NEW if item is None else {"version": version}):
            return


def pace_item(account_id: str, pace: Pace, version: int) -> Item:
    """The pace as stored: short names, since it is written with each request."""
    return {
        "account_id": account_id,
        "item": PACE_KEY,
        "version": version,
        "limit": pace.limit,
        "active": pace.active,
        "epoch": pace.epoch,
        "open": {
            key: [grant.records, grant.lease_until_ms, grant.requesting, grant.spaced]
            for key, grant in pace.open.items()
        },
        "settled": _text_of(pace.settled),
        "blocked_until": pace.blocked_until_ms,
        "bulk_next": pace.bulk_next_ms,
        "live_waits": pace.live_waits_until_ms,
    }


def pace_of(item: Item) -> Pace:
    """The pace of a stored item."""
    return Pace(
        limit=item["limit"],
        active=item["active"],
        epoch=item["epoch"],
        open={key: OpenGrant(*values) for key, values in item["open"].items()},
        settled=_settled_of(item["settled"]),
        blocked_until_ms=item["blocked_until"],
        bulk_next_ms=item["bulk_next"],
        live_waits_until_ms=item["live_waits"],
    )


def _text_of(settled: Mapping[int, int]) -> str:
    """The settled grants as one short text: the first slot's end, then of each slot how many slots
    later it is and its records."""
    if not settled:
        return ""
    first = min(settled)
    slots = (f"{(end - first) // SLOT_MS}:{records}" for end, records in sorted(settled.items()))
    return " ".join((str(first), *slots))


def _settled_of(text: str) -> dict[int, int]:
    if not text:
        return {}
    first, *slots = text.split(" ")
    pairs = (slot.split(":") for slot in slots)
    return {int(first) + int(later) * SLOT_MS: int(records) for later, records in pairs}
