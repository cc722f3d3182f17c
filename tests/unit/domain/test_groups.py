"""G1 to G6, P2, P5, P8: who belongs into which groups, who leaves them, and whom that texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instep.domain.decide import decide
from instep.domain.groups import (
    GroupDecision,
    actions_digest,
    decide_groups,
    entitled,
    gives,
    is_after,
    is_live,
    kept_up,
)
from instep.domain.holds import HoldKind, Stake, at_stake, backfill_of, backfills, discard, withhold
from instep.domain.people import Action, Phone, Side, User
from instep.domain.plan import Plan
from instep.domain.record import Record
from instep.domain.rules import Moment, Rules, Source, SourceKind
from tests.property.small_world import NUMBERS, PRIMARY, START, World, rules_with

NOW = START + timedelta(days=3)
LONG_AGO = Moment(START, 0)
PAGE, OTHER_PAGE, UNSYNCED_PAGE = 3, 4, 5
GROUP, OTHER_GROUP = 30, 40
OPT_OUTS = Stake(HoldKind.OPT_OUTS, Side.STRIVE)


def page(page_id: int = PAGE, group_id: int = GROUP, since: Moment = LONG_AGO) -> Source:
    return Source(f"page-{page_id}", SourceKind.PAGE, group_id, "P", since, page_id=page_id)


def usergroup(usergroup_id: int, group_id: int) -> Source:
    return Source(
        f"usergroup-{usergroup_id}",
        SourceKind.USERGROUP,
        group_id,
        "U",
        LONG_AGO,
        usergroup_id=usergroup_id,
    )


def actionfield(
    group_id: int,
    name: str = "colour",
    value: str | None = None,
    page_id: int | None = None,
    since: Moment = LONG_AGO,
) -> Source:
    return Source(
        f"actionfield-{group_id}",
        SourceKind.ACTIONFIELD,
        group_id,
        "A",
        since,
        page_id=page_id,
        actionfield=name,
        value=value,
    )


def action(
    action_id: int = 100,
    page_id: int = PAGE,
    status: str = "complete",
    at: datetime | None = NOW,
    page_type: str = "petition",
    uploaded: bool = False,
    **fields: tuple[str, ...],
) -> Action:
    return Action(
        action_id,
        page_id,
        status,
        at,
        page_type,
        uploaded=uploaded,
        fields=tuple(sorted(fields.items())),
    )


def someone(*actions: Action, usergroups: Iterable[int] = ()) -> User:
    return User(1, "one@example.org", actions=actions, usergroups=frozenset(usergroups))


def rules(
    *sources: Source,
    flows: Iterable[int] = (),
    live_since: Moment | None = LONG_AGO,
    primary: int | None = None,
) -> Rules:
    """Without a primary group, unless it is said."""
    return rules_with(
        sources=sources,
        closed_groups=frozenset(flows),
        live_since=live_since,
        primary_group=primary,
    )


def decided(
    user: User,
    with_rules: Rules,
    inside: Iterable[int] = (),
    known: Record | None = None,
    fresh: Iterable[int] | None = None,
    now: datetime = NOW,
) -> GroupDecision:
    """`fresh`: all, where nothing is said."""
    new = [one.action_id for one in user.actions] if fresh is None else list(fresh)
    return decide_groups(user, list(inside), known or Record(1), new, with_rules, now)


# --- who is entitled ---


def test_g1_everybody_is_entitled_to_the_primary_group() -> None:
    assert entitled(someone(), rules(primary=PRIMARY)) == {PRIMARY}
    assert entitled(someone(), rules()) == frozenset()


def test_p2_who_acted_on_a_synced_page_belongs_to_its_group() -> None:
    synced = rules(page(), page(OTHER_PAGE, OTHER_GROUP))
    assert entitled(someone(action()), synced) == {GROUP}
    assert entitled(someone(action(), action(101, OTHER_PAGE)), synced) == {GROUP, OTHER_GROUP}
    assert entitled(someone(action(page_id=UNSYNCED_PAGE)), synced) == frozenset()


def test_p2_past_actions_count_and_so_does_one_without_a_time() -> None:
    synced = rules(page(since=Moment(NOW, 1000)))
    assert entitled(someone(action(at=START - timedelta(days=900))), synced) == {GROUP}
    assert entitled(someone(action(at=None)), synced) == {GROUP}
    assert entitled(someone(action(page_type="import", uploaded=True)), synced) == {GROUP}


@pytest.mark.parametrize("status", ["incomplete", "spam", "deleted", "error", ""])
def test_p5_only_complete_actions_count(status: str) -> None:
    user = someone(action(status=status, colour=("red",)))
    assert entitled(user, rules(page(), actionfield(OTHER_GROUP))) == frozenset()
    assert not action(status=status).complete


def test_g4_who_is_in_a_synced_usergroup_belongs_to_its_group() -> None:
    synced = rules(usergroup(7, 70), usergroup(8, 80))
    assert entitled(someone(usergroups=[8, 9]), synced) == {80}
    assert entitled(someone(action()), synced) == frozenset()


@pytest.mark.parametrize(
    ("source", "belongs"),
    [
        (actionfield(OTHER_GROUP), True),
        (actionfield(OTHER_GROUP, " Colour "), True),
        (actionfield(OTHER_GROUP, "color"), False),
        (actionfield(OTHER_GROUP, value="red"), True),
        (actionfield(OTHER_GROUP, value=" RED "), True),
        (actionfield(OTHER_GROUP, value="dark blue"), True),
        (actionfield(OTHER_GROUP, value="blue"), False),
        (actionfield(OTHER_GROUP, value="straße"), False),
        (actionfield(OTHER_GROUP, page_id=PAGE), True),
        (actionfield(OTHER_GROUP, page_id=PAGE, value="Red"), True),
        (actionfield(OTHER_GROUP, page_id=OTHER_PAGE), False),
    ],
)
def test_g3_an_actionfield_with_or_without_page_and_value(source: Source, belongs: bool) -> None:
    """Any of several values will do; case and outer space do not matter."""
    user = someone(action(colour=("Red", " dark Blue ")))
    both = rules(page(), page(OTHER_PAGE, 41), source)
    assert entitled(user, both) == ({GROUP, OTHER_GROUP} if belongs else {GROUP})


def test_g3_other_alphabets_are_compared_without_case() -> None:
    source = actionfield(OTHER_GROUP, "STRASSE", value="ÄRGER")
    assert gives(source, action(straße=(" ärger",)), rules(page(), source))


def test_g3_name_and_value_are_to_be_of_one_action() -> None:
    user = someone(action(colour=("blue",)), action(101, OTHER_PAGE, colour=("red",)))
    source = actionfield(OTHER_GROUP, value="red", page_id=PAGE)
    assert entitled(user, rules(page(), page(OTHER_PAGE, 41), source)) == {GROUP, 41}


def test_g3_only_synced_pages_count() -> None:
    user = someone(action(page_id=UNSYNCED_PAGE, colour=("red",)))
    assert entitled(user, rules(page(), actionfield(OTHER_GROUP))) == frozenset()


def test_g3_a_group_that_is_being_deleted_entitles_nobody_and_empties() -> None:
    ending = replace(actionfield(OTHER_GROUP), ending=True)
    user, known = someone(action(colour=("red",))), Record(1, groups=frozenset({OTHER_GROUP}))
    decision = decided(user, rules(page(), ending), [OTHER_GROUP], known)
    assert (set(decision.join), set(decision.leave)) == ({GROUP}, {OTHER_GROUP})


def test_two_sources_of_one_group_are_each_enough() -> None:
    synced = rules(page(), usergroup(7, GROUP))
    assert entitled(someone(usergroups=[7]), synced) == {GROUP}
    known = Record(1, groups=frozenset({GROUP}))
    assert decided(someone(action()), synced, [GROUP], known).leave == frozenset()
    assert decided(someone(), synced, [GROUP], known).leave == {GROUP}


# --- who leaves ---


def test_p5_an_action_that_stops_being_complete_takes_back_what_it_gave() -> None:
    known = Record(1, groups=frozenset({GROUP}))
    decision = decided(someone(action(status="spam")), rules(page()), [GROUP], known)
    assert decision == GroupDecision(leave=frozenset({GROUP}))


def test_p2_a_membership_that_the_sync_did_not_add_is_never_removed() -> None:
    decision = decided(someone(), rules(page(), usergroup(7, 70)), [GROUP, 70, 999])
    assert decision == GroupDecision()


def test_p2_who_was_inside_already_stays_there_as_staff_put_them() -> None:
    """Entitled or not: the sync did not add them, and never takes them out."""
    decision = decided(someone(action()), rules(page()), [GROUP])
    assert decision == GroupDecision()


def test_p2_nobody_is_taken_out_of_what_is_not_kept_up_any_more() -> None:
    known = Record(1, groups=frozenset({GROUP, 70}))
    decision = decided(someone(action()), rules(usergroup(7, 70)), [GROUP, 70], known)
    assert decision == GroupDecision(leave=frozenset({70}))
    assert kept_up(rules(usergroup(7, 70), primary=PRIMARY)) == {70, PRIMARY}


def test_p2_synced_again_the_members_of_before_are_staffs() -> None:
    """What was let go is no longer the sync's to remove, even if the page is synced once more."""
    known = Record(1, groups=frozenset({GROUP}))
    let_go = decided(someone(action()), rules(), [GROUP], known)
    assert let_go.added == frozenset()
    known = replace(known, groups=let_go.added)
    again = decided(someone(action()), rules(page()), [GROUP], known)
    assert decided(someone(), rules(page()), [GROUP], replace(known, groups=again.added)).leave == (
        frozenset()
    )


