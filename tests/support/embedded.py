"""A whole server inside the test's process: real uvicorn on a free port, real SQLite, a thread and loop of its own.

Quick (some 30 ms) and open to a look inside; what signals and kills do needs ``process.py``.
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
from starlette.datastructures import State

from runwire.settings import Settings
from runwire.web.services import Services
from runwire.web.socket_doors import SocketDoors
from runwire.wiring.server import build_server
from runwire.wiring.storage import first_token
from tests.support import database
from tests.support.agents import PATHS
from tests.support.deadlines import CONNECT_S

STOP_S = 5.0


def settings_for(data: Path, **changes: Any) -> Settings:
    """Return settings for tests: a free port, the test agents, no patience for what still runs at the end."""
    chosen: dict[str, Any] = {
        "data": str(data),
        "port": 0,
        "agents": PATHS,
        "messages_per_s": 10_000,
        "message_burst": 10_000,
        "cleanup_timeout_s": 0.3,
        "drain_sigterm_s": 0.001,
        **changes,
    }
    return Settings(**chosen)


class EmbeddedServer:
    """A running server, its addresses and its parts."""

    def __init__(self, settings: Settings) -> None:
        """The data folder holds an up-to-date database already."""
        self.settings = settings
        self.data = settings.data_path
        self.token = first_token(settings)
        self.origin = ""
        self.login = ""
        self._server = build_server(settings, self._announced)
        self._listening = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, name="server-under-test", daemon=True)

    def _announced(self, origin: str, login: str) -> None:
        self.origin, self.login = origin, login
        self._listening.set()

    def _serve(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # told to whoever started it
            self._failure = error
        finally:
            self._listening.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve_embedded()

    def start(self) -> EmbeddedServer:
        """Start it and wait until it listens."""
        self._thread.start()
        assert self._listening.wait(CONNECT_S), "the server did not listen in time"
        if self._failure is not None:
            raise self._failure
        assert self.origin, "the server ended before it listened"
        return self

    def stop(self) -> None:
        """End it as a signal does, within a bound. Idempotent."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(STOP_S)
        assert not self._thread.is_alive(), f"the server did not end within {STOP_S} s"
        if self._failure is not None:
            raise self._failure

    def on_loop(self, function: Any) -> Any:
        """Return ``function()`` as called on the server's loop."""
        assert self._loop is not None

        async def call() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(2)

    @property
    def state(self) -> State:
        """``app.state``."""
        doors = self._server.config.app
        assert isinstance(doors, SocketDoors)
        return doors.app.state

    @property
    def services(self) -> Services:
        """What start-up put together."""
        services: Services = self.state.services
        return services

    @property
    def ws_origin(self) -> str:
        """Where sockets connect to."""
        return self.origin.replace("http", "ws", 1)

    def token_for(self, user: str) -> str:
        """Return a new token of ``user``."""
        return database.new_token(self.data, user)

    def http(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Return an HTTP client; ``token=""`` sends none, None the server's first one."""
        chosen = self.token if token is None else token
        if chosen:
            headers["Authorization"] = f"Bearer {chosen}"
        return httpx.AsyncClient(base_url=self.origin, headers=headers, timeout=5.0, verify=False, trust_env=False)

    # What is stored

    def frames(self, run_id: str) -> list[bytes]:
        """Return a run's stored entries as bytes."""
        return database.stored_frames(self.data, run_id)

    def entries(self, run_id: str) -> list[dict[str, Any]]:
        """Return a run's stored entries, decoded."""
        return database.stored_entries(self.data, run_id)

    def last_seq(self, run_id: str) -> int:
        """Return the last committed seq of a run."""
        return database.last_seq(self.data, run_id)

    def status(self, run_id: str) -> str:
        """Return a run's stored status."""
        return database.stored_status(self.data, run_id)
