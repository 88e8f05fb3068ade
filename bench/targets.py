"""What differs between the two servers for a client: paths, messages, marks of the end. Part of the load generator.

A :class:`Target` is a server that runs; its scenario-facing methods are the only place of the generator that knows
which of the two it talks to.
"""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from bench.swarm import Connection, Swarm
from bench.wire import client_frame

_HTTP_TIMEOUT_S: Final = 25.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server under test listens, and its process; ``token`` is empty for the bare one."""

    kind: Literal["bare", "runwire"]
    host: str
    port: int
    pid: int
    token: str


@dataclass(frozen=True, slots=True)
class Work:
    """What a stream carries: ``count`` events of ``size_bytes``, as fast as they come or ``period_ms`` apart.

    It begins at ``begin_at`` (seconds of CLOCK_MONOTONIC; 0: at once), so that its followers are in place and both
    sides know when the clock starts.
    """

    count: int
    size_bytes: int = 100
    period_ms: float = 0.0
    begin_at: float = 0.0


class Target(Protocol):
    """A server under test as the scenarios see it."""

    address: Address

    def converse(self, swarm: Swarm, events: int) -> Connection:
        """Open the socket on which runs of ``events`` events (1 or 5) are asked for one after the other."""

    def ask(self, events: int) -> bytes:
        """Return the frame that asks for such a run."""

    def is_first_event(self, text: bytes) -> bool:
        """Whether ``text`` holds a run's first event."""

    def is_end(self, text: bytes) -> bool:
        """Whether ``text`` tells that the run asked for is over."""

    def start(self, work: Work) -> str:
        """Start a stream by HTTP and return its id."""

    def start_agent(self, agent: str, arguments: dict[str, Any]) -> str:
        """Start any agent by HTTP (Runwire only) and return the run's id."""

    def ask_health(self) -> None:
        """GET /healthz over the kept-alive HTTP connection."""

    def follow(self, swarm: Swarm, stream_id: str) -> Connection:
        """Open a socket that follows a stream to its end."""

    def idle(self, swarm: Swarm, stream_id: str) -> Connection:
        """Open a socket that waits for a stream that says nothing."""


class Door:
    """One kept-alive HTTP connection to a server."""

    def __init__(self, address: Address) -> None:
        self._http = http.client.HTTPConnection(address.host, address.port, timeout=_HTTP_TIMEOUT_S)

    def call(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> bytes:
        """Return the body of a 2xx answer.

        Raises:
            RuntimeError: any other status, with what the server said.
        """
        self._http.request(method, path, body=body, headers=headers)
        response = self._http.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:500]!r}")
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


class _Bare:
    """The bare endpoint."""

    def __init__(self, address: Address, door: Door) -> None:
        self.address = address
        self._door = door
        self._numbers = itertools.count(1)

    def converse(self, swarm: Swarm, events: int) -> Connection:
        return swarm.open("/first" if events == 1 else "/run", {})

    def ask(self, events: int) -> bytes:
        return client_frame(b'{"op":"run.start"}')

    def is_first_event(self, text: bytes) -> bool:
        return text.startswith(b'{"type":"event"')

    def is_end(self, text: bytes) -> bool:
        return text.startswith(b'{"type":"end"')

    def start(self, work: Work) -> str:
        stream_id = f"s{next(self._numbers)}"
        query = f"count={work.count}&size={work.size_bytes}&period_ms={work.period_ms}&"
        query += f"begin_at={work.begin_at}"
        self._door.call("GET", f"/start?id={stream_id}&{query}", {})
        return stream_id

    def start_agent(self, agent: str, arguments: dict[str, Any]) -> str:
        raise NotImplementedError("the bare endpoint has no agents")

    def ask_health(self) -> None:
        self._door.call("GET", "/healthz", {})

    def follow(self, swarm: Swarm, stream_id: str) -> Connection:
        return swarm.open(f"/follow?id={stream_id}", {})

    def idle(self, swarm: Swarm, stream_id: str) -> Connection:
        return swarm.open("/idle", {})


class _Runwire:
    """Runwire, by its public doors only."""

    def __init__(self, address: Address, door: Door) -> None:
        self.address = address
        self._door = door
        self._headers = {"Authorization": f"Bearer {address.token}"}
        self._numbers = itertools.count(1)

    def converse(self, swarm: Swarm, events: int) -> Connection:
        connection = swarm.open("/ws", self._headers)
        swarm.run_until(lambda: bool(connection.texts), _HTTP_TIMEOUT_S, "hello")
        connection.texts.clear()
        connection.times.clear()
        return connection

    def ask(self, events: int) -> bytes:
        steps = [{"burst": {"count": events, "bytes": 100}}]
        command = {"id": next(self._numbers), "op": "run.start", "agent": "scripted", "input": {"steps": steps}}
        return client_frame(json.dumps(command, separators=(",", ":")).encode())

    def is_first_event(self, text: bytes) -> bool:
        return b'"type":"event"' in text[:400]

    def is_end(self, text: bytes) -> bool:
        return text.startswith(b'{"type":"end"')

    def start(self, work: Work) -> str:
        arguments = {"count": work.count, "pad_bytes": work.size_bytes, "begin_at": work.begin_at}
        if work.period_ms:
            return self.start_agent("paced", arguments | {"period_ms": work.period_ms})
        return self.start_agent("flood", arguments)

    def start_agent(self, agent: str, arguments: dict[str, Any]) -> str:
        body = json.dumps({"agent": agent, "input": arguments}).encode()
        headers = self._headers | {"Content-Type": "application/json"}
        run: dict[str, Any] = json.loads(self._door.call("POST", "/v1/runs", headers, body))
        return str(run["run_id"] if "run_id" in run else run["id"])

    def ask_health(self) -> None:
        self._door.call("GET", "/healthz", {})

    def follow(self, swarm: Swarm, stream_id: str) -> Connection:
        return swarm.open(f"/ws/runs/{stream_id}?after=0&follow=1&batch=1", self._headers)

    def idle(self, swarm: Swarm, stream_id: str) -> Connection:
        return self.follow(swarm, stream_id)


@contextmanager
def open_target(address: Address) -> Iterator[Target]:
    """Yield the client's view of the server at ``address``."""
    door = Door(address)
    try:
        yield _Bare(address, door) if address.kind == "bare" else _Runwire(address, door)
    finally:
        door.close()
