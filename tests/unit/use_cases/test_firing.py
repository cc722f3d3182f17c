"""P7, P8: what an action sets off is done at most once, through crashes, lost answers and two
workers at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from instep.domain.pace import Lane
from instep.domain.record import Record, Status
from instep.domain.rules import Automation
from instep.use_cases import activation, sources
from instep.use_cases.automations import (
    WantedRule,
    list_rule_runs,
    make_automation,
    switch_automation,
)
from instep.use_cases.choices import read_choices, rules_of
from instep.use_cases.errors import Busy, Unavailable
from instep.use_cases.firing import EVENT, TRACES_AFTER, Firing, Happened, PendingError
from instep.use_cases.ports import Item, NoAnswerError, NotPublishedError
from instep.use_cases.sources import Naming
from instep.use_cases.texts import (
    Claim,
    advance,
    find_claim,
    for_group,
    for_rule,
    give_back,
    take_over,
    take_turn,
)
from instep.use_cases.work import ACTION, Work
from instep.use_cases.work import work_of as read_work
from instep.use_cases.worker import work_on
from local.twins.http import Fault
from tests.unit.api.desk import Desk

WHO = "ana@example.org"
JOINS = "groups_members"


class Died(BaseException):
    """The worker's process is gone."""


@dataclass
class Scene:
    """A synced page, a group with a flow, and somebody synced who is opted in."""

    desk: Desk
    page_id: int
    flow_group: int
    user_id: int
    member_id: int

    def rule(self, group: bool = True, event: bool = False, once_per: Any = "action") -> Automation:
        into = self.flow_group if group else None
        wanted = WantedRule(self.page_id, None, None, once_per, into, event)
        return make_automation(self.desk.world, "demo", WHO, wanted)

    def act(self) -> int:
        self.desk.clock.sleep(60)
        return self.desk.actionkit.take_action("page-1", {}, self.user_id)

    # --- a worker that has looked and decided, and comes to what the action sets off ---

    def firing(self) -> Firing:
        world, account = self.desk.world, self.desk.account()
        return Firing(world, "demo", rules_of(world, account), world.strive(account))

    def fire(self, *action_ids: int, opted_in: bool = True, quiet: bool = False) -> None:
        world, account = self.desk.world, self.desk.account()
        look = world.actionkit(account, Lane.LIVE).look(
            [self.user_id], ["sms_opt_in"], page_ids=(self.page_id,)
        )
        actions = [one for one in look.users[self.user_id].actions if one.action_id in action_ids]
        assert len(actions) == len(action_ids)
        member = world.strive(account).members_by_id([self.member_id])[self.member_id]
        record = Record(self.user_id, status=Status.SYNCED, member_id=self.member_id)
        who = Happened(self.user_id, record, replace(member, opt_in=opted_in), quiet)
        self.firing().fire(who, actions)

    def claim(self, rule: Automation, action_id: int) -> Claim:
        key = for_rule(rule.rule_id, rule.once_per, action_id, self.member_id)
        claim = find_claim(self.desk.world, "demo", key)
        assert claim is not None
        return claim

    # --- what came of it ---

    def runs(self, rule: Automation) -> list[tuple[int, str, str]]:
        """Oldest first."""
        items, _ = list_rule_runs(self.desk.world, "demo", rule.rule_id, None, 100)
        return [(one["action_id"], one["outcome"], one["reason"]) for one in reversed(items)]

    @property
    def texts(self) -> int:
        return len(self.desk.strive.texts())

    @property
    def inside(self) -> bool:
        return self.member_id in self.desk.strive.group_members(self.flow_group)

    def events(self) -> list[int]:
        """The actions of published events."""
        published = self.desk.events.published
        assert {one.kind for one in published} <= {EVENT}
        return [one.detail["action_id"] for one in published]

    def wait_for_deadline(self) -> None:
        self.desk.clock.sleep(self.desk.world.limits.worker_seconds + 31)

    def wait_for_traces(self) -> None:
        self.desk.clock.sleep(TRACES_AFTER.total_seconds())


