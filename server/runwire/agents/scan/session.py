"""Carries a scan out: the listing first, then the items' pages, some at once. Floor 4; the run's own thread and loop.

A page that cannot be opened or read is a result of its item. Only a lost browser ends the scan.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any
from urllib.parse import urljoin, urlsplit

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
        self._reader = None if request.by_model is None else ModelReader(ctx, request.by_model)

    async def run(self, lease: BrowserLease) -> None:
        """Read the listing, then the items' pages.

        Raises:
            BrowserLost: the browser is gone; :meth:`result` holds what was found up to there.
        """
        try:
            self._items = await self._listing(lease)
        except BrowserLost:
            raise
        except (BrowserError, ModelNonsense) as error:
            self._findings.append(Finding("listing", passed=False, detail=error.message[:MAX_ERROR]))
            await self._ctx.text(f"The listing could not be read: {error.message[:MAX_ERROR]}\n")
            return
        await self._ctx.text(f"{self._title}: {len(self._items)} items\n")
        if not self._request.follows:
            for item in self._items:
                await self._tell(item)
            return
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

    async def _listing(self, lease: BrowserLease) -> list[Item]:
        if self._reader is not None:
            return await self._listing_by_model(lease, self._reader)
        request = self._request
        fields = {**request.fields, **({} if request.follow is None else {_LINK: request.follow})}
        limit_s = request.page_timeout_s
        async with lease.page() as page:
            await _open(page, self._absolute(request.url), limit_s)
            self._title = await page.title()
            here = await page.url()
            rows = await page.extract(Extraction(request.item, fields, request.limit), timeout_s=limit_s)
        items = []
        for index, row in enumerate(rows, start=1):
            link = row.pop(_LINK, "")
            items.append(Item(index, row, urljoin(here, link) if link else None))
        return items

    async def _listing_by_model(self, lease: BrowserLease, reader: ModelReader) -> list[Item]:
        limit_s = self._request.page_timeout_s
        async with lease.page() as page:
            await _open(page, self._absolute(self._request.url), limit_s)
            self._title = await page.title()
            found = await reader.items(page, self._request.limit, limit_s)
        return [Item(index, one.fields, one.link, one.error) for index, one in enumerate(found, start=1)]

    async def _work(self, lease: BrowserLease, waiting: deque[Item]) -> None:
        while waiting:
            item = waiting.popleft()
            try:
                await self._detail(lease, item)
            except (BrowserLost, LimitExceeded, ModelUnavailable, ModelRefused):
                raise  # no other item would fare better
            except (BrowserError, ModelError, InvalidInput) as error:
                item.error = error.message[:MAX_ERROR]
            await self._tell(item)

    async def _detail(self, lease: BrowserLease, item: Item) -> None:
        if item.error is not None:  # the listing's own; there is no way on
            return
        if item.url is None:
            raise BrowserError("the item has no link to a page of its own")
        limit_s = self._request.page_timeout_s
        async with lease.page() as page:
            await _open(page, item.url, limit_s)
            if self._reader is not None:
                item.fields |= await self._reader.detail(page, limit_s)
            elif self._request.detail:
                rows = await page.extract(Extraction("", self._request.detail), timeout_s=limit_s)
                item.fields |= rows[0] if rows else {}

    async def _tell(self, item: Item) -> None:
        item.done = True
        self._told += 1
        await self._ctx.emit({"type": "CUSTOM", "name": "runwire.item", "value": item.as_json()})
        await self._ctx.progress(self._told, len(self._items), str(next(iter(item.fields.values()), ""))[:80])

    def _absolute(self, url: str) -> str:
        if urlsplit(url).scheme:
            return url
        if self._origin is None:
            raise BrowserError(f"{url!r} is a relative address, and this server has no sample site; write http://…")
        return urljoin(self._origin + "/", url)

    # The result

    async def finish(self, *, late: bool) -> None:
        """Judge the site and keep all items as an artifact. ``late``: the scan's own limit has passed."""
        for item in self._items:
            if not item.done:
                item.error = item.error or "not read: the scan ended before"
        if late:
            detail = f"the limit of {self._request.timeout_s:g} s has passed"
            self._findings.append(Finding("timeout", passed=False, detail=detail))
        self._findings += judged(self._request.judge, self._items)
        for finding in self._findings:
            await self._ctx.text(f"{'PASSED' if finding.passed else 'FAILED'} {finding.rule}: {finding.detail}\n")
        await self._keep()

    async def _keep(self) -> None:
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


async def _open(page: PageHandle, url: str, limit_s: float) -> None:
    """Open a page; one that the site answers with an error is none."""
    status = await page.goto(url, timeout_s=limit_s)
    if status >= HTTP_ERROR:
        raise BrowserError(f"{url[:200]} was answered with HTTP {status}")
