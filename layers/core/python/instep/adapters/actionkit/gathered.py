"""A look as it is put together, by whatever way it was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from instep.adapters.answers import text_of, time_of
from instep.domain.people import Action, FieldRow, Phone, User
from instep.use_cases.ports import ActionKitLook

USER_COLUMNS: Final = (
    "email",
    "first_name",
    "last_name",
    "city",
    "state",
    "region",
    "zip",
    "postal",
    "country",
)

Row = TypeVar("Row")


class Gathered:
    """Rows of people in any order: those of a user may come before the user. `userfields` are the
    names asked for, which the rows then bear: ActionKit's own comparison ignores case."""

    def __init__(self, userfields: Sequence[str]) -> None:
        self.watermark = 0
        self.usergroups: dict[int, set[int]] = {}
        self.sharers: dict[int, str] = {}
        """Country by id of the users who share a number."""
        self.found: dict[str, int] = {}
        self.crowded: set[int] = set()
        """Phone rows with a number that many have."""
        self.merges: dict[int, tuple[int, int]] = {}
        """For each user merged away the latest merge and its primary."""
        self._asked = {name.casefold(): name for name in userfields}
        self._users: dict[int, dict[str, str]] = {}
        self._fields: dict[int, dict[int, FieldRow]] = {}
        self._phones: dict[int, dict[int, Phone]] = {}
        self._actions: dict[int, dict[int, Action]] = {}
        self._actionfields: dict[int, dict[int, tuple[str, str]]] = {}

    def user(self, user_id: int, columns: Mapping[str, Any]) -> None:
        """One of the users asked for."""
        self._users[user_id] = {name: text_of(columns.get(name)) for name in USER_COLUMNS}

    def phone(self, user_id: int, phone_id: int, type_: Any, raw: Any, updated_at: Any) -> None:
        """A phone row of a user or a sharer."""
        row = Phone(phone_id, text_of(type_), text_of(raw), time_of(updated_at))
        self._phones.setdefault(user_id, {})[phone_id] = row

    def field(
        self,
        user_id: int,
        row_id: int,
        name: Any,
        value: Any,
        updated_at: Any,
        action_id: Any,
        page_id: Any = None,
        page_type: Any = "",
        source: Any = "",
    ) -> None:
        """A userfield row of a user or a sharer, with what is known of the action that set it."""
        row = FieldRow(
            name=self._asked.get(text_of(name).casefold(), text_of(name)),
            value=text_of(value),
            updated_at=time_of(updated_at),
            action_id=None if action_id is None else int(action_id),
            page_id=None if page_id is None else int(page_id),
            page_type=text_of(page_type).lower(),
            source=text_of(source),
        )
        self._fields.setdefault(user_id, {})[row_id] = row

    def action(
        self,
        user_id: int,
        action_id: int,
        page_id: int,
        status: Any,
        created_at: Any,
        page_type: Any,
        source: Any,
        uploaded: bool,
    ) -> None:
        """An action of a user on one of the pages asked for."""
        self._actions.setdefault(user_id, {})[action_id] = Action(
            action_id,
            page_id,
            status=text_of(status).strip().lower(),
            created_at=time_of(created_at),
            page_type=text_of(page_type).lower(),
            source=text_of(source),
            uploaded=uploaded,
        )

    def actionfield(self, action_id: int, row_id: int, name: Any, value: Any) -> None:
        """A value of an action's field; those of one name are kept in the order of rows."""
        row = (text_of(name).strip(), text_of(value))
        self._actionfields.setdefault(action_id, {})[row_id] = row

    def user_fields(self, user_id: int) -> Mapping[int, FieldRow]:
        """The userfield rows gathered of a user, by row id."""
        return self._fields.get(user_id, {})

    def phones(self) -> list[tuple[int, Phone]]:
        """Every phone row gathered, with whose it is."""
        return [(user_id, row) for user_id, rows in self._phones.items() for row in rows.values()]

    def merge(self, loser_id: int, merge_id: int, primary_id: int) -> None:
        """A merge that concerns one of the users asked for."""
        if loser_id != primary_id:
            self.merges[loser_id] = max(self.merges.get(loser_id, (0, 0)), (merge_id, primary_id))

    def merged(self) -> dict[int, int]:
        """Who was merged away into whom at last."""
        found = {}
        for loser_id in sorted(self.merges):
            left, seen = loser_id, {loser_id}
            while left in self.merges and self.merges[left][1] not in seen:
                left = self.merges[left][1]
                seen.add(left)
            found[loser_id] = left
        return found

    def look(self) -> ActionKitLook:
        """What was gathered; the rows of a user in the order of their ids."""
        return ActionKitLook(
            watermark=self.watermark,
            users={
                user_id: User(
                    user_id,
                    **columns,
                    fields=_in_order(self._fields.get(user_id, {})),
                    phones=_in_order(self._phones.get(user_id, {})),
                    usergroups=frozenset(self.usergroups.get(user_id, ())),
                    actions=self._actions_of(user_id),
                    erased=is_erased(columns),
                )
                for user_id, columns in sorted(self._users.items())
            },
            sharers=tuple(
                User(
                    user_id,
                    email="",
                    country=country,
                    fields=_in_order(self._fields.get(user_id, {})),
                    phones=_in_order(self._phones.get(user_id, {})),
                )
                for user_id, country in sorted(self.sharers.items())
            ),
            actions_found=self.found,
            crowded=frozenset(self.crowded),
            merged=self.merged(),
        )

    def _actions_of(self, user_id: int) -> tuple[Action, ...]:
        return tuple(
            replace(action, fields=_by_name(self._actionfields.get(action.action_id, {})))
            for action in _in_order(self._actions.get(user_id, {}))
        )


def _by_name(rows: Mapping[int, tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    values: dict[str, list[str]] = {}
    for name, value in _in_order(rows):
        values.setdefault(name, []).append(value)
    return tuple((name, tuple(some)) for name, some in sorted(values.items()))


def is_erased(columns: Mapping[str, str]) -> bool:
    """Whether a profile is one that ActionKit has made anonymous (E1): an address that begins with
    `erased` at a domain of nobody (`.invalid`), and nothing else. An assumption, see
    `docs/assumptions.md`."""
    email = columns.get("email", "").strip().lower()
    at_nobody = email.startswith("erased") and email.endswith(".invalid") and "@" in email
    return at_nobody and not any(
        value.strip() for name, value in columns.items() if name != "email"
    )


def _in_order(rows: Mapping[int, Row]) -> tuple[Row, ...]:
    return tuple(row for _, row in sorted(rows.items()))
