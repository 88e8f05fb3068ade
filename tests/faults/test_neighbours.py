"""Agents that misbehave, and a wall clock that jumps: their own run bears it, the others notice nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runwire.clock import SystemClock
from tests.faults.conftest import StartServer
from tests.faults.door import call
from tests.faults.history import History
from tests.faults.inside import InsideServer
from tests.faults.journal import read_journals
from tests.faults.observer import Wish, follow
from tests.faults.procfs import held
from tests.faults.server import Server
from tests.faults.test_frozen import delays_s, percentile

NOTICED_S = 0.1
"""A p99 that somebody would notice, on a machine that also runs the tests; the benchmark measures the real figure."""


async def others_p99_s(server: Server, while_running: str) -> float:
    """Return the p99 of ten followers of paced runs while another run misbehaves."""
    script = {"count": 200, "interval_s": 0.005, "flush_every": 20, "journals": str(server.journals)}
    run_ids = [await server.run("journaled", script) for _ in range(5)]
    observers = [await follow(server.address, run_id) for run_id in run_ids for _ in range(2)]
    history = History()
    for observer, run_id in zip(observers, [run_id for run_id in run_ids for _ in range(2)], strict=True):
        assert await observer.ended(8.0) == 1000
        history.add(observer, run_id)
    assert (await server.status(while_running))["status"] == "RUNNING", "the bad neighbour was gone too early"
    history.acknowledged = read_journals(server.journals)
    history.check(server.logs(), ended=False)
    return percentile([delay for observer in observers for delay in delays_s(observer)], 0.99)


async def test_a_coroutine_that_blocks_its_loop_blocks_nobody_else(server: Server) -> None:
    blocked = await server.run("blocker", {"seconds": 2})
    assert await others_p99_s(server, blocked) < NOTICED_S
    assert (await server.until_ended(blocked, 6.0))["status"] == "SUCCEEDED"


@pytest.mark.faults
@pytest.mark.timeout(60)
async def test_a_coroutine_that_blocks_its_loop_for_25_s_blocks_nobody_else(server: Server) -> None:
    """Its own subscriber hears heartbeats all the while, and is not closed."""
    blocked = await server.run("blocker", {"seconds": 25})
    watching = await follow(server.address, blocked)
    rounds = [await others_p99_s(server, blocked) for _ in range(10)]
    assert sorted(rounds)[5] < NOTICED_S
    assert await watching.ended(30.0) == 1000
    assert sum(frame.type == "heartbeat" for frame in watching.frames()) >= 2
    assert watching.entries()[-1].data.status == "SUCCEEDED"


async def test_a_thread_that_never_yields_slows_nobody_much_and_is_given_up(new_server: StartServer) -> None:
    """Pure Python that spins for ever: told to stop, it does not; its run ends all the same and says why."""
    server = new_server(CANCEL_GRACE_S="0.3", DRAIN_SIGTERM_S="0.2")
    await server.start()
    spinning = await server.run("spinner", {})
    assert await others_p99_s(server, spinning) < 2 * NOTICED_S
    await server.request("POST", f"/v1/runs/{spinning}/cancel")
    run = await server.until_ended(spinning, 3.0)
    end = server.logs()[spinning].entries[-1].data
    assert (run["status"], (end.error or {}).get("code")) == ("FAILED", "stuck_thread")
    assert (await server.request("GET", "/readyz"))[1]["stuck_threads"] == 1


async def test_a_thread_that_never_yields_meets_its_time_limit(new_server: StartServer) -> None:
    server = new_server(CANCEL_GRACE_S="0.2")
    await server.start()
    spinning = await server.run("spinner", {}, timeout_s=1)
    await server.until_ended(spinning, 4.0)
    assert (server.logs()[spinning].entries[-1].data.error or {}).get("code") == "timeout"


async def test_an_agent_that_was_given_up_says_nothing_behind_the_end(new_server: StartServer) -> None:
    """A zombie: its run has ended without it, and then it wakes up and speaks."""
    server = new_server(CANCEL_GRACE_S="0.2")
    await server.start()
    blocked = await server.run("blocker", {"seconds": 1})
    observer = await follow(server.address, blocked)
    await observer.until_seq(4, 2.0)
    await server.request("POST", f"/v1/runs/{blocked}/cancel")
    assert await observer.ended(2.0) == 1000
    assert (observer.entries()[-1].data.error or {}).get("code") == "stuck_thread"
    async with asyncio.timeout(4.0):
        while (await server.request("GET", "/readyz"))[1]["stuck_threads"]:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.05)
    history = History()
    history.add(observer, blocked)
    history.check(server.logs())
    assert server.logs()[blocked].last_seq == observer.entries()[-1].seq


async def test_what_json_cannot_hold_is_refused_by_name_and_burns_no_seq(server: Server) -> None:
    """Lone surrogate, NaN, 50 MB, a cycle, …: refused or mended, in bounded memory; what is good goes on."""
    before = held(server.pid).memory_kib
    run_id = await server.run("odd", {})
    observer = await follow(server.address, run_id, Wish(batch=False))
    assert await observer.ended(8.0) == 1000
    answers = observer.entries()[-1].data.result
    assert answers == ["taken", *["event_refused"] * 11, "taken"]
    mended, good = [entry for entry in observer.entries() if entry.type == "event"]
    assert (mended.data.name, mended.data.value) == ("lone \ufffd surrogate", "\ufffd")
    assert (good.data.name, good.seq) == ("good", mended.seq + 1)
    history = History()
    history.add(observer, run_id)
    history.check(server.logs())
    again = await server.run("odd", {})
    await server.until_ended(again, 8.0)
    assert held(server.pid).memory_kib - before < 160_000, "50 MB values stay in memory"


CONNECTIONS = 4
"""What the server keeps open to its database: the writer, two readers, the lease keeper."""


class JumpingClock(SystemClock):
    """The system's clocks, with a wall clock that somebody sets."""

    jump_ms = 0

    def now_ms(self) -> int:
        """Return wall time as it was set."""
        return super().now_ms() + self.jump_ms


