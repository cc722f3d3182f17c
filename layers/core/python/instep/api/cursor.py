"""Where a list goes on, as text that only we can make and read sense into. It is bound to its list
and its filters: that of another list is refused, and so is one that somebody made up."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from instep.use_cases.errors import ConfigurationError

T = TypeVar("T")

SEAL_BYTES: Final = 16


class Cursors:
    """Cursors sealed with a key of the application."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    def encode(
        self, adapter: TypeAdapter[T], of: str, filters: Mapping[str, Any], place: T | None
    ) -> str | None:
        """The cursor of a place, None for none. `of` names account and list."""
        if place is None:
            return None
        value = [of, dict(filters), adapter.dump_python(place, mode="json")]
        text = json.dumps(value, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._seal(text) + text).rstrip(b"=").decode()

    def decode(
        self, adapter: TypeAdapter[T], of: str, filters: Mapping[str, Any], cursor: str | None
    ) -> T | None:
        """The place of a cursor, None for none. Raises ConfigurationError `invalid_cursor`."""
        if cursor is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
            text = raw[SEAL_BYTES:]
            if not hmac.compare_digest(raw[:SEAL_BYTES], self._seal(text)):
                raise ValueError("a cursor that we did not make")
            list_name, bound_to, place = json.loads(text)
            if (list_name, bound_to) != (of, dict(filters)):
                raise ValueError("the cursor of another list")
            return adapter.validate_python(place)
        except (binascii.Error, UnicodeError, ValidationError, ValueError, TypeError) as error:
            raise ConfigurationError(
                "invalid_cursor", "This cursor is not one of this list.", field="cursor"
            ) from error

    def _seal(self, text: bytes) -> bytes:
        """The key has another use; no account's name begins as this does."""
        return hmac.new(self._key(), b"\ncursor\n" + text, hashlib.sha256).digest()[:SEAL_BYTES]