@pytest.fixture
def scene(desk: Desk) -> Scene:
    desk.listed(pages=1)
    activation.pause(desk.world, "demo", WHO)
    activation.resume(desk.world, "demo", WHO)
    (page_id,) = desk.pages
    sources.sync_page(desk.world, "demo", WHO, page_id, Naming())
    flow = desk.strive.add_flow(desk.campaign.campaign_id, "Thanks")
    group = desk.strive.add_group(desk.campaign.campaign_id, "Thanked", flow)
    user_id = desk.actionkit.add_user("one@example.org")
    desk.actionkit.add_phone(user_id, "3125550100")
    desk.actionkit.set_field(user_id, "sms_opt_in", "yes")
    member_id = desk.strive.add_member(desk.campaign.campaign_id, "+13125550100", opt_in=True)
    return Scene(desk, page_id, group, user_id, member_id)


def as_a_request_arrives(desk: Desk, method: str, path: str, do: Callable[[], None]) -> list[str]:
    """Does something just before the first such request reaches Strive; what is said then."""
    answer, met = desk.strive.handle, list[str]()

    def handle(request: Any) -> Any:
        if request.method == method and path in request.path and not met:
            met.append(request.path)
            do()
        return answer(request)

    desk.strive.handle = handle  # type: ignore[method-assign]
    return met


# --- once ---


@pytest.mark.parametrize("once_per", ["action", "person"])
def test_p7_looked_at_again_nothing_is_done_twice(scene: Scene, once_per: str) -> None:
    rule = scene.rule(event=True, once_per=once_per)
    action_id = scene.act()
    for _ in range(3):
        scene.fire(action_id)
        scene.wait_for_deadline()
    assert (scene.texts, scene.events()) == (1, [action_id])
    assert scene.runs(rule) == [(action_id, "done", "done")]
    assert (scene.claim(rule, action_id).state, scene.claim(rule, action_id).attempt) == ("done", 1)


def test_p7_of_two_workers_at_once_one_acts(scene: Scene) -> None:
    rule = scene.rule(event=True)
    action_id = scene.act()

    def other() -> None:
        with pytest.raises(PendingError) as pending:
            scene.fire(action_id)
        assert pending.value.at == scene.claim(rule, action_id).deadline

    met = as_a_request_arrives(scene.desk, "POST", JOINS, other)
    scene.fire(action_id)
    assert met
    assert (scene.texts, scene.events()) == (1, [action_id])
    scene.fire(action_id)  # whoever had to wait comes again
    assert (scene.texts, scene.events()) == (1, [action_id])
    assert scene.runs(rule) == [(action_id, "done", "done")]


def test_p7_for_each_action_or_once_for_the_person(scene: Scene) -> None:
    """The second action of a person who had theirs gives no run."""
    each, once = scene.rule(group=False, event=True), scene.rule(once_per="person")
    first, second = scene.act(), scene.act()
    scene.fire(first)
    scene.fire(first, second)
    assert scene.events() == [first, second]
    assert scene.texts == 1
    assert scene.runs(each) == [(first, "done", "done"), (second, "done", "done")]
    assert scene.runs(once) == [(first, "done", "done")]


def test_p7_while_another_action_of_the_person_is_being_done_there_is_no_run(scene: Scene) -> None:
    rule = scene.rule(once_per="person")
    first, second = scene.act(), scene.act()
    as_a_request_arrives(scene.desk, "POST", JOINS, lambda: scene.fire(second))
    scene.fire(first)
    assert scene.texts == 1
    assert scene.runs(rule) == [(first, "done", "done")]


def test_p7_an_action_whose_person_is_not_opted_in_does_not_use_up_their_turn(scene: Scene) -> None:
    rule = scene.rule(once_per="person")
    first, second = scene.act(), scene.act()
    scene.fire(first, opted_in=False)
    assert scene.texts == 0
    scene.fire(second)
    assert scene.texts == 1
    assert scene.runs(rule) == [
        (first, "not_opted_in", "not_opted_in"),
        (second, "done", "done"),
    ]


def test_a6_whose_opt_out_is_held_is_not_texted(scene: Scene) -> None:
    rule = scene.rule(event=True)
    action_id = scene.act()
    scene.fire(action_id, quiet=True)
    assert (scene.texts, scene.events()) == (0, [])
    assert scene.runs(rule) == [(action_id, "not_opted_in", "opt_out_held")]


# --- a lost answer ---


