"""A whole list through the deployed template, by the HTTP API alone (A2 to A4, F3 to F15, U1, U2,
U6 to U9, G1, O1)."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from instep.domain.rules import Option
from local.twins.zips import ZIPS
from tests.e2e.joined import Joined
from tests.simulation.invariants import at_first_link, reading
from tests.simulation.story import OPT_IN

_COLUMNS = {
    "city": ("city", "city"),
    "state": ("state", "region"),
    "postal_code": ("zip", "postal"),
}


def test_everything_is_as_the_requirements_say(at_rest: Joined) -> None:
    """Statuses, values, consent, history, groups, claims, progress, pace, texts and mails: what
    the simulator's invariants say of any initial sync."""
    assert at_rest.broken() == []


def test_the_counts_add_up_and_agree_with_the_users(at_rest: Joined) -> None:
    """A4: by status, with those not yet scanned as pending."""
    shown = at_rest.progress()["progress"]
    wanted = Counter(one.status.value for one in at_rest.expected().values())
    assert shown["by_status"] == dict(wanted)
    assert shown["total"] == shown["scanned"] == len(at_rest.told.people)
    assert shown["synced"] == wanted["synced"] > 300
    assert len(wanted) == 5, "the list has users of every status that a first sync can give"
    assert len({one["scanned"] for one in at_rest.seen}) > 5, "progress was seen on the way"


def test_every_user_is_listed_once_with_status_and_reason(at_rest: Joined) -> None:
    """U7, U8: on pages of any order."""
    for query in ("limit=37", "limit=100&sort=last_synced&order=desc", "limit=500&sort=email"):
        users = _every(at_rest, f"/users?{query}")
        found = {one["user_id"]: one for one in users}
        assert len(users) == len(found) == len(at_rest.told.people)
        for user_id, wanted in at_rest.expected().items():
            shown = found[user_id]
            assert (shown["status"], shown["reason"]["code"]) == (wanted.status, wanted.reason)
            assert shown["reason"]["text"]
            assert (shown["member_id"] is not None) is (wanted.number is not None)


def test_duplicates_name_who_is_synced(at_rest: Joined) -> None:
    """U2: the lowest id of the eligible."""
    duplicates = {
        u: one for u, one in at_rest.expected().items() if one.status == "duplicate_phone"
    }
    assert duplicates
    for user_id, wanted in duplicates.items():
        reason = at_rest.api.must("GET", f"/users/{user_id}")["reason"]
        assert wanted.detail in reason["text"]


def test_addresses_follow_the_options_and_what_each_side_derives(at_rest: Joined) -> None:
    """F3, F9: both are filled where empty; a zip written to ActionKit sets city and state there,
    one written to Strive sets the state."""
    (users, members), (users_then, members_then) = at_rest.both_sides(), at_rest.before
    checked = 0
    for user_id, wanted in at_rest.expected().items():
        if wanted.number is None:
            continue
        was, then = users_then[user_id], members_then.get(wanted.number)
        abroad = was["country"] not in ("United States", "")
        shown = {name: was[pair[abroad]].strip() for name, pair in _COLUMNS.items()}
        strive = {name: (then or {}).get(name) or "" for name in _COLUMNS}
        filled = {
            name: at_first_link(Option.POPULATE_NO_OVERWRITE, shown[name], strive[name], True)
            for name in _COLUMNS
        }
        wanted_user = {name: pair[0] for name, pair in filled.items()}
        wanted_member = {name: pair[1] for name, pair in filled.items()}
        if not abroad and wanted_user["postal_code"] != shown["postal_code"]:
            wanted_user["city"], wanted_user["state"] = ZIPS[wanted_user["postal_code"][:5]]
        if wanted_member["postal_code"] != strive["postal_code"] and not abroad:
            wanted_member["state"] = ZIPS[wanted_member["postal_code"][:5]][1]
        user, member = users[user_id], members[wanted.number]
        assert {n: user[pair[abroad]].strip() for n, pair in _COLUMNS.items()} == wanted_user
        assert {name: member[name] or "" for name in _COLUMNS} == wanted_member, user_id
        checked += 1
    assert checked > 300


