"""ActionKit's HTTP API for one account."""

from __future__ import annotations

from instep.adapters.actionkit.client import IMPORT_PAGE, SOURCE, ActionKitClient

__all__ = ["IMPORT_PAGE", "SOURCE", "ActionKitClient"]
