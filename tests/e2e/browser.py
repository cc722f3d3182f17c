"""The staff console in a real browser, as staff use it: by what they read on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from local.stack import ROOT

CHROMIUM: Final = next(
    filter(None, (shutil.which(name) for name in ("chromium", "chromium-browser"))), None
)
NO_CHROMIUM: Final = (
    "There is no Chromium: install Debian's package `chromium`. The other tests run without it."
)
AXE: Final = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
WIDE: Final = (1280, 900)
NARROW: Final = (400, 800)
PATIENCE_MILLISECONDS: Final = 30_000
"""Other tests use the machine at the same time."""
BENIGN: Final = ("Failed to load resource",)
"""What Chromium says of an answer that is no success, which the console shows in words."""


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium, headless."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


class Console:
    """One tab. What goes wrong in it is kept in `problems`."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("pageerror", lambda error: self.problems.append(f"{error}"))
        page.on("console", lambda message: self._said(message.type, message.text))

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" and not text.startswith(BENIGN):
            self.problems.append(text)

    def sign_in(self, role: str = "editor") -> None:
        """Signs in with the local stack's own provider."""
        self.page.goto(self.url)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("button", name=role).click()
        expect(self.heading("Overview")).to_be_visible()

    def open(self, account: str, path: str = "/") -> None:
        """A page of an account."""
        self.page.goto(f"{self.url}#/{account}{path}")

    def heading(self, text: str) -> Locator:
        return self.page.get_by_role("heading", name=text, level=1)

    def axe(self) -> list[str]:
        """What axe finds wrong, in words."""
        self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = self.page.evaluate("axe.run()")
        return [
            f"{one['id']}: {one['help']} ({node['html'][:160]})"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def shot(self, folder: Path, name: str) -> None:
        """A picture of the whole page."""
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)


@contextmanager
def tab(browser: Browser, url: str, size: tuple[int, int] = WIDE) -> Iterator[Console]:
    """A tab in a browser that knows nobody."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height})
    try:
        yield Console(context.new_page(), url)
    finally:
        context.close()


def stored_tokens(console: Console) -> list[dict[str, Any]]:
    """What the tab keeps of who is signed in."""
    kept: dict[str, str] = console.page.evaluate("({...sessionStorage})")
    return [json.loads(value) for name, value in kept.items() if name.startswith("oidc.user:")]
