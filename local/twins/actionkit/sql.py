"""SQL reports: MySQL statements translated, run, and looked through for what they show.

A statement is first reduced to a template (values in comparisons and in ``IN (…)`` lists become
parameters), so that statements that differ in ids and times alone are translated once.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from local.twins.actionkit.database import columns
from local.twins.actionkit.functions import is_stored_time

MAX_ROWS = 10_000


class SqlRefused(Exception):
    """The statement is refused: not one SELECT, wrong, or of too many rows."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one output column shows of people."""

    user_id: bool = False
    action_id: bool = False
    values: bool = False
    time: bool = False
    decimal: bool = False

    def __or__(self, other: Shown) -> Shown:
        return Shown(
            self.user_id or other.user_id,
            self.action_id or other.action_id,
            self.values or other.values,
            self.time or other.time,
            self.decimal or other.decimal,
        )


@dataclass(frozen=True, slots=True)
class Branch:
    """One SELECT of a UNION ALL: where ids, times and decimals stand in its output, whether it
    shows values of people at all, and whether a row is of many of them (``grouped``)."""

    shown: tuple[Shown, ...]
    grouped: bool
    shows_values: bool
    user_columns: tuple[int, ...]
    action_columns: tuple[int, ...]
    time_columns: tuple[int, ...]
    decimal_columns: tuple[int, ...]

    @classmethod
    def of(cls, shown: Sequence[Shown], grouped: bool) -> Branch:
        places = list(enumerate(shown))
        return cls(
            tuple(shown),
            grouped,
            any(column.values for column in shown),
            tuple(place for place, column in places if column.user_id),
            tuple(place for place, column in places if column.action_id),
            tuple(place for place, column in places if column.time),
            tuple(place for place, column in places if column.decimal),
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A translated template: SQLite's text, whose last output column tells the branch of a row."""

    sql: str
    names: tuple[str, ...]
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of a report, the users whose values they show, and how many of those rows show a
    person's values without saying whose."""

    names: tuple[str, ...]
    rows: list[list[Any]]
    user_ids: frozenset[int]
    action_ids: frozenset[int]
    nameless: int


# --- templates ------------------------------------------------------------------------------

_STRING = r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*\""""
_LITERAL = rf"(?:{_STRING}|-?\d+(?:\.\d+)?(?![\w.]))"
_SCAN = re.compile(
    rf"""
    (?P<comment>/\*.*?\*/|--(?=\s|$)[^\n]*|\#[^\n]*)
    |\b(?P<among>IN\s*\(\s*)(?P<list>{_LITERAL}(?:\s*,\s*{_LITERAL})*)\s*\)
    |(?P<rowop>(?:<>|!=|<=|>=|=|<|>)\s*\(\s*)(?P<row>{_LITERAL}(?:\s*,\s*{_LITERAL})+)\s*\)
    |(?P<before>(?:<=>|<>|!=|<=|>=|=|<|>|\bLIKE\b)\s*)(?P<value>{_LITERAL})
    |(?P<bound>\b(?:LIMIT|OFFSET)\s+)(?P<number>\d+)(?!\w)
    |{_STRING}|`[^`]*`
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a", "%": "\\%"}
_ESCAPES["_"] = "\\_"


def _literal(text: str) -> str | int | float:
    quote = text[0]
    if quote not in "'\"":
        return float(text) if "." in text else int(text)
    inner = text[1:-1].replace(quote * 2, quote)
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), inner, flags=re.DOTALL)


def template(query: str) -> tuple[str, dict[str, Any]]:
    """A statement without its comments and values, and the values by the parameter's name."""
    values: dict[str, Any] = {}

    def keep(value: Any) -> str:
        name = f"v{len(values)}"
        values[name] = value
        return f":{name}"

    def take(found: re.Match[str]) -> str:
        if found["comment"] is not None:
            return " "
        if found["list"] is not None:
            literals = re.findall(_LITERAL, found["list"])
            return f"{found['among']}{keep(json.dumps([_literal(one) for one in literals]))})"
        if found["row"] is not None:
            literals = re.findall(_LITERAL, found["row"])
            return f"{found['rowop']}{', '.join(keep(_literal(one)) for one in literals)})"
        if found["value"] is not None:
            return found["before"] + keep(_literal(found["value"]))
        if found["number"] is not None:
            return found["bound"] + keep(int(found["number"]))
        return found[0]

    return _SCAN.sub(take, query), values


# --- translation ----------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def translate(text: str) -> Statement:
    """Translate a template. Raises :class:`SqlRefused`."""
    try:
        trees = sqlglot.parse(text, read="mysql")
    except SqlglotError as error:
        raise SqlRefused("You have an error in your SQL syntax") from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise SqlRefused("only one SELECT statement is allowed")
    tree: exp.Expr = trees[0].unnest()
    _check_tables(tree)
    branches = _branches(tree, {})
    names = tuple(_output_names(_first_select(tree), _with(tree, {})))
    if _keeps_rows(tree):
        for number, select in enumerate(_leaves(tree)):
            select.append("expressions", exp.alias_(exp.Literal.number(number), "ak_branch"))
    else:
        # a UNION that drops equal rows cannot carry a tag: what one part shows, all may
        branches = [_merged(branches)]
        tree = exp.select("*", exp.alias_(exp.Literal.number(0), "ak_branch")).from_(
            cast(exp.Query, tree).subquery("ak_union")
        )
    for node in reversed(list(tree.walk())):
        new = _rewritten(node)
        if new is not node:
            if node is tree:
                tree = new
            else:
                node.replace(new)
    return Statement(
        tree.sql("sqlite", unsupported_level=ErrorLevel.IGNORE), names, tuple(branches)
    )


def _check_tables(tree: exp.Expr) -> None:
    known = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.name.lower() not in known and (table.db or table.name.lower() not in columns()):
            raise SqlRefused(f"Table '{table.name}' doesn't exist")
    for limit in tree.find_all(exp.Limit, exp.Offset):
        if isinstance(limit.expression, exp.Literal) and limit.expression.is_string:
            raise SqlRefused("You have an error in your SQL syntax near LIMIT")


def _first_select(tree: exp.Expr) -> exp.Select:
    while not isinstance(tree, exp.Select):
        tree = tree.this
    return tree


def _keeps_rows(tree: exp.Expr) -> bool:
    """Whether a query is one SELECT or a UNION ALL throughout."""
    if isinstance(tree, exp.Subquery):
        return _keeps_rows(tree.this)
    if isinstance(tree, exp.Union) and not tree.args.get("distinct"):
        return _keeps_rows(tree.this) and _keeps_rows(tree.expression)
    return isinstance(tree, exp.Select)


def _leaves(tree: exp.Expr) -> list[exp.Select]:
    """The SELECTs of a UNION ALL, in order."""
    if isinstance(tree, exp.Select):
        return [tree]
    if isinstance(tree, exp.Subquery):
        return _leaves(tree.this)
    return [*_leaves(tree.this), *_leaves(tree.expression)]


_PREDICATES = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.NullSafeEQ)
_CHOICES = (exp.Coalesce, exp.Greatest, exp.Least, exp.If, exp.Case)
_KEYWORDS = frozenset({"group", "order", "key", "index", "table", "values", "select", "where"})


def _is_time_column(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and node.name.lower().endswith("_at")


def _mentions_time(node: exp.Expr) -> bool:
    return any(_is_time_column(column) for column in node.find_all(exp.Column))


def _call(name: str, *arguments: Any) -> exp.Anonymous:
    made = [exp.convert(each) if isinstance(each, str | int) else each for each in arguments]
    return exp.Anonymous(this=name, expressions=made)


def _operands(node: exp.Expr) -> list[exp.Expr]:
    operands = list(node.iter_expressions())
    rows = [each for each in operands if isinstance(each, exp.Tuple)]
    return operands + [part for row in rows for part in row.expressions]


def _unit(node: exp.Expr) -> str:
    unit = node.args.get("unit")
    return (unit.name if unit is not None else "DAY").upper()


def _as_text_argument(node: exp.Expr) -> exp.Expr:
    return _call("ak_date_text", node) if _is_time_column(node) else node


def _rewritten(node: exp.Expr) -> exp.Expr:
    """A node as SQLite can run it; children were done before."""
    if isinstance(node, (*_PREDICATES, *_CHOICES)) and _mentions_time(node):
        for child in _operands(node):
            if isinstance(child, exp.Placeholder) or (
                isinstance(child, exp.Literal) and child.is_string
            ):
                child.replace(_call("ak_datetime", child.copy()))
        return node
    match node:
        case exp.In() if len(node.expressions) == 1 and isinstance(
            node.expressions[0], exp.Placeholder
        ):
            source = _call("json_each", node.expressions[0].copy())
            return exp.In(this=node.this, query=exp.select("value").from_(source).subquery())
        case exp.In() if isinstance(node.this, exp.Tuple):
            return _rows_in(node)
        case exp.Count() if isinstance(node.this, exp.Distinct) and len(node.this.expressions) > 1:
            row = _call("ak_row", *node.this.expressions)
            return exp.Count(this=exp.Distinct(expressions=[row]))
        case exp.Floor() | exp.Ceil():
            return exp.Cast(this=node.copy(), to=exp.DataType.build("INT"))
        case exp.Subquery() if isinstance(node.parent, exp.SetOperation):
            if node.args.get("alias") is None:
                return exp.select("*").from_(node.this.subquery())
        case exp.UtcTimestamp() | exp.CurrentTimestamp():
            return _call("ak_now_micro" if node.this is not None else "ak_now")
        case exp.Anonymous() if node.name.upper() in ("NOW", "SYSDATE", "LOCALTIME"):
            return _call("ak_now_micro" if node.expressions else "ak_now")
        case exp.Anonymous() if node.name.upper() == "UNIX_TIMESTAMP" and not node.expressions:
            return _call("unix_timestamp", _call("ak_now"))
        case exp.Anonymous() if node.name.upper() == "QUOTE":
            return _call("ak_quote", *(_as_text_argument(each) for each in node.expressions))
        case exp.Anonymous() if node.name.upper() == "JSON_ARRAYAGG":
            return _call("json_group_array", *node.expressions)
        case exp.DateAdd() | exp.TimestampAdd():
            return _call("ak_date_add", node.this, node.expression, _unit(node))
        case exp.DateSub() | exp.TimestampSub():
            return _call("ak_date_add", node.this, exp.Neg(this=node.expression), _unit(node))
        case exp.Add() | exp.Sub() if isinstance(node.expression, exp.Interval):
            amount = node.expression.this
            if isinstance(node, exp.Sub):
                amount = exp.Neg(this=amount)
            return _call("ak_date_add", node.this, amount, _unit(node.expression))
        case exp.TimestampDiff():
            return _call("ak_date_diff", node.this, node.expression, _unit(node))
        case exp.DateDiff():
            days = [_call("ak_date", side) for side in (node.this, node.expression)]
            return _call("ak_date_diff", *days, "DAY")
        case exp.TsOrDsToDate():
            return _call("ak_date", node.this)
        case exp.TsOrDsToTimestamp():
            return cast(exp.Expr, node.this)
        case exp.TimeToStr():
            return _call("ak_strftime", node.this, node.args["format"])
        case exp.UnixToTime():
            return _call("ak_from_unixtime", node.this)
        case exp.Left():
            return _call("substr", node.this, 1, node.expression)
        case exp.Right():
            return _call("substr", node.this, exp.Neg(this=node.expression))
        case exp.SHA():
            return _call("ak_sha1", node.this)
        case exp.SHA2():
            return _call("ak_sha256", node.this)
        case exp.Length() if node.args.get("binary"):
            return _call("ak_bytes", node.this)
        case exp.BitwiseXorAgg():
            return _call("ak_bit_xor", node.this)
        case exp.BitwiseXor():
            left, right = exp.paren(node.this), exp.paren(node.expression)
            both = exp.BitwiseAnd(this=left.copy(), expression=right.copy())
            either = exp.BitwiseOr(this=left, expression=right)
            return exp.paren(exp.Sub(this=exp.paren(either), expression=exp.paren(both)))
        case exp.Xor():
            return exp.NEQ(
                this=exp.Not(this=exp.paren(node.this)),
                expression=exp.Not(this=exp.paren(node.expression)),
            )
        case exp.GroupConcat():
            return _group_concat(node)
        case exp.SubstringIndex():
            parts = node.args["delimiter"], node.args["count"]
            return _call("ak_substring_index", node.this, *parts)
        case exp.Pad():
            fill = node.args.get("fill_pattern") or exp.Literal.string(" ")
            left_side = 1 if node.args.get("is_left") else 0
            return _call("ak_pad", node.this, node.expression, fill, left_side)
        case exp.RegexpReplace():
            return _call("ak_regexp_replace", node.this, node.expression, node.args["replacement"])
        case exp.Like() if not isinstance(node.parent, exp.Escape):
            return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))
        case exp.Collate():
            binary = node.expression.name.lower().endswith("bin")
            order = exp.var("BINARY" if binary else "NOCASE")
            return exp.paren(exp.Collate(this=node.this, expression=order))
        case exp.Cast():
            return _cast(node)
        case exp.Concat():
            node.set("expressions", [_as_text_argument(each) for each in node.expressions])
        case exp.ConcatWs():
            return _call("concat_ws", *(_as_text_argument(each) for each in node.expressions))
        case exp.Identifier() if node.args.get("quoted") and node.name.lower() not in _KEYWORDS:
            # SQLite takes a quoted name that it does not know for a string
            if re.fullmatch(r"\w+", node.name):
                node.set("quoted", False)
        case exp.CurrentVersion():
            return exp.Literal.string("8.0.40")
    return node


def _rows_in(node: exp.In) -> exp.Expr:
    """``(a, b) IN …``: SQLite wants VALUES for a list, and misses rows of a query where an index
    ends with the table's own id."""
    if node.args.get("query") is None:
        rows = ", ".join(row.sql("sqlite") for row in node.expressions)
        return exp.In(this=node.this, expressions=[exp.var(f"VALUES {rows}")])
    for column in node.this.expressions:
        if isinstance(column, exp.Column) and column.name.lower() == "id":
            column.replace(exp.Add(this=column.copy(), expression=exp.Literal.number(0)))
    return node


def _cast(node: exp.Cast) -> exp.Expr:
    kind = node.to.this
    if kind in (exp.DType.BINARY, exp.DType.VARBINARY):
        return exp.paren(exp.Collate(this=node.this, expression=exp.var("BINARY")))
    if kind in (exp.DType.DATETIME, exp.DType.TIMESTAMP):
        return _call("ak_datetime", node.this)
    if kind is exp.DType.DATE:
        return _call("ak_date", node.this)
    if kind in (exp.DType.CHAR, exp.DType.TEXT):
        return exp.Cast(this=_as_text_argument(node.this), to=exp.DataType.build("TEXT"))
    if kind in (exp.DType.UBIGINT, exp.DType.BIGINT, exp.DType.INT):
        return exp.Cast(this=node.this, to=exp.DataType.build("INT"))
    return node


def _group_concat(node: exp.GroupConcat) -> exp.Expr:
    value, order, distinct = node.this, [], 0
    if isinstance(value, exp.Order):
        value, order = value.this, value.expressions
    if isinstance(value, exp.Distinct):
        distinct = 1
        value = value.expressions[0]
    separator = node.args.get("separator") or exp.Literal.string(",")
    descending = "".join("d" if each.args.get("desc") else "a" for each in order)
    keys = [each.this for each in order]
    return _call("ak_group_concat", separator, distinct, descending, value, *keys)


# --- what a statement shows -----------------------------------------------------------------

_PERSONAL = frozenset(
    {"core_user", "core_userfield", "core_phone", "core_actionfield", "core_location"}
)
_SHIELDS = (
    exp.Count,
    exp.Sum,
    exp.Avg,
    exp.BitwiseXorAgg,
    exp.MD5,
    exp.SHA,
    exp.SHA2,
    exp.Exists,
)
_KEEPS_TIME = (
    exp.Max,
    exp.Min,
    exp.AnyValue,
    exp.Add,
    exp.Sub,
    exp.DateAdd,
    exp.DateSub,
    exp.TimestampAdd,
    exp.TimestampSub,
    *_CHOICES,
)
_KEEPS_DECIMAL = (
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Round, exp.Max, exp.Min),
    *_CHOICES,
)

_Source = Mapping[str, Shown]


@lru_cache(maxsize=256)
def _table(name: str) -> _Source:
    shown = {}
    for column in columns()[name]:
        is_user = column == "user_id" or (name, column) in (
            ("core_user", "id"),
            ("core_userfield", "parent_id"),
            ("core_usermerge", "primary_id"),
        )
        is_action = (name, column) in (
            ("core_action", "id"),
            ("core_actionfield", "parent_id"),
            ("core_userfield", "action_id"),
        )
        bare = column == "id" or column.endswith(("_id", "_at"))
        personal = name in _PERSONAL and not bare
        shown[column] = Shown(is_user, is_action, personal, column.endswith("_at"))
    return shown


def _with(tree: exp.Expr, ctes: Mapping[str, _Source]) -> Mapping[str, _Source]:
    """The named queries that a query sees: those outside it and its own."""
    with_ = tree.args.get("with_")
    if with_ is None:
        return ctes
    seen = dict(ctes)
    for cte in with_.expressions:
        name = cte.alias_or_name.lower()
        if with_.args.get("recursive"):
            seen[name] = {}
        seen[name] = _as_source(cte.this, seen, [each.name for each in cte.args["alias"].columns])
    return seen


def _branches(tree: exp.Expr, ctes: Mapping[str, _Source]) -> list[Branch]:
    """The SELECTs of a query, in order."""
    ctes = _with(tree, ctes)
    if isinstance(tree, exp.Subquery):
        return _branches(tree.this, ctes)
    if isinstance(tree, exp.SetOperation):
        return [*_branches(tree.this, ctes), *_branches(tree.expression, ctes)]
    if isinstance(tree, exp.Select):
        return [_branch(tree, ctes, {})]
    raise SqlRefused("only SELECT statements are allowed")


def _merged(branches: Sequence[Branch]) -> Branch:
    shown = branches[0].shown
    for branch in branches[1:]:
        if len(branch.shown) != len(shown):
            raise SqlRefused("The used SELECT statements have a different number of columns")
        shown = tuple(one | other for one, other in zip(shown, branch.shown, strict=True))
    return Branch.of(shown, all(branch.grouped for branch in branches))


def _as_source(tree: exp.Expr, ctes: Mapping[str, _Source], names: Sequence[str] = ()) -> _Source:
    """The columns of a derived table. A grouped one shows values of no one in particular."""
    merged = _merged(_branches(tree, ctes))
    if not names:
        names = _output_names(_first_select(tree), _with(tree, ctes))
    return {name.lower(): shown for name, shown in zip(names, merged.shown, strict=False)}


def _output_names(select: exp.Select, ctes: Mapping[str, _Source]) -> list[str]:
    names: list[str] = []
    for column in select.expressions:
        if column.is_star:
            for alias, source in _sources(select, ctes).items():
                if column.args.get("table") in (None, "") or _star_table(column) == alias:
                    names.extend(source)
        else:
            named = column.alias or (isinstance(column, exp.Column) and column.name)
            names.append(named or column.sql("mysql"))
    return names


def _star_table(column: exp.Expr) -> str:
    return column.args["table"].name.lower() if column.args.get("table") else ""


def _sources(select: exp.Select, ctes: Mapping[str, _Source]) -> dict[str, _Source]:
    sources: dict[str, _Source] = {}
    from_ = select.args.get("from_")
    joins = [join.this for join in select.args.get("joins") or ()]
    for item in ([from_.this] if from_ is not None else []) + joins:
        alias = item.alias_or_name.lower()
        if isinstance(item, exp.Table):
            name = item.name.lower()
            sources[alias] = ctes[name] if name in ctes else _table(name)
        else:
            sources[alias] = _as_source(item.this, ctes)
    return sources


def _branch(
    select: exp.Select, ctes: Mapping[str, _Source], outer: Mapping[str, _Source]
) -> Branch:
    sources = {**outer, **_sources(select, ctes)}
    shown: list[Shown] = []
    for column in select.expressions:
        if column.is_star:
            wanted = _star_table(column)
            for alias, source in _sources(select, ctes).items():
                if wanted in ("", alias):
                    shown.extend(source.values())
        else:
            shown.append(_shown(column, sources, ctes))
    aggregated = any(
        column.find(exp.AggFunc) is not None and column.find(exp.Window) is None
        for column in select.expressions
    )
    grouped = bool(select.args.get("group") or select.args.get("distinct") or aggregated)
    return Branch.of(shown, grouped)


def _shown(node: exp.Expr, sources: Mapping[str, _Source], ctes: Mapping[str, _Source]) -> Shown:
    if isinstance(node, exp.Column):
        name, table = node.name.lower(), node.table.lower()
        if table:
            return sources.get(table, {}).get(name, Shown())
        return next((source[name] for source in sources.values() if name in source), Shown())
    if isinstance(node, exp.Subquery | exp.Select):
        query = node.this if isinstance(node, exp.Subquery) else node
        if isinstance(query, exp.Select):
            return _branch(query, ctes, sources).shown[0]
        return _merged(_branches(query, ctes)).shown[0]
    if isinstance(node, exp.UtcTimestamp | exp.CurrentTimestamp):
        return Shown(time=True)
    if isinstance(node, exp.Anonymous):
        name = node.name.upper()
        if name in ("CRC32", "BIT_XOR"):
            return Shown()
        if name in ("NOW", "SYSDATE"):
            return Shown(time=True)
    if isinstance(node, exp.Sum | exp.Avg):
        return Shown(decimal=True)
    if isinstance(node, _SHIELDS):
        return Shown()
    children = [_shown(child, sources, ctes) for child in node.iter_expressions()]
    whole = Shown()
    for child in children:
        whole |= child
    if isinstance(node, exp.Alias | exp.Paren | exp.Cast):
        keeps = not isinstance(node, exp.Cast)
        return replace(whole, time=whole.time and keeps, decimal=whole.decimal and keeps)
    # an expression of an id is no id any more: a maximum, a comparison, a text
    return Shown(
        values=whole.values,
        time=whole.time and isinstance(node, _KEEPS_TIME),
        decimal=isinstance(node, exp.Div) or (whole.decimal and isinstance(node, _KEEPS_DECIMAL)),
    )


# --- running --------------------------------------------------------------------------------


def run(
    connection: sqlite3.Connection,
    query: str,
    show_time: Callable[[str], str],
    show_decimal: Callable[[int | float], object],
) -> Report:
    """Run a MySQL SELECT, with ``show_time`` for the stored times that it answers and
    ``show_decimal`` for what MySQL holds as DECIMAL: sums, means and quotients.

    Raises :class:`SqlRefused`.
    """
    text, values = template(query)
    statement = translate(text)
    try:
        rows = connection.execute(statement.sql, values).fetchmany(MAX_ROWS + 1)
    except sqlite3.Error as error:
        raise SqlRefused(str(error)) from error
    if len(rows) > MAX_ROWS:
        raise SqlRefused(f"the query returns more than {MAX_ROWS} rows")
    return _report(statement, rows, show_time, show_decimal)


def _report(
    statement: Statement,
    rows: Sequence[tuple[Any, ...]],
    show_time: Callable[[str], str],
    show_decimal: Callable[[int | float], object],
) -> Report:
    users: set[int] = set()
    actions: set[int] = set()
    nameless = 0
    answer = []
    for row in rows:
        branch = statement.branches[row[-1]]
        if branch.shows_values:
            if branch.user_columns:
                users.update(row[place] for place in branch.user_columns if row[place])
            elif branch.action_columns:
                actions.update(row[place] for place in branch.action_columns if row[place])
            elif not branch.grouped:
                nameless += 1
        values = list(row[:-1])
        for place in branch.time_columns:
            if is_stored_time(values[place]):
                values[place] = show_time(values[place])
        for place in branch.decimal_columns:
            if isinstance(values[place], int | float):
                values[place] = show_decimal(values[place])
        answer.append(values)
    return Report(
        statement.names, answer, frozenset(map(int, users)), frozenset(map(int, actions)), nameless
    )
