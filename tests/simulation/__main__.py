"""`python -m tests.simulation [--kind initial|days|both] [--seeds N] [--seed S] [--profile P]`:
runs seeds of initial syncs, of days of two-way sync, or of both."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.faults import PROFILES
from tests.simulation.runs import check, check_days

KINDS = {"initial": check, "days": check_days}


def main() -> int:
    """0 if every seed holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--kind", choices=[*KINDS, "both"], default="both")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--seed", type=int, help="one seed alone, twice")
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="wild")
    asked = parser.parse_args()
    seeds = (
        [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.seeds)
    )
    began, failed = time.monotonic(), 0
    kinds = list(KINDS.values()) if asked.kind == "both" else [KINDS[asked.kind]]
    for seed in seeds:
        for checked in kinds:
            profile = PROFILES[asked.profile]
            verdict = checked(seed, asked.profile, profile, twice=asked.seed is not None)
            if verdict.problems:
                failed += 1
                sys.stdout.write(f"{verdict}\n\n")
                sys.stdout.flush()
    seconds = time.monotonic() - began
    sys.stdout.write(f"{len(seeds)} seeds, {failed} failed, {seconds:.1f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
