"""What a person who watches and helps a run waits for: rows of ``bench.browser`` through a server and its client."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from websockets.asyncio.client import connect

from bench.browser_figures import Row, a_host, ms, p
from bench.browser_sides import PLAIN, Site
from bench.processes import RAISED, runwire_server, upgrade_database
from bench.targets import Address
from runwire.browser.host import BrowserHost
from runwire.contracts.live_view import Picture
from runwire_client import AsyncRunwire
from runwire_client.live_view import LiveView

T = TypeVar("T")
SETTINGS: Final = {
    **RAISED,
    "RUNWIRE_MAX_RUNNING": "5",
    "RUNWIRE_BROWSER_ALLOW": "127.0.0.1",
    "RUNWIRE_VIEW_INPUTS_PER_S": "1000",
}
PRESSES: Final = 40
LOOKS: Final = 10
PRESS: Final = (100, 40)
WAIT_S: Final = 10.0
SEEN_S: Final = 5.0
CALM_S: Final = 0.15
"""No picture for so long: the page stands still."""
STEPS: Final = ['Wait for text "go"', 'Click button "Agent"', 'Verify text "never there"']
"""The agent clicks as soon as a person has pressed, unless the person still has the page."""


def watching(site: Site) -> Iterator[Row]:
    """From opening a view to the first picture; captures with and without viewers; what a stalled one costs others."""
    firsts = _served(site, _first_frames)
    yield Row("live view: first frame, p50 / p90", "≤ 100 ms", _two(firsts), met=p(firsts, 90) <= 0.1)
    with a_host(site.origin) as host:
        without, watched = asyncio.run(_captures(host, site.origin))
    yield Row("captures without viewers (with two)", "0", f"{without} ({watched})", met=(without, watched) == (0, 1))
    alone, beside = _served(site, _beside_a_stalled)
    shown = f"{beside} beside one that reads nothing, {alone} alone"
    yield Row("pictures that a viewer gets", "all but one", shown, met=beside >= 0.8 * alone)


def taking_over(site: Site) -> Iterator[Row]:
    """A person's input until the page has it and until they see it; what the agent does meanwhile."""
    inputs, changes, held, given = _served(site, _hands)
    yield Row("live view: change → viewer, p50 / p90", "p90 ≤ 100 ms", _two(changes), met=p(changes, 90) <= 0.1)
    yield Row("take-over: input → page, p50 / p90", "p90 ≤ 15 ms", _two(inputs), met=p(inputs, 90) <= 0.015)
    yield Row("agent operations while held (after)", "0", f"{held} ({given})", met=held == 0 and given > 0)


def _two(times: list[float]) -> str:
    return f"{ms(p(times, 50))} / {ms(p(times, 90))} ms"


def _served(site: Site, measure: Callable[[Site, AsyncRunwire, Address], Awaitable[T]]) -> T:
    """Measure on a fresh server."""

    async def connected(address: Address) -> T:
        async with (
            AsyncRunwire(f"http://{address.host}:{address.port}", address.token) as runwire,
            asyncio.timeout(120),
        ):
            return await measure(site, runwire, address)

    with tempfile.TemporaryDirectory(prefix="runwire-bench-") as folder:
        upgrade_database(Path(folder))
        with runwire_server(Path(folder), SETTINGS) as server:
            return asyncio.run(connected(server.address))


@asynccontextmanager
async def _tested(runwire: AsyncRunwire, url: str) -> AsyncIterator[tuple[str, LiveView]]:
    """Run the test on a page and look at it; gives the run and the view, once the page stands still or moves."""
    test = {"url": url, "steps": STEPS, "step_timeout_s": 60}
    run = await runwire.start("browser-test", test)
    try:
        async with runwire.view(run.run_id) as view:
            await asyncio.wait_for(anext(view), WAIT_S)
            await asyncio.sleep(1.0)
            yield run.run_id, view
    finally:
        await runwire.cancel(run.run_id)


async def _first_frames(site: Site, runwire: AsyncRunwire, _address: Address) -> list[float]:
    times = []
    async with _tested(runwire, f"{site.origin}/hand") as (run_id, view):
        await view.close()
        for _ in range(LOOKS):
            began = time.perf_counter()
            async with runwire.view(run_id) as other:
                await asyncio.wait_for(anext(other), WAIT_S)
                times.append(time.perf_counter() - began)
            await asyncio.sleep(0.3)
    return times


async def _captures(host: BrowserHost, origin: str) -> tuple[int, int]:
    """Return how many captures of a page there are without a viewer and with two."""

    def ignore(_picture: Picture) -> None:
        """See nothing."""

    async def count() -> int:
        return sum(task.get_name() == "capture" for task in asyncio.all_tasks())

    async with host.lease("bench", PLAIN) as lease, lease.page() as page:
        await page.goto(f"{origin}/hand", timeout_s=WAIT_S)
        current = host._current()  # the only way to count what the host does not tell
        if current is None:
            raise RuntimeError("the host has no thread")
        thread, _ = current
        await host.watch("bench", ignore)
        await host.watch("bench", ignore)
        await asyncio.sleep(0.5)
        watched = await thread.call(count, limit_s=WAIT_S)
        host.unwatch("bench", ignore)
        host.unwatch("bench", ignore)
        await asyncio.sleep(1.0)
        return await thread.call(count, limit_s=WAIT_S), watched


async def _beside_a_stalled(site: Site, runwire: AsyncRunwire, address: Address) -> tuple[int, int]:
    """Return how many pictures a viewer of a moving page gets alone, and beside one that reads nothing."""
    async with _tested(runwire, f"{site.origin}/moving") as (run_id, view):
        await asyncio.sleep(3.0)  # a page that moves for so long is photographed at a steady pace
        alone = await _seen(view)
        headers = {"Authorization": f"Bearer {address.token}"}
        url = f"ws://{address.host}:{address.port}/ws"
        async with connect(
            url, additional_headers=headers, max_queue=1, open_timeout=WAIT_S, close_timeout=1
        ) as stalled:
            await stalled.send(json.dumps({"id": 1, "op": "view.open", "run_id": run_id}))
            return alone, await _seen(view)


async def _seen(view: LiveView) -> int:
    count = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(SEEN_S):
            async for _ in view:
                count += 1
    return count


async def _hands(site: Site, runwire: AsyncRunwire, _address: Address) -> tuple[list[float], list[float], int, int]:
    """Return input → page, change → viewer, and how often the agent has clicked while held and after."""
    inputs, changes = [], []
    async with _tested(runwire, f"{site.origin}/hand") as (_, view):
        await view.take()
        before = len(site.times("agent"))
        for _ in range(PRESSES):
            presses = len(site.times("pressed"))
            sent = time.time()
            await view.click(*PRESS)
            await asyncio.wait_for(anext(view), WAIT_S)
            seen = time.time()
            await _until(lambda presses=presses: len(site.times("pressed")) > presses)  # type: ignore[misc]  # bound by default
            pressed = site.times("pressed")[-1]
            inputs.append(pressed - sent)
            changes.append(seen - pressed)
            await _calm(view)
        held = len(site.times("agent")) - before
        await view.give()
        await _until(lambda: len(site.times("agent")) > before)
        return inputs, changes, held, len(site.times("agent")) - before


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110  # another thread's list sends no signal
            await asyncio.sleep(0.002)


async def _calm(view: LiveView) -> None:
    """Wait until no further picture comes."""
    with suppress(TimeoutError):
        while True:
            await asyncio.wait_for(anext(view), CALM_S)
