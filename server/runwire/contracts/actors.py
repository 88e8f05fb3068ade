"""Who asks. Floor 3; any thread. Functions of ``persistence`` take an actor, never a bare id."""

from __future__ import annotations

from dataclasses import dataclass

from runwire.runs.record import RunRecord


@dataclass(frozen=True, slots=True)
class User:
    """A person or program that proved who it is; sees its own objects alone."""

    id: str
    admin: bool = False


@dataclass(frozen=True, slots=True)
class System:
    """The server itself: recovery, limits, retention. ``why`` goes into the log."""

    why: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever holds a share link: sees one run, or the runs of one conversation, and can change nothing. One of
    ``run_id`` and ``thread_id`` is set; ``expires_ms`` is Unix milliseconds.
    """

    share_id: str
    owner_id: str
    run_id: str | None
    thread_id: str | None
    expires_ms: int


Reader = User | Visitor
"""Who may look at something through a door."""

Actor = User | System | Visitor


@dataclass(frozen=True, slots=True)
class OwnedRun:
    """The proof that an owner-checked query found the run for this actor; later reads take it instead of an id."""

    record: RunRecord
    actor: Actor

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.record.id


def may_see(actor: Actor, record: RunRecord) -> bool:
    """Return whether the run is one that ``actor`` may look at."""
    match actor:
        case User():
            return record.owner_id == actor.id
        case Visitor():
            named = record.id == actor.run_id or record.thread_id == actor.thread_id
            return named and record.owner_id == actor.owner_id
        case System():
            return True
