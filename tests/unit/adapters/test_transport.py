"""RequestsTransport against real sockets of this machine."""

from __future__ import annotations

import datetime as dt
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from instep.adapters import transport as module
from instep.adapters.transport import HostRefusedError, RequestsTransport
from instep.use_cases.ports import HttpRequest, NoAnswerError
from local.twins.http import Fault, Faults, Request, Response, Server, json_response, serve

PUBLIC = "93.184.216.34"


class Echo:
    """A twin that answers what it was asked."""

    def __init__(self) -> None:
        self.faults = Faults(random.Random(1))
        self.seen: list[Request] = []
        self.answer: Callable[[Request], Response] = lambda request: json_response(
            200, {"query": request.query, "host": request.headers["host"]}
        )

    def handle(self, request: Request) -> Response:
        self.seen.append(request)
        return self.faults.around(request, self.answer)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def server(echo: Echo) -> Iterator[Server]:
    server = serve(echo)
    yield server
    server.close()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture
def local(session: requests.Session) -> RequestsTransport:
    return RequestsTransport(session, admit_local_hosts=True)


def resolving(*answers: list[str]) -> Callable[..., Any]:
    """A resolver that gives each list of addresses in turn, the last one for good."""
    left = list(answers)

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    return resolve


def test_sends_and_answers(local: RequestsTransport, server: Server, echo: Echo) -> None:
    query = (("phone", "in.(+12025550143)"), ("at", "2026-01-01T00:00:00+00:00"), ("x", "ä ,"))
    answer = local.send(HttpRequest("POST", f"{server.url}/a/", query, {"X-One": "1"}, b"{}"))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert tuple(map(tuple, json.loads(answer.body)["query"])) == query
    assert json.loads(answer.body)["host"] == server.url.removeprefix("http://")
    assert echo.seen[0].body == b"{}"
    assert echo.seen[0].headers["x-one"] == "1"


