"""The seam to what reaches a run from outside while it lives: answers of people. Floor 3.

The holder's side is used on the run's own thread, whether that has a loop or not: each function returns at once and
``deliver(value, error)`` is called once, from any thread. Whoever answers is on the server's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from runwire.contracts.actors import OwnedRun
from runwire.runs.request_state import RequestStatus

T = TypeVar("T")
Deliver = Callable[[T | None, BaseException | None], None]


@dataclass(frozen=True, slots=True)
class Held:
    """The attempt that a holder speaks for; ``release``: it gives its slot back while it waits."""

    run_id: str
    fence: int
    release: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What an attempt asks: ``key`` is its name inside the run, ``interrupt`` AG-UI's object, encoded JSON."""

    id: str
    key: str
    interrupt: bytes
    expires_ms: int


@dataclass(frozen=True, slots=True)
class InputRequest:
    """A stored question. ``payload`` is the encoded answer; ``expires_ms`` and ``settled_ms`` are Unix milliseconds,
    ``remaining_s`` what was left of its time when it was read.
    """

    id: str
    key: str
    status: RequestStatus
    interrupt: bytes
    created_ms: int
    expires_ms: int
    remaining_s: float
    payload: bytes | None = None
    answered_by: str | None = None
    settled_ms: int | None = None


class InboxStore(Protocol):
    """Questions and their answers in the database."""

    def ask(self, held: Held, question: Question, deliver: Deliver[InputRequest]) -> None:
        """Put the question, or find what became of it when the run put it before (the same ``key``): open again,
        WAITING with it; settled, the run stays RUNNING.

        Delivers FenceLost if the run was taken away, LimitExceeded beyond the bound.
        """

    def settle(self, held: Held, key: str, otherwise: RequestStatus | None, deliver: Deliver[InputRequest]) -> None:
        """Take the answer if there is one, else settle the question as ``otherwise`` (None: leave it open).

        The entry is written, and the run is RUNNING again unless it waits for another answer. Delivered when it is: a
        run that gave its slot back waits for one first.
        """

    async def answer(self, run: OwnedRun, request_id: str, payload: bytes, by: str) -> InputRequest:
        """Store the answer; the holder writes its entry. The same answer by the same user again changes nothing.

        Raises:
            NotFound: the run has asked no such thing.
            AlreadyAnswered: somebody was faster; RequestClosed: it has expired, was withdrawn, or the run has ended.
        """

    async def requests(self, run: OwnedRun) -> Sequence[InputRequest]:
        """Return what the run has asked, oldest first."""

    async def request(self, run: OwnedRun, request_id: str) -> InputRequest:
        """Return one question. Raises NotFound."""
