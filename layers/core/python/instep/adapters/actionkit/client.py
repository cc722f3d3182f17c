"""The port ActionKit.

What is assumed of ActionKit where its documentation is silent, and what one sees if it is wrong,
is in `docs/assumptions.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

import phonenumbers

from instep.adapters.actionkit import actions, changes
from instep.adapters.actionkit.calls import (
    MAX_ROWS,
    SQL,
    Calls,
    id_in,
    page_of,
    refused_fields,
)
from instep.adapters.actionkit.emails import owner_of
from instep.adapters.actionkit.gathered import Gathered
from instep.adapters.actionkit.rest import AT_ONCE, RestReader
from instep.adapters.actionkit.rest_actions import RestActions
from instep.adapters.actionkit.rest_changes import RestChanges
from instep.adapters.actionkit.sql import look_of, look_statement
from instep.adapters.answers import (
    BUSY,
    REFUSED,
    error_of,
    json_of,
    text_of,
    time_of,
    unanswered,
    unreadable,
)
from instep.adapters.transport import HostRefusedError
from instep.domain.people import Side, User
from instep.domain.rules import Moment
from instep.use_cases.errors import ConfigurationError, Rejected
from instep.use_cases.ports import (
    BUCKET_OF_ACTIONS,
    Act,
    Acted,
    ActionKitLook,
    Changed,
    Clock,
    EmailOwner,
    Gone,
    HttpAnswer,
    ImportPage,
    NoAnswerError,
    OptInValue,
    PageRow,
    Permits,
    Place,
    Sum,
    Taken,
    Transport,
    Userfield,
    UsergroupRow,
)

Found = TypeVar("Found")

IMPORT_PAGE: Final = "instep-strive-sync"
"""The short name of the integration's own import page (U6)."""
IMPORT_PAGE_TITLE: Final = "Strive sync (made by the integration, please keep)"
SOURCE: Final = "instep-strive-sync"
"""The source of every action that we write: how to tell them from people's."""

RESOURCES: Final = ("user", "userfield", "phone", "page", "action")
"""What the staff account must be allowed to use (C1)."""
SPELLINGS: Final = (
    *("true", "t", "yes", "y", "1", "opt in", "opt-in"),
    *("false", "f", "no", "n", "0", "opt out", "opt-out"),
    *("TBD", ""),
)
"""The opt-in values that can be counted by REST without reading anybody's."""
SENT_AS: Final = {"postal": "zip", "region": "state"}
"""ActionKit names a refused US address by its own columns, whichever was sent."""


