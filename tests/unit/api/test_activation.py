"""A2, A4, A5, F12."""

from __future__ import annotations

from typing import Any

import pytest

from instep.domain.account import Phase
from tests.unit.api.desk import NOW, Desk, linked

CONFIRMED = {"confirm_no_new_member_automation": True}


def pace(desk: Desk) -> tuple[bool, int]:
    item = desk.users.get("demo", "pace")
    assert item is not None
    return item["active"], item["epoch"]


def test_off_at_first(desk: Desk) -> None:
    desk.connect()
    assert desk.call("GET /activation").body == {
        "active": False,
        "phase": "off",
        "reason": None,
        "progress": {
            "total": 0,
            "scanned": 0,
            "synced": 0,
            "by_status": {},
            "per_minute": 0,
            "expected_end": None,
        },
    }


@pytest.mark.parametrize("body", [None, {}, {"confirm_no_new_member_automation": False}])
def test_on_asks_for_the_confirmation(desk: Desk, body: Any) -> None:
    desk.ready()
    before = desk.everything()
    answer = desk.call("PUT /activation", body)
    assert (answer.status, answer.code) == (409, "confirm_no_new_member_automation")
    assert desk.everything() == before


def test_on_names_what_is_missing(desk: Desk) -> None:
    desk.connect()
    answer = desk.call("PUT /activation", CONFIRMED)
    assert (answer.status, answer.code, answer.fields) == (409, "not_ready", {"opt_in_userfield"})
    assert "opt_in_userfield" in answer.body["error"]["message"]
    desk.call("DELETE /activation")
    answer = desk.call("PUT /activation", CONFIRMED)
    assert (answer.code, answer.fields) == ("not_ready", {"connection", "opt_in_userfield"})
    desk.ready()
    desk.call("DELETE /activation")
    answer = desk.call("PUT /activation", CONFIRMED)
    assert (answer.code, answer.fields) == ("not_ready", {"connection"})


def test_on_needs_a_userfield_that_exists(desk: Desk) -> None:
    desk.ready()
    account = desk.account().settings
    desk.change(settings=type(account)(opt_in_userfield="gone"))
    answer = desk.call("PUT /activation", CONFIRMED)
    assert (answer.code, answer.fields) == ("not_ready", {"opt_in_userfield"})


def test_on_starts_the_initial_sync(desk: Desk) -> None:
    desk.ready()
    epoch, now = desk.account().epoch, desk.clock.now()
    answer = desk.call("PUT /activation", CONFIRMED)
    assert (answer.status, answer.body["active"]) == (200, True)
    assert answer.body["phase"] == "initial_sync"
    account = desk.account()
    assert (account.epoch, account.first_activated_at) == (epoch + 1, now)
    assert (account.confirmed_by, account.confirmed_at) == ("staff@example.org", now)
    assert pace(desk) == (True, epoch + 1)
    (execution,) = desk.machines.executions.values()
    assert execution.machine == "initial-sync"
    assert execution.payload == {"account_id": "demo", "run_id": account.initial_sync_run}


def test_on_of_an_account_that_is_on_changes_nothing(desk: Desk) -> None:
    desk.switch_on()
    for state in ("on", "paused"):
        before = desk.everything()
        for body in (None, CONFIRMED):
            assert desk.call("PUT /activation", body).status == 200, state
        if state == "on":
            assert desk.everything() == before
        desk.call("POST /activation/pause")
    assert desk.account().phase is Phase.PAUSED


def test_an_on_that_was_cut_off_is_finished_by_the_next(desk: Desk) -> None:
    desk.ready()
    desk.change(phase=Phase.INITIAL_SYNC, epoch=9, first_activated_at=NOW)
    desk.call("PUT /activation", CONFIRMED)
    assert pace(desk) == (True, 9)
    assert len(desk.machines.executions) == 1


def test_on_asks_about_a_group_of_the_primary_groups_name(desk: Desk) -> None:
    desk.ready()
    connection = desk.account()
    strive = desk.world.strive(connection)
    group = strive.create_group("ActionKit Integration")
    answer = desk.call("PUT /activation", CONFIRMED)
    assert (answer.status, answer.code) == (409, "group_name_taken")
    assert desk.account().phase is Phase.OFF
    answer = desk.call("PUT /activation", {**CONFIRMED, "adopt_primary_group": True})
    assert answer.status == 200
    assert desk.account().adopt_primary_group
    # It is ours from then on: nobody is asked again, though nobody is linked yet.
    desk.change(primary_group=group.group_id)
    desk.call("DELETE /activation")
    desk.connect()
    assert desk.call("PUT /activation", CONFIRMED).status == 200


