"""Share links: what a visitor may read is exactly what was shared, on HTTP and on sockets, until the link ends."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from runwire.web import visits
from tests.conftest import MakeServer
from tests.support.browser_tests import traversal_of
from tests.support.database import query
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.sockets import Socket, conversing, following, log_of, opened

SHARED = "/v1/shared"
INSIDE = ["", "/runs", "/runs/{run}", "/runs/{run}/events", "/runs/{run}/artifacts.zip"]
"""What a visitor may read, below the link's own path."""


@pytest.fixture
def sharing(make_server: MakeServer) -> EmbeddedServer:
    """A server that lets its users share."""
    return make_server(share_links=True)


async def _share(server: EmbeddedServer, **wanted: Any) -> dict[str, Any]:
    async with server.http() as http:
        answer = await http.post("/v1/shares", json=wanted)
    assert answer.status_code == 201, answer.text
    share: dict[str, Any] = answer.json()
    return share


def _names_in(archive: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(archive)).namelist()


def _visitor(server: EmbeddedServer, share: dict[str, Any]) -> httpx.AsyncClient:
    return server.http(token=share["link"])


@asynccontextmanager
async def _socket(server: EmbeddedServer, share: dict[str, Any], path: str = "/ws") -> AsyncIterator[Socket]:
    """Open a socket as a visitor."""
    async with _visitor(server, share) as http:
        ticket = (await http.post(f"{SHARED}/{share['id']}/tickets")).json()["ticket"]
    async with opened(server, path, token="") as socket:
        await socket.send({"op": "auth", "ticket": ticket})
        yield socket


async def test_links_are_off_unless_the_server_is_told_otherwise(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "echo", "private")
        problem = problem_of(await http.post("/v1/shares", json={"run_id": run_id}), 403, "scope_missing")
    assert "share_links" in problem["detail"]


async def test_a_link_of_a_server_that_turned_links_off_leads_nowhere(make_server: MakeServer) -> None:
    server = make_server(share_links=True)
    async with server.http() as http:
        run_id = await start(http, "echo", "private")
    share = await _share(server, run_id=run_id)
    server.stop()
    again = make_server(server.data)
    async with again.http(token="") as http:
        problem_of(await http.post(SHARED, json={"link": share["link"]}), 401, "link_ended")


