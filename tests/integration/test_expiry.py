"""What a running server removes by itself: files that no run uses, and what old runs have left on the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runwire.engine.housekeeping import Housekeeping
from tests.conftest import MakeServer
from tests.support.browser_tests import traversal_of
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start

LIMIT_S = 7.0
"""Two seconds after the start a server looks for the first time."""


async def _put(server: EmbeddedServer, text: str) -> str:
    async with server.http() as http:
        answer = await http.post("/v1/files", files={"file": (f"{text}.txt", text.encode())})
        assert answer.status_code == 201, answer.text
        file_id: str = answer.json()["id"]
    return file_id


def _on_disk(server: EmbeddedServer) -> set[str]:
    found = [*server.data.glob("artifacts/*/*"), *server.data.glob("files/*/*"), *server.data.glob("tasks/**/*.json")]
    return {path.name for path in found}


async def _lived(server: EmbeddedServer) -> tuple[str, str, str, Path]:
    """Let a run leave an artifact and a traversal; return its id, a file that it uses, one that nobody does."""
    used, unused = await _put(server, "used"), await _put(server, "unused")
    async with server.http() as http:
        await ended(server, await start(http, "echo", {"text": "a", "file": {"file_id": used}}))
        run_id = await start(http, "files", [{"name": "a"}])
        await ended(server, run_id)
    server.services.traversals.save(run_id, "T", traversal_of(run_id))
    (traversal,) = server.data.glob("tasks/t/traversals/*.json")
    return run_id, used, unused, traversal


async def test_what_has_expired_goes_without_a_command(make_server: MakeServer) -> None:
    first = make_server()
    run_id, used, _, _ = await _lived(first)
    await asyncio.to_thread(first.stop)
    server = make_server(first.data, artifact_keep_s=0.001, file_unused_s=0.001)
    await eventually_async(lambda: _on_disk(server) == {used}, "all but the used file is gone", LIMIT_S)
    async with server.http() as http:
        assert (await http.get(f"/v1/runs/{run_id}")).json()["status"] == "SUCCEEDED"
        assert (await http.get(f"/v1/runs/{run_id}/artifacts")).json()["data"] == []
        assert (await http.get(f"/v1/runs/{run_id}/traversal")).status_code == 404
        assert [row["id"] for row in (await http.get("/v1/files")).json()["data"]] == [used]
    assert list(server.data.glob("traversals/*")) == []


async def test_a_file_that_a_schedule_will_use_is_kept(make_server: MakeServer) -> None:
    first = make_server()
    scheduled, unused = await _put(first, "scheduled"), await _put(first, "unused")
    run = {"agent": "echo", "input": {"text": "a", "file": {"file_id": scheduled}}}
    async with first.http() as http:
        answer = await http.post("/v1/schedules", json={"name": "yearly", "cron": "0 0 1 1 *", "run": run})
        assert answer.status_code == 201, answer.text
    await asyncio.to_thread(first.stop)
    server = make_server(first.data, file_unused_s=0.001)
    await eventually_async(lambda: unused not in _on_disk(server), "the unused file is gone", LIMIT_S)
    assert _on_disk(server) == {scheduled}
    async with server.http() as http:
        schedule_id = answer.json()["id"]
        assert (await http.delete(f"/v1/schedules/{schedule_id}")).status_code == 204
    await asyncio.to_thread(server.stop)
    last = make_server(first.data, file_unused_s=0.001)
    await eventually_async(lambda: _on_disk(last) == set(), "nothing uses it any more", LIMIT_S)


async def test_artifacts_are_kept_unless_the_server_is_told_otherwise(make_server: MakeServer) -> None:
    first = make_server()
    _, used, unused, traversal = await _lived(first)
    before = _on_disk(first)
    await asyncio.to_thread(first.stop)
    server = make_server(first.data, file_unused_s=0.001)
    await eventually_async(lambda: unused not in _on_disk(server), "the unused file is gone", LIMIT_S)
    assert _on_disk(server) == before - {unused}
    assert {used, traversal.name} <= before


async def test_expiry_is_looked_at_after_the_start_and_every_period() -> None:
    looks, three = 0, asyncio.Event()

    async def portion() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            three.set()
        return False

    keeping = Housekeeping(portion, period_s=0.02, after_start_s=0.0)
    keeping.start()
    async with asyncio.timeout(5):
        await three.wait()
    await keeping.close()
    assert "housekeeping" not in {task.get_name() for task in asyncio.all_tasks()}


@pytest.mark.parametrize("failure", [OSError("no space"), RuntimeError("broken")])
async def test_a_portion_that_fails_ends_nothing(failure: Exception) -> None:
    """The pass goes on after its rest; closing it meanwhile is at once."""
    failed = asyncio.Event()

    async def portion() -> bool:
        failed.set()
        raise failure

    keeping = Housekeeping(portion, after_start_s=0.0)
    keeping.start()
    async with asyncio.timeout(5):
        await failed.wait()
        await keeping.close()
