"""What the use cases need of the world. In-memory ports pass the same contract tests as the real
ones (tests/contract)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from instep.domain.people import Member, MemberChange, SubscriptionEvent, User
from instep.domain.record import Draft
from instep.domain.rules import Moment

# --- tables -----------------------------------------------------------------------------------

Item = dict[str, Any]
"""A stored item: str, int, bool, None, list and dict values; always with `account_id` and `item`,
its key."""


class Missing:
    """The one value that stands for "no such attribute" in a condition."""


MISSING: Final = Missing()

NEW: Final[Mapping[str, Any]] = {"item": MISSING}
"""The condition that no such item exists."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index: its partition is the account and the stream, its order that of the sort key."""

    stream: str
    sort: str


INDEXES: Final[Mapping[str, Index]] = {
    "by_name": Index("status", "name_key"),
    "by_email": Index("status", "email_key"),
    "by_changed": Index("status", "changed_at"),
    "find_by_id": Index("id_begins", "id_key"),
    "find_by_number": Index("number_begins", "number_key"),
    "find_by_email": Index("email_begins", "email_key"),
    "find_by_name": Index("name_begins", "name_key"),
    "find_by_last_name": Index("last_name_begins", "last_name_key"),
}
"""The indexes of the users table, by the attributes of their keys: those to sort and count by
status, and those to search (ADR 14)."""


@dataclass(frozen=True, slots=True)
class Page:
    """Items of a query and where to go on (None: that was all)."""

    items: list[Item]
    next: str | None


