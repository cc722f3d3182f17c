"""Pages, usergroups, ActionField groups and the list of groups (P1, P2, G1 to G5)."""

from __future__ import annotations

from typing import Any

import pytest

from instep.domain.account import Phase
from instep.domain.holds import HoldKind, backfill_of
from instep.domain.people import Side
from instep.use_cases.choices import read_choices
from instep.use_cases.holds import Held, join, open_backfills
from tests.unit.api.desk import Desk

WRITES: list[tuple[str, Any]] = [
    ("PUT /pages/2/sync", None),
    ("PUT /usergroups/1/sync", None),
    ("POST /actionfield-groups", {"name": "Reds", "actionfield": "colour"}),
    ("POST /automations", {"once_per": "person", "publish_event": True}),
]


def groups_in_strive(desk: Desk) -> list[str]:
    client = desk.world.strive(desk.account())
    return sorted(one.name for one in client.groups())


# --- pages ---


def test_p1_pages_are_listed_with_what_is_known_of_them(desk: Desk) -> None:
    desk.listed(pages=1)
    (page,) = [one for one in desk.all("/pages") if one["page_id"] == desk.pages[0]]
    updated_at = page.pop("updated_at")
    assert updated_at.endswith("Z")
    assert page == {
        "page_id": desk.pages[0],
        "name": "page-1",
        "title": "Page 1",
        "type": "Signup",
        "synced": False,
        "group": None,
        "actions": 0,
    }


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_p1_pages_and_usergroups_are_paged(desk: Desk, limit: int) -> None:
    desk.listed(pages=5, usergroups=5)
    pages = [one["page_id"] for one in desk.all("/pages", limit)]
    assert pages == [desk.account().import_page_id, *desk.pages]
    usergroups = [one["usergroup_id"] for one in desk.all("/usergroups", limit)]
    assert usergroups == desk.usergroups


def test_p1_pages_are_found_by_a_part_of_name_or_title(desk: Desk) -> None:
    desk.running()
    trees = desk.actionkit.add_page("save-trees", title="Rettet die Bäume")
    rivers = desk.actionkit.add_page("rivers", title="Save the Rivers")
    desk.listed()
    for text, found in (
        ("TREES", [trees]),
        ("bäume", [trees]),
        (" save ", [trees, rivers]),
        ("save-trees rettet", []),
        ("no such", []),
    ):
        assert [one["page_id"] for one in desk.all("/pages", 1, q=text)] == found, text


@pytest.mark.parametrize("path", ["/pages", "/usergroups"])
def test_p2_lists_show_what_is_synced_or_what_is_not(desk: Desk, path: str) -> None:
    desk.listed(pages=4, usergroups=4)
    key, ids = {
        "/pages": ("page_id", desk.pages),
        "/usergroups": ("usergroup_id", desk.usergroups),
    }[path]
    for one in ids[1:3]:
        assert desk.call(f"PUT {path}/{one}/sync").status == 200
    synced = desk.all(path, 1, synced="true")
    assert [(one[key], one["synced"]) for one in synced] == [(one, True) for one in ids[1:3]]
    others = [one[key] for one in desk.all(path, 1, synced="false")]
    assert others == [one[key] for one in desk.all(path) if not one["synced"]]
    assert {ids[0], ids[3]} <= set(others)
    both = desk.all(path, 1, synced="true", q=" 2")
    assert [one[key] for one in both] == [ids[1]]
    for wrong in ("yes", "", "1"):
        answer = desk.call(f"GET {path}", synced=wrong)
        assert (answer.status, answer.fields) == (422, {"synced"})
    assert desk.call(f"GET {path}", q="x" * 256).fields == {"q"}
    cursor = desk.call(f"GET {path}", limit=1, synced="true").body["next_cursor"]
    answer = desk.call(f"GET {path}", synced="false", cursor=cursor)
    assert (answer.status, answer.fields) == (422, {"cursor"})


