"""Texts of the Strive twin: STOP and JOIN, group flows, automations, and who is not texted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.twins.strive_client import Strive

ANA = "+12125550101"


def events(strive: Strive) -> list[tuple[bool, str]]:
    rows = strive.get("/subscription_events", order="id")
    return [(row["unsubscribe"], row["type"]) for row in rows]


def test_stop_opts_out_and_join_opts_in() -> None:
    strive = Strive()
    ana = strive.twin.add_member(strive.id, ANA, opt_in=True)
    strive.clock.forward(60)
    strive.twin.text_in(ana, " stop ")
    assert strive.twin.member(ana)["opt_in"] is False
    [message] = strive.get("/incoming_messages")
    assert (message["is_opt_out"], message["from_number"], message["member_id"]) == (True, ANA, ana)
    event = strive.get("/subscription_events", unsubscribe="is.true")[0]
    assert (event["type"], event["ref_id"]) == ("text", message["id"])
    strive.twin.text_in((strive.id, ANA), "JOIN")
    assert strive.twin.member(ana)["opt_in"] is True
    strive.twin.text_in(ana, "thanks!")
    assert events(strive) == [(False, "organizer"), (True, "text"), (False, "text")]
    assert [m["is_opt_out"] for m in strive.get("/incoming_messages")] == [True, False, False]


def test_stop_by_somebody_who_is_out_is_an_event_all_the_same() -> None:
    strive = Strive()
    ana = strive.twin.add_member(strive.id, ANA, opt_in=False)
    strive.twin.text_in(ana, "STOP")
    assert events(strive) == [(True, "text")]


def test_an_unknown_number_that_texts_becomes_a_member() -> None:
    strive = Strive()
    joined = strive.twin.text_in((strive.id, ANA), "JOIN")
    hello = strive.twin.text_in((strive.id, "+12125550102"), "hello")
    assert strive.twin.member(joined)["opt_in"] is True
    assert strive.twin.member(hello)["opt_in"] is False
    assert strive.twin.texts() == []


@pytest.mark.parametrize(
    ("switch", "status", "opted_in"),
    [("allowed", 200, True), ("ignored", 200, False), ("error", 400, False)],
)
def test_opt_in_by_api_after_stop(switch: str, status: int, opted_in: bool) -> None:
    strive = Strive(opt_in_after_stop=switch)
    ana = strive.twin.add_member(strive.id, ANA)
    strive.twin.text_in(ana, "STOP")
    answer = strive.patch(ana, {"opt_in": True})
    assert answer.status == status
    assert strive.twin.member(ana)["opt_in"] is opted_in
    answer = strive.post_member(ANA, opt_in=True)
    assert answer.status == (201 if status == 200 else 400)
    assert strive.twin.member(ana)["opt_in"] is opted_in
    if status == 400:
        assert answer.json()["code"] == "P0001"


@pytest.mark.parametrize("switch", ["ignored", "error"])
def test_a_stop_outlives_the_member(switch: str) -> None:
    strive = Strive(opt_in_after_stop=switch)
    ana = strive.twin.add_member(strive.id, ANA)
    strive.twin.text_in(ana, "STOP")
    strive.twin.delete_member(ana)
    answer = strive.post_member(ANA, opt_in=True)
    member = strive.twin.member_by_number(strive.id, ANA)
    if switch == "error":
        assert (answer.status, member) == (400, None)
    else:
        assert member is not None
        assert member["opt_in"] is False


@pytest.mark.parametrize("switch", ["ignored", "error"])
def test_an_organiser_and_join_lift_a_stop(switch: str) -> None:
    strive = Strive(opt_in_after_stop=switch)
    for number, lift in ((ANA, "organizer"), ("+12125550102", "JOIN")):
        member = strive.twin.add_member(strive.id, number)
        strive.twin.text_in(member, "STOP")
        if lift == "JOIN":
            strive.twin.text_in(member, "JOIN")
        else:
            strive.twin.edit_member(member, opt_in=True)
        assert strive.twin.member(member)["opt_in"] is True
        strive.patch(member, {"opt_in": False})
        strive.patch(member, {"opt_in": True})
        assert strive.twin.member(member)["opt_in"] is True


# --- flows --------------------------------------------------------------------------------------


def joined(strive: Strive, group: int, member: int) -> None:
    answer = strive.ask("POST", "/groups_members", body={"group_id": group, "member_id": member})
    assert answer.status == 201


def left(strive: Strive, group: int, member: int) -> None:
    query = {"group_id": f"eq.{group}", "member_id": f"eq.{member}"}
    assert strive.ask("DELETE", "/groups_members", query).status == 204


def test_a_group_with_a_flow_texts_whoever_joins() -> None:
    strive = Strive()
    flow = strive.twin.add_flow(strive.id, "Welcome to the canvass")
    group = strive.twin.add_group(strive.id, "Canvass", flow)
    quiet = strive.twin.add_group(strive.id, "Quiet")
    ana = strive.twin.add_member(strive.id, ANA)
    joined(strive, quiet, ana)
    assert strive.twin.texts() == []
    joined(strive, group, ana)
    [text] = strive.twin.texts(strive.id)
    assert (text["member_id"], text["flow_id"]) == (ana, flow)
    [message] = strive.get("/outgoing_messages")
    [action] = strive.get("/flow_actions", id=f"eq.{message['flow_action_id']}")
    assert (message["member_id"], action["flow_id"]) == (ana, flow)
    [shown] = strive.get("/flows")
    assert shown["name"] == "Welcome to the canvass"
    strive.post_member(ANA, groups=[{"name": "Canvass"}])  # in it already
    counts = strive.twin.counts()
    assert (counts.texts, counts.texts_by_flow, counts.texts_by_member) == (1, {flow: 1}, {ana: 1})


def test_groups_on_post_text_too() -> None:
    strive = Strive()
    flow = strive.twin.add_flow(strive.id, "Welcome")
    strive.twin.add_group(strive.id, "Canvass", flow)
    strive.post_member(ANA, opt_in=True, groups=[{"name": "Canvass"}])
    assert strive.twin.counts().texts == 1


@pytest.mark.parametrize(("switch", "texts"), [(True, 2), (False, 1)])
def test_joining_again(switch: bool, texts: int) -> None:
    strive = Strive(flow_again_on_rejoin=switch)
    group = strive.twin.add_group(strive.id, "A", strive.twin.add_flow(strive.id, "Hi"))
    ana = strive.twin.add_member(strive.id, ANA)
    joined(strive, group, ana)
    left(strive, group, ana)
    joined(strive, group, ana)
    assert len(strive.twin.texts()) == texts


@pytest.mark.parametrize(("switch", "texts"), [(True, 1), (False, 0)])
def test_who_is_opted_out_is_not_texted(switch: bool, texts: int) -> None:
    strive = Strive(flows_text_opted_out=switch)
    group = strive.twin.add_group(strive.id, "A", strive.twin.add_flow(strive.id, "Hi"))
    ana = strive.twin.add_member(strive.id, ANA, opt_in=False)
    joined(strive, group, ana)
    assert strive.twin.counts().texts == texts


def test_the_automation_texts_members_who_are_new_by_api() -> None:
    strive = Strive()
    strive.post_member("+12125550105", opt_in=True)
    assert strive.twin.texts() == []  # none is active unless switched on
    flow = strive.twin.add_flow(strive.id, "Hello")
    strive.twin.set_new_member_automation(strive.id, flow)
    strive.twin.add_member(strive.id, "+12125550102")
    strive.twin.text_in((strive.id, "+12125550103"), "JOIN")
    strive.post_member("+12125550104", opt_in=False)
    for _ in range(2):
        strive.post_member(ANA, opt_in=True)
    assert [t["flow_id"] for t in strive.twin.texts()] == [flow]
    assert strive.twin.counts().members_created == 3
    strive.twin.set_new_member_automation(strive.id, None)
    strive.post_member("+12125550106", opt_in=True)
    assert len(strive.twin.texts()) == 1


def test_a_flow_belongs_to_its_campaign() -> None:
    strive = Strive()
    other: Any = strive.twin.add_campaign("Hillside")
    flow = strive.twin.add_flow(other.campaign_id, "Hi")
    body = {"name": "A", "campaign_id": strive.id, "flow_id": flow}
    assert strive.ask("POST", "/groups", body=body).status == 409
