"""What runs have stored: screenshots, downloads, logs. One event loop; ``AsyncRunwire.artifacts``.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from runwire_client.address import checked_id, checked_run_id
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a run has stored; ``kind`` says what it is for: ``screenshot``, ``download``, ``log`` …"""

    id: str
    kind: str
    name: str
    mime: str
    size_bytes: int


class Artifacts:
    """The artifacts of the user's runs."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    async def list(self, run_id: str) -> tuple[Artifact, ...]:
        """Return a run's artifacts in the order of their making. Raises NotFound."""
        page = Fields(await self._http.get(_path(run_id)), "artifacts")
        return tuple(read_artifact(row) for row in page.rows("data"))

    async def download(self, run_id: str, artifact_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of an artifact. Raises NotFound."""
        path = f"{_path(run_id)}/{checked_id(artifact_id, 'artifact id')}"
        async with aclosing(self._http.download(path)) as pieces:
            async for piece in pieces:
                yield piece

    async def archive(self, run_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of a ZIP archive of all of a run's artifacts, and its traversal. Raises NotFound."""
        async with aclosing(self._http.download(f"{_path(run_id)}.zip")) as pieces:
            async for piece in pieces:
                yield piece


def read_artifact(value: object) -> Artifact:
    """Return an artifact. Raises ProtocolViolation."""
    fields = Fields(value, "artifact")
    return Artifact(
        id=fields.text("id"),
        kind=fields.text("kind"),
        name=fields.text("name"),
        mime=fields.text("mime"),
        size_bytes=fields.whole("bytes"),
    )


def _path(run_id: str) -> str:
    return f"/v1/runs/{checked_run_id(run_id)}/artifacts"
