"""Who may do what: the token's claim names accounts and roles (O5)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from instep.use_cases.errors import InstepError

ACCOUNT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""None begins with a dash: those are partitions of the settings table that are no account's."""


class Role(StrEnum):
    """A viewer reads; an editor also writes."""

    VIEWER = "viewer"
    EDITOR = "editor"


class ForbiddenError(InstepError):
    """Not your account, or not your role (HTTP 403)."""

    def __init__(self) -> None:
        super().__init__("forbidden", "Your token does not permit this on this account.")


def roles_of(claim: object) -> dict[str, Role]:
    """The roles by account of a claim with entries `account:role`: a list, JSON, comma-separated,
    or the `[a b]` that HTTP APIs make of a list. Of two roles the higher; what is no entry of this
    form is passed over."""
    roles: dict[str, Role] = {}
    for entry in _entries(claim):
        account_id, colon, name = entry.strip().partition(":")
        if not colon or not ACCOUNT_ID.fullmatch(account_id) or name not in set(Role):
            continue
        if roles.get(account_id) is not Role.EDITOR:
            roles[account_id] = Role(name)
    return roles


def _entries(claim: object) -> list[str]:
    if isinstance(claim, list | tuple):
        return [entry for entry in claim if isinstance(entry, str)]
    if not isinstance(claim, str):
        return []
    text = claim.strip()
    if text.startswith("["):
        try:
            return _entries(json.loads(text))
        except ValueError:
            text = text.removeprefix("[").removesuffix("]")
    return re.split(r"[,\s]+", text)


def check_access(claims: Mapping[str, Any], claim: str, account_id: str, method: str) -> None:
    """Raises ForbiddenError unless the claims permit the method on the account."""
    role = roles_of(claims.get(claim)).get(account_id)
    if role is None or (method != "GET" and role is not Role.EDITOR):
        raise ForbiddenError


def who_of(claims: Mapping[str, Any]) -> str:
    """Whom the audit names."""
    for name in ("email", "username", "cognito:username", "sub"):
        if claims.get(name):
            return str(claims[name])
    return "unknown"
