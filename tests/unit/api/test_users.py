"""U7, U8, U9, F15."""

from __future__ import annotations

import json
import random
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from instep.domain.account import Phase
from instep.domain.people import Side
from instep.domain.plan import Change
from instep.domain.reasons import REASONS
from instep.domain.record import (
    Base,
    ConsentState,
    Evidence,
    FieldState,
    Record,
    Status,
    Warning,  # noqa: A004
)
from instep.domain.rules import Option
from instep.use_cases import user_list
from instep.use_cases.records import People
from instep.use_cases.runs import set_tallies
from tests.unit.api.desk import NOW, Desk, linked, unlinked

FIRST = ["Ada", "Bo", "Ève", "ada", ""]
LAST = ["Lovelace", "de la Cruz", "Adams", "Öz", ""]


def many(count: int, seed: int = 1) -> list[Record]:
    """Records of every status, with equal names and emails among them."""
    rng = random.Random(seed)
    codes = {reason.status: code for code, reason in REASONS.items()}
    statuses = [status for status in Status if status is not Status.PENDING]
    records = []
    for user_id in rng.sample(range(1, 5000), count):
        status = rng.choice(statuses)
        common: dict[str, Any] = {
            "email": rng.choice(
                ["", "Same@example.org", f"{rng.choice('abc')}{user_id}@example.org"]
            ),
            "first_name": rng.choice(FIRST),
            "last_name": rng.choice(LAST),
            "warnings": frozenset(rng.sample(sorted(Warning), rng.choice([0, 0, 1, 2]))),
            "changed_at": NOW + timedelta(seconds=rng.randrange(50)),
        }
        if status is Status.SYNCED:
            record = linked(user_id, 10_000 + user_id, **common)
            record = replace(record, email=common["email"])
        else:
            record = unlinked(user_id, **common, status=status, reason=codes[status])
            record = replace(record, email=common["email"])
        records.append(record)
    return records


@pytest.fixture
def records(desk: Desk) -> list[Record]:
    desk.connect()
    records = many(120)
    desk.store(*records)
    desk.call("PUT /connection", desk.others_credentials(), account="other")
    desk.store(linked(1, 1, "elsewhere@example.org"), account_id="other")
    return records


def ids(items: list[Any]) -> list[int]:
    return [item["user_id"] for item in items]


def test_an_item_of_the_list(desk: Desk) -> None:
    desk.connect()
    desk.store(
        linked(
            7,
            70,
            "Ada@example.org",
            first_name=" Ada",
            last_name="Lovelace",
            phone="+13125550107",
            warnings=frozenset({Warning.PHONE_DIFFERS}),
        ),
        unlinked(8, status=Status.DUPLICATE_PHONE, reason="number_taken", reason_detail="7"),
    )
    with_name, without = sorted(desk.all("/users"), key=lambda one: one["user_id"])
    assert with_name == {
        "user_id": 7,
        "email": "Ada@example.org",
        "name": "Ada Lovelace",
        "phone": "+13125550107",
        "status": "synced",
        "reason": {
            "code": "linked",
            "text": REASONS["linked"].text,
            "fix": "Nothing to do.",
            "at": "2026-05-04T12:00:00Z",
        },
        "warnings": ["phone_differs"],
        "member_id": 70,
        "last_synced": "2026-05-04T12:00:00Z",
    }
    assert (without["name"], without["phone"], without["member_id"]) == (None, None, None)
    assert "User 7 has the same phone number" in without["reason"]["text"]


@pytest.mark.parametrize("limit", [1, 7, 50, 500])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["status", "name", "email", "last_synced", None])
def test_everyone_is_listed_once_and_in_order(
    desk: Desk, records: list[Record], sort: str | None, order: str, limit: int
) -> None:
    if limit == 1:
        limit = 3  # As good, and three times as fast.
    given = {} if sort is None else {"sort": sort, "order": order}
    listed = desk.all("/users", limit, **given)
    assert sorted(ids(listed)) == sorted(record.user_id for record in records)
    keys: dict[str, Callable[[Any], str]] = {
        "status": lambda one: one["status"],
        "name": lambda one: (one["name"] or "-").casefold(),
        "email": lambda one: (one["email"] or "-").casefold(),
        "last_synced": lambda one: one["last_synced"],
    }
    shown = [keys[sort or "name"](one) for one in listed]
    assert shown == sorted(shown, reverse=sort is not None and order == "desc")


