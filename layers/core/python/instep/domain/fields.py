"""One mapped field of one person: which value goes where (F3 to F7, F9).

Rules that appear in history and on a user's page:

| rule | when |
|---|---|
| `created` | the member was created with the value |
| `fill` | one side was empty |
| `overwrite` | the option overwrites that way |
| `first_link` | two-way, no base: Strive wins |
| `changed` | two-way, one side changed |
| `later` | two-way, both changed; the later won (a conflict) |
| `strive_wins` | two-way, both changed; nobody knows which was later (a conflict) |
| `cleared` | somebody emptied one side |
| `refilled` | somebody emptied a side that the option only fills |
| `settled` | the other side stored another value than it was sent; that is its answer |
| `kept` | the sides differ and the option overwrites neither |
| `held` | the write waits for staff, with many like it (A6) |
| `discarded` | staff discarded such a write: the difference is settled (A6) |
| `invalid_for_actionkit` | the value cannot be valid there; not sent |
| `refused`, `refused_by_strive` | the side refused the value; not sent again |
| `` | the sides agree |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from instep.domain.countries import in_us
from instep.domain.people import FieldRow, Member, MemberChange, Side, User
from instep.domain.plan import Conflict
from instep.domain.record import Base, FieldState, FieldWrite, Sent
from instep.domain.rules import Kind, Mapping, Option, Rules

AWAIT: Final = timedelta(minutes=15)
"""How long a write may take to be seen; after that the value shown is the answer (F6)."""
CLOCK_SKEW: Final = timedelta(minutes=15)
"""How far the clocks of the two systems may be apart (F5)."""

INVALID: Final = "invalid_for_actionkit"
HELD: Final = "held"
DISCARDED: Final = "discarded"
REFUSED: Final = "refused"
REFUSED_BY_STRIVE: Final = "refused_by_strive"

_OF_DIFFERENCES: Final = frozenset(
    {"settled", "kept", HELD, DISCARDED, INVALID, REFUSED, REFUSED_BY_STRIVE}
)
"""Rules that tell why the sides differ: they say nothing any more once they agree."""

OVERWRITES_ACTIONKIT: Final = frozenset(
    {Option.ONE_WAY_OVERWRITE_ACTIONKIT, Option.POPULATE_OVERWRITE_ACTIONKIT, Option.TWO_WAY}
)
OVERWRITES_STRIVE: Final = frozenset(
    {Option.ONE_WAY_OVERWRITE_STRIVE, Option.POPULATE_OVERWRITE_STRIVE, Option.TWO_WAY}
)

_ABROAD: Final = {"zip": "postal", "state": "region"}
_US_ZIP: Final = re.compile(r"[0-9]{5}(-?[0-9]{4})?")
_STATES: Final = """
AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY
NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR VI UM FM MH PW AA AE AP
"""
_US_STATES: Final = frozenset(_STATES.split())


def same(name: str, one: str, other: str) -> bool:
    """Whether two values are the same: without outer white space (F4); emails ignore case (F7)."""
    one, other = one.strip(), other.strip()
    return one.casefold() == other.casefold() if name == "email" else one == other


def actionkit_column(mapping: Mapping, user: User) -> str:
    """Where ActionKit keeps a mapped field: outside the US, zip and state are `postal` and
    `region` (F9)."""
    column = mapping.actionkit_field
    if mapping.kind is Kind.CORE and not in_us(user.country):
        return _ABROAD.get(column, column)
    return column


def actionkit_row(mapping: Mapping, user: User) -> FieldRow | None:
    """The row of a custom field's userfield: the one set last, if there are several."""
    rows = [row for row in user.fields if row.name == mapping.actionkit_field]
    return rows[-1] if rows else None


def actionkit_value(mapping: Mapping, user: User) -> str:
    """The value that ActionKit shows, without outer white space."""
    if mapping.kind is Kind.CUSTOM:
        row = actionkit_row(mapping, user)
        return row.value.strip() if row else ""
    return str(getattr(user, actionkit_column(mapping, user))).strip()


def strive_value(mapping: Mapping, member: Member) -> str:
    """The value that Strive shows, without outer white space."""
    if mapping.kind is Kind.CUSTOM:
        return member.custom.get(mapping.strive_field, "").strip()
    return str(getattr(member, mapping.strive_field)).strip()


