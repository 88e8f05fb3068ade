"""Ending with the truth: no new runs, a while for the running ones, then their state is written for them. Floor 5.

The server's loop; a worker thread waits for the runners' ends. States are written first; followers get them before
their sockets are closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog

from runwire.contracts.run_store import RunStore
from runwire.engine.cancellation import StopReason
from runwire.engine.dispatcher import ThreadDispatcher
from runwire.engine.outcome import interrupted
from runwire.engine.runner import RunnerThread
from runwire.errors import StorageUnavailable

log = structlog.get_logger(__name__)

PAUSE_S = 0.5
"""How long the last claim may take to be handed out, however short the drain is."""

STOP_S = 0.4
"""How long interrupted runs have to leave by themselves (to close a browser, a file) once their state is written."""


class Drain:
    """Takes a server out of work. Made at start-up, used once."""

    def __init__(
        self,
        *,
        pause: Callable[[], Awaitable[None]],
        dispatcher: ThreadDispatcher,
        store: RunStore,
        recoverable: Callable[[str], bool],
    ) -> None:
        """``pause`` stops claims and returns once the last one has been handed out; ``recoverable`` tells of an agent,
        by name, whether its run may begin again.
        """
        self._pause = pause
        self._dispatcher = dispatcher
        self._store = store
        self._recoverable = recoverable

    async def run(self, drain_s: float) -> None:
        """Wait at most ``drain_s`` seconds for the running runs, then settle those that are left.

        Recoverable ones go back to the queue, the others end FAILED ``interrupted``.
        """
        begun = time.monotonic()
        await _within(max(drain_s, PAUSE_S), self._pause())
        await _within(drain_s - (time.monotonic() - begun), self._dispatcher.wait_idle())
        left = self._dispatcher.active_runs
        threads = self._dispatcher.retire_active()
        for run in left:
            if self._recoverable(run.agent):
                self._store.requeue(run.run_id, run.fence, "drain")
            else:
                self._store.finish(run.run_id, run.fence, interrupted())
            self._dispatcher.request_stop(run.run_id, StopReason.DRAIN)
        if left:
            log.warning("drain.interrupted", runs=len(left))
            begun = time.monotonic()
            await _within(STOP_S, self._dispatcher.wait_idle())
            await asyncio.to_thread(_wait_ended, threads, STOP_S - (time.monotonic() - begun))


async def _within(limit_s: float, step: Awaitable[None]) -> None:
    """Await ``step``, at most ``limit_s`` seconds: what is not done by then is settled without it."""
    try:
        async with asyncio.timeout(limit_s):
            await step
    except TimeoutError:
        return
    except StorageUnavailable as error:  # no claim gets through either
        log.warning("drain.storage_unavailable", error=str(error))


def _wait_ended(threads: Iterable[RunnerThread], limit_s: float) -> None:
    """Wait until the threads have left their agents' code, together at most ``limit_s`` seconds."""
    deadline = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