@pytest.mark.parametrize("status", [None, *Status])
@pytest.mark.parametrize("warning", [None, *Warning])
def test_filters(
    desk: Desk, records: list[Record], status: Status | None, warning: Warning | None
) -> None:
    wanted = [
        record.user_id
        for record in records
        if (status is None or record.status is status)
        and (warning is None or warning in record.warnings)
    ]
    assert sorted(ids(desk.all("/users", 9, status=status, warning=warning))) == sorted(wanted)


def matches(record: Record, q: str) -> bool:
    """U7 in a few words."""
    text = " ".join(q.split()).casefold()
    full = " ".join(f"{record.first_name} {record.last_name}".split()).casefold()
    last = " ".join(record.last_name.split()).casefold()
    number = record.number or ""
    return any(
        one and one.startswith(text)
        for one in (str(record.user_id), number, number[1:], record.email.casefold(), full, last)
    )


@pytest.mark.parametrize(
    "q",
    [
        *("1", "12", "123", "4999", "+1312", "1312555", "+13125550", "same@", "A1", "ada", "ADA L"),
        *("lovelace", "de la", "DE  LA CRUZ", "ada de la cruz", "ö", "èv", "b", "adams", "nobody"),
    ],
)
def test_a_search_finds_each_prefix_once(desk: Desk, records: list[Record], q: str) -> None:
    wanted = sorted(record.user_id for record in records if matches(record, q))
    assert sorted(ids(desk.all("/users", 4, q=q))) == wanted
    assert sorted(ids(desk.all("/users", 500, q=q))) == wanted
    synced = [one.user_id for one in records if one.status is Status.SYNCED and matches(one, q)]
    assert sorted(ids(desk.all("/users", 4, q=q, status="synced"))) == sorted(synced)
    warned = [
        one.user_id for one in records if Warning.PHONE_DIFFERS in one.warnings and matches(one, q)
    ]
    assert sorted(ids(desk.all("/users", 4, q=q, warning="phone_differs"))) == sorted(warned)


def test_a_search_that_finds_a_page_or_less_is_sorted(desk: Desk, records: list[Record]) -> None:
    for order in ("asc", "desc"):
        found = desk.all("/users", 100, q="ada", sort="email", order=order)
        emails = [(one["email"] or "").casefold() for one in found]
        assert len(emails) > 8
        assert emails == sorted(emails, reverse=order == "desc")


def test_one_call_looks_at_a_bounded_number_of_records(
    desk: Desk, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_list, "MOST_EXAMINED", 10)
    wanted = [one.user_id for one in records if one.status is Status.SYNCED and matches(one, "1")]
    answer = desk.call("GET /users", q="1", status="synced", limit=500)
    assert len(answer.body["items"]) <= 10
    assert answer.body["next_cursor"] is not None
    assert sorted(ids(desk.all("/users", q="1", status="synced"))) == sorted(wanted)
    both = [
        one.user_id
        for one in records
        if one.status is Status.SYNCED and Warning.PHONE_DIFFERS in one.warnings
    ]
    assert sorted(ids(desk.all("/users", status="synced", warning="phone_differs"))) == sorted(both)


@pytest.mark.parametrize(
    "tallies", [{"synced": -1}, {"synced": 400, "failed": -300}, {"deleted": 9}]
)
def test_tallies_that_are_wrong_leave_nobody_out(
    desk: Desk, records: list[Record], tallies: dict[str, int]
) -> None:
    """They say how much to read at once, and after a crash may be wrong, even below zero."""
    set_tallies(desk.world, "demo", tallies)
    for sort in ("name", "email", "last_synced", "status"):
        listed = desk.all("/users", 7, sort=sort)
        assert sorted(ids(listed)) == sorted(record.user_id for record in records)
    desk.change(initial_sync_done=True)
    assert all(
        one >= 0 for one in desk.call("GET /activation").body["progress"]["by_status"].values()
    )


