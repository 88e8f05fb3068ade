"""What an agent did, as the outcome of its run. Floor 5; pure."""

from __future__ import annotations

from typing import Any

import msgspec

from runwire.contracts.agent import AgentFailure, AgentResult
from runwire.engine.cancellation import StopReason, StopToken
from runwire.errors import InvalidInput, LimitExceeded, RunwireError
from runwire.protocol.codec import EVENT_BYTES, encode_value
from runwire.runs.record import Outcome, RunError
from runwire.runs.state import RunStatus, Verdict

MESSAGE_LENGTH = 2_000
"""Characters of an agent's own error message that are kept."""

CODE_LENGTH = 100
"""The same of its own error code."""


def outcome_of_stop(stop: StopToken) -> Outcome | None:
    """Return the outcome that a request to stop has decided, or None."""
    if stop.reason is StopReason.CANCEL:
        return Outcome(RunStatus.CANCELLED, reason="requested")
    if stop.reason is StopReason.PARENT:
        return Outcome(RunStatus.CANCELLED, reason="parent")
    if stop.reason is StopReason.TIMEOUT:
        return Outcome.failed("timeout", "the run exceeded its time limit", limit="timeout_s")
    if stop.reason is StopReason.LIMIT:
        return outcome_of_error(stop.exceeded or LimitExceeded("the run exceeded a limit"))
    return interrupted() if stop.reason is StopReason.DRAIN else None


def interrupted() -> Outcome:
    """Return the outcome of a run that the server's own end cut short."""
    return Outcome.failed("interrupted", "the server was stopped while this run was executing", retryable=True)


def outcome_of_result(returned: Any) -> Outcome:
    """Return the outcome of an agent that returned: SUCCEEDED, unless what it returned cannot be stored."""
    given = returned if isinstance(returned, AgentResult) else AgentResult(returned)
    try:
        result = None if given.result is None else encode_value(given.result)
        usage = None if given.usage is None else encode_value(given.usage)
    except InvalidInput as error:
        return Outcome.failed("agent_error", f"the agent's result was refused: {error.message}")
    if len(result or b"") + len(usage or b"") > EVENT_BYTES:
        return Outcome.failed(
            "limit_exceeded", f"the agent's result exceeds {EVENT_BYTES} bytes; save an artifact and return its url"
        )
    if usage is not None and not usage.startswith(b"{"):
        return Outcome.failed("agent_error", "the agent's usage was refused: it must be a JSON object")
    try:
        verdict = None if given.verdict is None else Verdict(given.verdict)
    except ValueError:
        return Outcome.failed("agent_error", f"the agent's verdict was refused: one of {', '.join(Verdict)}")
    return Outcome(
        RunStatus.SUCCEEDED,
        result=None if result is None else msgspec.Raw(result),
        verdict=verdict,
        usage=None if usage is None else msgspec.json.decode(usage),  # as it was normalised
    )


def outcome_of_error(error: BaseException) -> Outcome:
    """Return the outcome of an agent that raised."""
    if isinstance(error, AgentFailure):
        return _failed(error.code, error.message, retryable=error.retryable, result=error.result, limit=error.limit)
    if isinstance(error, LimitExceeded):
        return _failed(error.code, error.message, limit=error.details.get("limit"))
    if isinstance(error, RunwireError):
        return _failed(error.code, error.message, retryable=error.retryable)
    return _failed("agent_error", f"{type(error).__name__}: {error}")


def _failed(
    code: str, message: str, *, retryable: bool = False, result: Any = None, limit: str | None = None
) -> Outcome:
    carried = outcome_of_result(result).result
    error = RunError(_storable(code)[:CODE_LENGTH], _storable(message)[:MESSAGE_LENGTH], bool(retryable), limit)
    return Outcome(RunStatus.FAILED, error=error, result=carried)


def _storable(text: Any) -> str:
    """Return an agent's text as the log can hold it: what cannot be encoded would keep the run from ever ending."""
    return str(text).encode("utf-8", "replace").decode()
