"""A look by SQL: one statement, hence one snapshot of the database.

Rows of a fixed width; the first column tells the kind. Text is cast, so that columns of different
collations can stand in one union:

| kind | id | columns |
|---|---|---|
| `mark` | highest action id | |
| `user` | user | email, first_name, last_name, city, state, region, zip, postal, country |
| `field` | user | row id, name, value, updated_at, action id, page id, page type, source |
| `phone` | user | phone id, type, phone, updated_at |
| `group` | user | usergroup id |
| `found` | action | sync_id |
| `sharer` | user | country |
| `crowd` | user | phone id: more than four have that number |
| `merged` | user merged away | merge id, primary |
| `action` | user | action id, page id, status, created_at, page type, source, whether uploaded |
| `actionfield` | action | row id, name, value |

`field` and `phone` rows come for sharers too, of fields the opt-in userfield alone. `action` and
`actionfield` rows are of the pages asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from instep.adapters.actionkit.gathered import USER_COLUMNS, Gathered
from instep.adapters.answers import text_of
from instep.use_cases.ports import ActionKitLook

WIDTH: Final = 11
CALLING_CODES: Final = {
    "Argentina": "54",
    "Australia": "61",
    "Austria": "43",
    "Belgium": "32",
    "Brazil": "55",
    "Chile": "56",
    "China": "86",
    "Colombia": "57",
    "Denmark": "45",
    "Ecuador": "593",
    "Egypt": "20",
    "El Salvador": "503",
    "Finland": "358",
    "France": "33",
    "Germany": "49",
    "Ghana": "233",
    "Guatemala": "502",
    "Honduras": "504",
    "Hong Kong": "852",
    "India": "91",
    "Indonesia": "62",
    "Ireland": "353",
    "Israel": "972",
    "Italy": "39",
    "Japan": "81",
    "Kenya": "254",
    "Malaysia": "60",
    "Mexico": "52",
    "Netherlands": "31",
    "New Zealand": "64",
    "Nigeria": "234",
    "Norway": "47",
    "Pakistan": "92",
    "Peru": "51",
    "Philippines": "63",
    "Poland": "48",
    "Portugal": "351",
    "Singapore": "65",
    "South Africa": "27",
    "South Korea": "82",
    "Spain": "34",
    "Sweden": "46",
    "Switzerland": "41",
    "Taiwan": "886",
    "Turkey": "90",
    "United Kingdom": "44",
    "Venezuela": "58",
    "Vietnam": "84",
}
"""Of users from other countries a number is known again where both spell it alike, or at the
claim."""
CROWD: Final = 4
"""A number that more users have is looked at with one user at a time."""


def look_statement(
    user_ids: Sequence[int],
    userfields: Sequence[str],
    sync_ids: Sequence[str],
    calling_codes: Sequence[str],
    max_sharers: int,
    only_lower: Sequence[int] = (),
    page_ids: Sequence[int] = (),
) -> tuple[str, dict[str, str]]:
    """The statement of a look and the values of its parameters. Ids stand in it as numbers; names
    and sync_ids are parameters, never part of the text."""
    ids = ", ".join(str(int(one)) for one in user_ids)
    values = {f"field_{place}": name for place, name in enumerate(userfields)}
    names = ", ".join(f"{{{{ {key} }}}}" for key in values)
    numbers = _numbers(ids, calling_codes)
    crowds = _crowds(numbers) if len(user_ids) > 1 else ""
    sharers = _sharers(ids, numbers, crowds, max_sharers, only_lower)
    parts = [
        _select("mark", ["MAX(id)"], "core_action"),
        _select(
            "user",
            ["id", *(_text(name) for name in USER_COLUMNS)],
            f"core_user WHERE id IN ({ids})",
        ),
        _phones(f"core_phone p WHERE p.user_id IN ({ids})"),
        _select("group", ["user_id", "usergroup_id"], f"core_user_groups WHERE user_id IN ({ids})"),
        _select(
            "sharer",
            ["u.id", _text("u.country")],
            f"{sharers} JOIN core_user u ON u.id = s.user_id",
        ),
        _phones(f"{sharers} JOIN core_phone p ON p.user_id = s.user_id"),
    ]
    parts += _merges(ids)
    if crowds:
        among = f"{numbers} n JOIN {crowds} ON x.number = n.number"
        parts.append(_select("crowd", ["n.user_id", "n.phone_id"], among))
    if userfields:
        parts += [
            _fields(
                f"core_userfield f{_SET_BY} WHERE f.parent_id IN ({ids}) AND f.name IN ({names})"
            ),
            _fields(
                f"{sharers} JOIN core_userfield f ON f.parent_id = s.user_id"
                f" AND f.name = {{{{ field_0 }}}}{_SET_BY}"
            ),
        ]
    if page_ids:
        pages = ", ".join(str(int(one)) for one in page_ids)
        # No key on pages is to serve: a page has far more actions than these users have.
        condition = f"WHERE a.user_id IN ({ids}) AND a.page_id + 0 IN ({pages})"
        parts += _actions(condition, alone=len(user_ids) == 1)
    if sync_ids:
        marks = {f"sync_{place}": sync_id for place, sync_id in enumerate(sync_ids)}
        values |= marks
        among = ", ".join(f"{{{{ {key} }}}}" for key in marks)
        parts.append(
            _select(
                "found",
                ["a.id", _text("m.value")],
                "core_action a JOIN core_actionfield m ON m.parent_id = a.id"
                f" WHERE a.user_id IN ({ids}) AND m.name = 'sync_id' AND m.value IN ({among})",
            )
        )
    return "\nUNION ALL ".join(parts), values


_SET_BY: Final = (
    " LEFT JOIN core_action a ON a.id = f.action_id LEFT JOIN core_page g ON g.id = a.page_id"
)


def _select(kind: str, columns: Sequence[str], source: str) -> str:
    padding = ["NULL"] * (WIDTH - 1 - len(columns))
    shown = ", ".join([f"'{kind}'", *columns, *padding])
    return f"SELECT {shown} FROM {source}"  # noqa: S608 - names are parameters, ids integers


def _text(column: str) -> str:
    return f"CAST({column} AS CHAR)"


def _fields(source: str) -> str:
    row = ["f.parent_id", "f.id", _text("f.name"), _text("f.value"), "f.updated_at", "f.action_id"]
    by_action = ["a.page_id", _text("g.type"), _text("a.source")]
    return _select("field", [*row, *by_action], source)


def _phones(source: str) -> str:
    row = ["p.user_id", "p.id", _text("p.type"), _text("p.phone"), "p.updated_at"]
    return _select("phone", row, source)


_UPLOADED: Final = (
    "CASE WHEN LOWER(a.source) LIKE 'upload%' OR EXISTS (SELECT 1 FROM core_importpage i"
    " WHERE i.default_source <> '' AND i.default_source = a.source) THEN 1 ELSE 0 END"
)
"""Whether an upload leaves an action's source: an assumption, see `docs/assumptions.md`."""


