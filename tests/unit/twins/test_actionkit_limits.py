from __future__ import annotations

import gc
import http.client
import json
import random
import weakref
from typing import Any

import pytest

from local.twins.actionkit import Unknowns
from local.twins.http import Cut, Fault, Faults, Request, Response, serve
from tests.unit.twins.actionkit_client import LOGIN, Caller


def test_too_many_requests_at_once() -> None:
    caller = Caller(simultaneous_requests=2)
    caller.twin.in_flight = 2
    assert caller.call("GET", "").status == 200
    caller.twin.in_flight = 3
    assert caller.call("GET", "").status == 429


def test_users_in_any_60_seconds_are_different_ones() -> None:
    caller = Caller()
    for number in range(6):
        caller.twin.add_user(f"u{number}@example.org")
    caller.get("user/1/")
    caller.get("user/1/")
    caller.wait(30)
    caller.get("user/?id__in=2,3")
    assert caller.twin.most_users_in_any_60_seconds() == 3
    caller.wait(30)
    caller.get("user/4/")
    assert caller.twin.most_users_in_any_60_seconds() == 3
    caller.call("PATCH", "user/5/", {"city": "Rome"})
    assert caller.twin.most_users_in_any_60_seconds() == 4
    assert [users for _, users in caller.twin.users_per_minute_series()] == [3, 2]


def test_actions_fields_and_phones_count_their_user() -> None:
    caller = Caller()
    caller.twin.add_page("sync", "Import")
    caller.twin.define_userfield("opt_in")
    for number in range(4):
        user_id = caller.twin.add_user(f"u{number}@example.org")
        caller.twin.add_phone(user_id, "2025550100")
        caller.twin.set_field(user_id, "opt_in", "yes")
    caller.get("phone/?user=1")
    caller.get("userfield/?user=2")
    caller.act("sync", email="u2@example.org")
    caller.act("sync", email="new@example.org")
    caller.get("usergroup/")
    assert caller.twin.most_users_in_any_60_seconds() == 4


def test_the_limit_of_records_can_be_enforced() -> None:
    caller = Caller(records_per_minute=2)
    caller.twin.add_page("sync", "Import")
    for number in range(3):
        caller.twin.add_user(f"u{number}@example.org")
    query = {"query": "SELECT id, email FROM core_user WHERE id IN (1, 2)", "refresh": True}
    assert caller.call("POST", "report/run/sql/", query).status == 200
    assert caller.act("sync", email="u1@example.org").status == 201
    assert caller.act("sync", email="u2@example.org").status == 429
    assert caller.act("sync", email="new@example.org").status == 429
    assert caller.call("GET", "user/3/").status == 429
    assert caller.call("PATCH", "user/3/", {"city": "Rome"}).status == 429
    assert caller.twin.user(3)["city"] == ""
    assert len(caller.twin.actions()) == 1
    assert caller.call("GET", "usergroup/").status == 200
    assert caller.twin.most_users_in_any_60_seconds() == 2
    caller.wait(60)
    assert caller.act("sync", email="u2@example.org").status == 201


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("too_many_requests", 429),
        ("server_error", 500),
        ("unavailable", 503),
    ],
)
def test_refusing_faults_do_nothing(kind: Any, status: int) -> None:
    caller = Caller()
    caller.twin.add_page("sync", "Import")
    caller.twin.faults.add(Fault(kind, times=1, retry_after_seconds=3))
    response = caller.act("sync", email="a@example.org")
    assert response.status == status
    assert response.headers["Retry-After"] == "3"
    assert caller.twin.users() == {}
    assert caller.act("sync", email="a@example.org").status == 201


def test_cuts_before_and_after_the_work() -> None:
    caller = Caller()
    caller.twin.add_page("sync", "Import")
    caller.twin.faults.add(Fault("cut_before_work", times=1, method="POST", path="/action/"))
    with pytest.raises(Cut):
        caller.act("sync", email="a@example.org")
    assert caller.twin.actions() == []
    caller.twin.faults.add(Fault("answer_lost", times=1))
    with pytest.raises(Cut):
        caller.act("sync", email="a@example.org")
    assert len(caller.twin.actions()) == 1
    caller.twin.faults.add(Fault("error_after_work", times=1))
    assert caller.act("sync", email="a@example.org").status == 500
    assert len(caller.twin.actions()) == 2
    caller.twin.faults.add(Fault("slow", times=1, delay_seconds=9.5))
    assert caller.act("sync", email="a@example.org").delay_seconds == 9.5
    assert caller.twin.counts()["statuses"]["cut"] == 2


