"""A draining server: reachable until its runs are settled, truthful to whoever follows them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect

from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.raw import raw_peer
from tests.support.sockets import conversing, following, log_of, opened, statuses


@asynccontextmanager
async def draining(server: EmbeddedServer) -> AsyncIterator[None]:
    """Send the server its SIGTERM for the block, and wait for its end behind it."""
    stopping = asyncio.ensure_future(asyncio.to_thread(server.stop))
    await eventually_async(lambda: server.services.connections.draining, "the drain has begun")
    try:
        yield
    finally:
        await stopping


async def test_new_work_is_refused_from_new_connections_and_followers_may_come_back(
    make_server: MakeServer, gate: Gate
) -> None:
    server = make_server(drain_sigterm_s=6)
    async with server.http() as http, conversing(server) as socket:
        run_id = await start(http, "gated", {"gate": gate.name})
        async with draining(server):
            async with server.http() as fresh:
                problem_of(await fresh.post("/v1/runs", json={"agent": "echo"}), 503, "server_stopping")
                readiness = await fresh.get("/readyz")
                assert (readiness.status_code, readiness.json()["problems"]) == (503, ["the server is stopping"])
            refusal = await socket.refused("run.start", agent="echo", input="x")
            assert (refusal["code"], refusal["retryable"]) == ("server_stopping", True)
            async with opened(server, "/ws") as late:
                assert (await late.to_the_end()).code == 1013
            async with following(server, run_id, follow=1) as follower:
                await follower.until("connected")
                gate.open()
                ending = await follower.to_the_end()
    assert ending.code == 1000
    assert statuses(log_of(ending.frames))[-1] == "SUCCEEDED"


async def test_a_follower_that_is_behind_gets_what_is_committed_before_its_socket_ends(make_server: MakeServer) -> None:
    """The reader has not begun when the server starts to end: most of the log is neither sent nor in a buffer."""
    many = 20_000
    server = make_server(drain_sigterm_s=0.05)
    script = {"steps": [{"burst": {"count": many, "bytes": 300}}, {"hang": "async"}]}
    async with server.http() as http:
        run_id = await start(http, "scripted", script)
        await eventually_async(lambda: server.last_seq(run_id) == many + 2, "the burst is committed", 8)
    url = f"{server.ws_origin}/ws/runs/{run_id}?follow=1&batch=1"
    headers = {"Authorization": f"Bearer {server.token}"}
    async with asyncio.timeout(9), connect(url, additional_headers=headers, max_queue=1, compression=None) as reader:
        async with draining(server):
            await eventually_async(lambda: server.last_seq(run_id) == many + 3, "the run is settled")
            entries = log_of([json.loads(frame) async for frame in reader])
        assert reader.close_code == 1000
    assert [entry["seq"] for entry in entries] == list(range(1, many + 4))
    assert entries[-1]["data"]["error"]["code"] == "interrupted"


async def test_a_request_body_that_does_not_come_is_408_and_its_connection_ends(make_server: MakeServer) -> None:
    server = make_server(handshake_timeout_s=0.3)
    async with raw_peer(server.origin) as peer:
        peer.writer.write(b"POST /v1/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        head = await peer.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        rest = await asyncio.wait_for(peer.reader.read(), 2)
        assert b'"code":"request_timeout"' in rest
    async with server.http() as http:
        assert (await ended(server, await start(http, "echo", "still here")))["status"] == "SUCCEEDED"
