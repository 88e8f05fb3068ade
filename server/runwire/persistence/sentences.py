"""What models made of sentences, in SQL. Floor 4.

Threads: ``recall`` and ``remember`` block the caller's, functions that take a ``Transaction`` run on the writer.
"""

from __future__ import annotations

from sqlalchemy import Engine

from runwire.errors import UnknownSentence
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import Call, LogWriter
from runwire.protocol.readings import Reading, SentenceKey
from runwire.threads import ReplyBox

OF_ONE_OWNER = 10_000
"""Most readings of one owner; a guess: twenty tests a day for a year."""
STORE_TIMEOUT_S = 35.0
"""How long a reading waits for its commit: a little more than the writer keeps trying."""

_WHERE = "owner_id = ? AND scope = ? AND sentence = ? AND occurrence = ?"
_SELECT = f"SELECT reading, model FROM sentences WHERE {_WHERE}"
_INSERT = (
    "INSERT INTO sentences (owner_id, scope, sentence, occurrence, reading, model, created_ms) VALUES (?,?,?,?,?,?,?)"
    " ON CONFLICT (owner_id, scope, sentence, occurrence)"
    " DO UPDATE SET reading = excluded.reading, model = excluded.model, created_ms = excluded.created_ms"
)
_FORGET_OLD = (
    "DELETE FROM sentences WHERE owner_id = ? AND (scope, sentence, occurrence) IN (SELECT scope, sentence, occurrence"
    " FROM sentences WHERE owner_id = ? ORDER BY created_ms DESC LIMIT -1 OFFSET ?)"
)


class SqlSentenceStore:
    """Implements ``contracts.sentences.SentenceStore``."""

    def __init__(self, writer: LogWriter, read_engine: Engine) -> None:
        self._writer = writer
        self._engine = read_engine

    def recall(self, owner_id: str, key: SentenceKey) -> Reading | None:
        """Return what the owner's sentence was read as, or None."""
        with self._engine.connect() as connection:
            row = connection.exec_driver_sql(_SELECT, (owner_id, *key)).one_or_none()
        return None if row is None else Reading(*row)

    def remember(self, owner_id: str, key: SentenceKey, reading: Reading) -> None:
        """Keep a reading; see the contract."""
        box: ReplyBox[None] = ReplyBox()

        def insert(tx: Transaction) -> None:
            tx.run(_INSERT, (owner_id, *key, *reading, tx.now_ms))
            tx.run(_FORGET_OLD, (owner_id, owner_id, OF_ONE_OWNER))

        self._writer.submit(Call(insert, box.resolve))
        box.wait(STORE_TIMEOUT_S)


def check_sentences(tx: Transaction, owner_id: str, unread: UnknownSentence) -> None:
    """Accept a test whose sentences were all read by a model before. Raises ``unread`` if one was not."""
    for key in unread.sentences:
        if tx.run(_SELECT, (owner_id, *key)).fetchone() is None:
            raise unread
