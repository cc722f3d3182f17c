"""One edit at a time, with everything at rest before and after it: so what comes of it is exact.

The days themselves can only be judged by what any order of events allows; here each option and
each rule of consent has one outcome.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from instep.domain.record import Status
from instep.domain.rules import Option, Resubscribe
from tests.simulation.calm_acts import CalmActs, Expected
from tests.simulation.days_world import DaysSimulation
from tests.simulation.invariants import FILL, NEVER, OVER, TO_ACTIONKIT, TO_STRIVE, reading
from tests.simulation.ledger import State

MOST_PAIRS = 4
_TO_ACTIONKIT = TO_ACTIONKIT | {Option.TWO_WAY: OVER}
_TO_STRIVE = TO_STRIVE | {Option.TWO_WAY: OVER}


def after_edit(
    option: Option, actionkit: str, strive: str, side: str, new: str, email: bool
) -> tuple[str, str]:
    """F3, F4, F6: both values at rest, where they were at rest before one side's edit."""
    to_actionkit = NEVER if email else _TO_ACTIONKIT[option]
    to_strive = _TO_STRIVE[option]
    if side == "actionkit":
        mine, other = _after(new, strive, to_strive, to_actionkit, was=actionkit)
        return mine, other
    mine, other = _after(new, actionkit, to_actionkit, to_strive, was=strive)
    return other, mine


def _after(new: str, other: str, there: str, back: str, was: str) -> tuple[str, str]:
    """The edited side's value and the other's; `there`, `back`: how each way is written."""
    if new == other:
        return new, other
    if there == OVER and (new or was):
        return new, new
    if back == OVER and other:
        return other, other
    if new and not other and there == FILL:
        return new, new
    if other and not new and back == FILL:
        return other, other
    return new, other


