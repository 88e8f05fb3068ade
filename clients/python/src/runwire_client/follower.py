"""One follow of one run without any I/O: bytes and mishaps in, frames and decisions out.

Used on one event loop or in a test; time is passed in. It knows no socket, no HTTP and no credential. What it holds:
the cursor (the last entry handed out, and the epoch of the log that it belongs to), and how long things have been bad.

    begin ──► GREETING ──connected, resumed──────────────► LIVE ──terminal state──► Finished
                 │                                          ▲ │
                 └──connected, not resumed──► RESETTING ──reset
    any mishap (close, silence, gap, refusal): Retry (then begin again) or GaveUp

Exactly once rests on three things: the cursor moves only when an entry is handed out; an entry at or below it is
dropped; an entry beyond the next one is never handed out but answered by coming back with the cursor.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from runwire_client.closing import COME_BACK, Answer, Rule, close_rule, upgrade_rule
from runwire_client.decode import ResetNotice, WireFrame, decode_message
from runwire_client.entries import Connected, Event, Frame, Heartbeat, Queue, Reset, State
from runwire_client.errors import ConnectionFailed, ProtocolViolation, ReconnectExhausted, RunwireError
from runwire_client.timing import SILENCE_FACTOR, Random, Timing


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a follow stands: every entry up to ``after`` of the log ``epoch`` was handed out. None: any epoch."""

    after: int = 0
    epoch: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A message came."""

    raw: str | bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The socket ended: the code and reason of the close frame, 1005 without a code, 1006 without a frame."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing came for ``Follower.patience_s``."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The upgrade was answered by ``error.status`` instead of 101."""

    error: RunwireError


@dataclass(frozen=True, slots=True)
class Unreachable:
    """No connection came about."""

    error: RunwireError


Happening = Received | Closed | Silent | Refused | Unreachable


