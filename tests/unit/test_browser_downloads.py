"""Whose a download is, what bounds it, what is told of it; on a scripted session, without Chromium."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runwire.agents.browser_test import BrowserTestAgent
from runwire.browser import downloads as module
from runwire.browser.deadline import Deadline
from runwire.browser.downloads import PREFIX, DownloadBounds, Downloads, sweep_folders
from runwire.contracts.browser import Download, PageHandle
from runwire.errors import BrowserTimeout, StorageUnavailable, TooLarge
from runwire.protocol.steps.actions import Action, VerifyDownload
from runwire.testing.context import RecordingContext
from runwire.testing.pool import ScriptedHandle, ScriptedPool


class _Session:
    """A browser's CDP session: tells every context of every download."""

    def __init__(self) -> None:
        self.listeners: dict[str, list[Callable[[dict[str, Any]], None]]] = {}
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def on(self, event: str, f: Callable[[dict[str, Any]], None]) -> None:
        self.listeners.setdefault(event, []).append(f)

    def remove_listener(self, event: str, f: Callable[[dict[str, Any]], None]) -> None:
        self.listeners[event].remove(f)

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        self.sent.append((method, params or {}))
        return {}

    def tell(self, event: str, **facts: Any) -> None:
        for listener in self.listeners.get(f"Browser.{event}", []):
            listener(facts)

    def arrive(self, folder: Path, guid: str, data: bytes, *, state: str = "completed", total: int = 0) -> None:
        """Let a download begin and come so far."""
        self.tell("downloadWillBegin", guid=guid, suggestedFilename=f"{guid}.txt")
        name = guid if state == "completed" else f"{guid}.crdownload"
        (folder / name).write_bytes(data)
        self.tell("downloadProgress", guid=guid, state=state, totalBytes=total, receivedBytes=len(data))


async def _begun(session: _Session, folder: Path, **bounds: int) -> Downloads:
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    made = Downloads(session, "context", folder, DownloadBounds(**bounds), lambda name: name.replace("hunter2", "***"))
    await made.start()
    return made


async def test_each_context_has_its_own_and_each_is_given_once(tmp_path: Path) -> None:
    session = _Session()
    ours, theirs = await _begun(session, tmp_path / "a"), await _begun(session, tmp_path / "b")
    session.arrive(tmp_path / "a", "one-hunter2", b"1")
    session.arrive(tmp_path / "b", "two", b"2")
    assert await ours.ended(None) == [Download("one-***.txt", b"1")]
    assert await ours.ended(None) == []
    assert await theirs.ended(None) == [Download("two.txt", b"2")]
    assert list((tmp_path / "a").iterdir()) == [], "what was given is not kept twice"


@pytest.mark.parametrize(("data", "total"), [(b"12345", 0), (b"", 5)])
async def test_one_that_is_or_will_be_too_large_is_cancelled_at_once(tmp_path: Path, data: bytes, total: int) -> None:
    session = _Session()
    downloads = await _begun(session, tmp_path, one_bytes=4)
    session.arrive(tmp_path, "big", data, state="inProgress", total=total)
    assert await downloads.ended(None) == [Download("big.txt", None, "it has more than 4 bytes")]
    await asyncio.sleep(0)
    assert ("Browser.cancelDownload", {"guid": "big", "browserContextId": "context"}) in session.sent
    session.tell("downloadProgress", guid="big", state="canceled")
    assert await downloads.ended(None) == []


