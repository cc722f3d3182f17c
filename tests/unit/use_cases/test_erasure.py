"""E1 and E3: a person is erased, and an account's data is removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from instep.domain.account import Phase
from instep.domain.holds import HoldKind, Stake
from instep.domain.pace import Lane
from instep.domain.people import Side
from instep.domain.plan import Change, Conflict
from instep.domain.record import (
    Draft,
    Evidence,
    FieldState,
    Intent,
    Record,
    Warning,  # noqa: A004
)
from instep.use_cases import erasure, holds, newcomers
from instep.use_cases.accounts import find_account
from instep.use_cases.conflicts import conflict_items
from instep.use_cases.ports import Changed
from instep.use_cases.records import People, record_item
from instep.use_cases.work import ERASE, work_of
from instep.use_cases.worker import work_on
from tests.unit.api.desk import NOW, Desk, linked, unlinked

VALUES = ("eve@example.org", "Eve", "Quimby", "Springfield", "3125550123")
NUMBER = "+13125550123"
STAKE = Stake(HoldKind.OPT_OUTS, Side.STRIVE)


def known_of(desk: Desk, member_id: int = 70) -> Record:
    """Everything that can be kept of a person, is."""
    record = linked(
        7,
        member_id,
        VALUES[0],
        first_name="Eve",
        last_name="Quimby",
        phone=NUMBER,
        number=NUMBER,
        warnings=frozenset({Warning.PHONE_DIFFERS, Warning.OPT_IN_CLEARED}),
        fields={"core-city": FieldState("Springfield", "Springfield")},
        groups=frozenset({9}),
    )
    desk.store(record)
    people = People(desk.world, "demo")
    change = Change(Side.ACTIONKIT, "city", "", "Springfield", "fill")
    evidence = Evidence(NOW, Side.STRIVE, "true", True, "member 70", "kept")
    conflict = Conflict("city", "Springfield", "Quimby", Side.STRIVE)
    desk.users.put_many(
        [
            people.history_item(7, NOW, "i", [change], "changed"),
            people.evidence_item(7, NOW, "i", [evidence]),
            *conflict_items(desk.world, "demo", 7, NOW, "i", [conflict]),
        ]
    )
    holds.count(desk.world, "demo", {one: frozenset({STAKE}) for one in range(300)}, "changed")
    stakes = frozenset({STAKE})
    held = {one: holds.Held(one, True, stakes) for one in (7, 8)}
    holds.join(desk.world, "demo", held)
    return record


def nothing_left(desk: Desk) -> None:
    everything = desk.everything()
    for value in VALUES:
        assert value not in everything, value
        assert value.casefold() not in everything.casefold(), value
    for path in ("/users/7", "/users/7/history", "/users/7/consent", "/conflicts", "/members"):
        assert not any(value in desk.call(f"GET {path}").text for value in VALUES), path


def erase(desk: Desk, user_id: int = 7) -> None:
    answer = desk.call(f"DELETE /people/{user_id}")
    assert (answer.status, answer.body) == (202, {"user_id": user_id})


# --- a person ---


@pytest.mark.parametrize("phase", [Phase.SYNCING, Phase.PAUSED, Phase.OFF])
def test_all_values_go_at_once(desk: Desk, phase: Phase) -> None:
    known_of(desk)
    desk.change(phase=phase)
    erase(desk)
    nothing_left(desk)
    page = desk.call("GET /users/7").body
    assert (page["status"], page["reason"]["code"]) == ("erased", "erased")
    assert (page["email"] if "email" in page else page["user"]["email"]) is None
    assert page["member_id"] == 70  # Until the member is opted out.
    assert desk.all("/users", q="eve") == desk.all("/users", q="quimby") == []
    assert desk.all("/users", q=NUMBER) == []
    assert desk.all("/users", warning="phone_differs") == []
    assert [one["user_id"] for one in desk.all("/users", status="erased")] == [7]
    assert desk.items("number/") == desk.items("member/") == []
    ((shown,), _) = holds.list_holds(desk.world, "demo", None, 50)
    assert shown.people == 1
    (receipt,) = desk.items("erased/")
    assert receipt.keys() == {"account_id", "item", "at"}
    (entry,) = [one for one in desk.audit() if one["what"] == "person_erased"]
    assert (entry["who"], entry["new"]) == ("staff@example.org", {"user_id": 7})


def test_the_refusal_stands_under_the_hash(desk: Desk) -> None:
    people = People(desk.world, "demo")
    known_of(desk)
    erase(desk)
    consent, _ = people.consents([NUMBER])[NUMBER]
    assert consent.refused
    assert consent.refusal is not None
    assert (consent.refusal.evidence, consent.refusal.raw) == ("erased", "")
    assert len(desk.items("consent/")) == 1


@pytest.mark.parametrize("phase", [Phase.SYNCING, Phase.PAUSED, Phase.OFF])
def test_of_an_account_that_is_on_a_look_opts_the_member_out(desk: Desk, phase: Phase) -> None:
    known_of(desk)
    desk.change(phase=phase)
    erase(desk)
    if phase is Phase.OFF:  # An opt-out is carried in a pause too (A5).
        assert desk.live.sent == []
        erasure.resume_erasures(desk.world, desk.account())
        assert desk.live.sent == []
        desk.change(phase=Phase.SYNCING)
        erasure.resume_erasures(desk.world, desk.account())
    (sent,) = desk.live.sent
    assert (sent.body["user_ids"], sent.body["cause"]) == ([7], ERASE)


def test_the_member_is_opted_out_and_the_erasure_ends(desk: Desk) -> None:
    user_id = desk.actionkit.add_user(VALUES[0], first_name="Eve")
    desk.actionkit.add_phone(user_id, NUMBER, "mobile")
    desk.actionkit.set_field(user_id, "sms_opt_in", "true")
    member_id = desk.strive.add_member(desk.campaign.campaign_id, NUMBER, first_name="Eve")
    desk.store(replace(known_of(desk, member_id), user_id=user_id))
    before = desk.actionkit.user(user_id)
    erase(desk, user_id)
    for _ in range(4):
        works = [work_of(one.body) for one in (*desk.live.sent, *desk.bulk.sent)]
        desk.live.sent.clear()
        desk.bulk.sent.clear()
        for work in works:
            desk.clock.sleep(60)
            assert work_on(desk.world, work, Lane.LIVE) == "done"
        desk.clock.sleep(100)
        erasure.resume_erasures(desk.world, desk.account())
    assert desk.strive.member(member_id)["opt_in"] is False
    assert desk.items("erasing/") == []
    assert desk.live.sent == []
    page = desk.call(f"GET /users/{user_id}").body
    assert (page["status"], page["member_id"], page["member"]) == ("erased", None, None)
    assert desk.actionkit.user(user_id) == before
    assert desk.items(f"history/{user_id:012d}") == desk.items(f"evidence/{user_id:012d}") == []


def test_somebody_who_was_never_scanned_is_never_made(desk: Desk) -> None:
    erase(desk, 12345)
    erase(desk, 12345)
    assert desk.call("GET /users/12345").body["status"] == "erased"
    assert len(desk.items("erased/")) == 1
    for wrong in ("0", "-1", "x", "9999999999999"):
        answer = desk.call(f"DELETE /people/{wrong}")
        assert (answer.status, answer.fields) == (422, {"user_id"})


def test_a_plan_under_way_is_left_to_the_worker(desk: Desk) -> None:
    record = known_of(desk)
    now = desk.clock.now()
    intent = Intent("x", now, now + timedelta(seconds=60), create=Draft(NUMBER, True))
    desk.users.put(record_item("demo", replace(record, intent=intent)))
    erase(desk)
    kept = People(desk.world, "demo").records([7])[7]
    assert kept.intent == intent
    assert desk.items("history/") == []
    assert [one.body["cause"] for one in desk.live.sent] == [ERASE]
    # Of an account that is not running nobody else finds out: it goes once the worker is dead.
    desk.change(phase=Phase.PAUSED)
    erasure.resume_erasures(desk.world, desk.account())
    assert People(desk.world, "demo").records([7])[7].intent == intent
    desk.clock.sleep(61)
    erasure.resume_erasures(desk.world, desk.account())
    nothing_left(desk)


def test_what_a_worker_wrote_meanwhile_goes_too(desk: Desk) -> None:
    desk.store(unlinked(7, VALUES[0]))
    erase(desk)
    change = Change(Side.ACTIONKIT, "city", "", "Springfield", "fill")
    late = People(desk.world, "demo").history_item(7, NOW, "late", [change], "changed")
    desk.users.put(late)
    erasure.resume_erasures(desk.world, desk.account())
    assert len(desk.items("erasing/")) == 1
    desk.clock.sleep(71)
    erasure.resume_erasures(desk.world, desk.account())
    assert desk.items("erasing/") == desk.items("history/") == []


@pytest.mark.parametrize("cut", range(1, 40))
def test_an_erasure_that_is_cut_off_is_finished_by_doing_it_again(desk: Desk, cut: int) -> None:
    known_of(desk)
    writes = 0
    put, delete = desk.users.put, desk.users.delete

    def cut_off() -> None:
        nonlocal writes
        writes += 1
        if writes == cut:
            raise ConnectionError

    def cut_put(*args: Any, **more: Any) -> bool:
        cut_off()
        return put(*args, **more)

    def cut_delete(*args: Any, **more: Any) -> bool:
        cut_off()
        return delete(*args, **more)

    desk.users.put, desk.users.delete = cut_put, cut_delete  # type: ignore[method-assign]
    with suppress(ConnectionError):
        erasure.erase_person(desk.world, "demo", 7, "staff@example.org")
    desk.users.put, desk.users.delete = put, delete  # type: ignore[method-assign]
    erasure.erase_person(desk.world, "demo", 7, "staff@example.org")
    nothing_left(desk)
    assert People(desk.world, "demo").consents([NUMBER])[NUMBER][0].refused
    assert {one["item"] for one in desk.items("once/")} >= {"once/000000000070"}


# --- nobody is made again ---


@pytest.fixture
def member_id(desk: Desk) -> int:
    """A member in the primary group with the email of user 7, who was erased."""
    desk.call("PATCH /settings", {"create_users": True})
    desk.store(unlinked(7, VALUES[0]))
    erase(desk)
    desk.live.sent.clear()
    return desk.strive.add_member(
        desk.campaign.campaign_id, NUMBER, email=VALUES[0].upper(), groups=[desk.group]
    )


def test_an_erased_persons_email_makes_no_user(desk: Desk, member_id: int) -> None:
    newcomers.see_joined(desk.world, desk.account(), [Changed(member_id, desk.clock.now())])
    (sent,) = desk.live.sent
    assert work_on(desk.world, work_of(sent.body), Lane.LIVE) == "done"
    assert desk.actionkit.user_ids() == []
    (shown,) = desk.all("/members")
    assert (shown["status"], shown["reason"]["code"]) == ("not_created", "erased")
    assert shown["email"] is shown["name"] is shown["phone"] is None
    assert VALUES[0].casefold() not in desk.everything().casefold()


def test_a_newcomer_goes_with_the_person(desk: Desk) -> None:
    """Found by the email, before any user was made."""
    desk.call("PATCH /settings", {"create_users": False})
    desk.store(unlinked(7, VALUES[0]))
    campaign_id = desk.campaign.campaign_id
    member = desk.strive.add_member(
        campaign_id, NUMBER, email="EVE@example.org", groups=[desk.group]
    )
    newcomers.see_joined(desk.world, desk.account(), [Changed(member, desk.clock.now())])
    (sent,) = desk.live.sent
    work_on(desk.world, work_of(sent.body), Lane.LIVE)
    assert len(desk.all("/members")) == 1
    erase(desk)
    assert desk.all("/members") == []
    assert desk.items(f"once/{member:012d}")[0]["why"] == "erased"


# --- an account ---


def full(desk: Desk, people: int = 50) -> None:
    known_of(desk)
    for user_id in range(100, 100 + people):
        desk.store(linked(user_id, user_id, f"user{user_id}@example.org"))
    desk.groups.put({"account_id": "demo", "item": "group/000000000009", "name": "A group"})
    desk.store(linked(7, 70), account_id="other")


def left_of(desk: Desk) -> list[str]:
    stores = (desk.settings, desk.users, desk.groups)
    return [
        one["item"] for store in stores for one in store.everything() if one["account_id"] == "demo"
    ]


def purge(desk: Desk, seconds: int = 20) -> Iterator[str]:
    """Does the messages of a removal."""
    while bodies := [one.body for one in desk.bulk.sent if one.body["cause"] == "purge"]:
        desk.bulk.sent.clear()
        desk.clock.sleep(seconds)
        for body in bodies:
            yield work_on(desk.world, work_of(body), Lane.BULK)


def was_off(desk: Desk) -> None:
    """Off for an hour, its connection gone."""
    desk.switch_off()
    desk.clock.sleep(3600)


def test_an_account_is_as_before_its_first_connection(desk: Desk) -> None:
    full(desk)
    erase(desk)  # A consent record, which stays.
    consents = desk.items("consent/")
    assert len(consents) == 1
    was_off(desk)
    assert desk.call("DELETE /connection", erase="true").status == 204
    assert min(left_of(desk)).startswith("audit/")
    assert len(left_of(desk)) == 2
    assert desk.items("consent/") == consents
    (entry,) = desk.audit()
    assert (entry["who"], entry["what"]) == ("staff@example.org", "account_erased")
    assert People(desk.world, "other").records([7])
    for path in ("/connection", "/users", "/settings", "/holds", "/audit"):
        assert desk.call(f"GET {path}").status == 404
    assert desk.call("DELETE /connection", erase="true").status == 404
    # The campaign is free for another account, and this one can begin again.
    assert desk.call("PUT /connection", desk.credentials(), account="other").status == 200
    desk.strive.add_group(desk.other_campaign.campaign_id, "x")
    assert desk.call("PUT /connection", desk.others_credentials()).status == 200
    assert desk.account().primary_group is None


def test_it_has_to_be_meant_and_off(desk: Desk) -> None:
    for query in ({}, {"erase": "false"}, {"erase": "1"}):
        answer = desk.call("DELETE /connection", **query)
        assert (answer.status, answer.fields) == (422, {"erase"})
    for phase in (Phase.SYNCING, Phase.PAUSED, Phase.INITIAL_SYNC, Phase.STOPPED_CREDENTIALS):
        desk.change(phase=phase)
        answer = desk.call("DELETE /connection", erase="true")
        assert (answer.status, answer.code) == (409, "turn_off_first")
    assert find_account(desk.world, "demo") is not None
    assert desk.call("DELETE /connection", account="other", erase="true").status == 404
    assert desk.call("DELETE /connection", account="other").status == 404


def test_one_that_was_never_on(desk: Desk) -> None:
    assert desk.call("PUT /connection", desk.others_credentials(), account="other").status == 200
    secrets = len(desk.secrets.names())
    assert desk.call("DELETE /connection", account="other", erase="true").status == 204
    assert len(desk.secrets.names()) == secrets - 1
    assert desk.call("GET /connection", account="other").status == 404
    assert desk.call("PUT /connection", desk.others_credentials(), account="other").status == 200


def test_more_than_a_call_can_delete(desk: Desk, monkeypatch: Any) -> None:
    full(desk, people=400)
    was_off(desk)
    delete = desk.users.delete

    def slow(account_id: str, item: str, expect: Any = None) -> bool:
        desk.clock.sleep(0.1)
        return delete(account_id, item, expect)

    monkeypatch.setattr(desk.users, "delete", slow)
    before = desk.clock.now()
    assert desk.call("DELETE /connection", erase="true").status == 204
    assert (desk.clock.now() - before).total_seconds() < 22
    assert desk.call("GET /users").status == 404
    refused = desk.call("PUT /connection", desk.credentials())
    assert (refused.status, refused.code) == (503, "erasing")
    assert len(left_of(desk)) > 500
    # By calling again, and by messages.
    assert desk.call("DELETE /connection", erase="true").status == 204
    stale = dict(desk.bulk.sent[0].body)
    assert set(purge(desk)) == {"done", "dropped"}
    assert len(left_of(desk)) == 1
    assert desk.call("PUT /connection", desk.credentials()).status == 200
    # A message that comes late does not touch the new account.
    assert work_on(desk.world, work_of(stale), Lane.BULK) == "dropped"
    assert find_account(desk.world, "demo") is not None


def test_a_worker_of_a_moment_ago_may_write_once_more(desk: Desk) -> None:
    full(desk)
    desk.switch_off()
    assert desk.call("DELETE /connection", erase="true").status == 204
    assert desk.call("GET /connection").status == 404
    assert desk.call("PUT /connection", desk.credentials()).code == "erasing"
    desk.store(linked(900, 900))
    assert set(purge(desk)) == {"done"}
    assert len(left_of(desk)) == 1
    assert desk.call("PUT /connection", desk.credentials()).status == 200


def test_last_refusals_are_carried_before_the_data_goes(desk: Desk) -> None:
    full(desk)
    assert desk.call("DELETE /activation").status == 202
    errands = [work_of(one.body) for one in desk.live.sent if one.body["cause"].startswith("off")]
    assert errands
    assert desk.call("DELETE /connection", erase="true").status == 204
    assert find_account(desk.world, "demo") is not None
    assert desk.call("PUT /connection", desk.credentials()).code == "erasing"
    on = desk.call("PUT /activation", {"confirm_no_new_member_automation": True})
    assert (on.status, on.code) == (503, "erasing")
    for errand in errands:
        work_on(desk.world, errand, Lane.LIVE)
    assert set(purge(desk)) == {"done"}
    assert desk.call("GET /connection").status == 404
    assert len(left_of(desk)) == 1
    assert desk.call("PUT /connection", desk.credentials()).status == 200


def test_consent_records_are_passed_without_being_read(desk: Desk) -> None:
    full(desk)
    desk.users.put_many(
        [
            {"account_id": "demo", "item": f"consent/{number:040x}", "version": 1}
            for number in range(5000)
        ]
    )
    was_off(desk)
    before = desk.users.consumed.table_reads
    assert desk.call("DELETE /connection", erase="true").status == 204
    assert desk.users.consumed.table_reads - before < 200
    assert len(desk.items("consent/")) == 5000
