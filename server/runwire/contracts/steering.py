"""The seam to messages that people send into a live run, and to the stored results of its steps. Floor 3.

As in ``contracts.inbox``: the holder's functions return at once and call ``deliver`` from any thread.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from runwire.contracts.actors import OwnedRun
from runwire.contracts.inbox import Deliver, Held


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A message in an agent's hands: ``content`` is a text or another JSON value, ``sent_ms`` Unix milliseconds."""

    id: str
    content: Any
    sender: str
    sent_ms: int


class RunInbox(Protocol):
    """``ctx.inbox`` of an asynchronous agent. Who has opened it listens: messages to the run are ``delivered``.

    Each message is taken once and stands in the log then. What an attempt has taken, the next one gets again; what
    nobody took goes to the next run of the thread, which finds it here as well.
    """

    def __aiter__(self) -> AsyncIterator[InboxMessage]:
        """Yield messages as they come, until the run is stopped."""

    async def receive(self, timeout_s: float | None = None) -> InboxMessage | None:
        """Wait for the next message; None after ``timeout_s`` seconds. No message is lost by a cancelled wait."""

    async def poll(self) -> InboxMessage | None:
        """Return the next message if one is there; costs nothing while none has come."""


class SyncRunInbox(Protocol):
    """The same for a plain function; waiting raises CancelledError when the run is to stop."""

    def __iter__(self) -> Any:
        """Yield messages as they come."""

    def receive(self, timeout_s: float | None = None) -> InboxMessage | None:
        """Wait for the next message; None after ``timeout_s`` seconds."""

    def poll(self) -> InboxMessage | None:
        """Return the next message if one is there."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as it was sent; ``content`` is encoded JSON, ``id`` makes a repetition the same message."""

    id: str
    content: bytes
    sender: str


class MessageStore(Protocol):
    """Messages in the database."""

    async def send(self, run: OwnedRun, message: NewMessage, *, listens: bool) -> bool:
        """Store a message to a live run; return whether it is the run's (else: the next one's of the thread).

        Raises:
            RunEnded: nobody takes it any more. Conflict: the id names another message. OverCapacity: too many wait.
        """

    def take(self, held: Held, deliver: Deliver[InboxMessage]) -> None:
        """Take the next message for the attempt and write its entry; delivers None if there is none."""


class StepStore(Protocol):
    """Results of ``ctx.step``, by run and key."""

    def recall(self, held: Held, key: str, deliver: Deliver[bytes]) -> None:
        """Find a stored result; delivers None if there is none."""

    def remember(self, held: Held, key: str, result: bytes, deliver: Deliver[bytes]) -> None:
        """Store a result. Delivers LimitExceeded beyond the bound."""
