"""The live views of runs that are executed in processes of their own: who watches, and what their processes may send.
Floor 5; the server's loop, but :class:`ViewLink`, which is its runner's.

The process captures; it may send one picture at a time and not before it is asked for one, so that a picture delays an
event of the run by no more than itself. People cannot break the link either: what a process does not read is either
replaced (how it is to be watched) or dropped (inputs).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from runwire.contracts.live_view import NO_PAGE, Picture, Show
from runwire.engine.isolation.messages import Held, Pictured, PipeBroken, Used, Watch
from runwire.engine.isolation.pipe import Pipe
from runwire.errors import BrowserUnavailable, Conflict
from runwire.protocol.view import Input
from runwire.threads import LoopMailbox

PICTURE_S = 1 / 30
"""Shortest time between two pictures of a run: a hand needs no more, and no process can make more work than that."""
ANSWER_S = 1.0
"""How much longer than a hold may take its process may take to say so; a guess, as for the browsers' thread."""
SILENT = "the run's process does not answer; its code keeps it from doing anything else. Try again, or cancel the run"

_JPEG = b"\xff\xd8\xff"

Outcome = Literal["held", "busy", "no_page"]


class ViewLink:
    """One attempt's process, as its pictures and its hold cross its link. Made on the loop of the attempt's runner."""

    def __init__(self, pipe: Pipe, take: Callable[[Pictured | Held], None]) -> None:
        """``take`` gets what the process may say, on the runner's loop."""
        self._pipe = pipe
        self._take = take
        self._wanted: Watch | None = None
        self._granted = self._sent = self._number = 0
        self._asked = self._answered = 0
        self._closed = False
        # Bounded by what people may do a second (``view_inputs_per_s``): nothing on the runner's loop blocks.
        self._orders: LoopMailbox[Watch | Used] = LoopMailbox(asyncio.get_running_loop(), self._order)
        self.order = self._orders.put
        """Tell the process something; any thread."""
        pipe.on_clear = self._tell

    def close(self) -> None:
        """Tell it nothing any more: the loop may execute another run next."""
        self._closed = True

    def receive(self, message: Pictured | Held) -> None:
        """Check what the process has said. Raises PipeBroken: it may not say that."""
        if isinstance(message, Pictured):
            self._check_picture(message)
        elif not self._answered < message.hold <= self._asked:
            raise PipeBroken("the run's process has answered what nobody asked; it was killed")
        else:
            self._answered = message.hold
        self._take(message)

    def _check_picture(self, picture: Pictured) -> None:
        if self._sent >= self._granted:
            raise PipeBroken("the run's process has sent a picture that nobody asked for; it was killed")
        if picture.number <= self._number or not picture.jpeg.startswith(_JPEG):
            raise PipeBroken("the run's process has sent a picture that is none; it was killed")
        self._sent += 1
        self._number = picture.number

    def _order(self, order: Watch | Used) -> None:
        if self._closed:
            return
        if isinstance(order, Watch):
            self._wanted = order
            self._tell()
        elif self._pipe.clear:
            self._pipe.send(order)

    def _tell(self) -> None:
        wanted = self._wanted
        if wanted is None or self._closed or not self._pipe.clear:
            return
        self._wanted = None
        self._granted, self._asked = wanted.pictures, max(self._asked, wanted.hold)
        self._pipe.send(wanted)


@dataclass(eq=False, slots=True)
class _Viewed:
    """One run that somebody watches, or that has a process. ``granted`` and ``shown`` count the pictures of its
    process, ``number`` those of the run.
    """

    shows: list[Show] = field(default_factory=list)
    link: ViewLink | None = None
    granted: int = 0
    shown: int = 0
    granted_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    last: Picture | None = None
    number: int = 0
    before: int = 0
    watch: int = 0
    hold: int = 0
    limit_s: float = 0.0
    answer: asyncio.Future[Outcome] | None = None

    def sync(self) -> None:
        """Tell the process how it is to be watched."""
        if self.link is not None:
            self.link.order(Watch(self.watch, self.granted, self.hold, self.limit_s))


