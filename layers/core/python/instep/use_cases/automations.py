"""Rules as staff make them, and what became of them (P7)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal

from instep.domain.groups import same_text
from instep.domain.rules import Automation
from instep.use_cases.accounts import audit, load_account
from instep.use_cases.activation import refuse_inactive
from instep.use_cases.choices import (
    delete_automation,
    read_choices,
    store_automation,
)
from instep.use_cases.errors import ConfigurationError, NotFoundError, StateError
from instep.use_cases.firing import runs_of
from instep.use_cases.granted import moment_of
from instep.use_cases.ports import NEW, Item
from instep.use_cases.sources import refuse_unsynced
from instep.use_cases.staff import asked_by_staff
from instep.use_cases.world import World


@dataclass(frozen=True, slots=True)
class WantedRule:
    """A rule as staff want it."""

    page_id: int | None
    actionfield: str | None
    value: str | None
    once_per: Literal["person", "action"]
    add_to_group: int | None
    publish_event: bool
    enabled: bool = True


def make_automation(world: World, account_id: str, who: str, wanted: WantedRule) -> Automation:
    """Makes a rule: actions taken from now on are for it. Raises ConfigurationError naming the
    field; StateError `not_active`, `rule_exists`."""
    account = load_account(world, account_id)
    refuse_inactive(account)
    if wanted.add_to_group is None and not wanted.publish_event:
        message = "Say what is to be done: a group to add the member to, or an event to publish."
        raise ConfigurationError("invalid_value", message, "add_to_group")
    choices = read_choices(world, account_id)
    refuse_unsynced(choices, wanted.page_id)
    for one in choices.automations:
        if _alike(one, wanted):
            raise StateError("rule_exists", f"The rule {one.rule_id} is the same.")
    with asked_by_staff(world, account) as (actionkit, strive):
        if wanted.add_to_group is not None and strive.find_group(wanted.add_to_group) is None:
            message = "Strive has no such group."
            raise ConfigurationError("invalid_value", message, "add_to_group")
        moment = moment_of(world, account, actionkit)
    rule = Automation(
        rule_id=world.ids.new().lower(),
        since=moment,
        page_id=wanted.page_id,
        actionfield=wanted.actionfield,
        value=wanted.value,
        once_per=wanted.once_per,
        add_to_group=wanted.add_to_group,
        publish_event=wanted.publish_event,
        enabled=wanted.enabled,
    )
    _claim_content(world, account_id, rule)
    store_automation(world, account_id, rule, new=True)
    audit(world, account_id, who, "automation", None, _audited(rule))
    return rule


def switch_automation(
    world: World, account_id: str, who: str, rule_id: str, enabled: bool
) -> Automation:
    """Switches a rule on or off: what was taken while it is off is past for it. Raises
    NotFoundError; StateError."""
    account = load_account(world, account_id)
    old = find_automation(world, account_id, rule_id)
    if old.enabled is enabled:
        return old
    new = replace(old, enabled=enabled)
    if enabled:
        refuse_inactive(account)
        with asked_by_staff(world, account) as (actionkit, _):
            new = replace(new, since=moment_of(world, account, actionkit))
    if not store_automation(world, account_id, new, new=False):
        raise NotFoundError("no_automation", "There is no such automation any more.")
    audit(
        world,
        account_id,
        who,
        "automation",
        {"id": rule_id, "enabled": old.enabled},
        {"id": rule_id, "enabled": enabled},
    )
    return new


def remove_automation(world: World, account_id: str, who: str, rule_id: str) -> None:
    """Deletes a rule; what it did stays done. Raises NotFoundError."""
    rule = find_automation(world, account_id, rule_id)
    delete_automation(world, account_id, rule_id)
    world.groups.delete(account_id, _content_key(rule), expect={"rule_id": rule_id})
    audit(world, account_id, who, "automation", _audited(rule), None)


def find_automation(world: World, account_id: str, rule_id: str) -> Automation:
    """A rule. Raises NotFoundError."""
    for one in list_automations(world, account_id):
        if one.rule_id == rule_id:
            return one
    raise NotFoundError("no_automation", "There is no such automation.")


def list_automations(world: World, account_id: str) -> list[Automation]:
    """All rules, in the order in which they were made."""
    load_account(world, account_id)
    return sorted(read_choices(world, account_id).automations, key=lambda one: one.rule_id)


def list_rule_runs(
    world: World, account_id: str, rule_id: str, after: str | None, limit: int
) -> tuple[list[Item], str | None]:
    """What became of a rule for actions, the newest action first. Raises NotFoundError."""
    find_automation(world, account_id, rule_id)
    page = world.groups.query(
        account_id, runs_of(rule_id), after=after, limit=limit, descending=True
    )
    return page.items, page.next


def _alike(rule: Automation, wanted: WantedRule) -> bool:
    """Whether a rule is equal in all but its id and whether it is switched on."""
    one = (rule.page_id, rule.once_per, rule.add_to_group, rule.publish_event)
    other = (wanted.page_id, wanted.once_per, wanted.add_to_group, wanted.publish_event)
    return (
        one == other
        and _same(rule.actionfield, wanted.actionfield)
        and _same(rule.value, wanted.value)
    )


def _same(one: str | None, other: str | None) -> bool:
    return one == other if one is None or other is None else same_text(one, other)


def _claim_content(world: World, account_id: str, rule: Automation) -> None:
    """Of two equal rules that are made at once, one is: else both would text."""
    key = _content_key(rule)
    item = {"account_id": account_id, "item": key, "rule_id": rule.rule_id}
    if world.groups.put(item, expect=NEW):
        return
    other = world.groups.get(account_id, key) or item
    there = {one.rule_id for one in read_choices(world, account_id).automations}
    left = other["rule_id"] not in there  # by a call that died
    if not (left and world.groups.put(item, expect={"rule_id": other["rule_id"]})):
        raise StateError("rule_exists", "The same rule was made just now.")


def _content_key(rule: Automation) -> str:
    said = (rule.page_id, rule.once_per, rule.add_to_group, rule.publish_event)
    texts = [
        one if one is None else one.strip().casefold() for one in (rule.actionfield, rule.value)
    ]
    return f"rule-content/{blake2b(repr((said, texts)).encode(), digest_size=12).hexdigest()}"


def _audited(rule: Automation) -> dict[str, Any]:
    values = {
        "id": rule.rule_id,
        "page_id": rule.page_id,
        "actionfield": rule.actionfield,
        "value": rule.value,
        "once_per": rule.once_per,
        "add_to_group": rule.add_to_group,
        "publish_event": rule.publish_event,
        "enabled": rule.enabled,
    }
    return {name: value for name, value in values.items() if value is not None}
