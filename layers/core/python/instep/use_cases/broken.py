"""Mapped fields that disappeared, or stopped being text: skipped, and shown as broken (F3).

A field that is gone on one side reads as empty there for everybody. So definitions are checked now
and then, and always before a custom field's value is cleared because it was cleared elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

from instep.domain.account import Account
from instep.domain.rules import Kind, Mapping
from instep.use_cases.accounts import audit, change_account
from instep.use_cases.ports import ActionKit, Strive
from instep.use_cases.relook import look_again
from instep.use_cases.world import World

BY_ITSELF = "InStep"
"""Whom the audit names for what nobody asked for."""


def check_mappings(world: World, account: Account, actionkit: ActionKit, strive: Strive) -> Account:
    """Marks mappings as broken whose field is gone, and as whole again whose field is back: the
    account as it then is. Who is linked is looked at again for a mapping that is whole again."""
    if not any(one.kind is Kind.CUSTOM for one in account.mappings):
        return account
    text = {one.name for one in strive.custom_fields() if one.type == "text"}
    single = {one.name for one in actionkit.userfields() if not one.allow_multiple}

    def is_broken(one: Mapping) -> bool:
        return one.kind is Kind.CUSTOM and not (
            one.strive_field in text and one.actionkit_field in single
        )

    def checked(one: Account) -> Account:
        mappings = tuple(replace(each, broken=is_broken(each)) for each in one.mappings)
        return replace(one, mappings=mappings)

    old, new = change_account(world, account.account_id, checked)
    before = {one.field_id: one.broken for one in old.mappings}
    changed = [one for one in new.mappings if before.get(one.field_id) is not one.broken]
    for one in changed:
        audit(
            world,
            account.account_id,
            BY_ITSELF,
            "field_broken" if one.broken else "field_whole_again",
            {"field": one.name},
            None,
        )
    if any(not one.broken for one in changed):
        look_again(world, new, "linked")
    return new