@pytest.mark.parametrize("body", ["absent", "", "{}", "null"])
def test_p2_a_page_is_synced_and_let_go(desk: Desk, body: str) -> None:
    desk.listed(pages=1)
    (page_id,) = desk.pages
    path = f"/api/accounts/demo/pages/{page_id}/sync"
    answer = desk.raw("PUT", path, None if body == "absent" else body, "demo:editor")
    assert answer.status == 200
    assert (answer.body["page_id"], answer.body["synced"]) == (page_id, True)
    (group,) = [one for one in desk.all("/groups") if one["kind"] == "page"]
    assert (group["group"], group["name"]) == (answer.body["group"], "Page 1")
    assert (group["members"], group["protected"], group["hold_id"]) == (0, True, None)
    again = desk.call(f"PUT /pages/{page_id}/sync", {})
    assert (again.status, again.body) == (200, answer.body)
    runs = [one for one in desk.all("/runs") if one["kind"] == "backfill"]
    assert len(runs) == 1
    for _ in ("once", "again"):
        assert desk.call(f"DELETE /pages/{page_id}/sync").status == 204
    assert desk.all("/pages", synced="true") == []
    (group,) = [one for one in desk.all("/groups") if one["kind"] == "page"]
    assert not group["protected"]
    named = [one["what"] for one in desk.all("/audit")]
    assert named.count("page_sync") == 2


def test_p2_a_group_of_that_name_is_used_or_named_otherwise(desk: Desk) -> None:
    desk.listed(pages=2)
    desk.strive.add_group(desk.campaign.campaign_id, "page 1")
    path = f"PUT /pages/{desk.pages[0]}/sync"
    answer = desk.call(path)
    assert (answer.status, answer.code) == (409, "group_name_taken")
    assert desk.call(path, {"use_existing_group": False}).code == "group_name_taken"
    assert desk.call(path, {"group_name": " Signers "}).status == 200
    assert "Signers" in groups_in_strive(desk)
    desk.strive.add_group(desk.campaign.campaign_id, "Page 2")
    path = f"PUT /pages/{desk.pages[1]}/sync"
    assert desk.call(path, {"use_existing_group": True}).status == 200
    assert groups_in_strive(desk).count("Page 2") == 1


@pytest.mark.parametrize("path", ["/pages", "/usergroups"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"group_name": ""}, "group_name"),
        ({"group_name": "  "}, "group_name"),
        ({"group_name": "x" * 256}, "group_name"),
        ({"group_name": 7}, "group_name"),
        ({"use_existing_group": "yes"}, "use_existing_group"),
        ({"no_such": 1}, "no_such"),
        ([], "body"),
    ],
)
def test_p2_what_is_wrong_with_the_group_is_named(
    desk: Desk, path: str, body: Any, field: str
) -> None:
    desk.listed(pages=1, usergroups=1)
    one = (desk.pages if path == "/pages" else desk.usergroups)[0]
    before = groups_in_strive(desk)
    answer = desk.call(f"PUT {path}/{one}/sync", body)
    assert (answer.status, answer.fields) == (422, {field})
    assert groups_in_strive(desk) == before
    name = {"group_name": "x" * 255}
    assert desk.call(f"PUT {path}/{one}/sync", name).status == 200


def test_p2_our_own_page_is_refused(desk: Desk) -> None:
    desk.listed()
    answer = desk.call(f"PUT /pages/{desk.account().import_page_id}/sync")
    assert (answer.status, answer.code) == (409, "own_page")


def test_p2_a_page_that_is_used_stays_synced(desk: Desk) -> None:
    desk.listed(pages=1)
    (page_id,) = desk.pages
    desk.call(f"PUT /pages/{page_id}/sync")
    group = desk.call(
        "POST /actionfield-groups", {"name": "Reds", "actionfield": "colour", "page_id": page_id}
    ).body
    answer = desk.call(f"DELETE /pages/{page_id}/sync")
    assert (answer.status, answer.code) == (409, "page_in_use")
    assert "Reds" in answer.body["error"]["message"]
    assert desk.call(f"DELETE /actionfield-groups/{group['id']}").status == 204
    rule = desk.call(
        "POST /automations", {"once_per": "person", "publish_event": True, "page_id": page_id}
    ).body
    answer = desk.call(f"DELETE /pages/{page_id}/sync")
    assert (answer.status, answer.code) == (409, "page_in_use")
    assert rule["id"] in answer.body["error"]["message"]
    assert desk.call(f"DELETE /automations/{rule['id']}").status == 204
    assert desk.call(f"DELETE /pages/{page_id}/sync").status == 204


