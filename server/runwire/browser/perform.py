"""Does what an action says to a page. Floor 4; the host's loop only; one function for each action, one table of
them.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import FilePayload, Locator
from playwright.async_api import TimeoutError as PlaywrightTimeout

from runwire.browser.deadline import Deadline
from runwire.browser.locate import find, shown, text_locator, wait_gone, wait_shown
from runwire.browser.nearest import text_not_found
from runwire.browser.stage import Stage
from runwire.browser.typed import REFERENCE, refuse_elsewhere
from runwire.errors import BrowserError, BrowserTimeout
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.target import Target

POLL_S = 0.05
"""Period at which a title, an address or a value is looked at again until it is as expected."""

MAX_REMEMBERED = 10_000
"""Most characters that a variable keeps of a page; a guess."""

_SCROLL = """
where => {
  let box = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  while (box && !(box.scrollHeight > box.clientHeight && /auto|scroll/.test(getComputedStyle(box).overflowY))) {
    box = box.parentElement;
  }
  box ??= document.scrollingElement ?? document.documentElement;
  const screen = 0.9 * box.clientHeight;
  const top = {top: 0, bottom: box.scrollHeight, up: box.scrollTop - screen, down: box.scrollTop + screen}[where];
  box.scrollTo({top, behavior: 'instant'});
}
"""
"""Scrolls what lies in the middle of the screen and can be scrolled: often that is a part of the page."""

_Probe = Callable[[], Awaitable[str]]


async def perform(stage: Stage, action: do.Action, deadline: Deadline) -> str | None:
    """Do it before the deadline; return what a ``Remember`` read, the id of a download that was verified, else None.

    Raises:
        BrowserTimeout: an element did not come, an expectation did not become true.
        BrowserError: the element is ambiguous or refuses.
    """
    if not (isinstance(action, do.Fill | do.TypeText) and action.target is not None):
        refuse_elsewhere(action)
    return await PERFORMERS[type(action)](stage, action, deadline)


async def _navigate(stage: Stage, action: do.Navigate, deadline: Deadline) -> None:
    await stage.page.goto(action.url, timeout=deadline.left_ms)


async def _travel(stage: Stage, action: do.Travel, deadline: Deadline) -> None:
    if action.direction == "reload":
        await stage.page.reload(timeout=deadline.left_ms)
        return
    move, before = stage.page.go_back if action.direction == "back" else stage.page.go_forward, stage.page.url
    # No response is also what a move within one document gives.
    if await move(timeout=deadline.left_ms) is None and stage.page.url == before:
        raise BrowserError(f"there is no page to go {action.direction} to")


async def _click(stage: Stage, action: do.Click, deadline: Deadline) -> None:
    element = await find(stage, action.target, "point", deadline)
    click = element.dblclick if action.double else element.click
    try:
        with _window_may_close(stage):
            await click(button=action.button, timeout=deadline.left_ms)
    except PlaywrightTimeout as error:
        raise _not_ready(action.target, "clicked", deadline, error) from error


async def _fill(stage: Stage, action: do.Fill, deadline: Deadline) -> None:
    element = await find(stage, action.target, "field", deadline)
    try:
        if REFERENCE.search(action.value):
            await stage.secrets.put(element, action.value, deadline, by_key=False)
            return
        await element.fill(action.value, timeout=deadline.left_ms)
    except PlaywrightTimeout as error:
        raise _not_ready(action.target, "filled", deadline, error) from error


async def _type(stage: Stage, action: do.TypeText, deadline: Deadline) -> None:
    if action.target is None:
        await stage.page.keyboard.type(action.value)
    else:
        element = await find(stage, action.target, "field", deadline)
        if REFERENCE.search(action.value):
            await stage.secrets.put(element, action.value, deadline, by_key=True)
            return
        await element.press_sequentially(action.value, timeout=deadline.left_ms)


async def _press(stage: Stage, action: do.Press, deadline: Deadline) -> None:
    if action.target is None:
        with _window_may_close(stage):
            await stage.page.keyboard.press(action.key)
    else:
        element = await find(stage, action.target, "field", deadline)
        with _window_may_close(stage):
            await element.press(action.key, timeout=deadline.left_ms)


@contextmanager
def _window_may_close(stage: Stage) -> Iterator[None]:
    """Take a click or a key that closes its own window for done, while another is left: Playwright then misses what it
    has used, and says so.
    """
    page = stage.page
    try:
        yield
    except PlaywrightError:
        if not (page.is_closed() and stage.windows):
            raise


async def _select(stage: Stage, action: do.Select, deadline: Deadline) -> None:
    element = await find(stage, action.target, "field", deadline)
    names = await _options(element, action, deadline)
    by_label = action.option in names
    choose: dict[str, Any] = {"label": action.option} if by_label else {"value": action.option}
    await element.select_option(**choose, timeout=deadline.left_ms)


async def _options(element: Locator, action: do.Select, deadline: Deadline) -> list[str]:
    """Wait until the wanted option is there, and return the labels of all."""
    while True:
        options = await element.evaluate("e => e.options && [...e.options].map(o => [o.value, o.label.trim()])")
        if options is None:
            raise BrowserError(f"{action.target} is no list of options; click it, then click what it opens")
        names = [str(label) for _, label in options]
        if any(action.option in pair for pair in options):
            return names
        if deadline.passed:
            has = ", ".join(f'"{name}"' for name in names[:10]) or "none"
            raise BrowserTimeout(
                f'{action.target} had no option "{action.option}" within {deadline.seconds:g} s; it has {has}',
                looked_for=action.option,
            )
        await asyncio.sleep(min(POLL_S, max(deadline.left_s, 0.001)))


async def _set_checked(stage: Stage, action: do.SetChecked, deadline: Deadline) -> None:
    element = await find(stage, action.target, "field", deadline)
    try:
        await element.set_checked(action.checked, timeout=deadline.left_ms)
    except PlaywrightTimeout as error:
        raise _not_ready(action.target, "checked" if action.checked else "unchecked", deadline, error) from error


async def _hover(stage: Stage, action: do.Hover, deadline: Deadline) -> None:
    await (await find(stage, action.target, "point", deadline)).hover(timeout=deadline.left_ms)


async def _scroll_to(stage: Stage, action: do.ScrollTo, deadline: Deadline) -> None:
    await (await find(stage, action.target, "point", deadline)).scroll_into_view_if_needed(timeout=deadline.left_ms)


async def _scroll_page(stage: Stage, action: do.ScrollPage, deadline: Deadline) -> None:
    await stage.page.evaluate(_SCROLL, action.where)


async def _drag(stage: Stage, action: do.Drag, deadline: Deadline) -> None:
    element = await find(stage, action.target, "point", deadline)
    onto = await find(stage, action.onto, "point", deadline)
    try:
        await element.drag_to(onto, timeout=deadline.left_ms)
    except PlaywrightTimeout as error:
        raise _not_ready(action.target, f"dragged to {action.onto}", deadline, error) from error


async def _wait_for_load(stage: Stage, action: do.WaitForLoad, deadline: Deadline) -> None:
    await stage.page.wait_for_load_state(timeout=deadline.left_ms)


async def _wait_seconds(stage: Stage, action: do.WaitSeconds, deadline: Deadline) -> None:
    await asyncio.sleep(action.seconds)


async def _wait_for_element(stage: Stage, action: do.WaitForElement, deadline: Deadline) -> None:
    await (wait_shown if action.visible else wait_gone)(stage, action.target, deadline)


async def _verify_text(stage: Stage, action: do.VerifyText, deadline: Deadline) -> None:
    first = text_locator(stage, action.text).first
    try:
        await first.wait_for(state="hidden" if action.absent else "visible", timeout=deadline.left_ms)
    except PlaywrightTimeout as error:
        if action.absent:
            raise BrowserTimeout(f'the text "{action.text}" was still visible after {deadline.seconds:g} s') from error
        raise await text_not_found(stage, action.text, deadline) from error


async def _verify_title(stage: Stage, action: do.VerifyTitle, deadline: Deadline) -> None:
    await _until("the title", stage.page.title, action.text, action.comparison, deadline, negated=action.negated)


async def _verify_url(stage: Stage, action: do.VerifyUrl, deadline: Deadline) -> None:
    async def address() -> str:
        return stage.page.url

    await _until("the URL", address, action.text, action.comparison, deadline, negated=action.negated)


async def _verify_element(stage: Stage, action: do.VerifyElement, deadline: Deadline) -> None:
    if action.state in ("visible", "hidden"):
        await (wait_shown if action.state == "visible" else wait_gone)(stage, action.target, deadline)
        return
    element = await find(stage, action.target, "field" if action.state.endswith("checked") else "point", deadline)
    question, wanted = _STATE_QUESTIONS[action.state]

    async def state() -> str:
        return action.state if await question(element) is wanted else f"not {action.state}"

    await _until(f"{action.target}", state, action.state, "is", deadline)


async def _verify_value(stage: Stage, action: do.VerifyValue, deadline: Deadline) -> None:
    element = await find(stage, action.target, "field", deadline)

    async def value() -> str:
        return await element.input_value(timeout=deadline.look_ms)

    await _until(f"the value of {action.target}", value, action.value, action.comparison, deadline)


async def _verify_attribute(stage: Stage, action: do.VerifyAttribute, deadline: Deadline) -> None:
    element = await find(stage, action.target, "point", deadline)

    async def value() -> str:
        return await element.get_attribute(action.name, timeout=deadline.look_ms) or ""

    what = f'the attribute "{action.name}" of {action.target}'
    await _until(what, value, action.value, action.comparison, deadline)


async def _verify_count(stage: Stage, action: do.VerifyCount, deadline: Deadline) -> None:
    async def count() -> str:
        return str(await shown(stage, action.target))

    await _until(f"the number of {action.target}", count, str(action.count), "is", deadline)


async def _upload(stage: Stage, action: do.Upload, deadline: Deadline) -> None:
    element = await find(stage, action.target, "field", deadline)
    mime = mimetypes.guess_type(action.file)[0] or "application/octet-stream"
    file = FilePayload(name=action.file, mimeType=mime, buffer=action.content.encode())
    await element.set_input_files(file, timeout=deadline.left_ms)


async def _answer_dialog(stage: Stage, action: do.AnswerDialog, deadline: Deadline) -> None:
    stage.accept_next, stage.next_text = action.accept, action.text


async def _verify_dialog(stage: Stage, action: do.VerifyDialog, deadline: Deadline) -> None:
    async def message() -> str:
        if stage.last_dialog is None and deadline.passed:
            raise BrowserTimeout(f"no dialog was opened within {deadline.seconds:g} s", looked_for=action.text)
        return stage.last_dialog or ""

    await _until("the last dialog", message, action.text, "contains", deadline)


async def _verify_download(stage: Stage, action: do.VerifyDownload, deadline: Deadline) -> str:
    downloads = stage.downloads()
    if downloads is None:
        raise BrowserError("this server keeps no downloads (its setting browser_downloads is 0)")
    return await downloads.claim(action, deadline)


async def _switch_page(stage: Stage, action: do.SwitchPage, deadline: Deadline) -> None:
    await stage.switch(newest=action.newest, deadline=deadline)


async def _remember(stage: Stage, action: do.Remember, deadline: Deadline) -> str:
    element = await find(stage, action.target, "point", deadline)
    text = await element.evaluate("e => 'value' in e && e.tagName !== 'LI' ? e.value : e.innerText")
    return " ".join(str(text).split())[:MAX_REMEMBERED]


async def _in_frame(stage: Stage, action: do.InFrame, deadline: Deadline) -> str | None:
    return await perform(stage.inside(action.frame), action.action, deadline)


async def _nothing(stage: Stage, action: do.Action, deadline: Deadline) -> None:
    """Nothing to do with the page: whoever performs the step keeps pictures and variables."""


async def _unread(stage: Stage, action: do.Unread, deadline: Deadline) -> None:
    raise BrowserError(action.complaint)


async def _until(
    what: str, probe: _Probe, expected: str, comparison: do.Comparison, deadline: Deadline, *, negated: bool = False
) -> None:
    """Look until the value is (not) as expected. Raises BrowserTimeout with the last value seen."""
    while True:
        value = " ".join((await probe()).split())
        wanted = " ".join(expected.split())
        holds = value == wanted if comparison == "is" else wanted in value
        if holds is not negated:
            return
        if deadline.passed:
            relation = {"is": "be", "contains": "contain"}[comparison]
            raise BrowserTimeout(
                f'{what} was expected {"not " if negated else ""}to {relation} "{expected}" within '
                f'{deadline.seconds:g} s, but is "{value[:200]}"',
                looked_for=expected,
                nearest=value[:200],
            )
        await asyncio.sleep(min(POLL_S, max(deadline.left_s, 0.001)))


def _not_ready(target: Target, done: str, deadline: Deadline, error: PlaywrightTimeout) -> BrowserTimeout:
    """Say why an element that is there could not be used: Playwright's log knows whether it is covered or disabled."""
    reasons = [reason for reason in _REASONS if reason in error.message]
    why = f": {reasons[0]}" if reasons else ""
    return BrowserTimeout(f"{target} was found but could not be {done} within {deadline.seconds:g} s{why}")


