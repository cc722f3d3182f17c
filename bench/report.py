"""What was counted, as lines of a table, and which bounds were missed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.counted import Use
from bench.paced import RECORDS_PER_MINUTE, Decision, Ran
from instep.adapters.memory import attributes_bytes
from instep.domain.decide import decide
from instep.domain.record import Record, Status

SYNCED = "first-synced user"
INELIGIBLE = "ineligible user"
OTHERS = "other user"
SHARED = "shared"
INELIGIBLES = (
    Status.INELIGIBLE_NO_PHONE,
    Status.INELIGIBLE_INVALID_PHONE,
    Status.INELIGIBLE_NO_OPT_IN,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A figure. `most`, `least`: its bound, where the product promises one."""

    name: str
    value: float
    most: float | None = None
    least: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the figure is within its bound."""
        above = self.most is not None and self.value > self.most
        below = self.least is not None and self.value < self.least
        return not (above or below)

    def __str__(self) -> str:
        bound = f"at most {self.most:g}" if self.most is not None else ""
        bound = f"at least {self.least:g}" if self.least is not None else bound
        missed = "" if self.kept else "  MISSED"
        return f"{self.name:<62} {self.value:>9.2f}  {bound}{missed}".rstrip()


@dataclass(slots=True)
class Cost:
    """Units and operations on tables, of one kind of user."""

    reads: float = 0.0
    writes: float = 0.0
    write_operations: int = 0
    index_reads: float = 0.0
    index_writes: float = 0.0
    writes_of: dict[str, float] = field(default_factory=dict)

    def add(self, use: Use) -> None:
        """Adds one use."""
        self.reads += use.reads
        self.writes += use.writes
        self.write_operations += use.writes > 0
        self.index_reads += use.index_reads
        self.index_writes += use.index_writes
        if use.writes:
            kind = use.item.split("/")[0]
            self.writes_of[kind] = self.writes_of.get(kind, 0.0) + use.writes


def lines_of(ran: Ran) -> list[Line]:
    """Every figure of the initial sync."""
    return [*_request_lines(ran), *_table_lines(ran), *_size_lines(ran), *_run_lines(ran)]


def import_lines(import_ratios: Mapping[str, float]) -> list[Line]:
    """How long functions take to import."""
    return [
        Line(f"import of {name}, as a multiple of importing boto3", ratio)
        for name, ratio in import_ratios.items()
    ]


# --- requests ---


def is_question(name: str) -> bool:
    """Whether such a request to ActionKit reads."""
    return name.startswith("GET ") or name.endswith("/report/run/sql/")


def _request_lines(ran: Ran) -> list[Line]:
    thousands = ran.users / 1000
    asked = {name: count for name, count in ran.actionkit.items() if is_question(name)}
    written = sum(ran.actionkit.values()) - sum(asked.values())
    lines = [
        Line("ActionKit: questions per 1000 users", sum(asked.values()) / thousands, most=30),
        Line("ActionKit: writes per 1000 users", written / thousands),
    ]
    for name, count in sorted(ran.strive.items()):
        lines.append(Line(f"Strive: {name} per 1000 users", count / thousands))
    return [*lines, Line("texts sent", ran.texts, most=0), Line("mails sent", ran.mails, most=0)]


# --- tables ---


def _kind(record: Record | None) -> str:
    if record is None:
        return OTHERS
    if record.status is Status.SYNCED:
        return SYNCED
    return INELIGIBLE if record.status in INELIGIBLES else OTHERS


def costs(uses: Iterable[Use], ran: Ran) -> dict[str, Cost]:
    """What was used for each kind of user; `shared` is what concerns nobody alone: the account,
    the pace, the run."""
    found = {kind: Cost() for kind in (SYNCED, INELIGIBLE, OTHERS, SHARED)}
    for use in uses:
        user_id = _user_of(use.item, ran.owners)
        found[SHARED if user_id is None else _kind(ran.records.get(user_id))].add(use)
    return found


def _user_of(item: str, owners: Mapping[str, int]) -> int | None:
    kind, _, rest = item.partition("/")
    if kind in ("user", "history", "evidence"):
        return int(rest.split("/")[0])
    if kind == "warning":
        return int(rest.split("/")[1])
    return owners.get(item, 0) if kind in ("number", "member", "consent") else None


def _table_lines(ran: Ran) -> list[Line]:
    found = costs(ran.first, ran)
    users = dict.fromkeys(found, 0)
    for record in ran.records.values():
        users[_kind(record)] += 1
    shared, lines = found[SHARED], []
    for kind in (SYNCED, INELIGIBLE):
        cost, count = found[kind], max(1, users[kind])
        lines += [
            Line(f"table reads per {kind}", cost.reads / count),
            Line(f"table writes per {kind}, units", cost.writes / count),
            *(
                Line(f"  of these {name}, per {kind}", units / count)
                for name, units in sorted(cost.writes_of.items())
            ),
            Line(f"table writes per {kind}, operations", cost.write_operations / count),
            Line(f"index writes per {kind}, units", cost.index_writes / count),
        ]
    first_synced = found[SYNCED].writes / max(1, users[SYNCED]) + shared.writes / ran.users
    lines += [
        Line(f"table writes per {SYNCED}, with its part of the shared", first_synced, most=8),
        Line("table reads shared, per user", shared.reads / ran.users),
        Line("table writes shared, per user", shared.writes / ran.users),
        *(
            Line(f"  of these shared {name}", units / ran.users)
            for name, units in sorted(shared.writes_of.items())
        ),
        Line("index reads, per user", shared.index_reads / ran.users),
    ]
    again = costs(ran.again, ran)
    own = [cost for kind, cost in again.items() if kind != SHARED]
    looked = max(1, ran.looked_again)
    return [
        *lines,
        Line("table reads per unchanged user", sum(one.reads for one in own) / looked),
        Line("table writes per unchanged user", sum(one.writes for one in own) / looked, most=0),
        Line("table reads shared, per unchanged user", again[SHARED].reads / looked),
        Line("table writes shared, per unchanged user", again[SHARED].writes / looked),
        Line("ActionKit: writes for unchanged users", ran.again_wrote, most=0),
    ]


def _size_lines(ran: Ran) -> list[Line]:
    sizes: dict[str, list[int]] = {}
    for item in ran.items:
        kind = item["item"].split("/")[0]
        name = f"record of a {SYNCED}" if item.get("status") == Status.SYNCED else f"{kind} item"
        if kind in ("user", "history", "evidence", "consent"):
            name = "other record" if name == "user item" else name
            sizes.setdefault(name, []).append(attributes_bytes(item))
    lines = []
    for name, found in sorted(sizes.items()):
        lines += [
            Line(f"{name}, bytes: half are below", percentile(found, 50)),
            Line(f"{name}, bytes: 95 % are below", percentile(found, 95)),
        ]
    return lines


def percentile(values: Sequence[int], percent: int) -> int:
    """The value that so many percent are not above."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, len(ranked) * percent // 100)]


# --- the run ---


def _run_lines(ran: Ran) -> list[Line]:
    whole = _whole_minutes(ran)
    lines = [
        Line("state transitions per run", ran.transitions),
        Line("most users in any 60 seconds, share of the pace",
             ran.most_in_60_seconds / RECORDS_PER_MINUTE, most=1),
    ]  # fmt: skip
    if whole:
        share = sum(whole) / len(whole) / RECORDS_PER_MINUTE
        lines.append(Line("share of the pace used", share, least=0.98))
    return [*lines, Line("decisions per second and core", decisions_per_second(ran.decisions))]


def _whole_minutes(ran: Ran) -> list[int]:
    """Users of each minute that had work from its beginning to its end: without the first, and
    until nine tenths were read."""
    whole, read = [], 0
    for users in ran.minutes:
        read += users
        if read > ran.users * 0.9:
            break
        whole.append(users)
    return whole[1:]


def decisions_per_second(decisions: Sequence[Decision], rounds: int = 3) -> float:
    """How many of the run's own decisions one core makes in a second: the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for seen, record, rules, now in decisions:
            decide(seen, record, rules, now)
        best = min(best, time.process_time() - began)
    return len(decisions) / max(best, 1e-9)
