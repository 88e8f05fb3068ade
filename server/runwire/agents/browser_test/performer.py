"""Does one step on a page: variables, addresses, limits. Floor 4; the run's own thread and loop."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from runwire.contracts.browser import PageHandle
from runwire.errors import BrowserError
from runwire.protocol.steps.actions import (
    Action,
    InFrame,
    Navigate,
    Remember,
    SetVariable,
    Step,
    VerifyDownload,
    WaitSeconds,
)
from runwire.protocol.steps.variables import expand, expand_text

LOOK_S = 1.0
"""Bound on reading address and title after a step."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """Where a page is: its address (from the root, if it is on the sample site) and its title."""

    url: str
    title: str


class Performer:
    """Carries out the steps of one test. ``variables`` are those of the current row, changed by the steps."""

    def __init__(self, url: str | None, step_timeout_s: float, sample_origin: str | None) -> None:
        """``url`` is where the test starts; relative addresses resolve against ``sample_origin``."""
        self.variables: dict[str, str] = {}
        self._url = url
        self._limit_s = step_timeout_s
        self._origin = sample_origin

    async def perform(self, page: PageHandle, step: Step) -> str | None:
        """Do it once; return the id of the download that it verified, if it did. Raises BrowserError, InvalidInput (a
        variable has no value).
        """
        action = expand(step.action, self.variables)
        if step.index == 1 and self._url is not None and not isinstance(action, Navigate):
            await page.goto(self._start(), timeout_s=self._limit_s)
        if isinstance(action, SetVariable):
            self.variables[action.name] = action.value
            return None
        found = await page.perform(self._resolved(action), timeout_s=_limit(action, self._limit_s))
        inner = action.action if isinstance(action, InFrame) else action
        if isinstance(inner, Remember):
            self.variables[inner.name] = found or ""
        return found if isinstance(inner, VerifyDownload) else None

    async def open_start(self, page: PageHandle) -> None:
        """Open where the test starts, if it says so. Raises BrowserError, InvalidInput."""
        if self._url is not None:
            await page.goto(self._start(), timeout_s=self._limit_s)

    async def where(self, page: PageHandle) -> PageFacts | None:
        """Return where the page is, or None if it cannot say: that is no fault of the step before."""
        try:
            url, title = await page.url(timeout_s=LOOK_S), await page.title(timeout_s=LOOK_S)
        except BrowserError:
            return None
        if self._origin is not None:
            url = url.removeprefix(self._origin)
        return PageFacts(url, title)

    def _start(self) -> str:
        return absolute(expand_text(self._url or "", self.variables), self._origin)

    def _resolved(self, action: Action) -> Action:
        if not isinstance(action, Navigate):
            return action
        base = "" if self._url is None else self._start()
        return Navigate(absolute(action.url, self._origin, base))


def absolute(url: str, origin: str | None, base: str = "") -> str:
    """Return an address with its host: a relative one is of ``base``, else of the sample sites' ``origin``.

    Raises BrowserError: there is no such origin, or it is no address.
    """
    try:
        joined = urljoin(base, url)
        if urlsplit(joined).scheme:
            return joined
    except ValueError as error:  # half an address: http://[x
        raise BrowserError(f"{url[:200]!r} is no address: {error}") from error
    if origin is None:
        raise BrowserError(f"{joined!r} is a relative address, and this server has no sample site; write http://…")
    return urljoin(origin + "/", joined)


def _limit(action: Action, limit_s: float) -> float:
    """Return the step's limit; a pause that the test asks for is not held against it."""
    return max(limit_s, action.seconds + 1.0) if isinstance(action, WaitSeconds) else limit_s
