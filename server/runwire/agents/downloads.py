"""Keeps as artifacts what a run's pages download. Floor 4; the run's own thread and loop."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, field
from typing import Any

from runwire.contracts.agent import RunContext
from runwire.contracts.browser import BrowserLease, Download
from runwire.errors import BrowserError, BrowserLost, StorageUnavailable, TooLarge

END_S = 2.0
"""How long a download that is open after the last step gets to end: the end of a run waits for no server of others."""
NAME = 120
"""Most characters of a name in what is told."""
MAX_REASON = 2_000
"""Most characters of why something is not kept."""


@dataclass(frozen=True, slots=True)
class KeptDownload:
    """A download that has ended, under the page's name for it: the artifact that it is, or why it is none. ``id`` is
    the browser's.
    """

    name: str
    size_bytes: int
    artifact_id: str | None = None
    refused: str = ""
    id: str = field(default="", compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return it as a run's result holds it."""
        return {"name": self.name, "size_bytes": self.size_bytes, "artifact_id": self.artifact_id}


class DownloadKeeper:
    """One run's. What cannot be kept fails no step but the one that verifies it: it is told, with the reason. ``ended``
    holds all that has come to an end, in that order.
    """

    def __init__(self, ctx: RunContext, lease: BrowserLease) -> None:
        self._ctx = ctx
        self._lease = lease
        self.ended: list[KeptDownload] = []

    async def start(self) -> None:
        """Begin; the lease has an open page. Raises BrowserLost."""
        try:
            await self._lease.keep_downloads()
        except BrowserLost:
            raise
        except BrowserError as error:
            await self._ctx.text(f"Downloads are not kept: {error.message[:MAX_REASON]}\n")

    async def keep(self, when: str, *, end_s: float | None = None) -> None:
        """Keep what has ended since the last time; with ``end_s`` open ones get so many seconds and are given up then.

        Raises:
            LimitExceeded: the run has stored as much as it may.
        """
        try:
            for download in await self._lease.downloads(end_s=end_s):
                self.ended.append(await self._keep(when, download))
        except BrowserLost:  # with all that it had downloaded; the run's next look at the page tells it
            return
        except BrowserError as error:
            await self._ctx.text(f"{when}: downloads are not kept: {error.message[:MAX_REASON]}\n")

    async def require(self, when: str, download_id: str) -> None:
        """Keep what has ended, of which this one must be kept.

        Raises:
            BrowserError: it is not; the message says why.
            LimitExceeded: the run has stored as much as it may.
        """
        await self.keep(when)
        found = next((one for one in self.ended if one.id == download_id), None)
        if found is None:
            raise BrowserError("the download is not kept: the browser gave it no more")
        if found.artifact_id is None:
            raise BrowserError(f'the download "{found.name}" is not kept: {found.refused}')

    async def _keep(self, when: str, download: Download) -> KeptDownload:
        name, refused = download.name[:NAME], download.refused
        if download.data is not None:
            mime = mimetypes.guess_type(download.name)[0] or "application/octet-stream"
            try:
                kept = await self._ctx.artifacts.save(
                    kind="download", name=download.name, mime=mime, data=download.data
                )
                return KeptDownload(name, kept.size_bytes, kept.id, id=download.id)
            except (TooLarge, StorageUnavailable) as error:
                refused = error.message
        await self._ctx.text(f"{when}: the download {name!r} is not kept: {refused[:MAX_REASON]}\n")
        return KeptDownload(name, len(download.data or b""), refused=refused[:MAX_REASON], id=download.id)
