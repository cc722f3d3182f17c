"""What ActionKit does where its documentation is silent: one switch each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

Cascade = Literal["userfield", "phone", "group", "action"]
ActionChange = Literal["status", "fields", "actionfield"]


@dataclass(frozen=True, slots=True)
class Unknowns:
    """The switches; every value is a guess about a live instance, the defaults the likeliest.

    Raises ValueError for a value that a switch does not have. Sets may be given as lists.
    """

    patch_fields: Literal["merge", "replace"] = "merge"
    """Whether ``PATCH /user/ID/ {"fields": …}`` keeps the userfields that it does not name."""
    second_phone: Literal["update", "conflict", "refuse"] = "update"
    """``POST /phone/`` for a type and source that the user has: the row changes, 409, or 400."""
    user_updated_by: frozenset[Cascade] = frozenset()
    """Which changes beside those of the profile move ``core_user.updated_at``."""
    action_updated_by: frozenset[ActionChange] = frozenset({"status", "fields"})
    """What moves ``core_action.updated_at``: another status or source, ``fields`` written with the
    action, an actionfield written or deleted on its own."""
    microseconds: bool = True
    """Whether times are stored with microseconds or cut to the second."""
    sql_datetimes: Literal["iso", "space"] = "iso"
    """``2026-01-31T10:00:00`` or ``2026-01-31 10:00:00`` in the answers of SQL reports."""
    sql_decimals: Literal["number", "text"] = "number"
    """Whether what MySQL holds as DECIMAL (``SUM``, ``AVG``, ``/``) is a number in the answers of
    SQL reports, or a text of digits."""
    replica_lag_seconds: float = 0.0
    """How far behind the database is that SQL reports read; REST is never behind."""
    sql_result_cache: bool = True
    """Whether a query of the same text is answered from before, unless ``refresh`` is sent."""
    clock_skew_seconds: float = 0.0
    """ActionKit's clock less the real one."""
    action_answer: Literal["full", "short"] = "full"
    """What an authenticated ``POST /action/`` answers."""
    unknown_userfield: Literal["ignored", "refused"] = "ignored"
    """``user_x`` in an action where no such userfield is defined."""
    blank_userfield: Literal["empty_row", "removes_row", "ignored"] = "empty_row"
    """What an empty value for a userfield leaves behind."""
    direct_write_keeps_action_id: bool = False
    """Whether a userfield written without an action keeps the ``action_id`` it had."""
    blank_column: Literal["clears", "ignored"] = "clears"
    """What an empty value for a column of the user does in an action."""
    merged_user: Literal["missing", "redirect"] = "missing"
    """``GET /user/ID/`` of a user merged into another: 404, or 301 to the one that is left."""
    missing_permission_status: Literal[401, 403] = 403
    """The answer for a resource that the account may not use."""
    forbidden: frozenset[str] = frozenset()
    """Resources that the account may not use, by name (``phone``, ``report`` …)."""
    sql_forbidden: bool = False
    """Whether SQL reports are refused."""
    updated_at_filter: bool = False
    """Whether lists can be filtered by ``updated_at`` (``__gte`` …) and ordered by it."""
    phone_source_of_actions: str = "user"
    """The source of a phone row that an action makes."""
    normalized_phone_drops_one: bool = False
    """Whether ``normalized_phone`` of ``+1 202 555 0100`` is ten digits or eleven."""
    simultaneous_requests: int | None = None
    """More requests than this under way at once are 429; None: no limit."""
    records_per_minute: int | None = None
    """More different users than this in 60 seconds are 429; None: only measured."""
    lock_after_failed_logins: int | None = None
    """After so many wrong logins every request is 403; None: never."""
    upload_source: str = "upload"
    """The source of an upload's actions where neither the row nor the import page has one."""
    upload_seconds: float = 0.0
    """How long an upload says that it is not completed; its rows are done at once."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for item in fields(self):
            value, hint = getattr(self, item.name), hints[item.name]
            if get_origin(hint) is frozenset:
                self._set(item.name, value, hint)
            elif get_origin(hint) is Literal:
                if value not in get_args(hint) or isinstance(value, bool):
                    raise ValueError(f"{item.name} is one of {get_args(hint)}")
            elif hint is bool and not isinstance(value, bool):
                raise ValueError(f"{item.name} is true or false")

    def _set(self, name: str, value: object, hint: Any) -> None:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ValueError(f"{name} is a list of names")
        members = frozenset(value)
        allowed = get_args(get_args(hint)[0])
        if allowed and not members <= set(allowed):
            raise ValueError(f"{name} holds some of {allowed}")
        object.__setattr__(self, name, members)

    def as_json(self) -> dict[str, object]:
        """The switches as JSON values, sets as sorted lists."""
        return {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in asdict(self).items()
        }
