"""The ``scan`` agent. Floor 4; runs on the run's own thread; knows browsers only through their contract."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from runwire.agents.keeping import keep_of_failed
from runwire.agents.required_model import require_model
from runwire.agents.scan.request import input_schema, parse_scan
from runwire.agents.scan.session import ScanSession
from runwire.agents.video import filmed
from runwire.contracts.agent import AgentFailure, AgentResult, RunContext
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserError, BrowserLost, LimitExceeded, ModelError
from runwire.runs.state import Verdict


class ScanAgent:
    """Reads the items of a listing and of their own pages, tells each as it is found, and judges the site.

    Pages that fail and limits that pass are results: the run ends SUCCEEDED with its verdict. It is FAILED when there
    is no browser (``startup_failed``), the browser was lost (``browser_lost``) or a model that is to read the pages
    cannot be asked (its own codes, ``limit_exceeded``), with what was found.
    """

    description: ClassVar[str] = (
        "Reads a listing and its items' pages, by selectors or by a model, and judges the site."
    )
    input_schema: ClassVar[dict[str, Any]] = input_schema()
    needs_browser: ClassVar[bool] = True

    @staticmethod
    def validate_input(input: Any) -> None:
        """Refuse a scan that could not be carried out. Raises InvalidInput."""
        parse_scan(input)

    async def run(self, ctx: RunContext, input: Any) -> AgentResult:
        """Scan. Cancelling it closes all pages within a bound and passes the cancellation on.

        Raises:
            InvalidInput: the input is no scan.
            AgentFailure: no browser, or it was lost.
        """
        request = parse_scan(input)
        if request.by_model is not None:
            require_model(ctx, "by_model has a model read the pages")
        limit = asyncio.timeout(request.timeout_s)
        try:
            pool = ctx.browser
            session = ScanSession(ctx, request, pool.sample_origin)
        except BrowserError as error:
            raise AgentFailure(error.message, code="startup_failed") from error
        try:
            async with (
                limit,
                pool.lease(ctx.run_id, BrowserConfig(), limit=limit) as lease,
                filmed(ctx, lease, request.video, lambda: session.verdict is Verdict.FAILED),
            ):
                await session.run(lease, limit)
        except TimeoutError:
            if not limit.expired():
                raise
        except (BrowserLost, ModelError, LimitExceeded) as error:
            raise await _failure(ctx, session, error) from error
        except BrowserError as error:  # a page's own errors are its results; this one is the browser's
            raise AgentFailure(error.message, code="startup_failed") from error
        await session.finish(late=limit.expired())
        return AgentResult(result=session.result(), verdict=session.verdict)


async def _failure(
    ctx: RunContext, session: ScanSession, error: BrowserLost | ModelError | LimitExceeded
) -> AgentFailure:
    """Return how a scan that cannot go on ends, with all that it has found."""
    if not isinstance(error, LimitExceeded):  # which may be that of artifacts
        await keep_of_failed(ctx, session.keep_items(), "The items are not kept")
    lost = isinstance(error, BrowserLost)
    return AgentFailure(
        error.message,
        code="browser_lost" if lost else error.code,
        retryable=lost or error.retryable,
        result=session.result(),
        limit=error.details.get("limit"),
    )
