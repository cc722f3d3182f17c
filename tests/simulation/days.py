"""Some days of two-way sync, drawn from a seed: who is there, how the two systems are, and when
somebody does something. What is done is drawn when it happens (`edits`)."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from instep.domain.rules import Resubscribe
from local.twins.actionkit import Unknowns as ActionKitUnknowns
from local.twins.strive import Unknowns as StriveUnknowns
from tests.simulation.loop import SECOND
from tests.simulation.story import Story, draw

TICK: Final = 600
HOUR: Final = 3600
SKEWS: Final = (0.0, 0.0, 900.0, -900.0, 240.0, -37.0)


@dataclass(frozen=True, slots=True)
class Days:
    """A story that goes on after its initial sync.

    `edits_us`: when somebody does something, since the connection; `acts_us`: on pages, with groups
    or rules (`acts`). `ticks`: seconds between one
    tick of the schedule and the next; the last one goes on for ever. `hold_above`: more people
    than this in one cycle are an accident (A6). `list_all`: the most users whose sums are compared
    in every cycle.
    """

    story: Story
    edits_us: tuple[int, ...]
    ticks: tuple[int, ...]
    hold_above: int = 200
    acts_us: tuple[int, ...] = ()

    @property
    def seed(self) -> int:
        return self.story.seed

    @property
    def lag_seconds(self) -> float:
        """How old what the sync acts on may be: a worker's life, and a stale report."""
        return 75.0 + self.story.actionkit_unknowns.replica_lag_seconds


def draw_days(seed: int) -> Days:
    """The days of a seed."""
    rng = random.Random(f"{seed}/days")
    story = draw(seed, rng.choice((3, 4, 6, 8, 12, 20)))
    story = replace(
        story,
        actionkit_unknowns=_actionkit(rng, story.actionkit_unknowns),
        strive_unknowns=_strive(rng, story.strive_unknowns),
        derives=rng.random() < 0.2,
        settings=story.settings
        | {
            "records_per_minute": rng.choice((1000, 1000, 300, 60)),
            "resubscribe_from_actionkit": rng.choice(tuple(Resubscribe)),
            "create_users": rng.random() < 0.5,
        },
    )
    hours = rng.choice((0.5, 1, 2, 3))
    edits = _edits(rng, rng.choice((5, 8, 12, 18, 25)), hours)
    return Days(
        story=story,
        edits_us=edits,
        ticks=tuple(_ticks(rng, edits[-1] // SECOND)),
        hold_above=200 if rng.random() < 0.7 else rng.choice((0, 1, 2)),
        acts_us=_acts(random.Random(f"{seed}/when"), edits[-1]),
    )


def _acts(rng: random.Random, last_us: int) -> tuple[int, ...]:
    """From the beginning on, some within seconds of another."""
    at: list[float] = []
    for _ in range(rng.choice((12, 20, 35, 60))):
        near = at and rng.random() < 0.3
        at.append(rng.choice(at) + rng.uniform(0, 20 * SECOND) if near else rng.uniform(0, last_us))
    return tuple(sorted(int(one) for one in at))


def _edits(rng: random.Random, count: int, hours: float) -> tuple[int, ...]:
    """Spread, but for some that come within seconds of another, and some of a later day."""
    at: list[float] = []
    for _ in range(count):
        kind = rng.random()
        if at and kind < 0.35:
            at.append(rng.choice(at) + rng.uniform(0, 20))
        elif kind < 0.9:
            at.append(rng.uniform(5, hours * HOUR))
        else:
            at.append(86_400 + rng.uniform(0, HOUR / 2))
    return tuple(sorted(int(one * SECOND) for one in at))


def _ticks(rng: random.Random, last_edit: int) -> list[int]:
    """Every ten minutes, but for nights: a schedule that stood still for hours."""
    gaps, now = [TICK], TICK
    while now < last_edit:
        quiet = now > 4 * HOUR and last_edit - now > HOUR
        gap = last_edit - now - HOUR // 3 if quiet else TICK * (3 if rng.random() < 0.1 else 1)
        gaps.append(gap)
        now += gap
    return [*gaps, TICK]


def _actionkit(rng: random.Random, drawn: ActionKitUnknowns) -> ActionKitUnknowns:
    chance = rng.random
    rest = chance() < 0.15
    return replace(
        drawn,
        user_updated_by=frozenset(
            one for one in ("userfield", "phone", "group", "action") if chance() < 0.4
        ),
        replica_lag_seconds=0.0 if rest else rng.choice((0.0, 0.0, 0.0, 20.0, 120.0, 300.0)),
        clock_skew_seconds=rng.choice(SKEWS),
        blank_userfield=rng.choice(("empty_row", "removes_row", "empty_row", "ignored")),
        blank_column=rng.choice(("clears", "clears", "clears", "ignored")),
        direct_write_keeps_action_id=chance() < 0.3,
        merged_user=rng.choice(("missing", "redirect")),
        sql_forbidden=rest,
        updated_at_filter=chance() < 0.5,
        patch_fields=rng.choice(("merge", "replace")),
        normalized_phone_drops_one=chance() < 0.3,
    )


def _strive(rng: random.Random, drawn: StriveUnknowns) -> StriveUnknowns:
    chance = rng.random
    wanted: dict[str, Any] = {
        "clock_skew_seconds": rng.choice(SKEWS),
        "log_latency_seconds": rng.choice((0.0, 0.0, 5.0, 60.0, 300.0)),
        "opt_in_after_stop": rng.choice(("allowed", "ignored", "error")),
        "group_changes_move_updated_at": chance() < 0.3,
        "custom_changes_move_updated_at": chance() < 0.85,
        "opt_in_changes_move_updated_at": chance() < 0.85,
        "source_column": chance() < 0.3,
        "change_log_table": chance() < 0.9,
        "custom_values_table": chance() < 0.9,
        "removals_table": chance() < 0.9,
        "deletions_leave_logs": chance() < 0.8,
        "microseconds": chance() < 0.3,
    }
    shown = ("custom_changes_move_updated_at", "custom_values_table", "change_log_table")
    if not any(wanted[one] for one in shown):  # then nothing tells of a custom value (docs)
        wanted["change_log_table"] = True
    known = {one.name for one in fields(drawn)}
    return replace(drawn, **{name: value for name, value in wanted.items() if name in known})
