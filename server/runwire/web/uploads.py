"""A file's way from a request's body to the disk, a chunk at a time. Floor 6; the server's loop, disk work off it.

The body is the file itself (``?name=``, ``Content-Type``), or one part of ``multipart/form-data`` that has a filename.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from runwire.contracts.actors import User
from runwire.contracts.files import FileStore, StoredFile, Upload
from runwire.errors import InvalidInput

HEADER_BYTES = 8_192
"""Bytes of one part's headers."""

MULTIPART_OVERHEAD_BYTES = 65_536
"""What a form may add to a file."""


async def receive_file(request: Request, store: FileStore, owner: User) -> StoredFile:
    """Store the file that a request carries. Raises InvalidInput, TooLarge, RequestTimeout, StorageUnavailable."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    begin = partial(store.receive, owner)
    sink: _Raw | _Form
    if kind == b"multipart/form-data":
        sink = _Form(options.get(b"boundary", b""), begin)
    else:
        sink = _Raw(request.query_params.get("name", "file"), kind.decode("latin-1"), begin)
    try:
        async for chunk in request.stream():
            if chunk:
                await asyncio.to_thread(sink.write, chunk)
        return await asyncio.to_thread(sink.finish)
    finally:
        await asyncio.to_thread(sink.discard)


class _Raw:
    """The body is the file."""

    def __init__(self, name: str, mime: str, begin: Callable[..., Upload]) -> None:
        self._begin = partial(begin, name=name, mime=mime)
        self._upload: Upload | None = None

    def write(self, chunk: bytes) -> None:
        if self._upload is None:
            self._upload = self._begin()
        self._upload.write(chunk)

    def finish(self) -> StoredFile:
        if self._upload is None:
            self._upload = self._begin()  # an empty file is a file
        return self._upload.finish()

    def discard(self) -> None:
        if self._upload is not None:
            self._upload.discard()


class _Form:
    """The body is a form; the file is its one part with a filename, other parts are skipped."""

    def __init__(self, boundary: bytes, begin: Callable[..., Upload]) -> None:
        if not boundary:
            raise InvalidInput("multipart/form-data: the Content-Type names no boundary")
        self._begin = begin
        self._upload: Upload | None = None
        self._taking = False
        self._ended = False
        self._name, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = 0
        callbacks: dict[str, Any] = {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }
        self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]  # a TypedDict of these names

    def write(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise InvalidInput(f"multipart/form-data: {error}") from error

    def finish(self) -> StoredFile:
        if not self._ended or self._upload is None:
            raise InvalidInput("multipart/form-data: " + ("cut short" if not self._ended else "no part has a filename"))
        return self._upload.finish()

    def discard(self) -> None:
        if self._upload is not None:
            self._upload.discard()

    # What the parser calls

    def _part_begin(self) -> None:
        self._headers, self._header_bytes = {}, 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += self._bounded(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._bounded(data[start:end])

    def _bounded(self, piece: bytes) -> bytes:
        self._header_bytes += len(piece)
        if self._header_bytes > HEADER_BYTES:
            raise InvalidInput(f"multipart/form-data: a part's headers have at most {HEADER_BYTES} bytes")
        return piece

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        filename = options.get(b"filename")
        if filename is None:
            return
        if self._upload is not None:
            raise InvalidInput("multipart/form-data: one file a request")
        mime = self._headers.get(b"content-type", b"").decode("latin-1")
        self._upload = self._begin(name=filename.decode("utf-8", "replace"), mime=mime)
        self._taking = True

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._taking and self._upload is not None:
            self._upload.write(data[start:end])

    def _part_end(self) -> None:
        self._taking = False

    def _end(self) -> None:
        self._ended = True
