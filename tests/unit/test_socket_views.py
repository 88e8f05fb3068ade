"""A socket's views towards a viewer who does not read: one picture in the slot, the newest wins. No socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from runwire.contracts.actors import User
from runwire.contracts.live_view import Picture, Show
from runwire.engine.take_over import TakeOver
from runwire.protocol.commands import OpenView
from runwire.protocol.view import HEAD
from runwire.runs.state import RunStatus
from runwire.web.live_view import SocketViews
from tests.browser.views import read

RUN = "run00000"


@dataclass
class Sink:
    """Takes frames while told to."""

    writable: bool = True
    open: bool = True
    buffered_bytes: int = 0
    taken: list[bytes] = field(default_factory=list)

    def write(self, wire: bytes) -> None:
        """Keep a frame; the buffer is full then."""
        self.taken.append(wire)
        self.writable = False


@dataclass
class Views:
    """Live views that show what the test shows."""

    shows: list[Show] = field(default_factory=list)

    async def watch(self, run_id: str, show: Show) -> None:
        """Keep who watches."""
        self.shows.append(show)

    def unwatch(self, run_id: str, show: Show) -> None:
        """Forget who watched."""
        self.shows = [one for one in self.shows if one != show]


class Store:
    """Knows one run."""

    async def get(self, run_id: str, user: User) -> Any:
        """Return it."""
        return SimpleNamespace(run_id=run_id, record=SimpleNamespace(status=RunStatus.RUNNING, agent="browser-test"))


def picture(number: int) -> Picture:
    return Picture(number, 1280, 720, b"\xff\xd8\xff" + str(number).encode(), polled=False)


async def test_a_stalled_viewer_costs_one_picture_and_gets_the_newest() -> None:
    loop, live, sink = asyncio.get_running_loop(), Views(), Sink()
    clock = SimpleNamespace(hold_clock=lambda run_id: None, resume_clock=lambda run_id: None)
    take_over = TakeOver(loop, clock, lambda run_id, event: None, allowed=True, lease_s=1, total_s=1)
    services = SimpleNamespace(
        settings=SimpleNamespace(views_per_socket=2, stuck_timeout_s=60.0),
        take_over=take_over,
        store=Store(),
        views=lambda agent: live,
    )
    connection = SimpleNamespace(sink=sink, send=lambda frame: None)
    views = SocketViews(cast("Any", connection), cast("Any", services), User("ann"), lambda: None)
    await views.open(OpenView(run_id=RUN))
    (show,) = live.shows
    for number in range(1, 1_001):
        show(picture(number))
        await asyncio.sleep(0)
    assert len(sink.taken) == 1, "the buffer is full: nothing more is written"
    sink.writable = True
    views.pump()
    views.pump()
    assert [read(wire[4:]).number for wire in sink.taken] == [1, 1_000]
    assert all(len(wire) < HEAD.size + 20 for wire in sink.taken)
    views.close_all()
    assert (len(views), live.shows, len(take_over)) == (0, [], 0)
