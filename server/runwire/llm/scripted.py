"""The model of the test mode: says what the conversation's first question lays out for it. Floor 4; any thread; pure.

The question holds ``SCRIPT: [ … ]``, a JSON list; the n-th answer is its n-th member, a text or
``{"tool": NAME, "arguments": {…}}``. The whole way of a run is gone without any model, and every time the same way.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from runwire.contracts.model import ModelAnswer, ModelRequest, ModelUsage, ToolCall
from runwire.errors import ModelNonsense

MARK = "SCRIPT:"
NAME = "scripted"


class ScriptedModel:
    """Implements ``contracts.model.ChatModel`` without a model."""

    def unavailable_reason(self) -> None:
        """Return None: it is always there."""

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Return the next answer of the script. Raises ModelNonsense if the question holds none, or no more."""
        asked = next((message.text for message in request.messages if message.role == "user"), "")
        given = sum(message.role == "assistant" for message in request.messages)
        script = script_in(asked)
        if given >= len(script):
            raise ModelNonsense(f"the server is in test mode, and the script ({MARK} […]) has no answer {given + 1}")
        return _answer(script[given], given + 1)


def script_in(text: str) -> list[Any]:
    """Return the script that stands in a text; empty if there is none. Raises ModelNonsense if it is no JSON list."""
    _, mark, rest = text.partition(MARK)
    if not mark:
        return []
    try:
        script, _end = json.JSONDecoder().raw_decode(rest.lstrip())
    except json.JSONDecodeError as error:
        raise ModelNonsense(f"the script behind {MARK} is no JSON: {error.msg}") from error
    if not isinstance(script, list):
        raise ModelNonsense(f"the script behind {MARK} is no list")
    return script


def _answer(member: Any, number: int) -> ModelAnswer:
    usage = ModelUsage(1)
    match member:
        case str():
            return ModelAnswer(member, (), usage, NAME)
        case {"tool": str(name), **rest}:
            arguments = msgspec.json.encode(rest.get("arguments", {})).decode()
            return ModelAnswer("", (ToolCall(f"call-{number}", name, arguments),), usage, NAME)
    raise ModelNonsense(f"answer {number} of the script is neither a text nor an object with a tool")
