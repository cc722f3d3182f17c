"""The webhook's function, on a desk's world, called with events of API Gateway."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from tests.unit.api.desk import Desk

HANDLER = Path(__file__).resolve().parents[3] / "functions" / "webhook" / "handler.py"

Handle = Callable[[dict[str, Any], Any], dict[str, Any]]


def webhook_of(desk: Desk) -> Handle:
    """The function as Lambda would load it."""
    spec = importlib.util.spec_from_file_location("webhook_handler", HANDLER)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    with mock.patch("instep.bootstrap.world", return_value=desk.world):
        spec.loader.exec_module(module)
    handle: Handle = module.handle
    return handle


def token_of(desk: Desk, account: str = "demo") -> str:
    """The token of an account's address."""
    url: str = desk.call("GET /settings", account=account).body["webhook_url"]
    return url.rpartition("/")[2]


def push_event(
    token: str,
    body: str | None = None,
    base64: bool = False,
    account: str = "demo",
    method: str = "POST",
) -> dict[str, Any]:
    """A call of the address."""
    path = f"/webhooks/actionkit/{account}/{token}"
    return {
        "version": "2.0",
        "routeKey": "ANY /webhooks/actionkit/{account_id}/{token}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/x-www-form-urlencoded"},
        "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
        "pathParameters": {"account_id": account, "token": token},
        "isBase64Encoded": base64,
        **({} if body is None else {"body": body}),
    }
