"""A4: progress is exact whatever is delivered twice, split, or put back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from instep.domain.record import Status
from instep.use_cases.runs import Interval, Run, ticked, ticked_off
from instep.use_cases.work import Work

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATUSES = (Status.SYNCED, Status.INELIGIBLE_NO_PHONE, Status.DUPLICATE_PHONE)


def run_of(batches: list[list[int]]) -> Run:
    opened = tuple(Interval(ids[0] - 1, ids[-1], len(ids), NOW) for ids in batches)
    return Run("r", "initial_sync", open=opened, cursor=opened[-1].upto if opened else 0)


def work_on(ids: Iterable[int], apart: bool = False) -> Work:
    return Work("riverside", 1, tuple(sorted(ids)), "initial_sync", "r", apart=apart)


@st.composite
def lists(draw: st.DrawFn) -> list[list[int]]:
    ids = sorted(draw(st.sets(st.integers(1, 400), min_size=1, max_size=40)))
    size = draw(st.integers(1, 7))
    return [ids[i : i + size] for i in range(0, len(ids), size)]


@given(batches=lists(), data=st.data())
def test_a4_every_user_counts_once_however_often_they_are_worked_on(
    batches: list[list[int]], data: st.DataObject
) -> None:
    status = {one: STATUSES[one % 3] for ids in batches for one in ids}
    run = run_of(batches)
    waiting = [work_on(ids) for ids in batches]
    rounds = 0
    while waiting:
        rounds += 1
        work = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        again = data.draw(st.sets(st.sampled_from(work.user_ids))) if rounds < 30 else set()
        done = {one: status[one] for one in work.user_ids if one not in again}
        before = run.scanned
        run = ticked_off(run, work, done, again, NOW)
        assert run.scanned >= before
        later = data.draw(st.sets(st.sampled_from(sorted(again)))) if again else set()
        for some in (again - later, later):
            if some:
                waiting.append(work_on(some, apart=True))
        if rounds < 30 and data.draw(st.booleans()):
            waiting.append(work)  # delivered once more
    assert run.open == ()
    assert run.scanned == len(status)
    assert sum(run.by_status.values()) == len(status)


@given(batches=lists())
def test_a4_what_was_ticked_off_changes_nothing_when_it_comes_again(
    batches: list[list[int]],
) -> None:
    run = run_of(batches)
    for ids in batches:
        done = dict.fromkeys(ids, Status.SYNCED)
        run = ticked(run, ids[0], ids[-1], done, (), NOW)
        assert ticked(run, ids[0], ids[-1], done, (), NOW) == run


@given(batches=lists(), cut=st.integers(1, 6))
def test_a3_the_rest_of_a_batch_stays_open(batches: list[list[int]], cut: int) -> None:
    run = run_of(batches)
    first = batches[0]
    done = dict.fromkeys(first[:cut], Status.SYNCED)
    run = ticked(run, first[0], first[-1], done, first[cut:], NOW)
    assert run.scanned == len(first[:cut])
    assert run.open_users == sum(map(len, batches)) - len(first[:cut])
