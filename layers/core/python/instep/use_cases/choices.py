"""What staff chose to keep up: synced pages and usergroups, ActionField groups, and automations, as
they lie in the groups table. Every look reads all of them, by one query."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pydantic import TypeAdapter

from instep.domain.account import Account
from instep.domain.rules import Automation, Rules, Source, SourceKind
from instep.use_cases.ports import NEW, Item
from instep.use_cases.stored import dumped, loaded, walk
from instep.use_cases.world import World

PREFIX: Final = "choice/"
SOURCES: Final = "choice/source/"
AUTOMATIONS: Final = "choice/rule/"
SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
AUTOMATION: TypeAdapter[Automation] = TypeAdapter(Automation)


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything that staff chose of one account."""

    sources: tuple[Source, ...] = ()
    automations: tuple[Automation, ...] = ()

    @property
    def page_ids(self) -> tuple[int, ...]:
        """The synced pages, in order."""
        of = (one.page_id for one in self.sources if one.kind is SourceKind.PAGE)
        return tuple(sorted(one for one in of if one is not None))

    def source(self, source_id: str) -> Source | None:
        """One source, if it is there."""
        return next((one for one in self.sources if one.source_id == source_id), None)


def read_choices(world: World, account_id: str) -> Choices:
    """All choices of an account."""
    sources, automations = [], []
    for item in walk(world.groups, account_id, PREFIX, page_size=1000):
        if item["item"].startswith(SOURCES):
            sources.append(loaded(SOURCE, item))
        else:
            automations.append(loaded(AUTOMATION, item))
    return Choices(tuple(sources), tuple(automations))


def rules_of(world: World, account: Account) -> Rules:
    """The rules as decide needs them, with what staff chose."""
    choices = read_choices(world, account.account_id)
    return replace(account.rules(), sources=choices.sources, automations=choices.automations)


def page_source(page_id: int) -> str:
    """The id of a page's source."""
    return f"page-{page_id}"


def usergroup_source(usergroup_id: int) -> str:
    """The id of a usergroup's source."""
    return f"usergroup-{usergroup_id}"


def store_source(world: World, account_id: str, source: Source, over: Source | None) -> bool:
    """Stores a source where there was none, or over the group that it had. False if somebody came
    between."""
    expect = NEW if over is None else {"group_id": over.group_id}
    item = _item(account_id, SOURCES + source.source_id, dumped(SOURCE, source))
    return world.groups.put(item, expect=expect)


def delete_source(world: World, account_id: str, source_id: str) -> None:
    """Takes a source away."""
    world.groups.delete(account_id, SOURCES + source_id)


def store_automation(world: World, account_id: str, rule: Automation, new: bool) -> bool:
    """Stores a rule. False: it was to be new and is there, or it was to be there and is not."""
    key = AUTOMATIONS + rule.rule_id
    expect = NEW if new else {"rule_id": rule.rule_id}
    return world.groups.put(_item(account_id, key, dumped(AUTOMATION, rule)), expect=expect)


def delete_automation(world: World, account_id: str, rule_id: str) -> None:
    """Takes a rule away."""
    world.groups.delete(account_id, AUTOMATIONS + rule_id)


def _item(account_id: str, key: str, values: dict[str, object]) -> Item:
    return {**values, "account_id": account_id, "item": key}
