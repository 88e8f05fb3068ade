"""What a task has come to. Floor 4; values, and the check of a model's last word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from runwire.agents.browser_task.tools import Finish
from runwire.agents.browser_test.report import TestReport
from runwire.errors import InvalidInput
from runwire.protocol.json_schema import check_value
from runwire.runs.state import Verdict

MAX_TOLD = 200
"""Most characters of a step's text or error in the result, which is an event of 64 KiB at most."""
DATA_BYTES = 16_384
"""Most bytes of the data that a task may end with."""


def checked(finish: Finish, result_schema: dict[str, Any] | None) -> Finish:
    """Return the end of a task if its data may be that. Raises InvalidInput that tells the model what may not."""
    if len(msgspec.json.encode(finish.data)) > DATA_BYTES:
        raise InvalidInput(f"the data has more than {DATA_BYTES} bytes; leave out what was not asked for")
    if result_schema is not None and finish.success:
        check_value(finish.data, result_schema, "the data")
    return finish


@dataclass(frozen=True, slots=True)
class TaskReport(TestReport):
    """A task, ended by the model or cut short (``finish`` is None)."""

    finish: Finish | None = None

    @property
    def verdict(self) -> Verdict:
        """Passed if the model says that the task was achieved."""
        return Verdict.PASSED if self.finish is not None and self.finish.success else Verdict.FAILED

    @property
    def line(self) -> str:
        """The line that people read last."""
        return "not finished" if self.finish is None else self.finish.summary

    def as_json(self) -> dict[str, Any]:
        """Return the run's result."""
        steps = [step.as_json() for step in self.steps]
        for step in steps:
            step["text"] = step["text"][:MAX_TOLD]
            step["error"] = step["error"] and step["error"][:MAX_TOLD]
        ended = self.finish
        return {
            "name": self.name,
            "success": ended is not None and ended.success,
            "summary": None if ended is None else ended.summary,
            "data": None if ended is None else ended.data,
            "passed": self.passed,
            "total": self.total,
            "steps": steps,
            "downloads": [one.as_json() for one in self.downloads if one.artifact_id is not None],
        }
