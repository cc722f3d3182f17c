"""A tiny world for decide: plain values on both sides, and an interpreter of plans.

Nothing here is an adapter or a use case: a plan's effects are done to plain values, in shuffled
order, with the habits of the two systems that can be switched on.
"""

from __future__ import annotations

import random
from collections import abc
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from instep.domain.consent import Reading, overridden_refusal, read_rows
from instep.domain.decide import decide, eligible
from instep.domain.fields import (
    OVERWRITES_ACTIONKIT,
    OVERWRITES_STRIVE,
    actionkit_value,
    same,
    strive_value,
)
from instep.domain.holds import Stake, at_stake, backfills, discard, withhold
from instep.domain.intent import Done, intent_of, recover, settle, sync_ids, under_way
from instep.domain.people import (
    FieldRow,
    Member,
    MemberChange,
    Phone,
    Rival,
    Side,
    SubscriptionEvent,
    User,
)
from instep.domain.phone import choose_number, numbers_of
from instep.domain.plan import Plan, Seen
from instep.domain.record import Draft, NumberConsent, Record, Status
from instep.domain.rules import Kind, Mapping, Option, Rules

OPT_IN = "sms_opt_in"
IMPORT_PAGE = 77
PRIMARY = 9
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NUMBERS = ("+12125550101", "+12125550102", "+12125550103")
ZIPS = {"11201": ("Brooklyn", "NY"), "60601": ("Chicago", "IL"), "94103": ("San Francisco", "CA")}
Mapped = abc.Mapping[str, str]
COLUMNS = {
    "first_name": "first_name",
    "last_name": "last_name",
    "email": "email",
    "city": "city",
    "state": "state",
    "postal_code": "zip",
}


def mappings(options: dict[str, Option]) -> tuple[Mapping, ...]:
    """Mappings by Strive name; a name that is no column is a custom field."""
    return tuple(
        Mapping(f"f-{name}", Kind.CORE, name, COLUMNS[name], option)
        if name in COLUMNS
        else Mapping(f"f-{name}", Kind.CUSTOM, name, f"ak_{name}", option)
        for name, option in options.items()
    )


def rules_with(options: dict[str, Option] | None = None, **settings: object) -> Rules:
    """Rules as the tests mostly want them."""
    base = Rules(
        mappings=mappings(options or {}),
        opt_in_userfield=OPT_IN,
        first_activated_at=START - timedelta(days=10),
        import_page_id=IMPORT_PAGE,
        primary_group=PRIMARY,
    )
    return replace(base, **settings)  # type: ignore[arg-type]


@dataclass(slots=True)
class Habits:
    """What the two systems do to values that they are sent."""

    actionkit_sets_place_from_zip: bool = False
    strive_sets_state_from_zip: bool = False
    actionkit_capitalises: bool = False
    actionkit_refuses: frozenset[str] = frozenset()
    strive_ignores: frozenset[str] = frozenset()


