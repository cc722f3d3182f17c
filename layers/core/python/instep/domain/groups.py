"""Which Strive groups a member should be in (G1 to G6). Membership is part of a user's decision.

A member is *entitled* to the primary group, and to the group of every synced page that the user
acted on, of every synced usergroup that the user is in, and of every ActionField group for which
the user has such an action. Only complete actions count (P5).

Whoever joins a group that carries a flow is texted. So a *live* action takes its user into the
groups that it gives, at once; every other way in is a backfill, which waits for staff (P8).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from instep.domain.people import Action, User
from instep.domain.record import Record
from instep.domain.rules import Moment, Rules, Source, SourceKind

LIVE: Final = timedelta(hours=24)
"""An action that was taken longer ago is not live."""
NOT_BY_A_PERSON: Final = frozenset({"import", "unsubscribe"})
"""Types of pages whose actions are never live."""


@dataclass(frozen=True, slots=True)
class GroupDecision:
    """Groups to join and to leave, and those that the sync itself put the member into. `texting`:
    of those to join the ones that carry a flow and that a live action gives, with that action.
    `declined`: groups whose backfill staff discarded."""

    join: frozenset[int] = frozenset()
    leave: frozenset[int] = frozenset()
    added: frozenset[int] = frozenset()
    texting: Mapping[int, int] = field(default_factory=dict)
    declined: frozenset[int] = frozenset()


NO_GROUPS: Final = GroupDecision()


# --- who belongs where ---


def entitled(user: User, rules: Rules) -> frozenset[int]:
    """The groups that the user's member should be in."""
    wanted = {one.group_id for one in rules.sources if _gives(one, user, rules)}
    return frozenset(wanted if rules.primary_group is None else {rules.primary_group, *wanted})


def kept_up(rules: Rules) -> frozenset[int]:
    """The groups that the sync keeps up now: from others nobody is taken out (P2)."""
    groups = {one.group_id for one in rules.sources}
    return frozenset(groups if rules.primary_group is None else {rules.primary_group, *groups})


def _gives(source: Source, user: User, rules: Rules) -> bool:
    if source.ending:
        return False
    if source.kind is SourceKind.USERGROUP:
        return source.usergroup_id in user.usergroups
    return any(gives(source, action, rules) for action in user.actions)


def gives(source: Source, action: Action, rules: Rules) -> bool:
    """Whether an action entitles to the group of a page or of an actionfield."""
    if not action.complete or action.page_id not in rules.pages:
        return False
    if source.page_id not in (None, action.page_id):
        return False
    return source.actionfield is None or has_value(action, source.actionfield, source.value)


def has_value(action: Action, actionfield: str, value: str | None) -> bool:
    """Whether the action has the actionfield, with this value among its values or, where none is
    asked for, with any; upper and lower case and outer space do not matter (G3)."""
    values = [one for name, some in action.fields if same_text(name, actionfield) for one in some]
    return bool(values) if value is None else any(same_text(one, value) for one in values)


def same_text(one: str, other: str) -> bool:
    """Whether two names or values count as the same."""
    return one.strip().casefold() == other.strip().casefold()


def actions_digest(user: User) -> str:
    """What a user's actions come to: another one as soon as anything of them changed."""
    if not user.actions:
        return ""
    shown = sorted((one.action_id, one.page_id, one.status, one.fields) for one in user.actions)
    return blake2b(repr(shown).encode(), digest_size=6).hexdigest()


# --- live actions ---


def is_after(moment: Moment | None, action: Action) -> bool:
    """Whether an action was taken after a moment, by ActionKit's clock and by its ids."""
    if moment is None or action.created_at is None:
        return False
    return action.action_id > moment.action_id and action.created_at >= moment.at.replace(
        microsecond=0
    )


def page_of(action: Action, rules: Rules) -> Source | None:
    """What there is of the action's page, if it is synced."""
    pages = (one for one in rules.sources if one.kind is SourceKind.PAGE)
    return next((one for one in pages if one.page_id == action.page_id), None)


def is_live(action: Action, rules: Rules, now: datetime) -> bool:
    """Whether a person took the action just now, on a page that was synced by then, while the
    account was on and not paused."""
    page = page_of(action, rules)
    if page is None or not action.complete or action.created_at is None:
        return False
    if action.page_type in NOT_BY_A_PERSON or action.uploaded:
        return False
    return (
        now - action.created_at < LIVE
        and is_after(rules.live_since, action)
        and is_after(page.since, action)
    )


# --- decide ---


def decide_groups(
    user: User,
    inside: Collection[int],
    known: Record,
    fresh: Collection[int],
    rules: Rules,
    now: datetime,
) -> GroupDecision:
    """`inside`: the groups the member is in. `fresh`: actions that nobody looked at before. Nobody
    is ever taken out of a group that the sync did not put them into, nor out of one that is not
    kept up any more (P2); whom staff kept out of a group with a flow stays out until they act."""
    wanted, inside = entitled(user, rules), frozenset(inside)
    kept = kept_up(rules)
    live = _given_live(user, wanted - inside, fresh, rules, now)
    texting = {group: action for group, action in live.items() if group in rules.closed_groups}
    declined = known.declined_groups & wanted - inside - live.keys()
    join = wanted - inside - declined
    leave = known.groups & kept & inside - wanted
    added = (known.groups & inside & wanted) | join
    return GroupDecision(join, leave, added, texting, declined)


def _given_live(
    user: User, missing: frozenset[int], fresh: Collection[int], rules: Rules, now: datetime
) -> dict[int, int]:
    """The groups that live actions give, each with the newest such action."""
    live = [one for one in user.actions if one.action_id in fresh and is_live(one, rules, now)]
    return {
        source.group_id: action.action_id
        for action in sorted(live, key=lambda one: one.action_id)
        for source in rules.sources
        if source.group_id in missing
        and source.kind is not SourceKind.USERGROUP
        and not source.ending
        and gives(source, action, rules)
        and is_after(source.since, action)
    }
