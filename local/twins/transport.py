"""The application's port Transport straight into twins: no socket, one thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from instep.use_cases.ports import HttpAnswer, HttpRequest, NoAnswerError
from local.twins.http import CountsInFlight, Cut, Request, Twin


class TwinTransport:
    """Sends a request to the twin whose prefix its URL begins with, `https://act.example.org`.

    An answer that takes longer than the caller waits is none; a shorter delay is given to `sleep`.
    NoAnswerError with `sent` where a twin cuts the connection, without it where there is no twin.
    """

    def __init__(
        self, twins: Mapping[str, Twin], sleep: Callable[[float], None] | None = None
    ) -> None:
        self._twins = dict(twins)
        self._sleep = sleep

    def send(self, request: HttpRequest) -> HttpAnswer:
        """The twin's answer. Raises NoAnswerError."""
        twin = self._twin(request.url)
        parts = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        if isinstance(twin, CountsInFlight):
            twin.in_flight = 1
        try:
            response = twin.handle(
                Request(
                    request.method,
                    unquote(parts.path),
                    request.query,
                    {"host": parts.netloc, **headers},
                    request.body,
                )
            )
        except Cut:
            raise NoAnswerError("the connection was cut", sent=True) from None
        if self._sleep is not None:
            self._sleep(min(response.delay_seconds, request.timeout_seconds))
        if response.delay_seconds >= request.timeout_seconds:
            raise NoAnswerError("timed out", sent=True)
        answered = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(response.status, answered, response.body)

    def _twin(self, url: str) -> Twin:
        for prefix, twin in self._twins.items():
            if url.startswith(f"{prefix.rstrip('/')}/"):
                return twin
        raise NoAnswerError("no such host", sent=False)
