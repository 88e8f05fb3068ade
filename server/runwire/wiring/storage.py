"""Everything that keeps something, on one open database. Floor 7; called once for each process."""

from __future__ import annotations

from dataclasses import dataclass

from runwire.clock import Clock, SystemClock
from runwire.contracts.actors import User
from runwire.ids import new_id
from runwire.persistence import data_folder, database
from runwire.persistence.artifacts import DiskArtifactStore
from runwire.persistence.claims import Claimer
from runwire.persistence.conversations import SqlConversationStore
from runwire.persistence.endings import Receivers
from runwire.persistence.event_log import SqlEventLog
from runwire.persistence.expiry import Expiry, KeptFor
from runwire.persistence.files import DiskFileStore, FileLimits
from runwire.persistence.inbox import SqlInbox
from runwire.persistence.lease import SqlLeaseStore
from runwire.persistence.messages import SqlMessageStore, SqlStepStore
from runwire.persistence.purge import Purge
from runwire.persistence.queue_store import SqlQueueStore
from runwire.persistence.reader import ReaderPool
from runwire.persistence.run_store import SqlRunStore
from runwire.persistence.schedules import SqlScheduleStore
from runwire.persistence.sentences import SqlSentenceStore
from runwire.persistence.traversals import DiskTraversalStore
from runwire.persistence.usage import BudgetGate, SqlUsageStore
from runwire.persistence.user_store import SqlUserStore, create_token, knows_token
from runwire.persistence.webhooks import SqlWebhookStore
from runwire.persistence.writer import LogWriter
from runwire.runs.limits import FamilyLimits, QueueLimits, RunningLimits
from runwire.runs.usage import MICROS, Budget, Period
from runwire.settings import Settings

LOCAL_ADMIN = User("admin", admin=True)
"""Whom the first-start token and the printed login link belong to."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Everything that keeps something."""

    engine: database.Engine
    claimer: Claimer
    writer: LogWriter
    readers: ReaderPool
    event_log: SqlEventLog
    store: SqlRunStore
    queue: SqlQueueStore
    users: SqlUserStore
    leases: SqlLeaseStore
    inbox: SqlInbox
    messages: SqlMessageStore
    steps: SqlStepStore
    artifacts: DiskArtifactStore
    traversals: DiskTraversalStore
    conversations: SqlConversationStore
    files: DiskFileStore
    expiry: Expiry
    webhooks: SqlWebhookStore
    schedules: SqlScheduleStore
    usage: SqlUsageStore
    sentences: SqlSentenceStore


def open_storage(
    settings: Settings,
    clock: Clock,
    engine: database.Engine,
    incarnation: str,
    running: RunningLimits | None = None,
) -> Storage:
    """Return the storage on an open, up-to-date database; its threads are not started yet. ``running`` overrides the
    settings' limits, for agents that have limits of their own.
    """
    worker_id = new_id()
    claimer = Claimer(running or RunningLimits(settings.max_running, settings.running_per_user), worker_id, clock)
    receivers = Receivers()
    with engine.connect() as connection:
        claimer.restore(connection)
        receivers.restore(connection)
    writer = LogWriter(engine, clock, claimer, receivers)
    read_engine = database.open_engine(database.database_file(settings.data_path), read_only=True)
    readers = ReaderPool(read_engine)
    limits = QueueLimits(settings.queued_per_user, settings.queued_runs)
    budgets = BudgetGate(budget_of(settings), Period(settings.budget_period))
    with engine.connect() as connection:
        budgets.restore(connection)
    family = FamilyLimits(settings.children_per_run, settings.child_depth)
    store = SqlRunStore(writer, readers, claimer, limits, family, incarnation, budgets)
    artifacts_folder = data_folder.artifacts_folder(settings.data_path)
    traversals = DiskTraversalStore(settings.data_path, read_engine)
    file_limits = FileLimits(settings.file_bytes, settings.user_files, settings.user_file_bytes)
    purge = Purge(artifacts_folder, traversals.remove)
    return Storage(
        engine=engine,
        claimer=claimer,
        writer=writer,
        readers=readers,
        event_log=SqlEventLog(writer, readers),
        store=store,
        queue=SqlQueueStore(writer, readers, claimer),
        users=SqlUserStore(writer, readers, clock),
        leases=SqlLeaseStore(writer, read_engine, worker_id),
        inbox=SqlInbox(writer, readers),
        messages=SqlMessageStore(writer, most=settings.inbox_messages, most_bytes=settings.inbox_bytes),
        steps=SqlStepStore(writer),
        artifacts=DiskArtifactStore(
            artifacts_folder,
            writer,
            read_engine,
            clock,
            one_bytes=settings.artifact_bytes,
        ),
        traversals=traversals,
        conversations=SqlConversationStore(writer, readers, store.record_of, purge),
        sentences=SqlSentenceStore(writer, read_engine),
        usage=SqlUsageStore(writer, readers, clock, budgets),
        schedules=SqlScheduleStore(writer, readers, clock, settings.user_schedules),
        webhooks=SqlWebhookStore(writer, readers, clock, store.record_of),
        expiry=Expiry(
            settings.data_path,
            writer,
            readers,
            clock,
            traversals,
            KeptFor(settings.artifact_keep_s, settings.file_unused_s),
        ),
        files=DiskFileStore(data_folder.files_folder(settings.data_path), writer, read_engine, clock, file_limits),
    )


def budget_of(settings: Settings) -> Budget:
    """Return the budget of users without one of their own."""
    return Budget(settings.budget_tokens or None, round(settings.budget_cost_usd * MICROS) or None)


def first_token(settings: Settings) -> str:
    """Return the data folder's own token, made at the first start (mode 0600); call it before the server owns the
    database. A database that was put in another's place does not know its token and gets a new one.
    """
    path, file = data_folder.token_file(settings.data_path), database.database_file(settings.data_path)
    engine = database.open_engine(file)
    database.check_schema(engine)
    if path.is_file():
        token = path.read_text(encoding="utf-8").strip()
        with database.open_engine(file, read_only=True).connect() as connection:
            if knows_token(connection, token):
                return token
    with engine.begin() as connection:
        token = create_token(connection, LOCAL_ADMIN, "first start", SystemClock().now_ms())
    data_folder.write_private(path, token + "\n")
    return token
