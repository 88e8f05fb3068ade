"""Frames as a server writes them, for the client's tests. Pure; written from the protocol page, not by our decoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

RUN = "k3v9x2m7q4w8"
EPOCH = "e1.aa"


def connected(
    last_seq: int,
    *,
    first_seq: int = 1,
    resumed: bool = True,
    epoch: str = EPOCH,
    status: str = "RUNNING",
    heartbeat_s: float = 10,
) -> str:
    """The first frame of a follow (S1)."""
    return json.dumps(
        {
            "type": "connected",
            "run_id": RUN,
            "status": status,
            "epoch": epoch,
            "first_seq": first_seq,
            "last_seq": last_seq,
            "resumed": resumed,
            "heartbeat_s": heartbeat_s,
            "protocol": "runwire.v1",
        }
    )


def reset(last_seq: int, *, first_seq: int = 1, reason: str = "epoch") -> str:
    """The log starts over (S3)."""
    return json.dumps({"type": "reset", "run_id": RUN, "reason": reason, "first_seq": first_seq, "last_seq": last_seq})


def event_row(seq: int, **data: Any) -> dict[str, Any]:
    """One event entry as a JSON object."""
    said = data or {"type": "CUSTOM", "name": "n", "value": seq}
    return {"type": "event", "run_id": RUN, "seq": seq, "ts_ms": 1_700_000_000_000 + seq, "data": said}


def state_row(seq: int, status: str, **more: Any) -> dict[str, Any]:
    """One state entry as a JSON object."""
    data = {"status": status, "attempt": 1, **more}
    return {"type": "state", "run_id": RUN, "seq": seq, "ts_ms": 1_700_000_000_000 + seq, "data": data}


def log_rows(size: int) -> list[dict[str, Any]]:
    """A whole log: QUEUED, RUNNING, events, SUCCEEDED."""
    middle = [event_row(seq) for seq in range(3, size)]
    return [state_row(1, "QUEUED"), state_row(2, "RUNNING"), *middle, state_row(size, "SUCCEEDED", result={"n": size})]


def batch(rows: Sequence[dict[str, Any]]) -> str:
    """Several entries in one frame (S9)."""
    return json.dumps({"type": "batch", "run_id": RUN, "first_seq": rows[0]["seq"], "entries": list(rows)})


def heartbeat(last_seq: int) -> str:
    """A sign of life (S7)."""
    return json.dumps({"type": "heartbeat", "run_id": RUN, "last_seq": last_seq, "ts_ms": 1_700_000_000_000})


def queue(position: int, size: int) -> str:
    """A waiting run's place."""
    return json.dumps({"type": "queue", "run_id": RUN, "position": position, "size": size})
