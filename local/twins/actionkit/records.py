"""People, their userfields, phones and groups, and the pages they act on: every change to them.

Nothing here checks permissions or speaks HTTP; what a change moves besides itself (clocks, rows
that hang on a user) is decided here and nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.twins.actionkit.database import PAGE_TYPES, USER_TEXT_COLUMNS, Database
from local.twins.actionkit.unknowns import ActionChange, Cascade, Unknowns

SECRET = "the twin's own akid secret"
PHONE_TYPES = ("home", "work", "mobile", "emergency", "home_fax", "work_fax", "bat")
PHONE_LENGTH = 25
_OF_USER = (
    ("core_userfield", "parent_id"),
    ("core_phone", "user_id"),
    ("core_user_groups", "user_id"),
    ("core_subscription", "user_id"),
    ("core_subscriptionhistory", "user_id"),
    ("core_location", "user_id"),
)


class Conflict(Exception):
    """A unique key is taken: ``key``, its ``value``, and the id (or name) of who has it."""

    def __init__(self, key: str, value: str, owner: int | str) -> None:
        super().__init__(key)
        self.key, self.value, self.owner = key, value, owner


def akid(user_id: int) -> str:
    """The user's token: an akid without a mailing part."""
    digest = hashlib.sha256(f"{SECRET}..{user_id}".encode()).digest()
    return f".{user_id}.{base64.urlsafe_b64encode(digest).decode()[:6]}"


def user_of_akid(token: str) -> int | None:
    """The user whose token this is, with or without a mailing part; None if it is nobody's."""
    parts = token.split(".")
    if len(parts) != 3 or not parts[1].isdigit():
        return None
    user_id = int(parts[1])
    return user_id if akid(user_id).endswith("." + parts[2]) else None


def as_text(value: object) -> str:
    return "" if value is None else str(value)


def as_texts(value: object) -> list[str]:
    """One value or several, as texts."""
    return [as_text(one) for one in (value if isinstance(value, list | tuple) else [value])]


@dataclass(frozen=True, slots=True)
class PastAction:
    """An action of long ago; ``fields``: each one value or several."""

    page_id: int
    user_id: int
    at: datetime
    fields: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    source: str = "website"
    status: str = "complete"


