"""What changed, by SQL (U3): checksums of all that a look shows, and feeds by time.

The answers hold ids, times, counts and checksums, nobody's values: no records in the sense of A3.
Statements run on MySQL from 5.7 on, with ONLY_FULL_GROUP_BY.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import phonenumbers

from instep.adapters.actionkit.calls import MAX_ROWS
from instep.adapters.actionkit.gathered import USER_COLUMNS
from instep.adapters.answers import known_time
from instep.domain.consent import FALSE_VALUES
from instep.use_cases.ports import BUCKET, Changed, Place, Sum

Statement = tuple[str, dict[str, str]]
"""A query and the values of its parameters."""


# --- checksums ----------------------------------------------------------------------------------


def sums_statement(first_bucket: int, last_bucket: int, userfields: Sequence[str]) -> Statement:
    """Rows (bucket, users, sum of their checksums)."""
    checksum, values = _checksum(userfields)
    lowest, beyond = int(first_bucket) * BUCKET, (int(last_bucket) + 1) * BUCKET
    return (
        "SELECT t.bucket, COUNT(*), CAST(SUM(t.checksum) AS UNSIGNED)"  # noqa: S608 - see _checksum
        f" FROM (SELECT u.id DIV {BUCKET} AS bucket, {checksum} AS checksum"
        f" FROM core_user u WHERE u.id >= {lowest} AND u.id < {beyond}) t"
        " GROUP BY t.bucket ORDER BY t.bucket"
    ), values


def checksums_statement(after: int, upto: int, userfields: Sequence[str]) -> Statement:
    """Rows (user, checksum) of the users above an id up to and with another."""
    return _checksums(f"u.id > {int(after)} AND u.id <= {int(upto)}", userfields)


def checksums_of_statement(user_ids: Sequence[int], userfields: Sequence[str]) -> Statement:
    """Rows (user, checksum) of these users."""
    return _checksums(f"u.id IN ({', '.join(str(int(one)) for one in user_ids)})", userfields)


def _checksums(condition: str, userfields: Sequence[str]) -> Statement:
    checksum, values = _checksum(userfields)
    return (
        f"SELECT u.id, CAST({checksum} AS UNSIGNED)"  # noqa: S608 - see _checksum
        f" FROM core_user u WHERE {condition} ORDER BY u.id"
    ), values


def _checksum(userfields: Sequence[str]) -> Statement:
    """The checksum of a user `u`, and the names of the userfields as parameters: the sum over the
    user's rows, so that their order does not matter."""
    values, names = _named(userfields)
    columns = [f"u.{name}" for name in USER_COLUMNS]
    parts = [row_checksum("user", "u.id", *columns)]
    if userfields:
        row = row_checksum(
            "field", "f.parent_id", "f.name", "f.value", "f.updated_at", "f.action_id"
        )
        parts.append(
            sum_over(row, f"core_userfield f WHERE f.parent_id = u.id AND f.name IN ({names})")
        )
    row = row_checksum("phone", "p.user_id", "p.id", "p.type", "p.phone", "p.updated_at")
    parts.append(sum_over(row, "core_phone p WHERE p.user_id = u.id"))
    row = row_checksum("group", "g.user_id", "g.usergroup_id")
    parts.append(sum_over(row, "core_user_groups g WHERE g.user_id = u.id"))
    return f"({' + '.join(parts)})", values


def row_checksum(kind: str, *columns: str) -> str:
    """A row's checksum. QUOTE, since it tells NULL from every text, and where a text ends. SHA1,
    since CRC32 alone is linear: the same change made to two users would often cancel out in the
    sum. Whose row it is is in it, so that two users who swap values are noticed."""
    quoted = ", ".join(f"QUOTE({column})" for column in columns)
    return f"CRC32(SHA1(CONCAT_WS(',', '{kind}', {quoted})))"


def sum_over(row: str, source: str) -> str:
    """The sum of the rows' checksums; 0 for none."""
    return f"COALESCE((SELECT SUM({row}) FROM {source}), 0)"  # noqa: S608 - names are parameters


def _named(userfields: Sequence[str]) -> tuple[dict[str, str], str]:
    values = {f"field_{place}": name for place, name in enumerate(userfields)}
    return values, ", ".join(f"{{{{ {key} }}}}" for key in values)


def sums_of(rows: Sequence[Sequence[Any]]) -> dict[int, Sum]:
    """The rows of `sums_statement`."""
    return {int(row[0]): Sum(int(row[1]), int(row[2])) for row in rows}


def checksums_of(rows: Sequence[Sequence[Any]]) -> dict[int, int]:
    """The rows of the statements of checksums."""
    return {int(row[0]): int(row[1]) for row in rows}


# --- by time ------------------------------------------------------------------------------------

_MERGES: Final = "core_usermerge m JOIN core_usermerge_users l ON l.usermerge_id = m.id"