class Calm:
    """Rounds of single edits."""

    def __init__(self, simulation: DaysSimulation, rng: random.Random) -> None:
        self._s = simulation
        self._ledger = simulation.ledger
        self._rng = rng

    def rounds(self) -> list[str]:
        """Three of them, of some pairs with actions: what went otherwise."""
        problems: list[str] = []
        plain = list(self._plain())
        acts = CalmActs(self._s, self._rng.sample(plain, (len(plain) + 1) // 2), self._rng)
        for number in range(3):
            expected = [self._edit(*pair) for pair in self._pairs(acts.user_ids)]
            expected += acts.step(number)
            self._s.loop.note("CALM", [one.what for one in expected if one])
            self._s.cycles()
            problems += [
                f"{one.what}: {one.shown()}, not {one.wanted}"
                for one in expected
                if one and one.shown() != one.wanted
            ]
        return problems

    def _pairs(self, others: set[int]) -> list[tuple[int, int]]:
        """Pairs of which nothing is special, so that all is known, without some."""
        found = [one for one in self._plain() if one[0] not in others]
        return self._rng.sample(found, min(MOST_PAIRS, len(found)))

    def _plain(self) -> Iterator[tuple[int, int]]:
        for user_id, record in sorted(self._s.records().items()):
            if record.member_id is None or record.warnings or record.status is not Status.SYNCED:
                continue
            user, member = self._both(user_id, record.member_id)
            if self._ledger.chosen(user) != member["number"]:
                continue
            sharing = [
                other
                for other, history in self._ledger.users.items()
                if other != user_id and history.now is not None
                and member["number"] in self._ledger.numbers(history.now)
            ]  # fmt: skip
            if not sharing:
                yield user_id, record.member_id

    def _both(self, user_id: int, member_id: int) -> tuple[State, State]:
        user, member = self._ledger.users[user_id].now, self._ledger.members[member_id].now
        assert user is not None
        assert member is not None
        return user, member

    def _edit(self, user_id: int, member_id: int) -> Expected | None:
        if self._rng.random() < 0.5:
            return self._subscribed(user_id, member_id)
        return self._value(user_id, member_id)

    # --- values ---

    def _value(self, user_id: int, member_id: int) -> Expected | None:
        user, member = self._both(user_id, member_id)
        names = {one.name: one.option for one in self._s.account().mappings}
        names = {
            name: option
            for name, option in names.items()
            if name not in ("state", "postal_code")
            and not (self._s.story.derives and name == "city")
        }
        name = self._rng.choice(sorted(names))
        a, b = user["values"].get(name, ""), member["values"].get(name, "")
        side = self._rng.choice(("actionkit", "strive"))
        was = a if side == "actionkit" else b
        clears = was and a == b and self._rng.random() < 0.35
        unknowns = self._s.story.actionkit_unknowns
        if clears and (name == "email" or "ignored" in (unknowns.blank_column,
                                                        unknowns.blank_userfield)):  # fmt: skip
            return None
        new = "" if clears else self._s.people.new_value(name)
        if side == "actionkit":
            self._s.people.type_user(user_id, name, new)
        else:
            self._s.people.type_member(member_id, name, new)
        wanted = after_edit(names[name], a, b, side, new, name == "email")

        def shown() -> tuple[str, str]:
            user, member = self._both(user_id, member_id)
            return user["values"].get(name, ""), member["values"].get(name, "")

        what = f"user {user_id} member {member_id}: {name} {names[name]} was {a!r} and {b!r}"
        return Expected(f"{what}, {side} set to {new!r}", shown, wanted)

    # --- Subscribed ---

    def _subscribed(self, user_id: int, member_id: int) -> Expected | None:
        user, member = self._both(user_id, member_id)
        read = reading(user["opt_in"])
        if read is not member["opt_in"]:
            return None
        edit = self._rng.choice(
            ["false", "TBD", None, "STOP"] if member["opt_in"] else ["TBD", None, "JOIN", "true"]
        )
        said = f"user {user_id} member {member_id}: {user['opt_in']}, {member['opt_in']}, {edit}"
        stays = member["opt_in"]
        wanted: tuple[object, ...]
        if edit in ("STOP", "JOIN"):
            self._s.people.text_word(member_id, edit)
            wanted = (edit == "JOIN", edit == "JOIN")
        elif edit == "true":
            how = self._rng.choice(("direct", "own_action", "upload"))
            lifts = self._lifts(user_id, member_id, how)
            if lifts is None:
                return None
            said = f"{said} by {how}"
            self._s.people.set_opt_in(user_id, edit, how)
            wanted = (lifts, True)
        else:
            self._s.people.set_opt_in(user_id, edit, "direct")
            wanted = (stays, stays)
            if edit == "false":
                wanted = (False, False)
            elif edit is None and stays:
                wanted = (True, None)

        def shown() -> tuple[object, ...]:
            user, member = self._both(user_id, member_id)
            return member["opt_in"], reading(user["opt_in"])

        return Expected(said, shown, wanted)

    def _lifts(self, user_id: int, member_id: int, how: str) -> bool | None:
        """F11.3, where it is certain who refused last: None where it is not."""
        number = self._both(user_id, member_id)[1]["number"]
        about = [one for one in self._ledger.said if number in one.numbers]
        if not about or about[-1].opted_in:
            return None
        last, before = about[-1], [one for one in about[:-1] if not one.opted_in]
        since = [one for one in before if one.at_us > self._last_opt_in(number)]
        if since or (self._s.story.strive_unknowns.opt_in_after_stop != "allowed"):
            return None
        setting = self._ledger.setting("resubscribe_from_actionkit")
        predates = self._s.records()[user_id].consent.predates_phone
        if predates and self._s.story.actionkit_unknowns.direct_write_keeps_action_id:
            return None  # what staff set directly may seem to be ours
        if how == "direct" and self._seems_uploaded(user_id):
            return None
        if last.side == "actionkit":
            # A false of somebody who was never opted in is no refusal.
            if last.user_id != user_id or (how == "upload" and self._last_opt_in(number) < 0):
                return None
            return how != "upload" or setting is Resubscribe.ANY
        if setting is Resubscribe.NEVER:
            return False
        return setting is Resubscribe.ANY or how == "own_action"

    def _seems_uploaded(self, user_id: int) -> bool:
        """Whether what staff set directly may bear the id of an upload's action (F11.5)."""
        keeps = self._s.story.actionkit_unknowns.direct_write_keeps_action_id
        said = (one for one in self._ledger.said if one.user_id == user_id)
        return keeps and any(one.how == "upload" for one in said)

    def _last_opt_in(self, number: str) -> int:
        return max(
            (one.at_us for one in self._ledger.said if one.opted_in and number in one.numbers),
            default=-1,
        )
