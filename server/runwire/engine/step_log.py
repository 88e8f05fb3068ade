"""The log's line of a finished step: which and how, never what. Floor 5; the run's own thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

log = structlog.get_logger(__name__)

STEP_FINISHED = "STEP_FINISHED"
"""AG-UI's event; what our agents say of a step stands in its ``metadata.runwire`` (protocol, section 4)."""

_STATUSES = frozenset({"PASSED", "FAILED", "SKIPPED"})
_NUMBERS = ("index", "total", "duration_ms")


def log_step(run_id: str, thread_id: str, event: Mapping[str, Any]) -> None:
    """Log what an agent says of a step as far as it is a number or a status: its words are content."""
    metadata = event.get("metadata")
    said = metadata.get("runwire") if isinstance(metadata, dict) else None
    facts = said if isinstance(said, dict) else {}
    told = {name: facts[name] for name in _NUMBERS if isinstance(facts.get(name), int)}
    if (status := facts.get("status")) in _STATUSES:
        told["status"] = status
    log.debug("run.step", run_id=run_id, thread_id=thread_id, **told)
