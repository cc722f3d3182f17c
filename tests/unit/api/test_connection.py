"""C1, C3, C4, F1."""

from __future__ import annotations

from typing import Any

import pytest

from instep.domain.account import Phase
from instep.use_cases.pacing import pace_of
from local.twins.http import Request, Response
from local.twins.transport import TwinTransport
from tests.unit.api.desk import NOW, OTHER_HOST, PASSWORD, Desk, linked, unlinked


def test_connect_answers_without_credentials_and_maps_the_core_fields(desk: Desk) -> None:
    answer = desk.call("PUT /connection", desk.credentials())
    assert answer.status == 200
    assert answer.body == {
        "hostname": "act.example.org",
        "strive_campaign_id": desk.campaign.campaign_id,
        "connected_at": "2026-05-04T12:00:00Z",
        "actionkit_reads": "sql",
    }
    assert desk.call("GET /connection").body == answer.body
    fields = desk.all("/fields")
    assert {one["strive_field"]: one["option"] for one in fields} == {
        **dict.fromkeys(
            ("first_name", "last_name", "email", "city", "state", "postal_code"),
            "populate_no_overwrite",
        ),
        "opt_in": None,
        "phone_number": None,
    }
    assert len(desk.secrets.names()) == 1


@pytest.mark.parametrize(
    ("changed", "status", "code", "field"),
    [
        ({"hostname": "127.0.0.1"}, 422, "hostname_refused", "hostname"),
        ({"hostname": "http://act.example.org"}, 422, "hostname_refused", "hostname"),
        ({"hostname": "act.example.org/rest"}, 422, "hostname_refused", "hostname"),
        ({"hostname": "gone.example.org"}, 503, "actionkit_unreachable", "hostname"),
        ({"password": "wrong"}, 422, "actionkit_credentials", "password"),
        ({"username": "wrong"}, 422, "actionkit_credentials", "password"),
        ({"strive_api_key": "wrong"}, 422, "strive_credentials", "strive_api_key"),
        ({"strive_campaign_id": 999}, 422, "strive_campaign", "strive_campaign_id"),
    ],
)
@pytest.mark.parametrize("connected", [False, True])
def test_each_refusal_has_its_code_and_stores_nothing(
    desk: Desk, changed: dict[str, Any], status: int, code: str, field: str, connected: bool
) -> None:
    if connected:
        desk.connect()
    before = (desk.everything(), desk.secrets.names())
    answer = desk.call("PUT /connection", desk.credentials(**changed))
    assert (answer.status, answer.code, answer.fields) == (status, code, {field})
    assert (desk.everything(), desk.secrets.names()) == before


def test_a_host_that_is_no_actionkit(desk: Desk) -> None:
    class Blog:
        def handle(self, request: Request) -> Response:
            return Response(200, b"<html>A blog</html>", {"content-type": "text/html"})

    desk.transport = TwinTransport({OTHER_HOST: Blog()})
    answer = desk.call("PUT /connection", desk.credentials(hostname="other.example.org"))
    assert (answer.status, answer.code) == (422, "actionkit_wrong_host")


@pytest.mark.parametrize("name", ["hostname", "username", "password", "strive_api_key"])
@pytest.mark.parametrize("wrong", [None, "", 7, ["x"]])
def test_input_is_strict(desk: Desk, name: str, wrong: object) -> None:
    answer = desk.call("PUT /connection", desk.credentials(**{name: wrong}))
    assert (answer.status, answer.fields) == (422, {name})


def test_every_missing_and_every_unknown_key_is_named(desk: Desk) -> None:
    answer = desk.call("PUT /connection", {"more": 1})
    assert answer.fields == {*desk.credentials(), "more"}
    for wrong in ("1", 1.5, True, 0):
        answer = desk.call("PUT /connection", desk.credentials(strive_campaign_id=wrong))
        assert answer.fields == {"strive_campaign_id"}


