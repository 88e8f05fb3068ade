"""Implementations of the storage contracts, each with its real parts. A new one joins the suite by a line in
:data:`STORAGES`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runwire.clock import SystemClock
from runwire.contracts.actors import OwnedRun, User
from runwire.contracts.event_log import Commit, EventLog, Published, RunAppender
from runwire.contracts.queue_store import QueueStore
from runwire.contracts.run_store import Created, RunStore
from runwire.persistence.database import database_file, open_engine, open_incarnation
from runwire.runs.record import ClaimedRun, NewRun
from runwire.runs.state import Priority
from runwire.settings import Settings
from runwire.wiring.storage import open_storage
from tests.support.database import stored_entries
from tests.support.deadlines import eventually_async

ANN, BOB = User("ann"), User("bob")


@dataclass(slots=True)
class Listener:
    """Hears of every commit; ``claimed`` and ``published`` are what the contracts promise to tell."""

    loop: asyncio.AbstractEventLoop
    claimed: dict[str, list[ClaimedRun]] = field(default_factory=dict)
    published: list[Published] = field(default_factory=list)
    on_published: Callable[[Published], None] | None = None

    def on_commit(self, commit: Commit) -> None:
        """Take a commit, on the writer's thread."""
        for run in commit.claimed:
            self.claimed.setdefault(run.run_id, []).append(run)
        for published in commit.published:
            if self.on_published is not None:
                self.on_published(published)
            self.published.append(published)
        for answer in commit.answers:
            self.loop.call_soon_threadsafe(answer)


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage under test: what the contracts name, what it told, and a look into what is stored."""

    store: RunStore
    queue: QueueStore
    log: EventLog
    listener: Listener
    entries: Callable[[str], list[dict[str, Any]]]
    pause: Callable[[], None]

    async def create(self, run_id: str = "", owner: User = ANN, **changes: Any) -> Created:
        """Store a run; a given id counts as the client's own."""
        facts: dict[str, Any] = {
            "run_id": run_id or f"run{id(changes):020}",
            "id_from_client": bool(run_id),
            "owner_id": owner.id,
            "thread_id": f"thread-of-{owner.id}",
            "thread_from_client": False,
            "agent": "test",
            "input": b"null",
            "body_hash": "hash",
            "priority": Priority.NORMAL,
            "timeout_s": 60.0,
            "on_disconnect": "continue",
            "epoch": "00000000",
            **changes,
        }
        return await self.store.create(NewRun(**facts), owner)

    async def claimed(self, run_id: str, attempt: int = 1) -> ClaimedRun:
        """Wait until the run is given to a runner for the ``attempt``-th time."""
        told = self.listener.claimed
        await eventually_async(lambda: len(told.get(run_id, ())) >= attempt, f"{run_id} is claimed, attempt {attempt}")
        return told[run_id][attempt - 1]

    async def running(self, run_id: str, owner: User = ANN) -> tuple[ClaimedRun, RunAppender]:
        """Store a run, wait for its claim, and return its appender, bound to this loop."""
        await self.create(run_id, owner)
        claimed = await self.claimed(run_id)
        appender = self.log.appender(run_id, claimed.fence)
        appender.bind(asyncio.get_running_loop())
        return claimed, appender

    async def settled(self, run_id: str, status: str) -> OwnedRun:
        """Wait until the run has the status, and return it."""

        def is_there() -> bool:
            states = [e["data"]["status"] for e in self.entries(run_id) if e["type"] == "state"]
            return states[-1:] == [status]

        await eventually_async(is_there, f"{run_id} is {status}")
        return await self.store.get(run_id, ANN)


OpenStorage = Callable[..., AbstractAsyncContextManager[Storage]]


@asynccontextmanager
async def _sqlite(data: Path, **changes: Any) -> AsyncIterator[Storage]:
    settings = Settings(data=str(data), **changes)
    engine = open_engine(database_file(data))
    storage = open_storage(settings, SystemClock(), engine, open_incarnation(engine))
    listener = Listener(asyncio.get_running_loop())
    storage.readers.start()
    storage.writer.start(listener)
    try:
        yield Storage(
            storage.store,
            storage.queue,
            storage.event_log,
            listener,
            lambda run_id: stored_entries(data, run_id),
            storage.claimer.pause,
        )
    finally:
        assert storage.writer.close(5)
        storage.readers.close()


STORAGES: dict[str, OpenStorage] = {"sqlite": _sqlite}


@pytest.fixture(params=STORAGES)
def open_store(request: pytest.FixtureRequest, data: Path) -> Callable[..., AbstractAsyncContextManager[Storage]]:
    """Return a function that opens the storage on this test's folder; opened again, it is the next process."""
    return lambda **changes: STORAGES[request.param](data, **changes)
