"""Mission B2: idle closes 1001; a client that leaves is cleaned up at once; ``finally`` always."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from tests.e2e.conftest import StartServer
from tests.support.database import stored_status
from tests.support.deadlines import eventually, eventually_async
from tests.support.process import ServerProcess
from tests.support.raw import raw_peer
from tests.support.sockets import conversing, following

HANG = {"steps": [{"text": "begun"}, {"hang": "async"}]}


async def test_b2_idle_closes_1001(start_server: StartServer) -> None:
    server = start_server(idle_timeout_s=0.2)
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=HANG))["run_id"]
        async with following(server, run_id) as follower:
            ending = await follower.to_the_end()
    assert ending.code == 1001
    assert stored_status(server.data, run_id) == "RUNNING"


def _sockets_of(process: ServerProcess) -> int:
    folder = Path(f"/proc/{process.process.pid}/fd")
    count = 0
    for link in folder.iterdir():
        try:
            count += os.readlink(link).startswith("socket:")
        except FileNotFoundError:  # closed while we looked
            continue
    return count


async def test_b2_clients_that_leave_are_cleaned_up_at_once(start_server: StartServer) -> None:
    """However they leave, their descriptors are gone within the limit of a message, in mid-stream."""
    server = start_server()
    flood = {"steps": [{"burst": {"count": 100_000, "bytes": 100, "interval_s": 0.001}}]}
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=flood))["run_id"]
        await socket.ok("run.unfollow", run_id=run_id)
        before = _sockets_of(server)
        for politely in (True, False) * 5:
            async with following(server, run_id, follow=1) as follower:
                await follower.until("event")
                if not politely:
                    follower.drop()
        await eventually_async(lambda: _sockets_of(server) <= before, "every descriptor is given back")
        await socket.ok("run.cancel", run_id=run_id)


async def test_b2_finally_runs_in_the_agent_too(start_server: StartServer, tmp_path: Path) -> None:
    """An agent's own ``finally`` runs when it is cancelled and when the server ends."""
    (tmp_path / "tidy_agents.py").write_text(
        "import asyncio, pathlib\n"
        "async def tidy(ctx, input):\n"
        "    try:\n"
        "        await ctx.text('begun')\n"
        "        await asyncio.Event().wait()\n"
        "    finally:\n"
        "        pathlib.Path(input).write_text('tidied up')\n"
    )
    server = start_server(agents=("tidy_agents:tidy",), modules=tmp_path, drain_sigint_s=0.1)
    cancelled, interrupted = tmp_path / "cancelled", tmp_path / "interrupted"
    async with conversing(server) as socket:
        first = (await socket.ok("run.start", agent="tidy", input=str(cancelled)))["run_id"]
        await socket.ok("run.start", agent="tidy", input=str(interrupted))
        await eventually_async(lambda: stored_status(server.data, first) == "RUNNING", "it runs")
        await socket.ok("run.cancel", run_id=first)
        await socket.until_end(first)
        assert cancelled.read_text() == "tidied up"
        assert not interrupted.exists()
        server.interrupt()
    eventually(interrupted.exists, "the agent tidied up when the server ended")


async def test_b2_a_stranger_that_says_nothing_holds_nothing(start_server: StartServer) -> None:
    """Half a request head, or none: the connection is gone after the handshake's time."""
    server = start_server(handshake_timeout_s=0.2, auth_timeout_s=0.2)
    for words in (b"", b"GET / HTTP/1.1\r\nHost: x", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /half"):
        async with raw_peer(server.origin) as peer:
            peer.writer.write(words)
            assert await peer.gone(), words
    async with httpx.AsyncClient(base_url=server.origin, verify=False) as http:
        assert (await http.get("/healthz")).status_code == 200
