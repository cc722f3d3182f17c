"""The REST resources: routing, lists, and each resource's reads and writes."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from local.twins.actionkit.actions import ActionRefused, Actions, PageNotFound
from local.twins.actionkit.database import PAGE_TYPES, USER_TEXT_COLUMNS, Database
from local.twins.actionkit.functions import as_stored, iso
from local.twins.actionkit.records import PHONE_LENGTH, Conflict, Records, akid, as_text
from local.twins.actionkit.reports import Reports
from local.twins.actionkit.uploads import UploadRefused, Uploads, form_of
from local.twins.http import Request, Response, json_response

ROOT = "/rest/v1/"
MAX_LIMIT = 100
DEFAULT_LIMIT = 20
TRY_AGAIN = "Sorry, this request could not be processed. Please try again later."

Row = dict[str, Any]
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_COMPARISONS = {
    "exact": "= ?",
    "iexact": "= ?",
    "gt": "> ?",
    "gte": ">= ?",
    "lt": "< ?",
    "lte": "<= ?",
}
_PATTERNS = {
    "contains": "%{}%",
    "icontains": "%{}%",
    "startswith": "{}%",
    "istartswith": "{}%",
}
_OPERATORS = (*_COMPARISONS, *_PATTERNS, "in", "isnull")
_CLOCKS = {"created_at": "created_at", "updated_at": "updated_at"}
_FLAGS = frozenset(
    {
        "hidden",
        "is_default",
        "required",
        "allow_multiple",
        "always_show",
        "created_user",
        "subscribed_user",
        "is_forwarded",
        "allow_multiple_responses",
        "never_spam_check",
        "real_actions",
        "send_email",
        "send_notifications",
        "send_pushes",
        "send_texts",
        "send_taf",
        "subscribe",
        "subscribe_if_new",
        "unsubscribe",
        "unsubscribe_all",
    }
)
_DEFINITION = (
    "display_name",
    "description",
    "field_type",
    "field_choices",
    "field_default",
    "field_regex",
    "field_length",
    "required",
    "allow_multiple",
    "always_show",
    "hidden",
    "order_index",
)
_PAGE = (
    "title",
    "url",
    "status",
    "hidden",
    "notes",
    "never_spam_check",
    "real_actions",
    "allow_multiple_responses",
)
_IMPORT = ("subscribe", "subscribe_if_new", "unsubscribe", "unsubscribe_all", "default_source")


class Answer(Exception):
    """Ends the handling of a request with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def empty(status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, b"", {**_HTML, **(headers or {})})


def server_error() -> Response:
    return json_response(500, {"error": TRY_AGAIN})


def uri(resource: str, key: object) -> str:
    return f"{ROOT}{resource}/{key}/"


def id_in(value: object) -> int:
    """The id in a path, a full URI or a bare number. Raises ValueError."""
    return int(re.sub(r"/$", "", str(value)).rpartition("/")[2])


def shown(row: Row) -> Row:
    """A row as JSON: times in the API's form, flags as booleans."""
    return {
        name: bool(value)
        if name in _FLAGS and value is not None
        else iso(value)
        if name.endswith("_at") and value
        else value
        for name, value in row.items()
    }


@dataclass(frozen=True)
class Resource:
    """One resource: its table, what its lists can be filtered and ordered by, and its methods.

    ``filters`` maps names of the API to columns. ``people`` tells whose values rows show.
    """

    name: str
    table: str
    show: Callable[[Row], Row]
    key: str = "id"
    filters: Mapping[str, str] = field(default_factory=dict)
    order: Sequence[str] = ("id", "created_at")
    where: str = "1"
    people: Callable[[Sequence[Row]], Iterable[int]] = lambda _: ()
    create: Callable[[Request, Row], Response] | None = None
    change: Callable[[Row, Row], None] | None = None
    remove: Callable[[Row], None] | None = None
    unique: Collection[str] = ()

    @property
    def list_methods(self) -> list[str]:
        return ["get"] + (["post"] if self.create else [])

    @property
    def detail_methods(self) -> list[str]:
        return (
            ["get"]
            + (["put", "patch"] if self.change else [])
            + (["delete"] if self.remove else [])
        )


