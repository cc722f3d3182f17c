"""The whole application in one process, from a seed (ring 2 of the tests)."""

import sys
from pathlib import Path

_CORE = str(Path(__file__).parents[2] / "layers" / "core" / "python")
if _CORE not in sys.path:  # `python -m tests.simulation`; pytest is told by pyproject.toml
    sys.path.insert(0, _CORE)