@dataclass(slots=True)
class World:
    """Users and members as plain values; what is kept of them; a clock."""

    rules: Rules
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    habits: Habits = field(default_factory=Habits)
    now: datetime = START
    users: dict[int, User] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    events: list[SubscriptionEvent] = field(default_factory=list)
    changes: list[MemberChange] = field(default_factory=list)
    records: dict[int, Record] = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)
    member_claims: dict[int, int] = field(default_factory=dict)
    consents: dict[str, NumberConsent] = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)
    plans: list[Plan] = field(default_factory=list)
    ids: int = 1000
    seen: Seen | None = None
    merged: dict[int, int] = field(default_factory=dict)
    erasing: set[int] = field(default_factory=set)
    held: frozenset[Stake] = frozenset()
    discarded: frozenset[Stake] = frozenset()
    stakes: frozenset[Stake] = frozenset()

    def next_id(self) -> int:
        self.ids += 1
        return self.ids

    def wait(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)

    # --- people edit ---

    def set_opt_in(
        self, user_id: int, *values: str, page_id: int | None = 5, page_type: str = "signup"
    ) -> None:
        user = self.users[user_id]
        rows = tuple(
            FieldRow(OPT_IN, one, self.now, self.next_id(), page_id, page_type) for one in values
        )
        others = tuple(row for row in user.fields if row.name != OPT_IN)
        self.users[user_id] = replace(user, fields=others + rows)

    def set_phone(self, user_id: int, *numbers: str, kind: str = "mobile") -> None:
        phones = tuple(Phone(self.next_id(), kind, one, self.now) for one in numbers)
        self.users[user_id] = replace(self.users[user_id], phones=phones)

    def edit_user(self, user_id: int, mapping: Mapping, value: str) -> None:
        user = self.users[user_id]
        if mapping.kind is Kind.CORE:
            self.users[user_id] = replace(user, **{mapping.actionkit_field: value})  # type: ignore[arg-type]
        else:
            self._set_row(user_id, mapping.actionkit_field, value, self.next_id(), 5, "signup")

    def edit_member(self, member_id: int, mapping: Mapping, value: str) -> None:
        member = self.members[member_id]
        old = strive_value(mapping, member)
        self.members[member_id] = edited(member, mapping, value)
        change = MemberChange(member_id, mapping.strive_field, old, value, "organizer", self.now)
        self.changes.append(change)

    def text(self, member_id: int, opt_in: bool) -> None:
        """The member texts STOP or JOIN."""
        self._set_status(member_id, opt_in, "keyword")

    def edit_groups(self, member_id: int, groups: frozenset[int]) -> None:
        self.members[member_id] = replace(self.members[member_id], groups=groups)

    def set_primary_group(self, group_id: int | None) -> None:
        """Which group everybody belongs to: without one, the sync takes members out again."""
        self.rules = replace(self.rules, primary_group=group_id)

    def merge(self, loser: int, primary: int, shown: bool = False) -> None:
        """`shown`: ActionKit goes on showing the user who was merged away."""
        self.merged[loser] = primary
        if not shown:
            self.users.pop(loser, None)

    def primary_of(self, user_id: int) -> int | None:
        """Who a user was merged into, at last."""
        primary = self.merged.get(user_id)
        while primary in self.merged:
            primary = self.merged[primary]
        return primary

    def pause(self, paused: bool = True) -> None:
        """Only refusals are carried, or everything again (A5)."""
        self.rules = replace(self.rules, refusals_only=paused)

    def add_member(self, number: str, opt_in: bool, **values: str) -> int:
        member_id = self.next_id()
        custom = {k: v for k, v in values.items() if k not in COLUMNS}
        columns = {k: v for k, v in values.items() if k in COLUMNS}
        member = Member(member_id, number, opt_in, custom=custom, created_at=self.now, **columns)  # type: ignore[arg-type]
        self.members[member_id] = member
        return member_id

    # --- a look, a decision, its effects ---

    def look(self, user_id: int) -> Seen:
        record, user = self.records.get(user_id), self.users.get(user_id)
        bequest = self._bequest(user_id)
        number = choose_number(user, self.rules, record).number if user else None
        linked = self._linked(record)
        if bequest is not None and (record is None or not (record.member_id or record.intent)):
            linked = self.members.get(bequest.member_id or 0)
        matched = next((m for m in self.members.values() if m.phone_number == number), None)
        numbers = set(numbers_of(user, self.rules, record)) if user else set()
        numbers |= {linked.phone_number} if linked else set()
        if record is not None:
            draft = record.intent.create if record.intent else None
            kept = (record.number, record.phone, draft.number if draft else None)
            numbers |= {one for one in kept if one}
        rivals = tuple(
            Rival(other.user_id, chosen, self._may_sync(other))
            for other in self.users.values()
            if other.user_id != user_id
            if (chosen := choose_number(other, self.rules, self.records.get(other.user_id)).number)
            in numbers
        )
        holder = self.claims.get(number or "")
        members = {m.member_id for m in (linked, matched) if m}
        return Seen(
            at=self.now,
            user=user,
            deleted=user is None,
            merged_into=self.primary_of(user_id),
            linked=linked,
            matched=matched,
            rivals=rivals,
            holder=holder,
            holder_lost=self._lost(holder, number, rivals),
            linked_holder=self.claims.get(linked.phone_number) if linked else None,
            member_holder=self.member_claims.get(matched.member_id) if matched else None,
            consent=self.consents.get(number or "", NumberConsent()),
            linked_consent=(
                self.consents.get(linked.phone_number, NumberConsent())
                if linked
                else NumberConsent()
            ),
            other_consents={one: self.consents.get(one, NumberConsent()) for one in numbers},
            events=tuple(one for one in self.events if one.member_id in members),
            changes=tuple(one for one in self.changes if one.member_id in members),
            erase=user_id in self.erasing,
            bequest=bequest,
            heir=self.records.get(self.primary_of(user_id) or 0),
        )

    def sync(self, user_id: int, crash_after: int | None = None) -> Plan:
        """One look, one decision, all its effects; or a crash after some of them."""
        seen = self.seen = self.look(user_id)
        known = self.records.get(user_id)
        if known is not None and known.intent is not None:
            marks = sync_ids(known.intent.intent_id)
            found = {one: self.actions[one] for one in marks if one in self.actions}
            known = recover(known, seen, found, self.now)
        if known is None and seen.user is None:
            known = Record(user_id)
        plan = decide(seen, known, self.rules, self.now)
        self.stakes = at_stake(plan, seen, self.rules)
        held = self.stakes & self.held
        held |= backfills(plan, self.rules, held) - self.discarded
        plan = discard(
            plan, known, (self.stakes | backfills(plan, self.rules, held)) & self.discarded
        )
        plan = withhold(plan, known, held)
        self.plans.append(plan)
        check_allowed(plan, known, self.rules)
        self._apply(plan, known, seen, user_id, crash_after)
        return plan

    def quiet(self, rounds: int = 8, minutes: float = 10) -> list[Plan]:
        """Cycles until one writes nothing and wants nobody to be looked at; all their plans."""
        plans: list[Plan] = []
        for _ in range(rounds):
            cycle = [self.sync(user_id) for user_id in self.everybody()]
            plans += cycle
            if not any(one.writes or one.look_again for one in cycle):
                return plans
            self.wait(minutes)
        raise AssertionError(f"not quiet after {rounds} cycles")

    def everybody(self) -> list[int]:
        primaries = {self.primary_of(one) or one for one in self.merged}
        heirs = {one for one in primaries if self._bequest(one) is not None}
        return sorted({*self.users, *self.records, *heirs})

    def member_of(self, user_id: int) -> Member:
        member_id = self.records[user_id].member_id
        assert member_id is not None
        return self.members[member_id]

    def reading(self, user_id: int) -> Reading:
        rows = [row for row in self.users[user_id].fields if row.name == OPT_IN]
        return read_rows(rows).reading

    # --- effects ---

    def _apply(
        self, plan: Plan, known: Record | None, seen: Seen, user_id: int, crash_after: int | None
    ) -> None:
        steps = 0

        def crashed() -> bool:
            nonlocal steps
            steps += 1
            return crash_after is not None and steps > crash_after

        if crashed():
            return
        if plan.claim is not None:
            holder = self.claims.get(plan.claim)
            assert holder in (None, user_id, plan.claim_over), "a claim was taken from its holder"
            self.claims[plan.claim] = user_id
        self.consents.update(plan.consent)
        member_id = plan.record.member_id
        if plan.nothing:
            return
        stored = self.records.get(user_id)
        if member_id is not None and (stored is None or stored.member_id != member_id):
            assert self.member_claims.get(member_id) in (None, user_id, plan.take_over)
            self.member_claims[member_id] = user_id
        if not plan.writes:
            self._keep(plan, plan.record)
            return
        name = f"intent-{self.next_id()}"
        intent = intent_of(plan, name, self.now, self.now + timedelta(minutes=2))
        self.records[user_id] = under_way(known or Record(user_id), plan, intent)
        done = Done()
        if plan.create is not None:
            if crashed():
                return
            done = self._create(plan.create, user_id)
        concerned = done.member or seen.linked or seen.matched
        effects = [self._write_member, self._write_values, self._write_consent, self._groups]
        self.chance.shuffle(effects)
        for effect in effects:
            if crashed():
                return
            done = effect(plan, done, concerned, name)
        if crashed():
            return
        self._keep(plan, settle(plan, done, self.now))

    def _keep(self, plan: Plan, record: Record) -> None:
        self.records[record.user_id] = record
        for number in plan.release:
            if self.claims.get(number) == record.user_id:
                del self.claims[number]
        if self.member_claims.get(plan.release_member or 0) == record.user_id:
            del self.member_claims[plan.release_member or 0]
        if plan.erase:
            self.erasing.discard(record.user_id)

    def _create(self, draft: Draft, user_id: int) -> Done:
        assert all(m.phone_number != draft.number for m in self.members.values())
        if draft.opt_in:
            assert not self.consents.get(draft.number, NumberConsent()).refused
        member_id = self.add_member(draft.number, draft.opt_in, **draft.values, **draft.custom)
        self._event(member_id, not draft.opt_in, "api")
        self._derive_state(member_id, draft.values)
        events = [one for one in self.events if one.member_id == member_id]
        assert not (draft.opt_in and overridden_refusal(events))
        self.member_claims[member_id] = user_id
        return Done(member=self.members[member_id])

    def _write_member(self, plan: Plan, done: Done, member: Member | None, _: str) -> Done:
        if not (plan.strive or plan.strive_custom or plan.opt_in_strive is not None):
            return done
        assert member is not None
        member_id = member.member_id
        values = {k: v for k, v in plan.strive.items() if k not in self.habits.strive_ignores}
        for name, value in values.items():
            old = getattr(self.members[member_id], name)
            self.changes.append(MemberChange(member_id, name, old, value, "api", self.now))
        for name, value in plan.strive_custom.items():
            old = self.members[member_id].custom.get(name, "")
            self.changes.append(MemberChange(member_id, name, old, value, "api", self.now))
        now = self.members[member_id]
        custom = {**now.custom, **plan.strive_custom}
        self.members[member_id] = replace(now, custom=custom, **values)  # type: ignore[arg-type]
        self._derive_state(member_id, values)
        if plan.opt_in_strive is not None:
            self._set_status(member_id, plan.opt_in_strive, "api")
        return replace(done, member=self.members[member_id])

    def _write_values(self, plan: Plan, done: Done, _: Member | None, name: str) -> Done:
        if not (plan.actionkit or plan.actionkit_custom):
            return done
        user_id = plan.record.user_id
        names = {*plan.actionkit, *plan.actionkit_custom}
        refused = names & self.habits.actionkit_refuses
        done = replace(done, actionkit_refused=frozenset(refused))
        if refused == names:
            return done
        action_id = self.actions[sync_ids(name)[0]] = self.next_id()
        columns = {k: v for k, v in plan.actionkit.items() if k not in refused}
        if self.habits.actionkit_capitalises:
            columns = {k: v.upper() if k != "email" else v for k, v in columns.items()}
        self.users[user_id] = replace(self.users[user_id], **columns)  # type: ignore[arg-type]
        for field_name, value in plan.actionkit_custom.items():
            if field_name not in refused:
                self._set_row(user_id, field_name, value, action_id, IMPORT_PAGE, "import")
        place = ZIPS.get(columns.get("zip", ""))
        if self.habits.actionkit_sets_place_from_zip and place:
            self.users[user_id] = replace(self.users[user_id], city=place[0], state=place[1])
        return replace(done, actions=(*done.actions, action_id))

    def _write_consent(self, plan: Plan, done: Done, _: Member | None, name: str) -> Done:
        if plan.opt_in_actionkit is None:
            return done
        action_id = self.actions[sync_ids(name)[1]] = self.next_id()
        value = "true" if plan.opt_in_actionkit else "false"
        self._set_row(plan.record.user_id, OPT_IN, value, action_id, IMPORT_PAGE, "import")
        return replace(done, actions=(*done.actions, action_id))

    def _groups(self, plan: Plan, done: Done, member: Member | None, _: str) -> Done:
        if not (plan.join or plan.leave):
            return done
        assert member is not None
        now = self.members[member.member_id]
        self.members[member.member_id] = replace(now, groups=(now.groups | plan.join) - plan.leave)
        return replace(done, joined=plan.join, left=plan.leave)

    def _set_row(
        self, user_id: int, name: str, value: str, action_id: int, page_id: int, kind: str
    ) -> None:
        user = self.users[user_id]
        row = FieldRow(name, value, self.now, action_id, page_id, kind)
        others = tuple(one for one in user.fields if one.name != name)
        self.users[user_id] = replace(user, fields=(*others, row))

    def _derive_state(self, member_id: int, values: Mapped) -> None:
        place = ZIPS.get(values.get("postal_code", ""))
        if self.habits.strive_sets_state_from_zip and place:
            self.members[member_id] = replace(self.members[member_id], state=place[1])

    def _set_status(self, member_id: int, opt_in: bool, kind: str) -> None:
        self.members[member_id] = replace(self.members[member_id], opt_in=opt_in)
        self._event(member_id, not opt_in, kind)

    def _event(self, member_id: int, unsubscribe: bool, kind: str) -> None:
        event_id = self.next_id()
        self.events.append(SubscriptionEvent(event_id, member_id, unsubscribe, kind, self.now))

    def _bequest(self, user_id: int) -> Record | None:
        """The record of one merged into the user, who still has a link."""
        losers = (one for one in self.merged if self.primary_of(one) == user_id)
        records = (self.records.get(one) for one in losers)
        return next((one for one in records if one is not None and one.member_id), None)

    def _may_sync(self, user: User) -> bool:
        """Whether a user is eligible, as far as one knows who is asked about others."""
        record = self.records.get(user.user_id)
        erased = record is not None and record.status is Status.ERASED
        return eligible(user, self.rules) and not erased and user.user_id not in self.merged

    def _linked(self, record: Record | None) -> Member | None:
        """The linked member, or the one whom an intent was about."""
        if record is None:
            return None
        intent = record.intent
        if record.member_id is None and intent is not None and intent.create is not None:
            number = intent.create.number
            return next((m for m in self.members.values() if m.phone_number == number), None)
        member_id = record.member_id or (intent.member_id if intent else None)
        return self.members.get(member_id or 0)

    def _lost(self, holder: int | None, number: str | None, rivals: tuple[Rival, ...]) -> bool:
        record = self.records.get(holder or 0)
        if record is not None and (
            record.member_id is not None
            or record.intent is not None
            or record.status is Status.MEMBER_DELETED
        ):
            return False
        return not any(
            one.user_id == holder and one.eligible and one.number == number for one in rivals
        )


