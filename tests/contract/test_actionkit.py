"""The ActionKit client against the twin: every method of the port, by SQL and by REST."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from instep.adapters.actionkit import SOURCE, ActionKitClient
from instep.domain.people import FieldRow, Phone, Side, User
from instep.use_cases.errors import (
    Busy,
    ConfigurationError,
    Rejected,
    SideError,
    Unauthorised,
    Unavailable,
)
from instep.use_cases.ports import Act, Acted, ActionKit, Gone, OptInValue, Place, Userfield
from local.twins.actionkit import ActionKitTwin
from local.twins.http import Fault
from local.twins.transport import TwinTransport
from tests.unit.adapters.script import FakeClock, Slots

URL = "https://act.example.org"
FIELDS = ["sms_opt_in", "colour"]
Reads = Literal["sql", "rest"]
Make = Callable[..., ActionKitClient]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def twin(clock: FakeClock) -> Iterator[ActionKitTwin]:
    zips = {"60601": ("Chicago", "IL")}
    twin = ActionKitTwin(clock.now, random.Random(1), zips=zips)
    twin.define_userfield("sms_opt_in")
    twin.define_userfield("colour", display_name="Favourite colour")
    twin.define_userfield("skills", allow_multiple=True)
    twin.add_page("petition-a", "Petition")
    yield twin
    twin.close()


@pytest.fixture
def slots() -> Slots:
    return Slots()


@pytest.fixture(params=["sql", "rest"])
def reads(request: pytest.FixtureRequest) -> Reads:
    chosen: Reads = request.param
    return chosen


@pytest.fixture
def make(twin: ActionKitTwin, clock: FakeClock, slots: Slots) -> Make:
    def make(reads: Reads = "sql", **given: Any) -> ActionKitClient:
        credentials = {"username": "staff", "password": "secret"}
        given = {"permits": slots, "clock": clock, "reads": reads, **credentials, **given}
        return ActionKitClient(TwinTransport({URL: twin}), URL, **given)

    return make


@pytest.fixture
def client(make: Make, reads: Reads) -> ActionKitClient:
    return make(reads)


def test_the_client_is_the_port(client: ActionKitClient) -> None:
    port: ActionKit = client
    assert port is client


# --- look -----------------------------------------------------------------------------------


def test_a_look_at_one_user(client: ActionKitClient, twin: ActionKitTwin, clock: FakeClock) -> None:
    """Columns, userfield rows with what set them, phones, usergroups, watermark."""
    begun = clock.now()
    ada = twin.add_user(
        "ada@example.org",
        first_name="Ada",
        last_name="Mora",
        city="Chicago",
        state="IL",
        region="IL",
        zip="60601",
        postal="60601",
        country="United States",
    )
    twin.set_field(ada, "sms_opt_in", "TBD")
    phone_id = twin.add_phone(ada, "(202) 555-0143", "mobile")
    group = twin.add_usergroup("Helpers")
    twin.join(ada, group)
    clock.sleep(61.5)
    action = twin.take_action(
        "petition-a", {"email": "ada@example.org", "user_colour": "blue", "user_skills": "x"}
    )
    look = client.look([ada], FIELDS)
    assert look.watermark == action
    assert look.sharers == ()
    assert look.actions_found == {}
    user = look.users[ada]
    later = begun + timedelta(seconds=61.5)
    petition = next(one["page_id"] for one in twin.actions())
    assert user == User(
        ada,
        "ada@example.org",
        "Ada",
        "Mora",
        "Chicago",
        "IL",
        "IL",
        "60601",
        "60601",
        "United States",
        fields=(
            FieldRow("sms_opt_in", "TBD", begun),
            FieldRow("colour", "blue", later, action, petition, "petition", "website"),
        ),
        phones=(Phone(phone_id, "mobile", "(202) 555-0143", begun),),
        usergroups=frozenset({group}),
    )


@pytest.mark.parametrize("form", ["iso", "space"])
@pytest.mark.parametrize("microseconds", [True, False])
def test_times_are_utc_in_every_form(
    make: Make, twin: ActionKitTwin, clock: FakeClock, form: str, microseconds: bool
) -> None:
    twin.switch(sql_datetimes=form, microseconds=microseconds)
    clock.sleep(0.25)
    ada = twin.add_user("ada@example.org")
    twin.add_phone(ada, "2025550143")
    phone = make().look([ada], FIELDS).users[ada].phones[0]
    expected = clock.now() if microseconds else clock.now().replace(microsecond=0)
    assert phone.updated_at == expected
    assert expected.tzinfo is UTC


def test_a_look_at_nobody_and_at_a_user_who_is_not_there(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    assert client.look([], FIELDS).users == {}
    assert client.look([4711], FIELDS).users == {}


def test_an_instance_without_actions_has_watermark_0(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    ada = twin.add_user("ada@example.org")
    assert client.look([ada], FIELDS).watermark == 0


def test_only_the_fields_asked_for_are_read(client: ActionKitClient, twin: ActionKitTwin) -> None:
    ada = twin.add_user("ada@example.org")
    twin.set_field(ada, "colour", "blue")
    twin.set_field(ada, "sms_opt_in", "yes")
    assert [row.name for row in client.look([ada], FIELDS[:1]).users[ada].fields] == ["sms_opt_in"]


def test_several_values_of_a_field_are_several_rows(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    ada = twin.add_user("ada@example.org")
    twin.define_userfield("sms_many", allow_multiple=True)
    twin.set_field(ada, "sms_many", ["yes", "no"])
    rows = client.look([ada], ["sms_many"]).users[ada].fields
    assert [row.value for row in rows] == ["yes", "no"]


def test_names_with_quotes_are_values_not_sql(make: Make, twin: ActionKitTwin) -> None:
    ada = twin.add_user("ada@example.org")
    twin.set_field(ada, "sms_opt_in", "yes")
    nasty = ["sms_opt_in", "x') OR 1=1 -- ", 'q"uo\\te']
    look = make().look([ada], nasty, ["s'1", "{{ field_0 }}"])
    assert [row.value for row in look.users[ada].fields] == ["yes"]


def test_sharers_have_country_phones_and_opt_in_alone(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    """U2, F14: everyone who shows a number of the batch, however it was typed."""
    ada = twin.add_user("ada@example.org", first_name="Ada")
    twin.add_phone(ada, "(202) 555-0143")
    bo = twin.add_user("bo@example.org", first_name="Bo", country="Canada")
    twin.add_phone(bo, "+1 202 555 0143", "work")
    twin.add_phone(bo, "202-555-0199", "home")
    twin.set_field(bo, "sms_opt_in", "no")
    twin.set_field(bo, "colour", "red")
    other = twin.add_user("other@example.org")
    twin.add_phone(other, "202-555-0100")
    (sharer,) = client.look([ada], FIELDS).sharers
    assert (sharer.user_id, sharer.country, sharer.email) == (bo, "Canada", "")
    assert [(phone.type, phone.raw) for phone in sharer.phones] == [
        ("work", "+1 202 555 0143"),
        ("home", "202-555-0199"),
    ]
    assert [(row.name, row.value) for row in sharer.fields] == [("sms_opt_in", "no")]


def test_those_asked_for_are_no_sharers(client: ActionKitClient, twin: ActionKitTwin) -> None:
    ids = [twin.add_user(f"{name}@example.org") for name in "ab"]
    for user_id in ids:
        twin.add_phone(user_id, "2025550143")
    look = client.look(ids, FIELDS)
    assert list(look.users) == ids
    assert look.sharers == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("07700 900123", "+44 7700 900123"),
        ("07700 900123", "7700 900123"),
        ("+44 7700 900123", "7700 900123"),
        ("+44 7700 900123", "07700900123"),
        ("7700 900123", "447700900123"),
        ("202 555 0143", "+1 (202) 555-0143"),
        ("1 202 555 0143", "202 555 0143"),
    ],
)
def test_spellings_of_one_number(make: Make, twin: ActionKitTwin, one: str, other: str) -> None:
    ada, bo = twin.add_user("ada@example.org"), twin.add_user("bo@example.org")
    twin.add_phone(ada, one)
    twin.add_phone(bo, other)
    (sharer,) = make(default_region="GB").look([ada], FIELDS).sharers
    assert sharer.user_id == bo


def test_of_some_only_sharers_with_lower_ids_matter(make: Make, twin: ActionKitTwin) -> None:
    """U2: who has no claim can lose a number to a lower id alone; A3: nobody else is read."""
    ids = [twin.add_user(f"{name}@example.org") for name in "abcd"]
    for user_id, phone in zip(ids, ["2025550100"] * 3 + ["2025550177"], strict=True):
        twin.add_phone(user_id, phone, "mobile")
    look = make().look([ids[1], ids[3]], FIELDS, only_lower=[ids[1], ids[3]])
    assert [one.user_id for one in look.sharers] == [ids[0]]
    look = make().look([ids[1], ids[3]], FIELDS, only_lower=[ids[3]])
    assert [one.user_id for one in look.sharers] == [ids[0], ids[2]]


def crowd(twin: ActionKitTwin, people: int) -> list[int]:
    """People who all typed the same in place of a number."""
    ids = [twin.add_user(f"u{number}@example.org") for number in range(people)]
    for user_id in ids:
        twin.add_phone(user_id, "0000000000", "mobile")
        twin.add_phone(user_id, "2025550100", "home")
        twin.set_field(user_id, "sms_opt_in", "yes")
    return ids


def test_a_number_that_thousands_have_is_no_trouble(make: Make, twin: ActionKitTwin) -> None:
    """The report stays below 10,000 rows. In a batch nobody of a crowd is read beside the batch
    itself; looked at alone, a user's sharers with the lowest ids are seen, which U2 needs."""
    ids = crowd(twin, 3000)
    look = make().look(ids[-50:], FIELDS, max_sharers=100)
    assert len(look.users) == 50
    assert look.sharers == ()
    phones = {phone.phone_id for user in look.users.values() for phone in user.phones}
    assert look.crowded == phones
    look = make().look(ids[-1:], FIELDS, max_sharers=100)
    assert [one.user_id for one in look.sharers] == ids[:100]
    assert all(len(one.phones) == 2 and one.fields for one in look.sharers)
    assert look.crowded == frozenset()


