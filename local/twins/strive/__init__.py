"""The Strive twin: a stand-in for Strive's API with people who text."""

from __future__ import annotations

from local.twins.strive.twin import Campaign, Counts, StriveTwin
from local.twins.strive.unknowns import Unknowns

__all__ = ["Campaign", "Counts", "StriveTwin", "Unknowns"]
