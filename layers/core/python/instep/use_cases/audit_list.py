"""Who changed what (O6)."""

from __future__ import annotations

from instep.use_cases.accounts import load_account
from instep.use_cases.ports import Item
from instep.use_cases.world import World


def list_audit(
    world: World, account_id: str, after: str | None, limit: int
) -> tuple[list[Item], str | None]:
    """Entries, newest first: at, who, what, old, new; and where to go on."""
    load_account(world, account_id)
    page = world.settings.query(account_id, "audit/", after=after, limit=limit + 1, descending=True)
    shown = page.items[:limit]
    return shown, shown[-1]["item"] if len(page.items) > limit else None
