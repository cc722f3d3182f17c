"""Writing to the Strive twin: members, groups, memberships and what follows in the logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.twins.http import Response
from local.twins.strive.world import e164
from tests.unit.twins.strive_client import Strive

ANA = "+12125550101"
BO = "+12125550102"


def made(strive: Strive, number: str = ANA, **values: Any) -> dict[str, Any]:
    """A member posted by API, as it is then."""
    answer = strive.post_member(number, **values)
    assert answer.status == 201, answer.body
    member = strive.twin.member_by_number(strive.id, number)
    assert member is not None
    return member


def log_of(strive: Strive, member_id: int, **query: str) -> list[tuple[Any, ...]]:
    rows = strive.get("/member_change_log", member_id=f"eq.{member_id}", **query)
    return [
        (row["change_action"], row["previous_value"], row["new_value"], row["change_type"])
        for row in rows
    ]


def refused(answer: Response) -> tuple[int, str]:
    assert set(answer.json()) == {"code", "message", "details", "hint"}
    return answer.status, answer.json()["code"]


# --- POST /members ------------------------------------------------------------------------


def test_post_creates_a_member() -> None:
    strive = Strive()
    member = made(strive, first_name="Ana", email="ana@example.org", opt_in=True)
    assert (member["first_name"], member["opt_in"], member["city"]) == ("Ana", True, None)
    assert log_of(strive, member["id"]) == [("created", None, {"phone_number": ANA}, "api")]
    [event] = strive.get("/subscription_events")
    assert (event["unsubscribe"], event["type"], event["id"]) == (
        False,
        "api",
        member["first_sub_id"],
    )


def test_post_of_somebody_who_exists_changes_them() -> None:
    strive = Strive()
    first = made(strive, first_name="Ana", last_name="Ruiz", opt_in=True)
    strive.clock.forward(5)
    second = made(strive, number="(212) 555-0101", first_name="Anna")
    assert second["id"] == first["id"]
    assert (second["first_name"], second["last_name"], second["opt_in"]) == ("Anna", "Ruiz", True)
    assert second["updated_at"] == "2026-03-01T12:00:05.000+00:00"
    assert log_of(strive, first["id"])[1:] == [("first_name", "Ana", "Anna", "api")]
    assert len(strive.twin.members()) == 1


def test_the_campaign_may_be_written_as_text() -> None:
    strive = Strive()
    body = {"phone_number": ANA, "campaign_id": str(strive.id)}
    assert strive.ask("POST", "/members", body=body).status == 201
    assert len(strive.get("/members")) == 1


def test_one_number_is_one_member_in_each_campaign() -> None:
    strive = Strive()
    other = strive.twin.add_campaign("Hillside")
    made(strive)
    body = {"phone_number": ANA, "campaign_id": other.campaign_id}
    assert strive.ask("POST", "/members", body=body, key=other.api_key).status == 201
    assert len(strive.twin.members()) == 2
    assert refused(strive.ask("POST", "/members", body=body)) == (403, "42501")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"phone_number": ANA}, "23502"),
        ({"campaign_id": 301}, "23502"),
        ({"campaign_id": 301, "phone_number": "call me"}, "23514"),
        ({"campaign_id": 301, "phone_number": ANA, "colour": "red"}, "PGRST204"),
        ({"campaign_id": 301, "phone_number": ANA, "source": "ActionKit"}, "PGRST204"),
        ({"campaign_id": 301, "phone_number": ANA, "id": 9}, "428C9"),
        ({"campaign_id": 301, "phone_number": ANA, "opt_in": "perhaps"}, "22P02"),
        ({"campaign_id": 301, "phone_number": ANA, "custom": "x"}, "22P02"),
        ({"campaign_id": 301, "phone_number": ANA, "groups": ["x"]}, "22P02"),
        ({"campaign_id": 301, "phone_number": ANA, "groups": [{}]}, "23502"),
        ([{"campaign_id": 301, "phone_number": ANA}], "PGRST102"),
        ("text", "PGRST102"),
    ],
)
def test_a_post_that_is_wrong_makes_nothing(body: Any, code: str) -> None:
    strive = Strive()
    assert refused(strive.ask("POST", "/members", body=body)) == (400, code)
    assert strive.twin.members() == []
    assert strive.get("/groups") == []


def test_numbers() -> None:
    assert e164("212.555.0101") == e164("1 (212) 555-0101") == e164("+1 212 555 0101") == ANA
    assert e164("+44 20 7946 0123") == "+442079460123"
    assert e164("555-0101") is None
    assert e164("") is None
    assert e164("+1") is None


def test_numbers_may_be_matched_as_written_alone() -> None:
    strive = Strive(upsert_normalises=False)
    strive.post_member(ANA)
    strive.post_member("212-555-0101")
    assert [m["phone_number"] for m in strive.twin.members()] == [ANA, "212-555-0101"]


@pytest.mark.parametrize(
    ("answer", "prefer", "has_body"),
    [
        ("as_preferred", "", False),
        ("as_preferred", "return=representation", True),
        ("empty", "return=representation", False),
        ("representation", "", True),
    ],
)
def test_what_a_post_answers(answer: str, prefer: str, has_body: bool) -> None:
    strive = Strive(post_answer=answer)
    body = {"phone_number": ANA, "campaign_id": strive.id}
    response = strive.ask("POST", "/members", {"select": "id"}, body, prefer)
    member = strive.twin.member_by_number(strive.id, ANA)
    assert member is not None
    assert response.status == 201
    assert (response.json() if response.body else None) == (
        [{"id": member["id"]}] if has_body else None
    )


def test_bulk_post_where_strive_has_it() -> None:
    strive = Strive(bulk_post=True)
    body = [{"phone_number": n, "campaign_id": strive.id} for n in (ANA, BO)]
    assert strive.ask("POST", "/members", body=body).status == 201
    assert len(strive.twin.members()) == 2


@pytest.mark.parametrize(("blanks", "left"), [("replace", (None, "")), ("keep", ("Ana", "Ruiz"))])
def test_blanks_on_post(blanks: str, left: tuple[str | None, str]) -> None:
    strive = Strive(blanks_on_post=blanks)
    made(strive, first_name="Ana", last_name="Ruiz")
    member = made(strive, first_name=None, last_name="")
    assert (member["first_name"], member["last_name"]) == left


@pytest.mark.parametrize("absent", [True, False])
def test_opt_in_absent_on_create(absent: bool) -> None:
    strive = Strive(opt_in_when_absent=absent)
    assert made(strive)["opt_in"] is absent
    assert made(strive, number=BO, opt_in=None)["opt_in"] is absent
    assert made(strive, opt_in=True)["opt_in"] is True
    assert made(strive, opt_in=None)["opt_in"] is True


def test_source_where_strive_has_a_place_for_it() -> None:
    strive = Strive(source_column=True)
    made(strive, source="ActionKit")
    assert [m["phone_number"] for m in strive.get("/members", source="eq.ActionKit")] == [ANA]


# --- zip, custom ------------------------------------------------------------------------------


def test_the_state_follows_from_the_zip() -> None:
    strive = Strive()
    member = made(strive, postal_code="60640-1234", state="NY", city="Evanston")
    assert (member["state"], member["city"]) == ("IL", "Evanston")
    strive.patch(member["id"], {"postal_code": "SW1A 1AA"})
    assert strive.twin.member(member["id"])["state"] == "IL"
    strive.patch(member["id"], {"postal_code": "10001"})
    assert strive.twin.member(member["id"])["state"] == "NY"
    assert ("state", "IL", "NY", "api") in log_of(strive, member["id"])


@pytest.mark.parametrize(
    ("how", "left"), [("merge", {"a": "2", "b": "1"}), ("replace", {"a": "2"})]
)
def test_custom_values(how: str, left: dict[str, str]) -> None:
    strive = Strive(custom_on_write=how)
    member = made(strive, custom={"a": "1", "b": "1"})
    strive.clock.forward(5)
    [changed] = strive.patch(member["id"], {"custom": {"a": "2"}}).json()
    assert changed["custom"] == left
    log = log_of(strive, member["id"])[1:]
    assert ("custom.a", "1", "2", "api") in log
    assert (("custom.b", "1", None, "api") in log) is (how == "replace")
    values = strive.get("/members_custom_fields", order="field")
    assert {row["field"]: row["value"] for row in values} == left
    assert values[0]["updated_at"] == "2026-03-01T12:00:05.000+00:00"


# --- PATCH, DELETE ------------------------------------------------------------------------------


def test_a_conditional_patch_sees_every_change() -> None:
    strive = Strive()
    member = made(strive, first_name="Ana")
    seen = f"eq.{member['updated_at']}"
    strive.twin.edit_member(member["id"], first_name="Anna")  # within the same millisecond
    answer = strive.patch(member["id"], {"last_name": "Ruiz"}, updated_at=seen)
    assert (answer.status, answer.json()) == (200, [])
    now = strive.twin.member(member["id"])["updated_at"]
    [row] = strive.patch(member["id"], {"last_name": "Ruiz"}, updated_at=f"eq.{now}").json()
    assert (row["first_name"], row["last_name"]) == ("Anna", "Ruiz")
    assert row["updated_at"] > now


def test_what_a_patch_answers() -> None:
    strive = Strive()
    member = made(strive)
    query = {"id": f"eq.{member['id']}"}
    answer = strive.ask("PATCH", "/members", query, {"first_name": "Ana"})
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (204, b"", "0-0/*")
    answer = strive.ask("PATCH", "/members", {"id": "eq.1"}, {"first_name": "Ana"})
    assert (answer.status, answer.headers["Content-Range"]) == (204, "*/*")
    answer = strive.ask("PATCH", "/members", {"id": "eq.1"}, {}, prefer="count=exact")
    assert answer.headers["Content-Range"] == "*/0"
    answer = strive.patch(member["id"], {"first_name": "Anna"}, select="first_name")
    assert answer.json() == [{"first_name": "Anna"}]


def test_what_a_patch_is_refused() -> None:
    strive = Strive()
    other = strive.twin.add_campaign("Hillside")
    stranger = strive.twin.add_member(other.campaign_id, BO)
    ana = made(strive)
    made(strive, number="+12125550103")
    assert refused(strive.ask("PATCH", "/members", {}, {"city": "X"})) == (400, "21000")
    assert refused(strive.patch(ana["id"], {"opt_in": None})) == (400, "23502")
    assert refused(strive.patch(ana["id"], {"groups": []})) == (400, "428C9")
    assert refused(strive.patch(ana["id"], {"colour": "red"})) == (400, "PGRST204")
    assert refused(strive.patch(ana["id"], {"campaign_id": other.campaign_id})) == (403, "42501")
    assert refused(strive.patch(ana["id"], {"phone_number": "+12125550103"})) == (409, "23505")
    assert strive.patch(stranger, {"city": "X"}).json() == []
    assert strive.twin.member(stranger)["city"] is None


def test_a_number_can_be_changed() -> None:
    strive = Strive()
    ana = made(strive)
    strive.patch(ana["id"], {"phone_number": "212-555-0102"})
    assert [m["id"] for m in strive.get("/members", phone_number=f"eq.{BO}")] == [ana["id"]]
    assert strive.twin.member_by_number(strive.id, ANA) is None


def test_delete() -> None:
    strive = Strive()
    ana = made(strive, custom={"a": "1"}, groups=[{"name": "Canvass"}])
    answer = strive.ask("DELETE", "/members", {"id": f"eq.{ana['id']}"})
    assert answer.status == 204
    assert strive.get("/members") == strive.get("/members_custom_fields") == []
    assert strive.get("/groups_members") == []
    [gone] = strive.get("/member_group_delete_log")
    assert (gone["member_id"], gone["delete_source"]) == (ana["id"], "member_deleted")
    assert log_of(strive, ana["id"])[-1][0] == "deleted"
    assert made(strive)["id"] != ana["id"]


def test_a_deletion_may_leave_nothing_behind() -> None:
    """As an erasure would: the other members' logs stay."""
    strive = Strive(deletions_leave_logs=False)
    groups = [{"name": "Canvass"}]
    ana, bo = made(strive, opt_in=True, groups=groups), made(strive, BO, opt_in=True)
    strive.twin.text_in(ana["id"], "STOP")
    strive.twin.delete_member(ana["id"])
    assert [row["member_id"] for row in strive.get("/member_change_log")] == [bo["id"]]
    assert [row["member_id"] for row in strive.get("/subscription_events")] == [bo["id"]]
    assert strive.get("/member_group_delete_log") == strive.get("/groups_members") == []
    strive.clock.forward(1)
    strive.twin.edit_member(bo["id"], city="Bath")
    log = strive.get("/member_change_log", updated_at="gte.2026-03-01T12:00:01Z")
    assert [row["change_action"] for row in log] == ["city"]
    assert not strive.twin.member(made(strive, opt_in=True)["id"])["groups"]


