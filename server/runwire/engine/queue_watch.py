"""Tells those who wait where they stand. Floor 5; the server's loop only.

Pushed by what moves the queue, never by a clock: a tick reads the places of all waiting runs that somebody follows, at
once, on a reader thread. A run gets one frame a second at most, and none that says what the last one said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog
from msgspec import UNSET, UnsetType

from runwire.contracts.queue_store import QueuePlace, QueuePlaces, QueueStore
from runwire.errors import RunwireError
from runwire.protocol.frames import Frame, Queue, QueueOverview, WaitingRun
from runwire.runs.forecast import Forecast
from runwire.runs.state import RunStatus
from runwire.runs.tally import Move

log = structlog.get_logger(__name__)

FRAME_EACH_S = 1.0
"""Least time between two frames about the same (protocol, section 4)."""

TICK_EACH_S = 0.1
"""Least time between two reads, when many begin to follow one after the other."""

OWN_RUNS = 100
"""Runs that an overview lists: a frame stays below 16 KiB."""

PARKED_REASON = "it pauses before its next attempt"
BEHIND_REASON = "it waits for the earlier runs of its thread"

Tell = Callable[[Frame], None]


class _Follower:
    """Somebody who is told of one subject: a run's place, or the whole queue as one user sees it."""

    __slots__ = ("due_at", "last", "seen", "tell")

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.seen = -1
        self.due_at = 0.0
        self.last: Frame | None = None

    def say(self, frame: Frame, now: float) -> None:
        """Send a frame unless it says nothing new."""
        if frame != self.last:
            self.last, self.due_at = frame, now + FRAME_EACH_S
            self.tell(frame)


