"""A user's conversations: listed, searched, named, taken away, deleted. One event loop; ``AsyncRunwire.conversations``.

Beside the errors that each method names, all raise what ``errors`` draws under PeerError and WorldError.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from runwire_client.address import checked_id
from runwire_client.entries import RunStatus
from runwire_client.fields import Fields
from runwire_client.http_door import HttpDoor

ExportFormat = Literal["markdown", "json", "zip"]


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a conversation."""

    run_id: str
    agent: str
    status: RunStatus


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as one read saw it. ``titled``: a person gave the title; ``live``: how many of its ``runs`` have
    not ended; ``snippet``: where a search found it."""

    id: str
    title: str
    titled: bool
    created_ms: int
    active_ms: int
    runs: int
    live: int
    last_run: LastRun | None
    snippet: str | None


class Conversations:
    """The conversations of the client's user."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    async def list(self, query: str | None = None, *, limit: int = 50) -> AsyncGenerator[Conversation, None]:
        """Yield them, newest activity first, page by page as they are consumed.

        Args:
            query: words that all stand in one run or in the title; the last may be unfinished. None: all.
            limit: the size of a page.

        Raises:
            InvalidInput: a query without words, or too many.
        """
        parameters: dict[str, str | int] = {"limit": limit} if query is None else {"limit": limit, "q": query}
        async with aclosing(self._http.pages("/v1/threads", "before", parameters, read_conversation)) as rows:
            async for row in rows:
                yield row

    async def get(self, thread_id: str) -> Conversation:
        """Return one. Raises NotFound."""
        return read_conversation(await self._http.get(_path(thread_id), {"limit": 1}))

    async def rename(self, thread_id: str, title: str | None) -> Conversation:
        """Give it a title, or with None the first words of its first input again. Raises NotFound, InvalidInput."""
        return read_conversation(await self._http.call("PATCH", _path(thread_id), body={"title": title}))

    async def delete(self, thread_id: str, *, force: bool = False) -> None:
        """Delete it with everything in it; ``force`` cancels its live runs first.

        Raises:
            NotFound: there is none; Conflict: runs of it live, or did not stop in time.
        """
        await self._http.call("DELETE", _path(thread_id), query={"force": int(force)})

    async def export(self, thread_id: str, format: ExportFormat = "markdown") -> AsyncGenerator[bytes, None]:
        """Yield the pieces of a file that holds all of it; ``zip`` with every artifact. Raises NotFound."""
        async with aclosing(self._http.download(f"{_path(thread_id)}/export", {"format": format})) as pieces:
            async for piece in pieces:
                yield piece


def read_conversation(value: object) -> Conversation:
    """Return a conversation. Raises ProtocolViolation."""
    fields = Fields(value, "thread")
    return Conversation(
        id=fields.text("id"),
        title=fields.text("title"),
        titled=fields.flag("titled"),
        created_ms=fields.whole("created_ms"),
        active_ms=fields.whole("active_ms"),
        runs=fields.whole("runs"),
        live=fields.whole("live"),
        last_run=_last_run(fields.values.get("last_run")),
        snippet=fields.text_or_none("snippet"),
    )


def _last_run(value: Any) -> LastRun | None:
    if value is None:
        return None
    fields = Fields(value, "thread.last_run")
    return LastRun(fields.text("run_id"), fields.text("agent"), fields.word("status", RunStatus))


def _path(thread_id: str) -> str:
    return f"/v1/threads/{checked_id(thread_id, 'thread id')}"
