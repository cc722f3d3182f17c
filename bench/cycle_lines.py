"""What was counted of the scheduled sync, as lines of the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bench.counted import Use
from bench.cycles import Cycle, Cycles
from bench.paced import Ran
from bench.report import Line, is_question, percentile
from instep.adapters.memory import attributes_bytes

USERS_OWN = ("user", "history", "evidence", "consent", "number", "member", "warning")
MOST_WRITES = 17
"""Units of tables and indexes for a changed user, with its part of what the cycle writes anyway."""
FOUND = ("cursors", "sums", "checksums")
"""The items in which it is noted how far changes were found."""


def cycle_lines(cycles: Cycles, ran: Ran) -> list[Line]:
    """Every figure of the scheduled sync."""
    return [
        *_idle_lines(cycles),
        *_first_lines(cycles, ran),
        *_working_lines(cycles),
        *_after_lines(cycles),
        *_size_lines(cycles),
    ]


def _idle_lines(cycles: Cycles) -> list[Line]:
    """One account that is idle. In one tick of an hour it is seen whether its fields are there."""
    usual = min(cycles.quiet, key=lambda one: sum(_written(one).values()))
    writes = _written(usual)
    of_pace = writes.pop("pace", 0)
    hour = sum((_written(one) for one in cycles.quiet), Counter[str]())
    return [
        Line("idle account: statements to ActionKit", usual.actionkit.total(), most=5),
        Line("idle account: requests to Strive", usual.strive.total(), most=10),
        Line("idle account: reads of tables and indexes", _read(usual)),
        Line("idle account: table writes of the pace", of_pace),
        Line("idle account: other table writes", sum(writes.values()), most=0),
        Line("idle account: other table writes in an hour", hour.total() - hour["pace"], most=4),
        Line("idle account: executions", usual.executions, most=0),
        Line("idle account: messages", usual.messages, most=0),
        Line("state transitions of a tick", usual.transitions["tick"], most=5),
        Line("state transitions of a shard of accounts", usual.transitions["shard"], most=2),
    ]


def _first_lines(cycles: Cycles, ran: Ran) -> list[Line]:
    """The first cycle after the initial sync, and one in which all who are linked are looked at."""
    linked = sum(one.member_id is not None for one in ran.records.values())
    first, option = cycles.first, cycles.option
    indexed = sum(use.index_writes for use in option.uses)
    questions = sum(count for name, count in option.actionkit.items() if is_question(name))
    return [
        Line("first cycle: looks per 1000 users", first.looks * 1000 / ran.users),
        Line("first cycle: reads of tables and indexes per user", _read(first) / ran.users),
        Line("changed option: questions to ActionKit per 1000 linked", questions * 1000 / linked),
        Line("changed option: table writes per linked user", _written(option).total() / linked),
        Line("changed option: index writes per linked user", indexed / linked),
        Line("changed option: state transitions of the run", option.transitions["run"]),
    ]


def _working_lines(cycles: Cycles) -> list[Line]:
    """Per changed user, in the last of the cycles with changes."""
    one, changed = cycles.working[-1], cycles.changed
    questions = sum(count for name, count in one.actionkit.items() if is_question(name))
    asked = sum(count for name, count in one.strive.items() if name.startswith("GET "))
    writes = _written(one)
    indexed = sum(use.index_writes for use in one.uses)
    reads = _read(one)
    return [
        Line("users changed in a cycle", changed),
        Line("changed user: named by messages, times", one.looks / changed),
        Line("changed user: questions to ActionKit", questions / changed),
        Line("changed user: writes to ActionKit", (one.actionkit.total() - questions) / changed),
        Line("changed user: questions to Strive", asked / changed),
        Line("changed user: writes to Strive", (one.strive.total() - asked) / changed),
        Line("changed user: reads of tables and indexes", reads / changed),
        Line("changed user: table writes, units", writes.total() / changed),
        *(
            Line(f"  of these {name}, per changed user", units / changed)
            for name, units in sorted(writes.items())
        ),
        Line("changed user: index writes, units", indexed / changed),
        Line("changed user: table and index writes", (writes.total() + indexed) / changed,
             most=MOST_WRITES),
        Line("cycle with changes: reads of tables and indexes", reads),
        Line("cycle with changes: table writes but those of users",
             sum(units for name, units in writes.items() if name not in USERS_OWN)),
        Line("cycle with changes: buckets noted", _noted(one.uses)),
        Line("cycle with changes: executions", one.executions, most=1),
        Line("cycle with changes: state transitions of the run", one.transitions["run"]),
        Line("cycle with changes: most state transitions of a run",
             max(each.transitions["run"] for each in cycles.working), most=40),
        Line("cycle with changes: invocations", one.invocations),
        Line("cycle with changes: messages", one.messages),
    ]  # fmt: skip


def _after_lines(cycles: Cycles) -> list[Line]:
    """Cycles after the last change: what was written to ActionKit comes to another checksum there,
    so its users are looked at once more, and nothing else is done."""
    one = cycles.after[0]
    writes = _written(one)
    noted = sum(writes[name] for name in FOUND)
    done = sum(units for name, units in writes.items() if name in USERS_OWN)
    asked = sum(count for name, count in one.strive.items() if name.startswith("GET "))
    to_sides = sum(count for name, count in one.actionkit.items() if not is_question(name))
    return [
        Line("cycle after changes: looks per user written to ActionKit", _again(cycles), most=2),
        Line("cycle after changes: writes to either side",
             to_sides + one.strive.total() - asked, most=0),
        Line("cycle after changes: table writes of users", done, most=0),
        Line("cycle after changes: table writes of cursors, sums and checksums", noted),
        Line("cycle after changes: other table writes", writes.total() - done - noted),
        Line("cycle after changes: reads of tables and indexes", _read(one)),
        Line("cycle after changes: state transitions of the run", one.transitions["run"]),
        Line("cycles after changes until one finds nothing", len(cycles.after), most=2),
        Line("tick within 40 minutes of changes: reads of tables and indexes",
             _read(cycles.after[-1])),
    ]  # fmt: skip


def _again(cycles: Cycles) -> float:
    last = cycles.working[-1].actionkit
    written = sum(count for name, count in last.items() if not is_question(name))
    return cycles.after[0].looks / max(1, written)


def _size_lines(cycles: Cycles) -> list[Line]:
    lines = []
    for kind in (*FOUND, "run"):
        sizes = [attributes_bytes(one) for one in cycles.items if one["item"].split("/")[0] == kind]
        lines += [
            Line(f"{kind} item, bytes: half are below", percentile(sizes, 50)),
            Line(f"{kind} item, bytes: most", max(sizes)),
        ]
    return lines


def _read(cycle: Cycle) -> float:
    """Units read from tables and indexes."""
    return sum(use.reads + use.index_reads for use in cycle.uses)


def _written(cycle: Cycle) -> Counter[str]:
    """Units written to tables, which are whole ones, by kind of item."""
    found: Counter[str] = Counter()
    for use in cycle.uses:
        if use.writes:
            found[use.item.split("/")[0]] += round(use.writes)
    return found


def _noted(uses: Iterable[Use]) -> int:
    """Buckets that were stored."""
    return sum(use.item.startswith("checksums/") and use.writes > 0 for use in uses)
