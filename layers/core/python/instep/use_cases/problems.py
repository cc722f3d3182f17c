"""Wrong input, named field by field: a change is made whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from instep.use_cases.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of a call. `code` is of the closed list of error codes."""

    field: str
    code: str
    message: str


def refuse(problems: Sequence[Problem]) -> None:
    """Raises ConfigurationError (422) if there are any: the first one's code, every field named."""
    if not problems:
        return
    first = problems[0]
    error = ConfigurationError(first.code, first.message, first.field)
    error.details = [{"field": one.field, "message": one.message} for one in problems]
    raise error
