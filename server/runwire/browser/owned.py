"""Work that outlives whoever asked for it. Floor 4; the host's loop only.

Creation is shielded and owned: cancelling a start of the driver or a launch in the middle leaks a process or a profile
folder, so it always runs to its end, and a result that nobody wants any more is adopted and closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")
log = structlog.get_logger(__name__)


class OwnedTasks:
    """The tasks of one host: none is lost, none fails unheard."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Start ``work``; a failure is logged, so that none goes unheard when nobody awaits it."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    async def wanted(
        self, work: Coroutine[Any, Any, T], *, name: str, limit_s: float, adopt: Callable[[T], Awaitable[None]]
    ) -> T:
        """Return the result of ``work``, which runs to its end even if the caller is cancelled or runs out of time.

        A result that comes too late goes to ``adopt``. Raises TimeoutError after ``limit_s`` seconds.
        """
        task = self.spawn(work, name)
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.shield(task)
        except (asyncio.CancelledError, TimeoutError):
            self.spawn(_adopt(task, adopt), f"adopt {name}")
            raise

    async def settle(self, limit_s: float) -> int:
        """Wait at most ``limit_s`` seconds for all tasks, cancel the rest; return how many had to be cancelled."""
        current = asyncio.current_task()
        left = {task for task in self._tasks if task is not current}
        if not left:
            return 0
        _, late = await asyncio.wait(left, timeout=limit_s)
        for task in late:
            task.cancel()
        return len(late)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("browser.task_failed", task=task.get_name(), error=repr(error))


async def _adopt(task: asyncio.Task[T], adopt: Callable[[T], Awaitable[None]]) -> None:
    try:
        result = await task
    except Exception as error:  # the creation failed after its owner had left: there is nothing to close
        log.debug("browser.unwanted_creation_failed", task=task.get_name(), error=repr(error))
        return
    log.info("browser.unwanted_result_adopted", task=task.get_name())
    await adopt(result)
