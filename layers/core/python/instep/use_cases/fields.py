"""Mapped fields (F1, F2, F3, F7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from instep.domain.account import Account, allowed_options
from instep.domain.rules import Kind, Mapping, Option
from instep.use_cases.accounts import audit, change_account, load_account
from instep.use_cases.changes import found_as_new
from instep.use_cases.errors import NotFoundError, StateError
from instep.use_cases.ports import CustomField, Userfield
from instep.use_cases.problems import Problem, refuse
from instep.use_cases.relook import look_again
from instep.use_cases.staff import asked_by_staff
from instep.use_cases.world import World

SUBSCRIBED = "core-opt_in"
PHONE_NUMBER = "core-phone_number"
"""Ids of the two core fields that are listed without an option (F1, F8, F10)."""


@dataclass(frozen=True, slots=True)
class Field:
    """A mapped field as shown. `option` is None, and none allowed, for Subscribed and Phone
    Number."""

    field_id: str
    kind: Kind
    strive_field: str
    actionkit_field: str | None
    option: Option | None
    allowed_options: tuple[Option, ...]
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A field that may or may not be mapped; `why_not` in plain words, "" if it may."""

    name: str
    why_not: str
    label: str = ""
    type: str = ""


def all_fields(account: Account) -> list[Field]:
    """Every mapped field, the core fields first."""
    mapped = [_field(one) for one in account.mappings]
    opt_in = account.settings.opt_in_userfield
    return [
        *[one for one in mapped if one.kind is Kind.CORE],
        Field(SUBSCRIBED, Kind.CORE, "opt_in", opt_in, None, ()),
        Field(PHONE_NUMBER, Kind.CORE, "phone_number", None, None, ()),
        *[one for one in mapped if one.kind is Kind.CUSTOM],
    ]


def available_fields(world: World, account_id: str) -> tuple[list[Choice], list[Choice]]:
    """Strive's custom fields and ActionKit's userfields, and whether each can be mapped."""
    account = load_account(world, account_id)
    with asked_by_staff(world, account) as (actionkit, strive):
        custom, userfields = strive.custom_fields(), actionkit.userfields()
    return (
        [
            Choice(
                one.name, _why_not(_strive_problem(account, custom, one.name)), one.label, one.type
            )
            for one in custom
        ],
        [
            Choice(one.name, _why_not(_userfield_problem(account, userfields, one.name)), one.label)
            for one in userfields
        ],
    )


def add_field(
    world: World, account_id: str, who: str, strive_field: str, actionkit_field: str, option: Option
) -> Field:
    """Maps a Strive custom field to a userfield. Raises ConfigurationError naming each side that
    cannot be mapped, and why."""
    account = load_account(world, account_id)
    with asked_by_staff(world, account) as (actionkit, strive):
        custom, userfields = strive.custom_fields(), actionkit.userfields()
    made = Mapping(
        f"custom-{world.ids.new().lower()}", Kind.CUSTOM, strive_field, actionkit_field, option
    )

    def added(one: Account) -> Account:
        if made in one.mappings:
            return one  # Stored, though the answer was lost.
        problems = (
            _userfield_problem(one, userfields, actionkit_field),
            _strive_problem(one, custom, strive_field),
        )
        refuse([problem for problem in problems if problem is not None])
        return replace(one, mappings=(*one.mappings, made))

    _, account = change_account(world, account_id, added)
    audit(world, account_id, who, "field_added", None, _shown(made))
    if not found_as_new(world, account, actionkit_field):
        look_again(world, account, "linked")
    # Else the next tick finds that other userfields count, and looks at everybody linked (F3).
    return _field(made)


def change_option(world: World, account_id: str, who: str, field_id: str, option: Option) -> Field:
    """Gives a mapped field another option. Raises NotFoundError, and ConfigurationError for an
    option that the field may not have."""
    before = _find(load_account(world, account_id), field_id)
    if option not in before.allowed_options:
        allowed = ", ".join(before.allowed_options) or "none: this field has no option"
        message = f"The options of this field are: {allowed}."
        refuse([Problem("option", "option_not_allowed", message)])

    def changed(one: Account) -> Account:
        _find(one, field_id)
        mappings = tuple(
            replace(mapping, option=option) if mapping.field_id == field_id else mapping
            for mapping in one.mappings
        )
        return replace(one, mappings=mappings)

    _, new = change_account(world, account_id, changed)
    after = _find(new, field_id)
    if before.option is not after.option:
        audit(world, account_id, who, "field_changed", _of(before), _of(after))
        look_again(world, new, "linked")
    return after


def remove_field(world: World, account_id: str, who: str, field_id: str) -> None:
    """Ends a custom mapping; values stay as they are. Raises NotFoundError; StateError
    `core_field`."""
    before = _find(load_account(world, account_id), field_id)
    if before.kind is Kind.CORE:
        raise StateError("core_field", "A core field is always mapped; choose another option.")

    def removed(one: Account) -> Account:
        left = tuple(mapping for mapping in one.mappings if mapping.field_id != field_id)
        return replace(one, mappings=left)

    change_account(world, account_id, removed)
    audit(world, account_id, who, "field_removed", _of(before), None)


# --- what can be mapped (F2) ---


def _strive_problem(account: Account, known: Sequence[CustomField], name: str) -> Problem | None:
    field = next((one for one in known if one.name == name), None)
    if field is None:
        return Problem("strive_field", "unknown_field", "Strive has no such custom field.")
    if field.type != "text":
        message = f"Only text fields can be mapped; this one is {field.type}."
        return Problem("strive_field", "not_text", message)
    if _is_mapped(account, strive_field=name):
        return Problem("strive_field", "already_mapped", "This field is mapped already.")
    return None


def _userfield_problem(account: Account, known: Sequence[Userfield], name: str) -> Problem | None:
    if name == account.settings.opt_in_userfield:
        message = "This is the opt-in userfield; the sync keeps it itself."
        return Problem("actionkit_field", "opt_in_field_reserved", message)
    field = next((one for one in known if one.name == name), None)
    if field is None:
        return Problem("actionkit_field", "unknown_field", "ActionKit has no such userfield.")
    if field.allow_multiple:
        message = "This userfield allows several values; only one value can be mapped."
        return Problem("actionkit_field", "several_values", message)
    if _is_mapped(account, actionkit_field=name):
        return Problem("actionkit_field", "already_mapped", "This userfield is mapped already.")
    return None


def _is_mapped(account: Account, strive_field: str = "", actionkit_field: str = "") -> bool:
    custom = [one for one in account.mappings if one.kind is Kind.CUSTOM]
    return any(
        one.strive_field == strive_field or one.actionkit_field == actionkit_field for one in custom
    )


def _why_not(problem: Problem | None) -> str:
    return "" if problem is None else problem.message


def _field(mapping: Mapping) -> Field:
    return Field(
        mapping.field_id,
        mapping.kind,
        mapping.strive_field,
        mapping.actionkit_field,
        mapping.option,
        allowed_options(mapping),
        mapping.broken,
    )


def _find(account: Account, field_id: str) -> Field:
    for field in all_fields(account):
        if field.field_id == field_id:
            return field
    raise NotFoundError("no_field", "There is no such mapped field.")


def _of(field: Field) -> dict[str, str | None]:
    return {
        "strive_field": field.strive_field,
        "actionkit_field": field.actionkit_field,
        "option": field.option.value if field.option else None,
    }


def _shown(mapping: Mapping) -> dict[str, str | None]:
    return _of(_field(mapping))
