"""Walks through what changed in Strive (U4): the client against the twin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import islice
from typing import Final

import pytest

from instep.adapters.strive import StriveClient
from instep.adapters.transport import url_of
from instep.use_cases.ports import Changed, Feed, Place
from tests.contract.strive_town import EPOCH, FEEDS, URL, Town, changed_by, number

SECOND: Final = timedelta(seconds=1)


@pytest.fixture(params=[None, 5, 1])
def page_cap(request: pytest.FixtureRequest) -> int | None:
    cap: int | None = request.param
    return cap


# --- walks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("limit", [1, 7, 25, 100])
def test_many_rows_on_one_time(feed: Feed, page_cap: int | None, limit: int) -> None:
    town = Town(page_cap=page_cap)
    ids = [town.add(n, opt_in=False) for n in range(31)]
    start = Place(town.clock.now())
    town.clock.sleep(1)
    early, late = ids[:3], ids[28:]
    many = ids[3:28]
    for some in (early, many, late):
        for member_id in reversed(some):
            changed_by(town, feed, member_id)
        town.clock.sleep(1)
    found = town.walk(feed, start, limit)
    assert [one.at for one in found] == sorted(one.at for one in found)
    named = [one.id for one in found]
    if feed == "change_log":  # its rows are those of columns: two for each of these members
        named = list(dict.fromkeys(named))
    assert (sorted(named) if feed == "events" else named) == ids
    times = {one.id: one.at - start.at for one in found}
    assert {times[one] for one in early} == {SECOND}
    assert {times[one] for one in many} == {2 * SECOND}
    assert {times[one] for one in late} == {3 * SECOND}


@pytest.mark.parametrize("feed", FEEDS)
def test_a_place_within_a_time(feed: Feed, page_cap: int | None) -> None:
    """`past` None is after all rows of the time, 0 before all of them, a key after that row."""
    town = Town(page_cap=page_cap)
    ids = [town.add(n, opt_in=False) for n in range(6)]
    town.clock.sleep(1)
    at = town.clock.now()
    for member_id in ids[:5]:
        changed_by(town, feed, member_id)
    assert town.named(feed, Place(at)) == set()
    assert town.named(feed, Place(at, 0)) == set(ids[:5])
    assert town.named(feed, Place(at - timedelta(microseconds=1))) == set(ids[:5])
    first, place = town.client.changed_since(feed, Place(at, 0), 2, town.group)
    assert place.at == at
    assert {one.id for one in first} | town.named(feed, place) == set(ids[:5])
    town.clock.sleep(1)
    changed_by(town, feed, ids[5])
    assert town.named(feed, Place(at)) == {ids[5]}
    assert town.named(feed, place) == set(ids[:6]) - {one.id for one in first}


@pytest.mark.parametrize("feed", FEEDS)
def test_the_end_of_a_feed_is_a_place_to_go_on_from(feed: Feed, page_cap: int | None) -> None:
    town = Town(page_cap=page_cap)
    ids = [town.add(n, opt_in=False) for n in range(3)]
    place = Place(town.clock.now())
    assert town.client.changed_since(feed, place, 10, town.group) == ([], place)
    for member_id in ids:
        town.clock.sleep(1)
        changed_by(town, feed, member_id)
        found, place = town.client.changed_since(feed, place, 10, town.group)
        assert {one.id for one in found} == {member_id}
        assert town.client.changed_since(feed, place, 10, town.group) == ([], place)


@pytest.mark.parametrize("feed", FEEDS)
def test_rows_that_are_added_during_a_walk(feed: Feed, page_cap: int | None) -> None:
    town = Town(page_cap=page_cap)
    ids = [town.add(n, opt_in=False) for n in range(25)]
    start = Place(town.clock.now())
    town.clock.sleep(1)
    for member_id in ids[:20]:
        changed_by(town, feed, member_id)
    town.clock.sleep(1)
    found: list[Changed] = []
    waiting = iter(ids[20:])
    for page in town.pages(feed, start, 3):
        found += page
        for member_id in islice(waiting, 1):
            changed_by(town, feed, member_id)
            town.clock.sleep(1)
    assert {one.id for one in found} == set(ids)


def test_rows_that_leave_a_time_during_a_walk(page_cap: int | None) -> None:
    """A row that moves on lets no other be passed over: places are no counts."""
    town = Town(page_cap=page_cap)
    ids = [town.add(n) for n in range(25)]
    start = Place(town.clock.now(), 0)
    found: list[Changed] = []
    for step, page in enumerate(town.pages("members", start, 3)):
        found += page
        town.clock.sleep(1)
        if step < 8:
            town.twin.edit_member(page[0].id, city=f"Troy {step}")
    assert {one.id for one in found} == set(ids)


def test_a_membership_that_ends_during_a_walk(page_cap: int | None) -> None:
    town = Town(page_cap=page_cap)
    ids = [town.add(n, groups=[town.group]) for n in range(12)]
    found: list[Changed] = []
    for page in town.pages("joins", EPOCH, 4):
        found += page
        if page:
            town.twin.leave_group(town.group, page[0].id)
    assert [one.id for one in found] == ids


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("microseconds", [False, True])
def test_times_are_those_that_strive_wrote(feed: Feed, microseconds: bool) -> None:
    """Milliseconds or microseconds: a place made of a time finds the next one and no more."""
    town = Town(microseconds=microseconds, page_cap=1)
    ids = [town.add(n, opt_in=False) for n in range(4)]
    start = Place(town.clock.now())
    town.clock.sleep(0.001499)
    for member_id in ids:
        changed_by(town, feed, member_id)
        town.clock.sleep(0.000001 if microseconds else 0.001)
    found = list({one.id: one for one in town.walk(feed, start, 1)}.values())
    assert [one.id for one in found] == ids
    assert len({one.at for one in found}) == 4
    for place, one in enumerate(found):
        assert town.named(feed, Place(one.at)) == set(ids[place + 1 :])
        assert town.named(feed, Place(one.at, 0)) == set(ids[place:])
    assert town.client.newest(feed, town.group) == found[-1].at


@pytest.mark.parametrize("feed", FEEDS)
def test_a_day_of_rows_costs_one_request(feed: Feed) -> None:
    town = Town()
    for n in range(30):
        changed_by(town, feed, town.add(n, opt_in=False))
        town.clock.sleep(1)
    town.heard.requests.clear()
    found, _ = town.client.changed_since(feed, EPOCH, 500, town.group)
    assert len(found) >= 30
    assert len(town.heard.requests) == 1


@pytest.mark.parametrize("feed", FEEDS)
def test_no_values_are_read(feed: Feed) -> None:
    town = Town()
    town.client.changed_since(feed, Place(town.clock.now(), 4), 500, town.group)
    town.client.newest(feed, town.group)
    town.client.unsubscribed_since(EPOCH, 5)
    town.client.count_members()
    town.client.member_ids(0, 5)
    shown = {"id", "member_id", "group_id", "updated_at", "created_at", "member_removed_on"}
    for request in town.heard.requests:
        assert set(dict(request.query)["select"].split(",")) <= shown, url_of(request)


@pytest.mark.parametrize("feed", FEEDS)
def test_other_campaigns_and_other_groups_are_not_seen(feed: Feed) -> None:
    town = Town()
    ana = town.add(1, opt_in=False)
    changed_by(town, feed, ana)
    other = town.twin.add_campaign("Hillside").campaign_id
    both = town.twin.add_key([town.id, other])
    client = StriveClient(town.heard, URL, both, other)
    assert client.changed_since(feed, EPOCH, 9, town.group) == ([], EPOCH)
    assert client.newest(feed, town.group) is None
    if feed == "joins":
        assert town.client.changed_since(feed, EPOCH, 9, town.group + 1) == ([], EPOCH)


def test_what_is_said_of_memberships_and_events() -> None:
    town = Town()
    ana, bo = town.add(1), town.add(2)
    town.clock.sleep(1)
    at = town.clock.now()
    second = town.twin.add_group(town.id, "Page")
    town.twin.join_group(town.group, ana)
    town.twin.join_group(second, ana)
    assert town.walk("joins") == [Changed(ana, at, group_id=town.group)]
    town.twin.leave_group(second, ana)
    assert town.walk("removals") == [Changed(ana, at, group_id=second)]
    town.twin.text_in(bo, "STOP")
    [event] = town.client.events([bo])[bo][-1:]
    assert town.walk("events", Place(at, 0)) == [Changed(bo, at, row=event.event_id)]


# --- opt-outs -------------------------------------------------------------------------------


def test_opt_outs_alone(page_cap: int | None) -> None:
    town = Town(page_cap=page_cap)
    ids = [town.add(n) for n in range(25)]
    town.clock.sleep(1)
    start = Place(town.clock.now(), 0)
    for member_id in ids:
        town.twin.text_in(member_id, "STOP")
        town.twin.text_in(member_id, "JOIN")
    town.twin.edit_member(ids[3], opt_in=False)
    town.client.patch_member(town.client.members_by_id([ids[4]])[ids[4]], {}, {}, opt_in=False)
    found: list[Changed] = []
    place = start
    while True:
        page, place = town.client.unsubscribed_since(place, 7)
        found += page
        if len(page) < 7:
            break
    assert [one.id for one in found] == [*ids, ids[3], ids[4]]
    rows = [one.row for one in found]
    assert rows == sorted(set(rows))
    events = town.client.events(ids)
    refused = {event.event_id for some in events.values() for event in some if event.unsubscribe}
    assert set(rows) == refused
    assert town.client.unsubscribed_since(place, 7) == ([], place)


def test_logs_that_lag_are_found_when_they_are_there() -> None:
    """The time of a row is that of the change: what is read again later shows it."""
    town = Town(log_latency_seconds=300)
    ana = town.add(1)
    start = Place(town.clock.now())
    town.clock.sleep(1)
    town.twin.text_in(ana, "STOP")
    town.twin.join_group(town.group, ana)
    town.twin.leave_group(town.group, ana)
    logs: tuple[Feed, ...] = ("events", "change_log", "removals")
    for feed in logs:
        assert town.named(feed, start) == set()
    assert town.named("members", start) == {ana}
    town.clock.sleep(300)
    for feed in logs:
        assert town.named(feed, start) == {ana}
    assert [one.id for one in town.client.unsubscribed_since(start, 5)[0]] == [ana]


@pytest.mark.parametrize("feed", FEEDS)
def test_times_are_by_strives_clock(feed: Feed) -> None:
    town = Town(clock_skew_seconds=-900)
    ana = town.add(1, opt_in=False)
    town.clock.sleep(1)
    changed_by(town, feed, ana)
    assert town.client.newest(feed, town.group) == town.clock.now() - timedelta(minutes=15)


# --- newest, counts, ids --------------------------------------------------------------------


@pytest.mark.parametrize("feed", FEEDS)
def test_newest(feed: Feed, page_cap: int | None) -> None:
    town = Town(page_cap=page_cap)
    assert town.client.newest(feed, town.group) is None
    ana, bo = town.add(1, opt_in=False), town.add(2, opt_in=False)
    for member_id in (bo, ana):
        town.clock.sleep(7)
        changed_by(town, feed, member_id)
        assert town.client.newest(feed, town.group) == town.clock.now()


def test_counts_and_ids(page_cap: int | None) -> None:
    town = Town(page_cap=page_cap)
    assert town.client.count_members() == 0
    assert town.client.member_ids(0, 10) == []
    ids = [town.add(n) for n in range(12)]
    elsewhere = town.twin.add_campaign("Hillside")
    town.twin.add_member(elsewhere.campaign_id, number(1))
    assert town.client.count_members() == 12
    assert town.client.count_members(ids[3]) == 8
    assert town.client.count_members(ids[-1]) == 0
    assert town.client.member_ids(0, 100) == ids
    assert town.client.member_ids(0, 7) == ids[:7]
    assert town.client.member_ids(ids[6], 7) == ids[7:]
    assert town.client.member_ids(ids[3], 0) == []


# --- tables that are not there --------------------------------------------------------------

TABLES: Final[Mapping[Feed, tuple[str, str]]] = {
    "change_log": ("change_log_table", "member_change_log"),
    "custom_values": ("custom_values_table", "members_custom_fields"),
    "removals": ("removals_table", "member_group_delete_log"),
}


@pytest.mark.parametrize("feed", TABLES)
def test_a_table_that_strive_does_not_have_is_empty_and_asked_once(feed: Feed) -> None:
    switch, table = TABLES[feed]
    town = Town(**{switch: False})
    changed_by(town, feed, town.add(1))
    place = Place(town.clock.now(), 3)
    for _ in range(2):
        assert town.client.changed_since(feed, place, 5) == ([], place)
        assert town.client.newest(feed) is None
    assert [request.url.rpartition("/")[2] for request in town.heard.requests] == [table]
    assert town.new_client().changed_since(feed, place, 5) == ([], place)
    assert len(town.heard.requests) == 2


def test_members_without_a_change_log_have_no_changes() -> None:
    town = Town(change_log_table=False)
    ana = town.add(1)
    town.twin.edit_member(ana, city="Troy")
    assert town.client.changes([ana]) == {}
