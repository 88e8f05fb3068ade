"""Mission B1: ``connected``, events and states as they happen, everything is out, closed 1000 by itself."""

from __future__ import annotations

import time
from itertools import pairwise

from tests.e2e.conftest import StartServer
from tests.support.database import assert_log_is_whole, stored_entries
from tests.support.process import ServerProcess
from tests.support.sockets import conversing, following, log_of, statuses

SCRIPT = {
    "steps": [
        {"text": "one "},
        {"sleep_s": 0.3},
        {"text": "two "},
        {"sleep_s": 0.3},
        {"emit": {"type": "CUSTOM", "name": "three", "value": 3}},
        {"sleep_s": 0.3},
    ]
}


async def test_b1_connected_then_events_in_real_time_then_1000(process: ServerProcess) -> None:
    """Each event comes well before the next is said: the gaps of the script are seen on the wire."""
    async with conversing(process) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=SCRIPT))["run_id"]
        arrived: dict[str, float] = {}
        async with following(process, run_id, follow=1) as follower:
            connected = await follower.next()
            assert (connected["type"], connected["run_id"]) == ("connected", run_id)
            while "SUCCEEDED" not in statuses(log_of(follower.frames)):
                frame = await follower.next()
                for mark in ("one ", "two ", "three", "SUCCEEDED"):
                    if mark in str(frame["data"]):
                        arrived.setdefault(mark, time.monotonic())
            ending = await follower.to_the_end()
    assert (ending.code, ending.reason) == (1000, "run ended")
    assert log_of(ending.frames) == stored_entries(process.data, run_id)
    marks = list(arrived.values())
    assert list(arrived) == ["one ", "two ", "three", "SUCCEEDED"]
    assert all(later - earlier > 0.2 for earlier, later in pairwise(marks)), arrived


async def test_b1_all_events_are_out_before_the_close(process: ServerProcess) -> None:
    """A flood right before the end: nothing of it is lost to the close."""
    flood = {"steps": [{"burst": {"count": 4000, "bytes": 200}}]}
    async with conversing(process) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=flood))["run_id"]
    async with following(process, run_id, follow=1, batch=1) as follower:
        ending = await follower.to_the_end()
    entries = log_of(ending.frames)
    assert ending.code == 1000
    assert len(entries) == 4003
    assert entries == stored_entries(process.data, run_id)
    assert_log_is_whole(entries)


async def test_b1_a_drain_ends_followers_with_the_truth(start_server: StartServer) -> None:
    """The server ends in mid-run: the follower gets the terminal state and 1000, not a bare drop."""
    server = start_server(drain_sigint_s=0.1)
    hang = {"steps": [{"text": "begun"}, {"hang": "async"}]}
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=hang))["run_id"]
        async with following(server, run_id, follow=1) as follower:
            await follower.until("event")
            server.interrupt()
            ending = await follower.to_the_end()
        idle = await socket.to_the_end()
    assert ending.code == 1000
    end = ending.frames[-1]["data"]
    assert (end["status"], end["error"]["code"], end["error"]["retryable"]) == ("FAILED", "interrupted", True)
    assert log_of(ending.frames) == stored_entries(server.data, run_id)
    assert idle.frames[-1] == {"type": "end", "run_id": run_id, "code": 1000}
    assert idle.code == 1012
