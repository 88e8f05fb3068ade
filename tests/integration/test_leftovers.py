"""``db prune`` removes artifacts and traversals of old runs, and what a crash left behind; nothing else."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from pathlib import Path

from runwire.persistence import database, leftovers
from runwire.persistence.data_folder import artifacts_folder
from tests.conftest import MakeServer
from tests.support.browser_tests import traversal_of
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, problem_of, start
from tests.support.process import run_command

FAR_FUTURE_MS = 2**52
LONG_AGO = time.time() - 2 * leftovers.ABANDONED_S


def clear(server: EmbeddedServer, older_than_ms: int = FAR_FUTURE_MS) -> leftovers.Cleared:
    """Clear up beside the running server, as the command does."""
    engine = database.open_engine(database.database_file(server.data))
    return leftovers.clear(engine, server.data, older_than_ms)


def aged(path: Path, content: bytes = b"left") -> Path:
    """Write a file that nobody has touched for long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


async def test_artifacts_of_old_runs_go_with_their_files_and_those_of_others_stay(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        over = await start(http, "files", [{"name": "a"}, {"name": "b"}])
        await ended(server, over)
        between_ms = server.entries(over)[-1]["ts_ms"] + 1
        later = await start(http, "files", [{"name": "c"}])
        await ended(server, later)
        done = clear(server, between_ms)
        assert (done.artifacts, done.abandoned) == (2, 0)
        assert done.size_bytes > 0
        assert (await http.get(f"/v1/runs/{over}/artifacts")).json()["data"] == []
        assert not (artifacts_folder(server.data) / over).exists()
        (kept,) = (await http.get(f"/v1/runs/{later}/artifacts")).json()["data"]
        assert (await http.get(kept["url"])).status_code == 200
        assert (await http.get(f"/v1/runs/{over}")).json()["status"] == "SUCCEEDED"
        assert clear(server, between_ms) == leftovers.Cleared(0, 0, 0, 0)


async def test_traversals_of_old_runs_go_and_those_of_others_stay(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        over = await start(http, "echo", "a")
        await ended(server, over)
        between_ms = server.entries(over)[-1]["ts_ms"] + 1
        later = await start(http, "echo", "b")
        await ended(server, later)
        for run_id in (over, later):
            server.services.traversals.save(run_id, "T", traversal_of(run_id))
            os.utime(server.data / "traversals" / f"{run_id}.json", (LONG_AGO, LONG_AGO), follow_symlinks=False)
        assert clear(server, between_ms).traversals == 1
        problem_of(await http.get(f"/v1/runs/{over}/traversal"), 404, "not_found")
        assert (await http.get(f"/v1/runs/{later}/traversal")).status_code == 200
    assert [path.name for path in server.data.glob("traversals/*")] == [f"{later}.json"]
    assert len(list(server.data.glob("tasks/t/traversals/*"))) == 1


async def test_artifacts_of_a_run_that_has_not_ended_stay(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        alive = await start(http, "scripted", {"steps": [{"text": "a"}, {"hang": "async"}]})
        save = partial(server.services.artifacts.save, alive, kind="log", name="a", mime="text/plain", data=b"kept")
        kept = await asyncio.to_thread(save)
        assert clear(server).artifacts == 0
        assert (await http.get(kept.url)).content == b"kept"
        await http.post(f"/v1/runs/{alive}/cancel")
        await ended(server, alive)


async def test_abandoned_files_go_once_they_are_old(make_server: MakeServer) -> None:
    server = make_server()
    folder = artifacts_folder(server.data)
    async with server.http() as http:
        run_id = await start(http, "files", [{"name": "kept"}])
        await ended(server, run_id)
        (kept,) = (await http.get(f"/v1/runs/{run_id}/artifacts")).json()["data"]
    os.utime(folder / run_id / kept["id"], (LONG_AGO, LONG_AGO))
    gone = [
        aged(folder / run_id / "withoutrow00000000000000"),
        aged(folder / "norunofthisname000000000" / "withoutrow00000000000000"),
        aged(server.data / "tasks" / "t" / "traversals" / "traverse_1.json.1.new"),
        aged(server.data / "token.1.new"),
    ]
    fresh = folder / run_id / "justbeingwritten00000000"
    fresh.write_bytes(b"a save that has not got its row yet")
    others = aged(folder / "README" / "not-ours")
    done = clear(server, 0)
    assert (done.artifacts, done.abandoned, done.size_bytes) == (0, 4, 16)
    assert [path for path in gone if path.exists()] == []
    assert not gone[1].parent.exists()
    assert fresh.exists()
    assert others.exists()
    assert (folder / run_id / kept["id"]).exists()


async def test_the_command_prunes_entries_and_artifacts(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "files", [{"name": "a"}])
        await ended(server, run_id)
    done = run_command("db", "prune", "--older-than=0m", f"--data={server.data}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pruned 1 runs, ")
    assert ", 1 artifacts, 0 traversals\nremoved 0 unused and 0 abandoned files; " in done.stdout
    async with server.http() as http:
        problem_of(await http.get(f"/v1/runs/{run_id}/artifacts/aaaaaaaaaaaaaaaaaaaaaaaa"), 404, "not_found")
