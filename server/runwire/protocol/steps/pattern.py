"""Matches the tokens of a sentence against a pattern such as ``fill [in] <target> with <value>``. Floor 2; pure.

A word stands for itself, ``a|b`` for either, ``@is`` for any phrase of that class (:mod:`.wording`), ``[a]`` for a word
that may be missing, ``<name>`` for a slot of one or more tokens. A slot takes as little as possible. What went wrong is
told by the attempt that got furthest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import accumulate

from runwire.protocol.steps.tokens import Token
from runwire.protocol.steps.wording import WORDING

_ARTICLES = {
    "option": "no option given",
    "seconds": "no number of seconds given",
    "new_variable": "no variable given",
    "site": "no address given",
    "certain": "no target given",
}


@dataclass(frozen=True, slots=True)
class Element:
    """One piece of a pattern: a slot if it has a ``slot`` name, else any of ``phrases``, by first word, longest first.
    ``shown`` is what it is called where it is missing.
    """

    phrases: Mapping[str, Sequence[tuple[str, ...]]] = field(default_factory=dict)
    shown: str = ""
    slot: str = ""
    optional: bool = False

    def ends(self, keywords: Sequence[str], pos: int) -> Iterator[int]:
        """Yield where each phrase that stands at ``pos`` ends."""
        if pos < len(keywords):
            for phrase in self.phrases.get(keywords[pos], ()):
                if len(phrase) == 1 or tuple(keywords[pos : pos + len(phrase)]) == phrase:
                    yield pos + len(phrase)


@dataclass(slots=True)
class Attempt:
    """How far a pattern got: needed elements matched, tokens used, and the complaint about the next one."""

    slots: dict[str, tuple[Token, ...]] = field(default_factory=dict)
    progress: tuple[int, int] = (0, 0)
    complaint: str = ""

    def fail(self, elements: int, tokens: int, complaint: str) -> None:
        """Keep the complaint if no attempt got further; among equals the first stays."""
        if not self.complaint or (elements, tokens) > self.progress:
            self.progress, self.complaint = (elements, tokens), complaint


class Pattern:
    """A compiled pattern."""

    def __init__(self, source: str) -> None:
        self.elements = tuple(_element(word) for word in source.split())
        self._needed = tuple(accumulate((not element.optional for element in self.elements), initial=0))
        self._words = [one.phrases.keys() for one in self.elements if not one.optional and not one.slot]

    def is_possible(self, words: AbstractSet[str]) -> bool:
        """Return whether a sentence of these words may fit: False is certain, and quick."""
        return not any(wanted.isdisjoint(words) for wanted in self._words)

    def match(self, tokens: tuple[Token, ...], keywords: Sequence[str], attempt: Attempt) -> bool:
        """Return whether the whole sentence fits; ``attempt`` then holds the slots, else the best complaint.
        ``keywords`` are those of the tokens.
        """
        return self._match(0, tokens, keywords, 0, attempt)

    def _match(self, at: int, tokens: tuple[Token, ...], keywords: Sequence[str], pos: int, attempt: Attempt) -> bool:
        if at == len(self.elements):
            if pos == len(tokens):
                return True
            self._fail(attempt, at, pos, f"unexpected {_quote(tokens[pos])} (put quotes around text of several words)")
            return False
        element = self.elements[at]
        if element.slot:
            return self._match_slot(at, tokens, keywords, pos, attempt)
        for end in element.ends(keywords, pos):
            if self._match(at + 1, tokens, keywords, end, attempt):
                return True
        if element.optional:
            return self._match(at + 1, tokens, keywords, pos, attempt)
        self._fail(attempt, at, pos, self._expected(at))
        return False

    def _match_slot(
        self, at: int, tokens: tuple[Token, ...], keywords: Sequence[str], pos: int, attempt: Attempt
    ) -> bool:
        slot = self.elements[at].slot
        following = self.elements[at + 1] if at + 1 < len(self.elements) else None
        if pos == len(tokens) or (
            following is not None and not following.optional and any(following.ends(keywords, pos))
        ):
            self._fail(attempt, at, pos, _ARTICLES.get(slot, f"no {slot} given"))
            return False
        for end in range(pos + 1, len(tokens) + 1):
            if self._match(at + 1, tokens, keywords, end, attempt):
                attempt.slots[slot] = tokens[pos:end]
                return True
        return False

    def _fail(self, attempt: Attempt, at: int, pos: int, complaint: str) -> None:
        attempt.fail(self._needed[at], pos, complaint)

    def _expected(self, at: int) -> str:
        before = next((element for element in reversed(self.elements[:at]) if not element.optional), None)
        after = f" after the {before.slot}" if before is not None and before.slot else ""
        return f"expected {self.elements[at].shown}{after}"


def _element(word: str) -> Element:
    if word.startswith("<"):
        return Element(slot=word.strip("<>"))
    optional, word = word.startswith("["), word.strip("[]")
    said = WORDING[word[1:]] if word.startswith("@") else tuple(word.split("|"))
    phrases: dict[str, list[tuple[str, ...]]] = {}
    for phrase in sorted({tuple(phrase.split()) for phrase in said}, key=len, reverse=True):
        phrases.setdefault(phrase[0], []).append(phrase)
    shown = said[:1] if word.startswith("@") else sorted(said)
    return Element(
        phrases=phrases,
        shown=" or ".join(f'"{one}"' for one in shown),
        optional=optional,
    )


def _quote(token: Token) -> str:
    return f'"{token.text}"'
