"""Cancels runs whose starter asked for it when nobody follows them any more. Floor 5; the server's loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from runwire.contracts.actors import OwnedRun
from runwire.contracts.event_log import Published

log = structlog.get_logger(__name__)


class DisconnectWatch:
    """Watches the runs that were started with ``on_disconnect: cancel``. A reload of the page takes less than
    the wait.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        cancel: Callable[[OwnedRun], Awaitable[object]],
        absence_s: float,
    ) -> None:
        """``absence_s``: time without any follower after which a run is cancelled, seconds (protocol, section 4)."""
        self._loop = loop
        self._cancel = cancel
        self._absence_s = absence_s
        self._runs: dict[str, OwnedRun] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def watch(self, run: OwnedRun, followers: int = 0) -> None:
        """Begin to watch a run that has ``followers`` already: who starts it on a socket follows it before it is
        stored.
        """
        self._runs[run.run_id] = run
        self.on_presence(run.run_id, followers)

    def on_presence(self, run_id: str, followers: int) -> None:
        """Note how many follow the run; the bridge calls this."""
        if run_id not in self._runs:
            return
        timer = self._timers.pop(run_id, None)
        if timer is not None:
            timer.cancel()
        if followers == 0:
            self._timers[run_id] = self._loop.call_later(self._absence_s, self._leave, run_id)

    def on_published(self, published: Published) -> None:
        """Forget a run that has ended; the bridge calls this."""
        if published.ended and self._runs.pop(published.run_id, None) is not None:
            timer = self._timers.pop(published.run_id, None)
            if timer is not None:
                timer.cancel()

    def _leave(self, run_id: str) -> None:
        run = self._runs.pop(run_id, None)
        self._timers.pop(run_id, None)
        if run is not None:
            log.info("run.abandoned", run_id=run_id)
            task = self._loop.create_task(self._cancel_run(run))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _cancel_run(self, run: OwnedRun) -> None:
        try:
            await self._cancel(run)
        except Exception:  # a background task's edge: the run goes on, and the log says why
            log.exception("run.abandoned_cancel_failed", run_id=run.run_id)
