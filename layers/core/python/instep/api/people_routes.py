"""Routes of what the sync knows and did: users, newcomers, conflicts, runs, audit."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from pydantic import TypeAdapter

from instep.api.automation_routes import shown_action
from instep.api.cursor import Cursors
from instep.api.models import (
    AuditShown,
    BaseShown,
    ConflictShown,
    ConsentShown,
    HistoryShown,
    ListOf,
    MemberReasonShown,
    MemberSeenShown,
    MemberShown,
    QueuedShown,
    RunShown,
    StatusReasonShown,
    SyncGiven,
    UserFieldShown,
    UserGroupShown,
    UserPageShown,
    UserSeenShown,
    UserShown,
)
from instep.api.setup_routes import ACCOUNT, Cursor, Limit
from instep.domain.newcomers import NEWCOMER_REASONS, NewcomerStatus
from instep.domain.reasons import explain
from instep.domain.record import Record, Status, Warning  # noqa: A004
from instep.domain.rules import Kind
from instep.use_cases.accounts import load_account
from instep.use_cases.audit_list import list_audit
from instep.use_cases.conflicts import list_conflicts
from instep.use_cases.erasure import erase_person
from instep.use_cases.newcomers import Newcomer, list_newcomers
from instep.use_cases.runs import Run, find_run, list_runs
from instep.use_cases.stored import run_key
from instep.use_cases.streams import Positions
from instep.use_cases.user_list import Place, Sort, Wanted, list_users
from instep.use_cases.user_page import (
    EntryPlace,
    SeenField,
    UserPage,
    consent,
    history,
    sync_now,
    user_page,
)
from instep.use_cases.world import World

UserId = Annotated[int, Path(ge=0, le=999_999_999_999)]
PersonId = Annotated[int, Path(ge=1, le=999_999_999_999)]
RunId = Annotated[str, Path(max_length=200)]
Order = Annotated[str, Query(pattern="^(asc|desc)$")]

USERS_PLACE: TypeAdapter[Place] = TypeAdapter(Place)
ENTRY_PLACE: TypeAdapter[EntryPlace] = TypeAdapter(EntryPlace)
MEMBERS_PLACE: TypeAdapter[Positions] = TypeAdapter(Positions)
KEY_PLACE: TypeAdapter[str] = TypeAdapter(str)

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def add_people_routes(app: APIGatewayHttpResolver, world: World) -> None:
    """Adds the routes to the resolver."""
    _add_users(app, world)
    _add_conflicts(app, world)
    _add_members(app, world)
    _add_runs(app, world)


def _add_users(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Users"]}
    cursors = Cursors(world.consent_key)

    @app.get(
        f"{ACCOUNT}/users",
        summary="Every user scanned, with status and reason",
        description="`q`: how an id, number, email, full name or last name begins. What is found "
        "is sorted where one page holds it; more comes in that order.",
        **docs,
    )
    def get_users(
        account_id: str,
        status: Annotated[Status | None, Query()] = None,
        warning: Annotated[Warning | None, Query()] = None,
        q: Annotated[str, Query(max_length=255)] = "",
        sort: Annotated[Sort, Query()] = "name",
        order: Order = "asc",
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> ListOf[UserShown]:
        of = f"{account_id}/users"
        filters = {"status": status, "warning": warning, "q": q, "sort": sort, "order": order}
        place = cursors.decode(USERS_PLACE, of, filters, cursor)
        wanted = Wanted(status, warning, q, sort, descending=order == "desc")
        found, after = list_users(world, account_id, wanted, place, limit)
        return ListOf[UserShown](
            items=[_user(one) for one in found],
            next_cursor=cursors.encode(USERS_PLACE, of, filters, after),
        )

    @app.get(f"{ACCOUNT}/users/<user_id>", summary="All that is kept of one user", **docs)
    def get_user(account_id: str, user_id: UserId) -> UserPageShown:
        return _page(user_page(world, account_id, user_id))

    @app.post(
        f"{ACCOUNT}/users/<user_id>/sync", summary="Sync the user now", status_code=202, **docs
    )
    def post_sync(
        account_id: str, user_id: UserId, given: Annotated[SyncGiven | None, Body()] = None
    ) -> QueuedShown:
        sync_now(world, account_id, user_id, recreate=given is not None and given.recreate)
        return QueuedShown(user_id=user_id)

    @app.delete(
        f"{ACCOUNT}/people/<user_id>",
        summary="Erase a person; one who was never scanned too",
        status_code=202,
        **docs,
    )
    def delete_person(account_id: str, user_id: PersonId) -> QueuedShown:
        erase_person(world, account_id, user_id, app.context["who"])
        return QueuedShown(user_id=user_id)

    @app.get(f"{ACCOUNT}/users/<user_id>/history", summary="Every write, newest first", **docs)
    def get_history(
        account_id: str, user_id: UserId, limit: Limit = 50, cursor: Cursor = None
    ) -> ListOf[HistoryShown]:
        of = f"{account_id}/users/{user_id}/history"
        place = cursors.decode(ENTRY_PLACE, of, {}, cursor)
        entries, after = history(world, account_id, user_id, place, limit)
        return ListOf[HistoryShown](
            items=[HistoryShown.model_validate(one) for one in entries],
            next_cursor=cursors.encode(ENTRY_PLACE, of, {}, after),
        )

    @app.get(
        f"{ACCOUNT}/users/<user_id>/consent", summary="Evidence of consent, newest first", **docs
    )
    def get_consent(
        account_id: str, user_id: UserId, limit: Limit = 50, cursor: Cursor = None
    ) -> ListOf[ConsentShown]:
        of = f"{account_id}/users/{user_id}/consent"
        place = cursors.decode(ENTRY_PLACE, of, {}, cursor)
        entries, after = consent(world, account_id, user_id, place, limit)
        return ListOf[ConsentShown](
            items=[ConsentShown.model_validate(one) for one in entries],
            next_cursor=cursors.encode(ENTRY_PLACE, of, {}, after),
        )


def _add_conflicts(app: APIGatewayHttpResolver, world: World) -> None:
    cursors = Cursors(world.consent_key)

    @app.get(
        f"{ACCOUNT}/conflicts", summary="Both sides changed a field, newest first", tags=["Users"]
    )
    def get_conflicts(
        account_id: str, limit: Limit = 50, cursor: Cursor = None
    ) -> ListOf[ConflictShown]:
        of = f"{account_id}/conflicts"
        place = cursors.decode(KEY_PLACE, of, {}, cursor)
        conflicts, after = list_conflicts(world, account_id, place, limit)
        return ListOf[ConflictShown](
            items=[ConflictShown.model_validate(one) for one in conflicts],
            next_cursor=cursors.encode(KEY_PLACE, of, {}, after),
        )


def _add_members(app: APIGatewayHttpResolver, world: World) -> None:
    cursors = Cursors(world.consent_key)

    @app.get(
        f"{ACCOUNT}/members",
        summary="Members of the primary group that have no user, and why",
        tags=["Users"],
    )
    def get_members(
        account_id: str,
        status: Annotated[NewcomerStatus | None, Query()] = None,
        q: Annotated[str, Query(max_length=255)] = "",
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> ListOf[MemberShown]:
        of = f"{account_id}/members"
        filters = {"status": status, "q": q}
        place = cursors.decode(MEMBERS_PLACE, of, filters, cursor)
        found, after = list_newcomers(world, account_id, status, q, place, limit)
        return ListOf[MemberShown](
            items=[_member(one) for one in found],
            next_cursor=cursors.encode(MEMBERS_PLACE, of, filters, after),
        )


def _add_runs(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Operating"]}
    cursors = Cursors(world.consent_key)

    @app.get(f"{ACCOUNT}/runs", summary="Executions, newest first", **docs)
    def get_runs(account_id: str, limit: Limit = 50, cursor: Cursor = None) -> ListOf[RunShown]:
        load_account(world, account_id)
        of = f"{account_id}/runs"
        place = cursors.decode(KEY_PLACE, of, {}, cursor)
        runs, _ = list_runs(world, account_id, place, limit + 1)
        shown = runs[:limit]
        after = run_key(shown[-1].run_id) if len(runs) > limit else None
        return ListOf[RunShown](
            items=[_run(one) for one in shown], next_cursor=cursors.encode(KEY_PLACE, of, {}, after)
        )

    @app.get(f"{ACCOUNT}/runs/<run_id>", summary="One execution", **docs)
    def get_run(account_id: str, run_id: RunId) -> RunShown:
        load_account(world, account_id)
        return _run(find_run(world, account_id, run_id))

    @app.get(f"{ACCOUNT}/audit", summary="Who changed what, newest first", **docs)
    def get_audit(account_id: str, limit: Limit = 50, cursor: Cursor = None) -> ListOf[AuditShown]:
        of = f"{account_id}/audit"
        place = cursors.decode(KEY_PLACE, of, {}, cursor)
        entries, after = list_audit(world, account_id, place, limit)
        return ListOf[AuditShown](
            items=[AuditShown.model_validate(one) for one in entries],
            next_cursor=cursors.encode(KEY_PLACE, of, {}, after),
        )


# --- what is shown ---


def _reason(record: Record) -> StatusReasonShown:
    code = record.reason or "not_scanned"
    text, fix = explain(code, record.reason_detail)
    return StatusReasonShown(code=code, text=text, fix=fix or None, at=record.reason_at)


def _user(record: Record) -> UserShown:
    return UserShown(
        user_id=record.user_id,
        email=record.email or None,
        name=" ".join(f"{record.first_name} {record.last_name}".split()) or None,
        phone=record.phone,
        status=record.status,
        reason=_reason(record),
        warnings=sorted(record.warnings),
        member_id=record.member_id,
        last_synced=record.changed_at,
    )


def _page(page: UserPage) -> UserPageShown:
    record = page.record
    core = [one for one in page.fields if one.option and one.field.kind is Kind.CORE]
    custom = [one for one in page.fields if one.field.kind is Kind.CUSTOM]
    member = None
    if record.member_id is not None:
        member = MemberSeenShown(
            member_id=record.member_id,
            phone_number=page.member_number,
            opt_in=record.consent.opted_in,
            created_by_sync=record.created_member,
            linked_at=record.linked_at,
            columns={one.field.strive_field: one.strive_value for one in core},
            custom={one.field.strive_field: one.strive_value for one in custom},
        )
    return UserPageShown(
        user_id=record.user_id,
        status=record.status,
        reason=_reason(record),
        warnings=sorted(record.warnings),
        member_id=record.member_id,
        phone=record.phone,
        last_synced=record.changed_at,
        user=UserSeenShown(
            user_id=record.user_id,
            email=record.email or None,
            first_name=record.first_name or None,
            last_name=record.last_name or None,
            phone=record.phone,
            opt_in=record.consent.raw or None,
            columns={str(one.field.actionkit_field): one.actionkit_value for one in core},
            userfields={str(one.field.actionkit_field): one.actionkit_value for one in custom},
        ),
        member=member,
        fields=[_seen_field(one) for one in page.fields],
        groups=[
            UserGroupShown.model_validate({"group": group, "name": name or None, "state": state})
            for group, name, state in page.groups
        ],
        actions=[shown_action(one) for one in page.actions],
        history=[HistoryShown.model_validate(one) for one in page.history],
    )


def _seen_field(seen: SeenField) -> UserFieldShown:
    base = seen.base
    return UserFieldShown(
        strive_field=seen.field.strive_field,
        actionkit_field=seen.field.actionkit_field,
        option=seen.option,
        actionkit_value=seen.actionkit_value,
        strive_value=seen.strive_value,
        base=None if base is None else BaseShown(actionkit=base.actionkit, strive=base.strive),
        decision=seen.decision or None,
    )


def _member(one: Newcomer) -> MemberShown:
    words = NEWCOMER_REASONS[one.reason]
    return MemberShown(
        member_id=one.member_id,
        name=f"{one.first_name} {one.last_name}".strip() or None,
        email=one.email or None,
        phone=one.phone or None,
        status=one.status,
        reason=MemberReasonShown(
            code=one.reason, text=words.text, fix=words.fix, at=one.changed_at
        ),
    )


def _run(run: Run) -> RunShown:
    total = max(run.total, run.expected)  # of a backfill: who is concerned but not yet queued too
    return RunShown.model_validate(
        {
            "id": run.run_id,
            "kind": run.kind,
            "state": run.state,
            "started": run.started,
            "ended": run.ended,
            "counts": {"total": total, "scanned": run.scanned, **run.by_status},
            "console_url": console_url(run.execution),
        }
    )


def console_url(execution_arn: str) -> str | None:
    """Where operators look at an execution in AWS's own console."""
    parts = execution_arn.split(":")
    if len(parts) < 4:
        return None
    host, region = CONSOLES.get(parts[1], CONSOLES["aws"]), parts[3]
    return (
        f"https://{region}.{host}/states/home?region={region}"
        f"#/v2/executions/details/{execution_arn}"
    )