MOST_ACTIONS: Final = 2000
MOST_ACTIONFIELDS: Final = 6000
"""Of somebody looked at alone: a report has at most 10,000 rows."""


def _actions(condition: str, alone: bool) -> list[str]:
    row = ["a.user_id", "a.id", "a.page_id", _text("a.status"), "a.created_at"]
    by_page = [_text("g.type"), _text("a.source"), _UPLOADED]
    acts = f"(SELECT a.* FROM core_action a {condition}) a"  # noqa: S608 - integers
    if alone:
        newest = f"{condition} ORDER BY a.id DESC LIMIT {MOST_ACTIONS}"
        acts = f"(SELECT a.* FROM core_action a {newest}) a"  # noqa: S608 - integers
    paged = f"{acts} LEFT JOIN core_page g ON g.id = a.page_id"
    fields = f"{acts} JOIN core_actionfield m ON m.parent_id = a.id"
    if alone:
        newest = f"ORDER BY a.id DESC, m.id LIMIT {MOST_ACTIONFIELDS}"
        chosen = f"SELECT m.id, m.parent_id, m.name, m.value FROM {fields} {newest}"  # noqa: S608
        fields = f"({chosen}) m JOIN core_action a ON a.id = m.parent_id"
    value = ["a.id", "m.id", _text("m.name"), _text("m.value")]
    return [
        _select("action", [*row, *by_page], paged),
        _select("actionfield", value, fields),
    ]