def test_who_was_taken_out_by_hand_and_belongs_there_joins_again() -> None:
    known = Record(1, groups=frozenset({GROUP}))
    assert decided(someone(action()), rules(page()), [], known).join == {GROUP}


# --- live actions ---


def live(one: Action, with_rules: Rules | None = None, now: datetime = NOW) -> bool:
    return is_live(one, with_rules or rules(page()), now)


@pytest.mark.parametrize(
    ("ago", "is_new"),
    [
        (timedelta(0), True),
        (timedelta(hours=24) - timedelta(seconds=1), True),
        (timedelta(hours=24), False),
        (timedelta(hours=25), False),
        (timedelta(seconds=-30), True),
    ],
)
def test_p8_an_action_is_live_for_24_hours(ago: timedelta, is_new: bool) -> None:
    assert live(action(at=NOW - ago)) is is_new


@pytest.mark.parametrize(
    "changed",
    [
        {"page_type": "import"},
        {"page_type": "unsubscribe"},
        {"uploaded": True},
        {"status": "spam"},
        {"at": None},
        {"page_id": UNSYNCED_PAGE},
    ],
)
def test_p8_what_no_person_did_on_a_synced_page_is_not_live(changed: dict[str, object]) -> None:
    assert live(action())
    assert not live(action(**changed))  # type: ignore[arg-type]


