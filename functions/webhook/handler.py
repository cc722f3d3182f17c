"""Takes pushed actions (P3, P4): what comes is on the live lane before it is answered."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from instep.api.access import ACCOUNT_ID
from instep.api.errors import ErrorCode
from instep.bootstrap import observed, world
from instep.use_cases.pushes import MOST_BYTES, receive

WORLD = world()
TOKEN = re.compile(r"[A-Za-z0-9_-]{20,200}")
REFUSALS = {
    "unknown": (404, ErrorCode.NO_ROUTE, "There is no such call."),
    "too_large": (413, ErrorCode.TOO_LARGE, f"A push has at most {MOST_BYTES:,} bytes."),
}


class NotTakenError(Exception):
    """The push is not on the lane; the sender is to try again."""


@observed
def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """A call of any method: how ActionKit pushes, and tries out an address, is not public. A fault
    of AWS is an error of the function, which the gateway answers with 500."""
    named = event.get("pathParameters") or {}
    account_id, token = named.get("account_id", ""), named.get("token", "")
    received = "unknown"
    if ACCOUNT_ID.fullmatch(account_id) and TOKEN.fullmatch(token):
        try:
            received = receive(WORLD, account_id, token, _body(event))
        except Exception as fault:  # noqa: BLE001 - its text may hold what belongs in no log (C3)
            WORLD.watch.note("a push was not taken", error=type(fault).__name__)
            raise NotTakenError from None
    if received == "ok":
        return _answer(200, {"status": "ok"})
    status, code, message = REFUSALS[received]
    return _answer(status, {"error": {"code": code, "message": message, "details": None}})


def _body(event: dict[str, Any]) -> bytes:
    """The body; what is called base64 and is not, as it is."""
    text = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            return base64.b64decode(text)
        except ValueError:
            pass
    return str(text).encode("utf-8", "surrogatepass")


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}
