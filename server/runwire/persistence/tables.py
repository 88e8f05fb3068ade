"""The schema. Floor 4; imported by the migration environment and by the modules that build statements.

``table=True`` classes do not validate: nothing from outside is turned into one. Hot inserts use the tables directly.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from runwire.persistence import user_tables

_MS = BigInteger  # Unix milliseconds exceed 32 bits


class MetaRow(SQLModel, table=True):
    """Facts about the database itself: its incarnation (protocol, L6), the boot that wrote last."""

    __tablename__ = "meta"
    key: str = Field(primary_key=True)
    value: str


class TokenRow(SQLModel, table=True):
    """A program's credential: hashed, named, revocable."""

    __tablename__ = "tokens"
    id: str = Field(primary_key=True)
    user_id: str = Field(index=True)
    name: str
    hash: str = Field(unique=True)
    admin: bool = False
    created_ms: int = Field(sa_type=_MS)
    expires_ms: int | None = Field(default=None, sa_type=_MS)
    revoked_ms: int | None = Field(default=None, sa_type=_MS)


class WebSessionRow(SQLModel, table=True):
    """A browser's login, by the hash of its cookie; outlives a restart of the server."""

    __tablename__ = "web_sessions"
    hash: str = Field(primary_key=True)
    user_id: str
    admin: bool = False
    created_ms: int = Field(sa_type=_MS)
    expires_ms: int = Field(sa_type=_MS)


class ThreadRow(SQLModel, table=True):
    """A conversation: the runs of one owner that belong together. ``title`` is what a person called it, ``first_words``
    what it is called until then; ``active_ms`` moves when a run starts or ends."""

    __tablename__ = "threads"
    __table_args__ = (Index("ix_threads_active", "owner_id", "active_ms", "id"),)
    id: str = Field(primary_key=True)
    owner_id: str
    created_ms: int = Field(sa_type=_MS)
    active_ms: int = Field(default=0, sa_type=_MS, sa_column_kwargs={"server_default": "0"})
    first_words: str = Field(default="", sa_column_kwargs={"server_default": ""})
    title: str | None = None


class RunRow(SQLModel, table=True):
    """A run. ``rank`` orders the queue; ``fence`` is raised whenever the right to write changes hands; ``worker_id`` is
    who holds it.

    The indexes of the queue hold ``status`` too: without it SQLite reads each row, input and all, to see what the
    index's own condition says.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index(
            "ix_runs_queue",
            "rank",
            "id",
            "agent",
            "status",
            sqlite_where=text("status = 'QUEUED'"),
            postgresql_where=text("status = 'QUEUED'"),
        ),
        Index(
            "ix_runs_lanes",
            "owner_id",
            "agent",
            "rank",
            "id",
            "status",
            sqlite_where=text("status = 'QUEUED'"),
            postgresql_where=text("status = 'QUEUED'"),
        ),
        Index(
            "ix_runs_held",
            "status",
            sqlite_where=text("status IN ('RUNNING', 'WAITING')"),
            postgresql_where=text("status IN ('RUNNING', 'WAITING')"),
        ),
        Index("ix_runs_owner", "owner_id", "created_ms", "id"),
        Index("ix_runs_thread", "thread_id", "created_ms"),
        Index(
            "ix_runs_parent",
            "parent_id",
            sqlite_where=text("parent_id IS NOT NULL"),
            postgresql_where=text("parent_id IS NOT NULL"),
        ),
    )
    id: str = Field(primary_key=True)
    owner_id: str
    thread_id: str
    agent: str
    status: str
    attempt: int
    fence: int
    epoch: str
    priority: str
    rank: int = Field(sa_type=BigInteger)
    timeout_s: float
    on_disconnect: str
    input: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    body_hash: str
    created_ms: int = Field(sa_type=_MS)
    started_ms: int | None = Field(default=None, sa_type=_MS)
    ended_ms: int | None = Field(default=None, sa_type=_MS)
    cancel_requested_ms: int | None = Field(default=None, sa_type=_MS)
    worker_id: str | None = None
    first_seq: int = Field(default=1, sa_type=BigInteger)
    terminal: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    agent_version: str | None = None
    max_attempts: int = Field(default=3, sa_column_kwargs={"server_default": "3"})
    not_before_ms: int | None = Field(default=None, sa_type=_MS)
    limits: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    parent_id: str | None = None
    retry_of: str | None = None
    from_seq: int | None = Field(default=None, sa_type=BigInteger)
    rolled_back_by: str | None = None


class QueuePauseRow(SQLModel, table=True):
    """What an operator has paused: one agent, or the whole queue under an empty name."""

    __tablename__ = "queue_pauses"
    agent: str = Field(primary_key=True)
    paused_by: str
    since_ms: int = Field(sa_type=_MS)


class LeaseRow(SQLModel, table=True):
    """A worker's sign of life: ``counter`` moves each second while it holds runs."""

    __tablename__ = "leases"
    worker_id: str = Field(primary_key=True)
    counter: int = Field(sa_type=BigInteger)


