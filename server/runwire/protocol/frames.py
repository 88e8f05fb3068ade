"""Every frame that a server sends, as a shape. Floor 2; pure. The JSON Schemas under ``/schema`` are made of these.

Entries themselves are put together as bytes (``entries.entry_frame``), because they are stored and never encoded twice;
their shapes stand here for the schema, and a test holds both equal.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from runwire.protocol import VERSION
from runwire.runs.control import ControlState
from runwire.runs.state import RunStatus, Verdict

Seq = Annotated[int, Meta(ge=0, le=2**63 - 1, description="place in the run's log, from 1")]
Ms = Annotated[int, Meta(ge=0, description="Unix milliseconds")]


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every frame has: its ``type``."""


class FailureData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a run, or an attempt of it, FAILED. ``limit`` names the limit that it exceeded."""

    code: str
    message: str
    retryable: bool
    limit: str | UnsetType = UNSET


class StateData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A move of the run's life (protocol, L4)."""

    status: RunStatus
    attempt: Annotated[int, Meta(ge=1)]
    reason: str | UnsetType = UNSET
    result: Any = UNSET
    verdict: Verdict | UnsetType = UNSET
    error: FailureData | UnsetType = UNSET
    usage: dict[str, Any] | UnsetType = UNSET
    not_before_ms: Ms | UnsetType = UNSET


class StateEntry(Frame, tag="state", frozen=True, kw_only=True):
    """An entry of the log: the run moved."""

    run_id: str
    seq: Seq
    ts_ms: Ms
    data: StateData


class EventEntry(Frame, tag="event", frozen=True, kw_only=True):
    """An entry of the log: the agent said something; ``data`` is one AG-UI event, verbatim."""

    run_id: str
    seq: Seq
    ts_ms: Ms
    data: dict[str, Any]


class Batch(Frame, tag="batch", frozen=True, kw_only=True):
    """Several entries in one frame (protocol, S9)."""

    run_id: str
    first_seq: Seq
    entries: Annotated[list[StateEntry | EventEntry], Meta(min_length=2, max_length=64)]


class Connected(Frame, tag="connected", frozen=True, kw_only=True):
    """The first frame of a followed run (protocol, S1)."""

    run_id: str
    status: RunStatus
    epoch: str
    first_seq: Seq
    last_seq: Seq
    resumed: bool
    heartbeat_s: float
    protocol: str = VERSION


class Reset(Frame, tag="reset", frozen=True, kw_only=True):
    """The client's cursor was of no use; the log follows from ``first_seq`` (protocol, S3)."""

    run_id: str
    reason: Literal["epoch", "ahead", "trimmed"]
    first_seq: Seq
    last_seq: Seq


class Heartbeat(Frame, tag="heartbeat", frozen=True, kw_only=True, omit_defaults=True):
    """A sign of life (protocol, S7); of a followed run it says where the log stands."""

    ts_ms: Ms
    run_id: str | UnsetType = UNSET
    last_seq: Seq | UnsetType = UNSET


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may do on one command socket."""

    message_bytes: int
    messages_per_s: int
    message_burst: int
    follows: int


class Hello(Frame, tag="hello", frozen=True, kw_only=True):
    """The first frame of a command socket (protocol, section 4)."""

    user: str
    heartbeat_s: float
    limits: Limits
    protocol: str = VERSION


class ErrorObject(msgspec.Struct, frozen=True, kw_only=True):
    """An error of the catalogue."""

    code: str
    message: str
    retryable: bool
    details: dict[str, Any]


class Reply(Frame, tag="reply", frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a command: ``result`` if ``ok``, else ``error``."""

    id: Any
    ok: bool
    result: Any = UNSET
    error: ErrorObject | UnsetType = UNSET


class End(Frame, tag="end", frozen=True, kw_only=True):
    """A follow on a command socket has ended; ``code`` is a close code of section 5."""

    run_id: str
    code: int


Position = Annotated[int, Meta(ge=1, description="place among all runs that wait, from 1")]
Eta = Annotated[float, Meta(ge=0, description="seconds until it starts; only where it follows from measured times")]
Blocked = Annotated[str, Meta(description="why it waits although its turn may have come")]


class Queue(Frame, tag="queue", frozen=True, kw_only=True, omit_defaults=True):
    """A waiting run's place; outside the log."""

    run_id: str
    position: Position
    size: Annotated[int, Meta(ge=1)]
    eta_s: Eta | UnsetType = UNSET
    blocked: Blocked | UnsetType = UNSET


class WaitingRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the follower's own waiting runs."""

    run_id: str
    position: Position
    eta_s: Eta | UnsetType = UNSET
    blocked: Blocked | UnsetType = UNSET


class QueueOverview(Frame, tag="queue", frozen=True, kw_only=True, omit_defaults=True):
    """The queue as a whole, for ``queue.follow``: it names no run, but lists the follower's own, first come first."""

    queued: int
    running: int
    waiting: int
    paused: bool
    own: Annotated[list[WaitingRun], Meta(max_length=100)]


class RunMoved(Frame, tag="run", frozen=True, kw_only=True):
    """A run of a followed thread has another status; outside the log."""

    thread_id: str
    run_id: str
    status: RunStatus


class View(Frame, tag="view", frozen=True, kw_only=True, omit_defaults=True):
    """Who controls the browser of a run that is viewed; sent when that changes. ``lease_s``: seconds until a person's
    control ends unless they go on.
    """

    view: int
    run_id: str
    control: ControlState
    holder: str | UnsetType = UNSET
    lease_s: float | UnsetType = UNSET


class ViewEnd(Frame, tag="view_end", frozen=True, kw_only=True):
    """A view has ended with its run."""

    view: int
    run_id: str
    status: RunStatus


class Pong(Frame, tag="pong", frozen=True, kw_only=True, omit_defaults=True):
    """The answer to ``ping``, with the command's id if it had one."""

    id: Any = UNSET


FRAMES: tuple[type[Frame], ...] = (
    Batch,
    Connected,
    End,
    EventEntry,
    Heartbeat,
    Hello,
    Pong,
    Queue,
    QueueOverview,
    Reply,
    Reset,
    RunMoved,
    StateEntry,
    View,
    ViewEnd,
)
"""Every frame that a server sends."""

encode = msgspec.json.Encoder().encode
