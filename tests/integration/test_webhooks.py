"""Webhooks: signed, at least once, retried with back-off, never to a private address, each user's own alone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.database import change, query
from tests.support.deadlines import eventually_async
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.http import ended, problem_of, start
from tests.support.process import ServerProcess, serving
from tests.support.receiver import BROKEN, ENDLESS, GARBAGE, GONE, HANGS, OK, Received, receiving

LOOPBACK = ("127.0.0.0/8",)
QUICK: dict[str, Any] = {"webhook_allow": LOOPBACK, "webhook_retry_s": 0.05, "webhook_timeout_s": 1.0}


async def add(http: httpx.AsyncClient, url: str, name: str = "mine", **more: Any) -> dict[str, Any]:
    """Add a webhook and return it, with its secret."""
    answer = await http.post("/v1/webhooks", json={"url": url, "name": name, **more})
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


async def delivered(http: httpx.AsyncClient, run_id: str, status: str = "DELIVERED") -> dict[str, Any]:
    """Wait until a run's one delivery has the status, and return it."""
    seen: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while [one["status"] for one in seen] != [status]:
            seen = (await http.get(f"/v1/runs/{run_id}/deliveries")).json()["data"]
            await asyncio.sleep(0)
    return seen[0]


def is_signed(received: Received, secret: str) -> bool:
    """Check a signature as a receiver does, by the words of Standard Webhooks and no code of ours."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.".encode() + received.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return received.headers["webhook-signature"] == f"v1,{expected}"


async def test_the_end_of_a_run_is_told_signed_and_once(make_server: MakeServer) -> None:
    server = make_server(**QUICK)
    async with receiving() as receiver, server.http() as http:
        webhook = await add(http, f"{receiver.url}/hook?x=1")
        run_id = await start(http, "echo", "secret input", thread_id="talk")
        delivery = await delivered(http, run_id)
        [received] = receiver.received
        listed = (await http.get("/v1/webhooks")).json()["data"]
        log = (await http.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["data"]
    assert received.head == "POST /hook?x=1 HTTP/1.1"
    assert is_signed(received, webhook["secret"])
    assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 5
    body = json.loads(received.body)
    assert (body["type"], body["data"]["run_id"], body["data"]["status"]) == ("run.succeeded", run_id, "SUCCEEDED")
    assert "input" not in body["data"]
    assert (delivery["id"], delivery["attempts"], delivery["answer"]) == (received.headers["webhook-id"], 1, 204)
    assert log == [delivery]
    assert "secret" not in listed[0]


async def test_a_webhook_is_told_of_ends_after_a_restart_too(make_server: MakeServer) -> None:
    server = make_server(**QUICK)
    async with receiving() as receiver:
        async with server.http() as http:
            await add(http, f"{receiver.url}/hook")
        await asyncio.to_thread(server.stop)
        async with make_server(data=server.data, **QUICK).http() as http:
            await delivered(http, await start(http, "echo", "hi"))
        assert len(receiver.received) == 1


async def test_a_start_may_name_who_is_told(make_server: MakeServer) -> None:
    server = make_server(**QUICK)
    async with receiving() as receiver, server.http() as http:
        webhook = await add(http, "https://example.com/never", statuses=["CANCELLED"])
        plain = await start(http, "echo", "x", webhook={"url": receiver.url})
        await delivered(http, plain)
        signed = await start(http, "echo", "x", webhook={"url": receiver.url, "secret_name": "mine"})
        await delivered(http, signed)
        refused = {"agent": "echo", "input": "x", "webhook": {"url": receiver.url, "secret_name": "other"}}
        problem_of(await http.post("/v1/runs", json=refused), 422, "invalid_input")
    assert "webhook-signature" not in receiver.received[0].headers
    assert is_signed(receiver.received[1], webhook["secret"])


async def test_only_the_chosen_ends_are_told(make_server: MakeServer, gate: Gate) -> None:
    server = make_server(**QUICK)
    async with receiving() as receiver, server.http() as http:
        await add(http, receiver.url, statuses=["CANCELLED"], agents=["gated"])
        for agent in ("echo", "gated"):
            run_id = await start(http, agent, {"gate": gate.name, "text": "x"})
            if agent == "gated":
                await http.post(f"/v1/runs/{run_id}/cancel")
            await ended(server, run_id)
            if agent == "gated":
                await delivered(http, run_id)
    assert [json.loads(one.body)["type"] for one in receiver.received] == ["run.cancelled"]


async def test_what_fails_is_tried_again_with_the_same_body_and_id(make_server: MakeServer) -> None:
    server = make_server(**QUICK)
    async with receiving(BROKEN, "302 Found", GARBAGE, OK) as receiver, server.http() as http:
        webhook = await add(http, receiver.url)
        run_id = await start(http, "echo", "x")
        delivery = await delivered(http, run_id)
        assert delivery["attempts"] == 4
    assert len({(one.body, one.headers["webhook-id"]) for one in receiver.received}) == 1
    assert all(is_signed(one, webhook["secret"]) for one in receiver.received)
    assert "/elsewhere" not in "".join(one.head for one in receiver.received), "a redirect was followed"


@pytest.mark.parametrize(
    ("answer", "attempts", "error"),
    [
        (BROKEN, 2, "answered 500"),
        ("301 Moved", 2, "redirects are not followed"),
        (HANGS, 2, "no answer within 0.2 s"),
        (GARBAGE, 2, "Error"),
        (GONE, 1, "answered 410"),
    ],
)
async def test_a_bad_receiver_is_given_up_within_bounds(
    make_server: MakeServer, answer: str, attempts: int, error: str
) -> None:
    server = make_server(**{**QUICK, "webhook_timeout_s": 0.2, "webhook_attempts": 2})
    async with receiving(answer) as receiver, server.http() as http:
        await add(http, receiver.url)
        delivery = await delivered(http, await start(http, "echo", "x"), "FAILED")
    assert (delivery["attempts"], len(receiver.received), delivery["next_ms"]) == (attempts, attempts, None)
    assert error in delivery["error"]


async def test_an_endless_answer_is_not_read(make_server: MakeServer) -> None:
    server = make_server(**QUICK)
    async with receiving(ENDLESS) as receiver, server.http() as http:
        await add(http, receiver.url)
        assert (await delivered(http, await start(http, "echo", "x")))["answer"] == 200


async def test_a_receiver_that_hangs_holds_up_its_owner_alone(make_server: MakeServer) -> None:
    server = make_server(**{**QUICK, "webhook_timeout_s": 30.0})
    async with (
        receiving(HANGS) as hanging,
        receiving() as quick,
        server.http(server.token_for("ann")) as ann,
        server.http(server.token_for("bob")) as bob,
    ):
        await add(ann, hanging.url)
        await add(bob, quick.url)
        for _ in range(20):
            await start(ann, "echo", "x")
        await eventually_async(lambda: len(hanging.received) >= 2, "ann's deliveries hang")
        await delivered(bob, await start(bob, "echo", "x"))
        assert len(hanging.received) == 2, "a user's share is two at once"


PRIVATE = ["http://127.0.0.1:1/", "https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest"]
BAD_URLS = [*PRIVATE, "https://[::ffff:127.0.0.1]/", "ftp://example.com/", "https://u:p@example.com/", "x", ""]


@pytest.mark.parametrize("url", [*BAD_URLS, "http://example.com/", "https://exämple.com/", "https://a:99999/"])
async def test_what_may_not_be_told_is_refused_at_once(server: EmbeddedServer, url: str) -> None:
    async with server.http() as http:
        problem_of(await http.post("/v1/webhooks", json={"name": "bad", "url": url}), 422, "invalid_input")
        body = {"agent": "echo", "input": "x", "webhook": {"url": url}, "run_id": "badhook001"}
        problem_of(await http.post("/v1/runs", json=body), 422, "invalid_input")
        problem_of(await http.get("/v1/runs/badhook001"), 404, "not_found")


async def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was checked is the one that is connected to; the name is looked up once an attempt."""
    server = make_server(webhook_retry_s=0.05, webhook_attempts=2)
    asked: list[str] = []
    real = socket.getaddrinfo

    def lying(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host == "rebind.example":
            asked.append(host)
            public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))
            return [public, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        return real(host, port, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lying)
    async with receiving() as receiver, server.http() as http:
        port = receiver.url.rsplit(":", 1)[1]
        await add(http, f"https://rebind.example:{port}/")
        delivery = await delivered(http, await start(http, "echo", "x"), "FAILED")
    assert "127.0.0.1, which is not public" in delivery["error"]
    assert receiver.connections == 0
    assert len(asked) == 2


async def test_what_a_killed_server_had_not_delivered_is_delivered_after_the_restart(make_server: MakeServer) -> None:
    """The outbox row stands in the terminal transaction; here its delivery never came about."""
    server = make_server(**{**QUICK, "webhook_timeout_s": 30.0})
    async with receiving(HANGS, OK) as receiver, server.http() as http:
        webhook = await add(http, receiver.url)
        run_id = await start(http, "echo", "x")
        await ended(server, run_id)
        await eventually_async(lambda: len(receiver.received) == 1, "an attempt is under way")
        server.stop()
        assert [row["attempts"] for row in query(server.data, "SELECT attempts FROM webhook_deliveries")] == [0]
        again = make_server(server.data, **QUICK)
        async with again.http() as later:
            assert (await delivered(later, run_id))["attempts"] == 1
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert is_signed(receiver.received[1], webhook["secret"])


async def test_a_kill_between_the_terminal_commit_and_the_delivery_loses_nothing(data: Path) -> None:
    settings = {"webhook_allow": "127.0.0.0/8", "webhook_retry_s": 0.05}
    async with receiving(HANGS, OK) as receiver:
        with serving(data, **settings) as server:
            async with httpx.AsyncClient(base_url=server.origin, headers=_token(server), trust_env=False) as http:
                run_id = await start(http, "echo", "x", webhook={"url": receiver.url})
                await eventually_async(lambda: len(receiver.received) == 1, "committed, and not yet delivered")
            server.kill()
        with serving(data, **settings) as server:
            async with httpx.AsyncClient(base_url=server.origin, headers=_token(server), trust_env=False) as http:
                assert (await delivered(http, run_id))["attempts"] == 1
    assert len({(one.headers["webhook-id"], one.body) for one in receiver.received}) == 1


def _token(server: ServerProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


async def test_a_retry_outlives_a_restart(make_server: MakeServer) -> None:
    server = make_server(**{**QUICK, "webhook_retry_s": 3_600.0})
    async with receiving(BROKEN, OK) as receiver, server.http() as http:
        await add(http, receiver.url)
        run_id = await start(http, "echo", "x")
        await eventually_async(lambda: len(receiver.received) == 1, "the first attempt")
        await eventually_async(
            lambda: query(server.data, "SELECT attempts FROM webhook_deliveries")[0]["attempts"] == 1, "it is stored"
        )
        server.stop()
        change(server.data, "UPDATE webhook_deliveries SET next_ms = next_ms - 7200000")
        again = make_server(server.data, **QUICK)
        async with again.http() as later:
            assert (await delivered(later, run_id))["attempts"] == 2


async def test_users_never_see_each_others_webhooks(make_server: MakeServer) -> None:
    server = make_server(**QUICK)
    async with (
        receiving() as receiver,
        server.http(server.token_for("ann")) as ann,
        server.http(server.token_for("bob")) as bob,
    ):
        webhook = await add(ann, receiver.url)
        run_id = await start(ann, "echo", "x")
        await delivered(ann, run_id)
        await ended(server, await start(bob, "echo", "x"))
        assert (await bob.get("/v1/webhooks")).json()["data"] == []
        problem_of(await bob.delete(f"/v1/webhooks/{webhook['id']}"), 404, "not_found")
        problem_of(await bob.get(f"/v1/webhooks/{webhook['id']}/deliveries"), 404, "not_found")
        problem_of(await bob.get(f"/v1/runs/{run_id}/deliveries"), 404, "not_found")
        body = {"agent": "echo", "input": "x", "webhook": {"url": receiver.url, "secret_name": "mine"}}
        problem_of(await bob.post("/v1/runs", json=body), 422, "invalid_input")
        assert len(receiver.received) == 1


async def test_an_admin_may_be_told_of_everyones_runs(make_server: MakeServer) -> None:
    server = make_server(**QUICK)
    async with receiving() as receiver, server.http() as admin, server.http(server.token_for("bob")) as bob:
        refused = {"name": "all", "url": receiver.url, "everyone": True}
        problem_of(await bob.post("/v1/webhooks", json=refused), 403, "scope_missing")
        webhook = await add(admin, receiver.url, "all", everyone=True)
        run_id = await start(bob, "echo", "x")
        await eventually_async(lambda: len(receiver.received) == 1, "the admin is told")
        assert (await bob.get(f"/v1/runs/{run_id}/deliveries")).json()["data"] == [], "it is not bob's matter"
        assert len((await admin.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["data"]) == 1
    assert json.loads(receiver.received[0].body)["data"]["user"] == "bob"


async def test_names_and_counts_have_limits(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("carl")) as http:
        for number in range(20):
            await add(http, "https://example.com/", f"n{number}")
        more = {"url": "https://example.com/", "name": "n20"}
        problem_of(await http.post("/v1/webhooks", json=more), 409, "conflict")
        problem_of(await http.post("/v1/webhooks", json={**more, "name": "n1"}), 409, "conflict")
        problem_of(await http.post("/v1/webhooks", json={**more, "statuses": ["RUNNING"]}), 422, "invalid_input")


async def test_a_deleted_webhook_or_run_is_told_of_no_more(make_server: MakeServer) -> None:
    server = make_server(**{**QUICK, "webhook_retry_s": 3_600.0})
    async with receiving(BROKEN) as receiver, server.http() as http:
        webhook = await add(http, receiver.url)
        runs = [await start(http, "echo", "x") for _ in range(2)]
        for run_id in runs:
            await ended(server, run_id)
        await eventually_async(lambda: len(receiver.received) == 2, "both were tried")
        await http.delete(f"/v1/runs/{runs[0]}")
        assert len(query(server.data, "SELECT * FROM webhook_deliveries")) == 1
        assert (await http.delete(f"/v1/webhooks/{webhook['id']}")).status_code == 204
        assert query(server.data, "SELECT * FROM webhook_deliveries") == []
