"""Builds the HTTP API: access first, then the call, then one form for every error."""

from __future__ import annotations

import json
import re
import traceback
from pathlib import Path
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.event_handler.middlewares import BaseMiddlewareHandler, NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
    OpenAPIResponseValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)

from instep.api.access import ACCOUNT_ID, ForbiddenError, check_access, who_of
from instep.api.automation_routes import add_automation_routes
from instep.api.errors import ErrorAnswer, ErrorCode, answer_of, status_of
from instep.api.group_routes import add_group_routes
from instep.api.hold_routes import add_hold_routes
from instep.api.models import HealthShown
from instep.api.people_routes import add_people_routes
from instep.api.setup_routes import add_setup_routes
from instep.api.webhook import PATH, describe_webhook
from instep.use_cases.accounts import load_account
from instep.use_cases.errors import InstepError
from instep.use_cases.world import World

PREFIX: Final = "/api/accounts/"
FIRST_CALL: Final = re.compile(r"/api/accounts/[^/]+/connection")
ERROR_STATUSES: Final = {
    "403": "Not your account, or not your role",
    "404": "There is no such thing",
    "409": "Not in this state",
    "422": "Wrong input; details name the fields",
    "429": "The pace has no room now",
    "503": "The other side is unavailable",
}


def build_api(world: World, accounts_claim: str = "accounts") -> APIGatewayHttpResolver:
    """The API on a world. `accounts_claim` is the claim of the token that names accounts and
    roles."""
    app = APIGatewayHttpResolver()
    app.use(
        [
            _Gate(world, accounts_claim),
            OpenAPIRequestValidationMiddleware(),  # type: ignore[no-untyped-call]
            OpenAPIResponseValidationMiddleware(has_response_validation_error=True),
        ]
    )
    _add_errors(app, world)
    add_setup_routes(app, world)
    add_people_routes(app, world)
    add_group_routes(app, world)
    add_automation_routes(app, world)
    add_hold_routes(app, world)
    _add_open_routes(app)
    return app


class _Gate(BaseMiddlewareHandler[Any]):
    """Decides in the order of the contract: 403, then 404 before the first connection, then 422."""

    def __init__(self, world: World, accounts_claim: str) -> None:
        super().__init__()
        self._world = world
        self._accounts_claim = accounts_claim

    def handler(self, app: Any, next_middleware: NextMiddleware) -> Response[Any]:
        """Raises ForbiddenError; NotFoundError in place of a validation error."""
        event = app.current_event
        path, method = app.context["_path"], event.http_method.upper()
        if not path.startswith(PREFIX):
            return next_middleware(app)
        account_id = path.removeprefix(PREFIX).partition("/")[0]
        claims = _claims(event.raw_event)
        if not ACCOUNT_ID.fullmatch(account_id):
            raise ForbiddenError
        check_access(claims, self._accounts_claim, account_id, method)
        app.append_context(who=who_of(claims))
        try:
            response: Response[Any] = next_middleware(app)
        except (RequestValidationError, RequestUnsupportedContentType, NoRouteError):
            if not (method == "PUT" and FIRST_CALL.fullmatch(path)):
                load_account(self._world, account_id)
            raise
        response.headers["Cache-Control"] = "no-store"
        return response


def _claims(event: dict[str, Any]) -> dict[str, Any]:
    """The claims that the gateway has verified; none on a route without authoriser."""
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims")
    return claims if isinstance(claims, dict) else {}


# --- errors ---


def _add_errors(app: APIGatewayHttpResolver, world: World) -> None:
    def refused(error: InstepError) -> Response[Any]:
        return _error(status_of(error), answer_of(error))

    def invalid(error: RequestValidationError) -> Response[Any]:
        details = [
            {"field": _field_of(one["loc"]), "message": str(one["msg"])} for one in error.errors()
        ]
        return _coded(422, ErrorCode.INVALID_VALUE, "The input is wrong.", details)

    def not_json(_: RequestUnsupportedContentType) -> Response[Any]:
        details = [{"field": "body", "message": "The body must be JSON."}]
        return _coded(422, ErrorCode.INVALID_VALUE, "The input is wrong.", details)

    def no_route(_: NoRouteError) -> Response[Any]:
        return _coded(404, ErrorCode.NO_ROUTE, "There is no such call.")

    def failed(error: Exception) -> Response[Any]:
        # Neither text nor values: they may hold what belongs in no log.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        world.watch.alarm("an API call failed", error=type(error).__name__, where=where)
        return _coded(500, ErrorCode.INTERNAL_ERROR, "This is a fault of ours. It was noted.")

    app.exception_handler(InstepError)(refused)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler(RequestUnsupportedContentType)(not_json)
    app.exception_handler(NoRouteError)(no_route)
    app.exception_handler(Exception)(failed)


def _field_of(loc: tuple[Any, ...]) -> str:
    """The field that a validation error is about: (where, field, …)."""
    return str(loc[1]) if len(loc) > 1 and isinstance(loc[1], str) else "body"


def _coded(
    status: int, code: ErrorCode, message: str, details: list[dict[str, str]] | None = None
) -> Response[Any]:
    error = {"code": code, "message": message, "details": details}
    return _error(status, ErrorAnswer.model_validate({"error": error}))


def _error(status: int, answer: ErrorAnswer) -> Response[Any]:
    return Response(
        status_code=status,
        content_type=content_types.APPLICATION_JSON,
        body=answer.model_dump_json(),
        headers={"Cache-Control": "no-store"},
    )


# --- what needs no token ---


def _add_open_routes(app: APIGatewayHttpResolver) -> None:
    @app.get("/health", summary="Whether the API answers", tags=["Operating"])
    def get_health() -> HealthShown:
        return HealthShown(status="ok")

    described: list[str] = []

    @app.get("/openapi.json", include_in_schema=False)
    def get_openapi() -> Response[Any]:
        if not described:
            described.append(json.dumps(describe(app)))
        return Response(
            status_code=200, content_type=content_types.APPLICATION_JSON, body=described[0]
        )


def describe(app: APIGatewayHttpResolver) -> dict[str, Any]:
    """The OpenAPI description of the API as built: every call with the errors it may answer."""
    text = app.get_openapi_json_schema(
        title="InStep",
        version="1",
        description="Keeps an ActionKit list and a Strive campaign in step.",
    )
    description: dict[str, Any] = json.loads(text)
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    answer = ErrorAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= answer.pop("$defs")
    schemas["ErrorAnswer"] = answer
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    errors = {
        status: {"description": meaning, "content": content}
        for status, meaning in ERROR_STATUSES.items()
    }
    for path, calls in description["paths"].items():
        for call in calls.values():
            if path.startswith(PREFIX):
                call["responses"] = {**call["responses"], **errors}
                call["security"] = [{"token": []}]
    description["paths"][PATH] = describe_webhook()
    return description
