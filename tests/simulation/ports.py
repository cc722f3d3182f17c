"""The ports of the application as the simulator offers them: each call takes time, hands over to
whoever else is due, and meets the trouble that is drawn for it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import formatdate
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from instep.adapters.memory import MemoryEvents
from instep.use_cases.ports import (
    HttpAnswer,
    HttpRequest,
    Item,
    NoAnswerError,
    Page,
    Secrets,
    Store,
)
from local.twins.http import Cut, Request, Response, Twin
from tests.simulation.faults import Dice, Trouble
from tests.simulation.loop import SECOND, Killed, Loop

T = TypeVar("T")

TABLE_SECONDS = (0.003, 0.012)
SLOW_TABLE_SECONDS = (0.5, 4.0)
AWS_RETRY_SECONDS = (0.05, 3.0)
HTTP_SECONDS = (0.1, 0.5)
SLOW_HTTP_SECONDS = (3.0, 14.0)


class AwsError(Exception):
    """What AWS's client raises when its own retries are used up."""


class Wire:
    """How every port call goes: on its way, done, on its way back."""

    def __init__(self, loop: Loop, dice: Dice) -> None:
        self.loop = loop
        self.dice = dice
        self.calls = 0

    def aws(self, what: str, work: Callable[[], T], secret: bool = False) -> T:
        """A call to an AWS service. A lost answer makes AWS's client ask again by itself: so the
        second answer is what the caller gets, also that a condition fails which the first try made
        fail."""
        loop, dice = self.loop, self.dice
        task = loop.current()
        if task is None:
            return work()
        if task.dead:
            raise Killed
        self.calls += 1
        trouble = dice.table()
        self.way(work, trouble, SLOW_TABLE_SECONDS, TABLE_SECONDS)
        if trouble is Trouble.ERROR:
            loop.note(task.name, what, trouble)
            loop.sleep(dice.seconds(*AWS_RETRY_SECONDS))
            raise AwsError(what.split()[0])
        answer = work()
        if trouble is Trouble.LOST:
            loop.note(task.name, what, "done,", trouble)
            loop.sleep(dice.seconds(*AWS_RETRY_SECONDS))
            answer = work()
        if trouble is Trouble.CRASH_AFTER:
            loop.note(task.name, what, trouble)
            loop.die()
        loop.sleep(dice.seconds(*TABLE_SECONDS) // 2)
        loop.note(task.name, what, trouble, "" if secret else _short(answer))
        if trouble is Trouble.ERROR_AFTER:
            raise AwsError(what.split()[0])
        return answer

    def way(
        self,
        work: Callable[[], Any],
        trouble: Trouble,
        slow: tuple[float, float],
        usual: tuple[float, float],
    ) -> None:
        """The way there. Whoever is killed meanwhile may have its request arrive all the same."""
        if trouble is Trouble.CRASH_BEFORE:
            self.loop.note(self.name(), trouble)
            self.loop.die()
        span = slow if trouble is Trouble.SLOW else usual
        try:
            self.loop.sleep(self.dice.seconds(*span) // 2)
        except Killed:
            if self.dice.chance(0.5):
                self.loop.at(self.dice.seconds(0.0, 1.0), lambda: _orphan(work))
            raise

    def name(self) -> str:
        task = self.loop.current()
        return task.name if task else "-"


def _orphan(work: Callable[[], Any]) -> None:
    """A request whose sender is gone: nobody is there for its answer."""
    try:
        work()
    except (Cut, KeyError):
        return


def _short(answer: object) -> str:
    if isinstance(answer, Page):
        return f"{len(answer.items)} items"
    if isinstance(answer, dict | list):
        return f"{len(answer)} of them"
    return str(answer)


class SimulatedStore:
    """A table. Its indexes lag: they are read from a copy that follows each change later."""

    def __init__(self, wire: Wire, name: str, inner: Store, follower: Store) -> None:
        self._wire = wire
        self._name = name
        self.inner = inner
        self._follower = follower
        self.watchers: list[Callable[[str, str, Item | None], None]] = []

    def get(self, account_id: str, item: str) -> Item | None:
        return self._do(f"get {item}", lambda: self.inner.get(account_id, item))

    def get_many(self, account_id: str, items: Iterable[str]) -> dict[str, Item]:
        keys = list(items)
        if not keys:
            return {}
        return self._do(f"get_many {len(keys)}", lambda: self.inner.get_many(account_id, keys))

    def put(self, value: Item, expect: Mapping[str, Any] | None = None) -> bool:
        account_id, key = value["account_id"], value["item"]
        kept = json.loads(json.dumps(value))
        return self._do(
            f"put {key}",
            lambda: self._changed(account_id, [key], self.inner.put(kept, expect)),
        )

    def put_many(self, values: Sequence[Item]) -> None:
        """Some may be there and others not when the process dies on the way."""
        for start in range(0, len(values), 25):
            part = json.loads(json.dumps(values[start : start + 25]))
            keys = [value["item"] for value in part]

            def work(part: list[Item] = part, keys: list[str] = keys) -> bool:
                self.inner.put_many(part)
                return self._changed(part[0]["account_id"], keys, True)

            self._do(f"put_many {' '.join(keys)}", work)

    def update(
        self,
        account_id: str,
        item: str,
        set_to: Mapping[str, Any] | None = None,
        add: Mapping[str, int] | None = None,
        remove: Sequence[str] = (),
        expect: Mapping[str, Any] | None = None,
    ) -> bool:
        return self._do(
            f"update {item}",
            lambda: self._changed(
                account_id, [item], self.inner.update(account_id, item, set_to, add, remove, expect)
            ),
        )

    def delete(self, account_id: str, item: str, expect: Mapping[str, Any] | None = None) -> bool:
        return self._do(
            f"delete {item}",
            lambda: self._changed(account_id, [item], self.inner.delete(account_id, item, expect)),
        )

    def query(
        self,
        account_id: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        return self._do(
            f"query {prefix}",
            lambda: self.inner.query(account_id, prefix, after, limit, descending),
        )

    def query_index(
        self,
        index: str,
        account_id: str,
        stream: str,
        prefix: str = "",
        after: Item | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> list[Item]:
        return self._do(
            f"query_index {index} {stream} {prefix}",
            lambda: self._follower.query_index(
                index, account_id, stream, prefix, after, limit, descending
            ),
        )

    def count_index(self, index: str, account_id: str, stream: str) -> int:
        return self._do(
            f"count_index {index} {stream}",
            lambda: self._follower.count_index(index, account_id, stream),
        )

    def _do(self, what: str, work: Callable[[], T]) -> T:
        return self._wire.aws(f"{self._name}.{what}", work)

    def _changed(self, account_id: str, keys: Sequence[str], done: bool) -> bool:
        if done:
            lag = self._wire.dice.profile.index_lag_seconds
            for key in keys:
                after = self._wire.dice.seconds(0.0, lag) if lag else 20_000
                self._wire.loop.at(after, lambda key=key: self._follow(account_id, key))  # type: ignore[misc]
                for watcher in self.watchers:
                    watcher(account_id, key, self.inner.get(account_id, key))
        return done

    def _follow(self, account_id: str, key: str) -> None:
        item = self.inner.get(account_id, key)
        if item is None:
            self._follower.delete(account_id, key)
        else:
            self._follower.put(item)


class SimulatedSecrets:
    """Secrets Manager."""

    def __init__(self, wire: Wire, inner: Secrets) -> None:
        self._wire = wire
        self.inner = inner

    def put(self, name: str, value: Mapping[str, str]) -> None:
        self._wire.aws(f"secrets.put {name}", lambda: self.inner.put(name, value))

    def get(self, name: str) -> Mapping[str, str] | None:
        return self._wire.aws(f"secrets.get {name}", lambda: self.inner.get(name), secret=True)

    def delete(self, name: str) -> None:
        self._wire.aws(f"secrets.delete {name}", lambda: self.inner.delete(name))


class SimulatedEvents:
    """The event bus: a client that never asks again by itself."""

    def __init__(self, wire: Wire, inner: MemoryEvents) -> None:
        self._wire = wire
        self.inner = inner

    def publish(self, kind: str, detail: Mapping[str, Any]) -> None:
        wire, what = self._wire, f"events.publish {kind} {json.dumps(detail)}"
        task = wire.loop.current()
        if task is not None and task.dead:
            raise Killed
        trouble = wire.dice.table()
        wire.way(lambda: self.inner.publish(kind, detail), trouble, SLOW_TABLE_SECONDS,
                 TABLE_SECONDS)  # fmt: skip
        if trouble is not Trouble.ERROR:
            self.inner.publish(kind, detail)
        wire.loop.note(wire.name(), what, trouble)
        if trouble is Trouble.CRASH_AFTER:
            wire.loop.die()
        if trouble in (Trouble.ERROR, Trouble.LOST, Trouble.ERROR_AFTER):
            raise AwsError("events.publish")


class SimulatedClock:
    """The loop's time."""

    def __init__(self, wire: Wire) -> None:
        self._loop = wire.loop

    def now(self) -> datetime:
        task = self._loop.current()
        if task is not None and task.dead:
            raise Killed
        return self._loop.now()

    def sleep(self, seconds: float) -> None:
        self._loop.sleep(int(seconds * SECOND))


class SeededIds:
    """Ids from the seed, sortable by the time they were made."""

    def __init__(self, loop: Loop, seed: object) -> None:
        self._loop = loop
        self._rng = random.Random(f"{seed}/ids")

    def new(self) -> str:
        return f"{self._loop.now_us:014d}{self._rng.getrandbits(48):012X}"

    def token(self) -> str:
        return f"{self._rng.getrandbits(160):040x}"


class RememberingWatch:
    """Keeps whatever operators are told."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.lines: list[str] = []
        self.alarms: list[str] = []

    def count(self, metric: str, value: int = 1) -> None:
        self._say("count", metric, {"value": value})

    def note(self, message: str, **details: Any) -> None:
        self._say("note", message, details)

    def alarm(self, message: str, **details: Any) -> None:
        self.alarms.append(self._say("alarm", message, details))

    def _say(self, kind: str, message: str, details: Mapping[str, Any]) -> str:
        line = f"{kind} {message} {json.dumps(details, sort_keys=True, default=str)}"
        self.lines.append(line)
        self._loop.note(line)
        return line


class SimulatedTransport:
    """HTTP to the twins: by host, or for hosts of accounts by the ActionKit twin's name."""

    def __init__(self, wire: Wire, hosts: Mapping[str, Twin]) -> None:
        self._wire = wire
        self._hosts = hosts
        self._under_way = dict.fromkeys(hosts, 0)
        self.requests = dict.fromkeys(hosts, 0)

    def send(self, request: HttpRequest) -> HttpAnswer:
        loop, dice = self._wire.loop, self._wire.dice
        task = loop.current()
        parts = urlsplit(request.url)
        if parts.netloc not in self._hosts:
            raise NoAnswerError("no such host", sent=False)
        if task is None:
            return _answer(self._work(parts.netloc, request), loop)
        if task.dead:
            raise Killed
        self._wire.calls += 1
        trouble = dice.http()
        what = f"http {request.method} {parts.netloc}{parts.path}"
        self._under_way[parts.netloc] += 1
        began = loop.now_us
        try:
            answer = self._sent(parts.netloc, request, trouble)
            taken = (loop.now_us - began) / SECOND + (answer.delay_seconds if answer else 0.0)
            if answer is not None and taken <= request.timeout_seconds:
                loop.sleep(int(answer.delay_seconds * SECOND) + dice.seconds(*HTTP_SECONDS) // 2)
                loop.note(task.name, what, trouble, answer.status)
                return _answer(answer, loop)
            if answer is not None:
                loop.sleep(int(max(0.0, request.timeout_seconds - taken) * SECOND))
        finally:
            self._under_way[parts.netloc] -= 1
        loop.note(task.name, what, trouble, "no answer")
        raise NoAnswerError("cut" if answer is None else "timed out", sent=True)

    def _sent(self, host: str, request: HttpRequest, trouble: Trouble) -> Response | None:
        loop, dice = self._wire.loop, self._wire.dice
        # A slow answer is slow before the work is done or after it.
        slow_there = trouble is Trouble.SLOW and dice.chance(0.3)
        there = (2.0, 2 * request.timeout_seconds - 1.0) if slow_there else HTTP_SECONDS
        self._wire.way(lambda: self._work(host, request), trouble, there, there)
        if trouble is Trouble.REFUSED:
            status = 429 if dice.chance(0.5) else 503
            headers = {"Retry-After": str(1 + dice.below(20))} if dice.chance(0.5) else {}
            return Response(status, b"", headers)
        if trouble is Trouble.ERROR:
            return Response(500)
        if trouble is Trouble.CUT:
            return None
        try:
            answer = self._work(host, request)
        except Cut:
            return None
        if trouble is Trouble.CRASH_AFTER:
            loop.note(self._wire.name(), trouble)
            loop.die()
        if trouble is Trouble.LOST:
            return None
        if trouble is Trouble.ERROR_AFTER:
            return Response(500)
        if trouble is Trouble.SLOW and not slow_there:
            slow = dice.seconds(*SLOW_HTTP_SECONDS) / SECOND
            answer = replace(answer, delay_seconds=answer.delay_seconds + slow)
        return answer

    def _work(self, host: str, request: HttpRequest) -> Response:
        twin = self._hosts[host]
        self.requests[host] += 1
        if hasattr(twin, "in_flight"):
            twin.in_flight = self._under_way[host]
        path = unquote(urlsplit(request.url).path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return twin.handle(Request(request.method, path, request.query, headers, request.body))


def _answer(response: Response, loop: Loop) -> HttpAnswer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    headers.setdefault("date", formatdate(loop.now().timestamp(), usegmt=True))
    return HttpAnswer(response.status, headers, response.body)
