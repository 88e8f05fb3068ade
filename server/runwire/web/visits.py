"""How much visitors with share links may ask for, and the end of their sockets. Floor 6; the server's loop."""

from __future__ import annotations

from runwire.clock import Clock
from runwire.contracts.actors import Reader, Visitor
from runwire.errors import OverCapacity
from runwire.protocol.close_codes import CloseCode
from runwire.protocol.session import RateLimit
from runwire.web.connection import Connections, SocketConnection

OPENS_PER_S, OPENS_BURST = 5, 30
"""Links tried by one address; whoever guesses is slowed, an office behind one address is not. A guess."""

REQUESTS_PER_S, REQUESTS_BURST = 50, 500
"""Requests of all visitors of one link: a browser run shows some thirty pictures at once. A guess."""

MOST_SOCKETS = 100
"""Open sockets of one link."""

MOST_PACES = 10_000
"""Addresses or links whose pace is remembered; the one that was remembered first goes first."""


class Paces:
    """A token bucket for each of many callers, bounded."""

    def __init__(self, clock: Clock, *, per_s: float, burst: int) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._paces: dict[str, RateLimit] = {}

    def __len__(self) -> int:
        return len(self._paces)

    def check(self, caller: str) -> None:
        """Count one request. Raises OverCapacity if the caller asks too fast."""
        now = self._clock.monotonic()
        pace = self._paces.get(caller)
        if pace is None:
            if len(self._paces) >= MOST_PACES:
                del self._paces[next(iter(self._paces))]
            pace = self._paces[caller] = RateLimit(now, per_s=self._per_s, burst=self._burst)
        if not pace.allow(now):
            raise OverCapacity("too many requests; come back in a moment", retry_after_s=1.0)


class Visits:
    """The visitors of this server."""

    def __init__(self, clock: Clock, connections: Connections) -> None:
        self._connections = connections
        self.opens = Paces(clock, per_s=OPENS_PER_S, burst=OPENS_BURST)
        """By address."""
        self.requests = Paces(clock, per_s=REQUESTS_PER_S, burst=REQUESTS_BURST)
        """By link."""

    async def admit(self, connection: SocketConnection) -> Reader:
        """Wait for a socket's credentials and return whose they are.

        Raises:
            NotAuthenticated, SocketClosed: as ``SocketConnection.authenticate``.
            OverCapacity: they are a link's, and it has as many open sockets as one may have.
        """
        reader = await connection.authenticate()
        if isinstance(reader, Visitor) and len(self._sockets(reader.share_id)) > MOST_SOCKETS:
            raise OverCapacity(f"this link has {MOST_SOCKETS} open sockets, its limit", retry_after_s=5.0)
        return reader

    def end(self, share_id: str) -> int:
        """Close every socket of a revoked link with 4401; return how many there were."""
        sockets = self._sockets(share_id)
        for connection in sockets:
            connection.close(CloseCode.NOT_AUTHENTICATED)
        return len(sockets)

    def _sockets(self, share_id: str) -> list[SocketConnection]:
        return [one for one in self._connections if one.visitor is not None and one.visitor.share_id == share_id]
