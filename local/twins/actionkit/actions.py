"""What taking an action does: the processing behind ``POST /rest/v1/action/`` and uploads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.twins.actionkit.database import USER_TEXT_COLUMNS, Database
from local.twins.actionkit.records import (
    PHONE_LENGTH,
    PHONE_TYPES,
    Records,
    as_text,
    user_of_akid,
)

Zips = Mapping[str, tuple[str, str]]
"""US zips: five digits to city and two-letter state."""

UNITED_STATES = "United States"
_COUNTRY_NAMES = {"us": UNITED_STATES, "usa": UNITED_STATES, "united states": UNITED_STATES}
_LENGTHS = {"zip": 10, "postal": 64, "plus4": 4, "prefix": 32, "suffix": 32}
_LENGTH = 255
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_ZIP = re.compile(r"(\d{5})(?:-?(\d{4}))?")


class ActionRefused(Exception):
    """The action is refused, and nothing was done: parameter to messages."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__(", ".join(errors))
        self.errors = errors


class PageNotFound(Exception):
    """No page has this short name."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A confirmation e-mail that went out."""

    user_id: int
    page_id: int
    action_id: int
    at: str


class Actions:
    """Takes actions. ``admit`` is asked before anything is written (raises to refuse);
    ``listeners`` are told the id of every action taken, afterwards."""

    def __init__(
        self,
        database: Database,
        records: Records,
        zips: Zips,
        admit: Callable[[int | None], None],
    ) -> None:
        self._db = database
        self._records = records
        self._zips = zips
        self._admit = admit
        self.mails_sent: list[Mail] = []
        self.listeners: list[Callable[[int], None]] = []

    def take(
        self,
        page_name: str,
        parameters: Mapping[str, Any],
        user_id: int | None = None,
        ip_address: str | None = None,
        created_at: str | None = None,
        limited: bool = True,
    ) -> int:
        """Take an action for the user of ``email``, ``akid`` or ``user_id``; returns its id.

        ``limited``: whether ``admit`` is asked.

        Raises :class:`PageNotFound` and :class:`ActionRefused`, before anything is done.
        """
        page = self._records.page(page_name)
        if page is None:
            raise PageNotFound(page_name)
        given = {name: _trimmed(value) for name, value in parameters.items()}
        errors: dict[str, list[str]] = {}
        if user_id is None:
            user_id = self._user(given, errors)
        user = {}
        if user_id is not None:
            user = self._db.row("SELECT * FROM core_user WHERE id = ?", (user_id,)) or {}
        columns = self._columns(given, user, errors)
        userfields = self._userfields(given, errors)
        phones = _phones(given, errors)
        if errors:
            raise ActionRefused(errors)
        if limited:
            self._admit(user_id)

        source = as_text(given.get("source")) or "restful_api"
        created_user = user_id is None
        if user_id is None:
            user_id = self._records.add_user(as_text(given["email"]), {"source": source, **columns})
        else:
            self._records.edit_user(user_id, **columns)
        now = self._db.timestamp()
        action_id = self._db.insert(
            "core_action",
            user_id=user_id,
            page_id=page["id"],
            source=source,
            status="complete",
            created_user=created_user,
            ip_address=ip_address,
            created_at=created_at or now,
            updated_at=now,
        )
        self._db.insert(f"core_{page['type'].lower()}action", action_ptr_id=action_id)
        for name, values in _prefixed(given, "action_").items():
            for value in values:
                self._db.insert("core_actionfield", parent_id=action_id, name=name, value=value)
        for name, values in userfields.items():
            self._records.set_field(user_id, name, values, by_action=action_id)
        phone_source = self._records.unknowns.phone_source_of_actions
        for type_, number in phones.items():
            self._records.add_phone(user_id, number, type_, phone_source)
        for usergroup_id in self._db.values(
            "SELECT usergroup_id FROM core_page_groups WHERE page_id = ?", (page["id"],)
        ):
            self._records.join(user_id, usergroup_id)
        self._subscribe(given, page, user_id, action_id, created_user)
        if page["send_email"] and not _is_set(given.get("skip_confirmation")):
            self.mails_sent.append(Mail(user_id, page["id"], action_id, now))
        self._records.moved(user_id, "action")
        for listener in self.listeners:
            listener(action_id)
        return action_id

    # who ------------------------------------------------------------------------------------

    def _user(self, given: Mapping[str, Any], errors: dict[str, list[str]]) -> int | None:
        """The user addressed, None for one to be created."""
        email, token = as_text(given.get("email")), as_text(given.get("akid"))
        if email:
            if len(email) > _LENGTH or not _EMAIL.fullmatch(email):
                errors["email"] = ["Enter a valid email address."]
                return None
            return self._records.user_id_of(email)
        if token:
            user_id = user_of_akid(token)
            if user_id is not None and self._records.has_user(user_id):
                return user_id
            errors["akid"] = ["The akid is not valid."]
            return None
        errors["email"] = ["This field is required."]
        return None

    # columns --------------------------------------------------------------------------------

    def _columns(
        self, given: Mapping[str, Any], user: Mapping[str, Any], errors: dict[str, list[str]]
    ) -> dict[str, str]:
        """The columns of the user that the action sets, with the address put right."""
        columns = {
            name: as_text(given[name])
            for name in USER_TEXT_COLUMNS
            if name in given and name != "source"
        }
        if given.get("name"):
            first, _, last = as_text(given["name"]).partition(" ")
            columns |= {"first_name": first, "last_name": last.strip()}
        if self._records.unknowns.blank_column == "ignored":
            columns = {name: value for name, value in columns.items() if value}
        for name, value in columns.items():
            if len(value) > _LENGTHS.get(name, _LENGTH):
                errors[name] = [f"Must be at most {_LENGTHS.get(name, _LENGTH)} characters."]
        if columns.get("country"):
            name = columns["country"]
            columns["country"] = _COUNTRY_NAMES.get(name.lower(), name)
        country = columns.get("country") or user.get("country") or ""
        if not country and columns.get("zip"):
            country = columns["country"] = UNITED_STATES
        if country == UNITED_STATES:
            self._us_address(columns, errors)
        elif country:
            _foreign_address(columns, user)
        return columns

    def _us_address(self, columns: dict[str, str], errors: dict[str, list[str]]) -> None:
        if "state" in columns or "region" in columns:
            state = columns.get("state") or columns.get("region", "")
            columns["state"] = columns["region"] = state.upper() if len(state) == 2 else state
        key = next((name for name in ("zip", "postal") if columns.get(name)), None)
        if key is None:
            if "zip" in columns or "postal" in columns:
                columns |= {"zip": "", "postal": "", "plus4": ""}
            return
        found = _ZIP.fullmatch(columns[key])
        if found is None:
            errors[key] = ["ZIP Code is invalid."]
            return
        zip_, plus4 = found.groups()
        columns |= {"zip": zip_, "postal": zip_}
        if plus4:
            columns["plus4"] = plus4
        place = self._zips.get(zip_)
        if place is not None:
            city, state = place
            columns |= {"city": city, "state": state, "region": state}

    # userfields -----------------------------------------------------------------------------

    def _userfields(
        self, given: Mapping[str, Any], errors: dict[str, list[str]]
    ) -> dict[str, list[str]]:
        userfields = _prefixed(given, "user_")
        for name in list(userfields):
            if self._records.userfield(name) is None:
                if self._records.unknowns.unknown_userfield == "refused":
                    errors[f"user_{name}"] = ["There is no such user field."]
                del userfields[name]
                continue
            why_not = self._records.userfield_refuses(name, userfields[name])
            if why_not is not None:
                errors[f"user_{name}"] = [why_not]
        return userfields

    # subscription ---------------------------------------------------------------------------

    def _subscribe(
        self,
        given: Mapping[str, Any],
        page: Mapping[str, Any],
        user_id: int,
        action_id: int,
        created_user: bool,
    ) -> None:
        if page["type"] == "Unsubscribe":
            self._records.unsubscribe(user_id, action_id)
            return
        if _is_set(given.get("suppress_subscribe")):
            return
        if page["type"] == "Import":
            settings = self._db.row(
                "SELECT * FROM core_importpage WHERE page_ptr_id = ?", (page["id"],)
            )
            if settings is None:
                return
            if settings["unsubscribe"] or settings["unsubscribe_all"]:
                self._records.unsubscribe(user_id, action_id)
                return
            if not (settings["subscribe"] or (settings["subscribe_if_new"] and created_user)):
                return
        if page["list_id"] is not None and self._records.subscribe(
            user_id, page["list_id"], action_id
        ):
            self._db.update("core_action", action_id, subscribed_user=True)


