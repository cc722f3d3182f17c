"""Strive's HTTP API on top of the world that it shows, and the control paths beside it."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from local.twins.http import Control, Faults, Request, Response, json_response, switched
from local.twins.strive.postgrest import (
    JSON_TYPE,
    Refused,
    content_range,
    filters_of,
    literal,
    no_such_column_to_write,
    page,
    preferences,
    projection,
    rows_of,
    rows_response,
    sort,
    window_of,
)
from local.twins.strive.tables import Row, Table
from local.twins.strive.unknowns import Unknowns
from local.twins.strive.world import (
    MEMBER_TEXTS,
    Actor,
    Campaign,
    Counts,
    World,
    forbidden,
    null_in,
    state_by_zip,
)

__all__ = ["Campaign", "Counts", "StriveTwin"]

_GROUP_COLUMNS: Final = frozenset(
    {"name", "campaign_id", "keyword", "synonyms", "flow_id", "groupable_type", "groupable_id"}
)


class StriveTwin(World):
    """A Strive organisation that answers HTTP requests.

    Bearer keys; every resource is read with PostgREST's conventions; members, groups and
    memberships are written. `/_twin/…` needs no key: it is where tests and people rehearsing do
    what organisers and texters do, switch unknowns and faults, and read the counts.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        rng: Random,
        unknowns: Unknowns | None = None,
        state_of: Callable[[str], str | None] = state_by_zip,
    ) -> None:
        super().__init__(clock, rng, unknowns, state_of)
        self.faults = Faults(rng, _trouble)
        self._control = Control(self.faults)
        self._requests: Counter[str] = Counter()
        self._rate_limited = 0
        self._recent: dict[str, deque[datetime]] = {}
        for method, name, answer in self._controls():
            self._control.add(method, name, answer)

    def handle(self, request: Request) -> Response:
        """Answers one request; raises Cut for an answer that never arrives."""
        try:
            control = self._control.handle(request)
            if control is not None:
                return control
            self._requests[f"{request.method} {request.path}"] += 1
            return self.faults.around(request, self._answer)
        except Refused as refused:
            return refused.response()

    def counts(self) -> Counts:
        """What happened since the start, or since `reset_counts`."""
        return Counts(
            dict(self._requests),
            self._texts_by_member.total(),
            dict(self._texts_by_flow),
            dict(self._texts_by_member),
            self._members_created,
            self._rate_limited,
        )

    def reset_counts(self) -> None:
        self._requests.clear()
        self._texts_by_flow.clear()
        self._texts_by_member.clear()
        self._members_created = self._rate_limited = 0

    # --- routes -----------------------------------------------------------------------------

    def _answer(self, request: Request) -> Response:
        try:
            key = self._key_of(request)
            self._limit_rate(key)
            return self._route(request, key)
        except Refused as refused:
            return refused.response()

    def _route(self, request: Request, key: str) -> Response:
        campaigns = self._keys[key]
        method, name = request.method, request.path.strip("/")
        if name == "rpc/ping" and method in ("GET", "POST"):
            return Response(200, b'"pong"', {"Content-Type": JSON_TYPE})
        table = self.tables.get(name)
        if table is None or not self._has_table(name):
            raise Refused(
                404, "PGRST205", f"Could not find the table 'public.{name}' in the schema cache"
            )
        if method in ("GET", "HEAD"):
            return self._read(table, campaigns, request)
        by = Actor(self._unknowns.api_change_type, str(self._key_numbers[key]), by_api=True)
        writes: Mapping[tuple[str, str], Callable[[frozenset[int], Request, Actor], Response]] = {
            ("POST", "members"): self._post_members,
            ("PATCH", "members"): self._patch_members,
            ("DELETE", "members"): self._delete_members,
            ("POST", "groups"): self._post_groups,
            ("PATCH", "groups"): self._patch_groups,
            ("DELETE", "groups"): self._delete_groups,
            ("POST", "groups_members"): self._post_memberships,
            ("DELETE", "groups_members"): self._delete_memberships,
        }
        write = writes.get((method, name))
        if write is None or not self._writable(method, name):
            status = self._unknowns.refused_write_status
            if status == 403:
                raise Refused(status, "42501", f"permission denied for table {name}")
            raise Refused(status, "PGRST117", f"Unsupported HTTP method: {method}")
        return write(campaigns, request, by)

    def _has_table(self, name: str) -> bool:
        unknowns = self._unknowns
        return {
            "member_change_log": unknowns.change_log_table,
            "members_custom_fields": unknowns.custom_values_table,
            "member_group_delete_log": unknowns.removals_table,
        }.get(name, True)

    def _writable(self, method: str, name: str) -> bool:
        if name != "members":
            return self._unknowns.write_groups
        if method == "PATCH":
            return self._unknowns.patch_members
        return method == "POST" or self._unknowns.delete_members

    def _key_of(self, request: Request) -> str:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Refused(401, "PGRST302", "Anonymous access is disabled")
        if key not in self._keys:
            raise Refused(401, "PGRST301", "No such key")
        return key

    def _limit_rate(self, key: str) -> None:
        limit = self._unknowns.rate_limit_per_minute
        if limit is None:
            return
        now = self._clock()
        recent = self._recent.setdefault(key, deque())
        while recent and recent[0] <= now - timedelta(seconds=60):
            recent.popleft()
        if len(recent) >= limit:
            self._rate_limited += 1
            raise _RateLimited(self._unknowns)
        recent.append(now)

    def _read(self, table: Table, campaigns: frozenset[int], request: Request) -> Response:
        query = dict(request.query)
        show = _shown_as(table, request)
        window = window_of(query, request.headers, self._unknowns.page_cap)
        filters = filters_of(table, request.query)
        rows = rows_of(table, campaigns, filters, self.now_written())
        sort(table, rows, query.get("order", ""))
        count_exact = "count=exact" in preferences(request.headers)
        return page(rows, window, show, count_exact)

    # --- members ----------------------------------------------------------------------------

    def _post_members(self, campaigns: frozenset[int], request: Request, by: Actor) -> Response:
        body = _parsed(request)
        if isinstance(body, list) and not self._unknowns.bulk_post:
            raise Refused(400, "PGRST102", "Expected a single object")
        rows = [self._post_member(campaigns, each, by) for each in _objects(body)]
        return self._created(self.tables["members"], rows, request)

    def _post_member(self, campaigns: frozenset[int], body: Mapping[str, Any], by: Actor) -> Row:
        values = self._member_values({k: v for k, v in body.items() if k != "groups"})
        campaign_id, number = values.pop("campaign_id", None), values.pop("phone_number", None)
        if campaign_id is None:
            raise null_in("members", "campaign_id")
        if number is None:
            raise null_in("members", "phone_number")
        if campaign_id not in campaigns:
            raise forbidden("members")
        joins = self._groups_asked(campaign_id, body.get("groups"))
        if values.get("opt_in", False) is None:
            del values["opt_in"]
        row = self.row_by_number(campaign_id, number)
        if row is None:
            row = self.create_member(campaign_id, number, values, by)
        else:
            if self._unknowns.blanks_on_post == "keep":
                values = {k: v for k, v in values.items() if v not in (None, "")}
            self.change_member(row, values, by)
        wanted = [
            group["id"] if group else self.create_group(campaign_id, {"name": name})["id"]
            for name, group in joins
        ]
        for group_id in wanted:
            self.join(group_id, row["id"], by)
        if self._unknowns.groups_on_post == "replace" and body.get("groups") is not None:
            for membership in self.tables["groups_members"].found("member_id", row["id"]):
                if membership["group_id"] not in wanted:
                    self.leave(membership, by)
        return row

    def _groups_asked(self, campaign_id: int, asked: Any) -> list[tuple[str, Row | None]]:
        """Groups by name (None: to be made) or by id, checked before anything is written."""
        if asked is None:
            return []
        if not isinstance(asked, list) or not all(isinstance(each, dict) for each in asked):
            raise Refused(400, "22P02", "groups must be an array of objects")
        found: list[tuple[str, Row | None]] = []
        for each in asked:
            name = each.get("name")
            if self._unknowns.groups_by_id and isinstance(each.get("id"), int):
                group = self._groups.get(each["id"])
                if group is None or group["campaign_id"] != campaign_id:
                    raise Refused(409, "23503", "no such group")
                found.append((group["name"], group))
            elif isinstance(name, str) and name:
                if name not in (earlier for earlier, _ in found):
                    found.append((name, self.group_named(campaign_id, name)))
            else:
                raise null_in("groups", "name")
        return found

    def _patch_members(self, campaigns: frozenset[int], request: Request, by: Actor) -> Response:
        table = self.tables["members"]
        values = self._member_values(_object(request))
        for column in ("campaign_id", "phone_number", "opt_in"):
            if column in values and values[column] is None:
                raise null_in("members", column)
        rows = self._meant(table, campaigns, request, "UPDATE")
        if any(values.get("campaign_id", row["campaign_id"]) != row["campaign_id"] for row in rows):
            raise forbidden("members")
        values.pop("campaign_id", None)
        show = _shown_as(table, request)
        for row in rows:
            self.change_member(row, values, by)
        return _changed([show(row) for row in rows], request)

    def _delete_members(self, campaigns: frozenset[int], request: Request, by: Actor) -> Response:
        table = self.tables["members"]
        rows = self._meant(table, campaigns, request, "DELETE")
        shown = list(map(_shown_as(table, request), rows))
        for row in rows:
            self.remove_member(row, by)
        return _changed(shown, request)

    def _member_values(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A body's columns, each a value of its type. Refused if it has any other."""
        table = self.tables["members"]
        values: dict[str, Any] = {}
        for column, value in body.items():
            if column not in table.columns:
                raise no_such_column_to_write(table, column)
            kind = table.columns[column]
            if column in (*MEMBER_TEXTS, "source", "phone_number"):
                if isinstance(value, dict | list):
                    value = json.dumps(value, ensure_ascii=False)
                values[column] = None if value is None else str(value)
            elif column in ("campaign_id", "opt_in"):
                native = type(value) is (int if kind == "int" else bool)
                known = value is None or native
                values[column] = value if known else literal(kind, str(value))
            elif column == "custom":
                if value is not None and not isinstance(value, dict):
                    raise Refused(400, "22P02", "custom must be an object")
                values[column] = value or {}
            else:
                raise Refused(400, "428C9", f'column "{column}" can only be updated to DEFAULT')
        return values

    # --- groups -----------------------------------------------------------------------------

    def _post_groups(self, campaigns: frozenset[int], request: Request, by: Actor) -> Response:
        del by  # group changes are in no log
        bodies = _objects(_parsed(request))
        for body in bodies:
            self._check_group(body, campaigns)
            if body.get("campaign_id") is None:
                raise null_in("groups", "campaign_id")
        rows = [
            self.create_group(
                int(body["campaign_id"]), {**body, "campaign_id": int(body["campaign_id"])}
            )
            for body in bodies
        ]
        return self._created(self.tables["groups"], rows, request)

    def _patch_groups(self, campaigns: frozenset[int], request: Request, by: Actor) -> Response:
        del by
        table = self.tables["groups"]
        body = _object(request)
        self._check_group(body, campaigns)
        rows = self._meant(table, campaigns, request, "UPDATE")
        values = {k: v for k, v in body.items() if k != "campaign_id"}
        show = _shown_as(table, request)
        for row in rows:
            self.change_group(row, values)
        return _changed([show(row) for row in rows], request)

    def _delete_groups(self, campaigns: frozenset[int], request: Request, by: Actor) -> Response:
        table = self.tables["groups"]
        rows = self._meant(table, campaigns, request, "DELETE")
        shown = list(map(_shown_as(table, request), rows))
        for row in rows:
            self.remove_group(row, by)
        return _changed(shown, request)

    def _check_group(self, body: Mapping[str, Any], campaigns: frozenset[int]) -> None:
        table = self.tables["groups"]
        for column in body:
            if column not in table.columns:
                raise no_such_column_to_write(table, column)
            if column not in _GROUP_COLUMNS:
                raise Refused(400, "428C9", f'column "{column}" can only be updated to DEFAULT')
        campaign_id = body.get("campaign_id")
        if campaign_id is not None and literal("int", str(campaign_id)) not in campaigns:
            raise forbidden("groups")

    def _post_memberships(self, campaigns: frozenset[int], request: Request, by: Actor) -> Response:
        table = self.tables["groups_members"]
        ignore = "resolution=ignore-duplicates" in preferences(request.headers)
        pairs: dict[tuple[int, int], None] = {}
        for body in _objects(_parsed(request)):
            for column in body:
                if column not in table.columns:
                    raise no_such_column_to_write(table, column)
            for column in ("group_id", "member_id"):
                if body.get(column) is None:
                    raise null_in("groups_members", column)
            pair = (literal("int", str(body["group_id"])), literal("int", str(body["member_id"])))
            self.check_join(campaigns, *pair)
            if not ignore and (pair in pairs or self.membership(*pair) is not None):
                raise Refused(
                    409,
                    "23505",
                    'duplicate key value violates unique constraint "groups_members_pkey"',
                    f"Key (group_id, member_id)=({pair[0]}, {pair[1]}) already exists.",
                )
            pairs[pair] = None
        joined = [pair for pair in pairs if self.join(*pair, by)]
        rows = [self._memberships[pair] for pair in joined]
        return self._created(table, rows, request)

    def _delete_memberships(
        self, campaigns: frozenset[int], request: Request, by: Actor
    ) -> Response:
        table = self.tables["groups_members"]
        rows = self._meant(table, campaigns, request, "DELETE")
        shown = list(map(_shown_as(table, request), rows))
        for row in rows:
            self.leave(row, by)
        return _changed(shown, request)

    # --- what the writes share ----------------------------------------------------------------

    def _meant(
        self, table: Table, campaigns: frozenset[int], request: Request, verb: str
    ) -> list[Row]:
        """The rows that a PATCH or DELETE is about. One without a filter would be about all of
        them and is refused."""
        filters = filters_of(table, request.query)
        if not filters:
            raise Refused(400, "21000", f"{verb} requires a WHERE clause")
        return rows_of(table, campaigns, filters, self.now_written())

    def _created(self, table: Table, rows: list[Row], request: Request) -> Response:
        answer = self._unknowns.post_answer if table.name == "members" else "as_preferred"
        asked = "return=representation" in preferences(request.headers)
        if answer == "empty" or (answer == "as_preferred" and not asked):
            return Response(201, b"", {"Content-Range": "*/*"})
        show = _shown_as(table, request)
        return rows_response(201, [show(row) for row in rows], "*/*")

    # --- control ------------------------------------------------------------------------------

    def _controls(self) -> list[tuple[str, str, Callable[[Any], object]]]:
        return [
            ("GET", "counts", lambda _: asdict(self.counts())),
            ("POST", "reset-counts", lambda _: self.reset_counts()),
            ("GET", "unknowns", lambda _: asdict(self._unknowns)),
            ("POST", "unknowns", self._switch),
            ("GET", "texts", lambda _: self.texts()),
            ("POST", "add-campaign", self._add_campaign),
            (
                "POST",
                "add-custom-field",
                lambda body: self.add_custom_field(
                    body["strive_campaign_id"],
                    body["field"],
                    body.get("label", ""),
                    body.get("type", "text"),
                ),
            ),
            ("POST", "add-member", self._add_member),
            (
                "POST",
                "edit-member",
                lambda body: {
                    "changed": self.edit_member(
                        body["member_id"],
                        organizer_id=body.get("organizer_id", 1),
                        **body["fields"],
                    )
                },
            ),
            ("POST", "delete-member", lambda body: self.delete_member(body["member_id"])),
            ("POST", "text-in", self._text_in),
            (
                "POST",
                "add-flow",
                lambda body: {"flow_id": self.add_flow(body["strive_campaign_id"], body["name"])},
            ),
            (
                "POST",
                "add-group",
                lambda body: {
                    "group_id": self.add_group(
                        body["strive_campaign_id"], body["name"], body.get("flow_id")
                    )
                },
            ),
            (
                "POST",
                "edit-group",
                lambda body: self.edit_group(body["group_id"], **body["fields"]),
            ),
            ("POST", "delete-group", lambda body: self.delete_group(body["group_id"])),
            (
                "POST",
                "group-members",
                lambda body: self.group_members(body["group_id"]),
            ),
            (
                "POST",
                "join-group",
                lambda body: {"joined": self.join_group(body["group_id"], body["member_id"])},
            ),
            (
                "POST",
                "leave-group",
                lambda body: self.leave_group(body["group_id"], body["member_id"]),
            ),
            (
                "POST",
                "new-member-automation",
                lambda body: self.set_new_member_automation(
                    body["strive_campaign_id"], body["flow_id"]
                ),
            ),
        ]

    def _switch(self, body: Any) -> object:
        self.unknowns = switched(self._unknowns, body)
        return asdict(self._unknowns)

    def _add_campaign(self, body: Any) -> object:
        campaign = self.add_campaign((body or {}).get("name", "Campaign"))
        return {"strive_campaign_id": campaign.campaign_id, "api_key": campaign.api_key}

    def _add_member(self, body: Any) -> object:
        values = {key: value for key, value in body.items() if key != "strive_campaign_id"}
        return {"member_id": self.add_member(body["strive_campaign_id"], **values)}

    def _text_in(self, body: Any) -> object:
        who = body.get("member_id") or (body["strive_campaign_id"], body["phone_number"])
        return {"member_id": self.text_in(who, body["message"])}


class _RateLimited(Refused):
    def __init__(self, unknowns: Unknowns) -> None:
        super().__init__(unknowns.rate_limit_status, "PGRST000", "Too many requests")
        self._after_seconds = unknowns.rate_limit_retry_after_seconds

    def response(self) -> Response:
        after = self._after_seconds
        headers = {} if after is None else {"Retry-After": str(after)}
        return json_response(self.status, self.body, {"Content-Type": JSON_TYPE, **headers})


def _trouble(status: int) -> Response:
    messages = {429: "Too many requests", 503: "Could not query the database for the schema cache"}
    return Refused(status, "PGRST000", messages.get(status, "Internal error")).response()


def _shown_as(table: Table, request: Request) -> Callable[[Row], dict[str, Any]]:
    return projection(table, dict(request.query).get("select", "*"))


def _parsed(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except ValueError:
        raise Refused(400, "PGRST102", "Empty or invalid json") from None


def _objects(body: Any) -> list[dict[str, Any]]:
    bodies = body if isinstance(body, list) else [body]
    if not all(isinstance(each, dict) for each in bodies):
        raise Refused(400, "PGRST102", "Empty or invalid json")
    return bodies


def _object(request: Request) -> dict[str, Any]:
    body = _parsed(request)
    if not isinstance(body, dict):
        raise Refused(400, "PGRST102", "Empty or invalid json")
    return body


def _changed(shown: list[dict[str, Any]], request: Request) -> Response:
    """The answer to a PATCH or DELETE of rows: 200 with them if asked for, else 204."""
    preferred = preferences(request.headers)
    range_ = content_range(0, len(shown), len(shown) if "count=exact" in preferred else None)
    if "return=representation" in preferred:
        return rows_response(200, shown, range_)
    return Response(204, b"", {"Content-Range": range_})
