"""Routes of the stop for accidents: what is held, and what staff decide about it (A6)."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path
from pydantic import TypeAdapter

from instep.api.cursor import Cursors
from instep.api.models import HeldShown, HoldShown, ListOf, ReleasedShown, ReleaseGiven
from instep.api.setup_routes import ACCOUNT, Cursor, Limit
from instep.use_cases.holds import ShownHold, discard, list_holds, release
from instep.use_cases.world import World

HoldId = Annotated[str, Path(max_length=100)]

HOLD_PLACE: TypeAdapter[str] = TypeAdapter(str)


def add_hold_routes(app: APIGatewayHttpResolver, world: World) -> None:
    """Adds the routes to the resolver."""
    docs: dict[str, Any] = {"tags": ["Holds"]}
    cursors = Cursors(world.consent_key)

    @app.get(f"{ACCOUNT}/holds", summary="What waits for staff", **docs)
    def get_holds(account_id: str, limit: Limit = 50, cursor: Cursor = None) -> ListOf[HoldShown]:
        of = f"{account_id}/holds"
        place = cursors.decode(HOLD_PLACE, of, {}, cursor)
        holds, after = list_holds(world, account_id, place, limit)
        return ListOf[HoldShown](
            items=[_hold(one) for one in holds],
            next_cursor=cursors.encode(HOLD_PLACE, of, {}, after),
        )

    @app.post(
        f"{ACCOUNT}/holds/<hold_id>/release",
        summary="Have everything carried out that is held",
        status_code=202,
        **docs,
    )
    def post_release(
        account_id: str, hold_id: HoldId, given: Annotated[ReleaseGiven, Body()]
    ) -> ReleasedShown:
        release(world, account_id, app.context["who"], hold_id, given.people)
        return ReleasedShown(hold_id=hold_id, people=given.people)

    @app.delete(
        f"{ACCOUNT}/holds/<hold_id>",
        summary="Discard: the differences count as settled",
        status_code=204,
        **docs,
    )
    def delete_hold(account_id: str, hold_id: HoldId) -> Response[str]:
        discard(world, account_id, app.context["who"], hold_id)
        return Response(status_code=204, body="")


def _hold(shown: ShownHold) -> HoldShown:
    hold = shown.hold
    return HoldShown.model_validate(
        {
            "hold_id": hold.hold_id,
            "kind": hold.kind.value,
            "direction": hold.direction,
            "group": hold.group_id or None,
            "people": shown.people,
            "opted_in": shown.opted_in,
            "sample": [
                HeldShown(user_id=user_id, member_id=member_id)
                for user_id, member_id in shown.sample
            ],
            "cause": hold.cause,
            "since": hold.since,
        }
    )
