"""Reads one sentence. Floor 2; pure."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from itertools import pairwise

from runwire.errors import InvalidInput, UnknownSentence
from runwire.protocol.steps.actions import (
    Action,
    Click,
    Drag,
    Fill,
    Hover,
    InFrame,
    Press,
    Remember,
    ScrollTo,
    Select,
    SetChecked,
    Step,
    TypeText,
    Upload,
    VerifyAttribute,
    VerifyCount,
    VerifyElement,
    VerifyText,
    VerifyValue,
    WaitForElement,
)
from runwire.protocol.steps.forms import FORMS, USAGE
from runwire.protocol.steps.pattern import Attempt
from runwire.protocol.steps.phrases import name_of
from runwire.protocol.steps.tokens import Token, tokenize
from runwire.protocol.steps.wording import WORDING

MAX_SENTENCE = 1_000
"""Most characters of a sentence; a guess that no honest step reaches."""

IN_A_FRAME = (Click, Fill, TypeText, Press, Select, SetChecked, Hover, ScrollTo, Drag, WaitForElement, VerifyText,
              VerifyElement, VerifyValue, VerifyAttribute, VerifyCount, Upload, Remember)  # fmt: skip
"""What a frame's inside can be asked; the rest is about the page as a whole."""

_VERBS = sorted({word for form in FORMS for pattern in form.patterns for word in pattern.elements[0].phrases})
_VERIFY = Token("verify", False, 0, 0)
_LEADS = frozenset({"and", "then", "when", "given", "but", "now", "next", "also", "finally", "please"})
_MODALS = frozenset({"should", "shouldn't", "must", "mustn't"})
_LOOKS = (*WORDING["affirm"], *WORDING["see"], *WORDING["not_see"], *_MODALS, "wait", "there is", "there are")
_LOOKING = sorted((tuple(phrase.split()) for phrase in _LOOKS), key=len, reverse=True)
"""How a sentence begins that says what there is to be seen; the longest first."""


def parse_step(index: int, sentence: str) -> Step:
    """Return the step that the ``sentence`` at place ``index`` (from 1) means.

    Raises:
        UnknownSentence: no form fits; the message starts with ``step INDEX:`` and says what is missing or known.
        InvalidInput: it is no sentence: empty, too long, a quote that is not closed.
    """
    try:
        return Step(index, sentence, _parse(sentence))
    except InvalidInput as error:
        raise type(error)(f"step {index}: {error.message}", step=index, text=sentence[:MAX_SENTENCE]) from error


def looking_verb(sentence: str) -> str:
    """Return the words by which a sentence, known or not, says that something is only looked at: "check that", "wait";
    "verify" if it is a statement with "should" or "must". Empty if it says that something is done.

    Raises:
        InvalidInput: a quote is not closed.
    """
    tokens = _plain(tokenize(sentence))
    if _is_in_frame(tokens):
        tokens = _plain(tokens[(_colon(tokens) or 1) + 1 :])
    said = tuple(token.keyword for token in tokens)
    return next((" ".join(phrase) for phrase in _LOOKING if said[: len(phrase)] == phrase), "")


def _parse(sentence: str) -> Action:
    if len(sentence) > MAX_SENTENCE:
        raise InvalidInput(f"the sentence is longer than {MAX_SENTENCE} characters")
    tokens = tokenize(sentence)
    if not tokens:
        raise InvalidInput("the sentence is empty")
    tokens = _plain(tokens)
    try:
        return _in_frame(tokens[2:]) if _is_in_frame(tokens) else _match(tokens)
    except InvalidInput as error:
        raise UnknownSentence(error.message + _second_step(sentence, tokens)) from error


def _plain(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """Return a sentence without what people say before it ("Then I …"), and with the verb that "The title should be
    …" goes without.
    """
    while len(tokens) > 1 and tokens[0].keyword in _LEADS:
        tokens = tokens[1:]
    if len(tokens) > 1 and tokens[0].keyword in ("i", "we", "you"):
        tokens = tokens[1:]
    if len(tokens) > 1 and tokens[-2].quoted and tokens[-1].text == "." and not tokens[-1].quoted:
        tokens = tokens[:-1]
    states = any(token.keyword in _MODALS for token in tokens[1:])
    return (_VERIFY, *tokens) if states and tokens[0].keyword not in _VERBS else tokens


def _colon(tokens: tuple[Token, ...]) -> int | None:
    return next((at for at, token in enumerate(tokens) if not token.quoted and token.text.endswith(":")), None)


def _second_step(sentence: str, tokens: tuple[Token, ...]) -> str:
    """Return the advice for a sentence that is two steps, if it reads like that."""
    for token, after in pairwise(tokens):
        if token.keyword in ("and", "then") and after.keyword in _VERBS:
            return f"; a sentence is one step: write {sentence[after.start :].strip()!r} as a step of its own"
    return ""


def _is_in_frame(tokens: tuple[Token, ...]) -> bool:
    return [token.keyword for token in tokens[:2]] == ["in", "frame"]


def _in_frame(tokens: tuple[Token, ...]) -> Action:
    """Read ``NAME: SENTENCE``; the colon may stand alone or end an unquoted name."""
    at = _colon(tokens)
    if at is None:
        raise InvalidInput('expected ":" after the frame, as in: In frame "payment": Click "Pay"')
    word = tokens[at].text[:-1]
    name = tokens[:at] + ((replace(tokens[at], text=word),) if word else ())
    if not name:
        raise InvalidInput("no frame given")
    if not tokens[at + 1 :]:
        raise InvalidInput("no sentence after the frame")
    action = _match(tokens[at + 1 :])
    if not isinstance(action, IN_A_FRAME):
        raise InvalidInput(f"{type(action).__name__} cannot be done in a frame; leave the frame away")
    return InFrame(name_of(name), action)


def _match(tokens: tuple[Token, ...]) -> Action:
    best = Attempt()
    complaint: InvalidInput | None = None
    wide: InvalidInput | None = None
    keywords = [token.keyword for token in tokens]
    words = frozenset(keywords)
    for form in FORMS:
        for pattern in form.patterns:
            if form.wide and not pattern.is_possible(words):  # what it misses is not told anyway
                continue
            attempt = Attempt()
            if pattern.match(tokens, keywords, attempt):
                try:
                    return form.action(attempt.slots)
                except InvalidInput as error:  # a more general form may still make sense of the words
                    complaint, wide = (complaint, wide or error) if form.wide else (complaint or error, wide)
            elif attempt.progress[0] > 0 and not form.wide:
                best.fail(*attempt.progress, attempt.complaint)
    if complaint is not None:
        raise complaint
    if best.complaint and not (best.complaint.startswith("expected") and best.progress[0] <= 1):
        raise InvalidInput(best.complaint)
    raise wide or InvalidInput(_unknown_after_verb(tokens) if best.complaint else _unknown(tokens))


def _unknown_after_verb(tokens: tuple[Token, ...]) -> str:
    verb = tokens[0].text
    known = [usage for usage in USAGE if usage.lower().startswith(tokens[0].keyword)]
    said = f'"{verb} {tokens[1].text}" is not known' if len(tokens) > 1 else f'"{verb}" alone says nothing'
    return f"{said}; known are: {'; '.join(known or USAGE)}"


def _unknown(tokens: tuple[Token, ...]) -> str:
    verb = tokens[0].text
    close = get_close_matches(tokens[0].keyword, _VERBS, n=1)
    hint = f' (did you mean "{close[0].capitalize()}"?)' if close else ""
    return f'no known sentence starts with "{verb}"{hint}; known are: {"; ".join(USAGE)}'
