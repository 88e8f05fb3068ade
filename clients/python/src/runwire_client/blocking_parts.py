"""The parts of ``Runwire`` for programs without an event loop; arguments and errors are those of the asynchronous ones.

Any thread; no logic: each method waits for the other's on the client's private loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, Protocol, TypeVar

from runwire_client.artifacts import Artifact, Artifacts
from runwire_client.conversations import Conversation, Conversations, ExportFormat
from runwire_client.files import Files, StoredFile
from runwire_client.queueing import CancelledRuns, Operator
from runwire_client.readings import Reading, Readings
from runwire_client.schedules import Schedule, Schedules
from runwire_client.shares import Share, Shares
from runwire_client.webhooks import Delivery, Webhook, Webhooks

T = TypeVar("T")

PIECE_BYTES: Final = 262_144


class Wait(Protocol):
    """Waits for one result."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> T:
        """Return it or raise its error."""


class Each(Protocol):
    """Iterates over what comes one by one."""

    def __call__(self, items: AsyncGenerator[T, None], /) -> Iterator[T]:
        """Yield each."""


class BlockingConversations:
    """The user's conversations, as AsyncRunwire.conversations."""

    def __init__(self, parts: Conversations, wait: Wait, each: Each) -> None:
        self._parts = parts
        self._wait = wait
        self._each = each

    def list(self, query: str | None = None, *, limit: int = 50) -> Iterator[Conversation]:
        """Yield them, newest activity first."""
        return self._each(self._parts.list(query, limit=limit))

    def get(self, thread_id: str) -> Conversation:
        """Return one."""
        return self._wait(self._parts.get(thread_id))

    def rename(self, thread_id: str, title: str | None) -> Conversation:
        """Give it a title, or the first words again."""
        return self._wait(self._parts.rename(thread_id, title))

    def delete(self, thread_id: str, *, force: bool = False) -> None:
        """Delete it with everything in it."""
        self._wait(self._parts.delete(thread_id, force=force))

    def export(self, thread_id: str, format: ExportFormat = "markdown") -> Iterator[bytes]:
        """Yield the pieces of a file that holds all of it."""
        return self._each(self._parts.export(thread_id, format))


class BlockingFiles:
    """The user's files, as AsyncRunwire.files."""

    def __init__(self, parts: Files, wait: Wait, each: Each) -> None:
        self._parts = parts
        self._wait = wait
        self._each = each

    def put(self, name: str, content: bytes | BinaryIO, *, mime: str = "application/octet-stream") -> StoredFile:
        """Store a file; an open one is sent piece by piece."""
        given = content if isinstance(content, bytes) else _pieces(content)
        return self._wait(self._parts.put(name, given, mime=mime))

    def list(self, *, limit: int = 50) -> Iterator[StoredFile]:
        """Yield them, newest first."""
        return self._each(self._parts.list(limit=limit))

    def download(self, file_id: str) -> Iterator[bytes]:
        """Yield the pieces of a file."""
        return self._each(self._parts.download(file_id))

    def delete(self, file_id: str) -> None:
        """Remove a file."""
        self._wait(self._parts.delete(file_id))


class BlockingArtifacts:
    """What the user's runs have stored, as AsyncRunwire.artifacts."""

    def __init__(self, parts: Artifacts, wait: Wait, each: Each) -> None:
        self._parts = parts
        self._wait = wait
        self._each = each

    def list(self, run_id: str) -> Sequence[Artifact]:
        """Return a run's artifacts in the order of their making."""
        return self._wait(self._parts.list(run_id))

    def download(self, run_id: str, artifact_id: str) -> Iterator[bytes]:
        """Yield the pieces of an artifact."""
        return self._each(self._parts.download(run_id, artifact_id))

    def archive(self, run_id: str) -> Iterator[bytes]:
        """Yield the pieces of a ZIP archive of all of them."""
        return self._each(self._parts.archive(run_id))


