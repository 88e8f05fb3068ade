"""Secrets that a test types without knowing them: ``{{secret.NAME}}`` in a ``Fill`` or a ``Type … into``. Floor 4; the
host's loop only.

A secret belongs to one origin and is put into no page of another: the element is pinned first, then its frame's address
is looked at, and an element whose document has gone takes nothing. What was typed is replaced by its reference in all
that leaves the page as text, and its field shows dots.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from playwright.async_api import Locator

from runwire.browser.deadline import Deadline
from runwire.browser.secrets import HttpSecret
from runwire.errors import BrowserError

T = TypeVar("T")

REFERENCE = re.compile(r"\{\{\s*secret\.([A-Za-z0-9_-]+)(?:\.(username|password))?\s*\}\}")
SHORTEST = 4
"""Least characters of what is looked for in texts: shorter ones stand in any."""
_DOTS = "e => { e.style.webkitTextSecurity = 'disc' }"


class TypedSecrets:
    """What one context may type, and what it has typed."""

    def __init__(self, secrets: Mapping[str, HttpSecret]) -> None:
        self._secrets = secrets
        self._typed: dict[str, str] = {}

    async def put(self, element: Locator, value: str, deadline: Deadline, *, by_key: bool) -> None:
        """Put a value with references into an element.

        Raises:
            BrowserError: no such secret, or the page is not of its origin.
        """
        handle = await element.element_handle(timeout=deadline.left_ms)
        frame = await handle.owner_frame()
        here = _origin("" if frame is None else frame.url)
        text = REFERENCE.sub(lambda found: self._value(found, here), value)
        await handle.evaluate(_DOTS)
        if by_key:
            await handle.type(text, timeout=deadline.left_ms)
        else:
            await handle.fill(text, timeout=deadline.left_ms)

    def _value(self, found: re.Match[str], here: str) -> str:
        secret = self._secrets.get(found[1])
        if secret is None:
            raise BrowserError(f"this server has no secret {found[1]!r}; an administrator can add it")
        if here != _origin(secret.origin):
            raise BrowserError(
                f"the secret {found[1]!r} belongs to {secret.origin}, and is not typed on {here or 'this page'}"
            )
        value = secret.username if found[2] == "username" else secret.password
        if len(value) >= SHORTEST:
            self._typed[value] = found[0]
        return value

    def hidden(self, value: T) -> T:
        """Return a text, or a list or mapping of texts, with what was typed replaced by its reference."""
        if not self._typed:
            return value
        return self._hidden(value)  # type: ignore[no-any-return]  # of the same shape

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            for typed, reference in sorted(self._typed.items(), key=lambda pair: -len(pair[0])):
                value = value.replace(typed, reference)
        elif isinstance(value, list):
            return [self._hidden(inner) for inner in value]
        elif isinstance(value, dict):
            return {name: self._hidden(inner) for name, inner in value.items()}
        return value

    def hide_in(self, error: BrowserError) -> BrowserError:
        """Return the error with what was typed replaced."""
        return type(error)(self.hidden(error.message), **self.hidden(error.details)) if self._typed else error


def refuse_elsewhere(action: object) -> None:
    """Raises BrowserError if an action that puts nothing into a field of its page's own names a secret."""
    if REFERENCE.search(repr(action)):
        raise BrowserError("a secret is filled in or typed into a field of the page itself, and used nowhere else")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in (None, default) else f":{parts.port}"
    return f"{parts.scheme}://{(parts.hostname or '').lower()}{port}"
