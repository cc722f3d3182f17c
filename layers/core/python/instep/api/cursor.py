"""Where a list goes on, as text that only we can read sense into. It is bound to its list and its
filters: that of another list is refused."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from instep.use_cases.errors import ConfigurationError

T = TypeVar("T")


def encode(
    adapter: TypeAdapter[T], of: str, filters: Mapping[str, Any], place: T | None
) -> str | None:
    """The cursor of a place, None for none. `of` names account and list."""
    if place is None:
        return None
    value = [of, dict(filters), adapter.dump_python(place, mode="json")]
    text = json.dumps(value, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(
    adapter: TypeAdapter[T], of: str, filters: Mapping[str, Any], cursor: str | None
) -> T | None:
    """The place of a cursor, None for none. Raises ConfigurationError `invalid_cursor`."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        list_name, bound_to, place = json.loads(text)
        if (list_name, bound_to) != (of, dict(filters)):
            raise ValueError("the cursor of another list")
        return adapter.validate_python(place)
    except (binascii.Error, UnicodeError, ValidationError, ValueError, TypeError) as error:
        raise ConfigurationError(
            "invalid_cursor", "This cursor is not one of this list.", field="cursor"
        ) from error
