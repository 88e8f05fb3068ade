"""The ``browser-test`` agent: carries out a test written in plain sentences. Floor 4; runs on the run's own thread."""

from __future__ import annotations

from runwire.agents.browser_test.agent import BrowserTestAgent

__all__ = ["BrowserTestAgent"]
