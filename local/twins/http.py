"""What both twins share: requests and answers, faults, the control paths, and a server.

A twin is any object with ``handle(request) -> Response``. It can be called directly, on one
thread and without a socket, or be put behind :func:`serve`. Nothing here reads a clock or a
source of chance of its own; only :func:`serve` sleeps.
"""

from __future__ import annotations

import json
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Protocol, TypeVar, get_args, runtime_checkable
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: ``path`` is percent-decoded, header names are in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def to(
        cls,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Request:
        """A request from a URL or a path with its query string."""
        parts = urlsplit(url)
        return cls(
            method.upper(),
            unquote(parts.path),
            tuple(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): value for name, value in (headers or {}).items()},
            body,
        )

    @property
    def query_string(self) -> str:
        return urlencode(self.query)

    def values(self, name: str) -> list[str]:
        """Every value of one query key, in the order sent."""
        return [value for key, value in self.query if key == name]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; ``delay_seconds`` is how long the caller waits for it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0

    def json(self) -> Any:
        return json.loads(self.body)


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False, separators=(", ", ": ")).encode()
    return Response(status, body, {"Content-Type": "application/json", **(headers or {})})


class Cut(Exception):
    """The connection broke: the answer never arrives, whether or not the work was done."""


class Twin(Protocol):
    """Anything that answers requests; raises :class:`Cut` for an answer that never comes."""

    def handle(self, request: Request) -> Response: ...


@runtime_checkable
class CountsInFlight(Protocol):
    """A twin that wants to know how many requests are under way, this one included."""

    in_flight: int


# --- faults ---------------------------------------------------------------------------------

