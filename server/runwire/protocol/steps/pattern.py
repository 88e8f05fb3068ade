"""Matches the tokens of a sentence against a pattern such as ``fill [in] <target> with <value>``. Floor 2; pure.

A word stands for itself, ``a|b`` for either, ``[a]`` for a word that may be missing, ``<name>`` for a slot of one or
more tokens. A slot takes as little as possible. What went wrong is told by the attempt that got furthest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from runwire.protocol.steps.tokens import Token

_ARTICLES = {"option": "no option given", "seconds": "no number of seconds given"}


@dataclass(frozen=True, slots=True)
class Element:
    """One piece of a pattern: a slot if it has a ``slot`` name, else any of ``words``."""

    words: frozenset[str] = frozenset()
    slot: str = ""
    optional: bool = False

    def accepts(self, token: Token) -> bool:
        """Return whether the token is one of the words."""
        return not self.slot and token.keyword in self.words


@dataclass(slots=True)
class Attempt:
    """How far a pattern got: elements matched and the complaint about the next one."""

    slots: dict[str, tuple[Token, ...]] = field(default_factory=dict)
    progress: tuple[int, int] = (0, 0)
    complaint: str = ""

    def fail(self, elements: int, tokens: int, complaint: str) -> None:
        """Keep the complaint if no attempt got further; among equals the first stays."""
        if not self.complaint or (elements, tokens) > self.progress:
            self.progress, self.complaint = (elements, tokens), complaint


def compile_pattern(source: str) -> tuple[Element, ...]:
    """Return the elements of a pattern's text."""
    return tuple(_element(word) for word in source.split())


def match(pattern: tuple[Element, ...], tokens: tuple[Token, ...], attempt: Attempt) -> bool:
    """Return whether the whole sentence fits; ``attempt`` then holds the slots, else the best complaint."""
    return _match(pattern, 0, tokens, 0, attempt)


def _element(word: str) -> Element:
    if word.startswith("<"):
        return Element(slot=word.strip("<>"))
    return Element(words=frozenset(word.strip("[]").split("|")), optional=word.startswith("["))


def _match(pattern: tuple[Element, ...], at: int, tokens: tuple[Token, ...], pos: int, attempt: Attempt) -> bool:
    if at == len(pattern):
        if pos == len(tokens):
            return True
        attempt.fail(at, pos, f"unexpected {_quote(tokens[pos])} (put quotes around text of several words)")
        return False
    element = pattern[at]
    if element.slot:
        return _match_slot(pattern, at, tokens, pos, attempt)
    if pos < len(tokens) and element.accepts(tokens[pos]) and _match(pattern, at + 1, tokens, pos + 1, attempt):
        return True
    if element.optional:
        return _match(pattern, at + 1, tokens, pos, attempt)
    attempt.fail(at, pos, _expected(element, pattern, at))
    return False


def _match_slot(pattern: tuple[Element, ...], at: int, tokens: tuple[Token, ...], pos: int, attempt: Attempt) -> bool:
    slot = pattern[at].slot
    following = pattern[at + 1] if at + 1 < len(pattern) else None
    if pos == len(tokens) or (following is not None and not following.optional and following.accepts(tokens[pos])):
        attempt.fail(at, pos, _ARTICLES.get(slot, f"no {slot} given"))
        return False
    for end in range(pos + 1, len(tokens) + 1):
        if _match(pattern, at + 1, tokens, end, attempt):
            attempt.slots[slot] = tokens[pos:end]
            return True
    return False


def _expected(element: Element, pattern: tuple[Element, ...], at: int) -> str:
    words = " or ".join(f'"{word}"' for word in sorted(element.words))
    after = f" after the {pattern[at - 1].slot}" if at and pattern[at - 1].slot else ""
    return f"expected {words}{after}"


def _quote(token: Token) -> str:
    return f'"{token.text}"'
