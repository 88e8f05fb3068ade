"""What keeps browsers and their driver small."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from runwire.browser.driver_process import YOUNG_GENERATION
from runwire.browser.host import BrowserHost
from runwire.browser.processes import descendants
from runwire.contracts.browser import BrowserConfig

FEATURES = "--enable-features="


def _lines(pid: int, what: str) -> list[str]:
    return (Path("/proc") / str(pid) / what).read_bytes().decode().split("\0")


def _one(pids: Sequence[int], word: str) -> int:
    (pid,) = (pid for pid in pids if word in _lines(pid, "cmdline"))
    return pid


async def test_a_browser_has_no_network_process_and_all_features_that_playwright_asks_for(host: BrowserHost) -> None:
    async with host.lease("run", BrowserConfig()) as lease, lease.page():
        (shell,) = host.statistics().browsers
        assert shell.pid is not None
        kinds = [_lines(pid, "cmdline") for pid in descendants(shell.pid)]
        assert not any("network.mojom.NetworkService" in part for kind in kinds for part in kind)
        asked = [part.removeprefix(FEATURES).split(",") for part in _lines(shell.pid, "cmdline") if FEATURES in part]
        assert len(asked) == 2, "Playwright's and ours"
        assert {feature for features in asked for feature in features} == set(asked[-1]), "the last one counts"


async def test_the_driver_keeps_little_that_is_young_and_nobody_else_is_told_to(host: BrowserHost) -> None:
    async with host.lease("run", BrowserConfig()):
        driver = _one(descendants(os.getpid()), "run-driver")
        assert f"NODE_OPTIONS={YOUNG_GENERATION}" in _lines(driver, "environ")
        assert "NODE_OPTIONS" not in os.environ
