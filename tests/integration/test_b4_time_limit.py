"""Mission B4: a run has a time limit, and it holds whatever the code does."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.gates import Gate
from tests.support.http import ended, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.sockets import following, log_of

pytestmark = EVERY_ISOLATION

HANG = {"steps": [{"text": "begun"}, {"hang": "async"}]}
GRACE_S = 0.3


LIMITS: list[tuple[str, Any]] = [
    ("scripted", {"steps": [{"text": "begun"}, {"hang": "async"}]}),
    ("swallows", None),
    ("blocked", "gate"),
]


@pytest.mark.parametrize(("agent", "input"), LIMITS, ids=[agent for agent, _ in LIMITS])
async def test_b4_the_time_limit_holds_whatever_the_code_does(
    make_server: MakeServer, gate: Gate, agent: str, input: Any
) -> None:
    """FAILED ``timeout`` by limit + grace, written from outside when the code never looks up."""
    server = make_server(cancel_grace_s=GRACE_S)
    given = {"gate": gate.name} if input == "gate" else input
    begun = time.monotonic()
    async with server.http() as http:
        run_id = await start(http, agent, given, timeout_s=0.2)
        async with following(server, run_id, follow=1) as follower:
            ending = await follower.to_the_end()
    assert time.monotonic() - begun < 0.2 + GRACE_S + 1.5, "by limit + grace, and what a busy machine adds"
    assert ending.code == 1000
    end = ending.frames[-1]["data"]
    assert (end["status"], end["error"]["code"]) == ("FAILED", "timeout")
    assert log_of(ending.frames) == server.entries(run_id)


async def test_b4_the_limit_is_the_smaller_of_the_servers_and_the_runs(make_server: MakeServer) -> None:
    server = make_server(run_timeout_s=0.2)
    async with server.http() as http:
        long = await start(http, "scripted", HANG, timeout_s=500)
        none = await start(http, "scripted", HANG)
        for run_id in (long, none):
            end = await ended(server, run_id)
            assert end["error"]["code"] == "timeout"
            assert (await http.get(f"/v1/runs/{run_id}")).json()["timeout_s"] == 0.2


async def test_b4_waiting_in_the_queue_does_not_count(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http() as http:
        first = await start(http, "gated", {"gate": gate.name}, timeout_s=9)
        second = await start(http, "echo", "x", timeout_s=0.3)
        created = server.entries(second)[0]["ts_ms"]
        await eventually_async(lambda: time.time() * 1000 > created + 500, "the second has waited beyond its limit")
        gate.open()
        assert (await ended(server, second))["status"] == "SUCCEEDED"
        await ended(server, first)
