"""Says what was on the page instead. Floor 4; the host's loop only; for failure messages."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator, Page

from runwire.browser.deadline import Deadline
from runwire.errors import BrowserTimeout
from runwire.protocol.steps.target import Target

LOOK_S = 0.5
"""Bound on looking around after a failure: a page in an endless loop answers nothing."""
MIN_RATIO = 0.5
"""Least likeness of a name that is worth telling; a guess, like difflib's 0.6 for close matches."""

_LOOK = """
() => {
  const seen = [], limit = 400;
  const shown = e => e.checkVisibility?.() ?? true;
  const add = (kind, text) => {
    text = (text ?? '').replace(/\\s+/g, ' ').trim().slice(0, 120);
    if (text && seen.length < limit) seen.push([kind, text]);
  };
  for (const e of document.querySelectorAll('[role=alert], [role=status], dialog[open]')) {
    if (shown(e)) add('message', e.innerText);
  }
  const controls = 'a, button, input, select, textarea, [role=button], [role=link], [role=tab]';
  const kinds = {A: 'link', BUTTON: 'button', INPUT: 'field', SELECT: 'field', TEXTAREA: 'field'};
  for (const e of document.querySelectorAll(controls)) {
    if (!shown(e)) continue;
    const button = ['submit', 'button', 'reset'].includes(e.type);
    const kind = e.tagName === 'INPUT' && button ? 'button' : kinds[e.tagName] ?? e.getAttribute('role');
    const label = e.getAttribute('aria-label') || e.labels?.[0]?.innerText;
    add(kind, label || (button && e.value) || e.innerText || e.placeholder || e.name);
  }
  for (const line of (document.body?.innerText ?? '').slice(0, 50000).split('\\n')) add('text', line);
  return seen;
}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something visible on the page: what it is and its words."""

    kind: str
    text: str

    def __str__(self) -> str:
        """Return it as a target would be written."""
        return f'{self.kind} "{self.text}"'


async def not_found(page: Page, target: Target, deadline: Deadline) -> BrowserTimeout:
    """Return the error that says that no element fits the target, and which one is nearest."""
    seen = await look_around(page)
    near = nearest(target.text, seen)
    if near is not None:
        hint = f"; nearest is {near}"
    elif seen:
        hint = f"; the page shows {', '.join(str(one) for one in seen[:4])}"
    else:
        hint = "; the page shows nothing"
    message = f"{target} was not found within {deadline.seconds:g} s on {page.url[:200]}{hint}"
    return BrowserTimeout(message, looked_for=str(target), nearest=None if near is None else str(near))


async def text_not_found(page: Page, text: str, deadline: Deadline) -> BrowserTimeout:
    """Return the error that says that a text is not on the page, and which one is nearest."""
    seen = await look_around(page)
    near = nearest(text, seen)
    messages = [str(one) for one in seen if one.kind == "message"][:3]
    hint = "" if near is None else f"; nearest is {near}"
    hint += f"; the page says {', '.join(messages)}" if messages else ""
    message = f'the text "{text}" was not found within {deadline.seconds:g} s on {page.url[:200]}{hint}'
    return BrowserTimeout(message, looked_for=text, nearest=None if near is None else str(near))


async def look_around(page: Page) -> list[Seen]:
    """Return what is visible, controls first; empty if the page does not answer in :data:`LOOK_S`."""
    try:
        async with asyncio.timeout(LOOK_S):
            found: list[Any] = await page.evaluate(_LOOK)
    except (TimeoutError, PlaywrightError):
        return []
    return [Seen(str(kind), str(text)) for kind, text in found]


async def describe(found: Locator, most: int) -> str:
    """Return the first few elements of a locator in words."""
    texts = await found.evaluate_all(
        "(all, n) => all.slice(0, n).map(e => [e.tagName.toLowerCase(), (e.innerText || e.value || '').slice(0, 60)])",
        most,
    )
    return ", ".join(f'{tag} "{" ".join(str(text).split())}"' for tag, text in texts)


def nearest(text: str, seen: list[Seen]) -> Seen | None:
    """Return what reads most like ``text``, or None if nothing does. The earlier one wins among equals."""
    best, best_ratio = None, MIN_RATIO
    matcher = SequenceMatcher(b=text.lower())
    for one in seen:
        matcher.set_seq1(one.text.lower())
        if matcher.real_quick_ratio() > best_ratio and matcher.quick_ratio() > best_ratio:
            ratio = matcher.ratio()
            if ratio > best_ratio:
                best, best_ratio = one, ratio
    return best
