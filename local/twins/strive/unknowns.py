"""What nobody outside knows of Strive, as switches: the twin behaves as they say.

The defaults are the likeliest or the plainest behaviour. An application that is right under every
setting is right whatever the truth is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints


@dataclass(frozen=True, slots=True)
class Unknowns:
    """The switches. ValueError for a value that a switch does not have."""

    page_cap: int | None = 1000
    """Most rows in one answer; null: no cap."""
    rate_limit_per_minute: int | None = None
    """Most requests of one key in 60 seconds; null: no limit."""
    rate_limit_status: int = 429
    rate_limit_retry_after_seconds: int | None = None
    """A `Retry-After` header on the answer that refuses; null: none."""

    opt_in_after_stop: Literal["allowed", "ignored", "error"] = "allowed"
    """What an opt-in by API does for a number that texted STOP. An organiser's is always allowed,
    and JOIN by text lifts the STOP."""
    opt_in_when_absent: bool = False
    """The status of a member who is created with no opt_in, or with null."""

    upsert_normalises: bool = True
    """Whether POST finds the member however the number is written; else only as E.164."""
    blanks_on_post: Literal["replace", "keep"] = "replace"
    """What blank or null text of a POST does to a member who exists."""
    post_answer: Literal["as_preferred", "empty", "representation"] = "as_preferred"
    """Whether a 201 has a body: as `Prefer: return=representation` asks, never or always."""
    bulk_post: bool = False
    """Whether POST /members takes an array."""
    custom_on_write: Literal["merge", "replace"] = "merge"
    groups_on_post: Literal["add", "replace"] = "add"
    groups_by_id: bool = True
    """Whether POST /members takes `groups: [{"id": …}]` beside `[{"name": …}]`."""
    patch_members: bool = True
    delete_members: bool = True
    write_groups: bool = True
    """Whether groups and memberships can be written on their own paths."""
    refused_write_status: int = 403
    """What a write that Strive does not have answers: 403 as a database does, or 404 or 405."""
    source_column: bool = False
    """Whether members have a column `source`."""

    change_log_table: bool = True
    """Whether there is a member_change_log."""
    custom_values_table: bool = True
    """Whether there is a members_custom_fields."""
    removals_table: bool = True
    """Whether there is a member_group_delete_log."""
    deletions_leave_logs: bool = True
    """Whether a deleted member's logs stay, with a row of the deletion; else nothing is left."""
    own_writes_logged: bool = True
    """Whether writes by API are in member_change_log."""
    api_change_type: str = "api"
    """The change_type of writes by API."""
    log_latency_seconds: float = 0.0
    """How long after a change its log row, subscription event, removal or text can be read."""
    clock_skew_seconds: float = 0.0
    """How far Strive's clock is ahead."""
    microseconds: bool = False
    """Whether times have microseconds; else milliseconds."""
    group_changes_move_updated_at: bool = False
    custom_changes_move_updated_at: bool = True
    opt_in_changes_move_updated_at: bool = True

    flows_text_opted_out: bool = False
    """Whether flows text members who are opted out."""
    flow_again_on_rejoin: bool = True
    """Whether a group's flow texts a member who left and joins again."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for each in fields(self):
            if not _fits(getattr(self, each.name), hints[each.name]):
                raise ValueError(f"{each.name} cannot be {getattr(self, each.name)!r}")


def _fits(value: Any, hint: Any) -> bool:
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(hint, type):
        return type(value) is hint
    options = get_args(hint)
    if all(isinstance(option, str) for option in options):
        return value in options
    return any(_fits(value, option) for option in options)
