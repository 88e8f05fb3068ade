"""Stagehand on a run's own browser: everything that is asked of it, bounded, with our errors. Floor 4; the run's own
thread and loop.

Stagehand is an extension that works inside the browser, and a client here; both speak CDP. It gets no key and no
address of a model, keeps no cache, sends no telemetry and writes no log.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import structlog
from pydantic import RootModel
from stagehand import (
    Action,
    DefaultExtract,
    Page,
    Stagehand,
    StagehandBrowser,
    StagehandClientLoggingConfig,
    local_browser,
)
from stagehand.cdp_client import CDPConnectionClosedError
from stagehand.extension_assets import extension_directory
from stagehand.rpc_client import RPCError
from websockets.exceptions import WebSocketException

from runwire.agents.stagehand.answers import Answers
from runwire.agents.stagehand.facts import facts_of, question
from runwire.agents.stagehand.witness import Witness, witness_at
from runwire.contracts.browser import BrowserConfig, ElementFacts, OwnBrowser, Snapshot
from runwire.contracts.model import ChatModel
from runwire.errors import BrowserError, BrowserLost, BrowserTimeout, BrowserUnavailable

T = TypeVar("T")
log = structlog.get_logger(__name__)

EXTENSION = os.path.realpath(extension_directory())
"""Where the part of Stagehand lies that works inside the browser."""
ATTACH_S = 20.0
"""How long Stagehand may take to get ready; a guess, it takes less than a second."""
DETACH_S = 0.4
"""How long it may take to leave; the browser is ended next by the host, so nothing depends on it."""
MAX_TREE = 20_000
"""Most characters of a page that the model is shown; as many as a snapshot has."""
MAX_MESSAGE = 600
LOOK_S = 5.0
"""Bound on looking at the page; a guess."""

# Nobody is there to answer a dialog, and an open one stops everything on its page.
_NO_DIALOGS = """
window.alert = () => {}; window.confirm = () => false; window.prompt = () => null; window.print = () => {};
addEventListener('beforeunload', event => event.stopImmediatePropagation(), true);
"""


@asynccontextmanager
async def attached(
    own: OwnBrowser, model: ChatModel, config: BrowserConfig, step_timeout_s: float
) -> AsyncIterator[Hand]:
    """Give Stagehand on a browser for a block. Entering raises BrowserUnavailable, within a bound."""
    answers = Answers(model)
    browser: StagehandBrowser | None = None
    beside = AsyncExitStack()
    try:
        try:
            async with asyncio.timeout(ATTACH_S):
                browser = await local_browser.connect(cdp_url=own.cdp_url)
                stagehand = await Stagehand.create(
                    browser=browser,
                    model=answers.generate,
                    # What a person has allowed is one element; healing would take another one.
                    self_heal=False,
                    logging=StagehandClientLoggingConfig(level="off"),
                )
                await browser.context.add_init_script(_NO_DIALOGS)
                witness = await beside.enter_async_context(witness_at(own.cdp_url))
                hand = Hand(own, stagehand, browser, witness, answers, step_timeout_s)
                await hand.open(config)
        except TimeoutError as error:
            raise BrowserUnavailable(f"Stagehand was not ready within {ATTACH_S:g} s") from error
        except (RuntimeError, OSError, WebSocketException) as error:
            raise BrowserUnavailable(f"Stagehand does not start: {_message(error)}") from error
        yield hand
    finally:
        if browser is not None:  # ends the client, with whatever it still asks the model, and the browser
            await _left(browser.close())
        await _left(beside.aclose())


class Hand:
    """What a task does with Stagehand. The page is always the one in front.

    Every call raises BrowserTimeout after the step's time (a model's thinking is not counted), BrowserLost when the
    browser has gone, BrowserError when Stagehand or the page refused, and whatever the model could not answer for.
    """

    def __init__(
        self,
        own: OwnBrowser,
        stagehand: Stagehand,
        browser: StagehandBrowser,
        witness: Witness,
        answers: Answers,
        timeout_s: float,
    ) -> None:
        self._own = own
        self._witness = witness
        self._stagehand = stagehand
        self._browser = browser
        self._answers = answers
        self._timeout_s = timeout_s

    async def open(self, config: BrowserConfig) -> None:
        """Make the first page as large as the run wants it."""
        await (await self._page()).set_viewport_size(config.width, config.height)

    async def goto(self, url: str) -> None:
        """Open an absolute address that the run may visit."""
        await self._own.check(url)
        await self._done(self._goto(url), self._timeout_s)

    async def go(self, direction: str) -> None:
        """Move in the page's history, or load it again: ``back``, ``forward``, ``reload``."""
        await self._done(self._go(direction), self._timeout_s)

    async def find(self, instruction: str) -> list[Action]:
        """Return what Stagehand would do for an instruction, the best first. Asks the model."""
        return (await self._done(self._stagehand.observe(instruction), self._timeout_s)).data

    async def facts(self, selector: str | None) -> ElementFacts | None:
        """Return what the element at a selector is, or what has the focus; None if it cannot be looked at."""
        return facts_of(await self._done(self._tell(question(selector)), LOOK_S))

    async def act(self, action: Action) -> None:
        """Do exactly this. Asks no model."""
        done = (await self._done(self._stagehand.act(action), self._timeout_s)).data
        if not done.success:
            raise BrowserError(done.message[:MAX_MESSAGE])

    async def extract(self, instruction: str, schema: dict[str, Any] | None) -> Any:
        """Return what Stagehand reads from the page, a text or a value of the schema. Asks the model twice."""
        if schema is None:
            plain = await self._done(self._stagehand.extract(instruction, DefaultExtract), self._timeout_s)
            return plain.data.extraction
        found = await self._done(self._stagehand.extract(instruction, _shaped(schema)), self._timeout_s)
        return found.data.root

    async def url(self) -> str:
        """Return the current address."""
        return await self._done(self._url(), LOOK_S)

    async def look(self) -> Snapshot:
        """Return the page as Stagehand knows it; what passwords hold is left out by Chromium."""
        return await self._done(self._look(), LOOK_S)

    async def picture(self) -> bytes:
        """Return a PNG of the viewport."""
        return await self._done(self._picture(), LOOK_S)

    async def _page(self) -> Page:
        context = self._browser.context
        return await context.active_page() or await context.new_page()

    async def _goto(self, url: str) -> None:
        await (await self._page()).goto(url, timeout=round(self._timeout_s * 1000))

    async def _go(self, direction: str) -> None:
        page = await self._page()
        moves = {"back": page.go_back, "forward": page.go_forward, "reload": page.reload}
        await moves[direction](timeout=round(self._timeout_s * 1000))

    async def _tell(self, script: str) -> Any:
        return await self._witness.tell((await self._page()).page_id, script)

    async def _url(self) -> str:
        return await (await self._page()).url()

    async def _look(self) -> Snapshot:
        page = await self._page()
        tree = (await page.snapshot()).formatted_tree
        left_out = "" if len(tree) <= MAX_TREE else "\n… the rest is left out"
        return Snapshot(await page.url(), await page.title(), tree[:MAX_TREE] + left_out)

    async def _picture(self) -> bytes:
        return await (await self._page()).screenshot()

    async def _done(self, work: Awaitable[T], limit_s: float) -> T:
        """Return what the work comes to, within a limit that stands still while a model thinks."""
        limit = asyncio.timeout(limit_s)
        self._answers.begin(limit)
        try:
            async with limit:
                return await work
        except TimeoutError as error:
            raise BrowserTimeout(f"Stagehand was not done within {limit_s:g} s") from error
        except CDPConnectionClosedError as error:
            raise BrowserLost("the browser has gone") from error
        except RPCError as error:
            raise self._answers.end() or BrowserError(_message(error)) from error
        except ValueError as error:  # what Stagehand was told does not have the shape that it promises
            raise BrowserError(f"Stagehand's answer has another shape: {_message(error)}") from error
        except RuntimeError as error:  # its client has been closed: it says so of every call
            raise BrowserLost(_message(error)) from error
        finally:
            self._answers.end()


def _shaped(schema: dict[str, Any]) -> type[RootModel[Any]]:
    """Return what Stagehand takes for a schema: a class that tells it. Whether the value fits is checked elsewhere."""

    class Shaped(RootModel[Any]):
        @classmethod
        def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
            return schema

    return Shaped


def _message(error: BaseException) -> str:
    """Return the first line of an error, or its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:MAX_MESSAGE] if lines else type(error).__name__


async def _left(leaving: Awaitable[None]) -> None:
    """Wait within a bound until Stagehand has left; what it says on its way out changes no outcome."""
    try:
        async with asyncio.timeout(DETACH_S):
            await leaving
    except Exception as error:  # foreign code at its end, in a browser that ends next
        log.debug("stagehand.not_detached", error=repr(error))
