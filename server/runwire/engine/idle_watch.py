"""Ends runs that say nothing for too long, where somebody has set such a limit. Floor 5; the server's loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runwire.contracts.event_log import Published
from runwire.errors import LimitExceeded
from runwire.runs.state import RunStatus


@dataclass(slots=True)
class _Watched:
    limit_s: float
    spoke_at: float
    timer: asyncio.TimerHandle
    counting: bool = True
    waits: int = 0
    held: bool = False


class IdleWatch:
    """Watches the runs that have an ``idle_timeout_s``. A committed entry is a sign of life; one timer a run, that is
    set anew when it fires and not with each entry.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, end: Callable[[str, LimitExceeded], object]) -> None:
        """``end`` is called with the run and the limit that it has exceeded."""
        self._loop = loop
        self._end = end
        self._watched: dict[str, _Watched] = {}

    def __bool__(self) -> bool:
        return bool(self._watched)

    def begin(self, run_id: str, limit_s: float) -> None:
        """Watch an attempt that has just begun; another one of the same run is watched no longer."""
        self._forget(run_id)
        timer = self._loop.call_later(limit_s, self._look, run_id)
        self._watched[run_id] = _Watched(limit_s, self._loop.time(), timer)

    def on_published(self, published: Published) -> None:
        """Note what was committed. Only RUNNING counts: a person may take longer."""
        watched = self._watched.get(published.run_id)
        if watched is None:
            return
        if published.ended or published.status is RunStatus.QUEUED:
            self._forget(published.run_id)
        else:
            watched.spoke_at, watched.counting = self._loop.time(), published.status is RunStatus.RUNNING

    def hold(self, run_id: str, *, held: bool) -> None:
        """Do not count while a person has the run's browser."""
        watched = self._watched.get(run_id)
        if watched is not None:
            watched.held, watched.spoke_at = held, self._loop.time()

    @contextmanager
    def waiting(self, run_id: str) -> Iterator[None]:
        """Do not count for the time of the block, in which the run waits for another one."""
        watched = self._watched.get(run_id)
        if watched is None:
            yield
            return
        watched.waits += 1
        try:
            yield
        finally:
            watched.waits -= 1
            watched.spoke_at = self._loop.time()

    def _forget(self, run_id: str) -> None:
        watched = self._watched.pop(run_id, None)
        if watched is not None:
            watched.timer.cancel()

    def _look(self, run_id: str) -> None:
        watched = self._watched[run_id]
        if watched.held or watched.waits or not watched.counting:
            watched.spoke_at = self._loop.time()
        left_s = watched.spoke_at + watched.limit_s - self._loop.time()
        if left_s > 0:
            watched.timer = self._loop.call_later(left_s, self._look, run_id)
            return
        del self._watched[run_id]
        message = f"the run has said nothing for {watched.limit_s:g} s, its limit"
        self._end(run_id, LimitExceeded(message, limit="idle_timeout_s"))
