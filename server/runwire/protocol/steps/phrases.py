"""Turns the tokens of a slot into a value: a text, a number, a target. Floor 2; pure."""

from __future__ import annotations

import re

from runwire.errors import InvalidInput
from runwire.protocol.steps.target import LocatorKind, Target
from runwire.protocol.steps.tokens import Token

Tokens = tuple[Token, ...]

MAX_WAIT_S = 300.0
"""Longest ``Wait for N seconds``; a guess: longer pauses hold a browser for nothing."""

ROLES = {
    "button": "button", "link": "link", "checkbox": "checkbox", "radio": "radio", "tab": "tab", "heading": "heading",
    "image": "img", "option": "option", "dialog": "dialog", "row": "row", "cell": "cell", "switch": "switch",
    "slider": "slider", "menuitem": "menuitem", "listitem": "listitem",
}  # fmt: skip
_FIELD_WORDS = frozenset({"field", "input", "textbox", "textarea", "dropdown", "combobox", "box"})
_KINDS: dict[str, LocatorKind] = {"label": "label", "placeholder": "placeholder", "text": "text", "css": "css"}
_NUMBER_WORDS = {"first": 0, "second": 1, "third": 2, "last": -1}
VARIABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ORDINAL = re.compile(r"([1-9]\d{0,3})(?:st|nd|rd|th)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|ms)?")


def text_of(tokens: Tokens) -> str:
    """Return the text of a slot: one quoted text, or unquoted words with single blanks between them.

    Raises:
        InvalidInput: quoted and unquoted parts are mixed.
    """
    if any(token.quoted for token in tokens) and len(tokens) > 1:
        stray = next((token for token in tokens if not token.quoted), tokens[1])
        raise InvalidInput(f'unexpected "{stray.text}" next to a quoted text')
    return " ".join(token.text for token in tokens)


def name_of(tokens: Tokens) -> str:
    """Return the text of a slot that may not be empty."""
    text = text_of(tokens)
    if not text.strip():
        raise InvalidInput("a name in quotes is empty")
    return text


def quoted_of(tokens: Tokens) -> str:
    """Return the name in a slot that must be quoted: its sentence would mean something else without.

    Raises:
        InvalidInput: it is not quoted.
    """
    text = name_of(tokens)
    if not tokens[0].quoted:
        raise InvalidInput(f'put quotes around the name, as in: Verify download "{text}"')
    return text


def variable_of(tokens: Tokens) -> str:
    """Return a variable's name: letters, digits and underscores, a letter first; ``${name}`` is understood too."""
    name = text_of(tokens).removeprefix("${").removesuffix("}")
    if not VARIABLE_NAME.fullmatch(name):
        raise InvalidInput(f'"{name}" is no name of a variable: use letters, digits and _')
    return name


def key_of(tokens: Tokens) -> str:
    """Return a key's name without the word "key": ``Enter``, ``Control+A``."""
    words = tokens[:-1] if len(tokens) > 1 and tokens[-1].keyword == "key" else tokens
    key = text_of(words)
    if not key or any(char.isspace() for char in key):
        raise InvalidInput(f'"{key}" is no key; write a name such as Enter, Tab, ArrowDown or Control+A')
    return key


def count_of(tokens: Tokens) -> int:
    """Return a whole number from 0 to 100,000."""
    text = text_of(tokens)
    if not (text.isascii() and text.isdigit() and int(text) <= 100_000):
        raise InvalidInput(f'"{text}" is no whole number')
    return int(text)


def seconds_of(tokens: Tokens) -> float:
    """Return a number of seconds, above 0 and at most :data:`MAX_WAIT_S`; ``500ms`` is understood."""
    text = text_of(tokens)
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InvalidInput(f'"{text}" is no number of seconds')
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1)
    if not 0 < seconds <= MAX_WAIT_S:
        raise InvalidInput(f"a wait must be above 0 and at most {MAX_WAIT_S:g} seconds")
    return seconds


def target_of(tokens: Tokens) -> Target:
    """Return what a phrase such as ``the 2nd "Add" button in "Blue mug"`` points at.

    Raises:
        InvalidInput: nothing is named, or words stand where none are understood.
    """
    rest, within = _split_within(tokens)
    if rest and rest[0].keyword == "the":
        rest = rest[1:]
    nth, rest = _take_ordinal(rest)
    kind, role, rest = _take_kind(rest) if rest else ("any", None, rest)
    if not rest:
        raise InvalidInput("no target given")
    text = _selector(rest) if kind == "css" else text_of(rest)
    if not text.strip():
        raise InvalidInput("no target given: the quotes are empty")
    return Target(text, kind, role, nth, within)


def _split_within(tokens: Tokens) -> tuple[Tokens, str | None]:
    """Cut ``in "…"`` off the end; only in front of a quoted text, so that "Sign in" stays whole."""
    if len(tokens) >= 3 and tokens[-1].quoted and tokens[-2].keyword in ("in", "inside", "within"):
        return tokens[:-2], name_of(tokens[-1:])
    return tokens, None


def _take_ordinal(tokens: Tokens) -> tuple[int | None, Tokens]:
    if len(tokens) < 2:
        return None, tokens
    word = tokens[0].keyword
    found = _ORDINAL.fullmatch(word)
    if found is not None:
        return int(found[1]) - 1, tokens[1:]
    if word in _NUMBER_WORDS and any(token.quoted for token in tokens):
        return _NUMBER_WORDS[word], tokens[1:]
    return None, tokens


def _take_kind(tokens: Tokens) -> tuple[LocatorKind, str | None, Tokens]:
    """Read the kind from the first word (``button "Add"``, ``css ".x"``) or the last (``"Add" button``)."""
    first = tokens[0]
    if not first.quoted and first.text.lower().startswith("css="):
        return "css", None, tokens
    if [token.keyword for token in tokens[:2]] == ["test", "id"]:
        return "test_id", None, tokens[2:]
    if first.keyword in ("testid", "test-id"):
        return "test_id", None, tokens[1:]
    if first.keyword in _KINDS and len(tokens) > 1:
        return _KINDS[first.keyword], None, tokens[1:]
    if len(tokens) > 1 and tokens[1].quoted and (found := _kind_word(first)):
        return *found, tokens[1:]
    if len(tokens) > 1 and (found := _kind_word(tokens[-1])):
        return *found, tokens[:-1]
    return "any", None, tokens


def _kind_word(token: Token) -> tuple[LocatorKind, str | None] | None:
    if token.keyword in ROLES:
        return "role", ROLES[token.keyword]
    return ("field", None) if token.keyword in _FIELD_WORDS else None


def _selector(tokens: Tokens) -> str:
    """Return a CSS selector; its own quotes are kept, unlike those around the whole."""
    if len(tokens) == 1 and tokens[0].quoted:
        return tokens[0].text
    text = ""
    for before, token in zip((None, *tokens), tokens, strict=False):
        blank = " " if before is not None and before.end < token.start else ""
        text += blank + (f'"{token.text}"' if token.quoted else token.text)
    return text[4:] if text.lower().startswith("css=") else text
