"""Conversations and artifacts as files to take away, made while they are sent. Floor 6; the server's loop.

At most a page of runs, a page of entries and a piece of a file are held at once, however long the conversation is. What
lives is exported as far as it is committed when its turn comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import msgspec

from runwire.contracts.actors import OwnedRun, User, Visitor
from runwire.contracts.artifacts import Artifact
from runwire.contracts.conversations import Conversation
from runwire.protocol.transcript import spoken
from runwire.runs.record import RunRecord
from runwire.web.responses import artifact_view, conversation_view, run_view
from runwire.web.services import Services
from runwire.web.zip_stream import ZipStream, file_pieces

RUNS_A_PAGE = 20
ENTRIES_A_PAGE = 512
BYTES_A_PAGE = 262_144

_encode = msgspec.json.Encoder().encode


class ConversationExport:
    """One conversation on its way out."""

    def __init__(self, services: Services, user: User, conversation: Conversation) -> None:
        self._services = services
        self._user = user
        self._conversation = conversation

    async def json(self) -> AsyncGenerator[bytes, None]:
        """Yield one JSON document: the conversation, and each run with its artifacts and its log as it is stored."""
        yield b'{"thread":%b,"runs":[' % _encode(conversation_view(self._conversation))
        first = True
        async for run in self._runs():
            artifacts = [artifact_view(artifact) for artifact in await self._artifacts(run)]
            view = _encode({**run_view(run.record), "artifacts": artifacts})
            yield b'%b\n%b,"entries":[' % (b"" if first else b",", view[:-1])
            first, first_entry = False, True
            async for frames in self._log(run):
                yield (b"" if first_entry else b",") + b",".join(frames)
                first_entry = False
            yield b"]}"
        yield b"\n]}\n"

    async def markdown(self) -> AsyncGenerator[bytes, None]:
        """Yield a document for people: what was asked, what was said, how it ended."""
        conversation = self._conversation
        yield f"# {_line(conversation.title) or conversation.id}\n".encode()
        async for run in self._runs():
            record = run.record
            yield f"\n## {record.agent}, {_time(record.created_ms)}\n\n{_quoted(record.input)}\n".encode()
            message: Any = None
            async for frames in self._log(run):
                for message_id, text in spoken(frames, message):
                    yield ("" if message_id == message else "\n").encode() + text.encode()
                    message = message_id
            yield ("\n" if message is not None else "").encode() + _ending(record).encode()
            for artifact in await self._artifacts(run):
                yield f"\n- {artifact.kind}: `{_member(artifact)}`".encode()
            yield b"\n"

    async def zip(self) -> AsyncGenerator[bytes, None]:
        """Yield an archive: both documents and every artifact."""
        archive, now_ms = ZipStream(), self._services.clock.now_ms()
        for name, pieces in (("conversation.md", self.markdown()), ("conversation.json", self.json())):
            async for made in archive.add(name, now_ms, pieces):
                yield made
        async for run in self._runs():
            async for made in add_artifacts(archive, self._services, run, await self._artifacts(run)):
                yield made
        async for made in archive.end():
            yield made

    async def _runs(self) -> AsyncGenerator[OwnedRun, None]:
        last: RunRecord | None = None
        while True:
            page = await self._services.conversations.store.runs(self._conversation.id, self._user, last, RUNS_A_PAGE)
            for record in page:
                yield OwnedRun(record, self._user)
            if len(page) < RUNS_A_PAGE:
                return
            last = page[-1]

    async def _log(self, run: OwnedRun) -> AsyncGenerator[list[bytes], None]:
        after = run.record.first_seq - 1
        while after < run.record.last_seq:
            chunk = await self._services.bridge.read(run, after, entries=ENTRIES_A_PAGE, size_bytes=BYTES_A_PAGE)
            if not chunk.frames:
                return
            yield chunk.frames
            after = chunk.first_seq + len(chunk.frames) - 1

    async def _artifacts(self, run: OwnedRun) -> Sequence[Artifact]:
        return await self._services.artifacts_of(run)


async def artifacts_zip(services: Services, run: OwnedRun) -> AsyncGenerator[bytes, None]:
    """Yield an archive of one run's artifacts."""
    archive = ZipStream()
    async for made in add_artifacts(archive, services, run, await services.artifacts_of(run)):
        yield made
    async for made in archive.end():
        yield made


async def add_artifacts(
    archive: ZipStream, services: Services, run: OwnedRun, artifacts: Sequence[Artifact]
) -> AsyncGenerator[bytes, None]:
    """Add a run's files to an archive, its traversal first; one whose file is gone is left out.

    A visitor gets no traversal: it tells of the input (where a test starts, its browser) and holds whole addresses.
    """
    created_ms, traversal = run.record.created_ms, None
    if not isinstance(run.actor, Visitor):
        traversal = await asyncio.to_thread(services.traversals.read, run.run_id)
    if traversal is not None:
        async for made in archive.add(f"artifacts/{run.run_id}/traversal.json", created_ms, _whole(traversal)):
            yield made
    for artifact in artifacts:
        path = services.artifacts.path(run.run_id, artifact.id)
        async with aclosing(archive.add(_member(artifact), created_ms, file_pieces(path))) as pieces:
            async for made in pieces:
                yield made


async def _whole(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


def _member(artifact: Artifact) -> str:
    """Return the artifact's name in an archive: names repeat, ids do not."""
    return f"artifacts/{artifact.run_id}/{artifact.id}-{artifact.name}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _quoted(body: bytes) -> str:
    """Return an input as a quotation: text as it was typed, anything else as JSON."""
    value = msgspec.json.decode(body)
    if isinstance(value, str):
        return "".join(f"> {line}\n" for line in value.splitlines() or [""])
    return _fenced(msgspec.json.format(body, indent=2).decode())


def _fenced(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}json\n{text}\n{fence}\n"


def _ending(record: RunRecord) -> str:
    """Return how a run stands or ended."""
    if record.terminal is None:
        return f"\n*{record.status.value}*\n"
    ending = msgspec.json.decode(record.terminal)
    text = f"\n*{record.status.value}*"
    if "error" in ending:
        text += f": {_line(ending['error']['message'])}"
    if ending.get("result") is not None:
        text += "\n\n" + _fenced(msgspec.json.format(msgspec.json.encode(ending["result"]), indent=2).decode())
    return text + "\n"