def changed_statement(after: Place, limit: int, userfields: Sequence[str]) -> Statement:
    """Rows (time, user), each once, in their order. Each table gives as many as are wanted in all,
    so that an index on its times can serve."""
    values, names = _named(userfields)
    tables = [
        ("updated_at", "id", "core_user", ""),
        ("updated_at", "user_id", "core_phone", ""),
        ("m.updated_at", "m.primary_id", "core_usermerge m", ""),
        ("m.updated_at", "l.user_id", _MERGES, ""),
    ]
    if userfields:
        tables.append(("updated_at", "parent_id", "core_userfield", f"name IN ({names}) AND "))
    parts = [
        f"(SELECT DISTINCT {time} AS changed_at, {user} AS user_id FROM {table}"  # noqa: S608
        f" WHERE {condition}{_after(time, user, after)}"
        f" ORDER BY changed_at, user_id LIMIT {int(limit)})"
        for time, user, table, condition in tables
    ]
    return (
        "SELECT DISTINCT c.changed_at, c.user_id"  # noqa: S608 - as above
        f" FROM ({' UNION ALL '.join(parts)}) c"
        f" ORDER BY c.changed_at, c.user_id LIMIT {int(limit)}"
    ), values


def refusals_statement(after: Place, limit: int, userfield: str) -> Statement:
    """Rows (time, user, row) of the opt-in userfield that say no, in the order of (time, row)."""
    value = "f.value"
    for space in (9, 10, 13):
        value = f"REPLACE({value}, CHAR({space}), ' ')"
    falses = ", ".join(f"'{text}'" for text in sorted(FALSE_VALUES))
    return (
        "SELECT f.updated_at, f.parent_id, f.id FROM core_userfield f"  # noqa: S608 - constants
        f" WHERE f.name = {{{{ userfield }}}} AND LOWER(TRIM({value})) IN ({falses})"
        f" AND {_after('f.updated_at', 'f.id', after)}"
        f" ORDER BY f.updated_at, f.id LIMIT {int(limit)}"
    ), {"userfield": userfield}


def newest_statement(userfields: Sequence[str]) -> Statement:
    """One row: the latest time in the tables of `changed_statement`."""
    values, names = _named(userfields)
    sources = ["core_user", "core_phone", "core_usermerge"]
    if userfields:
        sources.append(f"core_userfield WHERE name IN ({names})")
    parts = " UNION ALL ".join(
        f"SELECT MAX(updated_at) AS changed_at FROM {source}"  # noqa: S608 - constants
        for source in sources
    )
    return f"SELECT MAX(c.changed_at) FROM ({parts}) c", values  # noqa: S608 - as above


def _after(time: str, key: str, after: Place) -> str:
    """What stands after a place, in an order of (time, key): nothing twice, nothing left out,
    however many rows have one time."""
    at = f"'{time_text(after.at)}'"
    if after.past is None:
        return f"{time} > {at}"
    return f"{time} >= {at} AND ({time} > {at} OR {key} > {int(after.past)})"


def time_text(at: datetime, separator: str = " ") -> str:
    """A time as both ways to ask take it: UTC, without a zone."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(separator)


def changed_of(rows: Sequence[Sequence[Any]]) -> list[Changed]:
    """The rows of a feed. Raises ValueError for one without a time."""
    return [
        Changed(int(row[1]), known_time(row[0]), *(int(one) for one in row[2:])) for row in rows
    ]


# --- who has a number ---------------------------------------------------------------------------


def users_with_statement(numbers: Sequence[str]) -> Statement:
    """Rows (user): who has typed one of the numbers (E.164)."""
    spellings = sorted({text for number in numbers for text in spellings_of(number)})
    values = {f"number_{place}": text for place, text in enumerate(spellings)}
    among = ", ".join(f"{{{{ {key} }}}}" for key in values)
    return (
        "SELECT DISTINCT user_id FROM core_phone"  # noqa: S608 - numbers are parameters
        f" WHERE normalized_phone IN ({among}) ORDER BY user_id LIMIT {MAX_ROWS}"
    ), values


def spellings_of(number: str) -> set[str]:
    """The digits by which a number (E.164) can stand in `normalized_phone`: with and without the
    calling code, the trunk prefix, and what is dialled before a calling code. People of another
    country may mean another number by some of them."""
    digits = number.lstrip("+")
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return {digits}
    code, national = parsed.country_code or 0, phonenumbers.national_significant_number(parsed)
    region = phonenumbers.region_code_for_country_code(code)
    trunk = phonenumbers.ndd_prefix_for_region(region, True) or ""
    spellings = {digits, national, f"{trunk}{national}", f"{code}{trunk}{national}"}
    return spellings | {f"{prefix}{digits}" for prefix in ("00", "011")}
