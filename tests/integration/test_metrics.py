"""``/metrics``, ``/v1/status`` and ``/v1/browsers``: what they tell is what happened, and only admins are told."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import InvalidStatus

from runwire.web.metrics import METRICS
from tests.conftest import MakeServer
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.raw import raw_peer
from tests.support.sockets import following

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

DOORS = ("/metrics", "/v1/status", "/v1/browsers")


async def scraped(http: httpx.AsyncClient) -> Samples:
    """Read the metrics as Prometheus does."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """Return one sample; 0 if it is not there."""
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


async def counted(server: EmbeddedServer, runs: int) -> None:
    """Wait until so many ends have been counted: that happens after they are stored."""
    ends = server.services.vitals.attempts.counts.ended
    await eventually_async(lambda: ends.total() == runs, f"{runs} ends are counted")


@pytest.mark.parametrize("path", DOORS)
async def test_only_admins_are_told(server: EmbeddedServer, path: str) -> None:
    async with server.http("") as nobody, server.http(server.token_for("ann")) as user, server.http() as admin:
        problem_of(await nobody.get(path), 401, "not_authenticated")
        problem_of(await user.get(path), 403, "scope_missing")
        assert (await admin.get(path)).status_code == 200


async def test_a_setting_opens_the_metrics_and_nothing_else(make_server: MakeServer) -> None:
    server = make_server(metrics_open=True)
    async with server.http("") as nobody:
        assert "runwire_runs_created_total" in (await nobody.get("/metrics")).text
        problem_of(await nobody.get("/v1/status"), 401, "not_authenticated")


async def test_runs_and_what_the_writer_did_are_counted(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        await ended(server, await start(http, "scripted", {"steps": [{"burst": {"count": 100}}]}))
        failed = await start(http, "scripted", {"steps": [{"fail": "no"}]})
        assert (await ended(server, failed))["status"] == "FAILED"
        await counted(server, 2)
        seen = await scraped(http)
    assert value(seen, "runwire_runs_created_total") == 2
    assert value(seen, "runwire_attempts_started_total") == 2
    assert value(seen, "runwire_runs_ended_total", agent="scripted", state="SUCCEEDED") == 1
    assert value(seen, "runwire_runs_ended_total", agent="scripted", state="FAILED") == 1
    assert value(seen, "runwire_run_seconds_count", agent="scripted", state="FAILED") == 1
    assert value(seen, "runwire_queue_wait_seconds_count") == 2
    assert value(seen, "runwire_entries_total") == sum(server.last_seq(run["run_id"]) for run in await _runs(server))
    commits = value(seen, "runwire_commit_items_count")
    assert value(seen, "runwire_commit_seconds_count") == value(seen, "runwire_commit_lag_seconds_count") == commits > 2
    assert value(seen, "runwire_wal_bytes") > 0
    assert value(seen, "process_resident_memory_bytes") > 0
    assert value(seen, "process_open_fds") > 0


async def _runs(server: EmbeddedServer) -> list[dict[str, str]]:
    async with server.http() as http:
        runs: list[dict[str, str]] = (await http.get("/v1/runs")).json()["data"]
        return runs


async def test_a_run_that_waited_is_seen_in_the_queue_and_then_in_its_wait(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http() as http:
        first = await start(http, "gated", {"gate": gate.name})
        await asyncio.to_thread(gate.arrived.wait, 2)
        second = await start(http, "echo", "x")
        third = await start(http, "echo", "x")
        await http.post(f"/v1/runs/{third}/cancel")
        during = await scraped(http)
        gate.open()
        await ended(server, first)
        await ended(server, second)
        await counted(server, 3)
        after = await scraped(http)
    assert (value(during, "runwire_runs_running"), value(during, "runwire_runs_queued")) == (1, 1)
    assert value(during, "runwire_runs_ended_total", agent="none", state="CANCELLED") == 1
    assert value(after, "runwire_queue_wait_seconds_sum") > 0
    assert value(after, "runwire_queue_wait_seconds_count") == 2
    assert (value(after, "runwire_runs_running"), value(after, "runwire_runs_queued")) == (0, 0)


async def test_sockets_are_counted_while_open_and_by_their_end(make_server: MakeServer, gate: Gate) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "gated", {"gate": gate.name})
        async with following(server, run_id) as socket:
            await socket.next()
            during = await scraped(http)
            gate.open()
            assert (await socket.to_the_end()).code == 1000
        ends = server.services.connections.counts.closed
        await eventually_async(lambda: ends["1000"] == 1, "the socket is gone")
        async with following(server, run_id, token="") as stranger:
            await stranger.send({"op": "auth", "token": "wrong"})
            assert (await stranger.to_the_end()).code == 4401
        with pytest.raises(InvalidStatus):
            async with following(server, run_id, token="wrong"):
                pytest.fail("let in")
        await eventually_async(lambda: ends["4401"] == 1, "the stranger is gone")
        after = await scraped(http)
    assert value(during, "runwire_sockets_open") == 1
    assert value(after, "runwire_sockets_open") == 0
    assert value(after, "runwire_sockets_opened_total") == 2
    assert value(after, "runwire_sockets_closed_total", code="1000") == 1
    assert value(after, "runwire_sockets_closed_total", code="4401") == 1
    assert value(after, "runwire_sockets_refused_total", error="not_authenticated") == 2


async def test_a_lost_heartbeat_is_counted_4009(make_server: MakeServer) -> None:
    server = make_server(ping_interval_s=0.1, ping_timeout_s=0.2)
    closed = server.services.connections.counts.closed
    async with server.http() as http, raw_peer(server.origin) as silent:
        assert (await silent.upgrade("/ws", Authorization=f"Bearer {server.token}"))[0] == 101
        await eventually_async(lambda: closed["4009"] == 1, "the peer is given up", 3)
        assert value(await scraped(http), "runwire_sockets_closed_total", code="4009") == 1


async def test_a_stuck_reader_is_counted_4008_though_it_never_hears_of_it(make_server: MakeServer) -> None:
    server = make_server(stuck_timeout_s=0.3)
    closed = server.services.connections.counts.closed
    async with server.http() as http, raw_peer(server.origin) as stuck:
        run_id = await start(http, "scripted", {"steps": [{"burst": {"count": 20_000, "bytes": 600}}]})
        path = f"/ws/runs/{run_id}?batch=1&follow=1"
        assert (await stuck.upgrade(path, Authorization=f"Bearer {server.token}"))[0] == 101
        await ended(server, run_id, within_s=6)
        await eventually_async(lambda: closed["4008"] == 1, "the reader is cut", 3)
        assert value(await scraped(http), "runwire_sockets_closed_total", code="4008") == 1


async def test_requests_are_counted_by_route_never_by_address(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http, server.http("") as nobody:
        await http.get("/v1/runs/someoneelses")
        await http.get("/v1/runs/anotherone1")
        await http.get("/no/such/door")
        await http.get("/nor/this")
        await http.delete("/v1/runs")
        await nobody.get("/v1/runs")
        await http.post("/v1/runs", json={"agent": "broken-check"})
        seen = await scraped(http)
    one = "/v1/runs/{run_id}"
    assert value(seen, "runwire_http_requests_total", method="GET", route=one, status="404") == 2
    assert value(seen, "runwire_http_requests_total", method="other", route="other", status="404") == 2
    assert value(seen, "runwire_http_requests_total", method="other", route="other", status="405") == 1
    assert value(seen, "runwire_http_requests_total", method="GET", route="/v1/runs", status="401") == 1
    assert value(seen, "runwire_http_requests_total", method="POST", route="/v1/runs", status="500") == 1
    assert value(seen, "runwire_http_request_seconds_count", route=one) == 2
    assert value(seen, "runwire_http_refused_total", error="not_authenticated") == 1
    assert not [labels for _, labels in seen if "someoneelses" in str(labels)]


async def test_every_metric_of_the_table_is_exposed_and_bounded(server: EmbeddedServer) -> None:
    async with server.http() as http:
        answer = await http.get("/metrics", headers={"Accept": "application/openmetrics-text"})
        plain = (await http.get("/metrics")).text
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert [metric.name for metric in METRICS if f"# HELP {metric.exposed_name} " not in plain] == []
    labels = {label for metric in METRICS for label in metric.labels}
    assert labels <= {"agent", "state", "code", "error", "method", "route", "status", "reason", "part", "browser"}


async def test_the_status_tells_what_runs_now(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=3)
    async with server.http(server.token_for("ann")) as ann, server.http() as admin:
        run_id = await start(ann, "gated", {"gate": gate.name}, thread_id="talk0001")
        await asyncio.to_thread(gate.arrived.wait, 2)
        status = (await admin.get("/v1/status")).json()
        gate.open()
        await counted(server, 1)
        after = (await admin.get("/v1/status")).json()
    (run,) = status["runs"]
    assert run.pop("age_s") >= 0
    assert 2 <= run.pop("last_seq") <= server.last_seq(run_id)
    told = {"run_id": run_id, "thread_id": "talk0001", "agent": "gated", "user": "ann", "attempt": 1}
    assert run == told
    assert (status["queue"]["running"], status["queue"]["queued"], status["queue"]["max_running"]) == (1, 0, 3)
    assert (after["runs"], after["totals"]["ended"]) == ([], {"SUCCEEDED": 1})
    assert after["process"]["resident_bytes"] > 0
    assert after["browsers"]["browsers"] == []
