"""Processes that die or freeze, and pages that do their worst, in each phase of a run. Rows C4, E3; facts 4 and 6.

Each test strikes one host again and again, phase after phase: what one fault left would be seen by the next. After each
the host gives a navigated page to the next run, and holds no more than after its first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from runwire.contracts.browser import PageHandle
from runwire.errors import BrowserError, BrowserLost
from runwire.protocol.steps.grammar import parse_step
from tests.browser.leftovers import PLAIN, Laboratory, family, laboratory
from tests.browser.phases import PHASES, RUN

FAST: dict[str, Any] = {"probe_period_s": 0.3, "probe_timeout_s": 0.4, "launch_timeout_s": 2.5}
END_S = 20.0
"""Most seconds for a struck run to end: a freeze while a browser is launched takes the launch's limit."""
CLOSE_S = 4.0
"""Most seconds for leaving a lease on a starved machine; its own bounds add up to 2."""
STEP = parse_step(1, 'Verify text "never there"').action

long = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(180)]


async def lasting(lab: Laboratory, site: str, name: str, wait_s: float) -> None:
    """Be a run that reaches every phase by itself; its step waits that long."""
    RUN.set(name)
    async with lab.host.lease(name, PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=5)
        with contextlib.suppress(BrowserError):
            await page.perform(STEP, timeout_s=wait_s)
        await page.title()


async def next_run(lab: Laboratory, site: str) -> None:
    """Have a navigated page of a new run, as somebody gets who tries again."""
    async with asyncio.timeout(END_S):
        while True:
            with contextlib.suppress(BrowserError):
                async with lab.host.lease("next", PLAIN) as lease, lease.page() as page:
                    await page.goto(f"{site}/hidden.html", timeout_s=5)
                    assert await page.title() == "States"
                    return


def strike(victim: str, sent: signal.Signals, phase: str) -> Callable[[], None]:
    """Return a hook that strikes when the phase begins, or what is only being launched as soon as it is there."""

    def victims() -> Sequence[int]:
        return family(os.getpid(), victim)

    def now() -> None:
        for pid in victims():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)

    def as_soon_as_possible() -> None:
        end = time.monotonic() + END_S
        while not victims() and time.monotonic() < end:
            time.sleep(0.001)
        now()

    if phase == "launch" and victim == "browser":
        return lambda: threading.Thread(target=as_soon_as_possible, daemon=True, name="asyncio_strike").start()
    return now


async def struck(lab: Laboratory, site: str, victim: str, sent: signal.Signals, phase: str) -> None:
    """Strike a run in a phase; it ends, the next one works, nothing is left."""
    name = f"{victim}-{phase}"
    if phase == "launch":
        # So that a launch is needed: the browser has gone, in silence.
        os.kill(lab.browser, signal.SIGKILL)
        await asyncio.to_thread(_until, lambda: not lab.host.statistics().browsers)
    lab.phases.at(name, phase, strike(victim, sent, phase))
    running = asyncio.create_task(lasting(lab, site, name, 2.0 if phase == "wait" else 0.1))
    done, _ = await asyncio.wait([running], timeout=END_S)
    assert done, f"{name}: the run did not end"
    error = running.exception()
    assert error is None or isinstance(error, BrowserError), repr(error)
    assert lab.phases.pending == 0, f"{name}: never got there"
    await next_run(lab, site)
    await lab.at_rest()


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + END_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("victim", "sent"),
    [
        ("browser", signal.SIGKILL),
        ("browser", signal.SIGSTOP),
        ("driver", signal.SIGKILL),
        ("driver", signal.SIGSTOP),
        ("renderer", signal.SIGKILL),
        ("renderer", signal.SIGSTOP),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else value,
)
@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(180)
async def test_e3_a_process_struck_in_each_phase_leaves_nothing(site: str, victim: str, sent: signal.Signals) -> None:
    # Without parked pages a run makes its own context and page, so that it has all phases.
    with laboratory(site, parked_pages=0, **FAST) as lab:
        await lab.warm()
        for phase in PHASES:
            if (victim, phase) == ("renderer", "launch"):
                continue  # there is none yet
            await struck(lab, site, victim, sent, phase)


WORST = {
    "endless script": ("nasty.html#Loop", 'Click "Loop"'),
    "alert on close": ("nasty.html#Alerts", 'Click "Alerts"'),
    "popup storm": ("nasty.html#Storm", 'Click "Storm"'),
    "200 MB": ("large.html", 'Verify text "never there"'),
    "open download": ("nasty.html#Download", 'Click "Download"'),
}
"""What a page does at its worst: by itself while it is opened, or when it is clicked."""


async def nasty(lab: Laboratory, site: str, name: str, end: str) -> float:
    """Be a run on such a page, which leaves in the given way; return how long leaving took."""
    address, sentence = WORST[name]
    RUN.set(name)
    async with lab.host.lease(name, PLAIN) as lease, lease.page() as page:
        if end == "goto":
            await _tolerated(page.goto(f"{site}/{address}", timeout_s=1.0))
        else:
            await _tolerated(page.goto(f"{site}/{address.partition('#')[0]}", timeout_s=10))
            await _tolerated(page.perform(parse_step(1, sentence).action, timeout_s=0.5))
        if end == "screenshot":
            await _tolerated(_looked_at(page))
        leaving = time.monotonic()
        if end == "cancel":
            raise asyncio.CancelledError
    return time.monotonic() - leaving


async def _looked_at(page: PageHandle) -> None:
    await page.screenshot(timeout_s=1.0)
    await page.text(timeout_s=1.0)


async def _tolerated(doing: Any) -> None:
    """Do what such a page may refuse, but not survive: the browser must not be lost by it."""
    try:
        await doing
    except BrowserLost:
        raise
    except BrowserError:
        pass


@pytest.mark.parametrize("name", WORST)
@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(180)
async def test_c4_a_page_at_its_worst_in_each_phase_leaves_nothing(site: str, name: str) -> None:
    with laboratory(site) as lab:
        await lab.warm()
        for end in ("goto", "wait", "screenshot"):
            assert await nasty(lab, site, name, end) < CLOSE_S, end
            await next_run(lab, site)
            await lab.at_rest()
        running = asyncio.create_task(nasty(lab, site, name, "cancel"))
        await asyncio.wait([running], timeout=END_S)
        assert running.cancelled()
        cancelled_in_mid = asyncio.create_task(nasty(lab, site, name, "wait"))
        await asyncio.sleep(0.3)
        cancelled_in_mid.cancel()
        began = time.monotonic()
        await asyncio.wait([cancelled_in_mid], timeout=END_S)
        assert time.monotonic() - began < CLOSE_S
        await next_run(lab, site)
        await lab.at_rest()
