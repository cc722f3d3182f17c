"""How what we keep lies in the tables: keys, and dataclasses as items. docs/tables.md lists the
access patterns."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter

from instep.domain.account import Account
from instep.domain.record import NumberConsent, Record
from instep.use_cases.ports import Item

T = TypeVar("T")

RECORD: TypeAdapter[Record] = TypeAdapter(Record)
ACCOUNT: TypeAdapter[Account] = TypeAdapter(Account)
NUMBER_CONSENT: TypeAdapter[NumberConsent] = TypeAdapter(NumberConsent)


def dumped(adapter: TypeAdapter[T], value: T) -> dict[str, Any]:
    """The dataclass as an item's attributes; defaults are left out to keep items small."""
    plain: dict[str, Any] = adapter.dump_python(value, mode="json", exclude_defaults=True)
    return plain


def loaded(adapter: TypeAdapter[T], item: Item) -> T:
    """The dataclass again; the item's key and index attributes are passed over."""
    return adapter.validate_python(item)


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


def run_key(run_id: str) -> str:
    """A run; ids begin with their time."""
    return f"run/{run_id}"


PACE_KEY = "pace"
ACCOUNT_KEY = "account"
DIRECTORY = "-accounts"
"""The partition of the settings table that lists every account, by id."""
