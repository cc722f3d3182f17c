"""What an action sets off (P7): decided once, when the action is first looked at with its user."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from instep.domain.groups import LIVE, has_value, is_after, is_live, page_of
from instep.domain.people import Action
from instep.domain.record import Record, Status
from instep.domain.rules import Automation, Rules


class Outcome(StrEnum):
    """The closed list of what became of a rule for an action."""

    DONE = "done"
    TOO_OLD = "too_old"
    NOT_OPTED_IN = "not_opted_in"
    NOT_ELIGIBLE = "not_eligible"
    FAILED = "failed"
    UNKNOWN = "unknown"


REASONS: Final = {
    "done": "Done.",
    "taken_long_ago": "The action was more than 24 hours old when it was looked at.",
    "taken_before": "The action was taken before the rule, or the sync of its page, was switched "
    "on.",
    "taken_while_off": "The action was taken while the account was off or paused.",
    "not_by_a_person": "The action was made by an import or an upload, or on an unsubscribe page.",
    "not_synced": "The user was not synced to a member at that moment.",
    "not_opted_in": "The member was not opted in at that moment.",
    "opt_out_held": "The person's opt-out is held; until staff decide they get no texts.",
    "event_refused": "The event bus refused the event.",
    "group_refused": "Strive refused to add the member to the group.",
    "unreachable": "Whether it was done could not be found out. It is not tried again.",
}
"""Every reason of an outcome, in words for staff. A closed list."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a rule for an action: `outcome` DONE means that it is to be done."""

    outcome: Outcome
    reason: str


def matches(rule: Automation, action: Action, rules: Rules) -> bool:
    """Whether a rule is about an action."""
    if not (rule.enabled and action.complete and action.page_id in rules.pages):
        return False
    if rule.page_id not in (None, action.page_id):
        return False
    return rule.actionfield is None or has_value(action, rule.actionfield, rule.value)


def due(actions: Iterable[Action], fresh: Collection[int], rules: Rules) -> frozenset[int]:
    """Of the actions that were not looked at before those that any rule is about."""
    return frozenset(
        one.action_id
        for one in actions
        if one.action_id in fresh and any(matches(rule, one, rules) for rule in rules.automations)
    )


def decide_rule(
    rule: Automation,
    action: Action,
    rules: Rules,
    record: Record,
    opted_in: bool,
    quiet: bool,
    now: datetime,
) -> Verdict:
    """What becomes of a rule for an action that it is about. `record` and `opted_in` are the user's
    and the member's as they are now; `quiet`: an opt-out of theirs is held (A6)."""
    if (past := _past(rule, action, rules, now)) is not None:
        return Verdict(Outcome.TOO_OLD, past)
    if not is_live(action, rules, now):
        return Verdict(Outcome.NOT_ELIGIBLE, "not_by_a_person")
    if record.member_id is None or record.status in (Status.DELETED, Status.ERASED):
        return Verdict(Outcome.NOT_ELIGIBLE, "not_synced")
    if not opted_in:
        return Verdict(Outcome.NOT_OPTED_IN, "not_opted_in")
    if quiet:
        return Verdict(Outcome.NOT_OPTED_IN, "opt_out_held")
    return Verdict(Outcome.DONE, "done")


def _past(rule: Automation, action: Action, rules: Rules, now: datetime) -> str | None:
    """Why an action is past, if it is."""
    if action.created_at is None or now - action.created_at >= LIVE:
        return "taken_long_ago"
    if not is_after(rules.live_since, action):
        return "taken_while_off"
    page = page_of(action, rules)
    if page is None or not (is_after(page.since, action) and is_after(rule.since, action)):
        return "taken_before"
    return None
