"""What must hold once days of edits and faults have come to rest.

Written from the requirements over what really happened (`ledger`). Where an exception is made, the
line of the requirement that makes it is named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import cast

from instep.adapters.memory import MemoryStore
from instep.domain.account import PRIMARY_GROUP_NAME
from instep.domain.record import Record, Status, Warning  # noqa: A004
from instep.domain.rules import Option
from instep.use_cases.runs import progress_of
from tests.simulation.acts_resting import ActsResting
from tests.simulation.days import HOUR
from tests.simulation.days_world import DaysSimulation
from tests.simulation.invariants import reading
from tests.simulation.ledger import DERIVED, OUR_PAGE, Said, State
from tests.simulation.loop import SECOND
from tests.simulation.story import CAMPAIGN, UK
from tests.simulation.world import PASSWORD

_NO_NUMBER = (Status.INELIGIBLE_NO_PHONE, Status.INELIGIBLE_INVALID_PHONE)


def broken_days(s: DaysSimulation) -> list[str]:
    """Every invariant that does not hold, in words."""
    resting, acts = _Resting(s), ActsResting(s)
    return [
        *s.ledger.problems,
        *resting.nothing_waits(),
        *resting.everybody_is_known(),
        *resting.statuses(),
        *resting.winners(),
        *resting.earliest(),
        *resting.counts(),
        *resting.claims(),
        *resting.values(),
        *resting.consent(),
        *resting.refusals(),
        *resting.groups(),
        *acts.memberships(),
        *acts.listed(),
        *acts.texts(),
        *acts.outcomes(),
        *resting.history(),
        *resting.written_once(),
        *resting.nobody_bothered(),
        *resting.pace(),
        *resting.nothing_is_told(),
        *resting.erased(),
    ]


class _Resting:
    def __init__(self, simulation: DaysSimulation) -> None:
        self.s = simulation
        self.ledger = simulation.ledger
        self.records = simulation.records()
        self.users = {
            user_id: history.now
            for user_id, history in self.ledger.users.items()
            if history.now is not None
        }
        self.members = {
            member_id: history.now
            for member_id, history in self.ledger.members.items()
            if history.now is not None
        }
        self.pairs = {
            user_id: (record, self.users[user_id], self.members[record.member_id])
            for user_id, record in self.records.items()
            if record.member_id in self.members and user_id in self.users
            and record.member_id is not None
        }  # fmt: skip

    # --- at rest ---

    def nothing_waits(self) -> Iterator[str]:
        s = self.s
        for lane in (s.live, s.bulk):
            yield from (f"a dead letter: {one.body}" for one in lane.dead_letters)
            yield from (f"a handler raised {one}" for one in lane.faults)
        yield from (f"left: {one}" for one in s.unsettled())

    # --- who is who (U1 to U3, U8) ---

    def everybody_is_known(self) -> Iterator[str]:
        """Everybody was looked at since they last changed (U3, U4)."""
        for user_id, user in self.users.items():
            record = self.records.get(user_id)
            if record is None:
                yield f"user {user_id} has no record"
            elif user_id not in self.ledger.erased and record.status is not Status.ERASED:
                shown = user["values"]["email"], self.ledger.chosen(user)
                if (record.email.strip(), record.phone) != shown:
                    yield f"user {user_id} is not as last seen: {record.email}, {record.phone}"
        for user_id, (record, user, member) in self.pairs.items():
            if record.consent.opted_in is not member["opt_in"]:
                yield f"user {user_id}: the member's status was not seen"
            if record.consent.raw not in ("", *user["opt_in"]):
                yield f"user {user_id}: the opt-in value was not seen"
            for mapping in self.s.account().mappings:
                state = record.fields.get(mapping.field_id)
                seen = (state.actionkit, state.strive) if state else None
                there = _both(user, member, mapping.name)
                if not mapping.broken and seen != there:
                    yield f"user {user_id} {mapping.name}: {there} was not seen, but {seen}"

    def statuses(self) -> Iterator[str]:
        for user_id, record in self.records.items():
            said = f"user {user_id} is {record.status} {record.reason} {record.reason_detail!r}"
            user = self.users.get(user_id)
            if user_id in self.ledger.erased:
                if record.status is not Status.ERASED or record.member_id is not None:
                    yield f"{said}, though erased"
            elif record.status is Status.ERASED:
                yield f"{said}, though nobody asked for it"
            elif user is None:
                if record.status is not Status.DELETED or record.member_id is not None:
                    yield f"{said} and {record.member_id}, though gone"
                merged = self.ledger.merged.get(user_id)
                unknowns = self.s.story.actionkit_unknowns
                told = not (unknowns.sql_forbidden and unknowns.merged_user == "missing")
                if merged is not None and record.reason != "merged" and told:
                    yield f"{said}, though merged into {merged}"
            elif record.member_id is not None:
                yield from self._linked(said, record, user)
            else:
                yield from self._unlinked(said, record, user)

    def _linked(self, said: str, record: Record, user: State) -> Iterator[str]:
        if record.status not in (Status.SYNCED, Status.FAILED):
            yield f"{said}, though linked"
        refuses = self.s.story.strive_unknowns.opt_in_after_stop != "allowed"
        failed = (
            ("consent_not_accepted", "strive_refused") if refuses else ("consent_not_accepted",)
        )
        if record.status is Status.FAILED and record.reason not in failed:
            yield said
        member = self.members.get(record.member_id or 0)
        if member is None:
            yield f"{said}, though member {record.member_id} is gone"
            return
        chosen, number = self.ledger.chosen(user), member["number"]
        if (chosen is None) is not (Warning.PHONE_MISSING in record.warnings):
            yield f"{said}: phone_missing"
        differs = chosen is not None and chosen != number
        if differs is not (Warning.PHONE_DIFFERS in record.warnings):
            yield f"{said}: phone_differs, {chosen} and {number}"
        if differs:
            if number not in self.ledger.numbers(user):
                yield f"{said}, though the user has no {number}"
            for other, state in self.users.items():
                if other != record.user_id and self._chooses(other, state, number):
                    yield f"{said}, though user {other} chose {number}"

    def _unlinked(self, said: str, record: Record, user: State) -> Iterator[str]:
        chosen = self.ledger.chosen(user)
        if record.status is Status.MEMBER_DELETED:
            there = [one for one, member in self.members.items() if member["number"] == chosen]
            if there and self._chooses(record.user_id, user, chosen):
                yield f"{said}, though member {there[0]} has the number"
        elif chosen is None:
            if record.status not in _NO_NUMBER:
                yield f"{said}, without a number"
        elif reading(user["opt_in"]) is None:
            if record.status is not Status.INELIGIBLE_NO_OPT_IN:
                yield f"{said}, without an opt-in value"
        elif record.status is Status.DUPLICATE_PHONE:
            other = int(record.reason_detail)
            holder, state = self.records.get(other), self.users.get(other)
            member = self.members.get(holder.member_id or 0) if holder else None
            if other == record.user_id or holder is None or state is None:
                yield f"{said}, who is nobody"
            elif chosen not in (holder.number, member and member["number"]) and not (
                member is not None and self._chooses(other, state, chosen)  # F8: phone_differs
            ):
                yield f"{said}, who does not have {chosen}"
        elif record.reason != "strive_refused" or (
            self.s.story.strive_unknowns.opt_in_after_stop != "error"
        ):
            yield f"{said}, though eligible with {chosen}"

    def _chooses(self, user_id: int, state: State, number: str | None) -> bool:
        return (
            user_id not in self.ledger.erased
            and self.ledger.chosen(state) == number
            and reading(state["opt_in"]) is not None
        )

    def winners(self) -> Iterator[str]:
        """U2: of those who chose a number one has it; the lowest id of some moment."""
        numbers: dict[str, list[int]] = {}
        for user_id, user in self.users.items():
            number = self.ledger.chosen(user)
            record = self.records.get(user_id)
            waits = record is not None and record.status is Status.MEMBER_DELETED  # U1
            if number is not None and self._chooses(user_id, user, number) and not waits:
                numbers.setdefault(number, []).append(user_id)
        members: Counter[int] = Counter(record.member_id for record, _, _ in self.pairs.values()
                                        if record.member_id is not None)  # fmt: skip
        yield from (f"member {one} has {many} users" for one, many in members.items() if many > 1)
        for number, choosers in numbers.items():
            winners = [
                one for one in choosers
                if one in self.records and self.records[one].number == number
            ]  # fmt: skip
            others = [one for one, record in self.records.items() if record.number == number]
            linked = [one for one in choosers if one in self.pairs]  # perhaps by another (F8)
            failed = [one for one in choosers if one in self.records
                      and self.records[one].status is Status.FAILED]  # fmt: skip
            if len(winners) != 1 and not failed and not others and not linked:
                yield f"{number} of users {choosers} is claimed by {winners}"

    def earliest(self) -> Iterator[str]:
        """U2: whoever has a lower id than the winner did not have the number when it was won."""
        ledger = self.ledger
        if any(len(ledger.settings[one]) > 1 for one in ("phone_types", "phone_fallback")):
            return
        lag = int(self.s.days.lag_seconds * SECOND)
        for user_id, (record, user, member) in self.pairs.items():
            number, won_at = member["number"], ledger.linked_from[user_id]
            if user_id in ledger.merged.values() or ledger.chosen(user) != number:
                continue
            for other in ledger.users:
                gone = other in ledger.erased or other in ledger.merged
                if other >= user_id or gone or ledger.linked.get(other) is not None:
                    continue
                history = ledger.users[other]
                before = list(history.during(won_at - lag, won_at + lag))
                whole = history.states[0][0] < won_at - lag and not any(
                    state is None and at_us <= won_at + lag for at_us, state in history.states
                )
                always = whole and all(self._chooses(other, one, number) for one in before)
                known = self.records.get(other)
                waits = known is None or known.status is Status.MEMBER_DELETED
                if before and always and not waits and record.status is Status.SYNCED:
                    yield f"user {user_id} won {number} over user {other}"

    def counts(self) -> Iterator[str]:
        """A4: the tallies are those of the records, unless a worker died before it told them."""
        if self.s.disturbed:
            return
        counted = Counter(record.status.value for record in self.records.values())
        progress = progress_of(self.s.world, self.s.account())
        shown = {name: users for name, users in progress.by_status.items() if users}
        if shown != dict(counted) or progress.total != sum(counted.values()):
            yield f"the tallies are {shown} of {progress.total}, the records {dict(counted)}"

    def claims(self) -> Iterator[str]:
        """U2: claims are what the records say. A worker that died may leave one behind, which
        anybody may take (then nobody is refused because of it: `statuses`)."""
        wanted = {
            f"number/{record.number}": user_id
            for user_id, record in self.records.items()
            if record.number is not None
        }
        wanted |= {
            f"member/{record.member_id:012d}": user_id
            for user_id, record in self.records.items()
            if record.member_id is not None
        }
        claims = {
            str(one["item"]): one["user_id"]
            for prefix in ("number/", "member/")
            for one in self.s.items(prefix)
        }
        for key in sorted(claims.keys() | wanted.keys()):
            if claims.get(key) != wanted.get(key) and (key in wanted or not self.s.disturbed):
                yield f"{key} is claimed by {claims.get(key)}, records say {wanted.get(key)}"

    # --- values (F3 to F9) ---

    def values(self) -> Iterator[str]:
        for user_id, (_, user, member) in self.pairs.items():
            if user_id in self.ledger.erased or user_id in self.ledger.discarded:
                continue
            for mapping in self.s.account().mappings:
                option = self.ledger.option(mapping.name)
                if option is not mapping.option:
                    yield f"{mapping.name} has {mapping.option}, not {option}"
                if self.s.story.derives and mapping.name in DERIVED:
                    continue
                a, b = _both(user, member, mapping.name)
                if _agree(mapping.name, mapping.option, user, a, b):
                    continue
                if (mapping.option, b) in self._cannot_clear(mapping.name):
                    continue
                if self._crossed(user_id, user, member, mapping.name):
                    continue
                yield f"user {user_id} {mapping.name} {mapping.option}: {a!r} and {b!r}"

    def _cannot_clear(self, name: str) -> set[tuple[Option, str]]:
        """An ActionKit that passes over blanks: what it keeps is its answer (F6)."""
        unknowns = self.s.story.actionkit_unknowns
        custom = name.startswith("custom:")
        ignored = unknowns.blank_userfield if custom else unknowns.blank_column
        if ignored != "ignored":
            return set()
        return {(one, "") for one in (Option.TWO_WAY, Option.POPULATE_OVERWRITE_ACTIONKIT)}

    def _crossed(self, user_id: int, user: State, member: State, name: str) -> bool:
        """F6: a value that a person sets while a write of ours to the same field is under way or
        awaited may be taken for the side's answer to it."""
        lag = int(self.s.days.lag_seconds * SECOND)
        awaited = lag + 20 * 60 * SECOND
        record = self.records[user_id]
        for write in self.ledger.writes:
            if write.field != name:
                continue
            mine = write.user_id == user_id or write.member_id == record.member_id
            if not mine:
                continue
            histories = (
                self.ledger.users[user_id] if write.side == "actionkit"
                else self.ledger.members.get(record.member_id or 0)
            )  # fmt: skip
            for at_us, state in histories.states if histories else ():
                if state is None or at_us == write.at_us:
                    continue
                near = write.at_us - lag <= at_us <= write.at_us + awaited
                if near and state["values"].get(name, "") != write.new:
                    return True
        return False

    # --- consent (F10 to F14) ---

    def consent(self) -> Iterator[str]:
        for user_id, (record, user, member) in self.pairs.items():
            special = user_id in self.ledger.erased or user_id in self.ledger.discarded
            if special or record.status is Status.FAILED:
                continue
            read = reading(user["opt_in"])
            said = f"user {user_id} member {record.member_id}: {user['opt_in']} {member['opt_in']}"
            waits = {
                Warning.RESUBSCRIBE_NEEDS_CONSENT,
                Warning.OPT_IN_PREDATES_PHONE,
                Warning.PHONE_DIFFERS,
            } & record.warnings
            if member["opt_in"]:
                if read is False and Warning.PHONE_DIFFERS not in record.warnings:
                    yield f"{said}: a false that opts nobody out"
                if read == "unrecognised" and not waits:
                    yield said
                if read is None and Warning.OPT_IN_CLEARED not in record.warnings:
                    yield f"{said}: not told that it was cleared"
            elif read is True and not waits:
                yield f"{said}: a true that opts nobody in, and no warning"
            elif read is None and not waits:
                yield f"{said}: not filled again"

    def refusals(self) -> Iterator[str]:
        """Whoever refused last, with nobody opting in since, is opted out."""
        lag = int(self.s.days.lag_seconds * SECOND)
        linked_now = {record.member_id for record, _, _ in self.pairs.values()}
        for member_id, member in self.members.items():
            discarded = self.ledger.discarded & self.ledger.links.get(member_id, {}).keys()
            if member_id not in linked_now or discarded:
                continue
            number = member["number"]
            about = [
                one
                for one in self.ledger.said
                # The linked user speaks for the member, without a number too (U1).
                if number in one.numbers or (one.opted_in and self._stays(one.user_id, member_id))
            ]
            linked = self.ledger.links.get(member_id, {})
            about = [
                one
                for one in about
                if one.side == "strive"
                or (one.user_id in linked and self._stays(one.user_id, member_id))
                or self._refuses_for_all(one, number)
            ]
            if not member["opt_in"] or not about:
                continue
            refusals = [one for one in about if not one.opted_in]
            if not refusals:
                continue
            last = refusals[-1]
            if any(one.opted_in and one.at_us > last.at_us - lag for one in about):
                continue
            if last.user_id and self.ledger.touched[last.user_id] > last.at_us:
                continue  # set to something else again, perhaps before it was seen
            if last.side == "strive" and not self.ledger.knows(last, member_id):
                continue
            certain = last.side == "strive" or self._refuses_for_all(last, number)
            if certain or self._was_linked(last.user_id or 0, member_id, last.at_us):
                yield f"member {member_id} is opted in over {last}"

    def _refuses_for_all(self, said: Said, number: str) -> bool:
        """F14: a true that was known turned false, and all that is so yet."""
        user = self.users.get(said.user_id or 0)
        return (
            not said.opted_in
            and said.known
            and user is not None
            and said.user_id not in self.ledger.erased
            and reading(user["opt_in"]) is False
            and number in self.ledger.numbers(user, chosen_types=True)
        )

    def _stays(self, user_id: int | None, member_id: int) -> bool:
        return self.ledger.linked.get(user_id or 0) == member_id

    def _was_linked(self, user_id: int, member_id: int, at_us: int) -> bool:
        return self.ledger.linked_since(user_id, member_id) < at_us

    # --- groups (G1) ---

    def groups(self) -> Iterator[str]:
        group = self.s.strive.group_named(CAMPAIGN, PRIMARY_GROUP_NAME)
        if group is None:
            yield "there is no primary group"
            return
        inside = set(self.s.strive.group_members(group["id"]))
        unknowns = self.s.story.strive_unknowns
        shown = unknowns.removals_table or unknowns.group_changes_move_updated_at
        for user_id, (record, _, _) in self.pairs.items():
            if record.member_id not in inside and (
                shown or record.member_id not in self.ledger.left
            ):
                yield f"user {user_id}: member {record.member_id} is not in the primary group"
        linked = {record.member_id for record, _, _ in self.pairs.values()}
        erased = {
            member_id
            for member_id, users in self.ledger.links.items()
            # What was discarded counts as if staff had added them (A6).
            if (self.ledger.erased.keys() | self.ledger.discarded) & users.keys()
        }
        left = inside - linked - self.ledger.put_into_group - erased
        if left:
            yield f"members {sorted(left)} are in the primary group, and nobody's"

    # --- what was written ---

    def history(self) -> Iterator[str]:
        """U9: each write of the sync has its entry."""
        told: Counter[tuple[int, str, str, str]] = Counter()
        for item in self.s.items("history/"):
            user_id = int(item["item"].split("/")[1])
            for entry in item["entries"]:
                told[user_id, entry["side"], entry["field"], entry["new"]] += 1
        for write in self.ledger.writes:
            users = [write.user_id] if write.user_id else self.ledger.links[write.member_id or 0]
            gone = self.ledger.erased.keys() | self.ledger.deleted | self.ledger.merged.keys()
            if gone & set(users):
                continue  # whose actions are gone too: nobody can tell what a dead worker wrote
            if self.ledger.strays & set(users):
                continue  # U6: it reached another user, which an alarm tells of
            if not any(told[one, write.side, write.field, write.new] for one in users if one):
                yield f"no entry tells of {write}"

    def written_once(self) -> Iterator[str]:
        marks = Counter(
            mark
            for action in self.s.actionkit.actions()
            if action["page"] == OUR_PAGE and action["user_id"] not in self.ledger.erased
            for mark in action["fields"].get("sync_id", ["-"])
        )
        yield from (f"{mark} was written {times} times" for mark, times in marks.items()
                    if times > 1)  # fmt: skip

    def nobody_bothered(self) -> Iterator[str]:
        if self.s.actionkit.mails_sent:
            yield "mails were sent"
        by_people = self.s.acts.taken
        changes = self.s.actionkit.subscription_changes()
        if any(one["action_id"] not in by_people for one in changes):
            yield "email subscriptions changed"

    def pace(self) -> Iterator[str]:
        limit = max(one.value for one in self.ledger.settings["records_per_minute"])
        most = self.s.actionkit.most_users_in_any_60_seconds()
        if most > limit:
            yield f"{most} users in 60 seconds, over {limit}"

    # --- what may be nowhere ---

    def nothing_is_told(self) -> Iterator[str]:
        """C3, O1: no credential, number or email where operators and queues look."""
        texts = self._looked_at()
        numbers = {
            str(number)[1:]
            for history in self.ledger.users.values()
            for state in history.since(0)
            for number in self.ledger.numbers(state)
        }
        numbers |= {
            str(state["number"])[1:]
            for history in self.ledger.members.values()
            for state in history.since(0)
        }
        secrets = {PASSWORD, self.s.told.api_key, *numbers}
        everything = "\n".join(texts).lower()
        found = [secret for secret in sorted(secrets) if secret.lower() in everything]
        if found or "canary" in everything or "@" in everything:
            yield f"personal data or credentials where none may be: {found}"

    def erased(self) -> Iterator[str]:
        """E1: their values are nowhere."""
        if not self.ledger.erased:
            return
        for member_id, at_us in self.ledger.erased_members.items():
            member = self.members.get(member_id)
            if member is not None and member["opt_in"]:
                opted_in = [one for one in self.ledger.said
                            if one.opted_in and member["number"] in one.numbers]  # fmt: skip
                if not any(one.at_us > at_us - HOUR * SECOND for one in opted_in):
                    yield f"member {member_id} of somebody erased is opted in"
        tables: dict[str, list[tuple[str, str]]] = {}
        for name, store in (
            ("users", self.s.users), ("groups", self.s.groups), ("settings", self.s.settings),
        ):  # fmt: skip
            everything = cast(MemoryStore, store.inner).everything()
            tables[name] = [(str(one["item"]), str(one)) for one in everything]
        told = "\n".join(self._looked_at())
        for user_id, values in self.ledger.erased.items():
            for value in set(values) - self._of_other_members(user_id) - self._of_strays():
                whole = re.compile(re.escape(value) + r"(?![0-9])")  # Name1 is not Name12
                if whole.search(told):
                    yield f"erased user {user_id}: {value!r} was told"
                for table, items in tables.items():
                    yield from (
                        f"erased user {user_id}: {value!r} is in {table} {key}"
                        for key, text in items
                        if whole.search(text)
                    )

    def _of_other_members(self, user_id: int) -> set[str]:
        """Strive keeps what it has; whoever else is linked to that member shows it."""
        return {
            value
            for member_id, history in self.ledger.members.items()
            if self.ledger.links.get(member_id, {}).keys() - {user_id}
            for state in history.since(0)
            for value in state["values"].values()
        }

    def _of_strays(self) -> set[str]:
        """Who was made in the place of somebody that was gone just then has their email (U6)."""
        return {
            state["values"]["email"]
            for user_id in self.ledger.strays
            for state in self.ledger.users[user_id].since(0)
        }

    def _looked_at(self) -> list[str]:
        s = self.s
        texts = [*s.live.bodies, *s.bulk.bodies, *s.watch.lines]
        for execution in s.machines.executions.values():
            texts += [execution.name, execution.failure, *execution.history]
        return texts


def _both(user: State, member: State, name: str) -> tuple[str, str]:
    return user["values"].get(name, ""), member["values"].get(name, "")


def _agree(name: str, option: Option, user: State, a: str, b: str) -> bool:
    """F3: what an option leaves at rest."""
    if a == b or (name == "email" and a.casefold() == b.casefold()):
        return True
    to_actionkit = name != "email" and _valid(name, user, b)
    if option is Option.POPULATE_NO_OVERWRITE:
        return bool(a and b) or (not a and not to_actionkit)
    if option is Option.ONE_WAY_OVERWRITE_STRIVE:
        return not a
    if option is Option.ONE_WAY_OVERWRITE_ACTIONKIT:
        return not b or not to_actionkit
    if option is Option.POPULATE_OVERWRITE_STRIVE:
        return not a and not to_actionkit
    return not to_actionkit  # overwrites ActionKit, or either


def _valid(name: str, user: State, value: str) -> bool:
    """F9: whether ActionKit can have it."""
    if user["country"] == UK or not value:
        return True
    if name == "postal_code":
        return len(value) == 5 and value.isdigit()
    return name != "state" or (len(value) == 2 and value.isalpha())