# --- what is not there, and when nothing may be made ---


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("PUT /pages/999999999/sync", "no_page"),
        ("DELETE /pages/999999999/sync", "no_page"),
        ("PUT /usergroups/999999999/sync", "no_usergroup"),
        ("DELETE /usergroups/999999999/sync", "no_usergroup"),
        ("DELETE /groups/999999999", "no_group"),
        ("DELETE /actionfield-groups/999999999", "no_actionfield_group"),
        ("DELETE /actionfield-groups/page-2", "no_actionfield_group"),
        ("PATCH /automations/999999999", "no_automation"),
        ("DELETE /automations/999999999", "no_automation"),
        ("GET /automations/999999999/runs", "no_automation"),
    ],
)
def test_what_is_not_there_is_404(desk: Desk, call: str, code: str) -> None:
    desk.listed(pages=1)
    desk.call(f"PUT /pages/{desk.pages[0]}/sync")
    answer = desk.call(call, {"enabled": True} if call.startswith("PATCH") else None)
    assert (answer.status, answer.code) == (404, code)


@pytest.mark.parametrize("path", ["/pages/one/sync", "/usergroups/-1/sync"])
def test_what_is_no_id_is_422(desk: Desk, path: str) -> None:
    desk.listed()
    for method in ("PUT", "DELETE"):
        answer = desk.call(f"{method} {path}")
        assert answer.status == 422
    assert desk.call("DELETE /groups/one").fields == {"group"}
    assert desk.call("DELETE /groups/1000000000000").fields == {"group"}


@pytest.mark.parametrize(("call", "body"), WRITES)
def test_while_off_or_stopped_nothing_is_made(desk: Desk, call: str, body: Any) -> None:
    desk.listed(pages=1, usergroups=1)
    before = groups_in_strive(desk)
    for phase, code in (
        (Phase.OFF, "not_active"),
        (Phase.PAUSED, "paused"),
        (Phase.STOPPED_CREDENTIALS, "stopped_credentials"),
    ):
        desk.change(phase=phase)
        answer = desk.call(call, body)
        assert (answer.status, answer.code) == (409, code)
    desk.change(phase=Phase.SYNCING)
    assert groups_in_strive(desk) == before
    assert desk.call(call, body).status in (200, 201)


