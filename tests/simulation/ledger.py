"""What really happened on both sides, kept beside the application and without its help: every state
of every user and member, what people said, what staff chose, and what the sync wrote.

Each write of the sync is judged when it arrives, from the requirements: whether the option allows
it (F3, F4), whether the other side showed that value just before (F6), and whether an opt-in has
one of the reasons of F11. "Just before" is `Days.lag_seconds`: what is done in that time may cross.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import phonenumbers

from instep.domain.rules import Option, Resubscribe
from local.twins.actionkit import ActionKitTwin
from local.twins.strive import StriveTwin
from local.twins.strive.tables import Row
from local.twins.strive.world import Actor
from tests.simulation.days import Days
from tests.simulation.invariants import FILL, NEVER, OVER, TO_ACTIONKIT, TO_STRIVE, reading
from tests.simulation.loop import SECOND, Loop
from tests.simulation.story import CAMPAIGN, OPT_IN, UK, US

if TYPE_CHECKING:
    from tests.simulation.acts import Acts

OUR_PAGE: Final = "instep-strive-sync"
CORE: Final = {
    "first_name": "first_name",
    "last_name": "last_name",
    "email": "email",
    "city": "city",
    "state": "state",
    "postal_code": "zip",
}
_ABROAD: Final = {"zip": "postal", "state": "region"}
DERIVED: Final = ("city", "state", "postal_code")
USUAL_TYPES: Final = ("mobile", "work", "home")

State = Mapping[str, Any]
"""Of a user or a member: `values` by field name, and what else is told there."""


class History:
    """The states of one user or member, each with the time from which on it held."""

    def __init__(self) -> None:
        self.states: list[tuple[int, State | None]] = []

    def add(self, at_us: int, state: State | None) -> bool:
        """Whether it is another one than before."""
        if self.states and self.states[-1][1] == state:
            return False
        self.states.append((at_us, state))
        return True

    @property
    def now(self) -> State | None:
        return self.states[-1][1] if self.states else None

    def during(self, from_us: int, to_us: int) -> Iterator[State]:
        """Every state that held at some time between."""
        for place, (at_us, state) in enumerate(self.states):
            later = self.states[place + 1][0] if place + 1 < len(self.states) else to_us + 1
            if state is not None and at_us <= to_us and later >= from_us:
                yield state

    def since(self, from_us: int) -> Iterator[State]:
        return self.during(from_us, 1 << 62)


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody opted in or out. `how`: text, organiser, direct, own_action, upload; of a userfield
    the user, of a member the number alone."""

    at_us: int
    opted_in: bool
    side: str
    how: str
    numbers: frozenset[str]
    user_id: int | None = None
    member_id: int | None = None
    known: bool = False
    """Of a userfield: the sync had seen it true."""


@dataclass(slots=True)
class Chosen:
    """What staff chose, from when on it may hold and until when."""

    value: Any
    from_us: int
    to_us: int = 1 << 62


@dataclass(frozen=True, slots=True)
class Write:
    """A write of the sync: one value on one side."""

    at_us: int
    side: str
    user_id: int | None
    member_id: int | None
    field: str
    old: str
    new: str


@lru_cache(4096)
def number_of(typed: str, region: str) -> str | None:
    """E.164, None if it is no number (F8)."""
    try:
        parsed = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


class WatchedStrive(StriveTwin):
    """The twin, telling the ledger of every change of a member."""

    ledger: Ledger | None = None
    acts: Acts | None = None

    def create_member(self, *args: Any, **kwargs: Any) -> Row:
        row = super().create_member(*args, **kwargs)
        if self.ledger is not None:
            self.ledger.member_made(row, args[3])
        return row

    def change_member(self, row: Row, values: Mapping[str, Any], by: Actor, at: Any = None) -> bool:
        changed = super().change_member(row, values, by, at)
        if self.ledger is not None and changed:
            self.ledger.member_changed(row, by)
        return changed

    def join(self, group_id: int, member_id: int, by: Actor, at: Any = None) -> bool:
        flow = self.tables["groups"].first("id", group_id)["flow_id"]  # type: ignore[index]
        joined = super().join(group_id, member_id, by, at)
        if self.acts is not None and joined:
            self.acts.joined(group_id, member_id, by, flow)
        return joined

    def leave(self, membership: Row, by: Actor) -> None:
        if self.acts is not None:
            self.acts.left(membership, by)
        super().leave(membership, by)

    def remove_member(self, row: Row, by: Actor) -> None:
        super().remove_member(row, by)
        if self.ledger is not None:
            self.ledger.member_gone(row["id"], by)