def test_connecting_again_replaces_the_secret(desk: Desk) -> None:
    desk.connect()
    (old,) = desk.secrets.names()
    desk.connect()
    (new,) = desk.secrets.names()
    assert old != new
    assert desk.account().connection.secret == new  # type: ignore[union-attr]


def test_a_campaign_belongs_to_one_account(desk: Desk) -> None:
    desk.connect()
    answer = desk.call("PUT /connection", desk.credentials(), account="other")
    assert (answer.status, answer.code) == (409, "campaign_in_use")
    assert desk.call("GET /connection", account="other").status == 404
    # Also while its account is off.
    desk.call("DELETE /activation")
    answer = desk.call("PUT /connection", desk.credentials(), account="other")
    assert answer.code == "campaign_in_use"


def test_an_account_without_links_may_change_its_campaign_and_frees_the_old_one(
    desk: Desk,
) -> None:
    desk.connect()
    assert desk.call("PUT /connection", desk.others_credentials()).status == 200
    assert desk.call("PUT /connection", desk.credentials(), account="other").status == 200


def test_a_campaign_is_freed_also_if_the_account_was_off_meanwhile(desk: Desk) -> None:
    desk.connect()
    desk.call("DELETE /activation")
    assert desk.call("PUT /connection", desk.others_credentials()).status == 200
    assert desk.call("PUT /connection", desk.credentials(), account="other").status == 200


def test_a_claim_whose_account_died_may_be_taken_over_after_a_minute(desk: Desk) -> None:
    desk.settings.put(
        {
            "account_id": "-campaigns",
            "item": str(desk.campaign.campaign_id),
            "holder": "other",
            "claimed_at": NOW.isoformat(),
        }
    )
    assert desk.call("PUT /connection", desk.credentials()).code == "campaign_in_use"
    desk.clock.sleep(61)
    assert desk.call("PUT /connection", desk.credentials()).status == 200


def test_two_accounts_on_a_host_need_two_opt_in_userfields(desk: Desk) -> None:
    desk.ready()
    other: dict[str, Any] = {"account": "other"}
    desk.call("PUT /connection", desk.others_credentials(hostname="ACT.example.org"), **other)
    answer = desk.call("PATCH /settings", {"opt_in_userfield": "sms_opt_in"}, **other)
    assert (answer.status, answer.code) == (409, "opt_in_field_in_use")
    assert desk.call("GET /settings", **other).body["opt_in_userfield"] is None
    assert desk.call("PATCH /settings", {"opt_in_userfield": "colour"}, **other).status == 200
    # The claim ends with the field, and with the connection.
    assert desk.call("PATCH /settings", {"opt_in_userfield": "nickname"}).status == 200
    answer = desk.call("PATCH /settings", {"opt_in_userfield": "sms_opt_in"}, **other)
    assert answer.status == 200
    desk.call("DELETE /activation", **other)
    assert desk.call("PATCH /settings", {"opt_in_userfield": "sms_opt_in"}).status == 200
    answer = desk.call("PUT /connection", desk.others_credentials(), **other)
    assert (answer.status, answer.code) == (409, "opt_in_field_in_use")


# --- the same system (C4) ---


def people(desk: Desk, count: int, same: int) -> None:
    """Linked users of whom ActionKit shows `same` with the email that we know."""
    for number in range(count):
        known = f"known{number}@example.org"
        shown = known.upper() if number < same else f"other{number}@example.org"
        user_id = desk.actionkit.add_user(shown)
        desk.store(linked(user_id, 1000 + number, known))


def test_another_campaign_is_refused_while_there_are_links(desk: Desk) -> None:
    desk.connect()
    people(desk, 1, same=1)
    for _ in range(2):
        answer = desk.call("PUT /connection", desk.others_credentials())
        assert (answer.status, answer.code) == (409, "different_system")
        desk.call("DELETE /activation")  # Also after OFF.
    assert desk.call("PUT /connection", desk.others_credentials(), account="other").status == 200


