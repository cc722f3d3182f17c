"""Counts and ratios of one run (`make bench`): what a sync costs in requests, table capacity, state
transitions and time, held against the bounds of the product."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_CORE = str(ROOT / "layers" / "core" / "python")
if _CORE not in sys.path:  # `python -m bench`; pytest is told by pyproject.toml
    sys.path.insert(0, _CORE)
