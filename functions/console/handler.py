"""Serves the staff console (payload format 2.0): its files, and what it has to know of this stack.

Needs nothing but Python, so that a cold start is short. Every file is stored compressed, as
local/frontend.py has put it there.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ASSETS = Path(__file__).parent / "assets"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
FILE = re.compile(r"/assets/[A-Za-z0-9_-][A-Za-z0-9_.-]*")
FOR_EVER = "public, max-age=31536000, immutable"
"""A file's name has a digest of what is in it."""
NOT_KEPT = "no-cache"
ISSUER = os.environ["OIDC_ISSUER"]
CLIENT_ID = os.environ["OIDC_CLIENT_ID"]
AUDIENCE = os.environ["OIDC_AUDIENCE"]
SCOPES = os.environ["OIDC_SCOPES"]
ACCOUNTS_CLAIM = os.environ["ACCOUNTS_CLAIM"]
SIGN_IN_ORIGINS = os.environ["SIGN_IN_ORIGINS"].split()
SIGN_OUT_URL = os.environ["SIGN_OUT_URL"]


def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """One file. Paths are those of the routes in template.yaml."""
    path = event["rawPath"]
    stage = event["requestContext"]["stage"]
    if stage != "$default":
        path = path.removeprefix(f"/{stage}")
    if path == "/":
        return _file("index.html", event, NOT_KEPT)
    if path == "/config.json":
        return _answer(200, ".json", gzip.compress(json.dumps(config()).encode()), event, NOT_KEPT)
    if FILE.fullmatch(path):
        return _file(path.removeprefix("/"), event, FOR_EVER)
    return _missing(event)


def config() -> dict[str, Any]:
    """What the console is told: where the API is, relative to itself, and how to sign in. An ID
    token is for the console itself: an API of another audience takes access tokens."""
    return {
        "api_base": ".",
        "issuer": ISSUER,
        "client_id": CLIENT_ID,
        "scopes": SCOPES,
        "audience": AUDIENCE,
        "token": "id_token" if CLIENT_ID == AUDIENCE else "access_token",
        "accounts_claim": ACCOUNTS_CLAIM,
        "sign_out_url": SIGN_OUT_URL or None,
    }


def policy() -> str:
    """What the page may load: its own files; and it may call the API and the issuer."""
    issuer = urlsplit(ISSUER)
    called = ["'self'", f"{issuer.scheme}://{issuer.netloc}", *SIGN_IN_ORIGINS]
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "font-src 'self'",
            f"connect-src {' '.join(called)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


def _file(name: str, event: dict[str, Any], cache: str) -> dict[str, Any]:
    try:
        packed = (ASSETS / f"{name}.gz").read_bytes()
    except OSError:
        return _missing(event)
    return _answer(200, Path(name).suffix, packed, event, cache)


def _missing(event: dict[str, Any]) -> dict[str, Any]:
    error = {"code": "no_route", "message": "There is no such file.", "details": None}
    body = gzip.compress(json.dumps({"error": error}).encode())
    return _answer(404, ".json", body, event, NOT_KEPT)


def _answer(
    status: int, suffix: str, packed: bytes, event: dict[str, Any], cache: str
) -> dict[str, Any]:
    """An answer with a compressed body, for those that take it."""
    headers = {
        "Content-Type": TYPES.get(suffix, "application/octet-stream"),
        "Cache-Control": cache,
        "Content-Security-Policy": policy(),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    asked = {name.lower(): value for name, value in event.get("headers", {}).items()}
    if asked.get("x-forwarded-proto") == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if "gzip" in asked.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = packed
    else:
        body = gzip.decompress(packed)
    return {
        "statusCode": status,
        "headers": headers,
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
