"""The staff console as it is built and served."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from local import frontend
from tests.unit.deployment.template import RESOURCES, ROOT

MOST_BYTES: Final = 600_000
"""Of a first load, compressed."""
FIRST_PAGE: Final = "src/pages/Overview.tsx"
FONTS_AT_ONCE: Final = 3
"""Of the weights of the font, in one alphabet."""
ENVIRONMENT: Final = {
    "OIDC_ISSUER": "https://id.example.org/realms/staff",
    "OIDC_CLIENT_ID": "console",
    "OIDC_AUDIENCE": "console",
    "OIDC_SCOPES": "openid email",
    "ACCOUNTS_CLAIM": "accounts",
    "SIGN_IN_ORIGINS": "https://login.example.org",
    "SIGN_OUT_URL": "",
}


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """The console, built if it is not."""
    frontend.build()


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> ModuleType:
    for name, value in {**ENVIRONMENT, **environment}.items():
        monkeypatch.setenv(name, value)
    path = ROOT / "functions" / "console" / "handler.py"
    spec = importlib.util.spec_from_file_location("console_handler", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load(monkeypatch)


def get(handler: ModuleType, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and the body as it is sent."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    event = {"rawPath": path, "headers": named, "requestContext": {"stage": "$default"}}
    answer = handler.handle(event, None)
    assert answer["isBase64Encoded"] is True
    return answer["statusCode"], answer["headers"], base64.b64decode(answer["body"])


def built() -> Iterator[tuple[str, bytes]]:
    """Every built file, by its name in the browser."""
    for path in sorted(frontend.ASSETS.rglob("*.gz")):
        name = str(path.relative_to(frontend.ASSETS)).removesuffix(".gz")
        yield name, gzip.decompress(path.read_bytes())


# --- serving ----------------------------------------------------------------------------------


def test_the_page_is_served_anew_and_its_files_are_kept(handler: ModuleType) -> None:
    status, headers, body = get(handler, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Cache-Control"] == "no-cache"
    named = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', body.decode())
    assert {Path(name).suffix for name in named} == {".js", ".css", ".svg"}
    for name in named:
        status, headers, _ = get(handler, f"/{name}")
        assert status == 200
        assert "immutable" in headers["Cache-Control"]


def test_files_are_sent_compressed_to_those_who_take_it(handler: ModuleType) -> None:
    _, headers, packed = get(handler, "/", accept_encoding="gzip, br")
    assert headers["Content-Encoding"] == "gzip"
    _, headers, plain = get(handler, "/", accept_encoding="identity")
    assert "Content-Encoding" not in headers
    assert gzip.decompress(packed) == plain


@pytest.mark.parametrize("path", ["/", "/config.json", "/assets/none.js"])
def test_every_answer_says_what_a_browser_may_do_with_it(handler: ModuleType, path: str) -> None:
    _, headers, _ = get(handler, path, x_forwarded_proto="https")
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["connect-src"] == "'self' https://id.example.org https://login.example.org"
    assert "unsafe" not in str(policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Strict-Transport-Security"]
    _, headers, _ = get(handler, path, x_forwarded_proto="http")
    assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/assets/none.js",
        "/assets/../handler.py",
        "/assets/..",
        "/assets/.hidden",
        "/assets/a/b.js",
        "/assets//etc/passwd",
        "/handler.py",
        "/index.html",
    ],
)
def test_there_is_nothing_else(handler: ModuleType, path: str) -> None:
    status, headers, body = get(handler, path)
    assert status == 404
    assert headers["Cache-Control"] == "no-cache"
    assert json.loads(body)["error"]["code"] == "no_route"


def test_the_console_is_told_how_to_sign_in(handler: ModuleType) -> None:
    _, _, body = get(handler, "/config.json")
    assert json.loads(body) == {
        "api_base": ".",
        "issuer": "https://id.example.org/realms/staff",
        "client_id": "console",
        "scopes": "openid email",
        "audience": "console",
        "token": "id_token",
        "accounts_claim": "accounts",
        "sign_out_url": None,
    }


def test_an_audience_of_its_own_takes_access_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = load(monkeypatch, OIDC_AUDIENCE="https://api.example.org")
    assert handler.config()["token"] == "access_token"


def test_what_the_console_reads_is_what_it_is_told(handler: ModuleType) -> None:
    reader = (frontend.SOURCE / "src/session/config.ts").read_text()
    assert set(handler.config()) == set(re.findall(r"^  (\w+): ", reader, re.MULTILINE))


# --- what was built ---------------------------------------------------------------------------


def test_a_first_load_is_small() -> None:
    manifest: dict[str, Any] = json.loads((frontend.DIST / ".vite/manifest.json").read_text())
    files: set[str] = {"index.html"}
    waiting, seen = ["index.html", FIRST_PAGE], set()
    while waiting:
        chunk = manifest[waiting.pop()]
        if chunk["file"] in seen:
            continue
        seen.add(chunk["file"])
        files |= {chunk["file"], *chunk.get("css", []), *chunk.get("assets", [])}
        waiting += chunk.get("imports", [])
    sizes = {path: (frontend.ASSETS / f"{path}.gz").stat().st_size for path in files}
    fonts = sorted(size for name, size in packed() if name.endswith(".woff2"))[-FONTS_AT_ONCE:]
    total = sum(size for name, size in sizes.items() if not name.endswith(".woff2")) + sum(fonts)
    assert 100_000 < total <= MOST_BYTES, sizes


def packed() -> Iterator[tuple[str, int]]:
    """Every built file and its size as it is sent."""
    for path in frontend.ASSETS.rglob("*.gz"):
        yield path.name.removesuffix(".gz"), path.stat().st_size


def test_the_page_holds_no_script_and_no_style() -> None:
    page = dict(built())["index.html"].decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page)
    assert not re.search(r"https?://", page)


def test_no_source_maps_and_nothing_from_elsewhere() -> None:
    for name, content in built():
        assert not name.endswith(".map")
        if name.endswith((".js", ".css")):
            assert b"sourceMappingURL" not in content, name
        if name.endswith(".css"):
            assert not re.search(rb"@import|url\([\"']?(?:https?:|//)", content), name
            assert b"data:" not in content, name


def test_every_page_of_the_navigation_is_loaded_by_itself() -> None:
    manifest = json.loads((frontend.DIST / ".vite/manifest.json").read_text())
    pages = {path.name for path in (frontend.SOURCE / "src/pages").glob("*.tsx")}
    apart = {Path(name).name for name, one in manifest.items() if one.get("isDynamicEntry")}
    assert pages <= apart


def test_nothing_of_the_build_names_a_registry() -> None:
    lock = json.loads((frontend.SOURCE / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert not [name for name, one in packages.items() if "resolved" in one]
    assert not [name for name, one in packages.items() if "integrity" not in one]
    wanted = json.loads((frontend.SOURCE / "package.json").read_text())
    for version in [*wanted["dependencies"].values(), *wanted["devDependencies"].values()]:
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_the_sign_in_needs_no_parameter_with_a_pool_of_our_own() -> None:
    variables = RESOURCES["ConsoleFunction"]["Properties"]["Environment"]["Variables"]
    for name in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_AUDIENCE", "SIGN_IN_ORIGINS"):
        assert variables[name]["Fn::If"][0] == "OwnSignIn"