def lost(scene: Scene, kind: Any = "answer_lost") -> None:
    scene.desk.strive.faults.add(Fault(kind, times=1, method="POST", path=JOINS))


def begun(scene: Scene, rule: Automation, kind: Any = "answer_lost") -> int:
    """An action whose join was sent, and nobody knows what came of it."""
    action_id = scene.act()
    lost(scene, kind)
    with pytest.raises(PendingError):
        scene.fire(action_id)
    with pytest.raises(PendingError):  # before the deadline nobody looks
        scene.fire(action_id)
    assert scene.claim(rule, action_id).state == "joining"
    assert scene.runs(rule) == []
    return action_id


@pytest.mark.parametrize("kind", ["answer_lost", "error_after_work"])
def test_p7_lost_and_found_in_the_group(scene: Scene, kind: str) -> None:
    rule = scene.rule(event=True)
    action_id = begun(scene, rule, kind)
    scene.wait_for_deadline()
    scene.fire(action_id)
    assert (scene.texts, scene.inside, scene.events()) == (1, True, [action_id])
    assert scene.runs(rule) == [(action_id, "done", "done")]


def test_p7_lost_and_left_since(scene: Scene) -> None:
    rule = scene.rule()
    action_id = begun(scene, rule)
    scene.desk.strive.leave_group(scene.flow_group, scene.member_id)
    scene.wait_for_deadline()
    scene.fire(action_id)
    assert (scene.texts, scene.inside) == (1, False)
    assert scene.runs(rule) == [(action_id, "done", "done")]


def test_p7_lost_and_texted_since(scene: Scene) -> None:
    """Where Strive keeps no log of who left, a text is a trace."""
    strive = scene.desk.strive
    strive.unknowns = replace(strive.unknowns, removals_table=False)
    rule = scene.rule()
    action_id = begun(scene, rule)
    strive.leave_group(scene.flow_group, scene.member_id)
    scene.wait_for_deadline()
    scene.fire(action_id)
    assert (scene.texts, scene.inside) == (1, False)
    assert scene.runs(rule) == [(action_id, "done", "done")]


def test_p7_lost_and_left_since_with_a_log_that_is_late(scene: Scene) -> None:
    strive = scene.desk.strive
    strive.unknowns = replace(strive.unknowns, log_latency_seconds=300.0)
    rule = scene.rule()
    action_id = begun(scene, rule)
    strive.leave_group(scene.flow_group, scene.member_id)
    scene.wait_for_deadline()
    with pytest.raises(PendingError) as pending:
        scene.fire(action_id)
    assert pending.value.at == scene.claim(rule, action_id).claimed_at + TRACES_AFTER
    scene.wait_for_traces()
    scene.fire(action_id)
    assert (scene.texts, scene.inside) == (1, False)
    assert scene.runs(rule) == [(action_id, "done", "done")]


@pytest.mark.parametrize("kind", ["cut_before_work", "server_error"])
def test_p7_lost_without_any_trace_is_done_again_under_a_new_token(scene: Scene, kind: str) -> None:
    rule = scene.rule()
    action_id = begun(scene, rule, kind)
    token = scene.claim(rule, action_id).token
    scene.wait_for_deadline()
    with pytest.raises(PendingError):  # a log may be late
        scene.fire(action_id)
    assert scene.texts == 0
    scene.wait_for_traces()
    scene.fire(action_id)
    claim = scene.claim(rule, action_id)
    assert (claim.state, claim.attempt) == ("done", 2)
    assert claim.token != token
    assert (scene.texts, scene.inside) == (1, True)


def test_p7_who_cannot_act_before_the_deadline_never_acts(scene: Scene) -> None:
    """A worker that was thought dead comes back: its token is worth nothing."""
    rule = scene.rule()
    action_id = scene.act()

    def others() -> None:
        scene.wait_for_traces()
        scene.fire(action_id)

    desk = scene.desk
    as_a_request_arrives(desk, "POST", JOINS, others)
    with pytest.raises(PendingError):
        scene.fire(action_id)
    assert scene.claim(rule, action_id).attempt == 2
    assert scene.texts == 1
    scene.fire(action_id)
    assert scene.texts == 1
    assert scene.runs(rule) == [(action_id, "done", "done")]