def test_each_differing_opt_in_has_its_evidence(at_rest: Joined) -> None:
    """F11.1, F11.2, F15: the member's status won and was written back; the evidence says what was
    seen on which side, as it was spelled, and what followed."""
    users_then, members_then = at_rest.before
    asked = 0
    for user_id, wanted in at_rest.expected().items():
        if wanted.number is None:
            continue
        values = tuple(users_then[user_id]["fields"][OPT_IN])
        then = members_then.get(wanted.number)
        differs = then is not None and reading(values) is not then["opt_in"]
        if asked == 40 or not (differs or (then is None and user_id % 40 == 0)):
            continue
        asked += 1
        evidence = _every(at_rest, f"/users/{user_id}/consent?limit=50")
        assert [one["at"] for one in evidence] == sorted((o["at"] for o in evidence), reverse=True)
        seen = [one for one in evidence if one["side"] == "actionkit"]
        assert any(one["raw"] in values for one in seen), (user_id, values, evidence)
        assert all(one["effect"] and one["evidence"] for one in evidence)
        if then is not None:
            strive = [one for one in evidence if one["side"] == "strive"]
            assert any(one["opted_in"] is then["opt_in"] for one in strive)
    assert asked == 40


def test_history_explains_each_write(at_rest: Joined) -> None:
    """U9, U6: old and new value of each field, with cause and rule; the same as `former_data`."""
    asked = 0
    for action in at_rest.actionkit.actions():
        if asked == 25:
            break
        asked += 1
        history = _every(at_rest, f"/users/{action['user_id']}/history?limit=100")
        written = {
            (one["field"], one["old"], one["new"]) for one in history if one["side"] == "actionkit"
        }
        for field, value in json.loads(action["fields"]["former_data"][0]).items():
            assert (field, value["from"], value["to"]) in written
        assert all(one["rule"] for one in history)
        assert {one["cause"] for one in history} <= {"initial_sync", "confirm"}
    assert asked == 25


def test_actions_are_on_the_import_page_alone_and_say_what_they_are(at_rest: Joined) -> None:
    """U6."""
    actions = at_rest.actionkit.actions()
    members = {number: one["id"] for number, one in at_rest.both_sides()[1].items()}
    numbers = {user_id: one.number for user_id, one in at_rest.expected().items()}
    assert actions
    assert {(one["page"], one["type"]) for one in actions} == {
        (at_rest.account().import_page, "Import")
    }
    marks = [mark for one in actions for mark in one["fields"]["sync_id"]]
    assert len(marks) == len(set(marks)) == len(actions)
    for action in actions:
        number = numbers[action["user_id"]]
        assert number is not None
        assert action["fields"]["strive_member"] == [str(members[number])]
        former = json.loads(action["fields"]["former_data"][0])
        assert former
        assert "opt_in" not in former or len(former) == 1, "consent has an action of its own"


def test_the_execution_has_the_name_of_account_and_run(at_rest: Joined) -> None:
    """O1."""
    runs = at_rest.api.must("GET", "/runs")["items"]
    [run] = [one for one in runs if one["kind"] == "initial_sync"]
    [execution] = at_rest.machines.executions.values()
    assert run["state"] == "succeeded"
    assert execution.status == "SUCCEEDED"
    assert execution.name == f"{at_rest.account_id}-{run['id']}-1"
    assert "initial" in run["id"]


def test_nothing_is_left_in_a_queue(at_rest: Joined) -> None:
    """No dead letters either."""
    waiting = at_rest.deployment.waiting()
    assert {name: n for name, n in waiting.items() if n and "DeadLetter" in name} == {}
    assert at_rest.deployment.faults() == []


@pytest.mark.parametrize("status", ["synced", "ineligible_no_opt_in"])
def test_the_list_can_be_filtered(at_rest: Joined, status: str) -> None:
    """U7."""
    wanted = {u for u, one in at_rest.expected().items() if one.status == status}
    assert {one["user_id"] for one in _every(at_rest, f"/users?status={status}&limit=90")} == wanted


def _every(joined: Joined, path: str) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = joined.api.must("GET", path + (f"&cursor={cursor}" if cursor else ""))
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items
