"""P2, G3, G4, G5: groups are made under free names, made once, followed and made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from instep.domain.rules import Source, SourceKind
from instep.use_cases import sources
from instep.use_cases.activation import pause, resume
from instep.use_cases.automations import WantedRule, make_automation
from instep.use_cases.catalogue import refresh_catalogue
from instep.use_cases.choices import read_choices
from instep.use_cases.cursors import read_cursors
from instep.use_cases.errors import (
    ConfigurationError,
    NotAdmitted,
    NotFoundError,
    StateError,
    Unavailable,
)
from instep.use_cases.group_list import group_key
from instep.use_cases.ports import Item
from instep.use_cases.runs import find_run
from instep.use_cases.sources import MAKING, Naming, Wanted
from local.twins.http import Fault
from tests.unit.api.desk import Desk

WHO = "ana@example.org"


class Died(BaseException):
    """The process of the call is gone."""


def sync(desk: Desk, page_id: int, name: str | None = None, use_existing: bool = False) -> Source:
    naming = Naming(name, use_existing)
    return sources.sync_page(desk.world, "demo", WHO, page_id, naming)


def sync_usergroup(desk: Desk, usergroup_id: int, naming: Naming | None = None) -> Source:
    return sources.sync_usergroup(desk.world, "demo", WHO, usergroup_id, naming or Naming())


def make(desk: Desk, name: str, use_existing: bool = False, **wanted: Any) -> Source:
    one = Wanted(name, wanted.pop("actionfield", "colour"), **wanted)
    return sources.make_actionfield_group(desk.world, "demo", WHO, one, use_existing)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(StateError) as error:
        call()
    return error.value.code


def add_group(desk: Desk, name: str) -> int:
    return desk.strive.add_group(desk.campaign.campaign_id, name)


def in_strive(desk: Desk) -> list[str]:
    """The names of all groups but the primary one, in the order in which they were made."""
    groups = desk.world.strive(desk.account()).groups()
    some = sorted(groups, key=lambda one: one.group_id)
    return [one.name for one in some if one.group_id != desk.account().primary_group]


def kept(desk: Desk) -> list[Source]:
    return list(read_choices(desk.world, "demo").sources)


def backfills(desk: Desk) -> list[str]:
    """What the backfills that wait or are under way are of."""
    runs = [find_run(desk.world, "demo", one) for one in read_cursors(desk.world, "demo").backfills]
    return [one.source.source_id for one in runs if one.source is not None]


def dying_at(desk: Desk, prefix: str) -> Callable[[], None]:
    """The process dies before it stores such an item; called, it does no more."""
    put = desk.groups.put

    def dying(value: Item, expect: Any = None) -> bool:
        if value["item"].startswith(prefix):
            raise Died
        return put(value, expect)

    desk.groups.put = dying  # type: ignore[method-assign]

    def undo() -> None:
        desk.groups.put = put  # type: ignore[method-assign]

    return undo


# --- names ---


def test_p2_the_group_has_the_title_or_else_the_short_name(desk: Desk) -> None:
    titled = desk.actionkit.add_page("save-trees", title=" Save the Trees ")
    plain = desk.actionkit.add_page("rivers", title="  ")
    desk.listed()
    assert sync(desk, titled).name == "Save the Trees"
    assert sync(desk, plain).name == "rivers"
    assert in_strive(desk) == ["Save the Trees", "rivers"]


def test_p2_a_name_that_another_page_has_gets_the_short_name_added(desk: Desk) -> None:
    pages = [
        desk.actionkit.add_page(name, title=title)
        for name, title in (("a", "Petition"), ("b", "PETITION "), ("c", "Petition"))
    ]
    desk.listed()
    made = [sync(desk, one) for one in pages]
    assert [one.name for one in made] == ["Petition", "PETITION (b)", "Petition (c)"]
    assert len({one.group_id for one in made}) == 3


def test_p2_usergroups_and_actionfield_groups_say_what_they_are(desk: Desk) -> None:
    page = desk.actionkit.add_page("drivers", title="Drivers")
    first, second = (desk.actionkit.add_usergroup(name) for name in ("Drivers", "Hosts"))
    desk.listed()
    assert sync(desk, page).name == "Drivers"
    assert sync_usergroup(desk, first).name == "Drivers (usergroup)"
    assert sync_usergroup(desk, second, Naming("DRIVERS")).name == "DRIVERS (usergroup 2)"
    assert make(desk, "drivers").name == "drivers (actionfield)"
    assert make(desk, "Drivers", value="red").name == "Drivers (actionfield 2)"


def test_p2_the_name_of_the_primary_group_is_another_groups_too(desk: Desk) -> None:
    page = desk.actionkit.add_page("own", title="actionkit integration")
    desk.listed()
    assert sync(desk, page).name == "actionkit integration (own)"


@pytest.mark.parametrize("theirs", ["Page 1", "page 1", " PAGE 1 "])
def test_p2_a_group_that_we_did_not_make_is_not_taken_unasked(desk: Desk, theirs: str) -> None:
    desk.listed(pages=1)
    group = add_group(desk, theirs)
    assert refused(lambda: sync(desk, desk.pages[0])) == "group_name_taken"
    assert (kept(desk), in_strive(desk), backfills(desk)) == ([], [theirs], [])
    source = sync(desk, desk.pages[0], use_existing=True)
    assert (source.group_id, source.made_group, source.name) == (group, False, theirs)


def test_p2_another_name_can_be_chosen(desk: Desk) -> None:
    desk.listed(pages=1)
    add_group(desk, "Page 1")
    assert sync(desk, desk.pages[0], "Signers").name == "Signers"
    assert in_strive(desk) == ["Page 1", "Signers"]


def test_p2_a_group_that_another_source_had_is_not_ours_for_this(desk: Desk) -> None:
    """Staff may work with it since it was let go."""
    desk.listed(usergroups=1)
    page = desk.actionkit.add_page("one", title="Usergroup 1")
    refresh_catalogue(desk.world, desk.account())
    sync_usergroup(desk, desk.usergroups[0])
    sources.unsync_usergroup(desk.world, "demo", WHO, desk.usergroups[0])
    assert refused(lambda: sync(desk, page)) == "group_name_taken"


def test_p2_synced_again_a_page_has_its_group_back(desk: Desk) -> None:
    desk.listed(pages=1)
    (page,) = desk.pages
    first = sync(desk, page)
    sources.unsync_page(desk.world, "demo", WHO, page)
    assert kept(desk) == []
    again = sync(desk, page)
    assert (again.group_id, again.made_group) == (first.group_id, True)
    assert again.since.at >= first.since.at
    assert in_strive(desk) == ["Page 1"]


def test_p2_synced_again_a_group_that_was_theirs_is_asked_about_again(desk: Desk) -> None:
    desk.listed(pages=1)
    (page,) = desk.pages
    add_group(desk, "Page 1")
    sync(desk, page, use_existing=True)
    sources.unsync_page(desk.world, "demo", WHO, page)
    assert refused(lambda: sync(desk, page)) == "group_name_taken"


def test_p2_a_synced_page_stays_as_it_is(desk: Desk) -> None:
    desk.listed(pages=1)
    (page,) = desk.pages
    first = sync(desk, page)
    assert sync(desk, page, "Another") == first
    assert backfills(desk) == [first.source_id]


# --- made once ---


def test_a_crash_between_making_and_storing_is_gone_on_with(desk: Desk) -> None:
    desk.listed(pages=1)
    (page,) = desk.pages
    undo = dying_at(desk, "choice/source/")
    with pytest.raises(Died):
        sync(desk, page)
    assert (kept(desk), in_strive(desk)) == ([], ["Page 1"])
    undo()
    source = sync(desk, page)  # at once, and nobody is asked whose group it is
    assert source.made_group
    assert (in_strive(desk), backfills(desk)) == (["Page 1"], [source.source_id])
    assert [one for one in desk.groups.everything() if one["item"].startswith("making/")] == []


def test_a_crash_before_making_is_gone_on_with_after_a_while(desk: Desk) -> None:
    desk.listed(pages=1)
    (page,) = desk.pages
    desk.strive.faults.add(Fault("cut_before_work", times=1, method="POST", path="groups"))
    with pytest.raises(Unavailable):
        sync(desk, page)
    with pytest.raises(NotAdmitted):
        sync(desk, page)  # perhaps the first call is still at it
    desk.clock.sleep(MAKING.total_seconds())
    sync(desk, page)
    assert in_strive(desk) == ["Page 1"]


def test_a_lost_answer_of_strive_makes_no_second_group(desk: Desk) -> None:
    desk.listed(pages=1)
    (page,) = desk.pages
    desk.strive.faults.add(Fault("answer_lost", times=1, method="POST", path="groups"))
    with pytest.raises(Unavailable):
        sync(desk, page)
    assert sync(desk, page).made_group
    assert in_strive(desk) == ["Page 1"]


def test_an_actionfield_group_whose_answer_was_lost_is_made_once(desk: Desk) -> None:
    """The same wish again; another wish for that name is refused."""
    desk.listed()
    desk.strive.faults.add(Fault("answer_lost", times=1, method="POST", path="groups"))
    with pytest.raises(Unavailable):
        make(desk, "Reds", value="red")
    assert refused(lambda: make(desk, "Reds", value="dark red")) == "group_name_taken"
    assert make(desk, "Reds", value="red").made_group
    assert in_strive(desk) == ["Reds"]


def as_strive_is_asked(desk: Desk, do: Callable[[], None]) -> list[str]:
    """Does something just before the first group is made."""
    answer, met = desk.strive.handle, list[str]()

    def handle(request: Any) -> Any:
        if request.method == "POST" and request.path.endswith("/groups") and not met:
            met.append(request.path)
            do()
        return answer(request)

    desk.strive.handle = handle  # type: ignore[method-assign]
    return met


def test_two_calls_at_once_make_one_group(desk: Desk) -> None:
    desk.listed(pages=1)
    (page,) = desk.pages

    def other() -> None:
        with pytest.raises(NotAdmitted):
            sync(desk, page)

    met = as_strive_is_asked(desk, other)
    source = sync(desk, page)
    assert met
    assert sync(desk, page) == source
    assert (kept(desk), in_strive(desk)) == ([source], ["Page 1"])
    assert backfills(desk) == [source.source_id]


def test_of_two_calls_that_both_have_the_group_one_stores_it(desk: Desk) -> None:
    """The second came while the first had made it and not stored it yet."""
    desk.listed(pages=1)
    (page,) = desk.pages
    answer, others = desk.actionkit.handle, list[Source]()

    def handle(request: Any) -> Any:
        if not others and "Page 1" in in_strive(desk):
            desk.actionkit.handle = answer  # type: ignore[method-assign]
            others.append(sync(desk, page))
        return answer(request)

    desk.actionkit.handle = handle  # type: ignore[method-assign]
    source = sync(desk, page)
    assert others == [source]
    assert (kept(desk), in_strive(desk)) == ([source], ["Page 1"])
    assert backfills(desk) == [source.source_id]


def dying_at_a_run(desk: Desk) -> Callable[[], None]:
    """The process dies before it stores a run; called, it does no more."""
    put = desk.users.put

    def dying(value: Item, expect: Any = None) -> bool:
        if value["item"].startswith("run/"):
            raise Died
        return put(value, expect)

    desk.users.put = dying  # type: ignore[method-assign]

    def undo() -> None:
        desk.users.put = put  # type: ignore[method-assign]

    return undo


@pytest.mark.parametrize("item", ["group/", "run/"])
@pytest.mark.parametrize("again", ["staff call again", "the next tick"])
def test_a_crash_after_storing_leaves_no_group_unfilled(desk: Desk, item: str, again: str) -> None:
    """And none that is not listed."""
    desk.listed(pages=1)
    (page,) = desk.pages
    undo = dying_at(desk, item) if item == "group/" else dying_at_a_run(desk)
    with pytest.raises(Died):
        sync(desk, page)
    undo()
    assert backfills(desk) == []
    if again == "the next tick":
        sources.keep_groups(desk.world, desk.account())
    else:
        sync(desk, page)
    (source,) = kept(desk)
    assert desk.groups.get("demo", group_key(source.group_id)) is not None
    assert backfills(desk) == [source.source_id]
    sources.keep_groups(desk.world, desk.account())
    sync(desk, page)
    assert backfills(desk) == [source.source_id]


def test_g3_a_crash_while_deleting_is_made_good_by_the_next_tick(desk: Desk) -> None:
    desk.listed()
    source = make(desk, "Reds")
    undo = dying_at_a_run(desk)
    with pytest.raises(Died):
        sources.delete_actionfield_group(desk.world, "demo", WHO, source.source_id)
    undo()
    sources.keep_groups(desk.world, desk.account())
    assert backfills(desk) == [source.source_id] * 2
    assert [one.ending for one in kept(desk)] == [True]


# --- refused ---


def test_p2_the_integrations_own_page_cannot_be_synced(desk: Desk) -> None:
    desk.listed()
    page_id = desk.account().import_page_id
    assert page_id is not None
    assert refused(lambda: sync(desk, page_id)) == "own_page"


def test_p2_a_page_in_use_is_not_let_go_and_what_uses_it_is_named(desk: Desk) -> None:
    desk.listed(pages=2)
    first, second = desk.pages
    for one in desk.pages:
        sync(desk, one)
    reds = make(desk, "Reds", page_id=first)
    make(desk, "Everywhere")
    wanted = WantedRule(first, None, None, "person", None, True)
    rule = make_automation(desk.world, "demo", WHO, wanted)
    with pytest.raises(StateError) as error:
        sources.unsync_page(desk.world, "demo", WHO, first)
    assert error.value.code == "page_in_use"
    assert "“Reds”" in error.value.message
    assert rule.rule_id in error.value.message
    assert "Everywhere" not in error.value.message
    sources.unsync_page(desk.world, "demo", WHO, second)
    sources.delete_actionfield_group(desk.world, "demo", WHO, reds.source_id)
    assert refused(lambda: sources.unsync_page(desk.world, "demo", WHO, first)) == "page_in_use"


def test_g3_a_page_that_is_not_synced_has_no_actionfield_groups(desk: Desk) -> None:
    desk.listed(pages=1)
    with pytest.raises(ConfigurationError) as error:
        make(desk, "Reds", page_id=desk.pages[0])
    assert error.value.field == "page_id"
    assert in_strive(desk) == []


def test_a_pause_makes_nothing_and_may_let_go(desk: Desk) -> None:
    desk.listed(pages=2)
    first, second = desk.pages
    sync(desk, first)
    pause(desk.world, "demo", WHO)
    assert refused(lambda: sync(desk, second)) == "paused"
    sources.unsync_page(desk.world, "demo", WHO, first)
    assert kept(desk) == []
    resume(desk.world, "demo", WHO)


def test_a_page_that_does_not_exist_is_not_found(desk: Desk) -> None:
    desk.listed()
    for call in (
        lambda: sync(desk, 999),
        lambda: sync_usergroup(desk, 999),
        lambda: sources.unsync_page(desk.world, "demo", WHO, 999),
        lambda: sources.unsync_usergroup(desk.world, "demo", WHO, 999),
        lambda: sources.delete_actionfield_group(desk.world, "demo", WHO, "page-1"),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_g4_a_usergroup_that_is_gone_from_actionkit_can_still_be_let_go(desk: Desk) -> None:
    desk.listed(usergroups=1)
    (usergroup,) = desk.usergroups
    sync_usergroup(desk, usergroup)
    desk.actionkit._db.write("DELETE FROM core_usergroup WHERE id = ?", (usergroup,))
    refresh_catalogue(desk.world, desk.account())
    assert desk.all("/usergroups") == []
    sources.unsync_usergroup(desk.world, "demo", WHO, usergroup)
    assert kept(desk) == []
    with pytest.raises(NotFoundError):
        sources.unsync_usergroup(desk.world, "demo", WHO, usergroup)


# --- groups that vanish or are renamed (G5) ---


def audited(desk: Desk, what: str) -> list[tuple[str, Any, Any]]:
    return [(one["who"], one["old"], one["new"]) for one in desk.audit() if one["what"] == what]


def test_g5_a_deleted_group_is_made_again_recorded_and_filled(desk: Desk) -> None:
    desk.listed(pages=1)
    first = sync(desk, desk.pages[0])
    desk.strive.delete_group(first.group_id)
    sources.keep_groups(desk.world, desk.account())
    (again,) = kept(desk)
    assert again.group_id != first.group_id
    assert (again.name, again.made_group, again.since) == ("Page 1", True, first.since)
    ((who, old, new),) = audited(desk, "group_made_again")
    assert who == "InStep"
    assert (old["group"], new["group"]) == (first.group_id, again.group_id)
    assert backfills(desk) == [first.source_id] * 2
    listed = [one["group"] for one in desk.all("/groups") if one["kind"] == "page"]
    assert listed == [again.group_id]
    sources.keep_groups(desk.world, desk.account())
    assert kept(desk) == [again]


def test_g5_a_group_that_was_used_and_is_deleted_is_ours_from_then_on(desk: Desk) -> None:
    desk.listed(pages=1)
    add_group(desk, "Page 1")
    source = sync(desk, desk.pages[0], use_existing=True)
    desk.strive.delete_group(source.group_id)
    sources.keep_groups(desk.world, desk.account())
    assert [one.made_group for one in kept(desk)] == [True]


def test_g5_made_again_whose_answer_was_lost_is_found(desk: Desk) -> None:
    desk.listed(pages=1)
    source = sync(desk, desk.pages[0])
    desk.strive.delete_group(source.group_id)
    desk.strive.faults.add(Fault("answer_lost", times=1, method="POST", path="groups"))
    with pytest.raises(Unavailable):
        sources.keep_groups(desk.world, desk.account())
    sources.keep_groups(desk.world, desk.account())
    assert in_strive(desk) == ["Page 1"]
    assert kept(desk)[0].group_id != source.group_id


def test_g5_a_renamed_group_is_followed(desk: Desk) -> None:
    desk.listed(pages=1)
    source = sync(desk, desk.pages[0])
    desk.strive.edit_group(source.group_id, name="Our signers")
    sources.keep_groups(desk.world, desk.account())
    (again,) = kept(desk)
    assert (again.group_id, again.name) == (source.group_id, "Our signers")
    assert backfills(desk) == [source.source_id]
    (listed,) = [one for one in desk.all("/groups") if one["kind"] == "page"]
    assert listed["name"] == "Our signers"
    desk.strive.delete_group(source.group_id)
    sources.keep_groups(desk.world, desk.account())
    assert in_strive(desk) == ["Our signers"]


def test_g5_a_page_renamed_in_actionkit_renames_no_group(desk: Desk) -> None:
    desk.listed(pages=1)
    source = sync(desk, desk.pages[0])
    desk.actionkit.edit_page(desk.pages[0], title="New title")
    refresh_catalogue(desk.world, desk.account())
    sources.keep_groups(desk.world, desk.account())
    assert (kept(desk), in_strive(desk)) == ([source], ["Page 1"])


def test_g5_the_primary_group_is_made_again(desk: Desk) -> None:
    desk.listed()
    desk.strive.delete_group(desk.group)
    sources.keep_groups(desk.world, desk.account())
    again = desk.account().primary_group
    assert again not in (None, desk.group)
    assert [one["group"] for one in desk.all("/groups")] == [again]
    ((who, old, new),) = audited(desk, "group_made_again")
    assert (who, old["group"], new["group"]) == ("InStep", desk.group, again)


def test_g3_a_group_that_is_being_deleted_is_not_made_again(desk: Desk) -> None:
    desk.listed()
    source = make(desk, "Reds")
    sources.delete_actionfield_group(desk.world, "demo", WHO, source.source_id)
    desk.strive.delete_group(source.group_id)
    sources.keep_groups(desk.world, desk.account())
    assert in_strive(desk) == []
    assert [one.kind for one in kept(desk)] == [SourceKind.ACTIONFIELD]