def test_a_connection_is_used_again(local: RequestsTransport, server: Server) -> None:
    made: list[Any] = []
    real = socket.create_connection

    def connect(address: Any, *_: Any, **__: Any) -> socket.socket:
        made.append(address)
        return real(address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("urllib3.util.connection.create_connection", connect)
        for _ in range(3):
            local.send(HttpRequest("GET", f"{server.url}/"))
    assert len(made) == 1


def test_redirects_are_not_followed(local: RequestsTransport, server: Server, echo: Echo) -> None:
    echo.answer = lambda _: Response(302, b"", {"Location": "http://169.254.169.254/"})
    answer = local.send(HttpRequest("GET", f"{server.url}/"))
    assert (answer.status, answer.headers["location"]) == (302, "http://169.254.169.254/")
    assert len(echo.seen) == 1


def test_cookies_are_not_kept(local: RequestsTransport, server: Server, echo: Echo) -> None:
    echo.answer = lambda _: Response(200, b"", {"Set-Cookie": "sid=1; Path=/"})
    local.send(HttpRequest("GET", f"{server.url}/"))
    local.send(HttpRequest("GET", f"{server.url}/"))
    assert "cookie" not in echo.seen[1].headers


def test_nothing_comes_from_the_environment(
    local: RequestsTransport,
    server: Server,
    echo: Echo,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert local.send(HttpRequest("GET", f"{server.url}/")).status == 200
    assert "authorization" not in echo.seen[0].headers


def test_a_refused_connection_sent_nothing(local: RequestsTransport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NoAnswerError) as failure:
        local.send(HttpRequest("POST", f"http://127.0.0.1:{port}/"))
    assert not failure.value.sent


def test_a_cut_connection_may_have_sent(
    local: RequestsTransport, server: Server, echo: Echo
) -> None:
    echo.faults.add(Fault("answer_lost"))
    with pytest.raises(NoAnswerError) as failure:
        local.send(HttpRequest("POST", f"{server.url}/secret-path", body=b"secret"))
    assert failure.value.sent
    assert "secret" not in str(failure.value)


def test_a_slow_answer_is_none(local: RequestsTransport, server: Server, echo: Echo) -> None:
    echo.faults.add(Fault("slow", delay_seconds=2))
    begun = time.monotonic()
    with pytest.raises(NoAnswerError) as failure:
        local.send(HttpRequest("GET", f"{server.url}/", timeout_seconds=0.4))
    assert failure.value.sent
    assert time.monotonic() - begun < 1


@contextmanager
def answering(*parts: bytes, pause_seconds: float = 0.0) -> Iterator[str]:
    """A server of raw bytes for one connection, with a pause before each part."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                try:
                    for part in parts:
                        time.sleep(pause_seconds)
                        connection.sendall(part)
                except OSError:
                    return

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(5)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def test_an_answer_that_drips_is_none(local: RequestsTransport) -> None:
    begun = time.monotonic()
    with answering(HEAD, *[b"x"] * 20, pause_seconds=0.1) as url:
        with pytest.raises(NoAnswerError) as failure:
            local.send(HttpRequest("GET", url, timeout_seconds=0.6))
        assert failure.value.sent
        assert time.monotonic() - begun < 1


def test_an_answer_that_breaks_off_is_none(local: RequestsTransport) -> None:
    with answering(HEAD + b"half") as url, pytest.raises(NoAnswerError) as failure:
        local.send(HttpRequest("GET", url))
    assert failure.value.sent


def test_an_answer_of_no_http_is_none(local: RequestsTransport) -> None:
    with answering(b"SSH-2.0-x\r\n") as url, pytest.raises(NoAnswerError):
        local.send(HttpRequest("GET", url))


def test_an_answer_in_chunks(local: RequestsTransport) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    with answering(chunked) as url:
        assert local.send(HttpRequest("GET", url)).body == b"abcde"


def test_an_endless_answer_is_none(
    local: RequestsTransport, server: Server, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1000)
    echo.answer = lambda _: Response(200, b"x" * 1001)
    with pytest.raises(NoAnswerError, match="too large"):
        local.send(HttpRequest("GET", f"{server.url}/"))


# --- C2 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://act.example.org/",
        "https://act.example.org:8443/",
        "https://user@act.example.org/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://localhost/",
        "http://127.0.0.1:8000/",
    ],
)
def test_requests_are_checked_too(session: requests.Session, url: str) -> None:
    def resolve(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing of this is even looked up")

    transport = RequestsTransport(session, admit_local_hosts=False, resolve=resolve)
    with pytest.raises(HostRefusedError):
        transport.send(HttpRequest("GET", url))


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["169.254.169.254"], [PUBLIC, "10.0.0.1"], ["::ffff:10.0.0.1", PUBLIC]],
)
def test_one_private_address_among_all_is_enough(
    session: requests.Session, addresses: list[str]
) -> None:
    transport = RequestsTransport(session, True, resolving(addresses))
    with pytest.raises(HostRefusedError) as refused:
        transport.send(HttpRequest("GET", "https://act.example.org/"))
    assert not refused.value.sent


def test_a_name_that_nobody_knows(session: requests.Session) -> None:
    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "act.example.org")

    with pytest.raises(NoAnswerError) as failure:
        RequestsTransport(session, False, resolve).send(
            HttpRequest("GET", "https://act.example.org/")
        )
    assert not failure.value.sent
    assert not isinstance(failure.value, HostRefusedError)


def test_the_checked_address_is_the_one_connected_to(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the name would lead elsewhere the second time it is asked for."""
    connected: list[Any] = []

    def connect(address: Any, *_: Any, **__: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    transport = RequestsTransport(
        session, False, resolving(["2606:4700::1", PUBLIC], ["127.0.0.1"])
    )
    with pytest.raises(NoAnswerError) as failure:
        transport.send(HttpRequest("GET", "https://act.example.org/"))
    assert connected == [(PUBLIC, 443)]
    assert not failure.value.sent
    with pytest.raises(HostRefusedError):
        transport.send(HttpRequest("GET", "https://act.example.org/"))
    assert len(connected) == 1


@contextmanager
def tls_server(tmp_path: Path, name: str) -> Iterator[tuple[int, Path, list[str | None]]]:
    """An https server with a certificate of its own for a name: port, certificate, and the names
    that callers asked for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    asked_for: list[str | None] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate_file, key_file)
    context.sni_callback = lambda _, name, __: asked_for.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    request = secured.recv(65536)
                    host = request.split(b"Host: ")[1].split(b"\r\n")[0]
                    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(host)
                    secured.sendall(head + host)
            except OSError:
                connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1], certificate_file, asked_for
        thread.join(5)


def through_tls(
    session: requests.Session, port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> RequestsTransport:
    """A transport for which 127.0.0.1 counts as public and 443 is another port."""
    real = socket.create_connection
    monkeypatch.setattr(
        "urllib3.util.connection.create_connection",
        lambda address, *_, **__: real((address[0], port)),
    )
    monkeypatch.setattr(module, "is_public", lambda _: True)
    session.verify = str(certificate)
    return RequestsTransport(session, False, resolving(["127.0.0.1"]))


def test_tls_and_the_host_header_keep_the_name(
    session: requests.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_server(tmp_path, "act.example.org") as (port, certificate, asked_for):
        transport = through_tls(session, port, certificate, monkeypatch)
        answer = transport.send(HttpRequest("GET", "https://act.example.org/rest/v1/"))
        assert answer.body == b"act.example.org"
        assert asked_for == ["act.example.org"]


def test_a_certificate_for_another_name_is_no_answer(
    session: requests.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_server(tmp_path, "other.example.org") as (port, certificate, _):
        transport = through_tls(session, port, certificate, monkeypatch)
        with pytest.raises(NoAnswerError) as failure:
            transport.send(HttpRequest("POST", "https://act.example.org/", body=b"x"))
        assert not failure.value.sent


def test_a_host_that_speaks_no_tls_is_no_answer(
    session: requests.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        with tls_server(tmp_path, "act.example.org") as (other, certificate, _):
            transport = through_tls(session, port, certificate, monkeypatch)
            with pytest.raises(NoAnswerError) as failure:
                transport.send(HttpRequest("POST", "https://act.example.org/", body=b"x"))
            assert not failure.value.sent
            socket.create_connection(("127.0.0.1", other)).close()
