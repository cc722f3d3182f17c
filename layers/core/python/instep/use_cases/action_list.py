"""The list of actions (P6), each with its user, member, page, time, fields and outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from instep.domain.account import Account
from instep.domain.reasons import explain
from instep.domain.record import Record, Status
from instep.use_cases.accounts import load_account
from instep.use_cases.actions import action_key, fields_key, of_page, of_user
from instep.use_cases.choices import Choices, page_source, read_choices
from instep.use_cases.ports import Item
from instep.use_cases.records import People
from instep.use_cases.world import World

Outcome = Literal["synced", "waiting", "not_counted"]
HELD = (
    "held",
    "The member is to join the page's group; that would text them, so it waits for staff.",
    "Release or discard what is held for the group.",
)
DISCARDED = (
    "discarded",
    "Staff discarded the backfill of the page's group, so the member is not in it.",
    "A newer action of the person takes them into the group.",
)
INCOMPLETE = (
    "not_complete",
    "The action is not complete in ActionKit (it may have been taken for spam).",
    "It counts as soon as ActionKit shows it as complete.",
)


@dataclass(frozen=True, slots=True)
class ShownAction:
    """An action as it is shown. `reason`: code, text and fix; None where it is synced."""

    action_id: int
    page_id: int
    user_id: int
    member_id: int | None
    created_at: str | None
    fields: dict[str, list[str]]
    outcome: Outcome
    reason: tuple[str, str, str] | None


def list_actions(
    world: World,
    account_id: str,
    page_id: int | None,
    user_id: int | None,
    after: str | None,
    limit: int,
) -> tuple[list[ShownAction], str | None]:
    """Actions on synced pages, newest first, of one page or one user where that is asked for; and
    where to go on."""
    account = load_account(world, account_id)
    choices = read_choices(world, account_id)
    prefix = "action/"
    if user_id is not None:
        prefix = of_user(user_id)
    elif page_id is not None:
        prefix = of_page(page_id)
    items: list[Item] = []
    last = after
    for some in _by_pages(world, account_id, prefix, after, limit + 1):
        for key, item in some:
            right = item["page_id"] in choices.page_ids and page_id in (None, item["page_id"])
            if right and user_id in (None, item["user_id"]):
                if len(items) == limit:
                    return _shown(world, account, choices, items), last
                items.append(item)
            last = key
    return _shown(world, account, choices, items), None


def _by_pages(
    world: World, account_id: str, prefix: str, after: str | None, size: int
) -> Iterator[list[tuple[str, Item]]]:
    """The actions at keys of the prefix, newest first, page by page, with those keys."""
    while True:
        page = world.groups.query(account_id, prefix, after, size, descending=True)
        keys = {one["item"]: action_key(int(one["item"].rsplit("/", 1)[1])) for one in page.items}
        if prefix == "action/":
            found = {one["item"]: one for one in page.items}
        else:
            found = world.groups.get_many(account_id, keys.values()) if keys else {}
        yield [(place, found[key]) for place, key in keys.items() if key in found]
        if page.next is None:
            return
        after = page.next


def _shown(
    world: World, account: Account, choices: Choices, items: list[Item]
) -> list[ShownAction]:
    account_id = account.account_id
    records = People(world, account_id).records({item["user_id"] for item in items})
    ids = {item["item"]: int(item["item"].rsplit("/", 1)[1]) for item in items}
    keys = [fields_key(one) for one in ids.values()]
    fields = world.groups.get_many(account_id, keys) if keys else {}
    shown = []
    for item in items:
        action_id = ids[item["item"]]
        record = records.get(item["user_id"])
        outcome, reason = _outcome(item, record, choices)
        erased = record is not None and record.status is Status.ERASED
        kept = {} if erased else fields.get(fields_key(action_id), {}).get("fields", {})
        shown.append(
            ShownAction(
                action_id=action_id,
                page_id=item["page_id"],
                user_id=item["user_id"],
                member_id=record.member_id if record else None,
                created_at=item["created_at"],
                fields=kept,
                outcome=outcome,
                reason=reason,
            )
        )
    return shown


def _outcome(
    item: Item, record: Record | None, choices: Choices
) -> tuple[Outcome, tuple[str, str, str] | None]:
    if item["status"] != "complete":
        return "not_counted", INCOMPLETE
    if record is None:
        return "waiting", ("not_scanned", *explain("not_scanned"))
    if record.member_id is None:
        return "waiting", (record.reason, *explain(record.reason, record.reason_detail))
    source = choices.source(page_source(item["page_id"]))
    group_id = source.group_id if source else None
    if group_id in record.waiting_groups:
        return "waiting", HELD
    if group_id in record.declined_groups:
        return "waiting", DISCARDED
    return "synced", None