class EntryRow(SQLModel, table=True):
    """One entry of a run's log: the very bytes that every subscriber gets (protocol, L8)."""

    __tablename__ = "entries"
    __table_args__ = ({"sqlite_with_rowid": False},)
    run_id: str = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    kind: str
    frame: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class InputRequestRow(SQLModel, table=True):
    """A question that a run put to a person, and its answer. ``key`` is its name inside the run; ``attempt`` the last
    that waited for it; ``told`` whether the log holds how it was settled."""

    __tablename__ = "input_requests"
    __table_args__ = (UniqueConstraint("run_id", "key"),)
    run_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    key: str
    attempt: int
    status: str
    interrupt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_ms: int = Field(sa_type=_MS)
    expires_ms: int = Field(sa_type=_MS)
    payload: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    answered_by: str | None = None
    settled_ms: int | None = Field(default=None, sa_type=_MS)
    told: bool = False


class MessageRow(SQLModel, table=True):
    """A message that somebody sent into a run; ``number`` is its place. ``for_next``: the run did not listen, so it is
    for the next one of the thread. ``taken_by`` and ``taken_attempt``: who has taken it."""

    __tablename__ = "messages"
    __table_args__ = (
        Index(
            "ix_messages_waiting",
            "thread_id",
            "number",
            sqlite_where=text("taken_by IS NULL"),
            postgresql_where=text("taken_by IS NULL"),
        ),
    )
    number: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    thread_id: str
    run_id: str = Field(index=True)
    owner_id: str
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    for_next: bool
    sent_ms: int = Field(sa_type=_MS)
    taken_by: str | None = Field(default=None, index=True)
    taken_attempt: int | None = None


class RunStepRow(SQLModel, table=True):
    """What a step of an agent returned, for its later attempts: encoded JSON."""

    __tablename__ = "run_steps"
    run_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    result: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ArtifactRow(SQLModel, table=True):
    """A stored file of a run; the file lies under the data folder by run and id."""

    __tablename__ = "artifacts"
    id: str = Field(primary_key=True)
    run_id: str = Field(index=True)
    kind: str
    name: str
    mime: str
    size_bytes: int = Field(sa_type=BigInteger)
    created_ms: int = Field(sa_type=_MS)


class SavedRow(SQLModel, table=True):
    """One version of something that a user saved by name: a test, a browser configuration, a suite (``kind``)."""

    __tablename__ = "saved"
    __table_args__ = ({"sqlite_with_rowid": False},)
    owner_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    name: str
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_ms: int = Field(sa_type=_MS)


class SentenceRow(SQLModel, table=True):
    """What a model made of a sentence of a test: a sentence of the step language."""

    __tablename__ = "sentences"
    __table_args__ = (Index("ix_sentences_age", "owner_id", "created_ms"), {"sqlite_with_rowid": False})
    owner_id: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    sentence: str = Field(primary_key=True)
    occurrence: int = Field(primary_key=True)
    reading: str
    model: str
    created_ms: int = Field(sa_type=_MS)


class TestRunRow(SQLModel, table=True):
    """What a run carries out: a saved test, a member of a suite run; written in the run's own transaction."""

    __test__ = False  # pytest takes a class of this name for tests
    __tablename__ = "test_runs"
    __table_args__ = (
        Index("ix_test_runs_task", "task_id"),
        Index("ix_test_runs_suite", "suite_run_id", "position"),
    )
    run_id: str = Field(primary_key=True)
    name: str
    task_id: str | None = None
    task_version: int | None = None
    configuration: str | None = None
    suite_run_id: str | None = None
    position: int


class SuiteRunRow(SQLModel, table=True):
    """Many tests run as one request: ``runs`` of them."""

    __tablename__ = "suite_runs"
    __table_args__ = (Index("ix_suite_runs_owner", "owner_id", "created_ms", "id"),)
    id: str = Field(primary_key=True)
    owner_id: str
    name: str
    suite_id: str | None = None
    created_ms: int = Field(sa_type=_MS)
    runs: int


METADATA = user_tables.METADATA
"""Every table, those of ``user_tables`` included."""
