"""The Strive twin's control paths, faults, limits, counts and its life as a server."""

from __future__ import annotations

import json
import random
import urllib.request

import pytest

from local.twins.http import Cut, Fault, serve
from local.twins.strive import StriveTwin, Unknowns
from tests.unit.twins.strive_client import Clock, Strive

ANA = "+12125550101"


def test_what_organisers_and_texters_do_by_http() -> None:
    strive = Strive()

    def control(path: str, /, **body: object) -> dict[str, int]:
        answer = strive.ask("POST", f"/_twin/{path}", body=body)
        assert answer.status == 200, answer.body
        done: dict[str, int] = answer.json()
        return done

    campaign = control("add-campaign", name="Hillside")
    on = {"strive_campaign_id": campaign["strive_campaign_id"]}
    control("add-custom-field", **on, field="issue")
    flow = control("add-flow", **on, name="Hi")["flow_id"]
    group = control("add-group", **on, name="Canvass", flow_id=flow)["group_id"]
    ana = control("add-member", **on, phone_number=ANA, first_name="Ana")["member_id"]
    assert control("edit-member", member_id=ana, fields={"city": "Bath"}) == {"changed": True}
    control("join-group", group_id=group, member_id=ana)
    control("edit-group", group_id=group, fields={"name": "Doors"})
    assert strive.twin.member(ana)["groups"] == [{"id": group, "name": "Doors"}]
    assert [t["flow_id"] for t in strive.ask("GET", "/_twin/texts").json()] == [flow]
    control("leave-group", group_id=group, member_id=ana)
    assert control("text-in", **on, phone_number=ANA, message="STOP") == {"member_id": ana}
    assert strive.twin.member(ana)["opt_in"] is False
    control("text-in", member_id=ana, message="JOIN")
    control("new-member-automation", **on, flow_id=flow)
    key = str(campaign["api_key"])
    body = {
        "phone_number": "+12125550102",
        "campaign_id": campaign["strive_campaign_id"],
        "opt_in": True,
    }
    assert strive.ask("POST", "/members", body=body, key=key).status == 201
    counts = strive.ask("GET", "/_twin/counts").json()
    assert counts["texts"] == 2
    assert counts["members_created"] == 1
    assert counts["requests"] == {"POST /members": 1}
    control("delete-group", group_id=group)
    control("delete-member", member_id=ana)
    control("reset-counts")
    assert strive.ask("GET", "/_twin/counts").json()["texts"] == 0


def test_wrong_control_requests() -> None:
    strive = Strive()
    strive.twin.add_member(strive.id, ANA)
    for name, body, status in (
        ("edit-member", {"member_id": 1, "fields": {}}, 400),
        ("edit-member", {}, 400),
        ("unknowns", {"colour": "red"}, 400),
        ("unknowns", {"page_cap": "many"}, 400),
        ("add-member", {"strive_campaign_id": strive.id, "phone_number": ANA}, 409),
        ("nothing", {}, 404),
    ):
        assert strive.ask("POST", f"/_twin/{name}", body=body).status == status


def test_unknowns_are_switched_and_checked() -> None:
    strive = Strive()
    answer = strive.ask("POST", "/_twin/unknowns", body={"source_column": True, "page_cap": 5})
    assert answer.json() == strive.ask("GET", "/_twin/unknowns").json()
    assert strive.twin.unknowns == Unknowns(source_column=True, page_cap=5)
    strive.post_member(ANA, source="ActionKit")
    assert strive.get("/members")[0]["source"] == "ActionKit"
    with pytest.raises(ValueError, match="opt_in_after_stop"):
        Unknowns(opt_in_after_stop="perhaps")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="page_cap"):
        Unknowns(page_cap=True)
    assert Unknowns(log_latency_seconds=3).log_latency_seconds == 3


def test_the_rate_limit() -> None:
    strive = Strive(rate_limit_per_minute=2, rate_limit_retry_after_seconds=9)
    other = strive.twin.add_campaign("Hillside")
    assert [strive.ask("GET", "/groups").status for _ in range(3)] == [200, 200, 429]
    answer = strive.ask("GET", "/groups")
    assert answer.headers["Retry-After"] == "9"
    assert answer.json()["code"] == "PGRST000"
    assert strive.ask("GET", "/groups", key=other.api_key).status == 200
    strive.clock.forward(60)
    assert strive.ask("GET", "/groups").status == 200
    assert strive.twin.counts().rate_limited == 2


def test_faults() -> None:
    strive = Strive()
    strive.twin.faults.add(Fault("answer_lost", times=1, method="POST"))
    with pytest.raises(Cut):
        strive.post_member(ANA)
    assert strive.twin.member_by_number(strive.id, ANA) is not None
    body = {"faults": [{"kind": "unavailable", "times": 1, "retry_after_seconds": 3}]}
    assert strive.ask("POST", "/_twin/faults", body=body).status == 200
    answer = strive.ask("GET", "/members")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
    assert set(answer.json()) == {"code", "message", "details", "hint"}
    assert strive.ask("GET", "/members").status == 200


def test_the_same_seed_makes_the_same_keys() -> None:
    keys = [StriveTwin(Clock(), random.Random(3)).add_campaign("A").api_key for _ in range(2)]
    assert keys[0] == keys[1]
    assert keys[0] != StriveTwin(Clock(), random.Random(4)).add_campaign("A").api_key


def test_as_a_server() -> None:
    strive = Strive()
    server = serve(strive.twin)
    try:
        request = urllib.request.Request(
            f"{server.url}/members",
            json.dumps({"phone_number": ANA, "campaign_id": strive.id}).encode(),
            {"Authorization": f"Bearer {strive.key}", "Prefer": "return=representation"},
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 201
            assert json.loads(answer.read())[0]["phone_number"] == ANA
    finally:
        server.close()
