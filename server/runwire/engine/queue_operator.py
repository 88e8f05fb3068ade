"""What operators do to the queue: pause, resume, cancel all runs of a user. Floor 5; the server's loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from runwire.clock import Clock
from runwire.contracts.actors import User
from runwire.contracts.queue_store import QueueStore
from runwire.engine.cancellation import StopReason
from runwire.errors import NotFound

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CancelledRuns:
    """How many runs have ended at once, because they waited, and how many were asked to stop."""

    ended: int
    stopping: int


class QueueOperator:
    """Carries out an operator's wishes; who may have them is the doors' business."""

    def __init__(
        self,
        queue: QueueStore,
        clock: Clock,
        *,
        request_stop: Callable[[str, StopReason], bool],
        on_change: Callable[[], None],
    ) -> None:
        """``request_stop`` reaches a run that is executed here; ``on_change`` is called when what is paused has
        changed.
        """
        self._queue = queue
        self._clock = clock
        self._request_stop = request_stop
        self._on_change = on_change

    async def pause(self, agent: str | None, actor: User) -> None:
        """Start no more runs of ``agent``, or none at all (None); runs that are executed go on. Stored; idempotent."""
        await self._queue.pause(agent, actor)
        log.warning("queue.paused", agent=agent, by=actor.id)
        self._on_change()

    async def resume(self, agent: str | None, actor: User) -> bool:
        """Take such a pause back; return whether there was one."""
        found = await self._queue.resume(agent)
        log.warning("queue.resumed", agent=agent, by=actor.id)
        self._on_change()
        return found

    async def cancel_user(self, user_id: str, actor: User) -> CancelledRuns:
        """Ask all runs of a user to stop that exist now, some at a time: others' writes go on in between.

        Raises:
            NotFound: nobody of that name has a token or has ever started a run.
        """
        if not await self._queue.knows_user(user_id):
            raise NotFound(f"no user {user_id[:64]}")
        until_ms = self._clock.now_ms()
        ended = stopping = 0
        while True:
            batch = await self._queue.cancel_some(user_id, until_ms)
            if not batch.ended and not batch.held:
                break
            for run_id in batch.held:
                self._request_stop(run_id, StopReason.CANCEL)
            ended, stopping = ended + batch.ended, stopping + len(batch.held)
        log.warning("user.cancelled", user=user_id, by=actor.id, ended=ended, stopping=stopping)
        return CancelledRuns(ended, stopping)
