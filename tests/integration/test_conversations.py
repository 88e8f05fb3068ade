"""Conversations: listed, searched, named, taken away, deleted, each user's own alone (issue: history of a user)."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from runwire.persistence import retention
from runwire.persistence.data_folder import artifacts_folder
from runwire.persistence.database import database_file, open_engine
from tests.conftest import MakeServer
from tests.support.database import change, query
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.sockets import following, log_of


def says(text: str) -> dict[str, Any]:
    """Return a script that says ``text``."""
    return {"steps": [{"text": text}]}


async def threads(http: httpx.AsyncClient, **params: str) -> list[dict[str, Any]]:
    """Return a page of conversations."""
    answer = await http.get("/v1/threads", params=params)
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def found(server: EmbeddedServer, http: httpx.AsyncClient, words: str) -> list[dict[str, Any]]:
    """Return what a search finds once everything that has ended is indexed."""
    await eventually_async(lambda: not query(server.data, "SELECT * FROM unindexed"), "the index is up to date")
    return await threads(http, q=words)


async def test_conversations_are_listed_by_their_newest_activity(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        for thread in ("first", "second"):
            await ended(server, await start(http, "echo", f"hello from {thread}", thread_id=thread))
        assert [one["id"] for one in await threads(http)] == ["second", "first"]
        run_id = await start(http, "echo", "again", thread_id="first")
        await ended(server, run_id)
        first, second = await threads(http)
    assert (first["id"], first["title"], first["titled"]) == ("first", "hello from first", False)
    assert (first["runs"], first["live"]) == (2, 0)
    assert first["last_run"]["run_id"] == run_id
    assert first["last_run"]["status"] == "SUCCEEDED"
    assert first["active_ms"] >= second["active_ms"] >= first["created_ms"]


async def test_the_last_run_of_a_test_says_how_it_went(make_server: MakeServer) -> None:
    server = make_server()
    script = {"steps": [{"step": {"name": "one", "status": "FAILED"}}]}
    async with server.http() as http:
        await ended(server, await start(http, "scripted", script, thread_id="tests"))
        (listed,) = await threads(http)
    assert (listed["last_run"]["status"], listed["last_run"]["verdict"]) == ("SUCCEEDED", "failed")


async def test_pages_hold_each_conversation_once(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        for number in range(5):
            await ended(server, await start(http, "echo", "x", thread_id=f"t{number}"))
        seen: list[str] = []
        mark: dict[str, str] = {}
        while True:
            page = (await http.get("/v1/threads", params={"limit": "2", **mark})).json()
            seen += [one["id"] for one in page["data"]]
            if page["next"] is None:
                break
            mark = {"before": page["next"]}
    assert seen == ["t4", "t3", "t2", "t1", "t0"]


async def test_one_conversation_with_its_runs_while_one_lives(make_server: MakeServer, gate: Gate) -> None:
    server = make_server()
    async with server.http() as http:
        done = await start(http, "echo", "one", thread_id="talk")
        await ended(server, done)
        live = await start(http, "gated", {"gate": gate.name, "text": "two"}, thread_id="talk")
        body = (await http.get("/v1/threads/talk")).json()
        gate.open()
        await ended(server, live)
    assert [run["id"] for run in body["data"]] == [live, done]
    assert (body["runs"], body["live"], body["next"]) == (2, 1, None)
    assert body["last_run"]["status"] in ("QUEUED", "RUNNING")


async def test_a_title_is_the_first_words_until_a_person_gives_one(make_server: MakeServer) -> None:
    server = make_server()
    long = "word " * 60
    async with server.http() as http:
        await ended(server, await start(http, "echo", {"messages": [{"content": long}]}, thread_id="talk"))
        [before] = await threads(http)
        assert before["title"].startswith("word word")
        assert len(before["title"]) <= 80
        renamed = (await http.patch("/v1/threads/talk", json={"title": "  Quarterly   zebra report "})).json()
        assert (renamed["title"], renamed["titled"]) == ("Quarterly zebra report", True)
        assert [one["id"] for one in await found(server, http, "zebra")] == ["talk"]
        again = (await http.patch("/v1/threads/talk", json={"title": None})).json()
        assert (again["title"], again["titled"]) == (before["title"], False)
        assert await found(server, http, "zebra") == []


@pytest.mark.parametrize(
    "body", [{}, {"title": ""}, {"title": "  "}, {"title": 3}, {"title": "x" * 201}, {"name": "x"}]
)
async def test_what_is_no_title_is_refused(server: EmbeddedServer, body: Any) -> None:
    async with server.http() as http:
        problem_of(await http.patch("/v1/threads/any", json=body), 422, "invalid_input")


async def test_search_finds_what_people_and_agents_said_and_no_other_users_words(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        await ended(server, await start(ann, "echo", "Ich möchte einen Käsekuchen backen", thread_id="cake"))
        await ended(server, await start(ann, "scripted", says("The harbour is frozen."), thread_id="sea"))
        await ended(server, await start(bob, "echo", "The harbour of somebody else", thread_id="bobs"))
        [sea] = await found(server, ann, "harbour")
        assert sea["id"] == "sea"
        assert "harbour is frozen" in sea["snippet"]
        assert [one["id"] for one in await found(server, ann, "kasekuchen back")] == ["cake"]
        assert await found(server, ann, "harbour somebody") == []
        assert await found(server, ann, "SUCCEEDED") == []
        assert [one["id"] for one in await found(server, bob, "harbour")] == ["bobs"]


async def test_a_search_takes_every_character_as_text(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        await ended(server, await start(http, "echo", 'say "AND" near* (x) owner:me -y', thread_id="odd"))
        for words in ('"AND"', "near*", "(x)", "owner:me", "-y", '"', "'; DROP TABLE runs", "a\x00b", "text : x OR"):
            assert (await http.get("/v1/threads", params={"q": words})).status_code == 200, words
        assert [one["id"] for one in await found(server, http, '"AND" owner:me')] == ["odd"]
        for words in ("", "   ", "x" * 201, "w " * 17):
            problem_of(await http.get("/v1/threads", params={"q": words}), 422, "invalid_input")


async def test_what_a_killed_server_had_not_indexed_is_found_after_the_restart(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        await ended(server, await start(http, "echo", "a walrus", thread_id="talk"))
    server.stop()  # before the index has settled, as a rule; the note in the database decides, not the timing
    again = make_server(server.data)
    async with again.http() as http:
        assert [one["id"] for one in await found(again, http, "walrus")] == ["talk"]


async def test_deleting_a_conversation_deletes_everything_in_it(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        runs = [
            await start(http, "echo", "the secret penguin", thread_id="talk"),
            await start(http, "files", [{"name": "a.txt"}], thread_id="talk"),
        ]
        kept = await start(http, "echo", "a penguin too", thread_id="other")
        for run_id in (*runs, kept):
            await ended(server, run_id)
        assert len(await found(server, http, "penguin")) == 2
        await http.patch("/v1/threads/talk", json={"title": "quokka"})
        folder = artifacts_folder(server.data) / runs[1]
        assert len(list(folder.iterdir())) == 1
        assert (await http.delete("/v1/threads/talk")).status_code == 204
        problem_of(await http.get("/v1/threads/talk"), 404, "not_found")
        for run_id in runs:
            problem_of(await http.get(f"/v1/runs/{run_id}"), 404, "not_found")
        assert [one["id"] for one in await threads(http, q="penguin")] == ["other"]
        gone = "SELECT id FROM runs WHERE id IN (?, ?)"
        await eventually_async(lambda: not query(server.data, gone, *runs), "the runs are gone from the disk")
        problem_of(await http.delete("/v1/threads/talk"), 404, "not_found")
    for run_id in runs:
        assert query(server.data, "SELECT * FROM entries WHERE run_id = ?", run_id) == []
        assert query(server.data, "SELECT * FROM artifacts WHERE run_id = ?", run_id) == []
    assert not folder.exists()
    assert server.frames(kept)
    assert query(server.data, "SELECT * FROM search_fts WHERE search_fts MATCH 'secret OR quokka'") == []
    assert query(server.data, "SELECT * FROM search_texts WHERE thread_id = 'talk'") == []


async def test_an_id_that_was_deleted_may_be_used_again_under_another_epoch(make_server: MakeServer) -> None:
    """Protocol, L6."""
    server = make_server()
    async with server.http() as http:
        await ended(server, await start(http, "echo", "one", run_id="reused00"))
        epoch = (await http.get("/v1/runs/reused00")).json()["epoch"]
        assert (await http.delete("/v1/runs/reused00")).status_code == 204
        await eventually_async(lambda: server.status("reused00") == "", "the run is gone from the disk")
        await ended(server, await start(http, "echo", "two", run_id="reused00"))
        assert (await http.get("/v1/runs/reused00")).json()["epoch"] != epoch
    async with following(server, "reused00", after=2, epoch=epoch) as socket:
        ending = await socket.to_the_end()
    assert ending.frames[1]["reason"] == "epoch"
    assert log_of(ending.frames)[0]["seq"] == 1


async def test_what_was_deleted_is_removed_from_the_disk_after_a_restart_too(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "scripted", {"steps": [{"burst": {"count": 9_000, "bytes": 10}}]})
        await ended(server, run_id)
    server.stop()
    change(server.data, "UPDATE runs SET owner_id = '', thread_id = '' WHERE id = ?", run_id)
    again = make_server(server.data)
    await eventually_async(lambda: again.status(run_id) == "", "the run is gone", 5)
    assert query(again.data, "SELECT * FROM entries WHERE run_id = ?", run_id) == []


async def test_a_file_that_cannot_be_removed_holds_up_no_other_deletion(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server()
    real = shutil.rmtree

    def refuse(path: Path) -> None:
        if path.name == kept:
            raise OSError(13, "Permission denied")
        real(path)

    async with server.http() as http:
        runs = [await start(http, "files", [{"name": "a"}]) for _ in range(2)]
        kept, other = runs
        for run_id in runs:
            await ended(server, run_id)
        monkeypatch.setattr(shutil, "rmtree", refuse)
        for run_id in runs:
            assert (await http.delete(f"/v1/runs/{run_id}")).status_code == 204
            problem_of(await http.get(f"/v1/runs/{run_id}"), 404, "not_found")
        await eventually_async(lambda: server.status(other) == "", "the other is gone")
        assert server.status(kept) != ""
    server.stop()
    monkeypatch.undo()
    again = make_server(server.data)
    await eventually_async(lambda: again.status(kept) == "", "the next process removes it")


async def test_a_conversation_with_a_live_run_is_deleted_by_force_alone(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(max_running=1)
    async with server.http() as http:
        running = await start(http, "gated", {"gate": gate.name}, thread_id="talk")
        queued = await start(http, "gated", {"gate": gate.name}, thread_id="talk")
        problem = problem_of(await http.delete("/v1/threads/talk"), 409, "conflict")
        assert set(problem["details"]["live"]) == {running, queued}
        problem_of(await http.delete(f"/v1/runs/{queued}"), 409, "conflict")
        assert server.status(running) == "RUNNING", "nothing was deleted or cancelled"
        assert (await http.delete("/v1/threads/talk", params={"force": "1"})).status_code == 204
        problem_of(await http.get("/v1/threads/talk"), 404, "not_found")
        await eventually_async(lambda: server.status(running) == server.status(queued) == "", "both are gone")


async def test_a_run_that_never_stops_does_not_keep_its_conversation(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(cancel_grace_s=0.2)
    async with server.http() as http:
        run_id = await start(http, "blocked", {"gate": gate.name}, thread_id="talk")
        await eventually_async(lambda: server.status(run_id) == "RUNNING", "it runs")
        assert (await http.delete("/v1/threads/talk", params={"force": "1"})).status_code == 204
        await eventually_async(lambda: server.status(run_id) == "", "told as stuck, then deleted")
    gate.open()


async def test_what_was_pruned_is_found_no_more(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        await ended(server, await start(http, "scripted", says("An okapi."), thread_id="talk"))
        assert len(await found(server, http, "okapi")) == 1
        retention.prune(open_engine(database_file(server.data)), 2**53)
        assert query(server.data, "SELECT * FROM unindexed") != []
        await ended(server, await start(http, "echo", "x"))  # the next end wakes the index
        assert len(await found(server, http, "steps")) == 0
        found_by_input = await found(server, http, "okapi")
    assert [one["id"] for one in found_by_input] == ["talk"], "the input is kept"
    texts = query(server.data, "SELECT text FROM search_texts WHERE thread_id = 'talk'")
    assert [row["text"].count("okapi") for row in texts] == [1]


async def test_what_a_run_left_behind_stores_nothing_into_its_grave(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        run_id = await start(http, "echo", "x")
        await ended(server, run_id)
        await http.delete(f"/v1/runs/{run_id}")
        await eventually_async(lambda: server.status(run_id) == "", "the run is gone")
    with pytest.raises(Exception, match="deleted"):
        server.services.artifacts.save(run_id, kind="log", name="x", mime="text/plain", data=b"late")
    assert not list((artifacts_folder(server.data) / run_id).iterdir())


async def test_users_never_see_each_others_conversations(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        run_id = await start(ann, "echo", "mine", thread_id="anns")
        await ended(server, run_id)
        assert await threads(bob) == []
        for answer in (
            await bob.get("/v1/threads/anns"),
            await bob.get("/v1/threads/anns/export"),
            await bob.patch("/v1/threads/anns", json={"title": "taken"}),
            await bob.delete("/v1/threads/anns"),
            await bob.delete("/v1/threads/anns", params={"force": "1"}),
            await bob.delete(f"/v1/runs/{run_id}"),
            await bob.get(f"/v1/runs/{run_id}/artifacts.zip"),
        ):
            problem_of(answer, 404, "not_found")
        assert [one["title"] for one in await threads(ann)] == ["mine"]


async def test_an_export_holds_the_log_as_it_is_stored(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        runs = [
            await start(http, "scripted", says("The harbour is frozen."), thread_id="talk"),
            await start(http, "files", [{"name": "päper.txt"}, {"name": "päper.txt"}], thread_id="talk"),
        ]
        for run_id in runs:
            await ended(server, run_id)
        await http.patch("/v1/threads/talk", json={"title": "A # title"})
        document = await http.get("/v1/threads/talk/export", params={"format": "json"})
        text = await http.get("/v1/threads/talk/export")
        archive = await http.get("/v1/threads/talk/export", params={"format": "zip"})
        alone = await http.get(f"/v1/runs/{runs[1]}/artifacts.zip")
        problem_of(await http.get("/v1/threads/talk/export", params={"format": "pdf"}), 422, "invalid_input")
    exported = document.json()
    assert exported["thread"]["title"] == "A # title"
    assert [run["id"] for run in exported["runs"]] == runs
    assert [run["entries"] for run in exported["runs"]] == [server.entries(run_id) for run_id in runs]
    assert "# A # title" in text.text
    assert "The harbour is frozen." in text.text
    assert text.headers["content-disposition"].startswith("attachment;")
    assert text.headers["x-content-type-options"] == "nosniff"
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert opened.testzip() is None
        assert json.loads(opened.read("conversation.json"))["runs"] == exported["runs"]
        names = [name for name in opened.namelist() if name.startswith("artifacts/")]
        assert [opened.read(name) for name in names] == [b"xxx", b"xxx"]
        assert all(Path(name).name.endswith("-päper.txt") for name in names)
    with zipfile.ZipFile(io.BytesIO(alone.content)) as opened:
        assert opened.namelist() == names


async def test_a_long_export_is_streamed(make_server: MakeServer) -> None:
    """It begins before it is made, and a reader that leaves ends it."""
    server = make_server()
    async with server.http() as http:
        run_id = await start(
            http, "scripted", {"steps": [{"burst": {"count": 20_000, "bytes": 600}}]}, thread_id="talk"
        )
        await ended(server, run_id, within_s=9)
        async with http.stream("GET", "/v1/threads/talk/export", params={"format": "json"}) as answer:
            assert "content-length" not in answer.headers
            pieces = answer.aiter_raw(65_536)
            assert (await anext(pieces)).startswith(b'{"thread":')
        size = 0
        async with http.stream("GET", "/v1/threads/talk/export", params={"format": "json"}) as answer:
            async for piece in answer.aiter_raw():
                assert len(piece) < 1_048_576
                size += len(piece)
    assert size > 20_000 * 600
