"""The close codes of section 5 as one table. Floor 2; pure.

4000–4499: come back with ``after``; 4500–4999: do not. Reasons are ASCII of at most 64 bytes: RFC 6455 (section 5.5.1)
allows 123, and a longer one makes the server engine send no close frame at all.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Why a socket was closed; ``reason`` is what the close frame says."""

    RUN_ENDED = 1000
    IDLE = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_TYPE = 1003
    INVALID_UTF8 = 1007
    TOO_BIG = 1009
    SERVER_ERROR = 1011
    RESTART = 1012
    OVER_CAPACITY = 1013
    SLOW_READER = 4008
    HEARTBEAT_LOST = 4009
    TOO_FAST = 4029
    NOT_AUTHENTICATED = 4401
    BAD_COMMANDS = 4501
    SCOPE_MISSING = 4503

    @property
    def reason(self) -> str:
        """The text of the close frame."""
        return _REASONS[self]


_REASONS = {
    CloseCode.RUN_ENDED: "run ended",
    CloseCode.IDLE: "idle; resume with after",
    CloseCode.PROTOCOL_ERROR: "protocol error",
    CloseCode.UNSUPPORTED_TYPE: "text frames only",
    CloseCode.INVALID_UTF8: "invalid UTF-8",
    CloseCode.TOO_BIG: "message too big",
    CloseCode.SERVER_ERROR: "server error",
    CloseCode.RESTART: "server restarts; come back with after",
    CloseCode.OVER_CAPACITY: "over capacity; come back later",
    CloseCode.SLOW_READER: "slow reader",
    CloseCode.HEARTBEAT_LOST: "no answer to ping",
    CloseCode.TOO_FAST: "too many messages",
    CloseCode.NOT_AUTHENTICATED: "not authenticated",
    CloseCode.BAD_COMMANDS: "bad command stream",
    CloseCode.SCOPE_MISSING: "scope missing",
}
