"""The agent ``browser``. Floor 4; it runs on the run's own thread and knows browsers and models by their contracts.

The step language is loaded with the first task: a server starts without it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from runwire.agents.browser_task.shape import input_schema
from runwire.contracts.agent import AgentResult, RunContext


class BrowserAgent:
    """Lets a model drive a headless Chromium towards a task, by the steps that a browser test has.

    A task that the model has ended is SUCCEEDED, with its verdict and data. The run is FAILED when it was not carried
    through: ``limit_exceeded`` (steps, tokens or cost), ``timeout``, ``input_expired`` (nobody decided in time), the
    model's errors, ``startup_failed``, ``browser_lost``; the result then holds the steps that were done.
    """

    description: ClassVar[str] = "Carries out a task in headless Chromium, driven by a model, asking before danger."
    needs_browser: ClassVar[bool] = True
    needs_model: ClassVar[bool] = True
    input_schema: ClassVar[dict[str, Any]] = input_schema()

    @staticmethod
    def validate_input(input: Any) -> None:
        """Refuse a task that could not be carried out. Raises InvalidInput that names the member."""
        from runwire.agents.browser_task.request import parse_task

        parse_task(input)

    async def run(self, ctx: RunContext, input: Any) -> AgentResult:
        """Carry the task out. Cancelling it ends the model's question, closes page and context within a bound and
        passes the cancellation on.

        Raises:
            InvalidInput: the input is no task.
            AgentFailure: it could not be carried through.
        """
        from runwire.agents.browser_task.request import parse_task
        from runwire.agents.browser_task.session import TaskSession
        from runwire.agents.browser_test.agent import carry_out
        from runwire.agents.required_model import require_model

        task, test = parse_task(input)
        require_model(ctx, "a task is carried out by a model")
        return await carry_out(ctx, test, lambda origin: TaskSession(ctx, task, test, origin))
