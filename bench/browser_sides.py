"""The three ways to run a browser test that ``bench.browser`` compares, and the page that they all visit.

A side is a worker, one for each thread: it opens pages, and an open page carries out the same six steps. ``cold`` and
``kept`` are plain Playwright as a program would write it, without Runwire, hence without its egress proxy.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, Playwright, async_playwright

from runwire.browser.executable import find_executable
from runwire.browser.host import BrowserHost
from runwire.contracts.browser import BrowserConfig, PageHandle
from runwire.protocol.steps.grammar import parse_step

LIMIT_S: Final = 20.0
PLAIN: Final = BrowserConfig()
_PAGE: Final = b"""<!doctype html><title>Greeting</title><label>Name <input id=name></label>
<button onclick="out.textContent = 'Hello, ' + document.getElementById('name').value">Greet</button><p id=out></p>"""
_SENTENCES: Final = (
    'Fill label "Name" with "Ada"',
    'Click button "Greet"',
    'Verify text "Hello, Ada"',
    'Verify title is "Greeting"',
    'Verify URL contains "/greet"',
)

Steps = Callable[[], Awaitable[None]]
OpenPage = Callable[[], AbstractAsyncContextManager[Steps]]
Worker = Callable[[], AbstractAsyncContextManager[OpenPage]]


_PAGES: Final = {f"/{file.stem}": file.read_bytes() for file in (Path(__file__).parent / "pages").glob("*.html")}


@dataclass(frozen=True, slots=True)
class Site:
    """``told`` holds what pages have told so far: a word and when it was true there, in seconds since 1970."""

    origin: str
    told: list[tuple[str, float]]

    def times(self, word: str) -> list[float]:
        """Return the times of one word."""
        return [at for what, at in tuple(self.told) if what == word]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    told: list[tuple[str, float]]


class _Handler(BaseHTTPRequestHandler):
    """Gives the same small page for any path but a few."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/told" and isinstance(self.server, _Server):
            word, _, at = query.partition("=")
            self.server.told.append((word, float(at)))
        page = _PAGES.get(path, _PAGE)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def site() -> Iterator[Site]:
    """Serve the pages on a free loopback port for a block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.told = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Site(f"http://127.0.0.1:{server.server_address[1]}", server.told)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(2)


def cold(origin: str) -> Worker:
    """Return the side that starts driver and browser for each run."""

    @asynccontextmanager
    async def page() -> AsyncIterator[Steps]:
        async with async_playwright() as playwright, _launched(playwright) as browser:
            yield partial(_plain_steps, await browser.new_page(), origin)

    @asynccontextmanager
    async def worker() -> AsyncIterator[OpenPage]:
        yield page

    return worker


def kept(origin: str) -> Worker:
    """Return the side that keeps driver and browser for each thread, with a fresh context for each run."""

    @asynccontextmanager
    async def worker() -> AsyncIterator[OpenPage]:
        async with async_playwright() as playwright, _launched(playwright) as browser:

            @asynccontextmanager
            async def page() -> AsyncIterator[Steps]:
                context = await browser.new_context()
                try:
                    yield partial(_plain_steps, await context.new_page(), origin)
                finally:
                    await context.close()

            yield page

    return worker


def hosted(host: BrowserHost, origin: str) -> Worker:
    """Return the side that leases from Runwire's browser host."""

    @asynccontextmanager
    async def page() -> AsyncIterator[Steps]:
        async with host.lease("bench", PLAIN) as lease, lease.page() as handle:
            yield partial(_hosted_steps, handle, origin)

    @asynccontextmanager
    async def worker() -> AsyncIterator[OpenPage]:
        yield page

    return worker


@asynccontextmanager
async def _launched(playwright: Playwright) -> AsyncIterator[Browser]:
    browser = await playwright.chromium.launch(executable_path=find_executable(""))
    try:
        yield browser
    finally:
        await browser.close()


async def _plain_steps(page: Page, origin: str) -> None:
    await page.goto(f"{origin}/greet")
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Greet").click()
    await page.get_by_text("Hello, Ada").wait_for()
    if await page.title() != "Greeting" or "/greet" not in page.url:
        raise AssertionError("the page is not the one that was opened")


async def _hosted_steps(page: PageHandle, origin: str) -> None:
    await page.goto(f"{origin}/greet", timeout_s=LIMIT_S)
    for index, sentence in enumerate(_SENTENCES, start=2):
        await page.perform(parse_step(index, sentence).action, timeout_s=LIMIT_S)
