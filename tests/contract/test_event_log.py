"""The contract of the event log, over every implementation: gapless, committed before told, bounded, fenced."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from runwire.contracts.actors import User
from runwire.contracts.event_log import Published
from runwire.errors import FenceLost
from runwire.runs.record import Outcome
from runwire.runs.state import RunStatus
from tests.contract.conftest import ANN, BOB, OpenStorage, Storage
from tests.support.database import assert_log_is_whole
from tests.support.deadlines import eventually_async

EVENT = b'{"type":"RAW","event":%d}'


async def test_events_are_stored_in_their_order_and_flush_says_where(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        _, appender = await storage.running("run00001")
        for number in range(10):
            assert appender.append(EVENT % number)
        assert await appender.flush() == 12
        entries = storage.entries("run00001")
        assert [e["data"]["event"] for e in entries[2:]] == list(range(10))
        assert await appender.flush() == 12, "nothing new: the same"


async def test_told_only_what_is_committed_and_each_entry_once(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        too_early = []

        def look(published: Published) -> None:
            stored = len(storage.entries(published.run_id))
            if stored < published.first_seq + len(published.frames) - 1:
                too_early.append(published)

        storage.listener.on_published = look
        claimed, appender = await storage.running("run00001")
        for number in range(1_000):
            if not appender.append(EVENT % number):
                await appender.wait_accepting()
        await appender.flush()
        storage.store.finish("run00001", claimed.fence, Outcome(RunStatus.SUCCEEDED))
        # What is committed is in the database before it is told: the end has come when it was told.
        await eventually_async(lambda: storage.listener.published[-1].ended, "the end is told")
        told = [frame for p in storage.listener.published for frame in p.frames]
        assert too_early == []
        assert [json.loads(frame) for frame in told] == storage.entries("run00001")


async def test_many_threads_many_runs_no_hole_and_no_mixing(open_store: OpenStorage) -> None:
    """Agents speak from threads of their own; each run's log has its own numbers, in its own order."""
    async with open_store(max_running=8) as storage:
        runs = [f"run0000{n}" for n in range(8)]
        appenders = {run_id: (await storage.running(run_id, User(f"u{run_id}")))[1] for run_id in runs}

        def speak(run_id: str) -> None:
            appender = appenders[run_id]
            for number in range(300):
                if not appender.append(b'{"type":"RAW","event":"%b-%d"}' % (run_id.encode(), number)):
                    appender.wait_accepting_blocking(2)
            appender.flush_blocking(2)

        await asyncio.gather(*(asyncio.to_thread(speak, run_id) for run_id in runs))
        for run_id in runs:
            entries = storage.entries(run_id)
            assert [e["seq"] for e in entries] == list(range(1, 303))
            assert [e["data"]["event"] for e in entries[2:]] == [f"{run_id}-{n}" for n in range(300)]


class HoldUp:
    """Stops the log at its next commit until it is let go."""

    def __init__(self, storage: Storage) -> None:
        self.reached, self._release = threading.Event(), threading.Event()
        storage.listener.on_published = self._hold

    def _hold(self, _: Published) -> None:
        self.reached.set()
        self._release.wait(5)

    def let_go(self) -> None:
        """Let the log go on."""
        self._release.set()


@pytest.mark.parametrize(("size", "most"), [(10, 256), (20_000, 53)], ids=["entries", "bytes"])
async def test_the_window_is_bounded_and_opens_again(open_store: OpenStorage, size: int, most: int) -> None:
    """Protocol, L9: 256 entries or 1 MiB of a run wait for the log; then its agent does."""
    async with open_store() as storage:
        _, appender = await storage.running("run00001")
        log = HoldUp(storage)
        event = b'{"type":"RAW","event":"%b"}' % (b"x" * size)
        appender.append(event)
        assert await asyncio.to_thread(log.reached.wait, 2)
        accepting = [appender.append(event) for _ in range(300)]
        assert accepting.index(False) == most - 1, "the one that fills the window is taken, and says so"
        waiting = asyncio.create_task(appender.wait_accepting())
        done, _ = await asyncio.wait({waiting}, timeout=0.05)
        assert not done
        log.let_go()
        await asyncio.wait_for(waiting, 2)
        assert await appender.flush() == 303


async def test_a_lost_fence_writes_nothing_more(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        claimed, appender = await storage.running("run00001")
        appender.append(EVENT % 1)
        await appender.flush()
        storage.store.finish("run00001", claimed.fence, Outcome.failed("timeout", "given up"))
        await storage.settled("run00001", "FAILED")
        stored = storage.entries("run00001")
        appender.append(EVENT % 2)
        with pytest.raises(FenceLost):
            await appender.flush()
        with pytest.raises(FenceLost):
            appender.append(EVENT % 3)
        assert isinstance(appender.failure, FenceLost)
        storage.store.finish("run00001", claimed.fence, Outcome(RunStatus.SUCCEEDED))
        await storage.create("run00002")
        await storage.claimed("run00002")
        assert storage.entries("run00001") == stored
        assert_log_is_whole(stored)


async def test_an_earlier_attempts_appender_is_fenced_off(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        first, zombie = await storage.running("run00001")
        storage.store.requeue("run00001", first.fence, "drain")
        second = await storage.claimed("run00001", attempt=2)
        assert (second.attempt, second.fence) == (2, first.fence + 1)
        zombie.append(EVENT % 666)
        with pytest.raises(FenceLost):
            await zombie.flush()
        living = storage.log.appender("run00001", second.fence)
        living.bind(asyncio.get_running_loop())
        living.append(EVENT % 1)
        await living.flush()
        events = [e["data"]["event"] for e in storage.entries("run00001") if e["type"] == "event"]
        assert events == [1]


async def test_reading_gives_exactly_what_is_behind_a_cursor_within_bounds(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        claimed, appender = await storage.running("run00001")
        for number in range(50):
            appender.append(EVENT % number)
        await appender.flush()
        run = await storage.store.get("run00001", ANN)
        stored = storage.entries("run00001")
        for after, entries in ((0, 1_000), (0, 7), (51, 10), (52, 10), (10_000, 5)):
            chunk = await storage.log.read(run, after, entries=entries, size_bytes=10**6)
            assert [json.loads(frame) for frame in chunk.frames] == stored[after : after + entries]
            assert chunk.first_seq == after + 1
            assert chunk.end_seq is None
        small = await storage.log.read(run, 0, entries=1_000, size_bytes=300)
        assert 1 <= len(small.frames) < 10
        storage.store.finish("run00001", claimed.fence, Outcome(RunStatus.SUCCEEDED))
        await storage.settled("run00001", "SUCCEEDED")
        assert (await storage.log.read(run, 53, entries=10, size_bytes=100)).end_seq == 53


async def test_waiting_without_a_loop_has_a_deadline(open_store: OpenStorage) -> None:
    async with open_store() as storage:
        await storage.create("run00001", BOB)
        fence = (await storage.claimed("run00001")).fence
        appender = storage.log.appender("run00001", fence)
        log = HoldUp(storage)
        appender.append(EVENT % 1)
        assert await asyncio.to_thread(log.reached.wait, 2)
        appender.append(EVENT % 2)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(appender.flush_blocking, 0.05)
        log.let_go()
        assert await asyncio.to_thread(appender.flush_blocking, 2) == 4