@dataclass
class Ledger:
    """See the module."""

    loop: Loop
    days: Days
    actionkit: ActionKitTwin
    strive: WatchedStrive
    users: dict[int, History] = field(default_factory=dict)
    members: dict[int, History] = field(default_factory=dict)
    users_made: set[int] = field(default_factory=set)
    """By the sync, for members whom somebody put into the primary group (U5)."""
    strays: set[int] = field(default_factory=set)
    """By the sync, in the place of somebody whose email changed or who was gone just then."""
    said: list[Said] = field(default_factory=list)
    lifted: set[Said] = field(default_factory=set)
    """Refusals from Strive that ActionKit lifted, by the setting that there was then (F11.3)."""
    writes: list[Write] = field(default_factory=list)
    links: dict[int, dict[int, int]] = field(default_factory=dict)
    """Of each member the users ever linked to it, or about to be, and when last stored so."""
    linked: dict[int, int | None] = field(default_factory=dict)
    """Of each user the member its record says."""
    linked_from: dict[int, int] = field(default_factory=dict)
    put_into_group: set[int] = field(default_factory=set)
    """Members whom an organiser put into the primary group."""
    touched: dict[int, int] = field(default_factory=dict)
    """Of each user when a person last set the opt-in userfield."""
    left: set[int] = field(default_factory=set)
    """Members whom an organiser took out of it."""
    seen_true: dict[int, bool] = field(default_factory=dict)
    """Of each user whether the record knows of a true value: the sync had time to see it."""
    seen_out: dict[int, int] = field(default_factory=dict)
    """Of each member when a record first knew of the opt-out that stands."""
    options: dict[str, list[Chosen]] = field(default_factory=dict)
    settings: dict[str, list[Chosen]] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    erased: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Users who were erased, and the values that are to be nowhere."""
    erased_members: dict[int, int] = field(default_factory=dict)
    """Of their members when they were erased."""
    discarded: set[int] = field(default_factory=set)
    """Users of whom staff discarded something that was held (A6)."""
    deleted: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """From the beginning on."""
        for user_id in self.actionkit.user_ids():
            self.look_at_user(user_id)
        for row in list(self.strive.tables["members"]):
            self._look_at_member(row)
            if not row["opt_in"]:
                self.say(False, "strive", "organiser", {row["phone_number"]}, member_id=row["id"])
        self.strive.ledger = self
        self.actionkit.on_action(self._acted)

    # --- states ---

    @property
    def now_us(self) -> int:
        return self.loop.now_us

    @property
    def from_us(self) -> int:
        """What held after this may still be what the sync acts on."""
        return self.now_us - int(self.days.lag_seconds * SECOND)

    def look_at_user(self, user_id: int) -> None:
        """Keeps a user's present state."""
        history = self.users.setdefault(user_id, History())
        try:
            history.add(self.now_us, self.user_state(self.actionkit.user(user_id)))
        except KeyError:
            history.add(self.now_us, None)

    def user_state(self, user: Mapping[str, Any]) -> State:
        abroad = user["country"] not in (US, "")
        values = {
            name: user[_ABROAD.get(column, column) if abroad else column].strip()
            for name, column in CORE.items()
        }
        for name, several in user["fields"].items():
            if name != OPT_IN:
                values[f"custom:{name}"] = several[-1].strip()
        region = {US: "US", UK: "GB"}.get(user["country"], self.region)
        phones = tuple(
            (phone["type"], number_of(phone["phone"], region), phone["phone"])
            for phone in sorted(
                user["phones"], key=lambda one: (one["updated_at"], one["id"]), reverse=True
            )
            if phone["phone"].strip()
        )
        return {
            "values": values,
            "country": user["country"],
            "opt_in": tuple(user["fields"].get(OPT_IN, ())),
            "phones": phones,
        }

    @property
    def region(self) -> str:
        region: str = self.days.story.settings["default_region"]
        return region

    @property
    def types(self) -> tuple[str, ...]:
        """The phone types as they are now, those of the fallback last (F8)."""
        chosen = tuple(self.setting("phone_types")) or USUAL_TYPES
        return chosen + (USUAL_TYPES if self.setting("phone_fallback") else ())

    def chosen(self, state: State) -> str | None:
        """The number to text (F8)."""
        for wanted in self.types:
            for type_, number, _ in state["phones"]:
                if type_ == wanted and number is not None:
                    return str(number)
        return None

    def numbers(self, state: State, chosen_types: bool = False) -> set[str]:
        return {
            number
            for type_, number, _ in state["phones"]
            if number is not None and (not chosen_types or type_ in self.types)
        }

    def eligible(self, state: State) -> bool:
        return self.chosen(state) is not None and reading(state["opt_in"]) is not None

    def _look_at_member(self, row: Row) -> History:
        values = {name: (row[name] or "").strip() for name in CORE}
        for name, value in row["custom"].items():
            values[f"custom:{name}"] = value.strip() if isinstance(value, str) else ""
        history = self.members.setdefault(row["id"], History())
        history.add(
            self.now_us,
            {"values": values, "number": row["phone_number"], "opt_in": row["opt_in"]},
        )
        return history

    # --- what people say and staff choose ---

    def say(
        self,
        opted_in: bool,
        side: str,
        how: str,
        numbers: Iterable[str],
        user_id: int | None = None,
        member_id: int | None = None,
    ) -> None:
        """Somebody opted in or out."""
        self.said.append(
            Said(
                self.now_us,
                opted_in,
                side,
                how,
                frozenset(numbers),
                user_id,
                member_id,
                self.seen_true.get(user_id or 0, False),
            )
        )

    def choosing(self, table: dict[str, list[Chosen]], name: str, value: Any) -> None:
        """Staff are giving a field an option (None: no mapping), or a setting a value."""
        table.setdefault(name, []).append(Chosen(value, self.now_us))

    def chose(self, table: dict[str, list[Chosen]], name: str, done: bool) -> None:
        """Their call has ended: what was before it holds no more, or the call was refused."""
        if not done:
            table[name].pop()
            return
        for one in table[name][:-1]:
            one.to_us = min(one.to_us, self.now_us)

    def setting(self, name: str) -> Any:
        return self.settings[name][-1].value

    def option(self, name: str) -> Option | None:
        changes = self.options.get(name)
        return changes[-1].value if changes else None

    def erase(self, user_id: int, values: tuple[str, ...]) -> None:
        """Somebody was erased, on either side (E1). A member whose number they had given up by then
        is not theirs any more, whether or not a look came to that (F8)."""
        self.erased[user_id] = values
        member_id = self.linked.get(user_id)
        if member_id is not None and self._has_number_of(user_id, member_id):
            self.erased_members[member_id] = self.now_us

    def _has_number_of(self, user_id: int, member_id: int) -> bool:
        user, member = self.users[user_id].now, self.members[member_id].now
        return user is None or member is None or member["number"] in self.numbers(user)

    # --- the application's records, for what the sync had time to see ---

    def stored(self, _account_id: str, key: str, item: Mapping[str, Any] | None) -> None:
        if key.startswith("member/") and item is not None:  # Before the record says so.
            claimed = int(key.removeprefix("member/"))
            self.links.setdefault(claimed, {})[item["user_id"]] = self.now_us
        if not key.startswith("user/"):
            return
        user_id = int(key.removeprefix("user/"))
        if item is None:
            self.linked.pop(user_id, None)
            return
        member_id = item.get("member_id")
        if self.linked.get(user_id) != member_id:
            self.linked_from[user_id] = self.now_us
        self.linked[user_id] = member_id
        consent = item.get("consent") or {}
        self.seen_true[user_id] = consent.get("actionkit") == "true"
        intent = item.get("intent") or {}
        for one in (member_id, intent.get("member_id")):
            if one is not None:
                self.links.setdefault(one, {})[user_id] = self.now_us
        if member_id is not None and not intent:
            if consent.get("opted_in") is False:
                self.seen_out.setdefault(member_id, self.now_us)
            else:
                self.seen_out.pop(member_id, None)

    def linked_since(self, user_id: int, member_id: int) -> int:
        """When the present link was first stored; never, if there is none."""
        if self.linked.get(user_id) != member_id:
            return 1 << 62
        return self.linked_from[user_id]

    # --- writes of the sync ---

    def _acted(self, action_id: int) -> None:
        [row] = self.actionkit.query(
            "SELECT a.user_id, a.created_user, p.name FROM core_action a"
            " JOIN core_page p ON p.id = a.page_id WHERE a.id = ?",
            action_id,
        )
        user_id = row["user_id"]
        before = self.users[user_id].now if user_id in self.users else None
        self.look_at_user(user_id)
        if row["name"] != OUR_PAGE:
            return
        marks = {
            one["name"]: one["value"]
            for one in self.actionkit.query(
                "SELECT name, value FROM core_actionfield WHERE parent_id = ?", action_id
            )
        }
        member_id = int(marks.get("strive_member") or 0)
        former = json.loads(marks.get("former_data", "{}"))
        self.loop.note("ACTIONKIT user", user_id, "member", member_id, json.dumps(former))
        if row["created_user"] or before is None:
            self._user_made(user_id, member_id)
            return
        after = self.users[user_id].now
        assert after is not None
        for name, change in former.items():
            self.writes.append(
                Write(self.now_us, "actionkit", user_id, member_id, name, change["from"],
                      change["to"])
            )  # fmt: skip
            new = user_id in self.users_made and not self.linked.get(user_id)
            if name == "opt_in":
                self._opt_in_to_actionkit(user_id, member_id, change["to"])
            elif not (new and name in ("first_name", "last_name", "phone_number")):
                self._judge("actionkit", user_id, member_id, name, change["to"])
        for name in {*before["values"], *after["values"]} - former.keys():
            if before["values"].get(name, "") != after["values"].get(name, "") and not (
                self.days.story.derives and name in DERIVED
            ):
                self.problems.append(f"user {user_id}: {name} was written and not told of")
        if before["opt_in"] != after["opt_in"] and "opt_in" not in former:
            self.problems.append(f"user {user_id}: opt_in was written and not told of")

    def _user_made(self, user_id: int, member_id: int) -> None:
        """U5; or the email of whoever was meant is no longer theirs (U6: an alarm)."""
        self.users_made.add(user_id)
        email = self.actionkit.user(user_id)["email"].casefold()
        for one, history in self.users.items():
            before = any(
                state["values"]["email"].casefold() == email
                for state in history.during(self.from_us, self.now_us)
            )
            if one != user_id and before:
                self.strays.add(user_id)
                return
        if member_id not in self.put_into_group:
            self.problems.append(f"user {user_id} was made for member {member_id}, added by nobody")
        if True not in _held(self.settings["create_users"], self.from_us):
            self.problems.append(f"user {user_id} was made for member {member_id}, not asked for")

    def member_made(self, row: Row, by: Actor) -> None:
        history = self._look_at_member(row)
        self.loop.note("STRIVE member", row["id"], "made by", by.kind, row["opt_in"])
        if not by.by_api:
            if row["opt_in"] or by.kind != "text":
                self.say(
                    row["opt_in"], "strive", by.kind, {row["phone_number"]}, member_id=row["id"]
                )
            return
        number, state = row["phone_number"], history.now
        assert state is not None
        whose = [
            user_id
            for user_id, one in self.users.items()
            if any(number in self.numbers(was) for was in one.during(self.from_us, self.now_us))
        ]
        if not whose:
            self.problems.append(f"member {row['id']} was made for nobody's number")
        for name, value in state["values"].items():
            if value and not (self.days.story.derives and name == "state"):
                self._judge("strive", whose, row["id"], name, value, made=True)
        if row["opt_in"]:
            self._opt_in_to_strive(row["id"], number, whose, made=True)

    def member_changed(self, row: Row, by: Actor) -> None:
        history = self.members[row["id"]]
        before = history.now
        self._look_at_member(row)
        after = history.now
        assert before is not None
        assert after is not None
        if not by.by_api:
            self.loop.note("STRIVE member", row["id"], "changed by", by.kind)
            moved = before["number"] != after["number"]
            if before["opt_in"] != after["opt_in"] or moved:
                how = "text" if by.kind == "text" else "organiser"
                self.say(after["opt_in"], "strive", how, {after["number"]}, member_id=row["id"])
            return
        whose = sorted(self.links.get(row["id"], {}))
        changed = [
            name
            for name in sorted({*before["values"], *after["values"]})
            if before["values"].get(name, "") != after["values"].get(name, "")
        ]
        self.loop.note("STRIVE member", row["id"], "changed by us:", changed,
                       after["opt_in"] if before["opt_in"] != after["opt_in"] else "")  # fmt: skip
        if not whose:
            self.problems.append(f"member {row['id']} was changed, though nobody is linked to it")
        if before["number"] != after["number"]:
            self.problems.append(f"member {row['id']} was given another number")
        for name in changed:
            old, new = before["values"].get(name, ""), after["values"].get(name, "")
            if self.days.story.derives and name == "state":
                continue
            self.writes.append(Write(self.now_us, "strive", None, row["id"], name, old, new))
            self._judge("strive", whose, row["id"], name, new)
        if before["opt_in"] != after["opt_in"]:
            old, new = str(before["opt_in"]).lower(), str(after["opt_in"]).lower()
            self.writes.append(Write(self.now_us, "strive", None, row["id"], "opt_in", old, new))
            if after["opt_in"]:
                self._opt_in_to_strive(row["id"], after["number"], whose)
            else:
                self._opt_out_to_strive(row["id"], after["number"], whose)

    def member_gone(self, member_id: int, by: Actor) -> None:
        self.members[member_id].add(self.now_us, None)
        if by.by_api:
            self.problems.append(f"member {member_id} was deleted by the sync")

    # --- judging ---

    def _judge(
        self,
        side: str,
        users: int | list[int],
        member_id: int,
        name: str,
        new: str,
        made: bool = False,
    ) -> None:
        """F3, F4, F6 of one value written."""
        user_ids = [users] if isinstance(users, int) else users
        what = f"user {user_ids} member {member_id}: {name} = {new!r} to {side}"
        options = _held(self.options.get(name, []), self.from_us)
        table = TO_ACTIONKIT if side == "actionkit" else TO_STRIVE
        extra = {Option.TWO_WAY: OVER}
        ways = {({**table, **extra})[one] for one in options if one is not None}
        if not ways:
            self.problems.append(f"{what}: not mapped")
            return
        if ways == {NEVER}:
            self.problems.append(f"{what}: the option {sorted(options, key=str)} forbids it")
        both = {
            "actionkit": [
                state for one in user_ids if one in self.users
                for state in self.users[one].during(self.from_us, self.now_us)
            ],
            "strive": list(self.members[member_id].during(self.from_us, self.now_us))
            if member_id in self.members else [],
        }  # fmt: skip
        source = both["strive" if side == "actionkit" else "actionkit"]
        shown = {state["values"].get(name, "") for state in source}
        if new.strip().casefold() not in {one.casefold() for one in shown}:
            self.problems.append(f"{what}: the other side showed {sorted(shown)}")
        if made:
            return
        # The newest state is the one after the write.
        target = {one["values"].get(name, "") for one in both[side][:-1] or both[side]}
        if ways <= {FILL, NEVER} and "" not in target:
            self.problems.append(f"{what}: over {sorted(target)}, which may only be filled")
        if not new and ways <= {FILL, NEVER}:
            self.problems.append(f"{what}: cleared, though it may only be filled")

    def _opt_in_to_actionkit(self, user_id: int, member_id: int, to: str) -> None:
        """The member's status is what is written, as it was just before."""
        what = f"user {user_id} member {member_id}: the userfield was set to {to}"
        if to not in ("true", "false"):
            self.problems.append(what)
        states = list(self.members[member_id].during(self.from_us, self.now_us)
                      if member_id in self.members else ())  # fmt: skip
        if to == "true" and not any(one["opt_in"] for one in states):
            self.problems.append(f"{what}, though the member is opted out")

    def _opt_out_to_strive(self, member_id: int, number: str, whose: list[int]) -> None:
        for one in self.said:
            if not one.opted_in and (one.member_id == member_id or number in one.numbers):
                return
        for user_id in whose:
            for state in self.users[user_id].since(0):
                if reading(state["opt_in"]) is False:
                    return
        if any(one in self.erased for one in whose):
            return
        self.problems.append(f"member {member_id} of {whose} was opted out for no reason")

    def _opt_in_to_strive(
        self, member_id: int, number: str, whose: list[int], made: bool = False
    ) -> None:
        """F11: a true value, and no refusal, or one that ActionKit may lift and lifted."""
        what = f"member {member_id} of {whose} was opted in"
        trues = [
            user_id
            for user_id in whose
            if any(
                reading(state["opt_in"]) is True
                for state in self.users[user_id].during(self.from_us, self.now_us)
            )
        ]
        if not trues:
            self.problems.append(f"{what} without a true value")
            return
        refusal = self._refusal(member_id, number, made)
        if refusal is None:
            return
        if refusal.side == "strive":
            ways = [
                one
                for one in self.settings["resubscribe_from_actionkit"]
                if one.to_us >= self.from_us
            ]
        else:
            ways = [Chosen(Resubscribe.ANY, 0)]
        if any(self._lifted(user_id, refusal, ways) for user_id in trues):
            self.lifted.add(refusal)
        else:
            self.problems.append(f"{what} over a refusal: {refusal}")

    def _refusal(self, member_id: int, number: str, made: bool) -> Said | None:
        """The last refusal on the number that the sync certainly knew, if no opt-in in Strive
        came after it."""
        before = self.from_us
        for one in reversed(self.said):
            if one.side != "strive" or number not in one.numbers:
                continue
            if one.opted_in or one in self.lifted:
                return None
            if one.at_us > before:
                return one if not made else None
            if self.knows(one, member_id):
                return one
        return None

    def knows(self, said: Said, member_id: int) -> bool:
        """Whether the sync must know of what was said in Strive: the member is the same yet, or a
        record had it as opted out since."""
        return said.member_id == member_id or (
            said.member_id in self.seen_out and self.seen_out[said.member_id] >= said.at_us
        )

    def _lifted(self, user_id: int, refusal: Said, ways: list[Chosen]) -> bool:
        """F11.3: a false was shown in ActionKit since the refusal, then a true was set, by one of
        the ways that the setting allows."""
        slack = int(self.days.lag_seconds * SECOND)
        falses = [
            at_us
            for place, (at_us, state) in enumerate(self.users[user_id].states)
            if state is not None
            and reading(state["opt_in"]) is False
            and (place + 1 == len(self.users[user_id].states)
                 or self.users[user_id].states[place + 1][0] >= refusal.at_us - slack)
        ]  # fmt: skip
        for one in self.said:
            if one.user_id == user_id and one.opted_in and one.at_us > refusal.at_us - slack:
                if not any(at_us < one.at_us for at_us in falses):
                    continue
                since = {way.value for way in ways if way.from_us <= one.at_us + slack}
                if Resubscribe.ANY in since or (
                    Resubscribe.OWN_ACTION in since and one.how == "own_action"
                ):
                    return True
        return False

    # --- questions at the end ---

    def campaign_members(self) -> dict[str, dict[str, Any]]:
        return {one["phone_number"]: one for one in self.strive.members(CAMPAIGN)}


def _held(changes: list[Chosen], from_us: int) -> set[Any]:
    """The values that held at some time since."""
    return {one.value for one in changes if one.to_us >= from_us}
