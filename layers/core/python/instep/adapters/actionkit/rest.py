"""A look by REST, where SQL reports are not allowed: the same result, put together of lists.

It is no snapshot. The watermark is read first, so what is read afterwards is at least as new. What
the instance's schema does not let one filter by is done without: users who share a number are then
not seen, and two users of one number meet at the claim on it alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from instep.adapters.actionkit.calls import Calls, Query, id_in, page_of
from instep.adapters.actionkit.gathered import Gathered
from instep.adapters.answers import text_of
from instep.domain.people import User
from instep.use_cases.ports import ActionKitLook

AT_ONCE: Final = 50
"""Ids in one query string."""
PAGES_AT_ONCE: Final = 200
"""Pages in one query string, beside ids of users."""
ACTIONS_BACK: Final = 100
"""How many of a user's latest actions are looked through for a sync_id."""


class RestReader:
    """Reads one look after another; what uploads leave as a source is asked once."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._upload_sources: frozenset[str] | None = None

    def look(
        self,
        user_ids: Sequence[int],
        userfields: Sequence[str],
        sync_ids: Sequence[str],
        max_sharers: int,
        page_ids: Sequence[int] = (),
    ) -> ActionKitLook:
        """The look that `sql.look_of` would give. The caller holds the grant for the users."""
        seen = Gathered(userfields)
        seen.watermark = self._watermark(user_ids)
        self._read_users(seen, user_ids)
        self._read_phones(seen, user_ids)
        self._read_fields(seen, user_ids, userfields)
        self._read_sharers(seen, user_ids, userfields[:1], max_sharers)
        if page_ids:
            self._read_taken(seen, user_ids, page_ids)
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
            for row in self._of_users("userfield", "user", user_ids, _named(userfields))
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

    def _read_taken(self, seen: Gathered, user_ids: Sequence[int], page_ids: Sequence[int]) -> None:
        """The users' actions on these pages; none where actions cannot be listed by user."""
        for row in self._of_users("action", "user", user_ids, on_pages(self._calls, page_ids)):
            page = text_of(row.get("page"))
            if id_in(page) not in page_ids:
                continue
            action_id, source = int(row["id"]), text_of(row.get("source"))
            seen.action(
                id_in(row["user"]),
                action_id,
                id_in(page),
                row.get("status"),
                row.get("created_at"),
                _page_type(page) or row.get("type"),
                source,
                self._is_uploaded(source),
            )
            for place, (name, value) in enumerate(_values(row.get("fields"))):
                seen.actionfield(action_id, place, name, value)

    def _is_uploaded(self, source: str) -> bool:
        """Whether an upload leaves this source, as `sql` has it."""
        if self._upload_sources is None:
            pages = self._calls.listed("importpage", (("order_by", "id"),), granted=True)
            sources = {text_of(page.get("default_source")).casefold() for page in pages}
            self._upload_sources = frozenset(sources - {""})
        return source.casefold().startswith("upload") or source.casefold() in self._upload_sources

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
        self, resource: str, key: str, user_ids: Sequence[int], narrowed: Query = ()
    ) -> Iterator[dict[str, Any]]:
        """A resource's objects of these users: by one list of many, else user by user. Objects of
        others, which an instance answers that does not know the filter, are left out."""
        wanted = set(user_ids)
        if key in self._filtering(resource):
            for some in _some(user_ids):
                among = [(f"{key}__in", str(one)) for one in some]
                query = (*among, *narrowed, ("order_by", "id"))
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
        return self._calls.allowed(resource, "filtering", granted=True)


def on_pages(calls: Calls, page_ids: Sequence[int]) -> Query:
    """The filter of actions by page, where the schema allows it and they fit into one address."""
    allowed = "page" in calls.allowed("action", "filtering", granted=True)
    fitting = page_ids if allowed and len(page_ids) <= PAGES_AT_ONCE else ()
    return [("page__in", str(one)) for one in fitting]


def _named(names: Sequence[str]) -> Query:
    return [("name" if len(names) == 1 else "name__in", name) for name in names]


def _values(fields: Any) -> Iterator[tuple[str, Any]]:
    """The actionfields of an action, each a value or a list of them."""
    for name, value in (fields if isinstance(fields, dict) else {}).items():
        for one in value if isinstance(value, list) else [value]:
            yield name, one


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
