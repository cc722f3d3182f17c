"""The HTTP API behind API Gateway (payload format 2.0)."""

from __future__ import annotations

import os
from typing import Any

from instep.api.app import build_api
from instep.bootstrap import observed, world

API = build_api(world(), os.environ.get("ACCOUNTS_CLAIM", "accounts"))


@observed
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One call; expected failures are answers, what is raised is a fault of ours."""
    return API.resolve(event, context)
