"""A hundred runs of each kind leave nothing: ended, failed, cancelled at random or in a given phase. Row C4.

What is promised is that nothing stays, not how fast a starved machine is. With four busy programs on the same core a
browser that was no more than slow missed its probe (0.4 s) and was replaced, a context took longer than 1 s to close.
So the limits here are those of a freeze, and every wait is for its event.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from runwire.browser.settings import CloseBounds
from runwire.protocol.steps.grammar import parse_step
from tests.browser.leftovers import PLAIN, Laboratory, laboratory
from tests.browser.phases import RUN

PATIENT_S = 15.0
PATIENT: dict[str, Any] = {"probe_timeout_s": PATIENT_S, "close": CloseBounds(context_s=PATIENT_S, browser_s=PATIENT_S)}
AT_ONCE = 5
NEVER = parse_step(1, 'Verify text "never there"').action
ENDINGS = {"success": type(None), "failure": RuntimeError, "cancel": asyncio.CancelledError}

long = (pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(240))


async def carried_out(laboratory: Laboratory, site: str, name: str, ending: str) -> None:
    """Be a run: a page, a navigation, a step; it ends as it is told, or waits to be cancelled."""
    RUN.set(name)
    async with laboratory.host.lease(name, PLAIN) as lease, lease.page() as page:
        await page.goto(f"{site}/hidden.html", timeout_s=PATIENT_S)
        if ending == "failure":
            raise RuntimeError("the agent failed")
        if ending == "cancel":
            await page.perform(NEVER, timeout_s=4 * PATIENT_S)


async def cycles(laboratory: Laboratory, site: str, ending: str, count: int, chance: random.Random) -> None:
    """Carry that many runs out, five at once; those to be cancelled are, at a random moment."""

    async def one(name: str) -> None:
        running = asyncio.create_task(carried_out(laboratory, site, name, ending))
        if ending == "cancel":
            await asyncio.sleep(chance.uniform(0, 0.25))
            running.cancel()
        (ended,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(ended, ENDINGS[ending]), repr(ended)

    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*(one(f"{ending}{start + number}") for number in range(AT_ONCE)))


def nothing_hung(laboratory: Laboratory) -> None:
    """The one browser has served all, and closing went as it should."""
    statistics = laboratory.host.statistics()
    assert (statistics.launches, statistics.removed) == (1, {})
    # page.close() hangs now and then, its context never did; a proxy's bound is as short, its sockets are counted.
    assert set(statistics.hung_closes) <= {"page", "proxy"}


@pytest.mark.timeout(90)
async def test_c4_some_cycles_of_each_ending_leave_nothing(site: str) -> None:
    with laboratory(site, **PATIENT) as lab:
        await lab.warm()
        for ending in ENDINGS:
            await cycles(lab, site, ending, AT_ONCE, random.Random(1))
        await lab.at_rest()
        nothing_hung(lab)


@pytest.mark.parametrize("ending", [pytest.param(ending, marks=long) for ending in ENDINGS])
async def test_c4_hundred_cycles_leave_nothing(site: str, ending: str) -> None:
    with laboratory(site, **PATIENT) as lab:
        await lab.warm()
        await cycles(lab, site, ending, 100, random.Random(1))
        await lab.at_rest()
        nothing_hung(lab)
        assert lab.host.statistics().reuse_ratio >= 0.95


async def cancelled_in(lab: Laboratory, site: str, name: str, phase: str, chance: random.Random) -> None:
    """Cancel a run as soon as the phase has begun, or a few milliseconds later."""
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    lab.phases.at(name, phase, lambda: loop.call_soon_threadsafe(begun.set))
    running = asyncio.create_task(carried_out(lab, site, name, "cancel"))
    async with asyncio.timeout(PATIENT_S):
        await begun.wait()
    await asyncio.sleep(chance.choice((0, 0, 0.002, 0.02)))
    running.cancel()
    (ended,) = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), repr(ended)


@pytest.mark.parametrize(
    ("phase", "count"),
    [pytest.param(phase, 100, marks=long) for phase in ("launch", "context", "page", "goto", "wait")]
    + [pytest.param(phase, 5, marks=pytest.mark.timeout(60)) for phase in ("launch", "page", "wait")],
)
async def test_c4_cycles_of_cancel_in_a_phase_leave_nothing(site: str, phase: str, count: int) -> None:
    chance = random.Random(2)
    # A launch of its own for each run, or a context of its own: what is parked would spare it the phase.
    own: dict[str, Any] = {"isolation": "browser"} if phase == "launch" else {"parked_pages": 0}
    with laboratory(site, **PATIENT, **(own if phase in ("launch", "context", "page") else {})) as lab:
        await lab.warm()
        for start in range(0, count, AT_ONCE):
            names = [f"{phase}{start + number}" for number in range(AT_ONCE)]
            await asyncio.gather(*(cancelled_in(lab, site, name, phase, chance) for name in names))
        await lab.at_rest()
        assert (lab.phases.pending, lab.host.statistics().hung_closes.keys() - {"page", "proxy"}) == (0, set())
