"""What pages download, in real Chromium: kept, bounded, refused, cancelled; and no folder is left behind."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.browser.downloads import PREFIX, DownloadBounds
from runwire.contracts.agent import AgentResult
from runwire.runs.state import Verdict
from runwire.testing.context import RecordingContext
from tests.browser.conftest import PAGES, MakeHost

pytestmark = pytest.mark.timeout(30)


def _folders() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}{os.getpid()}-*"))


STEPS = [
    'Click "Invoice"',
    'Verify download "invoice 1.html" is not empty',
    'Click "Facts"',
    'Wait until "_.._facts.html" is downloaded',
    "Navigate to /downloads.html",
]


async def _run(
    make_host: MakeHost, steps: list[str], *, step_timeout_s: float = 10.0, **bounds: int
) -> tuple[RecordingContext, AgentResult]:
    host = make_host(downloads=DownloadBounds(**bounds))
    ctx = RecordingContext(host)
    test = {"url": "/downloads.html", "steps": steps, "keep_logs": "never", "step_timeout_s": step_timeout_s}
    result = await BrowserTestAgent().run(ctx, test)
    assert [kept for root in _folders() for kept in root.glob("*/*")] == [], "downloads were left behind"
    await asyncio.to_thread(host.close)
    assert _folders() == [], "a folder was left behind"
    return ctx, result


def _kept(ctx: RecordingContext) -> list[dict[str, Any]]:
    told = [event["value"] for event in ctx.events if event.get("name") == "runwire.artifact"]
    return [value for value in told if value["kind"] == "download"]


async def test_downloads_are_artifacts(make_host: MakeHost) -> None:
    ctx, result = await _run(make_host, STEPS)
    assert result.verdict is Verdict.PASSED
    kept = {value["name"]: value for value in _kept(ctx)}
    assert {name: value["mime"] for name, value in kept.items()} == {
        "invoice 1.html": "text/html",
        "_.._facts.html": "text/html",
    }
    assert ctx.artifacts.saved[kept["invoice 1.html"]["id"]] == (PAGES / "login.html").read_bytes()


async def test_what_is_too_large_is_refused_and_told_and_fails_no_step(make_host: MakeHost) -> None:
    ctx, result = await _run(make_host, ['Click "Facts"', 'Click "Invoice"'], one_bytes=320)
    assert result.verdict is Verdict.PASSED
    assert [value["name"] for value in _kept(ctx)] == ["invoice 1.html"]
    (line,) = [line for line in ctx.text_lines if "not kept" in line]
    assert line.endswith("is not kept: it has more than 320 bytes")


async def test_a_run_keeps_so_many_and_no_more(make_host: MakeHost) -> None:
    ctx, _ = await _run(make_host, ['Click "Five"', 'Click "Invoice"'], count=2)
    assert len(_kept(ctx)) == 2
    refused = [line for line in ctx.text_lines if "a run keeps at most 2 downloads" in line]
    assert 1 <= len(refused) <= 4, "those that were under way already, none of those that came later"


async def test_an_open_download_does_not_hold_the_end_of_the_run(make_host: MakeHost) -> None:
    ctx, result = await _run(make_host, ['Click "Slow"', 'Verify download "slow.bin"'], step_timeout_s=0.5)
    assert (
        'no download named "slow.bin" has ended within 0.5 s; there is "slow.bin" (under way, '
        in (result.result["steps"][1]["error"])
    )
    assert ctx.text_lines[-2] == (
        "After the last step: the download 'slow.bin' is not kept: it had not ended 2 s after the last step"
    )


async def test_an_address_that_is_a_download_is_opened_all_the_same(make_host: MakeHost) -> None:
    _, result = await _run(make_host, ["Navigate to /slow.bin", "Navigate to /downloads.html"])
    assert result.verdict is Verdict.PASSED


async def test_none_are_kept_where_none_are_wanted(make_host: MakeHost) -> None:
    ctx, result = await _run(make_host, ['Click "Invoice"', 'Verify download "invoice 1.html"'], count=0)
    first, second = result.result["steps"]
    assert (first["status"], _kept(ctx)) == ("PASSED", [])
    assert second["error"] == "this server keeps no downloads (its setting browser_downloads is 0)"
