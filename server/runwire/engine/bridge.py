"""The bridge between runs and their followers: tails and wake-ups. Floor 5.

Threads: the log's writer calls :meth:`AgentWebSocketBridge.on_commit`; everything else happens on the server's loop,
which alone touches the tails. A batch of commits costs the loop one wake-up.

A tail holds what was committed since the first follower of its run came, as far as memory is granted; what lies before
is read from the database. Both are the same sequence, so a follower with a cursor needs no hand-off: it takes from the
tail if the tail reaches back to its cursor, and else from the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from runwire import failpoints
from runwire.contracts.actors import OwnedRun
from runwire.contracts.event_log import Chunk, Commit, EventLog, Published, RunAppender
from runwire.protocol.entries import batch_frame
from runwire.protocol.wire import text_frame
from runwire.runs.record import ClaimedRun
from runwire.runs.tally import Move
from runwire.threads import LoopMailbox

TAIL_ENTRIES = 2_048
TAIL_BYTES = 1_048_576
"""Bounds of one tail: about a second of a flood. A follower further behind reads from the database."""

WIRE_CACHE = 8
"""Wire frames kept for followers that stand at the same place; more than a few places means that nobody shares."""


class RunTail:
    """The newest committed entries of one run that somebody follows. The server's loop only."""

    __slots__ = ("_frames", "_size_bytes", "_wire", "end_seq", "first_seq", "followers", "present")

    def __init__(self) -> None:
        self.first_seq = 0
        """The seq of the first frame held; 0 until something was committed since the tail was made."""
        self.end_seq: int | None = None
        self.followers: set[Follower] = set()
        self.present = 0
        """How many of the followers count as somebody who is there."""
        self._frames: list[bytes] = []
        self._size_bytes = 0
        self._wire: dict[tuple[int, int], bytes] = {}

    @property
    def next_seq(self) -> int:
        """The seq that the next committed entry will have; 0 if not known yet."""
        return self.first_seq + len(self._frames)

    def add(self, published: Published) -> None:
        """Append a commit's entries, and forget the oldest beyond the bounds."""
        if not self._frames:
            self.first_seq = published.first_seq
        self._frames += published.frames
        self._size_bytes += sum(map(len, published.frames))
        if published.ended:
            self.end_seq = self.next_seq - 1
        if len(self._frames) > TAIL_ENTRIES or self._size_bytes > TAIL_BYTES:
            self._trim()

    def _trim(self) -> None:
        """Forget the older half: seldom enough that deleting from a list's front costs nothing an entry."""
        drop = max(1, len(self._frames) // 2)
        self._size_bytes -= sum(map(len, self._frames[:drop]))
        del self._frames[:drop]
        self.first_seq += drop

    def reaches(self, cursor: int) -> bool:
        """Return whether every committed entry behind ``cursor`` is held here (none may be there yet)."""
        return 0 < self.first_seq <= cursor + 1

    def after(self, cursor: int, entries: int, size_bytes: int) -> list[bytes]:
        """Return at most ``entries`` frames behind ``cursor``, together at most ``size_bytes`` unless the first is
        larger.
        """
        start = cursor + 1 - self.first_seq
        frames = self._frames[start : start + entries]
        size = 0
        for index, frame in enumerate(frames):
            size += len(frame)
            if size > size_bytes and index > 0:
                return frames[:index]
        return frames

    def wire(self, run_id: str, first_seq: int, frames: list[bytes]) -> bytes:
        """Return ``frames`` as one WebSocket frame, made once for all followers that stand at the same place."""
        key = (first_seq, len(frames))
        made = self._wire.get(key)
        if made is None:
            if len(self._wire) >= WIRE_CACHE:
                self._wire.clear()
            made = self._wire[key] = entries_on_wire(run_id, first_seq, frames)
        return made


def entries_on_wire(run_id: str, first_seq: int, frames: list[bytes]) -> bytes:
    """Return entries as one WebSocket frame: the entry itself, or a batch of several (protocol, S9)."""
    return text_frame(frames[0] if len(frames) == 1 else batch_frame(run_id, first_seq, frames))


class Follower:
    """A cursor on one run's log and what to call when there is more. Made by :meth:`AgentWebSocketBridge.follow`."""

    __slots__ = ("present", "run_id", "tail", "wake")

    def __init__(self, run_id: str, tail: RunTail, wake: Callable[[], None], *, present: bool) -> None:
        self.run_id = run_id
        self.tail = tail
        self.wake = wake
        self.present = present


class AgentWebSocketBridge:
    """Implements ``contracts.bridge.Bridge`` and ``contracts.event_log.CommitListener``. One for each server."""

    def __init__(self, event_log: EventLog, loop: asyncio.AbstractEventLoop) -> None:
        self._log = event_log
        self._tails: dict[str, RunTail] = {}
        self._mailbox: LoopMailbox[Commit] = LoopMailbox(loop, self._deliver)
        self._dispatch: Callable[[list[ClaimedRun]], None] | None = None
        self._dispatched: Callable[[list[ClaimedRun]], None] | None = None
        self._observers: list[Callable[[Published], None]] = []
        self._move_observers: list[Callable[[Sequence[Move]], None]] = []
        self._presence: Callable[[str, int], None] | None = None

    # Wiring, once, at start-up

    def connect(
        self, dispatch: Callable[[list[ClaimedRun]], None], dispatched: Callable[[list[ClaimedRun]], None]
    ) -> None:
        """Name who executes claimed runs: ``dispatch`` is called on the writer's thread and must not block,
        ``dispatched`` with the same runs on the loop, before their entries are shown.
        """
        self._dispatch, self._dispatched = dispatch, dispatched

    def observe(self, observer: Callable[[Published], None]) -> None:
        """Call ``observer`` on the loop with every commit's entries of every run."""
        self._observers.append(observer)

    def observe_moves(self, observer: Callable[[Sequence[Move]], None]) -> None:
        """Call ``observer`` on the loop with the runs whose state a commit has changed, behind its entries."""
        self._move_observers.append(observer)

    def observe_presence(self, observer: Callable[[str, int], None]) -> None:
        """Call ``observer(run_id, followers)`` on the loop whenever a run's number of followers changes."""
        self._presence = observer

    # From agents

    def appender(self, run_id: str, fence: int) -> RunAppender:
        """Return the right of one attempt to append to its run's log."""
        return self._log.appender(run_id, fence)

    # From the log's writer

    def on_commit(self, commit: Commit) -> None:
        """Hand claimed runs to the dispatcher, the rest to the loop.

        The claimed runs first and without a detour: they are on the way to their first event. Bounded by the log: a run
        has at most a window of entries on the way.
        """
        if commit.claimed:
            assert self._dispatch is not None, "connect() comes first"
            self._dispatch(commit.claimed)
        if commit.answers or commit.published:
            self._mailbox.put(commit)

    def _deliver(self, commit: Commit) -> None:
        if commit.claimed:
            assert self._dispatched is not None, "connect() comes first"
            self._dispatched(commit.claimed)
        for answer in commit.answers:
            answer()
        for published in commit.published:
            tail = self._tails.get(published.run_id)
            if tail is not None:
                tail.add(published)
                failpoints.reach("after_tail")
                for follower in tuple(tail.followers):
                    follower.wake()
            for observer in self._observers:
                observer(published)
        if commit.moves:
            for moved in self._move_observers:
                moved(commit.moves)

    # To followers

    def follow(self, run_id: str, wake: Callable[[], None], *, present: bool = True) -> Follower:
        """Attach a follower: from now on nothing is committed to the run without ``wake`` being called on the loop.

        One that is not ``present`` (a visitor, who may change nothing) keeps no run alive that its owner has left.
        """
        tail = self._tails.get(run_id)
        if tail is None:
            tail = self._tails[run_id] = RunTail()
        follower = Follower(run_id, tail, wake, present=present)
        tail.followers.add(follower)
        tail.present += present
        self._tell_presence(follower)
        return follower

    def unfollow(self, follower: Follower) -> None:
        """Detach a follower; a tail without followers is dropped. Idempotent."""
        tail = follower.tail
        if follower not in tail.followers:
            return
        tail.followers.discard(follower)
        tail.present -= follower.present
        if not tail.followers:
            self._tails.pop(follower.run_id, None)
        self._tell_presence(follower)

    def _tell_presence(self, moved: Follower) -> None:
        if self._presence is not None and moved.present:
            self._presence(moved.run_id, moved.tail.present)

    def followers_of(self, run_id: str) -> int:
        """Return how many follow the run now and count as present."""
        tail = self._tails.get(run_id)
        return 0 if tail is None else tail.present

    async def read(self, run: OwnedRun, after: int, *, entries: int, size_bytes: int) -> Chunk:
        """Return committed entries from the database; for a follower whose cursor lies before its tail."""
        return await self._log.read(run, after, entries=entries, size_bytes=size_bytes)

    @property
    def followed_runs(self) -> int:
        """How many runs have a tail."""
        return len(self._tails)
