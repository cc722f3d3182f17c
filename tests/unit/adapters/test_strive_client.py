"""The Strive client over a script: answers that the twin never gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from instep.adapters.strive import StriveClient
from instep.domain.people import Member
from instep.use_cases.errors import ConfigurationError, Rejected, Unavailable
from instep.use_cases.ports import Changed, Feed, Group, Place
from tests.unit.adapters.script import Call, Script

ANA = "+12025550101"
SEEN = Member(1, ANA, opt_in=True, custom={"plan": "x"}, version="2026-03-01T12:00:00.123456+00:00")


def client(script: Script) -> StriveClient:
    return StriveClient(script, "https://api.strive.example/", "key-1", 301)


def member(member_id: int, **values: Any) -> dict[str, Any]:
    return {"id": member_id, "phone_number": f"+1202555{member_id:04d}", **values}


def test_what_is_sent_for_a_read() -> None:
    with Script(Call("GET", "members", body=[])) as script:
        client(script).members_by_number([ANA, "+12025550102"])
    query = script.query()
    assert query["campaign_id"] == "eq.301"
    assert query["phone_number"] == f'in.("{ANA}","+12025550102")'
    assert query["order"] == "id.asc"
    assert script.sent[0].headers["Authorization"] == "Bearer key-1"
    assert script.sent[0].body == b""


def test_members_with_as_little_as_may_be_there() -> None:
    rows = [member(1), member(2, opt_in=None, custom=None, groups=None, email=None)]
    with Script(Call("GET", "members", body=rows), Call("GET", "members", body=[])) as script:
        found = client(script).members_by_id([1, 2])
    assert found[1] == Member(1, "+12025550001", opt_in=False)
    assert found[2] == Member(2, "+12025550002", opt_in=False)


def test_without_a_total_only_an_empty_page_is_the_last() -> None:
    with Script(
        Call("GET", "groups", body=[{"id": 3, "name": "a", "flow_id": 9}]),
        Call(
            "GET", "groups", body=[{"id": 5, "name": None}], headers=(("content-range", "0-0/*"),)
        ),
        Call("GET", "groups", body=[], headers=(("content-range", "*/*"),)),
    ) as script:
        assert client(script).groups() == [Group(3, "a", 9), Group(5, "", None)]
    assert dict(script.sent[1].query)["id"] == "gt.3"
    assert dict(script.sent[2].query)["id"] == "gt.5"


def test_with_a_total_the_last_page_is_known() -> None:
    full = (("content-range", "0-0/1"),)
    with Script(Call("GET", "groups", 206, [{"id": 3}], headers=full)) as script:
        assert len(client(script).groups()) == 1


@pytest.mark.parametrize("body", ["<html>", {"message": "x"}, [1], None, "null"])
def test_an_answer_that_holds_no_rows(body: Any) -> None:
    with Script(Call("GET", "groups", body=body)) as script, pytest.raises(Unavailable) as failure:
        client(script).groups()
    assert not failure.value.may_have_happened


def test_a_list_that_does_not_turn_its_pages_is_unreadable() -> None:
    groups = Call("GET", "groups", body=[{"id": 3}, {"id": 5}])
    with Script(groups, groups) as script, pytest.raises(Unavailable):
        client(script).groups()
    row = {"member_id": 1, "change_action": "city", "updated_at": "2026-03-01T12:00:00+00:00"}
    log = Call("GET", "member_change_log", body=[row])
    with Script(log, log) as script, pytest.raises(Unavailable):
        client(script).changes([1])


def test_a_conditional_write_names_the_version_exactly() -> None:
    with Script(Call("PATCH", "members", 200, [])) as script:
        assert client(script).patch_member(SEEN, {"city": "Troy"}, {}, True) is None
    query = script.query()
    assert query["updated_at"] == "eq.2026-03-01T12:00:00.123456+00:00"
    assert (query["id"], query["campaign_id"]) == ("eq.1", "eq.301")
    assert query["opt_in"] == "is.true"
    assert script.body() == {"city": "Troy", "opt_in": True}
    assert script.sent[0].headers["Prefer"] == "return=representation"


def test_a_write_to_a_member_without_an_opt_in_is_one_to_who_is_out() -> None:
    """Null is shown as opted out; `isdistinct` holds for false and for null."""
    with Script(Call("PATCH", "members", 200, [])) as script:
        client(script).patch_member(replace(SEEN, opt_in=False), {"city": "Troy"}, {}, None)
    assert script.query()["opt_in"] == "isdistinct.true"


@pytest.mark.parametrize(("status", "body"), [(204, None), (200, "ok")])
def test_a_write_that_does_not_say_what_it_changed_may_have_happened(
    status: int, body: Any
) -> None:
    with Script(Call("PATCH", "members", status, body)) as script:
        with pytest.raises(Unavailable) as failure:
            client(script).patch_member(SEEN, {"city": "Troy"}, {}, None)
        assert failure.value.may_have_happened


def test_custom_fields_are_written_whole() -> None:
    row = member(1, custom={"plan": "x", "seats": 3}, updated_at=SEEN.version)
    with Script(Call("GET", "members", body=[row]), Call("PATCH", "members", body=[row])) as script:
        client(script).patch_member(SEEN, {}, {"plan": "y"}, None)
    assert script.query(0)["updated_at"] == f"eq.{SEEN.version}"
    assert script.body() == {"custom": {"plan": "y", "seats": 3}}


def test_a_column_that_strive_refuses_is_named_and_no_other_word() -> None:
    body = {"code": "22001", "message": 'value too long for column "city" of "members": "Troy!"'}
    with Script(Call("PATCH", "members", 400, body)) as script, pytest.raises(Rejected) as refusal:
        client(script).patch_member(SEEN, {"city": "Troy!", "state": "NY"}, {}, None)
    assert refusal.value.fields == ("city",)
    assert "Troy" not in str(refusal.value)


def test_changes_of_a_log_of_whole_objects() -> None:
    at = "2026-03-01T12:00:00+00:00"
    rows = [
        {
            "member_id": 1,
            "change_action": "update",
            "previous_value": {"city": "Troy", "state": "NY", "opt_in": False},
            "new_value": {"city": "Utica", "state": "NY", "opt_in": True, "notes": None},
            "change_type": "organizer",
            "updated_at": at,
        },
        {"member_id": 1, "change_action": "custom", "new_value": {"plan": "x"}, "updated_at": at},
    ]
    total = (("content-range", "0-1/2"),)
    with Script(Call("GET", "member_change_log", body=rows, headers=total)) as script:
        changes = client(script).changes([1])[1]
    assert [(one.field, one.old, one.new, one.source) for one in changes] == [
        ("city", "Troy", "Utica", "organizer"),
        ("opt_in", "false", "true", "organizer"),
        ("plan", "", "x", ""),
    ]


def test_an_event_without_a_time_is_unreadable() -> None:
    rows = [{"id": 1, "member_id": 1, "unsubscribe": True, "created_at": None}]
    total = (("content-range", "0-0/1"),)
    call = Call("GET", "subscription_events", body=rows, headers=total)
    with Script(call) as script, pytest.raises(Unavailable):
        client(script).events([1])


@pytest.mark.parametrize("answer", [[{"id": 4, "name": "n"}], {"id": 4, "name": "n"}])
def test_a_group_that_is_answered_at_once(answer: Any) -> None:
    with Script(Call("POST", "groups", 201, answer)) as script:
        assert client(script).create_group("n") == Group(4, "n")
    assert script.body() == {"campaign_id": 301, "name": "n"}


def test_a_group_that_is_not_answered_is_read_by_its_name() -> None:
    total = (("content-range", "0-0/1"),)
    with Script(
        Call("POST", "groups", 201),
        Call("GET", "groups", body=[{"id": 4, "name": "n"}], headers=total),
    ) as script:
        assert client(script).create_group("n") == Group(4, "n")
    assert script.query()["name"] == "eq.n"


@pytest.mark.parametrize(
    ("body", "joined"),
    [(None, True), ({"code": "23505"}, True), ({"code": "23503"}, False)],
)
def test_a_conflict_is_a_membership_unless_it_says_otherwise(body: Any, joined: bool) -> None:
    with Script(Call("POST", "groups_members", 409, body)) as script:
        if joined:
            client(script).join(4, 1)
        else:
            with pytest.raises(Rejected):
                client(script).join(4, 1)


@pytest.mark.parametrize("status", [404, 301, 500])
def test_a_host_that_is_no_strive_is_unreachable(status: int) -> None:
    with Script(Call("GET", "rpc/ping", status)) as script:
        with pytest.raises(ConfigurationError) as refusal:
            client(script).check()
        assert (refusal.value.code, refusal.value.status) == ("strive_unreachable", 503)


# --- what changed ---------------------------------------------------------------------------

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def event(event_id: int, at: str, member_id: int = 1) -> dict[str, Any]:
    return {"id": event_id, "member_id": member_id, "created_at": at}


def test_a_walk_of_a_strive_that_does_not_count() -> None:
    """The rest of a time by key, then all that is later; only an empty page is the last. Times
    come back as precise as they were, however they are written."""
    with Script(
        Call("GET", "subscription_events", body=[event(4, "2026-03-01T12:00:00.123456+00:00")]),
        Call("GET", "subscription_events", body=[event(5, "2026-03-01 13:00:00.123456+01")]),
        Call("GET", "subscription_events", body=[]),
        Call("GET", "subscription_events", body=[event(3, "2026-03-01T12:00:00.5Z")]),
        Call("GET", "subscription_events", body=[]),
        Call("GET", "subscription_events", body=[]),
    ) as script:
        found, place = client(script).changed_since("events", Place(AT, 0), 9)
    later = AT.replace(microsecond=500_000)
    assert found == [Changed(1, AT, 4), Changed(1, AT, 5), Changed(1, later, 3)]
    assert place == Place(later, 3)
    asked = [(script.query(n)["created_at"], script.query(n).get("id")) for n in range(6)]
    assert asked == [
        ("gte.2026-03-01T12:00:00.123456+00:00", None),
        ("eq.2026-03-01T12:00:00.123456+00:00", "gt.4"),
        ("eq.2026-03-01T12:00:00.123456+00:00", "gt.5"),
        ("gt.2026-03-01T12:00:00.123456+00:00", None),
        ("eq.2026-03-01T12:00:00.500000+00:00", "gt.3"),
        ("gt.2026-03-01T12:00:00.500000+00:00", None),
    ]
    assert script.query()["order"] == "created_at.asc,id.asc"
    assert script.query()["select"] == "created_at,member_id,id"


def test_no_more_is_asked_for_than_the_limit() -> None:
    rows = [event(4, "2026-03-01T12:00:00Z"), event(5, "2026-03-01T12:00:00Z")]
    with Script(Call("GET", "subscription_events", body=rows)) as script:
        found, _ = client(script).unsubscribed_since(Place(AT), 2)
    assert len(found) == 2
    assert script.query()["limit"] == "2"
    assert script.query()["unsubscribe"] == "is.true"


def test_a_feed_that_does_not_turn_its_pages_is_unreadable() -> None:
    page = Call("GET", "subscription_events", body=[event(4, "2026-03-01T12:00:01Z")])
    with Script(page, page) as script, pytest.raises(Unavailable):
        client(script).changed_since("events", Place(AT), 9)
    ids = Call("GET", "members", body=[{"id": 4}])
    with Script(ids, ids) as script, pytest.raises(Unavailable):
        client(script).member_ids(0, 9)


def test_a_change_without_a_time_is_unreadable() -> None:
    page = Call("GET", "subscription_events", body=[event(4, "soon")])
    with Script(page) as script, pytest.raises(Unavailable):
        client(script).changed_since("events", Place(AT), 9)


def test_members_of_a_strive_that_does_not_count_are_counted() -> None:
    with Script(
        Call("GET", "members", body=[{"id": 4}]),
        Call("GET", "members", body=[{"id": 4}, {"id": 6}]),
        Call("GET", "members", body=[{"id": 9}]),
        Call("GET", "members", body=[]),
        Call("GET", "members", body=[]),
    ) as script:
        assert client(script).count_members(2) == 3
    assert [script.query(n)["id"] for n in range(5)] == ["gt.2", "gt.2", "gt.6", "gt.9", "gt.9"]


@pytest.mark.parametrize("code", ["PGRST205", "42P01"])
def test_a_table_that_is_not_there_is_asked_once(code: str) -> None:
    with Script(Call("GET", "member_change_log", 404, {"code": code})) as script:
        asked = client(script)
        assert asked.changed_since("change_log", Place(AT), 9) == ([], Place(AT))
        assert asked.newest("change_log") is None
        assert asked.changes([1]) == {}


@pytest.mark.parametrize(
    ("feed", "table", "body"),
    [
        ("members", "members", {"code": "PGRST205"}),
        ("events", "subscription_events", {"code": "42P01"}),
        ("change_log", "member_change_log", "<html>no such host</html>"),
        ("removals", "member_group_delete_log", {"code": "PGRST202"}),
    ],
)
def test_what_else_is_not_found_is_no_empty_feed(feed: Feed, table: str, body: Any) -> None:
    """Without members or consent events there is no sync, and a gateway's 404 says nothing."""
    with Script(Call("GET", table, 404, body)) as script, pytest.raises(Rejected):
        client(script).changed_since(feed, Place(AT), 9)
