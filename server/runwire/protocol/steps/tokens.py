"""Cuts a sentence into words and quoted texts. Floor 2; pure.

Quotes are ``"…"``, ``'…'`` and the typographic pairs; a backslash inside keeps the next character as it is. A quote
sign in the middle of a word (``don't``) is part of the word.
"""

from __future__ import annotations

from dataclasses import dataclass

from runwire.errors import InvalidInput

_CLOSING = {'"': '"', "'": "'", "\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c"}
_DOUBLED = frozenset('"\u201c\u201d')


@dataclass(frozen=True, slots=True)
class Token:
    """One word, or one quoted text without its quotes. ``start`` and ``end`` are offsets into the sentence."""

    text: str
    quoted: bool
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """The word in lower case without the stop, colon or comma at its end; empty for quoted text: that is none."""
        return "" if self.quoted else self.text.lower().rstrip(",:.").replace("\u2019", "'")


def tokenize(sentence: str) -> tuple[Token, ...]:
    """Return the tokens of ``sentence``.

    Raises:
        InvalidInput: a quote is opened and not closed.
    """
    tokens: list[Token] = []
    at = 0
    while at < len(sentence):
        if sentence[at].isspace():
            at += 1
            continue
        token = _quoted(sentence, at) if sentence[at] in _CLOSING else _word(sentence, at)
        tokens.append(token)
        at = token.end
    return tuple(tokens)


def _quoted(sentence: str, start: int) -> Token:
    closing = _CLOSING[sentence[start]]
    text: list[str] = []
    at = start + 1
    while at < len(sentence):
        char = sentence[at]
        if char == "\\" and at + 1 < len(sentence):
            text.append(sentence[at + 1])
            at += 2
        elif char == closing:
            return Token("".join(text), True, start, at + 1)
        else:
            text.append(char)
            at += 1
    raise InvalidInput(f"the quote opened at {sentence[start : start + 20]!r} is not closed")


def _word(sentence: str, start: int) -> Token:
    end = start
    while end < len(sentence) and not sentence[end].isspace() and sentence[end] not in _DOUBLED:
        end += 1
    end = max(end, start + 1)
    return Token(sentence[start:end], False, start, end)
