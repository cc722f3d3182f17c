"""Groups of the Strive twin as its API shows them: members, joins that text, removals."""

from __future__ import annotations

from local.twins.http import Request
from tests.unit.twins.strive_client import Strive


def test_a_group_from_its_making_to_its_end() -> None:
    strive = Strive()
    flow = strive.twin.add_flow(strive.id, "Welcome")
    group = strive.twin.add_group(strive.id, "Canvass", flow)
    ana, bo, cy = (strive.twin.add_member(strive.id, f"+1212555010{n}") for n in (1, 2, 3))
    for member in (ana, bo, cy):
        strive.clock.forward(60)
        body = {"group_id": group, "member_id": member}
        assert strive.ask("POST", "/groups_members", body=body).status == 201
    query = {"group_id": f"eq.{group}", "limit": "2", "order": "member_id"}
    answer = strive.ask("GET", "/groups_members", query, prefer="count=exact")
    assert (answer.status, answer.headers["Content-Range"]) == (206, "0-1/3")
    assert [row["member_id"] for row in answer.json()] == [ana, bo]
    empty = {"group_id": f"eq.{group}", "member_id": "eq.1"}
    answer = strive.ask("GET", "/groups_members", empty, prefer="count=exact")
    assert (answer.status, answer.headers["Content-Range"]) == (200, "*/0")

    strive.clock.forward(60)
    one = {"group_id": f"eq.{group}", "member_id": f"eq.{bo}"}
    assert strive.ask("DELETE", "/groups_members", one).status == 204
    [removal] = strive.get("/member_group_delete_log", member_id=f"eq.{bo}")
    assert (removal["group_id"], removal["delete_source"]) == (group, "api")
    assert removal["member_added_on"] == "2026-03-01T12:02:00.000+00:00"
    assert removal["member_removed_on"] == "2026-03-01T12:04:00.000+00:00"

    strive.clock.forward(60)
    gone = {"id": f"eq.{group}"}
    assert (
        strive.ask("DELETE", "/groups", gone, prefer="count=exact")
        .headers["Content-Range"]
        .endswith("/1")
    )
    assert strive.get("/groups", id=f"eq.{group}") == []
    assert strive.get("/groups_members", group_id=f"eq.{group}") == []
    assert strive.get("/members", id=f"eq.{ana}")[0]["groups"] == []
    removals = strive.get(
        "/member_group_delete_log",
        group_id=f"eq.{group}",
        member_removed_on="gt.2026-03-01T12:04:00Z",
        order="member_id",
    )
    assert [(row["member_id"], row["delete_source"]) for row in removals] == [
        (ana, "group_deleted"),
        (cy, "group_deleted"),
    ]
    body = {"group_id": group, "member_id": ana}
    assert strive.ask("POST", "/groups_members", body=body).status == 409
    assert strive.ask("DELETE", "/groups", gone).status == 204
    assert strive.ask("DELETE", "/groups").status == 400


def test_texts_of_a_member_in_a_stretch_of_time() -> None:
    strive = Strive()
    groups = [
        strive.twin.add_group(strive.id, name, strive.twin.add_flow(strive.id, name))
        for name in ("One", "Two", "Three")
    ]
    ana, bo = (strive.twin.add_member(strive.id, f"+1212555010{n}") for n in (1, 2))
    for group in groups:
        strive.clock.forward(3600)
        for member in (ana, bo):
            strive.twin.join_group(group, member)
    for column in ("sent_at", "queued_at"):
        rows = strive.get(
            "/outgoing_messages",
            member_id=f"eq.{ana}",
            **{column: "gte.2026-03-01T14:00:00Z"},
            order=column,
        )
        assert [(row["member_id"], row["message"]) for row in rows] == [
            (ana, "Two"),
            (ana, "Three"),
        ]
    both = strive.get(
        "/outgoing_messages", member_id=f"in.({ana},{bo})", sent_at="lt.2026-03-01T14:00:00Z"
    )
    assert {row["message"] for row in both} == {"One"}
    stretch = strive.twin.handle(
        Request.to(
            "GET",
            f"/outgoing_messages?member_id=eq.{ana}&sent_at=gte.2026-03-01T13:30:00Z"
            "&sent_at=lt.2026-03-01T14:30:00Z",
            {"authorization": f"Bearer {strive.key}"},
        )
    )
    assert [row["message"] for row in stretch.json()] == ["Two"]
    [action] = strive.get("/flow_actions", id=f"eq.{stretch.json()[0]['flow_action_id']}")
    assert action["member_id"] == ana


def test_the_members_of_a_group_by_control() -> None:
    strive = Strive()
    group = strive.twin.add_group(strive.id, "One")
    members = [strive.twin.add_member(strive.id, f"+1212555010{n}", groups=[group]) for n in (1, 2)]
    answer = strive.ask("POST", "/_twin/group-members", body={"group_id": group})
    assert answer.json() == members
    body = {"group_id": group, "fields": {"name": "Uno"}}
    assert strive.ask("POST", "/_twin/edit-group", body=body).status == 200
    assert strive.get("/groups")[0]["name"] == "Uno"
    assert strive.ask("POST", "/_twin/delete-group", body={"group_id": group}).status == 200
    assert strive.ask("POST", "/_twin/delete-group", body={"group_id": group}).status == 400
    answer = strive.ask("POST", "/_twin/group-members", body={"group_id": group})
    assert answer.json() == []
