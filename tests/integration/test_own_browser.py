"""A browser of a run's own: launched for it alone, one that others never get, gone with it. Without Chromium."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import product
from pathlib import Path

import pytest

from runwire.browser.breaker import FAILURES
from runwire.browser.debugging_port import is_marked, marked
from runwire.browser.egress_policy import policy_of
from runwire.browser.ports import OwnSpec
from runwire.browser.whole import ADDRESS_FILE, arguments_of, extension_id, listening_at
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserUnavailable
from runwire.testing.browser import ScriptedBrowser
from tests.support.pools import PLAIN, pool_on, round_of, turns


@pytest.fixture
def port() -> Iterator[int]:
    """Give a port that is nobody else's on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


async def test_a_run_gets_a_browser_that_no_other_run_is_given_and_that_ends_with_it(port: int) -> None:
    browser = ScriptedBrowser(port=port)
    async with pool_on(browser) as pool:
        own = await pool.acquire_own("r1", BrowserConfig(only_hosts=("a.test",)), ("/x",))
        shared = await pool.acquire(PLAIN)
        assert shared.shell is not own.shell
        assert [spec.own and spec.own.extensions for spec in browser.launched] == [("/x",), None]
        assert pool.statistics().leased == 2
        policy = own.proxy.policy  # type: ignore[attr-defined]  # the scripted one
        assert (policy.only_hosts, policy.debugging) == (("a.test",), ("127.0.0.1", port))
        assert "asked by the browser itself" in policy.may_name("update.googleapis.com", 443)
        assert pool.own.seats == {own}
        assert is_marked(port)
        await round_of(pool)
        assert not own.shell.port.closed, "a browser without a context is in use"  # type: ignore[attr-defined]
        await pool.own.release(own)
        await pool.own.release(own)
        await turns()
        assert [shell.closed for shell in browser.shells] == [True, False]
        assert pool.statistics().leased == 1
        assert not is_marked(port)


@pytest.mark.parametrize("phase", ["start", "launch", "listen"])
async def test_cancelled_in_any_phase_of_its_making_it_leaves_nothing(phase: str) -> None:
    browser = ScriptedBrowser(hanging={phase})
    async with pool_on(browser, start_timeout_s=9.0, launch_timeout_s=9.0) as pool:
        waiting = asyncio.create_task(pool.acquire_own("r1", PLAIN, ()))
        await turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        browser.resume(phase)
        await turns()
        assert (browser.open["browser"], pool.own.seats) == (0, set())
        assert (await pool.acquire_own("r2", PLAIN, ())).cdp_url, "its place is free again"


async def test_as_many_as_there_are_slots_and_a_run_that_has_ended_is_relieved_of_its() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, slots=2, launch_timeout_s=0.02) as pool:
        await pool.acquire_own("r1", PLAIN, ())
        await pool.acquire_own("r2", PLAIN, ())
        with pytest.raises(BrowserUnavailable, match="no browser started within"):
            await pool.acquire_own("r3", PLAIN, ())
        pool.reclaim("r1")
        await turns()
        assert [shell.closed for shell in browser.shells] == [True, False]
        await pool.acquire_own("r3", PLAIN, ())


async def test_one_that_has_died_is_taken_out_and_frees_its_place() -> None:
    browser = ScriptedBrowser()
    async with pool_on(browser, slots=1) as pool:
        own = await pool.acquire_own("r1", PLAIN, ())
        browser.shells[0].closed = True
        await round_of(pool)
        assert pool.statistics().browsers == ()
        await pool.own.release(own, fault=True)
        assert pool.statistics().lost_runs == 1
        await pool.acquire_own("r2", PLAIN, ())


async def test_launches_that_fail_hold_up_own_browsers_alone() -> None:
    browser = ScriptedBrowser(failing={"launch": BrowserUnavailable("it died")})
    async with pool_on(browser) as pool:
        for _ in range(FAILURES):
            with pytest.raises(BrowserUnavailable, match="it died"):
                await pool.acquire_own("r1", PLAIN, ())
        with pytest.raises(BrowserUnavailable, match="the next try is in 15 s"):
            await pool.acquire_own("r1", PLAIN, ())
        browser.failing.clear()
        await pool.acquire(PLAIN)
        assert pool.statistics().circuit == "closed"


def test_a_debugging_port_is_no_page_for_anybody_even_where_the_loopback_is_allowed(port: int) -> None:
    allow = ("127.0.0.0/8", "::1", "0.0.0.0", "::", "localhost", "::ffff:127.0.0.1")
    others, own = policy_of(allow, None), replace(policy_of(allow, None), debugging=("127.0.0.1", port))
    names = ("127.0.0.1", "127.0.0.2", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "64:ff9b::7f00:1")
    with marked(port):
        for address, policy in product(names, (others, own)):
            assert "debugging port" in (policy.may_connect("localhost", port, ip_address(address)) or ""), address
            assert policy.may_connect("localhost", port - 1, ip_address(address)) is None
        with marked(port):
            assert is_marked(port)
    assert not is_marked(port)


def test_what_it_is_started_with() -> None:
    folder = "/somewhere/_extension"
    letters = extension_id(folder)
    assert len(letters) == 32
    assert letters[:2] == "".join(chr(97 + int(one, 16)) for one in hashlib.sha256(folder.encode()).hexdigest()[:2])
    config = BrowserConfig(width=800, height=600, locale="de-CH", user_agent="x y --no-sandbox", scale=2.0)
    arguments = arguments_of(OwnSpec("http://p:1", config, (folder,)))
    assert f"--remote-allow-origins=chrome-extension://{letters}" in arguments
    assert {"--accept-lang=de-CH", "--user-agent=x y --no-sandbox", "--force-device-scale-factor=2"} <= set(arguments)
    assert not any(argument.startswith("--remote-debugging-p") for argument in arguments), "it would lose its pipe"
    plain = arguments_of(OwnSpec("http://p:1", BrowserConfig()))
    assert "--remote-allow-origins=" in plain
    assert "--enable-unsafe-extension-debugging" not in plain


def test_where_it_listens_is_read_once_it_is_written(tmp_path: Path) -> None:
    assert listening_at(tmp_path) is None
    (tmp_path / ADDRESS_FILE).write_text("41605")
    assert listening_at(tmp_path) is None
    (tmp_path / ADDRESS_FILE).write_text("41605\n/devtools/browser/e6c5")
    assert listening_at(tmp_path) == (41605, "/devtools/browser/e6c5")