def test_p7_of_two_who_find_out_at_once_one_goes_on(scene: Scene) -> None:
    rule = scene.rule()
    action_id = begun(scene, rule, "cut_before_work")
    scene.wait_for_traces()

    def other() -> None:
        scene.fire(action_id)

    met = as_a_request_arrives(scene.desk, "GET", "member_group_delete_log", other)
    with pytest.raises(PendingError):
        scene.fire(action_id)
    assert met
    assert scene.texts == 1
    scene.fire(action_id)
    assert scene.texts == 1


def test_p7_what_was_begun_is_told_though_it_would_not_be_begun_now(scene: Scene) -> None:
    """The person opted out meanwhile: they were texted all the same, and the run says so."""
    rule = scene.rule()
    action_id = begun(scene, rule)
    scene.wait_for_deadline()
    scene.fire(action_id, opted_in=False)
    assert scene.texts == 1
    assert scene.runs(rule) == [(action_id, "done", "done")]
    scene.fire(action_id, opted_in=False)
    assert scene.runs(rule) == [(action_id, "done", "done")]


def test_p7_what_was_begun_without_a_trace_is_not_done_once_it_would_not_be(scene: Scene) -> None:
    rule = scene.rule()
    action_id = begun(scene, rule, "cut_before_work")
    with pytest.raises(PendingError):
        scene.fire(action_id, opted_in=False)
    scene.wait_for_traces()
    scene.fire(action_id, opted_in=False)
    assert scene.texts == 0
    assert scene.runs(rule) == [(action_id, "not_opted_in", "not_opted_in")]


# --- refused and busy ---


def test_p7_busy_gives_the_claim_back_at_once(scene: Scene) -> None:
    rule = scene.rule()
    action_id = scene.act()
    lost(scene, "too_many_requests")
    with pytest.raises(Busy):
        scene.fire(action_id)
    assert scene.runs(rule) == []
    scene.fire(action_id)
    assert (scene.texts, scene.runs(rule)) == (1, [(action_id, "done", "done")])


def test_p7_never_sent_gives_the_claim_back_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = scene.rule()
    action_id = scene.act()
    monkeypatch.setattr(scene.desk.transport, "_twin", _no_join(scene.desk))
    with pytest.raises(Unavailable):
        scene.fire(action_id)
    monkeypatch.undo()
    scene.fire(action_id)
    assert (scene.texts, scene.runs(rule)) == (1, [(action_id, "done", "done")])


def _no_join(desk: Desk) -> Callable[[str], Any]:
    find = desk.transport._twin

    def twin(url: str) -> Any:
        if JOINS in url:
            raise NoAnswerError("no such host", sent=False)
        return find(url)

    return twin


def test_p7_a_group_that_is_gone_is_a_failure_told_once(scene: Scene) -> None:
    rule = scene.rule(event=True)
    action_id = scene.act()
    scene.desk.strive.delete_group(scene.flow_group)
    for _ in range(2):
        scene.fire(action_id)
        scene.wait_for_deadline()
    assert scene.runs(rule) == [(action_id, "failed", "group_refused")]
    assert (scene.texts, scene.events()) == (0, [])


# --- events ---


def test_p7_an_event_that_may_be_lost_is_unknown_and_never_published_again(scene: Scene) -> None:
    rule = scene.rule(event=True)
    action_id = scene.act()
    scene.desk.events.fault = TimeoutError()
    scene.fire(action_id)
    scene.desk.events.fault = None
    assert scene.runs(rule) == [(action_id, "unknown", "unreachable")]
    for _ in range(3):
        scene.wait_for_deadline()
        scene.fire(action_id)
    assert (scene.texts, scene.events()) == (1, [])
    assert scene.runs(rule) == [(action_id, "unknown", "unreachable")]


def test_p7_an_event_that_the_bus_refused_has_failed(scene: Scene) -> None:
    rule = scene.rule(group=False, event=True)
    action_id = scene.act()
    scene.desk.events.fault = NotPublishedError()
    scene.fire(action_id)
    assert scene.runs(rule) == [(action_id, "failed", "event_refused")]


