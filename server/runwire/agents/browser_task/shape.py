"""The shape of a task for the ``browser`` agent. Floor 4; values only, apart from its reading, so that a server that
starts need not load the step language.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from runwire.protocol.steps.shape import KeepLogs

MAX_STEPS = 100
"""Most steps of a task; a guess: each is a question to the model."""
MAX_TASK = 10_000


class PageTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every task for a model with a browser says."""

    task: Annotated[str, Meta(min_length=1, max_length=MAX_TASK, description="what is to be done or found out")]
    url: Annotated[
        str, Meta(min_length=1, max_length=2_000, description="where it starts; relative ones are the sample sites'")
    ]
    result_schema: Annotated[dict[str, Any] | None, Meta(description="JSON Schema that the result's data must fit")] = (
        None
    )
    max_steps: Annotated[int, Meta(ge=1, le=MAX_STEPS, description="most steps, the opening of url included")] = 30
    approvals: Annotated[
        Literal["ask", "deny"],
        Meta(description="dangerous steps wait for a person's approval, or are refused without asking"),
    ] = "ask"
    approval_timeout_s: Annotated[
        float, Meta(gt=0, le=604_800, description="how long an approval is waited for, seconds")
    ] = 600.0
    browser: Annotated[dict[str, Any], Meta(description="a browser configuration: viewport, allow, device, …")] = {}
    timeout_s: Annotated[
        float, Meta(gt=0, le=3_600, description="limit of the whole task without waits for people, seconds")
    ] = 300.0
    step_timeout_s: Annotated[float, Meta(gt=0, le=600, description="limit of one step, seconds")] = 10.0


class BrowserTask(PageTask, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A task for a model that has the step language's actions."""

    variables: Annotated[
        dict[str, str | float], Meta(description="values that the model may type as ${name} without seeing them here")
    ] = {}
    files: Annotated[dict[str, str], Meta(description="texts of files that may be uploaded, by name")] = {}
    keep_logs: Annotated[KeepLogs, Meta(description="whether console and network logs are kept as artifacts")] = (
        "on_failure"
    )


def input_schema(kind: type[PageTask] = BrowserTask) -> dict[str, Any]:
    """Return the JSON Schema of a task."""
    schema = msgspec.json.schema(kind)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema["$defs"][kind.__name__]}