@pytest.mark.parametrize("days", [1, -1])
async def test_a_wall_clock_that_jumps_a_day_changes_nothing(
    make_data: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Only ``ts_ms`` jumps: no lease, no deadline, no heartbeat, no idle limit goes by the wall clock."""
    clock = JumpingClock()
    monkeypatch.setattr("runwire.wiring.core.SystemClock", lambda: clock)
    inside = InsideServer(make_data(), heartbeat_s=0.3, idle_timeout_s=1.5)
    await asyncio.to_thread(inside.start)
    try:
        script: Any = {"count": 200, "interval_s": 0.005, "delay_s": 0.7, "journals": str(tmp_path)}
        _, run = await call(inside.address, "POST", "/v1/runs", {"agent": "journaled", "input": script})
        observer = await follow(inside.address, run["id"])
        idle = await follow(inside.address, run["id"], Wish(after=2**62, to_the_end=False))
        await observer.until_seq(2, 3.0)
        clock.jump_ms = days * 86_400_000
        started = time.monotonic()
        await observer.until_seq(150, 5.0)
        clock.jump_ms = 0
        assert await observer.ended(5.0) == 1000
        assert time.monotonic() - started < 5.0
        idle.leave()
        heartbeats = sum(frame.type == "heartbeat" for frame in observer.frames())
        assert 1 <= heartbeats <= 5
        history = History(acknowledged=read_journals(tmp_path))
        history.add(observer, run["id"])
        history.check(inside.logs())
        jumps = [later.ts_ms - earlier.ts_ms for earlier, later in zip(observer.entries(), observer.entries()[1:])]  # noqa: B905
        assert max(map(abs, jumps)) > 86_000_000, "the clock never jumped"
        assert inside.status(run["id"]) == "SUCCEEDED"
    finally:
        await asyncio.to_thread(inside.stop)


async def every_kind_of_ending(server: Server) -> None:
    """Let runs and sockets end in every way there is."""
    for agent, value in (
        ("journaled", {"count": 50, "journals": str(server.journals)}),
        ("echo", "hello"),
        ("scripted", {"steps": [{"text": "a"}, {"raise": "BaseException"}]}),
        ("scripted", {"steps": [{"text": "a"}, {"fail": "on purpose"}]}),
    ):
        run_id = await server.run(agent, value)
        observers = [await follow(server.address, run_id, Wish(after=after)) for after in (None, 0, 1, 99)]
        for observer in observers:
            await observer.ended(5.0)
    run_id = await server.run("scripted", {"steps": [{"hang": "async"}]})
    rude = [await follow(server.address, run_id) for _ in range(20)]
    for number, observer in enumerate(rude):
        await observer.until_seq(2, 3.0)
        if number % 2:
            observer.cut()
        else:
            observer.leave()
    await server.request("POST", f"/v1/runs/{run_id}/cancel")
    await server.until_ended(run_id, 3.0)


async def test_everything_is_given_back(server: Server) -> None:
    """Tasks, threads, descriptors and children stand where they stood once runners and readers are warm."""
    for _ in range(3):
        await every_kind_of_ending(server)
    async with asyncio.timeout(5.0):
        while held(server.pid).kinds["runwire.db"] < CONNECTIONS:  # noqa: ASYNC110  # the lease keeper's comes late
            await asyncio.sleep(0.1)
    async with asyncio.timeout(8.0):  # the housekeeping two seconds after the start makes the loop's helper thread
        while not any(name.startswith("asyncio_") for name in (await census(server))["threads"]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    first, baseline = await census(server), held(server.pid)
    for _ in range(3):
        await every_kind_of_ending(server)
    assert await census(server) == first
    after = held(server.pid)
    assert after.kinds - baseline.kinds == {}
    assert after.children == baseline.children
    assert after.threads <= baseline.threads
    assert after.memory_kib - baseline.memory_kib < 8_000


async def census(server: Server) -> dict[str, Any]:
    """Return the server's pending tasks, and its threads but the runners, in a moment when nobody asks anything."""
    run_id = await server.run("census", {})
    async with asyncio.timeout(5.0):
        while server.logs()[run_id].status != "SUCCEEDED":  # noqa: ASYNC110  # a request would count itself
            await asyncio.sleep(0.1)
    found = server.logs()[run_id].entries[-1].data.result
    found["threads"] = [name for name in found["threads"] if not name.startswith("runwire-runner")]
    assert isinstance(found, dict)
    return found