def test_writes_that_strive_may_not_have() -> None:
    strive = Strive(patch_members=False, delete_members=False, write_groups=False)
    ana = made(strive)
    query = {"id": f"eq.{ana['id']}"}
    for method, path, body in (
        ("PATCH", "/members", {"city": "X"}),
        ("DELETE", "/members", None),
        ("POST", "/groups", {"name": "A", "campaign_id": strive.id}),
        ("PUT", "/members", {}),
        ("POST", "/subscription_events", {}),
    ):
        assert refused(strive.ask(method, path, query, body)) == (403, "42501")
        strive.twin._switch({"refused_write_status": 405})
        assert refused(strive.ask(method, path, query, body)) == (405, "PGRST117")
        strive.twin._switch({"refused_write_status": 403})


# --- groups -------------------------------------------------------------------------------------


def test_groups_by_name_and_by_id_on_post() -> None:
    strive = Strive()
    known = strive.twin.add_group(strive.id, "Canvass")
    member = made(strive, groups=[{"name": "New"}, {"id": known}, {"name": "New"}])
    new = strive.twin.group_named(strive.id, "New")
    assert new is not None
    assert member["groups"] == [{"id": new["id"], "name": "New"}, {"id": known, "name": "Canvass"}]
    member = made(strive, groups=[{"name": "Third"}])
    assert len(member["groups"]) == 3
    assert len(made(strive)["groups"]) == 3
    assert refused(strive.post_member(ANA, groups=[{"id": 1}])) == (409, "23503")


