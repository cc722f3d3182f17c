"""The twins of one account, in this process and behind HTTP.

The deployed functions know one address of Strive. Behind it each account has an organisation of
its own, told apart by the key, so that accounts disturb each other in nothing.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from local.twins.actionkit import ActionKitTwin
from local.twins.actionkit import Unknowns as ActionKitUnknowns
from local.twins.http import Request, Response, json_response, serve
from local.twins.strive import StriveTwin
from local.twins.strive import Unknowns as StriveUnknowns
from local.twins.strive.world import state_by_zip
from local.twins.zips import ZIPS

DAYS_BEFORE = 60
"""What a story tells begins so long before now, so that all of it is past."""


class Clock:
    """The machine's time, less what a story has not passed yet."""

    def __init__(self) -> None:
        self._behind = timedelta(days=DAYS_BEFORE)

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self._behind

    def pass_time(self, seconds: float) -> None:
        self._behind -= timedelta(seconds=seconds)
        assert self._behind >= timedelta(0)

    def arrive(self) -> None:
        """From now on it is now."""
        self._behind = timedelta(0)


class StriveBoard:
    """Every organisation behind one address."""

    def __init__(self) -> None:
        self._worlds: list[tuple[StriveTwin, threading.RLock]] = []

    def add(self, strive: StriveTwin, lock: threading.RLock) -> None:
        self._worlds.append((strive, lock))

    def handle(self, request: Request) -> Response:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        for strive, lock in self._worlds:
            if key in strive._keys:
                with lock:
                    return strive.handle(request)
        return json_response(401, {"code": "PGRST301", "message": "No such key"})


class _Guarded:
    """ActionKit under a lock that a test may hold too; `before` is called with each request."""

    def __init__(self, twin: ActionKitTwin, lock: threading.RLock) -> None:
        self._twin = twin
        self._lock = lock
        self.in_flight = 0
        self.before: Callable[[Request], None] = lambda _: None

    def handle(self, request: Request) -> Response:
        with self._lock:
            self.before(request)
            self._twin.in_flight = self.in_flight
            return self._twin.handle(request)


class Twins:
    """Both sides of one account, empty."""

    def __init__(
        self,
        board: StriveBoard,
        name: str,
        password: str,
        derives: bool = True,
        actionkit: ActionKitUnknowns | None = None,
        strive: StriveUnknowns | None = None,
    ) -> None:
        self.clock = Clock()
        self.username, self.password = "staff", password
        self._lock = threading.RLock()
        self.actionkit = ActionKitTwin(
            self.clock,
            random.Random(f"{name}/actionkit"),
            unknowns=actionkit,
            username=self.username,
            password=password,
            zips=ZIPS if derives else None,
        )
        self.strive = StriveTwin(
            self.clock,
            random.Random(f"{name}/strive"),
            unknowns=strive,
            state_of=state_by_zip if derives else lambda _: None,
        )
        board.add(self.strive, self._lock)
        self._guarded = _Guarded(self.actionkit, self._lock)
        self._server = serve(self._guarded)
        self.actionkit_url = self._server.url

    def close(self) -> None:
        self._server.close()
        self.actionkit.close()

    @property
    def lock(self) -> threading.RLock:
        """Under which the twins are called."""
        return self._lock

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else is at the twins."""
        with self._lock:
            yield

    def before_each(self, call: Callable[[Request], None]) -> None:
        """Have a function called before each request to ActionKit is answered."""
        with self._lock:
            self._guarded.before = call

    def both_sides(
        self, campaign_id: int
    ) -> tuple[dict[int, dict[str, Any]], dict[str, dict[str, Any]]]:
        """Users by id and members by number."""
        with self._lock:
            members = {one["phone_number"]: one for one in self.strive.members(campaign_id)}
            return self.actionkit.users(), members
