"""An OpenID issuer for the local stack: a key, its public half over HTTP, tokens, and a way into
the console."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "instep-local"
KEY_ID = "local"
TOKEN_SECONDS = 30 * 24 * 3600
SIGN_IN = "/open"
"""Leads to the console, signed in as the editor: of use on this machine alone."""


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


def token(key: Path, issuer: str, accounts: Sequence[str], subject: str = "staff") -> str:
    """A token that names `account:role` in the claim that the local stack looks at."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject,
        "email": f"{subject}@example.org",
        "accounts": list(accounts),
        "iat": now,
        "exp": now + TOKEN_SECONDS,
    }
    return jwt.encode(claims, key.read_bytes(), algorithm="RS256", headers={"kid": KEY_ID})


def serve(port: int, key: Path) -> None:
    """Answers discovery and keys on 127.0.0.1, for ever."""
    issuer = f"http://127.0.0.1:{port}"
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    public: dict[str, Any] = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    documents = {
        "/.well-known/openid-configuration": {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks.json",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        },
        "/jwks.json": {"keys": [{**public, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == SIGN_IN:
                self.send_response(302)
                self.send_header("Location", _console(key.with_name("stack.json")))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            document = documents.get(self.path)
            body = json.dumps(document or {"error": "not found"}).encode()
            self.send_response(200 if document else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def _console(description: Path) -> str:
    stack = json.loads(description.read_text())
    return f"{stack['console_url']}#account=demo&token={stack['token']}"


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
