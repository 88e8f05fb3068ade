"""Says what was on the page instead. Floor 4; the host's loop only; for failure messages."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator

from runwire.browser.deadline import Deadline
from runwire.browser.stage import Stage
from runwire.errors import BrowserError, BrowserTimeout
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
  const labelled = e => {
    const label = e.labels?.[0]?.cloneNode(true);
    label?.querySelectorAll('select, input, textarea, button').forEach(inner => inner.remove());
    return label?.textContent;
  };
  for (const e of document.querySelectorAll('[role=alert], [role=status], dialog[open]')) {
    if (shown(e)) add('message', e.innerText);
  }
  const controls = 'a, button, input, select, textarea, [role=button], [role=link], [role=tab]';
  const kinds = {A: 'link', BUTTON: 'button', INPUT: 'field', SELECT: 'field', TEXTAREA: 'field'};
  for (const e of document.querySelectorAll(controls)) {
    if (!shown(e)) continue;
    const button = ['submit', 'button', 'reset'].includes(e.type), box = ['checkbox', 'radio'].includes(e.type);
    const own = e.tagName === 'INPUT' && (button ? 'button' : box ? e.type : 'field');
    const label = e.getAttribute('aria-label') || labelled(e);
    const text = e.tagName === 'SELECT' ? '' : e.innerText;
    const kind = own || (kinds[e.tagName] ?? e.getAttribute('role'));
    add(kind, label || (button && e.value) || text || e.placeholder || e.name);
  }
  for (const line of (document.body?.innerText ?? '').slice(0, 50000).split('\\n')) add('text', line);
  return seen;
}
"""
_FRAMES = """
() => [...document.querySelectorAll('iframe')].map(f => [f.name, f.title, f.id, f.getAttribute('src') ?? ''])
"""
_PLACES = """
(all, most) => all.slice(0, most).map(e => {
  const plain = text => (text ?? '').replace(/\\s+/g, ' ').trim();
  const own = plain(e.innerText || e.value || e.getAttribute('aria-label'));
  for (let part = e.parentElement; part && part !== document.body; part = part.parentElement) {
    const lines = part.innerText.split('\\n').flatMap(line => own ? plain(line).split(own) : line);
    const near = lines.map(plain).find(Boolean);
    if (near) return [e.tagName, own.slice(0, 60), near.slice(0, 60)];
  }
  return [e.tagName, own.slice(0, 60), ''];
})
"""
"""Of each element its words, and the first other words near it."""

_WORDS = {"A": "link", "BUTTON": "button", "INPUT": "field", "SELECT": "field", "TEXTAREA": "field"}
_FIELDS = ("field", "checkbox", "radio")
MOST = 4
"""Most things that an error names."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something visible on the page: what it is and its words."""

    kind: str
    text: str

    def __str__(self) -> str:
        """Return it as a target would be written."""
        return f'{self.kind} "{self.text}"'


async def not_found(stage: Stage, target: Target, deadline: Deadline, *, field: bool = False) -> BrowserTimeout:
    """Return the error that says that no element fits the target, and which one is nearest; ``field``: one that takes a
    value was wanted.
    """
    what = f"field {target}" if field and target.kind == "any" else str(target)
    frames = await _without_frame(stage)
    seen = [] if frames else await look_around(stage)
    near = nearest(target.text, seen)
    hint = frames or _hint(target, seen, near, field=field)
    message = f"{what} was not found within {deadline.seconds:g} s on {stage.page.url[:200]}; {hint}"
    return BrowserTimeout(message, looked_for=str(target), nearest=None if near is None else str(near))


def _hint(target: Target, seen: list[Seen], near: Seen | None, *, field: bool) -> str:
    """Return what helps most: which part of the target is not there, what is like it, or what there is at all."""
    within = target.within
    if within is not None and not any(within.lower() in one.text.lower() for one in seen):
        place = nearest(within, seen)
        return f'nothing on the page says "{within}"' + ("" if place is None else f"; nearest to it is {place}")
    if near is not None:
        return f"nearest is {near}"
    wanted = _FIELDS if field or target.kind in ("field", "label", "placeholder") else (target.role,)
    first = sorted(dict.fromkeys(seen), key=lambda one: wanted.index(one.kind) if one.kind in wanted else len(wanted))
    return f"the page shows {', '.join(map(str, first[:MOST]))}" if first else "the page shows nothing"


async def text_not_found(stage: Stage, text: str, deadline: Deadline) -> BrowserTimeout:
    """Return the error that says that a text is not on the page, and which one is nearest."""
    frames = await _without_frame(stage)
    seen = [] if frames else await look_around(stage)
    near = nearest(text, seen)
    hints = [frames, None if near is None else f"nearest is {near}"]
    messages = [str(one) for one in seen if one.kind == "message" and one != near][:3]
    hints.append(f"the page says {', '.join(messages)}" if messages else None)
    hint = "".join(f"; {one}" for one in hints if one)
    message = f'the text "{text}" was not found within {deadline.seconds:g} s on {stage.page.url[:200]}{hint}'
    return BrowserTimeout(message, looked_for=text, nearest=None if near is None else str(near))


async def several(found: Locator, count: int, target: Target) -> BrowserError:
    """Return the error that says that several elements fit, where they are, and how to say which."""
    rows: list[Any] = await found.evaluate_all(_PLACES, MOST)
    seen = [(f'{_WORDS.get(tag, tag.lower())} "{own}"', near) for tag, own, near in rows]
    told = ", ".join(f'{what} in "{near}"' if near else what for what, near in seen)
    more = ", …" if count > len(rows) else ""
    places = [near for _, near in seen if near]
    example = places[0] if places and len(set(places)) == len(seen) else "a text next to it"
    return BrowserError(
        f'{target} fits {count} elements ({told}{more}); say which: "{target.text}" in "{example}", or 1st '
        f'"{target.text}"',
        matches=count,
    )


async def look_around(stage: Stage) -> list[Seen]:
    """Return what is visible, controls first; empty if the page does not answer in :data:`LOOK_S`."""
    try:
        async with asyncio.timeout(LOOK_S):
            root = stage.page.locator(":root") if stage.frame is None else stage.scope.locator(":root")
            found: list[Any] = await root.evaluate(_LOOK)
    except (TimeoutError, PlaywrightError):
        return []
    return [Seen(str(kind), str(text)) for kind, text in found]


async def _without_frame(stage: Stage) -> str | None:
    """Return which frames there are, if the one that is looked into is none of them."""
    if stage.frame is None:
        return None
    try:
        async with asyncio.timeout(LOOK_S):
            frames: list[list[str]] = await stage.page.evaluate(_FRAMES)
    except (TimeoutError, PlaywrightError):
        return None
    if any(stage.frame in names or stage.frame in names[-1] for names in frames):
        return None
    called = [f'"{next(filter(None, names), "")}"' for names in frames][:MOST]
    return (
        f'there is no frame "{stage.frame}" on the page, {"only " + ", ".join(called) if called else "nor any other"}'
    )


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
