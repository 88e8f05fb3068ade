"""The two threads that read. Floor 4: queries run on reader threads, their results return to the loop that asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from runwire.errors import StorageUnavailable
from runwire.threads import LoopReply, OwnedThread, WorkQueue

T = TypeVar("T")
READERS = 2

_Job = tuple[Callable[[sa.Connection], Any], LoopReply[Any]]


class ReaderPool:
    """Runs queries off the loop, each in one read transaction, so that what it returns is one moment's truth.

    The queue of queries is bounded by its callers: every follower has at most one read in flight.
    """

    def __init__(self, engine: sa.Engine, readers: int = READERS) -> None:
        self._engine = engine
        self._jobs: WorkQueue[_Job | None] = WorkQueue()
        self._threads = [OwnedThread(f"runwire-reader-{n}", self._work) for n in range(readers)]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def close(self, timeout_s: float = 1.0) -> None:
        """End the threads after what waits now; queries put afterwards are never answered."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(timeout_s)

    async def run(self, query: Callable[[sa.Connection], T]) -> T:
        """Return what ``query`` returns from one read transaction; on any loop. Raises StorageUnavailable."""
        reply: LoopReply[T] = LoopReply()
        self._jobs.put((query, reply))
        return await reply.wait()

    def _work(self) -> None:
        connection = self._engine.connect()
        try:
            while (job := self._jobs.take()) is not None:
                query, reply = job
                reply.resolve(*_attempt(connection, query))
        finally:
            connection.close()


def _attempt(connection: sa.Connection, query: Callable[[sa.Connection], T]) -> tuple[T | None, Exception | None]:
    try:
        with connection.begin():
            return query(connection), None
    except sa.exc.DBAPIError as error:
        return None, StorageUnavailable(f"cannot read the database: {error.orig}")
    except Exception as error:  # delivered to whoever asked: a query's own errors belong to its caller
        return None, error
