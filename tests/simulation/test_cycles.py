"""What a scheduled sync promises, one scenario each: nothing missed at an edge, accidents stopped,
refusals first, the erased forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import pytest

from instep.domain.account import Phase
from instep.domain.record import Record, Status
from instep.domain.rules import Option
from instep.use_cases import holds
from instep.use_cases.activation import pause, resume
from instep.use_cases.erasure import erase_person
from local.twins.actionkit import Unknowns as ActionKitUnknowns
from tests.simulation.story import ACCOUNT, CAMPAIGN, OPT_IN, Story, draw
from tests.simulation.world import TICK_SECONDS, Simulation, simulated

CYCLE = TICK_SECONDS + 60


def plain(seed: int, people: int, option: Option = Option.TWO_WAY, **unknowns: object) -> Story:
    """A story in which every field has the same option and nothing is derived."""
    story = draw(seed, people)
    return replace(
        story,
        options={
            name: Option.POPULATE_OVERWRITE_STRIVE if name == "email" else option
            for name in story.options
        },
        custom={},
        derives=False,
        settings={**story.settings, "records_per_minute": 1000},
        actionkit_unknowns=ActionKitUnknowns(**unknowns),  # type: ignore[arg-type]
    )


@contextmanager
def synced(story: Story) -> Iterator[Simulation]:
    """The initial sync has ended."""
    with simulated(story) as simulation:
        simulation.run()
        with story.sizes():
            yield simulation


def wait(simulation: Simulation, seconds: float) -> None:
    simulation.loop.run_until(lambda: False, seconds)


def linked(simulation: Simulation) -> list[Record]:
    return [one for _, one in sorted(simulation.records().items()) if one.member_id is not None]


def shown(simulation: Simulation, record: Record) -> tuple[str, str]:
    """The first name on both sides."""
    assert record.member_id is not None
    users, _ = simulation.both_sides()
    member = simulation.strive.member(record.member_id)
    return str(users[record.user_id]["first_name"]), str(member["first_name"] or "")


@pytest.mark.parametrize("microseconds", [True, False])
def test_u3_two_changes_of_one_second_are_both_found(microseconds: bool) -> None:
    """The second one after the first was looked at, with the same time in ActionKit."""
    with synced(plain(3, 12, microseconds=microseconds)) as s:
        one = linked(s)[0]
        wait(s, 5)
        with patch.object(s.actionkit, "_clock", s.loop.now):
            at = s.loop.now()
            s.actionkit.edit_user(one.user_id, first_name="First")
        wait(s, CYCLE)
        assert shown(s, one) == ("First", "First")
        s.actionkit.edit_user(one.user_id, first_name="Second")
        # As if it had been committed in the same second.
        stamp = f"{at:%Y-%m-%d %H:%M:%S}"
        s.actionkit._db.write(
            "UPDATE core_user SET updated_at = ? WHERE id = ?", (stamp, one.user_id)
        )
        wait(s, CYCLE)
        assert shown(s, one) == ("Second", "Second")


def test_u3_u4_many_changes_on_one_timestamp_at_every_edge() -> None:
    """More rows of one moment than a page has, on both sides: none is missed, none loops."""
    story = plain(3, 40)
    with (
        synced(story) as s,
        patch("instep.use_cases.changes.PAGE", 3),
        patch("instep.use_cases.changes.KNOWN", 3),
        patch("instep.use_cases.changes.SHORT_LIST", 0),
    ):
        pairs = linked(s)
        assert len(pairs) > 9
        half = len(pairs) // 2
        for one in pairs[:half]:
            s.actionkit.edit_user(one.user_id, first_name="Same")
        for one in pairs[half:]:
            assert one.member_id is not None
            s.strive.edit_member(one.member_id, first_name="Moment")
        wait(s, 3 * CYCLE)
        assert {shown(s, one) for one in pairs[:half]} == {("Same", "Same")}
        assert {shown(s, one) for one in pairs[half:]} == {("Moment", "Moment")}
        actions = len(s.actionkit.actions())
        wait(s, 6 * CYCLE)
        assert len(s.actionkit.actions()) == actions


def test_u3_what_has_no_clock_is_found() -> None:
    """A row removed, a membership, a user imported with an old time, a deletion."""
    with synced(plain(3, 20)) as s:
        first, second = linked(s)[:2]
        old = s.loop.now().replace(year=2019)
        number = "+16465550177"
        made = s.actionkit.add_user("imported@example.org", at=old)
        s.actionkit.add_phone(made, number, "mobile", "user")
        s.actionkit.import_field(made, OPT_IN, "yes", at=old)
        s.actionkit.delete_user(first.user_id)
        wait(s, 2 * CYCLE)
        records = s.records()
        assert records[first.user_id].status is Status.DELETED
        assert records[made].status is Status.SYNCED
        assert records[second.user_id].member_id == second.member_id


@contextmanager
def few_are_an_accident() -> Iterator[None]:
    with (
        patch.object(holds, "LEAST", 4),
        patch.object(holds, "threshold", lambda linked: max(4, linked // 100)),
    ):
        yield


def _acts(s: Simulation, page: str, one: Record, **more: str) -> None:
    """An action that sets the opt-in to no."""
    email = s.actionkit.user(one.user_id)["email"]
    s.actionkit.take_action(page, {"email": email, f"user_{OPT_IN}": "no", **more})


def _opted_in(s: Simulation) -> list[Record]:
    """Linked users who are opted in and share none of their numbers with anybody."""
    having = Counter(
        number
        for one in s.told.people.values()
        for number in {phone.number for phone in one.phones if phone.number}
    )
    alone = {
        user_id
        for user_id, one in s.told.people.items()
        if all(having[phone.number] == 1 for phone in one.phones if phone.number)
    }
    return [
        one
        for one in linked(s)
        if one.user_id in alone and s.strive.member(one.member_id or 0)["opt_in"]
    ]


@pytest.mark.parametrize("decision", ["released", "discarded"])
def test_a6_an_upload_that_flips_opt_ins_is_held(decision: str) -> None:
    """After the threshold; single refusals get through; staff release or discard."""
    with synced(plain(5, 120)) as s, few_are_an_accident():
        everybody = _opted_in(s)
        own, texting, *others = everybody
        flipped = others[:12]
        assert len(flipped) == 12
        s.actionkit.add_page("spreadsheet", "Import")
        for one in flipped:
            _acts(s, "spreadsheet", one, source="upload-1")
        wait(s, CYCLE)
        (hold,) = holds.list_holds(s.world, ACCOUNT, None, 10)[0]
        assert (hold.hold.kind.value, hold.hold.direction) == ("opt_outs", "to_strive")
        still_in = [one for one in flipped if s.strive.member(one.member_id or 0)["opt_in"]]
        assert hold.people == len(still_in) >= 8
        s.strive.text_in(texting.member_id or 0, "STOP")
        s.actionkit.add_page("petition", "Petition")
        _acts(s, "petition", own)
        wait(s, CYCLE)
        assert not s.strive.member(own.member_id or 0)["opt_in"]
        assert s.actionkit.users()[texting.user_id]["fields"][OPT_IN] == ["false"]
        (hold,) = holds.list_holds(s.world, ACCOUNT, None, 10)[0]
        if decision == "released":
            _staff(
                s, lambda: holds.release(s.world, ACCOUNT, "ana", hold.hold.hold_id, hold.people)
            )
        else:
            _staff(s, lambda: holds.discard(s.world, ACCOUNT, "ana", hold.hold.hold_id))
        wait(s, 3 * CYCLE)
        opted_in = [s.strive.member(one.member_id or 0)["opt_in"] for one in still_in]
        assert opted_in == [decision == "discarded"] * len(still_in)
        assert holds.list_holds(s.world, ACCOUNT, None, 10)[0] == []


@pytest.mark.parametrize("paused", [False, True])
def test_a6_held_opt_outs_are_applied_after_a_day(paused: bool) -> None:
    """In a pause too, which stops everything but refusals (A5)."""
    with synced(plain(5, 60)) as s, few_are_an_accident():
        flipped = _opted_in(s)[:12]
        s.actionkit.add_page("spreadsheet", "Import")
        for one in flipped:
            _acts(s, "spreadsheet", one, source="upload-1")
        wait(s, CYCLE)
        assert any(s.strive.member(one.member_id or 0)["opt_in"] for one in flipped)
        if paused:
            _staff(s, lambda: pause(s.world, ACCOUNT, "ana"))
        wait(s, 25 * 3600)
        assert not any(s.strive.member(one.member_id or 0)["opt_in"] for one in flipped)


@pytest.mark.parametrize("decision", ["released", "discarded"])
def test_a6_a_refusal_in_a_pause_leaves_what_is_held_besides(decision: str) -> None:
    """Names that are held stay so, whether staff have yet to decide about them or have decided:
    looks for refusals alone, as a pause has them, do not carry them out."""
    with synced(plain(5, 120)) as s, few_are_an_accident():
        others = _opted_in(s)[:16]
        for one in others:
            s.actionkit.edit_user(one.user_id, first_name="Upload")
        wait(s, CYCLE)
        (hold,) = holds.list_holds(s.world, ACCOUNT, None, 10)[0]
        assert (hold.hold.kind.value, hold.hold.direction) == ("overwrites", "to_strive")
        held = [one for one in others if shown(s, one)[1] != "Upload"]
        assert hold.people == len(held) >= 4
        _staff(s, lambda: pause(s.world, ACCOUNT, "ana"))
        s.strive.text_in(held[0].member_id or 0, "STOP")
        wait(s, CYCLE)
        (hold,) = holds.list_holds(s.world, ACCOUNT, None, 10)[0]
        assert hold.people == len(held)
        if decision == "released":
            _staff(
                s, lambda: holds.release(s.world, ACCOUNT, "ana", hold.hold.hold_id, hold.people)
            )
        else:
            _staff(s, lambda: holds.discard(s.world, ACCOUNT, "ana", hold.hold.hold_id))
        s.strive.text_in(held[1].member_id or 0, "STOP")
        wait(s, CYCLE)
        for one in held[:2]:
            assert s.actionkit.users()[one.user_id]["fields"][OPT_IN] == ["false"]
        assert not any(shown(s, one)[1] == "Upload" for one in held)
        _staff(s, lambda: resume(s.world, ACCOUNT, "ana"))
        wait(s, 3 * CYCLE)
        uploaded = [shown(s, one)[1] == "Upload" for one in held]
        assert uploaded == [decision == "released"] * len(held)
        assert holds.list_holds(s.world, ACCOUNT, None, 10)[0] == []


def test_a3_a_refusal_passes_an_initial_sync_of_100_000_users() -> None:
    """On either side, within one cycle, while the whole list is still being scanned."""
    story = plain(5, 40)
    story = replace(story, settings={**story.settings, "records_per_minute": 60}, window=5000)
    with simulated(story) as s:
        for number in range(100_000):
            s.actionkit.add_user(f"many{number}@example.org")
        with story.sizes():
            s._call()
            s.loop.at(TICK_SECONDS * 1_000_000, s._tick)
            wait(s, 900)
            assert s.account().phase is Phase.INITIAL_SYNC
            texting, setting = _opted_in(s)[:2]
            s.strive.text_in(texting.member_id or 0, "STOP")
            s.actionkit.set_field(setting.user_id, OPT_IN, ["no"])
            wait(s, CYCLE)
            assert s.account().phase is Phase.INITIAL_SYNC
            assert s.actionkit.users()[texting.user_id]["fields"][OPT_IN] == ["false"]
            assert not s.strive.member(setting.member_id or 0)["opt_in"]


def test_a5_a_pause_carries_refusals_and_nothing_else() -> None:
    with synced(plain(5, 40)) as s:
        texting, setting, editing = _opted_in(s)[:3]
        _staff(s, lambda: pause(s.world, ACCOUNT, "ana"))
        s.strive.text_in(texting.member_id or 0, "STOP")
        s.actionkit.set_field(setting.user_id, OPT_IN, ["no"])
        s.actionkit.edit_user(editing.user_id, first_name="Later")
        wait(s, CYCLE)
        assert s.actionkit.users()[texting.user_id]["fields"][OPT_IN] == ["false"]
        assert not s.strive.member(setting.member_id or 0)["opt_in"]
        assert shown(s, editing)[1] != "Later"
        _staff(s, lambda: resume(s.world, ACCOUNT, "ana"))
        wait(s, 2 * CYCLE)
        assert shown(s, editing) == ("Later", "Later")


def test_a5_off_carries_refusals_made_by_then() -> None:
    from instep.use_cases.activation import switch_off

    with synced(plain(5, 40)) as s:
        texting = _opted_in(s)[0]
        connection = s.account().connection
        assert connection is not None
        secret = connection.secret
        s.strive.text_in(texting.member_id or 0, "STOP")
        _staff(s, lambda: switch_off(s.world, ACCOUNT, "ana"))
        wait(s, 70)
        assert s.account().connection is None
        assert s.actionkit.users()[texting.user_id]["fields"][OPT_IN] == ["false"]
        assert s.secrets.inner.get(secret) is None


def test_e1_an_erased_person_is_nowhere() -> None:
    """In no table, message, execution or log line; the refusal stands; nobody makes them again."""
    with synced(plain(5, 30)) as s:
        one = _opted_in(s)[0]
        user = s.actionkit.user(one.user_id)
        values = {str(user["email"]), str(one.number), str(one.number)[2:]}
        _staff(s, lambda: erase_person(s.world, ACCOUNT, one.user_id, "ana"))
        wait(s, 2 * CYCLE)
        assert s.records()[one.user_id].status is Status.ERASED
        assert not s.strive.member(one.member_id or 0)["opt_in"]
        for table in (s.users, s.settings, s.groups):
            items = table.inner.query(ACCOUNT, limit=1_000_000).items
            found = [one["item"] for one in items if any(value in str(one) for value in values)]
            assert not found
        told = [*s.live.bodies, *s.bulk.bodies, *s.watch.lines]
        told += [line for each in s.machines.executions.values() for line in each.history]
        assert not [line for line in told if any(value in line for value in values)]
        s.actionkit.edit_user(one.user_id, first_name="Again")
        s.actionkit.set_field(one.user_id, OPT_IN, ["yes"])
        wait(s, 2 * CYCLE)
        assert s.records()[one.user_id].status is Status.ERASED
        assert not s.strive.member(one.member_id or 0)["opt_in"]
        assert s.strive.member_by_number(CAMPAIGN, str(one.number))


def test_e1_nobody_is_erased_because_they_share_a_number() -> None:
    """Those who share it are looked at, since the number is free by then, and nothing else."""
    with synced(plain(5, 60)) as s:
        records = s.records()
        one, other = next(
            (records[int(one.reason_detail)], one)
            for one in records.values()
            if one.status is Status.DUPLICATE_PHONE
        )
        _staff(s, lambda: erase_person(s.world, ACCOUNT, one.user_id, "ana"))
        wait(s, 3 * CYCLE)
        erased = {u for u, each in s.records().items() if each.status is Status.ERASED}
        assert erased == {one.user_id}
        assert s.records()[other.user_id].status is Status.SYNCED
        assert not s.strive.member(s.records()[other.user_id].member_id or 0)["opt_in"]


def _staff(s: Simulation, call) -> None:  # type: ignore[no-untyped-def]
    """A call of staff's, made and answered."""
    task = s.loop.spawn("staff", call)
    s.loop.run_until(lambda: task.ended, 60)
    assert task.error is None, task.error
