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


Actor = User | System


@dataclass(frozen=True, slots=True)
class OwnedRun:
    """The proof that an owner-checked query found the run for this actor; later reads take it instead of an id."""

    record: RunRecord
    actor: Actor

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.record.id