def _trimmed(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [as_text(one).strip() for one in value]
    return value.strip() if isinstance(value, str) else value


def _is_set(value: Any) -> bool:
    return as_text(value).lower() not in ("", "0", "false", "no", "off")


def _prefixed(given: Mapping[str, Any], prefix: str) -> dict[str, list[str]]:
    """Values by name without the prefix, each as a list of texts."""
    return {
        name.removeprefix(prefix): [as_text(one) for one in value]
        if isinstance(value, list)
        else [as_text(value)]
        for name, value in given.items()
        if name.startswith(prefix) and name != prefix and name not in ("user_id", "action_id")
    }


def _foreign_address(columns: dict[str, str], user: Mapping[str, Any]) -> None:
    """Outside the US, zip and state are postal and region."""
    for american, foreign in (("zip", "postal"), ("state", "region")):
        value = columns.pop(american, "")
        if value:
            columns.setdefault(foreign, value)
    if user.get("country") == UNITED_STATES:
        columns |= {"zip": "", "plus4": "", "state": ""}


def _phones(given: Mapping[str, Any], errors: dict[str, list[str]]) -> dict[str, str]:
    phones: dict[str, str] = {}
    for name in given:
        type_ = name.removesuffix("_phone")
        if name == "phone":
            type_ = as_text(given.get("phone_type")) or "home"
        elif type_ == name or type_ not in PHONE_TYPES:
            continue
        number = as_text(given[name])
        if len(number) > PHONE_LENGTH:
            errors[name] = [f"Must be at most {PHONE_LENGTH} characters."]
        elif number:
            phones[type_] = number
    return phones
