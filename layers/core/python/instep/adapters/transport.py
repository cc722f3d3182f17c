"""HTTP to the two systems, and what a host must be to be talked to (C2).

The hostname of an account is typed by staff, so each request resolves it anew, refuses it if *any*
of its addresses is not a public one, and connects to the very address that was checked: a name
that answers differently the second time (DNS rebinding) gains nothing. TLS still asks for, and
verifies, the name.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from instep.use_cases.errors import ConfigurationError
from instep.use_cases.ports import HttpAnswer, HttpRequest, NoAnswerError

CONNECT_SECONDS: Final = 3.0
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""10,000 rows of a report are a few MB; more than this is no answer of ours."""
_CHUNK_BYTES: Final = 64 * 1024
_HTTPS_PORT: Final = 443
_LOCAL_HOST: Final = "127.0.0.1"

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_TOP: Final = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"(?:{_LABEL}\.)+{_TOP}")
"""A name of at least two labels. The last begins with a letter, so that no way of writing an
address (127.1, 0x7f.0x1, 2130706433) is one."""

Resolve = Callable[..., Sequence[tuple[Any, Any, Any, Any, tuple[Any, ...]]]]
"""`socket.getaddrinfo`, or what stands for it in a test."""


class HostRefusedError(NoAnswerError):
    """The host is none that may be talked to (C2); nothing was sent."""

    def __init__(self) -> None:
        super().__init__("host refused", sent=False)


def check_hostname(text: str, admit_local_hosts: bool = False) -> str:
    """The base URL of a hostname as staff type it: `act.example.org` or `https://act.example.org/`.

    Only what can be told from the text; addresses are checked at each request. With
    `admit_local_hosts` also `http://127.0.0.1:PORT`. A base URL is its own base URL. Raises
    ConfigurationError `hostname_refused`.
    """
    text = text.strip()
    if admit_local_hosts and _is_local(text.rstrip("/")):
        return text.rstrip("/")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        port = parts.port
    except ValueError:
        raise _refused("This is not a hostname.") from None
    if parts.scheme != "https":
        raise _refused("Only https is possible: give the hostname alone.")
    if "@" in parts.netloc:
        raise _refused("The hostname must not contain a user name or password.")
    if port not in (None, _HTTPS_PORT):
        raise _refused("Only port 443 is possible: give the hostname without a port.")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "?" in text or "#" in text:
        raise _refused("Give the hostname alone, without a path.")
    host = parts.netloc.lower().removesuffix(f":{_HTTPS_PORT}")
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise _refused("This is not the name of a host on the internet, as in act.example.org.")
    return f"https://{host}"


def _refused(message: str) -> ConfigurationError:
    return ConfigurationError("hostname_refused", message, field="hostname")


def _is_local(url: str) -> bool:
    return re.fullmatch(rf"http://{re.escape(_LOCAL_HOST)}:[1-9]\d{{0,4}}", url) is not None


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, whatever way it is written: not private,
    loopback, link-local (where clouds keep their metadata), shared, multicast or reserved; nor an
    IPv6 one that carries such an IPv4 one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(
        one.is_global
        and not (one.is_multicast or one.is_reserved or one.is_unspecified)
        and not (isinstance(one, ipaddress.IPv6Address) and one.is_site_local)
        for one in _carried(ip)
    )


_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")


