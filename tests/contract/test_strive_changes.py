"""Which feeds of Strive tell of what (U4), and conditional writes, under every setting of what
is not known of Strive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final

import pytest

from instep.domain.people import Member
from instep.use_cases.errors import Rejected, Unauthorised
from instep.use_cases.ports import Feed, Place
from tests.contract.strive_town import FEEDS, Town, number

# --- who is named by what -------------------------------------------------------------------


@dataclass(frozen=True)
class Happening:
    """Something that happens to a member, and which feeds tell of it. `part`: what it changes of
    the member's row; `by_api`: another program of ours or of others writes it."""

    do: Callable[[Town, int], int | None]
    feeds: frozenset[Feed]
    part: str = "column"
    by_api: bool = False
    before: Mapping[str, Any] | None = None


def said(*feeds: Feed) -> frozenset[Feed]:
    return frozenset(feeds)


def edit(**values: Any) -> Callable[[Town, int], None]:
    def do(town: Town, member_id: int) -> None:
        assert town.twin.edit_member(member_id, **values)

    return do


def text(message: str) -> Callable[[Town, int], None]:
    def do(town: Town, member_id: int) -> None:
        town.twin.text_in(member_id, message)

    return do


def patch(**values: Any) -> Callable[[Town, int], None]:
    return lambda town, member_id: town.api("PATCH", f"/members?id=eq.{member_id}", values)


def created_by_api(town: Town, _: int) -> int:
    town.api(
        "POST",
        "/members",
        {"campaign_id": town.id, "phone_number": number(99), "custom": {"plan": "x"}},
    )
    found = town.twin.member_by_number(town.id, number(99))
    assert found is not None
    member_id: int = found["id"]
    return member_id


def left(town: Town, member_id: int) -> None:
    town.twin.leave_group(town.group, member_id)


def left_with_the_group(town: Town, member_id: int) -> None:
    town.twin.delete_group(town.group)


IN_GROUP: Final = {"groups": True}
HAPPENINGS: Final[Mapping[str, Happening]] = {
    "a column edited": Happening(edit(city="Troy"), said("members", "change_log")),
    "a column cleared": Happening(
        edit(city=""), said("members", "change_log"), before={"city": "Troy"}
    ),
    "another number": Happening(edit(phone_number="+12025559999"), said("members", "change_log")),
    "a custom value edited": Happening(
        edit(custom={"plan": "daily"}), said("members", "custom_values", "change_log"), "custom"
    ),
    "a custom value cleared": Happening(
        edit(custom={"plan": ""}),
        said("members", "custom_values", "change_log"),
        "custom",
        before={"custom": {"plan": "weekly"}},
    ),
    "opted out by an organiser": Happening(
        edit(opt_in=False), said("members", "change_log", "events"), "opt_in"
    ),
    "opted in by an organiser": Happening(
        edit(opt_in=True),
        said("members", "change_log", "events"),
        "opt_in",
        before={"opt_in": False},
    ),
    "STOP": Happening(text("stop"), said("members", "change_log", "events"), "opt_in"),
    "STOP of one who is out": Happening(
        text("STOP"), said("events"), "opt_in", before={"opt_in": False}
    ),
    "JOIN": Happening(
        text("Join"), said("members", "change_log", "events"), "opt_in", before={"opt_in": False}
    ),
    "made by an organiser": Happening(
        lambda town, _: town.add(99), said("members", "change_log", "events"), "new"
    ),
    "made by a text": Happening(
        lambda town, _: town.twin.text_in((town.id, number(99)), "JOIN"),
        said("members", "change_log", "events"),
        "new",
    ),
    "made by API": Happening(
        created_by_api, said("members", "custom_values", "change_log"), "new", by_api=True
    ),
    "a column by API": Happening(patch(city="Troy"), said("members", "change_log"), by_api=True),
    "a custom value by API": Happening(
        patch(custom={"plan": "daily"}),
        said("members", "custom_values", "change_log"),
        "custom",
        by_api=True,
    ),
    "opted out by API": Happening(
        patch(opt_in=False), said("members", "change_log", "events"), "opt_in", by_api=True
    ),
    "joined": Happening(
        lambda town, member_id: town.twin.join_group(town.group, member_id) and None,
        said("members", "joins"),
        "groups",
    ),
    "left": Happening(left, said("members", "removals"), "groups", before=IN_GROUP),
    "left with the group": Happening(
        left_with_the_group, said("members", "removals"), "groups", before=IN_GROUP
    ),
}

SWITCHES: Final = (
    "opt_in_changes_move_updated_at",
    "custom_changes_move_updated_at",
    "group_changes_move_updated_at",
    "own_writes_logged",
    "change_log_table",
    "custom_values_table",
    "removals_table",
)


