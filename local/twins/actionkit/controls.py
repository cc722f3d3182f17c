"""The control paths of the ActionKit twin: what people and staff do there, by HTTP."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.twins.actionkit.actions import ActionRefused, PageNotFound
from local.twins.actionkit.records import Conflict

if TYPE_CHECKING:
    from local.twins.actionkit.twin import ActionKitTwin

Answer = Callable[[Any], object]


class Controls:
    """The paths and what each does with its JSON body; ValueError, TypeError and KeyError say
    what is wrong with one."""

    def __init__(self, twin: ActionKitTwin) -> None:
        self._twin = twin

    def routes(self) -> Iterator[tuple[str, str, Answer]]:
        """Method, name and answer of each path."""
        twin = self._twin
        yield "GET", "counts", lambda _: twin.counts()
        yield "POST", "reset-counts", lambda _: twin.reset_counts()
        yield "GET", "unknowns", lambda _: twin.unknowns.as_json()
        yield "POST", "unknowns", self._switch
        yield "GET", "pushes", lambda _: self._pushes()
        posts: Mapping[str, Answer] = {
            "push-settings": self._push_settings,
            "add-push-endpoint": lambda body: {"endpoint_id": twin.pushes.add(**body)},
            "remove-push-endpoint": lambda body: twin.pushes.remove(body["endpoint_id"]),
            "add-page": self._add_page,
            "edit-page": lambda body: twin.edit_page(**body),
            "take-action": self._take_action,
            "take-actions": lambda body: [self._take_action(each) for each in body],
            "add-past-actions": self._add_past_actions,
            "set-action-status": lambda body: twin.set_action_status(**body),
            "edit-actionfield": lambda body: twin.edit_actionfield(**body),
            "delete-action": lambda body: twin.delete_action(body["action_id"]),
            "user": lambda body: twin.user(body["user_id"]),
            "add-user": self._add_user,
            "edit-user": self._edit_user,
            "delete-user": lambda body: twin.delete_user(self._user(body)),
            "merge-users": self._merge_users,
            "erase-user": lambda body: twin.erase_user(self._user(body)),
            "set-field": lambda body: twin.set_field(
                self._user(body), body["name"], self._values(body["name"], body["value"])
            ),
            "add-phone": self._add_phone,
            "add-usergroup": lambda body: {"usergroup_id": twin.add_usergroup(body["name"])},
            "join-usergroup": lambda body: self._join([body["user_id"]], body),
            "leave-usergroup": lambda body: self._leave([body["user_id"]], body),
            "join-usergroup-many": lambda body: self._join(body["user_ids"], body),
            "leave-usergroup-many": lambda body: self._leave(body["user_ids"], body),
        }
        for name, answer in posts.items():
            yield "POST", name, _refusing(answer)

    # switches -------------------------------------------------------------------------------

    def _switch(self, body: Any) -> object:
        self._twin.switch(**(body or {}))
        return self._twin.unknowns.as_json()

    def _push_settings(self, body: Any) -> object:
        self._twin.pushes.change(**(body or {}))
        return self._twin.pushes.settings.as_json()

    def _pushes(self) -> object:
        pushes = self._twin.pushes
        endpoints = [
            {
                "endpoint_id": endpoint_id,
                "url": endpoint.url,
                "name": endpoint.name,
                "pages": None if endpoint.pages is None else sorted(endpoint.pages),
                "payload": endpoint.payload,
            }
            for endpoint_id, endpoint in pushes.endpoints.items()
        ]
        return {**pushes.counts(), "settings": pushes.settings.as_json(), "endpoints": endpoints}

    # pages and actions ----------------------------------------------------------------------

    def _add_page(self, body: Any) -> object:
        attributes = {name: value for name, value in body.items() if name not in ("name", "type")}
        page_id = self._twin.add_page(body["name"], body.get("type", "Signup"), **attributes)
        return {"page_id": page_id}

    def _take_action(self, body: Any) -> dict[str, int]:
        parameters = {
            name: value for name, value in body.items() if name not in ("page", "user_id")
        }
        user_id = self._user(body) if "user_id" in body else None
        action_id = self._twin.take_action(body["page"], parameters, user_id)
        [row] = self._twin.query("SELECT user_id FROM core_action WHERE id = ?", action_id)
        return {"action_id": action_id, "user_id": row["user_id"]}

    def _add_past_actions(self, body: Any) -> object:
        at = None if body.get("at") is None else _moment(body["at"])
        added = self._twin.add_past_actions(body["page"], body["user_ids"], at, body.get("fields"))
        return {"action_ids": added}

    # people ---------------------------------------------------------------------------------

    def _user(self, body: Any) -> int:
        user_id: int = body["user_id"]
        self._twin.user(user_id)
        return user_id

    def _values(self, name: str, value: Any) -> Any:
        if not self._twin.query("SELECT 1 FROM core_alloweduserfield WHERE name = ?", name):
            raise KeyError(f"no userfield {name}")
        return value

    def _add_user(self, body: Any) -> object:
        columns = dict(body)
        email, fields = columns.pop("email"), columns.pop("fields", {})
        phones, subscribed = columns.pop("phones", []), columns.pop("subscribed", False)
        if columns.get("at") is not None:
            columns["at"] = _moment(columns["at"])
        numbers = [(each["phone"], each.get("type", "mobile")) for each in phones]
        for name in fields:
            self._values(name, None)
        user_id = self._twin.add_user(email, subscribed=subscribed, **columns)
        self._set_fields(user_id, fields)
        for number, type_ in numbers:
            self._twin.add_phone(user_id, number, type_)
        return {"user_id": user_id}

    def _edit_user(self, body: Any) -> object:
        columns = dict(body)
        user_id, fields = columns.pop("user_id"), columns.pop("fields", {})
        for name in fields:
            self._values(name, None)
        self._twin.edit_user(user_id, **columns)
        self._set_fields(user_id, fields)
        return None

    def _set_fields(self, user_id: int, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            self._twin.set_field(user_id, name, value)

    def _merge_users(self, body: Any) -> object:
        for user_id in (body["primary_id"], *body["user_ids"]):
            self._twin.user(user_id)
        return {"merge_id": self._twin.merge_users(body["primary_id"], *body["user_ids"])}

    def _add_phone(self, body: Any) -> object:
        type_, source = body.get("type", "mobile"), body.get("source", "user")
        return {"phone_id": self._twin.add_phone(self._user(body), body["phone"], type_, source)}

    # usergroups -----------------------------------------------------------------------------

    def _join(self, user_ids: list[int], body: Any) -> object:
        return {"joined": self._twin.join_many(body["usergroup_id"], user_ids)}

    def _leave(self, user_ids: list[int], body: Any) -> object:
        return {"left": self._twin.leave_many(body["usergroup_id"], user_ids)}


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _refusing(answer: Answer) -> Answer:
    """The answer with what the twin refuses as a ValueError."""

    def answered(body: Any) -> object:
        try:
            return answer(body)
        except ActionRefused as refused:
            raise ValueError(json.dumps(refused.errors)) from refused
        except PageNotFound as missing:
            raise ValueError(f"no page is named {missing}") from missing
        except Conflict as conflict:
            raise ValueError(f"{conflict.key} is taken: {conflict.value}") from conflict
        except sqlite3.Error as error:
            raise ValueError(str(error)) from error

    return answered