def _merges(ids: str) -> list[str]:
    """The merges in which one of the users was merged away or is the one left, and one further on
    either side, for those who were merged twice."""
    complete = "m.status = 'complete'"
    losers = "core_usermerge_users l ON l.usermerge_id = m.id"
    before = "core_usermerge b JOIN core_usermerge_users a ON a.usermerge_id = b.id"
    later = (
        "core_usermerge_users l ON l.user_id = b.primary_id"
        " JOIN core_usermerge m ON m.id = l.usermerge_id"
    )
    earlier = f"core_usermerge m ON m.primary_id = a.user_id JOIN {losers}"
    sources = (
        f"core_usermerge m JOIN {losers} WHERE l.user_id IN ({ids})",
        f"core_usermerge m JOIN {losers} WHERE m.primary_id IN ({ids})",
        f"{before} AND b.status = 'complete' JOIN {later} WHERE a.user_id IN ({ids})",
        f"{before} AND b.status = 'complete' JOIN {earlier} WHERE b.primary_id IN ({ids})",
    )
    columns = ["l.user_id", "m.id", "m.primary_id"]
    return [_select("merged", columns, f"{source} AND {complete}") for source in sources]


def _numbers(ids: str, calling_codes: Sequence[str]) -> str:
    """The users' numbers in all their spellings, with the phone rows they are of.

    ActionKit keeps a number's digits as they were typed, so each is looked for with and without
    calling codes and trunk 0; by equality, which an index can serve.
    """
    theirs = f"core_phone p WHERE p.user_id IN ({ids}) AND p.normalized_phone <> ''"
    names = " ".join(f"WHEN '{name}' THEN '{code}'" for name, code in CALLING_CODES.items())
    abroad = (
        f"(SELECT p.id, p.user_id, p.normalized_phone, CASE o.country {names} END AS code"  # noqa: S608
        f" FROM core_phone p JOIN core_user o ON o.id = p.user_id WHERE o.id IN ({ids})) p"
        " WHERE p.code IS NOT NULL AND p.normalized_phone <> ''"
    )
    numbers = " UNION ".join(
        f"SELECT {number} AS number, p.user_id, p.id AS phone_id"  # noqa: S608 - integers
        f" FROM {source}{condition}"
        for source, spellings in ((theirs, _spellings(calling_codes)), (abroad, _SPELLINGS_ABROAD))
        for number, condition in spellings
    )
    return f"({numbers})"


def _crowds(numbers: str) -> str:
    """Those of the numbers that many have: what is typed in place of a number (0000000000)."""
    return (
        f"(SELECT c.normalized_phone AS number FROM {numbers} m"  # noqa: S608 - as above
        " JOIN core_phone c ON c.normalized_phone = m.number"
        f" GROUP BY c.normalized_phone HAVING COUNT(DISTINCT c.user_id) > {CROWD}) x"
    )


