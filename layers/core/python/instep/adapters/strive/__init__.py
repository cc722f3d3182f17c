"""Strive's HTTP API for one campaign.

What is public of it is little, so this package rests on assumptions; all of them are here and,
with what one sees if they are wrong, in `docs/assumptions.md`:

 1. PostgREST conventions: bare JSON arrays, `column=operator.value` filters, `select`, `order`,
    `limit`, `offset`, `Prefer`, `Content-Range`, errors as `{code, message, …}`.
 2. Every table but `campaigns` has `campaign_id`; `members`, `groups`, `subscription_events` have
    an ascending `id`, by which they are paged.
 3. A campaign has one member for each number, stored as E.164.
 4. `PATCH /members` exists, its filters are its condition, and it answers the changed rows.
 5. `updated_at` moves with every change of a column, of `opt_in` and of `custom`, and what is
    shown of it compares equal to itself in a filter.
 6. `POST /members` creates a member without groups and with the `opt_in` it is sent.
 7. `POST` and `DELETE /groups`, `POST` and `DELETE /groups_members` exist.
 8. `custom` is an object by API name; a write may replace it whole, so all of it is sent.
 9. In `member_change_log` `change_action` names the column (a custom field as `custom.NAME`), or
    the two values are objects with the changed columns as keys.
10. `subscription_events.unsubscribe` is true for every opt-out, whoever made it.
11. 401 and 403 mean the key; 429 and 503 that it is too much.
12. What changed is found by the times in six tables (`feeds.py`); in `members_custom_fields` `id`
    is the member's. What is shown of a time compares equal to itself there too.
13. 404 with PostgREST's code for an unknown table means that this Strive does not have it.
14. Every text to a member is in `outgoing_messages`, with `queued_at` or `sent_at`, and every end
    of a membership in `member_group_delete_log`.
"""

from __future__ import annotations

from instep.adapters.strive.client import SOURCE, StriveClient

__all__ = ["SOURCE", "StriveClient"]
