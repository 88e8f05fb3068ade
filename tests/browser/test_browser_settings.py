"""The server's settings reach its browsers. Row C2: ``browser_isolation``; the wrapper that Chromium starts through."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from runwire.browser.downloads import DownloadFolders
from runwire.browser.host import BrowserHost
from runwire.browser.support import BrowserSupport
from runwire.contracts.browser import BrowserConfig
from runwire.settings import Settings
from runwire.settings_sources import load
from tests.browser.conftest import WHOLE, MakeHost
from tests.browser.leftovers import family

pytestmark = pytest.mark.timeout(30)
PLAIN = BrowserConfig()

WRAPPER = """#!/bin/sh
echo "$RUNWIRE_CHROMIUM" >"$0.started"
exec "$RUNWIRE_CHROMIUM" --no-sandbox "$@"
"""
DROPPING = """#!/bin/sh
exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$RUNWIRE_CHROMIUM" "$@"
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


async def test_a_browser_of_its_own_starts_through_the_wrapper_as_another_user(
    make_host: MakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = os.geteuid() == 0
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(DROPPING if root else WRAPPER, encoding="utf-8")
    wrapper.chmod(0o755)
    made: list[Path] = []
    make = DownloadFolders.make

    def noted(folders: DownloadFolders, *, anyone: bool = False) -> Path:
        made.append(make(folders, anyone=anyone))
        return made[-1]

    monkeypatch.setattr(DownloadFolders, "make", noted)
    host = make_host(executable=WHOLE, wrapper=str(wrapper))
    async with host.own("run", PLAIN) as own:
        assert own.cdp_url
        (browser,) = family(os.getpid(), "browser")
        user = os.stat(f"/proc/{browser}").st_uid
        (profile,) = (folder / "profile" for folder in made if (folder / "profile").exists())
        assert (user != os.geteuid()) == root
        assert (profile.stat().st_uid, profile.stat().st_mode & 0o777) == (user, 0o700)
        assert profile.parent.parent.stat().st_mode & 0o777 == 0o711, "only who knows its name finds it"
    assert not any(folder.exists() for folder in (*made, *(one.parent for one in made)))
