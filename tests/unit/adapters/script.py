"""A transport that answers from a script; every call of it must be made, in this order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from instep.use_cases.ports import HttpAnswer, HttpRequest, NoAnswerError


@dataclass(frozen=True)
class Call:
    """An expected request and what comes of it: a status with a body (JSON, or text as it is) and
    headers, or an exception."""

    method: str
    path: str
    status: int = 200
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    error: NoAnswerError | None = None

    def answer(self) -> HttpAnswer:
        if self.error is not None:
            raise self.error
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return HttpAnswer(
            self.status, dict(self.headers), b"" if self.body is None else text.encode()
        )


class Script:
    """The port Transport over a script. `sent` keeps the requests."""

    def __init__(self, *calls: Call) -> None:
        self._calls = list(calls)
        self.sent: list[HttpRequest] = []

    def __enter__(self) -> Script:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            assert not self._calls, f"never asked: {self._calls}"

    def send(self, request: HttpRequest) -> HttpAnswer:
        assert self._calls, f"not in the script: {request.method} {request.url}"
        call = self._calls.pop(0)
        path = request.url.partition("://")[2].partition("/")[2]
        assert (request.method, path) == (call.method, call.path)
        self.sent.append(request)
        return call.answer()

    def query(self, number: int = -1) -> dict[str, str]:
        return dict(self.sent[number].query)

    def body(self, number: int = -1) -> Any:
        return json.loads(self.sent[number].body)


class Slots:
    """The port Permits: counts the slots taken."""

    def __init__(self) -> None:
        self.taken = 0

    def slot(self) -> AbstractContextManager[None]:
        return self._slot()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        self.taken += 1
        yield


class FakeClock:
    """The port Clock: time passes by sleeping alone."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.slept = 0.0

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.at += timedelta(seconds=seconds)
