"""The Strive client against the twin: every method of the port, with a page cap and without."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from instep.adapters.strive import SOURCE, StriveClient
from instep.adapters.transport import url_of
from instep.domain.people import Member, MemberChange, Side
from instep.domain.record import Draft
from instep.use_cases.errors import (
    Busy,
    ConfigurationError,
    Rejected,
    Unauthorised,
    Unavailable,
)
from instep.use_cases.ports import CustomField, Group, HttpAnswer, HttpRequest, Place, Strive
from local.twins.http import Fault
from local.twins.strive import Campaign, StriveTwin
from local.twins.strive.tables import written
from local.twins.transport import TwinTransport
from tests.unit.adapters.script import FakeClock

URL = "https://api.strive.example"
ANA, BO, CY = "+12025550101", "+12025550102", "+12025550103"
Make = Callable[..., StriveClient]


class Heard:
    """A transport that remembers what it passes on."""

    def __init__(self, transport: TwinTransport) -> None:
        self._transport = transport
        self.requests: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpAnswer:
        self.requests.append(request)
        return self._transport.send(request)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[None, 2, 1])
def twin(request: pytest.FixtureRequest, clock: FakeClock) -> StriveTwin:
    twin = StriveTwin(clock.now, random.Random(1))
    twin._switch({"page_cap": request.param})
    return twin


@pytest.fixture
def campaign(twin: StriveTwin) -> Campaign:
    return twin.add_campaign("Riverside")


@pytest.fixture
def heard(twin: StriveTwin) -> Heard:
    return Heard(TwinTransport({URL: twin}))


@pytest.fixture
def make(heard: Heard, campaign: Campaign) -> Make:
    def make(
        api_key: str = campaign.api_key, campaign_id: int = campaign.campaign_id
    ) -> StriveClient:
        return StriveClient(heard, URL, api_key, campaign_id)

    return make


@pytest.fixture
def client(make: Make) -> StriveClient:
    return make()


@pytest.fixture
def add(twin: StriveTwin, campaign: Campaign) -> Callable[..., int]:
    """An organiser adds a member, opted out unless said otherwise."""

    def add(number: str, **values: Any) -> int:
        values = {"opt_in": False, **values}
        return twin.add_member(campaign.campaign_id, phone_number=number, **values)

    return add


def test_the_client_is_the_port(client: StriveClient) -> None:
    port: Strive = client
    assert port is client


# --- check ----------------------------------------------------------------------------------


def refused(client: StriveClient) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refusal:
        client.check()
    return refusal.value


def test_a_good_key(client: StriveClient) -> None:
    client.check()


def test_a_wrong_key(make: Make) -> None:
    refusal = refused(make(api_key="wrong-key"))
    assert (refusal.code, refusal.status) == ("strive_credentials", 422)
    assert "wrong-key" not in f"{refusal} {refusal.details}"


def test_a_campaign_that_the_key_does_not_show(make: Make, twin: StriveTwin) -> None:
    other = twin.add_campaign("Hillside")
    assert refused(make(campaign_id=other.campaign_id)).code == "strive_campaign"
    assert refused(make(campaign_id=4711)).code == "strive_campaign"


@pytest.mark.parametrize(
    "kind", ["server_error", "unavailable", "too_many_requests", "answer_lost"]
)
@pytest.mark.parametrize("path", ["ping", "campaigns"])
def test_a_strive_that_does_not_answer(
    client: StriveClient, twin: StriveTwin, kind: Any, path: str
) -> None:
    twin.faults.add(Fault(kind, path=path))
    refusal = refused(client)
    assert (refusal.code, refusal.status) == ("strive_unreachable", 503)


# --- members --------------------------------------------------------------------------------


def test_members_as_they_are(
    client: StriveClient,
    twin: StriveTwin,
    campaign: Campaign,
    add: Callable[..., int],
    clock: FakeClock,
) -> None:
    for name, kind in (("plan", "text"), ("seats", "number"), ("notes_of", "text")):
        twin.add_custom_field(campaign.campaign_id, name, name.title(), kind)
    custom = {"plan": "weekly", "seats": 3, "notes_of": None}
    ana = add(ANA, first_name="Ana", email="ana@example.org", opt_in=True, custom=custom)
    group = twin.add_group(campaign.campaign_id, "Volunteers")
    twin.join_group(group, ana)
    expected = Member(
        ana,
        ANA,
        opt_in=True,
        first_name="Ana",
        email="ana@example.org",
        custom={"plan": "weekly", "notes_of": ""},
        groups=frozenset({group}),
        created_at=clock.now(),
        version=twin.member(ana)["updated_at"],
    )
    assert client.members_by_number([ANA, BO]) == {ANA: expected}
    assert client.members_by_id([ana, 4711]) == {ana: expected}


def test_many_members(client: StriveClient, add: Callable[..., int], heard: Heard) -> None:
    numbers = [f"+1202556{number:04d}" for number in range(450)]
    ids = [add(number) for number in numbers[::30]]
    found = client.members_by_number(numbers)
    assert set(found) == set(numbers[::30])
    assert sorted(client.members_by_id(range(ids[0], ids[-1] + 3000))) == ids
    assert max(len(url_of(request)) for request in heard.requests) <= 6000


def test_members_of_other_campaigns_are_not_seen(
    twin: StriveTwin, make: Make, campaign: Campaign
) -> None:
    other = twin.add_campaign("Hillside")
    key = twin.add_key([campaign.campaign_id, other.campaign_id])
    twin.add_member(other.campaign_id, phone_number=ANA)
    assert make(api_key=key).members_by_number([ANA]) == {}


def test_nothing_asked_for_is_no_request(client: StriveClient, heard: Heard) -> None:
    assert client.members_by_number([]) == {}
    assert client.members_by_id([]) == {}
    assert client.events([]) == {}
    assert client.changes([]) == {}
    assert heard.requests == []


def test_numbers_without_members_cost_one_request(client: StriveClient, heard: Heard) -> None:
    client.members_by_number([ANA, BO])
    assert len(heard.requests) == 1


def test_notes_are_not_read(client: StriveClient, heard: Heard) -> None:
    client.members_by_number([ANA])
    assert "notes" not in dict(heard.requests[0].query)["select"]


# --- create ---------------------------------------------------------------------------------


@pytest.mark.parametrize("source_column", [False, True])
@pytest.mark.parametrize("post_answer", ["as_preferred", "empty", "representation"])
def test_create_member(
    client: StriveClient,
    twin: StriveTwin,
    campaign: Campaign,
    source_column: bool,
    post_answer: str,
) -> None:
    twin._switch({"source_column": source_column, "post_answer": post_answer})
    twin.add_custom_field(campaign.campaign_id, "plan", "Plan", "text")
    client.create_member(Draft(ANA, True, {"first_name": "Ána"}, {"plan": "weekly"}))
    client.create_member(Draft(BO, False))
    members = client.members_by_number([ANA, BO])
    ana, bo = members[ANA], members[BO]
    assert (ana.opt_in, ana.first_name, ana.custom) == (True, "Ána", {"plan": "weekly"})
    assert (bo.opt_in, bo.groups) == (False, frozenset())
    row = twin.member(ana.member_id)
    assert row.get("source") == (SOURCE if source_column else None)


def test_the_source_column_is_asked_for_once(client: StriveClient, heard: Heard) -> None:
    client.create_member(Draft(ANA, True))
    client.create_member(Draft(BO, True))
    assert [request.method for request in heard.requests] == ["GET", "POST", "POST"]


def test_a_draft_that_strive_refuses(client: StriveClient) -> None:
    with pytest.raises(Rejected) as refusal:
        client.create_member(Draft("call me", True))
    assert refusal.value.side is Side.STRIVE
    assert "call me" not in str(refusal.value)
    with pytest.raises(Rejected) as refusal:
        client.create_member(Draft(ANA, True, {"shoe_size": "44"}))
    assert refusal.value.fields == ("shoe_size",)


# --- patch ----------------------------------------------------------------------------------


def test_patch_member(
    client: StriveClient, twin: StriveTwin, add: Callable[..., int], clock: FakeClock
) -> None:
    ana = add(ANA, first_name="Ana", city="Troy", opt_in=True)
    seen = client.members_by_id([ana])[ana]
    clock.sleep(1)
    written = client.patch_member(seen, {"first_name": "Anna", "city": ""}, {}, opt_in=False)
    assert written is not None
    assert (written.first_name, written.city, written.opt_in) == ("Anna", "", False)
    assert written == client.members_by_id([ana])[ana]
    assert written.version > seen.version


def test_patch_of_a_member_that_changed_meanwhile_writes_nothing(
    client: StriveClient, twin: StriveTwin, add: Callable[..., int]
) -> None:
    ana = add(ANA, first_name="Ana")
    seen = client.members_by_id([ana])[ana]
    twin.edit_member(ana, last_name="Ruiz")
    assert client.patch_member(seen, {"first_name": "Anna"}, {}, None) is None
    assert twin.member(ana)["first_name"] == "Ana"


@pytest.mark.parametrize("custom_on_write", ["merge", "replace"])
@pytest.mark.parametrize("looked_by", ["this client", "another"])
def test_patch_of_a_custom_field_keeps_the_others(
    make: Make,
    twin: StriveTwin,
    campaign: Campaign,
    add: Callable[..., int],
    custom_on_write: str,
    looked_by: str,
) -> None:
    twin._switch({"custom_on_write": custom_on_write})
    for name, kind in (("plan", "text"), ("seats", "number"), ("shirt", "text")):
        twin.add_custom_field(campaign.campaign_id, name, name.title(), kind)
    ana = add(ANA, custom={"plan": "weekly", "seats": 3, "shirt": "M"})
    client = make()
    seen = client.members_by_id([ana])[ana]
    writing = client if looked_by == "this client" else make()
    written = writing.patch_member(seen, {}, {"plan": "daily"}, None)
    assert written is not None
    assert twin.member(ana)["custom"] == {"plan": "daily", "seats": 3, "shirt": "M"}


def test_patch_of_a_custom_field_of_a_member_that_changed_meanwhile(
    make: Make, twin: StriveTwin, campaign: Campaign, add: Callable[..., int]
) -> None:
    twin.add_custom_field(campaign.campaign_id, "plan", "Plan", "text")
    ana = add(ANA, custom={"plan": "weekly"})
    seen = make().members_by_id([ana])[ana]
    twin.edit_member(ana, custom={"plan": "never"})
    assert make().patch_member(seen, {}, {"plan": "daily"}, None) is None
    assert twin.member(ana)["custom"] == {"plan": "never"}


def test_patch_of_another_campaigns_member(
    twin: StriveTwin, make: Make, client: StriveClient, add: Callable[..., int]
) -> None:
    ana = add(ANA)
    seen = client.members_by_id([ana])[ana]
    other = twin.add_campaign("Hillside")
    foreign = make(api_key=other.api_key, campaign_id=other.campaign_id)
    assert foreign.patch_member(seen, {"first_name": "X"}, {}, None) is None


# --- feeds ----------------------------------------------------------------------------------


def test_events(
    client: StriveClient, twin: StriveTwin, add: Callable[..., int], clock: FakeClock
) -> None:
    begun = clock.now()
    ana, bo, cy = add(ANA, opt_in=True), add(BO, opt_in=True), add(CY)
    clock.sleep(5)
    twin.text_in(ana, "STOP")
    clock.sleep(5)
    twin.text_in(ana, "JOIN")
    found = client.events([ana, cy])
    assert found.keys() == {ana}
    assert [(one.unsubscribe, one.created_at - begun) for one in found[ana]] == [
        (False, timedelta(0)),
        (True, timedelta(seconds=5)),
        (False, timedelta(seconds=10)),
    ]
    ids = [one.event_id for one in found[ana]]
    assert ids == sorted(set(ids))
    assert all(one.member_id == ana and one.type for one in found[ana])
    assert client.events([bo]).keys() == {bo}


def test_changes(
    client: StriveClient,
    twin: StriveTwin,
    campaign: Campaign,
    add: Callable[..., int],
    clock: FakeClock,
) -> None:
    """Many rows of one moment are all read, whatever the page cap is."""
    twin.add_custom_field(campaign.campaign_id, "plan", "Plan", "text")
    ana, bo = add(ANA, first_name="Ana"), add(BO)
    clock.sleep(1)
    at = clock.now()
    values: dict[str, Any] = {"last_name": "Ruiz", "city": "Troy", "email": "a@example.org"}
    values |= {"first_name": "Anna", "custom": {"plan": "weekly"}, "opt_in": True}
    twin.edit_member(ana, **values)
    twin.edit_member(bo, first_name="Bo")
    clock.sleep(1)
    twin.edit_member(ana, city="")
    found = client.changes([ana])
    assert found.keys() == {ana}
    changes = [one for one in found[ana] if one.field != "phone_number"]
    assert {(one.field, one.old, one.new) for one in changes if one.at == at} == {
        ("first_name", "Ana", "Anna"),
        ("last_name", "", "Ruiz"),
        ("city", "", "Troy"),
        ("email", "", "a@example.org"),
        ("plan", "", "weekly"),
        ("opt_in", "false", "true"),
    }
    assert len(changes) == 7
    last = MemberChange(ana, "city", "Troy", "", "organizer", clock.now())
    assert changes[-1] == replace(last, source=changes[-1].source)
    assert client.changes([bo]).keys() == {bo}


# --- groups and fields ----------------------------------------------------------------------


def test_groups(client: StriveClient, twin: StriveTwin, campaign: Campaign) -> None:
    assert client.groups() == []
    flow = twin.add_flow(campaign.campaign_id, "Welcome")
    ids = [
        twin.add_group(campaign.campaign_id, name, flow if name == "b" else None) for name in "cba"
    ]
    assert client.groups() == [
        Group(ids[0], "c", None),
        Group(ids[1], "b", flow),
        Group(ids[2], "a", None),
    ]


def test_create_group(client: StriveClient, twin: StriveTwin, campaign: Campaign) -> None:
    group = client.create_group('ActionKit Integration, (all) "members"')
    assert group in client.groups()
    assert client.create_group(group.name) == group
    assert len(client.groups()) == 1


def test_join_and_leave(client: StriveClient, twin: StriveTwin, add: Callable[..., int]) -> None:
    ana, bo = add(ANA), add(BO)
    group = client.create_group("Volunteers")
    client.join(group.group_id, ana)
    client.join(group.group_id, ana)
    client.join(group.group_id, bo)
    assert twin.group_members(group.group_id) == [ana, bo]
    client.leave(group.group_id, ana)
    client.leave(group.group_id, ana)
    assert twin.group_members(group.group_id) == [bo]


def test_join_of_what_is_not_there(client: StriveClient, add: Callable[..., int]) -> None:
    group = client.create_group("Volunteers")
    with pytest.raises(Rejected):
        client.join(group.group_id, 4711)
    with pytest.raises(Rejected):
        client.join(4711, add(ANA))


def test_a_group_by_its_id(
    client: StriveClient, twin: StriveTwin, campaign: Campaign, make: Make
) -> None:
    flow = twin.add_flow(campaign.campaign_id, "Welcome")
    ids = [twin.add_group(campaign.campaign_id, name, flow) for name in ("a", "b")]
    assert client.find_group(ids[1]) == Group(ids[1], "b", flow)
    twin.edit_group(ids[1], name="ñ", flow_id=None)
    assert client.find_group(ids[1]) == Group(ids[1], "ñ", None)
    assert client.find_group(4711) is None
    other = twin.add_campaign("Hillside")
    foreign = make(api_key=twin.add_key([campaign.campaign_id, other.campaign_id]))
    assert foreign.find_group(twin.add_group(other.campaign_id, "c")) is None


def test_delete_group(
    client: StriveClient, twin: StriveTwin, campaign: Campaign, add: Callable[..., int], make: Make
) -> None:
    ana = add(ANA)
    group, other = client.create_group("a"), client.create_group("b")
    client.join(group.group_id, ana)
    client.delete_group(group.group_id)
    client.delete_group(group.group_id)
    assert client.groups() == [other]
    assert client.members_by_id([ana])[ana].groups == frozenset()
    hillside = twin.add_campaign("Hillside")
    foreign = twin.add_group(hillside.campaign_id, "c")
    make(api_key=twin.add_key([campaign.campaign_id, hillside.campaign_id])).delete_group(foreign)
    assert twin.group_members(foreign) == []


def test_a_group_that_the_answer_does_not_find_is_deleted(campaign: Campaign) -> None:
    """But a 404 for the table or the method is none of the group."""
    answers = [{}, {"code": "PGRST117"}, {"code": "PGRST205"}]

    class Unfound:
        def send(self, request: HttpRequest) -> HttpAnswer:
            return HttpAnswer(404, {}, json.dumps(answers.pop(0)).encode())

    client = StriveClient(Unfound(), URL, campaign.api_key, campaign.campaign_id)
    client.delete_group(7)
    for _ in range(2):
        with pytest.raises(Rejected):
            client.delete_group(7)


def test_how_many_are_in_a_group(
    client: StriveClient, twin: StriveTwin, add: Callable[..., int]
) -> None:
    ids = [add(f"+1202555{number:04d}") for number in range(200, 207)]
    group, other = client.create_group("a").group_id, client.create_group("b").group_id
    assert client.count_in_group(group) == 0
    for member in ids:
        client.join(group, member)
    client.join(other, ids[0])
    client.leave(group, ids[3])
    assert client.count_in_group(group) == 6
    assert client.count_in_group(4711) == 0


def test_a_count_without_a_total(heard: Heard, make: Make, add: Callable[..., int]) -> None:
    """All who are in it are read, by their ids."""

    class Untold(Heard):
        def send(self, request: HttpRequest) -> HttpAnswer:
            answer = super().send(request)
            return replace(answer, headers={})

    ids = [add(f"+1202555{number:04d}") for number in range(200, 207)]
    group = make().create_group("a").group_id
    for member in ids:
        make().join(group, member)
    untold = make()
    untold._transport = Untold(heard._transport)
    assert untold.count_in_group(group) == 7
    assert untold.count_in_group(4711) == 0


@pytest.mark.parametrize("microseconds", [False, True])
def test_who_left_a_group_since(
    client: StriveClient,
    twin: StriveTwin,
    add: Callable[..., int],
    clock: FakeClock,
    microseconds: bool,
) -> None:
    twin._switch({"microseconds": microseconds})
    ana, bo = add(ANA), add(BO)
    group, other = client.create_group("a").group_id, client.create_group("b").group_id
    for member in (ana, bo):
        client.join(group, member)
        client.join(other, member)
    before = clock.now()
    assert not client.left_since(group, ana, before)
    clock.sleep(5)
    client.leave(group, ana)
    left = clock.now()
    assert client.left_since(group, ana, before)
    assert client.left_since(group, ana, left)
    assert not client.left_since(group, ana, left + timedelta(seconds=1))
    assert not client.left_since(group, bo, before)
    assert not client.left_since(other, ana, before)
    clock.sleep(5)
    client.join(group, ana)
    assert client.left_since(group, ana, before)


def test_without_a_log_of_removals_nobody_left(
    client: StriveClient, twin: StriveTwin, add: Callable[..., int], clock: FakeClock
) -> None:
    twin._switch({"removals_table": False})
    ana, group = add(ANA), client.create_group("a").group_id
    client.join(group, ana)
    client.leave(group, ana)
    assert not client.left_since(group, ana, clock.now() - timedelta(hours=1))


def test_who_was_texted_since(
    client: StriveClient,
    twin: StriveTwin,
    campaign: Campaign,
    add: Callable[..., int],
    clock: FakeClock,
) -> None:
    ana, bo = add(ANA, opt_in=True), add(BO, opt_in=True)
    flow = twin.add_flow(campaign.campaign_id, "Welcome")
    group = twin.add_group(campaign.campaign_id, "a", flow)
    begun = clock.now()
    clock.sleep(5)
    client.join(group, ana)
    texted = clock.now()
    assert client.texted_since(ana, begun)
    assert client.texted_since(ana, texted)
    assert not client.texted_since(ana, texted + timedelta(seconds=1))
    assert not client.texted_since(bo, begun)


@pytest.mark.parametrize("clock_column", ["sent_at", "queued_at"])
def test_a_text_that_was_only_queued_or_only_sent_counts(
    client: StriveClient,
    twin: StriveTwin,
    campaign: Campaign,
    add: Callable[..., int],
    clock: FakeClock,
    clock_column: str,
) -> None:
    ana = add(ANA, opt_in=True)
    flow = twin.add_flow(campaign.campaign_id, "Welcome")
    client.join(twin.add_group(campaign.campaign_id, "a", flow), ana)
    since = clock.now()
    clock.sleep(60)
    (row,) = twin.tables["outgoing_messages"].found("member_id", ana)
    other = "queued_at" if clock_column == "sent_at" else "sent_at"
    before = written(since - timedelta(hours=1))
    twin.tables["outgoing_messages"].remove(row)
    # The twin keeps these rows in the order of when they were queued.
    changed = {clock_column: row[clock_column], other: None if other == "sent_at" else before}
    twin.tables["outgoing_messages"].insert({**row, **changed})
    assert client.texted_since(ana, since)
    assert not client.texted_since(ana, clock.now())


def test_custom_fields(client: StriveClient, twin: StriveTwin, campaign: Campaign) -> None:
    for name, kind in (("b", "text"), ("a", "number"), ("c", "text")):
        twin.add_custom_field(campaign.campaign_id, name, name.upper(), kind)
    assert client.custom_fields() == [
        CustomField("a", "A", "number"),
        CustomField("b", "B", "text"),
        CustomField("c", "C", "text"),
    ]


# --- errors ---------------------------------------------------------------------------------

SEEN = Member(1, ANA, opt_in=True, version="2026-03-01T12:00:00.000+00:00")
PLACE = Place(datetime(2026, 3, 1, tzinfo=UTC))
READS: dict[str, Callable[[StriveClient], object]] = {
    "members_by_number": lambda client: client.members_by_number([ANA]),
    "members_by_id": lambda client: client.members_by_id([1]),
    "events": lambda client: client.events([1]),
    "changes": lambda client: client.changes([1]),
    "groups": lambda client: client.groups(),
    "custom_fields": lambda client: client.custom_fields(),
    "changed_since": lambda client: client.changed_since("members", PLACE, 9),
    "newest": lambda client: client.newest("removals"),
    "unsubscribed_since": lambda client: client.unsubscribed_since(PLACE, 9),
    "count_members": lambda client: client.count_members(),
    "member_ids": lambda client: client.member_ids(0, 9),
    "find_group": lambda client: client.find_group(1),
    "count_in_group": lambda client: client.count_in_group(1),
    "left_since": lambda client: client.left_since(1, 1, PLACE.at),
    "texted_since": lambda client: client.texted_since(1, PLACE.at),
}
WRITES: dict[str, Callable[[StriveClient], object]] = {
    "create_member": lambda client: client.create_member(Draft(ANA, True)),
    "patch_member": lambda client: client.patch_member(SEEN, {"city": "Troy"}, {}, None),
    "create_group": lambda client: client.create_group("Volunteers"),
    "join": lambda client: client.join(1, 1),
    "leave": lambda client: client.leave(1, 1),
    "delete_group": lambda client: client.delete_group(1),
}


BUSY = [Fault("too_many_requests", retry_after_seconds=7), Fault("unavailable")]
LOST = [Fault("server_error"), Fault("answer_lost"), Fault("slow", delay_seconds=30)]
METHODS = {**READS, **WRITES}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("fault", BUSY)
def test_every_method_of_a_busy_strive(
    client: StriveClient, twin: StriveTwin, name: str, fault: Fault
) -> None:
    twin.faults.add(fault)
    with pytest.raises(Busy) as busy:
        METHODS[name](client)
    assert busy.value.side is Side.STRIVE
    assert busy.value.retry_after_seconds == (fault.retry_after_seconds or 5)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("fault", LOST)
def test_every_method_without_an_answer(
    client: StriveClient, twin: StriveTwin, name: str, fault: Fault
) -> None:
    """Only a write may have happened."""
    twin.faults.add(replace(fault, method="GET" if name in READS else "POST|PATCH|DELETE"))
    with pytest.raises(Unavailable) as failure:
        METHODS[name](client)
    assert failure.value.side is Side.STRIVE
    assert failure.value.may_have_happened is (name in WRITES)


@pytest.mark.parametrize("name", METHODS)
def test_a_wrong_key_is_tried_once(make: Make, heard: Heard, name: str) -> None:
    with pytest.raises(Unauthorised) as refusal:
        METHODS[name](make(api_key="wrong-key"))
    assert len(heard.requests) == 1
    assert "wrong-key" not in str(refusal.value)


@pytest.mark.parametrize(
    ("switch", "name"),
    [
        ("patch_members", "patch_member"),
        ("write_groups", "create_group"),
        ("write_groups", "join"),
        ("write_groups", "delete_group"),
    ],
)
def test_what_the_key_may_not_do_stops_the_account(
    client: StriveClient, twin: StriveTwin, switch: str, name: str
) -> None:
    twin._switch({switch: False})
    with pytest.raises(Unauthorised):
        WRITES[name](client)


def test_too_many_requests_by_rate(client: StriveClient, twin: StriveTwin) -> None:
    twin._switch({"rate_limit_per_minute": 1, "rate_limit_retry_after_seconds": 20})
    client.groups()
    with pytest.raises(Busy) as busy:
        client.groups()
    assert busy.value.retry_after_seconds == 20
