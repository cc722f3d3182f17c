"""Ring 1, whole people: users who share numbers, members, consent, deletions, crashes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from instep.domain.consent import Reading
from instep.domain.people import Phone, User
from instep.domain.phone import numbers_of
from instep.domain.plan import Plan
from instep.domain.record import NumberConsent, Status, Warning  # noqa: A004
from instep.domain.rules import Option, Resubscribe
from tests.property.small_world import IMPORT_PAGE, NUMBERS, Habits, World, rules_with

USERS = (1, 2, 3)


@dataclass(frozen=True)
class Step:
    """Something that happens. `user` and `number` say to whom, where it matters."""

    kind: str
    user: int
    number: str
    value: str
    minutes: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(
            ["set", "set", "set", "upload", "stop", "stop", "join", "phone", "home", "sync",
             "sync", "cycle", "cycle", "delete user", "delete member", "add member", "crash",
             "first name", "merge", "merge shown", "erase", "erase there", "pause", "resume"]
        ),
        st.sampled_from(USERS),
        st.sampled_from(NUMBERS[:2]),
        st.sampled_from(["yes", "no", "TBD", ""]),
        st.sampled_from([1, 16, 30, 90]),
    ),
    max_size=14,
)  # fmt: skip
SETTINGS = st.sampled_from(list(Resubscribe))


@dataclass
class Ghost:
    """What a bystander knows of refusals, apart from what the application keeps.

    `stopped`: numbers whose member texted STOP last, as a look of their linked user saw.
    `refused`: numbers that a user's turn from true to false refused, as looks saw.
    """

    setting: Resubscribe
    stopped: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    last_reading: dict[int, Reading] = field(default_factory=dict)
    last_text: dict[int, bool] = field(default_factory=dict)

    def before(self, one: World, user_id: int) -> None:
        """Just before a look that decides: what it will see."""
        if user_id not in one.users:
            return
        record, reading = one.records.get(user_id), one.reading(user_id)
        if user_id in one.merged or (record is not None and record.status is Status.ERASED):
            return
        rows = [r for r in one.users[user_id].fields if r.name == one.rules.opt_in_userfield]
        ours = any(row.page_id == IMPORT_PAGE for row in rows)
        turned = self.last_reading.get(user_id) is Reading.TRUE and reading is Reading.FALSE
        user = one.users[user_id]
        erased = user.erased or user_id in one.erasing
        if (turned and not ours) or erased:
            numbers = set(numbers_of(user, one.rules, record, chosen_types_only=True))
            if erased and record is not None:
                numbers |= {one for one in (record.number, record.phone) if one}
            # Who joined and was not looked at yet is seen to have done so later.
            self.refused |= numbers - joining(one, but_of=user_id)
        if turned or not one.rules.refusals_only:
            self.last_reading[user_id] = reading
        member = one.members.get(record.member_id or 0) if record else None
        if member is not None and self.last_text.get(member.member_id) is False:
            self.stopped.add(member.phone_number)

    def after(
        self, plan: Plan, number: str | None, member_id: int | None, before: NumberConsent
    ) -> None:
        """What a plan did: no refusal was turned into an opt-in."""
        opts_in = plan.opt_in_strive is True or (plan.create is not None and plan.create.opt_in)
        if not opts_in or number is None:
            return
        if plan.create is not None:
            assert not before.refused
            assert number not in self.stopped
            assert number not in self.refused
        if number in self.stopped:
            assert self.setting is not Resubscribe.NEVER
        self.stopped.discard(number)
        self.refused.discard(number)
        self.last_text.pop(member_id or 0, None)

    def set_true(self, one: World, user_id: int) -> None:
        record = one.records.get(user_id)
        if record is not None and record.number is not None and record.member_id is not None:
            self.refused.discard(record.number)


def joining(one: World, but_of: int) -> set[str]:
    """Numbers whose linked member joined, as no look has seen yet."""
    return {
        member.phone_number
        for record in one.records.values()
        if record.user_id != but_of and record.consent.opted_in is False
        if (member := one.members.get(record.member_id or 0)) is not None and member.opt_in
    }


class Story:
    """A world, the bystander, and the steps."""

    def __init__(self, setting: Resubscribe, option: Option, seed: int) -> None:
        rules = rules_with({"first_name": option}, resubscribe=setting)
        self.world = World(rules, random.Random(seed), Habits())
        self.ghost = Ghost(setting)
        self.crashed: set[int] = set()

    def sync(self, user_id: int, crash_after: int | None = None) -> Plan | None:
        one = self.world
        if user_id not in one.everybody():
            return None
        record = one.records.get(user_id)
        if record is not None and record.intent and record.intent.expires_at > one.now:
            return None
        self.ghost.before(one, user_id)
        consents = dict(one.consents)
        plan = one.sync(user_id, crash_after)
        number = plan.create.number if plan.create else None
        seen = one.seen
        member = (seen.linked or seen.matched) if seen else None
        number = number or (member.phone_number if member else None)
        member_id = member.member_id if member else None
        self.ghost.after(plan, number, member_id, consents.get(number or "", NumberConsent()))
        check_claims(one)
        return plan

    def cycle(self) -> list[Plan]:
        """Everybody is looked at, and whoever is to be looked at because of what was decided."""
        plans: list[Plan] = []
        waiting = self.world.everybody()
        for _ in range(100):
            if not waiting:
                return plans
            plan = self.sync(waiting.pop(0))
            if plan is not None:
                plans.append(plan)
                waiting += [one for one in plan.look_again if one not in waiting]
        raise AssertionError("looked at each other again and again")

    def quiet(self) -> None:
        """Goes on until nothing is written and no answer awaited: three cycles may write (F6)."""
        self.world.pause(False)
        for cycle in range(8):
            self.world.wait(10)
            wrote = any(plan.writes for plan in self.cycle())
            assert not wrote or cycle < 3, "still writing in the fourth cycle"
            waiting = [r for r in self.world.records.values() if r.intent is not None or r.awaits]
            if not wrote and not waiting:
                return
        raise AssertionError("answers are still awaited")

    def happen(self, step: Step) -> None:
        one, user_id = self.world, step.user
        member = next((m for m in one.members.values() if m.phone_number == step.number), None)
        match step.kind:
            case "cycle":
                self.cycle()
            case "sync":
                self.sync(user_id)
            case "crash":
                self.sync(user_id, crash_after=step.minutes % 7)
            case "stop" | "join" if member is not None:
                one.text(member.member_id, opt_in=step.kind == "join")
                self.ghost.last_text[member.member_id] = step.kind == "join"
                if step.kind == "join":
                    self.ghost.stopped.discard(step.number)
                    self.ghost.refused.discard(step.number)
            case "delete member" if member is not None:
                del one.members[member.member_id]
            case "add member" if member is None:
                one.add_member(step.number, opt_in=step.value == "yes", first_name="Eve")
                if step.value == "yes":
                    self.ghost.stopped.discard(step.number)
                    self.ghost.refused.discard(step.number)
            case "pause" | "resume":
                one.pause(step.kind == "pause")
            case "erase" if user_id in one.users or user_id in one.records:
                one.erasing.add(user_id)
            case "erase there" if user_id in one.users:
                one.users[user_id] = User(user_id, f"erased{user_id}", erased=True)
            case "merge" | "merge shown":
                primary = user_id % 3 + 1
                if {user_id, primary} <= one.users.keys() - one.merged.keys():
                    one.merge(user_id, primary, shown=step.kind == "merge shown")
            case _ if user_id in one.merged or self._erased(user_id):
                pass
            case "delete user":
                one.users.pop(user_id, None)
                self.ghost.last_reading.pop(user_id, None)
            case "set" | "upload" if user_id in one.users:
                kind = "import" if step.kind == "upload" else "signup"
                one.set_opt_in(user_id, *([step.value] if step.value else []), page_type=kind)
                if step.value == "yes":
                    self.ghost.set_true(one, user_id)
            case "set" | "phone" | "home":
                user = one.users.setdefault(user_id, User(user_id, f"u{user_id}@example.org"))
                phone = Phone(one.next_id(), "home" if step.kind == "home" else "mobile",
                              step.number, one.now)  # fmt: skip
                kept = tuple(p for p in user.phones if p.type != phone.type)
                one.users[user_id] = replace(user, phones=(*kept, phone))
            case "first name" if user_id in one.users:
                one.edit_user(user_id, one.rules.mappings[0], step.value)
            case _:
                pass
        one.wait(step.minutes)

    def _erased(self, user_id: int) -> bool:
        user, record = self.world.users.get(user_id), self.world.records.get(user_id)
        shown = user is not None and user.erased
        return shown or (record is not None and record.status is Status.ERASED)


def check_claims(one: World) -> None:
    """Two users never have the same number or the same member (U2), but for one whose link has
    passed or is ending."""
    ending = (Status.DELETED, Status.ERASED)
    records = [r for r in one.records.values() if r.status not in ending]
    linked = [r for r in records if r.member_id is not None]
    members = [r.member_id for r in linked]
    numbers = [r.number for r in records if r.number is not None]
    assert len(members) == len(set(members))
    assert len(numbers) == len(set(numbers))
    for record in linked:
        assert one.claims.get(record.number or "") == record.user_id


def check_rest(story: Story) -> None:
    """What must be true of everybody once nothing moves any more."""
    one = story.world
    for user_id, record in one.records.items():
        if record.member_id is None:
            assert record.groups == frozenset()
            assert not record.warnings
            if record.status is Status.ERASED:
                assert record.email == ""
                assert record.phone is record.number is None
                assert record.fields == {}
            continue
        assert record.status not in (Status.DELETED, Status.ERASED)
        member = one.members[record.member_id]
        number, consent = member.phone_number, one.consents.get(member.phone_number)
        assert not (consent and consent.refused and member.opt_in), "opted in over a refusal"
        if number in story.ghost.stopped | story.ghost.refused:
            assert not member.opt_in
        if user_id not in one.users or Warning.PHONE_DIFFERS in record.warnings:
            continue
        reading = one.reading(user_id)
        if member.opt_in:
            assert reading in (Reading.TRUE, Reading.NONE)
            assert (reading is Reading.NONE) is (Warning.OPT_IN_CLEARED in record.warnings)
        elif reading is Reading.TRUE:
            assert record.warnings & {
                Warning.RESUBSCRIBE_NEEDS_CONSENT, Warning.OPT_IN_PREDATES_PHONE,
            }  # fmt: skip
        elif reading is Reading.UNRECOGNISED:
            assert record.consent.not_asked or record.created_member


@given(STEPS, SETTINGS, st.sampled_from(list(Option)), st.integers(0, 3))
@settings(max_examples=1500)
def test_whatever_happens_it_comes_to_rest_and_refusals_stand(
    steps: list[Step], setting: Resubscribe, option: Option, seed: int
) -> None:
    story = Story(setting, option, seed)
    for user_id in (1, 2):
        story.happen(Step("phone", user_id, NUMBERS[0], "", 1))
        story.happen(Step("set", user_id, NUMBERS[0], "yes", 1))
    for step in steps:
        story.happen(step)
    story.quiet()
    check_rest(story)
    for user_id in story.world.everybody():
        record = story.world.records[user_id]
        story.world.wait(60)
        plan = story.sync(user_id)
        assert plan is not None
        assert replace(plan, erase=False) == Plan(record)


@given(STEPS, SETTINGS, st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=300)
def test_the_order_of_effects_does_not_matter(
    steps: list[Step], setting: Resubscribe, seed: int, other_seed: int
) -> None:
    """The same story with the effects of each plan in another order ends the same."""
    ends = []
    for chance in (seed, other_seed + 100):
        story = Story(setting, Option.TWO_WAY, chance)
        story.happen(Step("phone", 1, NUMBERS[0], "", 1))
        story.happen(Step("set", 1, NUMBERS[0], "yes", 1))
        for step in steps:
            if step.kind != "crash":
                story.happen(step)
        story.quiet()
        people = [
            (r.user_id, r.status, r.number, r.warnings, r.consent.opted_in, r.consent.actionkit)
            for r in story.world.records.values()
        ]
        ends.append(people)
    assert ends[0] == ends[1]


@given(st.permutations(USERS), st.sets(st.sampled_from(USERS)))
def test_u2_who_wins_does_not_depend_on_the_order(order: list[int], without: set[int]) -> None:
    one = World(rules_with())
    for user_id in USERS:
        one.users[user_id] = User(user_id, f"u{user_id}@example.org")
        one.set_phone(user_id, NUMBERS[0])
        if user_id not in without:
            one.set_opt_in(user_id, "yes")
    for user_id in order:
        one.sync(user_id)
    one.quiet()
    winners = [u for u, r in one.records.items() if r.status is Status.SYNCED]
    assert winners == sorted(set(USERS) - without)[:1]
