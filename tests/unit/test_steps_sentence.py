"""Every action has a sentence, and reading the sentence gives the action: what a model does is recorded in words."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.protocol.steps import actions as do
from runwire.protocol.steps.grammar import parse_step
from runwire.protocol.steps.phrases import ROLES
from runwire.protocol.steps.sentence import sentence_of
from runwire.protocol.steps.target import Target

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30)
NAMES = TEXTS.filter(lambda text: text.strip() != "")
PLACES = st.none() | st.integers(0, 40) | st.just(-1)
KINDS = ("field", "label", "placeholder", "text", "test_id", "css")
TARGETS = st.one_of(
    st.builds(Target, NAMES, st.just("role"), st.sampled_from(sorted(ROLES.values())), PLACES, st.none() | NAMES),
    st.builds(
        Target, NAMES, st.sampled_from(("field", "label", "placeholder", "text", "test_id", "css")), st.none(), PLACES
    ),
)
COMPARISONS = st.sampled_from(("is", "contains"))
NAMED = (
    "Enter",
    "ArrowDown",
    "Pause",
    "PrintScreen",
    "ScrollLock",
    "NumLock",
    "AltGraph",
    "ControlRight",
    "Numpad5",
    "F12",
)
SIGNS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"))
HELD = st.sampled_from(("", "Control+", "ShiftLeft+", "Control+Alt+"))
KEYS = st.builds("".join, st.tuples(HELD, st.sampled_from(NAMED) | st.sampled_from("+.,:\"' Aa") | SIGNS))
IN_FRAME = st.one_of(st.builds(do.Click, TARGETS), st.builds(do.Fill, TARGETS, TEXTS))
ACTIONS: dict[type[do.Action], st.SearchStrategy[do.Action]] = {
    do.Navigate: st.builds(do.Navigate, NAMES),
    do.Travel: st.builds(do.Travel, st.sampled_from(("back", "forward", "reload"))),
    do.Click: st.builds(do.Click, TARGETS, st.booleans())
    | st.builds(do.Click, TARGETS, st.just(False), st.just("right")),
    do.Fill: st.builds(do.Fill, TARGETS, TEXTS | st.just("")),
    do.TypeText: st.builds(do.TypeText, TEXTS, st.none() | TARGETS),
    do.Press: st.builds(do.Press, KEYS, st.none() | TARGETS),
    do.Select: st.builds(do.Select, TARGETS, NAMES),
    do.SetChecked: st.builds(do.SetChecked, TARGETS, st.booleans()),
    do.Hover: st.builds(do.Hover, TARGETS),
    do.ScrollTo: st.builds(do.ScrollTo, TARGETS),
    do.ScrollPage: st.builds(do.ScrollPage, st.sampled_from(("top", "bottom", "up", "down"))),
    do.Drag: st.builds(do.Drag, TARGETS, TARGETS),
    do.WaitForLoad: st.just(do.WaitForLoad()),
    do.WaitSeconds: st.builds(do.WaitSeconds, st.integers(1, 300).map(float) | st.just(0.5)),
    do.WaitForElement: st.builds(do.WaitForElement, TARGETS, st.booleans()),
    do.VerifyText: st.builds(do.VerifyText, NAMES, st.booleans()),
    do.VerifyTitle: st.builds(do.VerifyTitle, NAMES, COMPARISONS, st.booleans()),
    do.VerifyUrl: st.builds(do.VerifyUrl, NAMES, COMPARISONS, st.booleans()),
    do.VerifyElement: st.builds(do.VerifyElement, TARGETS, st.sampled_from(get_args(do.ElementState))),
    do.VerifyValue: st.builds(do.VerifyValue, TARGETS, TEXTS, COMPARISONS),
    do.VerifyAttribute: st.builds(do.VerifyAttribute, TARGETS, NAMES, TEXTS, COMPARISONS),
    do.VerifyCount: st.builds(do.VerifyCount, TARGETS, st.integers(0, 100_000)),
    do.Upload: st.builds(do.Upload, TARGETS, NAMES),
    do.AnswerDialog: st.builds(do.AnswerDialog, st.just(True), NAMES | st.just(""))
    | st.just(do.AnswerDialog(accept=False)),
    do.VerifyDialog: st.builds(do.VerifyDialog, NAMES),
    do.VerifyDownload: st.builds(do.VerifyDownload, NAMES, COMPARISONS, st.booleans()),
    do.SwitchPage: st.builds(do.SwitchPage, st.booleans()),
    do.SetVariable: st.builds(do.SetVariable, st.just("name_1"), TEXTS),
    do.Remember: st.builds(do.Remember, TARGETS, st.just("name_1")),
    do.InFrame: st.builds(do.InFrame, NAMES, IN_FRAME),
    do.TakeScreenshot: st.builds(do.TakeScreenshot, NAMES),
}


def test_every_action_is_looked_at() -> None:
    assert set(ACTIONS) == set(get_args(do.Action)) - {do.Unread}


@pytest.mark.parametrize("kind", ACTIONS)
@given(data=st.data())
def test_the_sentence_of_an_action_means_that_action(kind: type[do.Action], data: st.DataObject) -> None:
    action = data.draw(ACTIONS[kind])
    step = parse_step(1, sentence_of(action))
    if isinstance(action, do.Upload):
        action = replace(action, content="")
    assert step.action == action, step.text
