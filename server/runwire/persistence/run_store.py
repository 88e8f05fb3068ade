"""Runs in SQL: what is asked of the writer, and what is read. Floor 4.

Threads: the coroutines run on the server's loop; the functions that take a ``Transaction`` on the writer, those that
take a connection on a reader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from runwire import failpoints
from runwire.contracts.actors import Actor, OwnedRun, Reader, System, User, may_see
from runwire.contracts.event_log import RunAppender
from runwire.contracts.run_store import Created, Page, RunFilter
from runwire.errors import FenceLost, InvalidInput, NotFound, RunIdTaken
from runwire.persistence.claims import Claimer
from runwire.persistence.file_uses import check_files, note_uses
from runwire.persistence.reader import ReaderPool
from runwire.persistence.seats import admit_child
from runwire.persistence.sentences import check_sentences
from runwire.persistence.start_webhooks import note_webhook, secret_for
from runwire.persistence.transaction import Head, Transaction, stored_limits
from runwire.persistence.usage import BudgetGate
from runwire.persistence.writer import Call, LogWriter
from runwire.protocol.entries import outcome_data, state_data
from runwire.runs.limits import FamilyLimits, QueueCounts, QueueLimits, admit
from runwire.runs.record import NewRun, Outcome, RunError, RunRecord
from runwire.runs.state import TERMINAL, Priority, RunStatus

log = structlog.get_logger(__name__)
T = TypeVar("T")

_COLUMNS = (
    "id, owner_id, thread_id, agent, status, attempt, fence, epoch, priority, timeout_s, on_disconnect, input,"
    " body_hash, created_ms, started_ms, ended_ms, cancel_requested_ms, first_seq,"
    " (SELECT coalesce(max(seq), 0) FROM entries WHERE run_id = runs.id), terminal, agent_version, max_attempts,"
    " not_before_ms, limits, parent_id, retry_of, from_seq, rolled_back_by"
)
_LIMITS = 23
"""Where the limits stand in them."""

_SELECT_RUN = f"SELECT {_COLUMNS} FROM runs WHERE id = ?"
_SELECT_HELD = (
    "SELECT id, agent, priority, max_attempts FROM runs"
    " WHERE status IN ('RUNNING', 'WAITING') AND (? IS NULL OR worker_id = ?) ORDER BY rank"
)
_SELECT_TERMS = "SELECT priority, max_attempts FROM runs WHERE id = ?"
_FORGET_LEASES = "DELETE FROM leases WHERE ? IS NULL OR worker_id = ?"
_SELECT_THREAD_OWNER = "SELECT owner_id FROM threads WHERE id = ?"


class SqlRunStore:
    """Implements ``contracts.run_store.RunStore``."""

    def __init__(
        self,
        writer: LogWriter,
        readers: ReaderPool,
        claimer: Claimer,
        limits: QueueLimits,
        family: FamilyLimits,
        incarnation: str,
        budgets: BudgetGate,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._claimer = claimer
        self._limits = limits
        self._family = family
        self._incarnation = incarnation
        self._budgets = budgets

    # Writing

    async def create(self, new: NewRun, actor: User) -> Created:
        """Store the run with its first entry; see the contract."""
        self._writer.refuse_if_stalled()
        return await self._writer.write(partial(self._create, new, actor))

    def create_in(self, tx: Transaction, new: NewRun, actor: User) -> Created:
        """Store the run inside a transaction of somebody else's; on the writer. Raises as :meth:`create`."""
        return self._create(new, actor, tx)

    def check_room(self, tx: Transaction, owner_id: str, runs: int) -> None:
        """Raises OverCapacity unless so many more runs of the owner may wait; on the writer."""
        own = self._claimer.queued_of(owner_id) + tx.created_by[owner_id]
        everybody = self._claimer.queued + sum(tx.created_by.values())
        admit(QueueCounts(own + runs - 1, everybody + runs - 1), self._limits)

    def _create(self, new: NewRun, actor: User, tx: Transaction) -> Created:
        if new.id_from_client and tx.head(new.run_id) is not None:
            record = self._record(tx, new.run_id)
            if record.owner_id != new.owner_id or record.body_hash != new.body_hash:
                raise RunIdTaken(f"the run id {new.run_id} names another run; choose a new one", run_id=new.run_id)
            return Created(OwnedRun(record, actor), existed=True)
        if new.thread_from_client:
            owner = tx.run(_SELECT_THREAD_OWNER, (new.thread_id,)).fetchone()
            if owner is not None and owner[0] != new.owner_id:
                raise NotFound(f"no thread {new.thread_id}")
        if new.file_ids:
            check_files(tx, new)
        if new.unread is not None:
            check_sentences(tx, new.owner_id, new.unread)
        counts = QueueCounts(
            self._claimer.queued_of(new.owner_id) + tx.created_by[new.owner_id],
            self._claimer.queued + sum(tx.created_by.values()),
        )
        admit(counts, self._limits)
        self._budgets.check(tx, new.owner_id)
        if new.parent_id is not None:
            admit_child(tx, new, self._family)
        secret = secret_for(tx, new) if new.webhook is not None else None
        rank, stopping = self._claimer.turns.enter(tx, new, request_cancel)
        tx.insert_run(new, self._claimer.ranks.next_rank(new.owner_id, new.priority) if rank is None else rank)
        if new.file_ids:
            note_uses(tx, new)
        if new.webhook is not None:
            note_webhook(tx, new, secret)
        return Created(OwnedRun(self._fresh_record(new, tx.now_ms), actor), existed=False, stopping=stopping)

    def _fresh_record(self, new: NewRun, now_ms: int) -> RunRecord:
        return RunRecord(
            id=new.run_id,
            owner_id=new.owner_id,
            thread_id=new.thread_id,
            agent=new.agent,
            status=RunStatus.QUEUED,
            attempt=1,
            fence=1,
            epoch=f"{self._incarnation}.{new.epoch}",
            priority=new.priority,
            timeout_s=new.timeout_s,
            on_disconnect=new.on_disconnect,
            input=new.input,
            body_hash=new.body_hash,
            created_ms=now_ms,
            started_ms=None,
            ended_ms=None,
            cancel_requested_ms=None,
            first_seq=1,
            last_seq=1,
            terminal=None,
            agent_version=new.agent_version,
            max_attempts=new.max_attempts,
            limits=new.limits,
            parent_id=new.parent_id,
            retry_of=new.retry_of,
            from_seq=new.from_seq,
        )

    async def pause(self) -> None:
        """Start no more waiting runs; see the contract."""
        self._claimer.pause()
        await self._writer.write(lambda _tx: None)

    async def request_cancel(self, run: OwnedRun) -> RunStatus:
        """Store the wish to cancel; see the contract."""
        return await self._writer.write(partial(request_cancel, run.run_id))

    def wait_for_child(self, parent_id: str, fence: int, child_id: str, wait_id: str) -> None:
        """Note that a run waits for its child; see the contract."""
        apply = partial(self._claimer.seats.wait, parent_id=parent_id, fence=fence, child_id=child_id, wait_id=wait_id)
        self._writer.submit(Call(apply, partial(_log_wait, parent_id)))

    def leave_child(self, parent_id: str, wait_id: str) -> None:
        """Note that it waits no longer; see the contract."""
        apply = partial(self._claimer.seats.leave, parent_id=parent_id, wait_id=wait_id)
        self._writer.submit(Call(apply, partial(_log_wait, parent_id), patient=True))

    def finish(self, run_id: str, fence: int, outcome: Outcome, appender: RunAppender | None = None) -> None:
        """Write the terminal state; see the contract."""
        apply = partial(_finish, run_id, fence, outcome, appender)
        self._writer.submit(Call(apply, partial(_log_finish, run_id), patient=True))

    def retry(
        self, run_id: str, fence: int, outcome: Outcome, delay_s: float, appender: RunAppender | None = None
    ) -> None:
        """Return a run whose attempt has failed to the queue, or end it so; see the contract."""
        apply = partial(self._retry, run_id, fence, outcome, delay_s, appender)
        self._writer.submit(Call(apply, partial(_log_finish, run_id), patient=True))

    def _retry(
        self, run_id: str, fence: int, outcome: Outcome, delay_s: float, appender: RunAppender | None, tx: Transaction
    ) -> RunStatus | None:
        try:
            head = tx.held(run_id, fence)
        except FenceLost:
            return None
        if head.cancel_requested_ms is not None:
            return _finish(run_id, fence, Outcome(RunStatus.CANCELLED, reason="requested"), appender, tx)
        priority, max_attempts = tx.run(_SELECT_TERMS, (run_id,)).fetchone()
        lost = appender is not None and appender.failure is not None
        if outcome.error is None or lost or head.attempt >= max_attempts:
            return _finish(run_id, fence, outcome, appender, tx)
        return self._claimer.backoff.park(tx, head, Priority(priority), outcome.error, delay_s)

    def requeue(self, run_id: str, fence: int, reason: str) -> None:
        """Return a held run to the queue for another attempt, or end it as ``worker_lost`` if none is left; any
        thread.
        """
        apply = partial(self._requeue_held, run_id, fence, reason)
        self._writer.submit(Call(apply, partial(_log_finish, run_id), patient=True))

    def _requeue_held(self, run_id: str, fence: int, reason: str, tx: Transaction) -> RunStatus | None:
        try:
            head = tx.held(run_id, fence)
        except FenceLost:
            return None
        priority, max_attempts = tx.run(_SELECT_TERMS, (run_id,)).fetchone()
        return self._settle(tx, head, Priority(priority), reason, max_attempts)

    async def recover(self, recoverable: Callable[[str], bool], worker_id: str | None = None) -> int:
        """Settle the runs of dead workers; see the contract."""
        return await self._writer.write(partial(self._recover, recoverable, worker_id))

    def _recover(self, recoverable: Callable[[str], bool], worker_id: str | None, tx: Transaction) -> int:
        rows = tx.run(_SELECT_HELD, (worker_id, worker_id)).fetchall()
        for run_id, agent, priority, max_attempts in rows:
            failpoints.reach("during_recovery")
            head = tx.head(run_id)
            assert head is not None
            self._settle(tx, head, Priority(priority), "worker_lost", max_attempts if recoverable(agent) else 1)
        tx.run(_FORGET_LEASES, (worker_id, worker_id))
        return len(rows)

    def _settle(self, tx: Transaction, head: Head, priority: Priority, reason: str, max_attempts: int) -> RunStatus:
        """Give a run whose worker is gone its next state: what was asked for, another attempt, or the truth."""
        if head.cancel_requested_ms is not None:
            data = state_data(RunStatus.CANCELLED, head.attempt, reason="requested")
            return tx.move(head, RunStatus.CANCELLED, data).status
        if head.attempt < max_attempts:
            attempt = head.attempt + 1
            rank = self._claimer.ranks.next_rank(head.owner_id, priority)
            data = state_data(RunStatus.QUEUED, attempt, reason=reason)
            fence = head.fence + 1
            return tx.move(head, RunStatus.QUEUED, data, attempt=attempt, fence=fence, rank=rank, worker_id=None).status
        error = RunError("worker_lost", "the worker that executed this run is gone", retryable=True)
        data = outcome_data(Outcome(RunStatus.FAILED, error=error), head.attempt)
        return tx.move(head, RunStatus.FAILED, data).status

    # Reading

    async def get(self, run_id: str, actor: Actor) -> OwnedRun:
        """Return the run if it is the actor's; see the contract."""
        record = await self._readers.run(lambda connection: self.record_of(connection, run_id))
        if record is None or not may_see(actor, record):
            raise NotFound(f"no run {run_id[:64]}")
        return OwnedRun(record, actor)

    async def newest_live(self, thread_id: str, actor: User) -> OwnedRun | None:
        """Return the newest run of the actor's thread that has not ended."""
        statement = (
            f"SELECT {_COLUMNS} FROM runs WHERE thread_id = ? AND status IN ('QUEUED', 'RUNNING', 'WAITING')"
            " AND owner_id = ? ORDER BY created_ms DESC, rank DESC LIMIT 1"
        )
        row = await self._readers.run(
            lambda connection: connection.exec_driver_sql(statement, (thread_id, actor.id)).one_or_none()
        )
        return None if row is None else OwnedRun(self._to_record(row), actor)

    async def watched(self) -> Sequence[OwnedRun]:
        """Return the live runs that are to be cancelled when nobody follows them; see the contract."""
        alive = "(status = 'QUEUED' OR status IN ('RUNNING', 'WAITING'))"  # as the partial indexes say it
        statement = f"SELECT {_COLUMNS} FROM runs WHERE {alive} AND on_disconnect = 'cancel'"
        rows = await self._readers.run(lambda connection: connection.exec_driver_sql(statement).all())
        return [OwnedRun(self._to_record(row), System("on_disconnect")) for row in rows]

    async def list(self, actor: Reader, wanted: RunFilter) -> Page:
        """Return a page of the runs that the actor may see, newest first."""
        return await self._readers.run(lambda connection: self._list(connection, actor, wanted))

    async def check_thread(self, thread_id: str, actor: User) -> None:
        """Raise NotFound unless the conversation is there and the actor's."""
        values = (thread_id,)
        owner = await self._readers.run(lambda c: c.exec_driver_sql(_SELECT_THREAD_OWNER, values).scalar_one_or_none())
        if owner != actor.id:
            raise NotFound(f"no thread {thread_id}")

    def _list(self, connection: sa.Connection, actor: Reader, wanted: RunFilter) -> Page:
        where, values = _visible(actor)
        for column in ("status", "agent", "thread_id", "parent_id"):
            value = getattr(wanted, column)
            if value is not None:
                where.append(f"{column} = ?")
                values.append(str(value))
        if wanted.task_id is not None:
            where.append("id IN (SELECT run_id FROM test_runs WHERE task_id = ?)")
            values.append(wanted.task_id)
        parameters: list[Any] = [*values]
        if wanted.before is not None:
            where.append("(created_ms, id) < (?, ?)")
            parameters += parse_mark(wanted.before)
        statement = f"SELECT {_COLUMNS} FROM runs WHERE {' AND '.join(where)} ORDER BY created_ms DESC, id DESC LIMIT ?"
        rows = connection.exec_driver_sql(statement, (*parameters, wanted.limit + 1)).all()
        runs = [self._to_record(row) for row in rows[: wanted.limit]]
        more = len(rows) > wanted.limit
        return Page(runs, f"{runs[-1].created_ms}.{runs[-1].id}" if more else None)

    def record_of(self, connection: sa.Connection, run_id: str) -> RunRecord | None:
        """Return a run as the reader's transaction sees it; whose it is, the caller has checked or will check."""
        row = connection.exec_driver_sql(_SELECT_RUN, (run_id,)).one_or_none()
        return None if row is None else self._to_record(row)

    def _record(self, tx: Transaction, run_id: str) -> RunRecord:
        tx.flush()  # the run may be as new as this very transaction
        return self._to_record(tx.run(_SELECT_RUN, (run_id,)).fetchone())

    def _to_record(self, row: Any) -> RunRecord:
        values = list(row)
        values[4], values[7], values[8] = RunStatus(values[4]), f"{self._incarnation}.{values[7]}", Priority(values[8])
        values[_LIMITS] = stored_limits(values[_LIMITS])
        return RunRecord(*values)


