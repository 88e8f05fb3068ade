"""Requests over real sockets: bodies and paths as the protocol has them, repetitions, problems, bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from clients.python.tests import wire
from clients.python.tests.scripted_servers import QUICK, TOKEN, Answer, HttpServer, QuickClock, http_server
from runwire_client import AsyncRunwire, Event, QueuePlace, RunStatus, State
from runwire_client.credentials import TokenSource
from runwire_client.errors import (
    ConnectionFailed,
    DeadlineExceeded,
    InvalidInput,
    NotAuthenticated,
    OverCapacity,
    ProtocolViolation,
    RunIdTaken,
    ServerFault,
    ServerUnavailable,
)
from runwire_client.timing import Timing

STARTED = {"run_id": wire.RUN, "thread_id": "th1", "status": "QUEUED", "epoch": wire.EPOCH, "novelty": 1}
RECORD = {
    "id": wire.RUN,
    "agent": "echo",
    "thread_id": "th1",
    "status": "FAILED",
    "attempt": 1,
    "as_of_seq": 8,
    "epoch": wire.EPOCH,
    "priority": "normal",
    "created_ms": 1,
    "started_ms": 2,
    "ended_ms": 3,
    "result": None,
    "verdict": None,
    "error": {"code": "timeout", "message": "too long", "retryable": False},
}


def client(server: HttpServer, clock: QuickClock | None = None, *, token: TokenSource = TOKEN) -> AsyncRunwire:
    """A client of the scripted server that waits for nothing between repetitions."""
    return AsyncRunwire(server.url, token, timing=QUICK, clock=clock or QuickClock(), random=lambda: 0.5)


async def test_start_sends_what_was_given_and_an_id_of_its_own() -> None:
    async with http_server(Answer(202, STARTED)) as server, client(server) as runwire:
        run = await runwire.start("echo", {"text": "hi"}, timeout_s=5.0, priority="high", on_disconnect="cancel")
    assert (run.run_id, run.status, run.epoch) == (wire.RUN, RunStatus.QUEUED, wire.EPOCH)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/v1/runs")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    chosen = asked.body.pop("run_id")
    assert len(chosen) == 24
    assert asked.body == {
        "agent": "echo",
        "input": {"text": "hi"},
        "timeout_s": 5.0,
        "priority": "high",
        "on_disconnect": "cancel",
    }


async def test_a_start_whose_reply_was_lost_is_repeated_with_the_same_run_id() -> None:
    answers = [Answer(lost=True), Answer(503), Answer(202, STARTED)]
    async with http_server(*answers) as server, client(server) as runwire:
        await runwire.start("echo", "x")
    assert len(server.asked) == 3
    assert server.asked[0].body == server.asked[1].body == server.asked[2].body


async def test_a_request_that_is_lost_four_times_is_an_error() -> None:
    clock = QuickClock()
    async with http_server(*[Answer(lost=True)] * 9) as server, client(server, clock) as runwire:
        with pytest.raises(ConnectionFailed):
            await runwire.cancel(wire.RUN)
    assert len(server.asked) == 4
    assert clock.slept_s == pytest.approx([0.1, 0.2, 0.4])


async def test_a_server_that_is_not_there_is_an_error_soon() -> None:
    async with http_server() as server:
        url = server.url
    async with AsyncRunwire(url, TOKEN, clock=QuickClock()) as runwire:
        with pytest.raises(ConnectionFailed):
            await runwire.agents()


async def test_a_server_that_never_answers_is_left_at_the_deadline() -> None:
    timing = Timing(connect_timeout_s=5.0, request_timeout_s=0.2)
    async with http_server(Answer(never=True)) as server, AsyncRunwire(server.url, TOKEN, timing=timing) as runwire:
        with pytest.raises(DeadlineExceeded):
            await runwire.get(wire.RUN)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(409, {"title": "Taken", "code": "run_id_taken"}), RunIdTaken),
        (Answer(422, {"title": "Bad", "detail": "no such agent", "code": "invalid_input"}), InvalidInput),
        (Answer(429, {"title": "Full", "code": "over_capacity", "retry_after_s": 3}), OverCapacity),
        (Answer(500, b"<html>"), ServerFault),
        (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), ProtocolViolation),
        (Answer(202, b"no json"), ProtocolViolation),
        (Answer(202, {**STARTED, "status": "SLEEPING"}), ProtocolViolation),
        (Answer(202, b"[" * 200_000), ProtocolViolation),
    ],
    ids=["taken", "invalid", "full", "html", "redirect", "no-json", "unknown-status", "nested"],
)
async def test_each_refusal_is_its_error_and_is_not_repeated(answer: Answer, kind: type[Exception]) -> None:
    async with http_server(answer) as server, client(server) as runwire:
        with pytest.raises(kind) as caught:
            await runwire.start("echo", "x")
    assert type(caught.value) is kind
    assert len(server.asked) == 1


async def test_401_is_tried_once_more_if_the_credentials_have_changed() -> None:
    tokens = iter(["old", "new"])
    async with (
        http_server(Answer(401), Answer(202, STARTED)) as server,
        client(server, token=lambda: next(tokens)) as runwire,
    ):
        await runwire.start("echo", "x")
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer old", "Bearer new"]


async def test_401_with_the_same_credentials_is_an_error_at_once() -> None:
    async with http_server(Answer(401)) as server, client(server) as runwire:
        with pytest.raises(NotAuthenticated):
            await runwire.start("echo", "x")
    assert len(server.asked) == 1


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
async def test_an_input_that_is_no_json_is_refused_before_anything_is_sent(value: Any) -> None:
    async with http_server() as server, client(server) as runwire:
        with pytest.raises(InvalidInput):
            await runwire.start("echo", value)
    assert server.asked == []


@pytest.mark.parametrize("run_id", ["", "short", "UPPERCASE1", "../../v1/agents", "a" * 65, "abcdefgh\n"])
async def test_what_can_be_no_run_id_never_becomes_a_path(run_id: str) -> None:
    async with http_server() as server, client(server) as runwire:
        with pytest.raises(InvalidInput):
            await runwire.cancel(run_id)
    assert server.asked == []


async def test_get_reads_a_record() -> None:
    async with http_server(Answer(200, RECORD)) as server, client(server) as runwire:
        record = await runwire.get(wire.RUN)
    assert (record.id, record.status, record.as_of_seq, record.ended_ms) == (wire.RUN, RunStatus.FAILED, 8, 3)
    assert record.error is not None
    assert record.error.code == "timeout"
    assert server.asked[0].path == f"/v1/runs/{wire.RUN}"


async def test_runs_are_paged_as_they_are_consumed() -> None:
    pages = [Answer(200, {"data": [RECORD, RECORD], "next": "m1"}), Answer(200, {"data": [RECORD], "next": None})]
    async with http_server(*pages) as server, client(server) as runwire:
        rows = [row async for row in runwire.runs(agent="echo", limit=2)]
    assert len(rows) == 3
    assert [asked.path for asked in server.asked] == [
        "/v1/runs?agent=echo&limit=2",
        "/v1/runs?agent=echo&limit=2&before=m1",
    ]


async def test_events_are_the_entries_of_the_log() -> None:
    page = Answer(200, {"data": wire.log_rows(3)[1:], "next": None})
    async with http_server(page) as server, client(server) as runwire:
        entries = await runwire.events(wire.RUN, after=1, limit=10)
    assert [type(entry) for entry in entries] == [State, State]
    assert not any(isinstance(entry, Event) for entry in entries)
    assert server.asked[0].path == f"/v1/runs/{wire.RUN}/events?after=1&limit=10"


async def test_retry_posts_to_the_run_with_an_id_of_its_own() -> None:
    async with http_server(Answer(202, STARTED), Answer(202, STARTED)) as server, client(server) as runwire:
        assert (await runwire.retry("theoldrun")).run_id == wire.RUN
        await runwire.retry("theoldrun", from_seq=7, new_run_id="thenewrun")
    first, second = server.asked
    assert (first.method, first.path) == ("POST", "/v1/runs/theoldrun/retry")
    assert len(first.body["new_run_id"]) == 24
    assert second.body == {"from_seq": 7, "new_run_id": "thenewrun"}


async def test_cancel_posts_to_the_run() -> None:
    async with http_server(Answer(202, {"status": "requested"})) as server, client(server) as runwire:
        await runwire.cancel(wire.RUN)
    assert (server.asked[0].method, server.asked[0].path) == ("POST", f"/v1/runs/{wire.RUN}/cancel")


async def test_agents_are_read() -> None:
    row = {"name": "echo", "description": "says it again", "input_schema": {"type": "string"}, "available": True}
    async with http_server(Answer(200, {"data": [row], "next": None})) as server, client(server) as runwire:
        (agent,) = await runwire.agents()
    assert (agent.name, agent.input_schema, agent.result_schema) == ("echo", {"type": "string"}, None)


async def test_the_queue_is_read() -> None:
    places = [{"run_id": wire.RUN, "position": 2, "size": 3}]
    body = {"limits": {"max_running": 5}, "queued": 3, "running": 5, "waiting": 0, "data": places, "next": None}
    async with http_server(Answer(200, body)) as server, client(server) as runwire:
        queue = await runwire.queue()
    assert (queue.limits, queue.queued, queue.running, queue.waiting) == ({"max_running": 5}, 3, 5, 0)
    assert queue.own == (QueuePlace(wire.RUN, 2),)


async def test_status_and_browsers_are_the_servers_own_documents() -> None:
    async with http_server(Answer(200, {"runs": []}), Answer(200, {"leases": 3})) as server, client(server) as runwire:
        assert await runwire.status() == {"runs": []}
        assert await runwire.browsers() == {"leases": 3}
    async with http_server(Answer(200, [])) as server, client(server) as runwire:
        with pytest.raises(ProtocolViolation, match="status: an object"):
            await runwire.status()


async def test_health_tells_a_live_server_from_a_ready_one() -> None:
    answers = [Answer(200, {"status": "ok"}), Answer(503, {"status": "draining"})]
    async with http_server(*answers) as server, client(server) as runwire:
        health = await runwire.health()
    assert (health.live, health.ready, health.report) == (True, False, {"status": "draining"})


async def test_a_reply_without_end_is_cut_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runwire_client.http_door.REPLY_BYTES", 1000)
    async with http_server(Answer(200, b"x" * 1001)) as server, client(server) as runwire:
        with pytest.raises(ProtocolViolation, match="longer"):
            await runwire.agents()


async def test_a_server_that_stays_unavailable_is_that_error() -> None:
    async with http_server(*[Answer(503, {"code": "draining"})] * 4) as server, client(server) as runwire:
        with pytest.raises(ServerUnavailable) as caught:
            await runwire.agents()
    assert caught.value.code == "draining"


async def test_cancelling_a_request_ends_it_at_once() -> None:
    async with http_server(Answer(never=True)) as server, client(server) as runwire:
        task = asyncio.create_task(runwire.get(wire.RUN))
        await asyncio.wait_for(server.reached.wait(), 5.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 1.0)
