"""Mission F9 and F6: a question outlives its sockets and the server; ``kill -9`` loses neither it nor its answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from runwire_client import AsyncRunwire, input_request, input_response
from runwire_client.errors import AlreadyAnswered, InvalidInput, RequestClosed
from tests.e2e.conftest import StartServer
from tests.support.database import assert_log_is_whole, stored_entries, stored_frames, stored_status
from tests.support.deadlines import eventually_async
from tests.support.people import asked, settled
from tests.support.process import ServerProcess
from tests.support.sockets import conversing, statuses


async def _waiting(server: ServerProcess, run_id: str, announced: int) -> list[str]:
    """Wait until the run is WAITING behind so many announcements; return the ids in their order."""

    def ready() -> bool:
        return stored_status(server.data, run_id) == "WAITING" and len(asked(stored_entries(server.data, run_id))) >= (
            announced
        )

    await eventually_async(ready, "the run waits for a person", 8)
    return [interrupt["id"] for interrupt in asked(stored_entries(server.data, run_id))]


def _http(server: ServerProcess) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.AsyncClient(base_url=server.origin, headers=headers, timeout=5.0, trust_env=False)


async def _start(server: ServerProcess, agent: str) -> str:
    async with conversing(server) as socket:
        run_id: str = (await socket.ok("run.start", agent=agent, input={}))["run_id"]
    return run_id


async def _respond(server: ServerProcess, run_id: str, request_id: str, payload: Any) -> None:
    async with _http(server) as http:
        body = {"request_id": request_id, "payload": payload}
        assert (await http.post(f"/v1/runs/{run_id}/respond", json=body)).status_code == 200


async def test_f9_a_recoverable_run_waits_again_for_the_same_answer_after_kill_9(start_server: StartServer) -> None:
    first = start_server()
    run_id = await _start(first, "asks-recoverable")
    (one,) = await _waiting(first, run_id, 1)
    await _respond(first, run_id, one, "to the first server")
    _, two = await _waiting(first, run_id, 2)
    first.kill()

    second = start_server()
    assert await _waiting(second, run_id, 3) == [one, two, two], "the stored answer is not asked for again"
    await _respond(second, run_id, two, "to the second server")
    await eventually_async(lambda: stored_status(second.data, run_id) == "SUCCEEDED", "the run ends")
    entries = stored_entries(second.data, run_id)
    assert_log_is_whole(entries)
    assert entries[-1]["data"]["result"] == {"answers": ["to the first server", "to the second server"], "attempt": 2}
    assert [response["interruptId"] for response in settled(entries)] == [one, two], "each is told once"
    assert statuses(entries)[-4:] == ["RUNNING", "WAITING", "RUNNING", "SUCCEEDED"]


async def test_a_run_that_cannot_begin_again_is_worker_lost_and_its_question_closed(start_server: StartServer) -> None:
    first = start_server()
    run_id = await _start(first, "asks")
    (request_id,) = await _waiting(first, run_id, 1)
    first.kill()
    second = start_server()
    assert stored_entries(second.data, run_id)[-1]["data"]["error"]["code"] == "worker_lost"
    async with _http(second) as http:
        answer = await http.post(f"/v1/runs/{run_id}/respond", json={"request_id": request_id, "payload": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "request_closed")


async def test_the_python_client_reads_questions_and_answers_them(process: ServerProcess) -> None:
    async with AsyncRunwire(process.origin, process.token) as runwire:
        run = await runwire.start("asks", {"schema": {"type": "integer"}})
        answers = []
        async for entry in runwire.follow(run.run_id):
            if (request := input_request(entry)) is not None:
                try:
                    await runwire.respond(run.run_id, request.id, "seven")
                except InvalidInput as error:
                    answers.append(error.details["violations"][0]["message"])
                await runwire.respond(run.run_id, request.id, 7)
                try:
                    await runwire.respond(run.run_id, request.id, 8)
                except AlreadyAnswered as error:
                    answers.append(error.details["payload"])
            if (response := input_response(entry)) is not None:
                answers.append((response.status, response.payload, response.answered_by))
        assert answers == ["'seven' is not of type 'integer'", 7, ("answered", 7, "admin")]
        late = await runwire.start("asks", {"timeout_s": 0.05})
        questions = [input_request(entry) async for entry in runwire.follow(late.run_id)]
        (question,) = [question for question in questions if question is not None]
        with pytest.raises(RequestClosed):
            await runwire.respond(late.run_id, question.id, 1)


async def test_f9_steps_and_messages_of_a_killed_attempt_come_back_in_the_next(start_server: StartServer) -> None:
    first = start_server()
    remembering, hearing = await _start(first, "remembers"), await _start(first, "hears-again")
    (request_id,) = await _waiting(first, remembering, 1)
    async with _http(first) as http:
        await http.post(f"/v1/runs/{hearing}/messages", json={"message": "one"})
    await eventually_async(
        lambda: b"TEXT_MESSAGE_END" in stored_frames(first.data, hearing)[-1], "the first message is taken"
    )
    first.kill()

    second = start_server()
    await _waiting(second, remembering, 2)
    await _respond(second, remembering, request_id, "yes")
    async with _http(second) as http:
        await http.post(f"/v1/runs/{hearing}/messages", json={"message": "two"})
    for run_id in (remembering, hearing):
        await eventually_async(lambda r=run_id: stored_status(second.data, r) == "SUCCEEDED", "the run ends")  # type: ignore[misc]
    results = [stored_entries(second.data, run_id)[-1]["data"]["result"] for run_id in (remembering, hearing)]
    assert results == [
        {"results": [{"attempt": 1}, None], "called": [], "attempt": 2},
        {"heard": ["one", "two"], "attempt": 2},
    ]
    starts = [frame for frame in stored_frames(second.data, hearing) if b"TEXT_MESSAGE_START" in frame]
    assert len(starts) == 2, "a message stands in the log once"
