"""What surrounds those who wait for a slot: what holds them back, and what tells them. Floor 5; the server's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from runwire.clock import Clock
from runwire.contracts.admission import Admission
from runwire.contracts.queue_store import QueueStore
from runwire.engine.bridge import AgentWebSocketBridge
from runwire.engine.browser_room import BrowserRoom
from runwire.engine.cancellation import StopReason
from runwire.engine.queue_operator import QueueOperator
from runwire.engine.queue_watch import QueueWatch
from runwire.engine.thread_ceiling import Admissions, ThreadCeiling
from runwire.engine.thread_watch import ThreadWatch
from runwire.runs.forecast import Forecast
from runwire.runs.limits import RunningLimits


@dataclass(frozen=True, slots=True)
class Waiting:
    """The parts, connected to each other and to the bridge."""

    queue: QueueStore
    limits: RunningLimits
    places: QueueWatch
    threads: ThreadWatch
    room: BrowserRoom
    ceiling: ThreadCeiling
    operator: QueueOperator

    @property
    def admission(self) -> Admission:
        """Who is asked before a run starts."""
        return Admissions(self.ceiling, self.room)

    def look_for_threads(self) -> None:
        """Let runs start that waited for stuck threads to end; called once a second."""
        if self.ceiling.is_free_again():
            self.queue.look()
            self.places.changed()

    def close(self) -> None:
        """Tell nobody any more, look at nothing any more."""
        self.places.close()
        self.room.close()


def build_waiting(
    bridge: AgentWebSocketBridge,
    queue: QueueStore,
    clock: Clock,
    limits: RunningLimits,
    *,
    needs_browser: Callable[[str], bool],
    full_reason: Callable[[], str | None],
    ceiling: ThreadCeiling,
    request_stop: Callable[[str, StopReason], bool],
) -> Waiting:
    """Return the parts; on the loop that they will work with. The arguments are those of the parts."""
    loop = asyncio.get_running_loop()

    def room_changed() -> None:
        queue.look()
        places.changed()

    room = BrowserRoom(
        loop,
        needs_browser=needs_browser,
        full_reason=full_reason,
        waiting=lambda: queue.state.queued_as,
        on_change=room_changed,
    )

    def held_back(agent: str) -> str | None:
        no_browser = limits.why_no_browser(agent, queue.state.running_as)
        return room.reason(agent) or ceiling.reason(agent) or no_browser

    places = QueueWatch(loop, queue, Forecast(limits), held_back)
    threads = ThreadWatch()
    for observer in (places, threads, room):
        bridge.observe_moves(observer.on_moves)
    operator = QueueOperator(queue, clock, request_stop=request_stop, on_change=places.changed)
    return Waiting(queue, limits, places, threads, room, ceiling, operator)
