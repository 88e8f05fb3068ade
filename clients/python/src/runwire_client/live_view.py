"""The live view of a run's browser, and a person's hands in it (protocol, section 4). One event loop; one socket each.

Pictures are never stored: the newest wins, on both sides. A view does not come back by itself after a cut.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from runwire_client.errors import ConnectionFailed, ProtocolViolation, RunwireError
from runwire_client.fields import Fields, parse_json
from runwire_client.problems import refusal_error

_HEAD: Final = struct.Struct(">HIIHHH")
_POLLED: Final = 1
_HELD: Final = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """The viewport at one moment.

    Attributes:
        number: counts what was captured; a gap means that newer pictures took the place of older ones.
        ms: milliseconds since the view was opened.
        width: of the viewport, in CSS pixels: what positions of inputs refer to.
        height: the same.
        polled: the page never stands still and is photographed twice a second.
        held: a person has control.
        jpeg: the picture; it may have fewer pixels than the viewport.
    """

    number: int
    ms: int
    width: int
    height: int
    polled: bool
    held: bool
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Control:
    """Who controls the browser: ``holder`` is a person's name, or None for the agent; ``lease_s`` the seconds until it
    goes back to the agent unless they go on.
    """

    holder: str | None
    lease_s: float | None


class LiveView:
    """One open view: iterate over it for pictures, until the run ends. Made by ``AsyncRunwire.view``."""

    def __init__(self, socket: ClientConnection, limit_s: float) -> None:
        self._socket = socket
        self._limit_s = limit_s
        self._number = 0
        self._ids = 0
        self._replies: dict[int, asyncio.Future[Fields]] = {}
        self._newest: Picture | None = None
        self._news = asyncio.Event()
        self._ended = False
        self._failure: RunwireError | None = None
        self._reader = asyncio.get_running_loop().create_task(self._read())
        self.control = Control(None, None)
        """Who controls the browser now."""

    async def open(self, run_id: str, name: str | None) -> Self:
        """Open the view. Raises NotFound, Conflict."""
        facts = await self._command("view.open", run_id=run_id, **({} if name is None else {"name": name}))
        self._number = facts.whole("view", 1)
        self._note(facts)
        return self

    async def close(self) -> None:
        """Close the socket; control, if it was held, goes back to the agent."""
        self._reader.cancel()
        with suppress(asyncio.CancelledError):
            await self._reader
        await self._socket.close()

    # ---------------------------------------------------------------- seeing

    def __aiter__(self) -> AsyncIterator[Picture]:
        return self

    async def __anext__(self) -> Picture:
        """Return the newest picture that was not returned yet. Raises ConnectionFailed after a cut."""
        while self._newest is None:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        picture, self._newest = self._newest, None
        return picture

    # ---------------------------------------------------------------- using

    async def take(self) -> Control:
        """Take control from the agent, which waits meanwhile, or renew it.

        Raises ControlTaken: another person has it, ``details["holder"]``; Conflict: it is not to be had.
        """
        return self._note(await self._command("view.control", view=self._number, action="take"))

    async def give(self) -> Control:
        """Give control back to the agent. Raises Conflict."""
        return self._note(await self._command("view.control", view=self._number, action="give"))

    async def click(
        self, x: int, y: int, *, button: Literal["left", "middle", "right"] = "left", double: bool = False
    ) -> None:
        """Click at a place of the viewport. Raises Conflict: control is not yours."""
        await self.use(kind="mouse", action="double" if double else "click", x=x, y=y, button=button)

    async def scroll(self, x: int, y: int, *, dx: int = 0, dy: int = 0) -> None:
        """Turn the wheel with the mouse at that place."""
        await self.use(kind="wheel", x=x, y=y, dx=dx, dy=dy)

    async def press(self, key: str) -> None:
        """Press a key, such as ``Enter`` or ``Control+A``."""
        await self.use(kind="key", key=key)

    async def type(self, text: str) -> None:
        """Put text in where the cursor is."""
        await self.use(kind="text", text=text)

    async def use(self, **input: Any) -> None:
        """Send any input of the protocol."""
        await self._command("view.input", view=self._number, input=input)

    # ---------------------------------------------------------------- the socket

    async def _command(self, op: str, **arguments: Any) -> Fields:
        if self._failure is not None:
            raise self._failure
        self._ids += 1
        number = self._ids
        reply: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            async with asyncio.timeout(self._limit_s):
                await self._socket.send(json.dumps({"id": number, "op": op, **arguments}))
                return await reply
        except (ConnectionClosed, TimeoutError) as error:
            raise ConnectionFailed(f"{op} was not answered: {error}") from error
        finally:
            del self._replies[number]

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.recv()
                if isinstance(message, bytes):
                    self._newest = _picture(message)
                else:
                    self._take_frame(Fields(parse_json(message, "frame"), "frame"))
                self._news.set()
        except ConnectionClosed as closed:
            self._fail(ConnectionFailed(f"the view was cut: {closed}"))
        except ProtocolViolation as error:
            self._fail(error)

    def _take_frame(self, frame: Fields) -> None:
        match frame.text("type"):
            case "reply":
                self._answer(frame)
            case "view":
                self._note(frame)
            case "view_end":
                self._ended = True

    def _answer(self, frame: Fields) -> None:
        reply = self._replies.get(frame.values.get("id", 0))
        if reply is None or reply.done():
            return
        if frame.flag("ok"):
            reply.set_result(frame.object("result"))
        else:
            reply.set_exception(refusal_error(frame.object("error").values))

    def _note(self, facts: Fields) -> Control:
        self.control = Control(facts.text_or_none("holder"), facts.seconds_or_none("lease_s"))
        return self.control

    def _fail(self, error: RunwireError) -> None:
        self._failure = error
        self._news.set()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(error)


def _picture(message: bytes) -> Picture:
    if len(message) < _HEAD.size:
        raise ProtocolViolation("a picture is shorter than its head")
    _, number, ms, width, height, flags = _HEAD.unpack_from(message)
    return Picture(number, ms, width, height, bool(flags & _POLLED), bool(flags & _HELD), message[_HEAD.size :])
