"""The whole twin: who may ask, how much at once, and what is remembered for a test."""

from __future__ import annotations

import base64
import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from local.twins.actionkit.actions import Actions, Mail, PageNotFound, Zips
from local.twins.actionkit.controls import Controls
from local.twins.actionkit.database import Database
from local.twins.actionkit.pace import Pace
from local.twins.actionkit.pushes import Pushes
from local.twins.actionkit.records import PastAction, Records, akid
from local.twins.actionkit.reports import Reports
from local.twins.actionkit.rest import ROOT, Answer, Rest, empty, server_error
from local.twins.actionkit.unknowns import Unknowns
from local.twins.actionkit.uploads import Uploads
from local.twins.http import Control, Cut, Faults, Request, Response, switched

_NEW_USER = 0
_UNAUTHORISED = {"WWW-Authenticate": 'Basic Realm="django-tastypie"'}


class ActionKitTwin:
    """An ActionKit instance in memory.

    Answers requests by :meth:`handle` and can be worked directly by the methods below it. All
    time comes from ``clock`` (aware, UTC), all chance from ``rng``. Not for several threads at
    once: :func:`local.twins.http.serve` calls it under a lock. ``in_flight`` is set by whoever
    calls, to how many requests are under way.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        rng: random.Random,
        unknowns: Unknowns | None = None,
        username: str = "staff",
        password: str = "secret",
        zips: Zips | None = None,
    ) -> None:
        self._clock = clock
        self._unknowns = unknowns or Unknowns()
        self._login = f"{username}:{password}"
        self.faults = Faults(rng, _error)
        self.in_flight = 0
        self.pace = Pace()
        self.failed_logins = 0
        self.requests: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self._subscriptions_before = 0
        self._concerned: set[int] = set()

        self._db = Database(clock, lambda: self._unknowns)
        self._records = Records(self._db, self._unknowns)
        self._actions = Actions(self._db, self._records, zips or {}, self._admit)
        self.pushes = Pushes(self._db, clock, rng)
        self.on_action(self.pushes.after)
        uploads = Uploads(self._db, self._records, self._actions, self._count_values)
        self._reports = Reports(self._db, lambda: self._unknowns, clock, self._count_values)
        self._rest = Rest(
            self._db,
            self._records,
            self._actions,
            uploads,
            self._reports,
            self._admit,
            self._count_values,
        )
        self._control = Control(self.faults)
        for route in Controls(self).routes():
            self._control.add(*route)

    def close(self) -> None:
        """Free the database."""
        self._db.close()

    # HTTP -----------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer a request. Raises :class:`local.twins.http.Cut` where a fault says so."""
        response = self._control.handle(request)
        if response is not None:
            return response
        self.requests[f"{request.method} {re.sub('/[0-9]+/', '/ID/', request.path)}"] += 1
        try:
            response = self.faults.around(request, self._answer)
        except Cut:
            self.statuses["cut"] += 1
            raise
        self.statuses[str(response.status)] += 1
        return response

    def _answer(self, request: Request) -> Response:
        limit = self._unknowns.simultaneous_requests
        if limit is not None and self.in_flight > limit:
            return empty(429)
        self._concerned = set()
        try:
            response = self._permitted(request)
            if response.status < 300:
                self._within_limit(self._concerned)
        except Answer as answer:  # over the limit of records
            return answer.response
        finally:
            concerned, self._concerned = self._concerned, set()
        self.pace.note(self._clock(), concerned)
        return response

    def _permitted(self, request: Request) -> Response:
        path = request.path
        if "//" in path:
            return server_error()
        if not path.startswith(ROOT.rstrip("/")):
            return empty(404)
        if not path.endswith("/"):
            query = f"?{request.query_string}" if request.query else ""
            return empty(301, {"Location": f"{path}/{query}"})
        locked = self._unknowns.lock_after_failed_logins
        if locked is not None and self.failed_logins >= locked:
            return empty(403)
        resource = self._rest.resource_of(request)
        login = request.headers.get("authorization")
        public = request.method == "POST" and path == f"{ROOT}action/"
        if not (login is None and public) and not self._knows(login):
            self.failed_logins += login is not None
            return empty(401, _UNAUTHORISED)
        no_sql = resource == "report" and self._unknowns.sql_forbidden
        if no_sql or (resource in self._unknowns.forbidden and login is not None):
            status = self._unknowns.missing_permission_status
            return empty(status, _UNAUTHORISED if status == 401 else None)
        return self._rest.handle(request, authenticated=login is not None)

    def _knows(self, login: str | None) -> bool:
        kind, _, encoded = (login or "").partition(" ")
        try:
            return kind.lower() == "basic" and base64.b64decode(encoded).decode() == self._login
        except ValueError:
            return False

    # how much -------------------------------------------------------------------------------

    def _count_values(self, user_ids: Collection[int]) -> None:
        self._concerned.update(user_ids)

    def _admit(self, user_id: int | None) -> None:
        """Before a user is written; None for one that does not exist yet."""
        self._within_limit({_NEW_USER if user_id is None else user_id})
        if user_id is not None:
            self._count_values({user_id})

    def _within_limit(self, user_ids: Collection[int]) -> None:
        limit = self._unknowns.records_per_minute
        if limit is not None and self.pace.would_be(self._clock(), user_ids) > limit:
            self._concerned.clear()
            raise Answer(empty(429))

    def most_users_in_any_60_seconds(self) -> int:
        """The most different users whose values were read or written in any 60 seconds."""
        return self.pace.most_users_in_any_60_seconds()

    def users_per_minute_series(self) -> list[tuple[int, int]]:
        """For each minute that had any: its start (Unix seconds), its different users."""
        return self.pace.users_per_minute_series()

    # switches -------------------------------------------------------------------------------

    @property
    def unknowns(self) -> Unknowns:
        return self._unknowns

    def switch(self, **changes: Any) -> None:
        """Change some of the unknowns. Raises ValueError."""
        self._unknowns = self._records.unknowns = switched(self._unknowns, changes)
        if self._unknowns.replica_lag_seconds > 0:
            self._db.start_replica()

    # counts ---------------------------------------------------------------------------------

    def counts(self) -> dict[str, Any]:
        """What happened since the start or the last :meth:`reset_counts`, as JSON values."""
        return {
            "requests": dict(self.requests),
            "statuses": dict(self.statuses),
            "faults": dict(self.faults.hits),
            "failed_logins": self.failed_logins,
            "sql_statements_run": self._reports.run_count,
            "mails_sent": len(self.mails_sent),
            "pushes": self.pushes.counts(),
            "subscription_changes": len(self.subscription_changes()),
            "users": self._db.value("SELECT COUNT(*) FROM core_user"),
            "actions": self._db.value("SELECT COUNT(*) FROM core_action"),
            "most_users_in_any_60_seconds": self.most_users_in_any_60_seconds(),
            "users_per_minute": [list(minute) for minute in self.users_per_minute_series()],
        }

    def reset_counts(self) -> dict[str, Any]:
        """Count from now on."""
        for counter in (self.requests, self.statuses, self.faults.hits):
            counter.clear()
        self.failed_logins = self._reports.run_count = 0
        self._actions.mails_sent.clear()
        self.pushes.reset_counts()
        self._subscriptions_before = (
            self._db.value("SELECT MAX(id) FROM core_subscriptionhistory") or 0
        )
        self.pace.clear()
        return self.counts()

    # people ---------------------------------------------------------------------------------

    def add_user(
        self, email: str, *, subscribed: bool = False, at: datetime | None = None, **columns: str
    ) -> int:
        """A user with columns of ``core_user``; ``subscribed`` to the default e-mail list; ``at``:
        imported with the time when it was made and changed last elsewhere."""
        return self._records.add_user(email, columns, subscribed, at)

    def edit_user(self, user_id: int, **columns: str) -> None:
        """Change columns of the profile, as staff do in the admin pages."""
        self._records.edit_user(user_id, **columns)

    def delete_user(self, user_id: int) -> None:
        self._records.delete_user(user_id)

    def merge_users(self, primary_id: int, *others: int) -> int:
        """Merge users into the first; returns the id of the merge."""
        return self._records.merge(primary_id, others)

    def erase_user(self, user_id: int) -> None:
        self._records.erase(user_id)

    def define_userfield(self, name: str, **attributes: Any) -> None:
        """A userfield's definition; attributes are columns of ``core_alloweduserfield``."""
        self._records.define_userfield(name, **attributes)

    def remove_userfield(self, name: str) -> None:
        self._records.remove_userfield(name)

    def set_field(
        self,
        user_id: int,
        name: str,
        value: str | Sequence[str] | None,
        by_action: int | None = None,
    ) -> None:
        """Set a userfield; None removes its rows, ``by_action`` is kept as ``action_id``."""
        if value is None:
            self._records.remove_field(user_id, name)
        else:
            self._records.set_field(user_id, name, value, by_action)

    def import_field(self, user_id: int, name: str, value: str, at: datetime | None = None) -> int:
        """A userfield row with an old time or none, for which no clock moves; returns its id."""
        return self._records.import_field(user_id, name, value, at)

    def remove_field_row(self, row_id: int) -> None:
        """Remove one row of a userfield, which leaves no trace but itself missing."""
        self._records.remove_field_row(row_id)

    def add_phone(
        self, user_id: int, phone: str, type_: str = "mobile", source: str = "user"
    ) -> int:
        """A number of a type from a source, replacing one that is there."""
        return self._records.add_phone(user_id, phone, type_, source)

    def delete_phone(self, phone_id: int) -> None:
        self._records.delete_phone(phone_id)

    def add_usergroup(self, name: str) -> int:
        return self._records.add_usergroup(name)

    def join(self, user_id: int, usergroup_id: int) -> None:
        self._records.join(user_id, usergroup_id)

    def leave(self, user_id: int, usergroup_id: int) -> None:
        self._records.leave(user_id, usergroup_id)

    def join_many(self, usergroup_id: int, user_ids: Collection[int]) -> int:
        """Put users into a group; how many were not in it. Raises KeyError for what does not
        exist, before anybody joins."""
        self._check_group(usergroup_id, user_ids)
        before = self._size(usergroup_id)
        for user_id in user_ids:
            self.join(user_id, usergroup_id)
        return self._size(usergroup_id) - before

    def leave_many(self, usergroup_id: int, user_ids: Collection[int]) -> int:
        """Take users out of a group; how many were in it. Raises KeyError as :meth:`join_many`."""
        self._check_group(usergroup_id, user_ids)
        before = self._size(usergroup_id)
        for user_id in user_ids:
            self.leave(user_id, usergroup_id)
        return before - self._size(usergroup_id)

    def _check_group(self, usergroup_id: int, user_ids: Collection[int]) -> None:
        if self._db.value("SELECT 1 FROM core_usergroup WHERE id = ?", (usergroup_id,)) is None:
            raise KeyError("no such usergroup")
        if not all(map(self._records.has_user, user_ids)):
            raise KeyError("no such user")

    def _size(self, usergroup_id: int) -> int:
        sql = "SELECT COUNT(*) FROM core_user_groups WHERE usergroup_id = ?"
        return int(self._db.value(sql, (usergroup_id,)))

    # pages and actions ----------------------------------------------------------------------

    def add_page(self, name: str, type_: str = "Signup", **attributes: Any) -> int:
        """A page; attributes as of :meth:`Records.add_page`."""
        return self._records.add_page(name, type_, **attributes)

    def take_action(
        self, page: str, parameters: Mapping[str, Any], user_id: int | None = None
    ) -> int:
        """An action as a person takes it on a page: by ``email`` or ``akid`` among the
        parameters, or by the user's id. Returns its id; raises ActionRefused, PageNotFound."""
        source = {} if "source" in parameters else {"source": "website"}
        return self._actions.take(page, {**source, **parameters}, user_id, limited=False)

    def edit_page(self, page_id: int, **columns: Any) -> None:
        """Change columns of a page, as staff do. Raises KeyError."""
        self._records.edit_page(page_id, **columns)

    def add_past_actions(
        self,
        page: str,
        user_ids: Collection[int],
        at: datetime | None = None,
        fields: Mapping[str, str | Sequence[str]] | None = None,
    ) -> list[int]:
        """A complete action of each user, taken at a time (a year ago), of which nobody is told
        and that changes no user. Returns their ids; raises PageNotFound, KeyError."""
        row = self._records.page(page)
        if row is None:
            raise PageNotFound(page)
        if not all(map(self._records.has_user, user_ids)):
            raise KeyError("no such user")
        at = self._db.now() - timedelta(days=365) if at is None else at
        actions = [PastAction(row["id"], user_id, at, fields or {}) for user_id in user_ids]
        return self._records.import_actions(actions)

    def import_actions(self, actions: Sequence[PastAction]) -> list[int]:
        """The same for actions that differ, in this order."""
        return self._records.import_actions(actions)

    def set_action_status(self, action_id: int, status: str) -> None:
        """As the spam check does, later. Raises KeyError."""
        self._check_action(action_id)
        self._records.edit_action(action_id, {"status": status})

    def edit_actionfield(
        self, action_id: int, name: str, value: str | Sequence[str] | None
    ) -> None:
        """Set an actionfield as staff do; None removes it. Raises KeyError."""
        self._check_action(action_id)
        self._records.edit_actionfield(action_id, name, value)

    def _check_action(self, action_id: int) -> None:
        if not self._records.has_action(action_id):
            raise KeyError("no such action")

    def delete_action(self, action_id: int) -> None:
        """As staff delete one."""
        self._records.delete_action(action_id)

    def on_action(self, listener: Callable[[int], None]) -> None:
        """Have a function called with the id of every action, after it was taken."""
        self._actions.listeners.append(listener)

    # snapshots ------------------------------------------------------------------------------

    @staticmethod
    def akid(user_id: int) -> str:
        return akid(user_id)

    def user_ids(self) -> list[int]:
        return self._db.values("SELECT id FROM core_user ORDER BY id")

    def user(self, user_id: int) -> dict[str, Any]:
        """A user's columns, with ``fields`` (name to list of values), ``phones`` (rows) and
        ``groups`` (ids). Raises KeyError."""
        row = self._db.row("SELECT * FROM core_user WHERE id = ?", (user_id,))
        if row is None:
            raise KeyError("no such user")
        fields: dict[str, list[str]] = {}
        for field in self._records.field_rows(user_id):
            fields.setdefault(field["name"], []).append(field["value"])
        phones = self._db.rows("SELECT * FROM core_phone WHERE user_id = ? ORDER BY id", (user_id,))
        groups = self._records.groups_of(user_id)
        return {**row, "fields": fields, "phones": phones, "groups": groups}

    def users(self) -> dict[int, dict[str, Any]]:
        return {user_id: self.user(user_id) for user_id in self.user_ids()}

    def userfield_rows(self, user_id: int) -> list[dict[str, Any]]:
        return self._records.field_rows(user_id)

    def actions(self) -> list[dict[str, Any]]:
        """Every action's columns, with ``page`` (short name), ``type`` and ``fields`` (name to
        list of values), by id."""
        fields: dict[int, dict[str, list[str]]] = {}
        for row in self._db.rows("SELECT * FROM core_actionfield ORDER BY id"):
            by_name = fields.setdefault(row["parent_id"], {})
            by_name.setdefault(row["name"], []).append(row["value"])
        rows = self._db.rows(
            "SELECT a.*, p.name AS page, p.type FROM core_action a"
            " JOIN core_page p ON p.id = a.page_id ORDER BY a.id"
        )
        return [{**row, "fields": fields.get(row["id"], {})} for row in rows]

    @property
    def mails_sent(self) -> list[Mail]:
        return self._actions.mails_sent

    def subscriptions(self) -> set[tuple[int, int]]:
        """(user id, list id) of every e-mail subscription."""
        rows = self._db.rows("SELECT user_id, list_id FROM core_subscription")
        return {(row["user_id"], row["list_id"]) for row in rows}

    def subscription_changes(self) -> list[dict[str, Any]]:
        """Rows of ``core_subscriptionhistory`` since the last :meth:`reset_counts`."""
        return self._db.rows(
            "SELECT * FROM core_subscriptionhistory WHERE id > ? ORDER BY id",
            (self._subscriptions_before,),
        )

    def explain(self, query: str) -> list[str]:
        """How the database would run a report: one line a step, ``SCAN`` without an index."""
        return self._reports.explain(query)

    def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of a SELECT in SQLite's dialect on the tables as they are now."""
        return self._db.rows(sql, parameters)


def _error(status: int) -> Response:
    return server_error() if status == 500 else empty(status)