def test_who_does_not_change_while_one_pages_appears_once(
    desk: Desk, records: list[Record]
) -> None:
    """Others come, go, and change their place."""
    rng = random.Random(5)
    still = {record.user_id for record in records[:60]}
    seen: list[int] = []
    cursor = None
    while True:
        body = desk.call("GET /users", limit=7, cursor=cursor).body
        seen += ids(body["items"])
        cursor = body["next_cursor"]
        if cursor is None:
            break
        for record in rng.sample(records[60:], 5):
            status = rng.choice([Status.FAILED, Status.DELETED])
            reason = {"failed": "wrong_user", "deleted": "deleted"}[status]
            moved = replace(record, status=status, reason=reason, first_name=rng.choice("AMZ"))
            desk.store(moved)
        desk.store(unlinked(10_000 + rng.randrange(1000), first_name=rng.choice("AMZ")))
    assert sorted(one for one in seen if one in still) == sorted(still)


def test_very_long_names_are_found_too(desk: Desk) -> None:
    desk.connect()
    long = "ж" * 240
    desk.store(unlinked(5, last_name=long), unlinked(6, last_name=long + "x"))
    assert sorted(ids(desk.all("/users", 1))) == [5, 6]
    assert ids(desk.all("/users", q=long + "x")) == [6]


def test_an_index_that_lags_shows_nobody_with_another_status(desk: Desk) -> None:
    desk.connect()
    desk.store(unlinked(5))
    assert len(desk.all("/users")) == 1
    desk.users.lagging = True
    desk.store(linked(5, 50))
    assert desk.all("/users", status="ineligible_no_phone") == []


def test_a_plan_under_way_for_somebody_new_is_not_listed(desk: Desk) -> None:
    desk.connect()
    desk.users.put({"account_id": "demo", "item": "user/000000000005", "user_id": 5, "version": 1})
    assert desk.all("/users") == desk.all("/users", q="5") == []
    assert desk.call("GET /users/5").body["status"] == "pending"
    assert desk.call("GET /users/5").body["reason"]["code"] == "not_scanned"


@pytest.mark.parametrize("name", ["sort", "order", "status", "warning", "limit", "cursor"])
def test_unknown_query_values_are_422(desk: Desk, name: str) -> None:
    desk.connect()
    for wrong in ("no_such", ""):
        answer = desk.call("GET /users", **{name: wrong})
        assert (answer.status, answer.fields) == (422, {name})


@pytest.mark.parametrize(
    "path",
    [
        *("/users", "/fields", "/runs", "/audit", "/conflicts", "/members", "/holds", "/pages"),
        *("/usergroups", "/actions", "/actionfield-groups", "/groups", "/automations"),
    ],
)
def test_limits_of_every_list(desk: Desk, path: str) -> None:
    desk.connect()
    for wrong in (0, 501, "many", -1, "1.5"):
        answer = desk.call(f"GET {path}", limit=wrong)
        assert (answer.status, answer.fields) == (422, {"limit"})
    for right in (1, 500):
        assert desk.call(f"GET {path}", limit=right).status == 200


def test_a_cursor_is_bound_to_its_list_and_filters(desk: Desk, records: list[Record]) -> None:
    cursor = desk.call("GET /users", limit=2, q="a").body["next_cursor"]
    assert cursor is not None
    assert desk.call("GET /users", limit=9, q="a", cursor=cursor).status == 200
    for path, query in (
        ("/users", {}),
        ("/users", {"q": "ad"}),
        ("/users", {"q": "a", "status": "synced"}),
        ("/users", {"q": "a", "order": "desc"}),
        ("/fields", {}),
        ("/audit", {}),
        ("/runs", {}),
        (f"/users/{records[0].user_id}/history", {}),
    ):
        answer = desk.call(f"GET {path}", cursor=cursor, **query)
        assert (answer.status, answer.fields) == (422, {"cursor"}), path
    assert desk.call("GET /users", account="other", q="a", cursor=cursor).status == 422
    forged = b64encode(json.dumps(["demo/users", {}, {}]).encode()).decode()
    sealed = b64encode(bytes(16) + json.dumps(["demo/users", {}, {}]).encode()).decode()
    for spoilt in (cursor[:-4], f"A{cursor}", "§", "bnVsbA", "", "=", forged, sealed):
        assert desk.call("GET /users", q="a", cursor=spoilt).status == 422


