"""Reading the Strive twin: keys, filters, order, paging, errors."""

from __future__ import annotations

from typing import Any

import pytest

from local.twins.http import Request
from tests.unit.twins.strive_client import Strive


@pytest.fixture
def strive() -> Strive:
    strive = Strive()
    twin, campaign = strive.twin, strive.id
    twin.add_custom_field(campaign, "issue", "Issue")
    twin.add_custom_field(campaign, "age", "Age", "number")
    people: list[tuple[str, str, Any, bool, dict[str, Any]]] = [
        ("+12125550101", "Ana", "ana@example.org", True, {"issue": "trees", "age": 41}),
        ("+12125550102", "Bo", "", True, {"issue": 'a, "b"'}),
        ("+12125550103", "Cy", None, False, {}),
        ("+12125550104", "Dee 100%", "dee@example.org", False, {"issue": "buses"}),
    ]
    for number, name, email, opt_in, custom in people:
        strive.clock.forward(60)
        twin.add_member(
            campaign, number, first_name=name, email=email, opt_in=opt_in, custom=custom
        )
    return strive


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["first_name"][:3].strip() for row in rows]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"first_name": "eq.Ana"}, ["Ana"]),
        ({"first_name": "neq.Ana"}, ["Bo", "Cy", "Dee"]),
        ({"first_name": "gt.Bo"}, ["Cy", "Dee"]),
        ({"first_name": "gte.Bo"}, ["Bo", "Cy", "Dee"]),
        ({"first_name": "lt.Bo"}, ["Ana"]),
        ({"first_name": "lte.Bo"}, ["Ana", "Bo"]),
        ({"first_name": "like.*e*"}, ["Dee"]),
        ({"first_name": "like.an*"}, []),
        ({"first_name": "ilike.an%"}, ["Ana"]),
        ({"first_name": "like._o"}, ["Bo"]),
        ({"phone_number": "in.(+12125550101,+12125550104)"}, ["Ana", "Dee"]),
        ({"phone_number": "in.()"}, []),
        ({"first_name": 'in.("Bo",Cy)'}, ["Bo", "Cy"]),
        ({"opt_in": "is.true"}, ["Ana", "Bo"]),
        ({"opt_in": "eq.True"}, ["Ana", "Bo"]),
        ({"opt_in": "not.is.true"}, ["Cy", "Dee"]),
        ({"email": "eq."}, ["Bo"]),
        ({"email": "is.null"}, ["Cy"]),
        ({"email": "not.is.null"}, ["Ana", "Bo", "Dee"]),
        ({"email": "neq.ana@example.org"}, ["Bo", "Dee"]),
        ({"email": "not.eq.ana@example.org"}, ["Bo", "Dee"]),
        ({"email": "isdistinct.ana@example.org"}, ["Bo", "Cy", "Dee"]),
        ({"custom->>issue": "eq.trees"}, ["Ana"]),
        ({"custom->>issue": 'in.("a, \\"b\\"",buses)'}, ["Bo", "Dee"]),
        ({"custom->>issue": "is.null"}, ["Cy"]),
        ({"custom->>age": "eq.41"}, ["Ana"]),
        ({"custom->age": "eq.41"}, ["Ana"]),
        ({"updated_at": "gt.2026-03-01T12:02:00.000Z"}, ["Cy", "Dee"]),
        ({"updated_at": "gte.2026-03-01 12:02:00"}, ["Bo", "Cy", "Dee"]),
        ({"updated_at": "gt.2026-03-01T12:01:59.999999+00:00"}, ["Bo", "Cy", "Dee"]),
        ({"updated_at": "eq.2026-03-01T13:02:00+01:00"}, ["Bo"]),
        ({"first_name": "eq.Ana", "opt_in": "is.false"}, []),
    ],
)
def test_filters(strive: Strive, query: dict[str, str], found: list[str]) -> None:
    assert names(strive.get("/members", order="id", **query)) == found


def test_a_column_may_be_filtered_twice(strive: Strive) -> None:
    answer = strive.twin.handle(
        Request.to(
            "GET",
            "/members?first_name=gt.Ana&first_name=lt.Cy",
            {"authorization": f"Bearer {strive.key}"},
        )
    )
    assert names(answer.json()) == ["Bo"]