def check_allowed(plan: Plan, known: Record | None, rules: Rules) -> None:
    """What no plan may do, whatever led to it."""
    options = {mapping.field_id: mapping.option for mapping in rules.mappings}
    for write in plan.field_writes:
        option, fills = options[write.field_id], not write.old
        if write.side is Side.ACTIONKIT:
            assert option is not Option.ONE_WAY_OVERWRITE_STRIVE
            assert fills or option in OVERWRITES_ACTIONKIT
            assert write.name != "email" or fills
        else:
            assert option is not Option.ONE_WAY_OVERWRITE_ACTIONKIT
            assert fills or option in OVERWRITES_STRIVE
    erased = plan.erase or (known is not None and known.status is Status.ERASED)
    if erased or rules.refusals_only:
        assert plan.opt_in_strive is not True
        assert plan.opt_in_actionkit is not True
        others = (plan.create, plan.field_writes, plan.join, plan.leave, plan.claim)
        assert not any(others)
        assert plan.take_over is None
    if erased:
        assert plan.opt_in_actionkit is None
        assert plan.record.status is Status.ERASED


def edited(member: Member, mapping: Mapping, value: str) -> Member:
    """The member with another value of a field."""
    if mapping.kind is Kind.CORE:
        return replace(member, **{mapping.strive_field: value})  # type: ignore[arg-type]
    return replace(member, custom={**member.custom, mapping.strive_field: value})


def agree(mapping: Mapping, user: User, member: Member) -> bool:
    """Whether both sides show the same value of a field."""
    return same(mapping.name, actionkit_value(mapping, user), strive_value(mapping, member))


__all__ = ["NUMBERS", "OPT_IN", "START", "ZIPS", "Habits", "Side", "World", "agree", "rules_with"]
