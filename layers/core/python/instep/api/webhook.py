"""The webhook in the description of the API (P4). It is answered by a function of its own
(functions/webhook), so that staff's calls and pushed actions do not stand in each other's way."""

from __future__ import annotations

from typing import Any, Final

PATH: Final = "/webhooks/actionkit/{account_id}/{token}"


def describe_webhook() -> dict[str, Any]:
    """The call, as OpenAPI has it. No token in a header: the address itself is the secret."""
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    taken = {"application/json": {"schema": {"$ref": "#/components/schemas/HealthShown"}}}
    return {
        "post": {
            "tags": ["Webhook"],
            "summary": "An action was taken: ActionKit's push, with any body",
            "operationId": "post_webhook",
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in ("account_id", "token")
            ],
            "requestBody": {
                "required": False,
                "description": "At most 262,144 bytes of any content type",
                "content": {"*/*": {"schema": {}}},
            },
            "responses": {
                "200": {"description": "Taken; without effect while off", "content": taken},
                "404": {"description": "Not the account's address (any more)", "content": refused},
                "413": {"description": "The body is too large", "content": refused},
            },
            "security": [],
        }
    }
