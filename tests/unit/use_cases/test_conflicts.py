"""F5: conflicts, listed."""

from __future__ import annotations

from datetime import timedelta

from instep.domain.people import Side
from instep.domain.plan import Conflict
from instep.use_cases.conflicts import conflict_items
from tests.unit.api.desk import NOW, Desk


def store(desk: Desk) -> None:
    """Of two users: three looks, the second with two conflicts."""
    for day, (user_id, fields) in enumerate([(7, ["city"]), (8, ["a", "b"]), (7, ["custom:x"])]):
        at = NOW + timedelta(days=day)
        conflicts = [Conflict(one, f"{day} here", f"{day} there", Side.STRIVE) for one in fields]
        items = conflict_items(desk.world, "demo", user_id, at, f"intent{day}", conflicts)
        desk.users.put_many(items)
        desk.users.put_many(items)


def test_the_newest_first_each_once(desk: Desk) -> None:
    store(desk)
    everything = desk.all("/conflicts")
    assert [(one["user_id"], one["field"]) for one in everything] == [
        (7, "custom:x"),
        (8, "b"),
        (8, "a"),
        (7, "city"),
    ]
    assert everything[-1] == {
        "at": "2026-05-04T12:00:00Z",
        "user_id": 7,
        "field": "city",
        "actionkit_value": "0 here",
        "strive_value": "0 there",
        "winner": "strive",
    }
    for limit in (1, 2, 3, 4):
        assert desk.all("/conflicts", limit) == everything
    assert desk.call("GET /conflicts", cursor="no_such").status == 422


def test_they_expire_as_history_does(desk: Desk) -> None:
    store(desk)
    at = int((desk.clock.now() + timedelta(days=400)).timestamp())
    items = [*desk.items("conflict/"), *desk.items("conflicts/")]
    assert len(items) == 8
    assert all(abs(one["expires_at"] - at) < 60 for one in items)


def test_one_without_its_values_is_passed_over(desk: Desk) -> None:
    """So an erasure need not look for what is listed by time (E1)."""
    store(desk)
    for item in desk.items("conflicts/000000000008/"):
        desk.users.delete("demo", item["item"])
    assert [one["user_id"] for one in desk.all("/conflicts", 1)] == [7, 7]
    listed = repr(desk.items("conflict/"))
    assert "here" not in listed
    assert "there" not in listed