def expected(happening: Happening, on: Mapping[str, bool]) -> set[Feed]:
    """The feeds that tell of something under these switches."""
    feeds = set(happening.feeds)
    if not on.get(f"{happening.part.replace('groups', 'group')}_changes_move_updated_at", True):
        feeds.discard("members")
    if not on["change_log_table"] or (happening.by_api and not on["own_writes_logged"]):
        feeds.discard("change_log")
    if not on["custom_values_table"]:
        feeds.discard("custom_values")
    if not on["removals_table"]:
        feeds.discard("removals")
    return feeds


@pytest.mark.parametrize("name", HAPPENINGS)
def test_every_change_is_named_under_every_setting(name: str) -> None:
    """And by which feeds. What none names is what `docs/assumptions.md` says nobody can find."""
    happening = HAPPENINGS[name]
    unfound = []
    for setting in product((True, False), repeat=len(SWITCHES)):
        on = dict(zip(SWITCHES, setting, strict=True))
        town = Town(**on)
        before = dict(happening.before or {})
        in_group = before.pop("groups", False)
        ana = town.add(1, **before, groups=[town.group] if in_group else [])
        town.clock.sleep(1)
        start = Place(town.clock.now(), 0)
        who = happening.do(town, ana) or ana
        naming = {feed for feed in FEEDS if who in town.named(feed, start)}
        assert naming == expected(happening, on), on
        if not naming:
            unfound.append({switch for switch, value in on.items() if not value})
    if happening.part == "custom":
        unlogged = {"change_log_table", *(["own_writes_logged"] if happening.by_api else [])}
        assert unfound
        for off in unfound:
            assert {"custom_changes_move_updated_at", "custom_values_table"} <= off
            assert unlogged & off
    elif name.startswith("left"):
        assert all({"group_changes_move_updated_at", "removals_table"} <= off for off in unfound)
        assert unfound
    else:
        assert unfound == []


@pytest.mark.parametrize("leave_logs", [True, False])
@pytest.mark.parametrize("logged", [True, False])
def test_a_deleted_member_is_missed_whatever_is_logged(leave_logs: bool, logged: bool) -> None:
    town = Town(deletions_leave_logs=leave_logs, own_writes_logged=logged, page_cap=2)
    ids = [town.add(n, groups=[town.group]) for n in range(5)]
    town.twin.text_in(ids[1], "STOP")
    town.clock.sleep(1)
    start = Place(town.clock.now(), 0)
    assert town.client.count_members() == 5
    town.twin.delete_member(ids[1])
    assert town.client.count_members() == 4
    assert town.client.member_ids(0, 100) == [ids[0], *ids[2:]]
    assert town.client.members_by_id([ids[1]]) == {}
    naming = {feed for feed in FEEDS if ids[1] in town.named(feed, start)}
    assert naming == ({"change_log", "removals"} if leave_logs else set())
    again = town.add(1)
    assert again not in ids


# --- conditional writes under the unknowns --------------------------------------------------


@pytest.mark.parametrize(("seen", "meanwhile"), [(True, "STOP"), (False, "JOIN")])
@pytest.mark.parametrize("moves", [True, False])
def test_nobody_writes_over_an_opt_in_that_changed_meanwhile(
    seen: bool, meanwhile: str, moves: bool
) -> None:
    """Also where it does not move `updated_at`."""
    town = Town(opt_in_changes_move_updated_at=moves)
    ana = town.add(1, opt_in=seen)
    member = town.client.members_by_id([ana])[ana]
    town.clock.sleep(1)
    town.twin.text_in(ana, meanwhile)
    assert town.client.patch_member(member, {"city": "Troy"}, {}, opt_in=seen) is None
    after = town.client.members_by_id([ana])[ana]
    assert (after.opt_in, after.city) == (not seen, "")
    assert isinstance(town.client.patch_member(after, {"city": "Troy"}, {}, None), Member)


@pytest.mark.parametrize(
    ("status", "error"), [(403, Unauthorised), (404, Rejected), (405, Rejected)]
)
def test_a_strive_without_patch(status: int, error: type[Exception]) -> None:
    """One attempt, nothing written: the account stops (A5), or this user is refused."""
    town = Town(patch_members=False, refused_write_status=status)
    ana = town.add(1)
    member = town.client.members_by_id([ana])[ana]
    town.heard.requests.clear()
    with pytest.raises(error):
        town.client.patch_member(member, {"city": "Troy"}, {}, None)
    assert len(town.heard.requests) == 1
    assert town.client.members_by_id([ana])[ana] == replace(member)
