"""Pages, usergroups and actions, by SQL (P1 to P5, G3, G4).

The answers hold ids, times, counts, checksums and names, nobody's values: no records in the sense
of A3. Each statement goes on from an id and has a limit. Statements run on MySQL from 5.7 on, and
are served by keys on `core_action` (`user_id`; `page_id`), `core_actionfield` (`parent_id`) and
`core_user_groups` (`usergroup_id`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from instep.adapters.actionkit.changes import Statement, row_checksum, sum_over
from instep.adapters.answers import known_time, text_of, time_of
from instep.domain.rules import Moment
from instep.use_cases.ports import BUCKET_OF_ACTIONS, PageRow, Taken, UsergroupRow

BRANCHES: Final = 100
"""Parts of one union."""
SUMMED_AT_ONCE: Final = 100_000
"""Actions that are summed up in one statement: it must be answered within 10 seconds."""
MOST_BUCKETS: Final = 9000
MOST_NAMES: Final = 1000
_COMPLETE: Final = "a.status = 'complete'"


# --- pages and usergroups -----------------------------------------------------------------------


def moment_statement() -> Statement:
    """One row: ActionKit's time, and the highest id of an action."""
    return "SELECT UTC_TIMESTAMP(), MAX(id) FROM core_action", {}


def moment_of(rows: Sequence[Sequence[Any]]) -> Moment:
    """The row of `moment_statement`."""
    return Moment(known_time(rows[0][0]), int(rows[0][1] or 0))


def pages_statement(after: int, limit: int) -> Statement:
    """Rows (page, short name, title, type, time)."""
    return (
        "SELECT id, name, title, type, updated_at FROM core_page"  # noqa: S608 - integers
        f" WHERE id > {int(after)} ORDER BY id LIMIT {int(limit)}"
    ), {}


def pages_of(rows: Sequence[Sequence[Any]]) -> list[PageRow]:
    """The rows of `pages_statement`."""
    return [
        PageRow(int(row[0]), text_of(row[1]), text_of(row[2]), text_of(row[3]), time_of(row[4]))
        for row in rows
    ]


def usergroups_statement(after: int, limit: int) -> Statement:
    """Rows (usergroup, name, users)."""
    return (
        "SELECT g.id, g.name,"  # noqa: S608 - integers
        " (SELECT COUNT(*) FROM core_user_groups m WHERE m.usergroup_id = g.id)"
        f" FROM core_usergroup g WHERE g.id > {int(after)} ORDER BY g.id LIMIT {int(limit)}"
    ), {}


def usergroups_of(rows: Sequence[Sequence[Any]]) -> list[UsergroupRow]:
    """The rows of `usergroups_statement`."""
    return [UsergroupRow(int(row[0]), text_of(row[1]), int(row[2])) for row in rows]


def grouped_statement(usergroup_id: int, after: int, limit: int) -> Statement:
    """Rows (user)."""
    return (
        "SELECT user_id FROM core_user_groups"  # noqa: S608 - integers
        f" WHERE usergroup_id = {int(usergroup_id)} AND user_id > {int(after)}"
        f" ORDER BY user_id LIMIT {int(limit)}"
    ), {}


def ids_of(rows: Sequence[Sequence[Any]]) -> list[int]:
    """The rows of the statements that give users."""
    return [int(row[0]) for row in rows]


# --- what there is on pages ---------------------------------------------------------------------


def counts_statement(page_ids: Sequence[int]) -> Statement:
    """Rows (page, complete actions), of pages that have any."""
    return (
        "SELECT a.page_id, COUNT(*) FROM core_action a"  # noqa: S608 - integers
        f" WHERE {_on(page_ids)} AND {_COMPLETE} GROUP BY a.page_id ORDER BY a.page_id"
    ), {}


def counts_of(rows: Sequence[Sequence[Any]]) -> dict[int, int]:
    """The rows of `counts_statement`."""
    return {int(row[0]): int(row[1]) for row in rows}


def names_statement(page_ids: Sequence[int]) -> Statement:
    """Rows (name of an actionfield)."""
    return (
        "SELECT DISTINCT f.name FROM core_action a"  # noqa: S608 - integers
        f" JOIN core_actionfield f ON f.parent_id = a.id WHERE {_on(page_ids)}"
        f" ORDER BY f.name LIMIT {MOST_NAMES}"
    ), {}


def names_of(rows: Sequence[Sequence[Any]]) -> list[str]:
    """The rows of `names_statement`, each name once and none that is blank."""
    return sorted({text_of(row[0]).strip() for row in rows} - {""})


def actors_statement(
    page_ids: Sequence[int], actionfield: str | None, after: int, limit: int
) -> Statement:
    """Rows (user): who has a complete action on one of the pages, with the actionfield."""
    source, values = _actors(page_ids, actionfield)
    return (
        f"SELECT DISTINCT a.user_id FROM {source}"  # noqa: S608 - the name is a parameter
        f" AND a.user_id > {int(after)} ORDER BY a.user_id LIMIT {int(limit)}"
    ), values