@pytest.mark.parametrize("path", ["/users", "/runs", "/audit", "/conflicts", "/members", "/holds"])
def test_a_cursor_that_somebody_made_up_is_422(desk: Desk, path: str) -> None:
    """Never 500, whatever is in it."""
    desk.connect()
    filters = {
        "/users": {"status": None, "warning": None, "q": "", "sort": "name", "order": "asc"},
        "/members": {"status": None, "q": ""},
    }.get(path, {})
    for place in ("no such key", {"streams": {"x": ["y", "z"]}}, {"x": ["y", "z"]}, None, 7):
        text = json.dumps([f"demo{path}", filters, place], separators=(",", ":")).encode()
        for seal in (b"", bytes(16), b"x" * 16):
            cursor = urlsafe_b64encode(seal + text).rstrip(b"=").decode()
            answer = desk.call(f"GET {path}", cursor=cursor)
            assert (answer.status, answer.code, answer.fields) == (
                422,
                "invalid_cursor",
                {"cursor"},
            )


# --- one user ---


def test_a_users_page(desk: Desk) -> None:
    desk.ready()
    custom = desk.call(
        "POST /fields", {"strive_field": "colour", "actionkit_field": "colour", "option": "two_way"}
    ).body["field_id"]
    desk.groups.put({"account_id": "demo", "item": "group/000000000009", "name": "A group"})
    record = linked(
        7,
        70,
        "ada@example.org",
        first_name="Ada",
        phone="+13125550107",
        number="+13125550107",
        linked_at=NOW,
        created_member=True,
        groups=frozenset({9, 10}),
        waiting_groups=frozenset({11}),
        declined_groups=frozenset({12}),
        consent=ConsentState(raw="Yes", opted_in=True),
        fields={
            "core-city": FieldState(
                "Chicago",
                "Boston",
                base=Base("Chicago", "Chicago", Option.POPULATE_NO_OVERWRITE),
                rule="kept",
            ),
            custom: FieldState("red", "red"),
        },
    )
    desk.store(record)
    people = People(desk.world, "demo")
    for number in range(30):
        at = NOW + timedelta(minutes=number)
        change = Change(Side.STRIVE, "city", "", str(number), "fill")
        desk.users.put(people.history_item(7, at, f"i{number}", [change], "changed"))
    page = desk.call("GET /users/7").body
    assert page["history"] == desk.all("/users/7/history")[:20]
    (in_list,) = desk.all("/users")
    for name in ("status", "reason", "warnings", "member_id", "phone", "last_synced"):
        assert page[name] == in_list[name]
    columns = dict.fromkeys(["first_name", "last_name", "email", "state"])
    assert page["user"] == {
        "user_id": 7,
        "email": "ada@example.org",
        "first_name": "Ada",
        "last_name": None,
        "phone": "+13125550107",
        "opt_in": "Yes",
        "columns": {**columns, "city": "Chicago", "zip": None},
        "userfields": {"colour": "red"},
    }
    assert page["member"] == {
        "member_id": 70,
        "phone_number": "+13125550107",
        "opt_in": True,
        "created_by_sync": True,
        "linked_at": "2026-05-04T12:00:00Z",
        "columns": {**columns, "city": "Boston", "postal_code": None},
        "custom": {"colour": "red"},
    }
    shown = {one["strive_field"]: one for one in page["fields"]}
    assert shown["city"] == {
        "strive_field": "city",
        "actionkit_field": "city",
        "option": "populate_no_overwrite",
        "actionkit_value": "Chicago",
        "strive_value": "Boston",
        "base": {"actionkit": "Chicago", "strive": "Chicago"},
        "decision": "kept",
    }
    assert (shown["opt_in"]["actionkit_value"], shown["opt_in"]["strive_value"]) == ("Yes", "true")
    assert shown["phone_number"]["strive_value"] == "+13125550107"
    assert shown["colour"]["actionkit_value"] == "red"
    assert shown["state"]["actionkit_value"] is None
    assert page["groups"] == [
        {"group": 9, "name": "A group", "state": "in"},
        {"group": 10, "name": None, "state": "in"},
        {"group": 11, "name": None, "state": "held"},
        {"group": 12, "name": None, "state": "discarded"},
    ]


