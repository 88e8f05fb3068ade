"""Makes a user's engine for each run. Floor 5; built once, at start-up, with the bridge in its constructor."""

from __future__ import annotations

from runwire.contracts.bridge import Bridge
from runwire.engine.emitter import UserWebSocketEmitter
from runwire.engine.runner import Assignment
from runwire.engine.user_engine import EngineParts, UserExecutionContext, UserExecutionEngine
from runwire.errors import ExecutionEngineFactoryError
from runwire.runs.record import ClaimedRun


class ExecutionEngineFactory:
    """Makes ``UserExecutionEngine`` objects. Complete from its construction on: no later check during execution."""

    def __init__(
        self, websocket_bridge: Bridge | None, parts: EngineParts, *, event_bytes: int, events_per_run: int
    ) -> None:
        """``event_bytes`` and ``events_per_run`` bound what one run may emit.

        Raises:
            ExecutionEngineFactoryError: there is no bridge.
        """
        if websocket_bridge is None:
            raise ExecutionEngineFactoryError(
                "ExecutionEngineFactory needs the AgentWebSocketBridge: "
                "create it at start-up and pass it to the constructor"
            )
        self._bridge = websocket_bridge
        self._parts = parts
        self._event_bytes = event_bytes
        self._events_per_run = events_per_run

    @property
    def bridge(self) -> Bridge:
        """The bridge that every engine's emitter speaks through."""
        return self._bridge

    def create_for_user(self, context: UserExecutionContext) -> UserExecutionEngine:
        """Return a new engine whose emitter is bound to the context's user, thread and run."""
        emitter = UserWebSocketEmitter(
            self._bridge,
            context.user_id,
            context.thread_id,
            context.run_id,
            limit_bytes=self._event_bytes,
            limit_events=self._events_per_run,
        )
        return UserExecutionEngine(context, emitter, self._parts)

    def assignment_for(self, claimed: ClaimedRun) -> Assignment:
        """Return what a runner needs for a claimed run: a new engine of its owner, nothing of the one that
        started it.
        """
        context = UserExecutionContext(claimed.owner_id, claimed.thread_id, claimed.run_id)
        return self.create_for_user(context).assignment(claimed)
