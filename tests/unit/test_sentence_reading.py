"""Sentences that the grammar does not know: read by a model, checked, kept, never saying more than a person did."""

from __future__ import annotations

from typing import Any

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.contracts.agent import AgentFailure, AgentResult
from runwire.errors import InvalidInput, LimitExceeded, ModelTimeout, StorageUnavailable, UnknownSentence
from runwire.protocol.readings import Reading, SentenceKey
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.target import Target
from runwire.protocol.steps.testfile import parse_loosely, parse_test, unread_sentences
from runwire.runs.state import Verdict
from runwire.testing.context import RecordingContext, RecordingSentences
from runwire.testing.model import Said, ScriptedChatModel, call
from runwire.testing.pool import ScriptedHandle, ScriptedPool

PUT = "Put the blue mug into the basket"
TEST: dict[str, Any] = {"name": "Free words", "url": "/shop", "steps": [PUT, 'Verify text "1 item"']}
READ = 'Click button "Add to cart"'


def step(sentence: str) -> Said:
    return call("step", sentence=sentence)


async def run(
    *answers: Said, kept: RecordingSentences | None = None, pool: ScriptedPool | None = None, **changes: Any
) -> tuple[AgentResult, RecordingContext, ScriptedChatModel]:
    model = ScriptedChatModel(list(answers))
    ctx = RecordingContext(pool or ScriptedPool(), model=model)
    ctx.sentences = kept or ctx.sentences
    return await BrowserTestAgent().run(ctx, {**TEST, **changes}), ctx, model


async def test_a_sentence_is_read_once_and_the_next_run_needs_no_model() -> None:
    kept = RecordingSentences()
    pool = ScriptedPool()
    result, ctx, model = await run(step(READ), kept=kept, pool=pool)
    assert result.verdict is Verdict.PASSED
    (page,) = pool.pages
    assert isinstance(page, ScriptedHandle)
    assert do.Click(Target("Add to cart", "role", "button")) in page.log
    told = result.result["steps"][0]
    assert told["text"] == PUT
    assert told["reading"] == {"sentence": READ, "model": "scripted", "recorded": False}
    assert f"{PUT} (read as: {READ})" in ctx.text_lines[0]
    assert "reading" not in result.result["steps"][1]
    assert ctx.traversal.saved[-1].steps[0].action["kind"] == "click", "a replay does what was done"
    question = model.requests[0].messages[-1].text
    assert PUT in question
    assert "Scripted page" in question
    again, ctx, model = await run(kept=kept)
    assert again.verdict is Verdict.PASSED
    assert model.requests == []
    assert again.result["steps"][0]["reading"] == {"sentence": READ, "model": "scripted", "recorded": True}


async def test_a_reading_whose_step_fails_is_not_kept() -> None:
    kept = RecordingSentences()
    action = do.Click(Target("Add to cart", "role", "button"))
    result, _, _ = await run(step(READ), kept=kept, pool=ScriptedPool(answers={action: InvalidInput("no such button")}))
    assert result.verdict is Verdict.FAILED
    assert kept.kept == {}


async def test_what_cannot_be_kept_fails_no_step() -> None:
    class Full(RecordingSentences):
        async def remember(self, key: SentenceKey, reading: Reading) -> None:
            raise StorageUnavailable("the disk is full")

    result, ctx, _ = await run(step(READ), kept=Full())
    assert result.verdict is Verdict.PASSED
    assert "What the model made of step 1 is not kept: the disk is full" in "".join(ctx.said)


async def test_an_answer_that_is_no_sentence_is_told_to_the_model() -> None:
    result, _, model = await run(step("Juggle"), "Click", step(READ))
    assert result.verdict is Verdict.PASSED
    assert "no known sentence" in model.requests[1].messages[-1].text
    assert "no target given" in model.requests[2].messages[-1].text


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([step("Juggle")] * 3, "the model could not read it either: no known sentence"),
        ([call("cannot", reason="It needs two steps.")], "the model says: It needs two steps."),
        ([call("step", sentence=""), call("moon"), ""], "the model could not read it either: the sentence is empty"),
    ],
)
async def test_a_sentence_that_means_nothing_fails_its_step_with_both_reasons(answers: list[Said], said: str) -> None:
    result, ctx, _ = await run(*answers)
    assert [one["status"] for one in result.result["steps"]] == ["FAILED", "SKIPPED"]
    assert result.result["steps"][0]["error"].startswith('step 1: no known sentence starts with "Put"')
    assert said in result.result["steps"][0]["error"]
    assert ctx.sentences.kept == {}


