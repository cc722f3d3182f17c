"""Whose an email is: read by REST, which is never behind our own writes."""

from __future__ import annotations

from collections.abc import Sequence

from instep.adapters.actionkit.calls import Calls, id_in, page_of
from instep.adapters.actionkit.rest import ACTIONS_BACK
from instep.adapters.answers import text_of, unreadable
from instep.domain.people import Side
from instep.use_cases.ports import EmailOwner


def owner_of(calls: Calls, email: str, sync_ids: Sequence[str]) -> EmailOwner | None:
    """The user with the email, and which of the sync_ids their latest actions bear. The caller
    holds the grant for the user."""
    try:
        return _owner(calls, email.strip(), frozenset(sync_ids))
    except (KeyError, ValueError, TypeError):
        raise unreadable(Side.ACTIONKIT, writing=False) from None


def _owner(calls: Calls, email: str, sync_ids: frozenset[str]) -> EmailOwner | None:
    _, users = page_of(calls.read("user/", (("email", email), ("_limit", "1")), granted=True))
    # An instance that does not know the filter answers somebody.
    ids = [
        int(one["id"]) for one in users if text_of(one.get("email")).casefold() == email.casefold()
    ]
    if not ids:
        return None
    acted: dict[str, bool] = {}
    if sync_ids:
        latest = (("user", str(ids[0])), ("order_by", "-id"), ("_limit", str(ACTIONS_BACK)))
        for action in page_of(calls.read("action/", latest, granted=True))[1]:
            sync_id = text_of((action.get("fields") or {}).get("sync_id"))
            if sync_id in sync_ids and id_in(action["user"]) == ids[0]:
                acted[sync_id] = acted.get(sync_id, False) or action.get("created_user") is True
    return EmailOwner(ids[0], acted)
