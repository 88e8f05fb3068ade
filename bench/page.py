"""``python -m bench.page``: the web page in real Chromium: frames while a run streams, size and paint of long runs.

A server and a Chromium of its own, one page after the other; "baseline" is the same page at rest right before,
which tells how busy the machine is. Exit code 1 if a page shows something else than what was said; a missed goal is
marked and no failure. One thread.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect, sync_playwright

from bench.page_scripts import ALL_TEXT, FRAMES, PAINT
from bench.processes import Server, runwire_server, upgrade_database
from bench.report import Measured, judge, table, write_json
from bench.rows import Goal, Kind
from runwire.browser.executable import find_executable, why_unavailable
from runwire.contracts.agent import RunContext

TOKENS: Final = 8_000
TOKENS_PER_S: Final = 1_000
EVENTS: Final = 50_000
OPENED: Final = 5_000
"""Entries of the run that is opened on a slow machine."""
SLOWED: Final = 4
LEAD_S: Final = 2.0
"""Time that the page has to open a run before it streams."""
REST_MS: Final = 3_000
LIMIT_MS: Final = 60_000
AGENTS: Final = ("bench.page:tokens", "bench.page:events")
ROUTE = "#/runs/"


def piece(number: int) -> str:
    """Return the token of this number; each forty make a paragraph, some words are bold."""
    word = f"**w{number}**" if number % 10 == 3 else f"w{number}"
    return f"{word}\n\n" if number % 40 == 39 else f"{word} "


async def tokens(ctx: RunContext, _input: Any) -> None:
    """Say ``TOKENS`` tokens at ``TOKENS_PER_S``."""
    await asyncio.sleep(LEAD_S)
    begun = time.perf_counter()
    await ctx.emit({"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"})
    for number in range(TOKENS):
        await ctx.emit({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": piece(number)})
        await asyncio.sleep(max(0.0, begun + (number + 1) / TOKENS_PER_S - time.perf_counter()))
    await ctx.emit({"type": "TEXT_MESSAGE_END", "messageId": "m"})


async def events(ctx: RunContext, input: dict[str, Any]) -> None:
    """Say many small messages, a step between each ten of them."""
    for number in range(int(input["count"]) // 4):
        message = f"m{number}"
        if number % 10 == 0:
            await ctx.emit({"type": "STEP_STARTED", "stepName": message})
            await ctx.emit({"type": "STEP_FINISHED", "stepName": message})
        await ctx.emit({"type": "TEXT_MESSAGE_START", "messageId": message, "role": "assistant"})
        for delta in (f"Paragraph {number} ", "with **bold** text.\n\n- a\n- b\n"):
            await ctx.emit({"type": "TEXT_MESSAGE_CONTENT", "messageId": message, "delta": delta})
        await ctx.emit({"type": "TEXT_MESSAGE_END", "messageId": message})


class Visit:
    """A signed-in visitor of the server."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.origin = f"http://{server.address.host}:{server.address.port}"
        self._token = server.address.token
        self.context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 800})
        self.context.set_default_timeout(LIMIT_MS)
        login = self.context.request.post(
            f"{self.origin}/v1/login", data={"token": self._token}, headers={"Origin": self.origin}
        )
        assert login.status == 204, login.text()

    def start(self, agent: str, input: Any = None) -> str:
        """Start a run and return its id."""
        answer = self.context.request.post(
            f"{self.origin}/v1/runs",
            data={"agent": agent, "input": input},
            headers={"Authorization": f"Bearer {self._token}"},
        )
        return str(answer.json()["id"])

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Open a page, and close it."""
        page = self.context.new_page()
        try:
            yield page
        finally:
            page.close()

    def ended(self, page: Page, run_id: str) -> None:
        """Open a run's page and wait for the run's end on it."""
        page.goto(f"{self.origin}/{ROUTE}{run_id}")
        expect(page.locator(".outcome")).to_be_visible(timeout=LIMIT_MS)


def streaming(visit: Visit) -> tuple[dict[str, float], dict[str, float]]:
    """Return figures of a page at rest and of one on which a run streams. Raises AssertionError for a wrong text."""
    with visit.page() as page:
        page.add_init_script(FRAMES)
        page.goto(f"{visit.origin}/")
        expect(page.locator(".agent").first).to_be_visible()
        page.evaluate("window.frames_.begin()")
        page.wait_for_timeout(REST_MS)
        rest = page.evaluate("window.frames_.end()")
        run_id = visit.start("tokens")
        page.evaluate("([where, run]) => { location.hash = where + run }", [ROUTE, run_id])
        expect(page.locator(".rows")).to_contain_text("w1 ", timeout=LIMIT_MS)
        session = visit.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        busy_s = thread_s(session)
        page.evaluate("window.frames_.begin()")
        expect(page.locator(".outcome")).to_be_visible(timeout=LIMIT_MS)
        figures = page.evaluate("window.frames_.end()")
        figures["busy"] = (thread_s(session) - busy_s) / figures["seconds"]
        said = re.sub(r"\s+", " ", page.evaluate(ALL_TEXT)).strip()
        expected = " ".join(f"w{number}" for number in range(TOKENS))
        assert expected in said, f"the page shows another text than was said: {said[:200]!r}"
        assert figures["seconds"] > TOKENS / TOKENS_PER_S * 0.8, "the stream was over before it was measured"
    return rest, figures


def thread_s(session: CDPSession) -> float:
    """Return the CPU time of the page's own thread so far, which waiting for a processor does not count into."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "ThreadTime"))