@pytest.mark.parametrize(("same", "status"), [(20, 200), (10, 200), (9, 409), (0, 409)])
def test_half_of_twenty_linked_users_tell_the_same_actionkit(
    desk: Desk, same: int, status: int
) -> None:
    desk.connect()
    people(desk, 25, same=same)
    before = desk.call("GET /connection").body
    answer = desk.call("PUT /connection", desk.credentials())
    assert answer.status == status
    if status == 409:
        assert answer.code == "different_system"
        assert desk.call("GET /connection").body == before


def test_another_actionkit_is_refused_while_there_are_links(desk: Desk) -> None:
    desk.connect()
    people(desk, 3, same=3)
    for number in range(10):
        desk.other_actionkit.add_user(f"stranger{number}@example.org")
    given = desk.credentials(hostname=OTHER_HOST)
    answer = desk.call("PUT /connection", given)
    assert (answer.status, answer.code) == (409, "different_system")


def test_the_sample_counts_in_the_pace_of_an_account_that_is_on(desk: Desk) -> None:
    desk.switch_on()
    people(desk, 5, same=5)
    desk.connect()
    pace = desk.users.get("demo", "pace")
    assert pace is not None
    assert sum(pace_of(pace).settled.values()) == 5


# --- going on ---


def test_an_account_that_stopped_goes_on_by_itself(desk: Desk) -> None:
    desk.switch_on()
    for phase, done in ((Phase.INITIAL_SYNC, False), (Phase.SYNCING, True)):
        stopped = {"phase": Phase.STOPPED_CREDENTIALS, "reason": "actionkit_credentials"}
        desk.change(**stopped, initial_sync_done=done)
        epoch = desk.account().epoch
        desk.connect()
        assert desk.account().phase is phase
        pace = desk.users.get("demo", "pace")
        assert pace is not None
        assert (pace["active"], pace["epoch"]) == (True, epoch + 1)


def test_connecting_again_while_on_goes_on_with_the_initial_sync(desk: Desk) -> None:
    desk.switch_on()
    run_id = desk.account().initial_sync_run
    desk.connect()
    assert desk.account().phase is Phase.INITIAL_SYNC
    assert desk.account().initial_sync_run == run_id


def test_a_paused_account_stays_paused(desk: Desk) -> None:
    desk.switch_on()
    desk.call("POST /activation/pause")
    desk.connect()
    assert desk.call("GET /activation").body["phase"] == "paused"


def test_another_campaign_without_links_begins_anew(desk: Desk) -> None:
    desk.switch_on()
    desk.change(primary_group=7, import_page_id=8, import_page="page", initial_sync_done=True)
    desk.call("PUT /connection", desk.others_credentials())
    account = desk.account()
    assert (account.primary_group, account.import_page_id) == (None, 8)
    assert not account.initial_sync_done


def test_another_actionkit_without_links_begins_anew(desk: Desk) -> None:
    desk.switch_on()
    desk.store(unlinked(desk.actionkit.add_user("ada@example.org"), "ada@example.org"))
    made = {"primary_group": 7, "import_page_id": 8, "initial_sync_done": True}
    for hostname, kept in (("act.example.org", True), ("other.example.org", False)):
        desk.change(**made)
        desk.call("DELETE /activation")
        answer = desk.call("PUT /connection", desk.credentials(hostname=hostname))
        assert answer.status == 200
        account = desk.account()
        assert account.primary_group == 7
        assert (account.import_page_id, account.initial_sync_done) == (8 if kept else None, kept)


def test_the_audit_names_who_and_no_secrets(desk: Desk) -> None:
    desk.connect()
    (entry,) = desk.call("GET /audit").body["items"]
    assert (entry["who"], entry["what"], entry["old"]) == ("staff@example.org", "connection", None)
    assert entry["new"]["strive_campaign_id"] == desk.campaign.campaign_id
    assert PASSWORD not in str(entry)
