"""Campaigns, members, groups and texts: what happens in Strive, whoever makes it happen.

Nothing here knows of HTTP, but refusals carry the answer that the API gives for them.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from local.twins.strive.postgrest import Refused
from local.twins.strive.tables import VISIBLE_AT, Row, Table, written
from local.twins.strive.unknowns import Unknowns
from local.twins.zips import ZIPS

MEMBER_TEXTS: Final = (
    "first_name",
    "last_name",
    "city",
    "state",
    "postal_code",
    "email",
    "notes",
    "additional_notes",
)


def state_by_zip(postal_code: str) -> str | None:
    """The state of a US ZIP (`12345` or `12345-6789`); None for one that is not known."""
    place = ZIPS.get(postal_code.strip()[:5])
    return place[1] if place else None


def e164(number: str) -> str | None:
    """A number as `+` and digits; one without a country code is taken as American. None if it
    cannot be a number."""
    digits = re.sub(r"\D", "", number)
    if not number.strip().startswith("+"):
        if len(digits) == 10:
            digits = "1" + digits
        elif not (len(digits) == 11 and digits.startswith("1")):
            return None
    return f"+{digits}" if 8 <= len(digits) <= 15 else None


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign that was made, and a key good for it."""

    campaign_id: int
    api_key: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change: `kind` is its change_type in the logs, `ref` its change_value."""

    kind: str
    ref: str
    user_id: int | None = None
    by_api: bool = False


def organizer(organizer_id: int) -> Actor:
    """A person who works in Strive's own console."""
    return Actor("organizer", str(organizer_id), organizer_id)


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened so far. `requests` by "METHOD /path"; `texts` are outgoing messages of flows
    and automations; `members_created` by API alone."""

    requests: Mapping[str, int]
    texts: int
    texts_by_flow: Mapping[int, int]
    texts_by_member: Mapping[int, int]
    members_created: int
    rate_limited: int


class World:
    """One Strive organisation. Time, chance and the states of ZIPs are passed in.

    A row of member_change_log is about one column: `change_action` is the column's name (a custom
    field's is `custom.NAME`), the values are as the column shows them. A whole member is logged as
    `created` and `deleted`. That form is an assumption: only the columns' names are public.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        rng: random.Random,
        unknowns: Unknowns | None = None,
        state_of: Callable[[str], str | None] = state_by_zip,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._state_of = state_of
        self._keys: dict[str, frozenset[int]] = {}
        self._key_numbers: dict[str, int] = {}
        self._automations: dict[int, int] = {}
        self._by_number: dict[tuple[int, str], Row] = {}
        self._members: dict[int, Row] = {}
        self._groups: dict[int, Row] = {}
        self._memberships: dict[tuple[int, int], Row] = {}
        self._custom_values: dict[tuple[int, str], Row] = {}
        self._stopped: set[tuple[int, str]] = set()
        self._ever_joined: set[tuple[int, int]] = set()
        self._texts_by_flow: Counter[int] = Counter()
        self._texts_by_member: Counter[int] = Counter()
        self._members_created = 0
        # Each kind of row has a range of ids of its own, so that mixed-up ids find nothing.
        self._next_ids = {
            "campaigns": 301,
            "members": 500_001,
            "groups": 7_001,
            "flows": 41_001,
            "flow_actions": 60_001,
            "subscription_events": 9_000_001,
            "outgoing_messages": 3_000_001,
            "incoming_messages": 2_000_001,
        }
        self.tables = {table.name: table for table in self._make_tables()}
        self.unknowns = unknowns or Unknowns()

    def _make_tables(self) -> list[Table]:
        return [
            Table(
                "campaigns",
                "id int, organization_id int, name text, is_active bool,"
                " primary_text_in_number text, custom_fields json, updated_at time",
                campaign_column="id",
                computed={"custom_fields": self._definitions},
            ),
            Table(
                "members",
                "id int, campaign_id int, phone_number text, first_name text, last_name text,"
                " city text, state text, postal_code text, email text, notes text,"
                " additional_notes text, opt_in bool, custom json, created_at time,"
                " updated_at time, groups json, carrier text, first_sub_id int",
                indexed=("id", "phone_number", "email"),
                computed={"groups": self._groups_shown},
            ),
            Table(
                "custom_fields",
                "campaign_id int, field text, label text, type text, updated_at time",
            ),
            Table(
                "members_custom_fields",
                "id int, field text, value json, updated_at time, campaign_id int",
                indexed=("id",),
            ),
            Table(
                "member_change_log",
                "member_id int, campaign_id int, change_action text, previous_value json,"
                " new_value json, change_type text, change_value text, updated_at time",
                indexed=("member_id",),
                log_clock="updated_at",
            ),
            Table(
                "subscription_events",
                "id int, member_id int, type text, created_at time, ref_id int,"
                " supplemental text, unsubscribe bool, campaign_id int",
                indexed=("id", "member_id"),
                log_clock="created_at",
            ),
            Table(
                "groups",
                "id int, name text, campaign_id int, created_at time, updated_at time,"
                " keyword text, synonyms json, flow_id int, groupable_type text, groupable_id int",
                indexed=("id", "name"),
            ),
            Table(
                "groups_members",
                "member_id int, group_id int, created_at time, updated_at time,"
                " organizer_ids json, campaign_id int, user_id int",
                indexed=("member_id", "group_id"),
            ),
            Table(
                "member_group_delete_log",
                "group_id int, campaign_id int, member_id int, member_added_on time,"
                " delete_source text, delete_source_id int, removed_by int,"
                " member_removed_on time",
                indexed=("member_id", "group_id"),
                log_clock="member_removed_on",
            ),
            Table(
                "flows",
                "id int, campaign_id int, name text, created_at time, updated_at time",
                indexed=("id",),
            ),
            Table(
                "flow_actions",
                "id int, flow_id int, member_id int, incoming_message_id int, step_number int,"
                " is_response_valid bool, collected_value text, created_at time,"
                " updated_at time, campaign_id int",
                indexed=("id", "flow_id", "member_id"),
            ),
            Table(
                "outgoing_messages",
                "id int, campaign_id int, member_id int, message text, broadcast_id int,"
                " p2p_id int, flow_action_id int, status text, error_code int, sent_at time,"
                " queued_at time",
                indexed=("id", "member_id"),
                log_clock="queued_at",
            ),
            Table(
                "incoming_messages",
                "id int, campaign_id int, member_id int, from_number text, to_number text,"
                " message text, attachments json, sent_at time, is_opt_out bool,"
                " updated_at time, conversation_id int, flow_id int, step_idx int,"
                " response_to_id int",
                indexed=("id", "member_id"),
                log_clock="updated_at",
            ),
        ]

    # --- switches and time --------------------------------------------------------------------

    @property
    def unknowns(self) -> Unknowns:
        return self._unknowns

    @unknowns.setter
    def unknowns(self, unknowns: Unknowns) -> None:
        self._unknowns = unknowns
        columns = self.tables["members"].columns
        columns.pop("source", None)
        if unknowns.source_column:
            columns["source"] = "text"

    def now(self) -> datetime:
        """Strive's own time, which may be ahead of everyone's."""
        return self._clock() + timedelta(seconds=self._unknowns.clock_skew_seconds)

    def now_written(self) -> str:
        return self._at(None)

    def _at(self, at: datetime | None) -> str:
        return written(at or self.now(), self._unknowns.microseconds)

    def _new_id(self, kind: str) -> int:
        number = self._next_ids[kind]
        self._next_ids[kind] = number + 1
        return number

    # --- campaigns, keys, fields, flows ---------------------------------------------------------

    def add_campaign(self, name: str) -> Campaign:
        """A campaign with a key of its own and a text-in number kept for fiction."""
        campaign_id = self._new_id("campaigns")
        self.tables["campaigns"].insert(
            {
                "id": campaign_id,
                "organization_id": 11,
                "name": name,
                "is_active": True,
                "primary_text_in_number": f"+1800555{campaign_id % 10_000:04d}",
                "updated_at": self.now_written(),
            }
        )
        return Campaign(campaign_id, self.add_key([campaign_id]))

    def add_key(self, campaign_ids: Iterable[int]) -> str:
        """A key that is good for these campaigns."""
        campaigns = frozenset(campaign_ids)
        for campaign_id in campaigns:
            self._campaign(campaign_id)
        key = f"strive_{self._rng.getrandbits(160):040x}"
        self._keys[key] = campaigns
        self._key_numbers[key] = len(self._keys)
        return key

    def add_custom_field(
        self, campaign_id: int, field: str, label: str = "", type_: str = "text"
    ) -> None:
        """Defines a custom field of the campaign's members."""
        self._campaign(campaign_id)
        table = self.tables["custom_fields"]
        if any(row["field"] == field for row in table.found("campaign_id", campaign_id)):
            raise _duplicate("custom_fields_campaign_id_field_key")
        table.insert(
            {
                "campaign_id": campaign_id,
                "field": field,
                "label": label or field.replace("_", " ").capitalize(),
                "type": type_,
                "updated_at": self.now_written(),
            }
        )

    def drop_custom_field(self, campaign_id: int, field: str) -> None:
        """Removes a custom field's definition; values stay. KeyError if there is none."""
        table = self.tables["custom_fields"]
        for row in table.found("campaign_id", campaign_id):
            if row["field"] == field:
                table.remove(row)
                return
        raise KeyError(field)

    def add_flow(self, campaign_id: int, name: str) -> int:
        """A flow of one message. Returns its id."""
        self._campaign(campaign_id)
        flow_id = self._new_id("flows")
        at = self.now_written()
        self.tables["flows"].insert(
            {
                "id": flow_id,
                "campaign_id": campaign_id,
                "name": name,
                "created_at": at,
                "updated_at": at,
            }
        )
        return flow_id

    def set_new_member_automation(self, campaign_id: int, flow_id: int | None) -> None:
        """Switches the automation "New member is added via API" on (with a flow) or off."""
        self._campaign(campaign_id)
        if flow_id is None:
            self._automations.pop(campaign_id, None)
        else:
            self._check_flow(campaign_id, flow_id)
            self._automations[campaign_id] = flow_id

    def _campaign(self, campaign_id: int) -> Row:
        row = self.tables["campaigns"].first("id", campaign_id)
        if row is None:
            raise KeyError(f"no campaign {campaign_id}")
        return row

    def _check_flow(self, campaign_id: int, flow_id: int) -> None:
        flow = self.tables["flows"].first("id", flow_id)
        if flow is None or flow["campaign_id"] != campaign_id:
            raise Refused(
                409,
                "23503",
                'insert or update on table "groups" violates foreign key constraint'
                ' "groups_flow_id_fkey"',
                f'Key (flow_id)=({flow_id}) is not present in "flows".',
            )

    def _definitions(self, campaign: Row) -> list[dict[str, Any]]:
        return [
            {"field": row["field"], "label": row["label"], "type": row["type"]}
            for row in self.tables["custom_fields"].found("campaign_id", campaign["id"])
        ]

    # --- members --------------------------------------------------------------------------------

    def members(self, campaign_id: int | None = None) -> list[dict[str, Any]]:
        """Members as the API shows them, of one campaign or of all."""
        table = self.tables["members"]
        rows = list(table) if campaign_id is None else table.found("campaign_id", campaign_id)
        return [table.shown(row) for row in rows]

    def member(self, member_id: int) -> dict[str, Any]:
        """One member as the API shows it. KeyError if there is none."""
        return self.tables["members"].shown(self._members[member_id])

    def member_by_number(self, campaign_id: int, phone_number: str) -> dict[str, Any] | None:
        row = self.row_by_number(campaign_id, phone_number)
        return None if row is None else self.tables["members"].shown(row)

    def row_by_number(self, campaign_id: int, phone_number: str) -> Row | None:
        return self._by_number.get((campaign_id, self._number(phone_number)))

    def add_member(
        self,
        campaign_id: int,
        phone_number: str,
        *,
        opt_in: bool = True,
        custom: Mapping[str, Any] | None = None,
        groups: Iterable[int] = (),
        organizer_id: int = 1,
        at: datetime | None = None,
        **columns: str | None,
    ) -> int:
        """A member made by an organiser (no automation fires, group flows do). Returns the id."""
        self._campaign(campaign_id)
        values = {**columns, "opt_in": opt_in, "custom": dict(custom or {})}
        by = organizer(organizer_id)
        row = self.create_member(campaign_id, phone_number, values, by, at)
        for group_id in groups:
            self.join(group_id, row["id"], by, at)
        member_id: int = row["id"]
        return member_id

    def edit_member(
        self, member_id: int, *, organizer_id: int = 1, at: datetime | None = None, **values: Any
    ) -> bool:
        """Changes a member as an organiser does. False if that changed nothing."""
        return self.change_member(self._members[member_id], values, organizer(organizer_id), at)

    def delete_member(self, member_id: int, organizer_id: int = 1) -> None:
        """Deletes a member and the memberships. Messages stay, and logs as `deletions_leave_logs`
        says: without them it is what an erasure may look like."""
        self.remove_member(self._members[member_id], organizer(organizer_id))

    def create_member(
        self,
        campaign_id: int,
        phone_number: str,
        values: Mapping[str, Any],
        by: Actor,
        at: datetime | None = None,
    ) -> Row:
        """A new member, logged. Refused if the number cannot be one or has a member already."""
        number = self._number(phone_number)
        if (campaign_id, number) in self._by_number:
            raise _duplicate("members_campaign_id_phone_number_key")
        stamp = self._at(at)
        row: Row = {
            "campaign_id": campaign_id,
            "phone_number": number,
            "email": "",
            "source": None,
            **self._with_state(values),
            "created_at": stamp,
            "updated_at": stamp,
        }
        if row.get("opt_in") is None:
            row["opt_in"] = self._unknowns.opt_in_when_absent
        if row["opt_in"] and not self._may_opt_in(row, by):
            row["opt_in"] = False
        row["custom"] = dict(row.get("custom") or {})
        row = self.tables["members"].insert({**row, "id": self._new_id("members")})
        self._members[row["id"]] = row
        self._by_number[campaign_id, number] = row
        for field, value in row["custom"].items():
            self._set_custom_value(row, field, value, stamp)
        self._log(row, "created", None, {"phone_number": number}, by, stamp)
        if row["opt_in"]:
            self._event(row, by, stamp, unsubscribe=False)
        if by.by_api:
            self._members_created += 1
            flow_id = self._automations.get(campaign_id)
            if flow_id is not None:
                self._text(row, flow_id, stamp)
        return row

    def change_member(
        self, row: Row, values: Mapping[str, Any], by: Actor, at: datetime | None = None
    ) -> bool:
        """Changes a member: logs each column that becomes another, a consent event for opt_in,
        the state from a zip. False if nothing became another."""
        unknowns = self._unknowns
        values = self._with_state(values)
        if "phone_number" in values:
            values["phone_number"] = self._number(values["phone_number"] or "")
        custom = values.pop("custom", None)
        changes = {column: value for column, value in values.items() if row[column] != value}
        if changes.get("opt_in") and not self._may_opt_in(row, by):
            del changes["opt_in"]
        custom_changes: dict[str, Any] = {}
        new_custom = row["custom"]
        if custom is not None:
            new_custom = dict(custom)
            if unknowns.custom_on_write == "merge" or not by.by_api:
                new_custom = {**row["custom"], **custom}
            custom_changes = {
                field: new_custom.get(field)
                for field in {**row["custom"], **new_custom}
                if row["custom"].get(field) != new_custom.get(field)
            }
        if not changes and not custom_changes:
            return False
        number = changes.get("phone_number")
        if number is not None:
            key = (row["campaign_id"], number)
            if key in self._by_number:
                raise _duplicate("members_campaign_id_phone_number_key")
            del self._by_number[row["campaign_id"], row["phone_number"]]
            self._by_number[key] = row

        moves = bool(changes.keys() - {"opt_in"})
        moves |= "opt_in" in changes and unknowns.opt_in_changes_move_updated_at
        moves |= bool(custom_changes) and unknowns.custom_changes_move_updated_at
        stamp = self._stamp(row, self._at(at)) if moves else self._at(at)
        for column, value in changes.items():
            self._log(row, column, row[column], value, by, stamp)
        for field, value in custom_changes.items():
            self._log(row, f"custom.{field}", row["custom"].get(field), value, by, stamp)
            self._set_custom_value(row, field, value, stamp, kept=field in new_custom)
        if moves:
            changes["updated_at"] = stamp
        self.tables["members"].update(row, {**changes, "custom": new_custom})
        if "opt_in" in changes:
            self._event(row, by, stamp, unsubscribe=not changes["opt_in"])
        return True

    def remove_member(self, row: Row, by: Actor) -> None:
        stamp = self.now_written()
        for membership in self.tables["groups_members"].found("member_id", row["id"]):
            self._leave(membership, by, stamp, "member_deleted")
        values = self.tables["members_custom_fields"]
        for value in values.found("id", row["id"]):
            values.remove(value)
            del self._custom_values[row["id"], value["field"]]
        self.tables["members"].remove(row)
        del self._members[row["id"]]
        del self._by_number[row["campaign_id"], row["phone_number"]]
        if self._unknowns.deletions_leave_logs:
            self._log(row, "deleted", {"phone_number": row["phone_number"]}, None, by, stamp)
            return
        for name in ("member_change_log", "subscription_events", "member_group_delete_log"):
            log = self.tables[name]
            for entry in log.found("member_id", row["id"]):
                log.remove(entry)

    def text_in(
        self,
        member: int | tuple[int, str],
        message: str,
        *,
        at: datetime | None = None,
    ) -> int:
        """A text from a member (by id) or from a number to a campaign `(campaign_id, number)`.

        STOP opts out and JOIN opts in, whatever the case; any other text changes nothing. A
        number that has no member becomes one, opted in only by JOIN. Returns the member's id.
        """
        word = message.strip().upper()
        stamp = self._at(at)
        number = self._members[member]["phone_number"] if isinstance(member, int) else member[1]
        campaign_id = self._members[member]["campaign_id"] if isinstance(member, int) else member[0]
        row = self.row_by_number(campaign_id, number)
        message_id = self._new_id("incoming_messages")
        by = Actor("text", str(message_id))
        if row is None:
            self._campaign(campaign_id)
            row = self.create_member(campaign_id, number, {"opt_in": False}, by, at)
        key = (campaign_id, row["phone_number"])
        self.tables["incoming_messages"].insert(
            {
                "id": message_id,
                "campaign_id": campaign_id,
                "member_id": row["id"],
                "from_number": row["phone_number"],
                "to_number": self._campaign(campaign_id)["primary_text_in_number"],
                "message": message,
                "attachments": [],
                "sent_at": stamp,
                "is_opt_out": word == "STOP",
                "updated_at": stamp,
            }
        )
        if word == "STOP":
            self._stopped.add(key)
            if not self.change_member(row, {"opt_in": False}, by, at):
                # Somebody who was opted out already has now said so.
                self._event(row, by, stamp, unsubscribe=True)
        elif word == "JOIN":
            self._stopped.discard(key)
            self.change_member(row, {"opt_in": True}, by, at)
        member_id: int = row["id"]
        return member_id

    def _number(self, phone_number: str) -> str:
        number = e164(phone_number)
        if number is None:
            raise Refused(
                400,
                "23514",
                'new row for relation "members" violates check constraint'
                ' "members_phone_number_check"',
            )
        return number if self._unknowns.upsert_normalises else phone_number.strip()

    def _with_state(self, values: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(values)
        if values.get("postal_code"):
            state = self._state_of(values["postal_code"])
            if state is not None:
                values["state"] = state
        return values

    def _may_opt_in(self, row: Row, by: Actor) -> bool:
        key = (row["campaign_id"], row["phone_number"])
        if key not in self._stopped:
            return True
        if by.by_api and self._unknowns.opt_in_after_stop == "error":
            raise Refused(400, "P0001", "the member has opted out by text")
        if by.by_api and self._unknowns.opt_in_after_stop == "ignored":
            return False
        self._stopped.discard(key)
        return True

    def _stamp(self, row: Row, at: str) -> str:
        """The new updated_at: later than the old one even at one moment, since a conditional write
        rests on it."""
        before: str = row["updated_at"]
        if at > before:
            return at
        return written(datetime.fromisoformat(before) + timedelta(milliseconds=1), True)

    def _set_custom_value(
        self, row: Row, field: str, value: Any, stamp: str, kept: bool = True
    ) -> None:
        table = self.tables["members_custom_fields"]
        known = self._custom_values.get((row["id"], field))
        if not kept:
            if known is not None:
                table.remove(known)
                del self._custom_values[row["id"], field]
        elif known is not None:
            table.update(known, {"value": value, "updated_at": stamp})
        else:
            self._custom_values[row["id"], field] = table.insert(
                {
                    "id": row["id"],
                    "field": field,
                    "value": value,
                    "updated_at": stamp,
                    "campaign_id": row["campaign_id"],
                }
            )

    # --- logs -----------------------------------------------------------------------------------

    def _log(self, row: Row, action: str, old: Any, new: Any, by: Actor, stamp: str) -> None:
        if by.by_api and not self._unknowns.own_writes_logged:
            return
        self.tables["member_change_log"].insert(
            {
                "member_id": row["id"],
                "campaign_id": row["campaign_id"],
                "change_action": action,
                "previous_value": old,
                "new_value": new,
                "change_type": by.kind,
                "change_value": by.ref,
                "updated_at": stamp,
                **self._late(),
            }
        )

    def _event(self, row: Row, by: Actor, stamp: str, unsubscribe: bool) -> None:
        event_id = self._new_id("subscription_events")
        self.tables["subscription_events"].insert(
            {
                "id": event_id,
                "member_id": row["id"],
                "type": by.kind,
                "created_at": stamp,
                "ref_id": int(by.ref) if by.kind == "text" else None,
                "unsubscribe": unsubscribe,
                "campaign_id": row["campaign_id"],
                **self._late(),
            }
        )
        if row["first_sub_id"] is None and not unsubscribe:
            row["first_sub_id"] = event_id

    def _late(self) -> dict[str, str]:
        latency = self._unknowns.log_latency_seconds
        return {VISIBLE_AT: self._at(self.now() + timedelta(seconds=latency))} if latency else {}

    # --- groups ---------------------------------------------------------------------------------

    def add_group(self, campaign_id: int, name: str, flow_id: int | None = None) -> int:
        """A group, made by an organiser; one with a flow texts whoever joins. Returns its id."""
        self._campaign(campaign_id)
        group_id: int = self.create_group(campaign_id, {"name": name, "flow_id": flow_id})["id"]
        return group_id

    def create_group(self, campaign_id: int, values: Mapping[str, Any]) -> Row:
        """A new group. Refused if the campaign has one of that name or not that flow."""
        name = values.get("name")
        if not isinstance(name, str) or not name:
            raise null_in("groups", "name")
        if self.group_named(campaign_id, name) is not None:
            raise _duplicate("groups_campaign_id_name_key")
        if values.get("flow_id") is not None:
            self._check_flow(campaign_id, values["flow_id"])
        stamp = self.now_written()
        row = self.tables["groups"].insert(
            {
                "id": self._new_id("groups"),
                "campaign_id": campaign_id,
                "created_at": stamp,
                "updated_at": stamp,
                "synonyms": [],
                **values,
            }
        )
        self._groups[row["id"]] = row
        return row

    def change_group(self, row: Row, values: Mapping[str, Any]) -> None:
        name = values.get("name", row["name"])
        if not isinstance(name, str) or not name:
            raise null_in("groups", "name")
        if name != row["name"] and self.group_named(row["campaign_id"], name) is not None:
            raise _duplicate("groups_campaign_id_name_key")
        if values.get("flow_id") is not None:
            self._check_flow(row["campaign_id"], values["flow_id"])
        self.tables["groups"].update(row, {**values, "updated_at": self.now_written()})

    def edit_group(self, group_id: int, **values: Any) -> None:
        """Renames a group or gives it a flow, as an organiser does."""
        self.change_group(self._groups[group_id], values)

    def delete_group(self, group_id: int, organizer_id: int = 1) -> None:
        self.remove_group(self._groups[group_id], organizer(organizer_id))

    def remove_group(self, row: Row, by: Actor) -> None:
        stamp = self.now_written()
        for membership in self.tables["groups_members"].found("group_id", row["id"]):
            self._leave(membership, by, stamp, "group_deleted")
        self.tables["groups"].remove(row)
        del self._groups[row["id"]]

    def group_named(self, campaign_id: int, name: str) -> Row | None:
        for row in self.tables["groups"].found("name", name):
            if row["campaign_id"] == campaign_id:
                return row
        return None

    def group_members(self, group_id: int) -> list[int]:
        """The ids of the members in a group, in the order they joined."""
        return [
            row["member_id"] for row in self.tables["groups_members"].found("group_id", group_id)
        ]

    def join_group(self, group_id: int, member_id: int, organizer_id: int = 1) -> bool:
        """An organiser adds a member to a group. False if it is in it already."""
        return self.join(group_id, member_id, organizer(organizer_id))

    def leave_group(self, group_id: int, member_id: int, organizer_id: int = 1) -> None:
        """An organiser takes a member out of a group. KeyError if it is not in it."""
        self.leave(self._memberships[group_id, member_id], organizer(organizer_id))

    def membership(self, group_id: int, member_id: int) -> Row | None:
        return self._memberships.get((group_id, member_id))

    def check_join(self, campaigns: frozenset[int], group_id: int, member_id: int) -> int:
        """The campaign of a group and a member of it; refused if there is no such pair."""
        group, member = self._groups.get(group_id), self._members.get(member_id)
        if group is None or member is None:
            missing = "group" if group is None else "member"
            raise Refused(
                409,
                "23503",
                'insert or update on table "groups_members" violates foreign key'
                f' constraint "groups_members_{missing}_id_fkey"',
            )
        if group["campaign_id"] not in campaigns or member["campaign_id"] != group["campaign_id"]:
            raise forbidden("groups_members")
        campaign_id: int = group["campaign_id"]
        return campaign_id

    def join(self, group_id: int, member_id: int, by: Actor, at: datetime | None = None) -> bool:
        """Adds a member to a group, which starts the group's flow. False if it was in it."""
        if (group_id, member_id) in self._memberships:
            return False
        group, member = self._groups[group_id], self._members[member_id]
        if group["campaign_id"] != member["campaign_id"]:
            raise forbidden("groups_members")
        stamp = self._at(at)
        self._memberships[group_id, member_id] = self.tables["groups_members"].insert(
            {
                "member_id": member_id,
                "group_id": group_id,
                "created_at": stamp,
                "updated_at": stamp,
                "organizer_ids": [] if by.user_id is None else [by.user_id],
                "campaign_id": group["campaign_id"],
                "user_id": by.user_id,
            }
        )
        self._group_change_moves(member, stamp)
        again = (group_id, member_id) in self._ever_joined
        self._ever_joined.add((group_id, member_id))
        if group["flow_id"] is not None and (self._unknowns.flow_again_on_rejoin or not again):
            self._text(member, group["flow_id"], stamp)
        return True

    def leave(self, membership: Row, by: Actor) -> None:
        self._leave(membership, by, self.now_written(), by.kind)

    def _leave(self, membership: Row, by: Actor, stamp: str, source: str) -> None:
        group_id, member_id = membership["group_id"], membership["member_id"]
        self.tables["groups_members"].remove(membership)
        del self._memberships[group_id, member_id]
        self.tables["member_group_delete_log"].insert(
            {
                "group_id": group_id,
                "campaign_id": membership["campaign_id"],
                "member_id": member_id,
                "member_added_on": membership["created_at"],
                "delete_source": source,
                "delete_source_id": int(by.ref),
                "removed_by": by.user_id,
                "member_removed_on": stamp,
                **self._late(),
            }
        )
        self._group_change_moves(self._members[member_id], stamp)

    def _group_change_moves(self, member: Row, stamp: str) -> None:
        if self._unknowns.group_changes_move_updated_at:
            self.tables["members"].update(member, {"updated_at": self._stamp(member, stamp)})

    def _groups_shown(self, member: Row) -> list[dict[str, Any]]:
        return [
            {"id": row["group_id"], "name": self._groups[row["group_id"]]["name"]}
            for row in self.tables["groups_members"].found("member_id", member["id"])
        ]

    # --- texts ----------------------------------------------------------------------------------

    def texts(self, campaign_id: int | None = None) -> list[dict[str, Any]]:
        """Texts that flows and automations sent, oldest first, as outgoing_messages shows them,
        each with its `flow_id`."""
        table = self.tables["outgoing_messages"]
        rows = list(table) if campaign_id is None else table.found("campaign_id", campaign_id)
        flow_of = {row["id"]: row["flow_id"] for row in self.tables["flow_actions"]}
        return [{**table.shown(row), "flow_id": flow_of[row["flow_action_id"]]} for row in rows]

    def _text(self, member: Row, flow_id: int, stamp: str) -> None:
        if not member["opt_in"] and not self._unknowns.flows_text_opted_out:
            return
        campaign_id, member_id = member["campaign_id"], member["id"]
        action_id = self._new_id("flow_actions")
        flow = self.tables["flows"].first("id", flow_id)
        self.tables["flow_actions"].insert(
            {
                "id": action_id,
                "flow_id": flow_id,
                "member_id": member_id,
                "step_number": 1,
                "created_at": stamp,
                "updated_at": stamp,
                "campaign_id": campaign_id,
            }
        )
        self.tables["outgoing_messages"].insert(
            {
                "id": self._new_id("outgoing_messages"),
                "campaign_id": campaign_id,
                "member_id": member_id,
                "message": flow["name"] if flow else "",
                "flow_action_id": action_id,
                "status": "delivered",
                "sent_at": stamp,
                "queued_at": stamp,
                **self._late(),
            }
        )
        self._texts_by_flow[flow_id] += 1
        self._texts_by_member[member_id] += 1


def null_in(table: str, column: str) -> Refused:
    """What a missing value that must be there answers."""
    message = f'null value in column "{column}" of relation "{table}" violates not-null constraint'
    return Refused(400, "23502", message)


def forbidden(table: str) -> Refused:
    """What writing into a campaign that is not the key's answers."""
    return Refused(403, "42501", f'new row violates row-level security policy for table "{table}"')


def _duplicate(constraint: str) -> Refused:
    message = f'duplicate key value violates unique constraint "{constraint}"'
    return Refused(409, "23505", message)
