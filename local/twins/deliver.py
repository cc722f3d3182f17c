"""Sends the pushes of an ActionKit twin that is behind HTTP, from a thread of its own."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import Any

import requests

from local.twins.actionkit.pushes import Push, Pushes

_LOOK_EVERY_SECONDS = 0.1
_TIMEOUT_SECONDS = 10


class Delivery:
    """Delivers what is due until :meth:`close`. ``lock`` is the one under which the twin is
    called; it is not held while anything is sent."""

    def __init__(self, pushes: Pushes, lock: AbstractContextManager[Any]) -> None:
        self._pushes = pushes
        self._lock = lock
        self._ended = threading.Event()
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(_TIMEOUT_SECONDS)
        self._session.close()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            with self._lock:
                taken = self._pushes.take_due()
            for push in taken:
                status = self._send(push)
                with self._lock:
                    self._pushes.answered(push, status)

    def _send(self, push: Push) -> int | None:
        """The status of the answer; None if there was none."""
        headers = {name: value for name, value in push.headers.items() if name != "host"}
        try:
            with self._session.post(
                push.url,
                data=push.body,
                headers=headers,
                timeout=_TIMEOUT_SECONDS,
                allow_redirects=False,
            ) as answer:
                return answer.status_code
        except (requests.RequestException, UnicodeError):
            return None
