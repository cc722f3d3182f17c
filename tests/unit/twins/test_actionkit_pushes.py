"""Push endpoints: what is queued after an action, when it is due, and how it is delivered."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from local.twins.actionkit import ActionKitTwin
from local.twins.actionkit.pushes import Push
from local.twins.deliver import Delivery
from local.twins.http import Request, Response, Server, serve
from tests.unit.twins.actionkit_client import Caller

URL = "http://127.0.0.1:9/hook/a%20b?key=k1"


def made() -> Caller:
    caller = Caller()
    caller.twin.add_page("join", "Signup")
    caller.twin.add_page("petition", "Petition")
    caller.twin.add_user("ada@example.org")
    return caller


def act(caller: Caller, page: str = "join", **parameters: Any) -> int:
    return caller.twin.take_action(page, parameters, 1)


def test_an_action_is_pushed_to_the_endpoints_of_its_page() -> None:
    caller = made()
    pushes = caller.twin.pushes
    every = pushes.add(URL, "every", headers={"X-Secret": "s"})
    pushes.add("http://localhost:9/", "petitions", pages=[2], payload="akid_only")
    action_id = act(caller, action_issue=["air", "water"], action_why="x")
    assert pushes.next_at() == caller.now
    [push] = pushes.take_due()
    assert isinstance(push, Request)
    assert (push.method, push.path, push.url) == ("POST", "/hook/a b", URL)
    assert push.query == (("key", "k1"),)
    assert (push.headers["host"], push.headers["x-secret"]) == ("127.0.0.1:9", "s")
    assert json.loads(push.body) == {
        "action_id": action_id,
        "akid": caller.twin.akid(1),
        "page": "join",
        "email": "ada@example.org",
        "source": "website",
        "created_at": "2026-05-04T12:00:00.250000",
        "action_issue": ["air", "water"],
        "action_why": "x",
    }
    assert (pushes.take_due(), pushes.next_at()) == ([], None)
    act(caller, "petition")
    assert len(pushes.due()) == 2
    pushes.remove(every)
    [left] = pushes.take_due()
    assert json.loads(left.body) == {"akid": caller.twin.akid(1)}
    with pytest.raises(KeyError):
        pushes.remove(every)


def test_actions_by_api_and_upload_are_pushed_and_past_ones_are_not() -> None:
    caller = made()
    caller.twin.add_page("list", "Import")
    caller.twin.pushes.add(URL)
    caller.act("join", email="ada@example.org")
    caller.upload("list", "email\nada@example.org\nbob@example.org\n")
    caller.twin.add_past_actions("join", [1, 2])
    assert len(caller.twin.pushes.take_due()) == 3


def test_shapes_of_payload() -> None:
    caller = made()
    pushes = caller.twin.pushes
    pushes.add(URL)

    def push(payload: str) -> Push:
        pushes.change(payload=payload)
        act(caller, action_issue=["air", "water"])
        [pushed] = pushes.take_due()
        return pushed

    form = push("form")
    assert form.headers["content-type"] == "application/x-www-form-urlencoded"
    read = parse_qs(form.body.decode())
    assert (read["akid"], read["action_issue"]) == ([caller.twin.akid(1)], ["air", "water"])
    assert json.loads(push("page_only").body) == {"page": "join"}
    assert json.loads(push("akid_only").body) == {"akid": caller.twin.akid(1)}
    empty = push("empty")
    assert (empty.body, "content-type" in empty.headers) == (b"", False)
    with pytest.raises(UnicodeDecodeError):
        push("garbage").body.decode()


def test_repeated_delayed_and_lost_by_the_same_dice() -> None:
    def story() -> tuple[list[tuple[int, datetime]], int]:
        caller = made()
        pushes = caller.twin.pushes
        pushes.add(URL)
        pushes.change(repeats=2, max_delay_seconds=60, lost_rate=0.3)
        for _ in range(20):
            act(caller)
            caller.wait(1)
        assert all(push.at <= caller.now for push in pushes.due())
        early = len(pushes.take_due())
        assert early > 0
        taken = pushes.take_due(caller.now + timedelta(seconds=61))
        counts = pushes.counts()
        assert counts["sent"] + counts["lost"] == 60
        assert counts["waiting"] == 0
        return [(push.number, push.at) for push in taken], counts["lost"]

    first = story()
    assert first == story()
    numbers, lost = first
    assert [at for _, at in numbers] == sorted(at for _, at in numbers)
    assert [number for number, _ in numbers] != sorted(number for number, _ in numbers)
    assert 5 < lost < 35


def test_what_was_not_taken_in_is_tried_again() -> None:
    caller = made()
    pushes = caller.twin.pushes
    pushes.add(URL)
    pushes.change(retries=2, retry_seconds=10)
    act(caller)
    for tries, status in enumerate((None, 500, 503)):
        [push] = pushes.take_due()
        assert push.tries == tries
        pushes.answered(push, status)
        assert pushes.take_due() == []
        caller.wait(10)
    assert pushes.take_due() == []
    act(caller)
    [push] = pushes.take_due()
    pushes.answered(push, 404)
    assert pushes.counts() == {
        "sent": 4,
        "lost": 0,
        "waiting": 0,
        "answered": {"none": 1, "500": 1, "503": 1, "404": 1},
    }
    assert caller.twin.counts()["pushes"]["sent"] == 4
    assert caller.twin.reset_counts()["pushes"]["answered"] == {}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/hook",
        "http://127.0.0.1@example.org/",
        "http://127.0.0.1.example.org/",
        "http://127.0.0.1\\@example.org/",
        "ftp://127.0.0.1/",
        "127.0.0.1/hook",
        "",
    ],
)
def test_endpoints_are_on_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="push endpoint"):
        made().twin.pushes.add(url)


def test_what_an_endpoint_and_the_settings_refuse() -> None:
    pushes = made().twin.pushes
    with pytest.raises(ValueError, match="payload"):
        pushes.add(URL, payload="xml")  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        pushes.add(URL, pages=[9])
    for wrong in ({"lost_rate": 2}, {"repeats": -1}, {"payload": "xml"}, {"colour": "red"}):
        with pytest.raises(ValueError):
            pushes.change(**wrong)


def test_endpoints_by_http() -> None:
    caller = made()

    def control(name: str, body: Any = None) -> Response:
        return caller.call("POST", f"/_twin/{name}", body)

    body = {"url": URL, "name": "hook", "pages": [1], "payload": "form"}
    assert control("add-push-endpoint", body).json() == {"endpoint_id": 1}
    assert control("add-push-endpoint", {"url": "http://example.org/"}).status == 400
    settings = control("push-settings", {"repeats": 1, "max_delay_seconds": 5}).json()
    assert (settings["repeats"], settings["payload"]) == (1, "json")
    assert control("push-settings", {"lost_rate": 7}).status == 400
    act(caller)
    shown = caller.call("GET", "/_twin/pushes").json()
    assert (shown["waiting"], shown["sent"], shown["lost"]) == (2, 0, 0)
    assert shown["endpoints"] == [{"endpoint_id": 1, **body}]
    assert control("remove-push-endpoint", {"endpoint_id": 1}).status == 200
    assert control("remove-push-endpoint", {"endpoint_id": 1}).status == 400
    assert caller.call("GET", "/_twin/pushes").json()["waiting"] == 0


# --- delivered over HTTP -----------------------------------------------------------------------


class Receiver:
    """Answers 503 first, then 200, and calls back with each push before it answers."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.call_back: Callable[[], None] = lambda: None

    def handle(self, request: Request) -> Response:
        self.got.append(request)
        self.call_back()
        return Response(503 if len(self.got) == 1 else 200)


