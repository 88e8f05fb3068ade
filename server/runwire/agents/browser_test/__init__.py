"""``browser-test`` carries out a test written in plain sentences, ``browser-replay`` does a recorded run again.

Floor 4; both run on the run's own thread.
"""

from __future__ import annotations

from runwire.agents.browser_test.agent import BrowserReplayAgent, BrowserTestAgent

__all__ = ["BrowserReplayAgent", "BrowserTestAgent"]
