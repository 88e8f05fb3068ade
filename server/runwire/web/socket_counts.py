"""What the sockets' doors have seen since the start. Floor 6; the server's loop only."""

from __future__ import annotations

from collections import Counter

from runwire.protocol.close_codes import CloseCode

NO_CODE, ABNORMAL = 1005, 1006
"""A close frame without a code, and an end without a close frame (RFC 6455, section 7.4.1)."""

_TOLD = frozenset({*(code.value for code in CloseCode), ABNORMAL})


class SocketCounts:
    """Counts by close code and by error. A peer may close with any of 4,000 codes: what is not ours counts as one."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed: Counter[str] = Counter()
        """By the code that this end sent or meant, else the peer's; 1006 without one."""
        self.refused: Counter[str] = Counter()
        """Upgrades and first messages that were refused, by the error's code."""

    def ended(self, code: int) -> None:
        """Count the end of an open socket."""
        told = ABNORMAL if code == NO_CODE else code  # the engine calls a lost connection 1005 too
        self.closed[str(told) if told in _TOLD else "other"] += 1
