"""Work that may come late: done in portions, with rests, when something has left some. Floor 5; the server's loop.

Nothing is polled: a pass sleeps until it is woken, and what was left by an earlier process is found by the first
portion, for which it is woken at start-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

REST = 3.0
"""Rest after a portion, as a multiple of the time that it took: a pass takes at most a quarter of one core."""

REST_AT_LEAST_S = 0.005
RETRY_S = 5.0
"""Rest after a portion that failed: the disk is full, or a file cannot be removed."""


class BackgroundPass:
    """Calls ``portion`` until it says that nothing is left, whenever :meth:`wake` was called since."""

    def __init__(self, name: str, portion: Callable[[], Awaitable[bool]], *, settle_s: float) -> None:
        """``settle_s``: how long after a wake-up it begins, seconds: what gathers meanwhile is one portion."""
        self._name = name
        self._portion = portion
        self._settle_s = settle_s
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with a look at what an earlier process left."""
        self._woken.set()
        self._task = asyncio.get_running_loop().create_task(self._work(), name=self._name)

    def wake(self) -> None:
        """Say that there is work; costs a comparison while it is awake."""
        self._woken.set()

    async def close(self) -> None:
        """End it, in mid-portion if need be: what is not done is found by the next process. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._woken.wait()
            await asyncio.sleep(self._settle_s)
            self._woken.clear()
            more = True
            while more:
                begun = loop.time()
                try:
                    more = await self._portion()
                except Exception:  # the edge of a background task: it goes on when the trouble is over
                    log.exception("background.portion_failed", name=self._name)
                    await asyncio.sleep(RETRY_S)
                else:
                    await asyncio.sleep(max(REST_AT_LEAST_S, REST * (loop.time() - begun)))
