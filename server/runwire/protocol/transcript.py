"""What people and agents said, taken out of inputs and logs. Floor 2; any thread; pure; nothing is looked up.

A conversation's title, its search index and its export as a document are all made of these words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

TITLE_LENGTH = 80
"""Characters of a title that is made of a conversation's first words."""

MOST_STRINGS = 1_000
"""Strings of one input or result that are looked at: an input may be a data set."""

SEPARATOR = "\n\n"

_SPOKEN = ("text", "message", "prompt", "query", "question", "content", "input", "goal", "name")
"""Members that usually hold what a person typed; a guess, tried in this order before any other string."""


def first_words(value: Any) -> str:
    """Return a title made of the first words of a run's input; empty if it holds no text."""
    text = next(_spoken_first(value, 8), "")
    line = " ".join(text[: 4 * TITLE_LENGTH].split())
    if len(line) <= TITLE_LENGTH:
        return line
    return line[: TITLE_LENGTH - 1].rsplit(" ", 1)[0].rstrip() + "…"


def first_words_of(encoded: bytes) -> str:
    """Return the same of an encoded input."""
    return first_words(msgspec.json.decode(encoded))


def _spoken_first(value: Any, depth: int) -> Iterator[str]:
    """Yield texts, likely ones first. Of a list of messages the last is the newest."""
    if isinstance(value, str):
        if value.strip():
            yield value
    elif depth > 0 and isinstance(value, dict):
        others = (name for name in islice(value, MOST_STRINGS) if name not in _SPOKEN)
        for name in (*(name for name in _SPOKEN if name in value), *others):
            yield from _spoken_first(value[name], depth - 1)
    elif depth > 0 and isinstance(value, list):
        for item in reversed(value[-16:]):
            yield from _spoken_first(item, depth - 1)


def texts_in(encoded: bytes, most_characters: int) -> str:
    """Return the texts of an encoded JSON value, one below the other, at most ``most_characters``."""
    parts: list[str] = []
    room = most_characters
    for count, text in enumerate(_strings(msgspec.json.decode(encoded))):
        if room <= 0 or count >= MOST_STRINGS:
            break
        parts.append(text[:room])
        room -= len(text) + 1
    return "\n".join(parts)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


class _Said(msgspec.Struct):
    type: str = ""
    delta: Any = None
    messageId: Any = None  # AG-UI's name


class _Entry(msgspec.Struct):
    data: _Said


_decode = msgspec.json.Decoder(_Entry).decode
SAID = b'"TEXT_MESSAGE_C'
"""Stands in every stored entry that holds a piece of an answer, and in few others."""

_TEXT_TYPES = frozenset({"TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CHUNK"})


def spoken(frames: Iterable[bytes], message_id: Any = None) -> Iterator[tuple[Any, str]]:
    """Yield ``(message id, text)`` of each piece of an answer in stored entries; a chunk without an id continues the
    message before it, ``message_id`` at first. Other entries cost one look for a word.
    """
    for frame in frames:
        if SAID not in frame:
            continue
        said = _decode(frame).data
        if said.type in _TEXT_TYPES and isinstance(said.delta, str):
            if said.messageId is not None:
                message_id = said.messageId
            yield message_id, said.delta
