"""Pumps one run's log into one socket: one cursor, one read path, no queue. Floor 6; the server's loop only.

A follower takes from the tail if it reaches back to its cursor, else from the database; it writes while the socket's
buffer is below its mark, and is woken by a commit or by the buffer. The publisher never waits for it (protocol, S8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from runwire import failpoints
from runwire.contracts.actors import OwnedRun, Visitor
from runwire.contracts.event_log import Chunk
from runwire.engine.bridge import AgentWebSocketBridge, Follower, entries_on_wire
from runwire.engine.queue_watch import QueueWatch
from runwire.errors import NotFound, RunwireError
from runwire.protocol import BATCH_BYTES, BATCH_ENTRIES
from runwire.protocol.close_codes import CloseCode
from runwire.protocol.frames import Connected, Frame, Heartbeat, Reset
from runwire.protocol.session import LogHead, Opening, open_at
from runwire.protocol.shares import without_names
from runwire.runs.record import RunRecord
from runwire.runs.state import RunStatus
from runwire.web.connection import SocketConnection

log = structlog.get_logger(__name__)

FRAMES_A_TURN = 8
"""Frames that one follower sends before others get the loop."""

READ_ENTRIES = 1_024
READ_BYTES = 262_144
"""Bounds of one read from the database: what a follower that never reads costs, beside its buffer."""


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """How a client wants to follow: from where, and whether several entries may share a frame."""

    after: int | None
    epoch: str | None
    batch: bool


class RunFollow:
    """One run followed on one socket, from ``connected`` to the terminal entry."""

    __slots__ = (
        "_bridge",
        "_connection",
        "_cursor",
        "_database_done",
        "_done",
        "_end_seq",
        "_entries",
        "_follower",
        "_full_since",
        "_left_bytes",
        "_loop",
        "_moved_at",
        "_on_end",
        "_places",
        "_reading",
        "_run",
        "_sink",
        "_slow_frame_timeout_s",
        "_stuck_timeout_s",
        "_turn_scheduled",
        "_unplace",
        "_visited",
        "_waiting",
        "_watch",
    )

    def __init__(
        self,
        connection: SocketConnection,
        bridge: AgentWebSocketBridge,
        places: QueueWatch,
        run_id: str,
        on_end: Callable[[CloseCode], None],
        *,
        stuck_timeout_s: float,
        slow_frame_timeout_s: float,
    ) -> None:
        """Attach to the run's tail at once, so that nothing committed from now on is missed; send nothing yet.

        ``on_end`` is called once: RUN_ENDED behind the terminal entry, SERVER_ERROR if the log cannot be read.
        """
        self._connection = connection
        self._sink = connection.sink
        self._bridge = bridge
        self._places = places
        self._unplace: Callable[[], None] | None = None
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._follower: Follower = bridge.follow(run_id, self.pump, present=connection.visitor is None)
        self._stuck_timeout_s = stuck_timeout_s
        self._slow_frame_timeout_s = slow_frame_timeout_s
        self._run: OwnedRun | None = None
        self._visited = False
        self._cursor = 0
        self._entries = 1
        self._end_seq: int | None = None
        self._database_done = False
        self._waiting: list[bytes] = []
        self._reading: asyncio.Task[None] | None = None
        self._turn_scheduled = False
        self._watch: asyncio.TimerHandle | None = None
        self._moved_at = self._full_since = 0.0
        self._left_bytes = 0
        self._done = False

    @property
    def run_id(self) -> str:
        """The run."""
        return self._follower.run_id

    def begin(self, run: OwnedRun, options: FollowOptions, heartbeat_s: float, *, fresh: bool = False) -> None:
        """Send ``connected`` (and ``reset``), then the log. ``fresh``: the run was stored after this follower was
        attached.
        """
        record = run.record
        opening = open_at(head_of(record), options.after, options.epoch)
        self._run = run
        self._visited = isinstance(run.actor, Visitor)
        self._cursor = opening.cursor
        self._entries = BATCH_ENTRIES if options.batch else 1
        self._database_done = fresh
        with self._sink:
            for frame in opening_frames(record, opening, heartbeat_s):
                self._connection.send(frame)
            if not record.ended and not self._visited:  # the queue is nothing that was shared
                self._unplace = self._places.follow(run.run_id, self._place, waits=record.status is RunStatus.QUEUED)
            self.pump()

    def _place(self, frame: Frame) -> None:
        """Say where the run stands in the queue; a full buffer says nothing, the next frame says more."""
        if self._sink.writable:
            self._connection.send(frame)

    @property
    def behind(self) -> bool:
        """Whether something committed has not been sent yet."""
        if self._done or self._run is None:
            return False
        known = self._follower.tail.next_seq - 1
        return bool(self._waiting) or self._reading is not None or self._turn_scheduled or self._cursor < known

    def heartbeat(self, ts_ms: int) -> Heartbeat:
        """Return the heartbeat frame: the last seq that is known to be committed."""
        last_seq = max(self._cursor, self._follower.tail.next_seq - 1)
        return Heartbeat(run_id=self.run_id, last_seq=last_seq, ts_ms=ts_ms)

    def pump(self) -> None:
        """Send what there is, as far as the buffer takes it. Called by commits, by the buffer, and by itself."""
        if self._done or self._run is None or self._reading is not None or self._turn_scheduled:
            return
        sent = 0
        while self._sink.writable:
            if sent >= FRAMES_A_TURN:
                self._turn_scheduled = True
                self._loop.call_soon(self._next_turn)
                break
            wire = self._next_frame()
            if wire is None:
                if self._cursor == self._end_seq:  # a tail that others keep alive says that the cursor is the end
                    self._finish(CloseCode.RUN_ENDED)
                break
            if self._cursor == self._end_seq:
                with self._sink:
                    self._sink.write(wire)
                    failpoints.reach("mid_send")
                    self._connection.entries_sent()
                    self._finish(CloseCode.RUN_ENDED)
                return
            self._sink.write(wire)
            failpoints.reach("mid_send")
            sent += 1
            if not self._waiting and self._cursor + 1 == self._follower.tail.next_seq:
                break  # that was all: to look once more would cost a tenth of a delivery
        if sent:
            self._connection.entries_sent()
        # Without a watch the buffer is full of what was written together, and sent behind this (see Sink).
        if not self._sink.writable and self._sink.open and (sent or self._watch is None):
            self._watch_reader()

    def _next_turn(self) -> None:
        self._turn_scheduled = False
        self.pump()

    def _next_frame(self) -> bytes | None:
        """Return the next frame and move the cursor behind it; None if it must be waited for."""
        if self._waiting:
            frames = _take(self._waiting, self._entries, BATCH_BYTES)
            del self._waiting[: len(frames)]
            return self._passed(self._wire(frames), frames)
        tail = self._follower.tail
        if tail.reaches(self._cursor):
            self._end_seq = tail.end_seq
            frames = tail.after(self._cursor, self._entries, BATCH_BYTES)
            if not frames:
                return None
            shared = tail.wire(self.run_id, self._cursor + 1, frames) if not self._visited else self._wire(frames)
            return self._passed(shared, frames)
        if tail.first_seq or not self._database_done:
            self._reading = self._loop.create_task(self._read())
        return None

    def _wire(self, frames: list[bytes]) -> bytes:
        """Return entries as one frame of this follower's own, without names if a visitor reads them."""
        shown = without_names(frames) if self._visited else frames
        return entries_on_wire(self.run_id, self._cursor + 1, shown)

    def _passed(self, wire: bytes, frames: list[bytes]) -> bytes:
        self._cursor += len(frames)
        return wire

    async def _read(self) -> None:
        """Fetch the next committed entries from the database, then go on."""
        assert self._run is not None
        try:
            chunk = await self._bridge.read(self._run, self._cursor, entries=READ_ENTRIES, size_bytes=READ_BYTES)
        except NotFound:  # deleted meanwhile: what is left of it is nobody's any more
            self._finish(CloseCode.BAD_COMMANDS)
            return
        except RunwireError as error:
            log.error("follow.read_failed", run_id=self.run_id, error=str(error))
            self._finish(CloseCode.SERVER_ERROR)
            return
        finally:
            self._reading = None
        if self._done:
            return
        self._waiting = chunk.frames
        self._end_seq = chunk.end_seq
        if chunk.frames and chunk.first_seq != self._cursor + 1:
            self._trimmed(chunk)
        if not chunk.frames:
            self._database_done = True
            if chunk.end_seq is not None and self._cursor >= chunk.end_seq:
                self._finish(CloseCode.RUN_ENDED)
                return
        self.pump()

    def _trimmed(self, chunk: Chunk) -> None:
        """Say that entries behind the cursor were pruned meanwhile, and go on with the first that is kept."""
        last_seq = chunk.end_seq or chunk.first_seq + len(chunk.frames) - 1
        self._connection.send(Reset(run_id=self.run_id, reason="trimmed", first_seq=chunk.first_seq, last_seq=last_seq))
        self._cursor = chunk.first_seq - 1

    # Slow readers (protocol, S8)

    def _watch_reader(self) -> None:
        """Begin to watch a reader that has just been sent something and whose buffer is full.

        That something could be sent means that the peer has taken bytes: both clocks start anew.
        """
        self._moved_at = self._full_since = self._loop.time()
        self._left_bytes = self._sink.buffered_bytes
        if self._watch is None:
            self._watch = self._loop.call_later(self._stuck_timeout_s / 4, self._check_reader)

    def _check_reader(self) -> None:
        """Cut a peer that has taken no byte for ``stuck_timeout_s``, or whose frame takes ``slow_frame_timeout_s``."""
        self._watch = None
        if self._done or self._sink.writable or not self._sink.open:
            return
        now, left_bytes = self._loop.time(), self._sink.buffered_bytes
        if left_bytes < self._left_bytes:
            self._moved_at, self._left_bytes = now, left_bytes
        if now - self._moved_at >= self._stuck_timeout_s:
            self._cut(f"no byte taken for {self._stuck_timeout_s:g} s")
        elif now - self._full_since >= self._slow_frame_timeout_s:
            self._cut(f"a frame took {self._slow_frame_timeout_s:g} s")
        else:
            self._watch = self._loop.call_later(self._stuck_timeout_s / 4, self._check_reader)

    def _cut(self, why: str) -> None:
        self._connection.cut(CloseCode.SLOW_READER, why)
        self._finish(CloseCode.SLOW_READER)

    # The end

    def _finish(self, code: CloseCode) -> None:
        if not self._done:
            self.stop()
            self._on_end(code)

    def stop(self) -> None:
        """Detach; nothing more is sent. Idempotent."""
        self._done = True
        self._bridge.unfollow(self._follower)
        if self._unplace is not None:
            self._unplace()
            self._unplace = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._waiting = []


def head_of(record: RunRecord) -> LogHead:
    """Return where the log of a run stood when it was read."""
    return LogHead(record.id, record.status, record.epoch, record.first_seq, record.last_seq)


def opening_frames(record: RunRecord, opening: Opening, heartbeat_s: float) -> list[Frame]:
    """Return ``connected`` and, if the client's cursor was of no use, ``reset`` (protocol, S1 and S3)."""
    frames: list[Frame] = [
        Connected(
            run_id=record.id,
            status=record.status,
            epoch=record.epoch,
            first_seq=record.first_seq,
            last_seq=record.last_seq,
            resumed=opening.resumed,
            heartbeat_s=heartbeat_s,
        )
    ]
    if opening.reset is not None:
        frames.append(
            Reset(run_id=record.id, reason=opening.reset, first_seq=record.first_seq, last_seq=record.last_seq)
        )
    return frames


def _take(frames: list[bytes], entries: int, size_bytes: int) -> list[bytes]:
    size = 0
    for index, frame in enumerate(frames[:entries]):
        size += len(frame)
        if size > size_bytes and index > 0:
            return frames[:index]
    return frames[:entries]
