"""The log of a real server over a whole scenario: which lines there are, at which level, with which ids; no content."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.conftest import StartServer
from tests.support.deadlines import eventually_async
from tests.support.process import ServerProcess
from tests.support.sockets import following, opened

SECRET = "the-secret-word"
"""Stands in inputs, events, results, errors, names of steps and a wrong token."""

THREAD = "talk0001"
STEP = {"step": {"name": f"Type {SECRET}", "status": "PASSED"}}
GOOD = {"steps": [{"text": SECRET}, STEP, {"emit": {"type": "CUSTOM", "name": SECRET, "value": SECRET}}]}
BAD = {"steps": [{"fail": f"cannot read {SECRET}"}]}


TALKER = """
import asyncio
import structlog

log = structlog.get_logger()


async def later():
    log.info("said.in_task")


async def talker(ctx, given):
    log.info("said.by_agent")
    await asyncio.create_task(later())
    await asyncio.to_thread(log.info, "said.in_thread")


def plain(ctx, given):
    log.info("said.by_function")
"""


def _lines(server: ServerProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]


def _of(lines: list[dict[str, Any]], event: str, **facts: Any) -> dict[str, Any]:
    """Return the only line of that event and those facts."""
    found = [line for line in lines if line["event"] == event and facts.items() <= line.items()]
    assert len(found) == 1, f"{event} {facts}: {len(found)} lines of {[line['event'] for line in lines]}"
    return found[0]


async def _start(http: httpx.AsyncClient, agent: str, given: Any) -> str:
    answer = await http.post("/v1/runs", json={"agent": agent, "input": given, "thread_id": THREAD})
    assert answer.status_code == 202, answer.text
    run_id: str = answer.json()["run_id"]
    return run_id


async def _scenario(server: ServerProcess) -> tuple[str, str]:
    """A run that succeeds, one that fails, an idle socket, a stranger on each transport, a defect; return two runs."""
    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(base_url=server.origin, headers=headers, trust_env=False, timeout=5) as http:
        good = await _start(http, "scripted", GOOD)
        async with following(server, good) as socket:
            assert (await socket.to_the_end()).code == 1000
        bad = await _start(http, "scripted", BAD)
        async with following(server, bad) as socket:
            assert (await socket.to_the_end()).code == 1000
        idle = await _start(http, "scripted", {"steps": [{"hang": "async"}]})
        async with opened(server, f"/ws/runs/{idle}") as socket:  # without follow=1
            assert (await socket.to_the_end()).code == 1001
        await http.post(f"/v1/runs/{idle}/cancel")
        await http.get("/v1/runs", headers={"Authorization": f"Bearer {SECRET}"})
        async with opened(server, "/ws", token="") as socket:
            await socket.send({"op": "auth", "token": SECRET})
            assert (await socket.to_the_end()).code == 4401
    return good, bad


async def test_a_scenario_is_told_by_names_levels_and_ids_without_content(start_server: StartServer) -> None:
    server = start_server(log_format="json", log_level="debug", idle_timeout_s=0.3)
    good, bad = await _scenario(server)
    await eventually_async(
        lambda: [line["event"] for line in _lines(server)].count("run.ended") == 3, "all ends are logged"
    )
    await asyncio.to_thread(server.interrupt)
    lines = _lines(server)

    told = {"run_id": good, "thread_id": THREAD}
    assert _of(lines, "run.started", **told)["level"] == "info"
    step = _of(lines, "run.step", **told)
    assert (step["level"], step["status"], step["index"]) == ("debug", "PASSED", 1)
    end = _of(lines, "run.ended", **told)
    assert (end["level"], end["status"], end["agent"], end["attempt"]) == ("info", "SUCCEEDED", "scripted", 1)
    failed = _of(lines, "run.ended", run_id=bad, thread_id=THREAD)
    assert (failed["level"], failed["status"], failed["error"]) == ("warning", "FAILED", "agent_error")

    one = {"run_id": good, "route": "/ws/runs/{run_id}"}
    for event in ("socket.attempt", "socket.connected", "socket.disconnected"):
        assert _of(lines, event, **one)["level"] == "debug"
    assert _of(lines, "socket.disconnected", **one)["code"] == 1000
    assert _of(lines, "socket.idle_timeout")["level"] == "info"
    assert _of(lines, "socket.refused", code="not_authenticated")["level"] == "info"
    assert _of(lines, "http.refused")["route"] == "/v1/runs"

    assert [line for line in lines if line["level"] in ("error", "critical")] == []
    assert SECRET not in server.output
    assert server.token not in server.output


async def test_an_agents_own_lines_name_its_run(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "talker.py").write_text(TALKER)
    server = start_server(agents=("talker:talker", "talker:plain"), modules=tmp_path, log_format="json")
    headers = {"Authorization": f"Bearer {server.token}"}
    runs = []
    async with httpx.AsyncClient(base_url=server.origin, headers=headers, trust_env=False, timeout=5) as http:
        for agent in ("talker", "talker", "plain"):  # the second one may get the thread that the first one had
            runs.append(await _start(http, agent, None))
            async with following(server, runs[-1]) as socket:
                await socket.to_the_end()
    first, second, third = runs
    lines = [line for line in _lines(server) if line["event"].startswith("said.")]
    said = ["said.by_agent", "said.in_task", "said.in_thread"]
    assert [line["event"] for line in lines if line["run_id"] == first] == said
    assert [line["event"] for line in lines if line["run_id"] == second] == said
    assert [line["event"] for line in lines if line["run_id"] == third] == ["said.by_function"]
    assert {line["thread_id"] for line in lines} == {THREAD}
