"""What the end of an attempt means for its run: another attempt, or the terminal state. Floor 5; the run's own
thread.
"""

from __future__ import annotations

import msgspec

from runwire.agents.registry import AgentSpec
from runwire.agents.shapes import ValueShape
from runwire.contracts.event_log import RunAppender
from runwire.contracts.run_store import RunStore
from runwire.engine.cancellation import StopToken
from runwire.engine.emitter import UserWebSocketEmitter
from runwire.engine.outcome import outcome_of_error
from runwire.engine.run_model import RunModel, with_usage
from runwire.errors import InvalidInput
from runwire.runs.record import ClaimedRun, Outcome
from runwire.runs.state import RunStatus


class AttemptEnd:
    """Takes the outcome of one attempt, once."""

    def __init__(
        self,
        store: RunStore,
        spec: AgentSpec | None,
        claimed: ClaimedRun,
        stop: StopToken,
        emitter: UserWebSocketEmitter,
        appender: RunAppender,
        model: RunModel,
    ) -> None:
        """``spec`` is None if the agent is no longer registered; ``model`` knows what the attempt has used of it."""
        self._store = store
        self._spec = spec
        self._claimed = claimed
        self._stop = stop
        self._emitter = emitter
        self._appender = appender
        self._model = model

    def __call__(self, outcome: Outcome) -> None:
        """Hand the outcome to the store. Raises nothing, whatever the agent has left."""
        claimed, policy = self._claimed, None if self._spec is None else self._spec.retry
        outcome = with_usage(self._judged(outcome), self._model.used)
        if policy is not None and outcome.error is not None and outcome.error.retryable and self._stop.reason is None:
            delay_s = policy.delay_s(claimed.run_id, claimed.attempt)
            self._store.retry(claimed.run_id, claimed.fence, outcome, delay_s, self._appender)
        else:
            self._store.finish(claimed.run_id, claimed.fence, outcome, self._appender)

    def _judged(self, outcome: Outcome) -> Outcome:
        """Return the outcome as it counts: an agent may have swallowed that a limit was exceeded."""
        if outcome.status is RunStatus.CANCELLED or self._stop.reason is not None:
            return outcome
        if self._emitter.exceeded is not None:
            return outcome_of_error(self._emitter.exceeded)
        if outcome.status is RunStatus.SUCCEEDED and self._spec is not None and self._spec.returns is not None:
            return _fitting(outcome, self._spec.returns)
        return outcome


def _fitting(outcome: Outcome, shape: ValueShape) -> Outcome:
    """Return the outcome if its result has the agent's own shape, else the truth about it."""
    try:
        shape.check(None if outcome.result is None else msgspec.json.decode(outcome.result), "the agent's result")
    except InvalidInput as error:
        return Outcome.failed("agent_error", error.message)
    return outcome