def _sharers(
    ids: str, numbers: str, crowds: str, max_sharers: int, only_lower: Sequence[int]
) -> str:
    """The ids of other users with a number of the users', as a table `s`: the lowest ids, if there
    are too many; without those who are in a crowd, and without ids above the user's own where only
    lower ones matter."""
    aside = f" LEFT JOIN {crowds} ON x.number = q.normalized_phone" if crowds else ""
    alone = " AND x.number IS NULL" if crowds else ""
    if only_lower:
        among = ", ".join(str(int(one)) for one in only_lower)
        alone += f" AND (q.user_id < n.user_id OR n.user_id NOT IN ({among}))"
    return (
        f"(SELECT DISTINCT q.user_id FROM {numbers} n"  # noqa: S608 - as above
        f" JOIN core_phone q ON q.normalized_phone = n.number{aside}"
        f" WHERE q.user_id NOT IN ({ids}){alone}"
        f" ORDER BY q.user_id LIMIT {int(max_sharers)}) s"
    )


_DIGITS: Final = "p.normalized_phone"
_WITHOUT_TRUNK: Final = f"SUBSTRING({_DIGITS}, 2)"
_TRUNK: Final = f" AND {_DIGITS} LIKE '0%'"

_SPELLINGS_ABROAD: Final = (
    (f"CONCAT('0', {_DIGITS})", ""),
    (f"CONCAT(p.code, {_DIGITS})", ""),
    (f"CONCAT(p.code, {_WITHOUT_TRUNK})", _TRUNK),
)
"""With the calling code of the user's country: (expression, condition)."""


def _spellings(calling_codes: Sequence[str]) -> list[tuple[str, str]]:
    """Other ways to type a number: (expression, condition). The account's calling codes are tried
    on every number; eleven digits or more may begin with the code of any country."""
    spellings = [(_DIGITS, ""), (_WITHOUT_TRUNK, _TRUNK)]
    for code in calling_codes:
        spellings.append((f"CONCAT('{int(code)}', {_DIGITS})", ""))
        if code != "1":  # no number of the North American plan begins with a trunk 0
            spellings += [
                (f"CONCAT('{int(code)}', {_WITHOUT_TRUNK})", _TRUNK),
                (f"CONCAT('0', {_DIGITS})", ""),
            ]
    for length in (1, 2, 3):
        rest = f"SUBSTRING({_DIGITS}, {length + 1})"
        long = f" AND LENGTH({_DIGITS}) > {7 + length}"
        spellings += [(rest, long), (f"CONCAT('0', {rest})", long)]
    return spellings


def look_of(rows: Sequence[Sequence[Any]], userfields: Sequence[str]) -> ActionKitLook:
    """The look of a statement's rows. Raises ValueError for rows that are none of ours."""
    seen = Gathered(userfields)
    for row in rows:
        if len(row) != WIDTH:
            raise ValueError("a row of another width")
        kind, values = row[0], row[2:]
        if kind == "mark":
            seen.watermark = int(row[1] or 0)
            continue
        key = int(row[1])
        match kind:
            case "crowd":
                seen.crowded.add(int(values[0]))
            case "merged":
                seen.merge(key, int(values[0]), int(values[1]))
            case "user":
                seen.user(key, dict(zip(USER_COLUMNS, values, strict=True)))
            case "field":
                row_id, name, value, updated_at, action_id, page_id, page_type, source = values[:8]
                seen.field(
                    key, int(row_id), name, value, updated_at, action_id, page_id, page_type, source
                )
            case "phone":
                phone_id, type_, raw, updated_at = values[:4]
                seen.phone(key, int(phone_id), type_, raw, updated_at)
            case "action":
                action_id, page_id, status, created_at, page_type, source, uploaded = values[:7]
                seen.action(
                    key,
                    int(action_id),
                    int(page_id),
                    status,
                    created_at,
                    page_type,
                    source,
                    int(uploaded) == 1,
                )
            case "actionfield":
                row_id, name, value = values[:3]
                seen.actionfield(key, int(row_id), name, value)
            case "group":
                seen.usergroups.setdefault(key, set()).add(int(values[0]))
            case "sharer":
                seen.sharers[key] = text_of(values[0])
            case "found":
                seen.found[text_of(values[0])] = key
            case _:
                raise ValueError("a row of no kind")
    return seen.look()