def test_a_member_as_it_is_shown(strive: Strive) -> None:
    group = strive.twin.add_group(strive.id, "Canvass")
    [member] = strive.get("/members", first_name="eq.Ana")
    strive.twin.join_group(group, member["id"])
    [member] = strive.get("/members", first_name="eq.Ana")
    first_sub_id = strive.get("/subscription_events", member_id=f"eq.{member['id']}")[0]["id"]
    assert member == {
        "id": member["id"],
        "campaign_id": strive.id,
        "phone_number": "+12125550101",
        "first_name": "Ana",
        "last_name": None,
        "city": None,
        "state": None,
        "postal_code": None,
        "email": "ana@example.org",
        "notes": None,
        "additional_notes": None,
        "opt_in": True,
        "custom": {"issue": "trees", "age": 41},
        "created_at": "2026-03-01T12:01:00.000+00:00",
        "updated_at": "2026-03-01T12:01:00.000+00:00",
        "groups": [{"id": group, "name": "Canvass"}],
        "carrier": None,
        "first_sub_id": first_sub_id,
    }


def test_select(strive: Strive) -> None:
    [row] = strive.get(
        "/members", first_name="eq.Ana", select="number:phone_number,custom->>issue,custom->age"
    )
    assert row == {"number": "+12125550101", "issue": "trees", "age": 41}


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("first_name.desc", ["Dee", "Cy", "Bo", "Ana"]),
        ("opt_in,first_name.desc", ["Dee", "Cy", "Bo", "Ana"]),
        ("opt_in.desc,id", ["Ana", "Bo", "Cy", "Dee"]),
        ("email", ["Bo", "Ana", "Dee", "Cy"]),
        ("email.desc", ["Cy", "Dee", "Ana", "Bo"]),
        ("email.desc.nullslast", ["Dee", "Ana", "Bo", "Cy"]),
        ("email.nullsfirst", ["Cy", "Bo", "Ana", "Dee"]),
        ("custom->>issue,id", ["Bo", "Dee", "Ana", "Cy"]),
    ],
)
def test_order(strive: Strive, order: str, found: list[str]) -> None:
    assert names(strive.get("/members", order=order)) == found


def test_limit_and_offset(strive: Strive) -> None:
    assert names(strive.get("/members", order="id", limit="2", offset="1")) == ["Bo", "Cy"]
    answer = strive.ask("GET", "/members", {"order": "id", "limit": "2"})
    assert answer.headers["Content-Range"] == "0-1/*"
    assert strive.ask("GET", "/members", {"id": "eq.1"}).headers["Content-Range"] == "*/*"


def test_range_and_count(strive: Strive) -> None:
    answer = strive.ask("GET", "/members", {"order": "id"}, prefer="count=exact", range="1-2")
    assert (answer.status, answer.headers["Content-Range"]) == (206, "1-2/4")
    answer = strive.ask("GET", "/members", {"limit": "9"}, prefer="count=exact")
    assert (answer.status, answer.headers["Content-Range"]) == (200, "0-3/4")
    answer = strive.ask("GET", "/members", {"offset": "9"}, prefer="count=exact")
    assert (answer.status, answer.json()["code"]) == (416, "PGRST103")
    assert strive.get("/members", offset="9") == []


