"""A server inside the test's process whose loop, clock or failpoints are the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.history import StoredLog, read_logs
from tests.faults.observer import Address
from tests.faults.server import AGENTS
from tests.support.embedded import EmbeddedServer, settings_for


class InsideServer(EmbeddedServer):
    """An embedded server with the agents of the fault tests, on a loop that a test chooses."""

    def __init__(
        self, data: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None, **settings: object
    ) -> None:
        agents = tuple(f"tests.faults.agents:{name}" for name in AGENTS)
        super().__init__(settings_for(data, **{"agents": agents, "max_running": 100, **settings}))
        self._loop_factory = loop_factory

    def _serve(self) -> None:
        if self._loop_factory is None:
            super()._serve()
            return
        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                runner.run(self._main())
        except BaseException as error:  # told to whoever started it
            self._failure = error
        finally:
            self._listening.set()

    @property
    def address(self) -> Address:
        """Where it listens, and a token."""
        parts = urlsplit(self.origin)
        assert parts.hostname is not None
        assert parts.port is not None
        return Address(parts.hostname, parts.port, self.token)

    def logs(self) -> dict[str, StoredLog]:
        """Read every run's log from the database."""
        return read_logs(self.data / "runwire.db")
