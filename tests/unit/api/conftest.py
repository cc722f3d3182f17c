from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.api.desk import Desk


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