def valid_for_actionkit(mapping: Mapping, user: User, value: str) -> bool:
    """Whether ActionKit can take the value at all (F9)."""
    if mapping.kind is Kind.CUSTOM or not value or not in_us(user.country):
        return True
    if mapping.actionkit_field == "zip":
        return _US_ZIP.fullmatch(value) is not None
    if mapping.actionkit_field == "state":
        return value.upper() in _US_STATES
    return True


@dataclass(frozen=True, slots=True)
class FieldDecision:
    """What is to become of one field: its new state, and the write and conflict, if any."""

    state: FieldState
    write: FieldWrite | None = None
    conflict: Conflict | None = None


@dataclass(frozen=True, slots=True)
class FieldLook:
    """One field in one look. `last_look`: when the values of the state were still to be seen."""

    mapping: Mapping
    user: User
    member: Member
    changes: tuple[MemberChange, ...]
    at: datetime
    last_look: datetime | None

    @property
    def actionkit(self) -> str:
        return actionkit_value(self.mapping, self.user)

    @property
    def strive(self) -> str:
        return strive_value(self.mapping, self.member)

    def same(self, one: str, other: str) -> bool:
        return same(self.mapping.name, one, other)


def decide_field(look: FieldLook, known: FieldState | None, rules: Rules) -> FieldDecision:
    """Decides one mapped field of a linked pair; `known` is None at first link."""
    state = _as_now_seen(look, known or FieldState())
    if state.sent is not None:
        state = _awaited(look, state, state.sent, rules)
    a, s = look.actionkit, look.strive
    if state.sent is not None:
        return FieldDecision(state)
    if look.same(a, s):
        return FieldDecision(_agreed(look, state))
    base = state.base
    if state.rule == INVALID and valid_for_actionkit(look.mapping, look.user, s):
        # The user's country changed: what could not be sent was never answered (F9).
        base = None
    if base is not None and look.same(a, base.actionkit) and look.same(s, base.strive):
        return FieldDecision(state)
    if base is None:
        to, rule = _first_link(look.mapping.option, a, s)
        return _carry(look, state, to, rule)
    if look.mapping.option is not Option.TWO_WAY:
        to, rule = _one_sided(look, base)
        return _carry(look, state, to, rule)
    return _two_way(look, state, base, rules)


def decide_created(mapping: Mapping, user: User, at: datetime) -> FieldDecision:
    """A field of a member to be created: with the value that ActionKit has, but for a field that
    never goes to Strive (F3)."""
    value = actionkit_value(mapping, user)
    state = FieldState(actionkit=value)
    if not value:
        return FieldDecision(replace(state, base=Base("", "", mapping.option)))
    if mapping.option is Option.ONE_WAY_OVERWRITE_ACTIONKIT:
        return FieldDecision(replace(state, rule="kept"))
    return _write(mapping, mapping.strive_field, state, Side.STRIVE, ("", value), "created", at)


def read_back(write: FieldWrite, state: FieldState, shown: str) -> FieldState:
    """The state after the target of an awaited write was read: with a base if the target
    answered, unchanged if it still shows the value from before (F6)."""
    sent = state.sent
    if sent is None:
        return state
    before = same(write.name, shown, sent.before)
    if before and not same(write.name, shown, sent.value):
        return state
    return answered(write.name, write.option, state, sent, shown)


def refused(write: FieldWrite, state: FieldState, rule: str) -> FieldState:
    """The state after the target refused a write: the value it has is its answer."""
    if state.sent is None:
        return state
    settled = answered(write.name, write.option, state, state.sent, state.sent.before)
    return replace(settled, rule=rule)


def answered(name: str, option: Option, state: FieldState, sent: Sent, shown: str) -> FieldState:
    """The state once the value shown is known to be the target's answer to a write (F6)."""
    shown = shown.strip()
    rule = state.rule if same(name, shown, sent.value) else "settled"
    state = replace(state, sent=None, rule=rule, changed_after=None, changed_before=None)
    if sent.side is Side.ACTIONKIT:
        return replace(state, actionkit=shown, base=Base(shown, sent.source, option))
    return replace(state, strive=shown, base=Base(sent.source, shown, option))


