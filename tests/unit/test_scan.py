"""The scan agent's input and judgement. No browser."""

from __future__ import annotations

from typing import Any

import pytest

from runwire.agents.scan import ScanAgent
from runwire.agents.scan.findings import Item, judged
from runwire.agents.scan.request import Judge, Span, parse_scan
from runwire.contracts.agent import AgentFailure
from runwire.errors import InvalidInput
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedPool

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
