"""Routes of what staff keep up as groups: pages, usergroups, ActionField groups (P2, G1 to G5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from pydantic import TypeAdapter

from instep.api.cursor import Cursors
from instep.api.models import (
    ActionfieldGroupGiven,
    ActionfieldGroupShown,
    GroupShown,
    ListOf,
    NamingGiven,
    PageShown,
    UsergroupShown,
)
from instep.api.setup_routes import ACCOUNT, Cursor, Limit
from instep.domain.rules import Source, SourceKind
from instep.use_cases.accounts import load_account
from instep.use_cases.catalogue import (
    Filter,
    Page,
    Usergroup,
    find_page,
    find_usergroup,
    list_pages,
    list_usergroups,
)
from instep.use_cases.choices import read_choices
from instep.use_cases.group_list import ShownGroup, delete_group, list_groups
from instep.use_cases.sources import (
    Naming,
    Wanted,
    delete_actionfield_group,
    make_actionfield_group,
    sync_page,
    sync_usergroup,
    unsync_page,
    unsync_usergroup,
)
from instep.use_cases.world import World

PathId = Annotated[int, Path(ge=0, le=999_999_999_999)]
SourceId = Annotated[str, Path(max_length=100)]
Search = Annotated[str, Query(max_length=255)]
Synced = Annotated[Literal["true", "false"] | None, Query()]
Given = Annotated[NamingGiven | None, Body()]

KEY_PLACE: TypeAdapter[str] = TypeAdapter(str)


def add_group_routes(app: APIGatewayHttpResolver, world: World) -> None:
    """Adds the routes to the resolver."""
    _add_pages(app, world)
    _add_usergroups(app, world)
    _add_actionfield_groups(app, world)
    _add_groups(app, world)


def _add_pages(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Pages"]}
    cursors = Cursors(world.consent_key)

    @app.get(
        f"{ACCOUNT}/pages", summary="Pages of ActionKit; q searches in names and titles", **docs
    )
    def get_pages(
        account_id: str,
        q: Search = "",
        synced: Synced = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> ListOf[PageShown]:
        of, filters = f"{account_id}/pages", {"q": q, "synced": synced}
        place = cursors.decode(KEY_PLACE, of, filters, cursor)
        found, after = list_pages(world, account_id, _filter(q, synced), place, limit)
        return ListOf[PageShown](
            items=[_page(page, source) for page, source in found],
            next_cursor=cursors.encode(KEY_PLACE, of, filters, after),
        )

    @app.put(
        f"{ACCOUNT}/pages/<page_id>/sync",
        summary="Sync a page: its group is made and filled, past actions included",
        **docs,
    )
    def put_page_sync(account_id: str, page_id: PathId, given: Given = None) -> PageShown:
        source = sync_page(world, account_id, app.context["who"], page_id, _naming(given))
        return _page(find_page(world, account_id, page_id), source)

    @app.delete(
        f"{ACCOUNT}/pages/<page_id>/sync",
        summary="Stop syncing a page; its group and members stay",
        status_code=204,
        **docs,
    )
    def delete_page_sync(account_id: str, page_id: PathId) -> Response[str]:
        unsync_page(world, account_id, app.context["who"], page_id)
        return Response(status_code=204, body="")


def _add_usergroups(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Usergroups"]}
    cursors = Cursors(world.consent_key)

    @app.get(
        f"{ACCOUNT}/usergroups", summary="Usergroups of ActionKit; q searches in names", **docs
    )
    def get_usergroups(
        account_id: str,
        q: Search = "",
        synced: Synced = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> ListOf[UsergroupShown]:
        of, filters = f"{account_id}/usergroups", {"q": q, "synced": synced}
        place = cursors.decode(KEY_PLACE, of, filters, cursor)
        found, after = list_usergroups(world, account_id, _filter(q, synced), place, limit)
        return ListOf[UsergroupShown](
            items=[_usergroup(usergroup, source) for usergroup, source in found],
            next_cursor=cursors.encode(KEY_PLACE, of, filters, after),
        )

    @app.put(
        f"{ACCOUNT}/usergroups/<usergroup_id>/sync",
        summary="Sync a usergroup: its group is made and filled",
        **docs,
    )
    def put_usergroup_sync(
        account_id: str, usergroup_id: PathId, given: Given = None
    ) -> UsergroupShown:
        who = app.context["who"]
        source = sync_usergroup(world, account_id, who, usergroup_id, _naming(given))
        return _usergroup(find_usergroup(world, account_id, usergroup_id), source)

    @app.delete(
        f"{ACCOUNT}/usergroups/<usergroup_id>/sync",
        summary="Stop syncing a usergroup; its group and members stay",
        status_code=204,
        **docs,
    )
    def delete_usergroup_sync(account_id: str, usergroup_id: PathId) -> Response[str]:
        unsync_usergroup(world, account_id, app.context["who"], usergroup_id)
        return Response(status_code=204, body="")


def _add_actionfield_groups(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["ActionField groups"]}
    cursors = Cursors(world.consent_key)

    @app.get(f"{ACCOUNT}/actionfield-groups", summary="ActionField groups", **docs)
    def get_actionfield_groups(
        account_id: str, limit: Limit = 50, cursor: Cursor = None
    ) -> ListOf[ActionfieldGroupShown]:
        load_account(world, account_id)
        of = f"{account_id}/actionfield-groups"
        after = cursors.decode(KEY_PLACE, of, {}, cursor)
        kept = {
            one.source_id: one
            for one in read_choices(world, account_id).sources
            if one.kind is SourceKind.ACTIONFIELD and not one.ending
        }
        ids = [one for one in sorted(kept) if after is None or one > after]
        shown = ids[:limit]
        more = shown[-1] if len(ids) > limit else None
        return ListOf[ActionfieldGroupShown](
            items=[_actionfield_group(kept[one]) for one in shown],
            next_cursor=cursors.encode(KEY_PLACE, of, {}, more),
        )

    @app.post(
        f"{ACCOUNT}/actionfield-groups",
        summary="Make a group of those who acted with an actionfield",
        status_code=201,
        **docs,
    )
    def post_actionfield_group(
        account_id: str, given: Annotated[ActionfieldGroupGiven, Body()]
    ) -> ActionfieldGroupShown:
        wanted = Wanted(given.name, given.actionfield, given.page_id, given.value)
        who, use_existing = app.context["who"], given.use_existing_group
        source = make_actionfield_group(world, account_id, who, wanted, use_existing)
        return _actionfield_group(source)

    @app.delete(
        f"{ACCOUNT}/actionfield-groups/<group_id>",
        summary="Delete an ActionField group; who was put into it leaves it",
        status_code=204,
        **docs,
    )
    def delete_actionfield_group_(account_id: str, group_id: SourceId) -> Response[str]:
        delete_actionfield_group(world, account_id, app.context["who"], group_id)
        return Response(status_code=204, body="")


def _add_groups(app: APIGatewayHttpResolver, world: World) -> None:
    docs: dict[str, Any] = {"tags": ["Groups"]}
    cursors = Cursors(world.consent_key)

    @app.get(f"{ACCOUNT}/groups", summary="Strive groups of the integration", **docs)
    def get_groups(account_id: str, limit: Limit = 50, cursor: Cursor = None) -> ListOf[GroupShown]:
        of = f"{account_id}/groups"
        place = cursors.decode(KEY_PLACE, of, {}, cursor)
        groups, after = list_groups(world, account_id, place, limit)
        return ListOf[GroupShown](
            items=[_group(one) for one in groups],
            next_cursor=cursors.encode(KEY_PLACE, of, {}, after),
        )

    @app.delete(
        f"{ACCOUNT}/groups/<group>",
        summary="Delete a group in Strive that is no longer kept up",
        status_code=204,
        **docs,
    )
    def delete_group_(account_id: str, group: PathId) -> Response[str]:
        delete_group(world, account_id, app.context["who"], group)
        return Response(status_code=204, body="")


# --- what is given and shown ---


def _filter(q: str, synced: Literal["true", "false"] | None) -> Filter:
    return Filter(q, None if synced is None else synced == "true")


def _naming(given: NamingGiven | None) -> Naming:
    return Naming() if given is None else Naming(given.group_name, given.use_existing_group)


def _page(page: Page, source: Source | None) -> PageShown:
    return PageShown(
        page_id=page.page_id,
        name=page.name,
        title=page.title or None,
        type=page.type,
        synced=source is not None,
        group=None if source is None else source.group_id,
        actions=page.actions,
        updated_at=page.updated_at,
    )


def _usergroup(usergroup: Usergroup, source: Source | None) -> UsergroupShown:
    return UsergroupShown(
        usergroup_id=usergroup.usergroup_id,
        name=usergroup.name,
        users=usergroup.users,
        synced=source is not None,
        group=None if source is None else source.group_id,
    )


def _actionfield_group(source: Source) -> ActionfieldGroupShown:
    return ActionfieldGroupShown(
        id=source.source_id,
        name=source.name,
        page_id=source.page_id,
        actionfield=source.actionfield or "",
        value=source.value,
        group=source.group_id,
    )


def _group(shown: ShownGroup) -> GroupShown:
    return GroupShown.model_validate(
        {
            "group": shown.group_id,
            "name": shown.name,
            "kind": shown.kind,
            "members": shown.members,
            "protected": shown.protected,
            "hold_id": shown.hold_id,
        }
    )
