"""The life of a question that a run has put to a person, as one table. Floor 1; any thread; pure."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from runwire.errors import IllegalTransition


class RequestStatus(StrEnum):
    """Where a question is in its life."""

    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


TRANSITIONS: Final = MappingProxyType(
    {
        RequestStatus.OPEN: frozenset({RequestStatus.ANSWERED, RequestStatus.EXPIRED, RequestStatus.WITHDRAWN}),
        RequestStatus.ANSWERED: frozenset[RequestStatus](),
        RequestStatus.EXPIRED: frozenset[RequestStatus](),
        RequestStatus.WITHDRAWN: frozenset[RequestStatus](),
    }
)
"""Every move that exists: a question is settled once. Withdrawn = the agent stopped waiting for it by itself."""


def settle(current: RequestStatus, target: RequestStatus) -> RequestStatus:
    """Return ``target`` if the table has the move.

    Raises:
        IllegalTransition: the question is settled already.
    """
    if target not in TRANSITIONS[current]:
        raise IllegalTransition("input request", current, target)
    return target
