"""What a browser run leaves behind beside its result: downloads, console and network, the administrator's trace.
Floor 4; the run's own thread and loop.

One way for all agents that use the server's browsers. A run that fails needs it most, so it is gathered however a run
ends, but for a cancelled one: who cancels waits for the browser.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from runwire.agents.downloads import END_S, MAX_REASON, DownloadKeeper
from runwire.agents.keeping import keep_of_failed
from runwire.contracts.agent import AgentFailure, RunContext
from runwire.contracts.artifacts import TRACE
from runwire.contracts.browser import BrowserLease
from runwire.errors import BrowserError, RunwireError, StorageUnavailable, TooLarge
from runwire.protocol.steps.shape import KeepLogs
from runwire.runs.state import Verdict


class Evidence:
    """One run's. What cannot be kept changes no verdict: it is told, with the reason."""

    def __init__(self, ctx: RunContext, lease: BrowserLease, keep_logs: KeepLogs = "on_failure") -> None:
        self._ctx = ctx
        self._lease = lease
        self._keep_logs = keep_logs
        self.downloads = DownloadKeeper(ctx, lease)

    @asynccontextmanager
    async def gathered(
        self, verdict: Callable[[], Verdict], limit: asyncio.Timeout | None = None
    ) -> AsyncIterator[None]:
        """Gather what happens in the block, and keep it when the block ends, within the bounds of the parts.

        Args:
            verdict: the run's, asked once the block has come to its end; one that raises has failed.
            limit: the agent's own. When that has passed there is still evidence; any other cancellation leaves none.

        Raises:
            BrowserError: nothing could be begun. LimitExceeded: the run, which has not failed otherwise, has stored
            as much as it may.
        """
        if self._keep_logs != "never":
            await self._lease.record()
        await self._lease.begin_trace()
        try:
            yield
        except asyncio.CancelledError:
            if limit is not None and limit.expired():
                await self._keep_of_failed("When the time had passed", end_s=0.0)
            raise
        except (AgentFailure, RunwireError):
            await self._keep_of_failed("When the run failed")
            raise
        await self._keep("After the last step", failed=verdict() is Verdict.FAILED)

    async def _keep_of_failed(self, when: str, end_s: float = END_S) -> None:
        await keep_of_failed(self._ctx, self._keep(when, failed=True, end_s=end_s), f"{when}: not all is kept")

    async def _keep(self, when: str, *, failed: bool, end_s: float = END_S) -> None:
        await self.downloads.keep(when, end_s=end_s)
        if self._keep_logs == "always" or (self._keep_logs == "on_failure" and failed):
            await self._save_logs()
        await self._save_trace(failed=failed)

    async def _save_logs(self) -> None:
        """Keep what the pages said and fetched."""
        try:
            recording = await self._lease.recorded()
            for name, data in (("console", recording.console), ("network", recording.network)):
                if data:
                    await self._ctx.artifacts.save(
                        kind="log", name=f"{name}.jsonl", mime="application/jsonl", data=data
                    )
        except (BrowserError, TooLarge, StorageUnavailable) as error:
            await self._ctx.text(f"The logs are not kept: {error.message[:MAX_REASON]}\n")

    async def _save_trace(self, *, failed: bool) -> None:
        """Keep what the administrator wants; no follower of the run is told of it."""
        try:
            trace = await self._lease.end_trace(failed=failed)
            if trace is not None:
                await self._ctx.artifacts.save(
                    kind=TRACE, name="trace.zip", mime="application/zip", data=trace, announce=False
                )
        except (BrowserError, TooLarge, StorageUnavailable) as error:
            await self._ctx.text(f"The trace is not kept: {error.message[:MAX_REASON]}\n")
