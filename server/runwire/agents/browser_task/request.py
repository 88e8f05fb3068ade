"""What the ``browser`` agent is asked to do, checked before anything starts. Floor 4; pure."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from runwire.agents.browser_task.shape import BrowserTask, PageTask
from runwire.errors import InvalidInput
from runwire.protocol.browser_options import parse_options
from runwire.protocol.json_schema import check_schema
from runwire.protocol.steps.testfile import BrowserTest, parse_values

T = TypeVar("T", bound=PageTask)


def parse_task(value: Any) -> tuple[BrowserTask, BrowserTest]:
    """Return the task that an input describes, and the test without steps that its steps will be those of.

    Raises:
        InvalidInput: it is none; the message names the member.
    """
    task = read_task(value, BrowserTask, "browser")
    test = BrowserTest(
        name=" ".join(task.task.split())[:200],
        url=task.url,
        steps=(),
        timeout_s=task.timeout_s,
        step_timeout_s=task.step_timeout_s,
        keep_logs=task.keep_logs,
        variables=parse_values(task.variables, "variables"),
        browser=parse_options(task.browser),
    )
    return task, test


def read_task(value: Any, kind: type[T], agent: str) -> T:
    """Return the task that an input of ``agent`` describes, as far as its own shape goes.

    Raises:
        InvalidInput: it is none; the message names the member.
    """
    try:
        task = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{agent}: {error}") from error
    if task.result_schema is not None:
        check_schema(task.result_schema)
    return task
