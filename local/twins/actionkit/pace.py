"""How many different users' values were read or written in a minute, seen from outside."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection
from datetime import datetime

WINDOW_SECONDS = 60


class Pace:
    """Remembers for each request whose values it answered or wrote."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._requests: list[tuple[float, frozenset[int]]] = []
        self._window: deque[tuple[float, frozenset[int]]] = deque()
        self._in_window: Counter[int] = Counter()
        self._most = 0

    def note(self, at: datetime, user_ids: Collection[int]) -> None:
        """A request at this time concerned these users. Times never go backwards."""
        if not user_ids:
            return
        users = frozenset(user_ids)
        seconds = at.timestamp()
        self._forget(seconds)
        self._requests.append((seconds, users))
        self._window.append((seconds, users))
        self._in_window.update(users)
        self._most = max(self._most, len(self._in_window))

    def would_be(self, at: datetime, user_ids: Collection[int]) -> int:
        """How many different users the last 60 seconds would hold with these."""
        self._forget(at.timestamp())
        return len(self._in_window) + sum(user not in self._in_window for user in set(user_ids))

    def _forget(self, now_seconds: float) -> None:
        while self._window and self._window[0][0] <= now_seconds - WINDOW_SECONDS:
            _, users = self._window.popleft()
            for user in users:
                if self._in_window[user] == 1:
                    del self._in_window[user]
                else:
                    self._in_window[user] -= 1

    def most_users_in_any_60_seconds(self) -> int:
        """The most different users in any half-open stretch of 60 seconds."""
        return self._most

    def users_per_minute_series(self) -> list[tuple[int, int]]:
        """For each minute that had any: its start (Unix seconds) and its different users."""
        minutes: dict[int, set[int]] = {}
        for seconds, users in self._requests:
            minutes.setdefault(int(seconds // WINDOW_SECONDS) * WINDOW_SECONDS, set()).update(users)
        return [(start, len(users)) for start, users in sorted(minutes.items())]
