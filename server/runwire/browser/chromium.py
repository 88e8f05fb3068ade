"""Playwright behind the pool's ports: the driver, the browsers, their contexts. Floor 4; the host's loop only.

Playwright's objects are bound to the loop that made them and never leave this package. Its errors are mapped here,
at the border. Chromium is driven over a pipe: it dies with the driver, and the driver with the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Playwright,
    ProxySettings,
    ViewportSize,
    async_playwright,
)
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeout

from runwire.browser.camera import Camera
from runwire.browser.downloads import DownloadFolders, Downloads
from runwire.browser.driver_process import driver_pid, expect_sudden_end, thrifty_driver
from runwire.browser.journal import Journal
from runwire.browser.page import ChromiumPage
from runwire.browser.ports import ContextPort, DriverPort, LaunchSpec, PagePort, ShellPort
from runwire.browser.processes import profile_folder
from runwire.browser.secrets import HttpSecret
from runwire.browser.typed import TypedSecrets
from runwire.browser.whole import LEFT_OUT, arguments_of, listening_at, through
from runwire.contracts.browser import BrowserConfig, Download, Recording
from runwire.errors import BrowserError, BrowserLost, BrowserTimeout, BrowserUnavailable

_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "DISPLAY", "XAUTHORITY", "FONTCONFIG_PATH")
"""What Chromium inherits: none of the server's secrets."""

FEATURES = (
    # Chromium's network code in the browser's process instead of one of its own: 13 MiB less for each browser. On Linux
    # that process had no sandbox either, so nothing gets more rights.
    "NetworkServiceInProcess2",
    # Playwright's own: the last --enable-features counts, and ours comes last.
    "CDPScreenshotNewSurface",
    "SkipListAccountsWithoutGaiaCookies",
)
_ARGUMENTS = (
    # WebRTC would otherwise open sockets of its own, past the egress proxy.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    f"--enable-features={','.join(FEATURES)}",
)
TRACE_BYTES = 64 * 1024 * 1024
"""Largest trace that is read into memory; what is stored is bounded by ``artifact_bytes`` besides."""
LISTEN_LOOK_S = 0.02
"""How often the file is looked for in which Chromium says where it listens; mostly it is there with the launch."""
DownloadsOf = Callable[[BrowserContext, Callable[[str], str]], Awaitable[Downloads | None]]
_GONE = ("has been closed", "Connection closed", "Target crashed", "Page crashed", "Browser closed")


@contextmanager
def translated() -> Iterator[None]:
    """Turn Playwright's errors into ours: BrowserTimeout, BrowserLost, else BrowserError with its first line."""
    try:
        yield
    except PlaywrightTimeout as error:
        raise BrowserTimeout(_first_line(error)) from error
    except PlaywrightError as error:
        lost = any(word in error.message for word in _GONE)
        raise (BrowserLost if lost else BrowserError)(_first_line(error)) from error


async def start_driver() -> DriverPort:
    """Start Playwright's driver process. Never cancel it: that leaks the process (20 times of 20).

    Raises:
        BrowserUnavailable: the driver does not start.
    """
    manager = async_playwright()
    try:
        with thrifty_driver():
            playwright = await manager.start()
    except (PlaywrightError, OSError) as error:
        raise BrowserUnavailable(f"Playwright's driver does not start: {_first_line(error)}") from error
    expect_sudden_end(manager)
    return ChromiumDriver(playwright, driver_pid(manager))


