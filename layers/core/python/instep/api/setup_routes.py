"""Routes of what staff set up: connection, settings, activation, fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import TypeAdapter

from instep.api.cursor import Cursors
from instep.api.models import (
    ActivationGiven,
    ActivationShown,
    AvailableShown,
    ConnectionGiven,
    ConnectionShown,
    FieldGiven,
    FieldShown,
    ListOf,
    OptInValueShown,
    OptInValuesShown,
    OptionGiven,
    ProgressShown,
    ReasonShown,
    SettingsGiven,
    SettingsShown,
    StriveFieldShown,
    UserfieldShown,
    WebhookShown,
)
from instep.domain.account import Account, Connection, Phase
from instep.domain.rules import Option
from instep.use_cases.accounts import load_account
from instep.use_cases.activation import Confirmation, pause, resume, switch_off, switch_on
from instep.use_cases.connect import Credentials, connect, connection_of
from instep.use_cases.erasure import erase_account, refuse_erasing
from instep.use_cases.fields import (
    Field,
    add_field,
    all_fields,
    available_fields,
    change_option,
    remove_field,
)
from instep.use_cases.runs import progress_of
from instep.use_cases.settings import (
    change_settings,
    opt_in_values,
    renew_webhook_token,
    webhook_url,
)
from instep.use_cases.world import World

ACCOUNT = "/api/accounts/<account_id>"

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=8192)]

FIELD_PLACE: TypeAdapter[str] = TypeAdapter(str)

STOPPED = {
    "actionkit_credentials": "ActionKit refused the credentials. Connect again.",
    "strive_credentials": "Strive refused the API key. Connect again.",
}


def add_setup_routes(app: APIGatewayHttpResolver, world: World) -> None:
    """Adds the routes to the resolver."""
    _add_connection(app, world)
    _add_settings(app, world)
    _add_activation(app, world)
    _add_fields(app, world)


def _add_connection(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Connection"]}

    @app.put(f"{ACCOUNT}/connection", summary="Connect the account", **docs)
    def put_connection(
        account_id: str, given: Annotated[ConnectionGiven, Body()]
    ) -> ConnectionShown:
        credentials = Credentials(**given.model_dump())
        return _connection(connect(world, account_id, app.context["who"], credentials))

    @app.get(f"{ACCOUNT}/connection", summary="The connection, without credentials", **docs)
    def get_connection(account_id: str) -> ConnectionShown:
        return _connection(connection_of(world, account_id))

    @app.delete(
        f"{ACCOUNT}/connection",
        summary="Erase all data of an account that is off, but the consent records",
        status_code=204,
        **docs,
    )
    def delete_connection(
        account_id: str,
        erase: Annotated[Literal["true"], Query()],  # noqa: ARG001 - said, so that it is meant
    ) -> Response[str]:
        erase_account(world, account_id, app.context["who"])
        return Response(status_code=204, body="")


def _add_settings(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Settings"]}

    @app.get(f"{ACCOUNT}/settings", summary="All settings", **docs)
    def get_settings(account_id: str) -> SettingsShown:
        return _settings(world, load_account(world, account_id))

    @app.patch(f"{ACCOUNT}/settings", summary="Change settings, all named or none", **docs)
    def patch_settings(account_id: str, given: Annotated[SettingsGiven, Body()]) -> SettingsShown:
        account = change_settings(world, account_id, app.context["who"], given.changes())
        return _settings(world, account)

    @app.get(
        f"{ACCOUNT}/settings/opt-in-values",
        summary="Spellings found in the opt-in userfield, and how each is read",
        **docs,
    )
    def get_opt_in_values(account_id: str) -> OptInValuesShown:
        found = opt_in_values(world, account_id)
        return OptInValuesShown(
            items=[OptInValueShown.model_validate(one, from_attributes=True) for one in found]
        )

    @app.post(
        f"{ACCOUNT}/settings/webhook-token",
        summary="A new webhook address; the old one stops at once",
        status_code=201,
        **docs,
    )
    def post_webhook_token(account_id: str) -> WebhookShown:
        load_account(world, account_id)
        url = renew_webhook_token(world, account_id, app.context["who"])
        return WebhookShown(webhook_url=url)


def _add_activation(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Activation"]}

    @app.get(f"{ACCOUNT}/activation", summary="What the account does, and how far it is", **docs)
    def get_activation(account_id: str) -> ActivationShown:
        return _activation(world, load_account(world, account_id))

    @app.put(f"{ACCOUNT}/activation", summary="Sync Accounts: ON", **docs)
    def put_activation(
        account_id: str, given: Annotated[ActivationGiven | None, Body()] = None
    ) -> ActivationShown:
        refuse_erasing(world, account_id)
        said = given or ActivationGiven()
        confirmation = Confirmation(said.confirm_no_new_member_automation, said.adopt_primary_group)
        return _activation(world, switch_on(world, account_id, app.context["who"], confirmation))

    @app.delete(f"{ACCOUNT}/activation", summary="Sync Accounts: OFF", status_code=202, **docs)
    def delete_activation(account_id: str) -> ActivationShown:
        switch_off(world, account_id, app.context["who"])
        return _activation(world, load_account(world, account_id))

    @app.post(f"{ACCOUNT}/activation/pause", summary="Pause; credentials are kept", **docs)
    def post_pause(account_id: str) -> ActivationShown:
        return _activation(world, pause(world, account_id, app.context["who"]))

    @app.post(f"{ACCOUNT}/activation/resume", summary="Go on after a pause", **docs)
    def post_resume(account_id: str) -> ActivationShown:
        return _activation(world, resume(world, account_id, app.context["who"]))


def _add_fields(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Fields"]}
    cursors = Cursors(world.consent_key)

    @app.get(f"{ACCOUNT}/fields", summary="Mapped fields", **docs)
    def get_fields(account_id: str, limit: Limit = 50, cursor: Cursor = None) -> ListOf[FieldShown]:
        fields = all_fields(load_account(world, account_id))
        of = f"{account_id}/fields"
        after = cursors.decode(FIELD_PLACE, of, {}, cursor)
        ids = [field.field_id for field in fields]
        start = ids.index(after) + 1 if after in ids else 0
        shown = fields[start : start + limit]
        more = start + limit < len(fields)
        next_cursor = cursors.encode(FIELD_PLACE, of, {}, shown[-1].field_id if more else None)
        return ListOf[FieldShown](items=[_field(one) for one in shown], next_cursor=next_cursor)

    @app.get(f"{ACCOUNT}/fields/available", summary="What can be mapped", **docs)
    def get_available(account_id: str) -> AvailableShown:
        strive, userfields = available_fields(world, account_id)
        return AvailableShown(
            strive_fields=[
                StriveFieldShown(
                    name=one.name,
                    label=one.label,
                    type=one.type,
                    usable=not one.why_not,
                    why_not=one.why_not or None,
                )
                for one in strive
            ],
            userfields=[
                UserfieldShown(name=one.name, usable=not one.why_not, why_not=one.why_not or None)
                for one in userfields
            ],
        )

    @app.post(f"{ACCOUNT}/fields", summary="Map a custom field", status_code=201, **docs)
    def post_field(account_id: str, given: Annotated[FieldGiven, Body()]) -> FieldShown:
        who = app.context["who"]
        option = Option(given.option)
        return _field(
            add_field(world, account_id, who, given.strive_field, given.actionkit_field, option)
        )

    @app.patch(f"{ACCOUNT}/fields/<field_id>", summary="Choose another option", **docs)
    def patch_field(
        account_id: str, field_id: str, given: Annotated[OptionGiven, Body()]
    ) -> FieldShown:
        who = app.context["who"]
        return _field(change_option(world, account_id, who, field_id, Option(given.option)))

    @app.delete(
        f"{ACCOUNT}/fields/<field_id>", summary="End a custom mapping", status_code=204, **docs
    )
    def delete_field(account_id: str, field_id: str) -> Response[str]:
        remove_field(world, account_id, app.context["who"], field_id)
        return Response(status_code=204, body="")


# --- what is shown ---


def _connection(connection: Connection) -> ConnectionShown:
    return ConnectionShown(
        hostname=connection.hostname.removeprefix("https://"),
        strive_campaign_id=connection.campaign_id,
        connected_at=connection.connected_at,
        actionkit_reads=connection.actionkit_reads,
    )


def _settings(world: World, account: Account) -> SettingsShown:
    settings = account.settings
    return SettingsShown(
        opt_in_userfield=settings.opt_in_userfield,
        phone_types=list(settings.phone_types),
        phone_fallback=settings.phone_fallback,
        create_users=settings.create_users,
        default_region=settings.default_region,
        records_per_minute=settings.records_per_minute,
        resubscribe_from_actionkit=settings.resubscribe_from_actionkit,
        webhook_url=webhook_url(world, account),
    )


def _activation(world: World, account: Account) -> ActivationShown:
    reason = None
    if account.phase is Phase.STOPPED_CREDENTIALS:
        text = STOPPED.get(account.reason, "The credentials are refused. Connect again.")
        reason = ReasonShown(code=account.reason, text=text)
    progress = progress_of(world, account)
    return ActivationShown(
        active=account.phase is not Phase.OFF,
        phase=account.phase.value,
        reason=reason,
        progress=ProgressShown.model_validate(progress, from_attributes=True),
    )


def _field(field: Field) -> FieldShown:
    broken = None
    if field.broken:
        text = "The field is gone on one of the two sides, or is no text field any more."
        broken = ReasonShown(code="field_gone", text=text)
    return FieldShown(
        field_id=field.field_id,
        kind=field.kind,
        strive_field=field.strive_field,
        actionkit_field=field.actionkit_field,
        option=field.option,
        allowed_options=list(field.allowed_options),
        broken=broken,
    )