class QueueWatch:
    """Every follower of a run, as far as the queue is concerned, and every follower of the queue itself."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        queue: QueueStore,
        forecast: Forecast,
        held_back: Callable[[str], str | None],
    ) -> None:
        """``held_back`` says why runs of an agent may not start just now, beside what operators have paused."""
        self._loop = loop
        self._queue = queue
        self._forecast = forecast
        self._held_back = held_back
        self._runs: dict[str, list[_Follower]] = {}
        self._waiting: set[str] = set()
        self._overviews: dict[_Follower, str] = {}
        self._version = 0
        self._tick_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None

    # Who is told

    def follow(self, run_id: str, tell: Tell, *, waits: bool) -> Callable[[], None]:
        """Tell of the run's place whenever it waits; ``waits``: it did when it was read. Returns what ends it."""
        follower = _Follower(tell)
        self._runs.setdefault(run_id, []).append(follower)
        if waits:
            self._waiting.add(run_id)
            self._schedule()

        def unfollow() -> None:
            followers = self._runs.get(run_id, [])
            if follower in followers:
                followers.remove(follower)
                if not followers:
                    del self._runs[run_id]
                    self._waiting.discard(run_id)

        return unfollow

    def follow_queue(self, user_id: str, tell: Tell) -> Callable[[], None]:
        """Tell of the queue as ``user_id`` may see it, once now and whenever it moves. Returns what ends it."""
        follower = _Follower(tell)
        self._overviews[follower] = user_id
        self._schedule()

        def unfollow() -> None:
            self._overviews.pop(follower, None)

        return unfollow

    # What moves the queue

    def on_moves(self, moves: Sequence[Move]) -> None:
        """Take the runs that a commit has moved; the bridge calls this."""
        for move in moves:
            if move.took_ms is not None and move.status is not RunStatus.CANCELLED:
                self._forecast.note(move.agent, move.took_ms)
            if move.run_id in self._runs:
                if move.status is RunStatus.QUEUED:
                    self._waiting.add(move.run_id)
                else:
                    self._waiting.discard(move.run_id)
        self.changed()

    def changed(self) -> None:
        """Note that what is told may have changed: the queue moved, or what holds it back did."""
        self._version += 1
        self._schedule()

    def close(self) -> None:
        """Tell nobody any more."""
        self._runs.clear()
        self._waiting.clear()
        self._overviews.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._reading is not None:
            self._reading.cancel()

    # What is said

    def blocked(self, agent: str) -> str | None:
        """Return why runs of ``agent`` wait although their turn may have come, or None."""
        return self._queue.state.pauses.reason(agent) or self._held_back(agent)

    def describe(self, places: QueuePlaces) -> list[Queue]:
        """Return what a run's follower is told, for each place."""
        measured = self._forecast.measured()
        held = {agent: self.blocked(agent) for agent in {name for p in places.places for name in (p.agent, *p.ahead)}}
        frames = []
        for place in places.places:
            blocked = PARKED_REASON if place.parked else BEHIND_REASON if place.behind else held[place.agent]
            eta_s = self._eta_s(place, held, measured) if blocked is None else None
            frames.append(_frame(place, places.size, blocked, eta_s))
        return frames

    def _eta_s(self, place: QueuePlace, held: dict[str, str | None], measured: dict[str, float]) -> float | None:
        ahead = {agent: runs for agent, runs in place.ahead.items() if held[agent] is None}
        return self._forecast.eta_s(place.agent, ahead, measured)

    def _overview(self, own: list[Queue]) -> QueueOverview:
        state = self._queue.state
        listed = [
            WaitingRun(run_id=one.run_id, position=one.position, eta_s=one.eta_s, blocked=one.blocked)
            for one in own[:OWN_RUNS]
        ]
        return QueueOverview(
            queued=state.queued,
            running=state.running,
            waiting=state.waiting,
            paused=state.pauses.everything,
            own=listed,
        )

    # The tick

    def _schedule(self) -> None:
        if self._timer is not None or self._reading is not None:
            return
        due_at = min((one.due_at for one in self._behind()), default=None)
        if due_at is not None:
            self._timer = self._loop.call_at(max(due_at, self._tick_at, self._loop.time()), self._tick)

    def _behind(self) -> list[_Follower]:
        """Return the followers who have not been told of what the queue is now."""
        everybody = [*self._overviews, *(one for run_id in self._waiting for one in self._runs[run_id])]
        return [one for one in everybody if one.seen != self._version]

    def _tick(self) -> None:
        self._timer = None
        self._tick_at = self._loop.time() + TICK_EACH_S
        due = {one for one in self._behind() if one.due_at <= self._loop.time()}
        if due:
            self._reading = self._loop.create_task(self._tell(due, self._version))
        else:
            self._schedule()

    async def _tell(self, due: set[_Follower], version: int) -> None:
        """Read the places of those who are due, all at once, and tell them."""
        wanted = [run_id for run_id in self._waiting if not due.isdisjoint(self._runs[run_id])]
        owners = {self._overviews[one] for one in due if one in self._overviews}
        try:
            places = await self._queue.places(wanted, owners, OWN_RUNS)
            self._say(places, due, version)
            if self._version == version:  # what was wanted and has no place waits no longer
                self._waiting -= set(wanted) - {place.run_id for place in places.places}
        except RunwireError as error:
            log.warning("queue.places_not_read", error=str(error))
            for one in due:  # who is still there then is told then
                one.due_at = self._loop.time() + FRAME_EACH_S
        finally:
            self._reading = None
            self._schedule()

    def _say(self, places: QueuePlaces, due: set[_Follower], version: int) -> None:
        now = self._loop.time()
        frames = self.describe(places)
        for frame in frames:
            if frame.run_id in self._waiting:  # else it has been started while its place was read
                for one in due.intersection(self._runs[frame.run_id]):
                    one.say(frame, now)
        for one in due & self._overviews.keys():
            own = [f for f, p in zip(frames, places.places, strict=True) if p.owner_id == self._overviews[one]]
            one.say(self._overview(own), now)
        for one in due:
            one.seen = version


def _frame(place: QueuePlace, size: int, blocked: str | None, eta_s: float | None) -> Queue:
    eta: float | UnsetType = UNSET if eta_s is None else round(eta_s, 1)
    return Queue(
        run_id=place.run_id,
        position=place.position,
        size=size,
        eta_s=eta,
        blocked=blocked or UNSET,
    )
