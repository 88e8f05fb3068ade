"""Which steps a person must allow: what cannot be taken back, and what would leave the site. Floor 4; pure.

The rules look at what an element *is* (its name, its form, where it leads), never at what the model says about it. They
are a fence, not a wall: a page can call its delete button "Next", or change between the look and the act. What holds
whatever a page says is the egress proxy, that a page on a new origin is shown to no model before a person's yes, and
that secrets are typed by reference into their own origin only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from runwire.agents.browser_task.tools import AnswerNextDialog, Click, Fill, Navigate, Planned, Press, Upload
from runwire.agents.dangerous_words import dangerous_word
from runwire.contracts.browser import ElementFacts
from runwire.protocol.addresses import matches

_HARMLESS_ROLES = frozenset({"checkbox", "radio", "textbox", "searchbox", "combobox", "option", "heading", "tab"})
_SECRET = re.compile(r"\{\{\s*secret\.")
_SENDING_KEYS = frozenset({"enter", "numpadenter", "return"})
_TYPED_INTO = frozenset({"textbox", "searchbox", "combobox", "spinbutton"})


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address in lower case; ``about:blank`` and the like are their own."""
    parts = _split(url)
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else url.lower()


@dataclass(frozen=True, slots=True)
class Site:
    """Where a task may be: ``origins`` that it began at or a person has allowed, and ``hosts`` (names, patterns such as
    ``*.example.org``) that its own configuration names.
    """

    origins: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()

    def holds(self, url: str) -> bool:
        """Return whether a page at this absolute address belongs to it; an empty page does."""
        host = (_split(url).hostname or "").lower()
        return url == "about:blank" or origin_of(url) in self.origins or matches(host, self.hosts)

    def with_origins(self, urls: Iterable[str | None]) -> Site:
        """Return the site with the origins of addresses; relative ones and None add nothing."""
        added = {origin_of(url) for url in urls if url is not None and _split(url).netloc}
        return Site(self.origins | added, self.hosts)


def dangers(planned: Planned, site: Site, base: str) -> Iterator[str]:
    """Yield why a person must allow the step; nothing if it is harmless.

    Args:
        planned: the step and its element.
        site: where the task may be without asking.
        base: the page's address, which relative ones resolve against.
    """
    return dangers_of(planned.choice, planned.element, site, base)


def dangers_of(choice: object, element: ElementFacts | None, site: Site, base: str) -> Iterator[str]:
    """Yield the same of a tool and its element."""
    match choice:
        case Navigate(url=url) if _leads_away(url, site, base):
            yield f"it leaves the site for {origin_of(url)}"
        case Upload(file=file):
            yield f"it uploads the file {file!r}"
        case AnswerNextDialog(accept=True):
            yield "it says yes to the next dialog, whatever that asks"
        case Fill(value=value) if _SECRET.search(value):
            yield "it types a secret"
        case Click() if element is not None:
            yield from _using(element, site, base)
        case Press(key=key):
            yield from _pressing(key.rpartition("+")[2].lower(), element, site, base)


def _using(element: ElementFacts, site: Site, base: str) -> Iterator[str]:
    if element.href is not None and _leads_away(element.href, site, base):
        yield f"it leaves the site for {origin_of(element.href)}"
    if element.role not in _HARMLESS_ROLES and (word := dangerous_word(element.name)):
        yield f'it uses "{element.name[:100]}", which says "{word}"'
    elif element.submits:
        yield from _form(element, site, base)


def _pressing(key: str, element: ElementFacts | None, site: Site, base: str) -> Iterator[str]:
    if key in _SENDING_KEYS:
        yield from _sending(element, site, base)
    elif key != "space":
        return
    elif element is None:
        yield "it presses Space on whatever has the focus"
    elif element.role not in _TYPED_INTO:  # on a button it is a click
        yield from _using(element, site, base)


def _sending(element: ElementFacts | None, site: Site, base: str) -> Iterator[str]:
    """Enter uses what has the focus, or sends the form around it."""
    if element is None:
        yield "it presses Enter on whatever has the focus"
    elif element.form_action is not None:
        label = element.submit_label or ""
        if word := dangerous_word(label):
            yield f'it sends the form whose button is "{label[:100]}", which says "{word}"'
        else:
            yield from _form(element, site, base)
    elif element.role in ("button", "link", "menuitem"):
        yield from _using(element, site, base)


def _form(element: ElementFacts, site: Site, base: str) -> Iterator[str]:
    action = element.form_action or ""
    if _leads_away(action, site, base):
        yield f"it sends a form to {origin_of(action)}"
    elif word := dangerous_word(urlsplit(action).path.replace("_", " ")):
        yield f'it sends a form to {urlsplit(action).path[:100]}, which says "{word}"'


def _leads_away(url: str, site: Site, base: str) -> bool:
    parts = _split(url)
    if not parts.scheme and not parts.netloc:
        return False  # relative: the page's own site
    if parts.scheme in ("javascript", "mailto", "tel"):
        return False  # leads nowhere by itself
    return not site.holds(url if parts.scheme else f"{_split(base).scheme}:{url}")


def _split(url: str) -> SplitResult:
    """Return an address's parts; one that cannot be read, or that a browser reads otherwise (it takes a backslash for a
    slash: ``https://evil.example\\@ours.example``), has no host and belongs to no site.
    """
    unclear = SplitResult("unclear", "", url, "", "")
    try:
        return unclear if "\\" in url else urlsplit(url)
    except ValueError:
        return unclear
