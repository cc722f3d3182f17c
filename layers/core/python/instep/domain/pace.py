"""The pace at ActionKit (A3): permission is taken at the point of reading, from a sliding log.

A grant counts from the moment it is given until 60 seconds after it was settled, one that is never
settled until 60 seconds after its lease. So in any 60 seconds at most `limit` records are read,
whatever workers, retries, delays or crashes there are. Times are whole milliseconds since 1970.

The live lane may use all of the limit. The bulk lane leaves a little, spaces its grants so that
room comes free all the time, stands back while live work waits, and never takes the last slot of
the simultaneous requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

WINDOW_MS = 60_000
SLOT_MS = 50
"""Settled grants are kept by the end of their 50 ms slot: this bounds the log's size whatever the
limit, and covers the difference between two workers' clocks."""
SPACING_TOLERANCE_MS = 5_000
LIVE_WAIT_MS = 2_000
LEAST_RECORDS = 6
"""A user and some who share the number: a look without room for these would miss rivals (U2)."""
PATIENCE_MS = 1_500
"""How long bulk work waits for a whole batch where part of one could be read at once."""
SIMULTANEOUS_REQUESTS = 4


class Lane(StrEnum):
    """Live work (refusals, actions, staff's clicks) goes before bulk work."""

    LIVE = "live"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class OpenGrant:
    """A grant not yet settled. `requesting`: it holds one of the simultaneous requests. `spaced`:
    the next bulk grant is put off because of it."""

    records: int
    lease_until_ms: int
    requesting: bool
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """One account's log, also its off switch: nothing is admitted while not `active`, nor for
    another epoch (A5). `settled` maps the end of a slot to the records settled in it."""

    limit: int
    active: bool = False
    epoch: int = 0
    open: Mapping[str, OpenGrant] = field(default_factory=dict)
    settled: Mapping[int, int] = field(default_factory=dict)
    blocked_until_ms: int = 0
    bulk_next_ms: int = 0
    live_waits_until_ms: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a request for records: how many (0 with `retry_after_ms` if none now)."""

    pace: Pace
    records: int
    retry_after_ms: int = 0
    refused: bool = False


def pruned(pace: Pace, now_ms: int) -> Pace:
    """Without what no longer counts."""
    kept = {end: n for end, n in pace.settled.items() if end + WINDOW_MS >= now_ms}
    still = {k: g for k, g in pace.open.items() if g.lease_until_ms + WINDOW_MS >= now_ms}
    return replace(pace, settled=kept, open=still)


def bulk_limit(limit: int) -> int:
    """What the bulk lane may use: all but half a percent, at least one record."""
    return max(1, limit - max(1, -(-limit // 200)))


def admit(
    pace: Pace, now_ms: int, lane: Lane, wanted: int, grant_id: str, lease_ms: int
) -> Admission:
    """Gives up to `wanted` records and one of the simultaneous requests, or says when to ask again.

    A bulk grant is at most five seconds' worth, so that room comes free for live work all the
    time. A smaller one than wanted is given only if there will not be more room in a moment, and
    then at least a hundredth of the limit: less is not worth a request. `wanted` 0 asks for a
    request that reads no records.
    """
    given, pace = pace, pruned(pace, now_ms)
    ours = pace.open.get(grant_id)
    if ours is not None:
        # Given already, though the answer was lost.
        grant = replace(ours, lease_until_ms=now_ms + lease_ms)
        return Admission(replace(pace, open={**pace.open, grant_id: grant}), ours.records)
    if pace.blocked_until_ms > now_ms:
        return _refused(given, now_ms, lane, pace.blocked_until_ms)
    requests = [g for g in pace.open.values() if g.requesting and g.lease_until_ms >= now_ms]
    slots = SIMULTANEOUS_REQUESTS - (1 if lane is Lane.BULK else 0)
    if len(requests) >= slots:
        return _refused(given, now_ms, lane, now_ms + 200)
    if lane is Lane.BULK and pace.live_waits_until_ms > now_ms:
        return _refused(given, now_ms, lane, pace.live_waits_until_ms)
    limit = bulk_limit(pace.limit) if lane is Lane.BULK else pace.limit
    if lane is Lane.BULK and wanted and pace.bulk_next_ms > now_ms:
        return _refused(given, now_ms, lane, pace.bulk_next_ms)
    asked = wanted
    if lane is Lane.BULK:
        wanted = min(asked, max(LEAST_RECORDS, limit // 12 - LEAST_RECORDS))
    room = limit - _used(pace)
    least = min(wanted, limit, max(LEAST_RECORDS, limit // 100 if lane is Lane.BULK else 0))
    if room < least:
        return _refused(given, now_ms, lane, _free_at(pace, now_ms, limit, least))
    if room < wanted and lane is Lane.BULK:
        whole_ms = _free_at(pace, now_ms, limit, wanted)
        if whole_ms <= now_ms + PATIENCE_MS * wanted // room:
            return _refused(given, now_ms, lane, whole_ms)
    records = min(wanted, room)
    if lane is Lane.BULK and room - records < LEAST_RECORDS:
        records = min(asked, room)  # What would be left is too little for a grant.
    spaced = lane is Lane.BULK and records > 0
    grant = OpenGrant(records, now_ms + lease_ms, requesting=True, spaced=spaced)
    pace = replace(pace, open={**pace.open, grant_id: grant})
    if spaced:
        begin = max(pace.bulk_next_ms, now_ms - SPACING_TOLERANCE_MS)
        pace = replace(pace, bulk_next_ms=begin + _spacing_ms(pace, records))
    elif lane is Lane.LIVE:
        pace = replace(pace, live_waits_until_ms=0)
    return Admission(pace, records)


def settle(
    pace: Pace,
    now_ms: int,
    grant_id: str,
    keep: int = 0,
    lease_ms: int = 0,
    read: int | None = None,
) -> Pace:
    """Ends a grant, all but `keep` records that are yet to be written (under a new lease). `read`
    of its records were read in fact (None: all).

    A grant whose lease has run out since is gone: then there is nothing to end or to keep, and the
    result is the pace itself.
    """
    grant = pace.open.get(grant_id)
    if grant is None:
        return pace
    others = {k: g for k, g in pace.open.items() if k != grant_id}
    settled = dict(pace.settled)
    unread = 0 if read is None else max(0, grant.records - read)
    if grant.spaced and unread:
        sooner = pace.bulk_next_ms - _spacing_ms(pace, unread)
        pace = replace(pace, bulk_next_ms=sooner)
    ended = grant.records - unread - keep
    if ended > 0:
        end = -(-now_ms // SLOT_MS) * SLOT_MS
        settled[end] = settled.get(end, 0) + ended
    if keep > 0:
        others[grant_id] = OpenGrant(keep, now_ms + lease_ms, requesting=False)
    return pruned(replace(pace, open=others, settled=settled), now_ms)


def reopen(pace: Pace, now_ms: int, grant_id: str, lease_ms: int) -> Admission:
    """Takes one of the simultaneous requests for the records that a grant has kept.

    `records` 0 and not refused: the grant is gone, permission must be asked for anew.
    """
    grant = pace.open.get(grant_id)
    if grant is None or grant.lease_until_ms < now_ms:
        return Admission(pace, 0)
    others = {k: g for k, g in pace.open.items() if k != grant_id}
    admission = admit(replace(pace, open=others), now_ms, Lane.LIVE, 0, grant_id, lease_ms)
    if admission.refused:
        return replace(admission, pace=replace(admission.pace, open=pace.open))
    kept = OpenGrant(grant.records, now_ms + lease_ms, requesting=True)
    open_now = {**admission.pace.open, grant_id: kept}
    return Admission(replace(admission.pace, open=open_now), grant.records)


def block(pace: Pace, until_ms: int) -> Pace:
    """Nothing is asked before then: ActionKit said 429 or 503."""
    return replace(pace, blocked_until_ms=max(pace.blocked_until_ms, until_ms))


def _spacing_ms(pace: Pace, records: int) -> int:
    """The time that so many records take at the bulk lane's pace."""
    return records * WINDOW_MS // bulk_limit(pace.limit)


def _used(pace: Pace) -> int:
    return sum(g.records for g in pace.open.values()) + sum(pace.settled.values())


def _free_at(pace: Pace, now_ms: int, limit: int, least: int) -> int:
    """When `least` records will be free if nothing else happens."""
    ends = [(end, n) for end, n in pace.settled.items()]
    ends += [(g.lease_until_ms, g.records) for g in pace.open.values()]
    room = limit - _used(pace)
    for end, records in sorted(ends):
        room += records
        if room >= least:
            return end + WINDOW_MS + 1
    return now_ms + WINDOW_MS


def _refused(pace: Pace, now_ms: int, lane: Lane, at_ms: int) -> Admission:
    """No room. Only that live work waits is worth a write."""
    if lane is Lane.LIVE:
        pace = replace(pace, live_waits_until_ms=now_ms + LIVE_WAIT_MS)
    return Admission(pace, 0, max(1, at_ms - now_ms), refused=True)
