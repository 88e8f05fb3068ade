"""Protocol, section 1: what the log promises, seen from outside a running server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support.database import assert_log_is_whole, query
from tests.support.embedded import EmbeddedServer
from tests.support.http import ended, start
from tests.support.isolation import EVERY_ISOLATION
from tests.support.sockets import following, log_of, statuses

pytestmark = EVERY_ISOLATION

FLOOD = {"steps": [{"burst": {"count": 500, "bytes": 30}}]}


async def test_l1_seq_is_gapless_under_many_writers(server: EmbeddedServer) -> None:
    async with server.http() as http:
        ids = list(await asyncio.gather(*(start(http, "scripted", FLOOD) for _ in range(5))))
    for run_id in ids:
        await ended(server, run_id, within_s=5)
        entries = server.entries(run_id)
        assert len(entries) == 503
        assert_log_is_whole(entries)


async def test_l1_what_is_refused_burns_no_seq(server: EmbeddedServer) -> None:
    names = ["nan", "infinity", "huge", "giant", "object", "large", "deep", "safe"]
    async with server.http() as http:
        run_id = await start(http, "poisons", names)
        refused = (await ended(server, run_id))["result"]
    assert set(refused) == set(names) - {"safe"}
    entries = server.entries(run_id)
    assert_log_is_whole(entries)
    assert [e["data"]["name"] for e in entries if e["type"] == "event"] == ["safe"]


async def test_l2_what_a_follower_sees_is_committed(server: EmbeddedServer) -> None:
    """For each entry as it arrives, another connection to the database finds it there."""
    async with server.http() as http:
        run_id = await start(http, "scripted", FLOOD)
    statement = "SELECT max(seq) AS seq FROM entries WHERE run_id = ?"
    async with following(server, run_id, follow=1) as follower:
        while True:
            frame = await follower.next()
            if "seq" in frame:
                assert query(server.data, statement, run_id)[0]["seq"] >= frame["seq"]
                if frame["type"] == "state" and frame["data"]["status"] == "SUCCEEDED":
                    break


async def test_l3_events_are_verbatim_and_states_are_the_servers_alone(server: EmbeddedServer) -> None:
    event = {"type": "STATE_DELTA", "delta": [{"op": "add", "path": "/a", "value": None}], "extra": {"ü": [1.5, True]}}
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"emit": event}]})
        await ended(server, run_id)
    entries = server.entries(run_id)
    assert [e["data"] for e in entries if e["type"] == "event"] == [event]
    assert all(set(e) == {"type", "run_id", "seq", "ts_ms", "data"} for e in entries)
    assert all(isinstance(e["ts_ms"], int) for e in entries)


async def test_l4_states_carry_their_facts(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"fail": "why"}]})
        await ended(server, run_id)
    states = [e["data"] for e in server.entries(run_id) if e["type"] == "state"]
    assert states == [
        {"status": "QUEUED", "attempt": 1},
        {"status": "RUNNING", "attempt": 1},
        {"status": "FAILED", "attempt": 1, "error": {"code": "agent_error", "message": "why", "retryable": False}},
    ]


async def test_l5_one_terminal_state_and_it_is_last(server: EmbeddedServer) -> None:
    scripts: list[Any] = [
        FLOOD,
        {"steps": [{"text": "x"}, {"fail": "y"}]},
        {"steps": [{"text": "x"}, {"raise": "SystemExit"}]},
        {"steps": []},
    ]
    async with server.http() as http:
        for script in scripts:
            run_id = await start(http, "scripted", script)
            await ended(server, run_id)
            assert_log_is_whole(server.entries(run_id))


async def test_l6_the_epoch_is_of_database_and_run_and_a_restart_keeps_it(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        first, second = await start(http, "echo", "a"), await start(http, "echo", "b")
        await ended(server, first)
        await ended(server, second)
        epochs = [(await http.get(f"/v1/runs/{run_id}")).json()["epoch"] for run_id in (first, second)]
    assert epochs[0] != epochs[1]
    assert epochs[0].partition(".")[0] == epochs[1].partition(".")[0]
    stored = server.frames(first)
    server.stop()
    again = make_server(server.data)
    async with following(again, first, after=3, epoch=epochs[0]) as follower:
        ending = await follower.to_the_end()
    assert ending.frames[0]["resumed"] is True
    assert ending.raw[1:] == stored[3:]


async def test_l8_the_stored_bytes_are_what_every_door_carries(server: EmbeddedServer) -> None:
    event = {"type": "CUSTOM", "name": "ünï ☃ 😀 \u2028 </script>", "value": "\x7f\u00a0"}
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"emit": event}]})
        await ended(server, run_id)
        stored = server.frames(run_id)
        listed = await http.get(f"/v1/runs/{run_id}/events")
    async with following(server, run_id) as single, following(server, run_id, batch=1) as batched:
        singles, batches = await single.to_the_end(), await batched.to_the_end()
    assert singles.raw[1:] == stored
    assert listed.content == b'{"data":[' + b",".join(stored) + b'],"next":null}'
    assert b",".join(stored) in batches.raw[1]
    assert "☃".encode() in stored[2], "UTF-8, not escapes"
    assert b" " not in stored[0], "encoded compactly, once"


@pytest.mark.parametrize("poison", ["surrogate", "surrogate_key"])
async def test_l8_lone_surrogates_become_fffd(server: EmbeddedServer, poison: str) -> None:
    async with server.http() as http:
        run_id = await start(http, "poisons", [poison])
        assert (await ended(server, run_id))["result"] == {}
    value = next(e["data"]["value"] for e in server.entries(run_id) if e["type"] == "event")
    assert value == {"surrogate": "a\ufffdb", "surrogate_key": {"k\ufffd": 1}}[poison]


@pytest.mark.parametrize(
    ("poison", "words"),
    [("nan", "nan at .value"), ("infinity", "inf at .value"), ("huge", "2^53 at .value"), ("large", "65536")],
)
async def test_l8_what_is_refused_is_refused_by_name(server: EmbeddedServer, poison: str, words: str) -> None:
    async with server.http() as http:
        run_id = await start(http, "poisons", [poison])
        assert words in (await ended(server, run_id))["result"][poison]


async def test_l8_a_result_with_a_lone_surrogate_is_stored(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "returns-poison", "surrogate")
        assert (await ended(server, run_id))["result"] == "a\ufffdb"


async def test_l9_flush_returns_the_last_committed_seq(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "flushes", 300)
        assert (await ended(server, run_id))["result"] == [302, 602]
    assert len(server.frames(run_id)) == 603


async def test_l9_an_agent_far_ahead_of_the_log_waits_and_loses_nothing(server: EmbeddedServer) -> None:
    """3,000 events of 2 KB are twenty windows of 256 and six of 1 MiB."""
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"burst": {"count": 3000, "bytes": 2000}}]})
        await ended(server, run_id, within_s=8)
    frames = server.frames(run_id)
    assert [json.loads(frame)["seq"] for frame in frames] == list(range(1, 3004))


async def test_a_run_may_not_say_more_than_the_limit(make_server: MakeServer) -> None:
    server = make_server(events_per_run=10)
    async with server.http() as http:
        run_id = await start(http, "scripted", FLOOD)
        end = await ended(server, run_id)
    assert (end["status"], end["error"]["code"]) == ("FAILED", "limit_exceeded")
    assert statuses(server.entries(run_id)) == ["QUEUED", "RUNNING", "FAILED"]
    assert sum(entry["type"] == "event" for entry in server.entries(run_id)) == 10
    assert log_of(server.entries(run_id)) == server.entries(run_id)