# --- what was seen ---


def _as_now_seen(look: FieldLook, state: FieldState) -> FieldState:
    """The state with the values seen now, without a base that no longer holds."""
    base = state.base
    option = look.mapping.option
    if base is not None and base.option is not option:
        agreed = look.same(base.actionkit, base.strive)
        base = replace(base, option=option) if agreed else None
    if base is not None and _moved_abroad(look, base):
        base = None
    a = look.actionkit
    after, before = state.changed_after, state.changed_before
    if look.mapping.kind is Kind.CORE and option is Option.TWO_WAY and base is not None:
        if not look.same(a, state.actionkit):
            after, before = look.last_look, look.at
    else:
        after = before = None
    return replace(
        state, actionkit=a, strive=look.strive, base=base, changed_after=after,
        changed_before=before,
    )  # fmt: skip


def _moved_abroad(look: FieldLook, base: Base) -> bool:
    """Whether the value was not cleared, but the user's country changed, and with it the column
    that holds the value (F9)."""
    column = look.mapping.actionkit_field
    if look.mapping.kind is Kind.CUSTOM or column not in _ABROAD or not base.actionkit:
        return False
    columns = {column, _ABROAD[column]} - {actionkit_column(look.mapping, look.user)}
    elsewhere = str(getattr(look.user, columns.pop()))
    return not look.actionkit and look.same(elsewhere, base.actionkit)


def _awaited(look: FieldLook, state: FieldState, sent: Sent, rules: Rules) -> FieldState:
    """What came of a write that was not yet read back (F6)."""
    to_actionkit = sent.side is Side.ACTIONKIT
    target, source = (
        (look.actionkit, look.strive) if to_actionkit else (look.strive, look.actionkit)
    )
    option = look.mapping.option
    name = look.mapping.name
    if look.same(target, sent.value):
        return answered(name, option, state, sent, target)
    if look.same(target, sent.before):
        if look.at - sent.at >= AWAIT:
            return answered(name, option, state, sent, target)
        if look.same(source, sent.source) or look.same(source, target):
            return state
        return replace(state, sent=None)
    if _set_by_somebody(look, sent, rules):
        # Our write landed, and then a person changed the value: a change, not an answer.
        landed = answered(name, option, state, sent, sent.value)
        return replace(landed, actionkit=look.actionkit, strive=look.strive)
    return answered(name, option, state, sent, target)


def _set_by_somebody(look: FieldLook, sent: Sent, rules: Rules) -> bool:
    """Whether the target is known to have been set by another than us, after our write."""
    if sent.side is Side.STRIVE:
        return any(
            look.same(change.old, sent.value) and look.same(change.new, look.strive)
            for change in look.changes
            if change.field == look.mapping.strive_field
        )
    if look.mapping.kind is Kind.CORE or rules.import_page_id is None:
        return False
    row = actionkit_row(look.mapping, look.user)
    return row is not None and row.page_id != rules.import_page_id


def _agreed(look: FieldLook, state: FieldState) -> FieldState:
    a, s = look.actionkit, look.strive
    base = state.base
    if base is None or (base.actionkit, base.strive) != (a, s):
        state = replace(state, base=Base(a, s, look.mapping.option))
    rule = "" if state.rule in _OF_DIFFERENCES else state.rule
    return replace(state, rule=rule, changed_after=None, changed_before=None)


# --- who wins ---


def _first_link(option: Option, a: str, s: str) -> tuple[Side | None, str]:
    """The side to be written, and the rule. No base: an empty value never erases one (F4)."""
    if not a:
        to = None if option is Option.ONE_WAY_OVERWRITE_STRIVE else Side.ACTIONKIT
        return to, "fill"
    if not s:
        to = None if option is Option.ONE_WAY_OVERWRITE_ACTIONKIT else Side.STRIVE
        return to, "fill"
    if option is Option.TWO_WAY:
        return Side.ACTIONKIT, "first_link"
    if option in OVERWRITES_ACTIONKIT:
        return Side.ACTIONKIT, "overwrite"
    if option in OVERWRITES_STRIVE:
        return Side.STRIVE, "overwrite"
    return None, "kept"


