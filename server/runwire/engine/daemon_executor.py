"""Threads for ``asyncio.to_thread`` that never hold the exit of the process. Floor 5; one pool for each runner loop.

The default executor's threads are joined at interpreter exit: one agent in ``to_thread(sleep, 60)`` would hold Ctrl-C
for a minute.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any

from runwire.threads import OwnedThread, WorkQueue

MOST_THREADS = 32

_Job = tuple["concurrent.futures.Future[Any]", Callable[[], Any]]


class DaemonExecutor:
    """Runs functions on daemon threads, started when needed, at most 32; further calls wait for one.

    Called from its runner's thread alone; the worker threads touch nothing but the queue and the futures.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: WorkQueue[_Job | None] = WorkQueue()
        self._threads: list[OwnedThread] = []
        self._pending: set[concurrent.futures.Future[Any]] = set()

    @property
    def busy(self) -> int:
        """How many calls have not ended."""
        self._pending = {future for future in self._pending if not future.done()}
        return len(self._pending)

    def submit(self, function: Callable[[], Any]) -> concurrent.futures.Future[Any]:
        """Run ``function`` on a daemon thread."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        waiting = self.busy
        self._pending.add(future)
        self._jobs.put((future, function))
        if waiting >= len(self._threads) and len(self._threads) < MOST_THREADS:
            thread = OwnedThread(f"{self._name}-worker-{len(self._threads)}", self._work)
            self._threads.append(thread)
            thread.start()
        return future

    def close(self) -> None:
        """Let every thread end after what it does now; calls that never return keep theirs, which is a daemon."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.take()) is not None:
            future, function = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function()
            except BaseException as error:  # belongs to whoever awaits it, whatever it is
                future.set_exception(error)
            else:
                future.set_result(result)


class RunnerLoop(asyncio.SelectorEventLoop):
    """A plain asyncio loop whose ``to_thread`` uses daemon threads."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.daemons = DaemonExecutor(name)
        self.tasks: set[asyncio.Task[Any]] = set()
        """The tasks of this loop that have not ended; ``asyncio.all_tasks`` walks those of every loop of the
        process.
        """

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """Make a task and remember it until it ends."""
        task: asyncio.Task[Any] = super().create_task(coro, **kwargs)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left on it: no task, no half-read generator, no call on another thread."""
        return not (self.tasks or self._asyncgens or self.daemons.busy)  # type: ignore[attr-defined]  # as below

    async def close_asyncgens(self, limit_s: float) -> bool:
        """Close async generators that were left half-way, within ``limit_s`` seconds; return whether all are closed."""
        if not self._asyncgens:  # type: ignore[attr-defined]  # BaseEventLoop keeps them there
            return True
        try:
            async with asyncio.timeout(limit_s):
                await self.shutdown_asyncgens()
        except TimeoutError:
            return False
        self._asyncgens_shutdown_called = False  # the loop lives on: the next run's generators are welcome
        return True

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run ``func(*args)`` on a daemon thread unless an executor is named."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        return asyncio.wrap_future(self.daemons.submit(lambda: func(*args)), loop=self)

    def close(self) -> None:
        """Close the loop and let its daemon threads end."""
        self.daemons.close()
        super().close()
