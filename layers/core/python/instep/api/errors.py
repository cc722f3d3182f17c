"""The closed list of error codes, and which HTTP status an error has."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel

from instep.api.access import ForbiddenError
from instep.use_cases.errors import (
    AccountStopped,
    ConfigurationError,
    InstepError,
    NotAdmitted,
    NotFoundError,
    SideError,
    StateError,
    Unauthorised,
)


class ErrorCode(StrEnum):
    """Every code that an answer can have."""

    ACCOUNT_STOPPED = "account_stopped"
    ACTIONKIT_BUSY = "actionkit_busy"
    ACTIONKIT_CREDENTIALS = "actionkit_credentials"
    ACTIONKIT_PERMISSION = "actionkit_permission"
    ACTIONKIT_REJECTED = "actionkit_rejected"
    ACTIONKIT_UNREACHABLE = "actionkit_unreachable"
    ACTIONKIT_WRONG_HOST = "actionkit_wrong_host"
    ALREADY_MAPPED = "already_mapped"
    CAMPAIGN_IN_USE = "campaign_in_use"
    CONFIRM_NO_NEW_MEMBER_AUTOMATION = "confirm_no_new_member_automation"
    CORE_FIELD = "core_field"
    DIFFERENT_SYSTEM = "different_system"
    ERASING = "erasing"
    FORBIDDEN = "forbidden"
    GROUP_NAME_TAKEN = "group_name_taken"
    HOSTNAME_REFUSED = "hostname_refused"
    INTERNAL_ERROR = "internal_error"
    INVALID_CURSOR = "invalid_cursor"
    INVALID_VALUE = "invalid_value"
    NOT_ACTIVE = "not_active"
    NOT_CONNECTED = "not_connected"
    NOT_READY = "not_ready"
    NOT_TEXT = "not_text"
    NO_ACCOUNT = "no_account"
    NO_ACTIONFIELD_GROUP = "no_actionfield_group"
    NO_AUTOMATION = "no_automation"
    NO_CONNECTION = "no_connection"
    NO_FIELD = "no_field"
    NO_GROUP = "no_group"
    NO_HOLD = "no_hold"
    NO_PAGE = "no_page"
    NO_ROUTE = "no_route"
    NO_RUN = "no_run"
    NO_USER = "no_user"
    NO_USERGROUP = "no_usergroup"
    NUMBER_CHANGED = "number_changed"
    OPTION_NOT_ALLOWED = "option_not_allowed"
    OPT_IN_FIELD_IN_USE = "opt_in_field_in_use"
    OPT_IN_FIELD_RESERVED = "opt_in_field_reserved"
    OWN_PAGE = "own_page"
    PACE = "pace"
    PAGE_IN_USE = "page_in_use"
    PAUSED = "paused"
    PROTECTED = "protected"
    RULE_EXISTS = "rule_exists"
    SEVERAL_VALUES = "several_values"
    STOPPED_CREDENTIALS = "stopped_credentials"
    STRIVE_BUSY = "strive_busy"
    STRIVE_CAMPAIGN = "strive_campaign"
    STRIVE_CREDENTIALS = "strive_credentials"
    STRIVE_REJECTED = "strive_rejected"
    STRIVE_UNREACHABLE = "strive_unreachable"
    TOO_LARGE = "too_large"
    TURN_OFF_FIRST = "turn_off_first"
    UNKNOWN_FIELD = "unknown_field"


class ErrorDetail(BaseModel):
    """What is wrong with one field of the call."""

    field: str
    message: str


class ErrorShown(BaseModel):
    """What went wrong. `details` names the fields concerned, null where there are none."""

    code: ErrorCode
    message: str
    details: list[ErrorDetail] | None


class ErrorAnswer(BaseModel):
    """The body of every answer that is no success."""

    error: ErrorShown


def status_of(error: InstepError) -> int:
    """The HTTP status of an error."""
    match error:
        case ForbiddenError():
            return 403
        case NotFoundError():
            return 404
        case ConfigurationError():
            return error.status
        case StateError() | AccountStopped() | Unauthorised():
            return 409
        case NotAdmitted():
            return 429
        case SideError():
            return 503
        case _:
            return 500


def answer_of(error: InstepError) -> ErrorAnswer:
    """The body. Details of the two sides are for the log alone."""
    named = isinstance(error, ConfigurationError | StateError) and isinstance(error.details, list)
    return ErrorAnswer.model_validate(
        {
            "error": {
                "code": error.code,
                "message": error.message,
                "details": error.details if named else None,
            }
        }
    )
