"""Carries a scan out: the listing first, then the items' pages, some at once. Floor 4; the run's own thread and loop.

A page that cannot be opened or read is a result of its item. Only a lost browser ends the scan.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

from runwire.agents.evidence import Evidence
from runwire.agents.scan.by_model import ModelReader
from runwire.agents.scan.findings import Finding, Item, judged
from runwire.agents.scan.request import ScanRequest
from runwire.contracts.agent import RunContext
from runwire.contracts.browser import BrowserLease, Extraction, PageHandle
from runwire.errors import (
    BrowserError,
    BrowserLost,
    InvalidInput,
    LimitExceeded,
    ModelError,
    ModelNonsense,
    ModelRefused,
    ModelUnavailable,
    StorageUnavailable,
    TooLarge,
)
from runwire.runs.state import Verdict

RESULT_BYTES = 32_768
"""Most bytes of items in the run's result, which is an event of 64 KiB at most; all of them are in the artifact."""
MAX_ERROR = 500
HTTP_ERROR = 400
_LINK = "_link"
MOST_PICTURES = 20
"""Most pages that failed of which a picture is kept; a guess: they fail alike."""
SCREENSHOT_S = 2.0


class ScanSession:
    """One scan. ``sample_origin`` is what a relative address resolves against."""

    def __init__(self, ctx: RunContext, request: ScanRequest, sample_origin: str | None) -> None:
        self._ctx = ctx
        self._request = request
        self._origin = sample_origin
        self._title = ""
        self._items: list[Item] = []
        self._findings: list[Finding] = []
        self._told = 0
        self._judged = False
        self._pictures: dict[str, str] = {}
        """Artifacts by the name of the page that they show."""
        self._reader = None if request.by_model is None else ModelReader(ctx, request.by_model)

    async def run(self, lease: BrowserLease, limit: asyncio.Timeout | None = None) -> None:
        """Read the listing, then the items' pages, and judge. ``limit``: the scan's own, behind which logs are kept.

        Raises:
            BrowserLost: the browser is gone; :meth:`result` holds what was found up to there.
        """
        evidence = Evidence(self._ctx, lease, self._request.keep_logs)
        async with evidence.gathered(lambda: self.verdict, limit):
            await self._listing(lease)
            await self._ctx.text(f"{self._title}: {len(self._items)} items\n")
            if self._request.follows:
                await self._details(lease)
            self._judge()

    async def _details(self, lease: BrowserLease) -> None:
        """Read the items' pages, some at once."""
        waiting = deque(self._items)
        workers = [
            asyncio.create_task(self._work(lease, waiting)) for _ in range(min(self._request.parallel, len(waiting)))
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _listing(self, lease: BrowserLease) -> None:
        """Read the listing's pages, one after the other; one that fails is a finding, what was found before stays."""
        request, visited = self._request, list[str]()
        following: str | None = request.url
        while following is not None and len(self._items) < request.limit:
            place, number = following, len(visited) + 1
            try:
                url = self._absolute(place)
                if url in visited:  # the listing ends in a circle
                    return
                if number > request.max_pages:
                    await self._ctx.text(f"The listing goes on behind its {request.max_pages} pages (max_pages)\n")
                    return
                await self._ctx.progress(self._told, None, f"Listing, page {number}: {len(self._items)} items so far")
                visited.append(url)
                following = await self._listing_page(lease, url, number)
            except BrowserLost:
                raise
            except (BrowserError, ModelNonsense) as error:
                why = error.message[:MAX_ERROR]
                self._findings.append(Finding("listing", passed=False, detail=f"page {number}: {why}"))
                await self._ctx.text(f"Page {number} of the listing, {place[:200]}: {why}\n")
                return

    async def _listing_page(self, lease: BrowserLease, url: str, number: int) -> str | None:
        """Add the items of one page; return where the next one is."""
        request, limit_s = self._request, self._request.page_timeout_s
        async with self._page(lease, url, f"listing-{number:03d}") as page:
            self._title = self._title or await page.title()
            here = await page.url()
            found = await self._items_of(page, here, request.limit - len(self._items))
            self._items += found
            if not request.follows:
                for item in found:
                    await self._tell(item)
            if request.next is None:
                return None
            rows = await page.extract(Extraction("", {_LINK: request.next}), timeout_s=limit_s)
        following = rows[0].get(_LINK) if rows else None
        return _joined(here, following, "its link to the next page") if following else None

    async def _items_of(self, page: PageHandle, here: str, most: int) -> list[Item]:
        """Return the items on a page of the listing, at most so many, numbered on."""
        request, first = self._request, len(self._items) + 1
        if self._reader is not None:
            read = await self._reader.items(page, most, request.page_timeout_s)
            return [Item(index, one.fields, one.link, one.error) for index, one in enumerate(read, start=first)]
        fields = {**request.fields, **({} if request.follow is None else {_LINK: request.follow})}
        rows = await page.extract(Extraction(request.item, fields, most), timeout_s=request.page_timeout_s)
        return [_item(index, row, here) for index, row in enumerate(rows, start=first)]

    @asynccontextmanager
    async def _page(self, lease: BrowserLease, url: str, name: str) -> AsyncIterator[PageHandle]:
        """Open a page; if it cannot be read, or the site answers with an error, a picture of it is kept."""
        limit_s = self._request.page_timeout_s
        async with lease.page() as page:
            status = await page.goto(url, timeout_s=limit_s)
            try:
                if status >= HTTP_ERROR:
                    raise BrowserError(f"{url[:200]} was answered with HTTP {status}")
                yield page
            except BrowserLost:
                raise
            except (BrowserError, ModelNonsense, InvalidInput):
                await self._picture(page, name)
                raise

    async def _picture(self, page: PageHandle, name: str) -> None:
        """Keep a picture of a page that has failed, of the first few. What cannot be had is told."""
        if len(self._pictures) >= MOST_PICTURES:
            return
        try:
            data = await page.screenshot(timeout_s=SCREENSHOT_S)
            kept = await self._ctx.artifacts.save(kind="screenshot", name=f"{name}.png", mime="image/png", data=data)
        except (BrowserError, TooLarge, StorageUnavailable) as error:
            await self._ctx.text(f"{name}: no screenshot: {error.message[:MAX_ERROR]}\n")
            return
        self._pictures[name] = kept.id

    async def _work(self, lease: BrowserLease, waiting: deque[Item]) -> None:
        while waiting:
            item = waiting.popleft()
            try:
                await self._detail(lease, item)
            except (BrowserLost, LimitExceeded, ModelUnavailable, ModelRefused):
                raise  # no other item would fare better
            except (BrowserError, ModelError, InvalidInput) as error:
                item.error = error.message[:MAX_ERROR]
                item.artifact_id = self._pictures.get(_picture_of(item))
            await self._tell(item)

    async def _detail(self, lease: BrowserLease, item: Item) -> None:
        if item.error is not None:  # the listing's own; there is no way on
            return
        if item.url is None:
            raise BrowserError("the item has no link to a page of its own")
        limit_s = self._request.page_timeout_s
        async with self._page(lease, item.url, _picture_of(item)) as page:
            if self._reader is not None:
                item.fields |= await self._reader.detail(page, limit_s)
            elif self._request.detail:
                rows = await page.extract(Extraction("", self._request.detail), timeout_s=limit_s)
                item.fields |= rows[0] if rows else {}

    async def _tell(self, item: Item) -> None:
        item.done = True
        self._told += 1
        await self._ctx.emit({"type": "CUSTOM", "name": "runwire.item", "value": item.as_json()})
        label = f"item {item.index}: {next(iter(item.fields.values()), '')}"
        await self._ctx.progress(self._told, len(self._items), label[:100])

    def _absolute(self, url: str) -> str:
        if urlsplit(url).scheme:
            return url
        if self._origin is None:
            raise BrowserError(f"{url!r} is a relative address, and this server has no sample site; write http://…")
        return urljoin(self._origin + "/", url)

    # The result

    def _judge(self) -> None:
        self._judged = True
        for item in self._items:
            if not item.done:
                item.error = item.error or "not read: the scan ended before"
        self._findings += judged(self._request.judge, self._items)

    async def finish(self, *, late: bool) -> None:
        """Tell the findings and keep all items as an artifact. ``late``: the scan's own limit has passed."""
        if late and not self._judged:
            detail = f"the limit of {self._request.timeout_s:g} s has passed"
            self._findings.append(Finding("timeout", passed=False, detail=detail))
            self._judge()
        for name, selector in {**self._request.fields, **self._request.detail}.items():
            if self._items and not any(name in item.fields for item in self._items):
                await self._ctx.text(f"No item has a {name!r}: its selector {selector!r} fits nothing\n")
        for finding in self._findings:
            await self._ctx.text(f"{'PASSED' if finding.passed else 'FAILED'} {finding.rule}: {finding.detail}\n")
        await self.keep_items()

    async def keep_items(self) -> None:
        """Keep all that was found as an artifact, also of a scan that fails."""
        data = json.dumps([item.as_json() for item in self._items], ensure_ascii=False, indent=1).encode()
        try:
            await self._ctx.artifacts.save(kind="items", name="items.json", mime="application/json", data=data)
        except (TooLarge, StorageUnavailable) as error:
            await self._ctx.text(f"The items are not kept: {error.message}\n")

    @property
    def verdict(self) -> Verdict:
        """Passed if every finding did."""
        return Verdict.PASSED if all(finding.passed for finding in self._findings) else Verdict.FAILED

    def result(self) -> dict[str, Any]:
        """Return the run's result: as many items as it may hold."""
        items, size = [], 0
        for item in self._items:
            size += len(json.dumps(item.as_json()))
            if size > RESULT_BYTES:
                break
            items.append(item.as_json())
        return {
            "url": self._request.url,
            "title": self._title,
            "total": len(self._items),
            "passed": sum(item.error is None for item in self._items),
            "findings": [finding.as_json() for finding in self._findings],
            "items": items,
            "complete": len(items) == len(self._items),
        }


def _item(index: int, row: dict[str, str], here: str) -> Item:
    """Return the item that a page of the listing tells; a link that leads nowhere is its error."""
    link = row.pop(_LINK, "")
    try:
        return Item(index, dict(row), _joined(here, link, "its link") if link else None)
    except BrowserError as error:
        return Item(index, dict(row), error=error.message)


def _joined(here: str, link: str, what: str) -> str:
    """Return where a page's link leads. Raises BrowserError: pages may hold half an address, ``http://[x``."""
    try:
        return urljoin(here, link)
    except ValueError as error:
        raise BrowserError(f"{what}, {link[:200]!r}, is no address") from error


def _picture_of(item: Item) -> str:
    return f"item-{item.index:03d}"
