"""The agent ``stagehand``. Floor 4; it runs on the run's own thread and knows browsers and models by their contracts.

Stagehand itself is loaded with the first task: a server starts without it.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from runwire.agents.browser_task.shape import input_schema
from runwire.agents.required_model import require_model
from runwire.agents.stagehand.shape import StagehandTask
from runwire.contracts.agent import AgentFailure, AgentResult, RunContext
from runwire.errors import BrowserError, BrowserLost, LimitExceeded, ModelError

if TYPE_CHECKING:
    from runwire.agents.stagehand.session import StagehandSession

LOOPBACK = "127.0.0.1"
"""Where its browser listens."""


class StagehandAgent:
    """Lets a model do a task through Stagehand, in a whole headless Chromium that is the run's own.

    A task that the model has ended is SUCCEEDED, with its verdict and data. The run is FAILED when it was not carried
    through: ``limit_exceeded`` (steps, tokens or cost), ``timeout``, ``input_expired`` (nobody decided in time), the
    model's errors, ``startup_failed``, ``browser_lost``; the result then holds the steps that were done.
    """

    description: ClassVar[str] = "Carries out a task through Stagehand, in a whole Chromium of its own."
    needs_browser: ClassVar[bool] = True
    needs_whole_browser: ClassVar[bool] = True
    needs_model: ClassVar[bool] = True
    input_schema: ClassVar[dict[str, Any]] = input_schema(StagehandTask)

    @staticmethod
    def unavailable_reason() -> str | None:
        """Return why Stagehand cannot work here, with what mends it, or None."""
        if find_spec("stagehand") is None:
            return "Stagehand is not installed; run: pip install 'runwire[stagehand]'"
        from websockets.proxy import get_proxy
        from websockets.uri import parse_uri

        if get_proxy(parse_uri(f"ws://{LOOPBACK}/")) is not None:
            return f"Stagehand would ask the proxy of the environment for its browser; set NO_PROXY={LOOPBACK}"
        return None

    @staticmethod
    def validate_input(input: Any) -> None:
        """Refuse a task that could not be carried out. Raises InvalidInput that names the member."""
        from runwire.agents.stagehand.request import parse_task

        parse_task(input)

    async def run(self, ctx: RunContext, input: Any) -> AgentResult:
        """Carry the task out. Cancelling it ends the model's question and the browser within a bound and passes the
        cancellation on.

        Raises:
            InvalidInput: the input is no task.
            AgentFailure: it could not be carried through.
        """
        from runwire.agents.stagehand.request import parse_task

        task, config = parse_task(input)
        if (reason := self.unavailable_reason()) is not None:
            raise AgentFailure(reason, code="startup_failed")
        require_model(ctx, "a task is carried out by a model")
        from runwire.agents.stagehand.hand import EXTENSION, attached
        from runwire.agents.stagehand.session import StagehandSession

        limit = asyncio.timeout(task.timeout_s)
        session: StagehandSession | None = None
        try:
            async with (
                limit,
                ctx.browser.own(ctx.run_id, config, extensions=(EXTENSION,)) as own,
                attached(own, ctx.model, config, task.step_timeout_s) as hand,
            ):
                session = StagehandSession(ctx, task, hand, limit)
                await session.run()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise _failure(f"the task's limit of {task.timeout_s:g} s has passed", "timeout", session) from error
        except (ModelError, LimitExceeded) as error:
            named = error.details.get("limit")
            raise _failure(error.message, error.code, session, retryable=error.retryable, limit=named) from error
        except BrowserError as error:  # a step's own errors are its result; these are the browser's
            lost = isinstance(error, BrowserLost) and session is not None
            code = "browser_lost" if lost else "startup_failed"
            raise _failure(error.message, code, session, retryable=lost) from error
        return AgentResult(result=session.report.as_json(), verdict=session.report.verdict)


def _failure(
    message: str, code: str, session: StagehandSession | None, *, retryable: bool = False, limit: str | None = None
) -> AgentFailure:
    result = None if session is None else session.report.as_json()
    return AgentFailure(message, code=code, retryable=retryable, result=result, limit=limit)
