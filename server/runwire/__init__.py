"""Runwire: a WebSocket-first server that executes agents and streams what they do, live, without losing an entry."""

from __future__ import annotations

__version__ = "0.1.0"
