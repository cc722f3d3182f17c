"""ON, OFF, pause and resume (A2, A5, F12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from instep.domain.account import PRIMARY_GROUP_NAME, Account, Phase
from instep.use_cases import leaving
from instep.use_cases.accounts import audit, change_account, load_account
from instep.use_cases.errors import StateError
from instep.use_cases.granted import moment_of
from instep.use_cases.initial_sync import start_initial_sync
from instep.use_cases.off_switch import follow_account
from instep.use_cases.ports import ActionKit, Strive
from instep.use_cases.relook import look_again, resume_runs
from instep.use_cases.staff import asked_by_staff, refuse_stopped
from instep.use_cases.world import World


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What staff said when switching on: that no automation texts new members, and whether a
    group of the primary group's name may be used."""

    no_new_member_automation: bool = False
    adopt_primary_group: bool = False


def switch_on(world: World, account_id: str, who: str, given: Confirmation) -> Account:
    """ON: starts the initial sync, or goes on from the stored records; the account as it then is.

    ON of an account that is on changes nothing. Raises StateError `stopped_credentials`,
    `confirm_no_new_member_automation`, `not_ready` (its details name what is missing) or
    `group_name_taken`.
    """
    account = load_account(world, account_id)
    refuse_stopped(account)
    if account.phase is not Phase.OFF:
        return _finish_switching(world, account)
    if not given.no_new_member_automation:
        raise StateError(
            "confirm_no_new_member_automation",
            "Strive can text new members by an automation “New member is added via API”, which "
            "cannot be seen from here. Confirm that none is active.",
        )
    _refuse_missing(account)
    with asked_by_staff(world, account) as (actionkit, strive):
        _refuse_unknown_userfield(account, actionkit)
        if not given.adopt_primary_group:
            _refuse_taken_name(account, strive)
        moment = moment_of(world, account, actionkit)
    now = world.clock.now()

    def on(one: Account) -> Account:
        if one.phase is not Phase.OFF:
            return one
        _refuse_missing(one)
        return replace(
            one,
            phase=_running_phase(one),
            reason="",
            off_at=None,
            epoch=one.epoch + 1,
            first_activated_at=one.first_activated_at or now,
            first_epoch=one.first_epoch or one.epoch + 1,
            confirmed_by=who,
            confirmed_at=now,
            adopt_primary_group=given.adopt_primary_group,
            live_since=moment,
        )

    _, new = change_account(world, account_id, on)
    if (new.confirmed_by, new.confirmed_at) == (who, now):
        audit(
            world,
            account_id,
            who,
            "activation",
            {"phase": Phase.OFF.value},
            {
                "phase": new.phase.value,
                "confirm_no_new_member_automation": True,
                "adopt_primary_group": given.adopt_primary_group,
            },
        )
    return _go_on(world, new)


def switch_off(world: World, account_id: str, who: str) -> None:
    """OFF: work stops at once, but for refusals made by then, which are carried first; then the
    connection and its credentials are deleted, within a minute. What is synced stays as it is, and
    so do the records. OFF again finishes what was cut off."""
    before = load_account(world, account_id)
    if before.phase is Phase.OFF and before.connection is None:
        return
    now = world.clock.now()

    def off(one: Account) -> Account:
        if one.phase is Phase.OFF:
            return one if one.off_at is not None else replace(one, off_at=now)
        return replace(one, phase=Phase.OFF, reason="", off_at=now, epoch=one.epoch + 1)

    if before.phase is not Phase.OFF:
        audit(
            world,
            account_id,
            who,
            "activation",
            {"phase": before.phase.value},
            {"phase": Phase.OFF.value},
        )
    elif before.off_at is None and before.connection is not None:
        audit(world, account_id, who, "connection", {"hostname": before.connection.hostname}, None)
    change_account(world, account_id, off)
    account = follow_account(world, account_id)
    refused = before.phase is Phase.STOPPED_CREDENTIALS
    if refused or (before.phase is Phase.OFF and before.off_at is None):
        leaving.delete_connection(world, account)  # Nothing can be carried.
    else:
        leaving.begin(world, account)


