"""``browser``: a model drives a browser by the actions of the step language, towards a task in plain words. Floor 4."""

from __future__ import annotations

from runwire.agents.browser_task.agent import BrowserAgent

__all__ = ["BrowserAgent"]
