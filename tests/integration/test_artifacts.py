"""A run's stored files: saved, announced, listed, served as the hostile things that they may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runwire.errors import LimitExceeded, StorageUnavailable
from runwire.persistence.data_folder import artifacts_folder
from runwire.runs.limits import RunLimits
from tests.conftest import MakeServer
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start
from tests.support.isolation import EVERY_ISOLATION

pytestmark = EVERY_ISOLATION


async def _saved(server: EmbeddedServer, *wishes: dict[str, Any]) -> tuple[str, list[Any]]:
    async with server.http() as http:
        run_id = await start(http, "files", list(wishes))
        return run_id, (await ended(server, run_id))["result"]


async def test_a_saved_file_is_announced_listed_and_served(server: EmbeddedServer) -> None:
    run_id, (artifact_id,) = await _saved(server, {"name": "picture.png", "kind": "screenshot", "mime": "image/png"})
    url = f"/v1/runs/{run_id}/artifacts/{artifact_id}"
    told = next(e["data"] for e in server.entries(run_id) if e["type"] == "event")
    facts = {
        "id": artifact_id,
        "kind": "screenshot",
        "name": "picture.png",
        "mime": "image/png",
        "bytes": 3,
        "url": url,
    }
    assert told == {"type": "CUSTOM", "name": "runwire.artifact", "value": facts}
    async with server.http() as http:
        assert (await http.get(f"/v1/runs/{run_id}/artifacts")).json() == {"data": [facts], "next": None}
        answer = await http.get(url)
    assert (answer.content, answer.headers["content-type"]) == (b"xxx", "image/png")
    assert answer.headers["content-disposition"].startswith("inline")


async def test_what_is_no_picture_is_an_attachment_in_a_sandbox(server: EmbeddedServer) -> None:
    run_id, (artifact_id,) = await _saved(server, {"name": "page.html", "mime": "text/html"})
    async with server.http() as http:
        answer = await http.get(f"/v1/runs/{run_id}/artifacts/{artifact_id}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"


HOSTILE_NAMES = [
    "../../etc/passwd",
    "..",
    "",
    "/",
    "a\nb\r\nX-Evil: 1",
    'q"uote',
    ".hidden",
    "ü" * 300,
    "con\x01trol",
    "a\\b",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_a_name_is_never_a_path_or_a_header(server: EmbeddedServer, name: str) -> None:
    run_id, (artifact_id,) = await _saved(server, {"name": name})
    folder = server.data / "artifacts" / run_id
    assert [file.name for file in folder.iterdir()] == [artifact_id]
    async with server.http() as http:
        listed = (await http.get(f"/v1/runs/{run_id}/artifacts")).json()["data"][0]["name"]
        answer = await http.get(f"/v1/runs/{run_id}/artifacts/{artifact_id}")
    assert 0 < len(listed) <= 120
    assert listed.isprintable()
    assert not set(listed) & set('/\\:*?"<>|')
    assert not listed.startswith(".")
    assert answer.status_code == 200
    assert "x-evil" not in answer.headers


async def test_foreign_and_absent_artifacts_are_404(server: EmbeddedServer) -> None:
    run_id, (artifact_id,) = await _saved(server, {"name": "a"})
    other, _ = await _saved(server, {"name": "b"})
    async with server.http() as http, server.http(server.token_for("stranger")) as stranger:
        problem_of(await stranger.get(f"/v1/runs/{run_id}/artifacts/{artifact_id}"), 404, "not_found")
        problem_of(await stranger.get(f"/v1/runs/{run_id}/artifacts"), 404, "not_found")
        problem_of(await http.get(f"/v1/runs/{other}/artifacts/{artifact_id}"), 404, "not_found")
        problem_of(await http.get(f"/v1/runs/{run_id}/artifacts/..%2F..%2Ftoken"), 404, "not_found")


async def test_one_file_and_the_sum_of_a_run_are_bounded(make_server: MakeServer) -> None:
    server = make_server(artifact_bytes=100, run_artifact_bytes=250)
    wishes = [{"name": "large", "size": 101}, *({"name": "fits", "size": 100} for _ in range(2))]
    _, saved = await _saved(server, *wishes)
    assert "at most 100 bytes" in saved[0]
    async with server.http() as http:
        run_id = await start(http, "files", [*wishes, {"name": "fits", "size": 50}, {"name": "one more", "size": 1}])
        error = (await ended(server, run_id))["error"]
        listed = (await http.get(f"/v1/runs/{run_id}/artifacts")).json()["data"]
    assert (error["code"], error["limit"]) == ("limit_exceeded", "artifact_bytes")
    assert "at most 250 bytes in sum" in error["message"]
    assert [artifact["bytes"] for artifact in listed] == [100, 100, 50]


async def test_a_save_that_fails_leaves_no_file_and_counts_for_nothing(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, limits = make_server(), RunLimits(artifact_bytes=4)
    store = server.services.artifacts
    folder = artifacts_folder(server.data)
    async with server.http() as http:
        run_id = await start(http, "echo", "x")
        await ended(server, run_id)

    def refuse(_path: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StorageUnavailable, match="No space"):
        store.save(run_id, kind="log", name="a", mime="text/plain", data=b"abcd", limits=limits)
    monkeypatch.undo()
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert store.save(run_id, kind="log", name="a", mime="text/plain", data=b"abcd", limits=limits).size_bytes == 4
    with pytest.raises(LimitExceeded):
        store.save(run_id, kind="log", name="b", mime="text/plain", data=b"e", limits=limits)