_REASONS = (
    "intercepts pointer events",
    "not enabled",
    "not stable",
    "not visible",
    "not editable",
    "outside of the viewport",
)
_STATE_QUESTIONS: dict[do.ElementState, tuple[Callable[[Locator], Awaitable[bool]], bool]] = {
    "enabled": (Locator.is_enabled, True),
    "disabled": (Locator.is_enabled, False),
    "checked": (Locator.is_checked, True),
    "unchecked": (Locator.is_checked, False),
}

PERFORMERS: dict[type[do.Action], Callable[[Stage, Any, Deadline], Awaitable[str | None]]] = {
    do.Navigate: _navigate,
    do.Travel: _travel,
    do.Click: _click,
    do.Fill: _fill,
    do.TypeText: _type,
    do.Press: _press,
    do.Select: _select,
    do.SetChecked: _set_checked,
    do.Hover: _hover,
    do.ScrollTo: _scroll_to,
    do.ScrollPage: _scroll_page,
    do.Drag: _drag,
    do.WaitForLoad: _wait_for_load,
    do.WaitSeconds: _wait_seconds,
    do.WaitForElement: _wait_for_element,
    do.VerifyText: _verify_text,
    do.VerifyTitle: _verify_title,
    do.VerifyUrl: _verify_url,
    do.VerifyElement: _verify_element,
    do.VerifyValue: _verify_value,
    do.VerifyAttribute: _verify_attribute,
    do.VerifyCount: _verify_count,
    do.Upload: _upload,
    do.AnswerDialog: _answer_dialog,
    do.VerifyDialog: _verify_dialog,
    do.VerifyDownload: _verify_download,
    do.SwitchPage: _switch_page,
    do.Remember: _remember,
    do.InFrame: _in_frame,
    do.SetVariable: _nothing,
    do.TakeScreenshot: _nothing,
    do.Unread: _unread,
}
"""Every action and how it is done."""
