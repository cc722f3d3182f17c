"""What changed in ActionKit (U3), against the twin: checksums and feeds by SQL, lists by REST."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from instep.adapters.actionkit import ActionKitClient
from instep.use_cases.errors import Unavailable
from instep.use_cases.ports import BUCKET, Changed, Place, Sum
from local.twins.actionkit import ActionKitTwin
from local.twins.http import Fault
from local.twins.transport import TwinTransport
from tests.unit.adapters.script import FakeClock, Slots

URL = "https://act.example.org"
FIELDS = ["sms_opt_in", "colour"]
Make = Callable[..., ActionKitClient]


@pytest.fixture
def clock() -> FakeClock:
    clock = FakeClock()
    clock.sleep(0.25)
    return clock


@pytest.fixture(params=[("iso", True), ("iso", False), ("space", True), ("space", False)])
def twin(clock: FakeClock, request: pytest.FixtureRequest) -> Iterator[ActionKitTwin]:
    """An instance, with times in each form that they may have."""
    twin = ActionKitTwin(clock.now, random.Random(1))
    twin.switch(sql_datetimes=request.param[0], microseconds=request.param[1])
    twin.define_userfield("sms_opt_in", allow_multiple=True)
    for name in ("colour", "secret"):
        twin.define_userfield(name)
    yield twin
    twin.close()


@pytest.fixture
def slots() -> Slots:
    return Slots()


@pytest.fixture
def make(twin: ActionKitTwin, clock: FakeClock, slots: Slots) -> Make:
    def make(reads: str = "sql") -> ActionKitClient:
        transport = TwinTransport({URL: twin})
        chosen: Any = reads
        return ActionKitClient(transport, URL, "staff", "secret", slots, chosen, clock)

    return make


@pytest.fixture
def client(make: Make) -> ActionKitClient:
    return make()


def shown(twin: ActionKitTwin, at: datetime) -> datetime:
    """A time as the instance keeps it."""
    return at if twin.unknowns.microseconds else at.replace(microsecond=0)


def people(twin: ActionKitTwin, count: int) -> list[int]:
    return [twin.add_user(f"u{number}@example.org") for number in range(count)]


def whole_feed(
    ask: Callable[[Place, int], list[Changed]], after: Place, limit: int, by_row: bool = False
) -> list[Changed]:
    """A feed read page by page to its end, as a cursor reads it."""
    found: list[Changed] = []
    page = ask(after, limit)
    while page:
        assert len(page) <= limit
        found += page
        after = Place(page[-1].at, page[-1].row if by_row else page[-1].id)
        assert len(found) < 1000
        ended = len(page) < limit
        page = ask(after, limit)
        assert not (ended and page), "a short page is the last"
    return found


# --- checksums ------------------------------------------------------------------------------


def test_sums_are_of_the_users_of_each_bucket(
    client: ActionKitClient, twin: ActionKitTwin, slots: Slots
) -> None:
    ids = people(twin, 3)
    twin._db.write("UPDATE core_user SET id = 999 WHERE id = ?", (ids[0],))
    twin._db.write("UPDATE core_user SET id = 1000 WHERE id = ?", (ids[1],))
    twin._db.write("UPDATE core_user SET id = 3456 WHERE id = ?", (ids[2],))
    each = client.checksums(0, 5000, FIELDS)
    assert list(each) == [999, 1000, 3456]
    sums = client.sums(0, 1999, FIELDS)
    first, second, third = (one // BUCKET for one in (999, 1000, 3456))
    assert sums == {
        first: Sum(1, each[999]),
        second: Sum(1, each[1000]),
        third: Sum(1, each[3456]),
    }
    assert client.sums(second, second + 1, FIELDS) == {second: sums[second]}
    assert client.sums(third + 1, third + 9, FIELDS) == {}
    assert client.checksums(999, 1000, FIELDS) == {1000: each[1000]}
    assert client.checksums_of([3456, 4711, 999], FIELDS) == {999: each[999], 3456: each[3456]}
    assert client.checksums_of([], FIELDS) == {}
    assert slots.taken == 6
    assert twin.counts()["most_users_in_any_60_seconds"] == 0


Change = Callable[[ActionKitTwin, int], object]
CHANGES: dict[str, Change] = {
    "a column": lambda twin, user: twin.edit_user(user, city="Peoria"),
    "an address": lambda twin, user: twin.edit_user(user, email="other@example.org"),
    "the case of letters": lambda twin, user: twin.edit_user(user, first_name="ADA"),
    "a value of a userfield": lambda twin, user: twin.set_field(user, "colour", "green"),
    "a userfield set to the same again": lambda twin, user: twin.set_field(user, "colour", "blue"),
    "a second value": lambda twin, user: twin.set_field(user, "sms_opt_in", ["yes", "no"]),
    "a removed userfield": lambda twin, user: twin.set_field(user, "colour", None),
    "a removed row": lambda twin, user: twin.remove_field_row(twin.userfield_rows(user)[0]["id"]),
    "a row without a time": lambda twin, user: twin.import_field(user, "sms_opt_in", "no"),
    "a row with an old time": lambda twin, user: twin.import_field(
        user,
        "sms_opt_in",
        "no",
        datetime(2015, 1, 1),  # noqa: DTZ001 - only its text matters
    ),
    "another phone": lambda twin, user: twin.add_phone(user, "2025550188", "work"),
    "a phone's number": lambda twin, user: twin.add_phone(user, "2025550188"),
    "a removed phone": lambda twin, user: twin.delete_phone(twin.user(user)["phones"][0]["id"]),
    "a membership": lambda twin, user: twin.join(user, 2),
    "an ended membership": lambda twin, user: twin.leave(user, 1),
    "an erasure": lambda twin, user: twin.erase_user(user),
    "a merge": lambda twin, user: twin.merge_users(user, twin.user_ids()[-1]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seconds", [0.1, 30])
def test_every_change_shows_in_that_users_checksum_alone(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock, change: str, seconds: float
) -> None:
    """However soon after the last one: what has no clock too."""
    if change == "a userfield set to the same again" and not (
        twin.unknowns.microseconds or seconds > 1
    ):
        pytest.skip("nothing changed then")
    ids = people(twin, 4)
    for name in "AB":
        twin.add_usergroup(name)
    for user in ids[:3]:
        twin.edit_user(user, first_name="Ada")
        twin.set_field(user, "colour", "blue")
        twin.add_phone(user, "2025550143")
        twin.join(user, 1)
    twin.set_field(ids[3], "sms_opt_in", "yes")
    before, sums = client.checksums(0, 5000, FIELDS), client.sums(0, 4, FIELDS)
    clock.sleep(seconds)
    CHANGES[change](twin, ids[1])
    after = client.checksums(0, 5000, FIELDS)
    changed = {user for user in after if after[user] != before[user]}
    assert changed == {ids[1]}
    assert client.sums(0, 4, FIELDS)[0].sum == sum(after.values()) != sums[0].sum
    assert client.sums(0, 4, FIELDS)[0].rows == len(after)


def test_what_no_look_shows_changes_no_checksum(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    (ada,) = people(twin, 1)
    before = client.checksums_of([ada], FIELDS)
    twin.set_field(ada, "secret", "x")
    twin.edit_user(ada, address1="1 Main Street", source="website")
    assert client.checksums_of([ada], FIELDS) == before
    assert client.checksums_of([ada], [*FIELDS, "secret"]) != before
    assert client.checksums_of([ada], []) == before


def test_a_user_with_an_old_time_and_one_who_is_deleted_change_the_sum(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    ada, bo = people(twin, 2)
    before = client.sums(0, 0, FIELDS)[0]
    long_ago = clock.now() - timedelta(days=3000)
    cleo = twin.add_user("cleo@example.org", at=long_ago)
    with_cleo = client.sums(0, 0, FIELDS)[0]
    assert (before.rows, with_cleo.rows) == (2, 3)
    assert with_cleo.sum != before.sum
    assert cleo not in [one.id for one in client.changed_since(Place(clock.at), 9, FIELDS)]
    assert twin.user(cleo)["updated_at"][:10] == long_ago.date().isoformat()
    twin.delete_user(cleo)
    assert client.sums(0, 0, FIELDS)[0] == before
    twin.delete_user(bo)
    assert client.sums(0, 0, FIELDS)[0] == Sum(1, client.checksums_of([ada], FIELDS)[ada])


def test_rows_of_nobody_count_for_nobody(client: ActionKitClient, twin: ActionKitTwin) -> None:
    people(twin, 1)
    before = client.sums(0, 9, FIELDS), client.checksums(0, 5000, FIELDS)
    twin.import_field(4711, "colour", "blue")
    twin._db.insert("core_user_groups", user_id=99, usergroup_id=1)
    assert (client.sums(0, 9, FIELDS), client.checksums(0, 5000, FIELDS)) == before


def test_what_two_users_swap_does_not_cancel_out(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    ada, bo = people(twin, 2)
    twin.edit_user(ada, first_name="Anna")
    twin.edit_user(bo, first_name="Otto")
    before = client.sums(0, 0, FIELDS)
    twin.edit_user(ada, first_name="Otto")
    twin.edit_user(bo, first_name="Anna")
    assert client.sums(0, 0, FIELDS) != before


def test_one_change_moves_the_checksum_of_every_user_by_another_amount(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    """Else the same change of one and back of another would cancel out in the sum: CRC32 alone
    moves few different amounts."""
    people(twin, 2000)
    twin._db.write("UPDATE core_user SET city = 'Anna'")
    before = client.checksums(0, 5000, FIELDS)
    twin._db.write("UPDATE core_user SET city = 'Otto'")
    after = client.checksums(0, 5000, FIELDS)
    amounts = {after[user] - before[user] for user in before}
    assert len(amounts) == 2000


def test_what_stands_beside_each_other_is_told_apart(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    """Neither a missing time, nor a value with separators or quotes, is like another row."""
    (ada,) = people(twin, 1)
    seen = set()
    rows = [("colour", "blue"), ("colour", "blue','x"), ("colour", "NULL"), ("colour", "'NULL'")]
    names = [("a", ""), ("", "a"), ("a,", ""), ("a','", ""), ("a", "','"), ("a\\", "b")]
    for name, value in rows:
        row_id = twin.import_field(ada, name, value)
        seen.add(client.checksums_of([ada], FIELDS)[ada])
        twin.remove_field_row(row_id)
    for first, last in names:
        twin.edit_user(ada, first_name=first, last_name=last)
        seen.add(client.checksums_of([ada], FIELDS)[ada])
    assert len(seen) == len(rows) + len(names)


def test_the_time_of_a_lagging_replica_shows_the_state_of_then(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    (ada,) = people(twin, 1)
    twin.switch(replica_lag_seconds=60)
    before = client.checksums_of([ada], FIELDS)
    twin.edit_user(ada, first_name="Ada")
    assert client.checksums_of([ada], FIELDS) == before
    clock.sleep(61)
    assert client.checksums_of([ada], FIELDS) != before


# --- feeds ----------------------------------------------------------------------------------


@pytest.fixture(params=["sql", "rest"])
def feeding(make: Make, twin: ActionKitTwin, request: pytest.FixtureRequest) -> ActionKitClient:
    twin.switch(updated_at_filter=True)
    return make(request.param)


@pytest.mark.parametrize("limit", [1, 7, 25, 100])
@pytest.mark.parametrize("kind", ["user", "field", "phone", "all"])
def test_many_rows_at_one_time_are_all_found_and_each_once(
    feeding: ActionKitClient, twin: ActionKitTwin, clock: FakeClock, limit: int, kind: str
) -> None:
    """25 users of one time, one before and one after them, whatever the edges of pages."""
    ids = people(twin, 27)
    begun = clock.now()
    times = {}
    for number, user in enumerate(ids):
        if number in (1, 26):
            clock.sleep(40)
        if kind in ("user", "all"):
            twin.edit_user(user, first_name="Ada")
        if kind in ("field", "all"):
            twin.set_field(user, "sms_opt_in", ["yes", "no"])
            twin.set_field(user, "colour", "blue")
        if kind in ("phone", "all"):
            twin.add_phone(user, "2025550143")
            twin.add_phone(user, "2025550143", "home")
        times[user] = shown(twin, clock.now())
    if kind != "all":
        twin.set_field(ids[3], "secret", "not asked for")
    start = Place(shown(twin, begun) + timedelta(seconds=20))
    found = whole_feed(lambda after, n: feeding.changed_since(after, n, FIELDS), start, limit)
    assert found == [Changed(user, times[user]) for user in ids[1:]]
    assert feeding.newest_change(FIELDS) == times[ids[-1]]
    assert feeding.changed_since(Place(times[ids[-1]]), limit, FIELDS) == []


def test_one_user_with_more_rows_at_one_time_than_a_page(
    feeding: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    ada, bo = people(twin, 2)
    clock.sleep(5)
    for user in (bo, ada):
        twin.set_field(user, "sms_opt_in", ["yes", "no", "maybe", "y", "n"])
    start = Place(clock.now() - timedelta(seconds=3))
    found = whole_feed(lambda after, n: feeding.changed_since(after, n, FIELDS), start, 2)
    assert [one.id for one in found] == [ada, bo]


def test_a_place_is_left_behind_as_far_as_it_was_read(
    feeding: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    ids = people(twin, 3)
    at = shown(twin, clock.now())
    ask = feeding.changed_since
    assert [one.id for one in ask(Place(at, ids[0]), 9, FIELDS)] == ids[1:]
    assert [one.id for one in ask(Place(at, 0), 9, FIELDS)] == ids
    assert ask(Place(at), 9, FIELDS) == []
    earlier = at - timedelta(microseconds=1)
    assert [one.id for one in ask(Place(earlier), 9, FIELDS)] == ids


def test_a_change_in_the_second_of_an_earlier_one_is_found(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    """By re-reading the feed, whose candidates the checksum then tells apart."""
    (ada,) = people(twin, 1)
    twin.edit_user(ada, city="Chicago")
    (before,) = client.changed_since(Place(clock.now() - timedelta(minutes=40)), 9, FIELDS)
    checksum = client.checksums_of([ada], FIELDS)
    clock.sleep(0.3)
    twin.edit_user(ada, city="Peoria")
    (after,) = client.changed_since(Place(clock.now() - timedelta(minutes=40)), 9, FIELDS)
    assert (after.id, after.at) == (ada, shown(twin, clock.now()))
    assert (after.at > before.at) is twin.unknowns.microseconds
    assert client.checksums_of([ada], FIELDS) != checksum


def test_merges_name_who_is_left_and_who_is_gone(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    ada, bo, cleo, _ = people(twin, 4)
    clock.sleep(5)
    twin.merge_users(cleo, bo, ada)
    start = Place(clock.now() - timedelta(seconds=3))
    at = shown(twin, clock.now())
    found = whole_feed(lambda after, n: client.changed_since(after, n, FIELDS), start, 1)
    assert found == [Changed(user, at) for user in (ada, bo, cleo)]


def test_rows_without_a_time_are_in_no_feed(
    feeding: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    ada = twin.add_user("ada@example.org", at=clock.now() - timedelta(days=3000))
    twin.import_field(ada, "sms_opt_in", "no")
    twin._db.write("DELETE FROM core_usermerge")
    start = Place(clock.now() - timedelta(days=1), 0)
    assert feeding.changed_since(start, 9, FIELDS) == []
    assert feeding.refusals_since(start, 9, "sms_opt_in") == []
    assert feeding.newest_change(FIELDS) == shown(twin, clock.now() - timedelta(days=3000))


@pytest.mark.parametrize("skew_seconds", [-900, 900])
def test_times_are_the_other_sides(
    feeding: ActionKitClient, twin: ActionKitTwin, clock: FakeClock, skew_seconds: int
) -> None:
    twin.switch(clock_skew_seconds=skew_seconds)
    (ada,) = people(twin, 1)
    at = shown(twin, clock.now() + timedelta(seconds=skew_seconds))
    assert feeding.newest_change([]) == at
    before = Place(at - timedelta(seconds=1))
    assert feeding.changed_since(before, 9, []) == [Changed(ada, at)]


def test_an_instance_without_people_has_no_newest_change(feeding: ActionKitClient) -> None:
    assert feeding.newest_change(FIELDS) is None


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_refusals_are_found_row_by_row(
    feeding: ActionKitClient, twin: ActionKitTwin, clock: FakeClock, limit: int
) -> None:
    """A3: rows with any recognised false, in any case, whatever else there is."""
    values = ["no", "FALSE", "Opt-Out", "n", "0", "opt out", "f", "yes", "TBD", "nope", ""]
    ids = people(twin, 25 + len(values))
    start = Place(clock.now())
    clock.sleep(5)
    for user in ids[:25]:
        twin.set_field(user, "sms_opt_in", "no")
        twin.set_field(user, "colour", "no")
    clock.sleep(5)
    for user, value in zip(ids[25:], values, strict=True):
        twin.set_field(user, "sms_opt_in", value)
    found = whole_feed(
        lambda after, n: feeding.refusals_since(after, n, "sms_opt_in"), start, limit, by_row=True
    )
    assert [one.id for one in found] == ids[: 25 + 7]
    assert {one.at for one in found} == {
        shown(twin, clock.now()),
        shown(twin, clock.now() - timedelta(seconds=5)),
    }
    assert len({one.row for one in found}) == len(found)


def test_a_refusal_with_space_around_it(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    ids = people(twin, 4)
    for user, value in zip(ids, ["\tno ", " FALSE\r\n", "no way", "n o"], strict=True):
        twin.set_field(user, "sms_opt_in", value)
    start = Place(clock.now() - timedelta(seconds=5))
    assert [one.id for one in client.refusals_since(start, 9, "SMS_opt_in")] == ids[:2]


def test_feeds_show_nobodys_values_and_take_slots(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock, slots: Slots
) -> None:
    ids = people(twin, 3)
    for user in ids:
        twin.set_field(user, "sms_opt_in", "no")
        twin.add_phone(user, "2025550143")
    start = Place(clock.now() - timedelta(hours=1))
    assert len(client.changed_since(start, 9, FIELDS)) == 3
    assert len(client.refusals_since(start, 9, FIELDS[0])) == 3
    assert client.newest_change(FIELDS) is not None
    assert client.users_with(["+12025550143"]) == ids
    assert slots.taken == 4
    assert twin.counts()["most_users_in_any_60_seconds"] == 0


def test_a_feed_is_never_taken_from_the_cache(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    start = Place(clock.now() - timedelta(hours=1))
    assert client.changed_since(start, 9, FIELDS) == []
    assert client.sums(0, 0, FIELDS) == {}
    people(twin, 1)
    assert len(client.changed_since(start, 9, FIELDS)) == 1
    assert client.sums(0, 0, FIELDS)[0].rows == 1


def test_a_failed_read_is_tried_once_more(
    client: ActionKitClient, twin: ActionKitTwin, slots: Slots
) -> None:
    people(twin, 1)
    twin.faults.add(Fault("server_error", times=1))
    assert client.sums(0, 0, FIELDS)[0].rows == 1
    twin.faults.add(Fault("server_error", times=2))
    with pytest.raises(Unavailable):
        client.checksums_of([1], FIELDS)
    assert slots.taken == 4


# --- who has a number -----------------------------------------------------------------------


@pytest.mark.parametrize("reads", ["sql", "rest"])
@pytest.mark.parametrize("drops_one", [False, True])
def test_who_has_a_number_however_it_was_typed(
    make: Make, twin: ActionKitTwin, reads: str, drops_one: bool
) -> None:
    twin.switch(normalized_phone_drops_one=drops_one)
    american = ["(202) 555-0143", "+1 202 555 0143", "1-202-555-0143", "011 1 202 555 0143"]
    british = ["07700 900123", "+44 7700 900123", "+44 (0)7700 900123", "0044 7700 900123"]
    ids = people(twin, 10)
    for user, phone in zip(ids, [*american, *british, "2025550144", "12345"], strict=True):
        twin.add_phone(user, phone)
    client = make(reads)
    assert client.users_with(["+12025550143"]) == ids[:4]
    assert client.users_with(["+447700900123"]) == ids[4:8]
    assert client.users_with(["+12025550143", "+447700900123", "+12025550199"]) == ids[:8]
    assert client.users_with([f"+120255{number:05d}" for number in range(50_130, 50_190)]) == [
        *ids[:4],
        ids[8],
    ]
    assert client.users_with([]) == []


def test_without_a_filter_by_number_rest_knows_nobody(
    make: Make, twin: ActionKitTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin.add_phone(people(twin, 1)[0], "2025550143")
    phone = twin._rest.resources["phone"]
    filters = {key: one for key, one in phone.filters.items() if key != "normalized_phone"}
    monkeypatch.setitem(phone.__dict__, "filters", filters)
    assert make("rest").users_with(["+12025550143"]) == []


# --- by what way ----------------------------------------------------------------------------


def test_how_changes_can_be_found(
    make: Make, twin: ActionKitTwin, slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make().finds_changes_by() == "checksums"
    assert slots.taken == 0
    assert make("rest").finds_changes_by() == "nothing"
    twin.switch(updated_at_filter=True)
    client = make("rest")
    assert client.finds_changes_by() == client.finds_changes_by() == "times"
    assert slots.taken == 4
    phone = twin._rest.resources["phone"]
    monkeypatch.setitem(phone.__dict__, "filters", {"user": "user_id"})
    assert make("rest").finds_changes_by() == "nothing"


@pytest.mark.parametrize("limit", [1, 5, 10])
def test_by_rest_a_page_reads_no_more_people_than_it_says(
    make: Make, twin: ActionKitTwin, clock: FakeClock, slots: Slots, limit: int
) -> None:
    """A3: the caller's grant is for three times `limit`, or six where many share one time."""
    twin.switch(updated_at_filter=True)
    client = make("rest")
    ids = people(twin, 90)
    start = Place(clock.now())
    clock.sleep(5)
    for number, user in enumerate(ids):
        clock.sleep(0 if number % 30 else 2)
        twin.edit_user(user, city="Peoria")
        twin.add_phone(ids[-1 - number], "2025550143")
        twin.set_field(ids[number * 7 % 90], "sms_opt_in", "no")
    after, most = start, 0
    while True:
        clock.sleep(61)
        twin.reset_counts()
        page = client.changed_since(after, limit, FIELDS)
        most = max(most, twin.counts()["most_users_in_any_60_seconds"])
        if not page:
            break
        after = Place(page[-1].at, page[-1].id)
    assert most <= 6 * limit
    clock.sleep(61)
    twin.reset_counts()
    assert len(client.refusals_since(start, limit, "sms_opt_in")) == limit
    assert twin.counts()["most_users_in_any_60_seconds"] == limit
    assert slots.taken == 0


def test_by_rest_more_are_read_than_a_list_shows_at_once(
    make: Make, twin: ActionKitTwin, clock: FakeClock
) -> None:
    twin.switch(updated_at_filter=True)
    ids = people(twin, 230)
    start = Place(clock.now())
    for user in ids:
        clock.sleep(0 if user % 120 else 2)
        twin.set_field(user, "sms_opt_in", "no")
    client = make("rest")
    found = client.changed_since(start, 1000, FIELDS)
    assert [one.id for one in found] == ids[119:]
    assert client.changed_since(start, 105, FIELDS) == found[:105]
    refused = client.refusals_since(start, 1000, "sms_opt_in")
    assert [one.id for one in refused] == ids[119:]
    assert client.refusals_since(start, 105, "sms_opt_in") == refused[:105]
