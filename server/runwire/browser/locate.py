"""Finds the element that a target means. Floor 4; the host's loop only; Playwright's locators, its auto-waiting
below them.

A target of kind ``any`` is looked for in tiers: by role and name, by label, placeholder, text and test id, whole
words of the page first, parts of them after. The first tier that shows something wins; two elements in one tier are
an error, because a test that clicks one of two at random is worse than one that fails.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, Literal

from playwright.async_api import Locator
from playwright.async_api import TimeoutError as PlaywrightTimeout

from runwire.browser.deadline import Deadline
from runwire.browser.nearest import not_found, several
from runwire.browser.stage import Stage
from runwire.errors import BrowserTimeout
from runwire.protocol.steps.target import Target

Purpose = Literal["point", "field"]
"""What the element is wanted for: to point at it, or to give it a value."""

Likeness = Literal["whole", "start", "part"]
"""How much of an element's name the text must be: all of it, its first words, any part of it."""

_POINT_ROLES = (
    "button", "link", "checkbox", "radio", "switch", "tab", "menuitem", "menuitemcheckbox", "menuitemradio", "option",
    "treeitem", "combobox", "textbox", "searchbox", "slider", "heading", "row", "img",
)  # fmt: skip
_FIELD_ROLES = ("textbox", "searchbox", "combobox", "spinbutton", "checkbox", "radio", "switch", "slider", "listbox")
_PARTS = "li, tr, article, section, fieldset, form, dialog, figure, [role=row], [role=listitem], [role=group], div"
"""What ``in "…"`` may mean: the smallest of these that shows the text too."""

_INNERMOST = "all => all.flatMap((e, i) => all.some(other => other !== e && e.contains(other)) ? [] : [i])"

SETTLE_S = 0.2
"""How long a part of a name waits for a whole one to appear, and two elements for one to go; a guess."""


async def find(stage: Stage, target: Target, purpose: Purpose, deadline: Deadline) -> Locator:
    """Wait until exactly one element that the target means is visible, and return its locator.

    Raises:
        BrowserTimeout: none is, in time; the message names what was nearest.
        BrowserError: several are; the message tells how to say which.
    """
    whole = tiers(stage, target, purpose, ("whole",))
    found, count = await _look(whole)  # mostly it is there already: one question instead of four
    if found is not None and target.nth is None and (only := await _innermost(found, count)) is not None:
        return only
    partly = tiers(stage, target, purpose, ("start", "part"))
    while True:
        await _any_visible(stage, target, (*whole, *partly), deadline, purpose)
        found = await first_shown(whole)
        if found is None or (target.nth is None and await _innermost(found, await found.count()) is None):
            await asyncio.sleep(min(SETTLE_S, deadline.left_s))
            found = await first_shown(whole) or await first_shown(partly)
        if found is not None:
            return await _pick(found, target)
        if deadline.passed:  # else the page is changing: it was there a moment ago
            raise await not_found(stage, target, deadline, field=purpose == "field")


async def shown(stage: Stage, target: Target) -> int:
    """Return how many visible elements the target means now: of the first tier that shows any."""
    return (await _look(tiers(stage, target, "point")))[1]


async def wait_shown(stage: Stage, target: Target, deadline: Deadline) -> None:
    """Wait until at least one element that the target means is visible. Raises BrowserTimeout."""
    await _any_visible(stage, target, tiers(stage, target, "point"), deadline)


async def wait_gone(stage: Stage, target: Target, deadline: Deadline) -> None:
    """Wait until no element that the target means is visible. Raises BrowserTimeout."""
    union = _visible(reduce(Locator.or_, tiers(stage, target, "point")))
    try:
        await union.first.wait_for(state="hidden", timeout=deadline.left_ms)
    except PlaywrightTimeout as error:
        raise BrowserTimeout(f"{target} was still visible after {deadline.seconds:g} s") from error


def text_locator(stage: Stage, text: str) -> Locator:
    """Return the visible elements that hold ``text``: case matters, runs of white space do not."""
    return _visible(stage.scope.get_by_text(re.compile(_pattern(text))))


async def _any_visible(
    stage: Stage, target: Target, tiers: tuple[Locator, ...], deadline: Deadline, purpose: Purpose = "point"
) -> None:
    union = _visible(reduce(Locator.or_, tiers))
    try:
        await union.first.wait_for(state="visible", timeout=deadline.left_ms)
    except PlaywrightTimeout as error:
        raise await not_found(stage, target, deadline, field=purpose == "field") from error


async def first_shown(tiers: tuple[Locator, ...]) -> Locator | None:
    return (await _look(tiers))[0]


async def _look(tiers: tuple[Locator, ...]) -> tuple[Locator | None, int]:
    """Return the first tier that shows something now, and how many elements it shows."""
    for tier in tiers:
        visible = _visible(tier)
        if count := await visible.count():
            return visible, count
    return None, 0


