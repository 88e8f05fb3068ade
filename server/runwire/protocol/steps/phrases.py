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
_PLURALS = {"checkboxes": "checkbox", "switches": "switch", "boxes": "box"}
_FIELD_WORDS = frozenset(
    {"field", "input", "textbox", "textarea", "dropdown", "combobox", "box", "listbox", "drop-down"}
)
_TWO_WORDS: dict[tuple[str, str], tuple[LocatorKind, str | None]] = {
    ("radio", "button"): ("role", "radio"),
    ("check", "box"): ("role", "checkbox"),
    **{
        (first, second): ("field", None)
        for first in ("text", "input", "search", "select", "combo", "list", "drop")
        for second in ("field", "box", "area", "list", "down")
    },
}
_NOUNS = frozenset({
    "menu", "list", "icon", "section", "message", "item", "entry", "element", "area", "panel", "popup", "spinner",
    "card", "notification", "banner", "page", "word", "title", "label", "control", "picture", "logo", "badge", "toast",
    "error",
})  # fmt: skip
"""What testers call things, beside a quoted name: it says nothing about how to find them."""
_KINDS: dict[str, LocatorKind] = {"label": "label", "placeholder": "placeholder", "text": "text", "css": "css"}
_NUMBER_WORDS = {"first": 0, "second": 1, "third": 2, "last": -1}
VARIABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_ADDRESS = re.compile(r"[/.:$?#]")
_ORDINAL = re.compile(r"([1-9]\d{0,3})(?:st|nd|rd|th)")
_EDGES = {"bottom": "bottom", "end": "bottom", "top": "top", "start": "top", "up": "up", "down": "down"}
_MODIFIERS = {
    "control": "Control", "ctrl": "Control", "shift": "Shift", "alt": "Alt", "option": "Alt", "meta": "Meta",
    "command": "Meta", "cmd": "Meta", "windows": "Meta", "controlormeta": "ControlOrMeta",
}  # fmt: skip
_NAMED_KEYS = (
    "Enter", "Tab", "Escape", "Backspace", "Delete", "Insert", "Home", "End", "PageUp", "PageDown", "Space", "ArrowUp",
    "ArrowDown", "ArrowLeft", "ArrowRight", "CapsLock", "NumLock", "ScrollLock", "Pause", "PrintScreen", "ContextMenu",
    "ShiftLeft", "ShiftRight", "ControlLeft", "ControlRight", "AltLeft", "AltRight", "AltGraph", "MetaLeft",
    "MetaRight", "Backquote", "Minus", "Equal", "Backslash", "BracketLeft", "BracketRight", "Comma", "Period", "Quote",
    "Semicolon", "Slash", "NumpadEnter", "NumpadAdd", "NumpadSubtract", "NumpadMultiply", "NumpadDivide",
    "NumpadDecimal", "AudioVolumeMute", "AudioVolumeDown", "AudioVolumeUp", "MediaTrackNext", "MediaTrackPrevious",
    "MediaPlayPause", *(f"F{number}" for number in range(1, 13)), *(f"Digit{digit}" for digit in range(10)),
    *(f"Numpad{digit}" for digit in range(10)), *(f"Key{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
)  # fmt: skip
"""What Playwright's US keyboard has, beside the keys of one character."""
_KEYS = {
    **{name.lower(): name for name in (*_NAMED_KEYS, *_MODIFIERS.values())},
    **_MODIFIERS,
    "return": "Enter", "esc": "Escape", "del": "Delete", "spacebar": "Space", "up": "ArrowUp", "down": "ArrowDown",
    "left": "ArrowLeft", "right": "ArrowRight", "uparrow": "ArrowUp", "downarrow": "ArrowDown",
    "leftarrow": "ArrowLeft", "rightarrow": "ArrowRight",
}  # fmt: skip
"""Every key by what people call it, in lower case without blanks."""
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


def new_variable_of(tokens: Tokens) -> str:
    """Return the name of a variable that is not quoted: a quoted name is that of something on the page."""
    if tokens[0].quoted:
        raise InvalidInput(f'"{tokens[0].text}" is quoted; a variable is written without quotes: Set name to "…"')
    return variable_of(tokens)


def address_of(tokens: Tokens) -> str:
    """Return an address: anything in quotes, or a word that looks like one.

    Raises:
        InvalidInput: it is the name of something: "Open the menu" goes nowhere.
    """
    return name_of(tokens) if tokens[0].quoted else site_of(tokens)


def site_of(tokens: Tokens) -> str:
    """The same where quotes do not help: who writes ``Open "Settings"`` may as well mean a link.

    Raises:
        InvalidInput: it does not look like an address.
    """
    address = name_of(tokens)
    if any(char.isspace() for char in address) or not _ADDRESS.search(address):
        raise InvalidInput(f'"{address}" is no address; write https://… or /path, or: Click "{address}"')
    return address


def box_of(tokens: Tokens) -> Target:
    """Return the target of ``Check``, which is also how "Check that …" begins.

    Raises:
        InvalidInput: the sentence verifies something.
    """
    if (word := tokens[0].keyword) in ("that", "if", "whether"):
        raise InvalidInput(f'"{tokens[0].text}" is no box; to verify something: Check {word} "…" is visible')
    return target_of(tokens)


def control_of(tokens: Tokens) -> Target:
    """Return a target that is said to be a button, a link and so on, where a name alone could be a key's.

    Raises:
        InvalidInput: there is a name alone.
    """
    target = target_of(tokens)
    if target.kind == "any":
        raise InvalidInput(_press_or_click(target.text))
    return target


def _press_or_click(name: str) -> str:
    return f'"{name}" is no key; write: Press the "{name}" button, or: Click "{name}"'


def certain_of(tokens: Tokens) -> Target:
    """Return a target that is clearly one: something in quotes, or a button, a link, a field.

    Raises:
        InvalidInput: the words could be something else: a key, a variable.
    """
    target = target_of(tokens)
    if target.kind == "any" and not any(token.quoted for token in tokens):
        raise InvalidInput(f'put quotes around the name of something on the page: "{target.text}"')
    return target


def variable_of(tokens: Tokens) -> str:
    """Return a variable's name: letters, digits and underscores, a letter first; ``${name}`` is understood too."""
    name = text_of(tokens).removeprefix("${").removesuffix("}")
    if not VARIABLE_NAME.fullmatch(name):
        raise InvalidInput(f'"{name}" is no name of a variable: use letters, digits and _')
    return name


def key_of(tokens: Tokens) -> str:
    """Return a key as browsers name it, without the word "key": ``Enter``, ``Control+A``; ``ctrl+a`` and ``esc`` are
    understood.
    """
    words = tokens[:-1] if len(tokens) > 1 and tokens[-1].keyword in ("key", "keys") else tokens
    said = text_of(words)
    if "${" in said and len(words) == 1:
        return said
    held, key = (said[:-1].removesuffix("+"), "+") if said.endswith("+") else said.rpartition("+")[::2]
    named = [_key_named(word.strip() or word) for word in (*(held.split("+") if held else ()), key)]
    if not all(named):
        if words[0].quoted:
            raise InvalidInput(_press_or_click(said))
        raise InvalidInput(f'"{said}" is no key; write a name such as Enter, Tab, ArrowDown or Control+A')
    return "+".join(named)


def _key_named(word: str) -> str:
    """Return a key's own name; empty if there is none of that name."""
    return word if len(word) == 1 else _KEYS.get(word.lower().replace(" ", ""), "")


def count_of(tokens: Tokens) -> int:
    """Return a whole number from 0 to 100,000."""
    text = text_of(tokens)
    if not (text.isascii() and text.isdigit() and int(text) <= 100_000):
        raise InvalidInput(f'"{text}" is no whole number')
    return int(text)


def seconds_of(tokens: Tokens) -> float:
    """Return a number of seconds, above 0 and at most :data:`MAX_WAIT_S`; ``500ms`` is understood, and ``a`` for 1."""
    text = _number(tokens)
    found = _DURATION.fullmatch(text)
    if found is None:
        raise InvalidInput(f'"{text}" is no number of seconds')
    return _bounded(float(found[1]) / (1000 if found[2] == "ms" else 1))


def _number(tokens: Tokens) -> str:
    """Return the text of a number before its unit, 1 if that is "a" or "one"."""
    return "1" if len(tokens) == 1 and tokens[0].keyword in ("a", "one") else text_of(tokens)


def _bounded(seconds: float) -> float:
    if not 0 < seconds <= MAX_WAIT_S:
        raise InvalidInput(f"a wait must be above 0 and at most {MAX_WAIT_S:g} seconds")
    return seconds


def minutes_of(tokens: Tokens) -> float:
    """Return a number of minutes in seconds, within the same bounds."""
    text = _number(tokens)
    if _DURATION.fullmatch(text) is None or not text[-1].isdigit():
        raise InvalidInput(f'"{text}" is no number of minutes')
    return _bounded(float(text) * 60)


def duration_of(tokens: Tokens) -> float:
    """Return the seconds of ``2s`` or ``500ms``, within the same bounds. Anything else is something on the page."""
    text = text_of(tokens)
    if tokens[0].quoted or not text.endswith("s") or _DURATION.fullmatch(text) is None:
        raise InvalidInput(f'"{text}" is no time; write 2 seconds')
    return seconds_of(tokens)


def edge_of(tokens: Tokens) -> str:
    """Return where a page is scrolled to: top, bottom, up or down. Raises InvalidInput: it is an element."""
    where = _EDGES.get(tokens[0].keyword)
    if where is None or len(tokens) > 1:
        raise InvalidInput(f'"{tokens[0].text}" is no edge of a page; write Scroll to the bottom, or name an element')
    return where


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
    if len(tokens) > 1 and tokens[1].quoted and (found := _kind_word(first.keyword)):
        return *found, tokens[1:]
    if len(tokens) > 2 and (found := _kind_of_two(tokens)):
        return *found, tokens[:-2]
    if len(tokens) > 1 and (found := _kind_word(_singular(tokens))):
        return *found, tokens[:-1]
    return _without_noun(tokens)


def _kind_of_two(tokens: Tokens) -> tuple[LocatorKind, str | None] | None:
    """Return what the last two words call the name before them; only a quoted name surely ends there."""
    found = _TWO_WORDS.get((tokens[-2].keyword, tokens[-1].keyword))
    return found if found is not None and (tokens[-3].quoted or found[0] == "role") else None


def _singular(tokens: Tokens) -> str:
    """Return the last word, behind a quoted name without the plural's ending."""
    word = tokens[-1].keyword
    return _PLURALS.get(word, word.removesuffix("s")) if tokens[-2].quoted else word


def _without_noun(tokens: Tokens) -> tuple[LocatorKind, str | None, Tokens]:
    """Leave away what only says what a quoted name is the name of: ``"Error" message``, ``the text "Error"``."""
    if len(tokens) == 2 and tokens[0].quoted:
        if tokens[1].keyword == "text":
            return "text", None, tokens[:1]
        if tokens[1].keyword in _NOUNS:
            return "any", None, tokens[:1]
    if len(tokens) == 2 and tokens[1].quoted and tokens[0].keyword in _NOUNS:
        return "any", None, tokens[1:]
    return "any", None, tokens


def _kind_word(word: str) -> tuple[LocatorKind, str | None] | None:
    if word in ROLES:
        return "role", ROLES[word]
    return ("field", None) if word in _FIELD_WORDS else None


def _selector(tokens: Tokens) -> str:
    """Return a CSS selector; its own quotes are kept, unlike those around the whole."""
    if len(tokens) == 1 and tokens[0].quoted:
        return tokens[0].text
    text = ""
    for before, token in zip((None, *tokens), tokens, strict=False):
        blank = " " if before is not None and before.end < token.start else ""
        text += blank + (f'"{token.text}"' if token.quoted else token.text)
    return text[4:] if text.lower().startswith("css=") else text
