"""The port Strive: members, groups and custom fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from instep.adapters.answers import REFUSED, text_of, time_of, unreadable
from instep.adapters.strive.feeds import Feeds
from instep.adapters.strive.tables import PAGE, Query, Row, chunks, rows_of, time_in
from instep.domain.people import Member, MemberChange, Side, SubscriptionEvent
from instep.domain.record import Draft
from instep.use_cases.errors import ConfigurationError, Rejected
from instep.use_cases.ports import CustomField, Group, HttpAnswer, NoAnswerError, Transport

SOURCE: Final = "ActionKit"
"""The source of a member that the sync creates, where Strive has a place for it (U1)."""

MEMBER_COLUMNS: Final = (
    "id,phone_number,opt_in,first_name,last_name,email,city,state,postal_code,"
    "custom,groups,created_at,updated_at"
)


class StriveClient(Feeds):
    """The port Strive."""

    def __init__(self, transport: Transport, base_url: str, api_key: str, campaign_id: int) -> None:
        super().__init__(transport, base_url, api_key, campaign_id)
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
        if not rows_of(answer):
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
        rows = rows_of(answer)
        if rows is None:
            raise unreadable(Side.STRIVE, writing=True)
        return self._member(rows[0]) if rows else None

    def _as_seen(self, member: Member) -> Query:
        return (
            *self._mine(),
            ("id", f"eq.{member.member_id}"),
            ("updated_at", f"eq.{member.version}"),
            # Should an opt-out not move `updated_at`, it is still never written over. Null, which
            # is seen as opted out, is distinct from true.
            ("opt_in", "is.true" if member.opt_in else "isdistinct.true"),
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

    # --- events and changes of members ---

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
            event = SubscriptionEvent(
                event_id=row["id"],
                member_id=row["member_id"],
                unsubscribe=row.get("unsubscribe") is True,
                type=text_of(row.get("type")),
                created_at=time_in(row, "created_at"),
            )
            found.setdefault(event.member_id, []).append(event)
        return {
            member_id: tuple(sorted(events, key=lambda one: (one.created_at, one.event_id)))
            for member_id, events in found.items()
        }

    def changes(self, member_ids: Sequence[int]) -> dict[int, tuple[MemberChange, ...]]:
        """The change log of members, oldest first."""
        found: dict[int, list[MemberChange]] = {}
        for values in chunks([str(one) for one in member_ids], self._room("member_id")):
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
        return [_group(row) for row in rows]

    def find_group(self, group_id: int) -> Group | None:
        """A group by its id; None if there is none."""
        one: Query = (("id", f"eq.{group_id}"), ("select", "id,name,flow_id"), ("limit", "1"))
        rows, _ = self._read("groups", (*self._mine(), *one))
        return _group(rows[0]) if rows else None

    def create_group(self, name: str) -> Group:
        """Makes a group, without a flow; one that exists by this name is that group."""
        body = {"campaign_id": self._campaign_id, "name": name}
        rows = rows_of(self._write("POST", "groups", (), body, "representation", exists=True))
        if not rows:
            named: Query = (*self._mine(), ("name", f"eq.{name}"))
            rows = self._all_rows("groups", "id", named, "id,name,flow_id")
        if not rows:
            raise unreadable(Side.STRIVE, writing=True)
        return _group(rows[0])

    def delete_group(self, group_id: int) -> None:
        """Deletes a group; deleting what is not there is done."""
        self._write("DELETE", "groups", (*self._mine(), ("id", f"eq.{group_id}")), gone=True)

    def join(self, group_id: int, member_id: int) -> None:
        """Puts a member into a group; a flow of that group then texts them. One who is in it
        already stays so."""
        body = {"campaign_id": self._campaign_id, "group_id": group_id, "member_id": member_id}
        self._write("POST", "groups_members", (), body, exists=True)

    def leave(self, group_id: int, member_id: int) -> None:
        """Takes a member out of a group; one who is not in it is out of it."""
        pair = (("group_id", f"eq.{group_id}"), ("member_id", f"eq.{member_id}"))
        self._write("DELETE", "groups_members", (*self._mine(), *pair))

    def count_in_group(self, group_id: int) -> int:
        """How many members are in a group."""
        inside: Query = (*self._mine(), ("group_id", f"eq.{group_id}"))
        one: Query = (("select", "member_id"), ("limit", "1"))
        rows, total = self._read("groups_members", (*inside, *one), count=True)
        if total is None and rows:
            total = len(self._all_rows("groups_members", "member_id", inside, "member_id"))
        return total or 0

    def left_since(self, group_id: int, member_id: int, at: datetime) -> bool:
        """Whether a member left a group since, at that time or later; False where Strive keeps no
        log of it."""
        pair = (("group_id", f"eq.{group_id}"), ("member_id", f"eq.{member_id}"))
        return self._any_since("member_group_delete_log", "member_removed_on", pair, at)

    def texted_since(self, member_id: int, at: datetime) -> bool:
        """Whether any text was queued or sent to a member since, at that time or later."""
        to = (("member_id", f"eq.{member_id}"),)
        clocks = ("queued_at", "sent_at")
        return any(self._any_since("outgoing_messages", clock, to, at) for clock in clocks)

    def _any_since(self, table: str, clock: str, among: Query, at: datetime) -> bool:
        since: Query = ((clock, f"gte.{at.isoformat()}"), ("select", "member_id"), ("limit", "1"))
        rows, _ = self._read(table, (*self._mine(), *among, *since))
        return bool(rows)

    def custom_fields(self) -> list[CustomField]:
        """The custom fields' definitions, by API name."""
        rows = self._all_rows("custom_fields", "field", self._mine(), "field,label,type")
        return [
            CustomField(text_of(row["field"]), text_of(row.get("label")), text_of(row.get("type")))
            for row in rows
        ]


def _group(row: Row) -> Group:
    return Group(row["id"], text_of(row.get("name")), row.get("flow_id"))


def _changes(row: Row) -> Iterator[MemberChange]:
    """The changes of one row of the log: of the column it names, or of each within its objects."""
    at = time_in(row, "updated_at")
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