async def test_a_visitor_reads_the_run_its_log_and_its_files(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http:
        run_id = await start(http, "files", [{"name": "picture.png", "kind": "screenshot", "mime": "image/png"}])
        (artifact_id,) = (await ended(sharing, run_id))["result"]
    share = await _share(sharing, run_id=run_id)
    below = f"{SHARED}/{share['id']}"
    async with _visitor(sharing, share) as visitor:
        run = (await visitor.get(f"{below}/runs/{run_id}")).json()
        events = (await visitor.get(f"{below}/runs/{run_id}/events")).json()
        picture = await visitor.get(f"{below}/runs/{run_id}/artifacts/{artifact_id}")
        archive = await visitor.get(f"{below}/runs/{run_id}/artifacts.zip")
        runs = (await visitor.get(f"{below}/runs")).json()["data"]
    assert (run["id"], run["status"]) == (run_id, "SUCCEEDED")
    assert run["input"] is None, "an input that is more than a text may hold what was meant for the agent alone"
    assert "thread_id" not in run
    assert events == {"data": sharing.entries(run_id), "next": None}
    assert (picture.content, picture.headers["content-type"]) == (b"xxx", "image/png")
    assert archive.content.startswith(b"PK")
    assert [one["id"] for one in runs] == [run_id]


async def test_the_cookie_of_a_link_reaches_its_own_path_alone(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http:
        run_id = await start(http, "echo", "shown")
    share = await _share(sharing, run_id=run_id)
    async with sharing.http(token="") as browser:
        answer = await browser.post(SHARED, json={"link": share["link"]})
        assert answer.json() == {
            "id": share["id"],
            "run_id": run_id,
            "thread_id": None,
            "expires_ms": share["expires_ms"],
        }
        cookie = answer.headers["set-cookie"].lower()
        assert f"path=/v1/shared/{share['id']}" in cookie
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await browser.get(f"{SHARED}/{share['id']}/runs/{run_id}")).status_code == 200
        assert "cookie" not in (await browser.get(f"/v1/runs/{run_id}")).request.headers
        foreign = {"Origin": "http://evil.example"}
        problem_of(await browser.get(f"{SHARED}/{share['id']}", headers=foreign), 401, "link_ended")
        problem_of(await browser.post(f"{SHARED}/{share['id']}/tickets"), 401, "link_ended")
        ours = {"Origin": sharing.origin}
        assert (await browser.post(f"{SHARED}/{share['id']}/tickets", headers=ours)).status_code == 200


async def test_a_link_opens_nothing_but_what_was_shared(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http:
        shown, hidden = await start(http, "echo", "shown"), await start(http, "echo", "hidden")
        absent = "z" * 24
        share, other = await _share(sharing, run_id=shown), await _share(sharing, run_id=hidden)
        doors = [door for door in (await http.get("/openapi.json")).json()["paths"] if "{share_id}" not in door]
    below = f"{SHARED}/{share['id']}/runs"
    async with _visitor(sharing, share) as visitor:
        for tail in ("", "/events", "/artifacts.zip", "/artifacts/x"):
            foreign = await visitor.get(f"{below}/{hidden}{tail}")
            assert foreign.text.replace(hidden, absent) == (await visitor.get(f"{below}/{absent}{tail}")).text
            problem_of(foreign, 404, "not_found")
        problem_of(await visitor.get(f"{SHARED}/{other['id']}"), 401, "link_ended")
        assert len(doors) > 50
        for door in doors:
            if door.startswith("/v1/") and door not in ("/v1/login", SHARED):
                answer = await visitor.request("GET", door.replace("{run_id}", shown))
                assert answer.status_code in (401, 405), door


async def test_a_visitor_follows_on_both_sockets_and_commands_nothing(sharing: EmbeddedServer, gate: Gate) -> None:
    async with sharing.http() as http:
        run_id = await start(http, "gated", {"gate": gate.name})
        hidden = await start(http, "echo", "hidden")
    share = await _share(sharing, run_id=run_id)
    async with _socket(sharing, share) as socket, _socket(sharing, share, f"/ws/runs/{run_id}") as single:
        assert (await socket.next())["user"] == "visitor"
        await socket.ok("run.follow", run_id=run_id)
        commands: dict[str, dict[str, Any]] = {
            "run.cancel": {"run_id": run_id},
            "run.start": {"agent": "echo"},
            "run.retry": {"run_id": run_id},
            "run.send": {"run_id": run_id, "message": "hi"},
            "run.respond": {"run_id": run_id, "request_id": "r", "payload": 1},
            "thread.follow": {"thread_id": "t"},
            "queue.follow": {},
            "view.open": {"run_id": run_id},
        }
        for op, arguments in commands.items():
            assert (await socket.refused(op, **arguments))["code"] == "scope_missing", op
        assert (await socket.refused("run.follow", run_id=hidden))["code"] == "not_found"
        gate.open()
        assert (await socket.until_end(run_id))["code"] == 1000
        ending = await single.to_the_end()
    assert ending.code == 1000
    assert log_of(ending.frames) == log_of(socket.frames, run_id) == sharing.entries(run_id)
    assert "queue" not in {frame["type"] for frame in ending.frames + socket.frames}


async def test_a_visitor_keeps_no_run_alive_that_its_starter_has_left(make_server: MakeServer) -> None:
    server = make_server(share_links=True, disconnect_cancel_s=1.5)
    async with conversing(server) as starter:
        hang = {"steps": [{"text": "begun"}, {"hang": "async"}]}
        run_id = (await starter.ok("run.start", agent="scripted", input=hang, on_disconnect="cancel"))["run_id"]
        share = await _share(server, run_id=run_id)
        async with _socket(server, share, f"/ws/runs/{run_id}?follow=1") as left:
            await left.next()
        async with _socket(server, share, f"/ws/runs/{run_id}?follow=1") as visitor, following(server, run_id) as owner:
            await visitor.next()
            await owner.next()
            starter.drop()
            owner.drop()
            ended_here = asyncio.create_task(visitor.to_the_end())
            while not ended_here.done():  # nor by coming again and again
                async with _socket(server, share, f"/ws/runs/{run_id}?follow=1") as again:
                    await again.next()
            ending = await ended_here
    assert ending.frames[-1]["data"]["status"] == "CANCELLED"


async def test_the_ticket_of_another_run_is_4501_on_a_runs_own_socket(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http:
        shown, hidden = await start(http, "echo", "shown"), await start(http, "echo", "hidden")
    share = await _share(sharing, run_id=shown)
    async with _socket(sharing, share, f"/ws/runs/{hidden}") as socket:
        ending = await socket.to_the_end()
    assert (ending.code, ending.frames) == (4501, [])


async def test_names_of_users_are_left_out_of_what_visitors_read(sharing: EmbeddedServer) -> None:
    token = sharing.token_for("margaret")
    async with sharing.http(token=token) as http:
        run_id = await start(http, "asks", {})
        async with following(sharing, run_id, token=token, follow=1) as owner:
            await owner.until_said("runwire.input_request")
        request_id = (await http.get(f"/v1/runs/{run_id}/requests")).json()["data"][0]["request_id"]
        await http.post(f"/v1/runs/{run_id}/respond", json={"request_id": request_id, "payload": "yes"})
        await ended(sharing, run_id)
        share = (await http.post("/v1/shares", json={"run_id": run_id})).json()
    assert b"margaret" in b"".join(sharing.frames(run_id)), "the log itself names who answered"
    below = f"{SHARED}/{share['id']}"
    async with _visitor(sharing, share) as visitor:
        everything = [(await visitor.get(below + tail.format(run=run_id))).content for tail in INSIDE]
        entries = (await visitor.get(f"{below}/runs/{run_id}/events")).json()["data"]
    async with _socket(sharing, share, f"/ws/runs/{run_id}?batch=1") as socket:
        ending = await socket.to_the_end()
    assert b"margaret" not in b"".join([*everything, *ending.raw])
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert log_of(ending.frames) == entries


async def test_a_conversation_is_shared_with_its_later_runs_and_no_others(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http:
        first = await start(http, "echo", "one", thread_id="talk")
        hidden = await start(http, "echo", "two", thread_id="private")
        share = await _share(sharing, thread_id="talk")
        later = await start(http, "echo", "three", thread_id="talk")
    below = f"{SHARED}/{share['id']}/runs"
    async with _visitor(sharing, share) as visitor:
        shown = (await visitor.get(below)).json()["data"]
        page = (await visitor.get(below, params={"limit": "1"})).json()
        rest = (await visitor.get(below, params={"before": page["next"]})).json()
        problem_of(await visitor.get(f"{below}/{hidden}"), 404, "not_found")
        assert (await visitor.get(f"{below}/{first}/events")).status_code == 200
    assert [(run["id"], run["input"]) for run in shown] == [(later, "three"), (first, "one")]
    assert page["data"] + rest["data"] == shown


async def test_revoking_closes_open_sockets_with_4401_and_ends_every_door(sharing: EmbeddedServer, gate: Gate) -> None:
    async with sharing.http() as http:
        run_id = await start(http, "gated", {"gate": gate.name})
        share, other = await _share(sharing, run_id=run_id), await _share(sharing, run_id=run_id)
        async with (
            _socket(sharing, share) as socket,
            _socket(sharing, share, f"/ws/runs/{run_id}?follow=1") as single,
            _socket(sharing, other) as bystander,
            following(sharing, run_id, follow=1) as owner,
        ):
            for one in (socket, single, bystander, owner):
                await one.next()
            async with _visitor(sharing, share) as visitor:
                unused = (await visitor.post(f"{SHARED}/{share['id']}/tickets")).json()["ticket"]
            assert (await http.delete(f"/v1/shares/{share['id']}")).status_code == 204
            assert [await one.closed_with() for one in (socket, single)] == [4401, 4401]
            async with opened(sharing, "/ws", token="") as late:
                await late.send({"op": "auth", "ticket": unused})
                assert (await late.to_the_end()).code == 4401
            assert (await bystander.ok("run.follow", run_id=run_id))["run_id"] == run_id
        problem_of(await http.delete(f"/v1/shares/{share['id']}"), 404, "not_found")
    async with _visitor(sharing, share) as visitor:
        problem_of(await visitor.get(f"{SHARED}/{share['id']}"), 401, "link_ended")
        problem_of(await visitor.post(SHARED, json={"link": share["link"]}), 401, "link_ended")


async def test_a_link_ends_by_itself_and_so_do_its_sockets(sharing: EmbeddedServer, gate: Gate) -> None:
    async with sharing.http() as http:
        run_id = await start(http, "gated", {"gate": gate.name})
        share = await _share(sharing, run_id=run_id, expires_s=1)
        async with _socket(sharing, share, f"/ws/runs/{run_id}?follow=1") as socket:
            await socket.next()
            assert await socket.closed_with(within_s=4) == 4401
        assert (await http.get("/v1/shares")).json()["data"] == []
    async with _visitor(sharing, share) as visitor:
        problem_of(await visitor.get(f"{SHARED}/{share['id']}"), 401, "link_ended")


async def test_a_life_has_a_bound_and_a_default(make_server: MakeServer) -> None:
    server = make_server(share_links=True, share_link_s=3_600.0)
    async with server.http() as http:
        run_id = await start(http, "echo", "hi")
        problem = problem_of(
            await http.post("/v1/shares", json={"run_id": run_id, "expires_s": 3_601}), 422, "invalid_input"
        )
    assert "3600" in problem["detail"]
    share = await _share(server, run_id=run_id)
    assert share["expires_ms"] - share["created_ms"] == 3_600_000


async def test_only_the_owner_shares_lists_and_revokes(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http, sharing.http(token=sharing.token_for("stranger")) as stranger:
        run_id = await start(http, "echo", "hi", thread_id="mine")
        share = await _share(sharing, run_id=run_id)
        thread = await _share(sharing, thread_id="mine")
        problem_of(await stranger.post("/v1/shares", json={"run_id": run_id}), 404, "not_found")
        problem_of(await stranger.post("/v1/shares", json={"thread_id": "mine"}), 404, "not_found")
        problem_of(await stranger.delete(f"/v1/shares/{share['id']}"), 404, "not_found")
        assert (await stranger.get("/v1/shares")).json()["data"] == []
        for body in ({}, {"run_id": run_id, "thread_id": "mine"}):
            problem_of(await http.post("/v1/shares", json=body), 422, "invalid_input")
        listed = (await http.get("/v1/shares")).json()["data"]
        assert [one["id"] for one in listed] == [thread["id"], share["id"]]
        assert all("link" not in one for one in listed), "the secret is shown once"
        of_run = (await http.get("/v1/shares", params={"run_id": run_id})).json()["data"]
        assert [one["id"] for one in of_run] == [share["id"]]


async def test_the_secret_is_stored_hashed(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http:
        share = await _share(sharing, run_id=await start(http, "echo", "hi"))
    (row,) = query(sharing.data, "SELECT * FROM shares")
    assert share["path"] == f"/shared#link={share['link']}"
    assert share["link"] not in str(row)


async def test_a_link_goes_with_what_it_leads_to(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http:
        run_id = await start(http, "echo", "hi", thread_id="talk")
        await ended(sharing, run_id)
        run, thread = await _share(sharing, run_id=run_id), await _share(sharing, thread_id="talk")
        assert (await http.delete("/v1/threads/talk")).status_code == 204
        await start(http, "echo", "another", thread_id="talk")
    async with _visitor(sharing, thread) as visitor:
        problem_of(await visitor.get(f"{SHARED}/{thread['id']}/runs"), 401, "link_ended")
    async with _visitor(sharing, run) as visitor:
        answer = await visitor.get(f"{SHARED}/{run['id']}/runs/{run_id}")
    assert answer.status_code in (401, 404)


async def test_whoever_tries_links_is_slowed_down(sharing: EmbeddedServer) -> None:
    async with sharing.http(token="") as http:
        answers = [await http.post(SHARED, json={"link": "rwl_guess"}) for _ in range(visits.OPENS_BURST + 20)]
    problem_of(answers[0], 401, "link_ended")
    problem = problem_of(next(one for one in answers if one.status_code != 401), 429, "over_capacity")
    assert problem["retryable"]


async def test_a_link_has_a_bound_of_open_sockets(sharing: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "MOST_SOCKETS", 1)
    async with sharing.http() as http:
        share = await _share(sharing, run_id=await start(http, "echo", "hi"))
    async with _socket(sharing, share) as first, _socket(sharing, share) as second:
        assert (await first.next())["type"] == "hello"
        assert (await second.to_the_end()).code == 1013


async def test_a_visitors_archive_holds_the_files_and_not_the_traversal(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http:
        run_id = await start(http, "files", [{"name": "picture.png"}])
        await ended(sharing, run_id)
        sharing.services.traversals.save(run_id, "T", traversal_of(run_id))
        own = await http.get(f"/v1/runs/{run_id}/artifacts.zip")
    share = await _share(sharing, run_id=run_id)
    async with _visitor(sharing, share) as visitor:
        shown = await visitor.get(f"{SHARED}/{share['id']}/runs/{run_id}/artifacts.zip")
    (traversal, picture) = _names_in(own.content)
    assert traversal.endswith("/traversal.json")
    assert _names_in(shown.content) == [picture]


async def test_strangers_fill_no_memory_and_use_up_no_links_pace(sharing: EmbeddedServer) -> None:
    async with sharing.http() as http:
        run_id = await start(http, "echo", "hi")
    share = await _share(sharing, run_id=run_id)
    paces = sharing.services.visits.requests
    async with sharing.http(token="rwl_guess") as stranger:
        for _ in range(visits.REQUESTS_BURST + 50):
            problem_of(await stranger.get(f"{SHARED}/{share['id']}"), 401, "link_ended")
        problem_of(await stranger.get(f"{SHARED}/{'x' * 8_000}"), 401, "link_ended")
    assert len(paces) == 0
    async with _visitor(sharing, share) as visitor:
        assert (await visitor.get(f"{SHARED}/{share['id']}")).status_code == 200
    assert len(paces) == 1


async def test_a_user_has_a_bound_of_links(sharing: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runwire.persistence.shares.MOST_SHARES", 1)
    async with sharing.http() as http:
        run_id = await start(http, "echo", "hi")
        await _share(sharing, run_id=run_id)
        problem_of(await http.post("/v1/shares", json={"run_id": run_id}), 409, "conflict")
