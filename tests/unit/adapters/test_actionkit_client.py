"""The ActionKit client over a script: what exactly is sent, and answers the twin never gives."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from instep.adapters.actionkit import IMPORT_PAGE, SOURCE, ActionKitClient
from instep.adapters.actionkit.calls import refused_fields
from instep.adapters.actionkit.changes import spellings_of
from instep.adapters.actionkit.gathered import Gathered, is_erased
from instep.adapters.actionkit.sql import look_of, look_statement
from instep.adapters.transport import HostRefusedError
from instep.use_cases.errors import ConfigurationError, Rejected, Unavailable
from instep.use_cases.ports import (
    Act,
    Acted,
    Changed,
    Gone,
    HttpAnswer,
    ImportPage,
    NoAnswerError,
    OptInValue,
    Place,
    Sum,
)
from tests.unit.adapters.script import Call, FakeClock, Script, Slots

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SQL = "rest/v1/report/run/sql/"
ACTION = "rest/v1/action/"
ROOT = {"action": {"list_endpoint": "/rest/v1/action/", "schema": "/rest/v1/action/schema/"}}
SCHEMAS = [
    Call("GET", f"rest/v1/{name}/schema/", body={"fields": {}, "filtering": {}})
    for name in ("user", "userfield", "phone", "page", "action")
]


def client(script: Script, reads: Any = "sql", **given: Any) -> ActionKitClient:
    given = {"permits": Slots(), "clock": FakeClock(), **given}
    return ActionKitClient(
        script, "https://act.example.org/", "stäff", "s:cret", reads=reads, **given
    )


# --- what is sent ---------------------------------------------------------------------------


def test_a_report_is_never_taken_from_the_cache() -> None:
    with Script(Call("POST", SQL, body=[["3"]])) as script:
        assert client(script).count_users() == 3
    assert script.body() == {
        "query": "SELECT COUNT(*) FROM core_user",
        "refresh": True,
        "cache_duration": 1,
    }
    headers = script.sent[0].headers
    login = base64.b64encode("stäff:s:cret".encode()).decode()
    assert headers["Authorization"] == f"Basic {login}"
    assert headers["Accept"] == headers["Content-Type"] == "application/json"


def test_values_are_parameters() -> None:
    with Script(Call("POST", SQL, body=[["Yes", 2], [None, "1"]])) as script:
        found = client(script).opt_in_values("x' OR 1", 500)
    assert found == [OptInValue("Yes", 2), OptInValue("", 1)]
    assert script.body()["userfield"] == "x' OR 1"
    assert "x' OR 1" not in script.body()["query"]


def test_a_look_has_names_as_parameters_and_ids_as_numbers() -> None:
    query, values = look_statement([3, 5], ["sms'", "b"], ["s'1"], ["1"], 10)
    assert values == {"field_0": "sms'", "field_1": "b", "sync_0": "s'1"}
    assert "IN (3, 5)" in query
    for value in values.values():
        assert f"{value}'" not in query
    for name in values:
        assert f"{{{{ {name} }}}}" in query
    assert query.count("UNION ALL") == 13
    with pytest.raises(ValueError, match="x"):
        look_statement(["3) OR (1=1 x"], ["b"], [], ["1"], 10)  # type: ignore[list-item]


def test_a_feed_reads_times_of_every_form_and_asks_for_the_last_ones_rest() -> None:
    """Sent in the one form that MySQL compares with its times whatever their precision."""
    rows = [["2026-03-01 12:00:00", 7], ["2026-03-01T12:00:00.250000", "3"]]
    with Script(Call("POST", SQL, body=rows)) as script:
        after = Place(NOON.astimezone(timezone(timedelta(hours=2))), 5)
        found = client(script).changed_since(after, 50, ["o'clock"])
    assert found == [Changed(7, NOON), Changed(3, NOON + timedelta(microseconds=250_000))]
    sent = script.body()
    assert sent["field_0"] == "o'clock"
    assert sent["refresh"] is True
    assert "o'clock" not in sent["query"]
    assert "updated_at >= '2026-03-01 12:00:00' AND (updated_at >" in sent["query"]
    assert sent["query"].count("LIMIT 50") == 6


def test_a_place_that_is_all_read_is_left_behind() -> None:
    with Script(Call("POST", SQL, body=[])) as script:
        client(script).refusals_since(Place(NOON.replace(microsecond=5)), 50, "sms")
    assert "f.updated_at > '2026-03-01 12:00:00.000005'" in script.body()["query"]


@pytest.mark.parametrize("row", [["soon", 1], [None, 1], [], ["2026-03-01T12:00:00", None]])
def test_a_feed_of_other_rows_is_unreadable(row: list[Any]) -> None:
    with Script(Call("POST", SQL, body=[row])) as script, pytest.raises(Unavailable):
        client(script).changed_since(Place(NOON), 50, [])


def test_sums_may_come_as_text() -> None:
    with Script(Call("POST", SQL, body=[[0, "2", "8224694170"]])) as script:
        assert client(script).sums(0, 9, ["sms"]) == {0: Sum(2, 8224694170)}


def test_checksums_are_never_asked_for_by_rest() -> None:
    with Script() as script:
        by_rest = client(script, reads="rest")
        for ask in (by_rest.sums, by_rest.checksums):
            with pytest.raises(NotImplementedError):
                ask(0, 1, [])
        with pytest.raises(NotImplementedError):
            by_rest.checksums_of([1], [])


@pytest.mark.parametrize(
    ("number", "among"),
    [
        ("+12025550143", {"2025550143", "12025550143", "01112025550143"}),
        ("+447700900123", {"07700900123", "7700900123", "4407700900123", "00447700900123"}),
        ("not one", {"not one"}),
    ],
)
def test_how_a_number_may_have_been_typed(number: str, among: set[str]) -> None:
    assert among <= spellings_of(number)


@pytest.mark.parametrize(
    ("email", "other", "erased"),
    [
        ("erased-7@erased.invalid", "", True),
        ("Erased@Nobody.INVALID", " ", True),
        ("erased-7@erased.invalid", "Ada", False),
        ("erased-7@example.org", "", False),
        ("ada@erased.invalid", "", False),
        ("erased.invalid", "", False),
        ("", "", False),
    ],
)
def test_who_counts_as_erased(email: str, other: str, erased: bool) -> None:
    assert is_erased({"email": email, "first_name": other, "zip": ""}) is erased


def test_merges_that_go_round_in_a_circle_end() -> None:
    seen = Gathered([])
    for loser, merge, primary in ((1, 10, 2), (2, 11, 1), (3, 12, 3), (4, 13, 9), (4, 12, 5)):
        seen.merge(loser, merge, primary)
    assert seen.look().merged == {1: 2, 2: 1, 4: 9}


def test_an_action_says_what_it_must() -> None:
    answer = {"id": 9, "user": "/rest/v1/user/7/", "created_user": True}
    with Script(Call("POST", ACTION, 201, answer)) as script:
        act = Act("page", "a@example.org", {"zip": "60601"}, {"colour": "blue"}, {"sync_id": "s"})
        assert client(script).act(act) == Acted(9, 7, True)
    assert script.body() == {
        "page": "page",
        "email": "a@example.org",
        "zip": "60601",
        "user_colour": "blue",
        "action_sync_id": "s",
        "source": SOURCE,
        "suppress_subscribe": 1,
        "skip_confirmation": 1,
    }


def test_the_import_page_subscribes_nobody() -> None:
    lists = "rest/v1/importpage/"
    nothing = {"meta": {"next": None}, "objects": []}
    there = {"meta": {"next": None}, "objects": [{"id": 12, "name": IMPORT_PAGE}]}
    with Script(
        Call("GET", lists, body=nothing), Call("POST", lists, 201), Call("GET", lists, body=there)
    ) as script:
        assert client(script).ensure_import_page() == ImportPage(12, IMPORT_PAGE)
    sent = script.body(1)
    assert sent["name"] == IMPORT_PAGE
    assert sent["hidden"] is True
    flags = ("subscribe", "subscribe_if_new", "unsubscribe", "unsubscribe_all")
    assert [sent[name] for name in flags] == [False] * 4


def test_the_import_page_that_somebody_made_meanwhile_is_read() -> None:
    lists = "rest/v1/importpage/"
    nothing = {"meta": {}, "objects": [{"id": 3, "name": "one that a filter did not leave out"}]}
    there = {"meta": {}, "objects": [{"id": 12, "name": IMPORT_PAGE}]}
    with Script(
        Call("GET", lists, body=nothing), Call("POST", lists, 409), Call("GET", lists, body=there)
    ) as script:
        assert client(script).ensure_import_page().page_id == 12


# --- answers to an action -------------------------------------------------------------------


def test_a_short_answer_has_the_user_in_the_akid() -> None:
    with Script(
        Call("POST", ACTION, 201, {"action_id": 9, "akid": ".7.AbC123", "rd": 1})
    ) as script:
        assert client(script).act(Act("page", "a@example.org")) == Acted(9, 7, False)
    with Script(Call("POST", ACTION, 201, {"id": "9", "user": None, "akid": "3.7.Ab"})) as script:
        assert client(script).act(Act("page", "a@example.org")) == Acted(9, 7, False)


@pytest.mark.parametrize("body", [None, "<html>", [], {}, {"id": 9}, {"id": 9, "akid": "x"}])
def test_an_answer_that_says_nothing_may_be_an_action(body: Any) -> None:
    with Script(Call("POST", ACTION, 201, body)) as script:
        with pytest.raises(Unavailable) as failure:
            client(script).act(Act("page", "a@example.org"))
        assert failure.value.may_have_happened


@pytest.mark.parametrize(("sent", "happened"), [(True, True), (False, False)])
def test_an_action_that_was_never_sent_did_not_happen(sent: bool, happened: bool) -> None:
    with Script(Call("POST", ACTION, error=NoAnswerError("cut", sent))) as script:
        with pytest.raises(Unavailable) as failure:
            client(script).act(Act("page", "a@example.org"))
        assert failure.value.may_have_happened is happened


def test_an_address_refused_by_another_name_is_named_as_sent() -> None:
    error = {"errors": {"postal": ["ZIP Code is invalid."], "region": ["no"]}}
    with Script(Call("POST", ACTION, 400, error), Call("POST", ACTION, 400, error)) as script:
        act = Act("page", "a@example.org", {"zip": "1", "region": "X"})
        with pytest.raises(Rejected) as refusal:
            client(script).act(act)
        assert refusal.value.fields == ("zip", "region")
        with pytest.raises(Rejected) as refusal:
            client(script).act(Act("page", "a@example.org", {"postal": "1", "state": "X"}))
        assert refusal.value.fields == ("postal", "state")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"errors": {"postal": ["ZIP Code is invalid."]}}, ["postal"]),
        ({"errors": {"user_age": ["no"], "zip": ["no"]}}, ["age", "zip"]),
        ({"page": "no-such-page"}, ["page"]),
        ({"petitionpage": {"name": ["taken"]}}, ["name"]),
        ({"petitionpage": {"errors": ["no"]}}, []),
        ({"canceled_by": ["no"]}, ["canceled_by"]),
        ({"errors": {"email": ["Conflict on unique key 'email' for value 'x'"]}}, ["email"]),
        ({"errors": "text"}, []),
        ({"errors": ["text", "more"]}, []),
        ({"error": "Sorry"}, []),
        ({"errors": {"zip": {"deeper": {"still": ["no"]}}}}, ["still"]),
        ({"errors": {"zip": ["no"]}, "zip": "no"}, ["zip"]),
        (["text"], []),
        ("not JSON", []),
        (None, []),
    ],
)
def test_every_shape_of_an_error_names_its_fields(body: Any, fields: list[str]) -> None:
    answer = Call("POST", ACTION, 400, body).answer()
    assert refused_fields(answer) == fields


def test_an_error_body_in_another_encoding() -> None:
    assert refused_fields(HttpAnswer(400, {}, '{"errors": {"zip": ["é"]}}'.encode("latin-1"))) == [
        "zip"
    ]


# --- rows of a look -------------------------------------------------------------------------


def row(*values: Any) -> list[Any]:
    return [*values, *[None] * (11 - len(values))]


def test_rows_in_any_form() -> None:
    """Numbers may come as text, values as null, names in another case, in any order."""
    look = look_of(
        [
            row("phone", "7", "81", "mobile", "2025550143", "2026-01-02 03:04:05"),
            row("field", "7", "5", "SMS_Opt_In", None, None, "99", None, None, None),
            row("field", 7, 4, "colour", "red", "2026-01-02T03:04:05.5", 98, 3, "Import", "x"),
            row("user", "7", "a@example.org", None, "Mora"),
            row("group", 7, "12"),
            row("found", "99", "S1"),
            row("mark", "120"),
        ],
        ["sms_opt_in", "colour"],
    )
    user = look.users[7]
    assert (user.email, user.first_name, user.last_name) == ("a@example.org", "", "Mora")
    assert [(one.name, one.value, one.action_id) for one in user.fields] == [
        ("colour", "red", 98),
        ("sms_opt_in", "", 99),
    ]
    assert user.fields[0].page_type == "import"
    assert user.fields[1].updated_at is None
    assert user.fields[1].page_id is None
    assert user.usergroups == {12}
    assert look.actions_found == {"S1": 99}
    assert look.watermark == 120


def test_a_table_without_actions_has_watermark_0() -> None:
    assert look_of([row("mark", None)], ["x"]).watermark == 0


@pytest.mark.parametrize(
    "rows",
    [[["user", 1]], [row("other", 1)], [row("user", "x")], [row("phone", 1, None)], {}, "x", [1]],
)
def test_rows_of_another_kind_are_no_look(rows: Any) -> None:
    with Script(Call("POST", SQL, body=rows)) as script, pytest.raises(Unavailable) as failure:
        client(script).look([1], ["x"])
    assert not failure.value.may_have_happened


def test_a_report_of_too_many_rows_is_refused() -> None:
    with Script(Call("POST", SQL, 400, {"errors": "too many"})) as script, pytest.raises(Rejected):
        client(script).look([1], ["x"])


# --- lists ----------------------------------------------------------------------------------


def test_lists_that_do_not_turn_their_pages_end() -> None:
    page = {"meta": {"next": "/rest/v1/alloweduserfield/?_offset=0"}, "objects": [{"name": "a"}]}
    path = "rest/v1/alloweduserfield/"
    with Script(*[Call("GET", path, body=page)] * 2) as script, pytest.raises(Unavailable):
        client(script).userfields()


def test_lists_are_asked_by_place_never_by_the_address_that_an_answer_gives() -> None:
    path = "rest/v1/alloweduserfield/"
    first = {"meta": {"next": "https://evil.example/"}, "objects": [{"name": "b"}, {"name": "a"}]}
    last = {
        "meta": {"next": None},
        "objects": [{"name": "c", "allow_multiple": True}, {"name": ""}],
    }
    with Script(Call("GET", path, body=first), Call("GET", path, body=last)) as script:
        found = client(script).userfields()
    assert [(one.name, one.allow_multiple) for one in found] == [
        ("a", False),
        ("b", False),
        ("c", True),
    ]
    assert script.query(1) == {"order_by": "name", "_limit": "100", "_offset": "2"}


def test_a_list_that_cannot_be_ordered_is_read_as_it_is() -> None:
    path = "rest/v1/alloweduserfield/"
    page = {"meta": {"next": None}, "objects": [{"name": "a"}]}
    with Script(Call("GET", path, 400, {"error": "no"}), Call("GET", path, body=page)) as script:
        assert len(client(script).userfields()) == 1
    assert "order_by" not in script.query()


@pytest.mark.parametrize("body", ["<html>", [], {"objects": []}, {"meta": {}}, None])
def test_a_list_that_is_none(body: Any) -> None:
    path = "rest/v1/alloweduserfield/"
    with Script(Call("GET", path, body=body)) as script, pytest.raises(Unavailable):
        client(script).userfields()


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_read_is_tried_twice_at_most(status: int) -> None:
    slots, clock = Slots(), FakeClock()
    failing = Call("POST", SQL, status)
    with Script(failing, failing) as script, pytest.raises(Unavailable):
        client(script, permits=slots, clock=clock).count_users()
    assert slots.taken == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 503])
def test_other_failures_are_final(status: int) -> None:
    with Script(Call("POST", SQL, status)) as script, pytest.raises(Exception, match="actionkit"):
        client(script).count_users()


def test_a_read_without_an_answer_is_not_tried_again() -> None:
    lost = Call("POST", SQL, error=NoAnswerError("timed out", sent=True))
    with Script(lost) as script, pytest.raises(Unavailable) as failure:
        client(script).count_users()
    assert not failure.value.may_have_happened


@pytest.mark.parametrize(
    ("status", "location", "gone"),
    [
        (404, "", Gone()),
        (200, "", None),
        (301, "https://act.example.org/rest/v1/user/8/", Gone(8)),
        (301, "https://act.example.org/rest/v1/user/7/", None),
        (301, "https://act.example.org/login", None),
        (302, "", None),
    ],
)
def test_what_a_read_by_id_says(status: int, location: str, gone: Gone | None) -> None:
    headers = (("location", location),) if location else ()
    with Script(Call("GET", "rest/v1/user/7/", status, {}, headers)) as script:
        assert client(script).find_gone(7) == gone


# --- probe ----------------------------------------------------------------------------------


def refused(*calls: Call) -> ConfigurationError:
    with Script(*calls) as script, pytest.raises(ConfigurationError) as refusal:
        client(script).probe()
    return refusal.value


@pytest.mark.parametrize(
    "root",
    [
        Call("GET", "rest/v1/", 404),
        Call("GET", "rest/v1/", 200, "<html>Welcome</html>"),
        Call("GET", "rest/v1/", 200, {"hello": "world"}),
        Call("GET", "rest/v1/", 200, []),
        Call("GET", "rest/v1/", 200),
        Call("GET", "rest/v1/", 301, headers=(("location", "https://www.example.org/"),)),
        Call("GET", "rest/v1/", 302, headers=(("location", "https://169.254.169.254/"),)),
    ],
)
def test_a_host_that_is_no_actionkit(root: Call) -> None:
    refusal = refused(root)
    assert (refusal.code, refusal.field, refusal.status) == (
        "actionkit_wrong_host",
        "hostname",
        422,
    )


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials(status: int) -> None:
    refusal = refused(Call("GET", "rest/v1/", status))
    assert (refusal.code, refusal.status) == ("actionkit_credentials", 422)


def test_a_host_that_c2_refuses() -> None:
    refusal = refused(Call("GET", "rest/v1/", error=HostRefusedError()))
    assert (refusal.code, refusal.field, refusal.status) == ("hostname_refused", "hostname", 422)


def test_no_host() -> None:
    refusal = refused(Call("GET", "rest/v1/", error=NoAnswerError("no such host", sent=False)))
    assert (refusal.code, refusal.status) == ("actionkit_unreachable", 503)


@pytest.mark.parametrize(
    ("report", "reads"),
    [
        (Call("POST", SQL, 200, [[0]]), "sql"),
        (Call("POST", SQL, 200, "<html>"), "rest"),
        (Call("POST", SQL, 400, {"errors": "no"}), "rest"),
        (Call("POST", SQL, 401), "rest"),
        (Call("POST", SQL, 403), "rest"),
        (Call("POST", SQL, 404), "rest"),
        (Call("POST", SQL, 405), "rest"),
    ],
)
def test_how_records_can_be_read(report: Call, reads: str) -> None:
    with Script(Call("GET", "rest/v1/", body=ROOT), *SCHEMAS, report) as script:
        assert client(script).probe() == reads
