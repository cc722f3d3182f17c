"""ActionKit's tables in one in-memory SQLite database, and a replica that may lag behind.

Text compares without regard to case, as MySQL's usual collation does. Times are stored as
:data:`local.twins.actionkit.functions.STORED_TIME`.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from local.twins.actionkit import functions
from local.twins.actionkit.unknowns import Unknowns

PAGE_TYPES = (
    "Signup",
    "Petition",
    "Import",
    "Donation",
    "Survey",
    "Call",
    "Letter",
    "LTE",
    "Unsubscribe",
    "EventCreate",
    "EventSignup",
)
USER_TEXT_COLUMNS = (
    "prefix",
    "first_name",
    "middle_name",
    "last_name",
    "suffix",
    "address1",
    "address2",
    "city",
    "state",
    "region",
    "postal",
    "zip",
    "plus4",
    "country",
    "source",
)

_ID = "id INTEGER PRIMARY KEY AUTOINCREMENT"
_TEXT = "TEXT COLLATE NOCASE NOT NULL DEFAULT ''"
_CLOCKS = "created_at TEXT NOT NULL, updated_at TEXT NOT NULL"
_FLAG = "INTEGER NOT NULL DEFAULT 0"
_TABLES = f"""
CREATE TABLE core_user ({_ID}, email TEXT COLLATE NOCASE NOT NULL UNIQUE,
 {", ".join(f"{name} {_TEXT}" for name in USER_TEXT_COLUMNS)},
 subscription_status {_TEXT}, lang_id INTEGER, email_domain {_TEXT},
 rand_id INTEGER NOT NULL DEFAULT 0, {_CLOCKS});
CREATE INDEX user_updated ON core_user (updated_at, id);
CREATE INDEX user_created ON core_user (created_at);
CREATE TABLE core_alloweduserfield (name TEXT COLLATE NOCASE PRIMARY KEY, display_name {_TEXT},
 description {_TEXT}, field_type {_TEXT}, field_choices {_TEXT}, field_default {_TEXT},
 field_regex {_TEXT}, field_length INTEGER, required {_FLAG}, allow_multiple {_FLAG},
 always_show {_FLAG}, hidden {_FLAG}, order_index {_FLAG}, {_CLOCKS});
CREATE TABLE core_userfield ({_ID}, parent_id INTEGER NOT NULL, name {_TEXT}, value {_TEXT},
 action_id INTEGER, updated_at TEXT);
CREATE INDEX userfield_parent ON core_userfield (parent_id, name);
CREATE INDEX userfield_name ON core_userfield (name, value);
CREATE INDEX userfield_updated ON core_userfield (updated_at, id);
CREATE INDEX userfield_action ON core_userfield (action_id);
CREATE TABLE core_phone ({_ID}, user_id INTEGER NOT NULL, type {_TEXT}, phone {_TEXT},
 normalized_phone {_TEXT}, source {_TEXT}, {_CLOCKS}, UNIQUE (user_id, type, source));
CREATE INDEX phone_number ON core_phone (normalized_phone);
CREATE INDEX phone_updated ON core_phone (updated_at, id);
CREATE TABLE core_location (user_id INTEGER PRIMARY KEY, us_district {_TEXT},
 us_state_senate {_TEXT}, us_state_district {_TEXT}, us_county {_TEXT}, latitude REAL,
 longitude REAL, timezone {_TEXT}, {_CLOCKS});
CREATE TABLE core_language ({_ID}, name {_TEXT}, iso_code {_TEXT}, {_CLOCKS});
CREATE TABLE core_list ({_ID}, name TEXT COLLATE NOCASE NOT NULL UNIQUE, hidden {_FLAG},
 is_default {_FLAG}, notes {_TEXT}, {_CLOCKS});
CREATE TABLE core_page ({_ID}, name TEXT COLLATE NOCASE NOT NULL UNIQUE, title {_TEXT},
 type {_TEXT}, url {_TEXT}, status {_TEXT}, hidden {_FLAG}, list_id INTEGER, goal INTEGER,
 goal_type {_TEXT}, notes {_TEXT}, allow_multiple_responses {_FLAG}, recognize {_TEXT},
 never_spam_check {_FLAG}, real_actions INTEGER NOT NULL DEFAULT 1, lang_id INTEGER, {_CLOCKS});
