"""What the browser tests share: a real static site, a real browser host, and a look at what is left behind."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runwire.browser.executable import find_executable, why_unavailable
from runwire.browser.host import BrowserHost
from runwire.browser.processes import descendants
from runwire.browser.settings import BrowserHostSettings

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGES = Path(__file__).parent / "pages"
SILENT_S = 12.0
WITHOUT_BROWSER = why_unavailable(os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", ""))
CHOSEN = os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")
WHOLE = str(find_executable(CHOSEN, headless=False) or find_executable("", headless=False) or "")
"""A Chromium that has extensions; make test gets one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder, and skip it, with the reason, where no Chromium is."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if WITHOUT_BROWSER:
                item.add_marker(pytest.mark.skip(reason=WITHOUT_BROWSER))


class _Handler(SimpleHTTPRequestHandler):
    """``/samples/`` is the examples folder, ``/redirect?to=…`` redirects, ``/silent`` does not answer for a while,
    ``/silent-listing`` leads there, ``/slow.bin`` takes its time, everything else is the tests' own pages.
    """

    def do_GET(self) -> None:
        if self.path == "/slow.bin":
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with contextlib.suppress(OSError):  # cancelled, as it should be
                for _ in range(100):
                    self.wfile.write(b"x" * 1000)
                    if self.server.quiet.wait(SILENT_S / 100):  # type: ignore[attr-defined]  # set by the fixture
                        break
            return
        if self.path.startswith("/silent"):
            if self.path == "/silent-listing":
                body = "".join(f"<li><a href='/silent?{number}'>{number}</a></li>" for number in range(4)).encode()
            else:
                self.server.quiet.wait(SILENT_S)  # type: ignore[attr-defined]  # set by the fixture
                body = b"late"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # the page has left
                self.wfile.write(body)
            return
        if self.path.startswith("/redirect?to="):
            self.send_response(302)
            self.send_header("Location", self.path.partition("=")[2])
            self.end_headers()
            return
        super().do_GET()

    def translate_path(self, path: str) -> str:
        plain = path.partition("?")[0].partition("#")[0]
        root, rest = (EXAMPLES, plain[9:]) if plain.startswith("/samples/") else (PAGES, plain.lstrip("/"))
        return str(root / rest)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Serve the sample shop and the tests' pages on a random port; yield the origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler))
    server.daemon_threads = True
    server.quiet = threading.Event()  # type: ignore[attr-defined]  # what silent answers wait for at most
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.quiet.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
        thread.join(2)


def eventually(holds: Callable[[], bool], limit_s: float) -> bool:
    """Return whether the condition came true within ``limit_s`` seconds."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def _threads() -> set[threading.Thread]:
    """Return the threads but those of ``asyncio.to_thread``: the test's own loop keeps them until it ends."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


def _own(others: set[int]) -> set[int]:
    """Return the processes that the test started: not those of a module's host, which may open pages meanwhile."""
    theirs = {child for pid in others for child in descendants(pid)}
    return set(descendants(os.getpid())) - others - theirs


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fail the test if it leaves a process of the driver or of Chromium, or a thread, behind."""
    others, threads = set(descendants(os.getpid())), _threads()
    yield
    assert eventually(lambda: not _own(others), 2.0), "processes were left behind"
    assert eventually(lambda: _threads() <= threads, 2.0), "threads were left behind"


MakeHost = Callable[..., BrowserHost]


@pytest.fixture
def make_host(site: str, nothing_left: None) -> Iterator[MakeHost]:
    """Return a function that makes a host with the given settings; it is closed after the test."""
    made: list[BrowserHost] = []

    def make(**settings: object) -> BrowserHost:
        executable = os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")
        chosen = BrowserHostSettings(**{"executable": executable, **settings})  # type: ignore[arg-type]
        made.append(BrowserHost(chosen, sample_origin=lambda: site))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def host(site: str) -> Iterator[BrowserHost]:
    """One host for the tests of a module that only use it."""
    executable = os.environ.get("RUNWIRE_BROWSER_EXECUTABLE", "")
    made = BrowserHost(BrowserHostSettings(executable=executable), sample_origin=lambda: site)
    yield made
    made.close()
