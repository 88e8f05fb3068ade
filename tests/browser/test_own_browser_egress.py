"""A browser of a run's own: whoever has its address rules it, and a web page has no use for that address."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect

from runwire.browser.egress import EgressProxy
from runwire.browser.processes import profile_folder
from runwire.browser.whole import ERRANDS
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserError
from tests.browser.conftest import WHOLE, MakeHost
from tests.browser.leftovers import all_gone, family

pytestmark = pytest.mark.timeout(30)


class Page:
    """A page that the test drives by CDP."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._session: dict[str, str] = {}
        self.target_id = ""

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        wanted = next(self._ids)
        await self._socket.send(json.dumps({"id": wanted, "method": method, "params": params, **self._session}))
        while True:
            message = json.loads(await self._socket.recv())
            if message.get("id") == wanted:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    async def open(self) -> None:
        """Open it, empty."""
        target = await self.send("Target.createTarget", url="about:blank")
        self.target_id = target["targetId"]
        attached = await self.send("Target.attachToTarget", targetId=self.target_id, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}

    async def tell(self, script: str) -> Any:
        """Return what a script's promise comes to."""
        answer = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    async def text_at(self, url: str) -> str:
        """Return what an address shows."""
        await self.send("Page.navigate", url=url)
        loaded = "new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))"
        async with asyncio.timeout(5):
            while True:
                if urlsplit(await self.tell("location.href")).netloc == urlsplit(url).netloc:
                    break
                await asyncio.sleep(0.02)
        await self.tell(loaded)
        return str(await self.tell("document.body.innerText"))


async def test_pages_cannot_reach_the_browsers_own_port_nor_what_is_not_public(
    make_host: MakeHost, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    whole = EgressProxy._connect

    async def noted(proxy: EgressProxy, host: str, port: int, *, tunnel: bool) -> Any:
        if host not in ERRANDS:
            asked.add(host)
        return await whole(proxy, host, port, tunnel=tunnel)

    monkeypatch.setattr(EgressProxy, "_connect", noted)
    host = make_host(executable=WHOLE, allow_hosts=("127.0.0.0/8", "::1"))
    async with host.own("run", BrowserConfig(locale="de-CH")) as own:
        (browser,) = family(os.getpid(), "browser")
        profile = profile_folder(browser)
        debugging = urlsplit(own.cdp_url)
        with pytest.raises(BrowserError, match="only http and https"):
            await own.check("file:///etc/passwd")
        with pytest.raises(BrowserError, match="no page"):
            await own.check(f"http://{debugging.netloc}/json/version")
        async with connect(own.cdp_url, proxy=None) as socket:
            page = Page(socket)
            await page.open()
            assert await page.text_at(f"{site}/hidden.html")
            assert await page.tell("navigator.language") == "de-CH"
            attempt = "new Promise(done => { const s = new WebSocket(%s); s.onopen = () => done('open');"
            attempt += " s.onerror = () => done('refused'); })"
            assert await page.tell(attempt % json.dumps(own.cdp_url)) == "refused", "it has the origin of a page"
            for name in ("127.0.0.1", "localhost", "[::ffff:7f00:1]"):
                shown = await page.text_at(f"http://{name}:{debugging.port}/json/version")
                assert shown == "a browser's debugging port is no page"
                async with host.lease("another's", BrowserConfig()) as lease, lease.page() as other:
                    with pytest.raises(BrowserError, match="debugging port is no page"):
                        await other.goto(f"http://{name}:{debugging.port}/json/list", timeout_s=5)
            assert "not public" in await page.text_at("http://169.254.169.254/latest")
    assert not all_gone([browser], 1.0)
    assert profile is not None
    assert profile.name not in os.listdir(profile.parent)
    assert asked <= {"127.0.0.1", "localhost", "::ffff:7f00:1", "169.254.169.254"}, (
        "what Chromium asks by itself is refused"
    )
