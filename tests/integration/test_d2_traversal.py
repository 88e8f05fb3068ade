"""Traversals on disk and over HTTP: the name, who may read them, what a later attempt does. Rows D2, D5."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from runwire.errors import StorageUnavailable
from runwire.persistence.traversals import DiskTraversalStore
from runwire.protocol.traversal import Traversal
from tests.support.browser_tests import traversal_of
from tests.support.database import query
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start


async def test_the_archive_of_a_run_holds_its_traversal(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "files", [{"name": "a.txt"}])
        await ended(server, run_id)
        server.services.traversals.save(run_id, "T", traversal_of(run_id))
        archive = await http.get(f"/v1/runs/{run_id}/artifacts.zip")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        traversal, artifact = opened.namelist()
        assert msgspec.json.decode(opened.read(traversal), type=Traversal) == traversal_of(run_id)
    assert traversal == f"artifacts/{run_id}/traversal.json"
    assert artifact.endswith("-a.txt")


async def ended_run(server: EmbeddedServer) -> str:
    """Return the id of a run that has ended and kept no traversal."""
    async with server.http() as http:
        run_id = await start(http, "echo", {"text": "hi"})
        await ended(server, run_id)
    return run_id


def files_of(data: Path, run_id: str) -> list[Path]:
    """Return every file below the tasks' folder that names a run."""
    return sorted(data.glob(f"tasks/**/*{run_id}*"))


async def test_d2_the_name_holds_the_first_start_in_utc_and_the_run(server: EmbeddedServer) -> None:
    run_id = await ended_run(server)
    store = server.services.traversals
    store.save(run_id, "Buy a mug", traversal_of(run_id))
    started_ms = query(server.data, "SELECT started_ms FROM runs WHERE id = ?", run_id)[0]["started_ms"]
    stamp = f"{datetime.fromtimestamp(started_ms / 1000, UTC):%Y%m%d_%H%M%S}"
    expected = server.data / f"tasks/buy-a-mug/traversals/traverse_{stamp}_{run_id}.json"
    store.save(run_id, "Another name", traversal_of(run_id, attempt=2))
    assert files_of(server.data, run_id) == [expected], "a later save is in the same place and leaves nothing besides"
    assert msgspec.json.decode(expected.read_bytes(), type=Traversal) == traversal_of(run_id, attempt=2)
    assert expected.stat().st_mode & 0o077 == 0


async def test_d5_it_is_served_to_the_runs_owner_alone(server: EmbeddedServer) -> None:
    run_id = await ended_run(server)
    path = f"/v1/runs/{run_id}/traversal"
    async with server.http() as http, server.http(server.token_for("mallory")) as foreign:
        problem_of(await http.get(path), 404, "not_found")
        server.services.traversals.save(run_id, "T", traversal_of(run_id))
        answer = await http.get(path)
        refused = problem_of(await foreign.get(path), 404, "not_found")
        absent = problem_of(await foreign.get("/v1/runs/nobodysrun/traversal"), 404, "not_found")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert msgspec.json.decode(answer.content, type=Traversal) == traversal_of(run_id)
    assert refused["detail"].replace(run_id, "nobodysrun") == absent["detail"]


async def test_a_link_out_of_the_folder_is_not_followed(server: EmbeddedServer, tmp_path: Path) -> None:
    run_id = await ended_run(server)
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (server.data / "traversals").mkdir(exist_ok=True)
    (server.data / "traversals" / f"{run_id}.json").symlink_to(tmp_path / "secret")
    assert server.services.traversals.read(run_id) is None


async def test_a_disk_that_refuses_is_storage_unavailable(server: EmbeddedServer) -> None:
    run_id = await ended_run(server)
    store = server.services.traversals
    assert isinstance(store, DiskTraversalStore)
    (server.data / "tasks").mkdir(exist_ok=True)
    (server.data / "tasks" / "blocked").write_text("a file where a folder is needed", encoding="utf-8")
    with pytest.raises(StorageUnavailable, match="cannot store the traversal"):
        store.save(run_id, "blocked", traversal_of(run_id))
