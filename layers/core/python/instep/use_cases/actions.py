"""The actions on synced pages, as listed (P6) and as known to have been looked at (P7).

| item of the groups table | what |
|---|---|
| `action/{action}` | user, page, time, status, and whether it was decided with its user |
| `page-action/{page}/{action}`, `user-action/{user}/{action}` | where to find it |
| `action-news/{page}/{bucket}` | that actions were noted that the second look may never have seen |
| `actionfields/{action}` | its fields; goes by itself after the time that values are kept (E2) |
| `actionfield/{name}` | that the name was seen on a synced page |

Whether a listed action counts, and why not, is said by its user's record when it is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from instep.domain.people import Action
from instep.domain.plan import Seen
from instep.use_cases.ports import BUCKET_OF_ACTIONS, Item
from instep.use_cases.stored import stamp, walk
from instep.use_cases.world import World

NEW_FOR: Final = timedelta(days=1)
"""In a day the second look comes to every page, however many there are."""
NEWS: Final = "action-news/"
NO_PAGE: Final = 0
"""The page of an action that is not listed, but known to have been decided."""


def action_key(action_id: int) -> str:
    """The key of an action."""
    return f"action/{action_id:015d}"


def fields_key(action_id: int) -> str:
    """The key of an action's fields."""
    return f"actionfields/{action_id:015d}"


def of_user(user_id: int, action_id: int | None = None) -> str:
    """The prefix of a user's actions, or the key of one of them."""
    return f"user-action/{user_id:012d}/" + ("" if action_id is None else f"{action_id:015d}")


def of_page(page_id: int, action_id: int | None = None) -> str:
    """The prefix of a page's actions, or the key of one of them."""
    return f"page-action/{page_id:012d}/" + ("" if action_id is None else f"{action_id:015d}")


def undecided(world: World, account_id: str, actions: Iterable[Action]) -> frozenset[int]:
    """Of these the complete ones that were not decided with their user yet."""
    complete = {action_key(one.action_id): one.action_id for one in actions if one.complete}
    known = world.groups.get_many(account_id, complete) if complete else {}
    return frozenset(
        action_id
        for key, action_id in complete.items()
        if key not in known or not known[key]["decided"]
    )


def note_actions(
    world: World,
    account_id: str,
    seen: Mapping[int, Seen],
    known_before: Collection[int],
    by_sums: bool,
) -> None:
    """Notes users' actions as a look showed them and decide had them, and takes those away that it
    did not show: deleted (with their users or alone), moved to another user, or of a page that is
    no longer synced. Those of a user who was merged away are set aside for the primary.
    `known_before`: the users of whom actions may have been noted before. `by_sums`: whether what is
    changed or deleted is found by a second look, which is then told of the actions of late."""
    now = world.clock.now()
    users = {user_id: one.user.actions if one.user else () for user_id, one in seen.items()}
    actions = [action for some in users.values() for action in some]
    known = _noted(world, account_id, actions)
    items: list[Item] = []
    for user_id, some in users.items():
        for action in some:
            noted = known.get(action_key(action.action_id))
            items += _items(account_id, user_id, action, noted)
            items += _fields_items(world, account_id, action, now, noted is not None)
    if items:
        world.groups.put_many(items)
    recent = [one for one in actions if _is_recent(one, now)]
    if by_sums and recent:
        _mark_news(world, account_id, recent)
    note_actionfields(world, account_id, {name for one in actions for name, _ in one.fields})
    for user_id in sorted(users.keys() & set(known_before)):
        shown = {one.action_id for one in users[user_id]}
        take_away = _forget_action if seen[user_id].merged_into is None else _set_aside
        for action_id in sorted(_noted_of(world, account_id, user_id) - shown):
            take_away(world, account_id, user_id, action_id)


