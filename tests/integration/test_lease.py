"""A dead worker's runs are settled while the server runs; a zombie's late writes are refused by its fence (L5)."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from runwire.errors import FenceLost
from runwire.persistence.database import database_file
from runwire.runs.lease import LEASE_S
from runwire.runs.record import Outcome
from runwire.runs.state import RunStatus
from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.sockets import following, log_of, statuses

HANG = {"steps": [{"text": "begun"}, {"hang": "async"}]}


def give_to_another_worker(server: EmbeddedServer, run_id: str) -> None:
    """Let the database say that the run is held by a worker that no longer renews."""
    with closing(sqlite3.connect(database_file(server.data), timeout=5)) as connection, connection:
        connection.execute("UPDATE runs SET worker_id = 'gone' WHERE id = ?", (run_id,))
        connection.execute("INSERT INTO leases VALUES ('gone', 41)")


@pytest.mark.timeout(20)
@pytest.mark.slow
async def test_a_dead_workers_run_is_settled_within_lease_and_a_second_and_watchers_see_it(
    make_server: MakeServer,
) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "scripted", HANG)
        await eventually_async(lambda: len(server.entries(run_id)) >= 4, "the run is under way")
        async with following(server, run_id, follow=1) as socket:
            give_to_another_worker(server, run_id)
            ending = await socket.to_the_end(within_s=LEASE_S + 4)
    assert ending.code == 1000
    assert log_of(ending.frames) == server.entries(run_id)
    last = server.entries(run_id)[-1]["data"]
    assert (last["status"], last["error"]["code"], last["error"]["retryable"]) == ("FAILED", "worker_lost", True)


async def test_a_zombies_late_writes_are_refused_by_its_fence(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "scripted", HANG)
        await eventually_async(lambda: len(server.entries(run_id)) >= 4, "the run is under way")
        store, bridge = server.services.store, server.services.bridge
        zombie = bridge.appender(run_id, 1)
        server.on_loop(lambda: store.requeue(run_id, 1, "worker_lost"))
        await eventually_async(lambda: statuses(server.entries(run_id)).count("RUNNING") == 2, "attempt 2 runs")
        zombie.append(b'{"type":"CUSTOM","name":"late","value":1}')
        with pytest.raises(FenceLost):
            zombie.flush_blocking(2.0)
        store.finish(run_id, 1, Outcome(RunStatus.SUCCEEDED))
        await http.post(f"/v1/runs/{run_id}/cancel")
        await ended(server, run_id, within_s=8)
    entries = server.entries(run_id)
    assert statuses(entries) == ["QUEUED", "RUNNING", "QUEUED", "RUNNING", "CANCELLED"]
    assert [entry["data"]["attempt"] for entry in entries if entry["type"] == "state"] == [1, 1, 2, 2, 2]
    assert not any(entry["data"].get("name") == "late" for entry in entries)


async def test_a_server_without_runs_writes_no_lease(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"sleep_s": 1.6}]})
        await ended(server, run_id, within_s=6)
        counters = _counters(server)
        assert len(counters) == 1
        await ended(server, await start(http, "echo", "x"))
    assert _counters(server) == counters


def _counters(server: EmbeddedServer) -> list[int]:
    with closing(sqlite3.connect(database_file(server.data), timeout=5)) as connection:
        return [row[0] for row in connection.execute("SELECT counter FROM leases")]