def test_groups_may_be_replaced_on_post_and_known_by_name_alone() -> None:
    strive = Strive(groups_on_post="replace", groups_by_id=False)
    group = strive.twin.add_group(strive.id, "A")
    made(strive, groups=[{"name": "A"}, {"name": "B"}])
    assert [g["name"] for g in made(strive, groups=[{"name": "C"}])["groups"]] == ["C"]
    assert [g["name"] for g in made(strive)["groups"]] == ["C"]
    assert refused(strive.post_member(ANA, groups=[{"id": group}])) == (400, "23502")


def test_making_and_changing_groups() -> None:
    strive = Strive()
    body = {"name": "Canvass", "campaign_id": strive.id}
    answer = strive.ask("POST", "/groups", body=body, prefer="return=representation")
    [group] = answer.json()
    assert answer.status == 201
    assert (group["name"], group["flow_id"], group["campaign_id"]) == ("Canvass", None, strive.id)
    assert refused(strive.ask("POST", "/groups", body=body)) == (409, "23505")
    query = {"id": f"eq.{group['id']}"}
    answer = strive.ask("PATCH", "/groups", query, {"name": "Doors"}, "return=representation")
    assert answer.json()[0]["name"] == "Doors"
    assert [g["name"] for g in strive.get("/groups", name="eq.Doors")] == ["Doors"]
    strive.twin.add_group(strive.id, "Taken")
    assert refused(strive.ask("PATCH", "/groups", query, {"name": "Taken"})) == (409, "23505")
    assert refused(strive.ask("PATCH", "/groups", query, {"flow_id": 1})) == (409, "23503")
    assert refused(strive.ask("PATCH", "/groups", query, {"colour": 1})) == (400, "PGRST204")
    other = strive.twin.add_campaign("Hillside")
    body = {"name": "X", "campaign_id": other.campaign_id}
    assert refused(strive.ask("POST", "/groups", body=body)) == (403, "42501")
    assert refused(strive.ask("POST", "/groups", body={"name": "X"})) == (400, "23502")


