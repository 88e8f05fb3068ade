"""The scan agent's input and judgement. No browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from runwire.agents.scan import ScanAgent
from runwire.agents.scan.findings import Item, judged
from runwire.agents.scan.request import Judge, Span, parse_scan
from runwire.contracts.agent import AgentFailure
from runwire.contracts.browser import Extraction, PageHandle
from runwire.errors import BrowserError, BrowserLost, BrowserTimeout, InvalidInput, LimitExceeded
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedHandle, ScriptedPool

GOOD: dict[str, Any] = {"url": "/a", "item": "li", "fields": {"name": "b", "price": "i"}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": ""}, "url"),
        ({"fields": {}}, "fields"),
        ({"fields": {"no name": "b"}}, "fields"),
        ({"detail": {"text": "p"}}, "follow"),
        ({"follow": "a@href", "detail": {"name": "p"}}, "'name' stands in fields and in detail"),
        ({"judge": {"required": ["nme"]}}, "'nme', which is no field; there are: name, price"),
        ({"judge": {"regex": "(a+)+"}}, "regex"),
        ({"parallel": 6}, "parallel"),
        ({"max_pages": 0}, "max_pages"),
        ({"limit": 501}, "limit"),
        ({"script": "x"}, "script"),
    ],
)
def test_a_scan_that_could_not_be_carried_out_is_refused_by_name(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_scan({**GOOD, **change})


NAMED = {"type": "object", "properties": {"name": {"type": "string"}}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"by_model": {}}, "schema"),
        ({"by_model": {"schema": {"type": "array"}}}, "must be of the type object"),
        ({"by_model": {"schema": {"type": "nonsense", "properties": {}}}}, "nonsense"),
        ({"by_model": {"schema": NAMED, "link": "href"}}, "'href', which is no property"),
        ({"by_model": {"schema": NAMED, "detail_schema": NAMED}}, "needs link"),
        ({"by_model": {"schema": NAMED, "link": "name", "detail_schema": NAMED}}, "'name' stands in schema and in"),
        ({"by_model": {"schema": NAMED}, "item": "li", "fields": {"a": "b"}}, "in place of item"),
        ({"by_model": {"schema": NAMED}, "follow": "a@href"}, "in place of item"),
        ({"by_model": {"schema": NAMED}, "judge": {"required": ["nme"]}}, "'nme', which is no field; there are: name"),
        ({}, "give item and fields"),
    ],
)
def test_a_scan_by_a_model_that_could_not_be_carried_out_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_scan({"url": "/a", **change})


def test_the_schema_names_every_member() -> None:
    schema = ScanAgent.input_schema
    assert schema["required"] == ["url"]
    assert {"item", "fields", "by_model", "follow", "detail", "judge", "limit", "parallel"} <= set(schema["properties"])


def test_each_rule_says_which_items_break_it() -> None:
    items = [
        Item(1, {"name": "a", "price": "€ 1,200.50"}),
        Item(2, {"name": "a", "price": "free"}),
        Item(3, {"price": "-3"}, error="gone"),
    ]
    judge = Judge(
        min_items=4, required=("name",), numbers={"price": Span(min=0, max=2_000)}, unique=("name",), max_failed=1
    )
    found = {finding.rule: (finding.passed, finding.detail) for finding in judged(judge, items)}
    assert found == {
        "min_items": (False, "3 items, at least 4 wanted"),
        "max_failed": (True, "1 pages failed: 3"),
        "required name": (False, "1 items have no name: 3"),
        "number price": (False, "2 items have a price that is none or out of bounds: 2, 3"),
        "unique name": (False, "2 items share their name: 1, 2"),
    }


async def test_no_browser_is_startup_failed() -> None:
    with pytest.raises(AgentFailure) as failed:
        await ScanAgent().run(RecordingContext(ScriptedPool(unavailable="no Chromium")), GOOD)
    assert (failed.value.code, failed.value.message) == ("startup_failed", "no Chromium")


async def test_a_listing_without_items_is_judged() -> None:
    ctx = RecordingContext(ScriptedPool())
    result = await ScanAgent().run(ctx, GOOD)
    assert result.verdict == "failed"
    assert ctx.text_lines[-2:] == ["FAILED min_items: 0 items, at least 1 wanted", "PASSED max_failed: no pages failed"]


@dataclass(eq=False)
class Site(ScriptedPool):
    """Pages by their address: items, and the field ``_link`` of the page as a whole; what raises is an exception."""

    rows: Mapping[str, list[dict[str, str]] | Exception] = field(default_factory=dict)
    following: Mapping[str, str] = field(default_factory=dict)

    def handle(self) -> PageHandle:
        return _Page(self.answers, site=self)


@dataclass(eq=False)
class _Page(ScriptedHandle):
    site: Site = field(default_factory=Site)

    async def extract(self, what: Extraction, *, timeout_s: float) -> list[dict[str, str]]:
        here = urlsplit(await self.url()).path
        if not what.item:
            return [{"_link": self.site.following[here]}] if here in self.site.following else [{}]
        rows = self.site.rows[here]
        if isinstance(rows, Exception):
            raise rows
        return [dict(row) for row in rows[: what.limit]]


PAGED = {**GOOD, "next": "a@href"}
TWO: dict[str, Any] = {"/a": [{"name": "1"}, {"name": "2"}], "/b": [{"name": "3"}]}


def names(result: dict[str, Any]) -> list[str]:
    return [item["fields"]["name"] for item in result["items"]]


def kept(ctx: RecordingContext) -> list[str]:
    return [event["value"]["name"] for event in ctx.events if event.get("name") == "runwire.artifact"]


async def test_a_listing_of_several_pages_is_read_up_to_its_limits() -> None:
    around = {"/a": "/b", "/b": "/a"}
    ctx = RecordingContext(Site(rows=TWO, following=around))
    result = await ScanAgent().run(ctx, PAGED)
    assert (names(result.result), result.verdict) == (["1", "2", "3"], "passed")
    assert [label for _, _, label in ctx.steps_done if label.startswith("Listing")] == [
        "Listing, page 1: 0 items so far",
        "Listing, page 2: 2 items so far",
    ]
    assert "No item has a 'price': its selector 'i' fits nothing" in ctx.text_lines
    assert kept(ctx) == ["items.json"]
    assert names(
        (await ScanAgent().run(RecordingContext(Site(rows=TWO, following=around)), {**PAGED, "limit": 1})).result
    ) == ["1"]
    ctx = RecordingContext(Site(rows=TWO, following=around))
    assert names((await ScanAgent().run(ctx, {**PAGED, "max_pages": 1})).result) == ["1", "2"]
    assert "The listing goes on behind its 1 pages (max_pages)" in ctx.text_lines


async def test_a_page_that_fails_leaves_a_picture_and_logs_and_what_was_found_before() -> None:
    site = Site(rows={**TWO, "/b": BrowserTimeout('no "li" was found')}, following={"/a": "/b"}, trace=b"PK")
    ctx = RecordingContext(site)
    result = await ScanAgent().run(ctx, PAGED)
    assert (names(result.result), result.verdict) == (["1", "2"], "failed")
    finding = result.result["findings"][0]
    assert (finding["rule"], finding["detail"]) == ("listing", 'page 2: no "li" was found')
    assert kept(ctx) == ["listing-002.png", "console.jsonl", "network.jsonl", "items.json"]
    assert b"PK" in ctx.artifacts.saved.values()


async def test_a_scan_is_filmed_as_it_asks() -> None:
    for rows, verdict, films in (
        (TWO, "passed", ["begun", "dropped"]),
        ({**TWO, "/b": BrowserTimeout('no "li" was found')}, "failed", ["begun", "kept"]),
    ):
        site = Site(rows=rows, following={"/a": "/b"} if verdict == "failed" else {})
        ctx = RecordingContext(site)
        assert (await ScanAgent().run(ctx, {**PAGED, "video": "on_failure"})).verdict == verdict
        assert site.films == films
        assert ("video.webm" in kept(ctx)) == (verdict == "failed")


async def test_the_picture_of_an_items_page_is_told_with_the_item() -> None:
    rows: dict[str, Any] = {"/a": [{"name": "1", "_link": "/b"}], "/b": BrowserError("a selector is no CSS selector")}

    class Details(_Page):
        async def extract(self, what: Extraction, *, timeout_s: float) -> list[dict[str, str]]:
            return await super().extract(what if what.item else Extraction("*", what.fields), timeout_s=timeout_s)

    site = Site(rows=rows)
    site.handle = lambda: Details({}, site=site)  # type: ignore[method-assign]
    ctx = RecordingContext(site)
    result = await ScanAgent().run(ctx, {**GOOD, "follow": "a@href", "detail": {"text": "p["}, "keep_logs": "never"})
    (item,) = result.result["items"]
    assert (item["error"], kept(ctx)) == ("a selector is no CSS selector", ["item-001.png", "items.json"])
    assert item["artifact_id"] in ctx.artifacts.saved


async def test_a_scan_that_loses_its_browser_keeps_what_was_found() -> None:
    site = Site(rows={**TWO, "/b": BrowserLost("it has died")}, following={"/a": "/b"})
    ctx = RecordingContext(site)
    with pytest.raises(AgentFailure) as failed:
        await ScanAgent().run(ctx, PAGED)
    assert (failed.value.code, failed.value.result["total"]) == ("browser_lost", 2)
    assert kept(ctx) == ["console.jsonl", "network.jsonl", "items.json"]


async def test_a_scan_that_loses_its_browser_and_stores_no_more_is_still_retried() -> None:
    site = Site(rows={**TWO, "/b": BrowserLost("it has died")}, following={"/a": "/b"})
    ctx = RecordingContext(site)
    ctx.artifacts.refuse = LimitExceeded("a run stores at most 0 artifacts", limit="artifacts")
    with pytest.raises(AgentFailure) as failed:
        await ScanAgent().run(ctx, PAGED)
    assert (failed.value.code, failed.value.retryable, failed.value.result["total"]) == ("browser_lost", True, 2)
    assert "The items are not kept: a run stores at most 0 artifacts" in ctx.text_lines


HALF = "http://[x"
"""Half an address: what joins addresses raises ValueError for it."""


async def test_half_an_address_of_the_next_page_is_a_finding() -> None:
    ctx = RecordingContext(Site(rows=TWO, following={"/a": HALF}))
    result = await ScanAgent().run(ctx, PAGED)
    assert (names(result.result), result.verdict, kept(ctx)[-1]) == (["1", "2"], "failed", "items.json")
    (finding,) = [one for one in result.result["findings"] if one["rule"] == "listing"]
    assert finding["detail"] == "page 1: its link to the next page, 'http://[x', is no address"


async def test_half_an_address_of_an_item_is_that_items_error() -> None:
    rows = [{"name": "1", "_link": HALF}, {"name": "2", "_link": "/b"}]
    ctx = RecordingContext(Site(rows={"/a": rows, "/b": []}))
    result = await ScanAgent().run(ctx, {**GOOD, "follow": "a@href"})
    assert [(item["url"], item["error"]) for item in result.result["items"]] == [
        (None, "its link, 'http://[x', is no address"),
        ("http://samples.test/b", None),
    ]


async def test_a_scan_whose_own_address_is_half_of_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="url"):
        parse_scan({**GOOD, "url": HALF})


async def test_a_next_link_that_cannot_be_read_loses_nothing() -> None:
    class Broken(_Page):
        async def extract(self, what: Extraction, *, timeout_s: float) -> list[dict[str, str]]:
            if not what.item:
                raise BrowserError("a selector is no CSS selector")
            return await super().extract(what, timeout_s=timeout_s)

    site = Site(rows=TWO)
    site.handle = lambda: Broken({}, site=site)  # type: ignore[method-assign]
    result = await ScanAgent().run(RecordingContext(site), PAGED)
    assert (names(result.result), result.result["findings"][0]["detail"]) == (
        ["1", "2"],
        "page 1: a selector is no CSS selector",
    )
