"""What the server lends to runs, as a run's own process has it: over its link. Floor 5; the worker's threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from runwire.contracts.artifacts import Artifact
from runwire.contracts.files import StoredFile
from runwire.contracts.model import ModelAnswer, ModelRequest
from runwire.contracts.steering import InboxMessage
from runwire.engine.isolation.link import Link
from runwire.errors import TooLarge
from runwire.protocol.readings import Reading, SentenceKey
from runwire.protocol.traversal import Traversal
from runwire.runs.limits import RunLimits
from runwire.threads import Doorbell, LoopReply, ReplyBox

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


class LinkedSentences:
    """Implements ``contracts.sentences.SentenceStore`` for one run; the server keeps them."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def recall(self, owner_id: str, key: SentenceKey) -> Reading | None:
        """Return what the sentence was read as, or None."""
        del owner_id  # the server knows whose link it is
        told = self._link.ask_blocking("sentences.recall", key=key)
        return None if told is None else msgspec.convert(told, Reading)

    def remember(self, owner_id: str, key: SentenceKey, reading: Reading) -> None:
        """Keep a reading. Raises StorageUnavailable."""
        del owner_id
        self._link.ask_blocking("sentences.remember", key=key, reading=reading)


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
        with _stopping(self._link, lambda: box.resolve(None, _stopped())):
            return box.wait(None)


class LinkedModel(_Asking):
    """Implements ``contracts.model.ChatModel`` for one run; the server asks, and its key stays there."""

    def __init__(self, link: Link, unavailable_reason: str | None) -> None:
        super().__init__(link)
        self._unavailable_reason = unavailable_reason

    def unavailable_reason(self) -> str | None:
        """Return why the server can ask no model, or None."""
        return self._unavailable_reason

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Return the answer; a wait that is cancelled ends the server's request too."""
        return msgspec.convert(await self._put("model.complete", request=msgspec.json.encode(request)), ModelAnswer)


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

    def messages(self) -> LinkedMessages:
        """Listen from now on; return where messages come from."""
        return LinkedMessages(self._link)

    def messages_blocking(self) -> BlockingLinkedMessages:
        """The same for a thread without a loop."""
        return BlockingLinkedMessages(self._link)

    async def recall(self, key: str) -> bytes | None:
        """Return a step's stored result."""
        stored: bytes | None = await self._put("steps.recall", key=key)
        return stored

    async def remember(self, key: str, result: bytes) -> None:
        """Store a step's result. Raises LimitExceeded."""
        await self._put("steps.remember", key=key, result=result)

    def recall_blocking(self, key: str) -> bytes | None:
        """Return a step's stored result; blocks the thread."""
        stored: bytes | None = self._put_blocking("steps.recall", key=key)
        return stored

    def remember_blocking(self, key: str, result: bytes) -> None:
        """Store a step's result; blocks the thread. Raises LimitExceeded."""
        self._put_blocking("steps.remember", key=key, result=result)


class _Arrivals:
    """Whether the server's inbox may hold something: it is asked once, and says when."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._bell = Doorbell()
        self._announced = True

    @property
    def may_hold(self) -> bool:
        """Whether it is worth asking."""
        return self._announced

    def _noted(self, told: Any) -> InboxMessage | None:
        """Return what was taken; when nothing was there, ask to be told of the next arrival."""
        if told is not None:
            return msgspec.convert(told, InboxMessage)
        self._announced = False
        self._link.ask("inbox.arrival", {}, self._arrived)
        return None

    def _arrived(self, _value: Any, _error: BaseException | None) -> None:
        self._announced = True  # also when that failed: the next take says why
        self._bell.ring()


class LinkedMessages(_Arrivals):
    """Implements ``engine.attempt_inbox.LiveSource``."""

    async def take(self) -> InboxMessage | None:
        """Take the next message."""
        reply: LoopReply[Any] = LoopReply()
        self._link.ask("inbox.take", {}, reply.resolve)
        return self._noted(await reply.wait())

    async def wait(self) -> None:
        """Wait until it may hold something."""
        seen = self._bell.rings
        if not self._announced:
            await self._bell.wait(seen)


class BlockingLinkedMessages(_Arrivals):
    """Implements ``engine.attempt_inbox.BlockingSource``."""

    def take(self) -> InboxMessage | None:
        """Take the next message. Raises CancelledError when the run is to stop."""
        box: ReplyBox[Any] = ReplyBox()
        self._link.ask("inbox.take", {}, box.resolve)
        with _stopping(self._link, lambda: box.resolve(None, _stopped())):
            return self._noted(box.wait(None))

    def wait(self, timeout_s: float) -> None:
        """Wait until it may hold something, at most ``timeout_s`` seconds. Raises CancelledError when the run is to
        stop.
        """
        seen = self._bell.rings
        with _stopping(self._link, self._bell.ring):
            if not self._announced:
                self._bell.wait_blocking(seen, timeout_s)
        if self._link.stop.reason is not None:
            raise _stopped()


@contextmanager
def _stopping(link: Link, wake: Callable[[], None]) -> Iterator[None]:
    """Let the run's stop call ``wake`` for the time of the block."""
    link.stop.arm(wake)
    try:
        yield
    finally:
        link.stop.arm(None)


def _stopped() -> asyncio.CancelledError:
    return asyncio.CancelledError("the run was asked to stop")
