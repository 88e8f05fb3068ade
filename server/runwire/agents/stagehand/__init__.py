"""``stagehand``: a model does a task in a browser of its own, through Browserbase's Stagehand. Floor 4."""

from __future__ import annotations

from runwire.agents.stagehand.agent import StagehandAgent

__all__ = ["StagehandAgent"]