@dataclass(frozen=True, slots=True)
class Finished:
    """The caller holds the terminal state."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Drop the socket, wait ``delay_s``, connect again, with fresh credentials if so asked."""

    delay_s: float
    fresh_credentials: bool
    why: str


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Drop the socket and raise ``error``."""

    error: RunwireError


Decision = Finished | Retry | GaveUp


@dataclass(frozen=True, slots=True)
class Step:
    """What a happening led to: frames for the caller, in order, then what to do (None: read on)."""

    frames: tuple[Frame, ...] = ()
    decision: Decision | None = None


class _Phase(Enum):
    GREETING = auto()
    RESETTING = auto()
    LIVE = auto()


_EXPECTED: Final[dict[_Phase, tuple[type, ...]]] = {
    _Phase.GREETING: (Connected,),
    _Phase.RESETTING: (ResetNotice, Heartbeat, Queue),
    _Phase.LIVE: (State, Event, Heartbeat, Queue),
}


class _Gap(Exception):
    """Entries are missing between the cursor and what came."""


class Follower:
    """See the module. Not thread-safe; after ``Finished`` or ``GaveUp`` it is spent."""

    def __init__(self, run_id: str, cursor: Cursor, timing: Timing, random: Random) -> None:
        self._run_id = run_id
        self._cursor = cursor
        self._timing = timing
        self._random = random
        self._phase = _Phase.GREETING
        self._greeting: Connected | None = None
        self._greeted_at_s = 0.0
        self._told_seq = 0
        self._terminal_seen = False
        self._moved = False
        self._bad_since_s: float | None = None
        self._attempt = 0
        self._fresh_tried = False

    @property
    def cursor(self) -> Cursor:
        """What to ask for when connecting."""
        return self._cursor

    @property
    def patience_s(self) -> float:
        """How long to wait for the next message before it counts as ``Silent``."""
        if self._greeting is None:
            return self._timing.connect_timeout_s
        return SILENCE_FACTOR * self._greeting.heartbeat_s

    def begin(self, now_s: float) -> None:
        """A connection is about to be made."""
        self._phase = _Phase.GREETING
        self._greeting = None
        self._told_seq = 0
        self._moved = False
        if self._bad_since_s is None:
            self._bad_since_s = now_s

    def feed(self, happening: Happening, now_s: float) -> Step:
        """Take what happened and return what follows from it; never raises for what a peer did."""
        match happening:
            case Received(raw):
                return self._message(raw, now_s)
            case Closed(code, reason):
                return Step(decision=self._closed(code, reason, now_s))
            case Silent():
                silence = ConnectionFailed(f"silence for {self.patience_s:g} s")
                return Step(decision=self._mishap(COME_BACK, silence, now_s))
            case Refused(error):
                return Step(decision=self._mishap(upgrade_rule(error.status or 0), error, now_s))
            case Unreachable(error):
                return Step(decision=self._mishap(COME_BACK, error, now_s))

    # ---------------------------------------------------------------- messages

    def _message(self, raw: str | bytes, now_s: float) -> Step:
        out: list[Frame] = []
        try:
            for frame in decode_message(raw):
                self._frame(frame, now_s, out)
                if self._terminal_seen:
                    return Step(tuple(out), Finished())
        except ProtocolViolation as error:
            return Step(tuple(out), GaveUp(error))
        except _Gap as gap:
            return Step(tuple(out), self._mishap(COME_BACK, ConnectionFailed(str(gap)), now_s))
        return Step(tuple(out))

    def _frame(self, frame: WireFrame, now_s: float, out: list[Frame]) -> None:
        name = type(frame).__name__
        if frame.run_id != self._run_id:
            raise ProtocolViolation(f"{name}: names the run {frame.run_id}, not {self._run_id}")
        if not isinstance(frame, _EXPECTED[self._phase]):
            raise ProtocolViolation(f"{name}: not expected while {self._phase.name}")
        match frame:
            case Connected():
                self._connected(frame, now_s)
                out.append(frame)
            case ResetNotice():
                out.append(self._reset(frame))
            case State() | Event():
                if self._advance(frame):
                    out.append(frame)
            case Heartbeat():
                self._heartbeat(frame)
                out.append(frame)
            case Queue():
                out.append(frame)

    def _connected(self, frame: Connected, now_s: float) -> None:
        if frame.resumed:
            known = self._cursor.epoch
            if known is not None and known != frame.epoch:
                raise ProtocolViolation("connected: resumed, but under another epoch (S2)")
            if not frame.first_seq - 1 <= self._cursor.after <= frame.last_seq:
                raise ProtocolViolation("connected: resumed, but the cursor is not in its log (S2)")
            self._cursor = Cursor(self._cursor.after, frame.epoch)
        # Not resumed: the old cursor stays until the reset is here. A cut between the two would otherwise pair the new
        # epoch with the old position, and the next resume would skip entries without a word.
        self._phase = _Phase.LIVE if frame.resumed else _Phase.RESETTING
        self._greeting = frame
        self._greeted_at_s = now_s

    def _reset(self, notice: ResetNotice) -> Reset:
        assert self._greeting is not None, "no phase before the greeting expects a reset"
        epoch = self._greeting.epoch
        self._cursor = Cursor(notice.first_seq - 1, epoch)
        self._told_seq = 0
        self._phase = _Phase.LIVE
        return Reset(notice.run_id, notice.reason, notice.first_seq, notice.last_seq, epoch)

    def _advance(self, entry: State | Event) -> bool:
        if entry.seq <= self._cursor.after:
            return False
        if entry.seq > self._cursor.after + 1:
            raise _Gap(f"entry {entry.seq} came after {self._cursor.after}")
        self._cursor = Cursor(entry.seq, self._cursor.epoch)
        self._moved = True
        self._terminal_seen = isinstance(entry, State) and entry.status.is_terminal
        return True

    def _heartbeat(self, frame: Heartbeat) -> None:
        # One heartbeat may overtake entries that were committed as it was made; a second one may not (S7).
        if self._told_seq > self._cursor.after:
            raise _Gap(f"a heartbeat told of entry {self._told_seq}, the last that came is {self._cursor.after}")
        self._told_seq = frame.last_seq

    # ---------------------------------------------------------------- ends and mishaps

    def _closed(self, code: int, reason: str, now_s: float) -> Decision:
        rule = close_rule(code)
        if rule.answer is Answer.END:
            if self._holds_the_end():
                return Finished()
            rule = COME_BACK
        return self._mishap(
            rule, rule.error(f"the server closed with {code} {reason}".rstrip(), close_code=code), now_s
        )

    def _holds_the_end(self) -> bool:
        # The terminal state itself ends a follow at once; here it is one that the caller's own cursor already covered.
        greeting = self._greeting
        if greeting is None or self._phase is not _Phase.LIVE:
            return False
        return greeting.status.is_terminal and self._cursor.after >= greeting.last_seq

    def _mishap(self, rule: Rule, cause: RunwireError, now_s: float) -> Decision:
        if self._bad_since_s is None or self._proven(now_s):
            self._bad_since_s, self._attempt, self._fresh_tried = now_s, 0, False
        fresh = rule.answer is Answer.FRESH_CREDENTIALS
        if rule.answer is Answer.GIVE_UP or (fresh and self._fresh_tried):
            return GaveUp(cause)
        self._fresh_tried = self._fresh_tried or fresh
        delay_s = max(rule.delay_s(self._attempt, self._timing, self._random), cause.retry_after_s or 0.0)
        if now_s + delay_s - self._bad_since_s > self._timing.reconnect_for_s:
            return GaveUp(self._exhausted(cause))
        self._attempt += 1
        return Retry(delay_s, fresh, cause.message)

    def _proven(self, now_s: float) -> bool:
        """Whether the connection that ends now was a good one: it brought something new, or lived for a heartbeat.

        A mere ``connected`` proves nothing: a server that greets and dies would be tried for ever.
        """
        if self._greeting is None:
            return False
        return self._moved or now_s - self._greeted_at_s >= self._greeting.heartbeat_s

    def _exhausted(self, cause: RunwireError) -> ReconnectExhausted:
        error = ReconnectExhausted(
            f"run {self._run_id}: not back within {self._timing.reconnect_for_s:g} s; last: {cause.message}",
            after=self._cursor.after,
            epoch=self._cursor.epoch,
        )
        error.__cause__ = cause
        return error
