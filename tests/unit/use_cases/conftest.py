from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.api.desk import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    """An account `demo` that is on, on memory ports and twins."""
    desk = Desk()
    desk.running()
    yield desk
    desk.close()
