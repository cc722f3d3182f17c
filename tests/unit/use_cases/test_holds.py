"""A6: counting, holding, releasing and discarding."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from instep.domain.holds import HoldKind, Stake, threshold
from instep.domain.people import Side
from instep.use_cases import holds
from instep.use_cases.errors import NotFoundError, StateError
from instep.use_cases.holds import Held
from instep.use_cases.ports import Item
from instep.use_cases.work import work_of
from tests.unit.api.desk import Desk, linked

OPT_OUTS = Stake(HoldKind.OPT_OUTS, Side.STRIVE)
OVERWRITES = Stake(HoldKind.OVERWRITES, Side.ACTIONKIT)
FIRST = "opt_outs-to_strive-0001"
WHO = "ada@example.org"


def at(stake: Stake, user_ids: Iterable[int]) -> dict[int, frozenset[Stake]]:
    return {user_id: frozenset({stake}) for user_id in user_ids}


def count(desk: Desk, stake: Stake, user_ids: Iterable[int]) -> frozenset[Stake]:
    return holds.count(desk.world, "demo", at(stake, user_ids), "changed")


def held(user_ids: Iterable[int], stake: Stake = OPT_OUTS) -> dict[int, Held]:
    return {one: Held(1000 + one, one % 2 == 0, frozenset({stake})) for one in user_ids}


def join(desk: Desk, user_ids: Iterable[int], stake: Stake = OPT_OUTS) -> frozenset[int]:
    return holds.join(desk.world, "demo", held(user_ids, stake))


def accident(desk: Desk, people: int = 300) -> None:
    """A hold of opt-outs in Strive with the users from 1 on."""
    count(desk, OPT_OUTS, range(1, people + 1))
    assert join(desk, range(1, people + 1)) == frozenset()


def sent(desk: Desk) -> list[dict[str, Any]]:
    """What lies on the bulk lane, which is then empty."""
    bodies = [dict(one.body) for one in desk.bulk.sent]
    desk.bulk.sent.clear()
    return bodies


def queue_all(desk: Desk) -> list[int]:
    """Does the work of messages about whole holds until there is none: the users then queued."""
    user_ids: list[int] = []
    while bodies := sent(desk):
        for body in bodies:
            if body["bucket"]:
                holds.queue_held(desk.world, work_of(body))
            user_ids += body["user_ids"]
    return user_ids


def settle(desk: Desk, user_ids: Iterable[int]) -> None:
    decided = holds.decided_for(desk.world, "demo", list(user_ids))
    holds.settled(desk.world, "demo", decided.values())


def held_items(desk: Desk) -> list[Item]:
    return [one for one in desk.users.everything() if one["item"].startswith(("hold/", "held/"))]


# --- counting ---


def test_two_hundred_are_no_accident(desk: Desk) -> None:
    assert count(desk, OPT_OUTS, range(200)) == frozenset()
    assert count(desk, OPT_OUTS, [200]) == {OPT_OUTS}
    assert holds.open_stakes(desk.world, "demo") == {OPT_OUTS}


def test_the_same_people_count_once_in_a_cycle(desk: Desk) -> None:
    for _ in range(5):
        assert count(desk, OPT_OUTS, range(150)) == frozenset()
    assert count(desk, OPT_OUTS, range(100, 200)) == frozenset()


def test_each_kind_and_side_counts_by_itself(desk: Desk) -> None:
    assert count(desk, OPT_OUTS, range(150)) == frozenset()
    assert count(desk, OVERWRITES, range(150)) == frozenset()
    other_side = Stake(HoldKind.OPT_OUTS, Side.ACTIONKIT)
    assert count(desk, other_side, range(201)) == {other_side}


def test_each_cycle_begins_anew(desk: Desk) -> None:
    desk.clock.sleep(600 - desk.clock.now().timestamp() % 600)
    assert count(desk, OPT_OUTS, range(150)) == frozenset()
    desk.clock.sleep(599)
    assert count(desk, OPT_OUTS, range(150, 200)) == frozenset()
    desk.clock.sleep(1)
    assert count(desk, OPT_OUTS, range(200, 400)) == frozenset()
    assert count(desk, OPT_OUTS, range(400, 401)) == {OPT_OUTS}


def test_of_a_long_list_it_takes_one_in_a_hundred(desk: Desk, monkeypatch: Any) -> None:
    counts = {"synced": 39_000, "failed": 1_000, "deleted": 70_000}
    asked: list[str] = []

    def count_index(index: str, account_id: str, status: str) -> int:
        asked.append(status)
        return counts[status]

    monkeypatch.setattr(desk.users, "count_index", count_index)
    assert threshold(40_000) == 400
    assert count(desk, OPT_OUTS, range(200)) == frozenset()
    assert asked == []  # Few are no accident, whatever the size of the list.
    assert count(desk, OPT_OUTS, range(400)) == frozenset()
    assert count(desk, OPT_OUTS, range(401)) == {OPT_OUTS}
    assert asked == ["synced", "failed"]


def test_more_people_than_are_counted_by_name(desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(desk.users, "count_index", lambda *_: 500_000)
    for start in range(0, 10_000, 1000):
        assert count(desk, OPT_OUTS, range(start, start + 1000)) == frozenset()
    assert count(desk, OPT_OUTS, [10_000]) == {OPT_OUTS}


def test_who_was_counted_by_one_who_died_before_the_hold_was_there(desk: Desk) -> None:
    put = desk.users.put

    def put_no_hold(value: Item, expect: Any = None) -> bool:
        if value["item"].startswith("hold/"):
            raise ConnectionError
        return put(value, expect)

    desk.users.put = put_no_hold  # type: ignore[method-assign]
    with pytest.raises(ConnectionError):
        count(desk, OPT_OUTS, range(201))
    desk.users.put = put  # type: ignore[method-assign]
    assert count(desk, OPT_OUTS, [7]) == {OPT_OUTS}


def test_opening_a_hold_tells_operators(desk: Desk) -> None:
    accident(desk)
    assert [one.message for one in desk.watch.alarms] == ["an accident was stopped"]


# --- who is held ---


def test_joining_twice_is_joining_once(desk: Desk) -> None:
    accident(desk)
    assert join(desk, range(1, 301)) == frozenset()
    ((shown,), after) = holds.list_holds(desk.world, "demo", None, 50)
    assert (shown.people, shown.opted_in, after) == (300, 150, None)
    assert shown.sample == tuple((one, 1000 + one) for one in range(1, 11))
    assert (shown.hold.hold_id, shown.hold.cause) == (FIRST, "changed")


def test_whoever_has_no_such_stake_any_more_leaves(desk: Desk) -> None:
    accident(desk)
    kept = at(OPT_OUTS, range(1, 11))
    holds.leave(desk.world, "demo", {**kept, 11: frozenset(), 12: frozenset({OVERWRITES})})
    ((shown,), _) = holds.list_holds(desk.world, "demo", None, 50)
    assert shown.people == 298


def test_who_would_join_a_hold_that_was_decided_is_to_be_looked_at_again(desk: Desk) -> None:
    accident(desk)
    put_many = desk.users.put_many

    def released_meanwhile(items: list[Item]) -> None:
        desk.users.put_many = put_many  # type: ignore[method-assign]
        put_many(items)
        holds.release(desk.world, "demo", WHO, FIRST, 301)

    desk.users.put_many = released_meanwhile  # type: ignore[assignment]
    assert join(desk, [500]) == {500}
    assert join(desk, [501]) == {501}


# --- release and discard ---


def test_a_release_needs_the_number_that_is_there(desk: Desk) -> None:
    accident(desk)
    with pytest.raises(StateError, match="number_changed"):
        holds.release(desk.world, "demo", WHO, FIRST, 299)
    with pytest.raises(NotFoundError):
        holds.release(desk.world, "demo", WHO, "opt_outs-to_strive-0002", 300)
    assert desk.bulk.sent == []
    holds.release(desk.world, "demo", WHO, FIRST, 300)
    holds.release(desk.world, "demo", WHO, FIRST, 300)  # Its answer was lost.
    with pytest.raises(NotFoundError):
        holds.discard(desk.world, "demo", WHO, FIRST)
    (entry,) = [one for one in desk.audit() if one["what"].startswith("hold_")]
    assert (entry["who"], entry["what"]) == (WHO, "hold_released")
    assert entry["old"] == {"hold_id": FIRST, "people": 300}


@pytest.mark.parametrize("decision", ["released", "discarded"])
def test_what_was_decided_holds_until_it_is_carried_out(desk: Desk, decision: str) -> None:
    accident(desk)
    if decision == "released":
        holds.release(desk.world, "demo", WHO, FIRST, 300)
    else:
        holds.discard(desk.world, "demo", WHO, FIRST)
    assert holds.open_stakes(desk.world, "demo") == frozenset()
    assert holds.list_holds(desk.world, "demo", None, 50) == ([], None)
    decided = holds.decided_for(desk.world, "demo", [7, 900])
    assert set(decided) == {7}
    stakes = (decided[7].released, decided[7].discarded)
    nothing: frozenset[Stake] = frozenset()
    one = frozenset({OPT_OUTS})
    assert stakes == ((one, nothing) if decision == "released" else (nothing, one))
    bodies = sent(desk)
    assert [(one["cause"], one["bucket"]) for one in bodies] == [
        (f"{decision}/opt_outs/to_strive", FIRST)
    ]
    holds.queue_held(desk.world, work_of(bodies[0]))
    queued = sent(desk)
    assert sorted(one for body in queued for one in body["user_ids"]) == list(range(1, 301))
    assert {body["cause"] for body in queued} == {f"{decision}/opt_outs/to_strive"}
    settle(desk, range(1, 300))
    assert len(held_items(desk)) == 2
    settle(desk, [300])
    assert held_items(desk) == []
    assert holds.decided_for(desk.world, "demo", [7]) == {}


def test_a_large_hold_is_queued_page_by_page_at_the_pace(desk: Desk) -> None:
    accident(desk, people=7_000)
    holds.release(desk.world, "demo", WHO, FIRST, 7_000)
    delays = []
    user_ids: list[int] = []
    pages = 0
    while True:
        messages = [(one.body, one.delay_seconds) for one in desk.bulk.sent]
        desk.bulk.sent.clear()
        if not messages:
            break
        for body, delay in messages:
            if body["bucket"]:
                pages += 1
                holds.queue_held(desk.world, work_of(body))
            else:
                user_ids += body["user_ids"]
                delays.append(delay)
    assert user_ids == list(range(1, 7_001))
    assert pages == 3
    assert max(delays) < 200
    assert delays[:5] == [0, 0, 0, 0, 0]


def test_a_second_accident_after_a_release(desk: Desk) -> None:
    accident(desk)
    holds.release(desk.world, "demo", WHO, FIRST, 300)
    # The count begins anew at once, so that what goes on is stopped again.
    assert count(desk, OPT_OUTS, range(1000, 1200)) == frozenset()
    assert count(desk, OPT_OUTS, [1200]) == {OPT_OUTS}
    assert join(desk, [1200]) == frozenset()
    ((shown,), _) = holds.list_holds(desk.world, "demo", None, 50)
    assert (shown.hold.hold_id, shown.people) == ("opt_outs-to_strive-0002", 1)
    assert set(holds.decided_for(desk.world, "demo", range(2000))) == set(range(1, 301))
    settle(desk, range(1, 301))
    assert [one["item"] for one in held_items(desk)] == [
        "held/opt_outs-to_strive-0002/000000001200",
        "hold/opt_outs-to_strive-0002",
    ]


def test_who_died_between_the_decision_and_the_new_count(desk: Desk, monkeypatch: Any) -> None:
    accident(desk)
    with monkeypatch.context() as patch:
        patch.setattr(holds, "_begin_anew", lambda *_: exec("raise ConnectionError"))
        with pytest.raises(ConnectionError):
            holds.release(desk.world, "demo", WHO, FIRST, 300)
    assert count(desk, OPT_OUTS, [7]) == frozenset()
    holds.apply_overdue(desk.world, desk.account())
    assert queue_all(desk) == []  # Not late yet.
    desk.clock.sleep(3600)
    holds.apply_overdue(desk.world, desk.account())
    assert sorted(queue_all(desk)) == list(range(1, 301))


# --- the tick ---


def test_opt_outs_wait_for_a_day_at_most(desk: Desk) -> None:
    accident(desk)
    count(desk, OVERWRITES, range(300))
    join(desk, range(300), OVERWRITES)
    desk.clock.sleep(86_300)
    holds.apply_overdue(desk.world, desk.account())
    assert desk.bulk.sent == []
    desk.clock.sleep(101)
    holds.apply_overdue(desk.world, desk.account())
    assert sorted(queue_all(desk)) == list(range(1, 301))
    assert holds.open_stakes(desk.world, "demo") == {OVERWRITES}
    assert [one["who"] for one in desk.audit() if one["what"] == "hold_released"] == ["InStep"]


def test_dropped_messages_are_sent_again(desk: Desk) -> None:
    accident(desk)
    holds.release(desk.world, "demo", WHO, FIRST, 300)
    queue_all(desk)
    settle(desk, range(1, 101))
    holds.apply_overdue(desk.world, desk.account())
    assert desk.bulk.sent == []
    desk.change(epoch=desk.account().epoch + 1)  # Paused and resumed.
    holds.apply_overdue(desk.world, desk.account())
    assert sorted(queue_all(desk)) == list(range(101, 301))
    desk.clock.sleep(1700)
    holds.apply_overdue(desk.world, desk.account())
    assert desk.bulk.sent == []
    desk.clock.sleep(200)
    holds.apply_overdue(desk.world, desk.account())
    assert sorted(queue_all(desk)) == list(range(101, 301))


def test_a_hold_that_everybody_left_ends(desk: Desk) -> None:
    accident(desk)
    holds.leave(desk.world, "demo", {one: frozenset() for one in range(1, 301)})
    holds.apply_overdue(desk.world, desk.account())
    assert holds.open_stakes(desk.world, "demo") == {OPT_OUTS}
    desk.clock.sleep(1900)
    for _ in range(2):
        holds.apply_overdue(desk.world, desk.account())
    assert holds.open_stakes(desk.world, "demo") == frozenset()
    assert held_items(desk) == []


def test_a_message_about_a_hold_that_is_gone_is_dropped(desk: Desk) -> None:
    accident(desk)
    holds.release(desk.world, "demo", WHO, FIRST, 300)
    (body,) = sent(desk)
    settle(desk, range(1, 301))
    assert holds.queue_held(desk.world, work_of(body)) == "dropped"
    assert desk.bulk.sent == []


# --- routes ---


def test_the_routes(desk: Desk) -> None:
    desk.store(*(linked(one, 1000 + one) for one in (1, 2)))
    accident(desk)
    count(desk, OVERWRITES, range(300))
    join(desk, range(5, 6), OVERWRITES)
    assert desk.all("/holds", 1) == desk.all("/holds")
    listed = {one["hold_id"]: one for one in desk.all("/holds")}
    assert listed[FIRST]["since"].endswith("Z")
    expected = {
        "hold_id": FIRST,
        "kind": "opt_outs",
        "direction": "to_strive",
        "group": None,
        "people": 300,
        "opted_in": 150,
        "sample": [{"user_id": one, "member_id": 1000 + one} for one in range(1, 11)],
        "cause": "changed",
        "since": listed[FIRST]["since"],
    }
    assert listed[FIRST] == expected
    wrong = desk.call(f"POST /holds/{FIRST}/release", {"people": 9})
    assert (wrong.status, wrong.code) == (409, "number_changed")
    for body in ({}, {"people": "300"}, {"people": -1}, {"people": 300, "more": 1}):
        assert desk.call(f"POST /holds/{FIRST}/release", body).status == 422
    assert desk.call(f"POST /holds/{FIRST}/release", {"people": 300}).status == 202
    other = "overwrites-to_actionkit-0001"
    assert desk.call(f"DELETE /holds/{other}").status == 204
    assert desk.all("/holds") == []
    calls: list[tuple[str, Any]] = [
        ("POST /holds/{}/release", {"people": 1}),
        ("DELETE /holds/{}", None),
    ]
    for call, body in calls:
        for hold_id in ("999999999", "x" * 100, "..", "%20"):
            answer = desk.call(call.format(hold_id), body)
            assert (answer.status, answer.code) == (404, "no_hold")
        assert desk.call(call.format("x" * 2000), body).status == 422


def test_a_large_hold_does_not_keep_the_call_waiting(desk: Desk) -> None:
    accident(desk, people=2_000)
    before = desk.users.consumed.table_writes
    assert desk.call(f"POST /holds/{FIRST}/release", {"people": 2_000}).status == 202
    assert desk.users.consumed.table_writes - before < 40
    assert len(desk.bulk.sent) == 1


def test_holds_of_an_account_that_is_off(desk: Desk) -> None:
    """What was decided is carried out when it is on again."""
    accident(desk)
    desk.off()
    assert len(desk.all("/holds")) == 1
    assert desk.call(f"POST /holds/{FIRST}/release", {"people": 300}).status == 202
    sent(desk)
    desk.clock.sleep(timedelta(days=30).total_seconds())
    desk.running()
    holds.apply_overdue(desk.world, desk.account())
    assert sorted(queue_all(desk)) == list(range(1, 301))
