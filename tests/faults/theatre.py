"""The other end of the ``puppet`` agents: a test says when a run speaks and when it ends. The test's loop."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.faults.journal import Acknowledged, event_name

ORDER_S = 5.0


@dataclass(slots=True)
class Puppet:
    """One attempt of one run. What it was told by the log is kept here, outside the server."""

    run_id: str
    attempt: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    told: Acknowledged

    async def emit(self, count: int) -> int:
        """Emit ``count`` events and flush; return the last committed seq. Raises ConnectionError if it is gone."""
        self._note(begun=self.told.begun_numbers + count)
        self.order({"emit": count})
        async with asyncio.timeout(ORDER_S):
            line = await self.reader.readline()
        if not line:
            raise ConnectionResetError("the puppet is gone")
        answer = json.loads(line)
        self._note(seq=answer["seq"], numbers=answer["numbers"])
        return int(answer["seq"])

    def end(self, text: str = "ended") -> None:
        """Let the agent return."""
        self.order({"end": text})

    def order(self, what: dict[str, object]) -> None:
        """Send an order without waiting for its answer."""
        self.writer.write(json.dumps(what).encode() + b"\n")

    def _note(self, *, begun: int | None = None, seq: int | None = None, numbers: int | None = None) -> None:
        told = self.told
        self.told = Acknowledged(
            told.run_id,
            told.name,
            told.begun_numbers if begun is None else begun,
            told.flushed_seq if seq is None else seq,
            told.flushed_numbers if numbers is None else numbers,
        )


@dataclass(slots=True)
class Theatre:
    """Where puppets report; an async context manager."""

    puppets: dict[tuple[str, int], Puppet] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def port(self) -> int:
        """What goes into a puppet's input as ``port``."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for puppet in self.puppets.values():
            puppet.writer.close()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if not line:
            writer.close()
            return
        who = json.loads(line)
        told = Acknowledged(who["run_id"], event_name(who["attempt"]), 0, 0, 0)
        async with self._changed:
            self.puppets[told.run_id, who["attempt"]] = Puppet(told.run_id, who["attempt"], reader, writer, told)
            self._changed.notify_all()

    async def puppet(self, run_id: str, attempt: int = 1) -> Puppet:
        """Wait for an attempt to report. Raises TimeoutError."""
        async with asyncio.timeout(ORDER_S), self._changed:
            await self._changed.wait_for(lambda: (run_id, attempt) in self.puppets)
        return self.puppets[run_id, attempt]
