"""Subscribing at any moment of a run, in any order of the loop's work: no entry is missed, none comes twice."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runwire import failpoints
from tests.faults.door import call
from tests.faults.frames import parse_frame
from tests.faults.history import History, StoredLog
from tests.faults.inside import InsideServer
from tests.faults.observer import Address, Wish, connect, follow
from tests.faults.server import Server
from tests.faults.shuffled_loop import ShuffledLoop
from tests.faults.theatre import Theatre

RATE_PER_S = 1_000
Logs = Callable[[], dict[str, StoredLog]]


async def start_run(address: Address, agent: str, value: Any) -> str:
    """Start a run and return its id."""
    status, answer = await call(address, "POST", "/v1/runs", {"agent": agent, "input": value})
    assert status == 202, answer
    return str(answer["id"] if "id" in answer else answer["run_id"])


async def subscribe_at_random(
    address: Address, logs: Logs, journals: Path, chance: random.Random, *, subscribers: int, entries: int
) -> None:
    """Subscribe so many times to a run of so many entries at 1,000 entries/s, each at its own phase; judge."""
    history, length_s = History(), entries / RATE_PER_S
    script = {"count": entries, "interval_s": 1 / RATE_PER_S, "flush_every": 100, "journals": str(journals)}
    run_id = await start_run(address, "journaled", script)

    async def one(delay_s: float, after: int | None, batch: bool) -> None:
        await asyncio.sleep(delay_s)
        observer = await follow(address, run_id, Wish(after=after, batch=batch))
        code = await observer.ended(20.0)
        assert code == 1000, f"closed {code}"
        history.add(observer, run_id, after)

    async with asyncio.TaskGroup() as group:
        for _ in range(subscribers):
            delay_s = chance.uniform(0, length_s * 1.1)
            after = chance.choice([None, 0, 1, chance.randrange(entries), int(delay_s * RATE_PER_S)])
            group.create_task(one(delay_s, after, chance.random() < 0.5))
    history.check(logs())


async def test_any_phase_of_a_burst_is_a_good_moment_to_subscribe(server: Server, chance: random.Random) -> None:
    for _ in range(2):
        await subscribe_at_random(server.address, server.logs, server.journals, chance, subscribers=25, entries=500)


@pytest.mark.faults
@pytest.mark.timeout(120)
async def test_five_hundred_phases_of_a_burst(server: Server, chance: random.Random) -> None:
    for _ in range(10):
        await subscribe_at_random(server.address, server.logs, server.journals, chance, subscribers=50, entries=1_000)


@pytest.fixture
def shuffled(make_data: Callable[[], Path], seed: int) -> Iterator[InsideServer]:
    """A server whose loop takes what is ready in a random order."""
    made = InsideServer(make_data(), lambda: ShuffledLoop(random.Random(seed)))
    made.start()
    yield made
    assert isinstance(made._loop, ShuffledLoop)
    assert made._loop.reordered > 100, "nothing was shuffled"
    made.stop()


async def test_any_order_of_the_loops_work_is_a_good_one(
    shuffled: InsideServer, tmp_path: Path, chance: random.Random
) -> None:
    await subscribe_at_random(shuffled.address, shuffled.logs, tmp_path, chance, subscribers=25, entries=500)


@pytest.mark.faults
@pytest.mark.timeout(240)
async def test_five_hundred_phases_in_any_order_of_the_loops_work(
    shuffled: InsideServer, tmp_path: Path, chance: random.Random
) -> None:
    for _ in range(10):
        await subscribe_at_random(shuffled.address, shuffled.logs, tmp_path, chance, subscribers=50, entries=1_000)


class Held:
    """Holds the writer at a failpoint once :meth:`arm` was called, until :meth:`release`."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._armed = threading.Event()
        self.reached = threading.Event()
        self._go = threading.Event()

    def reach(self, name: str) -> None:
        """Stand in for ``failpoints.reach``; runs on the writer's thread."""
        if name == self._place and self._armed.is_set() and not self.reached.is_set():
            self.reached.set()
            assert self._go.wait(8.0)

    def arm(self) -> None:
        """Hold the next commit."""
        self._armed.set()

    def release(self) -> None:
        """Let it go on."""
        self._go.set()


