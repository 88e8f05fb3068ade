"""Answers a watched run's questions from the terminal. Floor 8; the loop of ``runwire run``."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runwire.cli.respond import parsed_answer

if TYPE_CHECKING:
    from runwire_client import AsyncRunwire, Event, InputRequest

_YES, _NO = ("y", "yes"), ("n", "no")


class TerminalAnswers:
    """Shows questions, and if somebody sits at the terminal reads the answers: a line each, one question at a time."""

    def __init__(self, client: AsyncRunwire, note: Callable[[str], None], *, interactive: bool) -> None:
        """``note`` prints a line for people."""
        self._client = client
        self._note = note
        self._interactive = interactive
        self._open: deque[InputRequest] = deque()
        self._asking: asyncio.Task[None] | None = None
        self._unread = b""

    def on_event(self, event: Event) -> None:
        """Take a question or the news that one is settled; other events are none of its business."""
        from runwire_client import input_request, input_response

        if (request := input_request(event)) is not None:
            if all(request.id != known.id for known in self._open):
                self._open.append(request)
                self._show(request)
                self._next()
        elif (response := input_response(event)) is not None:
            was_first = bool(self._open) and self._open[0].id == response.request_id
            self._open = deque(request for request in self._open if request.id != response.request_id)
            who = f" by {response.answered_by}" if response.answered_by else ""
            self._note(f"the question is {response.status}{who}")
            if was_first:
                self._stop_asking()
                self._next()

    def close(self) -> None:
        """Stop reading. Idempotent."""
        self._open.clear()
        self._stop_asking()

    def _show(self, request: InputRequest) -> None:
        tool = f" {request.tool['name']}({request.tool.get('arguments')})" if request.tool else ""
        self._note(f"? {request.message}{tool}")
        if not self._interactive:
            self._note(f"  answer it: runwire respond {request.run_id} {request.id} JSON")
        elif request.reason == "tool_call":
            self._note("  y or n, or a JSON object")
        elif request.response_schema is not None:
            self._note(f"  fits {dict(request.response_schema)}")

    def _next(self) -> None:
        if self._interactive and self._open and self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask(self._open[0]))

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask(self, request: InputRequest) -> None:
        """Read lines until one is taken as the answer; the log tells when that is so."""
        from runwire_client import errors

        while True:
            line = await self._line()
            if line is None:
                self._note(f"  no more input; answer it: runwire respond {request.run_id} {request.id} JSON")
                return
            try:
                await self._client.respond(request.run_id, request.id, _answer_of(line, request))
            except errors.InvalidInput as error:
                self._note(f"  {error.message}")
            except errors.RunwireError as error:
                self._note(f"  {error.message}")
                return
            else:
                return

    async def _line(self) -> str | None:
        """Return the next line of standard input; None at its end. Nothing waits for the terminal but this."""
        loop, source = asyncio.get_running_loop(), sys.stdin.fileno()
        while b"\n" not in self._unread:
            ready = asyncio.Event()
            loop.add_reader(source, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(source)
            received = os.read(source, 65_536)
            if not received:
                return None
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode("utf-8", "replace").strip()


def _answer_of(line: str, request: InputRequest) -> Any:
    if request.reason == "tool_call" and line.lower() in (*_YES, *_NO):
        return {"approved": line.lower() in _YES}
    if (request.response_schema or {}).get("type") == "string":
        return line
    return parsed_answer(line)
