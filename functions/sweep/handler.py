"""The tick's steps: lists the accounts, checks a shard of them, waits for one account's work."""

from __future__ import annotations

from typing import Any

from instep.bootstrap import observed, world
from instep.use_cases.sweep import WAIT_SECONDS, check_shard, has_work, list_shards

WORLD = world()


@observed
def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """`{"step": "list", "account_id"?}` → `{"outcome": "all" | "one", "shards"}`;
    `{"step": "check", "account_ids"}` → counts by outcome;
    `{"step": "wait", "account_id"}` → `{"outcome": "busy" | "done", "wait_seconds"}`."""
    account_id = event.get("account_id")
    match event["step"]:
        case "list":
            shards = list_shards(WORLD, account_id)
            return {"outcome": "one" if account_id else "all", "shards": shards}
        case "check":
            return check_shard(WORLD, event["account_ids"])
        case "wait":
            busy = has_work(WORLD, str(account_id))
            return {"outcome": "busy" if busy else "done", "wait_seconds": WAIT_SECONDS}
    raise ValueError(f"no such step: {event['step']}")
