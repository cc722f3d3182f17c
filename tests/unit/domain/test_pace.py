"""A3: the sliding log, asked directly. How it does with many workers is in `tests/simulation`."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from instep.domain.pace import SIMULTANEOUS_REQUESTS, WINDOW_MS, Lane, Pace, admit, settle

START = 1_700_000_000_000
LEASE = 70_000


def full(now: int) -> Pace:
    """As many requests under way as may be."""
    pace = Pace(1000, active=True)
    for one in range(SIMULTANEOUS_REQUESTS):
        pace = admit(pace, now, Lane.LIVE, 1, f"grant-{one}", LEASE).pace
    return pace


def test_live_work_that_waits_holds_bulk_work_back() -> None:
    waits = admit(full(START), START, Lane.LIVE, 1, "waits", LEASE)
    assert waits.refused
    freed = settle(waits.pace, START + 10, "grant-0")
    freed = settle(freed, START + 10, "grant-1")
    assert admit(freed, START + 20, Lane.BULK, 1, "bulk", LEASE).refused
    assert not admit(freed, START + 20, Lane.LIVE, 1, "waits", LEASE).refused


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9_000), st.sampled_from(Lane), st.integers(1, 120),
            st.integers(0, 40_000), st.booleans(),
        ),
        max_size=60,
    ),
    st.integers(10, 200),
)  # fmt: skip
def test_in_no_minute_more_is_read_than_the_limit(
    asked: list[tuple[int, Lane, int, int, bool]], limit: int
) -> None:
    """Whoever asks when, reads when, and dies: a grant is read at any time before it is settled."""
    pace, now = Pace(limit, active=True), START
    given_: list[tuple[int, int, int]] = []
    under_way: list[tuple[int, str, int, int]] = []
    for number, (wait, lane, wanted, lasts, dies) in enumerate(asked):
        now += wait
        for until, name, records, begun in [one for one in under_way if one[0] <= now]:
            pace = settle(pace, until, name)
            given_.append((begun, until, records))
            under_way.remove((until, name, records, begun))
        answer = admit(pace, now, lane, wanted, str(number), LEASE)
        pace = answer.pace
        if answer.records and dies:
            given_.append((now, now + LEASE, answer.records))
        elif answer.records:
            under_way.append((now + lasts, str(number), answer.records, now))
    given_ += [(begun, until, records) for until, _, records, begun in under_way]
    for read in (False, True):  # At the beginning of each request, or at its end.
        times = sorted((one[1] if read else one[0], one[2]) for one in given_)
        for at, _ in times:
            assert sum(n for t, n in times if at - WINDOW_MS < t <= at) <= limit


def test_a_grant_whose_answer_was_lost_is_given_once() -> None:
    pace = Pace(100, active=True)
    first = admit(pace, START, Lane.LIVE, 60, "one", LEASE)
    again = admit(first.pace, START + 5, Lane.LIVE, 60, "one", LEASE)
    assert (first.records, again.records) == (60, 60)
    other = admit(again.pace, START + 10, Lane.LIVE, 60, "two", LEASE)
    assert other.records == 40
    assert replace(other.pace, open={}) == replace(again.pace, open={})