async def test_what_is_no_file_of_the_browsers_own_is_not_read(tmp_path: Path) -> None:
    """A browser that was broken into could put links there; the server may be root."""
    session, folder = _Session(), tmp_path / "d"
    downloads = await _begun(session, folder, one_bytes=4)
    (tmp_path / "mine").write_bytes(b"1234")
    (folder / "link").symlink_to(tmp_path / "mine")
    os.mkfifo(folder / "pipe")
    (folder / "long").write_bytes(b"12345")
    for guid in ("link", "pipe", "long"):
        session.tell("downloadProgress", guid=guid, state="completed", totalBytes=0, receivedBytes=1)
    async with asyncio.timeout(5):
        found = await downloads.ended(None)
    assert [one.data for one in found] == [None] * 3
    assert [why.removeprefix("it cannot be read: ") for one in found if (why := one.refused)] == [
        os.strerror(errno.ELOOP),
        "it is no file of the browser's own",
        "it has more than 4 bytes",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
async def test_the_file_of_another_user_is_not_read(tmp_path: Path) -> None:
    session = _Session()
    downloads = await _begun(session, tmp_path)
    session.arrive(tmp_path, "one", b"1", state="inProgress")
    (tmp_path / "one").write_bytes(b"1")
    os.chown(tmp_path / "one", 65534, -1)
    session.tell("downloadProgress", guid="one", state="completed", totalBytes=0, receivedBytes=1)
    (one,) = await downloads.ended(None)
    assert one.data is None


async def test_beyond_the_last_one_the_browser_refuses_them_itself(tmp_path: Path) -> None:
    session = _Session()
    downloads = await _begun(session, tmp_path, count=1)
    session.arrive(tmp_path, "one", b"1")
    session.arrive(tmp_path, "two", b"2", state="inProgress")
    first, second = await downloads.ended(None)
    assert (first.data, second.data) == (b"1", None)
    assert "at most 1 downloads" in second.refused
    assert [sent["behavior"] for method, sent in session.sent if method == "Browser.setDownloadBehavior"] == [
        "allowAndName",
        "deny",
    ]


async def test_the_end_waits_for_open_ones_no_longer_than_it_says(tmp_path: Path) -> None:
    session = _Session()
    downloads = await _begun(session, tmp_path)
    session.arrive(tmp_path, "slow", b"1", state="inProgress")
    session.arrive(tmp_path, "broken", b"1", state="inProgress")
    assert await downloads.ended(None) == []
    ending = asyncio.create_task(downloads.ended(9.0))
    await asyncio.sleep(0)
    session.tell("downloadProgress", guid="broken", state="canceled")
    session.arrive(tmp_path, "slow", b"12")
    assert await ending == [Download("broken.txt", None, "it broke off"), Download("slow.txt", b"12")]
    session.arrive(tmp_path, "never", b"1", state="inProgress")
    assert await downloads.ended(0.0) == [Download("never.txt", None, "it had not ended 0 s after the last step")]


async def test_a_step_waits_for_the_end_of_the_download_that_it_names(tmp_path: Path) -> None:
    session = _Session()
    downloads = await _begun(session, tmp_path)
    session.arrive(tmp_path, "report", b"1", state="inProgress")
    claiming = asyncio.create_task(downloads.claim(VerifyDownload("report.txt"), Deadline(9.0)))
    await asyncio.sleep(0)
    session.arrive(tmp_path, "other", b"1")
    await asyncio.sleep(0)
    assert not claiming.done()
    session.arrive(tmp_path, "report", b"12")
    await claiming
    assert [one.name for one in await downloads.ended(None)] == ["other.txt", "report.txt"], "it is kept all the same"


async def test_each_download_counts_for_one_step(tmp_path: Path) -> None:
    session = _Session()
    downloads = await _begun(session, tmp_path)
    session.arrive(tmp_path, "report-1", b"12")
    assert await downloads.claim(VerifyDownload("report-", "contains"), Deadline(0.0)) == "report-1"
    assert [one.id for one in await downloads.ended(None)] == ["report-1"]
    with pytest.raises(BrowserTimeout, match=r'there is "report-1.txt" \(2 bytes, counted by an earlier step\)'):
        await downloads.claim(VerifyDownload("report-1.txt"), Deadline(0.0))
    session.arrive(tmp_path, "report-2", b"12")
    await downloads.claim(VerifyDownload("report-", "contains"), Deadline(0.0))


async def test_a_step_that_misses_its_download_tells_what_there_is(tmp_path: Path) -> None:
    session = _Session()
    downloads = await _begun(session, tmp_path, one_bytes=4)
    with pytest.raises(BrowserTimeout) as raised:
        await downloads.claim(VerifyDownload("a.txt"), Deadline(0.0))
    assert raised.value.message == 'no download named "a.txt" has ended within 0 s; nothing was downloaded'
    session.arrive(tmp_path, "a", b"")
    session.arrive(tmp_path, "b", b"12345")
    session.arrive(tmp_path, "c", b"12", state="inProgress")
    with pytest.raises(BrowserTimeout) as raised:
        await downloads.claim(VerifyDownload("a.txt", filled=True), Deadline(0.0))
    assert raised.value.message == (
        'no download named "a.txt" that is not empty has ended within 0 s; there is "c.txt" (under way, 2 bytes so '
        'far), "b.txt" (not kept: it has more than 4 bytes), "a.txt" (0 bytes)'
    )


async def test_nothing_is_left_of_a_context(tmp_path: Path) -> None:
    session = _Session()
    downloads = await _begun(session, tmp_path / "a")
    session.arrive(tmp_path / "a", "one", b"1")
    downloads.discard()
    downloads_gone = not (tmp_path / "a").exists()
    assert downloads_gone
    assert not any(session.listeners.values())


def test_folders_of_processes_that_are_gone_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ours, dead, other = (tmp_path / f"{PREFIX}{name}-x" for name in (os.getpid(), 2**22 + 1, "mine"))
    for folder in (ours, dead, other):
        folder.mkdir()
    sweep_folders()
    assert [folder.exists() for folder in (ours, dead, other)] == [True, False, True]
    folders = module.DownloadFolders(os.getpid())
    first, second = folders.make(), folders.make()
    assert first.parent == second.parent != first
    assert first.parent.parent == tmp_path
    first.rmdir()
    assert not folders.discard()
    assert not folders.discard()
    assert not second.parent.exists()


async def test_a_test_tells_what_it_keeps_and_what_not() -> None:
    pool = ScriptedPool(downloads=[Download("a.csv", b"1,2"), Download("b.iso", None, "it has more than 4 bytes")])
    pool.under_way = [Download("c.zip", None, "it had not ended")]
    ctx = RecordingContext(pool)
    await BrowserTestAgent().run(ctx, {"steps": ['Click "A"'], "keep_logs": "never"})
    kept = [event["value"] for event in ctx.events if event.get("name") == "runwire.artifact"]
    assert [(value["kind"], value["name"], value["mime"]) for value in kept[1:]] == [("download", "a.csv", "text/csv")]
    assert ctx.text_lines[1:] == [
        "Step 1: the download 'b.iso' is not kept: it has more than 4 bytes",
        "After the last step: the download 'c.zip' is not kept: it had not ended",
        "1/1 passed",
    ]


class _Finds(ScriptedHandle):
    async def perform(self, action: Action, *, timeout_s: float) -> str | None:
        await super().perform(action, timeout_s=timeout_s)
        return "guid-2" if isinstance(action, VerifyDownload) else None


class _FindsPool(ScriptedPool):
    def handle(self) -> PageHandle:
        return _Finds(self.answers)


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (None, None),
        (StorageUnavailable("no space left"), 'the download "a.csv" is not kept: no space left'),
        (TooLarge("4 bytes at most"), 'the download "a.csv" is not kept: 4 bytes at most'),
    ],
)
async def test_a_download_that_cannot_be_kept_fails_the_step_that_verifies_it(
    refused: Exception | None, error: str | None
) -> None:
    ended = [Download("a.csv", None, "it broke off", id="guid-1"), Download("a.csv", b"1,2", id="guid-2")]
    ctx = RecordingContext(_FindsPool(downloads=ended))
    ctx.artifacts.refuse = refused
    result = await BrowserTestAgent().run(
        ctx, {"steps": ['Verify download "a.csv"'], "keep_logs": "never", "retries": 1}
    )
    (step,) = result.result["steps"]
    assert step["error"] == error
    assert step["status"] == ("PASSED" if refused is None else "FAILED")


async def test_a_download_that_cannot_be_taken_from_the_browser_fails_its_step_too() -> None:
    result = await BrowserTestAgent().run(
        RecordingContext(_FindsPool()), {"steps": ['Verify download "a.csv"'], "keep_logs": "never"}
    )
    assert result.result["steps"][0]["error"] == "the download is not kept: the browser gave it no more"


async def test_a_full_disk_fails_no_other_step() -> None:
    ctx = RecordingContext(ScriptedPool(downloads=[Download("a.csv", b"1,2")]))
    ctx.artifacts.refuse = StorageUnavailable("no space left")
    result = await BrowserTestAgent().run(ctx, {"steps": ['Click "A"'], "keep_logs": "never"})
    assert result.result["passed"] == 1
    assert "Step 1: the download 'a.csv' is not kept: no space left" in ctx.text_lines