class BlockingWebhooks:
    """Whom the server tells, as AsyncRunwire.webhooks."""

    def __init__(self, parts: Webhooks, wait: Wait, each: Each) -> None:
        self._parts = parts
        self._wait = wait
        self._each = each

    def add(
        self, name: str, url: str, *, statuses: Sequence[str] | None = None, agents: Sequence[str] | None = None
    ) -> Webhook:
        """Have ``url`` told of the ends of your runs."""
        return self._wait(self._parts.add(name, url, statuses=statuses, agents=agents))

    def list(self) -> Sequence[Webhook]:
        """Return them."""
        return self._wait(self._parts.list())

    def delete(self, webhook_id: str) -> None:
        """Remove one."""
        self._wait(self._parts.delete(webhook_id))

    def deliveries(self, webhook_id: str, *, limit: int = 50) -> Iterator[Delivery]:
        """Yield what was, is or will be delivered to one."""
        return self._each(self._parts.deliveries(webhook_id, limit=limit))


class BlockingSchedules:
    """Runs that start again and again, as AsyncRunwire.schedules."""

    def __init__(self, parts: Schedules, wait: Wait) -> None:
        self._parts = parts
        self._wait = wait

    def add(self, name: str, cron: str, run: Mapping[str, Any], **options: Any) -> Schedule:
        """Have a run started again and again; ``options`` are those of the asynchronous one."""
        return self._wait(self._parts.add(name, cron, run, **options))

    def list(self) -> Sequence[Schedule]:
        """Return them."""
        return self._wait(self._parts.list())

    def pause(self, schedule_id: str, paused: bool = True) -> Schedule:
        """Pause one, or with False let it go on."""
        return self._wait(self._parts.pause(schedule_id, paused))

    def delete(self, schedule_id: str) -> None:
        """Remove one."""
        self._wait(self._parts.delete(schedule_id))


class BlockingReadings:
    """What models have made of free words, as AsyncRunwire.readings."""

    def __init__(self, parts: Readings, wait: Wait, each: Each) -> None:
        self._parts = parts
        self._wait = wait
        self._each = each

    def list(self, task_id: str | None = None, *, limit: int = 50) -> Iterator[Reading]:
        """Yield them, newest first."""
        return self._each(self._parts.list(task_id, limit=limit))

    def get(self, reading_id: str) -> Reading:
        """Return one."""
        return self._wait(self._parts.get(reading_id))

    def forget(self, reading_id: str) -> None:
        """Forget one."""
        self._wait(self._parts.forget(reading_id))


class BlockingShares:
    """Read-only links, as AsyncRunwire.shares."""

    def __init__(self, parts: Shares, wait: Wait) -> None:
        self._parts = parts
        self._wait = wait

    def add(self, *, run_id: str | None = None, thread_id: str | None = None, expires_s: float | None = None) -> Share:
        """Make a link to one run or to one conversation."""
        return self._wait(self._parts.add(run_id=run_id, thread_id=thread_id, expires_s=expires_s))

    def list(self) -> Sequence[Share]:
        """Return those that have not expired."""
        return self._wait(self._parts.list())

    def revoke(self, share_id: str) -> None:
        """End one."""
        self._wait(self._parts.revoke(share_id))


async def _pieces(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece


class BlockingOperator:
    """What operators do to the queue, as AsyncRunwire.operator."""

    def __init__(self, parts: Operator, wait: Wait) -> None:
        self._parts = parts
        self._wait = wait

    def pause(self, agent: str | None = None) -> None:
        """Let no more runs of ``agent`` start, or none at all."""
        self._wait(self._parts.pause(agent))

    def resume(self, agent: str | None = None) -> bool:
        """Take such a pause back; return whether there was one."""
        return self._wait(self._parts.resume(agent))

    def cancel_user(self, user: str) -> CancelledRuns:
        """Ask all runs of a user to stop that exist now."""
        return self._wait(self._parts.cancel_user(user))