def test_a5_what_was_taken_before_on_or_in_a_pause_is_not_live() -> None:
    """By ActionKit's clock and by its ids, and nothing is while nobody knows since when."""
    on = Moment(NOW - timedelta(hours=1), 200)
    after = NOW - timedelta(minutes=5)
    on_rules = rules(page(), live_since=on)
    assert live(action(201, at=after), on_rules)
    assert not live(action(200, at=after), on_rules)
    assert not live(action(201, at=NOW - timedelta(hours=2)), on_rules)
    assert not live(action(201, at=after), rules(page(), live_since=None))


def test_p8_what_was_taken_before_the_page_was_synced_is_not_live() -> None:
    since = Moment(NOW - timedelta(hours=1), 200)
    synced = rules(page(since=since))
    assert live(action(201, at=NOW), synced)
    assert not live(action(200, at=NOW), synced)
    assert not live(action(201, at=NOW - timedelta(hours=2)), synced)


def test_p7_an_import_with_an_older_time_is_past_and_so_is_a_clock_that_ran_back() -> None:
    """The ids alone, or the clock alone, are not enough."""
    moment = Moment(NOW, 200)
    assert is_after(moment, action(201, at=NOW))
    assert not is_after(moment, action(201, at=NOW - timedelta(seconds=1)))
    assert not is_after(moment, action(199, at=NOW + timedelta(hours=1)))
    assert not is_after(None, action(201))
    assert not is_after(moment, action(201, at=None))