@pytest.mark.parametrize("user_id", ["999999999", "abc", "0", "-1", "9999999999999", "7.5"])
def test_an_unknown_user(desk: Desk, user_id: str) -> None:
    desk.switch_on()
    for call in ("GET /users/{}", "GET /users/{}/history", "GET /users/{}/consent"):
        answer = desk.call(call.format(user_id))
        if user_id in ("999999999", "0"):
            assert (answer.status, answer.code) == (404, "no_user")
        else:
            assert (answer.status, answer.fields) == (422, {"user_id"})
    assert desk.call("POST /users/999999999/sync").status == 404


def test_sync_now_goes_to_the_live_lane(desk: Desk) -> None:
    desk.switch_on()
    desk.store(linked(7, 70), unlinked(8, status=Status.MEMBER_DELETED, reason="member_deleted"))
    expected = [
        (7, None, "staff"),
        (7, {}, "staff"),
        (7, {"recreate": True}, "staff"),
        (8, {"recreate": False}, "staff"),
        (8, {"recreate": True}, "recreate"),
    ]
    for user_id, body, _ in expected:
        assert desk.call(f"POST /users/{user_id}/sync", body).status == 202
    bodies = [sent.body for sent in desk.live.sent]
    assert [(one["user_ids"], one["cause"]) for one in bodies] == [
        ([user_id], cause) for user_id, _, cause in expected
    ]
    assert {one["epoch"] for one in bodies} == {desk.account().epoch}
    assert desk.bulk.sent == []
    for wrong in ({"recreate": "yes"}, {"more": 1}):
        assert desk.call("POST /users/7/sync", wrong).status == 422


def test_sync_now_needs_a_running_account(desk: Desk) -> None:
    desk.connect()
    desk.store(linked(7, 70))
    assert desk.call("POST /users/7/sync").code == "not_active"
    desk.change(phase=Phase.PAUSED)
    assert desk.call("POST /users/7/sync").code == "paused"
    desk.change(phase=Phase.STOPPED_CREDENTIALS)
    assert desk.call("POST /users/7/sync").code == "stopped_credentials"
    assert desk.live.sent == []


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
def test_history_and_consent_newest_first(desk: Desk, limit: int) -> None:
    desk.connect()
    desk.store(linked(7, 70), linked(8, 80))
    people = People(desk.world, "demo")
    items = []
    for day in range(4):
        at = NOW + timedelta(days=day)
        changes = [
            Change(Side.STRIVE, f"field{number}", "old", f"{day}.{number}", "fill")
            for number in range(day)
        ]
        evidence = [
            Evidence(at, Side.ACTIONKIT, f"{day}.{number}", None, "row", "kept")
            for number in range(day)
        ]
        items.append(people.history_item(7, at, f"intent{day}", changes, "initial_sync"))
        items.append(people.evidence_item(7, at, f"intent{day}", evidence))
    items.append(people.history_item(8, NOW, "x", [Change(Side.STRIVE, "a", "", "b", "f")], "c"))
    desk.users.put_many(items)
    history = desk.all("/users/7/history", limit)
    assert [one["new"] for one in history] == ["3.0", "3.1", "3.2", "2.0", "2.1", "1.0"]
    assert history[0] == {
        "at": "2026-05-07T12:00:00Z",
        "side": "strive",
        "field": "field0",
        "old": "old",
        "new": "3.0",
        "cause": "initial_sync",
        "rule": "fill",
    }
    consent = desk.all("/users/7/consent", limit)
    assert [one["raw"] for one in consent] == ["3.0", "3.1", "3.2", "2.0", "2.1", "1.0"]
    assert consent[0] == {
        "at": "2026-05-07T12:00:00Z",
        "side": "actionkit",
        "raw": "3.0",
        "opted_in": None,
        "evidence": "row",
        "effect": "kept",
    }
