"""The sockets of a page in the hands of a test: what was sent, cuts with exact close codes, and silence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, WebSocketRoute


class Wire:
    """The page's sockets."""

    def __init__(self, page: Page) -> None:
        self.pairs: list[tuple[WebSocketRoute, WebSocketRoute]] = []
        self.frozen: set[int] = set()
        self.sent: list[dict[str, Any]] = []
        self.refuse: Callable[[], bool] = lambda: False
        page.route_web_socket(re.compile(r"/ws$"), self._connect)

    def _connect(self, page_side: WebSocketRoute) -> None:
        if self.refuse():
            page_side.close(code=1013)
            return
        number = len(self.pairs)
        server_side = page_side.connect_to_server()
        self.pairs.append((page_side, server_side))
        page_side.on_message(lambda data: self._up(number, data))
        server_side.on_message(lambda data: None if number in self.frozen else page_side.send(data))

    def _up(self, number: int, data: str | bytes) -> None:
        self.sent.append(json.loads(data))
        if number not in self.frozen:
            self.pairs[number][1].send(data)

    def ops(self, prefix: str) -> list[str]:
        """Return what the page has asked for so far, as far as it begins like this."""
        return [message["op"] for message in self.sent if message["op"].startswith(prefix)]

    def cut(self, code: int) -> None:
        """Close the latest socket towards the page with this code."""
        page_side, server_side = self.pairs[-1]
        server_side.close()
        page_side.close(code=code)

    def freeze(self) -> None:
        """Let nothing through the latest socket any more, without closing it."""
        self.frozen.add(len(self.pairs) - 1)