def pause(world: World, account_id: str, who: str) -> Account:
    """Keeps the credentials and stops everything but refusals. Raises StateError `not_active`,
    `stopped_credentials`."""

    def paused(one: Account) -> Account:
        _refuse_off(one)
        if one.phase is Phase.PAUSED:
            return one
        return replace(one, phase=Phase.PAUSED, epoch=one.epoch + 1)

    return _switch(world, account_id, who, paused)


def resume(world: World, account_id: str, who: str) -> Account:
    """Goes on after a pause, also with an initial sync; what was done meanwhile is not live. Raises
    StateError `not_active`, `stopped_credentials`."""
    account = load_account(world, account_id)
    _refuse_off(account)
    with asked_by_staff(world, account) as (actionkit, _):
        moment = moment_of(world, account, actionkit)

    def resumed(one: Account) -> Account:
        _refuse_off(one)
        if one.phase is not Phase.PAUSED:
            return one
        return replace(one, phase=_running_phase(one), epoch=one.epoch + 1, live_since=moment)

    return _switch(world, account_id, who, resumed)


def refuse_inactive(account: Account) -> None:
    """Raises StateError `not_active`, `stopped_credentials` or `paused` unless the account is
    running."""
    _refuse_off(account)
    if account.phase is Phase.PAUSED:
        raise StateError("paused", "The account is paused. Resume it first.")


# --- steps ---


def _switch(
    world: World, account_id: str, who: str, change: Callable[[Account], Account]
) -> Account:
    before = load_account(world, account_id)
    _, new = change_account(world, account_id, change)
    if new.phase is not before.phase:
        audit(
            world,
            account_id,
            who,
            "activation",
            {"phase": before.phase.value},
            {"phase": new.phase.value},
        )
        return _go_on(world, new)
    return follow_account(world, account_id)


def _running_phase(account: Account) -> Phase:
    return Phase.SYNCING if account.initial_sync_done else Phase.INITIAL_SYNC


def _refuse_off(account: Account) -> None:
    refuse_stopped(account)
    if account.phase is Phase.OFF:
        raise StateError("not_active", "The account is off. Switch it on first.")


def _refuse_missing(account: Account) -> None:
    """Raises StateError `not_ready` naming what an activation needs and the account has not."""
    missing = []
    if account.connection is None:
        missing.append({"field": "connection", "message": "The account is not connected."})
    if account.settings.opt_in_userfield is None:
        missing.append(
            {"field": "opt_in_userfield", "message": "No opt-in userfield is chosen in Settings."}
        )
    _refuse_not_ready(missing)


def _refuse_unknown_userfield(account: Account, actionkit: ActionKit) -> None:
    known = {one.name for one in actionkit.userfields()}
    if account.settings.opt_in_userfield not in known:
        message = "ActionKit has no such opt-in userfield (any more)."
        _refuse_not_ready([{"field": "opt_in_userfield", "message": message}])


def _refuse_not_ready(missing: list[dict[str, str]]) -> None:
    if missing:
        names = " and ".join(one["field"] for one in missing)
        raise StateError("not_ready", f"Missing before the account can be on: {names}.", missing)


def _refuse_taken_name(account: Account, strive: Strive) -> None:
    """Raises StateError if a group of the primary group's name is there that is not ours (A2)."""
    groups = strive.groups()
    if any(one.group_id == account.primary_group for one in groups):
        return
    if any(one.name == PRIMARY_GROUP_NAME for one in groups):
        raise StateError(
            "group_name_taken",
            f"Strive has a group named “{PRIMARY_GROUP_NAME}” that the sync did not make. Rename "
            "it there, or confirm that it is to be used.",
        )


def _finish_switching(world: World, account: Account) -> Account:
    """What an ON that was cut off left undone; nothing, if it was not."""
    account = follow_account(world, account.account_id)
    if account.phase is Phase.INITIAL_SYNC and not account.initial_sync_run:
        start_initial_sync(world, account)
    return account


def _go_on(world: World, account: Account) -> Account:
    """Sets the off switch as the account has it, and goes on with its runs. Messages of an earlier
    epoch are dropped, so whoever waits for an answer is looked at again."""
    account = follow_account(world, account.account_id)
    if account.phase is Phase.INITIAL_SYNC:
        start_initial_sync(world, account)
    if account.active:
        resume_runs(world, account)
        if account.epoch > account.first_epoch:
            look_again(world, account, "waiting")
    return account