class ChromiumDriver:
    """Playwright's driver."""

    def __init__(self, playwright: Playwright, pid: int | None) -> None:
        self._playwright = playwright
        self.pid = pid

    async def launch(self, spec: LaunchSpec) -> ShellPort:
        """Launch a Chromium. Never cancel it. Raises BrowserUnavailable."""
        environment: dict[str, str | float | bool] = {
            name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ
        }
        if spec.wrapper:
            environment["RUNWIRE_CHROMIUM"] = spec.executable
        # What the driver stores of it (a trace while it grows): its own folder for that stays when it is killed.
        stored = DownloadFolders(None, short=spec.own is not None)
        folder = stored.make()
        program: str | Path = spec.wrapper or spec.executable
        profile: Path | None = None
        if spec.own is not None:  # a whole one keeps things in both, and leaves them there when it is killed
            home = stored.make(anyone=bool(spec.wrapper))
            environment["HOME"] = environment["TMPDIR"] = str(home)
            if spec.wrapper:
                profile = home / "profile"  # which Chromium makes, for its own user alone
                program = through(spec.wrapper, profile, folder)
        try:
            browser = await self._playwright.chromium.launch(
                executable_path=program,
                headless=spec.headless,
                chromium_sandbox=spec.sandbox,
                args=[*_ARGUMENTS, *(() if spec.own is None else arguments_of(spec.own))],
                ignore_default_args=None if spec.own is None else list(LEFT_OUT),
                proxy=None if spec.own is None else _way_out(spec.own.proxy),
                env=environment,
                timeout=spec.timeout_s * 1000,
                artifacts_dir=folder,
                # The server's own drain decides when browsers end; a Ctrl-C must not take them from under the runs.
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
            )
        except PlaywrightError as error:
            stored.discard()
            raise BrowserUnavailable(f"Chromium does not start: {_launch_reason(error)}") from error
        with translated():
            session = await browser.new_browser_cdp_session()
            pid = await _browser_pid(session)
            if spec.own is not None:  # they would go to the server's home folder
                await session.send("Browser.setDownloadBehavior", {"behavior": "deny"})
        return ChromiumShell(browser, session, pid, spec, stored, profile)

    async def probe(self) -> None:
        """Make the driver answer without any browser."""
        with translated():
            request = await self._playwright.request.new_context()
            await request.dispose()

    async def stop(self) -> None:
        """End the driver and with it every browser."""
        with translated():
            await self._playwright.stop()


class ChromiumShell:
    """One Chromium."""

    def __init__(
        self,
        browser: Browser,
        session: CDPSession,
        pid: int | None,
        spec: LaunchSpec,
        stored: DownloadFolders,
        profile: Path | None,
    ) -> None:
        """``profile`` is the browser's, if it is not the driver's."""
        self._browser = browser
        self._spec = spec
        self._session = session
        self._folders = DownloadFolders(pid)
        self._stored = stored
        self._profile = profile
        self.pid = pid

    @property
    def connected(self) -> bool:
        """False is certain, True is not."""
        return self._browser.is_connected()

    async def cdp_url(self) -> str:
        """Return the WebSocket that it listens at, once it does."""
        profile = self._profile or (None if self.pid is None else profile_folder(self.pid))
        if profile is None:
            raise BrowserLost("the browser has ended, or has no profile of its own")
        while True:
            if (found := listening_at(profile)) is not None:
                return f"ws://127.0.0.1:{found[0]}{found[1]}"
            await asyncio.sleep(LISTEN_LOOK_S)

    async def new_context(self, config: BrowserConfig, proxy: str, secret: HttpSecret | None) -> ContextPort:
        """Make a context that goes out through ``proxy`` alone."""
        options: dict[str, Any] = {
            "locale": config.locale,
            "timezone_id": config.timezone,
            "user_agent": config.user_agent,
            "color_scheme": config.color_scheme,
            "storage_state": None if config.storage_state is None else json.loads(config.storage_state),
            "http_credentials": None if secret is None else asdict(secret),
        }
        with translated():
            context = await self._browser.new_context(
                viewport=ViewportSize(width=config.width, height=config.height),
                device_scale_factor=config.scale,
                is_mobile=config.mobile,
                has_touch=config.touch,
                proxy=_way_out(proxy),
                accept_downloads=False,
                **{name: value for name, value in options.items() if value is not None},
            )
        camera = Camera(exact=config.scale == 1 and not config.mobile)
        return ChromiumContext(context, camera, TypedSecrets(self._spec.secrets), self._downloads_of, self._folders)

    async def _downloads_of(self, context: BrowserContext, hidden: Callable[[str], str]) -> Downloads | None:
        """Begin to keep the downloads of a context that has a page."""
        bounds = self._spec.downloads
        if not bounds.count:
            return None
        folder = self._folders.make()
        downloads: Downloads | None = None
        try:
            session = await context.new_cdp_session(context.pages[0])
            target = await session.send("Target.getTargetInfo")
            await session.detach()
            context_id = target["targetInfo"]["browserContextId"]
            downloads = Downloads(self._session, context_id, folder, bounds, hidden)
            await downloads.start()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True) if downloads is None else downloads.discard()
            raise
        return downloads

    async def probe(self) -> None:
        """Ask for the version: 1.2 ms when healthy, no answer when frozen."""
        with translated():
            await self._session.send("Browser.getVersion")

    async def close(self) -> None:
        """Close it."""
        with translated():
            await self._browser.close()

    def discard(self) -> bool:
        """Remove what its contexts and the driver have left on the disk; return whether something stayed."""
        return any([self._folders.discard(), self._stored.discard()])