def test_page_cap() -> None:
    strive = Strive(page_cap=3)
    for last in range(5):
        strive.twin.add_member(strive.id, f"+1212555010{last}")
    assert len(strive.get("/members")) == 3
    assert len(strive.get("/members", limit="4")) == 3
    assert len(strive.get("/members", limit="2")) == 2
    strive.ask("POST", "/_twin/unknowns", body={"page_cap": None})
    assert len(strive.get("/members")) == 5


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/members", {"colour": "eq.red"}, 400, "42703"),
        ("/members", {"select": "id,colour"}, 400, "42703"),
        ("/members", {"order": "colour"}, 400, "42703"),
        ("/members", {"order": "-id"}, 400, "42703"),
        ("/members", {"order": "id.up"}, 400, "PGRST100"),
        ("/members", {"source": "eq.ActionKit"}, 400, "42703"),
        ("/members", {"id": "eq.seven"}, 400, "22P02"),
        ("/members", {"opt_in": "eq.maybe"}, 400, "22P02"),
        ("/members", {"updated_at": "gt.2026-03-01T12:00:00 00:00"}, 400, "22007"),
        ("/members", {"first_name": "like*312*"}, 400, "PGRST100"),
        ("/members", {"first_name": "contains.x"}, 400, "PGRST100"),
        ("/members", {"id": "in.1,2"}, 400, "PGRST100"),
        ("/members", {"id": "like.1*"}, 400, "42883"),
        ("/members", {"limit": "-1"}, 400, "PGRST100"),
        ("/members", {"or": "(id.eq.1,id.eq.2)"}, 400, "PGRST100"),
        ("/members", {"select": "groups(*)"}, 400, "PGRST200"),
        ("/people", {}, 404, "PGRST205"),
        ("/", {}, 404, "PGRST205"),
    ],
)
def test_what_is_refused(
    strive: Strive, path: str, query: dict[str, str], status: int, code: str
) -> None:
    answer = strive.ask("GET", path, query)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message", "details", "hint"}


def test_keys(strive: Strive) -> None:
    for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic eDp5"}):
        answer = strive.twin.handle(Request.to("GET", "/members", header))
        assert answer.status == 401
        assert set(answer.json()) == {"code", "message", "details", "hint"}
    assert strive.ask("GET", "/rpc/ping").status == 200
    assert strive.ask("POST", "/rpc/ping").status == 200
    assert strive.ask("GET", "/rpc/ping", key="wrong").status == 401


def test_a_key_sees_its_campaigns_alone(strive: Strive) -> None:
    other = strive.twin.add_campaign("Hillside")
    both = strive.twin.add_key([strive.id, other.campaign_id])
    strive.twin.add_member(other.campaign_id, "+12125550101", first_name="Eve")

    def seen(key: str) -> list[str]:
        answer = strive.ask("GET", "/members", {"phone_number": "eq.+12125550101"}, key=key)
        return names(answer.json())

    assert seen(strive.key) == ["Ana"]
    assert seen(other.api_key) == ["Eve"]
    assert seen(both) == ["Ana", "Eve"]
    query = {"campaign_id": f"eq.{other.campaign_id}"}
    assert strive.get("/members", **query) == []
    assert strive.get("/campaigns", id=f"eq.{other.campaign_id}") == []
    assert [c["name"] for c in strive.get("/campaigns")] == ["Riverside"]


def test_campaigns_and_custom_fields(strive: Strive) -> None:
    [campaign] = strive.get("/campaigns")
    assert campaign["custom_fields"] == [
        {"field": "issue", "label": "Issue", "type": "text"},
        {"field": "age", "label": "Age", "type": "number"},
    ]
    fields = strive.get("/custom_fields", order="field", select="field,label,type")
    assert fields[0] == {"field": "age", "label": "Age", "type": "number"}
    [ana] = strive.get("/members", first_name="eq.Ana")
    values = strive.get("/members_custom_fields", id=f"eq.{ana['id']}", select="field,value")
    assert values == [{"field": "issue", "value": "trees"}, {"field": "age", "value": 41}]
    strive.twin.drop_custom_field(strive.id, "age")
    assert [f["field"] for f in strive.get("/custom_fields")] == ["issue"]


def test_a_log_is_read_from_a_time_on(strive: Strive) -> None:
    log = strive.get("/member_change_log", updated_at="gt.2026-03-01T12:02:00Z", order="updated_at")
    assert [row["change_action"] for row in log] == ["created", "created"]
    ids = ",".join(str(row["member_id"]) for row in log[:1])
    assert strive.get("/member_change_log", member_id=f"in.({ids})") == log[:1]


@pytest.mark.parametrize(
    ("switch", "table"),
    [
        ("change_log_table", "member_change_log"),
        ("custom_values_table", "members_custom_fields"),
        ("removals_table", "member_group_delete_log"),
    ],
)
def test_tables_that_strive_may_not_have(strive: Strive, switch: str, table: str) -> None:
    assert strive.ask("GET", f"/{table}").status == 200
    strive.twin._switch({switch: False})
    answer = strive.ask("GET", f"/{table}")
    assert (answer.status, answer.json()["code"]) == (404, "PGRST205")
