"""Stagehand's questions to a model, answered by the run's own. Floor 4; the run's own thread and loop.

Stagehand asks for JSON of a schema; that is asked of the model as a call of a tool, which every model takes that the
server can be given. So tokens, cost and limits are the run's, and the key stays in the server.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import msgspec
from stagehand import LLMGenerateInput, LLMGenerateOutput, LLMMessageGenerateResult, LLMStructuredGenerateResult
from stagehand import LLMStructuredGenerateParams as Structured

from runwire.agents.browser_task.conversation import standing_still
from runwire.contracts.model import ChatModel, Message, ModelAnswer, ModelRequest, Role, Tool
from runwire.errors import InvalidInput, LimitExceeded, ModelError, ModelNonsense
from runwire.protocol.json_schema import check_value

TRIES = 2
"""How often the model is asked until its answer fits the schema."""


class Answers:
    """What Stagehand is given as its model. What an operation on the page asks belongs to that: its ``limit`` stands
    still while the model thinks, and it ends with the reason why the model could not answer.
    """

    def __init__(self, model: ChatModel) -> None:
        self._model = model
        self._failure: ModelError | LimitExceeded | None = None
        self._limit: asyncio.Timeout | None = None

    def begin(self, limit: asyncio.Timeout) -> None:
        """Begin an operation."""
        self._failure, self._limit = None, limit

    def end(self) -> ModelError | LimitExceeded | None:
        """End it; return what Stagehand tells only as a text: why the model could not answer, if so."""
        self._limit = None
        return self._failure

    async def generate(self, asked: LLMGenerateInput) -> LLMGenerateOutput:
        """Answer one question. Raises ModelError and LimitExceeded, and remembers them."""
        try:
            async with standing_still(self._limit):
                return await self._answered(asked)
        except (ModelError, LimitExceeded) as error:
            self._failure = error
            raise

    async def _answered(self, asked: LLMGenerateInput) -> LLMGenerateOutput:
        messages = tuple(_messages(asked))
        if not isinstance(asked, Structured):
            answer = await self._model.complete(ModelRequest(messages))
            return LLMMessageGenerateResult.model_validate_json(_result(answer, answer.text, "text"))
        wanted = asked.response_format.model_dump(mode="json", by_alias=True, exclude_none=True)
        tool = Tool("answer", f"Give the answer: {wanted['name']}", wanted["schema"])
        complaint = ""
        for _ in range(TRIES):
            answer = await self._model.complete(ModelRequest(messages, (tool,), must_call=True))
            try:
                value = _value(answer, tool)
            except InvalidInput as error:
                complaint = error.message
                messages = (*messages, Message("user", f"That was no answer: {complaint[:600]}. Call the tool again."))
                continue
            result = _result(answer, json.dumps(value), "json_schema", structured_content=value)
            return LLMStructuredGenerateResult.model_validate_json(result)
        raise ModelNonsense(f"the model's answers to Stagehand do not fit what it asks for; the last: {complaint}")


def _value(answer: ModelAnswer, tool: Tool) -> Any:
    """Return the arguments of the answer's call. Raises InvalidInput if there is none, or they do not fit."""
    if not answer.calls or answer.cut_off:
        raise InvalidInput("the tool was not called")
    try:
        value = msgspec.json.decode(answer.calls[0].arguments or "{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidInput(f"the arguments are no JSON: {error}") from error
    check_value(value, tool.parameters, "the answer")
    return value


def _messages(asked: LLMGenerateInput) -> list[Message]:
    """Return what is asked as a conversation; of pictures those that the contract knows, PNGs."""
    found = [] if asked.system_prompt is None else [Message("system", asked.system_prompt)]
    for message in asked.messages:
        role: Role = "assistant" if message.role == "assistant" else "user"
        parts = message.content if isinstance(message.content, list) else [message.content]
        told = [part.root.model_dump(mode="json", by_alias=True) for part in parts]
        text = "\n".join(part["text"] for part in told if part["type"] == "text")
        pictures = [part for part in told if part["type"] == "image" and part["mime_type"] == "image/png"]
        found.append(Message(role, text, tuple(base64.b64decode(part["data"]) for part in pictures)))
    return found


def _result(answer: ModelAnswer, text: str, form: str, **more: Any) -> str:
    used = answer.usage
    usage = {
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
    }
    content = {"type": "text", "text": text}
    return json.dumps({"role": "assistant", "content": content, "usage": usage, "output_format": form, **more})
