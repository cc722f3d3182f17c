"""`python -m bench [--people N] [--rounds N]`: prints the table, writes `.local/bench.json`; exits
with 1 if a bound was missed."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

from bench import ROOT
from bench.cycle_lines import cycle_lines
from bench.cycles import cycles_of
from bench.imports import import_ratios
from bench.paced import Sync
from bench.report import Line, import_lines, lines_of


def main() -> int:
    """0 if every bound was kept."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--people", type=int, default=5000, help="users of the list")
    parser.add_argument("--seed", type=int, default=1, help="of the sample people")
    parser.add_argument("--rounds", type=int, default=5, help="how often imports are timed")
    asked = parser.parse_args()
    lines = measure(asked.people, asked.seed, asked.rounds)
    sys.stdout.write("\n".join(map(str, lines)) + "\n")
    write(lines, ROOT / ".local" / "bench.json")
    missed = [line for line in lines if not line.kept]
    for line in missed:
        sys.stdout.write(f"\nBound missed: {line}\n")
    return 1 if missed else 0


def measure(people: int, seed: int, rounds: int) -> list[Line]:
    """Every figure of one run."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No application metrics to publish")
        sync = Sync(people, seed)
        ran = sync.run()
        cycles = cycles_of(sync)
        sync.close()
    return [*lines_of(ran), *cycle_lines(cycles, ran), *import_lines(import_ratios(rounds))]


def write(lines: list[Line], path: Path) -> None:
    """The same figures for programs."""
    figures = {
        line.name.strip(): {"value": round(line.value, 4), "most": line.most, "least": line.least}
        for line in lines
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
