"""Errors say in their type what to do next.

InstepError
├── ConfigurationError   staff or the operator must change something (HTTP 422)
├── StateError           not in this state (HTTP 409)
├── NotFoundError        no such thing (HTTP 404)
├── NotAdmitted          wait for the pace (A3)
├── AccountStopped       drop the work (A5)
└── SideError            one of the two systems
    ├── Unauthorised     stop the account at once; no second try (A5)
    ├── Busy             try again after `retry_after_seconds`
    ├── Unavailable      try again later; `may_have_happened` tells whether a write can have landed
    └── Rejected         skip this record or field: the values are refused, `fields` says which

`message` is for staff, in plain words; `details` for the log. Neither holds a response body, a
credential, a phone number or an email.
"""

from __future__ import annotations

from collections.abc import Sequence

from instep.domain.people import Side


class InstepError(Exception):
    """Root of all our errors: a code of the closed list and a message for staff."""

    def __init__(self, code: str, message: str, details: object = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details


class ConfigurationError(InstepError):
    """The input or the configuration is wrong; `field` names the part."""

    def __init__(self, code: str, message: str, field: str = "", status: int = 422) -> None:
        super().__init__(code, message, [{"field": field, "message": message}] if field else [])
        self.field = field
        self.status = status


class StateError(InstepError):
    """The call is right but not in this state."""


class NotFoundError(InstepError):
    """There is no such thing."""


class SideError(InstepError):
    """ActionKit or Strive did not do as asked."""

    def __init__(self, side: Side, code: str, message: str, details: object = None) -> None:
        super().__init__(code, message, details)
        self.side = side


class Unauthorised(SideError):
    """401 or 403: stop the account, never try again with the same credentials (A5)."""

    def __init__(self, side: Side, status: int) -> None:
        super().__init__(
            side, f"{side}_credentials", f"{side} refused the credentials ({status})", status
        )
        self.status = status


class Busy(SideError):
    """429 or 503: wait `retry_after_seconds` before the next request."""

    def __init__(self, side: Side, status: int, retry_after_seconds: float) -> None:
        super().__init__(side, f"{side}_busy", f"{side} asks to slow down ({status})", status)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(SideError):
    """No answer, a cut connection or a 5xx. A write may have happened unless said otherwise."""

    def __init__(self, side: Side, why: str, may_have_happened: bool) -> None:
        super().__init__(side, f"{side}_unreachable", f"{side} cannot be reached ({why})", why)
        self.may_have_happened = may_have_happened


class Rejected(SideError):
    """The values were refused: `fields` maps the other side's field names to nothing secret."""

    def __init__(self, side: Side, fields: Sequence[str], status: int) -> None:
        super().__init__(
            side, f"{side}_rejected", f"{side} refused {', '.join(fields) or 'it'}", status
        )
        self.fields = tuple(fields)


class NotAdmitted(InstepError):
    """The pace has no room now: try again after `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("pace", f"no room for {retry_after_seconds:.2f} s")
        self.retry_after_seconds = retry_after_seconds


class AccountStopped(InstepError):
    """The account is off, paused or of another epoch: drop the work without effect."""

    def __init__(self) -> None:
        super().__init__("account_stopped", "the account is not running")