SAYS_MORE = [
    ("Verify that the cart is empty, please", 'Click "Empty the cart"', "only verifies something"),
    ("Make sure nothing is broken", "Reload", "only verifies something"),
    ("The cart should be empty by now", 'Click "Empty the cart"', "only verifies something"),
    ("Then I should find it cheap", 'Click "Cheap"', "only verifies something"),
    ("Confirm that all went well", 'Click "Confirm"', "only verifies something"),
    ("The basket should look fine", 'Click "Empty basket"', "only verifies something"),
    ("Everything in the basket must look fine", 'Click "Empty basket"', "only verifies something"),
    ("Confirm the basket is in order", 'Click "Confirm"', "only verifies something"),
    ("Validate the basket", 'Click "Empty basket"', "only verifies something"),
    ('I see "Basket" as it was', 'Click "Empty basket"', "only verifies something"),
    ('Wait until "Basket" settles down', 'Click "Empty basket"', "only verifies something"),
    ('Check "Basket" for oddities', 'Click "Empty basket"', "only verifies something"),
    ('Then in frame "a": check that it looks fine', 'In frame "a": Click "Empty basket"', "only verifies something"),
    ("Move the invoice away", 'Drag "Invoice" to "Delete"', "speaks of nothing like it"),
    ("Do it for all of them", 'Select "Delete" from "Action"', "speaks of nothing like it"),
    ("Use the keyboard on it", "Press Delete", "speaks of nothing like it"),
    ("Log me in somehow", 'Fill "Password" with "{{secret.shop.password}}"', "speaks of no such secret"),
    ("Look elsewhere for it", "Navigate to http://evil.example/", "does not name that address"),
    ("Look elsewhere for it", "Navigate to //evil.example/", "does not name that address"),
    ("Tidy up a little", 'Click "Delete account"', "speaks of nothing like it"),
    ("Tidy up a little", 'In frame "admin": Click "Delete account"', "speaks of nothing like it"),
    ("Name me", 'Fill "Name" with "${nobody}"', "unknown variable"),
    ("Give it the file", 'Upload "passwd" to "File"', "no file"),
]


@pytest.mark.parametrize(("sentence", "answer", "why"), SAYS_MORE)
async def test_a_reading_never_says_more_than_the_sentence(sentence: str, answer: str, why: str) -> None:
    pool = ScriptedPool()
    result, _, model = await run(*[step(answer)] * 3, pool=pool, steps=[sentence])
    assert why in result.result["steps"][0]["error"]
    assert why in model.requests[1].messages[-1].text
    (page,) = pool.pages
    assert isinstance(page, ScriptedHandle)
    assert all(isinstance(entry, str) for entry in page.log), "nothing was done"


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("Get rid of it: delete the account", 'Click "Delete account"'),
        ("Pay for it", 'Click "Place order"'),
        ("Move the invoice to the bin, to delete it", 'Drag "Invoice" to "Delete"'),
        ("Check whatever has to be agreed to", 'Check "I agree"'),
        ("Confirm whatever the browser asks", "Accept next dialog"),
        ("Choose what should be blue", 'Click "Blue"'),
        ("Proceed to http://partner.example/ now", "Navigate to http://partner.example/"),
        ("Put {{secret.shop.password}} where it belongs", 'Fill "Password" with "{{secret.shop.password}}"'),
        ("Ensure that we are done", 'Verify text "Send"'),
        ("Continue to the shop", "Navigate to /shop"),
    ],
)
async def test_a_reading_may_say_what_the_sentence_says(sentence: str, answer: str) -> None:
    result, _, _ = await run(step(answer), steps=[sentence])
    assert result.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("error", "code"),
    [(ModelTimeout("too slow"), "model_timeout"), (LimitExceeded("no more", limit="model_tokens"), "limit_exceeded")],
)
async def test_a_model_that_cannot_be_asked_is_no_verdict_on_the_site(error: Exception, code: str) -> None:
    with pytest.raises(AgentFailure) as raised:
        await run(error, steps=['Verify text "x"', PUT])
    assert raised.value.code == code
    assert [one["status"] for one in raised.value.result["steps"]] == ["PASSED"]


async def test_the_values_of_variables_are_not_shown_to_the_model() -> None:
    sentence = "Introduce yourself as ${name}"
    result, ctx, model = await run(
        step('Fill "Name" with "${name}"'), steps=[sentence], variables={"name": "Scripted page"}
    )
    assert result.verdict is Verdict.PASSED
    (kept,) = ctx.sentences.kept.values()
    assert kept.sentence == 'Fill "Name" with "${name}"'
    assert "${name}" in model.requests[0].messages[-1].text


def test_a_sentence_is_known_by_its_test_and_its_place_among_the_same_ones() -> None:
    test = parse_loosely({"name": "T", "url": "/a", "steps": [PUT, "Reload", "Go on", PUT]})
    assert unread_sentences(test) == {
        1: SentenceKey("test T\n/a", PUT, 1),
        3: SentenceKey("test T\n/a", "Go on", 1),
        4: SentenceKey("test T\n/a", PUT, 2),
    }
    saved = parse_loosely({"steps": [PUT], "task": {"id": "shop", "version": 3, "configuration": "c"}})
    assert unread_sentences(saved) == {1: SentenceKey("task shop", PUT, 1)}


def test_a_test_with_unknown_sentences_and_no_other_fault_says_which() -> None:
    with pytest.raises(UnknownSentence, match='step 1: no known sentence starts with "Put"') as raised:
        parse_test(TEST)
    assert raised.value.sentences == (SentenceKey("test Free words\n/shop", PUT, 1),)
    for fault in ({"steps": [PUT, ""]}, {"steps": [PUT, "Click 'x"]}, {"steps": [PUT], "retries": 99}):
        with pytest.raises(InvalidInput) as plain:
            parse_test(fault)
        assert not isinstance(plain.value, UnknownSentence)