@pytest.mark.parametrize(("call", "body"), WRITES)
def test_a_side_that_is_away_is_503(
    desk: Desk, call: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.listed(pages=1, usergroups=1)
    monkeypatch.setattr(desk.transport, "_twins", {})
    answer = desk.call(call, body)
    assert answer.status == 503
    assert answer.code in ("strive_unreachable", "actionkit_unreachable")
    assert read_choices(desk.world, "demo").sources == ()


@pytest.mark.parametrize(("call", "body"), WRITES)
def test_o5_staff_of_another_account_and_viewers_make_nothing(
    desk: Desk, call: str, body: Any
) -> None:
    desk.listed(pages=1, usergroups=1)
    assert desk.call(call, body, accounts="demo:viewer").status == 403
    assert desk.call(call, body, accounts="other:editor").status == 403
    assert desk.call(call, body, account="other").code == "no_account"
    assert read_choices(desk.world, "demo").sources == ()


def test_o5_one_account_never_shows_or_changes_anothers_groups(desk: Desk) -> None:
    desk.listed(pages=1, usergroups=1)
    made = desk.call(f"PUT /pages/{desk.pages[0]}/sync").body
    desk.call(f"PUT /usergroups/{desk.usergroups[0]}/sync")
    body = {"name": "Reds", "actionfield": "colour"}
    group = desk.call("POST /actionfield-groups", body).body
    rule = desk.call("POST /automations", {"once_per": "person", "publish_event": True}).body
    assert desk.call("PUT /connection", desk.others_credentials(), account="other").status == 200
    for path in (
        *("/pages", "/usergroups", "/actionfield-groups", "/groups", "/automations"),
        *("/actions", "/actionfields"),
    ):
        assert desk.call(f"GET {path}", account="other").body["items"] == [], path
    for call in (
        f"DELETE /pages/{desk.pages[0]}/sync",
        f"DELETE /usergroups/{desk.usergroups[0]}/sync",
        f"DELETE /actionfield-groups/{group['id']}",
        f"DELETE /groups/{made['group']}",
        f"DELETE /automations/{rule['id']}",
        f"GET /automations/{rule['id']}/runs",
    ):
        assert desk.call(call, account="other").status == 404, call
    assert len(desk.all("/actionfield-groups")) == len(desk.all("/automations")) == 1


# --- usergroups ---


def test_g4_a_usergroup_is_synced_and_let_go(desk: Desk) -> None:
    desk.listed(usergroups=1)
    (usergroup_id,) = desk.usergroups
    listed = {
        "usergroup_id": usergroup_id,
        "name": "Usergroup 1",
        "users": 0,
        "synced": False,
        "group": None,
    }
    assert desk.all("/usergroups") == [listed]
    answer = desk.call(f"PUT /usergroups/{usergroup_id}/sync")
    group = answer.body["group"]
    assert answer.body == {**listed, "synced": True, "group": group}
    assert desk.all("/usergroups") == [answer.body]
    assert desk.call(f"DELETE /groups/{group}").code == "protected"
    assert desk.call(f"DELETE /usergroups/{usergroup_id}/sync").status == 204
    assert desk.all("/usergroups") == [listed]
    assert desk.call(f"DELETE /groups/{group}").status == 204


# --- ActionField groups ---


def test_g3_an_actionfield_group_is_made_and_deleted(desk: Desk) -> None:
    desk.listed(pages=1)
    desk.call(f"PUT /pages/{desk.pages[0]}/sync")
    body = {"name": " Reds ", "actionfield": " colour ", "page_id": desk.pages[0], "value": " red "}
    answer = desk.call("POST /actionfield-groups", body)
    assert answer.status == 201
    made = answer.body
    assert made == {
        "id": made["id"],
        "name": "Reds",
        "page_id": desk.pages[0],
        "actionfield": "colour",
        "value": "red",
        "group": made["group"],
    }
    assert desk.all("/actionfield-groups") == [made]
    (shown,) = [one for one in desk.all("/groups") if one["group"] == made["group"]]
    assert (shown["kind"], shown["protected"]) == ("actionfield", True)
    answer = desk.call(f"DELETE /groups/{made['group']}")
    assert (answer.status, answer.code) == (409, "protected")
    assert desk.call(f"DELETE /actionfield-groups/{made['id']}").status == 204
    assert desk.all("/actionfield-groups") == []
    assert desk.call(f"DELETE /actionfield-groups/{made['id']}").status == 404
    audited = [one for one in desk.all("/audit") if one["what"] == "actionfield_group"]
    assert [one["new"] is None for one in audited] == [True, False]


def test_g3_any_page_and_any_value(desk: Desk) -> None:
    desk.listed()
    for more in ({}, {"page_id": None, "value": None}, {"value": ""}, {"value": "  "}):
        body = {"name": "Reds", "actionfield": "colour", **more}
        made = desk.call("POST /actionfield-groups", body).body
        assert (made["page_id"], made["value"]) == (None, None)
        assert desk.call(f"DELETE /actionfield-groups/{made['id']}").status == 204


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_g3_actionfield_groups_are_paged(desk: Desk, limit: int) -> None:
    desk.listed()
    made = []
    for number in range(5):
        body = {"name": f"Group {number}", "actionfield": "colour"}
        made.append(desk.call("POST /actionfield-groups", body).body)
    assert desk.all("/actionfield-groups", limit) == made
    groups = [one["group"] for one in desk.all("/groups", limit)]
    assert groups == [desk.group, *(one["group"] for one in made)]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"actionfield": ""}, "actionfield"),
        ({"actionfield": 5}, "actionfield"),
        ({"value": 5}, "value"),
        ({"value": "x" * 1001}, "value"),
        ({"page_id": "2"}, "page_id"),
        ({"page_id": 0}, "page_id"),
        ({"page_id": True}, "page_id"),
        ({"page_id": 999_999_999}, "page_id"),
        ({"use_existing_group": None}, "use_existing_group"),
        ({"no_such": 1}, "no_such"),
    ],
)
def test_g3_what_is_wrong_with_an_actionfield_group_is_named(
    desk: Desk, changed: dict[str, Any], field: str
) -> None:
    desk.listed()
    before = desk.everything()
    body = {"name": "Reds", "actionfield": "colour", **changed}
    answer = desk.call("POST /actionfield-groups", body)
    assert (answer.status, answer.fields) == (422, {field})
    assert desk.everything() == before


