"""The worker's end of the live view: captures and holds what the server asks for. Floor 5.

Threads: :meth:`WorkerViews.take` is called on the link's thread, pictures come on the browsers'; the rest happens on
``runwire-views``, a loop of its own, since the agent's may be busy or none. It begins once the run has asked for a
browser and somebody watches: a run without one, which people may watch too, loads nothing for them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import structlog

from runwire.contracts.live_view import LiveViews, Picture
from runwire.engine.isolation.messages import PICTURE_BYTES, Held, Message, Pictured, Used, Watch
from runwire.errors import Conflict, RunwireError
from runwire.threads import LoopMailbox, OwnedThread

log = structlog.get_logger(__name__)


class WorkerViews:
    """One run's, in its own process."""

    def __init__(self, run_id: str, views: Callable[[], LiveViews | None], send: Callable[[Message], None]) -> None:
        """``views`` are the process's own, None where there are no browsers; ``send`` sends to the server and never
        blocks.
        """
        self._run_id = run_id
        self._views = views
        self._slot = _PictureSlot(send)
        self._send = send
        self._news: LoopMailbox[Watch | Used] | None = None
        self._orders: asyncio.Queue[Watch | Used] = asyncio.Queue()
        self._begun = False
        self._waiting: Watch | None = None
        """How a run that has not asked for a browser is to be watched."""
        self._lock = threading.Lock()
        self._watch = 0
        self._hold = 0
        self._holding: asyncio.Task[None] | None = None

    def take(self, order: Watch | Used) -> None:
        """Do what the server says, soon and in order; never blocks."""
        with self._lock:
            if self._begun:
                self._put(order)
            elif isinstance(order, Watch):
                self._wait(order)

    def begin(self) -> None:
        """Note that the run has asked for a browser: it can be seen from now on. Idempotent; any thread."""
        with self._lock:
            self._begun = True
            waiting, self._waiting = self._waiting, None
            if waiting is not None and waiting.watch:
                self._put(waiting)

    def _wait(self, order: Watch) -> None:
        self._waiting = order
        if order.hold != self._hold:
            self._hold = order.hold
            if order.hold:
                self._send(Held(order.hold, "no_page"))

    def _put(self, order: Watch | Used) -> None:
        if self._news is None:
            loop = asyncio.new_event_loop()
            self._news = LoopMailbox(loop, self._orders.put_nowait)
            OwnedThread("runwire-views", lambda: loop.run_until_complete(self._obey())).start()
        self._news.put(order)

    async def _obey(self) -> None:
        while True:
            order = await self._orders.get()
            try:
                await self._do(order)
            except RunwireError as error:  # no browser here, or its host has ended: there is nothing to be seen
                log.info("view.refused", error=error.message)

    async def _do(self, order: Watch | Used) -> None:
        views = self._views()
        if views is None:
            return
        if isinstance(order, Used):
            views.use(self._run_id, order.what)
            return
        self._slot.grant(order.pictures)
        if order.hold != self._hold:
            await self._change_hold(views, order)
        if order.watch != self._watch:
            await self._change_watch(views, order.watch)

    async def _change_watch(self, views: LiveViews, watch: int) -> None:
        """Another watch begins anew, also if the end of the one before was never heard of: its first viewer wants a
        picture of a page that stands still.
        """
        views.unwatch(self._run_id, self._slot.put)
        self._slot.clear()
        self._watch = watch
        if watch:
            await views.watch(self._run_id, self._slot.put)

    async def _change_hold(self, views: LiveViews, order: Watch) -> None:
        if self._holding is not None:  # a hold that was given up: whether it has come about is known when it has ended
            self._holding.cancel()
            await asyncio.wait((self._holding,))
            self._holding = None
        if self._hold:
            views.release(self._run_id)
        self._hold = order.hold
        if order.hold:
            self._holding = asyncio.create_task(self._claim(views, order.hold, order.limit_s))

    async def _claim(self, views: LiveViews, number: int, limit_s: float) -> None:
        try:
            held = await views.hold(self._run_id, limit_s)
        except Conflict:
            self._send(Held(number, "no_page"))
        except RunwireError as error:  # the browsers' thread does not answer
            log.warning("view.not_held", error=error.message)
            self._send(Held(number, "busy"))
        else:
            self._send(Held(number, "held" if held else "busy"))


class _PictureSlot:
    """Holds the newest picture until the server has asked for one."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._newest: Picture | None = None
        self._number = self._granted = self._sent = 0

    def put(self, picture: Picture) -> None:
        """Replace what waits; on the browsers' thread."""
        if len(picture.jpeg) > PICTURE_BYTES:
            log.info("view.picture_too_large", size_bytes=len(picture.jpeg))
            return
        with self._lock:
            self._number += 1
            self._newest = picture
            self._send_newest()

    def grant(self, pictures: int) -> None:
        """Allow so many since the beginning."""
        with self._lock:
            self._granted = pictures
            self._send_newest()

    def clear(self) -> None:
        """Forget what waits."""
        with self._lock:
            self._newest = None

    def _send_newest(self) -> None:
        """Under the lock, so that pictures go in their order."""
        picture = self._newest
        if picture is None or self._sent >= self._granted:
            return
        self._newest = None
        self._sent += 1
        size = min(picture.width, 65_535), min(picture.height, 65_535)
        self._send(Pictured(self._number, *size, picture.jpeg, picture.polled))
