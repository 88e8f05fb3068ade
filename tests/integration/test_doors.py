"""Protocol, section 2: who may come in, and what the others are told before and after 101."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from runwire.wiring.storage import LOCAL_ADMIN
from tests.conftest import MakeServer
from tests.support.embedded import EmbeddedServer
from tests.support.gates import Gate
from tests.support.raw import raw_peer
from tests.support.sockets import conversing, following, log_of, opened

NOBODY = "z" * 24
SOCKETS = ["/ws", f"/ws/runs/{NOBODY}"]


async def _upgrade(server: EmbeddedServer, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    """Return the status of an upgrade as it stands on the wire, and the problem that came with it."""
    async with raw_peer(server.origin) as peer:
        status, body = await peer.upgrade(path, **headers)
    return status, json.loads(body) if body else {}


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("credentials", ["Bearer wrong", "Bearer ", "Basic YTpi", "Bearer rw_" + "a" * 43, ""])
async def test_wrong_credentials_are_401_before_101(server: EmbeddedServer, path: str, credentials: str) -> None:
    status, problem = await _upgrade(server, path, Authorization=credentials)
    assert (status, problem["code"], problem["status"]) == (401, "not_authenticated", 401)


async def test_unknown_run_is_404_before_101(server: EmbeddedServer) -> None:
    status, problem = await _upgrade(server, f"/ws/runs/{NOBODY}", Authorization=f"Bearer {server.token}")
    assert (status, problem["code"]) == (404, "not_found")


async def test_foreign_run_is_404_before_101_in_the_same_words(server: EmbeddedServer, gate: Gate) -> None:
    async with conversing(server) as socket:
        run_id = (await socket.ok("run.start", agent="gated", input={"gate": gate.name}))["run_id"]
        stranger = f"Bearer {server.token_for('stranger')}"
        foreign = await _upgrade(server, f"/ws/runs/{run_id}", Authorization=stranger)
        absent = await _upgrade(server, f"/ws/runs/{NOBODY}", Authorization=stranger)
        assert foreign[0] == 404
        assert json.dumps(foreign).replace(run_id, NOBODY) == json.dumps(absent)


async def test_no_socket_at_other_paths(server: EmbeddedServer) -> None:
    status, _ = await _upgrade(server, "/ws/nothing", Authorization=f"Bearer {server.token}")
    assert status in (403, 404)


@pytest.mark.parametrize("path", SOCKETS)
async def test_unknown_subprotocol_is_400(server: EmbeddedServer, path: str) -> None:
    headers = {"Authorization": f"Bearer {server.token}", "Sec_WebSocket_Protocol": "runwire.v9, other"}
    status, problem = await _upgrade(server, path, **headers)
    assert (status, problem["code"]) == (400, "bad_command")
    assert "runwire.v1" in problem["detail"]


async def test_known_subprotocol_is_named_in_the_101_and_none_is_fine(server: EmbeddedServer) -> None:
    async with opened(server, "/ws", subprotocols=["runwire.v9", "runwire.v1"]) as socket:
        assert socket.response_headers["Sec-WebSocket-Protocol"] == "runwire.v1"
        assert (await socket.next())["protocol"] == "runwire.v1"
    async with opened(server, "/ws") as socket:
        assert "Sec-WebSocket-Protocol" not in socket.response_headers
        assert (await socket.next())["protocol"] == "runwire.v1"


# The first message


async def test_first_message_token_opens_both_sockets(server: EmbeddedServer) -> None:
    async with opened(server, "/ws", token="") as socket:
        await socket.send({"op": "auth", "token": server.token})
        assert (await socket.next())["user"] == "admin"
        run_id = (await socket.ok("run.start", agent="echo", input="hi"))["run_id"]
    async with following(server, run_id, token="") as socket:
        await socket.send({"op": "auth", "token": server.token})
        assert (await socket.next())["type"] == "connected", "auth has no reply of its own"
        ending = await socket.to_the_end()
    assert (ending.code, log_of(ending.frames)) == (1000, server.entries(run_id))


async def test_a_ticket_opens_one_socket_once(server: EmbeddedServer) -> None:
    async with server.http() as http:
        answer = (await http.post("/v1/tickets")).json()
    assert answer["expires_s"] == 30
    async with opened(server, "/ws", token="") as socket:
        await socket.send({"op": "auth", "ticket": answer["ticket"]})
        assert (await socket.next())["type"] == "hello"
    async with opened(server, "/ws", token="") as socket:
        await socket.send({"op": "auth", "ticket": answer["ticket"]})
        ending = await socket.to_the_end()
    assert (ending.code, ending.frames) == (4401, [])


@pytest.mark.parametrize(
    "first",
    [
        {"op": "auth"},
        {"op": "auth", "token": "wrong"},
        {"op": "auth", "ticket": "wrong"},
        {"op": "auth", "token": None, "ticket": None},
        {"op": "ping"},
        {"op": "run.start", "agent": "echo"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", SOCKETS)
async def test_any_other_first_message_is_4401(server: EmbeddedServer, path: str, first: dict[str, Any]) -> None:
    async with opened(server, path, token="") as socket:
        await socket.send(first)
        ending = await socket.to_the_end()
    assert (ending.code, ending.frames) == (4401, []), "a stranger is told nothing"


@pytest.mark.parametrize("first", ["no json", "[]", "{}", b"\x00", '{"op":"auth","token":7}', '{"op":"auth","more":1}'])
@pytest.mark.parametrize("path", SOCKETS)
async def test_a_first_message_that_is_none_closes_and_tells_nothing(
    server: EmbeddedServer, path: str, first: str | bytes
) -> None:
    async with opened(server, path, token="") as socket:
        await socket.send(first)
        ending = await socket.to_the_end()
    assert ending.frames == []
    assert ending.code in (1003, 4401, 4501)


async def test_unknown_run_after_first_message_auth_is_4501(server: EmbeddedServer) -> None:
    async with following(server, NOBODY, token="") as socket:
        await socket.send({"op": "auth", "token": server.token})
        ending = await socket.to_the_end()
    assert (ending.code, ending.frames) == (4501, [])


@pytest.mark.parametrize("path", SOCKETS)
async def test_silence_is_told_nothing_and_closed_4401_after_the_deadline(make_server: MakeServer, path: str) -> None:
    server = make_server(auth_timeout_s=0.1, heartbeat_s=0.02)
    async with opened(server, path, token="") as socket:
        ending = await socket.to_the_end()
    assert (ending.code, ending.frames) == (4401, [])


# The page's login


def _page(server: EmbeddedServer, origin: str | None = None) -> httpx.AsyncClient:
    headers = {"Origin": origin if origin is not None else server.origin}
    return httpx.AsyncClient(base_url=server.origin, headers=headers, verify=False, trust_env=False)


async def _logged_in(server: EmbeddedServer, page: httpx.AsyncClient) -> str:
    code: str = server.on_loop(lambda: server.services.authenticator.issue_login_code(LOCAL_ADMIN))
    assert (await page.post("/v1/login", json={"code": code})).status_code == 204
    return code


async def test_a_login_code_works_once(server: EmbeddedServer) -> None:
    async with _page(server) as page:
        code = await _logged_in(server, page)
        assert (await page.get("/v1/me")).json() == {"user": "admin", "admin": True, "share_links": False}
    async with _page(server) as another:
        assert (await another.post("/v1/login", json={"code": code})).status_code == 401
        assert (await another.get("/v1/me")).status_code == 401


async def test_the_cookie_is_for_http_alone(server: EmbeddedServer) -> None:
    async with _page(server) as page:
        code = server.on_loop(lambda: server.services.authenticator.issue_login_code(LOCAL_ADMIN))
        answer = await page.post("/v1/login", json={"code": code})
    cookie = answer.headers["set-cookie"]
    for mark in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert mark in cookie


@pytest.mark.parametrize("path", SOCKETS)
async def test_a_cookie_alone_never_opens_a_socket(make_server: MakeServer, path: str) -> None:
    server = make_server(auth_timeout_s=0.1)
    async with _page(server) as page:
        await _logged_in(server, page)
        cookie = f"runwire_session={page.cookies['runwire_session']}"
    async with opened(server, path, token="", headers={"Cookie": cookie, "Origin": server.origin}) as socket:
        ending = await socket.to_the_end()
    assert (ending.code, ending.frames) == (4401, [])


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_cookie_from_another_origin_is_nobody(server: EmbeddedServer, origin: str) -> None:
    async with _page(server) as page:
        await _logged_in(server, page)
        cookies = dict(page.cookies)
    async with _page(server, origin) as evil:
        evil.cookies.update(cookies)
        for method, path in (("POST", "/v1/tickets"), ("POST", "/v1/runs"), ("GET", "/v1/runs"), ("GET", "/v1/me")):
            assert (await evil.request(method, path, json={"agent": "echo"})).status_code == 401, path


async def test_a_cookie_without_an_origin_changes_nothing(server: EmbeddedServer) -> None:
    async with _page(server) as page:
        await _logged_in(server, page)
        del page.headers["Origin"]
        assert (await page.post("/v1/runs", json={"agent": "echo"})).status_code == 401
        assert (await page.post("/v1/tickets")).status_code == 401


async def test_logging_out_ends_the_login(server: EmbeddedServer) -> None:
    async with _page(server) as page:
        await _logged_in(server, page)
        cookies = dict(page.cookies)
        assert (await page.post("/v1/logout")).status_code == 204
        page.cookies.update(cookies)
        assert (await page.get("/v1/me")).status_code == 401


async def test_a_token_logs_the_page_in(server: EmbeddedServer) -> None:
    async with _page(server) as page:
        assert (await page.post("/v1/login", json={"token": "wrong"})).status_code == 401
        assert (await page.post("/v1/login", json={"token": server.token_for("ann")})).status_code == 204
        assert (await page.get("/v1/me")).json() == {"user": "ann", "admin": False, "share_links": False}


EVERY_USER_ROUTE = [
    ("GET", "/v1/me"),
    ("POST", "/v1/tickets"),
    ("POST", "/v1/logout"),
    ("GET", "/v1/agents"),
    ("POST", "/v1/runs"),
    ("GET", "/v1/runs"),
    ("GET", f"/v1/runs/{NOBODY}"),
    ("GET", f"/v1/runs/{NOBODY}/events"),
    ("POST", f"/v1/runs/{NOBODY}/cancel"),
    ("GET", f"/v1/runs/{NOBODY}/artifacts"),
    ("GET", f"/v1/runs/{NOBODY}/artifacts/{NOBODY}"),
    ("GET", "/v1/queue"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_USER_ROUTE)
async def test_http_without_credentials_is_401(server: EmbeddedServer, method: str, path: str) -> None:
    async with server.http(token="") as http:
        answer = await http.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
        wrong = await http.request(method, path, headers={"Authorization": "Bearer wrong"})
        assert wrong.status_code == 401
