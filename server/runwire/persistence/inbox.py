"""Questions to people and their answers in SQL. Floor 4.

Threads: the holder's functions are called on the run's own thread, those that take a ``Transaction`` on the writer; the
coroutines run on the server's loop. Whoever answers stores a row; only the holder, under its fence, writes the entry
about it and moves the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from runwire.contracts.actors import OwnedRun
from runwire.contracts.inbox import Deliver, Held, InputRequest, Question
from runwire.errors import AlreadyAnswered, LimitExceeded, NotFound, RequestClosed
from runwire.persistence.reader import ReaderPool
from runwire.persistence.slots import Returning
from runwire.persistence.transaction import Head, Transaction
from runwire.persistence.writer import Call, LogWriter
from runwire.protocol.codec import encode_value
from runwire.protocol.entries import state_data
from runwire.protocol.interrupts import request_event, response_event
from runwire.runs.request_state import RequestStatus, settle
from runwire.runs.state import TERMINAL, RunStatus

T = TypeVar("T")

OPEN_REQUESTS = 16
"""Questions of one run that may be open at once; a guess: nobody answers more side by side."""

_COLUMNS = "id, key, status, interrupt, created_ms, expires_ms, payload, answered_by, settled_ms"
_SELECT = f"SELECT {_COLUMNS} FROM input_requests WHERE run_id = ?"
_SELECT_BY_KEY = f"{_SELECT} AND key = ?"
_SELECT_BY_ID = f"{_SELECT} AND id = ?"
_SELECT_ALL = f"{_SELECT} ORDER BY created_ms, id"
_COUNT_OPEN = "SELECT count(*) FROM input_requests WHERE run_id = ? AND status = 'open' AND attempt = ? AND id <> ?"
_INSERT = (
    "INSERT INTO input_requests (run_id, id, key, attempt, status, interrupt, created_ms, expires_ms, told)"
    " VALUES (?,?,?,?,'open',?,?,?,0)"
)
_AGAIN = "UPDATE input_requests SET attempt = ? WHERE run_id = ? AND id = ?"
_SETTLE = (
    "UPDATE input_requests SET status = ?, payload = ?, answered_by = ?, settled_ms = ? WHERE run_id = ? AND id = ?"
)
_TELL = "UPDATE input_requests SET told = 1 WHERE run_id = ? AND id = ? AND told = 0"


class SqlInbox:
    """Implements ``contracts.inbox.InboxStore``."""

    def __init__(self, writer: LogWriter, readers: ReaderPool) -> None:
        self._writer = writer
        self._readers = readers

    # The holder's side

    def ask(self, held: Held, question: Question, deliver: Deliver[InputRequest]) -> None:
        """Put the question; see the contract."""
        self._writer.submit(Call(partial(_ask, held, question), deliver))

    def settle(self, held: Held, key: str, otherwise: RequestStatus | None, deliver: Deliver[InputRequest]) -> None:
        """Take the answer or close the question; see the contract."""
        self._writer.submit(Call(partial(_settle, held, key, otherwise, deliver), partial(_settled, deliver)))

    # Whoever answers

    async def answer(self, run: OwnedRun, request_id: str, payload: bytes, by: str) -> InputRequest:
        """Store the answer; see the contract."""
        return await self._writer.write(partial(_answer, run.run_id, request_id, payload, by))

    async def requests(self, run: OwnedRun) -> Sequence[InputRequest]:
        """Return what the run has asked, oldest first."""

        def read(connection: sa.Connection) -> list[InputRequest]:
            return [_to_request(row) for row in connection.exec_driver_sql(_SELECT_ALL, (run.run_id,))]

        return await self._readers.run(read)

    async def request(self, run: OwnedRun, request_id: str) -> InputRequest:
        """Return one question. Raises NotFound."""
        row = await self._readers.run(
            lambda connection: connection.exec_driver_sql(_SELECT_BY_ID, (run.run_id, request_id)).one_or_none()
        )
        return _found(row, run.run_id, request_id)


def _ask(held: Held, question: Question, tx: Transaction) -> InputRequest:
    head = tx.held(held.run_id, held.fence)
    row = tx.run(_SELECT_BY_KEY, (held.run_id, question.key)).fetchone()
    if row is None:
        if tx.run(_COUNT_OPEN, (held.run_id, head.attempt, question.id)).fetchone()[0] >= OPEN_REQUESTS:
            raise LimitExceeded(f"the run waits for {OPEN_REQUESTS} answers, its limit", limit="open_requests")
        facts = (question.id, question.key, head.attempt, question.interrupt, tx.now_ms, question.expires_ms)
        tx.run(_INSERT, (held.run_id, *facts))
        row = tx.run(_SELECT_BY_KEY, (held.run_id, question.key)).fetchone()
    request = _to_request(row, tx.now_ms)
    if request.status is RequestStatus.OPEN and request.remaining_s <= 0:
        request = _close(tx, held.run_id, request, RequestStatus.EXPIRED)
    if request.status is not RequestStatus.OPEN:
        _tell(tx, head, request)
        return request
    tx.run(_AGAIN, (head.attempt, held.run_id, request.id))
    announced = encode_value(request_event(msgspec.Raw(request.interrupt)))
    head = tx.append_events(head, [announced])
    if head.status is RunStatus.RUNNING:
        data = state_data(RunStatus.WAITING, head.attempt, reason="input")
        tx.move(head, RunStatus.WAITING, data, keeps_slot=not held.release)
    return request


def _settle(
    held: Held, key: str, otherwise: RequestStatus | None, deliver: Deliver[InputRequest], tx: Transaction
) -> tuple[InputRequest, bool]:
    """Return the question, and whether it is delivered now: not if the run has to wait for a slot first."""
    head = tx.held(held.run_id, held.fence)
    request = _found(tx.run(_SELECT_BY_KEY, (held.run_id, key)).fetchone(), held.run_id, key, tx.now_ms)
    if request.status is RequestStatus.OPEN:
        if otherwise is None:
            return request, True
        request = _close(tx, held.run_id, request, otherwise)
    head = _tell(tx, head, request)
    others = tx.run(_COUNT_OPEN, (held.run_id, head.attempt, request.id)).fetchone()[0]
    if head.status is not RunStatus.WAITING or others:
        return request, True
    data = state_data(RunStatus.RUNNING, head.attempt, reason=request.status.value)
    if head.keeps_slot:
        tx.move(head, RunStatus.RUNNING, data)
        return request, True
    tx.returning.append(Returning(held.run_id, held.fence, data, partial(deliver, request, None)))
    return request, False


def _settled(
    deliver: Deliver[InputRequest], settled: tuple[InputRequest, bool] | None, error: BaseException | None
) -> None:
    request, now = settled or (None, True)
    if now:
        deliver(request, error)


def _close(tx: Transaction, run_id: str, request: InputRequest, status: RequestStatus) -> InputRequest:
    settle(request.status, status)
    tx.run(_SETTLE, (status.value, None, None, tx.now_ms, run_id, request.id))
    return _replaced(request, status, tx.now_ms)


def _tell(tx: Transaction, head: Head, request: InputRequest) -> Head:
    """Write how a question was settled, once in the run's life."""
    if tx.run(_TELL, (head.run_id, request.id)).rowcount == 0:
        return head
    payload = None if request.payload is None else msgspec.Raw(request.payload)
    event = response_event(request.id, request.status.value, request.settled_ms or 0, payload, request.answered_by)
    return tx.append_events(head, [encode_value(event)])


