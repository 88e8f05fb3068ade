"""The web page in a real Chromium against a real server: each test is a visitor with an own browser context.

Server and Chromium live as long as one module. Sockets are cut and frozen by a proxy inside the browser's driver, so
the page sees exact close codes. Skipped, with the reason, where there is no Chromium or the page is not built.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from runwire.browser.executable import find_executable, why_unavailable
from tests.e2e.web_page.pages import LIMIT_MS, PageServer, Watched, watch
from tests.support.process import ROOT

EXECUTABLE = os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")
WITHOUT_PAGE = "" if (ROOT / "server/runwire/static/index.html").is_file() else "the page is not built: make web"
WHY_NOT = why_unavailable(EXECUTABLE) or WITHOUT_PAGE


expect.set_options(timeout=LIMIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder; a browser, a server and a page may take longer than other tests."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(60))
            if WHY_NOT:
                item.add_marker(pytest.mark.skip(reason=WHY_NOT))


@pytest.fixture(scope="module")
def server(make_data: Callable[[], Path]) -> Iterator[PageServer]:
    """A server that lives as long as one module's tests."""
    running = PageServer(make_data())
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One Chromium for all tests of a module."""
    executable = find_executable(EXECUTABLE)
    arguments = ["--enable-precise-memory-info", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(executable), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def context(chromium: Browser, server: PageServer) -> Iterator[BrowserContext]:
    """A fresh visitor who is signed in by the token."""
    visitor = chromium.new_context(viewport={"width": 1200, "height": 800})
    answer = visitor.request.post(
        f"{server.origin}/v1/login", data={"token": server.token}, headers={"Origin": server.origin}
    )
    assert answer.status == 204
    yield visitor
    visitor.close()


@pytest.fixture
def watched(context: BrowserContext, server: PageServer) -> Iterator[Watched]:
    """A watched page of a signed-in visitor; clean at the end of the test."""
    found = watch(context, server.origin)
    yield found
    found.is_clean()
