"""Makes what an account needs on both sides: the import page and the primary group."""

from __future__ import annotations

from typing import Any

from instep.bootstrap import observed, world
from instep.use_cases.catalogue import read_catalogue

WORLD = world()


@observed
def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """`{"account_id", "run_id"}` → `{"outcome": "ready" | "stopped"}`."""
    return {"outcome": read_catalogue(WORLD, event["account_id"])}
