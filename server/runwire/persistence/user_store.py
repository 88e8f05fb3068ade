"""Credentials in SQL, hashed. Floor 4. The coroutines run on the server's loop, ``create_token`` in an admin command.

A token carries 256 random bits, so a fast hash is enough (a slow one protects weak passwords, and costs each request).
"""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from runwire.clock import Clock
from runwire.contracts.actors import User
from runwire.ids import new_id, new_secret
from runwire.persistence.reader import ReaderPool
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import LogWriter

TOKEN_PREFIX = "rw_"
SESSION_PREFIX = "rws_"

_INSERT_TOKEN = "INSERT INTO tokens (id, user_id, name, hash, admin, created_ms, expires_ms) VALUES (?,?,?,?,?,?,?)"
_SELECT_TOKEN = (
    "SELECT user_id, admin FROM tokens WHERE hash = ? AND revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?)"
)
_INSERT_SESSION = "INSERT INTO web_sessions (hash, user_id, admin, created_ms, expires_ms) VALUES (?,?,?,?,?)"
_SELECT_SESSION = "SELECT user_id, admin FROM web_sessions WHERE hash = ? AND expires_ms > ?"
_DELETE_SESSION = "DELETE FROM web_sessions WHERE hash = ? OR expires_ms <= ?"


def digest(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def create_token(
    connection: sa.Connection, user: User, name: str, now_ms: int, *, expires_ms: int | None = None
) -> str:
    """Store a new token of ``user`` and return it: the only time that it is seen. Inside the caller's transaction."""
    token = new_secret(TOKEN_PREFIX)
    row = (new_id(), user.id, name, digest(token), user.admin, now_ms, expires_ms)
    connection.exec_driver_sql(_INSERT_TOKEN, row)
    return token


def knows_token(connection: sa.Connection, token: str) -> bool:
    """Return whether this database has made the token, valid or not."""
    return connection.exec_driver_sql("SELECT 1 FROM tokens WHERE hash = ?", (digest(token),)).first() is not None


class SqlUserStore:
    """Implements ``contracts.users.UserStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock

    async def user_of_token(self, token: str) -> User | None:
        """Return whose token it is."""
        return await self._find(_SELECT_TOKEN, token)

    async def user_of_session(self, cookie: str) -> User | None:
        """Return whose browser login it is."""
        return await self._find(_SELECT_SESSION, cookie)

    async def _find(self, statement: str, secret: str) -> User | None:
        values = (digest(secret), self._clock.now_ms())
        row = await self._readers.run(lambda connection: connection.exec_driver_sql(statement, values).one_or_none())
        return None if row is None else User(row[0], admin=bool(row[1]))

    async def open_session(self, user: User, lifetime_s: float) -> str:
        """Make a browser login and return its cookie's value."""
        cookie = new_secret(SESSION_PREFIX)
        now_ms = self._clock.now_ms()
        await self._write(
            _INSERT_SESSION, (digest(cookie), user.id, user.admin, now_ms, now_ms + int(lifetime_s * 1000))
        )
        return cookie

    async def close_session(self, cookie: str) -> None:
        """End a browser login, and with it forget the expired ones."""
        await self._write(_DELETE_SESSION, (digest(cookie), self._clock.now_ms()))

    async def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        def apply(tx: Transaction) -> None:
            tx.run(statement, values)

        await self._writer.write(apply)