async def _pick(found: Locator, target: Target) -> Locator:
    count = await found.count()
    if target.nth is not None:
        if count <= (target.nth if target.nth >= 0 else 0):
            raise BrowserTimeout(f"{target} was looked for, but only {count} such elements are visible")
        return found.nth(target.nth)
    only = await _innermost(found, count)
    if only is None:
        raise await several(found, count, target)
    return only


async def _innermost(found: Locator, count: int) -> Locator | None:
    """Return the one element that is meant, if there is one: a heading around a link is the same place as the link."""
    if count == 1:
        return found
    inner: list[int] = await found.evaluate_all(_INNERMOST)
    return found.nth(inner[0]) if len(inner) == 1 else None


def _visible(locator: Locator) -> Locator:
    return locator.filter(visible=True)


def tiers(
    stage: Stage, target: Target, purpose: Purpose, likenesses: tuple[Likeness, ...] = ("whole", "start", "part")
) -> tuple[Locator, ...]:
    """Return the locators to try, in order; ``likenesses`` says how much of a name must be like the target's text."""
    found = tuple(one for likeness in likenesses for one in _candidates(stage, target, purpose, likeness))
    if target.within is None:
        return found
    return tuple(_inside(stage, one, target.within) for one in found)


def _inside(stage: Stage, wanted: Locator, text: str) -> Locator:
    """Limit a locator to the smallest part of the page that holds both the element and the text.

    Parts are in document order, so the last one that holds both is an innermost one.
    """
    part = stage.scope.locator(_PARTS).filter(has_text=text).filter(has=wanted)
    return part.last.locator(wanted)


def _candidates(stage: Stage, target: Target, purpose: Purpose, likeness: Likeness) -> Iterator[Locator]:
    if target.kind == "css":
        yield stage.scope.locator(f"css={target.text}")
        return
    if target.kind == "test_id":
        yield stage.scope.get_by_test_id(target.text)
        return
    name = _Name(target.text, likeness)
    if target.kind == "role":
        yield _role(stage, target.role or "button", name)
    elif target.kind in _BY_KIND:
        yield from (make(stage, name) for make in _BY_KIND[target.kind])
    else:
        yield _roles(stage, _FIELD_ROLES if purpose == "field" else _POINT_ROLES, name)
        yield from (make(stage, name) for make in (_FIELD if purpose == "field" else _POINT))


class _Name:
    """A name to look for: ``value`` and ``exact`` as Playwright takes them."""

    def __init__(self, text: str, likeness: Likeness) -> None:
        self.text = text
        self.exact = likeness == "whole"
        start = re.compile(rf"^\s*{_pattern(text)}(?!\w)", re.IGNORECASE)
        self.value: str | re.Pattern[str] = start if likeness == "start" else text


def _pattern(text: str) -> str:
    """Return ``text`` as a regular expression that means the same in Python and in JavaScript."""
    words = (re.sub(r"[.*+?^${}()|\[\]\\/-]", r"\\\g<0>", word) for word in text.split())
    return r"\s+".join(words)


def _role(stage: Stage, role: str, name: _Name) -> Locator:
    chosen: Any = role  # the step language has its own list of roles, a part of Playwright's literal type
    return stage.scope.get_by_role(chosen, name=name.value, exact=name.exact)


def _roles(stage: Stage, roles: tuple[str, ...], name: _Name) -> Locator:
    return reduce(Locator.or_, (_role(stage, role, name) for role in roles))


def _label(stage: Stage, name: _Name) -> Locator:
    return stage.scope.get_by_label(name.value, exact=name.exact)


def _placeholder(stage: Stage, name: _Name) -> Locator:
    return stage.scope.get_by_placeholder(name.value, exact=name.exact)


def _text(stage: Stage, name: _Name) -> Locator:
    return stage.scope.get_by_text(name.value, exact=name.exact)


def _test_id(stage: Stage, name: _Name) -> Locator:
    return stage.scope.get_by_test_id(name.text)


def _attribute(stage: Stage, name: _Name) -> Locator:
    quoted = name.text.replace("\\", "\\\\").replace('"', '\\"')
    return stage.scope.locator(f'css=[name="{quoted}"], [id="{quoted}"]')


_Maker = Callable[[Stage, _Name], Locator]
_FIELD: tuple[_Maker, ...] = (_label, _placeholder, _attribute, _test_id)
_POINT: tuple[_Maker, ...] = (_label, _placeholder, _text, _test_id)
_BY_KIND: dict[str, tuple[_Maker, ...]] = {
    "field": _FIELD,
    "label": (_label,),
    "placeholder": (_placeholder,),
    "text": (_text,),
}
