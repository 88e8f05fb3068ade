"""Waiting for the end of a run. Floor 5; the server's loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from runwire.contracts.event_log import Published


class RunEnds:
    """Tells who waits for which run. Bounded by the calls that wait."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    @contextmanager
    def expected(self, run_id: str) -> Iterator[asyncio.Future[None]]:
        """Give a future that is done once the run has ended; one that had ended before is found by a look inside."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(run_id, set())
        waiting.add(ended)
        try:
            yield ended
        finally:
            waiting.discard(ended)
            if not waiting and self._waiting.get(run_id) is waiting:
                del self._waiting[run_id]

    def on_published(self, published: Published) -> None:
        """Tell whoever waits for a run that has ended; the bridge calls this."""
        if not self._waiting or not published.ended:
            return
        for ended in self._waiting.pop(published.run_id, ()):
            if not ended.done():
                ended.set_result(None)
