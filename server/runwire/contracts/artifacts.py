"""The seam to stored files of a run: screenshots, downloads, logs. Floor 3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runwire.runs.limits import RunLimits

TRACE = "trace"
"""The kind of what is no user's to see: it holds what was typed, cookies and headers of the pages."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored file. ``id`` is made by the server; ``kind`` says what it is for (``screenshot``, ``download``,
    ``log``); ``name`` is what a download is called; ``size_bytes`` its length; ``url`` where a client gets it."""

    id: str
    run_id: str
    kind: str
    name: str
    mime: str
    size_bytes: int
    url: str

    def as_event(self) -> dict[str, object]:
        """Return the AG-UI event that announces it (protocol, section 4: ``CUSTOM runwire.artifact``)."""
        value = {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "url": self.url,
            "mime": self.mime,
            "bytes": self.size_bytes,
        }
        return {"type": "CUSTOM", "name": "runwire.artifact", "value": value}


class RunArtifacts(Protocol):
    """The artifacts of one run, as its agent sees them. Called on the runner's loop."""

    async def save(self, *, kind: str, name: str, mime: str, data: bytes, announce: bool = True) -> Artifact:
        """Store ``data`` durably, then announce it in the log (``CUSTOM runwire.artifact``) unless told not to.

        ``name`` is a suggestion for people: the path on disk is made by the server alone.

        Raises:
            TooLarge: the artifact exceeds its limit.
            LimitExceeded: the run has stored as many, or as many bytes, as it may; it ends so.
            StorageUnavailable: the disk refused.
        """


class ArtifactSaver(Protocol):
    """Takes artifacts of runs. Functions may block: call them off the loop."""

    def save(self, run_id: str, *, kind: str, name: str, mime: str, data: bytes, limits: RunLimits = ...) -> Artifact:
        """Store one artifact of ``run_id``, within the limits of the run (default: none), and return it.

        Raises TooLarge, LimitExceeded or StorageUnavailable.
        """


class ArtifactStore(ArtifactSaver, Protocol):
    """Where artifacts live."""

    def find(self, run_id: str, artifact_id: str) -> tuple[Artifact, Path] | None:
        """Return the artifact and its file, or None, also for a trace. The caller has checked who owns the run."""

    def list(self, run_id: str) -> Sequence[Artifact]:
        """Return the run's artifacts in the order of their making, traces left out."""

    def trace(self, run_id: str) -> tuple[Artifact, Path] | None:
        """Return the newest trace of a run, whoever owns it, or None. The caller is an admin's."""

    def path(self, run_id: str, artifact_id: str) -> Path:
        """Return where an artifact's file lies; both ids come from a row of the store."""
