"""Mission A5: the page's own way in, and every event in real time."""

from __future__ import annotations

from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx

from runwire.wiring.storage import LOCAL_ADMIN
from tests.support.embedded import EmbeddedServer
from tests.support.gates import new_gate
from tests.support.sockets import log_of, opened

GATES = 4


async def _ticket_as_the_page_gets_it(server: EmbeddedServer) -> str:
    """Log in by a link's code, then ask for a ticket with the cookie."""
    code = server.on_loop(lambda: server.services.authenticator.issue_login_code(LOCAL_ADMIN))
    async with httpx.AsyncClient(base_url=server.origin, headers={"Origin": server.origin}, verify=False) as page:
        assert (await page.post("/v1/login", json={"code": code})).status_code == 204
        answer = await page.post("/v1/tickets")
    assert answer.status_code == 200, answer.text
    ticket: str = answer.json()["ticket"]
    return ticket


async def test_a5_the_page_receives_every_event_in_real_time(server: EmbeddedServer) -> None:
    """Each gate opens only after the event before it has arrived: nothing is delivered late or in a lump."""
    async with opened(server, "/ws", token="", headers={"Origin": server.origin}) as socket:
        await socket.send({"op": "auth", "ticket": await _ticket_as_the_page_gets_it(server)})
        assert (await socket.next())["type"] == "hello"
        with ExitStack() as stack:
            gates = [stack.enter_context(new_gate()) for _ in range(GATES)]
            run = await socket.ok("run.start", agent="gate-by-gate", input={"gates": [g.name for g in gates]})
            for number, gate in enumerate(gates):
                await socket.until_said(f"step{number}", run_id=run["run_id"])
                gate.open()
            await socket.until("end", run_id=run["run_id"], code=1000)
    assert log_of(socket.frames) == server.entries(run["run_id"])


async def test_a5_the_printed_login_link_is_the_page(server: EmbeddedServer) -> None:
    parts = urlsplit(server.login)
    assert parts.path == "/login"
    assert parts.query == ""
    assert parts.fragment.startswith("code=")
    async with server.http(token="") as http:
        answer = await http.get(parts.path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