@pytest.mark.parametrize("max_sharers", [0, 1, 7])
def test_no_more_people_are_read_than_there_is_room_for(
    client: ActionKitClient, twin: ActionKitTwin, max_sharers: int
) -> None:
    """A3: sharers are records too, also where a list shows no more than their phone."""
    ids = crowd(twin, 40)
    twin.take_action("petition-a", {"email": "u39@example.org"})
    look = client.look(ids[20:21], FIELDS, max_sharers=max_sharers)
    assert len(look.sharers) == max_sharers
    assert all(len(one.phones) == 2 and one.fields for one in look.sharers)
    assert twin.counts()["most_users_in_any_60_seconds"] == 1 + max_sharers


def test_actions_are_found_by_their_sync_id(client: ActionKitClient, twin: ActionKitTwin) -> None:
    ada = twin.add_user("ada@example.org")
    bo = twin.add_user("bo@example.org")
    page = client.ensure_import_page().name
    first = client.act(Act(page, "ada@example.org", actionfields={"sync_id": "S1"}))
    client.act(Act(page, "bo@example.org", actionfields={"sync_id": "S2"}))
    twin.take_action("petition-a", {"email": "ada@example.org"})
    look = client.look([ada], FIELDS, ["S0", "S1", "S2"])
    assert look.actions_found == {"S1": first.action_id}
    assert client.look([ada, bo], FIELDS, ["S2"]).actions_found.keys() == {"S2"}


