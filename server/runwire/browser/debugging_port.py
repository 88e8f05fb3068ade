"""Which ports of this machine browsers listen at for CDP, so that no run opens another one's. Floor 4; any thread.

Runs have their proxies in different processes (``isolation=process``), and servers may share a machine. So a port is
marked where all of them can ask and nothing is left when a process is killed: by an abstract socket of that name, which
nobody reads.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def marked(port: int) -> Iterator[None]:
    """Mark a port for a block; one that somebody has marked already stays so as long as theirs. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mark:
        try:
            mark.bind(_name(port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        yield


def is_marked(port: int) -> bool:
    """Return whether a browser listens there. Takes some microseconds. Raises OSError if that cannot be found out."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(_name(port))
        except ConnectionRefusedError:
            return False
    return True


def _name(port: int) -> str:
    return f"\0runwire-debugging-{port}"
