"""Mission row E5: the scanning agent, in real Chromium: errors and time-outs are results."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from runwire.agents.scan import ScanAgent
from runwire.browser.host import BrowserHost
from runwire.contracts.agent import AgentResult
from runwire.runs.state import Verdict
from runwire.testing.context import RecordingContext
from tests.browser.conftest import EXAMPLES

pytestmark = pytest.mark.timeout(30)
LISTING = {"url": "/listing/index.html", "item": "li", "fields": {"name": "a", "price": "b"}, "follow": "a@href"}


async def scan(host: BrowserHost, **request: Any) -> tuple[AgentResult, RecordingContext]:
    ctx = RecordingContext(host)
    return await ScanAgent().run(ctx, request), ctx


def told(ctx: RecordingContext) -> list[dict[str, Any]]:
    return [event["value"] for event in ctx.events if event.get("name") == "runwire.item"]


async def test_e5_example_reads_every_item_and_its_page_and_passes(host: BrowserHost) -> None:
    request = json.loads((EXAMPLES / "scans" / "catalogue.json").read_text(encoding="utf-8"))
    result, ctx = await scan(host, **request)
    assert [finding for finding in result.result["findings"] if not finding["passed"]] == []
    assert result.verdict is Verdict.PASSED
    items = result.result["items"]
    assert [item["index"] for item in items] == [1, 2, 3, 4, 5, 6]
    assert items[2]["fields"] == {
        "title": "Clouds and maps",
        "price": "€18.90",
        "author": "Mei Tanaka",
        "description": "How people learned to draw what they could not see.",
        "stock": "3",
    }
    assert sorted(item["index"] for item in told(ctx)) == [1, 2, 3, 4, 5, 6], "each was told as it was found"
    (kept,) = ctx.artifacts.saved.values()
    assert json.loads(kept) == items


async def test_e5_pages_that_fail_are_results_and_the_others_are_read(host: BrowserHost) -> None:
    result, _ = await scan(host, **LISTING, detail={"text": ".text"}, page_timeout_s=1.0, judge={"required": ["text"]})
    assert result.verdict is Verdict.FAILED
    items = {item["fields"].get("name"): item for item in result.result["items"]}
    assert items["Good"]["fields"]["text"] == "All is well."
    assert items["Good"]["status"] == "FOUND"
    assert "HTTP 404" in items["Absent"]["error"]
    assert "not public" in items["Private"]["error"]
    assert items["Silent"]["status"] == "FAILED"
    assert "no link" in items[None]["error"]
    failed = {finding["rule"]: finding["detail"] for finding in result.result["findings"] if not finding["passed"]}
    assert set(failed) == {"max_failed", "required text"}
    assert failed["max_failed"] == "4 pages failed: 2, 3, 4, 5"


async def test_e5_listing_that_cannot_be_read_is_a_result(host: BrowserHost) -> None:
    for wrong in ({"url": "/nowhere.html"}, {"item": "article"}, {"item": "li["}, {"url": "file:///etc/passwd"}):
        result, _ = await scan(host, **{**LISTING, **wrong}, page_timeout_s=1.0)
        assert result.verdict is Verdict.FAILED
        first = result.result["findings"][0]
        assert (first["rule"], first["passed"]) == ("listing", False)


async def test_e5_its_own_limit_is_a_result_with_what_was_found(host: BrowserHost) -> None:
    begun = time.monotonic()
    result, _ = await scan(host, **LISTING, parallel=1, page_timeout_s=20, timeout_s=2.0)
    assert time.monotonic() - begun < 8.0
    assert result.verdict is Verdict.FAILED
    assert "timeout" in {finding["rule"] for finding in result.result["findings"] if not finding["passed"]}
    statuses = [item["status"] for item in result.result["items"]]
    assert statuses[0] == "FOUND"
    assert "not read" in result.result["items"][-1]["error"]


async def test_e5_pages_are_open_at_once_up_to_the_number_asked_for(host: BrowserHost) -> None:
    """Four silent pages of a second each: one after the other they take four seconds."""
    silent = {**LISTING, "url": "/silent-listing"}
    begun = time.monotonic()
    result, _ = await scan(host, **silent, parallel=4, page_timeout_s=1.5)
    assert result.result["total"] == 4
    assert time.monotonic() - begun < 4.5


async def test_e5_cancel_closes_every_page_and_gives_the_slot_back(host: BrowserHost) -> None:
    ctx = RecordingContext(host)
    running = asyncio.create_task(
        ScanAgent().run(ctx, {**LISTING, "url": "/silent-listing", "parallel": 4, "page_timeout_s": 20})
    )
    await asyncio.sleep(1.5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert host.statistics().leased == 0
