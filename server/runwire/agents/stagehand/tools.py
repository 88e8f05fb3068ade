"""What the model may call: Stagehand's three words, the ways between pages, and the end. Floor 4; pure."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from runwire.agents.browser_task.tools import Arguments, Click, Fill, Finish, Go, Navigate, Press, Select, Wait

Instruction = Annotated[str, Meta(min_length=1, max_length=2_000)]


class Act(Arguments, frozen=True):
    """Do one thing on the page, said in plain words that name the element: click the button "Add to cart", type "Anna"
    into the field Name, choose "Blue" in the list Colour, press Enter in the search field.
    """

    instruction: Instruction


class Observe(Arguments, frozen=True):
    """Look for elements on the page, described in plain words; nothing is done with them."""

    instruction: Instruction


class Extract(Arguments, frozen=True):
    """Read something from the page, in plain words; as_result: in the shape that the task's data must have."""

    instruction: Instruction
    as_result: bool = False


KINDS: dict[str, type[Any]] = {
    "act": Act,
    "observe": Observe,
    "extract": Extract,
    "navigate": Navigate,
    "go": Go,
    "wait": Wait,
    "finish": Finish,
}

HARMLESS = frozenset({"hover", "scrollTo", "scroll", "scrollByPixelOffset", "nextChunk", "prevChunk"})
"""Methods of Stagehand that change nothing on a page but what is seen of it."""


PRESS = "press"
"""The method whose keys go to whatever has the focus, whichever element it names."""
_CLICKING_KEYS = {
    **dict.fromkeys(("enter", "return", "\n", "\r"), "Enter"),
    **dict.fromkeys(("space", "spacebar", " "), "Space"),
}
"""What Stagehand takes for the two keys that use an element, in small letters."""


def meant_by(method: str, arguments: list[str]) -> Click | Fill | Press | Select:
    """Return what a method of Stagehand comes to, for the rules of danger: what they do not know is a click."""
    value = arguments[0] if arguments else ""
    if method == PRESS:
        return Press(key=_worst(value or "Enter"))
    if method in ("fill", "type"):
        return Press(key="Enter") if "\n" in value or "\r" in value else Fill(element="", value=value)
    if method in ("selectOptionFromDropdown", "selectOption"):
        return Select(element="", option=value)
    return Click(element="", double=method == "doubleClick")


def _worst(keys: str) -> str:
    """Return the key of a combination that uses what has the focus, if there is one: Stagehand presses each, and takes
    the last for the main one only if nothing stands behind it.
    """
    pressed = [_CLICKING_KEYS.get(key.lower(), key) for key in keys.split("+") if key]
    return next((key for key in pressed if key in _CLICKING_KEYS.values()), keys)