class Records:
    """The rows of an instance and the rules by which they change."""

    def __init__(self, database: Database, unknowns: Unknowns) -> None:
        self._db = database
        self.unknowns = unknowns
        self._userfields: dict[str, dict[str, Any]] = {}
        now = database.timestamp()
        for language_id, name, code in ((100, "English", "en"), (101, "Spanish", "es")):
            database.insert(
                "core_language",
                id=language_id,
                name=name,
                iso_code=code,
                created_at=now,
                updated_at=now,
            )
        self.default_list_id = self.add_list("Everyone", is_default=True)

    # users ----------------------------------------------------------------------------------

    def add_user(
        self,
        email: str,
        columns: Mapping[str, Any] | None = None,
        subscribed: bool = False,
        at: datetime | None = None,
    ) -> int:
        """A user, made and changed last at a time (now). Raises :class:`Conflict` if the address
        is taken."""
        owner = self.user_id_of(email)
        if owner is not None:
            raise Conflict("email", email, owner)
        now = self._db.timestamp() if at is None else self._db.stored(at)
        user_id = self._db.insert(
            "core_user",
            email=email,
            email_domain=email.rpartition("@")[2].lower(),
            subscription_status="subscribed" if subscribed else "never",
            lang_id=100,
            created_at=now,
            updated_at=now,
            **(columns or {}),
        )
        if subscribed:
            self.subscribe(user_id, self.default_list_id, None)
        return user_id

    def user_id_of(self, email: str) -> int | None:
        found = self._db.value("SELECT id FROM core_user WHERE email = ?", (email,))
        return None if found is None else int(found)

    def has_user(self, user_id: int) -> bool:
        return self._db.value("SELECT 1 FROM core_user WHERE id = ?", (user_id,)) is not None

    def edit_user(self, user_id: int, **columns: Any) -> bool:
        """Change columns of the profile; only a real change moves the user's clock.

        Returns whether anything changed. Raises :class:`Conflict` for an address that is taken.
        """
        if "email" in columns:
            owner = self.user_id_of(columns["email"])
            if owner not in (None, user_id):
                raise Conflict("email", columns["email"], owner)
        row = self._db.row("SELECT * FROM core_user WHERE id = ?", (user_id,))
        if row is None:
            raise KeyError("no such user")
        changes = {name: value for name, value in columns.items() if row[name] != value}
        if changes:
            now = self._db.timestamp()
            self._db.update("core_user", user_id, **changes, updated_at=now)
        return bool(changes)

    def delete_user(self, user_id: int) -> None:
        """Delete a user and everything that hangs on it, actions too."""
        for action_id in self._db.values(
            "SELECT id FROM core_action WHERE user_id = ?", (user_id,)
        ):
            self.delete_action(action_id)
        for table, key in _OF_USER:
            self._db.delete(table, user_id, key)
        self._db.delete("core_user", user_id)

    def moved(self, user_id: int, cause: Cascade) -> None:
        """A change beside the profile: the user's clock moves if this instance is so."""
        if cause in self.unknowns.user_updated_by:
            self._db.update("core_user", user_id, updated_at=self._db.timestamp())

    def merge(self, primary_id: int, others: Sequence[int], address_id: int | None = None) -> int:
        """Merge users into one and delete the others; returns the id of the merge.

        The one that is left keeps its own values and takes what it lacks.
        """
        now = self._db.timestamp()
        if address_id is not None and address_id != primary_id:
            address = self._db.row("SELECT * FROM core_user WHERE id = ?", (address_id,)) or {}
            names = ("address1", "address2", "city", "state", "region", "postal", "zip", "country")
            self.edit_user(primary_id, **{name: address[name] for name in names})
        merge_id = self._db.insert(
            "core_usermerge",
            primary_id=primary_id,
            status="complete",
            created_at=now,
            updated_at=now,
        )
        for user_id in others:
            if user_id == primary_id:
                continue
            self._db.insert("core_usermerge_users", usermerge_id=merge_id, user_id=user_id)
            self._db.update("core_action", user_id, key="user_id", user_id=primary_id)
            taken = {row["name"].lower() for row in self.field_rows(primary_id)}
            for row in self.field_rows(user_id):
                if row["name"].lower() not in taken:
                    self._db.update("core_userfield", row["id"], parent_id=primary_id)
            for table, key in _OF_USER[1:4]:
                self._db.write(
                    f"UPDATE OR IGNORE {table} SET {key} = ? WHERE {key} = ?", (primary_id, user_id)
                )
            self.delete_user(user_id)
        self._db.update("core_user", primary_id, updated_at=now)
        return merge_id

    def merged_into(self, user_id: int) -> int | None:
        """The user that is left of a merge that this one was part of."""
        found = self._db.value(
            "SELECT m.primary_id FROM core_usermerge m JOIN core_usermerge_users u"
            " ON u.usermerge_id = m.id WHERE u.user_id = ? ORDER BY m.id DESC LIMIT 1",
            (user_id,),
        )
        return None if found is None else int(found)

    def erase(self, user_id: int, userfields: bool = True, actionfields: bool = True) -> None:
        """Make a user anonymous: the row stays, with an address of nobody."""
        blank = dict.fromkeys(USER_TEXT_COLUMNS, "")
        for table, key in _OF_USER[0 if userfields else 1 :]:
            self._db.delete(table, user_id, key)
        if actionfields:
            self._db.write(
                "DELETE FROM core_actionfield WHERE parent_id IN"
                " (SELECT id FROM core_action WHERE user_id = ?)",
                (user_id,),
            )
        self.edit_user(
            user_id,
            **blank,
            email=f"erased-{user_id}@erased.invalid",
            subscription_status="unsubscribed",
        )

    # userfields -----------------------------------------------------------------------------

    def define_userfield(self, name: str, **attributes: Any) -> None:
        """Raises :class:`Conflict` if it exists."""
        if name.lower() in self._userfields:
            raise Conflict("name", name, self._userfields[name.lower()]["name"])
        now = self._db.timestamp()
        values = {"display_name": name, "field_type": "string", **attributes}
        self._db.insert(
            "core_alloweduserfield", name=name, **values, created_at=now, updated_at=now
        )
        self._know(name)

    def change_userfield(self, name: str, **attributes: Any) -> None:
        self._db.update(
            "core_alloweduserfield", name, "name", **attributes, updated_at=self._db.timestamp()
        )
        self._know(name)

    def remove_userfield(self, name: str) -> None:
        """Remove a definition with every value of it."""
        self._db.delete("core_alloweduserfield", name, "name")
        self._db.delete("core_userfield", name, "name")
        self._userfields.pop(name.lower(), None)

    def _know(self, name: str) -> None:
        row = self._db.row("SELECT * FROM core_alloweduserfield WHERE name = ?", (name,))
        self._userfields[name.lower()] = row or {}

    def userfield(self, name: str) -> Mapping[str, Any] | None:
        """A definition by name, in any case of letters."""
        return self._userfields.get(name.lower())

    def userfield_refuses(self, name: str, values: Sequence[str]) -> str | None:
        """Why a defined userfield does not take these values; None if it does."""
        definition = self._userfields[name.lower()]
        choices = [choice for choice in definition["field_choices"].splitlines() if choice]
        for value in values:
            if not value:
                if definition["required"]:
                    return "This field is required."
            elif definition["field_length"] and len(value) > definition["field_length"]:
                return f"Must be at most {definition['field_length']} characters."
            elif definition["field_regex"] and not re.search(definition["field_regex"], value):
                return "Does not have the required form."
            elif definition["field_type"] == "integer" and not re.fullmatch(r"[+-]?\d+", value):
                return "Must be a whole number."
            elif choices and value not in choices:
                return "Is not one of the choices."
        return None

    def field_rows(self, user_id: int, name: str | None = None) -> list[dict[str, Any]]:
        sql = "SELECT * FROM core_userfield WHERE parent_id = ?"
        if name is None:
            return self._db.rows(sql + " ORDER BY id", (user_id,))
        return self._db.rows(sql + " AND name = ? ORDER BY id", (user_id, name))

    def set_field(
        self,
        user_id: int,
        name: str,
        value: str | Sequence[str],
        by_action: int | None = None,
    ) -> None:
        """Set a userfield to one value, or to several where its definition allows that.

        Raises KeyError if it is not defined.
        """
        definition = self._userfields[name.lower()]
        values = [value] if isinstance(value, str) else list(value)
        if not definition["allow_multiple"]:
            values = values[-1:]
        rows = self.field_rows(user_id, name)
        if not any(values):
            if self.unknowns.blank_userfield == "ignored":
                return
            if self.unknowns.blank_userfield == "removes_row":
                values = []
            elif not rows and not values:
                return
        now = self._db.timestamp()
        for row, one in zip(rows, values, strict=False):
            action_id = by_action
            if by_action is None and self.unknowns.direct_write_keeps_action_id:
                action_id = row["action_id"]
            self._db.update(
                "core_userfield", row["id"], value=one, action_id=action_id, updated_at=now
            )
        for one in values[len(rows) :]:
            self._db.insert(
                "core_userfield",
                parent_id=user_id,
                name=definition["name"],
                value=one,
                action_id=by_action,
                updated_at=now,
            )
        for row in rows[len(values) :]:
            self._db.delete("core_userfield", row["id"])
        self.moved(user_id, "userfield")

    def add_field_value(self, user_id: int, name: str, value: str) -> int:
        """One more row of a userfield (a single-valued one keeps one row); returns its id."""
        rows = self.field_rows(user_id, name)
        if rows and not self._userfields[name.lower()]["allow_multiple"]:
            self.set_field(user_id, name, value)
            return int(rows[0]["id"])
        field_id = self._db.insert(
            "core_userfield",
            parent_id=user_id,
            name=self._userfields[name.lower()]["name"],
            value=value,
            updated_at=self._db.timestamp(),
        )
        self.moved(user_id, "userfield")
        return field_id

    def import_field(self, user_id: int, name: str, value: str, at: datetime | None) -> int:
        """A row as old imports left them: with a time of long ago or without one, and no clock
        moves. Returns its id; raises KeyError if the userfield is not defined."""
        return self._db.insert(
            "core_userfield",
            parent_id=user_id,
            name=self._userfields[name.lower()]["name"],
            value=value,
            updated_at=None if at is None else self._db.stored(at),
        )

    def remove_field_row(self, row_id: int) -> None:
        user_id = self._db.value("SELECT parent_id FROM core_userfield WHERE id = ?", (row_id,))
        self._db.delete("core_userfield", row_id)
        if user_id is not None:
            self.moved(user_id, "userfield")

    def remove_field(self, user_id: int, name: str) -> None:
        for row in self.field_rows(user_id, name):
            self._db.delete("core_userfield", row["id"])
        self.moved(user_id, "userfield")

    # phones ---------------------------------------------------------------------------------

    def phone_id_of(self, user_id: int, type_: str, source: str) -> int | None:
        found = self._db.value(
            "SELECT id FROM core_phone WHERE user_id = ? AND type = ? AND source = ?",
            (user_id, type_, source),
        )
        return None if found is None else int(found)

    def add_phone(self, user_id: int, phone: str, type_: str = "home", source: str = "user") -> int:
        """A number of a type from a source; one that is there already is replaced."""
        phone_id = self.phone_id_of(user_id, type_, source)
        if phone_id is not None:
            self.edit_phone(phone_id, phone=phone)
            return phone_id
        now = self._db.timestamp()
        phone_id = self._db.insert(
            "core_phone",
            user_id=user_id,
            type=type_,
            phone=phone,
            normalized_phone=self.normalized(phone),
            source=source,
            created_at=now,
            updated_at=now,
        )
        self.moved(user_id, "phone")
        return phone_id

    def edit_phone(self, phone_id: int, **columns: str) -> None:
        if "phone" in columns:
            columns["normalized_phone"] = self.normalized(columns["phone"])
        self._db.update("core_phone", phone_id, **columns, updated_at=self._db.timestamp())
        self.moved(
            self._db.value("SELECT user_id FROM core_phone WHERE id = ?", (phone_id,)), "phone"
        )

    def delete_phone(self, phone_id: int) -> None:
        user_id = self._db.value("SELECT user_id FROM core_phone WHERE id = ?", (phone_id,))
        self._db.delete("core_phone", phone_id)
        self.moved(user_id, "phone")

    def normalized(self, phone: str) -> str:
        digits = re.sub(r"\D", "", phone)
        if self.unknowns.normalized_phone_drops_one and len(digits) == 11 and digits[0] == "1":
            return digits[1:]
        return digits

    # groups ---------------------------------------------------------------------------------

    def add_usergroup(self, name: str, description: str = "", hidden: bool = False) -> int:
        owner = self._db.value("SELECT id FROM core_usergroup WHERE name = ?", (name,))
        if owner is not None:
            raise Conflict("name", name, owner)
        now = self._db.timestamp()
        return self._db.insert(
            "core_usergroup",
            name=name,
            description=description,
            hidden=hidden,
            created_at=now,
            updated_at=now,
        )

    def join(self, user_id: int, usergroup_id: int) -> None:
        changed = self._db.write(
            "INSERT OR IGNORE INTO core_user_groups (user_id, usergroup_id) VALUES (?, ?)",
            (user_id, usergroup_id),
        )
        if changed.rowcount:
            self.moved(user_id, "group")

    def leave(self, user_id: int, usergroup_id: int) -> None:
        changed = self._db.write(
            "DELETE FROM core_user_groups WHERE user_id = ? AND usergroup_id = ?",
            (user_id, usergroup_id),
        )
        if changed.rowcount:
            self.moved(user_id, "group")

    def groups_of(self, user_id: int) -> list[int]:
        return self._db.values(
            "SELECT usergroup_id FROM core_user_groups WHERE user_id = ? ORDER BY usergroup_id",
            (user_id,),
        )

    # lists ----------------------------------------------------------------------------------

    def add_list(self, name: str, is_default: bool = False, hidden: bool = False) -> int:
        now = self._db.timestamp()
        return self._db.insert(
            "core_list",
            name=name,
            is_default=is_default,
            hidden=hidden,
            created_at=now,
            updated_at=now,
        )

    def subscribe(self, user_id: int, list_id: int, action_id: int | None) -> bool:
        """Put a user on an e-mail list; returns whether that changed anything."""
        now = self._db.timestamp()
        changed = self._db.write(
            "INSERT OR IGNORE INTO core_subscription (user_id, list_id, created_at, updated_at)"
            " VALUES (?, ?, ?, ?)",
            (user_id, list_id, now, now),
        )
        if changed.rowcount <= 0:
            return False
        self._subscription_changed(user_id, list_id, action_id, "subscribe")
        self._db.update("core_user", user_id, subscription_status="subscribed", updated_at=now)
        return True

    def unsubscribe(self, user_id: int, action_id: int | None) -> None:
        """Take a user off every e-mail list."""
        lists = self._db.values(
            "SELECT list_id FROM core_subscription WHERE user_id = ?", (user_id,)
        )
        for list_id in lists:
            self._subscription_changed(user_id, list_id, action_id, "unsubscribe")
        if lists:
            self._db.delete("core_subscription", user_id, "user_id")
            self.edit_user(user_id, subscription_status="unsubscribed")

    def _subscription_changed(
        self, user_id: int, list_id: int, action_id: int | None, change: str
    ) -> None:
        now = self._db.timestamp()
        self._db.insert(
            "core_subscriptionhistory",
            user_id=user_id,
            list_id=list_id,
            action_id=action_id,
            change=change,
            created_at=now,
            updated_at=now,
        )

    # pages ----------------------------------------------------------------------------------

    def add_page(
        self,
        name: str,
        type_: str = "Signup",
        title: str = "",
        send_email: bool | None = None,
        groups: Collection[int] = (),
        import_settings: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> int:
        """A page; unless it is an import page it subscribes and confirms by e-mail.

        ``import_settings``: columns of ``core_importpage``. Raises :class:`Conflict` for a short
        name that is taken, ValueError for a type that does not exist.
        """
        if type_ not in PAGE_TYPES:
            raise ValueError("no such type of page")
        owner = self._db.value("SELECT id FROM core_page WHERE name = ?", (name,))
        if owner is not None:
            raise Conflict("name", name, owner)
        now = self._db.timestamp()
        values = {"status": "active", "goal_type": "actions", "recognize": "once", "lang_id": 100}
        values |= {"list_id": self.default_list_id, **columns}
        page_id = self._db.insert(
            "core_page",
            name=name,
            title=title,
            type=type_,
            created_at=now,
            updated_at=now,
            **values,
        )
        self._db.insert(f"core_{type_.lower()}page", page_ptr_id=page_id, **(import_settings or {}))
        self._db.insert(
            "core_pagefollowup",
            page_id=page_id,
            send_email=type_ != "Import" if send_email is None else send_email,
        )
        for usergroup_id in groups:
            self._db.insert("core_page_groups", page_id=page_id, usergroup_id=usergroup_id)
        return page_id

    def page(self, name: str) -> dict[str, Any] | None:
        """A page by its short name, with ``send_email`` of its follow-up."""
        return self._db.row(
            "SELECT p.*, f.send_email FROM core_page p"
            " JOIN core_pagefollowup f ON f.page_id = p.id WHERE p.name = ?",
            (name,),
        )

    def edit_page(self, page_id: int, **columns: Any) -> None:
        """Change columns of a page. Raises KeyError, :class:`Conflict` for a name that is taken."""
        if self._db.value("SELECT 1 FROM core_page WHERE id = ?", (page_id,)) is None:
            raise KeyError("no such page")
        if "name" in columns:
            owner = self._db.value("SELECT id FROM core_page WHERE name = ?", (columns["name"],))
            if owner not in (None, page_id):
                raise Conflict("name", columns["name"], owner)
        self._db.update("core_page", page_id, **columns, updated_at=self._db.timestamp())

    def delete_page(self, page_id: int) -> None:
        """Delete a page with its actions."""
        for action_id in self._db.values(
            "SELECT id FROM core_action WHERE page_id = ?", (page_id,)
        ):
            self.delete_action(action_id)
        type_ = self._db.value("SELECT type FROM core_page WHERE id = ?", (page_id,))
        if type_ is not None:
            self._db.delete(f"core_{type_.lower()}page", page_id, "page_ptr_id")
        self._db.delete("core_pagefield", page_id, "parent_id")
        for table in ("core_pagefollowup", "core_page_groups", "core_page_tags"):
            self._db.delete(table, page_id, "page_id")
        self._db.delete("core_page", page_id)

    # actions --------------------------------------------------------------------------------

    def import_actions(self, actions: Sequence[PastAction]) -> list[int]:
        """Actions as an old list has them, in this order, and nothing but them: nobody is
        subscribed, written to or told. Returns their ids."""
        types = {
            row["id"]: row["type"].lower()
            for row in self._db.rows("SELECT id, type FROM core_page")
        }
        rows = []
        for action in actions:
            at = self._db.stored(action.at)
            row = (action.user_id, action.page_id, action.source, action.status, at, at)
            rows.append(row)
        names = ("user_id", "page_id", "source", "status", "created_at", "updated_at")
        ids = self._db.insert_many("core_action", names, rows)
        by_type: dict[str, list[int]] = {}
        fields: list[tuple[int, str, str]] = []
        for action_id, action in zip(ids, actions, strict=True):
            by_type.setdefault(types[action.page_id], []).append(action_id)
            for name, value in action.fields.items():
                fields.extend((action_id, name, text) for text in as_texts(value))
        for type_, typed in by_type.items():
            self._db.insert_ids(f"core_{type_}action", "action_ptr_id", typed)
        self._db.insert_many("core_actionfield", ("parent_id", "name", "value"), fields)
        return list(ids)

    def edit_action(
        self,
        action_id: int,
        columns: Mapping[str, str],
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Change an action's own columns, and replace its actionfields where some are given."""
        causes: set[ActionChange] = set()
        if columns:
            causes.add("status")
            self._db.update("core_action", action_id, **columns)
        if fields is not None:
            causes.add("fields")
            self._db.delete("core_actionfield", action_id, "parent_id")
            for name, value in fields.items():
                self._add_actionfield(action_id, name, value)
        self.action_moved(action_id, *sorted(causes))

    def edit_actionfield(self, action_id: int, name: str, value: object) -> None:
        """Give an actionfield one value or several, None to remove it."""
        self._db.write(
            "DELETE FROM core_actionfield WHERE parent_id = ? AND name = ?", (action_id, name)
        )
        if value is not None:
            self._add_actionfield(action_id, name, value)
        self.action_moved(action_id, "actionfield")

    def _add_actionfield(self, action_id: int, name: str, value: object) -> None:
        for text in as_texts(value):
            self._db.insert("core_actionfield", parent_id=action_id, name=name, value=text)

    def action_moved(self, action_id: int, *causes: ActionChange) -> None:
        """An action changed: its clock moves if this instance is so."""
        if not self.unknowns.action_updated_by.isdisjoint(causes):
            self._db.update("core_action", action_id, updated_at=self._db.timestamp())

    def has_action(self, action_id: int) -> bool:
        return self._db.value("SELECT 1 FROM core_action WHERE id = ?", (action_id,)) is not None

    def delete_action(self, action_id: int) -> None:
        type_ = self._db.value(
            "SELECT p.type FROM core_action a JOIN core_page p ON p.id = a.page_id WHERE a.id = ?",
            (action_id,),
        )
        if type_ is not None:
            self._db.delete(f"core_{type_.lower()}action", action_id, "action_ptr_id")
        self._db.delete("core_actionfield", action_id, "parent_id")
        self._db.delete("core_action", action_id)
