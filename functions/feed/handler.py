"""Takes one step of a run, for the state machine that drives it."""

from __future__ import annotations

from typing import Any

from instep.bootstrap import observed, world
from instep.use_cases.steps import take_step

WORLD = world()


@observed
def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """`{"account_id", "run_id", "step", "failed_state"?}` → `{"outcome", "wait_seconds"}`."""
    step = take_step(
        WORLD,
        event["account_id"],
        event["run_id"],
        event["step"],
        failed_state=event.get("failed_state", ""),
    )
    return {"outcome": step.outcome, "wait_seconds": step.wait_seconds}
