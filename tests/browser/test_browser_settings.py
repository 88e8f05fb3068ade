"""The server's settings reach its browsers. Row C2: ``browser_isolation``; the wrapper that Chromium starts through."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from runwire.browser.host import BrowserHost
from runwire.browser.support import BrowserSupport
from runwire.contracts.browser import BrowserConfig
from runwire.settings import Settings
from runwire.settings_sources import load

pytestmark = pytest.mark.timeout(30)
PLAIN = BrowserConfig()

WRAPPER = """#!/bin/sh
echo "$RUNWIRE_CHROMIUM" >"$0.started"
exec "$RUNWIRE_CHROMIUM" --no-sandbox "$@"
"""


def settings_with(**environment: str) -> Settings:
    """Return the settings of a server with two slots and these variables."""
    kept = {name: value for name, value in os.environ.items() if name == "RUNWIRE_BROWSER_EXECUTABLE"}
    return load({}, {**kept, "RUNWIRE_MAX_RUNNING": "2", **environment})


@pytest.mark.parametrize(("isolation", "browsers"), [("context", 1), ("browser", 2)])
async def test_c2_browser_isolation_is_a_setting(nothing_left: None, isolation: str, browsers: int) -> None:
    support = BrowserSupport(settings_with(RUNWIRE_BROWSER_ISOLATION=isolation), lambda: None)
    host = support.pool()
    assert isinstance(host, BrowserHost)
    try:
        async with host.lease("one", PLAIN), host.lease("two", PLAIN):
            assert len({shell.pid for shell in host.statistics().browsers}) == browsers
    finally:
        await asyncio.to_thread(support.close)


async def test_chromium_starts_through_the_wrapper(nothing_left: None, tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(WRAPPER, encoding="utf-8")
    wrapper.chmod(0o755)
    support = BrowserSupport(settings_with(RUNWIRE_BROWSER_WRAPPER=str(wrapper)), lambda: None)
    host = support.pool()
    assert host is not None
    try:
        async with host.lease("one", PLAIN) as lease, lease.page() as page:
            assert await page.url() == "about:blank"
    finally:
        await asyncio.to_thread(support.close)
    assert "chrom" in (tmp_path / "wrapper.started").read_text(encoding="utf-8")