FaultKind = Literal[
    "too_many_requests",  # 429, nothing done
    "server_error",  # 500, nothing done
    "unavailable",  # 503, nothing done
    "slow",  # the usual answer, delay_seconds later
    "cut_before_work",  # the connection breaks, nothing done
    "answer_lost",  # the work is done, then the connection breaks
    "error_after_work",  # the work is done, the answer is 500
]
_STATUS_BEFORE_WORK = {"too_many_requests": 429, "server_error": 500, "unavailable": 503}


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble: how often, how many times at most, and for which requests.

    ``rate`` is the probability for each request that ``method`` and ``path`` (regular
    expressions, searched in the path) match; ``times`` ends the fault after that many hits, so
    ``Fault("answer_lost", times=1)`` is a one-shot on the next matching request.
    """

    kind: FaultKind
    rate: float = 1.0
    times: int | None = None
    method: str = ""
    path: str = ""
    delay_seconds: float = 0.0
    retry_after_seconds: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"unknown kind of fault: {self.kind}")
        if not 0 <= self.rate <= 1:
            raise ValueError("rate is a probability, from 0 to 1")
        re.compile(self.method)
        re.compile(self.path)

    def matches(self, request: Request) -> bool:
        return bool(
            re.fullmatch(self.method or ".*", request.method) and re.search(self.path, request.path)
        )


class Faults:
    """A switchable fault policy, drawn from the given source of chance.

    ``error`` makes the twin's own answer for a status (429, 500, 503); a ``Retry-After`` is
    added where the fault asks for one. A fault with rate 0 or 1 draws nothing, so switching one
    on does not move the others' dice.
    """

    def __init__(self, rng: random.Random, error: Callable[[int], Response] = Response) -> None:
        self._rng = rng
        self._error = error
        self._faults: list[Fault] = []
        self.hits: Counter[str] = Counter()

    def add(self, *faults: Fault) -> None:
        self._faults.extend(faults)

    def set(self, faults: Iterable[Fault]) -> None:
        self._faults = list(faults)

    def clear(self) -> None:
        self._faults = []

    @property
    def active(self) -> tuple[Fault, ...]:
        return tuple(self._faults)

    def around(self, request: Request, work: Callable[[Request], Response]) -> Response:
        """Do the work with whatever trouble is drawn; may raise :class:`Cut`."""
        drawn = self._draw(request) if self._faults else []
        delay_seconds = sum(fault.delay_seconds for fault in drawn)
        for fault in drawn:
            if fault.kind == "cut_before_work":
                raise Cut
            if fault.kind in _STATUS_BEFORE_WORK:
                return self._refuse(fault, _STATUS_BEFORE_WORK[fault.kind], delay_seconds)
        response = work(request)
        for fault in drawn:
            if fault.kind == "answer_lost":
                raise Cut
            if fault.kind == "error_after_work":
                return self._refuse(fault, 500, delay_seconds)
        if delay_seconds:
            response = replace(response, delay_seconds=response.delay_seconds + delay_seconds)
        return response

    def _draw(self, request: Request) -> list[Fault]:
        drawn = []
        for place, fault in enumerate(self._faults):
            if not fault.matches(request) or fault.rate == 0 or fault.times == 0:
                continue
            if fault.rate < 1 and self._rng.random() >= fault.rate:
                continue
            drawn.append(fault)
            self.hits[fault.kind] += 1
            if fault.times is not None:
                self._faults[place] = replace(fault, times=fault.times - 1)
        self._faults = [fault for fault in self._faults if fault.times != 0]
        return drawn

    def _refuse(self, fault: Fault, status: int, delay_seconds: float) -> Response:
        response = self._error(status)
        headers = dict(response.headers)
        if fault.retry_after_seconds is not None:
            headers["Retry-After"] = str(fault.retry_after_seconds)
        return replace(response, headers=headers, delay_seconds=delay_seconds)


# --- control --------------------------------------------------------------------------------

_Switches = TypeVar("_Switches")


def switched(switches: _Switches, changes: Mapping[str, Any]) -> _Switches:
    """A copy of a dataclass of switches with some of them changed.

    Raises ValueError for a name it does not have; the dataclass checks the values.
    """
    known = {item.name for item in fields(switches)}  # type: ignore[arg-type]
    unknown = sorted(set(changes) - known)
    if unknown:
        raise ValueError(f"no such switch: {', '.join(unknown)}")
    return replace(switches, **changes)  # type: ignore[type-var]


class Control:
    """The paths under ``/_twin/``, by which tests and people rehearsing work a twin.

    ``POST /_twin/faults`` ``{"faults": [{"kind", "rate", …}]}`` replaces the faults (``GET``
    shows them and their hits). A twin adds its own with :meth:`add`: a function from the parsed
    JSON body (null without one) to what the answer holds; ValueError, TypeError and KeyError
    become 400.
    """

    PREFIX = "/_twin/"

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._routes: dict[tuple[str, str], Callable[[Any], object]] = {}
        self.add("GET", "faults", self._show_faults)
        self.add("POST", "faults", self._set_faults)

    def add(self, method: str, name: str, answer: Callable[[Any], object]) -> None:
        self._routes[method, self.PREFIX + name] = answer

    def handle(self, request: Request) -> Response | None:
        """The answer, or None if the request is not for the control paths."""
        if not request.path.startswith(self.PREFIX):
            return None
        answer = self._routes.get((request.method, request.path.rstrip("/")))
        if answer is None:
            paths = sorted(f"{method} {path}" for method, path in self._routes)
            return json_response(404, {"error": "no such control path", "paths": paths})
        try:
            return json_response(200, answer(json.loads(request.body) if request.body else None))
        except (ValueError, TypeError, KeyError) as error:
            return json_response(400, {"error": str(error)})

    def _show_faults(self, _: Any) -> object:
        return {
            "faults": [asdict(fault) for fault in self._faults.active],
            "hits": dict(self._faults.hits),
        }

    def _set_faults(self, body: Any) -> object:
        self._faults.set([Fault(**fault) for fault in body["faults"]])
        return self._show_faults(None)


# --- server ---------------------------------------------------------------------------------


class Server:
    """A twin on a port of 127.0.0.1, answering until :meth:`close`. ``lock`` is held while it is
    called."""

    def __init__(self, listener: ThreadingHTTPServer, lock: threading.Lock) -> None:
        self._listener = listener
        self.lock = lock
        self.port: int = listener.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()


def serve(twin: Twin, port: int = 0) -> Server:
    """Put a twin behind HTTP/1.1 with keep-alive on 127.0.0.1 (port 0: any free one).

    The twin is called under one lock, so it need not know of threads. A delay is slept outside
    the lock, and counts as a request under way. :class:`Cut` closes the socket unanswered.
    """
    lock = threading.Lock()
    under_way = 0
    counting = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one packet for headers and body

        def answer(self) -> None:
            nonlocal under_way
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else b""
            request = Request.to(self.command, self.path, dict(self.headers.items()), body)
            with counting:
                under_way += 1
            try:
                with lock:
                    if isinstance(twin, CountsInFlight):
                        twin.in_flight = under_way
                    response = twin.handle(request)
                if response.delay_seconds:
                    time.sleep(response.delay_seconds)
            except Cut:
                self.close_connection = True
                return
            finally:
                with counting:
                    under_way -= 1
            self.send(response)

        def send(self, response: Response) -> None:
            self.send_response_only(response.status, _reason(response.status))
            headers = {"Date": formatdate(usegmt=True), **response.headers}
            if response.status != HTTPStatus.NO_CONTENT:
                headers["Content-Length"] = str(len(response.body))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD" and response.status != HTTPStatus.NO_CONTENT:
                self.wfile.write(response.body)
            self.wfile.flush()

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Silent: a request line may hold a phone number or an email address."""

    listener = _Listener(("127.0.0.1", port), Handler)
    return Server(listener, lock)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that gave up is nothing to report; everything else is shown as usual."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.upper()
    except ValueError:
        return ""