def test_deleting_a_group() -> None:
    strive = Strive()
    member = made(strive, groups=[{"name": "A"}, {"name": "B"}])
    answer = strive.ask("DELETE", "/groups", {"name": "eq.A"}, prefer="return=representation")
    assert [g["name"] for g in answer.json()] == ["A"]
    assert [g["name"] for g in strive.twin.member(member["id"])["groups"]] == ["B"]
    [gone] = strive.get("/member_group_delete_log")
    assert (gone["delete_source"], gone["removed_by"]) == ("group_deleted", None)


def test_memberships() -> None:
    strive = Strive()
    group = strive.twin.add_group(strive.id, "A")
    ana, bo = made(strive)["id"], made(strive, number=BO)["id"]
    pairs = [{"group_id": group, "member_id": member} for member in (ana, bo)]
    answer = strive.ask("POST", "/groups_members", body=pairs[:1], prefer="return=representation")
    assert answer.status == 201
    assert answer.json()[0]["user_id"] is None
    assert refused(strive.ask("POST", "/groups_members", body=pairs)) == (409, "23505")
    assert strive.twin.group_members(group) == [ana]
    prefer = "resolution=ignore-duplicates, return=representation"
    answer = strive.ask("POST", "/groups_members", body=pairs, prefer=prefer)
    assert [row["member_id"] for row in answer.json()] == [bo]
    strive.clock.forward(9)
    query = {"group_id": f"eq.{group}", "member_id": f"eq.{ana}"}
    answer = strive.ask("DELETE", "/groups_members", query, prefer="return=representation")
    assert len(answer.json()) == 1
    assert strive.ask("DELETE", "/groups_members", query).headers["Content-Range"] == "*/*"
    [gone] = strive.get("/member_group_delete_log")
    assert gone == {
        "group_id": group,
        "campaign_id": strive.id,
        "member_id": ana,
        "member_added_on": "2026-03-01T12:00:00.000+00:00",
        "delete_source": "api",
        "delete_source_id": gone["delete_source_id"],
        "removed_by": None,
        "member_removed_on": "2026-03-01T12:00:09.000+00:00",
    }


