"""What people do to either system while the sync runs, drawn when it happens.

Values that somebody types are new each time, so that it shows where each came from.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, cast

from local.twins.strive.postgrest import Refused
from tests.simulation.invariants import reading
from tests.simulation.ledger import CORE, Ledger
from tests.simulation.story import (
    CAMPAIGN,
    CUSTOM,
    FALSE,
    OPT_IN,
    PLACES,
    TRUE,
    UK,
    UNRECOGNISED,
    US,
    WRONG,
)

LONG_AGO: Final = datetime(2019, 5, 1, 8, tzinfo=UTC)
PAGE: Final = "sign-up"
UPLOADS: Final = "offline-list"
OPT_INS: Final = (TRUE, TRUE, TRUE, FALSE, FALSE, FALSE, UNRECOGNISED)
SEVERAL: Final = (("yes", "true"), ("Yes", "no"), ("true", "TBD"), ("x", "tbd"))
COLUMNS: Final = ("first_name", "last_name", "city", "state", "zip", "email")


class People:
    """Supporters, ActionKit's staff and Strive's organisers."""

    def __init__(self, ledger: Ledger, rng: random.Random) -> None:
        self._ledger = ledger
        self._actionkit = ledger.actionkit
        self._strive = ledger.strive
        self._rng = rng
        self._count = 0
        self._last_user = 0
        self._groups = [
            self._actionkit.add_usergroup(name) for name in ("Volunteers", "Press list")
        ]
        self._actionkit.add_page(PAGE, send_email=False)
        self._actionkit.add_page(UPLOADS, "Import")
        self.done: list[str] = []

    def kinds(self) -> list[Callable[[], str]]:
        """What can be done, as often as it is likely."""
        often = [
            *[self.profile] * 5, *[self.custom] * 3, *[self.opt_in_value] * 6, *[self.phone] * 5,
            *[self.member_values] * 5, *[self.member_custom] * 3, *[self.member_opt_in] * 4,
            *[self.text] * 5, *[self.new_user] * 2, *[self.new_member] * 2,
        ]  # fmt: skip
        seldom = [
            self.country, self.usergroup, self.delete_user, self.merge, self.erase,
            self.delete_member, self.member_number, self.leave_group, self.upload, self.upload,
        ]  # fmt: skip
        return [*often, *seldom]

    def do_something(self) -> str:
        """Does one thing that can be done now: what it was."""
        for _ in range(20):
            said = self._rng.choice(self.kinds())()
            if said:
                self._ledger.loop.note("PEOPLE", said)
                self.done.append(f"{self._ledger.now_us} {said}")
                return said
        return ""

    # --- who and what ---

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _user(self) -> int | None:
        """A user, a linked one rather, or the one of just now."""
        ids = [one for one in self._actionkit.user_ids() if one not in self._ledger.erased]
        if not ids:
            return None
        if self._last_user in ids and self._chance(0.35):
            return self._last_user
        linked = [one for one in ids if self._ledger.linked.get(one)]
        self._last_user = self._rng.choice(linked if linked and self._chance(0.7) else ids)
        return self._last_user

    def _member(self) -> int | None:
        """A member, rather one who is linked, or that of the user of just now."""
        ids = [row["id"] for row in self._strive.tables["members"]]
        if not ids:
            return None
        last = self._ledger.linked.get(self._last_user)
        if last in ids and self._chance(0.4):
            return last
        linked = [one for one in ids if one in self._ledger.links]
        chosen: int = self._rng.choice(linked if linked and self._chance(0.7) else ids)
        return chosen

    def _new(self, what: str) -> str:
        self._count += 1
        return f"{what}{self._count}"

    def _email(self) -> str:
        return self._new(f"canary{self._ledger.days.seed}e") + "@example.org"

    def _number(self) -> str:
        """A number: a new one, or one that some user or member has or had."""
        known = sorted(
            {
                number
                for history in self._ledger.users.values()
                for state in history.since(0)
                for number in self._ledger.numbers(state)
            }
            | {
                str(state["number"])
                for history in self._ledger.members.values()
                for state in history.since(0)
            }
        )
        if known and self._chance(0.5):
            return self._rng.choice(known)
        self._count += 1
        return f"+1503555{100 + self._count:04d}"

    def _typed(self, name: str, country: str) -> str:
        """What somebody types into a column."""
        if self._chance(0.2):
            return self._rng.choice(("", "", "  "))
        if name in ("state", "zip", "postal_code", "region", "postal"):
            zip_, _, state = self._rng.choice(PLACES[country if country in PLACES else US])
            return state if name in ("state", "region") else zip_
        return self._new("City" if name == "city" else "Name")

    # --- ActionKit ---

    def profile(self) -> str:
        user_id = self._user()
        if user_id is None:
            return ""
        user = self._actionkit.user(user_id)
        name = self._rng.choice(COLUMNS)
        column = name
        if user["country"] == UK:
            column = {"zip": "postal", "state": "region"}.get(name, name)
        value = self._email() if name == "email" else self._typed(column, user["country"])
        self._actionkit.edit_user(user_id, **{column: value})
        self._ledger.look_at_user(user_id)
        return f"user {user_id}: {column} = {value!r}"

    def country(self) -> str:
        user_id = self._user()
        if user_id is None:
            return ""
        country = self._rng.choice((US, UK, ""))
        self._actionkit.edit_user(user_id, country=country)
        self._ledger.look_at_user(user_id)
        return f"user {user_id}: country = {country!r}"

    def custom(self) -> str:
        user_id = self._user()
        if user_id is None:
            return ""
        name = self._rng.choice(CUSTOM)
        value = self._rng.choice((None, "", " ")) if self._chance(0.25) else self._new("Value")
        if value is not None and self._chance(0.3):
            self._act(PAGE, user_id, {f"user_{name}": value})
        else:
            self._actionkit.set_field(user_id, name, value)
        self._ledger.look_at_user(user_id)
        return f"user {user_id}: custom:{name} = {value!r}"

    def opt_in_value(self) -> str:
        user_id = self._user()
        return "" if user_id is None else self._set_opt_in(user_id, self._an_opt_in())

    def _an_opt_in(self) -> str | tuple[str, ...] | None:
        kind = self._rng.random()
        if kind < 0.1:
            return self._rng.choice((None, "", " "))
        if kind < 0.18:
            return self._rng.choice(SEVERAL)
        return self._rng.choice(self._rng.choice(OPT_INS))

    def _set_opt_in(self, user_id: int, value: str | tuple[str, ...] | None) -> str:
        how = self._rng.choice(("direct", "direct", "own_action", "own_action", "upload"))
        how = "direct" if value is None else how
        self.set_opt_in(user_id, value, how)
        return f"user {user_id}: opt-in = {value!r} by {how}"

    # --- one thing in particular ---

    def set_opt_in(self, user_id: int, value: str | tuple[str, ...] | None, how: str) -> None:
        """The opt-in userfield is set: direct, own_action or upload."""
        given = list(value) if isinstance(value, tuple) else value
        if how == "direct":
            self._actionkit.set_field(user_id, OPT_IN, value)
        elif how == "own_action":
            self._act(PAGE, user_id, {f"user_{OPT_IN}": given})
        else:
            self._act(UPLOADS, user_id, {f"user_{OPT_IN}": given, "source": "list-1"})
        self.said_opt_in(user_id, how)

    def new_value(self, name: str) -> str:
        """A value that nobody typed before."""
        return self._email() if name == "email" else self._new("Calm")

    def type_user(self, user_id: int, name: str, value: str) -> None:
        """A value of a user, by Strive's name of a core field or as custom:NAME."""
        if name.startswith("custom:"):
            self._actionkit.set_field(user_id, name.removeprefix("custom:"), value or None)
        else:
            self._actionkit.edit_user(user_id, **{CORE[name]: value})
        self._ledger.look_at_user(user_id)

    def type_member(self, member_id: int, name: str, value: str) -> None:
        if name.startswith("custom:"):
            custom = {name.removeprefix("custom:"): value or None}
            self._strive.edit_member(member_id, custom=custom)
        else:
            self._strive.edit_member(member_id, **cast(dict[str, Any], {name: value}))

    def text_word(self, member_id: int, word: str) -> None:
        member = self._strive.member(member_id)
        self._strive.text_in(member_id, word)
        said = {"STOP": False, "JOIN": True}.get(word.upper())
        if said is member["opt_in"]:  # then no change tells of it
            self._ledger.say(said, "strive", "text", {member["phone_number"]}, member_id=member_id)

    def said_opt_in(self, user_id: int, how: str) -> None:
        self._ledger.look_at_user(user_id)
        self._ledger.touched[user_id] = self._ledger.now_us
        state = self._ledger.users[user_id].now
        assert state is not None
        now = reading(state["opt_in"])
        if now is True or now is False:
            numbers = self._ledger.numbers(state, chosen_types=True)
            self._ledger.say(now, "actionkit", how, numbers, user_id=user_id)

    def _act(self, page: str, user_id: int, given: dict[str, Any]) -> None:
        self._actionkit.take_action(page, {"suppress_subscribe": "1", **given}, user_id)

    def phone(self) -> str:
        user_id = self._user()
        if user_id is None:
            return ""
        rows = self._actionkit.user(user_id)["phones"]
        kind = self._rng.random()
        if rows and kind < 0.25:
            row = self._rng.choice(rows)
            self._actionkit.delete_phone(row["id"])
            said = f"user {user_id}: {row['type']} phone gone"
        else:
            number = self._rng.choice(WRONG) if kind > 0.93 else self._number()
            row = self._rng.choice(rows) if rows and self._chance(0.6) else None
            type_ = row["type"] if row else self._rng.choice(("mobile", "mobile", "home", "work"))
            source = row["source"] if row else "user"
            self._actionkit.add_phone(user_id, number, type_, source)
            said = f"user {user_id}: {type_} phone {number}"
        self._ledger.look_at_user(user_id)
        return said

    def usergroup(self) -> str:
        user_id = self._user()
        if user_id is None:
            return ""
        group = self._rng.choice(self._groups)
        change = self._actionkit.leave if self._chance(0.4) else self._actionkit.join
        change(user_id, group)
        return f"user {user_id}: {change.__name__} usergroup {group}"

    def new_user(self) -> str:
        """Perhaps imported with times of long ago."""
        old = LONG_AGO if self._chance(0.3) else None
        user_id = self._actionkit.add_user(
            self._email(),
            at=old,
            first_name=self._typed("first_name", US),
            country=self._rng.choice((US, US, "")),
        )
        phone_id = self._actionkit.add_phone(user_id, self._number())
        if old:
            self._actionkit._db.update("core_phone", phone_id, updated_at="2019-05-01 08:00:00")
        if self._chance(0.5):
            self._actionkit.set_field(user_id, CUSTOM[0], self._new("Value"))
        value = self._an_opt_in()
        if isinstance(value, str) and old:
            at = old if self._chance(0.5) else None
            self._actionkit.import_field(user_id, OPT_IN, value, at)
        elif value is not None:
            self._actionkit.set_field(user_id, OPT_IN, value)
        self.said_opt_in(user_id, "direct")
        return f"user {user_id}: new{', with old times' if old else ''}, opt-in {value!r}"

    def delete_user(self) -> str:
        user_id = self._user()
        if user_id is None or len(self._actionkit.user_ids()) < 3:
            return ""
        self.delete_one(user_id)
        return f"user {user_id}: deleted"

    def delete_one(self, user_id: int) -> None:
        self._actionkit.delete_user(user_id)
        self._ledger.deleted.add(user_id)
        self._ledger.look_at_user(user_id)

    def merge(self) -> str:
        ids = [one for one in self._actionkit.user_ids() if one not in self._ledger.erased]
        if len(ids) < 4:
            return ""
        primary, other = self._rng.sample(ids, 2)
        self.merge_two(primary, other)
        return f"user {other}: merged into user {primary}"

    def merge_two(self, primary: int, other: int) -> None:
        self._actionkit.merge_users(primary, other)
        self._ledger.merged[other] = primary
        self._ledger.look_at_user(other)
        self._ledger.look_at_user(primary)

    def erase(self) -> str:
        user_id = self._user()
        if user_id is None:
            return ""
        self.erase_one(user_id)
        return f"user {user_id}: erased"

    def erase_one(self, user_id: int) -> None:
        self._ledger.erase(user_id, self.canaries(user_id))
        self._actionkit.erase_user(user_id)
        self._ledger.look_at_user(user_id)

    def canaries(self, user_id: int) -> tuple[str, ...]:
        """What of this user and nobody else is to be nowhere once they are erased."""
        mine: set[str] = set()
        others: set[str] = set()
        for one, history in self._ledger.users.items():
            for state in history.since(0):
                told = {state["values"]["email"]}
                told |= {
                    value for value in state["values"].values() if any(map(str.isdigit, value))
                }
                (mine if one == user_id else others).update(told)
        if self._strive.acts is not None:
            mine |= self._strive.acts.words(user_id)
        place = {zip_ for places in PLACES.values() for zip_, _, _ in places}
        return tuple(sorted(one for one in mine - others - place if len(one) > 4))

    def upload(self) -> str:
        """A list is uploaded that sets a column or the opt-in of several."""
        ids = [one for one in self._actionkit.user_ids() if one not in self._ledger.erased]
        some = self._rng.sample(ids, min(len(ids), self._rng.choice((2, 3, 6))))
        name = self._rng.choice(("first_name", f"user_{CUSTOM[0]}", f"user_{OPT_IN}"))
        value = ""
        for user_id in some:
            value = self._new("List")
            if name == f"user_{OPT_IN}":
                value = self._rng.choice(("true", "false", "false", "no"))
            self._act(UPLOADS, user_id, {name: value, "source": "list-2"})
            if name == f"user_{OPT_IN}":
                self.said_opt_in(user_id, "upload")
            self._ledger.look_at_user(user_id)
        return f"users {some}: {name} uploaded, the last {value!r}"

    # --- Strive ---

    def member_values(self) -> str:
        member_id = self._member()
        if member_id is None:
            return ""
        name = self._rng.choice(tuple(CORE))
        value = self._typed(name, US)
        if name == "email" and value.strip():
            value = self._email()
        self._strive.edit_member(member_id, **cast(dict[str, Any], {name: value}))
        return f"member {member_id}: {name} = {value!r}"

    def member_custom(self) -> str:
        member_id = self._member()
        if member_id is None:
            return ""
        name = self._rng.choice(CUSTOM)
        value = self._rng.choice((None, "", " ")) if self._chance(0.25) else self._new("Value")
        self._strive.edit_member(member_id, custom={name: value})
        return f"member {member_id}: custom:{name} = {value!r}"

    def member_opt_in(self) -> str:
        member_id = self._member()
        if member_id is None:
            return ""
        to = self._chance(0.4)
        self._strive.edit_member(member_id, opt_in=to)
        return f"member {member_id}: {'opted in' if to else 'unsubscribed'} by an organiser"

    def text(self) -> str:
        member_id = self._member()
        if member_id is None:
            return ""
        word = self._rng.choice(("STOP", "STOP", "stop", "JOIN", "Join", "hello"))
        self.text_word(member_id, word)
        return f"member {member_id}: texts {word}"

    def new_member(self) -> str:
        """Perhaps into the primary group (U5)."""
        number = self._number()
        if self._strive.member_by_number(CAMPAIGN, number) is not None:
            return ""
        group = self._strive.group_named(CAMPAIGN, "ActionKit Integration")
        into = [group["id"]] if group and self._chance(0.5) else []
        email = self._email() if self._chance(0.8) else ""
        if email and self._chance(0.2):
            one = self._rng.choice(self._actionkit.user_ids())
            email = self._actionkit.user(one)["email"]
        try:
            member_id = self._strive.add_member(
                CAMPAIGN, number, opt_in=self._chance(0.7), groups=into, email=email,
                first_name=self._typed("first_name", US),
            )  # fmt: skip
        except Refused:
            return ""
        if into:
            self._ledger.put_into_group.add(member_id)
        return f"member {member_id}: new{' in the group' if into else ''}, {number}"

    def delete_member(self) -> str:
        member_id = self._member()
        if member_id is None:
            return ""
        self._strive.delete_member(member_id)
        return f"member {member_id}: deleted"

    def member_number(self) -> str:
        member_id = self._member()
        number = self._number()
        if member_id is None or self._strive.member_by_number(CAMPAIGN, number) is not None:
            return ""
        self._strive.edit_member(member_id, phone_number=number)
        return f"member {member_id}: now has {number}"

    def leave_group(self) -> str:
        group = self._strive.group_named(CAMPAIGN, "ActionKit Integration")
        inside = self._strive.group_members(group["id"]) if group else []
        if not group or not inside:
            return ""
        member_id = self._rng.choice(inside)
        self._strive.leave_group(group["id"], member_id)
        self._ledger.left.add(member_id)
        return f"member {member_id}: left group {group['id']}"
