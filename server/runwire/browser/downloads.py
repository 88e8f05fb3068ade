"""What the pages of one context download, within bounds. Floor 4; the host's loop only.

Chromium writes a download into its context's own folder, under a name that it makes up, and tells how it goes on the
browser's one session, for all contexts alike: whose it is shows by the folder that it lies in. What exceeds a bound is
cancelled as soon as Chromium says so, some half a second after: until then its bytes are on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog

from runwire.browser.deadline import Deadline
from runwire.browser.processes import is_alive
from runwire.contracts.browser import Download
from runwire.errors import BrowserError, BrowserTimeout
from runwire.protocol.steps.actions import VerifyDownload

log = structlog.get_logger(__name__)

PREFIX = "runwire-downloads-"
SHORT = "/tmp"
SHORT_LENGTH = 15
"""Longest temporary folder below which a whole Chromium can make its socket: the kernel takes 107 characters, and our
folders and Chromium's own take 92 of them. A run in a process of its own has a longer one.
"""
TOLD = 5
"""Most downloads that an error names."""
NAME = 120
NAMES = 1_000
"""Most names that are remembered of downloads that may be this context's; then the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class DownloadBounds:
    """Bytes of one download, and how many a context may keep; 0: none, and Chromium refuses them all."""

    one_bytes: int = 16 * 1024 * 1024
    count: int = 20


class Session(Protocol):
    """The part of a browser's CDP session that is used here."""

    def on(self, event: str, f: Callable[[dict[str, Any]], None]) -> None:
        """Listen."""

    def remove_listener(self, event: str, f: Callable[[dict[str, Any]], None]) -> None:
        """Listen no more."""

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the browser for something."""


class Downloads:
    """One context's. ``hidden`` replaces typed secrets."""

    def __init__(
        self, session: Session, context_id: str, folder: Path, bounds: DownloadBounds, hidden: Callable[[str], str]
    ) -> None:
        self._session = session
        self._context_id = context_id
        self._folder = folder
        self._owner = -1
        """The user that the browser runs as."""
        self._bounds = bounds
        self._hidden = hidden
        self._names: OrderedDict[str, str] = OrderedDict()
        self._open: set[str] = set()
        self._settled: dict[str, Download | Path] = {}
        self._told: set[str] = set()
        self._claimed: set[str] = set()
        self._size_bytes: dict[str, int] = {}
        self._moved = asyncio.Event()
        self._sending: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Have Chromium keep what the pages download from now on."""
        self._owner = self._folder.stat().st_uid
        self._session.on("Browser.downloadWillBegin", self._on_begin)
        self._session.on("Browser.downloadProgress", self._on_progress)
        await self._behave("allowAndName")

    async def ended(self, end_s: float | None) -> list[Download]:
        """Return what has ended since the last call; with ``end_s`` what is open gets that many seconds more, and is
        cancelled then.
        """
        if end_s is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(end_s):
                    while self._open:
                        self._moved.clear()
                        await self._moved.wait()
            for guid in tuple(self._open):
                self._refuse(guid, f"it had not ended {end_s:g} s after the last step")
        fresh = [guid for guid in self._settled if guid not in self._told]
        self._told.update(fresh)
        return [await self._download(guid) for guid in fresh]

    @property
    def under_way(self) -> tuple[str, ...]:
        """The names of those that have begun and not ended."""
        return tuple(self._name(guid) for guid in sorted(self._open))

    async def claim(self, wanted: VerifyDownload, deadline: Deadline) -> str:
        """Wait until a download that is wanted has ended, and return its id. It counts for this call alone.

        Raises:
            BrowserTimeout: none has, in time; the message says what there is instead.
        """
        while (guid := self._first(wanted)) is None:
            self._moved.clear()
            try:
                async with asyncio.timeout(deadline.left_s):
                    await self._moved.wait()
            except TimeoutError:
                raise self._missing(wanted, deadline) from None
        self._claimed.add(guid)
        return guid

    def _first(self, wanted: VerifyDownload) -> str | None:
        """Return the first download that is wanted and was not claimed yet."""
        kept = (guid for guid, settled in self._settled.items() if isinstance(settled, Path))
        return next((guid for guid in kept if guid not in self._claimed and self._fits(guid, wanted)), None)

    def _fits(self, guid: str, wanted: VerifyDownload) -> bool:
        return _named(self._name(guid), wanted) and not (wanted.filled and self._size_bytes[guid] == 0)

    def _missing(self, wanted: VerifyDownload, deadline: Deadline) -> BrowserTimeout:
        found = [f'"{name}"{self._state(guid)}' for guid, name in self._newest()]
        what = f'named "{wanted.name}"' if wanted.comparison == "is" else f'with "{wanted.name}" in its name'
        what += " that is not empty" if wanted.filled else ""
        told = f"there is {', '.join(found)}" if found else "nothing was downloaded"
        message = f"no download {what} has ended within {deadline.seconds:g} s; {told}"
        return BrowserTimeout(message, looked_for=wanted.name, nearest=found[0] if found else None)

    def _newest(self) -> list[tuple[str, str]]:
        mine = [*self._open, *reversed(self._settled)]
        return [(guid, self._name(guid)[:NAME]) for guid in mine[:TOLD]]

    def _state(self, guid: str) -> str:
        settled = self._settled.get(guid)
        if settled is None:
            return f" (under way, {self._size_bytes[guid]} bytes so far)"
        if isinstance(settled, Download):
            return f" (not kept: {settled.refused})"
        counted = ", counted by an earlier step" if guid in self._claimed else ""
        return f" ({self._size_bytes[guid]} bytes{counted})"

    def discard(self) -> None:
        """Listen no more and remove the folder with what is left in it. Idempotent."""
        self._session.remove_listener("Browser.downloadWillBegin", self._on_begin)
        self._session.remove_listener("Browser.downloadProgress", self._on_progress)
        for task in self._sending:
            task.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)  # what is left goes with the browser

    async def _download(self, guid: str) -> Download:
        settled = self._settled[guid]
        if isinstance(settled, Download):
            return settled
        try:
            data = await asyncio.to_thread(_read, settled, self._owner, self._bounds.one_bytes)
            settled.unlink()
        except OSError as error:
            return Download(self._name(guid), None, f"it cannot be read: {error.strerror}", guid)
        return Download(self._name(guid), data, id=guid)

    def _on_begin(self, event: Mapping[str, Any]) -> None:
        self._names[event["guid"]] = str(event.get("suggestedFilename", ""))
        if len(self._names) > NAMES:
            self._names.popitem(last=False)

    def _on_progress(self, event: Mapping[str, Any]) -> None:
        guid = event["guid"]
        if guid in self._settled or (guid not in self._open and not self._is_mine(guid)):
            return
        if guid not in self._open and not self._take(guid):
            return
        self._size_bytes[guid] = event.get("receivedBytes", 0)
        size_bytes = max(event.get("totalBytes", 0), self._size_bytes[guid])
        if size_bytes > self._bounds.one_bytes:
            self._refuse(guid, f"it has more than {self._bounds.one_bytes} bytes")
        elif event["state"] == "completed":
            self._settle(guid, self._folder / guid)
        elif event["state"] == "canceled":
            self._settle(guid, Download(self._name(guid), None, "it broke off", guid))

    def _is_mine(self, guid: str) -> bool:
        return any((self._folder / name).exists() for name in (guid, f"{guid}.crdownload"))

    def _take(self, guid: str) -> bool:
        """Count one more download of this context; return False if it is one too many."""
        self._open.add(guid)
        if len(self._settled) + len(self._open) <= self._bounds.count:
            return True
        self._refuse(guid, f"a run keeps at most {self._bounds.count} downloads; further ones are not begun")
        self._send(self._behave("deny"))
        return False

    def _refuse(self, guid: str, why: str) -> None:
        self._settle(guid, Download(self._name(guid), None, why, guid))
        cancel = {"guid": guid, "browserContextId": self._context_id}
        self._send(self._session.send("Browser.cancelDownload", cancel))

    def _settle(self, guid: str, what: Download | Path) -> None:
        self._open.discard(guid)
        self._settled[guid] = what
        self._moved.set()

    def _name(self, guid: str) -> str:
        return self._hidden(self._names.get(guid, "")) or "download"

    async def _behave(self, behavior: str) -> None:
        params = {
            "behavior": behavior,
            "browserContextId": self._context_id,
            "downloadPath": str(self._folder),
            "eventsEnabled": True,
        }
        await self._session.send("Browser.setDownloadBehavior", params)

    def _send(self, sending: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(sending)
        self._sending.add(task)
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[Any]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:  # it has ended, or its browser has
            log.debug("browser.download_not_cancelled", error=repr(error))


def _named(name: str, wanted: VerifyDownload) -> bool:
    return name == wanted.name if wanted.comparison == "is" else wanted.name in name


def _read(path: Path, owner: int, most_bytes: int) -> bytes:
    """Return what a file of ``owner`` holds: a browser that was broken into could put a link to any file there, and the
    server may be root. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != owner:
            raise OSError(errno.EPERM, "it is no file of the browser's own")
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes")
    return data


