"""F8: which number of a user is texted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from instep.domain.countries import in_us, region_of
from instep.domain.people import Phone, User
from instep.domain.phone import Found, choose_number, numbers_of, parse
from instep.domain.record import Record
from instep.domain.rules import Rules

T = datetime(2026, 1, 1, tzinfo=UTC)
BASE = Rules((), "sms", T)


def rules(*types: str, fallback: bool = False, region: str = "US") -> Rules:
    return Rules((), "sms", T, phone_types=types, phone_fallback=fallback, default_region=region)


def user(*phones: Phone, country: str = "United States") -> User:
    return User(1, "a@example.org", country=country, phones=phones)


def phone(phone_id: int, kind: str, raw: str, day: int | None = 1) -> Phone:
    at = None if day is None else T + timedelta(days=day)
    return Phone(phone_id, kind, raw, at)


GOOD, OTHER, BAD = "(212) 555-0100", "+1 212-555-0101", "555-0100"


@pytest.mark.parametrize(
    ("raw", "region", "number"),
    [
        ("(212) 555-0100", "US", "+12125550100"),
        ("+1 212 555 0100", "DE", "+12125550100"),
        ("2125550100", "US", "+12125550100"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("+44 20 7946 0958", "US", "+442079460958"),
        ("020 7946 0958", "US", None),
        ("555-0100", "US", None),
        ("not a phone", "US", None),
        ("", "US", None),
    ],
)
def test_f8_numbers_are_parsed_as_e164(raw: str, region: str, number: str | None) -> None:
    assert parse(raw, region) == number


def test_f8_an_empty_list_means_mobile_work_home() -> None:
    one = user(phone(1, "home", GOOD), phone(2, "mobile", OTHER))
    assert choose_number(one, BASE).number == "+12125550101"
    assert choose_number(user(phone(1, "fax", GOOD)), BASE).found is Found.UNCHOSEN


def test_f8_the_first_type_with_a_valid_number_wins() -> None:
    one = user(phone(1, "work", GOOD), phone(2, "home", OTHER))
    assert choose_number(one, rules("home", "work")).number == "+12125550101"
    one = user(phone(1, "work", GOOD), phone(2, "home", BAD))
    assert choose_number(one, rules("home", "work")).number == "+12125550100"


@pytest.mark.parametrize(
    ("phones", "number"),
    [
        ((phone(1, "home", GOOD, 2), phone(2, "home", OTHER, 1)), "+12125550100"),
        ((phone(1, "home", GOOD, 1), phone(2, "home", OTHER, 1)), "+12125550101"),
        ((phone(1, "home", GOOD, 1), phone(2, "home", OTHER, None)), "+12125550100"),
        ((phone(1, "home", GOOD, 1), phone(2, "home", BAD, 3)), "+12125550100"),
    ],
)
def test_f8_within_a_type_the_latest_changed_then_the_highest_id(
    phones: tuple[Phone, ...], number: str
) -> None:
    assert choose_number(user(*phones), rules("home")).number == number
    assert choose_number(user(*reversed(phones)), rules("home")).number == number


def test_f8_the_choice_carries_the_row() -> None:
    row = phone(7, "mobile", GOOD)
    choice = choose_number(user(row), BASE)
    assert (choice.found, choice.phone) == (Found.NUMBER, row)


def test_f8_none_invalid_and_unchosen_are_told_apart() -> None:
    assert choose_number(user(), BASE).found is Found.NONE
    assert choose_number(user(phone(1, "mobile", "  ")), BASE).found is Found.NONE
    assert choose_number(user(phone(1, "mobile", BAD)), BASE).found is Found.INVALID
    assert choose_number(user(phone(1, "home", GOOD)), rules("mobile")).found is Found.UNCHOSEN


def test_f8_types_that_staff_did_not_choose_are_tried_with_the_fallback_alone() -> None:
    one = user(phone(1, "mobile", BAD), phone(2, "home", GOOD))
    assert choose_number(one, rules("mobile")).found is Found.INVALID
    assert choose_number(one, rules("mobile", fallback=True)).number == "+12125550100"
    fax = user(phone(1, "home_fax", GOOD))
    assert choose_number(fax, rules("mobile", fallback=True)).found is Found.UNCHOSEN


@pytest.mark.parametrize(
    ("country", "number"),
    [
        ("United Kingdom", "+442079460958"),
        ("united  kingdom ", "+442079460958"),
        ("Atlantis", None),
        ("", None),
        ("United States", None),
    ],
)
def test_f8_the_region_is_the_countrys_else_the_default(country: str, number: str | None) -> None:
    one = user(phone(1, "mobile", "020 7946 0958"), country=country)
    assert choose_number(one, BASE).number == number
    british = choose_number(one, rules(region="GB")).number
    assert british == (None if country == "United States" else "+442079460958")


def test_f8_a_change_of_the_default_region_applies_to_users_without_a_link() -> None:
    one = user(phone(1, "mobile", GOOD), country="")
    linked = Record(1, member_id=5, default_region="US")
    unlinked = Record(1, default_region="US")
    assert choose_number(one, rules(region="GB"), linked).number == "+12125550100"
    assert choose_number(one, rules(region="GB"), unlinked).number is None


def test_numbers_of_any_type_or_of_the_accounts_types() -> None:
    one = user(phone(1, "fax", GOOD), phone(2, "mobile", OTHER), phone(3, "home", BAD))
    assert numbers_of(one, BASE) == {"+12125550100", "+12125550101"}
    assert numbers_of(one, BASE, chosen_types_only=True) == {"+12125550101"}


def test_f9_us_addresses() -> None:
    assert in_us("United States")
    assert in_us("USA")
    assert in_us("")
    assert not in_us("Canada")
    assert not in_us("Atlantis")
    assert region_of("Côte d'Ivoire") == "CI"