def test_faults_are_drawn_from_the_seed_and_only_where_they_match() -> None:
    def run(seed: int) -> list[int]:
        faults = Faults(random.Random(seed))
        faults.add(Fault("server_error", rate=0.3, path="^/a"), Fault("unavailable", path="^/b"))
        return [
            faults.around(Request("GET", path), lambda _: Response(200)).status
            for path in ["/a", "/c", "/b"] * 50
        ]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert set(run(1)[1::3]) == {200}
    assert set(run(1)[2::3]) == {503}
    assert 5 < run(1)[0::3].count(500) < 25


def test_the_control_paths() -> None:
    caller = Caller()
    caller.get("user/")
    faults = {"faults": [{"kind": "unavailable", "rate": 1.0, "path": "/user/"}]}
    assert caller.call("POST", "/_twin/faults", faults, login=None).status == 200
    assert caller.call("GET", "user/").status == 503
    counts = caller.get("/_twin/counts")
    assert counts["requests"] == {"GET /rest/v1/user/": 2}
    assert counts["statuses"] == {"200": 1, "503": 1}
    assert counts["faults"] == {"unavailable": 1}
    assert caller.call("POST", "/_twin/reset-counts").json()["requests"] == {}
    switches = {"microseconds": False, "user_updated_by": ["phone", "action"]}
    shown = caller.call("POST", "/_twin/unknowns", switches).json()
    assert (shown["microseconds"], shown["user_updated_by"]) == (False, ["action", "phone"])
    assert caller.twin.unknowns.user_updated_by == {"phone", "action"}
    for body in ({"nope": 1}, {"patch_fields": "sometimes"}, {"user_updated_by": "phone"}):
        assert caller.call("POST", "/_twin/unknowns", body).status == 400
    assert caller.call("POST", "/_twin/faults", {"faults": [{"kind": "x"}]}).status == 400
    assert caller.call("GET", "/_twin/nope").status == 404


@pytest.mark.parametrize("cause", ["userfield", "phone", "group", "action"])
def test_what_moves_the_users_clock(cause: str) -> None:
    moved = {}
    for unknowns in (Unknowns(), Unknowns(user_updated_by=frozenset({cause}))):  # type: ignore[arg-type]
        caller = Caller(user_updated_by=unknowns.user_updated_by)
        caller.twin.define_userfield("opt_in")
        caller.twin.add_page("sync", "Import")
        group = caller.twin.add_usergroup("Leaders")
        caller.twin.add_user("a@example.org")
        before = caller.twin.user(1)["updated_at"]
        caller.wait(1)
        if cause == "userfield":
            caller.twin.set_field(1, "opt_in", "yes")
        elif cause == "phone":
            caller.twin.add_phone(1, "2025550100")
        elif cause == "group":
            caller.twin.join(1, group)
        else:
            caller.act("sync", email="a@example.org")
        moved[bool(unknowns.user_updated_by)] = caller.twin.user(1)["updated_at"] > before
    assert moved == {False: False, True: True}


def test_a_twin_that_nobody_holds_is_freed() -> None:
    caller = Caller(replica_lag_seconds=1)
    caller.sql("SELECT NOW()")
    freed = weakref.ref(caller.twin)
    del caller
    gc.collect()
    assert freed() is None


def test_over_http() -> None:
    caller = Caller()
    caller.twin.add_user("ada@example.org")
    server = serve(caller.twin)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        for _ in range(2):
            connection.request("GET", "/rest/v1/user/1/", headers={"Authorization": LOGIN})
            answer = connection.getresponse()
            assert answer.status == 200
            assert json.loads(answer.read())["email"] == "ada@example.org"
        connection.request(
            "PATCH", "/rest/v1/user/1/", b'{"city": "Rome"}', {"Authorization": LOGIN}
        )
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (202, b"")
        caller.twin.faults.add(Fault("answer_lost", times=1))
        connection.request("DELETE", "/rest/v1/user/1/", headers={"Authorization": LOGIN})
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        assert caller.twin.users() == {}
        connection.close()
    finally:
        server.close()