class Store(Protocol):
    """One table, keyed by (account_id, item). Conditions are equalities, all of which must hold:
    `expect` maps attributes of the stored item to values or to MISSING."""

    def get(self, account_id: str, item: str) -> Item | None:
        """One item, by a consistent read."""

    def get_many(self, account_id: str, items: Iterable[str]) -> dict[str, Item]:
        """Items by key, by consistent reads; those that do not exist are left out."""

    def put(self, value: Item, expect: Mapping[str, Any] | None = None) -> bool:
        """Replaces the whole item. False, and nothing done, if the condition does not hold."""

    def put_many(self, values: Sequence[Item]) -> None:
        """Replaces many items, each by itself, without conditions."""

    def update(
        self,
        account_id: str,
        item: str,
        set_to: Mapping[str, Any] | None = None,
        add: Mapping[str, int] | None = None,
        remove: Sequence[str] = (),
        expect: Mapping[str, Any] | None = None,
    ) -> bool:
        """Changes top-level attributes of an item, made if missing. False if not as expected."""

    def delete(self, account_id: str, item: str, expect: Mapping[str, Any] | None = None) -> bool:
        """Deletes an item (or nothing). False if not as expected."""

    def query(
        self,
        account_id: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        """Items whose key begins with the prefix, in key order, after a key of an earlier page's
        `next`. Consistent."""

    def query_index(
        self,
        index: str,
        account_id: str,
        stream: str,
        prefix: str = "",
        after: Item | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> list[Item]:
        """Keys (account_id, item, and the index's stream and sort key) of one stream of an index,
        whose sort key begins with the prefix, after an entry of an earlier page. Not consistent:
        may lag."""

    def count_index(self, index: str, account_id: str, stream: str) -> int:
        """How many items one stream has."""


class Events(Protocol):
    """The application's event bus (P7)."""

    def publish(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Publishes an event. Raises NotPublishedError where that did surely not happen; any other
        error means that it may have."""


class NotPublishedError(Exception):
    """An event was refused."""


# --- queues, secrets, machines, the world -------------------------------------------------------


class Queue(Protocol):
    """A lane: at least once, in any order."""

    def send(
        self, bodies: Sequence[Mapping[str, Any]], account_id: str, delay_seconds: int = 0
    ) -> None:
        """Puts messages on the lane, fair between accounts; delay at most 900 s. Raises
        Unavailable-like errors of the AWS client; all or some may then be on the queue."""


class Secrets(Protocol):
    """Credentials by name (C3)."""

    def put(self, name: str, value: Mapping[str, str]) -> None: ...
    def get(self, name: str) -> Mapping[str, str] | None: ...
    def delete(self, name: str) -> None:
        """For good, at once; deleting what is not there is done."""


class Machines(Protocol):
    """State machines, by their short names ("initial-sync", "scheduled-sync")."""

    def start(self, machine: str, name: str, payload: Mapping[str, Any]) -> str:
        """Starts an execution; one that exists already counts as started. Returns its ARN."""

    def running(self, execution_arn: str) -> bool:
        """Whether the execution is still running."""


class Clock(Protocol):
    """Time, in UTC."""

    def now(self) -> datetime: ...
    def sleep(self, seconds: float) -> None: ...


class Ids(Protocol):
    """Chance: names that nobody can guess or meet twice."""

    def new(self) -> str:
        """A new id, 26 characters at most, sortable by the time it was made."""

    def token(self) -> str:
        """An unguessable token of at least 32 characters, safe in a URL."""


class Watch(Protocol):
    """What operators are told: metrics and log lines without personal data."""

    def count(self, metric: str, value: int = 1) -> None: ...
    def note(self, message: str, **details: Any) -> None: ...
    def alarm(self, message: str, **details: Any) -> None:
        """Something that a person must look at; counted in a metric with an alarm."""


# --- HTTP --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request; `url` absolute and without query, `query` in order."""

    method: str
    url: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswerError(Exception):
    """No answer came. `sent`: whether the request may have reached the other side."""

    def __init__(self, why: str, sent: bool) -> None:
        super().__init__(why)
        self.why = why
        self.sent = sent


class Transport(Protocol):
    """HTTP, never following redirects; for hosts of accounts it refuses what C2 refuses."""

    def send(self, request: HttpRequest) -> HttpAnswer:
        """Raises NoAnswerError."""


# --- ActionKit --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ActionKitLook:
    """One snapshot of ActionKit: the users that it shows of those asked for, every user who
    shares a number with them (phones, country and opt-in rows alone), the highest action id, and
    for each sync_id asked about the id of the action that bears it. `crowded`: phone rows with a
    number that so many have that their sharers are left out; whoever needs them is looked at alone.
    """

    watermark: int
    users: Mapping[int, User]
    sharers: tuple[User, ...] = ()
    actions_found: Mapping[str, int] = field(default_factory=dict)
    crowded: frozenset[int] = frozenset()
    merged: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gone:
    """A user whom a read by id does not show: deleted, or merged into another (U3)."""

    merged_into: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """How far a feed was read: everything before `at`, and at `at` itself up to and with the row
    whose key is `past` (a user's, a member's or an event's id; None: all of it)."""

    at: datetime
    past: int | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """Somebody whom a feed names: an id (of a user or of a member) and when, by that side's clock.
    `row`: the row that says so, where rows have an id; `group_id`: of a membership."""

    id: int
    at: datetime
    row: int = 0
    group_id: int = 0


BUCKET: Final = 200
"""User ids that are summed up together."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What a bucket of users come to: how many rows, and the sum of their checksums."""

    rows: int
    sum: int


@dataclass(frozen=True, slots=True)
class Userfield:
    """A userfield's definition."""

    name: str
    label: str = ""
    allow_multiple: bool = False


@dataclass(frozen=True, slots=True)
class OptInValue:
    """One spelling found in the opt-in userfield and how many users have it."""

    value: str
    users: int


@dataclass(frozen=True, slots=True)
class PageRow:
    """A page as ActionKit lists it; `type` as ActionKit spells it ("Petition")."""

    page_id: int
    name: str
    title: str
    type: str
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class UsergroupRow:
    """A usergroup and how many users are in it (None where that cannot be asked)."""

    usergroup_id: int
    name: str
    users: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """That an action was taken: bare ids. `checksum`: what it and its fields come to, where that
    was asked for."""

    action_id: int
    user_id: int
    page_id: int
    checksum: int = 0


BUCKET_OF_ACTIONS: Final = 1000
"""Action ids that are summed up together."""


@dataclass(frozen=True, slots=True)
class ImportPage:
    """The integration's own import page."""

    page_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Act:
    """An action to be written on the import page (U6). `columns` and `userfields` are set;
    `actionfields` carry strive_member, sync_id and former_data."""

    page: str
    email: str
    columns: Mapping[str, str] = field(default_factory=dict)
    userfields: Mapping[str, str] = field(default_factory=dict)
    actionfields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Acted:
    """ActionKit's answer to an action."""

    action_id: int
    user_id: int
    created_user: bool


@dataclass(frozen=True, slots=True)
class EmailOwner:
    """The user to whom an email belongs. `acted`: for each sync_id asked about that one of the
    user's latest actions bears, whether that action created the user."""

    user_id: int
    acted: Mapping[str, bool] = field(default_factory=dict)


class Permits(Protocol):
    """The account's pace at ActionKit (A3), for calls that read no records: a slot among the
    simultaneous requests, and the word that the account is still on."""

    def slot(self) -> AbstractContextManager[None]:
        """Held around one HTTP attempt. Raises NotAdmitted or AccountStopped."""


class ActionKit(Protocol):
    """ActionKit for one account. Every method may raise Unauthorised, Busy, Unavailable; each HTTP
    attempt takes its permission from the account's pace first."""

    def look(
        self,
        user_ids: Sequence[int],
        userfields: Sequence[str],
        sync_ids: Sequence[str] = (),
        max_sharers: int = 100,
        only_lower: Sequence[int] = (),
        page_ids: Sequence[int] = (),
    ) -> ActionKitLook:
        """The users as they are now, by one statement, with their actions on these pages. The
        caller holds the grant for them and for as many sharers: what is read of those are records
        too (A3).

        `userfields`: the opt-in userfield first, which is read of the sharers too, then the mapped
        ones. A sharer has no more than country, phones and rows of the opt-in userfield; there
        may be some who share no number once they are parsed, and at most `max_sharers`: those with
        the lowest ids. Of the users `only_lower`, sharers with higher ids may be left out."""

    def read_again(self, user_ids: Sequence[int], userfields: Sequence[str]) -> Mapping[int, User]:
        """Profiles and userfields of users by REST, which is never behind: for those about to be
        written to where reports lag. The caller holds the grant for them."""

    def find_gone(self, user_id: int) -> Gone | None:
        """None if a read by id shows the user; Gone if it says 404 or leads to another user."""

    def has_action(self, action_id: int) -> bool:
        """Whether a read by id shows an action."""

    def users_with(self, numbers: Sequence[str]) -> list[int]:
        """Ids of all users who have one of the numbers (E.164), however it is typed: bare ids."""

    # What changed (U3). Bare ids, times, counts and checksums: no records in the sense of A3.

    def finds_changes_by(self) -> Literal["checksums", "times", "nothing"]:
        """How changes can be found here: by SQL checksums; by REST lists filtered by time; or not
        at all, so that everybody has to be looked at in turn."""

    def sums(
        self, first_bucket: int, last_bucket: int, userfields: Sequence[str]
    ) -> dict[int, Sum]:
        """For each bucket of ids (id // BUCKET) that holds users: rows and sum of checksums, of
        profile, named userfields, phones and usergroups. At most 9000 buckets."""

    def checksums(self, after: int, upto: int, userfields: Sequence[str]) -> dict[int, int]:
        """For each user above `after` up to and with `upto` (at most 5000 ids apart) the checksum
        of all that a look would show of them: profile, named userfields with row times and
        actions, phones with row times, usergroups, erasure."""

    def checksums_of(self, user_ids: Sequence[int], userfields: Sequence[str]) -> dict[int, int]:
        """The same, of these users (at most 1000)."""

    def changed_since(self, after: Place, limit: int, userfields: Sequence[str]) -> list[Changed]:
        """Users whose profile, named userfields or phones changed after a place, and users merged
        away or into, in order of (time, user id): each (time, user) once, at most `limit`."""

    def refusals_since(self, after: Place, limit: int, userfield: str) -> list[Changed]:
        """Rows of the opt-in userfield with a recognised false, changed after a place, in order of
        (time, row id): `id` is the user, `row` the row; `past` of the place is a row id here."""

    def newest_change(self, userfields: Sequence[str]) -> datetime | None:
        """The latest time in the tables that `changed_since` reads."""

    def user_ids_after(self, after: int, limit: int) -> list[int]:
        """Ids of users above `after`, ascending."""

    def user_ids_between(self, after: int, upto: int) -> list[int]:
        """Ids of users above `after` up to and with `upto`, ascending."""

    def count_users(self) -> int: ...
    def emails(self, user_ids: Sequence[int]) -> Mapping[int, str]: ...

    def user_by_email(self, email: str, sync_ids: Sequence[str] = ()) -> EmailOwner | None:
        """Whose email it is, ignoring case; None if nobody's. As fresh as a read by REST is. The
        caller holds the grant for the user."""

    def userfields(self) -> list[Userfield]: ...
    def opt_in_values(self, userfield: str, limit: int) -> list[OptInValue]: ...

    # Pages, usergroups and actions (P1 to P5, G4). Bare ids, times, counts, checksums, names of
    # pages: no records, where reads are by SQL. By REST a list of actions shows them: the caller
    # holds a grant for as many users as it asks for actions.

    def moment(self) -> Moment:
        """ActionKit's clock now, and the highest id of an action."""

    def pages_after(self, page_id: int, limit: int) -> list[PageRow]:
        """Pages with ids above this, ascending."""

    def usergroups(self) -> list[UsergroupRow]:
        """All usergroups, by id."""

    def count_actions(self, page_ids: Sequence[int]) -> Mapping[int, int] | None:
        """How many complete actions each of these pages has; None where that cannot be asked."""

    def actionfields(self, page_ids: Sequence[int]) -> list[str] | None:
        """The names of actionfields of actions on these pages, at most 1000; None where that cannot
        be asked without reading everybody's."""

    def taken(self, action_id: int) -> Taken | None:
        """The action, as fresh as can be; None if it is not to be seen."""

    def taken_after(self, action_id: int, page_ids: Sequence[int], limit: int) -> list[Taken]:
        """Actions on these pages with ids above this, whatever their status, ascending."""

    def taken_between(self, page_id: int, after: int, upto: int) -> list[Taken]:
        """Actions on a page with ids above one up to and with another, ascending, with the
        checksums that `action_sums` sums up. Of SQL alone."""

    def action_sums(self, page_id: int, after: int, limit: int) -> dict[int, Sum]:
        """For each bucket of action ids (id // BUCKET_OF_ACTIONS) above `after` that holds actions
        on the page: rows and sum of checksums of id, user, status and actionfields; the lowest
        `limit` (at most 9000). Of SQL alone."""

    def actors_after(
        self, page_ids: Sequence[int], actionfield: str | None, user_id: int, limit: int
    ) -> list[int]:
        """Ids of users above this who have a complete action on one of these pages, with an
        actionfield of that name where one is given, ascending. Of SQL alone."""

    def count_actors(self, page_ids: Sequence[int], actionfield: str | None) -> int:
        """How many users those are. Of SQL alone."""

    def grouped_after(self, usergroup_id: int, user_id: int, limit: int) -> list[int]:
        """Ids of users above this who are in a usergroup, ascending. Of SQL alone."""

    def ensure_import_page(self) -> ImportPage:
        """Finds the integration's import page, or makes it."""

    def act(self, act: Act) -> Acted:
        """Writes an action. Raises Rejected with the fields that were refused. The caller holds
        the grant for the user."""


# --- Strive -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CustomField:
    """A Strive custom field's definition; only `type` "text" can be mapped (F2)."""

    name: str
    label: str
    type: str


@dataclass(frozen=True, slots=True)
class Group:
    """A Strive group. One with a flow texts whoever joins (P8)."""

    group_id: int
    name: str
    flow_id: int | None = None


Feed = Literal["members", "custom_values", "change_log", "events", "joins", "removals"]
"""Where Strive tells of changed members: their rows, their custom fields' values, the change log,
the subscription events, memberships of one group, memberships that ended."""


class Strive(Protocol):
    """Strive for one campaign. Every method may raise Unauthorised, Busy, Unavailable."""

    def members_by_number(self, numbers: Sequence[str]) -> dict[str, Member]: ...
    def members_by_id(self, member_ids: Sequence[int]) -> dict[int, Member]: ...
    def events(self, member_ids: Sequence[int]) -> dict[int, tuple[SubscriptionEvent, ...]]: ...
    def changes(self, member_ids: Sequence[int]) -> dict[int, tuple[MemberChange, ...]]: ...

    def create_member(self, draft: Draft) -> None:
        """Creates a member without groups. Unavailable with may_have_happened where unknown."""

    def patch_member(
        self,
        member: Member,
        values: Mapping[str, str],
        custom: Mapping[str, str],
        opt_in: bool | None,
    ) -> Member | None:
        """Writes if the member's version is still the one seen: the member as it then is, or None
        if it changed meanwhile and nothing was written."""

    def groups(self) -> list[Group]: ...
    def create_group(self, name: str) -> Group: ...
    def join(self, group_id: int, member_id: int) -> None: ...
    def leave(self, group_id: int, member_id: int) -> None: ...
    def find_group(self, group_id: int) -> Group | None:
        """A group by its id; None if there is none."""

    def delete_group(self, group_id: int) -> None:
        """Deletes a group; deleting what is not there is done."""

    def count_in_group(self, group_id: int) -> int:
        """How many members are in a group."""

    def left_since(self, group_id: int, member_id: int, at: datetime) -> bool:
        """Whether a member left a group since: whether they were in it after that."""

    def texted_since(self, member_id: int, at: datetime) -> bool:
        """Whether any text was sent or queued to a member since."""

    def custom_fields(self) -> list[CustomField]: ...

    # What changed (U4).

    def changed_since(
        self, feed: Feed, after: Place, limit: int, group_id: int = 0
    ) -> tuple[list[Changed], Place]:
        """Members named by a feed after a place, in the order of time, at most `limit` rows, and
        the place after them; `joins` are those of one group. Fewer rows than `limit` (or none) is
        the end of the feed for now."""

    def newest(self, feed: Feed, group_id: int = 0) -> datetime | None:
        """The latest time in a feed."""

    def unsubscribed_since(self, after: Place, limit: int) -> tuple[list[Changed], Place]:
        """As `changed_since`, of the events that are opt-outs; `row` is the event's id."""

    def count_members(self, above: int = 0) -> int:
        """How many members have an id above this."""

    def member_ids(self, after: int, limit: int) -> list[int]:
        """Ids of members above `after`, ascending."""