def request_cancel(run_id: str, tx: Transaction) -> RunStatus:
    """Store the wish to cancel, inside ``tx``; return the status that the run then has."""
    head = tx.head(run_id)
    if head is None:
        raise NotFound(f"no run {run_id}")
    if head.status in TERMINAL or head.cancel_requested_ms is not None:
        return head.status
    if head.status is RunStatus.QUEUED:
        data = state_data(RunStatus.CANCELLED, head.attempt, reason="requested")
        return tx.move(head, RunStatus.CANCELLED, data, cancel_requested_ms=tx.now_ms).status
    tx.fallen.append(run_id)
    return tx.update(head, cancel_requested_ms=tx.now_ms).status


def _finish(
    run_id: str, fence: int, outcome: Outcome, appender: RunAppender | None, tx: Transaction
) -> RunStatus | None:
    try:
        head = tx.held(run_id, fence)
    except FenceLost:
        return None
    lost = appender.failure if appender is not None else None
    if lost is not None:
        outcome = Outcome.failed("storage_unavailable", f"not everything that the run emitted could be stored: {lost}")
    if head.status is RunStatus.WAITING and outcome.status is RunStatus.SUCCEEDED:  # it left a question behind
        head = tx.move(head, RunStatus.RUNNING, state_data(RunStatus.RUNNING, head.attempt, reason="withdrawn"))
    return tx.move(head, outcome.status, outcome_data(outcome, head.attempt)).status