CREATE TABLE core_pagefield ({_ID}, parent_id INTEGER NOT NULL, name {_TEXT}, value {_TEXT});
CREATE INDEX pagefield_parent ON core_pagefield (parent_id);
CREATE TABLE core_page_tags ({_ID}, page_id INTEGER NOT NULL, tag_id INTEGER NOT NULL);
CREATE TABLE core_page_groups ({_ID}, page_id INTEGER NOT NULL, usergroup_id INTEGER NOT NULL,
 UNIQUE (page_id, usergroup_id));
CREATE TABLE core_pagefollowup ({_ID}, page_id INTEGER NOT NULL UNIQUE, send_email {_FLAG},
 send_notifications {_FLAG}, send_pushes {_FLAG}, send_texts {_FLAG}, send_taf {_FLAG},
 url {_TEXT}, email_subject {_TEXT}, email_body {_TEXT});
CREATE TABLE core_action ({_ID}, user_id INTEGER NOT NULL, page_id INTEGER NOT NULL,
 source {_TEXT}, status {_TEXT}, mailing_id INTEGER, referring_user_id INTEGER,
 referring_mailing_id INTEGER, link INTEGER, opq_id {_TEXT}, created_user {_FLAG},
 subscribed_user {_FLAG}, is_forwarded {_FLAG}, taf_emails_sent INTEGER, ip_address TEXT,
 useragent_id INTEGER, {_CLOCKS});
CREATE INDEX action_user ON core_action (user_id);
CREATE INDEX action_page ON core_action (page_id, id);
CREATE INDEX action_created ON core_action (created_at);
CREATE TABLE core_actionfield ({_ID}, parent_id INTEGER NOT NULL, name {_TEXT}, value {_TEXT});
CREATE INDEX actionfield_parent ON core_actionfield (parent_id);
CREATE INDEX actionfield_name ON core_actionfield (name, value);
CREATE TABLE core_importpage (page_ptr_id INTEGER PRIMARY KEY, subscribe {_FLAG},
 subscribe_if_new {_FLAG}, unsubscribe {_FLAG}, unsubscribe_all {_FLAG}, default_source {_TEXT});
{
    "".join(
        f"CREATE TABLE core_{name.lower()}page (page_ptr_id INTEGER PRIMARY KEY);"
        for name in PAGE_TYPES
        if name != "Import"
    )
}
{
    "".join(
        f"CREATE TABLE core_{name.lower()}action (action_ptr_id INTEGER PRIMARY KEY);"
        for name in PAGE_TYPES
    )
}
CREATE TABLE core_usergroup ({_ID}, name TEXT COLLATE NOCASE NOT NULL UNIQUE, description {_TEXT},
 hidden {_FLAG}, {_CLOCKS});
CREATE TABLE core_user_groups ({_ID}, user_id INTEGER NOT NULL, usergroup_id INTEGER NOT NULL,
 UNIQUE (user_id, usergroup_id));
CREATE INDEX user_groups_group ON core_user_groups (usergroup_id, user_id);
CREATE TABLE core_usermerge ({_ID}, primary_id INTEGER NOT NULL, parent_id INTEGER,
 sms_primary_id INTEGER, status {_TEXT}, {_CLOCKS});
CREATE TABLE core_usermerge_users ({_ID}, usermerge_id INTEGER NOT NULL,
 user_id INTEGER NOT NULL);
CREATE INDEX usermerge_user ON core_usermerge_users (user_id);
CREATE TABLE core_subscription ({_ID}, user_id INTEGER NOT NULL, list_id INTEGER NOT NULL,
 {_CLOCKS}, UNIQUE (user_id, list_id));
CREATE TABLE core_subscriptionhistory ({_ID}, user_id INTEGER NOT NULL, list_id INTEGER NOT NULL,
 action_id INTEGER, change {_TEXT}, {_CLOCKS});
CREATE INDEX subscriptionhistory_user ON core_subscriptionhistory (user_id);
CREATE TABLE core_upload ({_ID}, page_id INTEGER NOT NULL, status {_TEXT}, line_count {_FLAG},
 has_errors {_FLAG}, started_at TEXT, finished_at TEXT, {_CLOCKS});
CREATE TABLE core_uploaderror ({_ID}, upload_id INTEGER NOT NULL, message {_TEXT}, row INTEGER,
 col INTEGER, value {_TEXT}, exception {_TEXT}, raw_row {_TEXT}, {_CLOCKS});
CREATE INDEX uploaderror_upload ON core_uploaderror (upload_id);
"""


@cache
def columns() -> Mapping[str, tuple[str, ...]]:
    """The columns of every table, in order."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(_TABLES)
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'core%'"
        ).fetchall()
        return {
            name: tuple(row[1] for row in connection.execute(f"PRAGMA table_info({name})"))
            for (name,) in tables
        }
    finally:
        connection.close()


