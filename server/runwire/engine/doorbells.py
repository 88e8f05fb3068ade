"""Finds the attempt that waits for what has just been stored for its run. Floor 5; any thread.

The database holds what has come; a bell only says that it is time to look.
"""

from __future__ import annotations

from runwire.threads import Doorbell


class Doorbells:
    """The bells of the attempts that are executed in this process and listen to the outside."""

    def __init__(self) -> None:
        self._bells: dict[str, Doorbell] = {}
        self._listening: set[str] = set()

    def hang(self, run_id: str) -> Doorbell:
        """Return a new bell for the run's attempt that begins now."""
        bell = self._bells[run_id] = Doorbell()
        self._listening.discard(run_id)
        return bell

    def listen(self, run_id: str) -> None:
        """Note that the run's attempt has opened its inbox."""
        self._listening.add(run_id)

    def listens(self, run_id: str) -> bool:
        """Return whether the run's attempt has opened its inbox here."""
        return run_id in self._listening

    def take_down(self, run_id: str, bell: Doorbell) -> None:
        """Forget an attempt's bell, unless the next attempt has hung its own already."""
        if self._bells.get(run_id) is bell:
            self._bells.pop(run_id, None)
            self._listening.discard(run_id)

    def ring(self, run_id: str) -> None:
        """Wake the run's attempt, if one listens here."""
        bell = self._bells.get(run_id)
        if bell is not None:
            bell.ring()