class ChromiumContext:
    """One context."""

    def __init__(
        self,
        context: BrowserContext,
        camera: Camera,
        secrets: TypedSecrets,
        downloads_of: DownloadsOf,
        folders: DownloadFolders,
    ) -> None:
        self._context = context
        self._camera = camera
        self._folders = folders
        self._secrets = secrets
        self._journal = Journal(context, secrets.hidden)
        self._downloads_of = downloads_of
        self._downloads: Downloads | None = None

    async def new_page(self) -> PagePort:
        """Open a page."""
        with translated():
            page = await self._context.new_page()
        return ChromiumPage(page, translated, self._camera, self._secrets, downloads=lambda: self._downloads)

    def record(self) -> None:
        """Begin to record console and network."""
        self._journal.start()

    def recorded(self) -> Recording:
        """Return what was recorded so far."""
        return self._journal.recording()

    async def begin_trace(self) -> None:
        """Begin to trace what is done."""
        with translated():
            await self._context.tracing.start(screenshots=True, snapshots=True)

    async def end_trace(self, *, keep: bool) -> bytes | None:
        """End the trace, and return it if it is to be kept."""
        if not keep:
            with translated():
                await self._context.tracing.stop()
            return None
        file = self._folders.make() / "trace.zip"
        try:
            with translated():
                await self._context.tracing.stop(path=file)
            return await asyncio.to_thread(_trace_of, file)
        finally:
            shutil.rmtree(file.parent, ignore_errors=True)  # what stays goes with the browser

    async def keep_downloads(self) -> None:
        """Begin to keep downloads, if any are to be."""
        if self._downloads is None:
            with translated():
                self._downloads = await self._downloads_of(self._context, self._secrets.hidden)

    async def downloads(self, end_s: float | None) -> list[Download]:
        """Return those that have ended since the last call."""
        return [] if self._downloads is None else await self._downloads.ended(end_s)

    def downloading(self) -> tuple[str, ...]:
        """Return the names of those that have begun and not ended."""
        return () if self._downloads is None else self._downloads.under_way

    async def close(self) -> None:
        """Close it with all its pages."""
        with translated():
            await self._context.close()

    def discard(self) -> None:
        """Remove what it has left on the disk."""
        if self._downloads is not None:
            self._downloads.discard()


def _trace_of(file: Path) -> bytes:
    """Read a trace. Raises BrowserError if it is too large to be held."""
    try:
        if (size_bytes := file.stat().st_size) > TRACE_BYTES:
            raise BrowserError(f"the trace has {size_bytes} bytes, {TRACE_BYTES} is the most")
        return file.read_bytes()
    except OSError as error:
        raise BrowserError(f"the trace cannot be read: {error.strerror}") from error


def _way_out(proxy: str) -> ProxySettings:
    """Return the proxy for everything, loopback included."""
    return ProxySettings(server=proxy, bypass="<-loopback>")


async def _browser_pid(session: CDPSession) -> int | None:
    answer = await session.send("SystemInfo.getProcessInfo")
    return next((int(item["id"]) for item in answer["processInfo"] if item["type"] == "browser"), None)


def _first_line(error: Exception) -> str:
    message = error.message if isinstance(error, PlaywrightError) else str(error)
    return next((line.strip() for line in message.splitlines() if line.strip()), type(error).__name__)


def _launch_reason(error: PlaywrightError) -> str:
    """Return the line that Chromium itself died with, if it said one: Playwright's first line only says that it
    died.
    """
    lines = [line.strip() for line in error.message.splitlines()]
    said = next((line for line in lines if "[err]" in line and "DevTools listening" not in line), None)
    return f"{_first_line(error)}; {said}" if said else _first_line(error)