def test_p7_actionkit_stores_whole_seconds() -> None:
    moment = Moment(NOW.replace(microsecond=700_000), 200)
    assert is_after(moment, action(201, at=NOW.replace(microsecond=0)))
    assert not is_after(moment, action(201, at=NOW.replace(microsecond=0) - timedelta(seconds=1)))


# --- groups with a flow (P8) ---


def test_p8_a_live_action_joins_the_groups_of_that_action_at_once() -> None:
    reds = actionfield(OTHER_GROUP, value="red")
    with_flows = rules(page(), reds, flows=[GROUP, OTHER_GROUP])
    decision = decided(someone(action(colour=("red",))), with_flows)
    assert decision.join == {GROUP, OTHER_GROUP}
    assert decision.texting == {GROUP: 100, OTHER_GROUP: 100}


def test_p8_the_newest_live_action_is_named() -> None:
    user = someone(action(102), action(101), action(100, at=NOW - timedelta(days=2)))
    assert decided(user, rules(page(), flows=[GROUP])).texting == {GROUP: 102}


@pytest.mark.parametrize(
    ("user", "with_rules", "fresh"),
    [
        (someone(action(at=NOW - timedelta(days=2))), rules(page(), flows=[GROUP]), None),
        (someone(action()), rules(page(), flows=[GROUP]), []),
        (someone(action()), rules(page(since=Moment(NOW, 500)), flows=[GROUP]), None),
        (someone(action()), rules(page(), flows=[GROUP], live_since=None), None),
        (someone(action(uploaded=True)), rules(page(), flows=[GROUP]), None),
        (someone(usergroups=[7]), rules(usergroup(7, GROUP), flows=[GROUP]), None),
        (someone(), rules(flows=[GROUP], primary=GROUP), None),
    ],
    ids=["past", "seen before", "before the sync", "off", "upload", "usergroup", "primary"],
)
def test_p8_every_other_join_is_a_backfill_that_waits(
    user: User, with_rules: Rules, fresh: list[int] | None
) -> None:
    decision = decided(user, with_rules, fresh=fresh)
    assert decision.join == {GROUP}
    assert decision.texting == {}
    plan = Plan(Record(1), join=decision.join, texting=decision.texting)
    assert backfills(plan, with_rules, frozenset()) == {backfill_of(GROUP)}


def test_p8_an_actionfield_group_made_after_the_action_is_filled_as_a_backfill() -> None:
    late = actionfield(OTHER_GROUP, since=Moment(NOW, 500))
    decision = decided(
        someone(action(colour=("red",))), rules(page(), late, flows=[GROUP, OTHER_GROUP])
    )
    assert decision.join == {GROUP, OTHER_GROUP}
    assert decision.texting == {GROUP: 100}


def test_p8_a_group_without_a_flow_holds_nothing() -> None:
    decision = decided(someone(action(at=START)), rules(page()))
    plan = Plan(Record(1), join=decision.join, texting=decision.texting)
    assert backfills(plan, rules(page()), frozenset()) == frozenset()


