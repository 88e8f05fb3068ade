"""The client of chat models, over real sockets: what is sent, repeated, told, and never told."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from typing import Any

import pytest

from runwire.contracts.model import Message, ModelRequest, ModelUsage, Tool, ToolCall
from runwire.errors import (
    ConfigurationError,
    ModelError,
    ModelFailed,
    ModelNonsense,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)
from runwire.llm import openai
from runwire.llm.endpoint import endpoint_of
from runwire.llm.openai import OpenAIChatModel
from runwire.llm.support import ModelSupport
from runwire.llm.wire import MAX_TOLD
from runwire.settings import Settings
from runwire.testing.model import Refused, ScriptedModelServer, call, model_server

KEY = "sk-do-not-tell-0123456789"
ASKED = ModelRequest((Message("system", "Be brief."), Message("user", "What is this?", (b"\x89PNG",))))
LOOK = Tool("look", "Look at it.", {"type": "object", "properties": {"at": {"type": "string"}}})


def model(server: ScriptedModelServer, **changes: Any) -> OpenAIChatModel:
    chosen = {"model_url": server.url, "model_name": "small", "model_api_key": KEY, **changes}
    endpoint = endpoint_of(Settings(**chosen))
    assert endpoint is not None
    return OpenAIChatModel(endpoint)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "FIRST_REST_S", 0.01)


async def test_a_question_with_a_picture_and_tools_is_sent_as_the_endpoint_takes_it() -> None:
    with model_server("A mug.", call("look", at="the mug")) as server:
        asked = model(server, model_price_input=2.0, model_price_output=10.0)
        answer = await asked.complete(ASKED)
        assert (answer.text, answer.calls, answer.model) == ("A mug.", (), "small")
        assert answer.usage == ModelUsage(1, 100, 10, 100 * 2 + 10 * 10), "millionths of a dollar"
        history = (
            *ASKED.messages,
            Message("assistant", calls=(ToolCall("1", "look", '{"at": "it"}'),)),
            Message("tool", "a mug", call_id="1"),
        )
        called = await asked.complete(ModelRequest(history, (LOOK,), must_call=True))
        assert [(one.name, one.arguments) for one in called.calls] == [("look", '{"at": "the mug"}')]
    first, second = server.requests
    assert server.keys == [f"Bearer {KEY}"] * 2
    assert first["model"] == "small"
    assert "tools" not in first
    assert "max_tokens" not in first
    text, picture = first["messages"][1]["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert picture["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    assert second["tool_choice"] == "required"
    assert second["tools"][0]["function"]["parameters"] == LOOK.parameters
    assert second["messages"][2]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at": "it"}'}
    assert second["messages"][3]["tool_call_id"] == "1"


@pytest.mark.parametrize(
    "failure",
    [Refused(429, headers={"Retry-After": "0"}), Refused(503), Refused(500), Refused(cut=True)],
    ids=["busy", "unavailable", "broken", "cut"],
)
async def test_a_busy_or_broken_server_is_asked_again(failure: Refused) -> None:
    with model_server(failure, failure, "At last.") as server:
        assert (await model(server).complete(ASKED)).text == "At last."
    assert len(server.requests) == 3


async def test_it_is_asked_so_often_and_no_more() -> None:
    with (
        model_server(*[Refused(503)] * 9) as server,
        pytest.raises(ModelFailed, match="asked 3 times: HTTP 503: not today"),
    ):
        await model(server, model_attempts=3).complete(ASKED)
    assert len(server.requests) == 3


async def test_a_server_that_is_not_there_is_told() -> None:
    with model_server() as server:
        gone = model(server, model_attempts=2)
    with pytest.raises(ModelFailed, match="asked 2 times: ConnectError"):
        await gone.complete(ASKED)


async def test_no_part_of_the_key_is_in_an_error_that_was_cut() -> None:
    for before in range(MAX_TOLD - len(KEY), MAX_TOLD):
        told = f'{{"error": {{"message": "{"x" * before}{KEY}"}}}}'
        with model_server(Refused(401, told)) as server, pytest.raises(ModelError) as raised:
            await model(server).complete(ASKED)
        assert KEY[:4] not in raised.value.message, before


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "model_api_key"), (404, "model_name"), (400, "not today"), (302, "HTTP 302")]
)
async def test_a_refusal_is_not_repeated_and_says_what_to_look_at(status: int, hint: str) -> None:
    elsewhere = {"Location": "http://127.0.0.1:1/"}
    with (
        model_server(Refused(status, headers=elsewhere), "never") as server,
        pytest.raises(ModelRefused, match=hint),
    ):
        await model(server).complete(ASKED)
    assert len(server.requests) == 1


async def test_a_silent_server_costs_the_time_that_the_settings_give_it_and_no_more() -> None:
    with model_server(Refused(hang=True), "never") as server:
        begun = time.monotonic()
        with pytest.raises(ModelTimeout, match=r"within 0\.3 s"):
            await model(server, model_timeout_s=0.3).complete(ASKED)
        assert time.monotonic() - begun < 4
        assert await asyncio.to_thread(server.left.wait, 4), "the connection was closed"
    assert len(server.requests) == 1


async def test_a_cancelled_question_closes_its_connection_at_once() -> None:
    with model_server(Refused(hang=True)) as server:
        asking = asyncio.create_task(model(server).complete(ASKED))
        assert await asyncio.to_thread(server.asked.wait, 4)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.to_thread(server.left.wait, 4)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "[]",
        '{"choices": []}',
        '{"choices": [{"message": {"content": 7}}]}',
        '{"a": "' + "\ud800"[:0] + "\\",
    ],
)
async def test_what_is_no_answer_is_said_to_be_none(body: str) -> None:
    with model_server(Refused(200, body)) as server, pytest.raises(ModelNonsense):
        await model(server).complete(ASKED)
    assert len(server.requests) == 1


async def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "ANSWER_BYTES", 10_000)
    endless = Refused(200, "x" * 50_000)
    with model_server(endless) as server, pytest.raises(ModelNonsense, match="longer than 10000 bytes"):
        await model(server).complete(ASKED)


async def test_the_key_is_in_no_error_and_no_log(caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    caplog.set_level(logging.DEBUG)
    told = f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'
    with model_server(Refused(503, told), Refused(401, told)) as server:
        asked = model(server)
        with pytest.raises(ModelError) as raised:
            await asked.complete(ASKED)
        assert "Incorrect API key provided: …" in raised.value.message
        assert KEY not in repr(asked.__dict__)
    printed = capsys.readouterr()
    assert KEY not in caplog.text + printed.out + printed.err
    assert KEY not in repr(Settings(model_api_key=KEY))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_url": "models.example.org"}, "must look like"),
        ({"model_url": "https://me:secret@models.example.org/v1"}, "write the key into model_api_key"),
        ({"model_url": "https://models.example.org/v1"}, "model_name is not"),
        ({"model_url": "https://m.example.org/v1", "model_name": "m", "model_api_key": "a\nb"}, "model_api_key"),
    ],
)
def test_settings_that_lead_nowhere_are_refused_at_start_up(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ModelSupport(Settings(**changes))


async def test_without_a_model_the_error_says_what_to_set() -> None:
    support = ModelSupport(Settings())
    assert "RUNWIRE_MODEL_URL" in (support.unavailable_reason() or "")
    with pytest.raises(ModelUnavailable, match="set model_url and model_name"):
        await support.complete(ASKED)


async def test_b6_test_mode_says_what_the_question_lays_out_and_opens_no_socket() -> None:
    with model_server("the real one") as server:
        support = ModelSupport(Settings(test_mode=True, model_url=server.url, model_name="m"))
        assert support.unavailable_reason() is None
        question = Message("user", 'Do it. SCRIPT: [{"tool": "look", "arguments": {"at": "it"}}, "Done."] Thanks.')
        first = await support.complete(ModelRequest((question,), (LOOK,)))
        assert [(one.name, one.arguments) for one in first.calls] == [("look", '{"at":"it"}')]
        after = (question, Message("assistant", calls=tuple(first.calls)), Message("tool", "ok", call_id="call-1"))
        assert (await support.complete(ModelRequest(after))).text == "Done."
        with pytest.raises(ModelNonsense, match="no answer 3"):
            await support.complete(ModelRequest((*after, Message("assistant", "Done."))))
        with pytest.raises(ModelNonsense, match="is no JSON"):
            await support.complete(ModelRequest((Message("user", "SCRIPT: nonsense"),)))
    assert server.requests == []
