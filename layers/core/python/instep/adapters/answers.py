"""What an answer's status means: one table for both systems. No body gets into an error."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from instep.domain.people import Side
from instep.use_cases.errors import Busy, Rejected, SideError, Unauthorised, Unavailable
from instep.use_cases.ports import HttpAnswer, NoAnswerError

RETRY_AFTER_SECONDS: Final = 5.0
"""How long to leave a busy side alone that does not say itself."""
MAX_RETRY_AFTER_SECONDS: Final = 300.0

REFUSED: Final = frozenset({401, 403})
BUSY: Final = frozenset({429, 503})
PASSING: Final = frozenset({500, 502, 504})
"""Statuses after which the same read may be tried once more."""


def error_of(side: Side, answer: HttpAnswer, writing: bool, fields: Collection[str]) -> SideError:
    """The error of an answer that is none of those hoped for. `fields`: what it refuses.

    401, 403 → Unauthorised; 429, 503 → Busy; other 4xx → Rejected; 5xx → Unavailable, a write may
    have happened; all else (a redirect, which is not followed) → Unavailable, nothing happened.
    """
    status = answer.status
    if status in REFUSED:
        return Unauthorised(side, status)
    if status in BUSY:
        return Busy(side, status, retry_after_seconds(answer.headers))
    if 400 <= status < 500:
        return Rejected(side, tuple(fields), status)
    return Unavailable(side, f"status {status}", may_have_happened=writing and status >= 500)


def unanswered(side: Side, error: NoAnswerError, writing: bool) -> Unavailable:
    """The error where no answer came."""
    return Unavailable(side, error.why, may_have_happened=writing and error.sent)


def unreadable(side: Side, writing: bool) -> Unavailable:
    """The error of an answer that says success in no way that we know."""
    return Unavailable(side, "unreadable answer", may_have_happened=writing)


def retry_after_seconds(headers: Mapping[str, str]) -> float:
    """`Retry-After`, a number of seconds or a time (by the other side's own clock), in bounds."""
    text = headers.get("retry-after", "").strip()
    seconds = RETRY_AFTER_SECONDS
    if text.isascii() and text.isdigit():
        seconds = float(text)
    elif text:
        until, now = http_time(text), http_time(headers.get("date", ""))
        if until is not None and now is not None:
            seconds = (until - now).total_seconds()
    return max(1.0, min(MAX_RETRY_AFTER_SECONDS, seconds))


def http_time(text: str) -> datetime | None:
    """A time as headers have it; None for what is none."""
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def json_of(answer: HttpAnswer) -> Any:
    """The body as JSON, whatever its content type says; None if it is none."""
    try:
        return json.loads(answer.body.decode("utf-8", errors="replace"))
    except ValueError:
        return None


def known_time(value: Any) -> datetime:
    """A time that has to be there. Raises ValueError."""
    at = time_of(value)
    if at is None:
        raise ValueError("no time")
    return at


def time_of(value: Any) -> datetime | None:
    """A time as either system writes it: with `T` or a space, with or without a fraction or a
    zone (none: UTC). None for null and what is none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def text_of(value: Any) -> str:
    """A value as text; "" for null, `true`/`false` for a boolean."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
