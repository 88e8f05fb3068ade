"""What the agent ``stagehand`` is asked to do, checked before anything starts. Floor 4; pure."""

from __future__ import annotations

from typing import Any

from runwire.agents.browser_task.request import read_task
from runwire.agents.browser_test.configuration import browser_config
from runwire.agents.stagehand.shape import StagehandTask
from runwire.contracts.browser import BrowserConfig
from runwire.errors import InvalidInput
from runwire.protocol.browser_options import BrowserOptions, parse_options

TAKEN = frozenset({"viewport", "locale", "user_agent", "allow"})
"""What of a configuration a whole browser can be launched with; the rest belongs to Playwright's contexts."""


def parse_task(value: Any) -> tuple[StagehandTask, BrowserConfig]:
    """Return the task that an input describes, and what its browser is made with.

    Raises:
        InvalidInput: it is none; the message names the member.
    """
    task = read_task(value, StagehandTask, "stagehand")
    options, default = parse_options(task.browser), BrowserOptions()
    for name in options.__struct_fields__:
        if name not in TAKEN and getattr(options, name) != getattr(default, name):
            raise InvalidInput(f"browser.{name}: the agent stagehand takes only {', '.join(sorted(TAKEN))}")
    return task, browser_config(options)
