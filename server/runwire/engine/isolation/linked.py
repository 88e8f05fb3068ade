"""What the server lends to runs, as a run's own process has it: over its link. Floor 5; the worker's threads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from runwire.contracts.artifacts import Artifact
from runwire.contracts.files import StoredFile
from runwire.engine.isolation.link import Link
from runwire.errors import TooLarge
from runwire.protocol.traversal import Traversal
from runwire.runs.limits import RunLimits
from runwire.threads import LoopReply, ReplyBox

_NO_LIMITS = RunLimits()


class LinkedArtifacts:
    """Implements ``contracts.artifacts.ArtifactSaver`` for one run; the server keeps the files."""

    def __init__(self, link: Link, limit_bytes: int) -> None:
        """``limit_bytes`` bounds one artifact: a larger one is not even sent."""
        self._link = link
        self._limit_bytes = limit_bytes

    def save(
        self, run_id: str, *, kind: str, name: str, mime: str, data: bytes, limits: RunLimits = _NO_LIMITS
    ) -> Artifact:
        """Store one artifact of this worker's run. Raises TooLarge, LimitExceeded or StorageUnavailable."""
        del run_id, limits  # the server knows whose link it is
        if len(data) > self._limit_bytes:
            raise TooLarge(f"an artifact has at most {self._limit_bytes} bytes, {name!r} has {len(data)}")
        told = self._link.ask_blocking("artifacts.save", kind=kind, name=name, mime=mime, data=data)
        return msgspec.convert(told, Artifact)


class LinkedTraversals:
    """Implements ``contracts.traversals.TraversalSaver`` for one run; the server keeps the file."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def save(self, run_id: str, task: str, traversal: Traversal) -> None:
        """Write the traversal anew. Raises StorageUnavailable."""
        del run_id
        self._link.ask_blocking("traversals.save", task=task, traversal=msgspec.json.encode(traversal))


class LinkedFiles:
    """Implements ``contracts.files.FileFinder`` for one run; the files are read where they lie."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def find(self, owner_id: str, file_id: str) -> tuple[StoredFile, Path]:
        """Return a file of the run's owner and where it lies. Raises NotFound."""
        del owner_id  # the server knows whose link it is
        told, path = self._link.ask_blocking("files.find", file_id=file_id)
        return msgspec.convert(told, StoredFile), Path(path)


class _Asking:
    """Calls of the server's services that may take as long as the run lives."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def _put(self, service: str, **arguments: Any) -> Any:
        reply: LoopReply[Any] = LoopReply()
        number = self._link.ask(service, arguments, reply.resolve)
        try:
            return await reply.wait()
        except asyncio.CancelledError:
            self._link.forget(number)
            raise

    def _put_blocking(self, service: str, **arguments: Any) -> Any:
        box: ReplyBox[Any] = ReplyBox()
        self._link.ask(service, arguments, box.resolve)
        stop = self._link.stop
        stop.arm(lambda: box.resolve(None, asyncio.CancelledError("the run was asked to stop")))
        try:
            return box.wait(None)
        finally:
            stop.arm(None)


class LinkedFamily(_Asking):
    """Implements ``engine.family.Family`` for one run; the server knows whose link it is."""

    async def ask(self, service: str, **arguments: Any) -> Any:
        """Return what the service returns."""
        return await self._put(service, **arguments)

    def ask_blocking(self, service: str, **arguments: Any) -> Any:
        """The same for a thread without a loop."""
        return self._put_blocking(service, **arguments)


class LinkedQuestions(_Asking):
    """Implements ``engine.questions.Questions`` for one run; the server asks, stores and waits."""

    async def ask(
        self, message: str, schema: Mapping[str, Any] | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put a question; a wait that is cancelled withdraws it."""
        return await self._put("ask", message=message, schema=schema, timeout_s=timeout_s, key=key)

    async def approve(
        self, tool_call: Mapping[str, Any], message: str | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put the question whether a tool may be called."""
        return await self._put("approve", tool_call=tool_call, message=message, timeout_s=timeout_s, key=key)

    def ask_blocking(
        self, message: str, schema: Mapping[str, Any] | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put a question and block the thread. Raises CancelledError when the run is to stop."""
        return self._put_blocking("ask", message=message, schema=schema, timeout_s=timeout_s, key=key)

    def approve_blocking(
        self, tool_call: Mapping[str, Any], message: str | None, timeout_s: float | None, key: str | None
    ) -> Any:
        """Put the question whether a tool may be called and block the thread. Raises as :meth:`ask_blocking`."""
        return self._put_blocking("approve", tool_call=tool_call, message=message, timeout_s=timeout_s, key=key)
