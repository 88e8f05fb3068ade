"""A run's voice: bound to one user, thread and run, unable to speak into another. Floor 5; used on the run's own
thread.
"""

from __future__ import annotations

from typing import Any

from runwire.contracts.bridge import Bridge
from runwire.contracts.event_log import RunAppender
from runwire.engine.step_log import STEP_FINISHED, log_step
from runwire.errors import ExecutionEngineFactoryError, LimitExceeded
from runwire.protocol.codec import encode_event
from runwire.runs.limits import RunLimits


class UserWebSocketEmitter:
    """Implements ``contracts.bridge.Emitter``. Made with the engine; opened when an attempt is claimed."""

    __slots__ = (
        "_appender",
        "_bridge",
        "_events_left",
        "_limit_bytes",
        "_log_bytes_left",
        "_run_id",
        "_thread_id",
        "_user_id",
        "exceeded",
    )

    def __init__(
        self, bridge: Bridge, user_id: str, thread_id: str, run_id: str, *, limit_bytes: int, limit_events: int
    ) -> None:
        """``limit_bytes`` bounds one event, ``limit_events`` the events of one attempt."""
        self._bridge = bridge
        self._user_id = user_id
        self._thread_id = thread_id
        self._run_id = run_id
        self._limit_bytes = limit_bytes
        self._events_left = limit_events
        self._log_bytes_left = limit_events * limit_bytes
        self._appender: RunAppender | None = None
        self.exceeded: LimitExceeded | None = None
        """The limit that the attempt has exceeded: it ends so, also if its agent goes on."""

    @property
    def bridge(self) -> Bridge:
        """The bridge that carries its events."""
        return self._bridge

    @property
    def user_id(self) -> str:
        """Whose run it is."""
        return self._user_id

    @property
    def thread_id(self) -> str:
        """The conversation."""
        return self._thread_id

    @property
    def run_id(self) -> str:
        """The only run that it can speak into."""
        return self._run_id

    @property
    def appender(self) -> RunAppender:
        """The open attempt's appender."""
        if self._appender is None:
            raise ExecutionEngineFactoryError("the emitter speaks only while its run is executed; open() comes first")
        return self._appender

    def open(self, fence: int, limits: RunLimits | None = None) -> RunAppender:
        """Begin an attempt under its fence and within its limits; return its appender."""
        if limits is not None:
            self._events_left = limits.events or self._events_left
            self._log_bytes_left = limits.log_bytes or self._log_bytes_left
        self._appender = self._bridge.appender(self._run_id, fence)
        return self._appender

    def spend(self, events: int) -> None:
        """Count events that the server writes on the agent's behalf. Raises LimitExceeded."""
        self._events_left -= events
        if self._events_left < 0:
            raise self._exceed()

    def offer(self, event: Any) -> bool:
        """Encode and append one event; never blocks. False: wait before the next one. Raises EventRefused,
        FenceLost.
        """
        encoded = encode_event(event, limit_bytes=self._limit_bytes)
        self._events_left -= 1
        self._log_bytes_left -= len(encoded)
        if self._events_left < 0 or self._log_bytes_left < 0:
            raise self._exceed()
        if event["type"] == STEP_FINISHED:
            log_step(self._run_id, self._thread_id, event)
        return self.appender.append(encoded)

    def _exceed(self) -> LimitExceeded:
        name, word = ("events", "events") if self._events_left < 0 else ("log_bytes", "bytes of events")
        self.exceeded = LimitExceeded(f"the run has reached its limit of {word}", limit=name)
        return self.exceeded
