"""The tick's first step: finds the accounts that have work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from instep.bootstrap import observed, world
from instep.use_cases.sweep import sweep

WORLD = world()


@observed
def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """`{"account_id"?}` → `{"outcome": "done", "accounts", "resumed", "idle"}`."""
    return {"outcome": "done", **asdict(sweep(WORLD, event.get("account_id")))}
