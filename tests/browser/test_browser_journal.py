"""A test's console and network log: kept when asked for, bounded, without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.browser.journal import LONGEST, ROWS, plain_address
from runwire.browser.secrets import HttpSecret
from runwire.testing.context import RecordingContext
from tests.browser.conftest import MakeHost

pytestmark = pytest.mark.timeout(30)
STEPS = ['Fill "Password" with "{{secret.mine}}"', "Wait 0.5 seconds", 'Verify text "never there"']


async def logs(make_host: MakeHost, site: str, **test: Any) -> dict[str, list[dict[str, Any]]]:
    """Carry a test out and return the lines of the logs that it kept."""
    host = make_host(secrets={"mine": HttpSecret("robot", "hunter2-secret", site)})
    ctx = RecordingContext(host)
    await BrowserTestAgent().run(ctx, {"url": "/noisy.html", "steps": STEPS, "step_timeout_s": 1, **test})
    kept = [event["value"] for event in ctx.events if event.get("name") == "runwire.artifact"]
    saved = {one["name"]: ctx.artifacts.saved[one["id"]] for one in kept if one["kind"] == "log"}
    assert b"hunter2" not in b"".join(saved.values())
    assert b"private" not in b"".join(saved.values())
    return {name: [json.loads(line) for line in data.splitlines()] for name, data in saved.items()}


async def test_a_failed_test_keeps_both_logs_without_queries_and_secrets(make_host: MakeHost, site: str) -> None:
    kept = await logs(make_host, site)
    console = {(row["type"], row["text"]) for row in kept["console.jsonl"]}
    assert ("log", "hello from http://a.test/path?…") in console
    assert ("warning", "typed {{secret.mine}}") in console
    assert any(kind == "exception" and "broken on purpose" in text for kind, text in console)
    network = {row["url"]: row for row in kept["network.jsonl"]}
    assert network[f"{site}/noisy.html"]["status"] == 200
    assert network[f"{site}/facts.html?…"]["status"] == 200
    assert {"status", "error"} & set(network["http://10.0.0.1/gone?…"])


@pytest.mark.parametrize(
    ("test", "names"),
    [
        ({"keep_logs": "never"}, set()),
        ({"steps": ['Verify title "Noisy"']}, set()),
        ({"steps": ['Verify title "Noisy"'], "keep_logs": "always"}, {"console.jsonl", "network.jsonl"}),
    ],
)
async def test_logs_are_kept_as_the_test_says(make_host: MakeHost, site: str, test: Any, names: set[str]) -> None:
    assert set(await logs(make_host, site, **test)) == names


async def test_a_log_is_bounded(make_host: MakeHost, site: str) -> None:
    host = make_host()
    ctx = RecordingContext(host)
    steps = ['Click "Flood"', "Wait 1 seconds"]
    await BrowserTestAgent().run(ctx, {"url": "/flood.html", "steps": steps, "keep_logs": "always"})
    kept = [event["value"] for event in ctx.events if event.get("name") == "runwire.artifact"]
    (console,) = [ctx.artifacts.saved[one["id"]] for one in kept if one["name"] == "console.jsonl"]
    rows = [json.loads(line) for line in console.splitlines()]
    assert len(rows) <= ROWS
    assert max(len(row["text"]) for row in rows) <= LONGEST


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://ann:pw@a.test:81/p/q?x=1#y", "https://a.test:81/p/q?…"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("data:text/html,secret", "data:"),
        ("http://a.test:999999/", "invalid:"),
    ],
)
def test_an_address_is_told_without_what_may_be_secret(url: str, plain: str) -> None:
    assert plain_address(url) == plain