def test_a6_whose_opt_out_is_held_is_not_texted_by_what_they_did_either() -> None:
    """Their join waits like a backfill."""
    with_flow = rules(page(), flows=[GROUP])
    decision = decided(someone(action()), with_flow)
    plan = Plan(Record(1), join=decision.join, texting=decision.texting, opt_in_strive=False)
    assert backfills(plan, with_flow, frozenset()) == frozenset()
    held = frozenset({OPT_OUTS})
    assert backfills(plan, with_flow, held) == {backfill_of(GROUP)}


def declined(*groups: int) -> Record:
    return Record(1, declined_groups=frozenset(groups))


def test_p8_who_was_discarded_stays_out() -> None:
    with_flow = rules(page(), flows=[GROUP])
    decision = decided(someone(action()), with_flow, known=declined(GROUP), fresh=[])
    assert decision == GroupDecision(declined=frozenset({GROUP}))


@pytest.mark.parametrize("flows", [[GROUP], []], ids=["with a flow", "the flow is gone"])
def test_p8_a_newer_live_action_takes_in_who_was_discarded(flows: list[int]) -> None:
    user = someone(action(90, at=START), action())
    decision = decided(user, rules(page(), flows=flows), known=declined(GROUP), fresh=[100])
    assert (set(decision.join), set(decision.declined)) == ({GROUP}, set())
    assert decision.texting == ({GROUP: 100} if flows else {})


def test_p8_a_newer_action_that_is_not_live_does_not() -> None:
    user = someone(action(90, at=START), action(uploaded=True))
    decision = decided(user, rules(page(), flows=[GROUP]), known=declined(GROUP), fresh=[100])
    assert (set(decision.join), set(decision.declined)) == (set(), {GROUP})


def test_p8_what_was_discarded_is_forgotten_with_the_right_to_it() -> None:
    with_flow = rules(page(), flows=[GROUP])
    assert decided(someone(), with_flow, known=declined(GROUP)).declined == frozenset()
    inside = decided(someone(action()), with_flow, [GROUP], declined(GROUP))
    assert inside == GroupDecision()


# --- in a whole plan ---


def linked_world(*sources: Source, flows: Iterable[int] = ()) -> World:
    one = World(rules(*sources, flows=flows, primary=PRIMARY), now=NOW)
    one.users[1] = User(1, "one@example.org", phones=(Phone(11, "mobile", NUMBERS[0], START),))
    one.set_opt_in(1, "yes")
    one.add_member(NUMBERS[0], opt_in=True)
    one.quiet()
    return one


def test_a6_a_held_opt_out_makes_the_plan_quiet_and_its_live_join_waits() -> None:
    one = linked_world(page(), flows=[GROUP])
    one.users[1] = replace(one.users[1], actions=(action(at=one.now),))
    one.set_opt_in(1, "no", page_type="import")
    seen, known = replace(one.look(1), fresh=frozenset({100})), one.records[1]
    plan = decide(seen, known, one.rules, one.now)
    assert plan.texting == {GROUP: 100}
    held = at_stake(plan, seen, one.rules)
    assert held == {OPT_OUTS}
    held |= backfills(plan, one.rules, held)
    kept = withhold(plan, known, held)
    assert kept.quiet
    assert (kept.join, kept.texting) == (frozenset(), {})
    assert kept.record.waiting_groups == {GROUP}
    assert kept.opt_in_strive is None


def test_p8_a_held_backfill_waits_and_a_discarded_one_is_declined() -> None:
    one = linked_world(page(), flows=[GROUP])
    one.users[1] = replace(one.users[1], actions=(action(at=START),))
    known = one.records[1]
    plan = decide(one.look(1), known, one.rules, one.now)
    stake = frozenset({backfill_of(GROUP)})
    assert backfills(plan, one.rules, frozenset()) == stake
    assert at_stake(plan, one.look(1), one.rules) == frozenset()
    waiting = withhold(plan, known, stake).record
    assert waiting.waiting_groups == {GROUP}
    assert waiting.groups == {PRIMARY}
    kept = discard(plan, known, stake)
    assert kept.record.declined_groups == {GROUP}
    assert kept.join == frozenset()
    assert not [each for each in kept.history if each.new == str(GROUP)]
    assert decide(one.look(1), kept.record, one.rules, one.now).join == frozenset()


