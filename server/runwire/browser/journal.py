"""What a context's pages say on their console, and what they fetch: two bounded lists. Floor 4; the host's loop only.

Addresses lose their query, fragment and credentials: that is where tokens are. Listening costs an event for each
request, so it begins when somebody asks for it.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from playwright.async_api import BrowserContext, ConsoleMessage, Request, Response, WebError

from runwire.contracts.browser import Recording

ROWS = 1_000
"""Most lines of each list; the newest stay. With :data:`LONGEST` this bounds an artifact to a MiB."""
LONGEST = 500
"""Most characters of a message or an address."""

_ADDRESS = re.compile(r"(https?://[^\s?#\"']+)[?#][^\s\"']*")


class Journal:
    """One context's. ``hidden`` replaces typed secrets."""

    def __init__(self, context: BrowserContext, hidden: Callable[[str], str]) -> None:
        self._context = context
        self._hidden = hidden
        self._started = 0.0
        self._console: deque[dict[str, Any]] = deque(maxlen=ROWS)
        self._network: deque[dict[str, Any]] = deque(maxlen=ROWS)

    def start(self) -> None:
        """Begin to listen. Idempotent."""
        if self._started:
            return
        self._started = time.monotonic()
        self._context.on("console", self._said)
        self._context.on("weberror", self._failed)
        self._context.on("response", self._answered)
        self._context.on("requestfailed", self._refused)

    def recording(self) -> Recording:
        """Return what was heard so far, as JSON lines."""
        encode = msgspec.json.Encoder().encode_lines
        return Recording(encode(self._console), encode(self._network))

    def _said(self, message: ConsoleMessage) -> None:
        where = message.location
        self._note(message.type, message.text, f"{where.get('url', '')}:{where.get('lineNumber', 0)}")

    def _failed(self, failure: WebError) -> None:
        page = failure.page
        self._note("exception", str(failure.error), "" if page is None else page.url)

    def _note(self, kind: str, text: str, where: str) -> None:
        row = {"ms": self._ms(), "type": kind, "text": self._bounded(text), "where": self._bounded(where)}
        self._console.append(row)

    def _answered(self, response: Response) -> None:
        self._network.append({**self._facts(response.request), "status": response.status})

    def _refused(self, request: Request) -> None:
        self._network.append({**self._facts(request), "error": self._bounded(request.failure or "failed")})

    def _facts(self, request: Request) -> dict[str, Any]:
        url = self._bounded(plain_address(request.url))
        return {"ms": self._ms(), "method": request.method, "url": url, "type": request.resource_type}

    def _ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

    def _bounded(self, text: str) -> str:
        return self._hidden(_ADDRESS.sub(r"\1?…", text))[:LONGEST]


def plain_address(url: str) -> str:
    """Return an address without query, fragment and credentials; what is no web address is only named by its kind."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "invalid:"
    if parts.scheme not in ("http", "https", "ws", "wss"):
        return f"{parts.scheme}:"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path}{'?…' if parts.query else ''}"