def test_p7_a_worker_that_died_while_publishing_is_unknown(scene: Scene) -> None:
    rule = scene.rule(event=True)
    action_id = scene.act()
    scene.desk.events.fault = Died()  # type: ignore[assignment]
    with pytest.raises(Died):
        scene.fire(action_id)
    scene.desk.events.fault = None
    assert scene.claim(rule, action_id).state == "publishing"
    with pytest.raises(PendingError):
        scene.fire(action_id)
    scene.wait_for_deadline()
    for _ in range(2):
        scene.fire(action_id)
    assert (scene.texts, scene.events()) == (1, [])
    assert scene.runs(rule) == [(action_id, "unknown", "unreachable")]


@pytest.mark.parametrize("puts", range(1, 6))
def test_p7_wherever_a_worker_dies_there_is_one_text_and_at_most_one_event(
    scene: Scene, puts: int
) -> None:
    """Before each of its writes: the claim, joining, joined, publishing, done."""
    rule = scene.rule(event=True)
    action_id = scene.act()
    put, count = scene.desk.groups.put, 0

    def dying(value: Item, expect: Any = None) -> bool:
        nonlocal count
        if value["item"].startswith("claim/"):
            count += 1
            if count == puts:
                raise Died
        return put(value, expect)

    scene.desk.groups.put = dying  # type: ignore[method-assign]
    with pytest.raises(Died):
        scene.fire(action_id)
    scene.desk.groups.put = put  # type: ignore[method-assign]
    scene.wait_for_deadline()
    scene.fire(action_id)
    assert scene.texts == 1
    published = scene.events() == [action_id]
    assert published or puts == 5
    assert len(scene.events()) <= 1
    ((_, outcome, _),) = scene.runs(rule)
    assert outcome == ("unknown" if puts == 5 else "done")


def test_p7_died_after_the_run_was_carried_out_before_it_was_told(scene: Scene) -> None:
    rule = scene.rule()
    action_id = scene.act()
    put = scene.desk.groups.put

    def dying(value: Item, expect: Any = None) -> bool:
        if value["item"].startswith("rule-run/"):
            raise Died
        return put(value, expect)

    scene.desk.groups.put = dying  # type: ignore[method-assign]
    with pytest.raises(Died):
        scene.fire(action_id)
    scene.desk.groups.put = put  # type: ignore[method-assign]
    scene.fire(action_id, opted_in=False)  # at once: it has ended
    assert (scene.texts, scene.runs(rule)) == (1, [(action_id, "done", "done")])


# --- joins of live actions (P8) ---


def test_p8_a_live_join_is_done_once_for_its_action(scene: Scene) -> None:
    firing, group, member = scene.firing(), scene.flow_group, scene.member_id
    assert firing.join_once(group, 17, member) == "now"
    assert scene.texts == 1
    scene.desk.strive.leave_group(group, member)
    assert firing.join_once(group, 17, member) == "before"  # told again what came of it
    assert (scene.texts, scene.inside) == (1, False)
    assert firing.join_once(group, 18, member) == "now"
    assert scene.inside
    claim = find_claim(scene.desk.world, "demo", for_group(group, 17))
    assert claim is not None
    assert (claim.state, claim.action_id) == ("done", 17)


def test_p8_a_live_join_that_was_refused_is_not_tried_again(scene: Scene) -> None:
    scene.desk.strive.delete_group(scene.flow_group)
    for _ in range(2):
        assert scene.firing().join_once(scene.flow_group, 17, scene.member_id) == "not"


# --- claims ---


KEY = "claim/rule-r/action-1"


def test_claims_are_taken_advanced_and_given_back(desk: Desk) -> None:
    world = desk.world
    turn = take_turn(world, "demo", KEY, 1)
    assert (turn.kind, turn.claim.attempt, turn.claim.state) == ("mine", 1, "claimed")
    assert turn.claim.deadline - desk.clock.now() == timedelta(
        seconds=world.limits.worker_seconds + 30
    )
    assert take_turn(world, "demo", KEY, 1).kind == "waits"
    joining = advance(world, "demo", KEY, turn.claim, "joining")
    assert joining is not None
    assert advance(world, "demo", KEY, turn.claim, "done") is None  # of an older version
    give_back(world, "demo", KEY, joining)
    assert take_turn(world, "demo", KEY, 1).kind == "left"


