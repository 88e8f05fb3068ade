"""Files as run input: stored by chunks, within quotas, read by the owner's runs alone, removed when unused."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runwire.persistence import files, leftovers
from runwire.persistence.data_folder import files_folder
from runwire.persistence.database import database_file, open_engine
from tests.conftest import MakeServer
from tests.support.database import query
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.isolation import EVERY_ISOLATION


async def put(http: httpx.AsyncClient, content: Any = b"abc", name: str = "a.txt", mime: str = "text/plain") -> Any:
    """Store a file and return what the server says of it."""
    answer = await http.post("/v1/files", params={"name": name}, content=content, headers={"Content-Type": mime})
    assert answer.status_code == 201, answer.text
    return answer.json()


def on_disk(server: EmbeddedServer) -> list[Path]:
    """Return every file under the folder of files, half-written ones included."""
    return [path for path in files_folder(server.data).rglob("*") if path.is_file()]


@EVERY_ISOLATION
async def test_a_run_reads_the_file_that_its_input_names(server: EmbeddedServer) -> None:
    content = os.urandom(300_000)
    async with server.http() as http:
        stored = await put(http, content, "Bericht.pdf", "application/pdf; charset=binary")
        assert (stored["bytes"], stored["mime"]) == (300_000, "application/pdf")
        assert stored["sha256"] == hashlib.sha256(content).hexdigest()
        run_id = await start(http, "reads", {"document": {"file_id": stored["id"]}})
        assert (await ended(server, run_id))["result"] == {
            "bytes": 300_000,
            "name": "Bericht.pdf",
            "path_is_file": True,
        }
        plain = await start(http, "reads-plainly", {"any": (await put(http, b"words"))["id"]})
        assert (await ended(server, plain))["result"] == "words"


async def test_a_file_is_served_as_a_download_whatever_it_says_it_is(server: EmbeddedServer) -> None:
    async with server.http() as http:
        stored = await put(http, b"<script>1</script>", '../..\\x"\r\n.html', "text/html")
        answer = await http.get(stored["url"])
    assert answer.content == b"<script>1</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "/" not in stored["name"]
    assert "\\" not in stored["name"]


async def test_a_form_with_one_file_is_taken_as_well(server: EmbeddedServer) -> None:
    content = os.urandom(200_000)
    async with server.http() as http:
        form = {"file": ("föto.png", content, "image/png")}
        answer = await http.post("/v1/files", files=form, data={"purpose": "x"})
        assert answer.status_code == 201, answer.text
        stored = answer.json()
        assert (stored["name"], stored["mime"], stored["bytes"]) == ("föto.png", "image/png", 200_000)
        assert (await http.get(stored["url"])).content == content


FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nabc\r\n'
BAD_FORMS = [
    ("multipart/form-data", PART + b"--b--\r\n"),
    (FORM, b""),
    (FORM, PART),
    (FORM, b"no form at all"),
    (FORM, b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nabc\r\n--b--\r\n'),
    (FORM, PART + PART + b"--b--\r\n"),
    (FORM, b"--b\r\nX-Long: " + b"x" * 9_000 + b"\r\n\r\nabc\r\n--b--\r\n"),
]


@pytest.mark.parametrize(("mime", "body"), BAD_FORMS)
async def test_a_bad_form_stores_nothing(make_server: MakeServer, mime: str, body: bytes) -> None:
    server = make_server()
    async with server.http() as http:
        answer = await http.post("/v1/files", content=body, headers={"Content-Type": mime})
        problem_of(answer, 422, "invalid_input")
        assert (await http.get("/v1/files")).json() == {"data": [], "next": None}
    assert on_disk(server) == []


async def test_an_upload_is_never_whole_in_memory(make_server: MakeServer) -> None:
    """The file grows on the disk while it is sent, and one that is cut leaves nothing."""
    server = make_server(file_bytes=8_000_000)
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * 4_000_000
        await more.wait()
        raise RuntimeError("the client leaves")

    async def send() -> None:
        async with server.http() as http:
            await http.post("/v1/files", content=slowly())

    sending = asyncio.create_task(send())
    await eventually_async(lambda: any(p.stat().st_size > 3_000_000 for p in on_disk(server)), "it is on the disk")
    more.set()
    with pytest.raises(RuntimeError, match="leaves"):
        await sending
    await eventually_async(lambda: on_disk(server) == [], "nothing is left")


async def test_size_count_and_sum_have_limits(make_server: MakeServer) -> None:
    server = make_server(file_bytes=1_000, user_files=3, user_file_bytes=2_500)
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        problem_of(await ann.post("/v1/files", content=b"x" * 1_001), 413, "too_large")
        kept = [await put(ann, b"x" * 1_000), await put(ann, b"x" * 1_000)]
        problem = problem_of(await ann.post("/v1/files", content=b"x" * 501), 413, "too_large")
        assert "2500 bytes in sum" in problem["detail"]
        kept.append(await put(ann, b""))
        assert "3 files" in problem_of(await ann.post("/v1/files", content=b""), 413, "too_large")["detail"]
        await put(bob, b"x" * 1_000)
        assert (await ann.delete(f"/v1/files/{kept[0]['id']}")).status_code == 204
        await put(ann, b"x" * 1_000)
    assert len(on_disk(server)) == 4


async def test_uploads_at_once_share_the_sum(make_server: MakeServer) -> None:
    server = make_server(user_file_bytes=100_000)
    async with server.http() as http:
        answers = await asyncio.gather(*(http.post("/v1/files", content=b"x" * 40_000) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers)[:2] == [201, 201]
        assert {answer.status_code for answer in answers[2:]} <= {201, 413}
        listed = (await http.get("/v1/files")).json()["data"]
    assert sum(one["bytes"] for one in listed) <= 100_000
    assert len(on_disk(server)) == len(listed)


async def test_users_never_see_each_others_files(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("ann")) as ann, server.http(server.token_for("bob")) as bob:
        stored = await put(ann, b"a secret")
        problem_of(await bob.get(stored["url"]), 404, "not_found")
        problem_of(await bob.delete(stored["url"]), 404, "not_found")
        assert (await bob.get("/v1/files")).json()["data"] == []
        refused = await bob.post("/v1/runs", json={"agent": "reads", "input": {"document": {"file_id": stored["id"]}}})
        assert stored["id"] in problem_of(refused, 422, "invalid_input")["detail"]
        run_id = await start(bob, "reads-plainly", {"any": stored["id"]})  # by an id that the server did not see
        failure = await ended(server, run_id)
        assert (failure["status"], failure["error"]["code"]) == ("FAILED", "not_found")
        assert (await ann.get(stored["url"])).content == b"a secret"


@pytest.mark.parametrize("file_id", ["", "absent", "../../../etc/passwd", "a" * 5_000])
async def test_an_input_that_names_no_file_starts_nothing(server: EmbeddedServer, file_id: str) -> None:
    async with server.http() as http:
        body = {"agent": "echo", "input": [{"deep": {"file_id": file_id}}], "run_id": "nofile0001"}
        problem_of(await http.post("/v1/runs", json=body), 422, "invalid_input")
        problem_of(await http.get("/v1/runs/nofile0001"), 404, "not_found")


async def test_an_object_with_more_than_a_file_id_is_the_agents_own_matter(server: EmbeddedServer) -> None:
    async with server.http() as http:
        run_id = await start(http, "facts", {"file_id": "of another system", "kind": "x"})
        assert (await ended(server, run_id))["status"] == "SUCCEEDED"


async def test_a_file_in_use_is_kept_until_its_run_has_ended(make_server: MakeServer, gate: Gate) -> None:
    server = make_server()
    async with server.http() as http:
        stored = await put(http)
        run_id = await start(http, "gated", {"gate": gate.name, "file": {"file_id": stored["id"]}})
        assert problem_of(await http.delete(stored["url"]), 409, "conflict")["details"] == {"run_id": run_id}
        gate.open()
        await ended(server, run_id)
        assert (await http.delete(stored["url"])).status_code == 204
    assert on_disk(server) == []


async def test_prune_removes_what_no_run_uses_and_what_a_crash_left(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        used, unused = await put(http, b"used"), await put(http, b"unused")
        run_id = await start(http, "echo", {"text": "x", "file": {"file_id": used["id"]}})
        await ended(server, run_id)
        folder = files_folder(server.data)
        for name in ("orphan", "cut.part"):
            path = on_disk(server)[0].parent / name
            path.write_bytes(b"left")
            os.utime(path, (0, 0))
        engine = open_engine(database_file(server.data))
        assert files.remove_unused(engine, folder, 0) == (0, 0)
        assert files.remove_unused(engine, folder, 2**53) == (1, 6)
        assert leftovers.clear(engine, server.data, 0).abandoned == 2
        assert [path.read_bytes() for path in on_disk(server)] == [b"used"]
        problem_of(await http.get(unused["url"]), 404, "not_found")
        assert (await http.get(used["url"])).status_code == 200
        await http.delete(f"/v1/runs/{run_id}")
        await eventually_async(lambda: not query(server.data, "SELECT * FROM file_uses"), "the run is gone")
        assert files.remove_unused(engine, folder, 2**53) == (1, 4)


async def test_files_are_listed_newest_first_by_pages(make_server: MakeServer) -> None:
    server = make_server()
    async with server.http() as http:
        for number in range(5):
            await put(http, name=f"f{number}")
        names: list[str] = []
        mark: dict[str, str] = {}
        while True:
            page = (await http.get("/v1/files", params={"limit": "2", **mark})).json()
            names += [one["name"] for one in page["data"]]
            if page["next"] is None:
                break
            mark = {"before": page["next"]}
    assert sorted(names) == [f"f{number}" for number in range(5)]
    assert len(names) == 5


async def test_an_upload_beyond_the_sum_is_refused_while_it_comes(make_server: MakeServer) -> None:
    server = make_server(user_file_bytes=100_000)
    assert b" 413 " in await _first_line(server, declared=8_000_000, sent=200_000)
    assert on_disk(server) == []


async def test_a_slow_upload_is_given_up(make_server: MakeServer) -> None:
    server = make_server(upload_timeout_s=0.3)
    assert b" 408 " in await _first_line(server, declared=9, sent=1)
    assert on_disk(server) == []


async def _first_line(server: EmbeddedServer, *, declared: int, sent: int) -> bytes:
    """Send the beginning of an upload, and no more, and return how it is answered."""
    host, port = server.origin.removeprefix("http://").split(":")
    head = f"POST /v1/files HTTP/1.1\r\nHost: {host}\r\nContent-Length: {declared}\r\n"
    head += f"Authorization: Bearer {server.token}\r\n\r\n"
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + b"x" * sent)
        line = await reader.readline()
        writer.close()
        with contextlib.suppress(OSError):  # the server has closed first, with bytes unread
            await writer.wait_closed()
    return line