class DownloadFolders:
    """One browser's: a folder with one for each context. It goes with the browser, because a download that begins while
    its context is closed has Chromium make that context's folder anew.
    """

    def __init__(self, pid: int | None, *, short: bool = False) -> None:
        """``pid`` is the browser, which may run as somebody else. ``short``: it will make a socket in the folder."""
        self._pid = pid
        self._short = short
        self._root: Path | None = None

    def make(self, *, anyone: bool = False) -> Path:
        """Make a context's folder, which the browser can write into. ``anyone``: it will run as somebody who is not
        known yet; only who knows the folder's name finds it. Raises BrowserError.
        """
        try:
            if self._root is None:
                where = SHORT if self._short and len(tempfile.gettempdir()) > SHORT_LENGTH else None
                self._root = self._given(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=where))
            made = self._given(tempfile.mkdtemp(dir=self._root))
            if anyone:
                self._root.chmod(0o711)
                made.chmod(0o1777)
            return made
        except OSError as error:
            raise BrowserError(f"no folder for downloads: {error.strerror}") from error

    def discard(self) -> bool:
        """Remove all that is left of a browser that has ended; return whether something stayed: it is still dying."""
        if self._root is None:
            return False
        shutil.rmtree(self._root, ignore_errors=True)
        return self._root.exists()

    def _given(self, made: str) -> Path:
        if self._pid is not None and (user := os.stat(f"/proc/{self._pid}")).st_uid != os.geteuid():
            os.chown(made, user.st_uid, user.st_gid)
        return Path(made)


def sweep_folders() -> None:
    """Remove the folders of processes that have ended without doing so."""
    roots = dict.fromkeys((tempfile.gettempdir(), SHORT))
    for folder in (found for root in roots for found in Path(root).glob(f"{PREFIX}*-*")):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)  # somebody else's is theirs to remove
