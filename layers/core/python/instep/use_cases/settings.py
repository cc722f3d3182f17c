"""Settings (A1, F10, F12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from instep.domain.account import Account, Phase, Settings
from instep.domain.consent import Reading, read_value
from instep.domain.countries import REGIONS
from instep.domain.rules import Kind
from instep.use_cases import newcomers
from instep.use_cases.accounts import audit, change_account, load_account
from instep.use_cases.errors import StateError
from instep.use_cases.exclusive import claim_opt_in_field, release_opt_in_field
from instep.use_cases.off_switch import follow_account
from instep.use_cases.problems import Problem, refuse
from instep.use_cases.relook import look_again
from instep.use_cases.staff import asked_by_staff
from instep.use_cases.world import World

MOST_OPT_IN_VALUES = 500
MOST_PHONE_TYPES = 20
ELIGIBILITY = frozenset({"phone_types", "phone_fallback", "default_region"})
"""Settings on which it depends who has a usable phone: everybody is looked at again (F8)."""


@dataclass(frozen=True, slots=True)
class ReadValue:
    """A spelling found in the opt-in userfield, how many users have it, and how it is read."""

    value: str
    users: int
    read_as: str


def webhook_url(world: World, account: Account) -> str:
    """The address that staff paste into ActionKit."""
    token = account.settings.webhook_token
    return f"{world.api_url.rstrip('/')}/webhooks/actionkit/{account.account_id}/{token}"


def change_settings(world: World, account_id: str, who: str, changes: Mapping[str, Any]) -> Account:
    """Changes the settings that are named, all of them or none: the account as it then is.

    `changes` has names and types of Settings. Raises ConfigurationError naming each field that is
    wrong; StateError `turn_off_first` or `opt_in_field_in_use`.
    """
    account = load_account(world, account_id)
    refuse(_problems(world, account, changes))
    now = world.clock.now()

    def changed(one: Account) -> Account:
        settings = replace(one.settings, **changes)
        if settings.resubscribe_from_actionkit is not one.settings.resubscribe_from_actionkit:
            settings = replace(settings, resubscribe_changed_at=now)
        if settings.opt_in_userfield == one.settings.opt_in_userfield:
            return replace(one, settings=settings)
        _refuse_userfield(one, settings.opt_in_userfield)
        # Subscribed is to be decided for everyone (F12): the next ON looks at the whole list.
        return replace(one, settings=settings, initial_sync_run="", initial_sync_done=False)

    changed(account)
    claimed = _claim_userfield(world, account, changes)
    try:
        _, new = change_account(world, account_id, changed)
    except StateError:
        if claimed:
            wanted = Settings(opt_in_userfield=changes["opt_in_userfield"])
            release_opt_in_field(world, replace(account, settings=wanted))
        raise
    if account.settings.opt_in_userfield != new.settings.opt_in_userfield:
        release_opt_in_field(world, account)
    before, after = _differing(account.settings, new.settings, changes)
    if after:
        audit(world, account_id, who, "settings", before, after)
    if "records_per_minute" in after:
        follow_account(world, account_id)
    if ELIGIBILITY & after.keys() and new.first_activated_at is not None:
        look_again(world, new, "all")
    if after.get("create_users"):
        newcomers.retry_all(world, new)
    return new


def renew_webhook_token(world: World, account_id: str, who: str) -> str:
    """A new address for the webhook; the old one stops at once."""
    token = world.ids.token()
    _, account = change_account(
        world,
        account_id,
        lambda one: replace(one, settings=replace(one.settings, webhook_token=token)),
    )
    audit(world, account_id, who, "webhook_token", None, None)
    return webhook_url(world, account)


def opt_in_values(world: World, account_id: str) -> list[ReadValue]:
    """The commonest spellings in the opt-in userfield and how each is read (F10, F12).

    Raises StateError `not_ready` where no userfield is chosen, and as `asked_by_staff` does.
    """
    account = load_account(world, account_id)
    userfield = account.settings.opt_in_userfield
    if userfield is None:
        raise StateError(
            "not_ready",
            "Choose the opt-in userfield in Settings first.",
            [{"field": "opt_in_userfield", "message": "No opt-in userfield is chosen."}],
        )
    with asked_by_staff(world, account) as (actionkit, _):
        found = actionkit.opt_in_values(userfield, MOST_OPT_IN_VALUES)
    read = [(one, read_value(one.value)) for one in found]
    return [
        ReadValue(one.value, one.users, reading.value)
        for one, reading in read
        if reading is not Reading.NONE
    ]


# --- checks ---


def _problems(world: World, account: Account, changes: Mapping[str, Any]) -> list[Problem]:
    problems = []
    if "records_per_minute" in changes:
        ceiling = world.limits.records_per_minute_ceiling
        if not 1 <= changes["records_per_minute"] <= ceiling:
            message = f"Records per minute are a number from 1 to {ceiling:,}."
            problems.append(Problem("records_per_minute", "invalid_value", message))
    if changes.get("default_region", "US") not in REGIONS.values():
        message = "The default region is the two letters of a country, as in US."
        problems.append(Problem("default_region", "invalid_value", message))
    types = [name.strip() for name in changes.get("phone_types", ())]
    if not all(types) or len(types) > MOST_PHONE_TYPES or len(set(types)) < len(types):
        message = "Phone types are names, each of them once."
        problems.append(Problem("phone_types", "invalid_value", message))
    return problems + _userfield_problems(world, account, changes)


def _userfield_problems(
    world: World, account: Account, changes: Mapping[str, Any]
) -> list[Problem]:
    userfield = changes.get("opt_in_userfield")
    if userfield is None or userfield == account.settings.opt_in_userfield:
        return []
    if account.phase is not Phase.OFF:
        return []  # Refused whatever it is; ActionKit is not asked.
    if _is_mapped(account, userfield):
        message = "This userfield is mapped to a custom field; remove that mapping first."
        return [Problem("opt_in_userfield", "opt_in_field_reserved", message)]
    if account.connection is None:
        return []  # Whether it exists is asked at ON.
    with asked_by_staff(world, account) as (actionkit, _):
        known = {one.name for one in actionkit.userfields()}
    if userfield not in known:
        message = "ActionKit has no such userfield."
        return [Problem("opt_in_userfield", "unknown_field", message)]
    return []


def _is_mapped(account: Account, userfield: str) -> bool:
    return any(
        one.kind is Kind.CUSTOM and one.actionkit_field == userfield for one in account.mappings
    )


def _refuse_userfield(account: Account, userfield: str | None) -> None:
    """Raises where the account, as it is by now, cannot have this opt-in userfield."""
    if account.phase is not Phase.OFF:
        raise StateError(
            "turn_off_first", "The opt-in userfield can be changed only while the account is off."
        )
    if userfield is not None and _is_mapped(account, userfield):
        message = "This userfield is mapped to a custom field; remove that mapping first."
        refuse([Problem("opt_in_userfield", "opt_in_field_reserved", message)])


def _claim_userfield(world: World, account: Account, changes: Mapping[str, Any]) -> bool:
    """Whether a claim was taken (C4). One that is connected later takes it then."""
    userfield = changes.get("opt_in_userfield")
    unchanged = userfield == account.settings.opt_in_userfield
    if userfield is None or unchanged or account.connection is None:
        return False
    if claim_opt_in_field(world, account.account_id, account.connection.hostname, userfield):
        return True
    raise StateError(
        "opt_in_field_in_use", "Another account on this ActionKit uses this opt-in userfield."
    )


def _differing(
    old: Settings, new: Settings, changes: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What really changed, for the audit."""
    names = [name for name in changes if getattr(old, name) != getattr(new, name)]
    return (
        {name: _plain(getattr(old, name)) for name in names},
        {name: _plain(getattr(new, name)) for name in names},
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
