"""What a run pays a model for, and when it asks no more."""

from __future__ import annotations

import json

import pytest

from runwire.contracts.model import Message, ModelAnswer, ModelRequest
from runwire.engine.run_model import RunModel
from runwire.errors import LimitExceeded, ModelNonsense
from runwire.llm.endpoint import Endpoint
from runwire.llm.wire import decode_answer
from runwire.runs.limits import RunLimits

ENDPOINT = Endpoint("http://127.0.0.1:1/v1/chat/completions", "small", "")
CALL = {"id": "c1", "type": "function", "function": {"name": "click", "arguments": '{"ref": "e'}}
CUT_OFF = json.dumps(
    {
        "choices": [{"message": {"content": None, "tool_calls": [CALL]}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 100},
    }
).encode()


class _Answers:
    """A model that always gives the same answer."""

    def __init__(self, answer: ModelAnswer) -> None:
        self.asked = 0
        self._answer = answer

    def unavailable_reason(self) -> str | None:
        return None

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        self.asked += 1
        return self._answer


async def test_a_call_that_was_cut_off_is_paid_for_and_counts_against_the_limit() -> None:
    model = _Answers(decode_answer(CUT_OFF, ENDPOINT))
    run = RunModel(model, RunLimits(model_tokens=1_000))
    question = ModelRequest((Message("user", "Click."),))
    with pytest.raises(ModelNonsense, match="cut off"):
        await run.complete(question)
    assert (run.used.input_tokens, run.used.output_tokens) == (900, 100)
    with pytest.raises(LimitExceeded):
        await run.complete(question)
    assert model.asked == 1