@contextmanager
def delivering(twin: ActionKitTwin, receiver: Receiver) -> Iterator[tuple[Server, Server]]:
    actionkit, hook = serve(twin), serve(receiver)
    delivery = Delivery(twin.pushes, actionkit.lock)
    try:
        yield actionkit, hook
    finally:
        delivery.close()
        actionkit.close()
        hook.close()


def test_a_thread_delivers_and_does_not_hold_the_lock() -> None:
    twin = ActionKitTwin(lambda: datetime.now(UTC), random.Random(1))
    receiver = Receiver()
    twin.add_page("join")
    twin.add_user("ada@example.org")
    asked = threading.Event()
    with delivering(twin, receiver) as (actionkit, hook):

        def ask_the_twin() -> None:
            assert actionkit.lock.acquire(timeout=5)
            actionkit.lock.release()
            asked.set()

        receiver.call_back = ask_the_twin
        with actionkit.lock:
            twin.pushes.change(retry_seconds=0.1)
            twin.pushes.add(f"{hook.url}/hook?key=k", headers={"X-Secret": "s"})
            twin.pushes.add("http://127.0.0.1:1/nobody", payload="empty")
            twin.take_action("join", {}, 1)
        end = time.monotonic() + 10
        wanted = {"503": 1, "200": 1, "none": 3}
        while twin.pushes.counts()["answered"] != wanted and time.monotonic() < end:
            time.sleep(0.02)
    assert twin.pushes.counts()["answered"] == wanted
    assert asked.is_set()
    [first, second] = receiver.got
    assert (first.method, first.path, first.headers["x-secret"]) == ("POST", "/hook", "s")
    assert first.body == second.body
    assert json.loads(first.body)["email"] == "ada@example.org"
