"""What the processes of an isolated run say to each other, and how it is framed. Floor 5; pure; any thread.

A frame is a length of four bytes and one msgpack message. The server believes nothing of it: a worker is the agent's
own process, so whatever comes is decoded against these types, bounded, and an event is encoded and checked anew.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from runwire.browser.health import Sign
from runwire.contracts.agent import AgentFailure, InputExpired, InputWithdrawn
from runwire.errors import InternalError, RunwireError
from runwire.protocol.view import Input
from runwire.runs.limits import RunLimits
from runwire.runs.record import ClaimedRun
from runwire.telemetry.distribution import QUICK_S

_LENGTH = struct.Struct(">I")

FRAME_SLACK = 131_072
"""Bytes that a frame may hold beside the artifact, event or picture in it."""

PICTURE_BYTES = 2_097_152
"""Most bytes of a picture. A page's take 10 to 80 KB, a wall of photographs at the largest size about 1 MB."""


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One message; the first element of its array is its tag."""


# The worker to the server


class Said(Message, frozen=True, tag="said"):
    """One event, encoded as JSON."""

    data: bytes


class Asked(Message, frozen=True, tag="asked"):
    """A call of one of the server's services; answered under the same ``id``."""

    id: int
    service: str
    arguments: dict[str, Any]


class Forgotten(Message, frozen=True, tag="forgotten"):
    """Nobody waits for the answer to a call any more."""

    id: int


class Ended(Message, frozen=True, tag="ended"):
    """How the attempt ended. ``result`` is JSON; ``error`` is code, message, whether trying again may help, and which
    limit was exceeded.
    """

    result: bytes | None
    verdict: str | None
    usage: dict[str, Any] | None
    error: tuple[str, str, bool, str | None] | None


class Pictured(Message, frozen=True, tag="pictured"):
    """What the run's browser shows (``contracts.live_view.Picture``); one for each that was granted."""

    number: Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)]
    width: Annotated[int, Meta(ge=0, le=65_535)]
    height: Annotated[int, Meta(ge=0, le=65_535)]
    jpeg: Annotated[bytes, Meta(max_length=PICTURE_BYTES)]
    polled: bool


class Held(Message, frozen=True, tag="held"):
    """What became of the hold of that number: a person has the pages, an action did not end in time, there is none."""

    hold: int
    outcome: Literal["held", "busy", "no_page"]


Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Seconds = Annotated[float, Meta(ge=0, le=1_000_000)]
ClosePart = Literal["page", "context", "proxy", "browser", "driver"]


class CloseTimes(msgspec.Struct, frozen=True, array_like=True):
    """How long closes took: how many below each of ``telemetry.distribution.QUICK_S``, and their sum."""

    counts: Annotated[list[Count], Meta(min_length=len(QUICK_S) + 1, max_length=len(QUICK_S) + 1)]
    sum_s: Seconds


class Counted(Message, frozen=True, tag="counted"):
    """What the process's own browsers have come to since it began (``browser.statistics.PoolStatistics``)."""

    browsers: Count
    leased: Count
    leases: Count
    warm: Count
    launches: Count
    failed_launches: Count
    lost_runs: Count
    removed: dict[Sign, Count]
    hung_closes: dict[ClosePart, Count]
    close_s: dict[ClosePart, CloseTimes]
    close_longest_s: Seconds


FromWorker = Said | Asked | Forgotten | Ended | Pictured | Held | Counted


# The server to the worker


class Job(Message, frozen=True, tag="job"):
    """The attempt to execute, and the empty folder to execute it in. ``no_model`` says why none can be asked."""

    claimed: ClaimedRun
    limits: RunLimits
    folder: str
    sample_origin: str | None
    no_model: str | None = None


class Taken(Message, frozen=True, tag="taken"):
    """So many events, of so many bytes, have left the worker's window."""

    entries: int
    size_bytes: int


class Answered(Message, frozen=True, tag="answered"):
    """What a service returned, or the error that it raised."""

    id: int
    value: Any
    error: tuple[str, str, dict[str, Any]] | None


class Stop(Message, frozen=True, tag="stop"):
    """The run is to stop; ``reason`` is a ``StopReason``."""

    reason: str


class Watch(Message, frozen=True, tag="watch"):
    """How the run is to be watched from now on: a state, not a step, so that the newest one replaces those before it.

    ``watch`` is the number of the watch, from a first viewer to a last one, ``hold`` that of the hold that a person
    wants or has; 0 for none. ``pictures`` is how many may be sent in the whole life of the process, ``limit_s`` how
    long the hold may wait for an action to end.
    """

    watch: int
    pictures: int
    hold: int
    limit_s: float


class Used(Message, frozen=True, tag="used"):
    """What the person who holds the pages does to the one in front."""

    what: Input


ToWorker = Job | Taken | Answered | Stop | Watch | Used


# The server and the guard


class Signal(Message, frozen=True, tag="signal"):
    """Server to guard: send the run's process group a SIGTERM, or kill its whole tree."""

    name: Literal["term", "kill"]


class Started(Message, frozen=True, tag="started"):
    """The worker exists."""

    pid: int


class NotStarted(Message, frozen=True, tag="not_started"):
    """There will be no worker."""

    why: str


class Gone(Message, frozen=True, tag="gone"):
    """Every process of the run has ended. ``code`` is the worker's exit code, negative for the signal that ended it;
    ``limit`` names the limit that it was killed for; ``output`` is what was kept of its standard output and error.
    """

    code: int
    limit: str | None
    detail: str
    output: bytes


FromGuard = Started | NotStarted | Gone


class PipeBroken(InternalError):
    """The other end sent what is no message."""

    code = "agent_error"


def frame(message: Message) -> bytes:
    """Return a message as it crosses a socket."""
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream into messages of the types in ``kinds``. Holds at most one frame and what came with it."""

    def __init__(self, kinds: Any, *, limit_bytes: int) -> None:
        """``limit_bytes`` bounds one frame."""
        self._decode = msgspec.msgpack.Decoder(kinds).decode
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """Take what was received and return the messages that are whole now.

        Raises:
            PipeBroken: it is no message, or longer than allowed.
        """
        buffer = self._buffer
        buffer += data
        messages, position = [], 0
        while len(buffer) - position >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, position)
            if length > self._limit_bytes:
                raise PipeBroken(f"a message of {length} bytes, the limit is {self._limit_bytes}")
            end = position + _LENGTH.size + length
            if len(buffer) < end:
                break
            try:
                messages.append(self._decode(memoryview(buffer)[position + _LENGTH.size : end].tobytes()))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise PipeBroken(f"what is no message: {error}") from error
            position = end
        del buffer[:position]
        return messages


def told_error(error: RunwireError | AgentFailure) -> tuple[str, str, dict[str, Any]]:
    """Return an error as it crosses: its class, its message, its facts."""
    return type(error).__name__, error.message, error.details if isinstance(error, RunwireError) else {}


def raised_error(told: tuple[str, str, dict[str, Any]]) -> Exception:
    """Return the error that was told, as the class that it was."""
    name, message, details = told
    kinds: list[type[Exception]] = [RunwireError, InputExpired, InputWithdrawn]
    for kind in kinds:
        if kind.__name__ == name:
            return kind(message, **details)
        kinds += kind.__subclasses__()
    return InternalError(message, **details)
