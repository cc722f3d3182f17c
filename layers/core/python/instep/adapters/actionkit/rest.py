"""A look by REST, where SQL reports are not allowed: the same result, put together of lists.

It is no snapshot. The watermark is read first, so what is read afterwards is at least as new. What
the instance's schema does not let one filter by is done without: users who share a number are then
not seen, and two users of one number meet at the claim on it alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from instep.adapters.actionkit.calls import Calls, id_in, page_of
from instep.adapters.actionkit.gathered import Gathered
from instep.adapters.answers import text_of
from instep.domain.people import User
from instep.use_cases.ports import ActionKitLook

AT_ONCE: Final = 50
"""Ids in one query string."""
ACTIONS_BACK: Final = 100
"""How many of a user's latest actions are looked through for a sync_id."""


class RestReader:
    """Reads one look after another; what the schema allows is asked once."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._filters: dict[str, frozenset[str]] = {}

    def look(
        self,
        user_ids: Sequence[int],
        userfields: Sequence[str],
        sync_ids: Sequence[str],
        max_sharers: int,
    ) -> ActionKitLook:
        """The look that `sql.look_of` would give. The caller holds the grant for the users."""
        seen = Gathered(userfields)
        seen.watermark = self._watermark(user_ids)
        self._read_users(seen, user_ids)
        self._read_phones(seen, user_ids)
        self._read_fields(seen, user_ids, userfields)
        self._read_sharers(seen, user_ids, userfields[:1], max_sharers)
        if sync_ids:
            self._find_actions(seen, user_ids, frozenset(sync_ids))
        return seen.look()

    def users(self, user_ids: Sequence[int], userfields: Sequence[str]) -> Mapping[int, User]:
        """Profiles and userfields as they are now. The caller holds the grant for the users."""
        seen = Gathered(userfields)
        self._read_users(seen, user_ids)
        self._read_fields(seen, user_ids, userfields)
        return seen.look().users

    def _watermark(self, user_ids: Sequence[int]) -> int:
        """The id of the newest action of these users: our own last one of each is not above it in
        a look that is not stale, and nobody else is read for it. Of all users where actions cannot
        be listed by user."""
        newest = (("order_by", "-id"), ("_limit", "1"))
        among: list[list[tuple[str, str]]] = [[]]
        if "user" in self._filtering("action"):
            among = [[("user__in", str(one)) for one in some] for some in _some(user_ids)]
        found = [
            int(action["id"])
            for some in among
            for action in page_of(self._calls.read("action/", (*some, *newest), granted=True))[1]
        ]
        return max(found, default=0)

    def _read_users(self, seen: Gathered, user_ids: Sequence[int]) -> None:
        for user in self._of_users("user", "id", user_ids):
            seen.user(int(user["id"]), user)
            groups = [one for one in user.get("groups") or () if isinstance(one, dict)]
            seen.usergroups[int(user["id"])] = {id_in(one.get("resource_uri")) for one in groups}

    def _read_phones(self, seen: Gathered, user_ids: Sequence[int]) -> None:
        for phone in self._of_users("phone", "user", user_ids):
            seen.phone(
                id_in(phone["user"]),
                int(phone["id"]),
                phone.get("type"),
                phone.get("phone"),
                phone.get("updated_at"),
            )

    def _read_fields(
        self, seen: Gathered, user_ids: Sequence[int], userfields: Sequence[str]
    ) -> None:
        """The rows, and for those that an action set, which: its page tells by its typed path."""
        wanted = {name.casefold() for name in userfields}
        rows = [
            row
            for row in self._of_users("userfield", "user", user_ids, userfields)
            if text_of(row.get("name")).casefold() in wanted
        ]
        set_by = sorted({id_in(row["action"]) for row in rows if row.get("action")})
        actions = {int(one["id"]): one for one in self._actions(set_by)}
        for row in rows:
            action_id = id_in(row["action"]) if row.get("action") else None
            action = actions.get(action_id or 0, {})
            page = text_of(action.get("page"))
            seen.field(
                _owner(row),
                int(row["id"]),
                row.get("name"),
                row.get("value"),
                row.get("updated_at"),
                action_id,
                id_in(page) if page else None,
                _page_type(page),
                action.get("source"),
            )

    def _actions(self, action_ids: Sequence[int]) -> Iterator[dict[str, Any]]:
        if "id" in self._filtering("action"):
            for some in _some(action_ids):
                among = [("id__in", str(one)) for one in some]
                yield from self._calls.listed("action", (*among, ("order_by", "id")), granted=True)

    def _read_sharers(
        self,
        seen: Gathered,
        user_ids: Sequence[int],
        opt_in_userfield: Sequence[str],
        max_sharers: int,
    ) -> None:
        if "normalized_phone" not in self._filtering("phone"):
            return
        numbers = sorted({_digits(phone.raw) for _, phone in seen.phones()} - {""})
        spellings = sorted({text for number in numbers for text in _spellings(number)})
        others = self._who_has(spellings, frozenset(user_ids), max_sharers)
        for user in self._of_users("user", "id", others):
            seen.sharers[int(user["id"])] = text_of(user.get("country"))
        self._read_phones(seen, others)
        self._read_fields(seen, others, opt_in_userfield)

    def _who_has(
        self, spellings: Sequence[str], besides: frozenset[int], at_most: int
    ) -> list[int]:
        """Who has a number, besides some. Phone rows are values too, so no page is larger than
        there is room for more people."""
        found: set[int] = set()
        for some in _some(spellings):
            among = [("normalized_phone__in", text) for text in some]
            offset, more = 0, True
            while more and len(found) < at_most:
                limit = min(100, at_most - len(found))
                place = (("_limit", str(limit)), ("_offset", str(offset)))
                page = self._calls.read(
                    "phone/", (*among, ("order_by", "id"), *place), granted=True
                )
                meta, phones = page_of(page)
                found |= {id_in(phone["user"]) for phone in phones} - besides
                offset += len(phones)
                more = bool(phones and meta.get("next"))
        return sorted(found)

    def _find_actions(
        self, seen: Gathered, user_ids: Sequence[int], sync_ids: frozenset[str]
    ) -> None:
        for user_id in user_ids:
            latest = (("user", str(user_id)), ("order_by", "-id"), ("_limit", str(ACTIONS_BACK)))
            _, actions = page_of(self._calls.read("action/", latest, granted=True))
            for action in actions:
                sync_id = text_of((action.get("fields") or {}).get("sync_id"))
                if sync_id in sync_ids:
                    seen.found[sync_id] = int(action["id"])

    def _of_users(
        self, resource: str, key: str, user_ids: Sequence[int], names: Sequence[str] = ()
    ) -> Iterator[dict[str, Any]]:
        """A resource's objects of these users: by one list of many, else user by user. Objects of
        others, which an instance answers that does not know the filter, are left out."""
        wanted = set(user_ids)
        named = [("name__in", name) for name in names] if len(names) > 1 else []
        named += [("name", name) for name in names] if len(names) == 1 else []
        if key in self._filtering(resource):
            for some in _some(user_ids):
                among = [(f"{key}__in", str(one)) for one in some]
                query = (*among, *named, ("order_by", "id"))
                for row in self._calls.listed(resource, query, granted=True):
                    if _owner(row) in wanted:
                        yield row
        elif resource == "user":
            yield from self._one_by_one(user_ids)

    def _one_by_one(self, user_ids: Sequence[int]) -> Iterator[dict[str, Any]]:
        for user_id in user_ids:
            user = self._calls.read(f"user/{user_id}/", granted=True, absent=(301, 404))
            if user is not None:
                yield user

    def _filtering(self, resource: str) -> frozenset[str]:
        """What a resource's lists may be filtered by, as its schema says."""
        if resource not in self._filters:
            schema = self._calls.read(f"{resource}/schema/", granted=True)
            filtering = schema.get("filtering") if isinstance(schema, dict) else None
            self._filters[resource] = frozenset(filtering or ())
        return self._filters[resource]


def _owner(row: dict[str, Any]) -> int:
    """The user whose row it is: a userfield's is `parent` or `user`."""
    uri = row.get("user") or row.get("parent")
    return int(row["id"]) if uri is None else id_in(uri)


def _page_type(uri: str) -> str:
    """`import` of `/rest/v1/importpage/12/`; "" where the path does not tell."""
    kind = uri.rstrip("/").rpartition("/")[0].rpartition("/")[2]
    return kind.removesuffix("page") if kind != "page" else ""


def _digits(raw: str) -> str:
    return "".join(letter for letter in raw if letter.isascii() and letter.isdigit())


def _spellings(number: str) -> list[str]:
    """The number with and without the 1 of North America."""
    return [number, f"1{number}", *([number[1:]] if number.startswith("1") else [])]


def _some(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]
