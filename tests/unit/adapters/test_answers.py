"""What statuses, waits and times mean."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from instep.adapters.answers import error_of, json_of, retry_after_seconds, text_of, time_of
from instep.domain.people import Side
from instep.use_cases.errors import Busy, Rejected, SideError, Unauthorised, Unavailable
from instep.use_cases.ports import HttpAnswer


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Unavailable),
        (302, Unavailable),
        (304, Unavailable),
        (400, Rejected),
        (401, Unauthorised),
        (403, Unauthorised),
        (404, Rejected),
        (405, Rejected),
        (409, Rejected),
        (422, Rejected),
        (429, Busy),
        (500, Unavailable),
        (502, Unavailable),
        (503, Busy),
        (504, Unavailable),
        (599, Unavailable),
    ],
)
@pytest.mark.parametrize("side", list(Side))
def test_errors_by_status(status: int, kind: type[SideError], side: Side) -> None:
    for writing in (True, False):
        error = error_of(side, HttpAnswer(status, {}, b"a secret"), writing, ["zip"])
        assert type(error) is kind
        assert error.side is side
        assert "a secret" not in f"{error} {error.details}"
        if isinstance(error, Unavailable):
            assert error.may_have_happened is (writing and status >= 500)
        if isinstance(error, Rejected):
            assert error.fields == ("zip",)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 5),
        ({"retry-after": ""}, 5),
        ({"retry-after": "soon"}, 5),
        ({"retry-after": "-3"}, 5),
        ({"retry-after": "0"}, 1),
        ({"retry-after": " 17 "}, 17),
        ({"retry-after": "86400"}, 300),
        ({"retry-after": "9" * 400}, 300),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:20 GMT"}, 5),
        (
            {
                "retry-after": "Sun, 01 Mar 2026 12:00:20 GMT",
                "date": "Sun, 01 Mar 2026 12:00:00 GMT",
            },
            20,
        ),
        (
            {
                "retry-after": "Sun, 01 Mar 2026 11:00:20 GMT",
                "date": "Sun, 01 Mar 2026 12:00:00 GMT",
            },
            1,
        ),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_seconds(headers) == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-02-24T13:29:14.989627", datetime(2016, 2, 24, 13, 29, 14, 989627, UTC)),
        ("2016-02-24 13:29:14", datetime(2016, 2, 24, 13, 29, 14, 0, UTC)),
        ("2016-02-24T13:29:14.989+00:00", datetime(2016, 2, 24, 13, 29, 14, 989000, UTC)),
        ("2016-02-24T08:29:14-05:00", datetime(2016, 2, 24, 13, 29, 14, 0, UTC)),
        ("2016-02-24T13:29:14Z", datetime(2016, 2, 24, 13, 29, 14, 0, UTC)),
        ("0000-00-00 00:00:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_times(text: object, expected: datetime | None) -> None:
    assert time_of(text) == expected


def test_texts() -> None:
    assert list(map(text_of, [None, "", " x ", True, False, 3])) == [
        "",
        "",
        " x ",
        "true",
        "false",
        "3",
    ]


def test_bodies_are_read_by_what_they_are() -> None:
    assert json_of(HttpAnswer(200, {"content-type": "text/html"}, b'{"a": 1}')) == {"a": 1}
    assert json_of(HttpAnswer(200, {}, b"")) is None
    assert json_of(HttpAnswer(200, {}, b"<html>")) is None
    assert json_of(HttpAnswer(400, {}, b'{"zip": "\xe9"}')) == {"zip": "\N{REPLACEMENT CHARACTER}"}