def test_a_look_is_one_request_never_cached_and_takes_no_slot(
    make: Make, twin: ActionKitTwin, slots: Slots
) -> None:
    ada = twin.add_user("ada@example.org", first_name="Ada")
    client = make()
    client.look([ada], FIELDS)
    twin.edit_user(ada, first_name="Eva")
    assert client.look([ada], FIELDS).users[ada].first_name == "Eva"
    assert twin.counts()["requests"] == {"POST /rest/v1/report/run/sql/": 2}
    assert slots.taken == 0


def test_a_lagging_replica_shows_in_the_watermark(
    make: Make, twin: ActionKitTwin, clock: FakeClock
) -> None:
    ada = twin.add_user("ada@example.org")
    twin.switch(replica_lag_seconds=60)
    client = make()
    page = client.ensure_import_page().name
    acted = client.act(Act(page, "ada@example.org", {"city": "Chicago"}))
    assert client.look([ada], FIELDS).watermark < acted.action_id
    clock.sleep(61)
    assert client.look([ada], FIELDS).watermark == acted.action_id


def test_by_rest_a_look_does_without_filters_that_are_not_allowed(
    make: Make, twin: ActionKitTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make("rest")
    ada = twin.add_user("ada@example.org")
    twin.add_phone(ada, "2025550143")
    bo = twin.add_user("bo@example.org")
    twin.add_phone(bo, "2025550143")
    resources = twin._rest.resources
    for name, lost in (("phone", "normalized_phone"), ("user", "id")):
        filters = {key: value for key, value in resources[name].filters.items() if key != lost}
        monkeypatch.setitem(resources[name].__dict__, "filters", filters)
    look = client.look([ada, 4711], FIELDS)
    assert list(look.users) == [ada]
    assert len(look.users[ada].phones) == 1
    assert look.sharers == ()


def test_a_look_tells_who_was_merged(make: Make, twin: ActionKitTwin) -> None:
    """U3: asked for the one merged away or the one left; those merged twice lead to the last."""
    ids = [twin.add_user(f"{name}@example.org") for name in "abcdef"]
    ada, bo, cleo, dan, eve, fay = ids
    twin.merge_users(ada, bo)
    twin.merge_users(dan, eve)
    client = make()
    assert client.look([ada], FIELDS).merged == {bo: ada}
    look = client.look([bo], FIELDS)
    assert (look.users, look.merged) == ({}, {bo: ada})
    assert client.look([cleo], FIELDS).merged == {}
    twin.merge_users(cleo, ada)
    for asked in (ada, bo, cleo):
        assert client.look([asked], FIELDS).merged == {ada: cleo, bo: cleo}
    assert client.look(ids, FIELDS).merged == {ada: cleo, bo: cleo, eve: dan}
    assert list(client.look(ids, FIELDS).users) == [cleo, dan, fay]


def test_only_complete_merges_count(make: Make, twin: ActionKitTwin) -> None:
    ada, bo = twin.add_user("ada@example.org"), twin.add_user("bo@example.org")
    merge = twin.merge_users(ada, bo)
    twin._db.update("core_usermerge", merge, status="new")
    assert make().look([ada, bo], FIELDS).merged == {}


def test_who_was_erased_is_known(client: ActionKitClient, twin: ActionKitTwin) -> None:
    """E1, by an assumption: see `docs/assumptions.md`."""
    ada = twin.add_user("ada@example.org", first_name="Ada", country="United States")
    bo = twin.add_user("erased-by-mistake@example.org")
    cleo = twin.add_user("erased-3@erased.invalid", first_name="Cleo")
    twin.add_phone(ada, "2025550143")
    assert not client.look([ada], FIELDS).users[ada].erased
    twin.erase_user(ada)
    look = client.look([ada, bo, cleo], FIELDS)
    assert {user.user_id for user in look.users.values() if user.erased} == {ada}


# --- lists ----------------------------------------------------------------------------------


def test_ids_and_counts(make: Make, twin: ActionKitTwin, slots: Slots) -> None:
    ids = [twin.add_user(f"u{number}@example.org") for number in range(7)]
    twin.delete_user(ids[2])
    left = [one for one in ids if one != ids[2]]
    client = make()
    assert client.user_ids_after(0, 3) == left[:3]
    assert client.user_ids_after(left[2], 100) == left[3:]
    assert client.user_ids_after(left[-1], 100) == []
    assert client.user_ids_between(left[0], left[3]) == left[1:4]
    assert client.count_users() == 6
    assert slots.taken == 5
    assert twin.counts()["most_users_in_any_60_seconds"] == 0


def test_ids_and_counts_by_rest_read_nobody(make: Make, twin: ActionKitTwin) -> None:
    """By REST ids come only with values: so ids are offered that may be users."""
    ids = [twin.add_user(f"u{number}@example.org") for number in range(7)]
    twin.delete_user(ids[2])
    client = make("rest")
    assert client.user_ids_after(0, 3) == ids[:3]
    assert client.user_ids_after(ids[2], 100) == ids[3:]
    assert client.user_ids_after(ids[-1], 100) == []
    assert client.user_ids_between(ids[0], ids[3]) == ids[1:4]
    assert client.count_users() == 6
    assert twin.counts()["most_users_in_any_60_seconds"] == 1


def test_emails(client: ActionKitClient, twin: ActionKitTwin) -> None:
    ada = twin.add_user("ada@example.org")
    twin.add_user("bo@example.org")
    assert client.emails([ada, 4711]) == {ada: "ada@example.org"}
    assert client.emails([]) == {}


def test_userfields_of_many_pages(client: ActionKitClient, twin: ActionKitTwin) -> None:
    for number in range(230):
        twin.define_userfield(f"field_{number:03d}")
    found = client.userfields()
    assert len(found) == 233
    assert found[0] == Userfield("colour", "Favourite colour", False)
    assert {one.name for one in found if one.allow_multiple} == {"skills"}


def test_opt_in_values(make: Make, twin: ActionKitTwin) -> None:
    """F12: each spelling by itself, the commonest first."""
    for number, value in enumerate(["Yes", "yes", "yes", "TBD", "TBD", "TBD", "who knows"]):
        user_id = twin.add_user(f"u{number}@example.org")
        twin.set_field(user_id, "sms_opt_in", value)
        twin.set_field(user_id, "colour", "yes")
    found = make().opt_in_values("sms_opt_in", 3)
    assert found[:2] == [OptInValue("TBD", 3), OptInValue("yes", 2)]
    assert len(found) == 3
    assert OptInValue("who knows", 1) in make().opt_in_values("sms_opt_in", 500)
    assert make().opt_in_values("o'clock", 10) == []
    by_rest = {one.value: one.users for one in make("rest").opt_in_values("sms_opt_in", 10)}
    assert by_rest == {"TBD": 3, "yes": 3}


def test_who_is_gone_is_found_by_a_read_by_id(client: ActionKitClient, twin: ActionKitTwin) -> None:
    ada, bo = twin.add_user("ada@example.org"), twin.add_user("bo@example.org")
    assert client.find_gone(ada) is None
    twin.delete_user(ada)
    assert client.find_gone(ada) == Gone()
    cleo = twin.add_user("cleo@example.org")
    twin.merge_users(bo, cleo)
    assert client.find_gone(cleo) == Gone()
    twin.switch(merged_user="redirect")
    assert client.find_gone(cleo) == Gone(merged_into=bo)
    assert client.find_gone(bo) is None


def test_a_read_by_rest_is_not_behind(client: ActionKitClient, twin: ActionKitTwin) -> None:
    ada = twin.add_user("ada@example.org", first_name="Ada")
    twin.set_field(ada, "sms_opt_in", ["TBD"])
    twin.switch(replica_lag_seconds=300)
    twin.edit_user(ada, first_name="Augusta")
    twin.set_field(ada, "sms_opt_in", ["no"])
    user = client.read_again([ada], ["sms_opt_in"])[ada]
    assert (user.first_name, [row.value for row in user.fields]) == ("Augusta", ["no"])
    assert client.read_again([4711], ["sms_opt_in"]) == {}


def test_whether_an_action_is_there_is_found_by_a_read_by_id(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    twin.add_user("ada@example.org")
    twin.add_page("petition-z", "Petition")
    action = twin.take_action("petition-z", {"email": "ada@example.org"})
    assert client.has_action(action)
    twin.delete_action(action)
    assert not client.has_action(action)


# --- writing --------------------------------------------------------------------------------


def test_the_import_page_is_made_once(client: ActionKitClient, twin: ActionKitTwin) -> None:
    page = client.ensure_import_page()
    assert client.ensure_import_page() == page
    assert twin.counts()["requests"]["POST /rest/v1/importpage/"] == 1


def test_the_import_page_of_a_lost_answer_is_found(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    twin.faults.add(Fault("answer_lost", method="POST", times=1))
    with pytest.raises(Unavailable):
        client.ensure_import_page()
    page = client.ensure_import_page()
    assert twin.counts()["requests"]["POST /rest/v1/importpage/"] == 1
    assert page.page_id > 0


def test_a_page_of_that_name_and_another_type_is_refused(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    twin.add_page("instep-strive-sync", "Signup")
    with pytest.raises(Rejected):
        client.ensure_import_page()


@pytest.mark.parametrize("answer", ["full", "short"])
def test_an_action(make: Make, twin: ActionKitTwin, answer: str) -> None:
    """U6: by email, with our marks; nobody is subscribed, no mail goes out."""
    twin.switch(action_answer=answer)
    client = make()
    ada = twin.add_user("ada+x@example.org", first_name="A", country="United States")
    page = client.ensure_import_page()
    act = Act(
        page.name,
        "ada+x@example.org",
        columns={"first_name": "Ádá", "zip": "60601"},
        userfields={"colour": "blue"},
        actionfields={"strive_member": "7", "sync_id": "S1", "former_data": "{}"},
    )
    acted = client.act(act)
    assert (acted.user_id, acted.created_user) == (ada, False)
    user = twin.user(ada)
    assert (user["first_name"], user["city"]) == ("Ádá", "Chicago")
    assert user["fields"] == {"colour": ["blue"]}
    action = twin.actions()[-1]
    assert (action["id"], action["source"]) == (acted.action_id, SOURCE)
    assert {name: value[0] for name, value in action["fields"].items()} == act.actionfields
    assert twin.mails_sent == []
    assert twin.subscription_changes() == []


def test_an_action_that_makes_a_user(client: ActionKitClient, twin: ActionKitTwin) -> None:
    page = client.ensure_import_page().name
    acted = client.act(Act(page, "new@example.org", actionfields={"strive_member": "7"}))
    assert acted == Acted(acted.action_id, twin.user_ids()[-1], created_user=True)
    assert client.act(Act(page, "new@example.org")).created_user is False
    assert twin.subscription_changes() == []


def test_refused_values_are_named_and_nothing_is_written(
    client: ActionKitClient, twin: ActionKitTwin
) -> None:
    twin.define_userfield("age", field_regex="[0-9]+")
    ada = twin.add_user("ada@example.org", first_name="Ada", country="United States")
    page = client.ensure_import_page().name
    bad = {"first_name": "Eva", "zip": "not a zip"}
    with pytest.raises(Rejected) as refusal:
        client.act(Act(page, "ada@example.org", bad, {"age": "old", "colour": "blue"}))
    assert set(refusal.value.fields) == {"zip", "age"}
    assert "not a zip" not in str(refusal.value)
    assert twin.user(ada)["first_name"] == "Ada"
    with pytest.raises(Rejected) as refusal:
        client.act(Act("no-such-page", "ada@example.org"))
    assert refusal.value.fields == ("page",)


def test_an_action_takes_no_slot_and_is_sent_once(
    client: ActionKitClient, twin: ActionKitTwin, slots: Slots
) -> None:
    twin.add_user("ada@example.org")
    page = client.ensure_import_page().name
    before = slots.taken
    twin.faults.add(Fault("error_after_work", path="/action/", times=1))
    with pytest.raises(Unavailable) as failure:
        client.act(Act(page, "ada@example.org"))
    assert failure.value.may_have_happened
    assert slots.taken == before
    assert len(twin.actions()) == 1


# --- errors ---------------------------------------------------------------------------------

LONG_AGO = Place(datetime(2001, 1, 1, tzinfo=UTC), 0)
METHODS: dict[str, Callable[[ActionKitClient], object]] = {
    "look": lambda client: client.look([1], FIELDS),
    "find_gone": lambda client: client.find_gone(1),
    "has_action": lambda client: client.has_action(1),
    "read_again": lambda client: client.read_again([1], ["sms_opt_in"]),
    "users_with": lambda client: client.users_with(["+12025550143"]),
    "changed_since": lambda client: client.changed_since(LONG_AGO, 10, FIELDS),
    "refusals_since": lambda client: client.refusals_since(LONG_AGO, 10, FIELDS[0]),
    "newest_change": lambda client: client.newest_change(FIELDS),
    "user_ids_after": lambda client: client.user_ids_after(0, 10),
    "count_users": lambda client: client.count_users(),
    "emails": lambda client: client.emails([1]),
    "userfields": lambda client: client.userfields(),
    "opt_in_values": lambda client: client.opt_in_values("sms_opt_in", 10),
    "ensure_import_page": lambda client: client.ensure_import_page(),
    "act": lambda client: client.act(Act("petition-a", "ada@example.org")),
}


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Callable[[ActionKitClient], object]:
    return METHODS[request.param]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("too_many_requests", retry_after_seconds=7), Busy),
        (Fault("unavailable"), Busy),
        (Fault("server_error"), Unavailable),
        (Fault("cut_before_work"), Unavailable),
        (Fault("slow", delay_seconds=30), Unavailable),
    ],
)
def test_every_method_under_every_trouble(
    client: ActionKitClient,
    twin: ActionKitTwin,
    method: Callable[[ActionKitClient], object],
    fault: Fault,
    kind: type[SideError],
) -> None:
    twin.add_user("ada@example.org")
    twin.faults.add(fault)
    with pytest.raises(kind) as failure:
        method(client)
    assert failure.value.side is Side.ACTIONKIT
    if isinstance(failure.value, Busy):
        assert failure.value.retry_after_seconds == (fault.retry_after_seconds or 5)


def test_wrong_credentials_are_tried_once(
    make: Make,
    twin: ActionKitTwin,
    method: Callable[[ActionKitClient], object],
    reads: Reads,
) -> None:
    """A5: no second try that could lock the staff account."""
    client = make(reads, password="wrong")
    with pytest.raises(Unauthorised) as refusal:
        method(client)
    assert refusal.value.status == 401
    assert twin.failed_logins == 1
    assert "wrong" not in str(refusal.value)


def test_a_read_is_tried_once_more_after_a_500(
    make: Make, twin: ActionKitTwin, slots: Slots, clock: FakeClock
) -> None:
    """Each attempt takes a slot of its own (A3)."""
    twin.faults.add(Fault("server_error", times=1))
    assert make().count_users() == 0
    assert slots.taken == 2
    assert clock.slept == 1


def test_a_look_is_not_tried_again_since_its_grant_is_for_one_request(
    make: Make, twin: ActionKitTwin
) -> None:
    twin.faults.add(Fault("server_error", times=1))
    with pytest.raises(Unavailable):
        make().look([1], FIELDS)


# --- probe ----------------------------------------------------------------------------------


def refused(client: ActionKitClient) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refusal:
        client.probe()
    return refusal.value


def test_the_probe_tells_how_records_can_be_read(make: Make, twin: ActionKitTwin) -> None:
    assert make().probe() == "sql"
    twin.switch(sql_forbidden=True)
    assert make().probe() == "rest"
    twin.switch(missing_permission_status=401)
    assert make().probe() == "rest"


def test_the_probe_with_a_wrong_password_asks_once(make: Make, twin: ActionKitTwin) -> None:
    refusal = refused(make(password="wrong"))
    assert (refusal.code, refusal.status) == ("actionkit_credentials", 422)
    assert twin.failed_logins == 1


@pytest.mark.parametrize("resource", ["user", "userfield", "phone", "page", "action"])
@pytest.mark.parametrize("status", [401, 403])
def test_the_probe_with_a_missing_permission(
    make: Make, twin: ActionKitTwin, resource: str, status: int
) -> None:
    twin.switch(forbidden=[resource], missing_permission_status=status)
    refusal = refused(make())
    assert (refusal.code, refusal.status) == ("actionkit_permission", 422)
    assert resource in refusal.message


@pytest.mark.parametrize(
    "kind", ["server_error", "unavailable", "too_many_requests", "answer_lost"]
)
@pytest.mark.parametrize("path", ["v1/$", "phone/schema", "run/sql"])
def test_the_probe_of_an_unreachable_host(
    make: Make, twin: ActionKitTwin, kind: Any, path: str
) -> None:
    twin.faults.add(Fault(kind, path=path))
    refusal = refused(make())
    assert (refusal.code, refusal.status) == ("actionkit_unreachable", 503)


def test_the_probe_of_no_host(clock: FakeClock, slots: Slots) -> None:
    client = ActionKitClient(TwinTransport({}), URL, "staff", "secret", slots, "sql", clock)
    assert refused(client).code == "actionkit_unreachable"


def test_nothing_said_holds_a_credential(make: Make, twin: ActionKitTwin) -> None:
    twin.switch(forbidden=["user"])
    for client in (make(), make(username="somebody", password="hunter2")):
        refusal = refused(client)
        for secret in ("secret", "hunter2", "somebody"):
            assert secret not in f"{refusal} {refusal.details}"


def test_nobody_is_read_by_the_probe(make: Make, twin: ActionKitTwin) -> None:
    twin.add_user("ada@example.org")
    make().probe()
    assert twin.counts()["most_users_in_any_60_seconds"] == 0
