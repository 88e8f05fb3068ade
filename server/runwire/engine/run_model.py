"""The model as one run may use it: counted, and within the run's limits. Floor 5; the run's own thread.

What was used is added to the run's usage however it ends, so that budgets and bills hold also for runs that failed.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from runwire.contracts.model import ChatModel, ModelAnswer, ModelRequest, ModelUsage
from runwire.errors import LimitExceeded, ModelNonsense
from runwire.runs.limits import RunLimits
from runwire.runs.record import Outcome
from runwire.runs.usage import MICROS

AT_ONCE = 4
"""Questions that one run may have under way; a guess."""


class RunModel:
    """Implements ``contracts.model.ChatModel`` for one attempt of one run."""

    def __init__(self, model: ChatModel, limits: RunLimits) -> None:
        self._model = model
        self._limits = limits
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.used = ModelUsage()

    def unavailable_reason(self) -> str | None:
        """Return why no model can be asked here, with what mends it, or None."""
        return self._model.unavailable_reason()

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Return the answer. The limits are looked at before each question, so the last answer may go beyond them.

        Raises:
            LimitExceeded: one of them is used up. ModelError: see the contract; ModelNonsense for a call that was cut
                off, too.
        """
        async with self._turns:
            self._check()
            answer = await self._model.complete(request)
            self.used += answer.usage
        if answer.cut_off:
            raise ModelNonsense("the model's answer was cut off in the middle of a call; it has reached its length")
        return answer

    def _check(self) -> None:
        tokens, cost_usd = self.used.input_tokens + self.used.output_tokens, self.used.cost_micros / MICROS
        limits = self._limits
        if limits.model_tokens is not None and tokens >= limits.model_tokens:
            raise LimitExceeded(
                f"the run has used {tokens:,} tokens of its {limits.model_tokens:,}", limit="model_tokens"
            )
        if limits.model_cost_usd is not None and cost_usd >= limits.model_cost_usd:
            raise LimitExceeded(
                f"the run has used {cost_usd:g} dollars of its {limits.model_cost_usd:g}", limit="model_cost_usd"
            )


def with_usage(outcome: Outcome, used: ModelUsage) -> Outcome:
    """Return the outcome with what models took added to what the agent itself tells."""
    if used.calls == 0:
        return outcome
    counted = {
        "model_calls": used.calls,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cost_usd": used.cost_micros / MICROS,
    }
    usage = dict(outcome.usage or {})
    for name, value in counted.items():
        usage[name] = value + _number(usage.get(name))
    return replace(outcome, usage=usage)


def _number(value: Any) -> float | int:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
