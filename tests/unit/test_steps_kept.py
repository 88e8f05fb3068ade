"""What was a sentence before the language was widened means the same since, but for what is named here.

``kept_sentences.jsonl`` holds sentences and their actions as the parser of commit 12f319a read them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwire.errors import UnknownSentence
from runwire.protocol.steps.grammar import parse_step
from runwire.protocol.steps.recorded import action_of
from runwire.protocol.steps.sentence import sentence_of

KEPT: dict[str, dict[str, Any]] = dict(
    json.loads(line) for line in (Path(__file__).parent / "kept_sentences.jsonl").read_text("utf-8").splitlines()
)
CHANGED: dict[str, dict[str, str]] = {
    "what looks like no address is refused, and articles around one are left away (decision 27)": {
        "Go to login": '"login" is no address',
        "Open dashboard": '"dashboard" is no address',
        'Open "Settings"': '"Settings" is no address',
        "Navigate to the login page": '"login page" is no address',
        "Go to the /login page": 'Navigate to "/login"',
    },
    "a variable is written without quotes (decision 27)": {
        'Set "token" to "${secret}"': 'Fill "token" with "${secret}"',
        'Set variable "name" to "x"': '"name" is quoted',
    },
    "Check that is Verify": {
        "Check that the box is checked": 'Verify element "box" is checked',
        "Check if Add": '"if" is no box',
    },
    "a key that no keyboard has is refused, and is found in any case": {
        "Press Foo": '"Foo" is no key',
        'Press "Foo"': '"Foo" is no key; write: Press the "Foo" button',
        "Press enter": "Press Enter",
    },
    "other words for a state are one behind an element without quotes too": {
        "Verify element Add appears": 'Verify element "Add" is visible',
        "Verify element Add does not exist": 'Verify element "Add" is hidden',
        "Verify element Add is not enabled": 'Verify element "Add" is disabled',
        "Verify element Terms is selected": 'Verify element "Terms" is checked',
        "Wait for Loading goes away": 'Wait for "Loading" to disappear',
        "Wait until Add is enabled": 'Verify element "Add" is enabled',
        "Wait for Add is not visible": 'Wait for "Add" to disappear',
        "Wait until Add exists": 'Wait for "Add"',
    },
    "a time, a load and an edge of the page are no element": {
        "Wait for the page to load": "Wait for the page to load",
        "Wait for a second": "Wait for 1 seconds",
        "Wait for 2s": "Wait for 2 seconds",
        "Scroll to top": "Scroll to the top",
        "Scroll to the bottom": "Scroll to the bottom",
    },
    "other words for is are no part of a value without quotes": {
        "Verify title is equal to Shop": 'Verify title is "Shop"',
        "Verify title to be Shop": 'Verify title is "Shop"',
        "Verify value of Name is equal to 3": 'Verify value of "Name" is "3"',
        "Verify attribute href of Home is equal to /a": 'Verify attribute "href" of "Home" is "/a"',
    },
    "words around a name are no part of it": {
        "Upload the file a.txt into File": 'Upload "a.txt" to "File"',
        "Hover the mouse over Products": 'Hover "Products"',
    },
}  # fmt: skip
"""The deliberate exceptions, by their reasons: what each sentence means now, or how its error begins."""
MEANS_NOW = {said: means for changed in CHANGED.values() for said, means in changed.items()}


def test_what_was_a_sentence_means_the_same() -> None:
    told = [said for said in KEPT.keys() - MEANS_NOW.keys() if _said(said) != sentence_of(action_of(KEPT[said]))]
    assert not told, "\n".join(f"{said}: {sentence_of(action_of(KEPT[said]))} | {_said(said)}" for said in told)


@pytest.mark.parametrize("why", CHANGED)
def test_what_changed_was_meant_to(why: str) -> None:
    for said, means in CHANGED[why].items():
        assert _said(said).startswith(means), said
        assert _said(said) != sentence_of(action_of(KEPT[said])), "no exception any more"


def _said(sentence: str) -> str:
    """Return what a sentence means, in the canonical words, or what is wrong with it."""
    try:
        return sentence_of(parse_step(1, sentence).action)
    except UnknownSentence as error:
        return error.message.removeprefix("step 1: ")