def count_actors_statement(page_ids: Sequence[int], actionfield: str | None) -> Statement:
    """One row: how many users those are."""
    source, values = _actors(page_ids, actionfield)
    return f"SELECT COUNT(DISTINCT a.user_id) FROM {source}", values  # noqa: S608 - as above


def _actors(page_ids: Sequence[int], actionfield: str | None) -> Statement:
    condition = f"WHERE {_on(page_ids)} AND {_COMPLETE}"
    if actionfield is None:
        return f"core_action a {condition}", {}
    return (
        f"core_action a JOIN core_actionfield f ON f.parent_id = a.id {condition}"
        " AND f.name = {{ actionfield }}"
    ), {"actionfield": actionfield.strip()}


# --- actions ------------------------------------------------------------------------------------


def taken_statement(action_id: int) -> Statement:
    """At most one row (action, user, page)."""
    return (
        f"SELECT a.id, a.user_id, a.page_id FROM core_action a WHERE a.id = {int(action_id)}"  # noqa: S608
    ), {}


def taken_after_statement(after: int, page_ids: Sequence[int], limit: int) -> Statement:
    """Rows (action, user, page) in the order of ids. Each part of the union gives as many as are
    wanted in all, so that the key on pages can serve, however old the id is."""
    parts = [_taken(f"{_on(some)} AND a.id > {int(after)}", limit) for some in _parts(page_ids)]
    if len(parts) == 1:
        return parts[0], {}
    union = " UNION ALL ".join(f"({part})" for part in parts)
    return (
        f"SELECT t.id, t.user_id, t.page_id FROM ({union}) t"  # noqa: S608 - integers
        f" ORDER BY t.id LIMIT {int(limit)}"
    ), {}


def taken_between_statement(page_id: int, after: int, upto: int, limit: int) -> Statement:
    """Rows (action, user, page, checksum) in the order of ids."""
    condition = f"{_on([page_id])} AND a.id > {int(after)} AND a.id <= {int(upto)}"
    return _taken(condition, limit, f", CAST({_checksum()} AS UNSIGNED)"), {}


def _taken(condition: str, limit: int, more: str = "") -> str:
    return (
        f"SELECT a.id, a.user_id, a.page_id{more} FROM core_action a WHERE {condition}"  # noqa: S608
        f" ORDER BY a.id LIMIT {int(limit)}"
    )


def _checksum() -> str:
    """What an action `a` comes to, with its fields."""
    checksum = row_checksum("action", "a.id", "a.user_id", "a.status")
    field = row_checksum("actionfield", "f.parent_id", "f.name", "f.value")
    return f"{checksum} + {sum_over(field, 'core_actionfield f WHERE f.parent_id = a.id')}"


def taken_of(rows: Sequence[Sequence[Any]]) -> list[Taken]:
    """The rows of the statements of actions."""
    return [Taken(*(int(one) for one in row)) for row in rows]


def sums_statement(page_id: int, after: int, limit: int) -> Statement:
    """Rows (bucket, actions, sum of their checksums), of buckets above one: the lowest, and no more
    than hold so many actions as are summed up at once. `changes.sums_of` reads them."""
    lowest = (int(after) + 1) * BUCKET_OF_ACTIONS
    beyond = (
        f"SELECT x.id DIV {BUCKET_OF_ACTIONS} * {BUCKET_OF_ACTIONS} FROM core_action x"  # noqa: S608
        f" WHERE x.page_id = {int(page_id)} AND x.id >= {lowest}"
        f" ORDER BY x.id LIMIT 1 OFFSET {SUMMED_AT_ONCE}"
    )
    return (
        "SELECT t.bucket, COUNT(*), CAST(SUM(t.checksum) AS UNSIGNED)"  # noqa: S608 - integers
        f" FROM (SELECT a.id DIV {BUCKET_OF_ACTIONS} AS bucket, {_checksum()} AS checksum"
        f" FROM core_action a WHERE {_on([page_id])} AND a.id >= {lowest}"
        f" AND a.id < COALESCE(({beyond}), {2**62})) t"
        f" GROUP BY t.bucket ORDER BY t.bucket LIMIT {int(limit)}"
    ), {}


def _on(page_ids: Sequence[int]) -> str:
    if len(page_ids) == 1:  # then the key on pages has the actions in the order of ids
        return f"a.page_id = {int(page_ids[0])}"
    return f"a.page_id IN ({', '.join(str(int(one)) for one in page_ids)})"


def _parts(page_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    size = -(-len(page_ids) // BRANCHES)
    for start in range(0, len(page_ids), size or 1):
        yield page_ids[start : start + size]
