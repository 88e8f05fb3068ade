"""What followers are told of the queue, with reads that take as long as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from runwire.contracts.actors import User
from runwire.contracts.queue_store import CancelledBatch, QueuePlace, QueuePlaces, QueueView
from runwire.engine.queue_watch import QueueWatch
from runwire.engine.thread_watch import ThreadWatch
from runwire.errors import StorageUnavailable
from runwire.protocol.frames import Frame, Queue, QueueOverview
from runwire.runs.forecast import Forecast
from runwire.runs.limits import RunningLimits
from runwire.runs.state import RunStatus
from runwire.runs.tally import Move, QueueState
from tests.support.deadlines import eventually_async

Q, R = RunStatus.QUEUED, RunStatus.RUNNING


class _SlowQueue:
    """A queue of ``order``; each read waits until the test lets it go on."""

    def __init__(self, *order: str) -> None:
        self.order = list(order)
        self.state = QueueState(queued=len(order))
        self.reads: list[tuple[set[str], asyncio.Future[None]]] = []
        self.failing = False

    async def places(self, run_ids: Collection[str], owners: Collection[str] = (), each: int = 1_000) -> QueuePlaces:
        """Look at the queue now, answer later."""
        order = list(self.order)
        go_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reads.append((set(run_ids), go_on))
        await go_on
        if self.failing:
            raise StorageUnavailable("cannot read")
        wanted = [one for one in order if one in run_ids or "ann" in owners]
        return QueuePlaces(
            len(order), [QueuePlace(one, "ann", "chat", order.index(one) + 1, {}, parked=False) for one in wanted]
        )

    async def next_read(self, number: int) -> None:
        """Wait for a read, and let it go on."""
        await eventually_async(lambda: len(self.reads) == number, f"read {number}")
        self.reads[-1][1].set_result(None)

    async def view(self, actor: User) -> QueueView:
        """Nobody asks."""
        raise NotImplementedError

    async def pause(self, agent: str | None, actor: User) -> None:
        """Nobody asks."""

    async def resume(self, agent: str | None) -> bool:
        """Nobody asks."""
        return False

    async def cancel_some(self, user_id: str, until_ms: int) -> CancelledBatch:
        """Nobody asks."""
        raise NotImplementedError

    async def knows_user(self, user_id: str) -> bool:
        """Nobody asks."""
        return False

    def look(self) -> None:
        """Nobody asks."""


def _watch(queue: _SlowQueue) -> QueueWatch:
    forecast = Forecast(RunningLimits(1))
    return QueueWatch(asyncio.get_running_loop(), queue, forecast, lambda _agent: None)


def _is_quiet(watch: QueueWatch) -> bool:
    """Return whether it neither reads nor will."""
    return watch._timer is None and watch._reading is None


def _move(run_id: str, before: RunStatus | None, status: RunStatus) -> Move:
    return Move(run_id, "ann", "thread", "chat", before, status)


async def test_no_place_comes_behind_the_start() -> None:
    """The run starts while its place is read: what was read is no longer true and is not told."""
    queue, told = _SlowQueue("one"), list[Frame]()
    watch = _watch(queue)
    watch.follow("one", told.append, waits=True)
    await eventually_async(lambda: len(queue.reads) == 1, "its place is read")
    watch.on_moves([_move("one", Q, R)])
    queue.order.remove("one")
    await queue.next_read(1)
    await asyncio.sleep(0)
    assert told == []
    watch.close()


async def test_all_who_wait_cost_one_read() -> None:
    names = [f"run{number}" for number in range(50)]
    queue, told = _SlowQueue(*names), list[Frame]()
    watch = _watch(queue)
    for name in names:
        watch.follow(name, told.append, waits=True)
    watch.follow_queue("ann", told.append)
    await queue.next_read(1)
    await eventually_async(lambda: len(told) == 51, "everybody is told")
    places = [frame for frame in told if isinstance(frame, Queue)]
    assert [(frame.run_id, frame.position, frame.size) for frame in places] == [
        (name, number, 50) for number, name in enumerate(names, 1)
    ]
    assert [len(frame.own) for frame in told if isinstance(frame, QueueOverview)] == [50]
    assert len(queue.reads) == 1
    watch.close()


async def test_nothing_is_read_while_nothing_moves_or_nobody_waits() -> None:
    queue, told = _SlowQueue("one"), list[Frame]()
    watch = _watch(queue)
    watch.on_moves([_move("other", None, R)])
    unfollow = watch.follow("one", told.append, waits=True)
    await queue.next_read(1)
    await eventually_async(lambda: len(told) == 1, "the place is told")
    assert _is_quiet(watch)
    unfollow()
    watch.on_moves([_move("other", R, Q)])
    assert _is_quiet(watch)
    assert len(queue.reads) == 1
    watch.close()


async def test_a_run_that_returns_to_the_queue_is_told_its_place_again() -> None:
    queue, told = _SlowQueue("one"), list[Frame]()
    watch = _watch(queue)
    watch.follow("one", told.append, waits=False)
    await asyncio.sleep(0)
    assert queue.reads == []
    watch.on_moves([_move("one", R, Q)])
    await queue.next_read(1)
    await eventually_async(lambda: len(told) == 1, "the place is told")
    watch.close()


async def test_a_read_that_fails_is_made_again_a_second_later() -> None:
    queue, told = _SlowQueue("one"), list[Frame]()
    watch = _watch(queue)
    watch.follow("one", told.append, waits=True)
    queue.failing = True
    await queue.next_read(1)
    await asyncio.sleep(0)
    failed_at = asyncio.get_running_loop().time()
    queue.failing = False
    await queue.next_read(2)
    assert asyncio.get_running_loop().time() - failed_at >= 0.9
    await eventually_async(lambda: len(told) == 1, "the place is told")
    watch.close()


async def test_a_run_that_is_gone_from_the_queue_is_not_asked_for_again() -> None:
    """It was read as waiting, but had been started before anybody followed it: no move will say so."""
    queue, told = _SlowQueue("two"), list[Frame]()
    watch = _watch(queue)
    watch.follow("one", told.append, waits=True)
    watch.follow("two", told.append, waits=True)
    await queue.next_read(1)
    await eventually_async(lambda: len(told) == 1, "the other's place is told")
    watch.changed()
    await queue.next_read(2)
    assert [wanted for wanted, _ in queue.reads] == [{"one", "two"}, {"two"}]
    watch.close()


def test_a_conversations_follower_hears_of_own_runs_alone() -> None:
    """A deleted conversation's name may become another user's."""
    threads, told = ThreadWatch(), list[Move]()
    unfollow = threads.follow("thread", "ann", told.append)
    mine, other = _move("one", None, R), Move("two", "bob", "thread", "chat", None, R)
    threads.on_moves([mine, other, Move("three", "ann", "elsewhere", "chat", None, R)])
    assert told == [mine]
    unfollow()
    unfollow()
    threads.on_moves([mine])
    assert told == [mine]