def test_g6_who_is_linked_later_joins_all_that_they_are_entitled_to() -> None:
    one = World(rules(page(), usergroup(7, 70), primary=PRIMARY), now=NOW)
    one.users[1] = User(
        1, "one@example.org", actions=(action(at=START),), usergroups=frozenset({7})
    )
    one.quiet()
    assert one.records[1].member_id is None
    one.set_phone(1, NUMBERS[0])
    one.set_opt_in(1, "yes")
    one.quiet()
    assert one.member_of(1).groups == {PRIMARY, GROUP, 70}


def test_u3_who_is_deleted_leaves_what_the_sync_added_and_nothing_else() -> None:
    one = linked_world(page())
    member_id = one.member_of(1).member_id
    one.edit_groups(member_id, one.member_of(1).groups | {999})
    one.users[1] = replace(one.users[1], actions=(action(at=START),))
    one.quiet()
    assert one.member_of(1).groups == {PRIMARY, GROUP, 999}
    del one.users[1]
    one.quiet()
    assert one.members[member_id].groups == {999}


# --- whatever happens ---

GROUPS = (30, 31, 32, 33)
USERGROUPS = (7, 8)
TIMES = st.sampled_from(
    [NOW, NOW - timedelta(hours=1), NOW - timedelta(hours=24), NOW - timedelta(days=400), None]
)
MOMENTS = st.builds(
    Moment,
    st.sampled_from([START, NOW - timedelta(hours=2), NOW]),
    st.sampled_from([0, 100, 103]),
)
WORDS = st.sampled_from(["red", " RED ", "blue", "", "straße"])
ACTIONS = st.builds(
    Action,
    action_id=st.integers(98, 106),
    page_id=st.sampled_from([PAGE, OTHER_PAGE, UNSYNCED_PAGE]),
    status=st.sampled_from(["complete", "complete", "spam"]),
    created_at=TIMES,
    page_type=st.sampled_from(["petition", "signup", "import", "unsubscribe"]),
    uploaded=st.booleans(),
    fields=st.lists(
        st.tuples(st.sampled_from(["colour", "Colour "]), st.lists(WORDS, max_size=2).map(tuple)),
        max_size=2,
    ).map(tuple),
)
USERS = st.builds(
    User,
    user_id=st.just(1),
    email=st.just("one@example.org"),
    actions=st.lists(ACTIONS, max_size=4, unique_by=lambda one: one.action_id).map(
        lambda some: tuple(sorted(some, key=lambda one: one.action_id))
    ),
    usergroups=st.frozensets(st.sampled_from(USERGROUPS)),
)
SOURCES: st.SearchStrategy[Source] = st.one_of(
    st.builds(page, st.sampled_from([PAGE, OTHER_PAGE]), st.sampled_from(GROUPS), MOMENTS),
    st.builds(usergroup, st.sampled_from(USERGROUPS), st.sampled_from(GROUPS)),
    st.builds(
        actionfield,
        st.sampled_from(GROUPS),
        st.just("colour"),
        st.none() | WORDS,
        st.sampled_from([None, PAGE, OTHER_PAGE]),
        MOMENTS,
    ),
    st.builds(lambda group: replace(actionfield(group), ending=True), st.sampled_from(GROUPS)),
)
SOME_GROUPS = st.frozensets(st.sampled_from([*GROUPS, PRIMARY, 999]))
RULES: st.SearchStrategy[Rules] = st.builds(
    lambda sources, flows, since, primary: rules(
        *sources, flows=flows, live_since=since, primary=primary
    ),
    st.lists(SOURCES, max_size=4, unique_by=lambda one: one.source_id),
    SOME_GROUPS,
    st.none() | MOMENTS,
    st.sampled_from([None, PRIMARY]),
)
RECORDS = st.builds(
    lambda added, out: Record(1, groups=added, declined_groups=out), SOME_GROUPS, SOME_GROUPS
)
FRESH = st.frozensets(st.integers(98, 106))