def _log_wait(parent_id: str, _answer: None, error: Exception | None) -> None:
    if error is not None:  # the child waits for its turn as everybody does
        log.warning("run.slot_not_lent", run_id=parent_id, error=str(error))


def _log_finish(run_id: str, status: RunStatus | None, error: Exception | None) -> None:
    if error is not None:
        log.error("run.end_not_stored", run_id=run_id, error=str(error))
    elif status is None:
        log.info("run.end_refused", run_id=run_id, why="the run had ended or moved on")


def _visible(actor: Reader) -> tuple[list[str], list[str]]:
    """Return the conditions, with their values, that hold for every run that the actor may see (``may_see``)."""
    if isinstance(actor, User):
        return ["owner_id = ?"], [actor.id]
    if actor.run_id is not None:
        return ["owner_id = ?", "id = ?"], [actor.owner_id, actor.run_id]
    return ["owner_id = ?", "thread_id = ?"], [actor.owner_id, actor.thread_id or ""]


def parse_mark(mark: str) -> tuple[int, str]:
    """Return the time (Unix milliseconds) and id that a page mark holds. Raises InvalidInput."""
    created, _, run_id = mark.partition(".")
    if not created.isascii() or not created.isdigit() or len(created) > 18 or not run_id:
        raise InvalidInput("before: not a page mark that this server gave")
    return int(created), run_id
