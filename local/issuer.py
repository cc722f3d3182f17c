"""An OpenID issuer for the local stack: a key, its public half over HTTP, tokens, and a page on
which one chooses who to be. Signing in goes by the authorisation code with PKCE, as at a real
issuer; but nobody is asked for a password, so it answers on this machine alone and sends people to
no other."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE: Final = "instep-local"
"""Of the tokens, and the console's client id."""
KEY_ID: Final = "local"
TOKEN_SECONDS: Final = 30 * 24 * 3600
SIGNED_IN_SECONDS: Final = 3600
CODE_SECONDS: Final = 60
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
EDITOR: Final = ["demo:editor", *(f"demo-{number}:editor" for number in range(1, 100))]
VIEWER: Final = ["demo:viewer"]
STAFF: Final = {
    "editor": ("staff", EDITOR, "sees and changes everything"),
    "viewer": ("viewer", VIEWER, "sees everything and changes nothing"),
}
"""Whom one can be: the subject, the accounts and what that means."""

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="icon" href="data:,">
  <title>Sign in to the local InStep</title>
  <style>
    body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto;
      padding: 0 1rem }}
    button {{ display: block; width: 100%; margin: 1rem 0; padding: .75rem 1rem; font: inherit;
      text-align: left; cursor: pointer }}
    button strong {{ display: block }}
  </style>
</head>
<body>
  <main>
    <h1>Sign in</h1>
    <p>This is the local stack's own sign-in: no password, choose who to be.</p>
    <form method="post" action="/authorize">
{fields}
{buttons}
    </form>
  </main>
</body>
</html>
"""


def make_key(path: Path) -> None:
    """Writes a new private key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def token(
    key: Path,
    issuer: str,
    accounts: Sequence[str],
    subject: str = "staff",
    seconds: int = TOKEN_SECONDS,
    **claims: str,
) -> str:
    """A token that names `account:role` in the claim that the local stack looks at."""
    now = int(time.time())
    claimed = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject,
        "email": f"{subject}@example.org",
        "accounts": list(accounts),
        "iat": now,
        "exp": now + seconds,
        **claims,
    }
    return jwt.encode(claimed, key.read_bytes(), algorithm="RS256", headers={"kid": KEY_ID})


class RefusedError(Exception):
    """A request that is not as OpenID Connect has it; with the code that says so."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may fetch tokens for, once."""

    who: str
    nonce: str
    redirect_uri: str = ""
    challenge: str = ""
    until: float = float("inf")


