"""The local stack's own OpenID issuer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from local import issuer

BACK = "http://localhost:4566/_aws/execute-api/abc/$default/"
VERIFIER = "a" * 43
ASKED = {
    "client_id": issuer.AUDIENCE,
    "response_type": "code",
    "code_challenge_method": "S256",
    "code_challenge": issuer.challenge_of(VERIFIER),
    "redirect_uri": BACK,
    "state": "mine",
    "nonce": "once",
}
FETCHED = {
    "client_id": issuer.AUDIENCE,
    "grant_type": "authorization_code",
    "redirect_uri": BACK,
    "code_verifier": VERIFIER,
}


@pytest.fixture
def desk(tmp_path: Path) -> issuer.Desk:
    key = tmp_path / "issuer.pem"
    issuer.make_key(key)
    return issuer.Desk("http://127.0.0.1:1", key)


def code_of(address: str) -> str:
    query = parse_qs(urlsplit(address).query)
    assert address.startswith(BACK)
    assert query["state"] == ["mine"]
    return query["code"][0]


@pytest.mark.parametrize(("who", "role"), [("editor", "demo:editor"), ("viewer", "demo:viewer")])
def test_one_signs_in_as_whom_one_chose(desk: issuer.Desk, who: str, role: str) -> None:
    assert f'value="{who}"' in desk.ask(ASKED)
    code = code_of(desk.sign_in({**ASKED, "who": who}))
    tokens = desk.tokens({**FETCHED, "code": code})
    claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert role in claims["accounts"]
    assert (claims["aud"], claims["nonce"]) == (issuer.AUDIENCE, "once")
    renewing = {"client_id": issuer.AUDIENCE, "grant_type": "refresh_token"}
    again = desk.tokens({**renewing, "refresh_token": tokens["refresh_token"]})
    assert again["id_token"]
    with pytest.raises(issuer.RefusedError):
        desk.tokens({**renewing, "refresh_token": tokens["refresh_token"]})


def test_what_is_asked_is_shown_as_text(desk: issuer.Desk) -> None:
    assert '"><script>' not in desk.ask({**ASKED, "state": '"><script>'})


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "other"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
        {"redirect_uri": "https://example.org/"},
        {"redirect_uri": "http://localhost.example.org:80/"},
        {"redirect_uri": "http://localhost:80@example.org/"},
    ],
)
def test_a_request_that_is_not_ours_is_refused(desk: issuer.Desk, wrong: dict[str, str]) -> None:
    calls: list[Callable[[dict[str, str]], str]] = [desk.ask, desk.sign_in]
    for call in calls:
        with pytest.raises(issuer.RefusedError):
            call({**ASKED, "who": "editor", **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "other"},
        {"code_verifier": "b" * 43},
        {"redirect_uri": f"{BACK}x"},
        {"client_id": "other"},
        {"grant_type": "password"},
    ],
)
def test_a_code_is_for_who_asked_for_it(desk: issuer.Desk, wrong: dict[str, str]) -> None:
    code = code_of(desk.sign_in({**ASKED, "who": "editor"}))
    with pytest.raises(issuer.RefusedError):
        desk.tokens({**FETCHED, "code": code, **wrong})


def test_a_code_is_of_use_once(desk: issuer.Desk) -> None:
    code = code_of(desk.sign_in({**ASKED, "who": "editor"}))
    desk.tokens({**FETCHED, "code": code})
    with pytest.raises(issuer.RefusedError):
        desk.tokens({**FETCHED, "code": code})
