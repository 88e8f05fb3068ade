"""The agents ``browser-test`` and ``browser-replay``.

Floor 4; they run on the run's own thread and know browsers only through their contract.

The step language is loaded with the first test (some 40 ms, once): a server starts without it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from runwire.contracts.agent import AgentFailure, AgentResult, RunContext
from runwire.errors import BrowserError, BrowserLost
from runwire.protocol.steps.shape import INPUT_SCHEMA, REPLAY_SCHEMA
from runwire.runs.state import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwire.agents.browser_test.session import TestSession
    from runwire.protocol.steps.testfile import BrowserTest


class BrowserTestAgent:
    """Carries out a browser test written as plain sentences, in a fresh headless Chromium context.

    A test that was carried through ends SUCCEEDED with its verdict, passed or failed. A run is FAILED when the test
    could not be carried out: ``startup_failed`` (no browser), ``browser_lost``, ``timeout`` (the test's own limit);
    the result then holds the steps that were done.
    """

    description: ClassVar[str] = "Carries out a test of a web site, written as plain sentences, in headless Chromium."
    input_schema: ClassVar[dict[str, Any]] = INPUT_SCHEMA
    needs_browser: ClassVar[bool] = True

    @staticmethod
    def validate_input(input: Any) -> None:
        """Refuse a test that could not be carried out. Raises InvalidInput, such as ``step 3: no target given``;
        UnknownSentence where only a model could read it.
        """
        from runwire.protocol.steps.testfile import parse_test

        parse_test(input)

    async def run(self, ctx: RunContext, input: Any) -> AgentResult:
        """Carry the test out. Cancelling it closes page and context within a bound and passes the cancellation on.

        Raises:
            InvalidInput: the input is no test.
            AgentFailure: it could not be carried out.
        """
        from runwire.agents.browser_test.reading import SentenceReader
        from runwire.agents.browser_test.session import TestSession
        from runwire.protocol.steps.testfile import parse_loosely

        test = parse_loosely(input)
        await SentenceReader(ctx, test).require()
        return await carry_out(ctx, test, lambda origin: TestSession(ctx, test, origin))


class BrowserReplayAgent:
    """Does a recorded traversal again, without a model, and tells step by step where the page is no longer the same.

    A step is PASSED if it came out as recorded, with the page where it was then; the verdict is ``passed`` if every
    step is. Else as ``browser-test``.
    """

    description: ClassVar[str] = "Does a recorded browser run again and tells where the page has changed."
    input_schema: ClassVar[dict[str, Any]] = REPLAY_SCHEMA
    needs_browser: ClassVar[bool] = True

    @staticmethod
    def validate_input(input: Any) -> None:
        """Refuse what cannot be done again. Raises InvalidInput that names the missing variable or file."""
        from runwire.protocol.steps.recorded import parse_replay

        parse_replay(input)

    async def run(self, ctx: RunContext, input: Any) -> AgentResult:
        """Do the traversal again. Raises as ``BrowserTestAgent.run``."""
        from runwire.agents.browser_test.replay import ReplaySession
        from runwire.protocol.steps.recorded import parse_replay

        replay = parse_replay(input)
        return await carry_out(ctx, replay.test, lambda origin: ReplaySession(ctx, replay, origin))


async def carry_out(
    ctx: RunContext, test: BrowserTest, make_session: Callable[[str | None], TestSession]
) -> AgentResult:
    """Carry a session out on a page of its own, within the test's limit. ``make_session`` gets the sample origin.

    Raises:
        AgentFailure: it could not be carried out.
    """
    from runwire.agents.browser_test.configuration import browser_config
    from runwire.agents.video import filmed

    session: TestSession | None = None
    limit = asyncio.timeout(test.timeout_s)
    try:
        pool = ctx.browser
        session = made = make_session(pool.sample_origin)
        made.limit = limit
        config = browser_config(test.browser)
        async with (
            limit,
            pool.lease(ctx.run_id, config, limit=limit) as lease,
            filmed(ctx, lease, test.browser.video, lambda: made.report.verdict is Verdict.FAILED),
        ):
            await made.run(lease)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _failure(f"the test's limit of {test.timeout_s:g} s has passed", "timeout", session) from error
    except BrowserError as error:  # a step's own errors are its result; these are the browser's
        lost = isinstance(error, BrowserLost) and session is not None and session.started
        code = "browser_lost" if lost else "startup_failed"
        raise _failure(error.message, code, session, retryable=lost) from error
    return AgentResult(result=session.report.as_json(), verdict=session.report.verdict)


def _failure(message: str, code: str, session: TestSession | None, *, retryable: bool = False) -> AgentFailure:
    result = None if session is None else session.report.as_json()
    return AgentFailure(message, code=code, retryable=retryable, result=result)