def _one_sided(look: FieldLook, base: Base) -> tuple[Side | None, str]:
    """All options but two-way, once there is a base from which a side differs."""
    option, a, s = look.mapping.option, look.actionkit, look.strive
    if option is Option.POPULATE_NO_OVERWRITE:
        if a and s:
            return None, "kept"
        half = base.strive if a else base.actionkit
        return (Side.STRIVE if a else Side.ACTIONKIT), ("refilled" if half else "fill")
    if option in OVERWRITES_ACTIONKIT:
        target, source, source_base, fills = Side.ACTIONKIT, s, base.strive, a
        one_way = option is Option.ONE_WAY_OVERWRITE_ACTIONKIT
    else:
        target, source, source_base, fills = Side.STRIVE, a, base.actionkit, s
        one_way = option is Option.ONE_WAY_OVERWRITE_STRIVE
    if source:
        return target, "overwrite" if fills else "fill"
    if source_base:
        return target, "cleared"
    if one_way:
        return None, "kept"
    return (Side.STRIVE if target is Side.ACTIONKIT else Side.ACTIONKIT), "fill"


def _two_way(look: FieldLook, state: FieldState, base: Base, rules: Rules) -> FieldDecision:
    a, s = look.actionkit, look.strive
    a_changed, s_changed = not look.same(a, base.actionkit), not look.same(s, base.strive)
    if a_changed and not s_changed:
        return _carry(look, state, Side.STRIVE, "changed" if a else "cleared")
    if s_changed and not a_changed:
        return _carry(look, state, Side.ACTIONKIT, "changed" if s else "cleared")
    winner, rule = _later(look, state, rules)
    to = Side.STRIVE if winner is Side.ACTIONKIT else Side.ACTIONKIT
    decision = _carry(look, state, to, rule)
    if decision.write is None:
        return decision
    return replace(decision, conflict=Conflict(look.mapping.name, a, s, winner))


def _later(look: FieldLook, state: FieldState, rules: Rules) -> tuple[Side, str]:
    """Whose change is later; Strive's where that is not certain (F5)."""
    in_strive = max(
        (
            change.at
            for change in look.changes
            if change.field == look.mapping.strive_field
            if look.same(change.new, look.strive)
        ),
        default=None,
    )
    earliest, latest = state.changed_after, state.changed_before
    if look.mapping.kind is Kind.CUSTOM:
        row = actionkit_row(look.mapping, look.user)
        page = rules.import_page_id
        ours = row is not None and page is not None and row.page_id == page
        earliest = latest = None if row is None or ours else row.updated_at
    if in_strive is None or earliest is None or latest is None:
        return Side.STRIVE, "strive_wins"
    if earliest > in_strive + CLOCK_SKEW:
        return Side.ACTIONKIT, "later"
    if in_strive > latest + CLOCK_SKEW:
        return Side.STRIVE, "later"
    return Side.STRIVE, "strive_wins"


# --- writing ---


def _carry(look: FieldLook, state: FieldState, to: Side | None, rule: str) -> FieldDecision:
    """Writes the other side's value to a side, or says why not."""
    mapping, a, s = look.mapping, look.actionkit, look.strive
    if to is None or (to is Side.ACTIONKIT and mapping.name == "email"):
        return FieldDecision(replace(state, rule="kept"))
    if to is Side.ACTIONKIT and not valid_for_actionkit(mapping, look.user, s):
        base = Base(a, s, mapping.option)
        return FieldDecision(replace(state, base=base, rule=INVALID))
    to_actionkit = to is Side.ACTIONKIT
    values = (a, s) if to_actionkit else (s, a)
    target = actionkit_column(mapping, look.user) if to_actionkit else mapping.strive_field
    return _write(mapping, target, state, to, values, rule, look.at)


def _write(
    mapping: Mapping,
    target: str,
    state: FieldState,
    to: Side,
    values: tuple[str, str],
    rule: str,
    at: datetime,
) -> FieldDecision:
    """`values`: the one that the target has, and the one that it is to get."""
    old, new = values
    write = FieldWrite(
        mapping.field_id, mapping.name, to, mapping.kind, target, old, new, rule, mapping.option
    )
    return FieldDecision(replace(state, sent=Sent(to, new, old, new, at), rule=rule), write)