def _mark_news(world: World, account_id: str, actions: Iterable[Action]) -> None:
    """After they were noted: a comparison that comes between would not find them, and take the
    mark away."""
    places = {(one.page_id, one.action_id // BUCKET_OF_ACTIONS) for one in actions}
    keys = [f"{NEWS}{page_id:012d}/{bucket:012d}" for page_id, bucket in sorted(places)]
    token = world.ids.new()
    world.groups.put_many([{"account_id": account_id, "item": one, "token": token} for one in keys])


def _is_recent(action: Action, now: datetime) -> bool:
    """Whether its page may not have been compared since it was taken. An older one was there when
    it was: if it goes, the sum tells."""
    return action.created_at is None or action.created_at > now - NEW_FOR


def _noted(world: World, account_id: str, actions: Iterable[Action]) -> Mapping[str, Item]:
    keys = [action_key(one.action_id) for one in actions]
    return world.groups.get_many(account_id, keys) if keys else {}


def _noted_of(world: World, account_id: str, user_id: int) -> set[int]:
    found = walk(world.groups, account_id, of_user(user_id))
    return {int(item["item"].rsplit("/", 1)[1]) for item in found}


def note_actionfields(world: World, account_id: str, names: Iterable[str]) -> None:
    """Notes names of actionfields that were seen on synced pages."""
    keys = {f"actionfield/{name}" for name in (one.strip() for one in names) if name}
    known = world.groups.get_many(account_id, keys) if keys else {}
    if new := sorted(keys - known.keys()):
        world.groups.put_many([{"account_id": account_id, "item": key} for key in new])


def list_actionfields(world: World, account_id: str) -> list[str]:
    """The names of actionfields seen on synced pages, in order."""
    found = walk(world.groups, account_id, "actionfield/")
    return [item["item"].removeprefix("actionfield/") for item in found]


def forget_actions(world: World, account_id: str, user_id: int) -> None:
    """Takes away what a user's actions hold of them; that they were decided stays (E1)."""
    for action_id in sorted(_noted_of(world, account_id, user_id)):
        world.groups.delete(account_id, fields_key(action_id))


def _items(account_id: str, user_id: int, action: Action, known: Item | None) -> list[Item]:
    decided = action.complete or bool(known and known["decided"])
    item: Item = {
        "account_id": account_id,
        "item": action_key(action.action_id),
        "user_id": user_id,
        "page_id": action.page_id,
        "status": action.status,
        "created_at": None if action.created_at is None else stamp(action.created_at),
        "decided": decided,
    }
    if item == known:
        return []
    places = [of_user(user_id, action.action_id), of_page(action.page_id, action.action_id)]
    if known and (known["user_id"], known["page_id"]) == (user_id, action.page_id):
        return [item]
    return [item, *({"account_id": account_id, "item": place} for place in places)]


def _fields_items(
    world: World, account_id: str, action: Action, now: datetime, noted: bool
) -> list[Item]:
    """Of an action that was noted before also that it has no fields any more."""
    until = (action.created_at or now) + timedelta(days=world.limits.history_days)
    if not (action.fields or noted) or until <= now:
        return []
    return [
        {
            "account_id": account_id,
            "item": fields_key(action.action_id),
            "fields": {name: list(values) for name, values in action.fields},
            "expires_at": int(until.timestamp()),
        }
    ]


def _forget_action(world: World, account_id: str, user_id: int, action_id: int) -> None:
    """Where it is found by its user goes last: whoever does this again after a crash finds it."""
    item = world.groups.get(account_id, action_key(action_id))
    if item is not None and item["user_id"] == user_id:
        world.groups.delete(account_id, of_page(item["page_id"], action_id))
        world.groups.delete(account_id, fields_key(action_id))
        world.groups.delete(account_id, action_key(action_id))
    world.groups.delete(account_id, of_user(user_id, action_id))


def _set_aside(world: World, account_id: str, user_id: int, action_id: int) -> None:
    """No longer lists an action, but still knows that it was decided: it may be shown as the
    primary's next. One that is the primary's already stays theirs."""
    item = world.groups.get(account_id, action_key(action_id))
    if item is not None and item["user_id"] == user_id:
        aside = {**item, "page_id": NO_PAGE}
        if world.groups.put(aside, expect={"user_id": user_id}):
            world.groups.delete(account_id, fields_key(action_id))
    world.groups.delete(account_id, of_user(user_id, action_id))
