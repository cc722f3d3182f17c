"""`python -m tests.simulation [--seeds N] [--seed S] [--profile mild|wild]`: runs seeds."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.faults import PROFILES
from tests.simulation.runs import check


def main() -> int:
    """0 if every seed holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--seed", type=int, help="one seed alone, twice")
    parser.add_argument("--first", type=int, default=1, help="the first of the seeds")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="wild")
    asked = parser.parse_args()
    seeds = (
        [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.seeds)
    )
    began, failed = time.monotonic(), 0
    for seed in seeds:
        verdict = check(seed, asked.profile, PROFILES[asked.profile], twice=asked.seed is not None)
        if verdict.problems:
            failed += 1
            sys.stdout.write(f"{verdict}\n\n")
            sys.stdout.flush()
    seconds = time.monotonic() - began
    sys.stdout.write(f"{len(seeds)} seeds, {failed} failed, {seconds:.1f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
