"""Pushed actions at the webhook's own function (P3, P4, C3)."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from instep.api.errors import ErrorAnswer
from instep.domain.account import Phase
from instep.use_cases.pushes import MOST_BYTES
from instep.use_cases.work import PUSHED
from tests.unit.api.desk import Desk
from tests.unit.api.pushing import Handle, push_event, token_of, webhook_of

METHODS = ("POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture
def pushed(desk: Desk) -> Handle:
    desk.listed(pages=1)
    desk.call(f"PUT /pages/{desk.pages[0]}/sync")
    desk.live.sent.clear()
    return webhook_of(desk)


def stored(desk: Desk) -> list[Any]:
    """All that is stored or queued."""
    stores = (desk.settings, desk.users, desk.groups)
    return [
        *(store.everything() for store in stores),
        list(desk.live.sent),
        list(desk.bulk.sent),
        dict(desk.machines.executions),
    ]


def refused(answer: dict[str, Any], status: int, code: str) -> None:
    assert answer["statusCode"] == status
    shown = ErrorAnswer.model_validate_json(answer["body"])
    assert (shown.error.code, shown.error.details) == (code, None)


def test_p3_a_pushed_action_is_on_the_live_lane_before_it_is_answered(
    desk: Desk, pushed: Handle
) -> None:
    answer = pushed(push_event(token_of(desk), '{"action_id": 17}'), None)
    assert answer == {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": '{"status": "ok"}',
    }
    (sent,) = desk.live.sent
    assert (sent.body["action_id"], sent.body["cause"]) == (17, PUSHED)
    assert (sent.body["account_id"], sent.body["user_ids"]) == ("demo", [])
    assert desk.bulk.sent == []


@pytest.mark.parametrize(
    ("body", "base64", "action_id"),
    [
        (None, False, 0),
        ("", False, 0),
        ("anything", False, 0),
        ("action_id=17&akid=.5.x", False, 17),
        (b64encode(b"action_id=17&akid=.5.x").decode(), True, 17),
        (b64encode(b"\xff\x00 anything").decode(), True, 0),
        ("no base64 §", True, 0),
        ("\ud800", False, 0),
        ("\ud800", True, 0),
    ],
)
def test_p4_every_body_is_taken(
    desk: Desk, pushed: Handle, body: str | None, base64: bool, action_id: int
) -> None:
    assert pushed(push_event(token_of(desk), body, base64), None)["statusCode"] == 200
    assert [one.body["action_id"] for one in desk.live.sent] == [action_id]


def test_p4_bodies_that_say_nothing_are_merged_to_one_look(desk: Desk, pushed: Handle) -> None:
    token = token_of(desk)
    for _ in range(20):
        assert pushed(push_event(token, "x"), None)["statusCode"] == 200
    assert len(desk.live.sent) == 2  # one at once, one for what came in the five seconds after it


@pytest.mark.parametrize("method", METHODS)
def test_p4_an_address_can_be_tried_out_by_any_method(
    desk: Desk, pushed: Handle, method: str
) -> None:
    token = token_of(desk)
    assert pushed(push_event(token, method=method), None)["statusCode"] == 200
    wrong = push_event(f"{token[:-1]}{'a' if token[-1] != 'a' else 'b'}", method=method)
    refused(pushed(wrong, None), 404, "no_route")


def test_p4_a_wrong_address_is_404_and_nothing_is_stored(desk: Desk, pushed: Handle) -> None:
    token = token_of(desk)
    desk.call("PUT /connection", desk.others_credentials(), account="other")
    before = stored(desk)
    for event in (
        push_event(token[:-1], "{}"),
        push_event(token + "a", "{}"),
        push_event(token.swapcase(), "{}"),
        push_event(token, "{}", account="other"),
        push_event(token, "{}", account="never-connected"),
        push_event(token, "{}", account="-accounts"),
        push_event(token, "{}", account="Demo"),
        push_event(token, "{}", account=""),
        push_event("", "{}"),
        push_event("\ud800" * 43, "{}"),
        push_event("§" * 43, "{}"),
        push_event("x" * 100_000, "{}"),
        {**push_event(token), "pathParameters": None},
        push_event(token[:-1], "x" * (MOST_BYTES + 1)),
    ):
        refused(pushed(event, None), 404, "no_route")
    assert stored(desk) == before


def test_p4_more_than_256_kb_is_413_and_nothing_is_stored(desk: Desk, pushed: Handle) -> None:
    token = token_of(desk)
    before = stored(desk)
    body = b64encode(b"x" * (MOST_BYTES + 1)).decode()
    refused(pushed(push_event(token, body, base64=True), None), 413, "too_large")
    refused(pushed(push_event(token, "x" * (MOST_BYTES + 1)), None), 413, "too_large")
    refused(pushed(push_event(token, "ж" * (MOST_BYTES // 2 + 1)), None), 413, "too_large")
    assert stored(desk) == before
    body = b64encode(b"x" * MOST_BYTES).decode()
    assert pushed(push_event(token, body, base64=True), None)["statusCode"] == 200


@pytest.mark.parametrize("phase", [Phase.OFF, Phase.PAUSED, Phase.STOPPED_CREDENTIALS])
def test_a5_a_push_is_without_effect_while_nothing_is_done(
    desk: Desk, pushed: Handle, phase: Phase
) -> None:
    token = token_of(desk)
    desk.change(phase=phase)
    before = stored(desk)
    for body in ('{"action_id": 17}', "x"):
        assert pushed(push_event(token, body), None)["statusCode"] == 200
    assert stored(desk) == before


def test_a1_a_new_address_stops_the_old_one_at_once(desk: Desk, pushed: Handle) -> None:
    old = token_of(desk)
    answer = desk.call("POST /settings/webhook-token")
    new = answer.body["webhook_url"].rpartition("/")[2]
    assert (answer.status, token_of(desk), len(new) >= 32) == (201, new, True)
    refused(pushed(push_event(old, "{}"), None), 404, "no_route")
    assert desk.live.sent == []
    assert pushed(push_event(new, "{}"), None)["statusCode"] == 200
    (entry,) = [one for one in desk.audit() if one["what"] == "webhook_token"]
    assert (entry["who"], entry["old"], entry["new"]) == ("staff@example.org", None, None)
    told = repr([desk.audit(), desk.watch.notes, desk.watch.alarms, desk.live.sent])
    assert old not in told
    assert new not in told


# --- faults of AWS ---


def broken(*_: object, **__: object) -> None:
    raise ClientError({"Error": {"Code": "Throttled", "Message": "secret text"}}, "PutItem")


@pytest.mark.parametrize(
    ("port", "name"), [("settings", "get"), ("groups", "put"), ("live", "send")]
)
def test_p3_a_fault_of_aws_is_an_error_so_that_the_sender_tries_again(
    desk: Desk, pushed: Handle, port: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of(desk)
    monkeypatch.setattr(getattr(desk, port), name, broken)
    with pytest.raises(Exception, match=r"^$") as raised:
        pushed(push_event(token, "+13125550100"), None)
    assert type(raised.value).__name__ == "NotTakenError"
    assert raised.value.__suppress_context__
    (note,) = desk.watch.notes[-1:]
    assert note.details == {"error": "ClientError"}


def test_c3_nothing_of_a_push_is_told(
    desk: Desk, pushed: Handle, capfd: pytest.CaptureFixture[str]
) -> None:
    token = token_of(desk)
    before = len(desk.watch.notes)
    for event in (
        push_event(token, "akid=.5.canary&phone=+13125550100"),
        push_event(token[:-1], "canary"),
        push_event(token, "canary" * 50_000),
    ):
        pushed(event, None)
    assert desk.watch.notes[before:] == desk.watch.alarms == []
    assert capfd.readouterr() == ("", "")
    assert "canary" not in desk.everything()


# --- any body at all ---

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**15, max_value=10**60)
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["/rest/v1/petitionaction/7/", "/rest/v1/action/0/", "17", "٣", "¹", "-1"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["action_id", "Action-ID", "action", "id", "resource_uri", "akid", ""])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FORMS = st.lists(st.tuples(st.sampled_from(["action_id", "akid", "page"]), st.text(max_size=20)))
TEXTS: st.SearchStrategy[str] = st.one_of(
    st.text(max_size=200),
    st.text(st.characters(), max_size=50),
    JSON_VALUES.map(json.dumps),
    FORMS.map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
)
BODIES: st.SearchStrategy[tuple[str, bool]] = st.one_of(
    st.tuples(TEXTS, st.just(False)),
    st.tuples(TEXTS, st.just(True)),
    st.tuples(st.binary(max_size=300).map(lambda raw: b64encode(raw).decode()), st.just(True)),
    st.tuples(
        TEXTS.map(lambda text: b64encode(text.encode("utf-16", "surrogatepass")).decode()),
        st.just(True),
    ),
)
DEPTHS = (10, 1_000, 100_000)
DEEP: tuple[str, ...] = (
    *("[" * depth for depth in DEPTHS),
    *("[" * depth + "]" * depth for depth in DEPTHS),
    *('{"action":' * depth + "1" + "}" * depth for depth in (10, 1_000, 10_000)),
    *(f'{{"action_id": {"9" * digits}}}' for digits in (15, 16, 4_299, 4_301, 200_000)),
    *(f'{{"action": {{"id": {"9" * digits}}}}}' for digits in (15, 4_299, 4_301)),
    *(f"action_id={'9' * digits}" for digits in (15, 16, 4_301)),
    '{"action_id": NaN}',
    '{"action_id": 1e400}',
    '{"action_id": -0}',
    '{"action": {"id": true}}',
    "&" * 200_000,
    "a=b&" * 1_000,
    "%" * 10_000,
    "%ff" * 10_000,
    "+" * 10_000,
    '"' + "\\ud800" * 1_000 + '"',
    "\x00" * 1_000,
)


@pytest.fixture(scope="module")
def open_desk() -> Iterator[tuple[Desk, Handle, str]]:
    """One for all the bodies."""
    desk = Desk()
    desk.listed(pages=1)
    desk.call(f"PUT /pages/{desk.pages[0]}/sync")
    yield desk, webhook_of(desk), token_of(desk)
    desk.close()


def check_body(desk: Desk, pushed: Handle, token: str, body: str, base64: bool) -> None:
    desk.live.sent.clear()
    desk.clock.sleep(7)
    answer = pushed(push_event(token, body, base64), None)
    assert answer["statusCode"] in (200, 413), answer
    for one in desk.live.sent:
        assert 0 <= one.body["action_id"] < 10**15
    before = stored(desk)
    wrong = pushed(push_event(f"{token}x", body, base64), None)
    assert wrong["statusCode"] == 404
    assert stored(desk) == before


@settings(max_examples=1_000)
@given(bodies=st.lists(BODIES, min_size=10, max_size=10))
def test_p4_ten_thousand_bodies_of_every_shape_are_taken(
    open_desk: tuple[Desk, Handle, str], bodies: list[tuple[str, bool]]
) -> None:
    """And at a wrong address nothing of them is stored."""
    for body, base64 in bodies:
        check_body(*open_desk, body, base64)


@pytest.mark.parametrize("encode", [str, lambda text: b64encode(text.encode()).decode()])
@pytest.mark.parametrize("body", DEEP, ids=range(len(DEEP)))
def test_p4_bodies_made_to_hurt_are_taken(
    open_desk: tuple[Desk, Handle, str], body: str, encode: Callable[[str], str]
) -> None:
    check_body(*open_desk, encode(body), encode is not str)


def test_p4_large_bodies_without_sense_are_taken(open_desk: tuple[Desk, Handle, str]) -> None:
    chance = random.Random(9)
    for _ in range(20):
        raw = b64encode(chance.randbytes(MOST_BYTES)).decode()
        check_body(*open_desk, raw, True)
