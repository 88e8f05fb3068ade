"""What one socket is allowed and obliged to do, without any I/O. Floor 2; used on the server's loop; time is passed in.

Three small machines: where a follower starts (:func:`open_at`), when a quiet socket must speak or go
(:class:`Liveness`), and how fast a client may talk (:class:`RateLimit`). The connection's own states are one table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final, Literal

from runwire.errors import IllegalTransition
from runwire.runs.state import RunStatus


class ConnectionState(StrEnum):
    """Where a socket is in its life."""

    AUTHENTICATING = "AUTHENTICATING"
    OPEN = "OPEN"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"


CONNECTION_TRANSITIONS: Final = MappingProxyType(
    {
        ConnectionState.AUTHENTICATING: frozenset(
            {ConnectionState.OPEN, ConnectionState.CLOSING, ConnectionState.CLOSED}
        ),
        ConnectionState.OPEN: frozenset({ConnectionState.CLOSING, ConnectionState.CLOSED}),
        ConnectionState.CLOSING: frozenset({ConnectionState.CLOSED}),
        ConnectionState.CLOSED: frozenset[ConnectionState](),
    }
)
"""Every move of a connection. CLOSING: the close frame is sent; CLOSED: nothing more can be."""


def advance_connection(current: ConnectionState, target: ConnectionState) -> ConnectionState:
    """Return ``target`` if the table has the move, else raise IllegalTransition."""
    if target not in CONNECTION_TRANSITIONS[current]:
        raise IllegalTransition("connection", current, target)
    return target


ResetReason = Literal["epoch", "ahead", "trimmed"]
"""Why a client's cursor was of no use (protocol, S3)."""


@dataclass(frozen=True, slots=True)
class LogHead:
    """A run's log as one read saw it: entries ``first_seq`` to ``last_seq`` are committed and kept."""

    run_id: str
    status: RunStatus
    epoch: str
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a follower starts: ``cursor`` is the last entry it holds, ``reset`` why its own cursor was of no use."""

    cursor: int
    resumed: bool
    reset: ResetReason | None


def open_at(head: LogHead, after: int | None, epoch: str | None) -> Opening:
    """Decide where a follower starts (protocol, S2 and S3): exactly behind its cursor, or at the first kept entry."""
    start = head.first_seq - 1
    if epoch is not None and epoch != head.epoch:
        return Opening(start, resumed=False, reset="epoch")
    if after is None:
        return Opening(start, resumed=True, reset=None)
    if after > head.last_seq:
        return Opening(start, resumed=False, reset="ahead")
    if after < start:
        return Opening(start, resumed=False, reset="trimmed")
    return Opening(after, resumed=True, reset=None)


class Due(Enum):
    """What silence obliges a socket to do."""

    NOTHING = "nothing"
    HEARTBEAT = "heartbeat"
    IDLE = "idle"


class Liveness:
    """When a quiet socket must speak (protocol, S7) or go (S6).

    All times are seconds of one monotonic clock. Pings, pongs and heartbeats are no activity: only an entry or a
    client's message is. ``idle_s=None``: never idle.
    """

    __slots__ = ("_active_at", "_heartbeat_s", "_idle_s", "_spoke_at")

    def __init__(self, now: float, *, heartbeat_s: float, idle_s: float | None) -> None:
        self._heartbeat_s = heartbeat_s
        self._idle_s = idle_s
        self._spoke_at = now
        self._active_at = now

    def frame_sent(self, now: float) -> None:
        """Note a frame outside the log: the peer has seen a sign of life."""
        self._spoke_at = now

    def active(self, now: float, *, sent: bool) -> None:
        """Note an entry (``sent``) or a client's message."""
        self._active_at = now
        if sent:
            self._spoke_at = now

    def idle_after(self, idle_s: float | None, now: float) -> None:
        """Change the idle limit: a socket that follows something new, or nothing any more; counting starts at
        ``now``.
        """
        self._idle_s = idle_s
        self._active_at = now

    def next_deadline(self) -> float:
        """Return when to ask :meth:`due` again."""
        heartbeat = self._spoke_at + self._heartbeat_s
        return heartbeat if self._idle_s is None else min(heartbeat, self._active_at + self._idle_s)

    def due(self, now: float) -> Due:
        """Return what the silence until ``now`` obliges to; going comes before speaking."""
        if self._idle_s is not None and now >= self._active_at + self._idle_s:
            return Due.IDLE
        if now >= self._spoke_at + self._heartbeat_s:
            return Due.HEARTBEAT
        return Due.NOTHING


class RateLimit:
    """A token bucket: ``per_s`` messages a second, ``burst`` at once (protocol, section 6)."""

    __slots__ = ("_burst", "_per_s", "_tokens", "_updated")

    def __init__(self, now: float, *, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = float(burst)
        self._updated = now

    def allow(self, now: float) -> bool:
        """Take one token; False when there is none."""
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._per_s)
        self._updated = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
