"""Tells a page as a screen reader knows it, and what one of its elements is. Floor 4; the host's loop only.

References hold until the next snapshot. What is made of one is a target of the step language, checked to find exactly
this element: so that what was done by a reference is recorded in words, and can be done again without it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from playwright.async_api import ElementHandle

from runwire.browser.deadline import Deadline
from runwire.browser.locate import first_shown, tiers
from runwire.browser.stage import Stage
from runwire.browser.typed import SHORTEST
from runwire.contracts.browser import ElementFacts, Snapshot
from runwire.errors import BrowserError
from runwire.protocol.steps.phrases import ROLES
from runwire.protocol.steps.target import Target

MAX_SNAPSHOT = 20_000
"""Most characters of a snapshot; a guess: some 6,000 tokens, more than most pages have."""
MAX_LINE = 400
MAX_NAME = 120
"""Most characters of a name that a target is made of."""

_DOTS = "••••"
_REFERENCE = re.compile(r"(?:f\d{1,4})?e\d{1,7}")
_LINE = re.compile(r'([a-z]+)(?: "((?:[^"\\]|\\.)*)")?((?: \[[^\]]*\])*)')
_FIELDS = frozenset({"textbox", "searchbox", "combobox", "spinbutton", "listbox", "slider", "checkbox", "radio"})
_PASSWORDS = "all => all.map(e => e.value).filter(value => value)"

_FACTS = """
e => {
  const text = value => (value ?? '').replace(/\\s+/g, ' ').trim().slice(0, 200);
  const form = e.form ?? e.closest('form');
  const button = form?.querySelector('button:not([type]), button[type=submit], input[type=submit], input[type=image]');
  const type = (e.type ?? '').toLowerCase();
  const submit = !!form && (e.tagName === 'BUTTON' ? !['button', 'reset'].includes(type)
    : e.tagName === 'INPUT' && ['submit', 'image'].includes(type));
  const path = [];
  for (let at = e; at && at.nodeType === 1; at = at.parentElement) {
    if (at.id) { path.unshift('#' + CSS.escape(at.id)); break; }
    const same = at.parentElement ? [...at.parentElement.children].filter(c => c.tagName === at.tagName) : [at];
    path.unshift(at.tagName.toLowerCase() + (same.length > 1 ? `:nth-of-type(${same.indexOf(at) + 1})` : ''));
  }
  const link = e.closest('a[href]');
  return {
    label: text(e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.placeholder || e.name || e.id),
    attribute: text(e.name || e.id), testid: text(e.getAttribute('data-testid')), text: text(e.innerText),
    css: path.join(' > '), href: link ? link.href : null, file: type === 'file', submits: submit,
    action: form ? form.action : null, button: button ? text(button.innerText || button.value) : null,
  };
}
"""
_FRAME = "e => e.name || e.title || e.id || new URL(e.src, document.baseURI).pathname"


async def snapshot(stage: Stage, deadline: Deadline) -> Snapshot:
    """Return the page that the stage is at, cut to its bounds."""
    page = stage.page
    text = await page.aria_snapshot(mode="ai", timeout=deadline.left_ms)
    stage.lines = text.splitlines()
    for password in await page.locator("input[type=password]").evaluate_all(_PASSWORDS):
        text = without(text, password)
    return Snapshot(page.url, await page.title(), bounded(text), stage.last_dialog)


def bounded(text: str) -> str:
    """Return as many whole lines of a snapshot as may leave the browser; the last one says how many are left out."""
    kept: list[str] = []
    size, lines = 0, text.splitlines()
    for line in lines:
        size += min(len(line), MAX_LINE) + 1
        if size > MAX_SNAPSHOT:
            kept.append(f"… {len(lines) - len(kept)} more lines are left out")
            break
        kept.append(line[:MAX_LINE])
    return "\n".join(kept)


def without(text: str, password: str) -> str:
    """Return a snapshot without what a password field holds; a short one is looked for as a value alone."""
    text = text.replace(f": {password}", f": {_DOTS}").replace(json.dumps(password), f'"{_DOTS}"')
    return text.replace(password, _DOTS) if len(password) >= SHORTEST else text


async def element(stage: Stage, reference: str, deadline: Deadline) -> ElementFacts:
    """Return what the reference names.

    Raises:
        BrowserError: it is no reference of the last snapshot, its element has gone, or lies too deep in frames.
    """
    if not _REFERENCE.fullmatch(reference):
        raise BrowserError(f"{reference[:40]!r} is no reference; one is like e12")
    found = stage.page.get_by_ref(reference)
    if await found.count() != 1:
        raise BrowserError(f"there is no element {reference} on the page any more; look at the page again")
    handle = await found.element_handle(timeout=deadline.left_ms)
    frame = await _frame_of(stage, handle)
    inside = stage if frame is None else stage.inside(frame)
    facts: dict[str, Any] = await handle.evaluate(_FACTS)
    role, name = role_and_name(stage.lines, reference)
    return ElementFacts(
        target=await _target(inside, handle, list(_candidates(role, name, facts)), Target(facts["css"], "css")),
        role=role,
        name=name or facts["label"] or facts["text"],
        frame=frame,
        href=facts["href"],
        form_action=facts["action"],
        submit_label=facts["button"],
        submits=facts["submits"],
        file_field=facts["file"],
    )


async def _frame_of(stage: Stage, handle: ElementHandle) -> str | None:
    frame = await handle.owner_frame()
    if frame is None or frame is stage.page.main_frame:
        return None
    if frame.parent_frame is not stage.page.main_frame:
        raise BrowserError("the element lies in a frame of a frame, which no step can name")
    return str(await (await frame.frame_element()).evaluate(_FRAME))


def role_and_name(lines: list[str], reference: str) -> tuple[str, str]:
    """Return role and name from the element's own line of a snapshot: ``- button "Add" [disabled] [ref=e5]:``.

    What stands in a name is the page's, also if it looks like a reference.
    """
    for line in lines:
        text = line.strip().removeprefix("- ")
        if text.startswith("'"):
            text = text[1:].replace("''", "'")
        found = _LINE.match(text)
        if found is not None and f"[ref={reference}]" in found[3]:
            return found[1], re.sub(r"\\(.)", r"\1", found[2] or "")
    return "", ""


def _candidates(role: str, name: str, facts: dict[str, Any]) -> Iterator[Target]:
    """Yield the ways to say which element it is, in the order in which a person would choose them."""
    if role in ROLES.values() and 0 < len(name) <= MAX_NAME:
        yield Target(name, "role", role)
    if role in _FIELDS or facts["file"]:
        yield from (Target(text, "field") for text in (name, facts["label"], facts["attribute"]) if text)
    if facts["testid"]:
        yield Target(facts["testid"], "test_id")
    if 0 < len(facts["text"]) <= MAX_NAME:
        yield Target(facts["text"], "text")


async def _target(stage: Stage, handle: ElementHandle, candidates: list[Target], css: Target) -> Target:
    """Return the first candidate that finds this element alone, else the first that finds it among others, else its
    place in the document.
    """
    among: Target | None = None
    for candidate in (*candidates, css):
        if candidate is css and among is not None:
            break
        shown = await first_shown(tiers(stage, candidate, "point", ("whole",)))
        if shown is None:
            continue
        at, count = await shown.evaluate_all("(all, e) => [all.indexOf(e), all.length]", handle)
        if at == 0 and count == 1:
            return candidate
        if at >= 0 and among is None:
            among = replace(candidate, nth=at)
    if among is None:
        raise BrowserError("the element is not visible, so no step can name it")
    return among
