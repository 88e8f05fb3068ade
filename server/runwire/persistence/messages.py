"""Messages into live runs, and results of steps, in SQL. Floor 4; the writer's thread, but for what hands work to it.

A message belongs to the thread. It is for the run that it was sent to; if that has ended without taking it, or did not
listen, it is for the next run that looks.
"""

from __future__ import annotations

from functools import partial

import msgspec

from runwire.contracts.actors import OwnedRun
from runwire.contracts.inbox import Deliver, Held
from runwire.contracts.steering import InboxMessage, NewMessage
from runwire.errors import Conflict, LimitExceeded, NotFound, OverCapacity, RunEnded
from runwire.persistence.transaction import Transaction
from runwire.persistence.writer import Call, LogWriter
from runwire.protocol.codec import encode_value
from runwire.protocol.messages import message_events
from runwire.runs.state import TERMINAL

STEPS = 10_000
"""Results that one run may store; a guess."""

_SELECT_SENT = "SELECT run_id, owner_id, content, for_next FROM messages WHERE id = ?"
_COUNT_WAITING = (
    "SELECT count(*), coalesce(sum(length(content)), 0) FROM messages WHERE thread_id = ? AND taken_by IS NULL"
)
_INSERT = "INSERT INTO messages (id, thread_id, run_id, owner_id, content, for_next, sent_ms) VALUES (?,?,?,?,?,?,?)"
_SELECT_NEXT = (
    "SELECT number, id, content, owner_id, sent_ms FROM messages WHERE thread_id = ? AND taken_by IS NULL AND"
    " CASE WHEN run_id = ? THEN NOT for_next ELSE"
    " EXISTS (SELECT 1 FROM runs WHERE runs.id = messages.run_id AND runs.ended_ms IS NOT NULL) END"
    " ORDER BY number LIMIT 1"
)
_SELECT_AGAIN = (
    "SELECT number, id, content, owner_id, sent_ms FROM messages WHERE taken_by = ? AND taken_attempt < ?"
    " ORDER BY number LIMIT 1"
)
_TAKE = "UPDATE messages SET taken_by = ?, taken_attempt = ? WHERE number = ?"

_SELECT_STEP = "SELECT result FROM run_steps WHERE run_id = ? AND key = ?"
_COUNT_STEPS = "SELECT count(*) FROM run_steps WHERE run_id = ?"
_INSERT_STEP = "INSERT INTO run_steps (run_id, key, result) VALUES (?,?,?) ON CONFLICT (run_id, key) DO NOTHING"


class SqlMessageStore:
    """Implements ``contracts.steering.MessageStore``."""

    def __init__(self, writer: LogWriter, *, most: int, most_bytes: int) -> None:
        """At most ``most`` messages of together ``most_bytes`` wait in one thread."""
        self._writer = writer
        self._most = most
        self._most_bytes = most_bytes

    async def send(self, run: OwnedRun, message: NewMessage, *, listens: bool) -> bool:
        """Store a message to a live run; see the contract."""
        return await self._writer.write(partial(self.store, run.run_id, run.record.thread_id, message, listens))

    def store(self, run_id: str, thread_id: str, message: NewMessage, listens: bool, tx: Transaction) -> bool:
        """Store a message inside ``tx``; see :meth:`send`."""
        sent = tx.run(_SELECT_SENT, (message.id,)).fetchone()
        if sent is not None:
            if sent[:3] != (run_id, message.sender, message.content):
                raise Conflict(f"the message id {message.id} names another message", message_id=message.id)
            return not sent[3]
        head = tx.head(run_id)
        if head is None:
            raise NotFound(f"no run {run_id}")
        if head.status in TERMINAL:
            raise RunEnded(f"the run has ended ({head.status}); start another one in its thread", status=head.status)
        self._admit(tx, thread_id, len(message.content))
        facts = (message.id, thread_id, run_id, message.sender, message.content, not listens, tx.now_ms)
        tx.run(_INSERT, facts)
        return listens

    def _admit(self, tx: Transaction, thread_id: str, size_bytes: int) -> None:
        count, waiting_bytes = tx.run(_COUNT_WAITING, (thread_id,)).fetchone()
        for limit, name, value, word in (
            (self._most, "inbox_messages", count + 1, "messages"),
            (self._most_bytes, "inbox_bytes", waiting_bytes + size_bytes, "bytes"),
        ):
            if value > limit:
                raise OverCapacity(
                    f"{limit} {word} wait in this thread, its limit; its run has to take some first",
                    retry_after_s=5.0,
                    limit=name,
                )

    def take(self, held: Held, deliver: Deliver[InboxMessage]) -> None:
        """Take the next message for the attempt; see the contract."""
        self._writer.submit(Call(partial(_take, held), deliver))


def _take(held: Held, tx: Transaction) -> InboxMessage | None:
    head = tx.held(held.run_id, held.fence)
    row, again = None, False
    if head.attempt > 1:
        row = tx.run(_SELECT_AGAIN, (held.run_id, head.attempt)).fetchone()
        again = row is not None
    if row is None:
        tx.flush()  # the end of another run may be as new as this very transaction
        row = tx.run(_SELECT_NEXT, (head.thread_id, held.run_id)).fetchone()
    if row is None:
        return None
    number, message_id, content, sender, sent_ms = row
    tx.run(_TAKE, (held.run_id, head.attempt, number))
    message = InboxMessage(message_id, msgspec.json.decode(content), sender, sent_ms)
    if not again:
        tx.append_events(head, map(encode_value, message_events(message.id, message.content, sender, sent_ms)))
    return message


class SqlStepStore:
    """Implements ``contracts.steering.StepStore``."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def recall(self, held: Held, key: str, deliver: Deliver[bytes]) -> None:
        """Find a stored result; see the contract."""
        self._writer.submit(Call(partial(_recall, held, key), deliver))

    def remember(self, held: Held, key: str, result: bytes, deliver: Deliver[bytes]) -> None:
        """Store a result; see the contract."""
        self._writer.submit(Call(partial(_remember, held, key, result), deliver))


def _recall(held: Held, key: str, tx: Transaction) -> bytes | None:
    tx.held(held.run_id, held.fence)
    row = tx.run(_SELECT_STEP, (held.run_id, key)).fetchone()
    return None if row is None else row[0]


def _remember(held: Held, key: str, result: bytes, tx: Transaction) -> bytes:
    tx.held(held.run_id, held.fence)
    if tx.run(_COUNT_STEPS, (held.run_id,)).fetchone()[0] >= STEPS:
        raise LimitExceeded(f"the run has stored {STEPS} steps, its limit", limit="steps")
    tx.run(_INSERT_STEP, (held.run_id, key, result))
    return result
