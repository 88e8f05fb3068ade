"""What a step points at. Floor 2; a value; knows nothing of locators or browsers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LocatorKind = Literal["any", "role", "field", "label", "placeholder", "text", "test_id", "css"]
"""How an element is looked for; ``any`` tries the kinds that suit the action, ``field`` is any form field."""


@dataclass(frozen=True, slots=True)
class Target:
    """An element, in the words of the one who sees the page.

    ``kind`` narrows the search: ``any`` tries role, label, placeholder, text and test id in that order, ``field`` tries
    label, placeholder and name. ``role`` is the ARIA role when kind is ``role``. ``nth`` picks one of several: 0 is the
    first, -1 the last. ``within`` limits the search to the smallest part of the page that shows this text too.
    """

    text: str
    kind: LocatorKind = "any"
    role: str | None = None
    nth: int | None = None
    within: str | None = None

    def __str__(self) -> str:
        """Return the target as a person would write it: ``2nd button "Add" in "Blue mug"``."""
        words = [] if self.nth is None else [ordinal(self.nth)]
        if self.kind == "role":
            words.append(self.role or "element")
        elif self.kind != "any":
            words.append(self.kind.replace("_", " "))
        words.append(f'"{self.text}"')
        if self.within is not None:
            words.append(f'in "{self.within}"')
        return " ".join(words)


def ordinal(index: int) -> str:
    """Return a place as people say it: 0 is ``1st``, a negative one ``last``."""
    if index < 0:
        return "last"
    number = index + 1
    teens = number % 100 in (11, 12, 13)
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
