"""Benchmarks: Runwire beside a bare uvicorn endpoint that sends the same bytes, in one run. Outside the floors.

``python -m bench`` measures all (``make bench``), ``python -m bench --quick`` the core (``make bench-quick``). What
each figure means, and what limits it, stands in docs/performance.md. Nothing here is installed with the server.
"""

from __future__ import annotations
