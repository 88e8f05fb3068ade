"""Prune, backup and restore on a real server's database; a follower behind the first kept entry is told so (S3)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from runwire.cli.db import parse_age_ms
from runwire.errors import DataFolderInUse, InvalidInput, StorageUnavailable
from runwire.persistence import data_folder, database, retention
from tests.conftest import MakeServer
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.sockets import following, log_of

FAR_FUTURE_MS = 2**52
FIVE = {"steps": [{"burst": {"count": 5}}]}


def prune_all(server: EmbeddedServer) -> retention.Pruned:
    """Prune every run that has ended, beside the running server, as the command does."""
    engine = database.open_engine(database.database_file(server.data))
    return retention.prune(engine, FAR_FUTURE_MS)


async def test_prune_keeps_the_terminal_entry_and_whatever_has_not_ended(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        over = await start(http, "scripted", FIVE)
        await ended(server, over)
        alive = await start(http, "scripted", {"steps": [{"text": "a"}, {"hang": "async"}]})
        last = server.entries(over)[-1]
        assert prune_all(server) == retention.Pruned(runs=1, entries=7)
        assert server.entries(over) == [last]
        assert last["data"]["status"] == "SUCCEEDED"
        assert server.entries(alive)[0]["seq"] == 1
        assert prune_all(server) == retention.Pruned(runs=0, entries=0)
        record = (await http.get(f"/v1/runs/{over}")).json()
        assert (record["first_seq"], record["as_of_seq"], record["status"]) == (8, 8, "SUCCEEDED")
        await http.post(f"/v1/runs/{alive}/cancel")
        assert (await ended(server, alive))["status"] == "CANCELLED"


@pytest.mark.parametrize(("after", "reset"), [(0, True), (3, True), (6, True), (7, False), (8, False)])
async def test_s3_a_cursor_below_the_first_kept_entry_is_reset_trimmed(
    make_server: MakeServer, after: int, *, reset: bool
) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "scripted", FIVE)
        await ended(server, run_id)
    prune_all(server)
    async with following(server, run_id, after=after) as socket:
        ending = await socket.to_the_end()
    kinds = [frame["type"] for frame in ending.frames]
    assert ending.code == 1000
    if reset:
        assert kinds == ["connected", "reset", "state"]
        assert ending.frames[1] == {
            "type": "reset",
            "run_id": run_id,
            "reason": "trimmed",
            "first_seq": 8,
            "last_seq": 8,
        }
    else:
        assert ending.frames[0]["resumed"] is True
        assert [entry["seq"] for entry in log_of(ending.frames)] == list(range(after + 1, 9))


async def test_a_backup_of_a_running_server_restores_with_new_epochs(make_server: MakeServer, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    server = make_server()
    async with server.http() as http:
        kept = await start(http, "scripted", FIVE)
        await ended(server, kept)
        frames = server.frames(kept)
        epoch = (await http.get(f"/v1/runs/{kept}")).json()["epoch"]
        retention.backup(database.database_file(server.data), copy)
        later = await start(http, "scripted", FIVE)
        await ended(server, later)
    with pytest.raises(DataFolderInUse), data_folder.owned_data_folder(server.data):
        pytest.fail("a restore would have replaced the database under a running server")
    server.stop()
    retention.restore(copy, database.database_file(server.data))
    again = make_server(server.data)
    assert again.frames(kept) == frames
    async with again.http() as http:
        assert (await http.get(f"/v1/runs/{later}")).status_code == 404
        assert (await http.get(f"/v1/runs/{kept}")).json()["epoch"] != epoch
    async with following(again, kept, after=8, epoch=epoch) as socket:
        ending = await socket.to_the_end()
    assert ending.frames[1]["reason"] == "epoch"
    assert len(log_of(ending.frames)) == 8


def test_what_is_no_database_is_not_restored(data: Path, tmp_path: Path) -> None:
    target = database.database_file(data)
    before = target.read_bytes()
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StorageUnavailable, match=r"junk\.db"):
        retention.restore(junk, target)
    with pytest.raises(StorageUnavailable, match="no backup"):
        retention.restore(tmp_path / "absent.db", target)
    assert target.read_bytes() == before
    assert sorted(path.name for path in data.iterdir() if path.name.startswith("runwire.db.")) == []


@pytest.mark.parametrize(("text", "minutes"), [("30d", 43_200), ("12h", 720), ("90m", 90), ("0m", 0)])
def test_ages(text: str, minutes: int) -> None:
    assert parse_age_ms(text) == minutes * 60_000


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "1w", "30 d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="older-than"):
        parse_age_ms(text)


async def test_the_write_ahead_log_is_reported(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        await ended(server, await start(http, "scripted", FIVE))
        assert (await http.get("/readyz")).json()["wal_bytes"] > 0


async def test_entries_pruned_while_they_are_followed_are_told_as_trimmed_not_as_a_hole(
    make_server: MakeServer,
) -> None:
    server = make_server()
    many = 20_000
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"burst": {"count": many, "bytes": 600}}]})
        await ended(server, run_id, within_s=9)
    url = f"{server.ws_origin}/ws/runs/{run_id}?batch=1&follow=1"
    headers = {"Authorization": f"Bearer {server.token}"}
    async with asyncio.timeout(9), connect(url, additional_headers=headers, max_queue=1, compression=None) as slow:
        frames = [json.loads(await slow.recv())]
        prune_all(server)  # the server has filled the socket's buffers and waits for this reader
        frames += [json.loads(frame) async for frame in slow]
    assert slow.close_code == 1000
    kinds = [frame["type"] for frame in frames]
    assert kinds.count("reset") == 1
    cut = kinds.index("reset")
    before = [entry["seq"] for entry in log_of(frames[:cut])]
    assert before == list(range(1, len(before) + 1))
    assert len(before) < many
    assert (frames[cut]["reason"], frames[cut]["first_seq"]) == ("trimmed", many + 3)
    assert [entry["seq"] for entry in log_of(frames[cut:])] == [many + 3]