class Rest:
    """Everything under ``/rest/v1/`` for a caller who may.

    ``count_values`` is told whose values a request read or wrote; ``admit`` is asked before a
    user is written (None: one that does not exist yet).
    """

    def __init__(
        self,
        database: Database,
        records: Records,
        actions: Actions,
        uploads: Uploads,
        reports: Reports,
        admit: Callable[[int | None], None],
        count_values: Callable[[Collection[int]], None],
    ) -> None:
        self._db = database
        self._records = records
        self._actions = actions
        self._uploads = uploads
        self._reports = reports
        self._admit = admit
        self._count_values = count_values
        self.resources = {resource.name: resource for resource in self._resources()}

    # routing --------------------------------------------------------------------------------

    def resource_of(self, request: Request) -> str:
        """The resource that a path names; empty for the root."""
        return request.path.removeprefix(ROOT).partition("/")[0]

    def handle(self, request: Request, authenticated: bool = True) -> Response:
        parts = [part for part in request.path.removeprefix(ROOT).split("/") if part]
        try:
            return self._route(request, parts, authenticated)
        except Answer as answer:
            return answer.response
        except (ValueError, sqlite3.IntegrityError):
            return server_error()  # what it did not expect is a 500 there too
        except Conflict as conflict:
            name = "alloweduserfield" if isinstance(conflict.owner, str) else parts[0]
            resource = "user" if conflict.key == "email" else name
            where = uri(resource, conflict.owner)
            message = (
                f"Conflict on unique key '{conflict.key}' for value '{conflict.value}', "
                f"existing location: {where}"
            )
            headers = {"Location": self._absolute(request, where)}
            return json_response(409, {"errors": {conflict.key: [message]}}, headers)

    def _route(self, request: Request, parts: list[str], authenticated: bool) -> Response:
        if not parts:
            return json_response(200, self._discovery())
        if parts == ["report", "run", "sql"]:
            if request.method != "POST":
                return empty(405)
            return self._reports.run(self._body(request), request.headers.get("accept", ""))
        name, *rest = parts
        if name == "action" and not rest and request.method == "POST":
            return self._act(request, authenticated)
        resource = self.resources.get(name)
        if resource is None or len(rest) > 1:
            return empty(404)
        if rest == ["schema"]:
            return json_response(200, self._schema(resource))
        if not rest:
            return self._collection(request, resource)
        return self._detail(request, resource, rest[0])

    def _collection(self, request: Request, resource: Resource) -> Response:
        if request.method == "PUT":
            return server_error()
        if request.method.lower() not in resource.list_methods:
            return empty(405)
        if request.method == "GET":
            return json_response(200, self._list(request, resource), {"Cache-Control": "no-cache"})
        body = {} if resource.name == "upload" else self._body(request)
        assert resource.create is not None
        return resource.create(request, body)

    def _detail(self, request: Request, resource: Resource, key: str) -> Response:
        if request.method.lower() not in resource.detail_methods:
            return empty(405)
        row = None
        if resource.key != "id" or key.isdigit():
            row = self._db.row(
                f"SELECT * FROM {resource.table} WHERE {resource.where} AND {resource.key} = ?",
                (key if resource.key != "id" else int(key),),
            )
        if row is None:
            raise Answer(self._missing(request, resource, key))
        if request.method == "GET":
            self._count_values(set(resource.people([row])))
            return json_response(200, resource.show(row))
        concerned = set(resource.people([row]))
        for user_id in concerned:
            self._admit(user_id)
        if request.method == "DELETE":
            assert resource.remove is not None
            resource.remove(row)
        else:
            body = self._body(request)
            assert resource.change is not None
            resource.change(row, body)
            self._count_values(concerned)
        return empty(202 if request.method == "PATCH" else 204)

    def _missing(self, request: Request, resource: Resource, key: str) -> Response:
        if (
            resource.name == "user"
            and key.isdigit()
            and self._records.unknowns.merged_user == "redirect"
        ):
            left = self._records.merged_into(int(key))
            if left is not None:
                return empty(301, {"Location": self._absolute(request, uri("user", left))})
        return empty(404)

    def _body(self, request: Request) -> Row:
        kind = request.headers.get("content-type", "")
        if kind.startswith("application/x-www-form-urlencoded"):
            form = parse_qs(request.body.decode(errors="replace"), keep_blank_values=True)
            return {name: values if len(values) > 1 else values[0] for name, values in form.items()}
        try:
            body = json.loads(request.body or b"null")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Answer(json_response(400, {"error": "The body is not a JSON object."}))
        return body

    def _absolute(self, request: Request, path: str) -> str:
        host = request.headers.get("host", "actionkit.example.org")
        scheme = "http" if host.startswith("127.0.0.1") else "https"
        return f"{scheme}://{host}{path}"

    def _created(self, request: Request, path: str) -> Response:
        return empty(201, {"Location": self._absolute(request, path)})

    # discovery ------------------------------------------------------------------------------

    def _discovery(self) -> Row:
        return {
            name: {"list_endpoint": f"{ROOT}{name}/", "schema": f"{ROOT}{name}/schema/"}
            for name in sorted(self.resources)
        }

    def _allowed_filters(self, resource: Resource) -> dict[str, str]:
        filters = dict(resource.filters)
        if not self._records.unknowns.updated_at_filter:
            filters.pop("updated_at", None)
        return filters

    def _allowed_order(self, resource: Resource) -> list[str]:
        timed = self._records.unknowns.updated_at_filter and "updated_at" in resource.filters
        return list(dict.fromkeys((*resource.order, *(["updated_at"] if timed else []))))

    def _schema(self, resource: Resource) -> Row:
        fields = {
            row["name"]: {
                "type": "integer" if row["type"] in ("INTEGER", "REAL") else "string",
                "nullable": not row["notnull"],
                "unique": row["name"] in resource.unique,
                "readonly": row["name"] in ("id", "created_at", "updated_at"),
                "blank": bool(row["dflt_value"]),
                "help_text": "",
            }
            for row in self._db.rows(f"PRAGMA table_info({resource.table})")
        }
        return {
            "allowed_detail_http_methods": resource.detail_methods,
            "allowed_list_http_methods": resource.list_methods,
            "default_format": "application/json",
            "default_limit": DEFAULT_LIMIT,
            "fields": fields,
            "filtering": dict.fromkeys(self._allowed_filters(resource), "all"),
            "ordering": self._allowed_order(resource),
        }

    # lists ----------------------------------------------------------------------------------

    def _list(self, request: Request, resource: Resource) -> Row:
        where, values = self._where(request, resource)
        limit = self._number(request, "_limit", DEFAULT_LIMIT)
        limit = MAX_LIMIT if limit == 0 else min(limit, MAX_LIMIT)
        offset = self._number(request, "_offset", 0)
        source = f"FROM {resource.table} WHERE {where}"
        total = self._db.value(f"SELECT COUNT(*) {source}", values)
        rows = self._db.rows(
            f"SELECT * {source} ORDER BY {self._order(request, resource)} LIMIT ? OFFSET ?",
            (*values, limit, offset),
        )
        self._count_values(set(resource.people(rows)))
        return {
            "meta": {
                "limit": limit,
                "next": self._page(request, limit, offset + limit)
                if offset + limit < total
                else None,
                "offset": offset,
                "previous": self._page(request, limit, max(0, offset - limit)) if offset else None,
                "total_count": total,
            },
            "objects": [resource.show(row) for row in rows],
        }

    def _page(self, request: Request, limit: int, offset: int) -> str:
        filters = [pair for pair in request.query if pair[0] not in ("_limit", "_offset")]
        return f"{request.path}?" + urlencode(
            [("_offset", str(offset)), ("_limit", str(limit)), *filters]
        )

    def _number(self, request: Request, name: str, default: int) -> int:
        values = request.values(name)
        if not values:
            return default
        if not values[-1].isdigit():
            raise Answer(json_response(400, {"error": f"Invalid {name} provided."}))
        return int(values[-1])

    def _order(self, request: Request, resource: Resource) -> str:
        names = [part for value in request.values("order_by") for part in value.split(",")]
        if not names:
            # not by id, and the same for the same rows
            return "rowid * 7919 % 1009, rowid"
        terms = []
        for name in names:
            plain = name.removeprefix("-")
            if plain not in self._allowed_order(resource):
                message = f"No matching '{plain}' field for ordering on."
                raise Answer(json_response(400, {"error": message}))
            terms.append(f"{plain} {'DESC' if name.startswith('-') else 'ASC'}")
        return ", ".join([*terms, "rowid"])

    def _where(self, request: Request, resource: Resource) -> tuple[str, list[Any]]:
        clauses, values = [resource.where], []
        filters = self._allowed_filters(resource)
        known = set(self._db.values(f"SELECT name FROM pragma_table_info('{resource.table}')"))
        for name in dict.fromkeys(key for key, _ in request.query):
            plain, _, operator = name.partition("__")
            operator = operator or "exact"
            if plain not in filters:
                if plain in known:
                    message = f"The '{plain}' field does not allow filtering."
                    raise Answer(json_response(400, {"error": message}))
                continue  # as the engine behind it does: a name it does not know is not looked at
            if operator not in _OPERATORS:
                message = f"'{operator}' is not an allowed filter on the '{plain}' field."
                raise Answer(json_response(400, {"error": message}))
            column = filters[plain]
            if operator == "isnull":
                is_null = request.values(name)[-1].lower() in ("true", "1")
                clauses.append(f"{column} IS {'' if is_null else 'NOT '}NULL")
                continue
            texts = request.values(name)
            if operator == "in" and len(texts) == 1:
                texts = texts[0].split(",")
            given = [self._filter_value(column, text) for text in texts]
            if operator == "in":
                clauses.append(f"{column} IN ({', '.join('?' for _ in given)})")
                values.extend(given)
            elif operator in _PATTERNS:
                clauses.append(f"{column} LIKE ?")
                values.append(_PATTERNS[operator].format(given[-1]))
            else:
                clauses.append(f"{column} {_COMPARISONS[operator]}")
                values.append(given[-1])
        return " AND ".join(clauses), values

    def _filter_value(self, column: str, text: str) -> Any:
        try:
            if column.endswith("_at"):
                return as_stored(text)
            if column == "id" or column.endswith("_id"):
                return id_in(text)
        except ValueError as error:
            raise Answer(json_response(400, {"error": "Invalid value of a filter."})) from error
        return {"true": 1, "false": 0}.get(text.lower(), text) if column in _FLAGS else text

    # actions --------------------------------------------------------------------------------

    def _act(self, request: Request, authenticated: bool) -> Response:
        body = self._body(request)
        page = as_text(body.get("page"))
        parameters = {name: value for name, value in body.items() if name not in ("page", "id")}
        created_at = parameters.pop("created_at", None)
        try:
            created_at = as_stored(as_text(created_at)) or None
            action_id = self._actions.take(
                page, parameters, ip_address="192.0.2.1", created_at=created_at
            )
        except PageNotFound:
            return json_response(400, {"page": f"No page is named '{page}'."})
        except ActionRefused as refused:
            return json_response(400, {"errors": refused.errors})
        except ValueError:
            return json_response(400, {"errors": {"created_at": ["Enter a valid date/time."]}})
        row = self._action_row(action_id)
        self._count_values({row["user_id"]})
        answer = self._show_action(row)
        token = answer["akid"]
        redirect = f"/cms/thanks/{page}/?action_id={action_id}&akid={token}&ar=1&rd=1"
        headers = {"Location": self._absolute(request, answer["resource_uri"])}
        if not authenticated or self._records.unknowns.action_answer == "short":
            short = {"action_id": action_id, "akid": token, "rd": 1, "redirect_url": redirect}
            return json_response(201, short, headers)
        return json_response(201, {**answer, "redirect_url": redirect}, headers)

    def _action_row(self, action_id: int) -> Row:
        return self._db.row("SELECT * FROM core_action WHERE id = ?", (action_id,)) or {}

    def _page_type(self, page_id: int) -> str:
        return str(self._db.value("SELECT type FROM core_page WHERE id = ?", (page_id,)))

    def _show_action(self, row: Row) -> Row:
        type_ = self._page_type(row["page_id"])
        user, page, mailing = row["user_id"], row["page_id"], row["mailing_id"]
        return {
            **shown({name: value for name, value in row.items() if not name.endswith("_id")}),
            "akid": akid(user),
            "fields": self._values_by_name("core_actionfield", row["id"]),
            "mailing": None if mailing is None else uri("mailing", mailing),
            "opq_id": row["opq_id"],
            "page": uri(f"{type_.lower()}page", page),
            "referring_mailing": None,
            "referring_user": None,
            "resource_uri": uri(f"{type_.lower()}action", row["id"]),
            "type": type_,
            "user": uri("user", user),
        }

    def _values_by_name(self, table: str, parent_id: int) -> Row:
        values: dict[str, list[str]] = {}
        for row in self._db.rows(
            f"SELECT name, value FROM {table} WHERE parent_id = ? ORDER BY id", (parent_id,)
        ):
            values.setdefault(row["name"], []).append(row["value"])
        multiple = table == "core_userfield"
        return {
            name: several
            if len(several) > 1
            or (multiple and (self._records.userfield(name) or {}).get("allow_multiple"))
            else several[0]
            for name, several in values.items()
        }

    def _change_action(self, row: Row, body: Row) -> None:
        changes: dict[str, str] = {
            name: as_text(body[name]) for name in ("source", "status") if name in body
        }
        self._records.edit_action(row["id"], changes, body.get("fields"))

    def _user_of_action(self, action_id: int) -> int:
        return int(self._action_row(action_id)["user_id"])

    def _change_actionfield(self, row: Row, body: Row) -> None:
        changes: Row = {name: as_text(body[name]) for name in ("name", "value") if name in body}
        if "parent" in body:
            changes["parent_id"] = id_in(body["parent"])
        if changes:
            self._db.update("core_actionfield", row["id"], **changes)
            for action_id in {row["parent_id"], changes.get("parent_id", row["parent_id"])}:
                self._records.action_moved(action_id, "actionfield")

    def _remove_actionfield(self, row: Row) -> None:
        self._db.delete("core_actionfield", row["id"])
        self._records.action_moved(row["parent_id"], "actionfield")

    # users ----------------------------------------------------------------------------------

    def _show_user(self, row: Row) -> Row:
        user_id = row["id"]
        links = {
            name: f"{ROOT}{resource}/?{key}={user_id}"
            for name, resource, key in (
                ("actions", "action", "user"),
                ("events", "event", "creator"),
                ("eventsignups", "eventsignup", "user"),
                ("orders", "order", "user"),
                ("orderrecurrings", "orderrecurring", "user"),
                ("subscriptions", "subscription", "user"),
                ("subscriptionhistory", "subscriptionhistory", "user"),
                ("usermailings", "usermailing", "user"),
                ("usergeofields", "usergeofield", "user"),
            )
        }
        columns = {
            name: value for name, value in row.items() if name not in ("lang_id", "email_domain")
        }
        groups = self._db.rows(
            "SELECT g.id, g.name FROM core_user_groups m JOIN core_usergroup g"
            " ON g.id = m.usergroup_id WHERE m.user_id = ? ORDER BY g.id",
            (user_id,),
        )
        phones = self._db.values(
            "SELECT id FROM core_phone WHERE user_id = ? ORDER BY id", (user_id,)
        )
        return {
            **shown(columns),
            **links,
            "fields": self._values_by_name("core_userfield", user_id),
            "groups": [
                {"name": group["name"], "resource_uri": uri("usergroup", group["id"])}
                for group in groups
            ],
            "lang": None if row["lang_id"] is None else uri("language", row["lang_id"]),
            "location": uri("location", user_id),
            "logintoken": f"{ROOT}user/{user_id}/logintoken/",
            "phones": [uri("phone", phone_id) for phone_id in phones],
            "resource_uri": uri("user", user_id),
            "token": akid(user_id),
            "useroriginal": uri("useroriginal", user_id),
        }

    def _user_columns(self, body: Row) -> dict[str, str]:
        columns = {
            name: as_text(body[name]).strip()
            for name in (*USER_TEXT_COLUMNS, "email", "subscription_status")
            if name in body
        }
        if "email" in columns and "@" not in columns["email"]:
            raise self._invalid("user", "email", "Enter a valid email address.")
        return columns

    def _invalid(self, resource: str, name: str, message: str) -> Answer:
        return Answer(json_response(400, {resource: {name: [message]}}))

    def _create_user(self, request: Request, body: Row) -> Response:
        columns = self._user_columns(body)
        email = columns.pop("email", "")
        if not email:
            raise self._invalid("user", "email", "This field is required.")
        self._check_fields(body)
        self._admit(None)
        user_id = self._records.add_user(email, columns)
        self._write_fields(user_id, body, replace=False)
        self._count_values({user_id})
        return self._created(request, uri("user", user_id))

    def _change_user(self, row: Row, body: Row) -> None:
        columns = self._user_columns(body)
        self._check_fields(body)
        self._records.edit_user(row["id"], **columns)
        replace = self._records.unknowns.patch_fields == "replace"
        self._write_fields(row["id"], body, replace)
        if "groups" in body:
            wanted = {
                id_in(group["resource_uri"] if isinstance(group, dict) else group)
                for group in body["groups"]
            }
            now = set(self._records.groups_of(row["id"]))
            for usergroup_id in sorted(now - wanted):
                self._records.leave(row["id"], usergroup_id)
            for usergroup_id in sorted(wanted - now):
                self._records.join(row["id"], usergroup_id)
        for phone in body.get("phones", ()):
            if isinstance(phone, dict):
                type_, source = phone.get("type") or "home", phone.get("source") or "api"
                self._records.add_phone(row["id"], as_text(phone.get("phone")), type_, source)

    def _check_fields(self, body: Row) -> None:
        for name, value in (body.get("fields") or {}).items():
            if self._records.userfield(name) is None:
                raise self._invalid("user", "fields", f"There is no user field '{name}'.")
            texts = [as_text(one) for one in (value if isinstance(value, list) else [value])]
            why_not = self._records.userfield_refuses(name, texts)
            if why_not is not None:
                raise self._invalid("user", "fields", f"{name}: {why_not}")

    def _write_fields(self, user_id: int, body: Row, replace: bool) -> None:
        if "fields" not in body:
            return
        fields = body["fields"] or {}
        if replace:
            kept = {name.lower() for name in fields}
            for name in dict.fromkeys(row["name"] for row in self._records.field_rows(user_id)):
                if name.lower() not in kept:
                    self._records.remove_field(user_id, name)
        for name, value in fields.items():
            texts = [as_text(one) for one in value] if isinstance(value, list) else as_text(value)
            self._records.set_field(user_id, name, texts)

    def _merge(self, request: Request, body: Row) -> Response:
        try:
            primary = id_in(body["primary_user"])
            users = [id_in(user) for user in body["users"]]
            address = id_in(body["address_user"]) if body.get("address_user") else None
        except (KeyError, ValueError, TypeError) as error:
            raise self._invalid("usermerge", "errors", "Users are missing.") from error
        for user_id in {primary, *users} | ({address} if address else set()):
            if not self._records.has_user(user_id):
                raise self._invalid("usermerge", "users", "There is no such user.")
        merge_id = self._records.merge(primary, users, address)
        self._count_values({primary, *users})
        return self._created(request, uri("usermerge", merge_id))

    def _erase(self, request: Request, body: Row) -> Response:
        user_id = self._records.user_id_of(as_text(body.get("email")))
        if body.get("user_id"):
            user_id = id_in(body["user_id"])
        if user_id is None or not self._records.has_user(user_id):
            raise self._invalid("eraser", "errors", "There is no such user.")
        self._records.erase(
            user_id,
            userfields=bool(body.get("user_fields", True)),
            actionfields=bool(body.get("action_fields", True)),
        )
        self._count_values({user_id})
        return self._created(request, uri("user", user_id))

    # userfields -----------------------------------------------------------------------------

    def _owner(self, resource: str, body: Row, *names: str) -> int:
        for name in names:
            if name in body:
                try:
                    user_id = id_in(body[name])
                except ValueError:
                    break
                if self._records.has_user(user_id):
                    self._admit(user_id)
                    self._count_values({user_id})
                    return user_id
                break
        raise self._invalid(resource, names[0], "There is no such user.")

    def _show_userfield(self, row: Row) -> Row:
        action_id = row["action_id"]
        return {
            "action": None if action_id is None else uri("action", action_id),
            "id": row["id"],
            "name": row["name"],
            "parent": uri("user", row["parent_id"]),
            "resource_uri": uri("userfield", row["id"]),
            "updated_at": row["updated_at"] and iso(row["updated_at"]),
            "value": row["value"],
        }

    def _create_userfield(self, request: Request, body: Row) -> Response:
        user_id = self._owner("userfield", body, "user", "parent")
        name, value = as_text(body.get("name")), as_text(body.get("value")).strip()
        self._check_value(name, value)
        field_id = self._records.add_field_value(user_id, name, value)
        return self._created(request, uri("userfield", field_id))

    def _check_value(self, name: str, value: str) -> None:
        if self._records.userfield(name) is None:
            raise self._invalid("userfield", "name", "There is no such user field.")
        why_not = self._records.userfield_refuses(name, [value])
        if why_not is not None:
            raise self._invalid("userfield", "value", why_not)

    def _change_userfield(self, row: Row, body: Row) -> None:
        name = as_text(body.get("name", row["name"]))
        value = as_text(body.get("value", row["value"])).strip()
        self._check_value(name, value)
        changes: Row = {"name": name, "value": value, "updated_at": self._db.timestamp()}
        if not self._records.unknowns.direct_write_keeps_action_id:
            changes["action_id"] = None
        self._db.update("core_userfield", row["id"], **changes)
        self._records.moved(row["parent_id"], "userfield")

    def _remove_userfield(self, row: Row) -> None:
        self._db.delete("core_userfield", row["id"])
        self._records.moved(row["parent_id"], "userfield")

    def _show_alloweduserfield(self, row: Row) -> Row:
        choices = [choice for choice in row["field_choices"].splitlines() if choice]
        return {
            **shown(row),
            "choices": choices,
            "resource_uri": uri("alloweduserfield", row["name"]),
        }

    def _create_alloweduserfield(self, request: Request, body: Row) -> Response:
        name = as_text(body.get("name")).strip()
        if not re.fullmatch(r"\w+", name):
            raise self._invalid("alloweduserfield", "name", "Use letters, digits and _ only.")
        self._records.define_userfield(name, **_only(body, _DEFINITION))
        return self._created(request, uri("alloweduserfield", name))

    # phones ---------------------------------------------------------------------------------

    def _show_phone(self, row: Row) -> Row:
        user = row["user_id"]
        return {
            **shown({name: value for name, value in row.items() if name != "user_id"}),
            "resource_uri": uri("phone", row["id"]),
            "user": uri("user", user),
        }

    def _phone_text(self, body: Row) -> str:
        phone = as_text(body.get("phone")).strip()
        if not phone:
            raise self._invalid("phone", "phone", "This field is required.")
        if len(phone) > PHONE_LENGTH:
            raise self._invalid("phone", "phone", f"Must be at most {PHONE_LENGTH} characters.")
        return phone

    def _create_phone(self, request: Request, body: Row) -> Response:
        user_id = self._owner("phone", body, "user")
        phone = self._phone_text(body)
        type_, source = as_text(body.get("type")) or "home", as_text(body.get("source")) or "api"
        existing = self._records.phone_id_of(user_id, type_, source)
        if existing is not None and self._records.unknowns.second_phone == "conflict":
            raise Conflict("user_id", f"{user_id}-{type_}-{source}", existing)
        if existing is not None and self._records.unknowns.second_phone == "refuse":
            raise self._invalid("phone", "errors", "User has a phone of this type and source.")
        phone_id = self._records.add_phone(user_id, phone, type_, source)
        return self._created(request, uri("phone", phone_id))

    def _change_phone(self, row: Row, body: Row) -> None:
        changes: dict[str, str] = {
            name: as_text(body[name]).strip() for name in ("type", "source") if name in body
        }
        if "phone" in body:
            changes["phone"] = self._phone_text(body)
        key = {"type": row["type"], "source": row["source"], **changes}
        owner = self._records.phone_id_of(row["user_id"], key["type"], key["source"])
        if owner not in (None, row["id"]):
            raise Conflict("user_id", f"{row['user_id']}-{key['type']}-{key['source']}", owner)
        self._records.edit_phone(row["id"], **changes)

    # pages ----------------------------------------------------------------------------------

    def _show_page(self, row: Row) -> Row:
        kind = row["type"].lower()
        followup = self._db.row("SELECT * FROM core_pagefollowup WHERE page_id = ?", (row["id"],))
        groups = self._db.values(
            "SELECT usergroup_id FROM core_page_groups WHERE page_id = ? ORDER BY id", (row["id"],)
        )
        columns = {name: value for name, value in row.items() if not name.endswith("_id")}
        page: Row = {
            **shown(columns),
            "actions": f"{ROOT}{kind}action/?page={row['id']}",
            "cms_form": uri(f"{kind}form", row["id"]),
            "fields": self._values_by_name("core_pagefield", row["id"]),
            "followup": followup
            and {
                **shown({name: value for name, value in followup.items() if name != "page_id"}),
                "notifications": [],
                "page": uri(f"{kind}page", row["id"]),
                "resource_uri": uri("pagefollowup", followup["id"]),
            },
            "groups": [{"resource_uri": uri("usergroup", group)} for group in groups],
            "hosted_with": uri("hostingplatform", 1),
            "language": None if row["lang_id"] is None else uri("language", row["lang_id"]),
            "list": None if row["list_id"] is None else uri("list", row["list_id"]),
            "multilingual_campaign": None,
            "required_fields": [],
            "resource_uri": uri(f"{kind}page", row["id"]),
            "tags": [],
        }
        if kind == "import":
            settings = self._db.row(
                "SELECT * FROM core_importpage WHERE page_ptr_id = ?", (row["id"],)
            )
            settings = shown(settings or {})
            settings.pop("page_ptr_id", None)
            page |= settings
            for absent in ("followup", "cms_form", "required_fields"):
                page.pop(absent)
        return page

    def _create_importpage(self, request: Request, body: Row) -> Response:
        name = as_text(body.get("name")).strip()
        if not name:
            raise self._invalid("importpage", "name", "This field is required.")
        if not re.fullmatch(r"[\w-]+", name):
            raise self._invalid("importpage", "name", "Use letters, digits, _ and - only.")
        columns = _only(body, _PAGE)
        if body.get("list"):
            columns["list_id"] = id_in(body["list"])
        settings = _only(body, _IMPORT)
        page_id = self._records.add_page(name, "Import", import_settings=settings, **columns)
        self._page_extras(page_id, body)
        return self._created(request, uri("importpage", page_id))

    def _change_page(self, row: Row, body: Row) -> None:
        self._records.edit_page(row["id"], **_only(body, [*_PAGE, "name"]))
        settings = _only(body, _IMPORT)
        if row["type"] == "Import" and settings:
            self._db.update("core_importpage", row["id"], "page_ptr_id", **settings)
        self._page_extras(row["id"], body)

    def _page_extras(self, page_id: int, body: Row) -> None:
        if "groups" in body:
            self._db.delete("core_page_groups", page_id, "page_id")
            for group in body["groups"]:
                self._db.insert("core_page_groups", page_id=page_id, usergroup_id=id_in(group))
        if "fields" in body:
            self._db.delete("core_pagefield", page_id, "parent_id")
            for name, value in body["fields"].items():
                self._db.insert(
                    "core_pagefield", parent_id=page_id, name=name, value=as_text(value)
                )

    # the rest -------------------------------------------------------------------------------

    def _show_plain(self, name: str) -> Callable[[Row], Row]:
        """A row as it is, with URIs for what it refers to."""

        def show(row: Row) -> Row:
            answer: Row = {}
            for column, value in shown(row).items():
                if column.endswith("_id"):
                    target = column.removesuffix("_id")
                    answer[target] = None if value is None else uri(target, value)
                else:
                    answer[column] = value
            key = row.get("id", row.get("user_id"))
            return {**answer, "resource_uri": uri(name, key)}

        return show

    def _create_usergroup(self, request: Request, body: Row) -> Response:
        name = as_text(body.get("name")).strip()
        if not name:
            raise self._invalid("usergroup", "name", "This field is required.")
        values = _only(body, ["description", "hidden"])
        return self._created(request, uri("usergroup", self._records.add_usergroup(name, **values)))

    def _change_usergroup(self, row: Row, body: Row) -> None:
        values = _only(body, ["name", "description", "hidden"])
        owner = self._db.value(
            "SELECT id FROM core_usergroup WHERE name = ?", (values.get("name"),)
        )
        if owner not in (None, row["id"]):
            raise Conflict("name", as_text(values["name"]), owner)
        self._db.update("core_usergroup", row["id"], **values, updated_at=self._db.timestamp())

    def _remove_usergroup(self, row: Row) -> None:
        self._db.delete("core_user_groups", row["id"], "usergroup_id")
        self._db.delete("core_usergroup", row["id"])

    def _show_merge(self, row: Row) -> Row:
        users = self._db.values(
            "SELECT user_id FROM core_usermerge_users WHERE usermerge_id = ?", (row["id"],)
        )
        return {
            **shown({name: row[name] for name in ("id", "status", "created_at", "updated_at")}),
            "primary_user": uri("user", row["primary_id"]),
            "users": [uri("user", user_id) for user_id in users],
            "resource_uri": uri("usermerge", row["id"]),
        }

    def _upload(self, request: Request, _: Row) -> Response:
        try:
            upload_id = self._uploads.take(form_of(request))
        except UploadRefused as refused:
            raise self._invalid("upload", refused.field, refused.message) from refused
        return self._created(request, uri("upload", upload_id))

    def _resources(self) -> Iterable[Resource]:
        plain = self._show_plain
        by_user = {"user": "user_id"}
        users_of_rows = _column("user_id")
        yield Resource(
            "user",
            "core_user",
            self._show_user,
            filters={"id": "id", "email": "email", "source": "source", **_CLOCKS},
            order=("id", "email", "created_at"),
            people=_column("id"),
            create=self._create_user,
            change=self._change_user,
            remove=lambda row: self._records.delete_user(row["id"]),
            unique=("id", "email"),
        )
        yield Resource(
            "userfield",
            "core_userfield",
            self._show_userfield,
            filters={
                "id": "id",
                "user": "parent_id",
                "parent": "parent_id",
                "name": "name",
                "value": "value",
                "updated_at": "updated_at",
            },
            order=("id", "name"),
            people=_column("parent_id"),
            create=self._create_userfield,
            change=self._change_userfield,
            remove=self._remove_userfield,
        )
        yield Resource(
            "alloweduserfield",
            "core_alloweduserfield",
            self._show_alloweduserfield,
            key="name",
            filters={"name": "name", "hidden": "hidden", "field_type": "field_type"},
            order=("name", "order_index", "created_at"),
            create=self._create_alloweduserfield,
            change=lambda row, body: self._records.change_userfield(
                row["name"], **_only(body, _DEFINITION)
            ),
            remove=lambda row: self._records.remove_userfield(row["name"]),
            unique=("name",),
        )
        yield Resource(
            "phone",
            "core_phone",
            self._show_phone,
            filters={
                "id": "id",
                **by_user,
                "type": "type",
                "source": "source",
                "normalized_phone": "normalized_phone",
                **_CLOCKS,
            },
            people=users_of_rows,
            create=self._create_phone,
            change=self._change_phone,
            remove=lambda row: self._records.delete_phone(row["id"]),
        )
        page_filters = {
            "id": "id",
            "name": "name",
            "title": "title",
            "type": "type",
            "status": "status",
            "hidden": "hidden",
            **_CLOCKS,
        }
        action_filters = {
            "id": "id",
            **by_user,
            "page": "page_id",
            "status": "status",
            "source": "source",
            **_CLOCKS,
        }
        for type_ in ("", *PAGE_TYPES):
            kind = type_.lower()
            yield Resource(
                f"{kind}page",
                "core_page",
                self._show_page,
                filters=page_filters,
                order=("id", "name", "created_at", "updated_at"),
                where=f"type = '{type_}'" if type_ else "1",
                create=self._create_importpage if type_ == "Import" else None,
                change=self._change_page if type_ else None,
                remove=lambda row: self._records.delete_page(row["id"]),
                unique=("id", "name"),
            )
            yield Resource(
                f"{kind}action",
                "core_action",
                self._show_action,
                filters=action_filters,
                where=f"page_id IN (SELECT id FROM core_page WHERE type = '{type_}')"
                if type_
                else "1",
                people=users_of_rows,
                change=self._change_action if type_ else None,
                remove=lambda row: self._records.delete_action(row["id"]),
            )
        yield Resource(
            "actionfield",
            "core_actionfield",
            lambda row: {
                "id": row["id"],
                "name": row["name"],
                "parent": uri("action", row["parent_id"]),
                "resource_uri": uri("actionfield", row["id"]),
                "value": row["value"],
            },
            filters={
                "id": "id",
                "parent": "parent_id",
                "action": "parent_id",
                "name": "name",
                "value": "value",
            },
            order=("id", "name"),
            people=lambda rows: {self._user_of_action(row["parent_id"]) for row in rows},
            change=self._change_actionfield,
            remove=self._remove_actionfield,
        )
        yield Resource(
            "usergroup",
            "core_usergroup",
            plain("usergroup"),
            filters={"id": "id", "name": "name", "hidden": "hidden", **_CLOCKS},
            order=("id", "name", "created_at"),
            create=self._create_usergroup,
            change=self._change_usergroup,
            remove=self._remove_usergroup,
            unique=("id", "name"),
        )
        yield Resource(
            "usermerge",
            "core_usermerge",
            self._show_merge,
            filters={"id": "id", "primary_user": "primary_id", **_CLOCKS},
            create=self._merge,
        )
        yield Resource("eraser", "core_usermerge", plain("eraser"), where="0", create=self._erase)
        yield Resource(
            "upload",
            "core_upload",
            self._uploads.show,
            filters={"id": "id"},
            create=self._upload,
        )
        yield Resource(
            "uploaderror", "core_uploaderror", plain("uploaderror"), filters={"upload": "upload_id"}
        )
        yield Resource(
            "location",
            "core_location",
            plain("location"),
            key="user_id",
            filters=by_user,
            order=("user_id",),
        )
        named = {"id": "id", "name": "name"}
        yield Resource("list", "core_list", plain("list"), filters=named)
        yield Resource("language", "core_language", plain("language"), filters=named)
        for name in ("subscription", "subscriptionhistory"):
            yield Resource(
                name,
                f"core_{name}",
                plain(name),
                filters={"id": "id", **by_user, "list": "list_id"},
            )


def _column(name: str) -> Callable[[Sequence[Row]], Iterable[int]]:
    return lambda rows: {row[name] for row in rows}


def _only(body: Row, names: Iterable[str]) -> Row:
    return {
        name: body[name] if isinstance(body[name], bool | int) else as_text(body[name])
        for name in names
        if name in body
    }
