"""Reads items from a page by CSS selectors. Floor 4; the host's loop only.

What comes back was made by the page: texts, bounded here once more, and nothing else is taken from it.
"""

from __future__ import annotations

from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from runwire.browser.deadline import Deadline
from runwire.contracts.browser import Extraction
from runwire.errors import BrowserError, BrowserTimeout

MAX_FIELD = 2_000
"""Most characters of a field."""

_READ = """
([item, fields, limit, longest]) => {
  const items = item ? [...document.querySelectorAll(item)].slice(0, limit) : [document];
  return items.map(root => fields.map(([selector, attribute]) => {
    const found = selector ? root.querySelector(selector) : (root.documentElement ?? root);
    if (!found) return null;
    const value = !attribute ? ('value' in found && found.tagName !== 'LI' ? found.value : found.innerText)
      : attribute === 'href' || attribute === 'src' ? found[attribute] : found.getAttribute(attribute);
    return typeof value === 'string' ? value.slice(0, longest) : null;
  }));
}
"""


async def extract(page: Page, what: Extraction, deadline: Deadline) -> list[dict[str, str]]:
    """Return the items in their order.

    Raises:
        BrowserTimeout: there is none in time.
        BrowserError: a selector is none.
    """
    fields = [(name, *_parts(where)) for name, where in what.fields.items()]
    try:
        if what.item:
            await page.locator(f"css={what.item}").first.wait_for(state="attached", timeout=deadline.left_ms)
        places = [(selector, attribute) for _, selector, attribute in fields]
        rows: Any = await page.evaluate(_READ, [what.item, places, what.limit, MAX_FIELD])
    except PlaywrightTimeout as error:
        raise BrowserTimeout(
            f'no "{what.item}" was found within {deadline.seconds:g} s on {page.url[:200]}', looked_for=what.item
        ) from error
    except PlaywrightError as error:
        if "selector" in error.message:
            said = error.message.splitlines()[0][:300]
            raise BrowserError(f"a selector is no CSS selector, on {page.url[:200]}: {said}") from error
        raise
    return [_item([name for name, *_ in fields], row) for row in list(rows)[: what.limit]]


def _parts(where: str) -> tuple[str, str]:
    selector, _, attribute = where.rpartition("@") if "@" in where else (where, "", "")
    return selector.strip(), attribute.strip()


def _item(names: list[str], row: Any) -> dict[str, str]:
    texts = zip(names, row if isinstance(row, list) else (), strict=False)
    return {name: " ".join(text.split())[:MAX_FIELD] for name, text in texts if isinstance(text, str)}
