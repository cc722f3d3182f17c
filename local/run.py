"""A whole initial sync on the local stack, as staff would do it: by the HTTP API."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import requests

from local.stack import Stack

ACCOUNT = "demo"
RECORDS_PER_MINUTE = 200_000
"""As fast as the machine goes: the twin sets no limit unless told to."""
BAR = 30
DONE = ("syncing",)
UNDER_WAY = ("initial_sync",)


class Api:
    """The HTTP API of one account, as the editor of stack.json's token."""

    def __init__(self, description: Mapping[str, Any], account: str = ACCOUNT) -> None:
        self._base = f"{description['api_url']}/api/accounts/{account}"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {description['token']}"

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and answer of a call."""
        answer = self._session.request(method, f"{self._base}{path}", json=body, timeout=60)
        return answer.status_code, answer.json() if answer.content else None

    def must(self, method: str, path: str, body: object = None) -> Any:
        """The answer of a call that has to succeed; ends the program with the API's own words."""
        status, answer = self.call(method, path, body)
        if status >= 300:
            raise SystemExit(f"{method} {path}: {status} {answer}")
        return answer


def connect(api: Api, description: Mapping[str, Any], opt_in_userfield: str) -> None:
    """Connects the account to the twins and sets what activation needs."""
    api.must(
        "PUT",
        "/connection",
        {
            "hostname": description["actionkit_url"],
            "username": description["actionkit_username"],
            "password": description["actionkit_password"],
            "strive_api_key": description["strive_api_key"],
            "strive_campaign_id": description["strive_campaign_id"],
        },
    )
    settings = {
        "opt_in_userfield": opt_in_userfield,
        "records_per_minute": RECORDS_PER_MINUTE,
    }
    api.must("PATCH", "/settings", settings)


def activate(api: Api) -> None:
    """Switches the account on."""
    api.must("PUT", "/activation", {"confirm_no_new_member_automation": True})


def follow(
    api: Api,
    show: Callable[[Mapping[str, Any]], None] = lambda _: None,
    pause_seconds: float = 1.0,
) -> dict[str, Any]:
    """Waits until the initial sync has ended: the last answer of `GET /activation`. Raises
    SystemExit if the account was stopped on the way."""
    while True:
        activation: dict[str, Any] = api.must("GET", "/activation")
        show(activation)
        if activation["phase"] in DONE:
            return activation
        if activation["phase"] not in UNDER_WAY:
            raise SystemExit(f"\nThe account is {activation['phase']}: {activation.get('reason')}")
        time.sleep(pause_seconds)


def run(stack: Stack, people: int, seed: int) -> None:
    """`make run`: up, twins, connect, activate, follow; then stays until Ctrl-C."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.default_int_handler)
    try:
        description = {**stack.up(), **stack.twins(people, seed)}
        api = Api(description)
        status, activation = api.call("GET", "/activation")
        if status == 404 or activation["phase"] == "off":
            connect(api, description, stack.twins_made()["opt_in_userfield"])
            activate(api)
            stack.describe(**stack.twins_made()["free"])
        print(f"The initial sync of account {ACCOUNT}:", flush=True)
        progress = _Progress(sys.stdout.isatty())
        activation = follow(api, progress.show)
        progress.end()
        print(table(activation["progress"]))
        print(f"\nThe console: {description['console_url']} (choose there who to sign in as).")
        print("The schedule is running. Ctrl-C ends everything.", flush=True)
        while stack.running():
            time.sleep(2)
        if stack.ports() is not None:  # it was not `make stop`
            raise SystemExit(f"The local AWS has ended:\n{stack.processes.tail('aws')}")
    except KeyboardInterrupt:
        print("\nStopping …", flush=True)
    finally:
        stack.stop()


class _Progress:
    """A line that is drawn again on a terminal; elsewhere a new one every ten seconds."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self._last = float("-inf")

    def show(self, activation: Mapping[str, Any]) -> None:
        text = line(activation["progress"], datetime.now(UTC))
        if self._terminal:
            sys.stdout.write(f"\r\033[K{text}")
            sys.stdout.flush()
        elif time.monotonic() - self._last >= 10:
            self._last = time.monotonic()
            print(text, flush=True)

    def end(self) -> None:
        if self._terminal:
            print()


def line(progress: Mapping[str, Any], now: datetime) -> str:
    """The bar: share scanned, counts by status, rate and expected end."""
    total, scanned = progress["total"], progress["scanned"]
    share = scanned / total if total else 0.0
    filled = int(BAR * share)
    counts = ", ".join(
        f"{users} {status.removeprefix('ineligible_')}"
        for status, users in sorted(progress["by_status"].items(), key=lambda one: -one[1])
        if users and status != "pending"
    )
    parts = [f"[{'█' * filled}{'·' * (BAR - filled)}] {scanned}/{total} {share:4.0%}"]
    if counts:
        parts.append(counts)
    if progress["per_minute"]:
        parts.append(f"{progress['per_minute']:.0f} a minute")
    if progress["expected_end"] and scanned < total:
        end = datetime.fromisoformat(progress["expected_end"])
        parts.append(f"{max(0, int((end - now).total_seconds()))} s to go")
    return " · ".join(parts)


def table(progress: Mapping[str, Any]) -> str:
    """Users by status, which add up to the total."""
    rows = [(status, users) for status, users in progress["by_status"].items() if users]
    rows.sort(key=lambda row: -row[1])
    counted = sum(users for _, users in rows)
    width = max([len(status) for status, _ in rows] + [5])
    lines = [f"  {status:<{width}}  {users:>7}" for status, users in rows]
    lines += [f"  {'':-<{width + 9}}", f"  {'total':<{width}}  {progress['total']:>7}"]
    if counted != progress["total"]:
        raise SystemExit("\n".join([*lines, f"The parts add up to {counted}, not to the total."]))
    return "\n".join(["", *lines])
