"""Asks pages what they cannot lie about by means of JavaScript. Floor 4; the run's own thread and loop.

A script of ours runs in an isolated world: it sees the page's elements, and none of what the page's scripts have made
of ``Document.prototype`` and the like. Stagehand itself evaluates in the page's own world only, so this is a connection
beside its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from stagehand.cdp_client import CDPClient, CDPConnectionClosedError
from websockets.asyncio.client import connect

WORLD = "runwire"


@asynccontextmanager
async def witness_at(cdp_url: str) -> AsyncIterator[Witness]:
    """Give a witness on a browser for a block. Raises OSError or WebSocketException."""
    async with connect(cdp_url, proxy=None) as socket:
        client = CDPClient(socket, cdp_url)
        try:
            yield Witness(client)
        finally:
            await client.close()


class Witness:
    """Looks at one page after the other, without a limit of its own: a page that is just closing may never answer."""

    def __init__(self, client: CDPClient) -> None:
        self._client = client
        self._page_id = ""
        self._session_id: str | None = None

    async def tell(self, page_id: str, script: str) -> Any:
        """Return what a script comes to in the page's main frame, as JSON; None if it fails, or the page has gone.

        Raises:
            CDPConnectionClosedError: the browser has gone.
        """
        try:
            await self._attach(page_id)
            # A page's target and its main frame have the same id. A world of this name is made once for each document.
            world = await self._send("Page.createIsolatedWorld", frameId=page_id, worldName=WORLD)
            context = world["executionContextId"]
            told: Any = await self._send("Runtime.evaluate", expression=script, contextId=context, returnByValue=True)
        except CDPConnectionClosedError:
            raise
        except RuntimeError:  # of a command: there is no such page or frame any more
            return None
        return None if "exceptionDetails" in told else told["result"].get("value")

    async def _attach(self, page_id: str) -> None:
        if page_id == self._page_id:
            return
        session_id, self._page_id, self._session_id = self._session_id, "", None
        if session_id is not None:
            with suppress(RuntimeError):  # of a page that has gone
                await self._send("Target.detachFromTarget", sessionId=session_id)
        attached: Any = await self._send("Target.attachToTarget", targetId=page_id, flatten=True)
        self._page_id, self._session_id = page_id, attached["sessionId"]

    async def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        return await self._client.send_command(method, parameters, session_id=self._session_id)