def _answer(run_id: str, request_id: str, payload: bytes, by: str, tx: Transaction) -> InputRequest:
    head = tx.head(run_id)
    request = _found(tx.run(_SELECT_BY_ID, (run_id, request_id)).fetchone(), run_id, request_id, tx.now_ms)
    if request.status is RequestStatus.ANSWERED:
        if (request.payload, request.answered_by) == (payload, by):
            return request  # the same answer again: its first reply was lost on the way
        raise AlreadyAnswered(
            f"{request.answered_by} has answered this already",
            request_id=request.id,
            answered_by=request.answered_by,
            answered_ms=request.settled_ms,
            payload=msgspec.Raw(request.payload or b"null"),
        )
    ended = head is None or head.status in TERMINAL
    if request.status is not RequestStatus.OPEN or request.remaining_s <= 0 or ended:
        why = "its run has ended" if ended else "it has expired" if request.remaining_s <= 0 else "it was withdrawn"
        raise RequestClosed(f"this question takes no answer any more: {why}", request_id=request.id)
    settle(request.status, RequestStatus.ANSWERED)
    tx.run(_SETTLE, (RequestStatus.ANSWERED.value, payload, by, tx.now_ms, run_id, request_id))
    return _replaced(request, RequestStatus.ANSWERED, tx.now_ms, payload, by)


def _replaced(
    request: InputRequest, status: RequestStatus, settled_ms: int, payload: bytes | None = None, by: str | None = None
) -> InputRequest:
    return InputRequest(
        request.id,
        request.key,
        status,
        request.interrupt,
        request.created_ms,
        request.expires_ms,
        request.remaining_s,
        payload,
        by,
        settled_ms,
    )


def _found(row: Any, run_id: str, request_id: str, now_ms: int = 0) -> InputRequest:
    if row is None:
        raise NotFound(f"run {run_id} has asked nothing under the id {request_id[:64]}")
    return _to_request(row, now_ms)


def _to_request(row: Any, now_ms: int = 0) -> InputRequest:
    request_id, key, status, interrupt, created_ms, expires_ms, payload, by, settled_ms = row
    remaining_s = (expires_ms - now_ms) / 1000
    return InputRequest(
        request_id,
        key,
        RequestStatus(status),
        interrupt,
        created_ms,
        expires_ms,
        remaining_s,
        payload,
        by,
        settled_ms,
    )
