"""Mission F9, people in the loop: a run asks, waits, and goes on with the answer (protocol, section 4)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.database import assert_log_is_whole
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.people import asked, settled, waiting
from tests.support.sockets import conversing, statuses

pytestmark = EVERY_ISOLATION

COLOUR = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}


async def _respond(http: httpx.AsyncClient, run_id: str, request_id: str, payload: Any) -> httpx.Response:
    return await http.post(f"/v1/runs/{run_id}/respond", json={"request_id": request_id, "payload": payload})


@pytest.mark.parametrize("agent", ["asks", "asks-plainly", "asks-releasing"])
async def test_f9_a_run_asks_waits_and_goes_on_with_the_answer(server: EmbeddedServer, agent: str) -> None:
    async with server.http() as http, conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent=agent, input={"schema": COLOUR, "timeout_s": 60}))["run_id"]
        (request_id,) = await waiting(server, run_id)
        reply = await socket.ok("run.respond", run_id=run_id, request_id=request_id, payload={"colour": "red"})
        assert (reply["request_id"], reply["status"], reply["answered_by"]) == (request_id, "answered", "admin")
        again = await socket.ok("run.respond", run_id=run_id, request_id=request_id, payload={"colour": "red"})
        assert again == reply, "a repetition after a lost reply is no second answer"
        assert (await socket.until_end(run_id))["code"] == 1000
        listed = (await http.get(f"/v1/runs/{run_id}/requests")).json()["data"]
    entries = server.entries(run_id)
    assert_log_is_whole(entries)
    assert statuses(entries) == ["QUEUED", "RUNNING", "WAITING", "RUNNING", "SUCCEEDED"]
    assert entries[-1]["data"]["result"]["answer"] == {"colour": "red"}
    (interrupt,) = asked(entries)
    assert (interrupt["reason"], interrupt["message"]) == ("input_required", "What now?")
    assert interrupt["responseSchema"] == COLOUR
    assert datetime.fromisoformat(interrupt["expiresAt"]).timestamp() * 1000 == listed[0]["expires_ms"]
    (response,) = settled(entries)
    assert (response["interruptId"], response["status"], response["answeredBy"]) == (request_id, "answered", "admin")
    assert response["payload"] == {"colour": "red"}
    assert [(one["request_id"], one["status"], one["payload"]) for one in listed] == [
        (request_id, "answered", {"colour": "red"})
    ]


async def test_f9_an_approval_names_the_tool_call_and_returns_the_decision(server: EmbeddedServer) -> None:
    call = {"id": "call-7", "name": "delete_file", "arguments": {"path": "a.txt"}}
    async with server.http() as http:
        run_id = await start(http, "approves", call)
        (request_id,) = await waiting(server, run_id)
        refusal = await _respond(http, run_id, request_id, {"approved": "yes"})
        problem = problem_of(refusal, 422, "invalid_input")
        assert "'yes' is not of type 'boolean'" in problem["detail"]
        decision = {"approved": True, "editedArgs": {"path": "b.txt"}, "comment": "that one"}
        assert (await _respond(http, run_id, request_id, decision)).status_code == 200
    data = await ended(server, run_id)
    assert data["result"] == {"approved": True, "edited_arguments": {"path": "b.txt"}, "comment": "that one"}
    (interrupt,) = asked(server.entries(run_id))
    assert (interrupt["reason"], interrupt["toolCallId"]) == ("tool_call", "call-7")
    assert interrupt["metadata"]["runwire"]["tool"] == {"name": "delete_file", "arguments": {"path": "a.txt"}}


async def test_a_payload_that_does_not_fit_is_told_why_and_the_question_stays_open(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "asks", {"schema": COLOUR})
        (request_id,) = await waiting(server, run_id)
        problem = problem_of(await _respond(http, run_id, request_id, {"colour": "green"}), 422, "invalid_input")
        assert problem["details"]["violations"] == [
            {"path": "$.colour", "message": "'green' is not one of ['red', 'blue']"}
        ]
        assert "'green' is not one of" in problem["detail"]
        assert len(server.entries(run_id)) == 4, "nothing half stored"
        problem_of(await _respond(http, run_id, "nosuchrequest", 1), 404, "not_found")
        problem_of(await _respond(http, run_id, request_id, "x" * 65_000), 413, "too_large")
        answer = await http.post(f"/v1/runs/{run_id}/respond", json={"request_id": request_id})
        problem_of(answer, 422, "invalid_input")
        assert (await _respond(http, run_id, request_id, {"colour": "blue"})).status_code == 200
    assert (await ended(server, run_id))["result"]["answer"] == {"colour": "blue"}


async def test_f9_of_two_tabs_the_first_wins_and_the_second_is_told_who_and_what(server: EmbeddedServer) -> None:
    for _ in range(5):
        async with conversing(server) as one, conversing(server) as other:
            run_id = (await one.ok("run.start", agent="asks", input={}))["run_id"]
            (request_id,) = await waiting(server, run_id)
            answers = [{"run_id": run_id, "request_id": request_id, "payload": name} for name in ("one", "other")]
            replies = await asyncio.gather(
                one.command("run.respond", **answers[0]), other.command("run.respond", **answers[1])
            )
        (won,) = [index for index, reply in enumerate(replies) if reply["ok"]]
        error = replies[1 - won]["error"]
        assert (error["code"], error["retryable"]) == ("already_answered", False)
        winner = answers[won]["payload"]
        assert (error["details"]["answered_by"], error["details"]["payload"]) == ("admin", winner)
        assert (await ended(server, run_id))["result"]["answer"] == winner
        assert [response["payload"] for response in settled(server.entries(run_id))] == [winner]


async def test_a_stranger_finds_no_run_to_answer(server: EmbeddedServer) -> None:
    async with server.http() as http, server.http(server.token_for("mallory")) as stranger:
        run_id = await start(http, "asks", {})
        (request_id,) = await waiting(server, run_id)
        problem_of(await _respond(stranger, run_id, request_id, 1), 404, "not_found")
        assert (await _respond(http, run_id, request_id, 1)).status_code == 200
    await ended(server, run_id)


@pytest.mark.parametrize("agent", ["asks", "asks-plainly"])
async def test_nobody_answers_in_time_and_the_run_fails_by_that_name(server: EmbeddedServer, agent: str) -> None:
    async with server.http() as http:
        run_id = await start(http, agent, {"timeout_s": 0.1})
        data = await ended(server, run_id)
        (request_id,) = [interrupt["id"] for interrupt in asked(server.entries(run_id))]
        problem_of(await _respond(http, run_id, request_id, 1), 409, "request_closed")
    assert (data["status"], data["error"]["code"]) == ("FAILED", "input_expired")
    assert [response["status"] for response in settled(server.entries(run_id))] == ["expired"]
    assert statuses(server.entries(run_id)) == ["QUEUED", "RUNNING", "WAITING", "RUNNING", "FAILED"]


async def test_an_agent_may_live_with_no_answer(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "asks-patiently", {"timeout_s": 0.05})
    assert (await ended(server, run_id))["result"] == {"expired": "input_expired"}


async def test_an_answer_at_the_very_end_of_the_time_is_taken_or_refused_never_both(server: EmbeddedServer) -> None:
    """The answer and the end of the time meet in one transaction: reply, log and result agree whoever was first."""
    async with server.http() as http:
        taken = 0
        for number in range(12):
            run_id = await start(http, "asks-patiently", {"timeout_s": 0.12})
            (request_id,) = await waiting(server, run_id)
            waited = server.entries(run_id)[-1]["ts_ms"]
            request = (await http.get(f"/v1/runs/{run_id}/requests")).json()["data"][0]
            pace_s = (request["expires_ms"] - waited) / 1000 - 0.03 + number * 0.004
            await asyncio.sleep(max(0.0, pace_s))  # a person's pace
            answer = await _respond(http, run_id, request_id, number)
            result = (await ended(server, run_id))["result"]
            (told,) = settled(server.entries(run_id))
            if answer.status_code == 200:
                taken += 1
                assert (result, told["status"]) == ({"answer": number}, "answered")
            else:
                problem_of(answer, 409, "request_closed")
                assert (result, told["status"]) == ({"expired": "input_expired"}, "expired")
            assert_log_is_whole(server.entries(run_id))
    assert 0 <= taken <= 12


@pytest.mark.parametrize("agent", ["asks", "asks-plainly", "asks-releasing"])
async def test_cancel_while_waiting_works_at_once(server: EmbeddedServer, agent: str) -> None:
    async with server.http() as http:
        run_id = await start(http, agent, {})
        (request_id,) = await waiting(server, run_id)
        assert (await http.post(f"/v1/runs/{run_id}/cancel")).json()["status"] == "WAITING"
        assert (await ended(server, run_id, 1.0))["status"] == "CANCELLED"
        problem_of(await _respond(http, run_id, request_id, 1), 409, "request_closed")
    assert statuses(server.entries(run_id)) == ["QUEUED", "RUNNING", "WAITING", "CANCELLED"]


async def test_cancel_and_answer_at_once_leave_one_truth(server: EmbeddedServer) -> None:
    async with server.http() as http:
        for _ in range(8):
            run_id = await start(http, "asks", {})
            (request_id,) = await waiting(server, run_id)
            await asyncio.gather(http.post(f"/v1/runs/{run_id}/cancel"), _respond(http, run_id, request_id, "yes"))
            data = await ended(server, run_id)
            assert data["status"] in ("CANCELLED", "SUCCEEDED")
            assert_log_is_whole(server.entries(run_id))
            assert len(settled(server.entries(run_id))) <= 1


async def test_the_time_limit_counts_running_only(server: EmbeddedServer) -> None:
    async with server.http() as http:
        waits = await start(http, "asks-then-sleeps", {"before_s": 0, "after_s": 0.1}, timeout_s=0.4)
        (request_id,) = await waiting(server, waits)
        await asyncio.sleep(0.6)  # a person's pace
        assert server.status(waits) == "WAITING", "the clock stands still"
        assert (await _respond(http, waits, request_id, 1)).status_code == 200
        assert (await ended(server, waits))["status"] == "SUCCEEDED"

        works = await start(http, "asks-then-sleeps", {"before_s": 0.6, "after_s": 5}, timeout_s=1)
        (request_id,) = await waiting(server, works)
        assert (await _respond(http, works, request_id, 1)).status_code == 200
        assert (await ended(server, works))["error"]["code"] == "timeout"
    states = [entry for entry in server.entries(works) if entry["type"] == "state"]
    assert states[-1]["ts_ms"] - states[-2]["ts_ms"] < 900, "what was used before the question counts"


async def test_questions_side_by_side_keep_the_run_waiting_until_the_last_is_answered(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "asks-side-by-side", 3)
        requests = await waiting(server, run_id, questions=3)
        for number, request_id in enumerate(requests):
            assert server.status(run_id) == "WAITING"
            assert (await _respond(http, run_id, request_id, number)).status_code == 200
            await eventually_async(lambda n=number: len(settled(server.entries(run_id))) == n + 1, "it is taken")  # type: ignore[misc]
        assert (await ended(server, run_id))["result"] == [0, 1, 2]
    assert statuses(server.entries(run_id)) == ["QUEUED", "RUNNING", "WAITING", "RUNNING", "SUCCEEDED"]


async def test_more_open_questions_than_the_bound_are_refused(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "asks-side-by-side", 17)
        data = await ended(server, run_id)
    assert (data["status"], data["error"]["code"]) == ("FAILED", "limit_exceeded")


async def test_a_question_that_the_agent_gives_up_is_withdrawn(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "asks-briefly")
        first, second = await waiting(server, run_id, questions=2)
        problem_of(await _respond(http, run_id, first, 1), 409, "request_closed")
        assert (await _respond(http, run_id, second, 2)).status_code == 200
    assert (await ended(server, run_id))["result"] == {"answer": 2}
    assert [response["status"] for response in settled(server.entries(run_id))] == ["withdrawn", "answered"]


async def test_an_agent_that_returns_while_it_asks_ends_all_the_same(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "asks-and-leaves")
        assert (await ended(server, run_id))["result"] == "left"
    assert_log_is_whole(server.entries(run_id))


async def test_a_waiting_run_keeps_its_slot_unless_its_agent_gives_it_back(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http() as http:
        keeps = await start(http, "asks", {})
        (request_id,) = await waiting(server, keeps)
        other = await start(http, "facts")
        assert server.status(other) == "QUEUED"
        await _respond(http, keeps, request_id, 1)
        await ended(server, other)

        gives = await start(http, "asks-releasing", {})
        (request_id,) = await waiting(server, gives)
        holds = await start(http, "gated", {"gate": gate.name})
        await eventually_async(gate.arrived.is_set, "another has the slot")
        queued = await start(http, "facts")
        assert (await _respond(http, gives, request_id, 1)).status_code == 200
        await eventually_async(lambda: len(settled(server.entries(gives))) == 1, "the answer is taken")
        assert server.status(gives) == "WAITING", "it waits for a slot"
        gate.open()
        assert (await ended(server, gives))["status"] == "SUCCEEDED"
        await ended(server, holds)
        await ended(server, queued)
    ends = {run_id: server.entries(run_id)[-1]["ts_ms"] for run_id in (gives, queued)}
    assert ends[gives] <= ends[queued], "who has begun comes before the queue"


async def test_cancel_reaches_a_run_that_waits_for_a_slot(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http() as http:
        gives = await start(http, "asks-releasing", {})
        (request_id,) = await waiting(server, gives)
        holds = await start(http, "gated", {"gate": gate.name})
        await eventually_async(gate.arrived.is_set, "another has the slot")
        await _respond(http, gives, request_id, 1)
        await http.post(f"/v1/runs/{gives}/cancel")
        assert (await ended(server, gives))["status"] == "CANCELLED"
        gate.open()
        await ended(server, holds)
        assert (await ended(server, await start(http, "facts")))["status"] == "SUCCEEDED", "no slot is lost"


async def test_a_drain_does_not_wait_for_people(make_server: MakeServer) -> None:
    server = make_server(drain_sigterm_s=8)
    async with server.http() as http:
        fails = await start(http, "asks", {})
        returns = await start(http, "asks-recoverable", {})
        await waiting(server, fails)
        await waiting(server, returns)
    begun = asyncio.get_running_loop().time()
    await asyncio.to_thread(server.stop)
    assert asyncio.get_running_loop().time() - begun < 4, "a person may take a day"
    assert server.entries(fails)[-1]["data"]["error"]["code"] == "interrupted"
    assert (server.entries(returns)[-1]["data"]["status"], server.entries(returns)[-1]["data"]["reason"]) == (
        "QUEUED",
        "drain",
    )


async def test_the_scripted_agent_asks_and_lets_approve(server: EmbeddedServer) -> None:
    steps = [
        {"ask": {"question": "Which?", "schema": {"type": "string"}}},
        {"approve": {"name": "deploy", "arguments": {"to": "prod"}}},
    ]
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": steps})
        (first,) = await waiting(server, run_id)
        await _respond(http, run_id, first, "this")
        _, second = await waiting(server, run_id, questions=2)
        await _respond(http, run_id, second, {"approved": True})
        answers = (await ended(server, run_id))["result"]["answers"]
        assert answers == ["this", {"approved": True, "arguments": {"to": "prod"}, "comment": None}]

        run_id = await start(http, "scripted", {"steps": [steps[1]]})
        (request_id,) = await waiting(server, run_id)
        await _respond(http, run_id, request_id, {"approved": False})
        assert (await ended(server, run_id))["error"]["code"] == "not_approved"


def test_the_schema_library_is_imported_with_the_first_question_only() -> None:
    code = "import runwire.wiring.server, sys; sys.exit('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=9).returncode == 0
