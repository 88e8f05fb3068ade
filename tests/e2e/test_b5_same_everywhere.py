"""Mission B5: the socket's events are exactly the database's, its state is the database's, ``GET`` says the same."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.support.database import assert_log_is_whole, query, stored_entries, stored_frames
from tests.support.process import ServerProcess
from tests.support.sockets import Ending, conversing, following, log_of

SCRIPT = {
    "steps": [
        {"text": "watched by three"},
        {"sleep_s": 0.2},
        {"burst": {"count": 800, "bytes": 60}},
        {"sleep_s": 0.2},
        {"step": {"name": "last", "status": "PASSED"}},
    ]
}


async def _watch(server: ServerProcess, run_id: str, **how: Any) -> Ending:
    async with following(server, run_id, follow=1, **how) as socket:
        return await socket.to_the_end()


async def test_b5_three_sockets_hold_exactly_the_databases_entries_and_close_1000(process: ServerProcess) -> None:
    async with conversing(process) as socket:
        run_id = (await socket.ok("run.start", agent="scripted", input=SCRIPT))["run_id"]
        endings = await asyncio.gather(*(_watch(process, run_id, **how) for how in ({}, {}, {"batch": 1})))
        await socket.until_end(run_id, within_s=5)
    frames, entries = stored_frames(process.data, run_id), stored_entries(process.data, run_id)
    assert_log_is_whole(entries)
    assert [ending.code for ending in endings] == [1000, 1000, 1000]
    assert endings[0].raw[1:] == frames
    assert endings[1].raw[1:] == frames
    assert log_of(endings[2].frames) == entries
    assert log_of(socket.frames, run_id) == entries


async def test_b5_socket_database_and_get_agree_on_the_state(process: ServerProcess) -> None:
    scripts: list[dict[str, Any]] = [SCRIPT, {"steps": [{"fail": "no"}]}]
    async with httpx.AsyncClient(
        base_url=process.origin, headers={"Authorization": f"Bearer {process.token}"}, verify=False
    ) as http:
        for script in scripts:
            run_id = (await http.post("/v1/runs", json={"agent": "scripted", "input": script})).json()["id"]
            end = (await _watch(process, run_id)).frames[-1]["data"]
            view = (await http.get(f"/v1/runs/{run_id}")).json()
            row = query(process.data, "SELECT status, attempt FROM runs WHERE id = ?", run_id)[0]
            assert end["status"] == view["status"] == row["status"]
            assert end["attempt"] == view["attempt"] == row["attempt"]
            for fact in ("result", "verdict", "error"):
                assert end.get(fact) == view.get(fact)
            assert view["as_of_seq"] == len(stored_frames(process.data, run_id))


async def test_b5_every_event_is_stored_before_the_run_is_ended(process: ServerProcess) -> None:
    """Asked the moment that ``GET`` says SUCCEEDED, nothing is missing."""
    flood = {"steps": [{"burst": {"count": 2000, "bytes": 100}}]}
    async with httpx.AsyncClient(
        base_url=process.origin, headers={"Authorization": f"Bearer {process.token}"}, verify=False
    ) as http:
        run_id = (await http.post("/v1/runs", json={"agent": "scripted", "input": flood})).json()["id"]
        async with asyncio.timeout(5):
            while (await http.get(f"/v1/runs/{run_id}")).json()["status"] != "SUCCEEDED":
                continue
        assert len(stored_frames(process.data, run_id)) == 2003