def _carried(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address and the IPv4 addresses within it. A mapped one is the IPv4 address alone."""
    if isinstance(ip, ipaddress.IPv4Address):
        yield ip
        return
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
        return
    yield ip
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if ip in _TRANSLATED:
        yield ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)


class _PinnedAdapter(HTTPAdapter):
    """Checks where a request goes and connects to the checked address. Every request of the
    session comes through here, so none goes out unchecked."""

    def __init__(self, admit_local_hosts: bool, resolve: Resolve) -> None:
        super().__init__(max_retries=0)
        self._admit_local_hosts = admit_local_hosts
        self._resolve = resolve

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[Any, Any]:
        """Where to connect: the checked address, with the name kept for TLS."""
        host_params, pool_kwargs = super().build_connection_pool_key_attributes(
            request, verify, cert
        )
        parts = urlsplit(str(request.url))
        if self._admit_local_hosts and _is_local(f"{parts.scheme}://{parts.netloc}"):
            return host_params, pool_kwargs
        host = self._checked_name(parts)
        address = {**host_params, "host": self._address(host)}
        return address, {**pool_kwargs, "server_hostname": host}

    def _checked_name(self, parts: SplitResult) -> str:
        host = parts.netloc
        if parts.scheme != "https" or not _NAME.fullmatch(host):
            raise HostRefusedError
        return host

    def _address(self, host: str) -> str:
        """An address of the host, all of which are public. IPv4 first: where Lambda runs, IPv6
        has often no way out."""
        try:
            found = self._resolve(host, _HTTPS_PORT, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise NoAnswerError("no such host", sent=False) from None
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses:
            raise NoAnswerError("no such host", sent=False)
        if not all(is_public(address) for address in addresses):
            raise HostRefusedError
        return min(addresses, key=lambda address: ":" in address)


class RequestsTransport:
    """The port Transport on a session of `requests`: https to public hosts alone, no redirects
    followed, no cookies kept, no proxy or credentials from the environment."""

    def __init__(
        self,
        session: requests.Session,
        admit_local_hosts: bool,
        resolve: Resolve = socket.getaddrinfo,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.clear()
        adapter = _PinnedAdapter(admit_local_hosts, resolve)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._session = session
        self._monotonic = monotonic

    def send(self, request: HttpRequest) -> HttpAnswer:
        """The answer, whatever its status. Raises NoAnswerError; HostRefusedError for a host that
        C2 refuses."""
        deadline = self._monotonic() + request.timeout_seconds
        connect = min(CONNECT_SECONDS, request.timeout_seconds / 2)
        try:
            response = self._session.request(
                request.method,
                url_of(request),
                data=request.body or None,
                headers={
                    "User-Agent": "instep",
                    "Accept-Encoding": "gzip",
                    # The connection is to an address, so the name has to be said.
                    "Host": urlsplit(request.url).netloc,
                    **request.headers,
                },
                timeout=(connect, request.timeout_seconds - connect),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise _no_answer(error) from None
        try:
            body = b"".join(self._parts(response, deadline))
        except (HTTPError, OSError, ValueError) as error:
            raise NoAnswerError(f"answer broke off: {type(error).__name__}", sent=True) from None
        finally:
            response.close()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(response.status_code, headers, body)

    def _parts(self, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """The body as it comes. The time-out of a socket is for each read; here the whole answer
        has one, since the pace counts on it."""
        raw = response.raw
        size = 0
        while True:
            left = deadline - self._monotonic()
            if left <= 0:
                raise NoAnswerError("answer too slow", sent=True)
            sock = getattr(getattr(raw, "connection", None), "sock", None)
            if sock is not None:
                sock.settimeout(left)
            part = _read(raw)
            if not part:
                return
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise NoAnswerError("answer too large", sent=True)
            yield part


def url_of(request: HttpRequest) -> str:
    """The whole URL of a request, percent-encoded."""
    if not request.query:
        return request.url
    return f"{request.url}?{encoded(request.query)}"


def encoded(query: Sequence[tuple[str, str]]) -> str:
    """A query string; `+` in a number or a time stays a plus."""
    return urlencode(query, quote_via=quote)


def _read(raw: Any) -> bytes:
    part: bytes = raw.read1(_CHUNK_BYTES, decode_content=True)
    return part


def _no_answer(error: requests.RequestException) -> NoAnswerError:
    """What became of the request: `sent` is false only where it cannot have reached the other
    side, since the connection was never made."""
    causes = list(_causes(error))
    made = not any(
        isinstance(cause, NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError)
        or (isinstance(cause, ssl.SSLError) and cause.reason in _HANDSHAKE_FAILURES)
        for cause in causes
    )
    return NoAnswerError(type(causes[-1]).__name__, sent=made)


_HANDSHAKE_FAILURES: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "UNSUPPORTED_PROTOCOL",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "TLSV1_UNRECOGNIZED_NAME",
    }
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is within it, outermost first."""
    seen: set[int] = set()
    pending: list[BaseException] = [error]
    while pending:
        one = pending.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]
        pending += [cause for cause in inner if isinstance(cause, BaseException)]
