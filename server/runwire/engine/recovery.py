"""What becomes of runs whose worker is gone. Floor 5; the server's loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from runwire.contracts.run_store import RunStore
from runwire.errors import RunwireError

log = structlog.get_logger(__name__)


class Reaper:
    """Settles the runs of dead workers: at start-up all that were left, later those of one worker at a time."""

    def __init__(self, store: RunStore, recoverable: Callable[[str], bool]) -> None:
        """``recoverable`` tells of an agent, by name, whether its run may begin again."""
        self._store = store
        self._recoverable = recoverable
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def settle_all(self) -> int:
        """Settle what earlier processes left; return how many runs there were."""
        settled = await self._store.recover(self._recoverable)
        if settled:
            log.warning("recovery.settled", runs=settled)
        return settled

    def reap(self, worker_id: str) -> None:
        """Settle what a dead worker held; once at a time for each, however often it is reported."""
        if worker_id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._reap(worker_id))
            self._tasks[worker_id] = task
            task.add_done_callback(lambda _done: self._tasks.pop(worker_id, None))

    async def _reap(self, worker_id: str) -> None:
        try:
            settled = await self._store.recover(self._recoverable, worker_id)
        except RunwireError as error:  # the keeper reports the worker again in a second
            log.error("recovery.failed", worker=worker_id, error=str(error))
        else:
            log.warning("recovery.settled", worker=worker_id, runs=settled)
