"""Where no model is configured, a run that needs one says so before any browser is opened."""

from __future__ import annotations

from typing import Any

import pytest

from runwire.agents.browser_task import BrowserAgent
from runwire.agents.browser_test import BrowserTestAgent
from runwire.agents.scan import ScanAgent
from runwire.contracts.agent import AgentFailure
from runwire.protocol.readings import Reading
from runwire.protocol.steps.testfile import parse_loosely, unread_sentences
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedPool

FREE_WORDS = {"name": "Free words", "url": "/shop", "steps": ['Click "A"', "Have a look around"]}
BY_MODEL = {"url": "/a", "by_model": {"schema": {"type": "object", "properties": {"name": {"type": "string"}}}}}


@pytest.mark.parametrize(
    ("agent", "input", "said"),
    [
        (BrowserAgent(), {"task": "x", "url": "/shop"}, "a task is carried out by a model: no model is configured"),
        (
            BrowserTestAgent(),
            FREE_WORDS,
            'step 2: "Have a look around" is in free words, for a model: no model is configured',
        ),
        (ScanAgent(), BY_MODEL, "by_model has a model read the pages: no model is configured"),
    ],
)
async def test_it_is_said_before_a_browser_is_opened(agent: Any, input: dict[str, Any], said: str) -> None:
    pool = ScriptedPool()
    with pytest.raises(AgentFailure) as failed:
        await agent.run(RecordingContext(pool), input)
    assert failed.value.code == "model_unavailable"
    assert failed.value.message.startswith(said)
    assert "set model_url and model_name" in failed.value.message
    assert pool.configs == []


async def test_a_test_that_was_read_before_needs_none() -> None:
    ctx = RecordingContext(ScriptedPool())
    (key,) = unread_sentences(parse_loosely(FREE_WORDS)).values()
    ctx.sentences.kept[key] = Reading('Click "B"', "a model")
    result = await BrowserTestAgent().run(ctx, FREE_WORDS)
    assert result.verdict == "passed"
