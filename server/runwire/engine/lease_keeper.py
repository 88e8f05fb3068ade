"""Keeps this worker's lease and watches the others'. Floor 5; one thread of its own, so that no loop can delay a
renewal.

A worker without runs holds no lease: an idle server writes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from runwire.clock import Clock
from runwire.contracts.lease_store import LeaseStore
from runwire.errors import WorldError
from runwire.runs.lease import LEASE_S, RENEW_S, LeaseObserver
from runwire.threads import OwnedThread

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Renews each second while runs are held here, and reports workers that have stopped renewing."""

    def __init__(
        self,
        store: LeaseStore,
        clock: Clock,
        *,
        holds_runs: Callable[[], bool],
        on_tick: Callable[[], None],
        on_dead: Callable[[str], None],
    ) -> None:
        """``on_dead(worker_id)`` is called at each look while that worker still holds runs; ``on_tick`` once a second.

        All three are called on the keeper's thread and must not block.
        """
        self._store = store
        self._clock = clock
        self._holds_runs = holds_runs
        self._on_tick = on_tick
        self._on_dead = on_dead
        self._observer = LeaseObserver()
        self._stop = threading.Event()
        self._thread = OwnedThread("runwire-lease", self._run)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout_s: float = 1.0) -> None:
        """End the thread; the lease then runs out."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._keep()
        finally:
            self._store.close()

    def _keep(self) -> None:
        while not self._stop.wait(RENEW_S):
            self._on_tick()
            try:
                if self._holds_runs():
                    self._store.renew(LEASE_S)
                for worker in self._observer.observe(self._store.others(), self._clock.monotonic()):
                    log.warning("lease.worker_lost", worker=worker)
                    self._on_dead(worker)
            except (WorldError, TimeoutError) as error:
                log.warning("lease.not_renewed", error=str(error))