def long_run(visit: Visit, run_id: str) -> dict[str, float]:
    """Return the size of a page that shows a run of ``EVENTS`` entries."""
    with visit.page() as page:
        begun = time.perf_counter()
        visit.ended(page, run_id)
        opened_s = time.perf_counter() - begun
        count = "document.querySelectorAll('*').length"
        nodes = page.evaluate(count)
        page.locator(".transcript").evaluate("box => box.scrollTop = box.scrollHeight / 2")
        page.wait_for_timeout(300)
        nodes = max(nodes, page.evaluate(count))
        session = visit.context.new_cdp_session(page)
        session.send("HeapProfiler.collectGarbage")
        heap_mb = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    return {"nodes": nodes, "heap_mb": heap_mb, "opened_s": opened_s}


def opening(visit: Visit, run_id: str) -> dict[str, float]:
    """Return when a run of ``OPENED`` entries is painted, first and to its end, on a processor four times slower."""
    with visit.page() as page:
        page.add_init_script(PAINT)
        session = visit.context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
        visit.ended(page, run_id)
        page.wait_for_function("window.painted_.end_ms")
        painted: dict[str, float] = page.evaluate("window.painted_")
    return painted


ROWS: Final = {
    "streaming": (
        Goal("p95_ms", f"{TOKENS_PER_S:,} tokens/s for 8 s: frame, ms p95", Kind.VALUE, at_most=20),
        Goal("p50_ms", "- frame, ms p50", Kind.VALUE),
        Goal("max_ms", "- longest frame, ms", Kind.VALUE),
        Goal("busy", "- CPU of the page's thread, cores", Kind.VALUE),
        Goal("long_tasks", "- long tasks", Kind.VALUE, at_most=3),
        Goal("announcements", f"- announcements in {TOKENS:,} tokens", Kind.VALUE, at_most=10),
    ),
    "long_run": (
        Goal("nodes", f"{EVENTS:,} entries: nodes", Kind.VALUE, at_most=400),
        Goal("heap_mb", "- heap, MB", Kind.VALUE, at_most=80),
        Goal("opened_s", "- opened to its end, s", Kind.VALUE),
    ),
    "opening": (
        Goal(
            "first_ms", f"{OPENED:,} entries, {SLOWED} x slower processor: first paint, ms", Kind.VALUE, at_most=1_000
        ),
        Goal("rows_ms", "- first rows painted, ms", Kind.VALUE, at_most=1_000),
        Goal("end_ms", "- end of the run painted, ms", Kind.VALUE),
    ),
}


def measure(visit: Visit, repetitions: int) -> Iterator[Measured]:
    """Measure every row; one whose page shows the wrong thing fails."""
    long_id, opened_id = (visit.start("events", {"count": count}) for count in (EVENTS, OPENED))
    with visit.page() as page:  # the long ones are made before anything is measured
        for run_id in (opened_id, long_id):
            visit.ended(page, run_id)
    sides: dict[str, Callable[[], tuple[dict[str, float], dict[str, float]]]] = {
        "streaming": lambda: streaming(visit),
        "long_run": lambda: ({}, long_run(visit, long_id)),
        "opening": lambda: ({}, opening(visit, opened_id)),
    }
    for key, goals in ROWS.items():
        try:
            found = [sides[key]() for _ in range(repetitions)]
        except AssertionError as error:
            yield Measured(key, "rest", "page", (), (), goals, failure=str(error))
            continue
        yield Measured(key, "rest", "page", [one for one, _ in found if one], [other for _, other in found], goals)


def main() -> int:
    """Measure, print the table, write JSON."""
    options = _options()
    executable = find_executable("")
    if executable is None:
        print(f"page benchmark: {why_unavailable('')}")
        return 1
    load = os.getloadavg()[0]
    arguments = ["--enable-precise-memory-info", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with tempfile.TemporaryDirectory(prefix="runwire-bench-") as folder, sync_playwright() as driver:
        upgrade_database(Path(folder))
        with runwire_server(Path(folder), agents=AGENTS) as server:
            browser = driver.chromium.launch(executable_path=str(executable), args=arguments)
            try:
                measured = list(measure(Visit(browser, server), options.repetitions))
                chromium = browser.version
            finally:
                browser.close()
    print(f"Chromium {chromium}; load average before: {load:.1f} on {os.cpu_count()} cores; baseline: a page at rest\n")
    print(table(line for row in measured for line in judge(row)))
    broken = [f"{row.key}: {row.failure}" for row in measured if row.failure]
    print("\n".join(f"WRONG {line}" for line in broken))
    write_json(options.json, measured, {"chromium": chromium, "repetitions": options.repetitions, "load_before": load})
    print(f"samples in {options.json}")
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    default = Path(__file__).parent / "results" / f"page-{stamp}.json"
    parser = argparse.ArgumentParser(prog="python -m bench.page", description="The web page in real Chromium.")
    parser.add_argument("--repetitions", type=int, default=3, help="measurements of each row (3)")
    parser.add_argument("--json", type=Path, default=default, help="where to write every sample")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
