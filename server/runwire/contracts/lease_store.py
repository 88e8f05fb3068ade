"""The seam to leases: who is alive. Floor 3. Functions block: they are called on the lease keeper's own thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class LeaseStore(Protocol):
    """The renewal counters of all workers."""

    def renew(self, timeout_s: float) -> None:
        """Raise this worker's counter. Raises TimeoutError or StorageUnavailable: the lease then runs on."""

    def close(self) -> None:
        """Give back what :meth:`others` keeps open."""

    def others(self) -> Mapping[str, int]:
        """Return the counters of the other workers that hold runs now."""
