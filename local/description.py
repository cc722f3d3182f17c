"""Prints the OpenAPI description of the API: `python -m local.description`. No server, no AWS."""

from __future__ import annotations

import json
from typing import Any, cast

from instep.api.app import build_api, describe
from instep.use_cases.world import World


def description() -> dict[str, Any]:
    """What `GET /openapi.json` answers. To be described, the API needs nothing of its world."""
    nowhere = cast(World, _Nowhere())
    return describe(build_api(nowhere))


class _Nowhere:
    """A world that is asked for nothing but what building the API takes."""

    consent_key = staticmethod(lambda: b"")


if __name__ == "__main__":
    print(json.dumps(description(), indent=1))
