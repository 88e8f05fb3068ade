"""The wire protocol, version 1, without any I/O. Floor 2: imports the floors below, knows no socket and no database."""

from __future__ import annotations

VERSION = "runwire.v1"
"""The subprotocol's name; absent on the upgrade means this version."""

BATCH_ENTRIES = 64
"""Most entries in one ``batch`` frame (protocol, S9)."""

BATCH_BYTES = 65_536
"""Most bytes of entries in one ``batch`` frame (protocol, S9); a single larger entry goes alone."""
