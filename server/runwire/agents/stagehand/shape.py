"""The shape of a task for the agent ``stagehand``. Floor 4; values only, so that a server that starts loads no more."""

from __future__ import annotations

from runwire.agents.browser_task.shape import PageTask


class StagehandTask(PageTask, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A task that Stagehand does. Of ``browser`` it takes viewport, locale, user_agent and allow."""
