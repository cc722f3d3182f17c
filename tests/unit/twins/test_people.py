"""The sample list: real-shaped, valid where it says so, and the same from the same seed."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import phonenumbers
import pytest

from local.twins.actionkit import ActionKitTwin
from local.twins.http import Request
from local.twins.people import OPT_IN_USERFIELD, Sample, populate
from local.twins.strive import StriveTwin
from local.twins.zips import ZIPS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PEOPLE = 1500
REGIONS = {"": "US", "United States": "US", "United Kingdom": "GB", "Canada": "CA",
           "Mexico": "MX", "Germany": "DE"}  # fmt: skip
TRUE = {"t", "true", "1", "opt in", "opt-in", "y", "yes"}
FALSE = {"f", "false", "0", "opt out", "opt-out", "n", "no"}


@dataclass(frozen=True)
class Made:
    actionkit: ActionKitTwin
    strive: StriveTwin
    sample: Sample
    users: dict[int, dict[str, Any]]
    members: dict[int, dict[str, Any]]


def make(people: int, seed: int) -> Made:
    actionkit = ActionKitTwin(lambda: NOW, random.Random(1), zips=ZIPS)
    strive = StriveTwin(lambda: NOW, random.Random(2))
    sample = populate(actionkit, strive, people, random.Random(seed), NOW)
    members = {member["id"]: member for member in strive.members()}
    return Made(actionkit, strive, sample, actionkit.users(), members)


@pytest.fixture(scope="module")
def made() -> Made:
    return make(PEOPLE, 7)


def e164(typed: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(typed, REGIONS[country])
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    written: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written


def share(count: int) -> float:
    return count / PEOPLE


def test_the_same_seed_makes_the_same_list() -> None:
    first, second, other = make(60, 3), make(60, 3), make(60, 4)
    assert first.sample == second.sample
    assert first.users == second.users
    assert first.members == second.members
    assert first.actionkit.actions() == second.actionkit.actions()
    assert first.users != other.users


@pytest.mark.parametrize("people", [0, 1, 2, 10])
def test_a_short_list(people: int) -> None:
    assert len(make(people, 5).sample.people) == people


def test_who_is_eligible(made: Made) -> None:
    people = made.sample.people
    assert [person.user_id for person in people] == sorted(made.users)
    assert 0.58 < share(sum(person.eligible for person in people)) < 0.66
    assert 0.12 < share(sum(person.member_id is not None for person in people)) < 0.19


def test_numbers_are_what_the_list_says(made: Made) -> None:
    for person in made.sample.people:
        user = made.users[person.user_id]
        chosen = None
        for type_ in ("mobile", "work", "home"):
            rows = [phone for phone in user["phones"] if phone["type"] == type_]
            rows.sort(key=lambda phone: (phone["updated_at"], phone["id"]), reverse=True)
            for phone in rows:
                chosen = chosen or e164(phone["phone"], user["country"])
        assert chosen == person.number, user


def test_numbers_are_of_every_kind(made: Made) -> None:
    users = made.users.values()
    phones = [phone for user in users for phone in user["phones"]]
    assert {phone["type"] for phone in phones} >= {"mobile", "home", "work", "work_fax"}
    typed = [phone["phone"] for phone in phones]
    for style in (r"\d{10}", r"\(\d{3}\) \d{3}-\d{4}", r"\d{3}\.\d{3}\.\d{4}", r"\+1\d{10}",
                  r" .* ", r"\+1 \(.*", r"\+44\d+", r"020 7946 \d{4}"):  # fmt: skip
        assert any(re.fullmatch(style, text) for text in typed), style
    assert 0.1 < share(sum(not user["phones"] for user in users)) < 0.17
    assert any(len({phone["type"] for phone in user["phones"]}) > 1 for user in users)
    assert any(Counter(phone["type"] for phone in user["phones"])["mobile"] > 1 for user in users)
    invalid = [
        user
        for user in users
        if user["phones"] and not any(e164(p["phone"], user["country"]) for p in user["phones"])
    ]
    assert 0.03 < share(len(invalid)) < 0.09
    numbers = Counter(person.number for person in made.sample.people if person.number)
    assert 10 < sum(count > 1 for count in numbers.values()) < 200
    assert {str(number)[:3] for number in numbers} >= {"+12", "+44", "+52", "+49"}
    american = [n for n in numbers if re.match(r"\+1\d{3}555", n)]
    assert len(american) > 0.9 * len(numbers)
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", n) for n in american)


def test_opt_in_values_are_of_every_spelling(made: Made) -> None:
    values = [value for person in made.sample.people for value in person.opt_in]
    read = {value.strip().lower() for value in values}
    assert read >= TRUE | FALSE | {"tbd", "maybe", "on", ""}
    assert any(value != value.strip() for value in values)
    assert {"true", "True", "TBD", "tbd"} <= set(values)
    several = Counter(len(person.opt_in) for person in made.sample.people)
    assert 0.1 < share(several[0]) < 0.25
    assert several[2] > 5
    for person in made.sample.people:
        assert tuple(made.users[person.user_id]["fields"].get(OPT_IN_USERFIELD, ())) == (
            person.opt_in
        )


def test_userfields(made: Made) -> None:
    rows = [row for user_id in made.users for row in made.actionkit.userfield_rows(user_id)]
    assert 0.1 < sum(row["updated_at"] is None for row in rows) / len(rows) < 0.2
    assert len({row["updated_at"] for row in rows}) > 500
    assert any(row["action_id"] is not None for row in rows)
    assert {row["name"] for row in rows} == {
        OPT_IN_USERFIELD, "favorite_issue", "volunteer_skills", "preferred_language", "employer"
    }  # fmt: skip
    assert any(len(user["fields"].get("volunteer_skills", ())) == 2 for user in made.users.values())


def test_addresses(made: Made) -> None:
    users = made.users.values()
    at_home = [user for user in users if user["zip"]]
    assert share(len(at_home)) > 0.7
    for user in at_home:
        assert (user["city"], user["state"]) == ZIPS[user["zip"]]
        assert user["country"] == "United States"
    assert {user["country"] for user in users} == set(REGIONS)
    for user in users:
        abroad = REGIONS[user["country"]] != "US"
        assert abroad == bool(user["postal"] and not user["zip"])


def test_names_and_emails(made: Made) -> None:
    users = made.users.values()
    names = [f"{user['first_name']}|{user['last_name']}" for user in users]
    assert any(not name.isascii() for name in names)
    assert any(name.startswith(" ") or "  " in name for name in names)
    assert any(user["last_name"] == "" for user in users)
    assert len({user["email"].lower() for user in users}) == PEOPLE
    assert all(re.fullmatch(r"[a-zA-Z.\-]+\.\d+@[\w.]+", user["email"]) for user in users)
    assert any(user["email"] != user["email"].lower() for user in users)


def test_times_are_past_and_in_order(made: Made) -> None:
    now = NOW.strftime("%Y-%m-%d")
    for user in made.users.values():
        assert user["created_at"] <= user["updated_at"] < now
        assert all(phone["updated_at"] < now for phone in user["phones"])
    assert all(action["created_at"] < now for action in made.actionkit.actions())


def test_members_who_are_there_already(made: Made) -> None:
    known = [person for person in made.sample.people if person.member_id is not None]
    differing: Counter[str] = Counter()
    for person in known:
        member, user = made.members[person.member_id or 0], made.users[person.user_id]
        assert member["phone_number"] == person.number
        assert member["campaign_id"] == made.sample.demo.campaign_id
        for column in ("first_name", "email", "city"):
            differing[column] += member[column] != user[column]
        differing["empty city"] += not member["city"]
        differing["out"] += not member["opt_in"]
        assert not (person.texted_stop and member["opt_in"])
        if member["postal_code"] and member["postal_code"] in ZIPS:
            assert member["state"] == ZIPS[member["postal_code"]][1]
    assert min(differing.values()) > 0.08 * len(known)
    stopped = {person.member_id for person in known if person.texted_stop}
    texted = made.strive.tables["incoming_messages"]
    assert {row["member_id"] for row in texted if row["is_opt_out"]} == stopped
    assert len(stopped) > 3
    numbers = {person.number for person in made.sample.people}
    assert len(made.sample.strangers) == PEOPLE * 3 // 100
    for stranger in made.sample.strangers:
        assert made.members[stranger]["phone_number"] not in numbers
    types = {row["type"] for row in made.strive.tables["custom_fields"]}
    assert types >= {"text", "number", "date", "boolean"}
    assert any(member["custom"] for member in made.members.values())


def test_a_campaign_that_nobody_uses(made: Made) -> None:
    free = made.sample.free

    def members(key: str) -> list[dict[str, Any]]:
        headers = {"authorization": f"Bearer {key}"}
        rows = made.strive.handle(Request.to("GET", "/members", headers)).json()
        assert isinstance(rows, list)
        return rows

    assert {member["campaign_id"] for member in members(free.api_key)} == {free.campaign_id}
    assert len(members(free.api_key)) == 8
    assert {member["campaign_id"] for member in members(made.sample.demo.api_key)} == {
        made.sample.demo.campaign_id
    }


def test_pages_actions_and_usergroups(made: Made) -> None:
    actions = made.actionkit.actions()
    assert {action["page"] for action in actions} == set(made.sample.pages) - {"leave"}
    assert {action["type"] for action in actions} >= {"Signup", "Petition", "Donation", "Import"}
    assert any(action["fields"].get("skill") for action in actions)
    assert {action["status"] for action in actions} == {"complete", "incomplete"}
    in_groups = Counter(group for user in made.users.values() for group in user["groups"])
    assert set(in_groups) == set(made.sample.usergroups.values())


def test_nobody_is_texted_or_mailed(made: Made) -> None:
    counts = made.strive.counts()
    assert (counts.texts, counts.members_created) == (0, 0)
    assert made.strive.texts() == []
    flows = {row["id"]: row["flow_id"] for row in made.strive.tables["groups"]}
    assert flows[made.sample.group_with_flow] is not None
    assert made.strive.group_members(made.sample.group_with_flow)
    assert made.actionkit.mails_sent == []
    assert made.actionkit.subscription_changes() == []
    assert made.actionkit.subscriptions()


def test_zips() -> None:
    assert len(ZIPS) > 500
    states = {state for _, state in ZIPS.values()}
    assert len(states) == 52
    for zip_, (city, state) in ZIPS.items():
        assert re.fullmatch(r"\d{5}", zip_)
        assert re.fullmatch(r"[A-Z]{2}", state)
        assert city


def test_later_pages_actions_and_usergroups(made: Made) -> None:
    rows = made.actionkit.query("SELECT * FROM core_page")
    assert {row["name"] for row in rows} == set(made.sample.pages)
    titles = Counter(row["title"] for row in rows)
    assert titles[""] > 1
    assert titles["Safe crossings for every school"] == 2
    assert any("<b>" in title for title in titles)
    assert any(re.search("[\u0600-\u06ff]", title) for title in titles)
    assert len({row["type"] for row in rows}) > 6
    first = rows[8]["id"]
    actions = [action for action in made.actionkit.actions() if action["page_id"] >= first]
    assert 0.6 < share(len(actions)) < 1.4
    times = [action["created_at"] for action in actions]
    assert times == sorted(times)
    assert times[0] >= "2024-03-01"
    assert times[-1] < "2026-03-01"
    fields = [action["fields"] for action in actions]
    assert any(len(values.get("tools", ())) == 2 for values in fields)
    shifts = {shift for values in fields for shift in values.get("shift", ())}
    assert {"Morning", "morning", " MORNING "} <= shifts
    for action in actions:
        assert action["created_at"] >= made.users[action["user_id"]]["created_at"]
    groups = [made.sample.usergroups[name] for name in ("River walkers", "Español")]
    for group in groups:
        members = sum(group in user["groups"] for user in made.users.values())
        assert 0.02 < share(members) < 0.07
