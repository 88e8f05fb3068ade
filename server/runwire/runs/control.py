"""Who controls the browser of a run: one table. Floor 1; pure; ``engine/take_over.py`` alone assigns a state."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from runwire.errors import IllegalTransition


class ControlState(StrEnum):
    """Who controls it."""

    AGENT = "AGENT"
    PERSON = "PERSON"
    CLOSED = "CLOSED"


CONTROL_TRANSITIONS: Final = MappingProxyType(
    {
        ControlState.AGENT: frozenset({ControlState.PERSON, ControlState.CLOSED}),
        ControlState.PERSON: frozenset({ControlState.AGENT, ControlState.CLOSED}),
        ControlState.CLOSED: frozenset[ControlState](),
    }
)
"""Every move. PERSON is a lease: it has a holder and expires. CLOSED: the run has ended."""


class HandOver(StrEnum):
    """Why control changed hands."""

    TAKEN = "taken"
    GIVEN = "given"
    LEFT = "left"
    """The holder's view was closed, or their connection is gone."""
    EXPIRED = "expired"
    """The holder did nothing for too long."""
    REQUEUED = "requeued"
    """The attempt has ended; its log says so by the run's return to the queue."""
    LIMIT = "limit"
    """People have had this run for as long as they may."""


def advance_control(current: ControlState, target: ControlState) -> ControlState:
    """Return ``target`` if the table has the move, else raise IllegalTransition."""
    if target not in CONTROL_TRANSITIONS[current]:
        raise IllegalTransition("control", current, target)
    return target
