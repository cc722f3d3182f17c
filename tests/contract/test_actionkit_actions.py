"""Pages, usergroups and actions of ActionKit (P1 to P5, G3, G4), against the twin: by SQL, and by
REST where they are to be had so."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from instep.adapters.actionkit import SOURCE, ActionKitClient, actions
from instep.adapters.actionkit.changes import Statement
from instep.adapters.actionkit.sql import look_statement
from instep.domain.people import Action
from instep.domain.rules import Moment
from instep.use_cases.errors import Busy, Rejected, Unauthorised, Unavailable
from instep.use_cases.ports import (
    BUCKET_OF_ACTIONS,
    Act,
    ActionKit,
    HttpAnswer,
    HttpRequest,
    PageRow,
    Sum,
    Taken,
    UsergroupRow,
)
from local.twins.actionkit import ActionKitTwin
from local.twins.actionkit.records import PastAction
from local.twins.actionkit.reports import quoted
from local.twins.http import Fault
from local.twins.transport import TwinTransport
from tests.unit.adapters.script import FakeClock, Slots

URL = "https://act.example.org"
FIELDS = ["sms_opt_in"]
ODD = ['o\'clock "now"', "x') OR 1=1 -- x", "{{ actionfield }}", "back\\slash", "größe 100%"]
Make = Callable[..., ActionKitClient]


class Dated:
    """A transport whose answers bear ActionKit's time, as its server's do."""

    def __init__(self, twin: ActionKitTwin) -> None:
        self._twin = twin
        self._transport = TwinTransport({URL: twin})
        self.dated = True

    def send(self, request: HttpRequest) -> HttpAnswer:
        answer = self._transport.send(request)
        now = self._twin._db.now()
        date = {"date": format_datetime(now, usegmt=True)} if self.dated else {}
        return HttpAnswer(answer.status, {**answer.headers, **date}, answer.body)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[("iso", True, "number"), ("space", False, "text")])
def twin(clock: FakeClock, request: pytest.FixtureRequest) -> Iterator[ActionKitTwin]:
    """An instance, with times and sums in each form that they may have."""
    twin = ActionKitTwin(clock.now, random.Random(1))
    form, microseconds, decimals = request.param
    twin.switch(sql_datetimes=form, microseconds=microseconds, sql_decimals=decimals)
    twin.define_userfield("sms_opt_in")
    yield twin
    twin.close()


@pytest.fixture
def slots() -> Slots:
    return Slots()


@pytest.fixture
def transport(twin: ActionKitTwin) -> Dated:
    return Dated(twin)


@pytest.fixture
def make(transport: Dated, clock: FakeClock, slots: Slots) -> Make:
    def make(reads: str = "sql", password: str = "secret") -> ActionKitClient:
        chosen: Any = reads
        return ActionKitClient(transport, URL, "staff", password, slots, chosen, clock)

    return make


@pytest.fixture(params=["sql", "rest"])
def reads(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def client(make: Make, reads: str) -> ActionKitClient:
    return make(reads)


@pytest.fixture
def sql(make: Make) -> ActionKitClient:
    return make("sql")


@pytest.fixture
def rest(make: Make) -> ActionKitClient:
    return make("rest")


def people(twin: ActionKitTwin, count: int) -> list[int]:
    return [twin.add_user(f"u{number}@example.org") for number in range(count)]


def pages(twin: ActionKitTwin, count: int) -> list[int]:
    return [twin.add_page(f"page-{number}", "Petition") for number in range(count)]


def act(twin: ActionKitTwin, page: int, user: int, **fields: Any) -> int:
    """An action on the page of this number, as its user takes it."""
    given = {f"action_{name}": value for name, value in fields.items()}
    return twin.take_action(f"page-{page}", given, user)


def looked_at(client: ActionKitClient, user: int, page_ids: list[int]) -> tuple[Action, ...]:
    return client.look([user], FIELDS, page_ids=page_ids).users[user].actions


def without_filters(
    twin: ActionKitTwin, monkeypatch: pytest.MonkeyPatch, resource: str, *lost: str
) -> None:
    """An instance whose lists cannot be filtered by some columns."""
    one = twin._rest.resources[resource]
    left = {key: value for key, value in one.filters.items() if key not in lost}
    monkeypatch.setitem(one.__dict__, "filters", left)


# --- a look ---------------------------------------------------------------------------------


def test_a_look_shows_the_actions_on_the_pages_asked_for(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    (ada, bo), (walk, run, _) = people(twin, 2), pages(twin, 3)
    first = act(twin, 1, ada, size="M", colour=["blue", "red", "blue"])
    at = clock.now()
    clock.sleep(61)
    second = act(twin, 0, ada)
    act(twin, 2, ada, size="L")
    other = act(twin, 0, bo, size="S")
    look = client.look([bo, ada], FIELDS, page_ids=[walk, run])
    seen = {user: one.actions for user, one in look.users.items()}
    fields = (("colour", ("blue", "red", "blue")), ("size", ("M",)))
    assert seen[ada] == (
        Action(first, run, "complete", at, "petition", "website", fields=fields),
        Action(second, walk, "complete", clock.now(), "petition", "website"),
    )
    assert [(one.action_id, one.fields) for one in seen[bo]] == [(other, (("size", ("S",)),))]
    assert looked_at(client, ada, []) == ()
    assert looked_at(client, ada, [4711]) == ()


def test_values_of_a_field_stand_in_the_order_of_their_rows(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    (ada,), (page,) = people(twin, 1), pages(twin, 1)
    values = [f"v{number}" for number in range(12, 0, -1)]
    act(twin, 0, ada, b="1", a=values, C="2")
    (action,) = looked_at(client, ada, [page])
    assert action.fields == (("C", ("2",)), ("a", tuple(values)), ("b", ("1",)))


def test_odd_names_and_values_of_actionfields(client: ActionKitClient, twin: ActionKitTwin) -> None:
    (ada,), (page,) = people(twin, 1), pages(twin, 1)
    fields: dict[str, str | list[str]] = {name: name[::-1] for name in ODD}
    twin.import_actions(
        [
            PastAction(
                page, ada, datetime(2024, 2, 29, tzinfo=UTC), {**fields, " Size ": ["", " 1 "]}
            )
        ]
    )
    (action,) = looked_at(client, ada, [page])
    expected = {name: (name[::-1],) for name in ODD} | {"Size": ("", " 1 ")}
    assert action.fields == tuple(sorted(expected.items()))


@pytest.mark.parametrize("status", ["incomplete", "Spam", "COMPLETE"])
def test_actions_are_shown_whatever_their_status(
    client: ActionKitClient, twin: ActionKitTwin, status: str
) -> None:
    (ada,), (page,) = people(twin, 1), pages(twin, 1)
    action_id = act(twin, 0, ada)
    twin.set_action_status(action_id, status)
    (action,) = looked_at(client, ada, [page])
    assert action.status == status.lower()
    assert action.complete is (status == "COMPLETE")


def test_an_action_that_is_deleted_or_moved_is_not_shown(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    (ada, bo), (page,) = people(twin, 2), pages(twin, 1)
    first, second = act(twin, 0, ada), act(twin, 0, bo)
    twin.delete_action(first)
    assert looked_at(client, ada, [page]) == ()
    twin.merge_users(ada, bo)
    look = client.look([ada, bo], FIELDS, page_ids=[page])
    assert list(look.users) == [ada]
    assert [one.action_id for one in look.users[ada].actions] == [second]


@pytest.mark.parametrize("source", ["upload", "Upload-7", "spring list", "SPRING LIST", "website"])
def test_an_upload_is_known_by_its_source(
    client: ActionKitClient, twin: ActionKitTwin, source: str
) -> None:
    (ada,), (page,) = people(twin, 1), pages(twin, 1)
    twin.add_page("list", "Import", import_settings={"default_source": "Spring list"})
    twin.add_page("no-source", "Import")
    twin.take_action("page-0", {"source": source}, ada)
    twin.import_actions([PastAction(page, ada, datetime(2024, 2, 29, tzinfo=UTC), source="")])
    shown = looked_at(client, ada, [page])
    assert [one.source for one in shown] == [source, ""]
    assert [one.uploaded for one in shown] == [source != "website", False]


def test_our_own_actions_are_imports(client: ActionKitClient, twin: ActionKitTwin) -> None:
    (ada,) = people(twin, 1)
    page = client.ensure_import_page()
    client.act(Act(page.name, "u0@example.org", actionfields={"sync_id": "S1"}))
    (action,) = looked_at(client, ada, [page.page_id])
    assert (action.page_type, action.source, action.uploaded) == ("import", SOURCE, True)


def test_250_users_in_one_look(client: ActionKitClient, twin: ActionKitTwin) -> None:
    ids, page_ids = people(twin, 260), pages(twin, 3)
    taken: dict[int, list[int]] = {}
    for number, user in enumerate(ids):
        for page in range(number % 4 and 3):
            taken.setdefault(user, []).append(act(twin, page, user, size=["S", "M"], n=str(user)))
    look = client.look(ids[:250], FIELDS, page_ids=page_ids[:2])
    assert len(look.users) == 250
    for user, seen in look.users.items():
        assert [one.action_id for one in seen.actions] == taken.get(user, [])[:2]
        assert all(
            one.fields == (("n", (str(user),)), ("size", ("S", "M"))) for one in seen.actions
        )


def test_a_look_whose_answer_would_be_too_long_is_refused(
    sql: ActionKitClient, twin: ActionKitTwin
) -> None:
    """Whoever asks then asks for fewer users."""
    ids, (page,) = people(twin, 2), pages(twin, 1)
    fields = {f"field_{number}": "x" for number in range(50)}
    at = datetime(2024, 2, 29, tzinfo=UTC)
    twin.import_actions([PastAction(page, user, at, fields) for user in ids for _ in range(150)])
    with pytest.raises(Rejected):
        sql.look(ids, FIELDS, page_ids=[page])
    assert len(looked_at(sql, ids[0], [page])) == 150


def test_actions_of_a_look_are_one_statement_and_read_nobody_else(
    sql: ActionKitClient, twin: ActionKitTwin, slots: Slots
) -> None:
    ids, page_ids = people(twin, 5), pages(twin, 2)
    for user in ids:
        act(twin, 0, user, size="M")
    sql.look(ids[:2], FIELDS, page_ids=page_ids)
    assert twin.counts()["requests"] == {"POST /rest/v1/report/run/sql/": 1}
    assert twin.counts()["most_users_in_any_60_seconds"] == 2
    assert slots.taken == 0


def test_by_rest_a_look_reads_nobody_else_for_actions(
    rest: ActionKitClient, twin: ActionKitTwin, slots: Slots
) -> None:
    ids, page_ids = people(twin, 5), pages(twin, 2)
    for user in ids:
        act(twin, 0, user, size="M")
    rest.look(ids[:2], FIELDS, page_ids=page_ids)
    assert twin.counts()["most_users_in_any_60_seconds"] == 2
    assert slots.taken == 0


@pytest.mark.parametrize("count", [2, 450])
def test_by_rest_actions_are_chosen_by_page_here_too(
    rest: ActionKitClient,
    twin: ActionKitTwin,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    """Where they cannot be filtered by page, or there are too many pages for an address."""
    (ada,), page_ids = people(twin, 1), pages(twin, 3)
    shown = [act(twin, page, ada) for page in range(3)][:2]
    if count == 2:
        without_filters(twin, monkeypatch, "action", "page")
    asked = [*page_ids[:2], *range(1000, 998 + count)]
    assert [one.action_id for one in looked_at(rest, ada, asked)] == shown


def test_by_rest_no_actions_are_seen_without_a_filter_by_user(
    rest: ActionKitClient, twin: ActionKitTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ada,), page_ids = people(twin, 1), pages(twin, 1)
    act(twin, 0, ada)
    without_filters(twin, monkeypatch, "action", "user")
    assert looked_at(rest, ada, page_ids) == ()


# --- the moment -----------------------------------------------------------------------------


@pytest.mark.parametrize("skew_seconds", [-900, 0, 900])
def test_the_moment_is_actionkits(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock, skew_seconds: int
) -> None:
    twin.switch(clock_skew_seconds=skew_seconds)
    now = clock.now() + timedelta(seconds=skew_seconds)
    assert client.moment() == Moment(now, 0)
    (ada,), _ = people(twin, 1), pages(twin, 1)
    act(twin, 0, ada)
    newest = act(twin, 0, ada)
    clock.sleep(5)
    assert client.moment() == Moment(now + timedelta(seconds=5), newest)


def test_by_rest_the_moment_is_ours_where_the_answer_bears_no_time(
    rest: ActionKitClient, transport: Dated, twin: ActionKitTwin, clock: FakeClock
) -> None:
    twin.switch(clock_skew_seconds=900)
    transport.dated = False
    assert rest.moment() == Moment(clock.now(), 0)


# --- pages and usergroups -------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 100, 250])
def test_pages_are_listed_by_id(
    client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock, limit: int
) -> None:
    page_ids = pages(twin, 5)
    made = clock.now()
    clock.sleep(5)
    twin.edit_page(page_ids[1], title='The "big" one')
    found: list[PageRow] = []
    while some := client.pages_after(found[-1].page_id if found else 0, limit):
        assert len(some) <= limit
        found += some
    assert [one.page_id for one in found] == page_ids
    assert found[1] == PageRow(page_ids[1], "page-1", 'The "big" one', "Petition", clock.now())
    assert found[0] == PageRow(page_ids[0], "page-0", "", "Petition", made)


def test_many_pages(client: ActionKitClient, twin: ActionKitTwin) -> None:
    page_ids = pages(twin, 230)
    assert [one.page_id for one in client.pages_after(0, 1000)] == page_ids
    assert [one.page_id for one in client.pages_after(page_ids[9], 205)] == page_ids[10:215]
    assert client.pages_after(page_ids[-1], 1000) == []


def test_by_rest_pages_are_found_without_a_filter(
    rest: ActionKitClient, twin: ActionKitTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    page_ids = pages(twin, 230)
    without_filters(twin, monkeypatch, "page", "id")
    assert [one.page_id for one in rest.pages_after(page_ids[9], 205)] == page_ids[10:215]
    assert rest.pages_after(page_ids[-1], 1000) == []


def test_usergroups(make: Make, twin: ActionKitTwin) -> None:
    ids = people(twin, 3)
    assert make().usergroups() == make("rest").usergroups() == []
    groups = [twin.add_usergroup(name) for name in ("Volunteers", *ODD)]
    twin.join_many(groups[1], ids)
    counts = [0, 3, *[0] * (len(groups) - 2)]
    names = ["Volunteers", *ODD]
    rows = list(zip(groups, names, counts, strict=True))
    assert make().usergroups() == [UsergroupRow(*row) for row in rows]
    assert make("rest").usergroups() == [UsergroupRow(one, name, None) for one, name, _ in rows]


def test_many_usergroups_by_rest(rest: ActionKitClient, twin: ActionKitTwin) -> None:
    groups = [twin.add_usergroup(f"Group {number}") for number in range(230)]
    assert [one.usergroup_id for one in rest.usergroups()] == groups


@pytest.mark.parametrize("limit", [1, 7, 30])
def test_who_is_in_a_usergroup(sql: ActionKitClient, twin: ActionKitTwin, limit: int) -> None:
    ids = people(twin, 30)
    group, other = twin.add_usergroup("A"), twin.add_usergroup("B")
    twin.join_many(other, ids)
    twin.join_many(group, ids[20:])
    twin.join_many(group, ids[3:18])
    twin.leave(ids[5], group)
    found: list[int] = []
    while some := sql.grouped_after(group, found[-1] if found else 0, limit):
        assert len(some) <= limit
        found += some
    assert found == [*ids[3:5], *ids[6:18], *ids[20:]]


# --- what there is on pages -----------------------------------------------------------------


def test_complete_actions_are_counted(sql: ActionKitClient, twin: ActionKitTwin) -> None:
    (ada, bo), page_ids = people(twin, 2), pages(twin, 4)
    spam = act(twin, 0, ada)
    twin.set_action_status(spam, "spam")
    gone = act(twin, 1, ada)
    twin.delete_action(gone)
    for user in (ada, bo, ada):
        act(twin, 1, user)
        act(twin, 3, user)
    assert sql.count_actions([*page_ids[:3], 4711]) == {
        page_ids[0]: 0,
        page_ids[1]: 3,
        page_ids[2]: 0,
        4711: 0,
    }
    assert sql.count_actions([]) == {}


def test_names_of_actionfields(sql: ActionKitClient, twin: ActionKitTwin) -> None:
    (ada,), page_ids = people(twin, 1), pages(twin, 3)
    at = datetime(2024, 2, 29, tzinfo=UTC)
    twin.import_actions(
        [
            PastAction(page_ids[0], ada, at, dict.fromkeys([*ODD, " Size "], "1")),
            PastAction(page_ids[1], ada, at, {"Size": ["S", "M"], " ": "x"}),
            PastAction(page_ids[2], ada, at, {"elsewhere": "1"}),
        ]
    )
    assert sql.actionfields(page_ids[:2]) == sorted(["Size", *ODD])
    assert sql.actionfields([]) == []
    assert twin.counts()["most_users_in_any_60_seconds"] == 0


def test_at_most_a_thousand_names(sql: ActionKitClient, twin: ActionKitTwin) -> None:
    (ada,), (page,) = people(twin, 1), pages(twin, 1)
    names = [f"field_{number:04}" for number in range(1203)]
    at = datetime(2024, 2, 29, tzinfo=UTC)
    twin.import_actions([PastAction(page, ada, at, dict.fromkeys(names, "1"))])
    assert sql.actionfields([page]) == names[:1000]


def test_by_rest_there_are_no_counts(rest: ActionKitClient, twin: ActionKitTwin) -> None:
    page_ids = pages(twin, 1)
    assert rest.count_actions(page_ids) is None
    assert rest.actionfields(page_ids) is None
    assert twin.counts()["requests"] == {}


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_who_acted(sql: ActionKitClient, twin: ActionKitTwin, limit: int) -> None:
    """Each once, however often they acted; not by actions that do not count."""
    ids, page_ids = people(twin, 25), pages(twin, 3)
    for number, user in enumerate(reversed(ids)):
        act(twin, number % 2, user, size=["S", "M"])
        act(twin, 0, user)
        act(twin, 2, user, colour="red")
    twin.set_action_status(act(twin, 1, ids[0], colour="red"), "spam")
    twin.delete_user(ids[3])
    left = [one for one in ids if one != ids[3]]

    def walk(page_ids: list[int], actionfield: str | None) -> list[int]:
        found: list[int] = []
        while some := sql.actors_after(page_ids, actionfield, found[-1] if found else 0, limit):
            assert len(some) <= limit
            found += some
        assert sql.count_actors(page_ids, actionfield) == len(found)
        return found

    assert walk(page_ids[:2], None) == left
    assert walk(page_ids[:2], " SIZE ") == left
    assert walk(page_ids[1:2], "size") == [one for one in left if ids.index(one) % 2]
    assert walk(page_ids[:2], "colour") == []
    assert walk([], None) == []


@pytest.mark.parametrize("name", ODD)
def test_who_acted_with_an_odd_actionfield(
    sql: ActionKitClient, twin: ActionKitTwin, name: str
) -> None:
    (ada, bo), (page,) = people(twin, 2), pages(twin, 1)
    at = datetime(2024, 2, 29, tzinfo=UTC)
    fields = {one: "1" for one in ODD if one != name}
    twin.import_actions(
        [PastAction(page, ada, at, {**fields, name: ""}), PastAction(page, bo, at, fields)]
    )
    assert sql.actors_after([page], name, 0, 9) == [ada]
    assert sql.count_actors([page], name) == 1


# --- actions --------------------------------------------------------------------------------


def test_an_action_by_its_id(
    client: ActionKitClient, twin: ActionKitTwin, slots: Slots, reads: str
) -> None:
    (ada,), (page,) = people(twin, 1), pages(twin, 1)
    action_id = act(twin, 0, ada, size="M")
    assert client.taken(action_id) == Taken(action_id, ada, page)
    twin.set_action_status(action_id, "spam")
    assert client.taken(action_id) == Taken(action_id, ada, page)
    twin.delete_action(action_id)
    assert client.taken(action_id) is None
    assert slots.taken == (3 if reads == "sql" else 0)


@pytest.mark.parametrize("limit", [1, 7, 30, 100, 1000])
def test_actions_after_an_id(client: ActionKitClient, twin: ActionKitTwin, limit: int) -> None:
    """Each once, ascending, whatever the edges of pages."""
    ids, page_ids = people(twin, 10), pages(twin, 3)
    taken = []
    for number in range(150):
        page, user = number * 7 % 3, ids[number % 10]
        taken.append(Taken(act(twin, page, user), user, page_ids[page]))
    twin.set_action_status(taken[0].action_id, "incomplete")
    gone = taken.pop(40)
    twin.delete_action(gone.action_id)
    asked = [page_ids[2], page_ids[0], 4711]
    found: list[Taken] = []
    while some := client.taken_after(found[-1].action_id if found else 0, asked, limit):
        assert len(some) <= limit
        found += some
    assert found == [one for one in taken if one.page_id != page_ids[1]]
    assert client.taken_after(found[-3].action_id, asked, 9) == found[-2:]
    assert client.taken_after(0, [], limit) == []


def test_actions_on_many_pages(client: ActionKitClient, twin: ActionKitTwin) -> None:
    """More than fit into one address, or into one union."""
    (ada,), page_ids = people(twin, 1), pages(twin, 2)
    taken = [act(twin, number % 2, ada) for number in range(20)]
    asked = [page_ids[1], *range(1000, 1700)]
    assert [one.action_id for one in client.taken_after(0, asked, 5)] == taken[1:10:2]


def test_by_rest_no_more_actions_are_read_than_asked_for(
    rest: ActionKitClient, twin: ActionKitTwin, slots: Slots
) -> None:
    """A3: the caller's grant is for so many users."""
    ids, page_ids = people(twin, 150), pages(twin, 2)
    for user in ids:
        act(twin, 0, user)
        act(twin, 1, user)
    assert len(rest.taken_after(0, page_ids[:1], 120)) == 120
    assert twin.counts()["most_users_in_any_60_seconds"] <= 200
    twin.reset_counts()
    assert len(rest.taken_after(0, page_ids[:1], 20)) == 20
    assert twin.counts()["most_users_in_any_60_seconds"] == 20
    assert slots.taken == 0


