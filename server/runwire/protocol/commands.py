"""Commands and request bodies as frozen values, checked while they are decoded. Floor 2; any thread; pure.

The JSON Schemas under ``/schema`` are generated from these classes, and both clients are checked against those.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from runwire.errors import BadCommand, InvalidInput
from runwire.protocol.view import Input
from runwire.protocol.webhooks import StartWebhook
from runwire.runs.if_busy import IfBusy
from runwire.runs.limits import RunLimits
from runwire.runs.state import Priority

RunId = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9]{8,64}$(?!\n)", description="the run's only name; chosen by a client, its idempotency key"),
]
ThreadId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", description="the conversation")]
AgentName = Annotated[str, Meta(min_length=1, max_length=100)]
RequestId = Annotated[str, Meta(min_length=1, max_length=64, description="the id of the interrupt that is answered")]
Cursor = Annotated[int, Meta(ge=0, le=2**63 - 1, description="the last seq that the client holds")]


class StartRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Start a run: the body of ``POST /v1/runs`` and of ``run.start``."""

    agent: AgentName
    input: Any = None
    run_id: RunId | UnsetType = UNSET
    thread_id: ThreadId | UnsetType = UNSET
    priority: Priority = Priority.NORMAL
    timeout_s: Annotated[float, Meta(gt=0, le=86_400)] | UnsetType = UNSET
    on_disconnect: Literal["continue", "cancel"] = "continue"
    limits: RunLimits | UnsetType = UNSET
    webhook: StartWebhook | UnsetType = UNSET
    if_busy: Annotated[IfBusy, Meta(description="what to do while the thread has a run that has not ended")] = (
        IfBusy.PARALLEL
    )

    def body_hash(self, encoded_input: bytes) -> str:
        """Return what identifies this request besides its id (protocol, L7: same owner and same body → the same
        run).
        """
        parts = [self.agent, self.priority.value, self.on_disconnect]
        parts += ["" if value is UNSET else str(value) for value in (self.thread_id, self.timeout_s)]
        if self.limits is not UNSET:
            parts.append(msgspec.json.encode(self.limits).decode())
        if self.webhook is not UNSET:
            parts.append(msgspec.json.encode(self.webhook).decode())
        if self.if_busy is not IfBusy.PARALLEL:
            parts.append(self.if_busy.value)
        digest = hashlib.sha256("\x00".join(parts).encode() + b"\x00")
        digest.update(encoded_input)
        return digest.hexdigest()


class FollowRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Follow a run on a command socket: ``run.follow``."""

    run_id: RunId
    after: Cursor | None = None
    epoch: str | None = None
    batch: bool = False


class OneRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Name a run: ``run.cancel`` and ``run.unfollow``."""

    run_id: RunId


class OneThread(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Name a conversation: ``thread.follow`` and ``thread.unfollow``."""

    thread_id: ThreadId


class WholeQueue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Mean the queue: ``queue.follow`` and ``queue.unfollow``."""


class PauseQueue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to pause or resume: the body of ``POST /v1/queue/pause`` and ``…/resume``. Without an agent: everything."""

    agent: AgentName | None = None


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Answer what a run has asked: the body of ``POST /v1/runs/{run_id}/respond``."""

    request_id: RequestId
    payload: Any


class Respond(Answer, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same on a command socket: ``run.respond``."""

    run_id: RunId


ViewNumber = Annotated[int, Meta(ge=1, le=65_535, description="as the reply to view.open gave it")]


class OpenView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """See what a run's browser shows: ``view.open``. ``name`` is what others are told of who looks."""

    run_id: RunId
    name: Annotated[str, Meta(min_length=1, max_length=60)] | UnsetType = UNSET


class CloseView(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Stop seeing it: ``view.close``."""

    view: ViewNumber


class ViewControl(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Take the browser from the agent, or give it back: ``view.control``."""

    view: ViewNumber
    action: Literal["take", "give"]


class ViewInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Use the page, while one holds control: ``view.input``."""

    view: ViewNumber
    input: Input


class RetryRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Repeat an ended run: ``run.retry``; over HTTP without ``run_id``, which stands in the path."""

    run_id: RunId
    from_seq: (
        Annotated[int, Meta(ge=1, le=2**63 - 1, description="begin behind this entry, if the agent can fork")] | None
    ) = None
    new_run_id: RunId | UnsetType = UNSET

    def body_hash(self) -> str:
        """Return what identifies this request besides the new run's id."""
        return hashlib.sha256(f"retry\x00{self.run_id}\x00{self.from_seq}".encode()).hexdigest()


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Say something into a live run: the body of ``POST /v1/runs/{run_id}/messages``."""

    message: Annotated[Any, Meta(description="a text, or another JSON value but null")]
    message_id: RunId | UnsetType = UNSET


class SendMessage(Message, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same on a command socket: ``run.send``."""

    run_id: RunId


class Ping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ask for a ``pong``."""


class Authenticate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first message of a socket that came without credentials: a single-use ticket or a token."""

    ticket: Annotated[str, Meta(max_length=200)] | None = None
    token: Annotated[str, Meta(max_length=4096)] | None = None


OPS: dict[str, type[msgspec.Struct]] = {
    "auth": Authenticate,
    "ping": Ping,
    "queue.follow": WholeQueue,
    "queue.unfollow": WholeQueue,
    "run.cancel": OneRun,
    "run.follow": FollowRun,
    "run.respond": Respond,
    "run.retry": RetryRun,
    "run.send": SendMessage,
    "run.start": StartRun,
    "run.unfollow": OneRun,
    "thread.follow": OneThread,
    "thread.unfollow": OneThread,
    "view.close": CloseView,
    "view.control": ViewControl,
    "view.input": ViewInput,
    "view.open": OpenView,
}
"""Every operation of section 4 that this version knows, with the shape of its arguments."""

S = TypeVar("S", bound=msgspec.Struct)


def parse_command(message: dict[str, Any]) -> msgspec.Struct:
    """Return the typed arguments of a decoded message; ``id`` and ``op`` are taken off first.

    Raises:
        BadCommand: unknown op.
        InvalidInput: an argument is missing, unknown or of the wrong type.
    """
    shape = OPS.get(message["op"])
    if shape is None:
        raise BadCommand(f"unknown op {message['op'][:40]!r}; known: {', '.join(sorted(OPS))}")
    return convert({key: value for key, value in message.items() if key not in ("id", "op")}, shape)


def convert(value: Any, shape: type[S]) -> S:
    """Return ``value`` as ``shape``. Raises InvalidInput that names the field."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise InvalidInput(str(error)) from error


def parse_cursor(text: str) -> int:
    """Return a cursor from a query string. Raises InvalidInput unless it is an integer in [0, 2^63)."""
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) >= 2**63:
        raise InvalidInput(f"after: an integer in [0, 2^63), got {text[:40]!r}")
    return int(text)