class Database:
    """Reads and writes with ActionKit's own clock (the given one and its skew).

    Every write is kept in a journal while the replica is in use, with the time when it was made;
    the replica is brought up to ``now - lag`` before each read. It starts as a copy of what is
    there when a lag is first asked for.
    """

    def __init__(self, clock: Callable[[], datetime], unknowns: Callable[[], Unknowns]) -> None:
        self._clock = clock
        self._unknowns = unknowns
        self._primary = self._connect()
        self._primary.executescript(_TABLES)
        self._replica: sqlite3.Connection | None = None
        self._journal: deque[tuple[datetime, str, Sequence[Any]]] = deque()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
        )
        connection.execute("PRAGMA journal_mode = OFF")
        # SQLite holds its functions where no collector looks: they must not hold this object
        itself = weakref.ref(self)
        weakref.finalize(self, connection.close)

        def now() -> datetime:
            database = itself()
            assert database is not None
            return database.now()

        def whole_seconds() -> bool:
            database = itself()
            return database is not None and not database._unknowns().microseconds

        functions.register(connection, now, whole_seconds)
        return connection

    def close(self) -> None:
        self._primary.close()
        if self._replica is not None:
            self._replica.close()

    def now(self) -> datetime:
        """ActionKit's time."""
        return self._clock() + timedelta(seconds=self._unknowns().clock_skew_seconds)

    def timestamp(self) -> str:
        """ActionKit's time as a row written now bears it."""
        return self.stored(self.now())

    def stored(self, moment: datetime) -> str:
        if not self._unknowns().microseconds:
            moment = moment.replace(microsecond=0)
        return functions.stored(moment)

    # reads ----------------------------------------------------------------------------------

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        cursor = self._primary.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> dict[str, Any] | None:
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first column of the first row, or None."""
        found = self._primary.execute(sql, parameters).fetchone()
        return found[0] if found else None

    def values(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self._primary.execute(sql, parameters)]

    # writes ---------------------------------------------------------------------------------

    def write(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        cursor = self._primary.execute(sql, parameters)
        if self._replica is not None:
            self._journal.append((self._clock(), sql, parameters))
        return cursor

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row and return its id."""
        row_id = self.write(_insertion(table, tuple(values)), tuple(values.values())).lastrowid
        return int(row_id or 0)

    def insert_many(self, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> range:
        """Insert rows of these columns, quickly; returns their ids."""
        last = self.value("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)) or 0
        ids = range(last + 1, last + 1 + len(rows))
        sql = _insertion(table, ("id", *names))
        self._write_many(sql, [(row_id, *row) for row_id, row in zip(ids, rows, strict=True)])
        return ids

    def insert_ids(self, table: str, column: str, ids: Iterable[int]) -> None:
        """Insert rows that are nothing but their key."""
        self._write_many(_insertion(table, (column,)), [(row_id,) for row_id in ids])

    def _write_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._primary.executemany(sql, rows)
        if self._replica is not None:
            now = self._clock()
            self._journal.extend((now, sql, row) for row in rows)

    def update(self, table: str, row_id: object, key: str = "id", **values: Any) -> None:
        changes = ", ".join(f"{name} = ?" for name in values)
        self.write(f"UPDATE {table} SET {changes} WHERE {key} = ?", (*values.values(), row_id))

    def delete(self, table: str, row_id: object, key: str = "id") -> None:
        self.write(f"DELETE FROM {table} WHERE {key} = ?", (row_id,))

    # replica --------------------------------------------------------------------------------

    def for_reports(self) -> sqlite3.Connection:
        """The connection that SQL reports read: the database, or its lagging replica."""
        lag_seconds = self._unknowns().replica_lag_seconds
        if lag_seconds <= 0:
            if self._replica is not None:
                self._replica.close()
                self._replica = None
                self._journal.clear()
            return self._primary
        replica = self.start_replica()
        shown = self._clock() - timedelta(seconds=lag_seconds)
        while self._journal and self._journal[0][0] <= shown:
            _, sql, parameters = self._journal.popleft()
            replica.execute(sql, parameters)
        return replica

    def start_replica(self) -> sqlite3.Connection:
        """Make the replica now if there is none, so that later writes reach it late."""
        if self._replica is None:
            self._replica = self._connect()
            self._primary.backup(self._replica)
        return self._replica


@cache
def _insertion(table: str, names: Iterable[str]) -> str:
    names = list(names)
    marks = ", ".join("?" for _ in names)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
