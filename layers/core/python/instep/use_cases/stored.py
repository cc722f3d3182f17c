"""How what we keep lies in the tables: keys, and dataclasses as items. docs/tables.md lists the
access patterns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, SerializerFunctionWrapHandler, TypeAdapter, WrapSerializer

from instep.domain.account import Account
from instep.domain.record import NumberConsent, Record
from instep.use_cases.ports import Item, Store

T = TypeVar("T")


def packed(record: Record, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
    """A record's plain values, each said once: for a typical person this stays below 1 KB, which
    is one unit of writing. A field with the same value on both sides has it as `both`; a base of
    the values last seen is its option alone; the base and rule that most fields have stand in
    `most_fields`, and a field that has none then says None."""
    values: dict[str, Any] = plain(record)
    if "fields" in values:
        fields = {key: _packed_field(state) for key, state in values["fields"].items()}
        common = _commonest(fields.values())
        values["fields"] = {key: _without(common, one) for key, one in fields.items()}
        values["most_fields"] = common
    return values


def _packed_field(state: Mapping[str, Any]) -> dict[str, Any]:
    small, base = dict(state), state.get("base")
    if base and (base["actionkit"], base["strive"]) == _values(state):
        small["base"] = base["option"]
    if "actionkit" in small and small["actionkit"] == small.get("strive"):
        small["both"] = small.pop("actionkit")
        del small["strive"]
    return small


def _commonest(fields: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    common: dict[str, str] = {}
    for name in ("base", "rule"):
        found = Counter(one[name] for one in fields if isinstance(one.get(name), str))
        for value, times in found.most_common(1):
            if times > 1:
                common[name] = value
    return common


def _without(common: Mapping[str, str], field: Mapping[str, Any]) -> dict[str, Any]:
    differs = {name: field.get(name) for name in common if field.get(name) != common[name]}
    return {name: value for name, value in field.items() if name not in common} | differs


def unpacked(item: Mapping[str, Any]) -> dict[str, Any]:
    """A stored record's values as pydantic knows them."""
    common = item.get("most_fields", {})
    fields: Mapping[str, Any] = item.get("fields", {})
    whole = {key: _unpacked_field({**common, **one}) for key, one in fields.items()}
    return {**item, "fields": whole}


def _unpacked_field(small: Mapping[str, Any]) -> dict[str, Any]:
    state = {name: value for name, value in small.items() if value is not None}
    if "both" in state:
        state["actionkit"] = state["strive"] = state.pop("both")
    if isinstance(state.get("base"), str):
        actionkit, strive = _values(state)
        state["base"] = {"actionkit": actionkit, "strive": strive, "option": state["base"]}
    return state


def _values(state: Mapping[str, Any]) -> tuple[str, str]:
    return state.get("actionkit", ""), state.get("strive", "")


RECORD: TypeAdapter[Record] = TypeAdapter(
    Annotated[Record, BeforeValidator(unpacked), WrapSerializer(packed)]
)
ACCOUNT: TypeAdapter[Account] = TypeAdapter(Account)
NUMBER_CONSENT: TypeAdapter[NumberConsent] = TypeAdapter(NumberConsent)


def dumped(adapter: TypeAdapter[T], value: T) -> dict[str, Any]:
    """The dataclass as an item's attributes; defaults are left out to keep items small."""
    plain: dict[str, Any] = adapter.dump_python(value, mode="json", exclude_defaults=True)
    return plain


def loaded(adapter: TypeAdapter[T], item: Item) -> T:
    """The dataclass again; the item's key and index attributes are passed over."""
    return adapter.validate_python(item)


def walk(
    store: Store,
    account_id: str,
    prefix: str = "",
    after: str | None = None,
    page_size: int = 200,
    descending: bool = False,
) -> Iterator[Item]:
    """Every item whose key begins with the prefix, in key order, after a key; read page by page, as
    far as anybody asks."""
    while True:
        page = store.query(account_id, prefix, after, page_size, descending)
        yield from page.items
        if page.next is None:
            return
        after = page.next


def stamp(at: datetime) -> str:
    """A time as text that sorts by time."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


def user_key(user_id: int) -> str:
    """A user's record; ids in twelve digits, so that key order is id order."""
    return f"user/{user_id:012d}"


def number_key(number: str) -> str:
    """The claim on a number (U2)."""
    return f"number/{number}"


def member_key(member_id: int) -> str:
    """The claim on a member (U2)."""
    return f"member/{member_id:012d}"


def consent_key(digest: str) -> str:
    """The consent record of a number, by its keyed hash (F13)."""
    return f"consent/{digest}"


def history_prefix(user_id: int) -> str:
    """All history entries of a user."""
    return f"history/{user_id:012d}/"


def evidence_prefix(user_id: int) -> str:
    """All consent evidence of a user."""
    return f"evidence/{user_id:012d}/"


def hold_key(hold_id: str) -> str:
    """A hold: what waits for staff, or was decided and is being carried out (A6)."""
    return f"hold/{hold_id}"


def held_prefix(hold_id: str) -> str:
    """Everybody who is held by a hold."""
    return f"held/{hold_id}/"


def held_key(hold_id: str, user_id: int) -> str:
    """One person of a hold."""
    return f"{held_prefix(hold_id)}{user_id:012d}"


def conflicts_prefix(user_id: int) -> str:
    """The values of all conflicts of a user (F5)."""
    return f"conflicts/{user_id:012d}/"


def newcomer_key(member_id: int) -> str:
    """A member whom somebody added to the primary group and who has no user (U5)."""
    return f"newcomer/{member_id:012d}"


def once_key(member_id: int) -> str:
    """The mark of a member who was linked once, or was erased: never the source of a user (U5)."""
    return f"once/{member_id:012d}"


def once_email_key(digest: str) -> str:
    """The mark of an erased person's email, by its keyed hash (E1)."""
    return f"once/email/{digest}"


def receipt_key(user_id: int) -> str:
    """The receipt of an erasure (E1)."""
    return f"erased/{user_id:012d}"


def erasing_key(user_id: int) -> str:
    """The mark of an erasure that is not carried out in Strive yet (E1)."""
    return f"erasing/{user_id:012d}"


def run_key(run_id: str) -> str:
    """A run; ids begin with their time."""
    return f"run/{run_id}"


PACE_KEY = "pace"
ACCOUNT_KEY = "account"
DIRECTORY = "-accounts"
"""The partition of the settings table that lists every account, by id."""
