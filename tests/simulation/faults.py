"""What goes wrong, drawn from a seed at every port call."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.simulation.loop import SECOND


class Trouble(StrEnum):
    """What happens to one port call."""

    NONE = "ok"
    CRASH_BEFORE = "crash_before"
    """The process is gone before anything was done."""
    CRASH_AFTER = "crash_after"
    """The process is gone, the work is done."""
    LOST = "answer_lost"
    """The work is done, the answer never comes: AWS's client asks again, an HTTP caller fails."""
    REFUSED = "refused"
    """Throttled, 429 or 503: nothing is done."""
    ERROR = "error"
    """500: nothing is done."""
    ERROR_AFTER = "error_after_work"
    """500, but the work is done."""
    CUT = "cut"
    """The connection breaks before anything is done."""
    SLOW = "slow"
    """The answer takes seconds; with HTTP perhaps longer than the caller waits."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Probabilities. Crashes, lost answers and the like are per port call, those of messages per
    message, those of executions per state."""

    crash: float = 0.0
    table_lost: float = 0.0
    table_error: float = 0.0
    table_slow: float = 0.0
    http_refused: float = 0.0
    http_error: float = 0.0
    http_lost: float = 0.0
    http_cut: float = 0.0
    http_slow: float = 0.0
    message_doubled: float = 0.0
    message_late: float = 0.0
    invocation_lost: float = 0.0
    execution_aborted: float = 0.0
    index_lag_seconds: float = 0.0
    quiet_after_seconds: tuple[float, float] = (0.0, 0.0)


NONE = Profile()
MILD = Profile(
    crash=0.002,
    table_lost=0.004,
    table_error=0.001,
    table_slow=0.01,
    http_refused=0.01,
    http_error=0.01,
    http_lost=0.01,
    http_cut=0.01,
    http_slow=0.01,
    message_doubled=0.05,
    message_late=0.05,
    invocation_lost=0.02,
    execution_aborted=0.005,
    index_lag_seconds=2.0,
    quiet_after_seconds=(30.0, 3600.0),
)
WILD = Profile(
    crash=0.02,
    table_lost=0.03,
    table_error=0.01,
    table_slow=0.03,
    http_refused=0.04,
    http_error=0.04,
    http_lost=0.04,
    http_cut=0.04,
    http_slow=0.03,
    message_doubled=0.2,
    message_late=0.2,
    invocation_lost=0.1,
    execution_aborted=0.03,
    index_lag_seconds=20.0,
    quiet_after_seconds=(60.0, 5400.0),
)
PROFILES = {"none": NONE, "mild": MILD, "wild": WILD}


class Dice:
    """Chance of one run: trouble while the profile lasts, and how long things take always."""

    def __init__(self, seed: object, profile: Profile) -> None:
        self._rng = random.Random(f"{seed}/faults")
        self._profile = profile
        self.quiet = profile == NONE
        low, high = profile.quiet_after_seconds
        self.quiet_after_us = int(self._rng.uniform(low, high) * SECOND)

    @property
    def profile(self) -> Profile:
        """The rates that hold now."""
        return NONE if self.quiet else self._profile

    def chance(self, probability: float) -> bool:
        return probability > 0 and self._rng.random() < probability

    def seconds(self, low: float, high: float) -> int:
        """A time between two numbers of seconds, in microseconds."""
        return int(self._rng.uniform(low, high) * SECOND)

    def below(self, count: int) -> int:
        return self._rng.randrange(count)

    def table(self) -> Trouble:
        """Trouble of one call to a table, queue, secret or machine."""
        p = self.profile
        return self._drawn(
            (p.crash, Trouble.CRASH_BEFORE),
            (p.crash, Trouble.CRASH_AFTER),
            (p.table_lost, Trouble.LOST),
            (p.table_error / 2, Trouble.ERROR),
            (p.table_error / 2, Trouble.ERROR_AFTER),
            (p.table_slow, Trouble.SLOW),
        )

    def http(self) -> Trouble:
        """Trouble of one HTTP attempt."""
        p = self.profile
        return self._drawn(
            (p.crash, Trouble.CRASH_BEFORE),
            (p.crash, Trouble.CRASH_AFTER),
            (p.http_refused, Trouble.REFUSED),
            (p.http_error / 2, Trouble.ERROR),
            (p.http_error / 2, Trouble.ERROR_AFTER),
            (p.http_lost, Trouble.LOST),
            (p.http_cut, Trouble.CUT),
            (p.http_slow, Trouble.SLOW),
        )

    def _drawn(self, *kinds: tuple[float, Trouble]) -> Trouble:
        if self.quiet:
            return Trouble.NONE
        left = self._rng.random()
        for probability, trouble in kinds:
            if left < probability:
                return trouble
            left -= probability
        return Trouble.NONE
