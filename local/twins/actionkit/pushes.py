"""Push endpoints: after an action on a page of theirs, a request to an address outside.

What ActionKit sends is not known, nor when or how often, so all of it can be switched. Nothing is
sent from here: whoever runs the twin takes the pushes that are due and says what was answered.
"""

from __future__ import annotations

import heapq
import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from local.twins.actionkit.database import Database
from local.twins.actionkit.functions import iso
from local.twins.actionkit.records import akid
from local.twins.http import Request, switched

Payload = Literal[
    "json",  # action_id, akid, page, email, source, created_at, action_NAME
    "form",  # the same, form-encoded
    "akid_only",
    "page_only",
    "empty",
    "garbage",  # no text at all
]
_HOSTS = ("127.0.0.1", "localhost")
_GARBAGE = b"\xff\xfe{\x00action_id:"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where pushes go: ``pages`` are ids, None for every page; ``payload`` None: as the settings
    say when the action is taken."""

    url: str
    name: str
    pages: frozenset[int] | None
    payload: Payload | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PushSettings:
    """How pushes go out. Raises ValueError for a value that a setting does not have."""

    payload: Payload = "json"
    """What endpoints send that have no payload of their own."""
    repeats: int = 0
    """How often each push is sent again, whatever was answered."""
    max_delay_seconds: float = 0.0
    """Each is sent after a random time up to this, so that they overtake one another."""
    lost_rate: float = 0.0
    """The probability that one is never sent."""
    retries: int = 2
    """How often one that was not answered, or by 500 and above, is tried again."""
    retry_seconds: float = 5.0
    """How long after an answer the next try is."""

    def __post_init__(self) -> None:
        _check_payload(self.payload)
        if not 0 <= self.lost_rate <= 1:
            raise ValueError("lost_rate is a probability, from 0 to 1")
        if min(self.repeats, self.max_delay_seconds, self.retries, self.retry_seconds) < 0:
            raise ValueError("push settings are not below 0")

    def as_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Push(Request):
    """A request that is to be sent to ``url``, not before ``at``. ``number`` is its own,
    ``tries`` how often it was sent before."""

    url: str = ""
    number: int = 0
    endpoint_id: int = 0
    at: datetime = field(kw_only=True)
    tries: int = 0


class Pushes:
    """The endpoints and what waits to be sent to them.

    Chance is drawn twice for every push, whatever the settings: whether it is lost, then its
    delay; by endpoint in the order they were added, then by repeat.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime], rng: random.Random
    ) -> None:
        self._db = database
        self._clock = clock
        self._rng = rng
        self._endpoints: dict[int, Endpoint] = {}
        self._last_endpoint_id = 0
        self._last_number = 0
        self._waiting: list[tuple[datetime, int, Push]] = []
        self.settings = PushSettings()
        self._sent = self._lost = 0
        self._answered: Counter[str] = Counter()

    # endpoints ------------------------------------------------------------------------------

    def add(
        self,
        url: str,
        name: str = "",
        pages: Collection[int] | None = None,
        payload: Payload | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """An endpoint; returns its id. Raises ValueError for an address that is not of this
        machine, KeyError for a page that does not exist."""
        parts = urlsplit(url)
        # no user, no backslash: others may read another host out of them
        plain = "@" not in parts.netloc and "\\" not in url
        if parts.scheme not in ("http", "https") or parts.hostname not in _HOSTS or not plain:
            raise ValueError(f"a push endpoint is on one of {', '.join(_HOSTS)}")
        if payload is not None:
            _check_payload(payload)
        for page_id in pages or ():
            if self._db.value("SELECT 1 FROM core_page WHERE id = ?", (page_id,)) is None:
                raise KeyError(f"no page {page_id}")
        self._last_endpoint_id += 1
        self._endpoints[self._last_endpoint_id] = Endpoint(
            url, name, None if pages is None else frozenset(pages), payload, dict(headers or {})
        )
        return self._last_endpoint_id

    def remove(self, endpoint_id: int) -> None:
        """Take an endpoint away, with what waits for it. Raises KeyError."""
        del self._endpoints[endpoint_id]
        self._waiting = [each for each in self._waiting if each[2].endpoint_id != endpoint_id]
        heapq.heapify(self._waiting)

    @property
    def endpoints(self) -> Mapping[int, Endpoint]:
        return dict(self._endpoints)

    def change(self, **settings: Any) -> None:
        """Change some of the settings, for actions from now on. Raises ValueError."""
        self.settings = switched(self.settings, settings)

    # what is sent ---------------------------------------------------------------------------

    def after(self, action_id: int) -> None:
        """An action was taken: queue its pushes."""
        if not self._endpoints:
            return
        action = self._db.row(
            "SELECT a.*, p.name AS page, u.email FROM core_action a"
            " JOIN core_page p ON p.id = a.page_id JOIN core_user u ON u.id = a.user_id"
            " WHERE a.id = ?",
            (action_id,),
        )
        assert action is not None
        now = self._clock()
        for endpoint_id, endpoint in self._endpoints.items():
            if endpoint.pages is not None and action["page_id"] not in endpoint.pages:
                continue
            payload = endpoint.payload or self.settings.payload
            kind, body = self._body(payload, action)
            for _ in range(1 + self.settings.repeats):
                lost = self._rng.random() < self.settings.lost_rate
                seconds = self._rng.random() * self.settings.max_delay_seconds
                self._last_number += 1
                if lost:
                    self._lost += 1
                    continue
                at = now + timedelta(seconds=seconds)
                self._wait(_push(endpoint_id, endpoint, kind, body, self._last_number, at))

    def next_at(self) -> datetime | None:
        """When the next push is due; None if none waits."""
        return self._waiting[0][0] if self._waiting else None

    def due(self, now: datetime | None = None) -> list[Push]:
        """The pushes that are due, in order, which go on waiting."""
        now = self._clock() if now is None else now
        return [push for at, _, push in sorted(self._waiting) if at <= now]

    def take_due(self, now: datetime | None = None) -> list[Push]:
        """The pushes that are due, in order, for the caller to send each and tell
        :meth:`answered`."""
        now = self._clock() if now is None else now
        taken = []
        while self._waiting and self._waiting[0][0] <= now:
            taken.append(heapq.heappop(self._waiting)[2])
        self._sent += len(taken)
        return taken

    def answered(self, push: Push, status: int | None) -> None:
        """A push was answered, or (None) was not; it may wait for another try."""
        self._answered["none" if status is None else str(status)] += 1
        failed = status is None or status >= 500
        if failed and push.tries < self.settings.retries and push.endpoint_id in self._endpoints:
            at = self._clock() + timedelta(seconds=self.settings.retry_seconds)
            self._wait(replace(push, at=at, tries=push.tries + 1))

    def _wait(self, push: Push) -> None:
        heapq.heappush(self._waiting, (push.at, push.number, push))

    def _body(self, payload: Payload, action: Mapping[str, Any]) -> tuple[str, bytes]:
        """A content type and a body."""
        if payload == "empty":
            return "", b""
        if payload == "garbage":
            return "application/octet-stream", _GARBAGE
        token = akid(action["user_id"])
        values: dict[str, Any] = {"akid": token}
        if payload == "page_only":
            values = {"page": action["page"]}
        elif payload != "akid_only":
            values = {
                "action_id": action["id"],
                "akid": token,
                **{name: action[name] for name in ("page", "email", "source")},
                "created_at": iso(action["created_at"]),
                **self._fields(action["id"]),
            }
        if payload == "form":
            return "application/x-www-form-urlencoded", urlencode(values, doseq=True).encode()
        return "application/json", json.dumps(values, ensure_ascii=False).encode()

    def _fields(self, action_id: int) -> dict[str, str | list[str]]:
        fields: dict[str, list[str]] = {}
        for row in self._db.rows(
            "SELECT name, value FROM core_actionfield WHERE parent_id = ? ORDER BY id", (action_id,)
        ):
            fields.setdefault(f"action_{row['name']}", []).append(row["value"])
        return {name: each if len(each) > 1 else each[0] for name, each in fields.items()}

    # counts ---------------------------------------------------------------------------------

    def counts(self) -> dict[str, Any]:
        """``sent`` were taken to be sent, tries included; ``answered`` by status, ``none`` for no
        answer."""
        return {
            "sent": self._sent,
            "lost": self._lost,
            "waiting": len(self._waiting),
            "answered": dict(self._answered),
        }

    def reset_counts(self) -> None:
        self._sent = self._lost = 0
        self._answered.clear()


def _check_payload(payload: object) -> None:
    if payload not in get_args(Payload):
        raise ValueError(f"payload is one of {get_args(Payload)}")


def _push(
    endpoint_id: int, endpoint: Endpoint, kind: str, body: bytes, number: int, at: datetime
) -> Push:
    parts = urlsplit(endpoint.url)
    headers = {"host": parts.netloc, "user-agent": "ActionKit"}
    if kind:
        headers["content-type"] = kind
    headers |= {name.lower(): value for name, value in endpoint.headers.items()}
    return Push(
        "POST",
        unquote(parts.path) or "/",
        tuple(parse_qsl(parts.query, keep_blank_values=True)),
        headers,
        body,
        url=endpoint.url,
        number=number,
        endpoint_id=endpoint_id,
        at=at,
    )