def test_g3_a_missing_key_is_named(desk: Desk) -> None:
    desk.listed()
    assert desk.call("POST /actionfield-groups", {}).fields == {"name", "actionfield"}
    assert desk.call("POST /actionfield-groups").status == 422


def test_g3_a_taken_name_is_used_only_if_staff_say_so(desk: Desk) -> None:
    desk.listed()
    theirs = desk.strive.add_group(desk.campaign.campaign_id, "Reds")
    body: dict[str, Any] = {"name": "Reds", "actionfield": "colour"}
    answer = desk.call("POST /actionfield-groups", body)
    assert (answer.status, answer.code) == (409, "group_name_taken")
    answer = desk.call("POST /actionfield-groups", {**body, "use_existing_group": True})
    assert (answer.status, answer.body["group"]) == (201, theirs)


# --- the list of groups ---


def test_g1_the_primary_group_is_protected_while_on(desk: Desk) -> None:
    desk.listed()
    (primary,) = desk.all("/groups")
    assert (primary["group"], primary["kind"]) == (desk.group, "primary")
    assert primary["protected"]
    answer = desk.call(f"DELETE /groups/{desk.group}")
    assert (answer.status, answer.code) == (409, "protected")
    desk.off()
    assert [one["protected"] for one in desk.all("/groups")] == [False]
    assert desk.call(f"DELETE /groups/{desk.group}").status == 204
    assert desk.all("/groups") == []


def test_g5_a_group_that_is_let_go_can_be_deleted(desk: Desk) -> None:
    desk.listed(pages=1)
    made = desk.call(f"PUT /pages/{desk.pages[0]}/sync").body
    assert desk.call(f"DELETE /groups/{made['group']}").code == "protected"
    desk.call(f"DELETE /pages/{desk.pages[0]}/sync")
    assert "Page 1" in groups_in_strive(desk)
    assert desk.call(f"DELETE /groups/{made['group']}").status == 204
    assert "Page 1" not in groups_in_strive(desk)
    assert desk.call(f"DELETE /groups/{made['group']}").code == "no_group"


def test_p8_groups_and_holds_name_each_other(desk: Desk) -> None:
    desk.listed(pages=1)
    group = desk.call(f"PUT /pages/{desk.pages[0]}/sync").body["group"]
    stake = backfill_of(group)
    open_backfills(desk.world, "demo", [stake], "backfill")
    join(desk.world, "demo", {5: Held(50, True, frozenset({stake}))})
    (hold,) = desk.all("/holds")
    assert (hold["kind"], hold["group"]) == (HoldKind.GROUP_BACKFILL, group)
    assert (hold["direction"], hold["people"]) == (f"to_{Side.STRIVE}", 1)
    (shown,) = [one for one in desk.all("/groups") if one["group"] == group]
    assert shown["hold_id"] == hold["hold_id"]


def test_groups_of_an_account_that_is_not_connected_have_no_number(desk: Desk) -> None:
    desk.listed()
    desk.switch_off()
    assert [one["members"] for one in desk.all("/groups")] == [None]


def test_g5_where_strive_is_slow_the_list_comes_without_some_numbers(desk: Desk) -> None:
    desk.listed(pages=4)
    for page_id in desk.pages:
        desk.call(f"PUT /pages/{page_id}/sync")
    answer = desk.strive.handle

    def slow(request: Any) -> Any:
        if "groups_members" in request.path:
            desk.clock.sleep(4)
        return answer(request)

    desk.strive.handle = slow  # type: ignore[method-assign]
    assert [one["members"] for one in desk.all("/groups")] == [0, 0, 0, None, None]
