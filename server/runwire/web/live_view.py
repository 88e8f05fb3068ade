"""The live views of one command socket: pictures, control, inputs (protocol, section 4). Floor 6; the server's loop.

A view is a slot for one picture, the newest; it is sent when the socket's buffer is empty enough, behind the entries
of followed runs. A stalled viewer so costs one picture in its buffer and one in the slot, and nobody else anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from runwire.contracts.actors import User
from runwire.contracts.live_view import LiveViews, Picture
from runwire.engine.take_over import Control
from runwire.errors import BrowserUnavailable, Conflict, NotFound
from runwire.protocol.close_codes import CloseCode
from runwire.protocol.commands import CloseView, OpenView, ViewControl, ViewInput
from runwire.protocol.frames import View, ViewEnd
from runwire.protocol.view import ViewFlag, view_frame
from runwire.runs.control import ControlState
from runwire.runs.state import TERMINAL, RunStatus
from runwire.threads import NewestSlot
from runwire.web.connection import SocketConnection
from runwire.web.services import Services

MOST_VIEWS = 65_535
"""Views that one socket may open in its life: their numbers are never used again."""


class SocketViews:
    """The views of one socket, by number."""

    def __init__(
        self, connection: SocketConnection, services: Services, user: User, on_change: Callable[[], None]
    ) -> None:
        """``on_change`` is called when there are more views or fewer."""
        self._on_change = on_change
        self._connection = connection
        self._services = services
        self._user = user
        self._views: dict[int, _View] = {}
        self._opened = 0
        self._watch: asyncio.TimerHandle | None = None
        self._left_bytes = 0

    def __len__(self) -> int:
        return len(self._views)

    async def open(self, command: OpenView) -> dict[str, Any]:
        """Open a view of the user's own run and return what the reply says.

        Raises:
            NotFound: absent, or somebody else's; Conflict: it has ended, or too many views; BrowserUnavailable.
        """
        services = self._services
        most = services.settings.views_per_socket
        if len(self._views) >= most or self._opened >= MOST_VIEWS:
            raise Conflict(f"this socket has {most} views, its limit; close one", limit="views_per_socket")
        self._opened += 1
        view = _View(self, self._opened, command.run_id, self._user.id if command.name is UNSET else command.name)
        # Joined before the run is looked up: its end, should it come in between, is heard of.
        services.take_over.join(view.run_id, view)
        try:
            run = await services.store.get(view.run_id, self._user)
            if run.record.status in TERMINAL or view.ended:
                raise Conflict(f"the run has ended ({run.record.status}); there is nothing to see any more")
            live = services.views(run.record.agent)
            if live is None:
                raise BrowserUnavailable("this server has no browsers")
            self._views[view.number] = view
            self._on_change()
            view.live = live
            await live.watch(view.run_id, view.slot.put)
        except BaseException:
            self._drop(view)
            raise
        return {"view": view.number, "run_id": view.run_id, **_facts(services.take_over.control_of(view.run_id))}

    def close(self, command: CloseView) -> dict[str, Any]:
        """Close a view and return what the reply says. Raises NotFound."""
        view = self._find(command.view)
        self._drop(view)
        return {"view": view.number, "run_id": view.run_id}

    async def control(self, command: ViewControl) -> dict[str, Any]:
        """Take control or give it back; return what the reply says. Raises NotFound, ControlTaken, Conflict."""
        view, take_over = self._find(command.view), self._services.take_over
        if command.action == "take":
            control = await take_over.take(view.run_id, view)
        else:
            control = take_over.give(view.run_id, view)
        return {"view": view.number, "run_id": view.run_id, **_facts(control)}

    def input(self, command: ViewInput) -> dict[str, Any]:
        """Hand an input to the page; return what the reply says. Raises NotFound, Conflict."""
        view = self._find(command.view)
        self._services.take_over.use(view.run_id, view, command.input)
        return {"view": view.number}

    def close_all(self) -> None:
        """Close every view; the socket is closed."""
        for view in tuple(self._views.values()):
            self._drop(view)
        if self._watch is not None:
            self._watch.cancel()

    def pump(self) -> None:
        """Send the newest pictures as far as the buffer takes them."""
        sink = self._connection.sink
        for view in tuple(self._views.values()):
            if not sink.writable:
                break
            if (picture := view.slot.take()) is not None:
                sink.write(view.frame(picture, self._services.take_over.control_of(view.run_id)))
        if self._views and sink.open and not sink.writable and self._watch is None:
            self._left_bytes = sink.buffered_bytes
            self._watch = asyncio.get_running_loop().call_later(self._stuck_s, self._check_reader)

    @property
    def _stuck_s(self) -> float:
        return self._services.settings.stuck_timeout_s

    def _check_reader(self) -> None:
        """Cut a peer that has taken no byte of a picture for ``stuck_timeout_s`` (protocol, S8)."""
        self._watch = None
        sink = self._connection.sink
        if not self._views or sink.writable or not sink.open:
            return
        if sink.buffered_bytes >= self._left_bytes:
            self._connection.cut(CloseCode.SLOW_READER, f"no byte of a picture taken for {self._stuck_s:g} s")
            return
        self.pump()

    def _find(self, number: int) -> _View:
        view = self._views.get(number)
        if view is None:
            raise NotFound(f"this socket has no view {number}")
        return view

    def _drop(self, view: _View) -> None:
        if self._views.pop(view.number, None) is not None:
            self._on_change()
        if view.live is not None:
            view.live.unwatch(view.run_id, view.slot.put)
        self._services.take_over.leave(view.run_id, view)

    def changed(self, view: _View) -> None:
        """Tell the client who controls a viewed run."""
        if view.number in self._views:
            facts = _facts(self._services.take_over.control_of(view.run_id))
            self._connection.send(View(view=view.number, run_id=view.run_id, **facts))

    def ended(self, view: _View, status: RunStatus) -> None:
        """Tell the client that a view has ended with its run."""
        if view.number in self._views:
            self._drop(view)
            self._connection.send(ViewEnd(view=view.number, run_id=view.run_id, status=status))


class _View:
    """One view; a member of its run's control."""

    __slots__ = ("_opened_at", "_socket", "ended", "live", "name", "number", "run_id", "slot")

    def __init__(self, socket: SocketViews, number: int, run_id: str, name: str) -> None:
        loop = asyncio.get_running_loop()
        self._socket = socket
        self._opened_at = loop.time()
        self.number = number
        self.run_id = run_id
        self.name = name
        self.ended = False
        self.live: LiveViews | None = None
        self.slot: NewestSlot[Picture] = NewestSlot(loop, socket.pump)

    @property
    def views(self) -> LiveViews:
        """Where the run's browser is; known once the view is open."""
        assert self.live is not None, "a view that is not open takes no control"
        return self.live

    def frame(self, picture: Picture, control: Control) -> bytes:
        """Return the picture as it goes over the wire."""
        ms = round((asyncio.get_running_loop().time() - self._opened_at) * 1000)
        flags = ViewFlag.POLLED if picture.polled else ViewFlag(0)
        if control.state is ControlState.PERSON:
            flags |= ViewFlag.HELD
        return view_frame(self.number, picture.number, ms, (picture.width, picture.height), flags, picture.jpeg)

    def control_changed(self) -> None:
        """Tell the client."""
        self._socket.changed(self)

    def run_ended(self, status: RunStatus) -> None:
        """End with the run."""
        self.ended = True
        self._socket.ended(self, status)


def _facts(control: Control) -> dict[str, Any]:
    facts: dict[str, Any] = {"control": control.state}
    if control.holder is not None and control.lease_s is not None:
        facts |= {"holder": control.holder, "lease_s": round(control.lease_s, 1)}
    return facts
