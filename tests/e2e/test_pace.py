"""The pace as ActionKit sees it (A3)."""

from __future__ import annotations

from tests.e2e.conftest import RECORDS_PER_MINUTE
from tests.e2e.joined import Joined


def test_no_minute_has_more_users_than_the_limit(at_rest: Joined) -> None:
    """Different users read or written in any 60 seconds, counted by the twin itself, with several
    workers at once; the list is longer than the limit, so the pace did hold them back."""
    assert len(at_rest.told.people) > RECORDS_PER_MINUTE
    most = at_rest.actionkit.most_users_in_any_60_seconds()
    assert RECORDS_PER_MINUTE // 3 < most <= RECORDS_PER_MINUTE
