"""Requests and answers as the chat completions of OpenAI and those who follow it write them. Floor 4; pure.

What is not understood in an answer is passed over: every server adds something of its own.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec

from runwire.contracts.model import Message, ModelAnswer, ModelRequest, Tool, ToolCall
from runwire.errors import ModelNonsense
from runwire.llm.endpoint import Endpoint

MAX_CALLS = 16
"""Most calls of tools that are taken from one answer."""
MAX_TOLD = 300
"""Most characters of a server's complaint that are passed on."""


class _Function(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] | None = None


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Said
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None
    model: str | None = None


class _Complaint(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Complaint | str = ""


def encode_request(request: ModelRequest, endpoint: Endpoint) -> bytes:
    """Return the body of a request."""
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [_message(message) for message in request.messages],
    }
    if endpoint.answer_tokens:
        body["max_tokens"] = endpoint.answer_tokens
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = "required" if request.must_call else "auto"
    return msgspec.json.encode(body)


def decode_answer(body: bytes, endpoint: Endpoint) -> ModelAnswer:
    """Return the answer that a body holds; tokens that it does not tell count as none.

    Raises:
        ModelNonsense: it holds none.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelNonsense(f"the model's server sent no chat completion: {str(error)[:MAX_TOLD]}") from error
    if not answer.choices:
        raise ModelNonsense("the model's server sent a chat completion without a choice")
    choice, usage = answer.choices[0], answer.usage or _Usage()
    calls = choice.message.tool_calls or []
    return ModelAnswer(
        text=choice.message.content or "",
        calls=tuple(_called(number, call) for number, call in enumerate(calls[:MAX_CALLS], start=1)),
        usage=endpoint.usage(max(usage.prompt_tokens, 0), max(usage.completion_tokens, 0)),
        model=answer.model or endpoint.model,
        cut_off=choice.finish_reason == "length" and bool(calls),
    )


def complaint_in(body: bytes) -> str:
    """Return all that a refusal says, in one line; empty if it says nothing that can be read."""
    try:
        told = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    text = told if isinstance(told, str) else told.message
    return " ".join(text.split())


def _called(number: int, call: _Call) -> ToolCall:
    given = call.function.arguments
    arguments = given if isinstance(given, str) else msgspec.json.encode(given or {}).decode()
    return ToolCall(call.id or f"call-{number}", call.function.name, arguments)


def _message(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.images:
        pictures = [{"type": "image_url", "image_url": {"url": _data_url(png)}} for png in message.images]
        body["content"] = [{"type": "text", "text": message.text}, *pictures]
    if message.calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.calls
        ]
    if message.call_id is not None:
        body["tool_call_id"] = message.call_id
    return body


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + b64encode(png).decode()