@pytest.mark.parametrize("place", ["before_commit", "after_commit"])
async def test_subscribing_while_the_terminal_entry_is_being_committed(
    make_data: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The writer stands still on either side of the terminal commit while twenty clients subscribe."""
    held = Held(place)
    monkeypatch.setattr(failpoints, "reach", held.reach)
    inside = InsideServer(make_data())
    await asyncio.to_thread(inside.start)
    try:
        async with Theatre() as theatre:
            run_id = await start_run(inside.address, "puppet", {"port": theatre.port})
            puppet = await theatre.puppet(run_id)
            last = await puppet.emit(30)
            early = await follow(inside.address, run_id)
            await early.until_seq(last, 2.0)
            held.arm()
            puppet.end()
            assert await asyncio.to_thread(held.reached.wait, 2.0)
            cursors = [None, 0, last - 1, last, last + 1] * 4
            late = [await follow(inside.address, run_id, Wish(after=after)) for after in cursors]
            for observer in late:
                await observer.until(lambda observer=observer: bool(observer.texts), 2.0)  # type: ignore[misc]
            held.release()
            history = History(acknowledged=[puppet.told])
            for observer, after in zip([early, *late], [None, *cursors], strict=True):
                assert await observer.ended(3.0) == 1000
                history.add(observer, run_id, after)
            history.check(inside.logs())
    finally:
        held.release()
        await asyncio.to_thread(inside.stop)


async def test_subscribing_around_the_end_always_gives_the_end(server: Server, chance: random.Random) -> None:
    """A hundred clients within a few milliseconds around the terminal commit."""
    history = History()
    async with Theatre() as theatre:
        for _ in range(5):
            run_id = await server.run("puppet", {"port": theatre.port})
            puppet = await theatre.puppet(run_id)
            await puppet.emit(5)

            async def one(delay_s: float, run_id: str = run_id) -> None:
                await asyncio.sleep(delay_s)
                observer = await follow(server.address, run_id)
                assert await observer.ended(5.0) == 1000
                history.add(observer, run_id)

            async with asyncio.TaskGroup() as group:
                for _ in range(20):
                    group.create_task(one(chance.uniform(0, 0.02)))
                await asyncio.sleep(0.01)
                puppet.end()
    history.check(server.logs())


async def opening(address: Address, run_id: str, wish: Wish) -> tuple[int, list[str], int | None]:
    """Return the status of an upgrade, the types of the first two frames, and the seq of the first entry."""
    observer = await connect(address, wish.path(run_id), wish)
    status = await observer.answered()
    if status != 101:
        observer.cut()
        return status, [], None
    await observer.ended(3.0)
    types = [frame.type for frame in observer.frames()[:2] if frame.type in ("connected", "reset")]
    reasons = [frame.reason for frame in observer.frames()[:2] if frame.type == "reset"]
    entries = observer.entries()
    return status, types + reasons, entries[0].seq if entries else None


async def test_every_kind_of_cursor_has_its_answer(server: Server) -> None:
    """S2 and S3: exactly behind the cursor, or one ``reset`` and everything; what is no cursor is refused with 400."""
    run_id = await server.run("scripted", {"steps": [{"text": "a"}, {"text": "b"}]})
    await server.until_ended(run_id, 5.0)
    log = server.logs()[run_id]
    last, epoch = log.last_seq, log.epoch
    good, reset = ["connected"], ["connected", "reset"]
    expected: dict[Wish, tuple[int, list[str], int | None]] = {
        Wish(): (101, good, 1),
        Wish(after=0): (101, good, 1),
        Wish(after=0, epoch=epoch): (101, good, 1),
        Wish(after=3, epoch=epoch): (101, good, 4),
        Wish(after=last): (101, good, None),
        Wish(after=last + 1): (101, [*reset, "ahead"], 1),
        Wish(after=2**63 - 1): (101, [*reset, "ahead"], 1),
        Wish(after=2, epoch="0badc0de.0badc0de"): (101, [*reset, "epoch"], 1),
        Wish(after=2, epoch=""): (101, [*reset, "epoch"], 1),
        Wish(epoch="0badc0de.0badc0de"): (101, [*reset, "epoch"], 1),
        **dict.fromkeys(
            [Wish(after=bad) for bad in (2**63, -1, "x", "", "1.0", "+1", "1_0", "0x1", "٣", "1e3")], (400, [], None)
        ),
    }
    got = {wish: await opening(server.address, run_id, wish) for wish in expected}
    assert got == expected


async def test_an_old_epoch_starts_over_after_the_database_was_replaced(server: Server) -> None:
    """L6: the epoch tells two logs of one run id apart, whatever their lengths."""
    run_id = await server.run("scripted", {"steps": [{"text": "a"}]}, "sameidtwice")
    await server.until_ended(run_id, 5.0)
    old = server.logs()[run_id]
    await server.kill()
    for file in server.data.glob("runwire.db*"):
        file.unlink()
    await server.start()
    await server.run("scripted", {"steps": [{"text": "b"}]}, run_id)
    await server.until_ended(run_id, 5.0)
    observer = await follow(server.address, run_id, Wish(after=2, epoch=old.epoch))
    assert await observer.ended(3.0) == 1000
    frames = [parse_frame(text) for text in observer.texts]
    assert [frame.type for frame in frames[:2]] == ["connected", "reset"]
    assert (frames[1].reason, frames[0].epoch != old.epoch) == ("epoch", True)
    history = History()
    history.add(observer, run_id, 2)
    history.check(server.logs())
