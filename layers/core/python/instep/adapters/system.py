"""The machine's own clock and chance, and what operators are told."""

from __future__ import annotations

import random
import secrets
import time
from datetime import UTC, datetime
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from instep.use_cases.ports import Clock

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's 32 digits; their order is that of their characters, so ids sort by time."""

FIRST_WAIT_SECONDS: Final = 0.05
LONGEST_WAIT_SECONDS: Final = 2.0


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class SystemIds:
    """Ids and tokens from the operating system's randomness."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def new(self) -> str:
        """26 characters: 10 of time in milliseconds, 16 of chance."""
        return sortable_id(self._clock.now(), secrets.randbits(80))

    def token(self) -> str:
        """43 characters, 256 bits."""
        return secrets.token_urlsafe(32)


def sortable_id(at: datetime, bits: int) -> str:
    """The id made at this time from these 80 bits: 26 characters that sort by time."""
    number = (int(at.timestamp() * 1000) << 80) | bits
    return "".join(ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def wait_before_retry(attempt: int, clock: Clock, chance: random.Random) -> None:
    """Waits before the attempt (1 is the second one): longer each time, by chance, so that
    those who failed together do not come back together."""
    clock.sleep(chance.uniform(0, min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)))


class LoggedWatch:
    """Metrics and log lines in CloudWatch's formats; service and namespace are those of the
    function's environment (POWERTOOLS_SERVICE_NAME, POWERTOOLS_METRICS_NAMESPACE).

    Metrics have no dimension but the service: each further one is billed as a metric of its own.
    Details lie under `details`, so that no name of theirs meets one of the log's own. What was
    counted is written by `flush`, or by the `log_metrics` decorator of any Metrics, which share
    what they hold."""

    def __init__(self, logger: Logger | None = None, metrics: Metrics | None = None) -> None:
        self._logger = logger or Logger()
        self._metrics = metrics or Metrics()
        self._counted = False

    def count(self, metric: str, value: int = 1) -> None:
        self._metrics.add_metric(name=metric, unit=MetricUnit.Count, value=value)
        self._counted = True

    def note(self, message: str, **details: Any) -> None:
        self._logger.info(message, extra={"details": details})

    def alarm(self, message: str, **details: Any) -> None:
        """An error in the log, and one more in the metric `Alarms`."""
        self._logger.error(message, extra={"details": details})
        self.count("Alarms")

    def flush(self) -> None:
        """Writes what was counted; to be called at the end of an invocation."""
        if self._counted:  # Powertools warns where there is nothing to write
            self._metrics.flush_metrics()
            self._counted = False