def after(decision: GroupDecision, inside: frozenset[int]) -> tuple[frozenset[int], Record]:
    """What is so once the decision is carried out."""
    left = (inside | decision.join) - decision.leave
    return left, Record(1, groups=decision.added, declined_groups=decision.declined)


@given(USERS, SOME_GROUPS, RECORDS, FRESH, RULES)
def test_deciding_again_after_it_is_done_wants_nothing(
    user: User, inside: frozenset[int], known: Record, fresh: frozenset[int], with_rules: Rules
) -> None:
    first = decide_groups(user, inside, known, fresh, with_rules, NOW)
    inside, known = after(first, inside)
    for again in (fresh, frozenset[int]()):
        second = decide_groups(user, inside, known, again, with_rules, NOW)
        assert (second.join, second.leave, second.texting) == (frozenset(), frozenset(), {})
        assert (second.added, second.declined) == (first.added, first.declined)


@given(USERS, SOME_GROUPS, RECORDS, FRESH, RULES)
def test_p2_nobody_ever_leaves_what_the_sync_did_not_add_or_does_not_keep_up(
    user: User, inside: frozenset[int], known: Record, fresh: frozenset[int], with_rules: Rules
) -> None:
    decision = decide_groups(user, inside, known, fresh, with_rules, NOW)
    assert decision.leave <= known.groups & kept_up(with_rules) & inside
    assert not decision.leave & entitled(user, with_rules)
    assert decision.join <= entitled(user, with_rules) - inside
    assert decision.added <= known.groups | decision.join
    # Whoever is entitled is inside then, or was discarded; what the sync added and gives no more
    # is left.
    now_inside, _ = after(decision, inside)
    assert entitled(user, with_rules) <= now_inside | decision.declined
    stale = known.groups & kept_up(with_rules) & inside - entitled(user, with_rules)
    assert not stale & now_inside


@given(USERS, SOME_GROUPS, RECORDS, FRESH, RULES)
def test_p8_only_a_new_live_action_that_gives_the_group_texts(
    user: User, inside: frozenset[int], known: Record, fresh: frozenset[int], with_rules: Rules
) -> None:
    decision = decide_groups(user, inside, known, fresh, with_rules, NOW)
    actions = {one.action_id: one for one in user.actions}
    for group_id, action_id in decision.texting.items():
        one = actions[action_id]
        assert group_id in decision.join & with_rules.closed_groups
        assert action_id in fresh
        assert one.complete
        assert not one.uploaded
        assert one.page_type not in ("import", "unsubscribe")
        assert one.created_at is not None
        assert NOW - one.created_at < timedelta(hours=24)
        assert with_rules.live_since is not None
        assert one.action_id > with_rules.live_since.action_id
        assert any(
            source.group_id == group_id
            and source.kind is not SourceKind.USERGROUP
            and gives(source, one, with_rules)
            and is_after(source.since, one)
            for source in with_rules.sources
        )


@given(USERS, SOME_GROUPS, RECORDS, RULES)
def test_p8_without_a_new_action_every_join_of_a_flow_waits(
    user: User, inside: frozenset[int], known: Record, with_rules: Rules
) -> None:
    decision = decide_groups(user, inside, known, (), with_rules, NOW)
    plan = Plan(Record(1), join=decision.join, texting=decision.texting)
    waiting = {one.group_id for one in backfills(plan, with_rules, frozenset())}
    assert waiting == decision.join & with_rules.closed_groups


@given(USERS, USERS)
def test_p7_whatever_changes_of_the_actions_shows_in_their_digest(one: User, other: User) -> None:
    def told(user: User) -> list[tuple[object, ...]]:
        return sorted((a.action_id, a.page_id, a.status, a.fields) for a in user.actions)

    assert (actions_digest(one) == actions_digest(other)) is (told(one) == told(other))