class Desk:
    """Gives codes to those who sign in, and tokens for codes."""

    def __init__(self, issuer: str, key: Path) -> None:
        self._issuer = issuer
        self._key = key
        self._grants: dict[str, Grant] = {}

    def ask(self, query: Mapping[str, str]) -> str:
        """The page on which one chooses who to be. Raises RefusedError."""
        _check_request(query)
        fields = "\n".join(
            f'      <input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in query.items()
        )
        buttons = "\n".join(
            f'      <button name="who" value="{who}"><strong>{who.title()}</strong> {text}</button>'
            for who, (_, _, text) in STAFF.items()
        )
        return PAGE.format(fields=fields, buttons=buttons)

    def sign_in(self, form: Mapping[str, str]) -> str:
        """Where somebody who has chosen goes on, with a code. Raises RefusedError."""
        _check_request(form)
        if form.get("who") not in STAFF:
            raise RefusedError("access_denied")
        code = self._keep(
            Grant(
                who=form["who"],
                nonce=form.get("nonce", ""),
                redirect_uri=form["redirect_uri"],
                challenge=form["code_challenge"],
                until=time.monotonic() + CODE_SECONDS,
            )
        )
        answer = {"code": code, "state": form.get("state", ""), "iss": self._issuer}
        return f"{form['redirect_uri']}?{urlencode(answer)}"

    def tokens(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Tokens for a code or for a refresh token, either of use once. Raises RefusedError."""
        if form.get("client_id") != AUDIENCE:
            raise RefusedError("invalid_client")
        kind = form.get("grant_type")
        if kind not in ("authorization_code", "refresh_token"):
            raise RefusedError("unsupported_grant_type")
        by_code = kind == "authorization_code"
        grant = self._grants.pop(form.get("code" if by_code else "refresh_token", ""), None)
        if grant is None or grant.until < time.monotonic() or by_code != bool(grant.challenge):
            raise RefusedError("invalid_grant")
        if by_code and (
            grant.redirect_uri != form.get("redirect_uri")
            or grant.challenge != challenge_of(form.get("code_verifier", ""))
        ):
            raise RefusedError("invalid_grant")
        subject, accounts, _ = STAFF[grant.who]
        nonce = {"nonce": grant.nonce} if grant.nonce else {}
        made = token(self._key, self._issuer, accounts, subject, SIGNED_IN_SECONDS, **nonce)
        return {
            "access_token": made,
            "id_token": made,
            "refresh_token": self._keep(Grant(who=grant.who, nonce=grant.nonce)),
            "token_type": "Bearer",
            "expires_in": SIGNED_IN_SECONDS,
            "scope": "openid email profile",
        }

    def _keep(self, grant: Grant) -> str:
        name = secrets.token_urlsafe(24)
        self._grants[name] = grant
        return name


def _check_request(query: Mapping[str, str]) -> None:
    wanted = {
        "client_id": AUDIENCE,
        "response_type": "code",
        "code_challenge_method": "S256",
    }
    if any(query.get(name) != value for name, value in wanted.items()):
        raise RefusedError("invalid_request")
    if not query.get("code_challenge") or not is_local(query.get("redirect_uri", "")):
        raise RefusedError("invalid_request")


def challenge_of(verifier: str) -> str:
    """The challenge that belongs to a verifier (PKCE, S256)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_local(address: str) -> bool:
    """Whether an address is on this machine."""
    parts = urlsplit(address)
    return parts.scheme == "http" and "@" not in parts.netloc and parts.hostname in LOOPBACK


def serve(port: int, key: Path) -> None:
    """Answers on 127.0.0.1, for ever."""
    issuer = f"http://127.0.0.1:{port}"
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    public: dict[str, Any] = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    documents: dict[str, dict[str, Any]] = {
        "/.well-known/openid-configuration": {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "end_session_endpoint": f"{issuer}/logout",
            "jwks_uri": f"{issuer}/jwks.json",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": ["openid", "email", "profile"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        },
        "/jwks.json": {"keys": [{**public, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]},
    }
    desk = Desk(issuer, key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/authorize":
                self._try(lambda: self._send(200, desk.ask(_words(query)), "text/html"))
            elif path == "/logout":
                back = _words(query).get("post_logout_redirect_uri", "")
                if is_local(back):
                    self._redirect(back)
                else:
                    self._send(200, "You are signed out.", "text/plain")
            elif path in documents:
                self._json(200, documents[path])
            else:
                self._json(404, {"error": "not_found"})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            form = _words(self.rfile.read(length).decode())
            if self.path == "/authorize":
                self._try(lambda: self._redirect(desk.sign_in(form)))
            elif self.path == "/token":
                self._try(lambda: self._json(200, desk.tokens(form)))
            else:
                self._json(404, {"error": "not_found"})

        def do_OPTIONS(self) -> None:
            self._send(204, "", "text/plain")

        def _try(self, answer: Any) -> None:
            try:
                answer()
            except RefusedError as refused:
                self._json(400, {"error": str(refused)})

        def _redirect(self, address: str) -> None:
            self.send_response(303)
            self.send_header("Location", address)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _json(self, status: int, document: Mapping[str, Any]) -> None:
            self._send(status, json.dumps(document), "application/json")

        def _send(self, status: int, text: str, content_type: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{content_type}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            origin = self.headers.get("Origin", "")
            if is_local(origin):
                self.send_header("Access-Control-Allow-Origin", origin)
                self.send_header("Access-Control-Allow-Headers", "content-type, authorization")
                self.send_header("Vary", "Origin")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def _words(query: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(query).items()}


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