@pytest.mark.parametrize("lost", ["id", "page"])
def test_by_rest_the_newest_actions_are_looked_through_without_filters(
    rest: ActionKitClient, twin: ActionKitTwin, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    (ada,), page_ids = people(twin, 1), pages(twin, 2)
    taken = [act(twin, number % 2, ada) for number in range(620)]
    without_filters(twin, monkeypatch, "action", lost)
    found = [one.action_id for one in rest.taken_after(taken[300], page_ids[:1], 1000)]
    assert found == taken[302::2]
    assert [one.action_id for one in rest.taken_after(taken[300], page_ids[:1], 3)] == found[:3]
    newest = [one.action_id for one in rest.taken_after(0, page_ids, 1000)]
    assert newest == taken[-500:]


def test_actions_between_two_ids(sql: ActionKitClient, twin: ActionKitTwin) -> None:
    ids, page_ids = people(twin, 3), pages(twin, 2)
    taken = [act(twin, number % 2, ids[number % 3]) for number in range(30)]
    between = sql.taken_between(page_ids[1], taken[3], taken[9])
    assert [one.action_id for one in between] == taken[5:10:2]
    assert replace(between[0], checksum=0) == Taken(taken[5], ids[5 % 3], page_ids[1])
    # What they come to is what the sums are of.
    whole = sql.taken_between(page_ids[1], 0, taken[-1])
    [summed] = sql.action_sums(page_ids[1], -1, 10).values()
    assert summed == Sum(len(whole), sum(one.checksum for one in whole))
    assert sql.taken_between(page_ids[1], taken[3], taken[3]) == []
    assert sql.taken_between(4711, 0, taken[-1]) == []


def test_more_actions_between_two_ids_than_a_report_may_have(
    sql: ActionKitClient, twin: ActionKitTwin
) -> None:
    (ada,), (page,) = people(twin, 1), pages(twin, 1)
    at = datetime(2024, 2, 29, tzinfo=UTC)
    taken = twin.import_actions([PastAction(page, ada, at)] * 10_001)
    found = sql.taken_between(page, 0, taken[-1])
    assert [one.action_id for one in found] == taken


def test_a_look_at_somebody_with_more_actions_than_a_report_may_have_rows(
    sql: ActionKitClient, twin: ActionKitTwin
) -> None:
    """The newest count."""
    (ada,), (page,) = people(twin, 1), pages(twin, 1)
    at = datetime(2024, 2, 29, tzinfo=UTC)
    fields = {"size": ["S", "M"], "colour": ["red"], "shape": ["round"], "taste": ["sour"]}
    taken = twin.import_actions([PastAction(page, ada, at, fields)] * 2500)
    shown = sql.look([ada], ["sms_opt_in"], page_ids=[page]).users[ada].actions
    assert [one.action_id for one in shown] == taken[500:]
    assert [len(one.fields) for one in shown[-1000:]] == [4] * 1000


# --- sums -----------------------------------------------------------------------------------

Change = Callable[[ActionKitTwin, int], object]
CHANGES: dict[str, Change] = {
    "its status": lambda twin, action: twin.set_action_status(action, "spam"),
    "a value": lambda twin, action: twin.edit_actionfield(action, "size", "L"),
    "the case of a value": lambda twin, action: twin.edit_actionfield(action, "size", "m"),
    "a second value": lambda twin, action: twin.edit_actionfield(action, "size", ["M", "M"]),
    "another field": lambda twin, action: twin.edit_actionfield(action, "colour", "red"),
    "a removed field": lambda twin, action: twin.edit_actionfield(action, "size", None),
    "a merge": lambda twin, action: twin.merge_users(twin.user_ids()[-1], twin.user_ids()[0]),
    "a deletion": lambda twin, action: twin.delete_action(action),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_an_action_changes_its_bucket_alone(
    sql: ActionKitClient, twin: ActionKitTwin, change: str
) -> None:
    """P5: however soon, and what has no clock too."""
    ada, bo, _ = people(twin, 3)
    (page, _) = pages(twin, 2)
    at = datetime(2024, 2, 29, tzinfo=UTC)
    twin.import_actions([PastAction(page, bo, at)] * (BUCKET_OF_ACTIONS - 2))
    changed = act(twin, 0, ada, size="M")
    act(twin, 0, bo, size="M")
    act(twin, 1, bo, size="M")
    before = sql.action_sums(page, -1, 9)
    assert {bucket: one.rows for bucket, one in before.items()} == {0: 999, 1: 1}
    CHANGES[change](twin, changed)
    after = sql.action_sums(page, -1, 9)
    assert after[1] == before[1]
    assert after[0].sum != before[0].sum
    assert after[0].rows == before[0].rows - (change == "a deletion")


def test_what_changes_nothing_of_an_action_changes_no_sum(
    sql: ActionKitClient, twin: ActionKitTwin, clock: FakeClock
) -> None:
    (ada,), (page, other) = people(twin, 1), pages(twin, 2)
    action = act(twin, 0, ada, size="M", colour=["blue", "red"])
    before = sql.action_sums(page, -1, 9)
    clock.sleep(5)
    twin.edit_user(ada, first_name="Ada")
    twin.edit_actionfield(action, "size", "M")
    twin.edit_actionfield(action, "colour", ["red", "blue"])
    act(twin, 1, ada, size="M")
    twin.set_field(ada, "sms_opt_in", "yes")
    assert sql.action_sums(page, -1, 9) == before
    assert sql.action_sums(other, -1, 9) != before
    assert twin.counts()["most_users_in_any_60_seconds"] == 0


def test_sums_go_on_from_a_bucket(
    sql: ActionKitClient, twin: ActionKitTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they take several statements, of so many actions at most; none is split."""
    (ada, bo), (page, _) = people(twin, 2), pages(twin, 2)
    at = datetime(2024, 2, 29, tzinfo=UTC)
    for size in (700, 2600, 5):
        twin.import_actions([PastAction(page, ada, at, {"n": str(size)})] * size)
        act(twin, 1, bo)
    twin._db.write("UPDATE core_action SET id = id + 5000 WHERE id > 3000")
    twin._db.write(
        "UPDATE core_actionfield SET parent_id = parent_id + 5000 WHERE parent_id > 3000"
    )
    whole = sql.action_sums(page, -1, 9000)
    assert {bucket: one.rows for bucket, one in whole.items()} == {
        0: 998,
        1: 1000,
        2: 1000,
        3: 1,
        8: 306,
    }
    assert all(isinstance(one, Sum) for one in whole.values())
    for most in (1500, 2000, 2999, 100_000):
        monkeypatch.setattr(actions, "SUMMED_AT_ONCE", most)
        for limit in (1, 2, 5):
            found: dict[int, Sum] = {}
            while some := sql.action_sums(page, max(found, default=-1), limit):
                assert len(some) <= limit
                assert list(some) == sorted(some)
                found |= some
            assert found == whole
        assert sql.action_sums(page, -1, 9000) == whole
    assert sql.action_sums(4711, -1, 9) == {}


# --- what is asked --------------------------------------------------------------------------

STATEMENTS: dict[str, Statement] = {
    "counts": actions.counts_statement([1, 2]),
    "names": actions.names_statement([1, 2]),
    "actors": actions.actors_statement([1, 2], None, 5, 100),
    "actors with a field": actions.actors_statement([1, 2], "size", 5, 100),
    "count of actors": actions.count_actors_statement([1, 2], None),
    "count of actors with a field": actions.count_actors_statement([1, 2], "size"),
    "taken": actions.taken_statement(7),
    "taken after": actions.taken_after_statement(7, [1, 2], 100),
    "taken after, of many pages": actions.taken_after_statement(7, range(1, 300), 100),
    "taken between": actions.taken_between_statement(1, 7, 9, 100),
    "sums": actions.sums_statement(1, 7, 100),
    "grouped": actions.grouped_statement(1, 7, 100),
    "pages": actions.pages_statement(7, 100),
    "usergroups": actions.usergroups_statement(7, 100),
}


def explained(twin: ActionKitTwin, query: str, values: Mapping[str, str]) -> list[str]:
    """How a statement is run, with its parameters as ActionKit puts them in."""
    return twin.explain(re.sub(r"{{ (\w+) }}", lambda found: quoted(values[found[1]]), query))


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_whole_table(twin: ActionKitTwin, name: str) -> None:
    ids, (page, other) = people(twin, 300), pages(twin, 2)
    group = twin.add_usergroup("Volunteers")
    twin.join_many(group, ids[:50])
    at = datetime(2024, 2, 29, tzinfo=UTC)
    fields = {"size": "M", "colour": "red"}
    twin.import_actions([PastAction(page, user, at, fields) for user in ids for _ in range(9)])
    twin.import_actions([PastAction(other, ids[0], at, fields)])
    query, values = STATEMENTS[name]
    plan = explained(twin, query, values)
    assert plan
    large = r"SCAN (a|x|f|m|i|core_action|core_actionfield|core_user|core_user_groups)\b"
    whole = [step for step in plan if re.match(large, step)]
    assert whole == []


def test_a_look_finds_actions_by_their_users(twin: ActionKitTwin) -> None:
    query, values = look_statement([1, 2, 3], FIELDS, ["S1"], ["1", "44"], 100, [], [1, 2])
    plan = explained(twin, query, values)
    assert not [step for step in plan if re.match(r"SCAN (a|core_action|core_actionfield)\b", step)]
    assert "SEARCH a USING INDEX action_user (user_id=?)" in plan
    assert not [step for step in plan if "action_page" in step]
    assert "SEARCH m USING INDEX actionfield_parent (parent_id=?)" in plan


def test_by_sql_nobody_is_read_and_each_report_takes_a_slot(
    sql: ActionKitClient, twin: ActionKitTwin, slots: Slots
) -> None:
    ids, page_ids = people(twin, 3), pages(twin, 1)
    twin.add_usergroup("Volunteers")
    for user in ids:
        act(twin, 0, user, size="M")
    for ask in (*BOTH.values(), *SQL_ALONE.values()):
        ask(sql)
    assert slots.taken == len(BOTH) + len(SQL_ALONE)
    assert twin.counts()["most_users_in_any_60_seconds"] == 0
    assert sql.taken_after(0, page_ids, 9) == sql.taken_after(0, page_ids, 99)


def test_no_report_is_taken_from_the_cache(sql: ActionKitClient, twin: ActionKitTwin) -> None:
    (ada,), page_ids = people(twin, 1), pages(twin, 1)
    assert sql.taken_after(0, page_ids, 9) == []
    assert sql.count_actions(page_ids) == {page_ids[0]: 0}
    act(twin, 0, ada)
    assert len(sql.taken_after(0, page_ids, 9)) == 1
    assert sql.count_actions(page_ids) == {page_ids[0]: 1}


# --- errors ---------------------------------------------------------------------------------

Ask = Callable[[ActionKit], object]
BOTH: dict[str, Ask] = {
    "moment": lambda client: client.moment(),
    "pages_after": lambda client: client.pages_after(0, 9),
    "usergroups": lambda client: client.usergroups(),
    "taken": lambda client: client.taken(1),
    "taken_after": lambda client: client.taken_after(0, [1], 9),
}
SQL_ALONE: dict[str, Ask] = {
    "taken_between": lambda client: client.taken_between(1, 0, 9),
    "action_sums": lambda client: client.action_sums(1, -1, 9),
    "actors_after": lambda client: client.actors_after([1], "size", 0, 9),
    "count_actors": lambda client: client.count_actors([1], None),
    "grouped_after": lambda client: client.grouped_after(1, 0, 9),
    "count_actions": lambda client: client.count_actions([1]),
    "actionfields": lambda client: client.actionfields([1]),
}
ASKS = [("sql", name, ask) for name, ask in {**BOTH, **SQL_ALONE}.items()]
ASKS += [("rest", name, ask) for name, ask in BOTH.items()]


@pytest.mark.parametrize("name", list(SQL_ALONE)[:5])
def test_what_is_not_to_be_had_by_rest(
    rest: ActionKitClient, twin: ActionKitTwin, name: str
) -> None:
    with pytest.raises(NotImplementedError, match="finds_changes_by"):
        SQL_ALONE[name](rest)
    assert twin.counts()["requests"] == {}


@pytest.mark.parametrize(("reads", "name", "ask"), ASKS)
@pytest.mark.parametrize(
    ("fault", "kind"),
    [(Fault("too_many_requests"), Busy), (Fault("cut_before_work"), Unavailable)],
)
def test_every_method_under_trouble(
    make: Make, twin: ActionKitTwin, reads: str, name: str, ask: Ask, fault: Fault, kind: type
) -> None:
    twin.faults.add(fault)
    with pytest.raises(kind):
        ask(make(reads))


@pytest.mark.parametrize(("reads", "name", "ask"), ASKS)
def test_wrong_credentials_are_tried_once(
    make: Make, twin: ActionKitTwin, reads: str, name: str, ask: Ask
) -> None:
    with pytest.raises(Unauthorised):
        ask(make(reads, password="wrong"))
    assert twin.failed_logins == 1
