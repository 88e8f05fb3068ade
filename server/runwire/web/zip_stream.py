"""A ZIP archive made while it is sent: no more of it than a piece is ever held. Floor 6; compresses off the loop.

The standard library's writer, on a stream that cannot seek: sizes and checksums stand behind each member (APPNOTE.TXT,
section 4.3.9), which every reader of today takes.
"""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

PIECE_BYTES = 262_144
_STORED_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gz", ".zip", ".webm", ".mp4")


class _Outbox(io.RawIOBase):
    """Takes what the writer writes until it is fetched."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        part = bytes(data)  # type: ignore[call-overload]  # any buffer
        self._parts.append(part)
        return len(part)

    def fetch(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class ZipStream:
    """An archive under way: members one after the other, then :meth:`end`; each yields bytes to send."""

    def __init__(self) -> None:
        self._out = _Outbox()
        self._zip = zipfile.ZipFile(self._out, "w")

    async def add(self, name: str, modified_ms: int, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Add one member made of ``pieces``."""
        info = zipfile.ZipInfo(name, time.gmtime(max(modified_ms / 1000, 315_532_800))[:6])  # ZIP begins in 1980
        stored = name.lower().endswith(_STORED_SUFFIXES)
        info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=True) as member:
            async for piece in pieces:
                await asyncio.to_thread(member.write, piece)
                if made := self._out.fetch():
                    yield made
        yield self._out.fetch()

    async def end(self) -> AsyncGenerator[bytes, None]:
        """Write the archive's directory."""
        self._zip.close()
        yield self._out.fetch()


async def file_pieces(path: Path) -> AsyncGenerator[bytes, None]:
    """Yield a file's content; nothing if it is gone."""
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError:
        return
    try:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
    finally:
        file.close()
