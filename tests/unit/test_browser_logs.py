"""What the browser host says of browsers and pages, and at which level; on a scripted browser."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from runwire.browser.pool import ContextPool
from runwire.errors import BrowserError, BrowserUnavailable
from runwire.testing.browser import ScriptedBrowser
from tests.support.pools import PLAIN, pool_on

SECRET = "https://example.org/?password=secret"


@pytest.fixture(autouse=True)
def _every_level() -> Iterator[None]:
    """Let lines of every level through, and put the suite's own configuration back."""
    before: dict[str, Any] = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    yield
    structlog.configure(**before)


def _told(lines: list[MutableMapping[str, Any]], name: str) -> list[tuple[str, Any]]:
    return [(line["log_level"], line.get("reason", line.get("why"))) for line in lines if line["event"] == name]


async def _use(pool: ContextPool) -> None:
    seat = await pool.acquire(PLAIN)
    await pool.close_page(await pool.open_page(seat))
    await pool.release(seat, fault=False)


async def test_a_browser_is_told_when_it_starts_and_stops() -> None:
    with capture_logs() as lines:
        async with pool_on(ScriptedBrowser(), parked_pages=0) as pool:
            await _use(pool)
    assert _told(lines, "browser.start") == [("info", None)]
    assert _told(lines, "browser.stop") == [("info", "closed")]


async def test_a_browser_that_does_not_start_is_an_error() -> None:
    browser = ScriptedBrowser(failing={"launch": BrowserUnavailable("no")})
    with capture_logs() as lines:
        async with pool_on(browser) as pool:
            with pytest.raises(BrowserUnavailable):
                await pool.acquire(PLAIN)
    assert _told(lines, "browser.failed") == [("error", "BrowserUnavailable")]


async def test_a_page_that_does_not_close_is_a_warning_without_its_words() -> None:
    hung, failing = (
        ScriptedBrowser(hanging={"page.close"}),
        ScriptedBrowser(failing={"page.close": BrowserError(SECRET)}),
    )
    with capture_logs() as lines:
        for browser in (hung, failing):
            async with pool_on(browser, parked_pages=0) as pool:
                await _use(pool)
    assert _told(lines, "page.close_failed") == [("warning", "hung"), ("warning", "BrowserError")]
    assert SECRET not in str(lines)