def test_memberships_that_are_refused() -> None:
    strive = Strive()
    other = strive.twin.add_campaign("Hillside")
    group = strive.twin.add_group(strive.id, "A")
    theirs = strive.twin.add_group(other.campaign_id, "A")
    ana = made(strive)["id"]
    stranger = strive.twin.add_member(other.campaign_id, ANA)
    for pair, answer in (
        ((1, ana), (409, "23503")),
        ((group, 1), (409, "23503")),
        ((theirs, ana), (403, "42501")),
        ((group, stranger), (403, "42501")),
        ((theirs, stranger), (403, "42501")),
        ((None, ana), (400, "23502")),
    ):
        body = {"group_id": pair[0], "member_id": pair[1]}
        assert refused(strive.ask("POST", "/groups_members", body=body)) == answer


def test_an_organiser_in_a_membership_is_seen() -> None:
    strive = Strive()
    group = strive.twin.add_group(strive.id, "A")
    ana = made(strive)["id"]
    strive.twin.join_group(group, ana, organizer_id=5)
    assert strive.get("/groups_members")[0]["user_id"] == 5
    strive.twin.leave_group(group, ana, organizer_id=6)
    [gone] = strive.get("/member_group_delete_log")
    assert (gone["delete_source"], gone["removed_by"]) == ("organizer", 6)