class ProcessViews:
    """Implements ``contracts.live_view.LiveViews`` for isolated runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, unavailable_reason: Callable[[], str | None]) -> None:
        """``unavailable_reason`` says why no run can have a browser here, if so."""
        self._loop = loop
        self._unavailable_reason = unavailable_reason
        self._runs: dict[str, _Viewed] = {}
        self._numbers = itertools.count(1)
        """Of watches and of holds."""
        self._news: LoopMailbox[Callable[[], None]] = LoopMailbox(loop, lambda take: take())

    # On a runner's loop

    def attach(self, run_id: str, pipe: Pipe) -> ViewLink:
        """Take the process of a run's attempt; :meth:`detach` must follow."""

        def take(message: Pictured | Held) -> None:
            self._news.put(partial(self._on_said, run_id, link, message))

        link = ViewLink(pipe, take)
        self._news.put(partial(self._on_attached, run_id, link))
        return link

    def detach(self, run_id: str, link: ViewLink) -> None:
        """Forget the process: it has ended."""
        link.close()
        self._news.put(partial(self._on_detached, run_id, link))

    # On the server's loop

    async def watch(self, run_id: str, show: Show) -> None:
        """Show the run's current page until :meth:`unwatch`; see the contract."""
        if (reason := self._unavailable_reason()) is not None:
            raise BrowserUnavailable(reason)
        run = self._of(run_id)
        if not run.shows:
            run.watch = next(self._numbers)
        run.shows.append(show)
        if run.last is not None:
            show(run.last)
        if not self._grant(run):
            run.sync()

    def unwatch(self, run_id: str, show: Show) -> None:
        """Stop; idempotent."""
        run = self._runs.get(run_id)
        if run is None or show not in run.shows:
            return
        run.shows.remove(show)
        if not run.shows:
            run.watch, run.last = 0, None
            run.sync()
        self._forget(run_id, run)

    async def hold(self, run_id: str, limit_s: float) -> bool:
        """Keep the agent from its pages; see the contract. Raises Conflict too if its process does not answer."""
        run = self._runs.get(run_id)
        if run is None or run.link is None:
            raise Conflict(NO_PAGE)
        run.hold, run.limit_s, run.answer = next(self._numbers), limit_s, self._loop.create_future()
        run.sync()
        outcome: Outcome = "busy"
        try:
            async with asyncio.timeout(limit_s + ANSWER_S):
                outcome = await run.answer
        except TimeoutError as error:
            raise Conflict(SILENT) from error
        finally:
            run.answer = None
            if outcome != "held":
                self.release(run_id)
        if outcome == "no_page":
            raise Conflict(NO_PAGE)
        return outcome == "held"

    def release(self, run_id: str) -> None:
        """Let the agent go on; idempotent."""
        run = self._runs.get(run_id)
        if run is not None and run.hold:
            run.hold = 0
            run.sync()

    def use(self, run_id: str, what: Input) -> None:
        """Do to the current page what a person does; see the contract."""
        run = self._runs.get(run_id)
        if run is not None and run.link is not None and run.hold:
            run.link.order(Used(what))

    # What processes say

    def _on_attached(self, run_id: str, link: ViewLink) -> None:
        run = self._of(run_id)
        run.link, run.granted, run.shown, run.before = link, 0, 0, run.number
        self._grant(run)

    def _on_detached(self, run_id: str, link: ViewLink) -> None:
        run = self._runs.get(run_id)
        if run is None or run.link is not link:
            return  # another attempt's process is there already
        run.link, run.last, run.hold = None, None, 0
        if run.timer is not None:
            run.timer.cancel()
            run.timer = None
        if run.answer is not None and not run.answer.done():
            run.answer.set_result("no_page")
        self._forget(run_id, run)

    def _on_said(self, run_id: str, link: ViewLink, message: Pictured | Held) -> None:
        run = self._runs.get(run_id)
        if run is None or run.link is not link:
            return
        if isinstance(message, Pictured):
            self._show(run, message)
        elif run.answer is not None and not run.answer.done() and message.hold == run.hold:
            run.answer.set_result(message.outcome)

    def _show(self, run: _Viewed, picture: Pictured) -> None:
        run.shown += 1
        if not run.shows:
            return  # it was on its way when the last one left
        run.number = run.before + picture.number
        run.last = Picture(run.number, picture.width, picture.height, picture.jpeg, picture.polled)
        for show in tuple(run.shows):
            show(run.last)
        if run.timer is None:
            run.timer = self._loop.call_at(run.granted_at + PICTURE_S, self._grant_again, run)

    def _grant_again(self, run: _Viewed) -> None:
        run.timer = None
        self._grant(run)

    def _grant(self, run: _Viewed) -> bool:
        """Ask for the next picture, if somebody watches and none is under way; return whether it was asked for."""
        if run.link is None or not run.shows or run.granted > run.shown:
            return False
        run.granted += 1
        run.granted_at = self._loop.time()
        run.sync()
        return True

    def _of(self, run_id: str) -> _Viewed:
        return self._runs.setdefault(run_id, _Viewed())

    def _forget(self, run_id: str, run: _Viewed) -> None:
        if not run.shows and run.link is None:
            self._runs.pop(run_id, None)
