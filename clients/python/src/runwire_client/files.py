"""A user's files, given to runs by ``{"file_id": …}`` in their input. One event loop; ``AsyncRunwire.files``.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from runwire_client.address import checked_id
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file; ``sha256`` is the digest of its content in hexadecimal."""

    id: str
    name: str
    mime: str
    size_bytes: int
    sha256: str
    created_ms: int

    @property
    def reference(self) -> dict[str, Any]:
        """What names it in a run's input."""
        return {"file_id": self.id}


class Files:
    """The files of the client's user."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    async def put(
        self, name: str, content: bytes | AsyncIterable[bytes], *, mime: str = "application/octet-stream"
    ) -> StoredFile:
        """Store a file, sent as it is produced; a cut upload stores nothing and is not repeated.

        Raises:
            TooLarge: it, their number or their sum exceeds a limit; Conflict, InvalidInput as the server says.
        """
        reply = await self._http.upload("/v1/files", content, query={"name": name}, mime=mime)
        return read_file(reply)

    async def list(self, *, limit: int = 50) -> AsyncGenerator[StoredFile, None]:
        """Yield them, newest first, page by page as they are consumed; ``limit`` is the size of a page."""
        async with aclosing(self._http.pages("/v1/files", "before", {"limit": limit}, read_file)) as rows:
            async for row in rows:
                yield row

    async def download(self, file_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the pieces of a file. Raises NotFound."""
        async with aclosing(self._http.download(_path(file_id))) as pieces:
            async for piece in pieces:
                yield piece

    async def delete(self, file_id: str) -> None:
        """Remove a file. Raises NotFound; Conflict: a run that has not ended uses it."""
        await self._http.call("DELETE", _path(file_id))


def read_file(value: object) -> StoredFile:
    """Return a file. Raises ProtocolViolation."""
    fields = Fields(value, "file")
    return StoredFile(
        id=fields.text("id"),
        name=fields.text("name"),
        mime=fields.text("mime"),
        size_bytes=fields.whole("bytes"),
        sha256=fields.text("sha256"),
        created_ms=fields.whole("created_ms"),
    )


def _path(file_id: str) -> str:
    return f"/v1/files/{checked_id(file_id, 'file id')}"