def test_a_claim_is_left_at_its_deadline_and_taken_over_once(desk: Desk) -> None:
    world = desk.world
    mine = take_turn(world, "demo", KEY, 1).claim
    joined = advance(world, "demo", KEY, mine, "claimed", joined=True)
    assert joined is not None
    desk.clock.sleep((mine.deadline - desk.clock.now()).total_seconds() - 1)
    assert take_turn(world, "demo", KEY, 1).kind == "waits"
    desk.clock.sleep(1)
    left = take_turn(world, "demo", KEY, 1)
    assert left.kind == "left"
    anew = take_over(world, "demo", KEY, left.claim)
    assert anew is not None
    assert (anew.attempt, anew.joined, anew.token != mine.token) == (2, True, True)
    assert anew.deadline > desk.clock.now()
    assert take_over(world, "demo", KEY, left.claim) is None
    assert advance(world, "demo", KEY, joined, "done") is None


@pytest.mark.parametrize("state", ["done", "failed", "unknown"])
def test_a_claim_that_has_ended_is_never_taken_again(desk: Desk, state: Any) -> None:
    world = desk.world
    mine = take_turn(world, "demo", KEY, 1).claim
    assert advance(world, "demo", KEY, mine, state) is not None
    desk.clock.sleep(400 * 86_400)
    assert take_turn(world, "demo", KEY, 1).kind == "over"
    item = world.groups.get("demo", KEY)
    assert item is not None
    assert "expires_at" not in item


# --- by the worker itself ---


def worked(scene: Scene) -> str:
    """A look at the user, as a push asks for it."""
    work = Work("demo", scene.desk.account().epoch, (scene.user_id,), ACTION)
    return work_on(scene.desk.world, work, Lane.LIVE)


def work_later(scene: Scene) -> list[int]:
    """What was put back is done in its time; the delays there were."""
    delays = []
    while scene.desk.live.sent:
        sent = scene.desk.live.sent.pop(0)
        delays.append(sent.delay_seconds)
        scene.desk.clock.sleep(sent.delay_seconds)
        work_on(scene.desk.world, read_work(sent.body), Lane.LIVE)
    return delays


def test_p7_a_look_does_what_the_action_sets_off_once(scene: Scene) -> None:
    rule = scene.rule(event=True)
    worked(scene)
    action_id = scene.act()
    for _ in range(3):
        assert worked(scene) == "done"
    assert (scene.texts, scene.events()) == (1, [action_id])
    assert scene.runs(rule) == [(action_id, "done", "done")]


def test_p7_what_is_not_known_yet_is_found_out_after_the_deadline(scene: Scene) -> None:
    """The user is looked at again by itself, and the action is as new until then."""
    rule = scene.rule(event=True)
    worked(scene)
    action_id = scene.act()
    lost(scene)
    assert worked(scene) == "done"
    assert scene.runs(rule) == []
    delays = work_later(scene)
    assert max(delays) >= scene.desk.world.limits.worker_seconds
    assert (scene.texts, scene.events()) == (1, [action_id])
    assert scene.runs(rule) == [(action_id, "done", "done")]


def test_p8_a_live_action_joins_a_page_group_with_a_flow_once_though_its_answer_is_lost(
    scene: Scene,
) -> None:
    source = read_choices(scene.desk.world, "demo").sources[0]
    flow = scene.desk.strive.add_flow(scene.desk.campaign.campaign_id, "Welcome")
    worked(scene)
    scene.desk.strive.edit_group(source.group_id, flow_id=flow)
    scene.act()
    lost(scene)
    assert worked(scene) == "done"
    work_later(scene)
    assert scene.texts == 1
    assert scene.desk.strive.group_members(source.group_id) == [scene.member_id]
    assert scene.desk.call("GET /holds").body["items"] == []


def test_p7_a_rule_that_is_off_leaves_what_was_taken_meanwhile_for_past(scene: Scene) -> None:
    rule = scene.rule()
    worked(scene)
    switch_automation(scene.desk.world, "demo", WHO, rule.rule_id, False)
    scene.act()
    assert worked(scene) == "done"
    switch_automation(scene.desk.world, "demo", WHO, rule.rule_id, True)
    assert worked(scene) == "done"
    assert (scene.texts, scene.runs(rule)) == (0, [])
    later = scene.act()
    assert worked(scene) == "done"
    assert (scene.texts, scene.runs(rule)) == (1, [(later, "done", "done")])
