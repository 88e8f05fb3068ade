"""What an agent may be, and that however it ends its run ends too."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.sockets import conversing, log_of

pytestmark = EVERY_ISOLATION


async def _finished(server: EmbeddedServer, agent: str, input: Any = None, **more: Any) -> list[dict[str, Any]]:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent=agent, input=input, **more))["run_id"]
        await socket.until("end", run_id=run_id, within_s=5)
        assert log_of(socket.frames) == server.entries(run_id)
    return server.entries(run_id)


def _types(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["data"]["type"] for entry in entries if entry["type"] == "event"]


def _text(entries: list[dict[str, Any]]) -> str:
    return "".join(entry["data"].get("delta", "") for entry in entries if entry["type"] == "event")


async def test_an_async_function(server: EmbeddedServer) -> None:
    entries = await _finished(server, "echo", "words and  spaces\n")
    assert _text(entries) == "words and  spaces\n"
    types = _types(entries)
    assert (types[0], types[-1]) == ("TEXT_MESSAGE_START", "TEXT_MESSAGE_END")
    assert set(types[1:-1]) == {"TEXT_MESSAGE_CONTENT"}


async def test_an_async_generator(server: EmbeddedServer) -> None:
    entries = await _finished(server, "generator", 3)
    assert _text(entries) == "word0 word1 word2 "
    assert _types(entries)[-2:] == ["CUSTOM", "TEXT_MESSAGE_END"]
    assert entries[-1]["data"]["result"] == {"words": 3}


async def test_a_class(server: EmbeddedServer) -> None:
    entries = await _finished(server, "Instance")
    assert entries[-1]["data"]["result"] == {"runs": [entries[0]["run_id"]]}


async def test_a_plain_function(server: EmbeddedServer) -> None:
    entries = await _finished(server, "plain", {"x": 1})
    assert _text(entries) == "plain words"
    assert _types(entries)[-1] == "TEXT_MESSAGE_END"
    assert entries[-1]["data"]["result"] == {"input": {"x": 1}, "flushed": 6}


FAILURES = [
    ("FailingConstructor", None, "startup_failed", "RuntimeError: no such model"),
    ("ExitingConstructor", None, "startup_failed", "SystemExit: 3"),
    ("exits", None, "agent_error", "SystemExit: 4"),
    ("exits-in-task", None, "agent_error", "SystemExit: 5"),
    ("scripted", {"steps": [{"raise": "Exception"}]}, "agent_error", "Exception: as the script says"),
    ("scripted", {"steps": [{"raise": "BaseException"}]}, "agent_error", "BaseException: as the script says"),
    ("scripted", {"steps": [{"raise": "SystemExit"}]}, "agent_error", "SystemExit: as the script says"),
    ("scripted", {"steps": [{"fail": "on purpose"}]}, "agent_error", "on purpose"),
    ("scripted", {"steps": [{"emit": {"type": "RUN_FINISHED"}}]}, "event_refused", "RUN_FINISHED"),
    ("scripted", {"steps": [{"emit": {"no": "type"}}]}, "event_refused", "type"),
    ("generator", "no number", "agent_error", "TypeError"),
    ("returns-poison", "nan", "agent_error", "nan"),
    ("returns-poison", "object", "agent_error", "object"),
    ("returns-poison", "huge", "agent_error", "2^53"),
    ("returns-poison", "large", "limit_exceeded", "65536 bytes"),
]


@pytest.mark.parametrize(("agent", "input", "code", "words"), FAILURES, ids=lambda value: str(value)[:40])
async def test_however_it_fails_the_run_ends_and_the_server_lives(
    server: EmbeddedServer, agent: str, input: Any, code: str, words: str
) -> None:
    entries = await _finished(server, agent, input)
    end = entries[-1]["data"]
    assert (end["status"], end["error"]["code"], end["attempt"]) == ("FAILED", code, 1)
    assert words in end["error"]["message"]
    assert (await _finished(server, "echo", "still here"))[-1]["data"]["status"] == "SUCCEEDED"


async def test_what_an_agent_said_before_it_failed_stays_and_its_message_is_closed(server: EmbeddedServer) -> None:
    entries = await _finished(server, "scripted", {"steps": [{"text": "half an ans"}, {"raise": "BaseException"}]})
    assert _types(entries) == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"]
    assert entries[-1]["data"]["status"] == "FAILED"


@pytest.mark.parametrize(("second", "verdict"), [("PASSED", "passed"), ("FAILED", "failed")])
async def test_a_test_that_was_carried_through_succeeds_with_its_verdict(
    server: EmbeddedServer, second: str, verdict: str
) -> None:
    steps = [{"step": {"name": "one", "status": "PASSED"}}, {"step": {"name": "two", "status": second}}]
    end = (await _finished(server, "scripted", {"steps": steps}))[-1]["data"]
    assert (end["status"], end["verdict"]) == ("SUCCEEDED", verdict)
    assert end["result"] == {"passed": 1 + (second == "PASSED"), "total": 2}


async def test_a_task_left_behind_is_not_waited_for(server: EmbeddedServer) -> None:
    """Its thread is given up after the bound, and never serves another run."""
    async with server.http() as http:
        first = await ended(server, await start(http, "leaves-task"), within_s=3)
        second = await ended(server, await start(http, "leaves-task"), within_s=3)
    assert (first["status"], second["status"]) == ("SUCCEEDED", "SUCCEEDED")
