"""Keeps as artifacts what a test's pages download. Floor 4; the run's own thread and loop."""

from __future__ import annotations

import mimetypes

from runwire.agents.browser_test.report import MAX_ERROR
from runwire.contracts.agent import RunContext
from runwire.contracts.browser import BrowserLease, Download
from runwire.errors import BrowserError, BrowserLost, StorageUnavailable, TooLarge

END_S = 2.0
"""How long a download that is open after the last step gets to end: the end of a run waits for no server of others."""
NAME = 120
"""Most characters of a name in what is told."""


class DownloadKeeper:
    """One test's. What cannot be kept fails no step: it is told, with the reason."""

    def __init__(self, ctx: RunContext, lease: BrowserLease) -> None:
        self._ctx = ctx
        self._lease = lease

    async def start(self) -> None:
        """Begin; the lease has an open page. Raises BrowserLost."""
        try:
            await self._lease.keep_downloads()
        except BrowserLost:
            raise
        except BrowserError as error:
            await self._ctx.text(f"Downloads are not kept: {error.message[:MAX_ERROR]}\n")

    async def keep(self, when: str, *, last: bool = False) -> None:
        """Keep what has ended since the last time; ``last``: give open ones a little time, then give them up.

        Raises:
            LimitExceeded: the run has stored as much as it may.
        """
        try:
            for download in await self._lease.downloads(end_s=END_S if last else None):
                await self._keep(when, download)
        except BrowserLost:  # with all that it had downloaded; the run's next look at the page tells it
            return
        except BrowserError as error:
            await self._ctx.text(f"{when}: downloads are not kept: {error.message[:MAX_ERROR]}\n")

    async def _keep(self, when: str, download: Download) -> None:
        refused = download.refused
        if download.data is not None:
            mime = mimetypes.guess_type(download.name)[0] or "application/octet-stream"
            try:
                await self._ctx.artifacts.save(kind="download", name=download.name, mime=mime, data=download.data)
            except (TooLarge, StorageUnavailable) as error:
                refused = error.message
        if refused:
            await self._ctx.text(f"{when}: the download {download.name[:NAME]!r} is not kept: {refused[:MAX_ERROR]}\n")
