"""Protocol, section 3, S1–S5: cursors, resets, order, the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.database import assert_log_is_whole
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.sockets import Ending, conversing, following, log_of

WORDS = "one two three four five"


async def _ended_run(server: EmbeddedServer) -> tuple[str, str, int]:
    """Execute a run to its end; return its id, its epoch and its last seq."""
    async with conversing(server) as socket:
        run = await socket.ok("run.start", agent="echo", input=WORDS)
        await socket.until("end", run_id=run["run_id"])
    return run["run_id"], run["epoch"], len(server.frames(run["run_id"]))


async def _follow(server: EmbeddedServer, run_id: str, **query: Any) -> Ending:
    async with following(server, run_id, **query) as socket:
        return await socket.to_the_end()


async def test_s1_connected_comes_first_with_exactly_these_facts(server: EmbeddedServer) -> None:
    run_id, epoch, last = await _ended_run(server)
    ending = await _follow(server, run_id)
    assert ending.frames[0] == {
        "type": "connected",
        "run_id": run_id,
        "status": "SUCCEEDED",
        "epoch": epoch,
        "first_seq": 1,
        "last_seq": last,
        "resumed": True,
        "heartbeat_s": 10.0,
        "protocol": "runwire.v1",
    }


async def test_s2_without_a_cursor_comes_the_whole_log_as_it_is_stored(server: EmbeddedServer) -> None:
    run_id, _, _ = await _ended_run(server)
    ending = await _follow(server, run_id)
    assert ending.raw[1:] == server.frames(run_id), "the very bytes, never encoded again"
    assert (ending.code, ending.reason) == (1000, "run ended")
    assert_log_is_whole(server.entries(run_id))


async def test_s2_behind_a_cursor_come_exactly_the_later_entries(server: EmbeddedServer) -> None:
    run_id, epoch, last = await _ended_run(server)
    stored = server.frames(run_id)
    for after in (0, 1, last - 1, last):
        for query in ({"after": after}, {"after": after, "epoch": epoch}):
            ending = await _follow(server, run_id, **query)
            assert ending.frames[0]["resumed"] is True
            assert ending.raw[1:] == stored[after:]
            assert ending.code == 1000


@pytest.mark.parametrize(
    "after", ["-1", "x", str(2**63), "1.0", "", "+1", " 1", "٣", "²", "0x1", "1e3", "9" * 30, "9" * 5000]
)
async def test_s2_a_cursor_that_is_none_is_400(server: EmbeddedServer, after: str) -> None:
    run_id, _, _ = await _ended_run(server)
    with pytest.raises(InvalidStatus) as refused:
        async with following(server, run_id, after=after):
            pass
    assert refused.value.response.status_code == 400
    assert b"after" in refused.value.response.body


@pytest.mark.parametrize("name", ["follow", "batch"])
async def test_a_flag_that_is_none_is_400(server: EmbeddedServer, name: str) -> None:
    query: Any = {name: "yes"}
    with pytest.raises(InvalidStatus) as refused:
        async with following(server, "a" * 24, **query):
            pass
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize("beyond", [1, 1000, 2**63 - 1])
async def test_s3_a_cursor_ahead_of_the_log_is_reset(server: EmbeddedServer, beyond: int) -> None:
    run_id, _, last = await _ended_run(server)
    ending = await _follow(server, run_id, after=min(last + beyond, 2**63 - 1))
    assert ending.frames[0]["resumed"] is False
    reset = {"type": "reset", "run_id": run_id, "reason": "ahead", "first_seq": 1, "last_seq": last}
    assert ending.frames[1] == reset
    assert ending.raw[2:] == server.frames(run_id)
    assert ending.code == 1000


@pytest.mark.parametrize("after", [None, 0, 3])
async def test_s3_another_epoch_is_reset(server: EmbeddedServer, after: int | None) -> None:
    run_id, _, last = await _ended_run(server)
    query: dict[str, Any] = {"epoch": "00000000.00000000", **({} if after is None else {"after": after})}
    ending = await _follow(server, run_id, **query)
    assert ending.frames[0]["resumed"] is False
    reset = {"type": "reset", "run_id": run_id, "reason": "epoch", "first_seq": 1, "last_seq": last}
    assert ending.frames[1] == reset
    assert ending.raw[2:] == server.frames(run_id)


async def test_s4_live_and_replay_are_one_sequence(server: EmbeddedServer, gate: Gate) -> None:
    """Followers that come before, while and after the agent speaks all see each entry once, in order."""
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        async with following(server, run_id, follow=1) as early:
            await early.until("event")
            async with following(server, run_id, follow=1, after=1) as late:
                assert (await late.next())["status"] == "RUNNING"
                gate.open()
                endings = [await early.to_the_end(), await late.to_the_end()]
    stored = server.frames(run_id)
    assert endings[0].raw[1:] == stored
    assert endings[1].raw[1:] == stored[1:]


async def test_s4_followers_at_every_moment_of_a_flood_miss_and_repeat_nothing(server: EmbeddedServer) -> None:
    flood = {"steps": [{"burst": {"count": 3000, "bytes": 40}}]}
    async with server.http() as http:
        run_id = (await http.post("/v1/runs", json={"agent": "scripted", "input": flood})).json()["id"]

    async def follow(delay_turns: int) -> Ending:
        for _ in range(delay_turns):
            await asyncio.sleep(0)
        return await _follow(server, run_id, follow=1, batch=delay_turns % 2)

    endings = await asyncio.gather(*(follow(turns) for turns in range(0, 60, 6)))
    stored = server.entries(run_id)
    assert len(stored) == 3003
    for ending in endings:
        assert ending.code == 1000
        assert [entry["seq"] for entry in log_of(ending.frames)] == list(range(1, 3004))
    assert log_of(endings[0].frames) == stored


async def test_s4_reconnecting_with_after_gives_each_entry_exactly_once(server: EmbeddedServer) -> None:
    flood = {"steps": [{"burst": {"count": 400, "bytes": 40, "interval_s": 0.001}}]}
    async with server.http() as http:
        run_id = (await http.post("/v1/runs", json={"agent": "scripted", "input": flood})).json()["id"]
    seen: list[bytes] = []
    epoch: str | None = None
    code = None
    while code is None:
        query: dict[str, Any] = {"follow": 1, "after": len(seen), **({"epoch": epoch} if epoch else {})}
        async with following(server, run_id, **query) as socket:
            epoch = (await socket.next())["epoch"]
            for _ in range(90):
                if (await socket.next())["type"] == "state" and socket.frames[-1]["data"]["status"] == "SUCCEEDED":
                    code = (await socket.to_the_end()).code
                    break
            seen += socket.raw[1:]
            socket.drop()
    assert code == 1000
    assert seen == server.frames(run_id)


async def test_s5_the_server_closes_1000_behind_the_terminal_state(server: EmbeddedServer, gate: Gate) -> None:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        async with following(server, run_id, follow=1) as follower:
            await follower.until("event")
            gate.open()
            ending = await follower.to_the_end()
    assert ending.code == 1000
    assert ending.frames[-1]["type"] == "state"
    assert ending.frames[-1]["data"]["status"] == "SUCCEEDED"


@pytest.mark.parametrize("politely", [True, False])
async def test_b2_a_follower_that_leaves_is_forgotten_at_once(
    server: EmbeddedServer, gate: Gate, politely: bool
) -> None:
    async with server.http() as http:
        run_id = (await http.post("/v1/runs", json={"agent": "gated", "input": {"gate": gate.name}})).json()["id"]
    async with following(server, run_id, follow=1) as follower:
        await follower.until("event")
        assert server.services.bridge.followed_runs == 1
        if not politely:
            follower.drop()
    await eventually_async(lambda: server.services.bridge.followed_runs == 0, "nothing is kept for it")
    await eventually_async(lambda: len(server.services.connections) == 0, "nor is its socket")


async def test_s9_a_laggard_gets_fuller_frames(server: EmbeddedServer) -> None:
    flood = {"steps": [{"burst": {"count": 300, "bytes": 40}}]}
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=flood))["run_id"]
        await socket.until("end", run_id=run_id)
    ending = await _follow(server, run_id, batch=1)
    batches = [frame for frame in ending.frames if frame["type"] == "batch"]
    assert max(len(frame["entries"]) for frame in batches) == 64
    assert all(frame["first_seq"] == frame["entries"][0]["seq"] for frame in batches)
    assert log_of(ending.frames) == server.entries(run_id)


async def test_s9_a_batch_stays_below_its_bytes(server: EmbeddedServer) -> None:
    flood = {"steps": [{"burst": {"count": 20, "bytes": 30_000}}]}
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=flood))["run_id"]
        await socket.until("end", run_id=run_id, within_s=5)
    ending = await _follow(server, run_id, batch=1)
    assert max(len(frame) for frame in ending.raw) <= 65_536 + 200
    assert log_of(ending.frames) == server.entries(run_id)
