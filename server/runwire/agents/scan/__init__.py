"""The ``scan`` agent: reads the items of a listing and their pages. Floor 4; runs on the run's own thread."""

from __future__ import annotations

from runwire.agents.scan.agent import ScanAgent

__all__ = ["ScanAgent"]
