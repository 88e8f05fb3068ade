"""Processes and peers that stand still: SIGSTOP, black holes, readers that never read, readers at 1 KB/s."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from dataclasses import replace

import pytest

from tests.faults.conftest import StartServer
from tests.faults.follower import Follower
from tests.faults.history import History
from tests.faults.journal import read_journals
from tests.faults.observer import Observer, Wish, follow
from tests.faults.procfs import connections, held
from tests.faults.proxy import FaultProxy, Faults
from tests.faults.server import Server

STUCK_READER_KIB = 512
"""What a reader that never reads may cost (protocol, S8)."""


def delays_s(observer: Observer) -> list[float]:
    """Return how long each event that was made while it watched took to arrive, seconds."""
    found = []
    for text, moment in zip(observer.texts, observer.times, strict=True):
        for piece in text.split(b'"t":')[1:]:
            made = float(piece.partition(b",")[0])
            if made > observer.times[0]:
                found.append(moment - made)
    return found


def percentile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def stopped_for(server: Server, seconds: float) -> None:
    """Freeze a server under three followers of a run; it goes on where it stood, on the same sockets."""
    script = {"count": 200, "interval_s": 0.005, "flush_every": 5, "journals": str(server.journals)}
    run_id = await server.run("journaled", script)
    observers = [await follow(server.address, run_id, Wish(batch=batch)) for batch in (True, False, True)]
    await observers[0].until_seq(40, 5.0)
    server.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    server.signal(signal.SIGCONT)
    history = History()
    for observer in observers:
        assert await observer.ended(5.0) == 1000
        history.add(observer, run_id)
    history.acknowledged = read_journals(server.journals)
    history.check(server.logs())
    assert server.logs()[run_id].status == "SUCCEEDED"


async def test_a_server_that_was_stopped_goes_on(new_server: StartServer) -> None:
    """Longer than a ping and its answer may take: who answers late because *we* slept is not cut."""
    server = new_server(PING_INTERVAL_S="0.3", PING_TIMEOUT_S="0.3", HEARTBEAT_S="0.2", STUCK_TIMEOUT_S="0.5")
    await server.start()
    await stopped_for(server, 1.5)


@pytest.mark.faults
@pytest.mark.timeout(60)
@pytest.mark.parametrize("seconds", [3, 30])
async def test_a_server_that_was_stopped_for_long_goes_on(server: Server, seconds: int) -> None:
    await stopped_for(server, seconds)


@pytest.mark.parametrize(
    ("up", "down"), [(True, True), (True, False), (False, True)], ids=["both ways", "up only", "down only"]
)
async def test_a_half_open_peer_is_dropped_and_may_come_back(
    new_server: StartServer, up: bool, down: bool, chance: random.Random
) -> None:
    """The cable is pulled: no FIN, no RST. The server lets go within ping interval and timeout."""
    server = new_server(PING_INTERVAL_S="0.3", PING_TIMEOUT_S="0.3")
    await server.start()
    script = {"count": 120, "interval_s": 0.01, "journals": str(server.journals)}
    run_id = await server.run("journaled", script)
    async with FaultProxy(server.port) as proxy:
        address = replace(server.address, port=proxy.own_port)
        follower = Follower(lambda: address, run_id, chance)
        await (await follower.open()).until_seq(20, 3.0)
        link = proxy.links[0]
        assert link.up is not None
        assert link.down is not None
        link.up.faults, link.down.faults = Faults(hole=up), Faults(hole=down)
        assert connections(server.pid, server.port) == 1
        async with asyncio.timeout(2.5):
            while connections(server.pid, server.port):  # noqa: ASYNC110  # the kernel tells nobody
                await asyncio.sleep(0.05)
        follower.socket.cut()
        await follower.to_the_end(8.0)
    history = History()
    follower.tell(history, cuts=True)
    history.check(server.logs())


async def test_a_reader_that_never_reads_is_cut_and_comes_back_to_everything(
    new_server: StartServer, chance: random.Random
) -> None:
    """S8: no byte taken for the limit → aborted within a second; nothing of the log is lost by it."""
    server = new_server(STUCK_TIMEOUT_S="0.6")
    await server.start()
    script = {"count": 3_000, "pad_bytes": 1_000, "flush_every": 100, "journals": str(server.journals)}
    run_id = await server.run("journaled", script)
    follower = Follower(lambda: server.address, run_id, chance, Wish(receive_buffer_bytes=4096))
    socket = await follower.open()
    socket.freeze()
    await server.until_ended(run_id, 8.0)
    started = time.monotonic()
    while "4008" not in server.log:
        assert time.monotonic() - started < 3.0, "the stuck reader was never cut"
        await asyncio.sleep(0.05)
    socket.thaw()
    assert await socket.ended(2.0) is None, "a cut reader gets no close frame, a full buffer cannot carry one"
    await follower.to_the_end(8.0)
    history = History()
    follower.tell(history, cuts=True)
    history.check(server.logs())


@pytest.mark.faults
@pytest.mark.timeout(90)
async def test_a_hundred_readers_that_never_read_cost_half_a_mebibyte_each_and_slow_nobody(
    new_server: StartServer,
) -> None:
    server = new_server(STUCK_TIMEOUT_S="60", PING_INTERVAL_S="100")
    await server.start()
    quiet, loud, costs_kib = [], [], []
    for _ in range(3):  # in turns, and the best of each: a busy machine slows single rounds, stuck readers all of them
        p99_s, before_kib = await _measured(server, stuck=0)
        quiet.append(p99_s)
        p99_s, after_kib = await _measured(server, stuck=100)
        loud.append(p99_s)
        costs_kib.append((after_kib - before_kib) / 100)
    print(f"stuck reader {costs_kib[0]:.0f} KiB; p99 {min(quiet) * 1000:.2f} → {min(loud) * 1000:.2f} ms")
    assert max(costs_kib) <= STUCK_READER_KIB
    assert min(loud) <= min(quiet) * 1.2 + 0.002, "more than the clock's own noise"


async def _measured(server: Server, stuck: int) -> tuple[float, int]:
    """Return the p99 of ten healthy readers of a paced run, seconds, while ``stuck`` others read nothing of a flood,
    and the server's memory then, KiB.
    """
    journals = str(server.journals)
    flood = await server.run(
        "journaled", {"count": 5_000, "pad_bytes": 1_000, "flush_every": 200, "journals": journals}
    )
    await server.until_ended(flood, 20.0)
    frozen: list[Observer] = []
    for _ in range(stuck):
        frozen.append(await follow(server.address, flood, Wish(receive_buffer_bytes=4096)))
        frozen[-1].freeze()
    run_id = await server.run(
        "journaled", {"count": 1_000, "interval_s": 0.005, "flush_every": 50, "journals": journals}
    )
    healthy = [await follow(server.address, run_id) for _ in range(10)]
    await healthy[0].until_seq(800, 20.0)
    memory_kib = held(server.pid).memory_kib
    for observer in healthy:
        assert await observer.ended(20.0) == 1000
    for observer in frozen:
        observer.cut()
    return percentile([delay for observer in healthy for delay in delays_s(observer)], 0.99), memory_kib


@pytest.mark.faults
@pytest.mark.timeout(120)
async def test_a_reader_at_one_kilobyte_a_second_hurts_nobody(new_server: StartServer, chance: random.Random) -> None:
    """Slow but honest: it takes a byte now and then, so it is not stuck; ten fast readers do not notice it."""
    server = new_server(SLOW_FRAME_TIMEOUT_S="60")
    await server.start()
    script = {"count": 2_000, "interval_s": 0.005, "pad_bytes": 500, "journals": str(server.journals)}
    run_id = await server.run("journaled", script)
    slow = Faults(bytes_per_s=1_000)
    async with FaultProxy(server.port, down=slow, receive_buffer_bytes=4096) as proxy:
        crawler = await follow(replace(server.address, port=proxy.own_port), run_id)
        fast = [await follow(server.address, run_id) for _ in range(10)]
        for observer in fast:
            assert await observer.ended(40.0) == 1000
        await asyncio.sleep(15)
        assert not crawler.lost, "a reader that takes a byte now and then was cut"
        crawler.cut()
    delays = [delay for observer in fast for delay in delays_s(observer)]
    print(f"fast readers' p99 {percentile(delays, 0.99) * 1000:.2f} ms")
    assert percentile(delays, 0.99) < 0.05
    history = History(acknowledged=read_journals(server.journals))
    for observer in [*fast, crawler]:
        history.add(observer, run_id)
    history.check(server.logs())