def test_input_of_on_is_strict(desk: Desk) -> None:
    desk.ready()
    for body in ({"confirm_no_new_member_automation": "yes"}, {"confirm": True}):
        assert desk.call("PUT /activation", body).status == 422


# --- OFF ---


def test_off_deletes_the_credentials_and_stops_the_pace(desk: Desk) -> None:
    desk.switch_on()
    epoch = desk.account().epoch
    answer = desk.call("DELETE /activation")
    assert (answer.status, answer.body["active"], answer.body["phase"]) == (202, False, "off")
    assert pace(desk) == (True, epoch + 1)  # for the last refusals
    desk.work_live()
    assert desk.secrets.names() == []
    assert desk.call("GET /connection").status == 404
    assert pace(desk) == (False, epoch + 1)
    assert desk.account().connection is None
    assert desk.call("DELETE /activation").status == 202
    for call in ("pause", "resume"):
        assert desk.call(f"POST /activation/{call}").code == "not_active"


def test_off_that_was_cut_off_is_finished_by_the_next(desk: Desk) -> None:
    desk.switch_on()
    desk.change(phase=Phase.OFF, epoch=desk.account().epoch + 1)
    desk.call("DELETE /activation")
    assert desk.secrets.names() == []
    assert not pace(desk)[0]


def test_settings_fields_and_records_outlive_off(desk: Desk) -> None:
    desk.switch_on()
    desk.call("DELETE /activation")
    assert desk.call("GET /settings").body["opt_in_userfield"] == "sms_opt_in"
    assert len(desk.all("/fields")) == 8
    assert desk.call("GET /users").status == 200


def initial_syncs(desk: Desk) -> int:
    return sum("-initial-" in arn for arn in desk.machines.executions)


def test_on_again_goes_on_from_the_stored_records(desk: Desk) -> None:
    desk.switch_on()
    user_id = desk.actionkit.add_user("ada@example.org")
    desk.store(linked(user_id, 1000, "ada@example.org"))
    run_id = desk.account().initial_sync_run
    first = desk.account().first_activated_at
    desk.clock.sleep(3600)
    for done, phase in ((False, Phase.INITIAL_SYNC), (True, Phase.SYNCING)):
        desk.change(initial_sync_done=done)
        desk.switch_off()
        desk.connect()
        started = initial_syncs(desk)
        for execution in desk.machines.executions.values():
            execution.running = False
        assert desk.call("PUT /activation", CONFIRMED).status == 200
        account = desk.account()
        assert (account.phase, account.initial_sync_run) == (phase, run_id)
        assert account.first_activated_at == first
        assert initial_syncs(desk) == started + (0 if done else 1)


# --- pause ---


def test_pause_and_resume(desk: Desk) -> None:
    desk.switch_on()
    epoch = desk.account().epoch
    for done, phase in ((False, "initial_sync"), (True, "syncing")):
        desk.change(initial_sync_done=done)
        for _ in range(2):
            answer = desk.call("POST /activation/pause")
            assert (answer.status, answer.body["phase"]) == (200, "paused")
            assert pace(desk) == (True, epoch + 1)  # for refusals; earlier work is of another epoch
            assert desk.secrets.names() != []
        for _ in range(2):
            answer = desk.call("POST /activation/resume")
            assert (answer.status, answer.body["phase"]) == (200, phase)
            assert pace(desk) == (True, epoch + 2)
        epoch += 2


def test_every_switch_is_audited_once(desk: Desk) -> None:
    desk.switch_on()
    desk.call("PUT /activation", CONFIRMED)
    for _ in range(2):
        desk.call("POST /activation/pause")
    desk.call("POST /activation/resume")
    desk.call("DELETE /activation")
    desk.call("DELETE /activation")
    phases = [
        (one["old"]["phase"], one["new"]["phase"])
        for one in desk.all("/audit")
        if one["what"] == "activation"
    ]
    assert phases == [
        ("initial_sync", "off"),
        ("paused", "initial_sync"),
        ("initial_sync", "paused"),
        ("off", "initial_sync"),
    ]
    (confirmed,) = [one for one in desk.all("/audit") if one["old"] == {"phase": "off"}]
    assert confirmed["new"]["confirm_no_new_member_automation"] is True
