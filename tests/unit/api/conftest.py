from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from instep.adapters.dynamo import INDEXES
from tests.unit.api.desk import Desk


@pytest.fixture(autouse=True)
def _four_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Last names have an index of their own."""
    monkeypatch.setitem(cast("dict[Any, Any]", INDEXES), "by_last_name", "last_name_key")


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Every answer of a test is searched for credentials."""
    desk = Desk()
    yield desk
    secrets = [desk.credentials()[name] for name in ("password", "strive_api_key")]
    for secret in secrets:
        assert not any(secret in answer for answer in desk.answers)
        assert secret not in desk.everything()
    desk.close()
