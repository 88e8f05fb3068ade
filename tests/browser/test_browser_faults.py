"""What happens when the browser, the driver or a close goes wrong. Rows C4, E3; facts 3, 4, 6 of the design."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.browser.host import BrowserHost
from runwire.browser.processes import descendants, is_alive, profile_folder
from runwire.contracts.agent import AgentFailure
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserLost
from runwire.protocol.steps.grammar import parse_step
from runwire.testing.context import RecordingContext
from tests.browser.conftest import MakeHost, eventually

pytestmark = pytest.mark.timeout(60)
PLAIN = BrowserConfig()
FAST = {"probe_period_s": 0.3, "probe_timeout_s": 0.3}


def browser_pid(host: BrowserHost) -> int:
    (shell,) = host.statistics().browsers
    assert shell.pid is not None
    return shell.pid


def driver_pid(host: BrowserHost) -> int:
    return next(pid for pid in descendants(os.getpid()) if b"run-driver" in _arguments(pid))


def _arguments(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def profile_of(pid: int) -> Path:
    folder = profile_folder(pid)
    assert folder is not None
    assert folder.is_dir()
    return folder


async def navigated(host: BrowserHost, url: str) -> float:
    """Return how many seconds it takes to a navigated page of a new run, failed tries included."""
    started = time.monotonic()
    while True:
        try:
            async with host.lease("next", PLAIN) as lease, lease.page() as page:
                await page.goto(url, timeout_s=5)
                return time.monotonic() - started
        except BrowserLost:
            assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("victim", "sent", "limit_s"),
    [
        ("browser", signal.SIGKILL, 3.0),
        ("browser", signal.SIGSTOP, 5.0),
        ("driver", signal.SIGKILL, 4.0),
        ("driver", signal.SIGSTOP, 6.0),
    ],
)
async def test_e3_run_learns_that_its_browser_is_lost_and_the_next_gets_another(
    make_host: MakeHost,
    site: str,
    caplog: pytest.LogCaptureFixture,
    victim: str,
    sent: signal.Signals,
    limit_s: float,
) -> None:
    host = make_host(**FAST)
    in_step = asyncio.Event()

    async def use() -> None:
        async with host.lease("run", PLAIN) as lease, lease.page() as page:
            await page.goto(f"{site}/hidden.html", timeout_s=5)
            in_step.set()
            await page.perform(parse_step(1, 'Verify text "never there"').action, timeout_s=20)

    running = asyncio.create_task(use())
    await in_step.wait()
    pid = browser_pid(host)
    profile = profile_of(pid)
    os.kill(pid if victim == "browser" else driver_pid(host), sent)
    started = time.monotonic()
    with pytest.raises(BrowserLost):
        await running
    assert time.monotonic() - started < limit_s
    assert await navigated(host, f"{site}/hidden.html") < limit_s
    assert eventually(lambda: not is_alive(pid), 2.0)
    assert host.statistics().leased == 0
    assert host.statistics().lost_runs >= 1
    await asyncio.to_thread(host.close)
    assert eventually(lambda: not profile.exists(), 3.0), "a profile folder was left behind"
    gc.collect()
    assert "never retrieved" not in caplog.text


async def test_browser_lost_in_mid_test_is_browser_lost_with_the_steps_done(make_host: MakeHost, site: str) -> None:
    host = make_host(**FAST)
    ctx = RecordingContext(host)
    steps = ['Verify title is "States"', 'Verify text "never there"']
    running = asyncio.create_task(
        BrowserTestAgent().run(ctx, {"url": f"{site}/hidden.html", "steps": steps, "step_timeout_s": 20})
    )
    assert await asyncio.to_thread(eventually, lambda: len(ctx.text_lines) == 1, 10.0)
    os.kill(browser_pid(host), signal.SIGKILL)
    with pytest.raises(AgentFailure) as caught:
        await running
    assert caught.value.code == "browser_lost"
    assert [step["status"] for step in caught.value.result["steps"]] == ["PASSED", "FAILED"]


SERVER = """
import asyncio, signal, sys
from runwire.browser.host import BrowserHost
from runwire.browser.settings import BrowserHostSettings
from runwire.contracts.browser import BrowserConfig

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests under nohup ignores it, and so would we

async def main() -> None:
    host = BrowserHost(BrowserHostSettings())
    async with host.lease("run", BrowserConfig()) as lease, lease.page():
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_no_chromium_outlives_its_server(nothing_left: None, sent: signal.Signals) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    )
    try:
        assert server.stdout is not None
        while "ready" not in server.stdout.readline():
            assert server.poll() is None
        family = descendants(server.pid)
        assert len(family) >= 2
        server.send_signal(sent)
        server.wait(10)
        assert eventually(lambda: not any(is_alive(pid) for pid in family), 2.0)
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


@pytest.mark.parametrize("victim", ["browser", "driver"])
async def test_c4_close_is_bounded_with_a_frozen_process(make_host: MakeHost, site: str, victim: str) -> None:
    host = make_host(probe_period_s=60.0)
    async with host.lease("run", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
    pid, driver = browser_pid(host), driver_pid(host)
    profile = profile_of(pid)
    os.kill(pid if victim == "browser" else driver, signal.SIGSTOP)
    started = time.monotonic()
    await asyncio.to_thread(host.close)
    assert time.monotonic() - started < 3.2
    assert eventually(lambda: not is_alive(pid) and not is_alive(driver), 2.0)
    assert eventually(lambda: not profile.exists(), 2.0), "a profile folder was left behind"


def test_ctrl_c_in_the_terminal_leaves_the_driver_to_the_server(nothing_left: None) -> None:
    """Ctrl-C reaches the whole process group: driver and browsers must wait for the server's own drain."""
    ignoring = SERVER.replace(
        "asyncio.run(main())", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); asyncio.run(main())"
    )
    command = [sys.executable, "-c", ignoring]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as server:
        try:
            assert server.stdout is not None
            assert "ready" in "".join(iter(server.stdout.readline, "ready\n")) + "ready"
            family = set(descendants(server.pid))
            os.killpg(server.pid, signal.SIGINT)
            assert not eventually(lambda: not family <= set(descendants(server.pid)), 1.0)
        finally:
            server.kill()
