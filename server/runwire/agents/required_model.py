"""Says that there is no model before a browser is opened for nothing. Floor 4; the run's own thread and loop."""

from __future__ import annotations

from runwire.contracts.agent import AgentFailure, RunContext
from runwire.errors import ModelUnavailable


def require_model(ctx: RunContext, why: str) -> None:
    """Return if a model can be asked. ``why`` says what it is wanted for.

    Raises:
        AgentFailure: none is configured (``model_unavailable``); the message names the settings.
    """
    reason = ctx.model.unavailable_reason()
    if reason is not None:
        raise AgentFailure(f"{why}: {reason}", code=ModelUnavailable.code)
