"""What pages, groups and automations promise, one scenario each: quick, complete, once, and nobody
texted whom no live action of their own calls for (P, G)."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from instep.domain.account import Phase
from instep.domain.record import Status
from instep.domain.rules import Automation, Option
from instep.use_cases import holds, sources
from instep.use_cases.action_list import ShownAction, list_actions
from instep.use_cases.activation import pause, resume, switch_off
from instep.use_cases.automations import WantedRule, list_rule_runs, make_automation
from instep.use_cases.choices import read_choices
from instep.use_cases.connect import connect
from instep.use_cases.cursors import read_cursors
from instep.use_cases.errors import StateError
from instep.use_cases.holds import ShownHold
from instep.use_cases.sources import Naming, Wanted
from local.twins.actionkit import Unknowns as ActionKitUnknowns
from local.twins.actionkit.records import PastAction
from local.twins.http import Request
from local.twins.strive import Unknowns as StriveUnknowns
from tests.simulation.lanes import load_handler
from tests.simulation.loop import SECOND, Task
from tests.simulation.ports import AwsError
from tests.simulation.story import ACCOUNT, CAMPAIGN, OPT_IN, Story, draw
from tests.simulation.world import PASSWORD, TICK_SECONDS, Simulation

CYCLE = TICK_SECONDS + 60
DAY = 86_400
WHO = "ana"
ENDLESS = 1_000_000_000


def plain(per_minute: int) -> Story:
    """Nobody is there yet; the sizes are those of the product."""
    story = draw(7, 3)
    return replace(
        story,
        people=(),
        members=(),
        options={
            name: Option.POPULATE_OVERWRITE_STRIVE if name == "email" else Option.TWO_WAY
            for name in story.options
        },
        custom={},
        derives=False,
        settings={
            "phone_types": (),
            "phone_fallback": False,
            "default_region": "US",
            "records_per_minute": per_minute,
        },
        bulk_concurrency=14,
        batch=60,
        window=5000,
        backlog=240,
        windows_per_execution=100,
        actionkit_unknowns=ActionKitUnknowns(),
        strive_unknowns=StriveUnknowns(),
    )


class Town(Simulation):
    """An account that is on. ActionKit pushes what people do to the webhook."""

    def __init__(self, people: int = 0, per_minute: int = 1000) -> None:
        super().__init__(plain(per_minute))
        self.most_calls = ENDLESS
        self.gap_seconds = TICK_SECONDS
        self.functions.add("webhook", load_handler("webhook", self.world, {}), 10)
        self.lost: Callable[[int], bool] = lambda action_id: False
        self._due: datetime | None = None
        self.actionkit.on_action(lambda action_id: self.loop.at(0, self._deliver))
        self.actionkit.pushes.add("http://127.0.0.1/webhook", "instep", payload="json")
        self.page, self.survey = self.add_page("petition"), self.add_page("survey", "Survey")
        self.list = self.actionkit.add_page(
            "list", "Import", import_settings={"default_source": "spring list"}
        )
        self.drivers = self.actionkit.add_usergroup("Drivers")
        self.people = [self.add_person(number) for number in range(people)]
        self.run()
        self.loop.trace.clear()

    # --- time, staff, the webhook ---

    def wait(self, seconds: float) -> None:
        self.loop.run_until(lambda: False, seconds)
        self.loop.trace.clear()

    def wait_for(self, done: Callable[[], bool], seconds: float) -> float:
        """How long it took, looked at four times a second."""
        began, until = self.loop.now_us, self.loop.now_us + seconds * SECOND
        while not done():
            assert self.loop.now_us < until, f"not in {seconds} seconds"
            self.loop.at(SECOND // 4, lambda: None)
            self.wait(0.25)
        return (self.loop.now_us - began) / SECOND

    def _next_gap(self) -> int:
        return self.gap_seconds * SECOND

    def staff(self, call: Callable[[], Any]) -> Any:
        """A call of staff's, made and answered."""
        task = self.loop.spawn("staff", call)
        self.loop.run_until(lambda: task.ended, 60)
        if task.error is not None:
            raise task.error
        return task.result

    def _deliver(self) -> None:
        """Sends what is due, and comes again when more is."""
        pushes = self.actionkit.pushes
        for push in pushes.take_due():
            if self.lost(json.loads(push.body)["action_id"]):
                continue
            event = {
                "requestContext": {"http": {"method": "POST"}},
                "pathParameters": {
                    "account_id": ACCOUNT,
                    "token": self.account().settings.webhook_token,
                },
                "isBase64Encoded": False,
                "body": push.body.decode(),
                "headers": dict(push.headers),
            }

            def ended(task: Task, push: Any = push) -> None:
                assert task.error is None
                pushes.answered(push, task.result["statusCode"])

            self.functions.invoke("webhook", event, ended)
        following = pushes.next_at()
        if following is not None and (self._due is None or following < self._due):
            self._due = following
            wait = max(0.0, (following - self.loop.now()).total_seconds())
            self.loop.at(int(wait * SECOND) + 1000, self._come_again)

    def _come_again(self) -> None:
        self._due = None
        self._deliver()

    # --- people ---

    def add_person(self, number: int, phone: bool = True, opt_in: str = "yes") -> int:
        user_id = self.actionkit.add_user(f"person{number}@example.org", subscribed=True)
        if phone:
            self.give_phone(user_id, number)
        if opt_in:
            self.actionkit.set_field(user_id, OPT_IN, [opt_in])
        return user_id

    def give_phone(self, user_id: int, number: int) -> None:
        area = ("312", "415", "646", "202")[number // 9000]
        self.actionkit.add_phone(user_id, f"{area}555{number % 9000 + 1000:04d}")

    def add_page(self, name: str, kind: str = "Petition") -> int:
        return self.actionkit.add_page(name, kind, title=f"Page {name}", send_email=False)

    def act(self, user_id: int, page: str = "petition", **given: Any) -> int:
        return self.actionkit.take_action(page, {"suppress_subscribe": "1", **given}, user_id)

    def acted_long_ago(
        self, users: Collection[int], days: float = 365, page: str = "petition", **fields: str
    ) -> list[int]:
        at = self.loop.now() - timedelta(days=days)
        return self.actionkit.add_past_actions(page, users, at, fields)

    # --- what staff choose ---

    def sync_page(self, page_id: int | None = None, filled: bool = True) -> int:
        """The page's group; `filled`: its backfill has ended."""
        wanted = self.page if page_id is None else page_id
        source = self.staff(
            lambda: sources.sync_page(self.world, ACCOUNT, WHO, wanted, Naming(use_existing=True))
        )
        if filled:
            self.wait_for_backfills()
        group: int = source.group_id
        return group

    def sync_usergroup(self) -> int:
        source = self.staff(
            lambda: sources.sync_usergroup(self.world, ACCOUNT, WHO, self.drivers, Naming())
        )
        self.wait_for_backfills()
        group: int = source.group_id
        return group

    def make_reds(self) -> tuple[str, int]:
        """A group of those who said red on any page."""
        wanted = Wanted("Reds", "colour", None, "red")
        source = self.staff(
            lambda: sources.make_actionfield_group(self.world, ACCOUNT, WHO, wanted, False)
        )
        self.wait_for_backfills()
        return source.source_id, source.group_id

    def wait_for_backfills(self, seconds: float = 3600) -> float:
        return self.wait_for(lambda: not read_cursors(self.world, ACCOUNT).backfills, seconds)

    def add_flow_group(self, name: str) -> int:
        flow = self.strive.add_flow(CAMPAIGN, name)
        return self.strive.add_group(CAMPAIGN, name, flow)

    def put_flow(self, group: int) -> None:
        self.strive.edit_group(group, flow_id=self.strive.add_flow(CAMPAIGN, f"Flow {group}"))

    def add_rule(
        self, group: int | None, event: bool = False, once_per: Any = "action", page: Any = None
    ) -> Automation:
        wanted = WantedRule(page, None, None, once_per, group, event)
        made: Automation = self.staff(lambda: make_automation(self.world, ACCOUNT, WHO, wanted))
        return made

    # --- what came of it ---

    def member(self, user_id: int) -> int:
        member_id = self.records()[user_id].member_id
        assert member_id is not None
        return member_id

    def inside(self, group: int) -> set[int]:
        """Users whose members are in a group; members of nobody as negative ids."""
        users = {one.member_id: user_id for user_id, one in self.records().items() if one.member_id}
        return {users.get(one, -one) for one in self.strive.group_members(group)}

    def texts(self) -> Counter[int]:
        """How many texts each user got."""
        users = {one.member_id: user_id for user_id, one in self.records().items() if one.member_id}
        return Counter(users[one["member_id"]] for one in self.strive.texts())

    def listed(self, user_id: int | None = None) -> list[ShownAction]:
        """Newest first."""
        return list_actions(self.world, ACCOUNT, None, user_id, None, 500)[0]

    def outcomes(self, user_id: int | None = None) -> list[tuple[str, str | None]]:
        """Of the actions, oldest first."""
        shown = reversed(self.listed(user_id))
        return [(one.outcome, one.reason[0] if one.reason else None) for one in shown]

    def runs(self, rule: Automation) -> list[tuple[int, str, str]]:
        """Oldest action first."""
        items, _ = list_rule_runs(self.world, ACCOUNT, rule.rule_id, None, 5000)
        return [(one["action_id"], one["outcome"], one["reason"]) for one in reversed(items)]

    def holds(self) -> list[ShownHold]:
        return holds.list_holds(self.world, ACCOUNT, None, 100)[0]


@contextmanager
def town(people: int = 0, per_minute: int = 1000) -> Iterator[Town]:
    """After its initial sync."""
    one = Town(people, per_minute)
    try:
        yield one
    finally:
        one.close()


# --- (a) at once ---


def test_p3_a_stranger_signs_and_is_synced_grouped_and_thanked_in_five_seconds() -> None:
    with town() as s:
        group, thanked = s.sync_page(), s.add_flow_group("Thank you")
        rule = s.add_rule(thanked, event=True)
        s.wait(30)
        given = {
            "email": "stranger@example.org",
            "mobile_phone": "+13125550177",
            f"user_{OPT_IN}": "true",
            "action_colour": "red",
        }
        action_id = s.actionkit.take_action("petition", given)
        took = s.wait_for(lambda: len(s.strive.group_members(group)) == 1, 5)
        s.wait(5 - took)
        (user_id,) = s.inside(group)
        assert s.records()[user_id].status is Status.SYNCED
        (shown,) = s.listed()
        assert (shown.action_id, shown.user_id, shown.outcome) == (action_id, user_id, "synced")
        assert (shown.member_id, shown.fields) == (s.member(user_id), {"colour": ["red"]})
        assert s.runs(rule) == [(action_id, "done", "done")]
        assert s.texts() == {user_id: 1}
        assert [one.detail["action_id"] for one in s.events.inner.published] == [action_id]
        s.wait(3 * CYCLE)
        assert s.texts() == {user_id: 1}
        assert len(s.events.inner.published) == 1


def test_p3_a_user_who_is_synced_already_is_in_the_group_in_five_seconds() -> None:
    with town(3) as s:
        group, thanked = s.sync_page(), s.add_flow_group("Thank you")
        rule = s.add_rule(thanked)
        s.wait(30)
        user_id = s.people[1]
        action_id = s.act(user_id)
        took = s.wait_for(lambda: len(s.strive.group_members(thanked)) == 1, 5)
        s.wait(5 - took)
        assert s.inside(group) == s.inside(thanked) == {user_id}
        assert s.outcomes() == [("synced", None)]
        assert s.runs(rule) == [(action_id, "done", "done")]
        s.wait(3 * CYCLE)
        assert s.texts() == {user_id: 1}


# --- (b) later ---


@pytest.mark.parametrize("missing", ["phone", "opt_in"])
def test_p3_who_becomes_eligible_joins_all_groups_and_is_not_texted(missing: str) -> None:
    with town() as s:
        thanked = s.add_flow_group("Thank you")
        groups = [s.sync_page(), s.sync_page(s.survey), s.sync_usergroup(), s.make_reds()[1]]
        rule = s.add_rule(thanked)
        user_id = s.add_person(50, missing != "phone", "yes" if missing == "phone" else "")
        s.actionkit.join(user_id, s.drivers)
        taken = [s.act(user_id, "petition", action_colour="Red"), s.act(user_id, "survey")]
        s.wait(30)
        reason = "no_phone" if missing == "phone" else "no_opt_in_value"
        assert s.outcomes() == [("waiting", reason)] * 2
        assert s.runs(rule) == [(one, "not_eligible", "not_synced") for one in taken]
        if missing == "phone":
            s.give_phone(user_id, 50)
        else:
            s.actionkit.set_field(user_id, OPT_IN, ["yes"])
        s.wait(2 * CYCLE)
        assert [s.inside(one) for one in groups] == [{user_id}] * 4
        assert s.outcomes() == [("synced", None)] * 2
        assert s.runs(rule) == [(one, "not_eligible", "not_synced") for one in taken]
        assert (s.texts(), s.inside(thanked)) == ({}, set())


# --- (c) webhooks in any order ---


def test_p5_two_thousand_webhooks_tripled_shuffled_and_a_tenth_lost() -> None:
    """After the next scheduled sync there are exactly the right groups, actions and texts."""
    chance = random.Random(5)
    with town(200) as s:
        refusing = s.people[::7]
        for one in refusing:
            s.actionkit.set_field(one, OPT_IN, ["no"])
        groups = {"petition": s.sync_page(), "survey": s.sync_page(s.survey)}
        _, reds = s.make_reds()
        thanked = s.add_flow_group("Thank you")
        once, each = s.add_rule(thanked, once_per="person"), s.add_rule(None, event=True)
        s.wait(2 * CYCLE)
        assert not any(s.strive.member(s.member(one))["opt_in"] for one in refusing)
        s.actionkit.pushes.change(repeats=2, max_delay_seconds=60.0)
        s.lost = lambda action_id: action_id % 10 == 0
        taken: dict[int, tuple[int, str, str]] = {}

        def act() -> None:
            user_id, page = chance.choice(s.people), chance.choice(["petition", "survey"])
            colour = chance.choice(["red", "Red ", "blue"])
            action_id = s.act(user_id, page, action_colour=colour)
            taken[action_id] = (user_id, page, colour)

        for number in range(2000):
            s.loop.at(int(number * 0.3 * SECOND), act)
        s.wait(600)
        assert len(taken) == 2000
        s.wait(2 * CYCLE)
        for page, group in groups.items():
            assert s.inside(group) == {user for user, name, _ in taken.values() if name == page}
        assert s.inside(reds) == {user for user, _, said in taken.values() if said != "blue"}
        listed: dict[int, int] = {}
        after: str | None = None
        while True:
            some, after = list_actions(s.world, ACCOUNT, None, None, after, 500)
            listed |= {one.action_id: one.user_id for one in some}
            assert {one.outcome for one in some} == {"synced"}
            if after is None:
                break
        assert listed == {action_id: user for action_id, (user, _, _) in taken.items()}
        glad = {user for user, _, _ in taken.values()} - set(refusing)
        assert s.texts() == dict.fromkeys(glad, 1)
        assert s.inside(thanked) == glad
        published = Counter(one.detail["action_id"] for one in s.events.inner.published)
        assert published == {one: 1 for one, (user, _, _) in taken.items() if user in glad}
        assert {one: said for one, said, _ in s.runs(each)} == {
            one: "done" if user in glad else "not_opted_in" for one, (user, _, _) in taken.items()
        }
        assert [said for _, said, _ in s.runs(once)].count("done") == len(glad)
        assert not s.live.dead_letters
        assert s.actionkit.most_users_in_any_60_seconds() <= 1000


# --- (d) past actions ---

MANY = 3000
HELD = 1000


def many_past_actions(s: Town) -> None:
    """Twenty thousand, of everybody several."""
    chance = random.Random(3)
    times = [s.loop.now() - timedelta(days=chance.uniform(2, 900)) for _ in range(20_000)]
    some = [*s.people, *(chance.choice(s.people) for _ in range(20_000 - len(s.people)))]
    s.actionkit.import_actions(
        [PastAction(s.page, one, at) for one, at in zip(some, times, strict=True)]
    )
    s.actionkit.reset_counts()


def test_p2_twenty_thousand_past_actions_fill_a_group_at_the_accounts_pace() -> None:
    """A live action meanwhile is in its group within five seconds, and nobody is texted but by
    it."""
    with town(MANY) as s:
        live_group, thanked = s.sync_page(s.survey), s.add_flow_group("Thank you")
        s.add_rule(thanked)
        s.wait(120)
        many_past_actions(s)
        group = s.sync_page(filled=False)
        s.wait(60)
        assert 0 < len(s.strive.group_members(group)) < MANY
        live = s.people[-1]
        s.act(live, "survey")
        s.wait_for(lambda: bool(s.strive.group_members(live_group)), 5)
        s.wait_for_backfills()
        assert s.inside(group) == set(s.people)
        assert s.inside(live_group) == s.inside(thanked) == {live}
        assert s.texts() == {live: 1}
        most = s.actionkit.most_users_in_any_60_seconds()
        assert 950 <= most <= 1000
        s.wait(CYCLE)
        assert s.texts() == {live: 1}


def test_p8_into_a_group_with_a_flow_they_all_wait_for_one_word_of_staff() -> None:
    with town(HELD) as s:
        many_past_actions(s)
        flowing = s.add_flow_group("Page petition")
        assert s.sync_page() == flowing
        assert (s.inside(flowing), s.texts()) == (set(), {})
        (hold,) = s.holds()
        assert (hold.hold.kind.value, hold.hold.group_id) == ("group_backfill", flowing)
        assert (hold.people, hold.opted_in) == (HELD, HELD)
        assert s.outcomes(s.people[0])[0] == ("waiting", "held")
        live = s.people[-1]
        s.act(live)
        s.wait_for(lambda: s.strive.group_members(flowing) == [s.member(live)], 5)
        s.wait(30)
        hold_id = hold.hold.hold_id
        with pytest.raises(StateError) as error:
            s.staff(lambda: holds.release(s.world, ACCOUNT, WHO, hold_id, HELD))
        assert error.value.code == "number_changed"
        assert s.texts() == {live: 1}
        s.staff(lambda: holds.release(s.world, ACCOUNT, WHO, hold_id, HELD - 1))
        s.wait_for(lambda: len(s.strive.group_members(flowing)) == HELD, 900)
        s.wait(2 * CYCLE)
        assert s.texts() == dict.fromkeys(s.people, 1)
        assert s.holds() == []
        assert s.actionkit.most_users_in_any_60_seconds() <= 1000


# --- (e) memberships follow ---


def test_g4_p5_memberships_follow_what_gave_them() -> None:
    """Leaving a usergroup, a deleted action, spam that is none, also of people linked later. A
    membership made by hand stays."""
    with town(5) as s:
        leaver, deleted, spam, by_hand, both = s.people
        later = s.add_person(90, phone=False)
        for one in (leaver, by_hand, later):
            s.actionkit.join(one, s.drivers)
        actions = {one: s.act(one) for one in (deleted, spam, both, later)}
        page, drivers = s.sync_page(), s.sync_usergroup()
        s.strive.join_group(page, s.member(by_hand))
        s.strive.join_group(drivers, s.member(both))
        s.wait(CYCLE)
        assert s.inside(page) == {deleted, spam, both, by_hand}
        assert s.inside(drivers) == {leaver, by_hand, both}
        s.actionkit.leave(leaver, s.drivers)
        s.actionkit.delete_action(actions[deleted])
        s.actionkit.set_action_status(actions[spam], "spam")
        s.give_phone(later, 90)
        s.wait(2 * CYCLE)
        assert s.inside(page) == {both, by_hand, later}
        assert s.inside(drivers) == {by_hand, both, later}
        s.actionkit.set_action_status(actions[spam], "complete")
        s.actionkit.leave(by_hand, s.drivers)
        s.actionkit.leave(later, s.drivers)
        s.actionkit.delete_action(actions[later])
        s.wait(2 * CYCLE)
        assert s.inside(page) == {both, by_hand, spam}
        assert s.inside(drivers) == {both}
        assert s.texts() == {}


def test_p2_let_go_the_group_stays_as_it_is() -> None:
    """Nobody is taken out or put in any more; synced again, those of before are staff's."""
    with town(3) as s:
        first, second, third = s.people
        action_id = s.act(first)
        s.act(second)
        group = s.sync_page()
        assert s.inside(group) == {first, second}
        s.staff(lambda: sources.unsync_page(s.world, ACCOUNT, WHO, s.page))
        s.wait_for_backfills()
        s.actionkit.delete_action(action_id)
        s.act(third)
        s.wait(2 * CYCLE)
        assert s.inside(group) == {first, second}
        assert s.listed() == []
        assert s.sync_page() == group
        assert s.inside(group) == {first, second, third}
        s.wait(2 * CYCLE)
        assert s.inside(group) == {first, second, third}


@pytest.mark.parametrize("by_hand", [False, True])
def test_g3_a_deleted_actionfield_group_empties_and_goes_unless_somebody_else_is_in_it(
    by_hand: bool,
) -> None:
    with town(4) as s:
        first, second, own, later = s.people
        s.sync_page()
        source_id, reds = s.make_reds()
        for one in (first, second):
            s.act(one, action_colour="red")
        s.act(later, action_colour="blue")
        s.wait(30)
        if by_hand:
            s.strive.join_group(reds, s.member(own))
        assert s.inside(reds) == {first, second} | ({own} if by_hand else set())
        s.staff(lambda: sources.delete_actionfield_group(s.world, ACCOUNT, WHO, source_id))
        s.act(later, action_colour="red")
        s.wait_for_backfills()
        s.wait(CYCLE)
        there = [row["id"] for row in s.strive.tables["groups"]]
        assert (reds in there) is by_hand
        if by_hand:
            assert s.inside(reds) == {own}
        assert read_choices(s.world, ACCOUNT).source(source_id) is None


def test_g5_a_deleted_page_group_is_made_again_and_filled_without_a_text() -> None:
    with town(3) as s:
        group, thanked = s.sync_page(), s.add_flow_group("Thank you")
        s.add_rule(thanked)
        s.wait(5)
        for one in s.people:
            s.act(one)
        s.wait(30)
        assert s.inside(group) == set(s.people)
        texted = s.texts()
        s.strive.delete_group(group)
        s.wait(2 * CYCLE)
        (again,) = [one.group_id for one in read_choices(s.world, ACCOUNT).sources]
        assert again != group
        assert s.inside(again) == set(s.people)
        assert s.texts() == texted == dict.fromkeys(s.people, 1)


# --- (f) nobody is texted ---


class Texting:
    """A page whose group carries a flow, and a rule that thanks for each action."""

    def __init__(self, s: Town) -> None:
        self._s = s
        self.group = s.sync_page()
        s.put_flow(self.group)
        self.thanked = s.add_flow_group("Thank you")
        self.rule = s.add_rule(self.thanked)
        s.wait(60)

    def silent(self) -> None:
        """Nobody was texted, and whoever belongs into the group waits for staff."""
        assert self._s.texts() == {}
        assert self._s.inside(self.thanked) == set()

    def texts_now(self, user_id: int) -> None:
        """A newer live action does text: by the page's group, and by the rule."""
        before = self._s.texts()
        action_id = self._s.act(user_id)
        self._s.wait(30)
        assert self._s.texts() - before == {user_id: 2}
        assert user_id in self._s.inside(self.group) & self._s.inside(self.thanked)
        assert self._s.runs(self.rule)[-1] == (action_id, "done", "done")


def test_p7_a_rule_of_two_years_ago_does_not_text_for_old_actions() -> None:
    """They come by an import with their old times, though their ids are new."""
    with town(4) as s:
        texting = Texting(s)
        s.gap_seconds = 10 * DAY
        s.wait(730 * DAY)
        s.gap_seconds = TICK_SECONDS
        s.wait(2 * CYCLE)
        taken = s.acted_long_ago(s.people, days=400)
        s.acted_long_ago(s.people, days=1.0)
        s.wait(11 * DAY)
        texting.silent()
        assert {said[1:] for said in s.runs(texting.rule)} == {("too_old", "taken_long_ago")}
        assert len(s.runs(texting.rule)) == 2 * len(taken)
        (hold,) = s.holds()
        assert hold.people == 4
        texting.texts_now(s.people[2])


def test_a5_what_was_done_while_the_account_was_off_for_three_months_texts_nobody() -> None:
    with town(4) as s:
        texting = Texting(s)
        first, second, third, fourth = s.people
        s.staff(lambda: switch_off(s.world, ACCOUNT, WHO))
        s.gap_seconds = DAY
        s.wait(60 * DAY)
        s.act(first)
        s.wait(30 * DAY)
        s.act(second)  # just before ON: not a day old, and not live
        s.act(third)
        s.wait(600)
        s.gap_seconds = TICK_SECONDS
        s.staff(lambda: connect(s.world, ACCOUNT, WHO, s.credentials()))
        s.staff(s.switch_on)
        s.wait(DAY + 2 * CYCLE)
        assert s.account().phase is Phase.SYNCING
        texting.silent()
        assert [said[1:] for said in s.runs(texting.rule)] == [
            ("too_old", "taken_long_ago"),
            ("too_old", "taken_while_off"),
            ("too_old", "taken_while_off"),
        ]
        (hold,) = s.holds()
        assert hold.people == 3
        texting.texts_now(second)
        texting.texts_now(fourth)


def test_a5_what_was_done_in_a_pause_is_looked_at_and_texts_nobody() -> None:
    with town(3) as s:
        texting = Texting(s)
        s.staff(lambda: pause(s.world, ACCOUNT, WHO))
        taken = [s.act(one) for one in s.people]
        s.wait(1800)
        assert s.runs(texting.rule) == []
        s.staff(lambda: resume(s.world, ACCOUNT, WHO))
        s.wait(2 * CYCLE)
        texting.silent()
        assert s.runs(texting.rule) == [(one, "too_old", "taken_while_off") for one in taken]
        assert [one.people for one in s.holds()] == [3]
        texting.texts_now(s.people[0])


def test_o3_dead_letters_sent_back_after_a_weekend_text_nobody() -> None:
    """The workers fail from Friday to Monday; nothing is lost, and nothing is too late."""
    with town(3) as s:
        texting = Texting(s)
        environment = {lane: load_handler("worker", s.world, {"LANE": lane}) for lane in LANES}

        def fails(event: Any, context: object) -> Any:
            raise AwsError("the weekend")

        for lane in LANES:
            s.functions.add(f"worker-{lane}", fails, 60)
        taken = [s.act(one) for one in s.people]
        s.gap_seconds = 3 * 3600
        s.wait(60 * 3600)
        s.gap_seconds = TICK_SECONDS
        assert s.live.dead_letters
        assert s.listed() == []
        for lane in LANES:
            s.functions.add(f"worker-{lane}", environment[lane], 60)
        for lane_of in (s.live, s.bulk):
            lane_of.send_back()
        s.wait(3 * 3600 + 4 * CYCLE)
        texting.silent()
        assert s.runs(texting.rule) == [(one, "too_old", "taken_long_ago") for one in taken]
        assert [one.people for one in s.holds()] == [3]
        assert not s.live.dead_letters
        texting.texts_now(s.people[0])


LANES = ("live", "bulk")


def test_p8_an_upload_to_a_synced_page_texts_nobody() -> None:
    """On an import page, and with its source on any other."""
    with town(2) as s:
        texting = Texting(s)
        uploads = s.sync_page(s.list)
        s.put_flow(uploads)
        upload(s, "list", s.people)
        s.wait(2 * CYCLE)
        s.act(s.people[0], source="spring list")
        s.wait(2 * CYCLE)
        texting.silent()
        assert s.inside(uploads) == s.inside(texting.group) == set()
        assert {said[1:] for said in s.runs(texting.rule)} == {("not_eligible", "not_by_a_person")}
        assert len(s.runs(texting.rule)) == 3
        assert sorted(one.people for one in s.holds()) == [1, 2]
        texting.texts_now(s.people[0])


def upload(s: Town, page: str, user_ids: Collection[int]) -> None:
    """As staff upload a list."""
    rows = ["user_id", *map(str, user_ids)]
    parts = {"page": page, "autocreate_user_fields": "false"}
    body = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    )
    body += (
        '--x\r\nContent-Disposition: form-data; name="upload"; filename="list.csv"\r\n\r\n'
        + "\n".join(rows)
        + "\r\n--x--\r\n"
    )
    login = base64.b64encode(f"staff:{PASSWORD}".encode()).decode()
    headers = {
        "authorization": f"Basic {login}",
        "content-type": "multipart/form-data; boundary=x",
    }
    answer = s.actionkit.handle(Request("POST", "/rest/v1/upload/", (), headers, body.encode()))
    assert answer.status == 201, answer


# --- (g) a flow that comes and goes ---


def test_p8_a_flow_put_on_a_group_while_it_is_filled_holds_the_others() -> None:
    """And when it is taken off, those held join without a text."""
    people = 600
    with town(people, per_minute=300) as s:
        s.acted_long_ago(s.people)
        group = s.sync_page(filled=False)
        s.wait(60)
        before = s.inside(group)
        assert 0 < len(before) < people
        s.put_flow(group)
        s.wait_for_backfills()
        s.wait(60)
        (hold,) = s.holds()
        inside = s.inside(group)
        assert hold.people == people - len(inside)
        assert len(inside) - len(before) <= 60 * s.story.bulk_concurrency
        assert set(s.texts()) <= inside - before
        texted = s.texts()
        live = s.people[-1]
        assert live not in inside
        s.act(live)
        s.wait(30)
        assert s.texts() - texted == {live: 1}
        s.strive.edit_group(group, flow_id=None)
        s.wait(3 * CYCLE)
        assert s.inside(group) == set(s.people)
        assert s.texts() - texted == {live: 1}
        s.wait(3600)
        assert s.holds() == []
