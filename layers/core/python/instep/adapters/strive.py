"""Strive's HTTP API for one campaign.

What is public of it is little, so this file rests on assumptions; all of them are here and, with
what one sees if they are wrong, in `docs/assumptions.md`:

 1. PostgREST conventions: bare JSON arrays, `column=operator.value` filters, `select`, `order`,
    `limit`, `offset`, `Prefer`, `Content-Range`, errors as `{code, message, …}`.
 2. Every table but `campaigns` has `campaign_id`; `members`, `groups`, `subscription_events` have
    an ascending `id`, by which they are paged.
 3. A campaign has one member for each number, stored as E.164.
 4. `PATCH /members` exists, its filters are its condition, and it answers the changed rows.
 5. `updated_at` moves with every change of a column, of `opt_in` and of `custom`, and what is
    shown of it compares equal to itself in a filter.
 6. `POST /members` creates a member without groups and with the `opt_in` it is sent.
 7. `POST /groups`, `POST` and `DELETE /groups_members` exist.
 8. `custom` is an object by API name; a write may replace it whole, so all of it is sent.
 9. In `member_change_log` `change_action` names the column (a custom field as `custom.NAME`), or
    the two values are objects with the changed columns as keys.
10. `subscription_events.unsubscribe` is true for every opt-out, whoever made it.
11. 401 and 403 mean the key; 429 and 503 that it is too much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from instep.adapters.answers import (
    REFUSED,
    error_of,
    json_of,
    text_of,
    time_of,
    unanswered,
    unreadable,
)
from instep.adapters.transport import encoded
from instep.domain.people import Member, MemberChange, Side, SubscriptionEvent
from instep.domain.record import Draft
from instep.use_cases.errors import ConfigurationError, Rejected
from instep.use_cases.ports import (
    CustomField,
    Group,
    HttpAnswer,
    HttpRequest,
    NoAnswerError,
    Transport,
)

PAGE: Final = 1000
"""Rows asked for at once; Strive may have a lower cap and then answers fewer."""
MAX_QUERY: Final = 5900
"""Characters of a query string: with the rest of the URL below 6000."""
SOURCE: Final = "ActionKit"
"""The source of a member that the sync creates, where Strive has a place for it (U1)."""

MEMBER_COLUMNS: Final = (
    "id,phone_number,opt_in,first_name,last_name,email,city,state,postal_code,"
    "custom,groups,created_at,updated_at"
)

Row = Mapping[str, Any]
Query = tuple[tuple[str, str], ...]


class StriveClient:
    """The port Strive."""

    def __init__(self, transport: Transport, base_url: str, api_key: str, campaign_id: int) -> None:
        self._transport = transport
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._campaign_id = campaign_id
        self._customs: dict[tuple[int, str], Mapping[str, Any]] = {}
        self._has_source: bool | None = None

    # --- connect ---

    def check(self) -> None:
        """Whether the key is good for the campaign. Raises ConfigurationError with the codes
        `strive_unreachable` (503), `strive_credentials`, `strive_campaign`."""
        self._checked("rpc/ping", ())
        answer = self._checked(
            "campaigns", (("id", f"eq.{self._campaign_id}"), ("select", "id"), ("limit", "1"))
        )
        if not _rows(answer):
            raise ConfigurationError(
                "strive_campaign",
                "The Strive key does not show a campaign of this id.",
                field="strive_campaign_id",
            )

    def _checked(self, path: str, query: Query) -> HttpAnswer:
        try:
            answer = self._attempt("GET", path, query)
        except NoAnswerError:
            answer = None
        if answer is not None and answer.status in REFUSED:
            raise ConfigurationError(
                "strive_credentials", "Strive does not accept this key.", field="strive_api_key"
            )
        if answer is None or answer.status not in (200, 204, 206):
            raise ConfigurationError(
                "strive_unreachable", "Strive does not answer now; try again later.", status=503
            )
        return answer

    # --- members ---

    def members_by_number(self, numbers: Sequence[str]) -> dict[str, Member]:
        """Members by their number; of several with one number the first."""
        found = self._members("phone_number", [f'"{number}"' for number in numbers])
        return {member.phone_number: member for member in reversed(found)}

    def members_by_id(self, member_ids: Sequence[int]) -> dict[int, Member]:
        """Members by their id; those that do not exist (any more) are left out."""
        found = self._members("id", [str(one) for one in member_ids])
        return {member.member_id: member for member in found}

    def _members(self, column: str, values: Sequence[str]) -> list[Member]:
        rows = self._listed_rows("members", column, values, MEMBER_COLUMNS)
        return [self._member(row) for row in rows]

    def _member(self, row: Row) -> Member:
        custom = row.get("custom") or {}
        version = text_of(row.get("updated_at"))
        self._customs[row["id"], version] = custom
        return Member(
            member_id=row["id"],
            phone_number=text_of(row.get("phone_number")),
            opt_in=row.get("opt_in") is True,
            first_name=text_of(row.get("first_name")),
            last_name=text_of(row.get("last_name")),
            email=text_of(row.get("email")),
            city=text_of(row.get("city")),
            state=text_of(row.get("state")),
            postal_code=text_of(row.get("postal_code")),
            custom={
                name: value or ""
                for name, value in custom.items()
                if value is None or isinstance(value, str)
            },
            groups=frozenset(
                group["id"] for group in row.get("groups") or () if isinstance(group, dict)
            ),
            created_at=time_of(row.get("created_at")),
            version=version,
        )

    def create_member(self, draft: Draft) -> None:
        """Creates a member without groups. The call also changes a member who exists, so the
        caller looks for one first."""
        body: dict[str, Any] = {
            "campaign_id": self._campaign_id,
            "phone_number": draft.number,
            "opt_in": draft.opt_in,
            **draft.values,
        }
        if draft.custom:
            body["custom"] = dict(draft.custom)
        if self._has_source_column():
            body["source"] = SOURCE
        self._write("POST", "members", (), body)

    def _has_source_column(self) -> bool:
        if self._has_source is None:
            try:
                self._read("members", (*self._mine(), ("select", "source"), ("limit", "1")))
                self._has_source = True
            except Rejected:
                self._has_source = False
        return self._has_source

    def patch_member(
        self,
        member: Member,
        values: Mapping[str, str],
        custom: Mapping[str, str],
        opt_in: bool | None,
    ) -> Member | None:
        """Writes if the member's version is still the one seen: the member as it then is, or None
        if it changed meanwhile and nothing was written."""
        body: dict[str, Any] = dict(values)
        if opt_in is not None:
            body["opt_in"] = opt_in
        if custom:
            seen = self._whole_custom(member)
            if seen is None:
                return None
            body["custom"] = {**seen, **custom}
        answer = self._write("PATCH", "members", self._as_seen(member), body, "representation")
        rows = _rows(answer)
        if rows is None:
            raise unreadable(Side.STRIVE, writing=True)
        return self._member(rows[0]) if rows else None

    def _as_seen(self, member: Member) -> Query:
        return (
            *self._mine(),
            ("id", f"eq.{member.member_id}"),
            ("updated_at", f"eq.{member.version}"),
            ("select", MEMBER_COLUMNS),
        )

    def _whole_custom(self, member: Member) -> Mapping[str, Any] | None:
        """All custom fields of a member as seen, those that are no text too: a write may replace
        the whole. None if the member changed since."""
        key = (member.member_id, member.version)
        if key not in self._customs:
            for row in self._read("members", self._as_seen(member))[0]:
                self._member(row)
        return self._customs.get(key)

    # --- feeds ---

    def events(self, member_ids: Sequence[int]) -> dict[int, tuple[SubscriptionEvent, ...]]:
        """The subscription events of members, oldest first."""
        rows = self._listed_rows(
            "subscription_events",
            "member_id",
            [str(one) for one in member_ids],
            "id,member_id,type,created_at,unsubscribe",
        )
        found: dict[int, list[SubscriptionEvent]] = {}
        for row in rows:
            at = time_of(row.get("created_at"))
            if at is None:
                raise unreadable(Side.STRIVE, writing=False)
            event = SubscriptionEvent(
                event_id=row["id"],
                member_id=row["member_id"],
                unsubscribe=row.get("unsubscribe") is True,
                type=text_of(row.get("type")),
                created_at=at,
            )
            found.setdefault(event.member_id, []).append(event)
        return {
            member_id: tuple(sorted(events, key=lambda one: (one.created_at, one.event_id)))
            for member_id, events in found.items()
        }

    def changes(self, member_ids: Sequence[int]) -> dict[int, tuple[MemberChange, ...]]:
        """The change log of members, oldest first."""
        found: dict[int, list[MemberChange]] = {}
        for values in _chunks([str(one) for one in member_ids], self._room("member_id")):
            for row in self._log_rows(values):
                for change in _changes(row):
                    found.setdefault(change.member_id, []).append(change)
        return {member_id: tuple(changes) for member_id, changes in found.items()}

    def _log_rows(self, member_ids: Sequence[str]) -> Iterator[Row]:
        """The log has no id: it is paged by its time, and within one time by place."""
        query: Query = (
            *self._mine(),
            ("member_id", f"in.({','.join(member_ids)})"),
            (
                "select",
                "member_id,change_action,previous_value,new_value,change_type,updated_at",
            ),
            ("order", "updated_at.asc,member_id.asc,change_action.asc"),
            ("limit", str(PAGE)),
        )
        last, at_last = "", 0
        before: list[Row] = []
        while True:
            after: Query = (("updated_at", f"gte.{last}"), ("offset", str(at_last))) if last else ()
            rows, total = self._read("member_change_log", (*query, *after), count=True)
            yield from rows
            if not rows or (total is not None and at_last + len(rows) >= total):
                return
            newest = text_of(rows[-1].get("updated_at"))
            if rows == before:
                raise unreadable(Side.STRIVE, writing=False)
            before = rows
            same = sum(1 for row in rows if row.get("updated_at") == newest)
            at_last = at_last + same if newest == last else same
            last = newest

    # --- groups and fields ---

    def groups(self) -> list[Group]:
        """All groups of the campaign."""
        rows = self._all_rows("groups", "id", self._mine(), "id,name,flow_id")
        return [Group(row["id"], text_of(row.get("name")), row.get("flow_id")) for row in rows]

    def create_group(self, name: str) -> Group:
        """Makes a group, without a flow; one that exists by this name is that group."""
        body = {"campaign_id": self._campaign_id, "name": name}
        rows = _rows(self._write("POST", "groups", (), body, "representation", exists=True))
        if not rows:
            named: Query = (*self._mine(), ("name", f"eq.{name}"))
            rows = self._all_rows("groups", "id", named, "id,name,flow_id")
        if not rows:
            raise unreadable(Side.STRIVE, writing=True)
        return Group(rows[0]["id"], text_of(rows[0].get("name")), rows[0].get("flow_id"))

    def join(self, group_id: int, member_id: int) -> None:
        """Puts a member into a group; a flow of that group then texts them. One who is in it
        already stays so."""
        body = {"campaign_id": self._campaign_id, "group_id": group_id, "member_id": member_id}
        self._write("POST", "groups_members", (), body, exists=True)

    def leave(self, group_id: int, member_id: int) -> None:
        """Takes a member out of a group; one who is not in it is out of it."""
        pair = (("group_id", f"eq.{group_id}"), ("member_id", f"eq.{member_id}"))
        self._write("DELETE", "groups_members", (*self._mine(), *pair))

    def custom_fields(self) -> list[CustomField]:
        """The custom fields' definitions, by API name."""
        rows = self._all_rows("custom_fields", "field", self._mine(), "field,label,type")
        return [
            CustomField(text_of(row["field"]), text_of(row.get("label")), text_of(row.get("type")))
            for row in rows
        ]

    # --- reading ---

    def _mine(self) -> Query:
        return (("campaign_id", f"eq.{self._campaign_id}"),)

    def _room(self, column: str) -> int:
        """Characters of an encoded list of values that fit into a query string."""
        rest = (*self._mine(), (column, "in.()"), ("select", MEMBER_COLUMNS), ("order", "id.asc"))
        paging = len(f"&limit={PAGE}&id=gt.{2**63}&updated_at=gte.{'%3A' * 40}&offset={PAGE}")
        return MAX_QUERY - len(encoded(rest)) - paging

    def _listed_rows(
        self, table: str, column: str, values: Iterable[str], select: str
    ) -> list[Row]:
        """Rows whose column has one of the values, by id."""
        found: list[Row] = []
        for some in _chunks(list(dict.fromkeys(values)), self._room(column)):
            among: Query = (*self._mine(), (column, f"in.({','.join(some)})"))
            # An id can be filtered twice: both conditions hold.
            found += self._all_rows(table, "id", among, select)
        return found

    def _all_rows(self, table: str, key: str, query: Query, select: str) -> list[Row]:
        """All rows, page by page, in the order of their key. A page that is shorter than asked is
        the last only if it is empty or the total says so: Strive may have a cap of its own."""
        found: list[Row] = []
        after: Query = ()
        while True:
            rows, total = self._read(
                table,
                (
                    *query,
                    *after,
                    ("select", select),
                    ("order", f"{key}.asc"),
                    ("limit", str(PAGE)),
                ),
                count=True,
            )
            found += rows
            if not rows or (total is not None and len(rows) >= total):
                return found
            if after == (following := ((key, f"gt.{rows[-1][key]}"),)):
                raise unreadable(Side.STRIVE, writing=False)
            after = following

    def _read(self, table: str, query: Query, count: bool = False) -> tuple[list[Row], int | None]:
        """Rows, and how many there are in all where the answer tells."""
        headers = {"Prefer": "count=exact"} if count else {}
        try:
            answer = self._attempt("GET", table, query, headers=headers)
        except NoAnswerError as error:
            raise unanswered(Side.STRIVE, error, writing=False) from None
        if answer.status not in (200, 206):
            raise error_of(Side.STRIVE, answer, writing=False, fields=())
        rows = _rows(answer)
        if rows is None:
            raise unreadable(Side.STRIVE, writing=False)
        total = answer.headers.get("content-range", "").rpartition("/")[2]
        return rows, int(total) if total.isascii() and total.isdigit() else None

    # --- HTTP ---

    def _write(
        self,
        method: str,
        table: str,
        query: Query,
        body: Mapping[str, Any] | None = None,
        answer_with: str = "minimal",
        exists: bool = False,
    ) -> HttpAnswer:
        """A write's answer; with `exists` also the one that says that it is there already."""
        try:
            answer = self._attempt(method, table, query, body, {"Prefer": f"return={answer_with}"})
        except NoAnswerError as error:
            raise unanswered(Side.STRIVE, error, writing=True) from None
        if answer.status not in (200, 201, 204) and not (exists and _is_duplicate(answer)):
            raise error_of(Side.STRIVE, answer, True, _refused_columns(answer, body or {}))
        return answer

    def _attempt(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        return self._transport.send(
            HttpRequest(
                method,
                f"{self._base_url}/{path}",
                query,
                {
                    "Authorization": f"Bearer {self._api_key}",
                    "Accept": "application/json",
                    **({"Content-Type": "application/json"} if content else {}),
                    **(headers or {}),
                },
                content,
            )
        )


def _rows(answer: HttpAnswer) -> list[Row] | None:
    """The rows of an answer; None if it holds none, not even an empty list of them."""
    rows = json_of(answer)
    if isinstance(rows, dict) and "id" in rows:
        rows = [rows]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return rows


def _changes(row: Row) -> Iterator[MemberChange]:
    """The changes of one row of the log: of the column it names, or of each within its objects."""
    at = time_of(row.get("updated_at"))
    if at is None:
        raise unreadable(Side.STRIVE, writing=False)
    old, new = row.get("previous_value"), row.get("new_value")
    named = text_of(row.get("change_action")).removeprefix("custom.")
    pairs: dict[str, tuple[Any, Any]] = {named: (old, new)}
    if isinstance(old, dict) or isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        after = new if isinstance(new, dict) else {}
        pairs = {
            name: (before.get(name), after.get(name))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        }
    for field, (was, became) in pairs.items():
        yield MemberChange(
            member_id=row["member_id"],
            field=field,
            old=text_of(was),
            new=text_of(became),
            source=text_of(row.get("change_type")),
            at=at,
        )


def _is_duplicate(answer: HttpAnswer) -> bool:
    """A 409 for a unique key, not for a group or member that does not exist."""
    body = json_of(answer)
    code = body.get("code") if isinstance(body, dict) else None
    return answer.status == 409 and code in (None, "23505")


def _refused_columns(answer: HttpAnswer, sent: Collection[str]) -> list[str]:
    """Which of the columns sent the error's message names, in quotes as the database does."""
    body = json_of(answer)
    message = text_of(body.get("message")) if isinstance(body, dict) else ""
    return [name for name in re.findall(r"[\"'](\w+)[\"']", message) if name in sent]


def _chunks(values: Sequence[str], room: int) -> Iterator[Sequence[str]]:
    """The values in lists that fit into `room` characters of a query string each."""
    start, used = 0, 0
    for place, value in enumerate(values):
        size = len(quote(value, safe="")) + len("%2C")
        if used + size > room and place > start:
            yield values[start:place]
            start, used = place, 0
        used += size
    if start < len(values):
        yield values[start:]
