"""Share links in SQL, hashed. Floor 4. Coroutines on the server's loop; functions that take a ``Transaction`` on the
writer.

A secret carries 256 random bits, so a fast hash is enough, as for tokens (``user_store``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runwire.clock import Clock
from runwire.contracts.actors import User, Visitor
from runwire.contracts.shares import Share
from runwire.errors import Conflict, NotFound
from runwire.ids import new_id, new_secret
from runwire.persistence.reader import ReaderPool
from runwire.persistence.transaction import Transaction
from runwire.persistence.user_store import digest
from runwire.persistence.writer import LogWriter

SECRET_PREFIX = "rwl_"
MOST_SHARES = 200
"""Links of one user that have not expired; a guess."""

_COLUMNS = "id, run_id, thread_id, created_ms, expires_ms"
_INSERT = f"INSERT INTO shares ({_COLUMNS}, owner_id, hash) VALUES (?,?,?,?,?,?,?)"
_OWN_THREAD = "SELECT 1 FROM threads WHERE id = ? AND owner_id = ?"
_FORGET_EXPIRED = "DELETE FROM shares WHERE expires_ms <= ?"
_COUNT = "SELECT count(*) FROM shares WHERE owner_id = ?"
_LIST = f"SELECT {_COLUMNS} FROM shares WHERE owner_id = ? AND expires_ms > ?"
_DELETE = "DELETE FROM shares WHERE id = ? AND owner_id = ?"
_VISITOR = "SELECT id, owner_id, run_id, thread_id, expires_ms FROM shares WHERE hash = ? AND expires_ms > ?"
_HOLDS = "SELECT 1 FROM shares WHERE id = ? AND expires_ms > ?"


class SqlShareStore:
    """Implements ``contracts.shares.ShareStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock

    async def add(
        self, owner: User, *, run_id: str | None, thread_id: str | None, lifetime_ms: int
    ) -> tuple[Share, str]:
        """Store a link and return it with its secret; expired ones are forgotten with it."""
        secret, now_ms = new_secret(SECRET_PREFIX), self._clock.now_ms()
        share = Share(new_id(), run_id, thread_id, now_ms, now_ms + lifetime_ms)

        def apply(tx: Transaction) -> None:
            _check_owner(tx, owner, share)
            tx.run(_FORGET_EXPIRED, (now_ms,))
            (count,) = tx.run(_COUNT, (owner.id,)).fetchone()
            if count >= MOST_SHARES:
                raise Conflict(f"you have {count} share links, the limit; revoke one")
            facts = (share.id, run_id, thread_id, share.created_ms, share.expires_ms)
            tx.run(_INSERT, (*facts, owner.id, digest(secret)))

        await self._writer.write(apply)
        return share, secret

    async def list(self, owner: User, *, run_id: str | None = None, thread_id: str | None = None) -> Sequence[Share]:
        """Return the owner's links, newest first."""
        statement, values = _LIST, [owner.id, self._clock.now_ms()]
        for column, value in (("run_id", run_id), ("thread_id", thread_id)):
            if value is not None:
                statement += f" AND {column} = ?"
                values.append(value)
        statement += " ORDER BY created_ms DESC, id DESC"
        rows = await self._readers.run(lambda c: c.exec_driver_sql(statement, tuple(values)).all())
        return [Share(*row) for row in rows]

    async def delete(self, owner: User, share_id: str) -> None:
        """Revoke a link."""

        def apply(tx: Transaction) -> None:
            if tx.run(_DELETE, (share_id, owner.id)).rowcount == 0:
                raise NotFound(f"no share link {share_id[:64]}")

        await self._writer.write(apply)

    async def visitor(self, secret: str) -> Visitor | None:
        """Return what the link shows."""
        row = await self._first(_VISITOR, (digest(secret), self._clock.now_ms()))
        return None if row is None else Visitor(*row)

    async def holds(self, visitor: Visitor) -> bool:
        """Return whether the visitor's link is still good."""
        return await self._first(_HOLDS, (visitor.share_id, self._clock.now_ms())) is not None

    async def _first(self, statement: str, values: tuple[Any, ...]) -> Any:
        return await self._readers.run(lambda c: c.exec_driver_sql(statement, values).first())


def _check_owner(tx: Transaction, owner: User, share: Share) -> None:
    """Raise NotFound unless what the link leads to is the owner's."""
    if share.run_id is not None:
        head = tx.head(share.run_id)
        if head is None or head.owner_id != owner.id:
            raise NotFound(f"no run {share.run_id[:64]}")
    elif tx.run(_OWN_THREAD, (share.thread_id, owner.id)).fetchone() is None:
        raise NotFound(f"no thread {(share.thread_id or '')[:64]}")
