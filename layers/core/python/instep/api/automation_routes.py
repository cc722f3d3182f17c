"""Routes of actions and of what they set off: actions, actionfields, automations (P6, P7)."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from pydantic import TypeAdapter

from instep.api.cursor import Cursors
from instep.api.models import (
    ActionfieldShown,
    ActionfieldsShown,
    ActionReasonShown,
    ActionShown,
    AutomationGiven,
    AutomationRunShown,
    AutomationShown,
    EnabledGiven,
    ListOf,
    ReasonShown,
)
from instep.api.setup_routes import ACCOUNT, Cursor, Limit
from instep.domain.automations import REASONS
from instep.domain.rules import Automation
from instep.use_cases.accounts import load_account
from instep.use_cases.action_list import ShownAction, list_actions
from instep.use_cases.actions import list_actionfields
from instep.use_cases.automations import (
    WantedRule,
    list_automations,
    list_rule_runs,
    make_automation,
    remove_automation,
    switch_automation,
)
from instep.use_cases.errors import ConfigurationError
from instep.use_cases.ports import Item
from instep.use_cases.world import World

QueryId = Annotated[int | None, Query(ge=0, le=999_999_999_999)]
RuleId = Annotated[str, Path(max_length=100)]

KEY_PLACE: TypeAdapter[str] = TypeAdapter(str)


def add_automation_routes(app: APIGatewayHttpResolver, world: World) -> None:
    """Adds the routes to the resolver."""
    _add_actions(app, world)
    _add_automations(app, world)


def _add_actions(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Actions"]}
    cursors = Cursors(world.consent_key)

    @app.get(f"{ACCOUNT}/actions", summary="Actions on synced pages, newest first", **docs)
    def get_actions(
        account_id: str,
        page_id: QueryId = None,
        user_id: QueryId = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> ListOf[ActionShown]:
        of, filters = f"{account_id}/actions", {"page_id": page_id, "user_id": user_id}
        place = cursors.decode(KEY_PLACE, of, filters, cursor)
        found, after = list_actions(world, account_id, page_id, user_id, place, limit)
        return ListOf[ActionShown](
            items=[shown_action(one) for one in found],
            next_cursor=cursors.encode(KEY_PLACE, of, filters, after),
        )

    @app.get(f"{ACCOUNT}/actionfields", summary="Actionfields seen on synced pages", **docs)
    def get_actionfields(account_id: str) -> ActionfieldsShown:
        load_account(world, account_id)
        names = list_actionfields(world, account_id)
        return ActionfieldsShown(items=[ActionfieldShown(name=one) for one in names])


def _add_automations(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Automations"]}
    cursors = Cursors(world.consent_key)

    @app.get(f"{ACCOUNT}/automations", summary="Rules, the oldest first", **docs)
    def get_automations(
        account_id: str, limit: Limit = 50, cursor: Cursor = None
    ) -> ListOf[AutomationShown]:
        of = f"{account_id}/automations"
        after = cursors.decode(KEY_PLACE, of, {}, cursor)
        rules = list_automations(world, account_id)
        rest = [one for one in rules if after is None or one.rule_id > after]
        shown = rest[:limit]
        more = shown[-1].rule_id if len(rest) > limit else None
        return ListOf[AutomationShown](
            items=[_automation(one) for one in shown],
            next_cursor=cursors.encode(KEY_PLACE, of, {}, more),
        )

    @app.post(
        f"{ACCOUNT}/automations",
        summary="Make a rule for actions taken from now on",
        status_code=201,
        **docs,
    )
    def post_automation(
        account_id: str, given: Annotated[AutomationGiven, Body()]
    ) -> AutomationShown:
        load_account(world, account_id)
        if given.value is not None and given.actionfield is None:
            message = "A value is that of an actionfield. Name the actionfield too."
            raise ConfigurationError("invalid_value", message, "actionfield")
        wanted = WantedRule(**given.model_dump())
        return _automation(make_automation(world, account_id, app.context["who"], wanted))

    @app.patch(
        f"{ACCOUNT}/automations/<rule_id>",
        summary="Switch a rule on or off; what is taken while it is off is past for it",
        **docs,
    )
    def patch_automation(
        account_id: str, rule_id: RuleId, given: Annotated[EnabledGiven, Body()]
    ) -> AutomationShown:
        who = app.context["who"]
        return _automation(switch_automation(world, account_id, who, rule_id, given.enabled))

    @app.delete(
        f"{ACCOUNT}/automations/<rule_id>",
        summary="Delete a rule; what it did stays done",
        status_code=204,
        **docs,
    )
    def delete_automation(account_id: str, rule_id: RuleId) -> Response[str]:
        remove_automation(world, account_id, app.context["who"], rule_id)
        return Response(status_code=204, body="")

    @app.get(
        f"{ACCOUNT}/automations/<rule_id>/runs",
        summary="What became of a rule, newest action first",
        **docs,
    )
    def get_automation_runs(
        account_id: str, rule_id: RuleId, limit: Limit = 50, cursor: Cursor = None
    ) -> ListOf[AutomationRunShown]:
        of = f"{account_id}/automations/{rule_id}/runs"
        place = cursors.decode(KEY_PLACE, of, {}, cursor)
        runs, after = list_rule_runs(world, account_id, rule_id, place, limit)
        return ListOf[AutomationRunShown](
            items=[_run(one) for one in runs], next_cursor=cursors.encode(KEY_PLACE, of, {}, after)
        )


# --- what is shown ---


def shown_action(action: ShownAction) -> ActionShown:
    """An action as the API shows it."""
    reason = None
    if action.reason is not None:
        code, text, fix = action.reason
        reason = ActionReasonShown(code=code, text=text, fix=fix or None)
    return ActionShown.model_validate(
        {
            "action_id": action.action_id,
            "page_id": action.page_id,
            "user_id": action.user_id,
            "member_id": action.member_id,
            "created_at": action.created_at,
            "fields": action.fields,
            "outcome": action.outcome,
            "reason": reason,
        }
    )


def _automation(rule: Automation) -> AutomationShown:
    return AutomationShown(
        id=rule.rule_id,
        page_id=rule.page_id,
        actionfield=rule.actionfield,
        value=rule.value,
        once_per=rule.once_per,
        add_to_group=rule.add_to_group,
        publish_event=rule.publish_event,
        enabled=rule.enabled,
    )


def _run(run: Item) -> AutomationRunShown:
    reason = ReasonShown(code=run["reason"], text=REASONS[run["reason"]])
    return AutomationRunShown.model_validate(
        {
            "at": run["at"],
            "action_id": run["action_id"],
            "user_id": run["user_id"],
            "member_id": run["member_id"],
            "outcome": run["outcome"],
            "reason": reason,
        }
    )