class ActionKitClient:
    """ActionKit for one account, read by SQL reports or by REST.

    `default_region`: the account's, for the other spellings of a number (by its calling code).
    """

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        username: str,
        password: str,
        permits: Permits,
        reads: Literal["sql", "rest"],
        clock: Clock,
        default_region: str = "US",
    ) -> None:
        self._calls = Calls(transport, base_url, username, password, permits, clock)
        self._rest = RestReader(self._calls) if reads == "rest" else None
        self._rest_changes = RestChanges(self._calls) if reads == "rest" else None
        self._rest_actions = RestActions(self._calls) if reads == "rest" else None
        code = str(phonenumbers.country_code_for_region(default_region))
        self._calling_codes = ["1"] if code in ("0", "1") else ["1", code]

    # --- connect ---

    def probe(self) -> Literal["sql", "rest"]:
        """Whether this is ActionKit and the staff account may do what it must (C1): how records
        can be read. Raises ConfigurationError with the codes `hostname_refused`,
        `actionkit_unreachable` (503), `actionkit_wrong_host`, `actionkit_credentials`,
        `actionkit_permission`."""
        root = self._probed("GET", "", None)
        if root.status in REFUSED:
            raise ConfigurationError(
                "actionkit_credentials",
                "ActionKit does not accept this user name and password.",
                field="password",
            )
        if root.status != 200 or not _is_actionkit(json_of(root)):
            raise ConfigurationError(
                "actionkit_wrong_host", "There is no ActionKit at this hostname.", field="hostname"
            )
        for resource in RESOURCES:
            if self._probed("GET", f"{resource}/schema/", None).status != 200:
                raise ConfigurationError(
                    "actionkit_permission",
                    f"The staff account lacks a permission in ActionKit: {resource}.",
                    field="username",
                )
        counted = self._probed(
            "POST", SQL, {"query": "SELECT COUNT(*) FROM core_user WHERE id = 0", "refresh": True}
        )
        rows = json_of(counted)
        return "sql" if counted.status == 200 and isinstance(rows, list) else "rest"

    def _probed(self, method: str, path: str, body: Mapping[str, Any] | None) -> HttpAnswer:
        try:
            answer = self._calls.attempt(method, path, body=body)
        except HostRefusedError:
            raise ConfigurationError(
                "hostname_refused",
                "This hostname does not lead to a host on the internet.",
                field="hostname",
            ) from None
        except NoAnswerError:
            answer = None
        if answer is None or answer.status in BUSY or answer.status >= 500:
            raise ConfigurationError(
                "actionkit_unreachable",
                "ActionKit does not answer at this hostname now; check it or try again later.",
                field="hostname",
                status=503,
            )
        return answer

    # --- look ---

    def look(
        self,
        user_ids: Sequence[int],
        userfields: Sequence[str],
        sync_ids: Sequence[str] = (),
        max_sharers: int = 100,
        only_lower: Sequence[int] = (),
        page_ids: Sequence[int] = (),
    ) -> ActionKitLook:
        """The users as they are now, with their actions on these pages. The first of `userfields`
        is the opt-in userfield, which is read of everyone who shares a number too. One attempt,
        without a slot: the caller holds the grant. Raises Rejected where the answer would be too
        long."""
        if not user_ids:
            return Gathered(userfields).look()
        try:
            if self._rest is not None:
                return self._rest.look(user_ids, userfields, sync_ids, max_sharers, page_ids)
            query, values = look_statement(
                user_ids,
                userfields,
                sync_ids,
                self._calling_codes,
                max_sharers,
                only_lower,
                page_ids,
            )
            return look_of(self._calls.report(query, values, granted=True), userfields)
        except (KeyError, ValueError, TypeError):
            raise unreadable(Side.ACTIONKIT, writing=False) from None

    def read_again(self, user_ids: Sequence[int], userfields: Sequence[str]) -> Mapping[int, User]:
        """Profiles and userfields by REST, which is never behind. The caller holds the grant."""
        reader = self._rest or RestReader(self._calls)
        try:
            return reader.users(user_ids, userfields)
        except (KeyError, ValueError, TypeError):
            raise unreadable(Side.ACTIONKIT, writing=False) from None

    def find_gone(self, user_id: int) -> Gone | None:
        """None if a read by id shows the user; Gone if it says 404, or leads to another user (a
        merge). Raises as all."""
        try:
            answer = self._calls.attempt("GET", f"user/{user_id}/")
        except NoAnswerError as error:
            raise unanswered(Side.ACTIONKIT, error, writing=False) from None
        if answer.status in (301, 302):
            try:
                other = id_in(answer.headers.get("location", ""))
            except ValueError:
                return None
            return None if other == user_id else Gone(other)
        if answer.status not in (200, 404):
            raise error_of(Side.ACTIONKIT, answer, False, ())
        return Gone() if answer.status == 404 else None

    # --- what changed ---

    def finds_changes_by(self) -> Literal["checksums", "times", "nothing"]:
        """By REST `times` where the lists of users, userfields and phones can be filtered and
        ordered by time, which three requests find out."""
        if self._rest_changes is None:
            return "checksums"
        return "times" if self._rest_changes.can_tell() else "nothing"

    def sums(
        self, first_bucket: int, last_bucket: int, userfields: Sequence[str]
    ) -> dict[int, Sum]:
        """For each thousand ids that holds users: how many, and the sum of their checksums. The
        answer must come within 10 seconds: ask for a hundred thousand users at a time at most."""
        statement = changes.sums_statement(first_bucket, last_bucket, userfields)
        return self._report(statement, changes.sums_of)

    def checksums(self, after: int, upto: int, userfields: Sequence[str]) -> dict[int, int]:
        """Checksum by user, above an id up to and with another."""
        statement = changes.checksums_statement(after, upto, userfields)
        return self._report(statement, changes.checksums_of)

    def checksums_of(self, user_ids: Sequence[int], userfields: Sequence[str]) -> dict[int, int]:
        """Checksum by user; those who do not exist are left out."""
        if not user_ids:
            return {}
        statement = changes.checksums_of_statement(user_ids, userfields)
        return self._report(statement, changes.checksums_of)

    def changed_since(self, after: Place, limit: int, userfields: Sequence[str]) -> list[Changed]:
        """Users changed after a place, in the order of (time, user). By REST the lists show
        values, so the caller holds a grant, for three times `limit` people (six times where many
        share one time), and no slots are taken."""
        limit = min(limit, MAX_ROWS)
        if self._rest_changes is not None:
            return self._rest_read(self._rest_changes.changed_since, after, limit, userfields)
        statement = changes.changed_statement(after, limit, userfields)
        return self._report(statement, changes.changed_of)

    def refusals_since(self, after: Place, limit: int, userfield: str) -> list[Changed]:
        """Rows with a recognised false set after a place, in the order of (time, row). By REST the
        caller holds a grant for `limit` people, and no slots are taken."""
        limit = min(limit, MAX_ROWS)
        if self._rest_changes is not None:
            return self._rest_read(self._rest_changes.refusals_since, after, limit, userfield)
        statement = changes.refusals_statement(after, limit, userfield)
        return self._report(statement, changes.changed_of)

    def newest_change(self, userfields: Sequence[str]) -> datetime | None:
        """The latest time in the tables of `changed_since`. By REST the caller holds a grant for
        three people, and no slots are taken."""
        if self._rest_changes is not None:
            return self._rest_read(self._rest_changes.newest_change, userfields)
        statement = changes.newest_statement(userfields)
        return self._report(statement, lambda rows: time_of(rows[0][0]))

    def users_with(self, numbers: Sequence[str]) -> list[int]:
        """Ids of the users who typed one of the numbers, or what a reader of another country would
        take for one. By REST nobody where phones cannot be filtered by number; else the lists show
        phone rows."""
        found: set[int] = set()
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            if self._rest_changes is not None:
                found.update(self._rest_read(self._rest_changes.users_with, some))
            else:
                statement = changes.users_with_statement(some)
                found.update(self._report(statement, lambda rows: [int(row[0]) for row in rows]))
        return sorted(found)

    def _report(
        self, statement: changes.Statement, read: Callable[[list[list[Any]]], Found]
    ) -> Found:
        """What is read of a report that shows no values."""
        if self._rest is not None:
            raise NotImplementedError("by REST this is not to be had: ask finds_changes_by first")
        rows = self._calls.report(*statement)
        try:
            return read(rows)
        except (ValueError, TypeError, LookupError):
            raise unreadable(Side.ACTIONKIT, writing=False) from None

    def _rest_read(self, read: Callable[..., Found], *asked: Any) -> Found:
        try:
            return read(*asked)
        except (ValueError, TypeError, LookupError):
            raise unreadable(Side.ACTIONKIT, writing=False) from None

    def has_action(self, action_id: int) -> bool:
        """Whether a read by id shows an action. Raises as all."""
        return self._calls.read(f"action/{int(action_id)}/", absent=(404,)) is not None

    # --- pages, usergroups and actions ---

    def moment(self) -> Moment:
        """ActionKit's clock now, and the highest id of an action. By REST the caller holds a grant
        for one person, and no slots are taken."""
        if self._rest_actions is not None:
            return self._rest_read(self._rest_actions.moment)
        return self._report(actions.moment_statement(), actions.moment_of)

    def pages_after(self, page_id: int, limit: int) -> list[PageRow]:
        """Pages with ids above this, ascending."""
        limit = min(limit, MAX_ROWS)
        if self._rest_actions is not None:
            return self._rest_read(self._rest_actions.pages_after, page_id, limit)
        return self._report(actions.pages_statement(page_id, limit), actions.pages_of)

    def usergroups(self) -> list[UsergroupRow]:
        """All usergroups, by id; by REST without how many users are in them."""
        if self._rest_actions is not None:
            return self._rest_read(self._rest_actions.usergroups)
        return self._all(
            lambda after: actions.usergroups_statement(after, MAX_ROWS),
            actions.usergroups_of,
            0,
            lambda one: one.usergroup_id,
        )

    def count_actions(self, page_ids: Sequence[int]) -> Mapping[int, int] | None:
        """How many complete actions each of these pages has; None by REST."""
        if self._rest is not None:
            return None
        counts = dict.fromkeys(page_ids, 0)
        if page_ids:
            counts |= self._report(actions.counts_statement(page_ids), actions.counts_of)
        return counts

    def actionfields(self, page_ids: Sequence[int]) -> list[str] | None:
        """The names of actionfields of actions on these pages, at most 1000; None by REST."""
        if self._rest is not None:
            return None
        if not page_ids:
            return []
        return self._report(actions.names_statement(page_ids), actions.names_of)

    def taken(self, action_id: int) -> Taken | None:
        """The action; None if it is not to be seen. By REST the caller holds a grant for one
        person, and no slots are taken."""
        if self._rest_actions is not None:
            return self._rest_read(self._rest_actions.taken, action_id)
        found = self._report(actions.taken_statement(action_id), actions.taken_of)
        return found[0] if found else None

    def taken_after(self, action_id: int, page_ids: Sequence[int], limit: int) -> list[Taken]:
        """Actions on these pages with ids above this, ascending. By REST the caller holds a grant
        for `limit` people, and no slots are taken; where actions cannot be filtered by id and page,
        the newest 500 of all pages are looked through."""
        limit = min(limit, MAX_ROWS)
        if not page_ids:
            return []
        if self._rest_actions is not None:
            return self._rest_read(self._rest_actions.taken_after, action_id, page_ids, limit)
        statement = actions.taken_after_statement(action_id, page_ids, limit)
        return self._report(statement, actions.taken_of)

    def taken_between(self, page_id: int, after: int, upto: int) -> list[Taken]:
        """Actions on a page with ids above one up to and with another, ascending."""
        return self._all(
            lambda past: actions.taken_between_statement(page_id, past, upto, MAX_ROWS),
            actions.taken_of,
            after,
            lambda one: one.action_id,
        )

    def action_sums(self, page_id: int, after: int, limit: int) -> dict[int, Sum]:
        """Rows and sum of checksums by bucket, of buckets above `after` (-1: of all) that hold
        actions on the page: the lowest, in as many statements as it takes."""
        limit = min(limit, actions.MOST_BUCKETS)
        found: dict[int, Sum] = {}
        more = True
        while more and len(found) < limit:
            statement = actions.sums_statement(page_id, after, limit - len(found))
            some = self._report(statement, changes.sums_of)
            found |= some
            after = max(some, default=after)
            # Fewer were not kept back for the next statement.
            most = actions.SUMMED_AT_ONCE - BUCKET_OF_ACTIONS
            more = sum(one.rows for one in some.values()) > most
        return found

    def actors_after(
        self, page_ids: Sequence[int], actionfield: str | None, user_id: int, limit: int
    ) -> list[int]:
        """Ids of users above this who have such a complete action, ascending."""
        if not page_ids:
            return []
        limit = min(limit, MAX_ROWS)
        statement = actions.actors_statement(page_ids, actionfield, user_id, limit)
        return self._report(statement, actions.ids_of)

    def count_actors(self, page_ids: Sequence[int], actionfield: str | None) -> int:
        """How many users those are."""
        if not page_ids:
            return 0
        statement = actions.count_actors_statement(page_ids, actionfield)
        return self._report(statement, lambda rows: int(rows[0][0]))

    def grouped_after(self, usergroup_id: int, user_id: int, limit: int) -> list[int]:
        """Ids of users above this who are in a usergroup, ascending."""
        statement = actions.grouped_statement(usergroup_id, user_id, min(limit, MAX_ROWS))
        return self._report(statement, actions.ids_of)

    def _all(
        self,
        statement: Callable[[int], changes.Statement],
        read: Callable[[list[list[Any]]], list[Found]],
        after: int,
        key: Callable[[Found], int],
    ) -> list[Found]:
        """All rows above an id, report by report."""
        found: list[Found] = []
        while True:
            some = self._report(statement(after), read)
            found += some
            if len(some) < MAX_ROWS:
                return found
            after = key(some[-1])

    # --- lists ---

    def user_ids_after(self, after: int, limit: int) -> list[int]:
        """Ids of users above `after`, ascending. By REST, which lists no ids without their values:
        ids that may be users."""
        limit = min(limit, MAX_ROWS)
        if self._rest is not None:
            return self.user_ids_between(after, min(after + limit, self._highest_user_id()))
        return self._ids_between(after, None, limit)

    def user_ids_between(self, after: int, upto: int) -> list[int]:
        """Ids of users above `after` up to and with `upto`, ascending; by REST as above."""
        if self._rest is not None:
            return list(range(after + 1, upto + 1))
        found: list[int] = []
        while True:
            page = self._ids_between(after, upto, MAX_ROWS)
            found += page
            if len(page) < MAX_ROWS:
                return found
            after = page[-1]

    def _ids_between(self, after: int, upto: int | None, limit: int) -> list[int]:
        values = {"after": after} | ({} if upto is None else {"upto": upto})
        below = "" if upto is None else " AND id <= {{ upto }}"
        people = "SELECT id FROM core_user WHERE id > {{ after }}" + below  # noqa: S608 - constants
        rows = self._calls.report(f"{people} ORDER BY id LIMIT {int(limit)}", values)
        return [int(row[0]) for row in rows]

    def _highest_user_id(self) -> int:
        newest = (("order_by", "-id"), ("_limit", "1"))
        _, objects = page_of(self._calls.read("user/", newest))
        return max((int(user["id"]) for user in objects), default=0)

    def count_users(self) -> int:
        """How many users there are."""
        if self._rest is not None:
            return self._calls.total("user")
        return int(self._calls.report("SELECT COUNT(*) FROM core_user")[0][0])

    def emails(self, user_ids: Sequence[int]) -> Mapping[int, str]:
        """Emails by id; users that do not exist are left out."""
        if not user_ids:
            return {}
        if self._rest is not None:
            among = [("id__in", str(one)) for one in user_ids]
            users = self._calls.listed("user", (*among, ("order_by", "id")))
            emails = {int(user["id"]): text_of(user.get("email")) for user in users}
            return {one: emails[one] for one in user_ids if one in emails}
        ids = ", ".join(str(int(one)) for one in user_ids)
        rows = self._calls.report(
            f"SELECT id, email FROM core_user WHERE id IN ({ids})"  # noqa: S608 - integers
        )
        return {int(row[0]): text_of(row[1]) for row in rows}

    def user_by_email(self, email: str, sync_ids: Sequence[str] = ()) -> EmailOwner | None:
        """Whose email it is, ignoring case, and which of the sync_ids the user's latest actions
        bear. By REST in any case: never behind our own writes."""
        return owner_of(self._calls, email, sync_ids)

    # --- userfields ---

    def userfields(self) -> list[Userfield]:
        """All userfields that are defined, by name."""
        try:
            rows = self._calls.listed("alloweduserfield", (("order_by", "name"),))
        except Rejected:  # an instance that does not order them by name
            rows = self._calls.listed("alloweduserfield", ())
        found = {
            text_of(row.get("name")): Userfield(
                text_of(row.get("name")),
                text_of(row.get("display_name")),
                row.get("allow_multiple") is True,
            )
            for row in rows
        }
        return [found[name] for name in sorted(found) if name]

    def opt_in_values(self, userfield: str, limit: int) -> list[OptInValue]:
        """The spellings found in a userfield and how many users have each, commonest first. By
        REST only the usual ones, since the others could be told by reading everybody alone."""
        if self._rest is None:
            # Without BINARY the database takes `Yes` and `yes` for one value.
            spellings = (
                "SELECT MIN(value), COUNT(DISTINCT parent_id) FROM core_userfield"
                " WHERE name = {{ userfield }} GROUP BY CAST(value AS BINARY)"
                " ORDER BY COUNT(DISTINCT parent_id) DESC, MIN(value)"
            )
            rows = self._calls.report(f"{spellings} LIMIT {int(limit)}", {"userfield": userfield})
            return [OptInValue(text_of(row[0]), int(row[1])) for row in rows]
        counted = {
            value: self._calls.total("userfield", (("name", userfield), ("value", value)))
            for value in SPELLINGS
        }
        found = [OptInValue(value, users) for value, users in counted.items() if users]
        return sorted(found, key=lambda one: (-one.users, one.value))[:limit]

    # --- writing ---

    def ensure_import_page(self) -> ImportPage:
        """Finds the integration's import page, or makes it: hidden, subscribing nobody."""
        found = self._import_page()
        if found is not None:
            return found
        body = {
            "name": IMPORT_PAGE,
            "title": IMPORT_PAGE_TITLE,
            "hidden": True,
            "subscribe": False,
            "subscribe_if_new": False,
            "unsubscribe": False,
            "unsubscribe_all": False,
            "default_source": SOURCE,
        }
        self._calls.write("importpage/", body, hoped_for=(200, 201, 409))
        found = self._import_page()
        if found is None:
            # There is a page of this name, but it is of another type.
            raise Rejected(Side.ACTIONKIT, ("name",), 409)
        return found

    def _import_page(self) -> ImportPage | None:
        for page in self._calls.listed("importpage", (("name", IMPORT_PAGE),)):
            if text_of(page.get("name")).casefold() == IMPORT_PAGE.casefold():
                return ImportPage(int(page["id"]), text_of(page["name"]))
        return None

    def act(self, act: Act) -> Acted:
        """Writes an action, without a slot: the caller holds the grant. Nobody is subscribed and
        no mail is sent (U6). Raises Rejected with the fields that were refused."""
        body = {
            "page": act.page,
            "email": act.email,
            **act.columns,
            **{f"user_{name}": value for name, value in act.userfields.items()},
            **{f"action_{name}": value for name, value in act.actionfields.items()},
            "source": SOURCE,
            "suppress_subscribe": 1,
            "skip_confirmation": 1,
        }
        answer = self._calls.write("action/", body, granted=True, hoped_for=(200, 201, 400, 409))
        if answer.status not in (200, 201):
            fields = [_as_sent(name, act) for name in refused_fields(answer)]
            raise error_of(Side.ACTIONKIT, answer, True, fields)
        return _acted(answer)


def _is_actionkit(root: Any) -> bool:
    """Whether a root document lists resources as ActionKit does."""
    if not isinstance(root, dict):
        return False
    listed = [one for one in root.values() if isinstance(one, dict) and "list_endpoint" in one]
    return bool(listed) and "action" in root


def _as_sent(name: str, act: Act) -> str:
    """A refused field by the name under which it was sent."""
    other = SENT_AS.get(name)
    sent = act.columns.keys() | act.userfields.keys()
    return other if other is not None and name not in sent and other in sent else name


def _acted(answer: HttpAnswer) -> Acted:
    """What an action's answer says; a short one, without `user`, has the user in the akid."""
    acted = json_of(answer)
    try:
        action_id = acted["id"] if "id" in acted else acted["action_id"]
        user = acted.get("user")
        user_id = id_in(user) if user else int(text_of(acted["akid"]).split(".")[-2])
        return Acted(int(action_id), user_id, acted.get("created_user") is True)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        raise unreadable(Side.ACTIONKIT, writing=True) from None
