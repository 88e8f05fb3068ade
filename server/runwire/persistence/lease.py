"""Leases in SQL. Floor 4; called on the lease keeper's thread, except for what the writer applies."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from runwire.errors import StorageUnavailable
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import Call, LogWriter
from runwire.threads import ReplyBox

_RENEW = (
    "INSERT INTO leases (worker_id, counter) VALUES (?, 1) ON CONFLICT (worker_id) DO UPDATE SET counter = counter + 1"
)
_OTHERS = (
    "SELECT DISTINCT runs.worker_id, coalesce(leases.counter, 0) FROM runs"
    " LEFT JOIN leases ON leases.worker_id = runs.worker_id"
    " WHERE runs.status IN ('RUNNING', 'WAITING') AND runs.worker_id IS NOT NULL AND runs.worker_id <> ?"
)


class SqlLeaseStore:
    """Implements ``contracts.lease_store.LeaseStore`` for one worker."""

    def __init__(self, writer: LogWriter, engine: sa.Engine, worker_id: str) -> None:
        self._writer = writer
        self._engine = engine
        self._worker_id = worker_id
        self._connection: sa.Connection | None = None

    def renew(self, timeout_s: float) -> None:
        """Raise this worker's counter."""
        box: ReplyBox[None] = ReplyBox()

        def apply(tx: Transaction) -> None:
            tx.run(_RENEW, (self._worker_id,))

        self._writer.submit(Call(apply, box.resolve))
        box.wait(timeout_s)

    def others(self) -> Mapping[str, int]:
        """Return the counters of the other workers that hold runs now."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            with self._connection.begin():
                rows = self._connection.exec_driver_sql(_OTHERS, (self._worker_id,)).all()
        except sa.exc.DBAPIError as error:
            self.close()
            raise StorageUnavailable(f"cannot read the leases: {error.orig}") from error
        return {str(row[0]): int(row[1]) for row in rows}

    def close(self) -> None:
        """Close the connection that :meth:`others` keeps; on the thread that called it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
