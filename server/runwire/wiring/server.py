"""The whole server: a running core behind its doors. Floor 7; called once for each process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import msgspec

from runwire.errors import StartupIncomplete
from runwire.persistence import data_folder
from runwire.settings import Settings
from runwire.web.app import build_app
from runwire.web.body_limit import BodyBounds
from runwire.web.chat_ui import samples_folder
from runwire.web.server import DrainingServer, Serving, make_server
from runwire.web.services import check_complete
from runwire.web.uploads import MULTIPART_OVERHEAD_BYTES
from runwire.wiring.core import Address, Core, running_core
from runwire.wiring.storage import LOCAL_ADMIN, first_token


def build_server(settings: Settings, announce: Callable[[str, str], None]) -> DrainingServer:
    """Return the whole server, not yet listening. ``announce(origin, login_address)`` is called once it does."""
    address, serving = Address(), Serving()
    upload = BodyBounds(settings.file_bytes + MULTIPART_OVERHEAD_BYTES, settings.upload_timeout_s)
    body = BodyBounds(settings.body_bytes, settings.handshake_timeout_s, upload)
    app, doors = build_app(body, samples_folder(settings), metrics_open=settings.metrics_open)
    state = app.state

    @asynccontextmanager
    async def house() -> AsyncIterator[None]:
        async with running_core(settings, address) as core:
            state.agent_websocket_bridge = core.services.bridge
            state.execution_engine_factory = core.services.engines
            state.services = core.services
            check_complete(state)
            serving.connections = core.services.connections
            serving.drain = core.drain.run
            serving.listening = partial(_listening, settings, address, core, announce)
            try:
                yield
            finally:
                data_folder.address_file(settings.data_path).unlink(missing_ok=True)

    return make_server(doors, settings, serving, house())


def _listening(
    settings: Settings, address: Address, core: Core, announce: Callable[[str, str], None], origin: str
) -> None:
    address.origin = origin
    data_folder.write_private(data_folder.address_file(settings.data_path), origin + "\n")
    code = core.services.authenticator.issue_login_code(LOCAL_ADMIN)
    announce(origin, f"{origin}/login#code={code}")


@asynccontextmanager
async def embedded_server(settings: Settings) -> AsyncIterator[tuple[str, str]]:
    """Run a server of this process's own on a free loopback port; gives its address and a token.

    Not a second way to execute: what runs here is what ``serve`` runs, without its signals.
    """
    token = first_token(settings)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    local = msgspec.structs.replace(settings, host="127.0.0.1", port=0, drain_sigterm_s=0.001)
    server = build_server(local, lambda origin, _login: ready.set_result(origin))
    serving = asyncio.ensure_future(server.serve_embedded())
    try:
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await serving  # raises what kept it from starting
            raise StartupIncomplete("the embedded server ended before it listened")
        yield ready.result(), token
    finally:
        server.stop()
        await serving
