"""Days of two-way sync of many seeds, under all faults and every setting of what is unknown.

While people on both sides and staff do as they please, each write of the sync is judged as it
arrives (`ledger`); once nobody does anything more, everything comes to rest, every invariant of
`resting` holds, further cycles write nothing, and single edits have the one outcome that their
option or rule of consent gives (`calm`).
"""

from __future__ import annotations

import os

import pytest

from instep.domain.rules import Option
from instep.use_cases.work import DISCARDED, ERASE, RECREATE, REFUSAL, RELEASED, Work, for_others
from tests.simulation.calm import after_edit
from tests.simulation.faults import MILD, NONE, PROFILES, WILD
from tests.simulation.runs import check_days, run_days, shortened

SEEDS = int(os.environ.get("SIMULATED_SEEDS", "300"))
CHUNK = 10

FAILED_ONCE = (
    pytest.param(58, "none", id="58: a value that is valid since the country changed was not sent"),
    pytest.param(60, "none", id="60: a false set directly bore the id of our own action"),
    pytest.param(84, "none", id="84: the newest action was gone with its user: stale for ever"),
    pytest.param(105, "wild", id="105: refusals were looked at before there was an import page"),
    pytest.param(301, "mild", id="301: a log that was late was taken for none: texted twice"),
    pytest.param(308, "mild", id="308: the highest user of a list by REST was deleted"),
    pytest.param(322, "mild", id="322: a value set just before its field was mapped"),
    pytest.param(353, "mild", id="353: an action came and went between two comparisons"),
    pytest.param(517, "mild", id="517: who shared the number of somebody erased was erased too"),
    pytest.param(560, "wild", id="560: staff put somebody in whom a dead worker had put in before"),
    pytest.param(670, "wild", id="670: an action half forgotten by a worker that failed"),
    pytest.param(777, "none", id="777: somebody erased kept the number from others"),
    pytest.param(821, "wild", id="821: a tick noted an older bucket over the initial sync's"),
    pytest.param(829, "wild", id="829: a refused opt-in took the values beside it along"),
    pytest.param(913, "none", id="913: our own event at the edge of the skew"),
    pytest.param(966, "wild", id="966: a dead worker's claim of a number that the user lost"),
)
"""Those that the seeds below do not come to anyway."""


def _profile(seed: int) -> str:
    """Half of them with as much going wrong as can, a sixth with nothing."""
    return ("wild", "mild", "wild", "none", "wild", "mild")[seed % 6]


@pytest.mark.parametrize("first", range(1, SEEDS + 1, CHUNK))
def test_days_come_to_rest_as_the_requirements_say(first: int) -> None:
    verdicts = [
        check_days(seed, _profile(seed), PROFILES[_profile(seed)])
        for seed in range(first, first + CHUNK)
    ]
    failed = [str(verdict) for verdict in verdicts if verdict.problems]
    assert not failed, "\n\n".join(failed)


@pytest.mark.parametrize(("seed", "profile"), FAILED_ONCE)
def test_days_that_failed_once(seed: int, profile: str) -> None:
    verdict = check_days(seed, profile, PROFILES[profile])
    assert not verdict.problems, str(verdict)


@pytest.mark.parametrize("cause", [ERASE, RECREATE, f"{RELEASED}/a/b", f"{DISCARDED}/a/b"])
def test_what_is_asked_about_one_person_is_not_asked_about_others(cause: str) -> None:
    """E1, U1, A6: people who share a number are looked at, no more."""
    asked = Work("acct", 1, (5,), cause, run_id="a run", batch=3)
    assert for_others(asked) == Work("acct", 1, (5,), REFUSAL, tries=-1)


@pytest.mark.parametrize("seed", [2, 6, 9, 10])
def test_every_seed_twice_is_the_same_trace(seed: int) -> None:
    first, second = run_days(seed, WILD), run_days(seed, WILD)
    assert first.trace == second.trace


def test_profiles_differ() -> None:
    assert len({run_days(8, profile).trace for profile in (NONE, MILD, WILD)}) == 3


@pytest.mark.parametrize(
    ("option", "before", "side", "new", "wanted"),
    [
        (Option.TWO_WAY, ("a", "a"), "actionkit", "x", ("x", "x")),
        (Option.TWO_WAY, ("a", "a"), "strive", "", ("", "")),
        (Option.POPULATE_NO_OVERWRITE, ("a", "b"), "strive", "x", ("a", "x")),
        (Option.POPULATE_NO_OVERWRITE, ("a", "b"), "strive", "", ("a", "a")),
        (Option.POPULATE_NO_OVERWRITE, ("", ""), "strive", "x", ("x", "x")),
        (Option.POPULATE_OVERWRITE_ACTIONKIT, ("a", "a"), "actionkit", "x", ("a", "a")),
        (Option.POPULATE_OVERWRITE_ACTIONKIT, ("a", "a"), "strive", "", ("", "")),
        (Option.POPULATE_OVERWRITE_ACTIONKIT, ("a", "a"), "actionkit", "", ("a", "a")),
        (Option.POPULATE_OVERWRITE_STRIVE, ("a", "a"), "strive", "x", ("a", "a")),
        (Option.ONE_WAY_OVERWRITE_STRIVE, ("", "b"), "strive", "x", ("", "x")),
        (Option.ONE_WAY_OVERWRITE_STRIVE, ("a", "a"), "actionkit", "", ("", "")),
        (Option.ONE_WAY_OVERWRITE_ACTIONKIT, ("a", ""), "actionkit", "x", ("x", "")),
    ],
)
def test_the_specification_of_one_edit(
    option: Option,
    before: tuple[str, str],
    side: str,
    new: str,
    wanted: tuple[str, str],
) -> None:
    """Some rows of the requirement, by hand: F3, F4."""
    assert after_edit(option, *before, side, new, email=False) == wanted


def test_a_trace_is_shortened_to_the_person() -> None:
    trace = [f"{n} users.put user/{n % 7:012d} ok" for n in range(1000)] + ["9 STAFF pauses"]
    short = shortened(trace, ["user 3 is wrong"])
    assert len(short) == 60
    assert all("000003" in line or "STAFF" in line for line in short)
