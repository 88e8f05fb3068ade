"""Where a run may go: the proxy of its context is the only way out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from runwire.browser.egress import EgressProxy
from runwire.browser.egress_policy import policy_of
from runwire.browser.host import BrowserHost
from runwire.contracts.browser import BrowserConfig
from runwire.errors import BrowserError
from runwire.protocol.steps.grammar import parse_step
from tests.browser.conftest import MakeHost

pytestmark = pytest.mark.timeout(30)


async def test_private_address_is_refused_however_it_is_reached(host: BrowserHost, site: str) -> None:
    port = site.rpartition(":")[2]
    targets = [
        f"http://localhost:{port}/hidden.html",  # the sample site's address under a name that is not its origin
        f"{site}/redirect?to=http://localhost:{port}/hidden.html",
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "http://[::1]/",
        "http://2130706433/",
    ]
    for target in targets:
        async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
            with pytest.raises(BrowserError, match=r"not public|no connection"):
                await page.goto(target, timeout_s=5)


async def test_page_itself_gets_no_further(host: BrowserHost, site: str) -> None:
    """Requests and WebSockets that a page makes, not only addresses that a test opens."""
    server = await asyncio.start_server(lambda r, w: reached.append(1), "127.0.0.1", 0)
    reached: list[int] = []
    port = server.sockets[0].getsockname()[1]
    async with server, host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(f"{site}/reach.html?{port}", timeout_s=5)
        await page.perform(parse_step(1, 'Verify text "socket: closed"').action, timeout_s=5)
        await page.perform(parse_step(2, 'Verify text "fetch: failed"').action, timeout_s=5)
    assert reached == []


async def test_setting_opens_a_private_host(make_host: MakeHost, site: str) -> None:
    host = make_host(allow_hosts=("127.0.0.0/8", "::1"))
    async with host.lease("run", BrowserConfig()) as lease, lease.page() as page:
        await page.goto(site.replace("127.0.0.1", "localhost") + "/hidden.html", timeout_s=5)
        assert await page.title() == "States"


async def test_configuration_narrows(host: BrowserHost) -> None:
    async with host.lease("run", BrowserConfig(only_hosts=("a.test",))) as lease, lease.page() as page:
        with pytest.raises(BrowserError, match=r"not among the hosts of this configuration \(a\.test\)"):
            await page.goto("http://b.test/", timeout_s=5)


@asynccontextmanager
async def proxy_for(*allowed: str) -> AsyncIterator[EgressProxy]:
    proxy = EgressProxy()
    await proxy.start()
    try:
        if allowed:
            proxy.admit(policy_of(allowed, None))
        yield proxy
    finally:
        await proxy.close()


async def ask(proxy: EgressProxy, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def test_nothing_passes_before_a_run_is_admitted() -> None:
    async with proxy_for() as proxy:
        answer = await ask(proxy, b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"belongs to no run" in answer


async def test_second_request_needs_a_connection_of_its_own() -> None:
    seen: list[bytes] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(65536))
        await asyncio.sleep(0.1)
        seen.append(await asyncio.wait_for(reader.read(1), 0.2) if not reader.at_eof() else b"")
        writer.close()

    server = await asyncio.start_server(_guarded(origin), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, proxy_for("127.0.0.0/8") as proxy:
        first = b"POST http://127.0.0.1:%d/a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi" % port
        await ask(proxy, first + b"GET http://10.0.0.1/secret HTTP/1.1\r\nHost: y\r\n\r\n")
    assert seen[0].startswith(b"POST /a?b HTTP/1.1\r\n")
    assert b"Connection: close" in seen[0]
    assert b"secret" not in b"".join(seen)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _guarded(handler: Serve) -> Serve:
    """Let a late read of a test's server end it quietly."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except TimeoutError:
            writer.close()

    return serve


@pytest.mark.parametrize(
    "request_line", [b"", b"NONSENSE", b"GET / HTTP/1.1", b"CONNECT x HTTP/1.1", b"GET ftp://a/ HTTP/1.1"]
)
async def test_nonsense_is_cut(request_line: bytes) -> None:
    async with proxy_for("0.0.0.0/0") as proxy:
        assert await ask(proxy, request_line + b"\r\n\r\n") == b""


async def test_large_answer_arrives_whole() -> None:
    body = bytes(range(256)) * 20_000

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(origin, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, proxy_for("127.0.0.0/8") as proxy:
        answer = await ask(proxy, b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % port)
    assert answer.endswith(body)


async def test_closed_proxy_has_cut_its_connections() -> None:
    async with proxy_for("127.0.0.0/8") as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            await asyncio.sleep(0.05)
            await proxy.close()
            client.settimeout(2)
            assert await asyncio.to_thread(_received, client) == b""


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(1)
    except ConnectionResetError:
        return b""
