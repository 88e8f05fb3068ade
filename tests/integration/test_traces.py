"""Traces of runs, sent by the real SDK to a collector of the test's own: command, queue, execution, end; no content."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from runwire.telemetry.tracing import open_tracer
from tests.conftest import MakeServer
from tests.support import attempt_agents
from tests.support.collector import Collector, collecting
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.sockets import opened

CALLER = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CARRIED = {"traceparent": f"00-{CALLER}-{PARENT}-01"}
SECRET = "the-secret-word"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector; nothing in the environment names another."""
    for name in ("OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with collecting() as made:
        yield made


@pytest.fixture
def traced(make_server: MakeServer, collector: Collector) -> EmbeddedServer:
    """A server that sends its traces to the collector, at the latest when it ends."""
    return make_server(otel_endpoint=collector.endpoint, max_running=1)


async def test_a_run_is_a_span_from_its_command_to_its_end_with_three_turns(
    traced: EmbeddedServer, collector: Collector, gate: Gate
) -> None:
    async with traced.http() as http:
        first = await start(http, "gated", {"gate": gate.name})
        await asyncio.to_thread(gate.arrived.wait, 2)
        waiting = await start(http, "scripted", {"steps": [{"text": SECRET}]}, thread_id="talk0001")
        gate.open()
        await ended(traced, first)
        await ended(traced, waiting)
    await asyncio.to_thread(traced.stop)

    run, turns = collector.of_run(waiting)
    assert (run.name, run.failed, collector.service) == ("run scripted", False, "runwire")
    assert run.facts == {
        "runwire.run_id": waiting,
        "runwire.agent": "scripted",
        "runwire.thread_id": "talk0001",
        "runwire.status": "SUCCEEDED",
    }
    assert [turn.name for turn in turns] == ["queue", "execute", "store"]
    assert turns[1].facts == {"runwire.attempt": 1}
    assert run.begun_ns <= turns[0].begun_ns
    assert turns[0].ended_ns <= turns[1].begun_ns <= turns[1].ended_ns <= turns[2].begun_ns
    assert turns[2].ended_ns <= run.ended_ns
    _, (_, gated, _) = collector.of_run(first)
    assert turns[0].ended_ns >= gated.ended_ns, "it waited until the only slot was free"
    assert not [body for body in collector.bodies if SECRET.encode() in body]


async def test_a_request_and_an_upgrade_hand_their_trace_on(traced: EmbeddedServer, collector: Collector) -> None:
    async with traced.http(**CARRIED) as http:
        over_http = await start(http, "echo", "x")
        await ended(traced, over_http)
        repeated = (await http.post(f"/v1/runs/{over_http}/retry")).json()["run_id"]
        await ended(traced, repeated)
    async with opened(traced, "/ws", headers=CARRIED) as socket:
        over_socket = (await socket.ok("run.start", agent="echo", input="x"))["run_id"]
        await socket.until_end(over_socket)
        again = (await socket.ok("run.retry", run_id=over_http))["run_id"]
        await socket.until_end(again)
    async with traced.http() as http:
        alone = await start(http, "echo", "x")
        await ended(traced, alone)
    await asyncio.to_thread(traced.stop)
    for run_id in (over_http, over_socket, again, repeated):
        run, turns = collector.of_run(run_id)
        assert (run.trace_id, run.parent_id) == (CALLER, PARENT)
        assert {turn.trace_id for turn in turns} == {CALLER}
    run, _ = collector.of_run(alone)
    assert run.parent_id == ""
    assert run.trace_id != CALLER


async def test_a_failure_is_told_by_its_code(traced: EmbeddedServer, collector: Collector) -> None:
    async with traced.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"fail": SECRET}]})
        await ended(traced, run_id)
        problem_of(await http.post("/v1/runs", json={"agent": "no-such-agent"}), 422, "invalid_input")
        again = await http.post("/v1/runs", json={"agent": "echo", "input": "y", "run_id": run_id})
        problem_of(again, 409, "run_id_taken")
    await asyncio.to_thread(traced.stop)
    runs = {span.facts["runwire.agent"]: span for span in collector.spans if span.name.startswith("run ")}
    assert set(runs) == {"scripted", "unknown", "echo"}
    assert all(span.failed for span in runs.values())
    assert runs["scripted"].facts["runwire.error"] == "agent_error"
    assert not [body for body in collector.bodies if SECRET.encode() in body]


async def test_every_span_is_ended_also_of_a_run_that_was_never_claimed(
    traced: EmbeddedServer, collector: Collector, gate: Gate
) -> None:
    async with traced.http() as http:
        first = await start(http, "gated", {"gate": gate.name})
        await asyncio.to_thread(gate.arrived.wait, 2)
        waiting = await start(http, "echo", "x")
        await http.post(f"/v1/runs/{waiting}/cancel")
        assert (await ended(traced, waiting))["status"] == "CANCELLED"
        gate.open()
        await ended(traced, first)
    await asyncio.to_thread(traced.stop)
    run, turns = collector.of_run(waiting)
    assert (run.facts["runwire.status"], [turn.name for turn in turns]) == ("CANCELLED", ["queue"])


async def test_each_attempt_has_its_turns(make_server: MakeServer, collector: Collector) -> None:
    server = make_server(otel_endpoint=collector.endpoint, agents=attempt_agents.PATHS)
    async with server.http() as http:
        run_id = await start(http, "flaky", {"fails": 1})
        assert (await ended(server, run_id))["status"] == "SUCCEEDED"
    await asyncio.to_thread(server.stop)
    run, turns = collector.of_run(run_id)
    assert [turn.name for turn in turns] == ["queue", "execute", "store"] * 2
    assert [turn.facts["runwire.attempt"] for turn in turns if turn.name == "execute"] == [1, 2]
    assert turns[3].ended_ns - turns[3].begun_ns >= 45_000_000, (
        "the pause before the second attempt is time in the queue"
    )
    assert not run.failed


@pytest.mark.parametrize(
    ("endpoint", "environ"),
    [
        ("", {}),
        ("http://127.0.0.1:1", {"OTEL_SDK_DISABLED": "true"}),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}),
    ],
)
def test_nobody_is_traced_unasked(endpoint: str, environ: dict[str, Any]) -> None:
    assert open_tracer(endpoint, environ) is None


async def test_a_collector_that_is_away_holds_nothing_up(make_server: MakeServer, collector: Collector) -> None:
    server = make_server(otel_endpoint="http://127.0.0.1:1")
    async with server.http() as http:
        assert (await ended(server, await start(http, "echo", "x")))["status"] == "SUCCEEDED"
    await asyncio.to_thread(server.stop)  # within its bound
    assert collector.spans == []