# --- logs and updated_at ------------------------------------------------------------------------


def test_an_organiser_edit_is_logged_for_each_field() -> None:
    strive = Strive()
    ana = made(strive, first_name="Ana", city="Bath", opt_in=True)["id"]
    strive.twin.edit_member(ana, first_name="Anna", city="Bath", opt_in=False, organizer_id=5)
    rows = strive.get("/member_change_log", change_type="eq.organizer")
    assert {(r["change_action"], r["change_value"]) for r in rows} == {
        ("first_name", "5"),
        ("opt_in", "5"),
    }
    event = strive.get("/subscription_events", order="id")[-1]
    assert (event["unsubscribe"], event["type"]) == (True, "organizer")


def test_own_writes_may_be_missing_from_the_log_or_named_otherwise() -> None:
    strive = Strive(own_writes_logged=False)
    ana = made(strive, opt_in=True)["id"]
    strive.patch(ana, {"opt_in": False})
    assert log_of(strive, ana) == []
    assert len(strive.get("/subscription_events")) == 2
    named = Strive(api_change_type="integration")
    assert log_of(named, made(named)["id"])[0][3] == "integration"


def test_logs_may_lag() -> None:
    strive = Strive(log_latency_seconds=30)
    ana = made(strive, opt_in=True)["id"]
    group = strive.twin.add_group(strive.id, "A")
    strive.twin.join_group(group, ana)
    strive.twin.leave_group(group, ana)
    logs = ("/member_change_log", "/subscription_events", "/member_group_delete_log")
    assert [strive.get(log) for log in logs] == [[], [], []]
    strive.clock.forward(30)
    assert [len(strive.get(log)) for log in logs] == [1, 1, 1]


def test_strives_clock_may_be_ahead() -> None:
    strive = Strive(clock_skew_seconds=600)
    assert made(strive)["updated_at"] == "2026-03-01T12:10:00.000+00:00"


@pytest.mark.parametrize(
    ("microseconds", "times"),
    [
        (False, ["2026-03-01T12:00:00.000+00:00", "2026-03-01T12:00:00.001+00:00"]),
        (True, ["2026-03-01T12:00:00.000+00:00", "2026-03-01T12:00:00.00025+00:00"]),
    ],
)
def test_times_have_milliseconds_or_more(microseconds: bool, times: list[str]) -> None:
    """And within the finest of them, a change still moves `updated_at`."""
    strive = Strive(microseconds=microseconds)
    ana = made(strive)
    strive.clock.forward(0.00025)
    strive.twin.edit_member(ana["id"], city="Bath")
    assert [ana["updated_at"], strive.twin.member(ana["id"])["updated_at"]] == times
    for at in times:
        found = strive.get("/members", updated_at=f"eq.{at}")
        assert len(found) == (at == times[-1])


@pytest.mark.parametrize("moves", [True, False])
def test_what_moves_updated_at(moves: bool) -> None:
    strive = Strive(
        group_changes_move_updated_at=moves,
        custom_changes_move_updated_at=moves,
        opt_in_changes_move_updated_at=moves,
    )
    ana = made(strive, opt_in=True)
    group = strive.twin.add_group(strive.id, "A")

    def moved(change: Callable[[], object]) -> bool:
        before = strive.twin.member(ana["id"])["updated_at"]
        strive.clock.forward(1)
        change()
        return bool(strive.twin.member(ana["id"])["updated_at"] != before)

    assert moved(lambda: strive.twin.join_group(group, ana["id"])) is moves
    assert moved(lambda: strive.twin.leave_group(group, ana["id"])) is moves
    assert moved(lambda: strive.patch(ana["id"], {"custom": {"a": "1"}})) is moves
    assert moved(lambda: strive.patch(ana["id"], {"opt_in": False})) is moves
    assert moved(lambda: strive.patch(ana["id"], {"city": "Bath"}))
    assert not moved(lambda: strive.patch(ana["id"], {"city": "Bath"}))  # nothing new
