"""The part of the schema that belongs to users rather than to runs: search, files, webhooks, schedules, usage. Floor 4;
imported by ``tables``, for the same use.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, text
from sqlmodel import Field, SQLModel

_MS = BigInteger  # Unix milliseconds exceed 32 bits


class UnindexedRow(SQLModel, table=True):
    """An ended run whose words the search does not know yet: written with its terminal entry, so that none is lost."""

    __tablename__ = "unindexed"
    __table_args__ = ({"sqlite_with_rowid": False},)
    run_id: str = Field(primary_key=True)


class FileRow(SQLModel, table=True):
    """A file that a user gives to runs; it lies under the data folder by owner and id."""

    __tablename__ = "files"
    __table_args__ = (Index("ix_files_owner", "owner_id", "created_ms", "id"),)
    id: str = Field(primary_key=True)
    owner_id: str
    name: str
    mime: str
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: str
    created_ms: int = Field(sa_type=_MS)


class FileUseRow(SQLModel, table=True):
    """A run's input names a file: it is kept as long as the run is."""

    __tablename__ = "file_uses"
    __table_args__ = ({"sqlite_with_rowid": False},)
    run_id: str = Field(primary_key=True)
    file_id: str = Field(primary_key=True, index=True)


class ShareRow(SQLModel, table=True):
    """A read-only link to a run or to a conversation: one of the two is set."""

    __tablename__ = "shares"
    __table_args__ = (Index("ix_shares_owner", "owner_id", "created_ms", "id"),)
    id: str = Field(primary_key=True)
    owner_id: str
    run_id: str | None = Field(default=None, index=True)
    thread_id: str | None = Field(default=None, index=True)
    hash: str = Field(unique=True)
    created_ms: int = Field(sa_type=_MS)
    expires_ms: int = Field(sa_type=_MS)


class WebhookRow(SQLModel, table=True):
    """Somebody who is told of the ends of runs. ``statuses`` and ``agents`` are JSON arrays, NULL for all."""

    __tablename__ = "webhooks"
    __table_args__ = (
        Index("ix_webhooks_owner", "owner_id", "name", unique=True),
        Index("ix_webhooks_everyone", "id", sqlite_where=text("everyone"), postgresql_where=text("everyone")),
    )
    id: str = Field(primary_key=True)
    owner_id: str
    name: str
    url: str
    secret: str
    statuses: str | None = None
    agents: str | None = None
    everyone: bool = False
    created_ms: int = Field(sa_type=_MS)


class RunWebhookRow(SQLModel, table=True):
    """Whom one start wants to be told of its end."""

    __tablename__ = "run_webhooks"
    run_id: str = Field(primary_key=True)
    url: str
    secret: str | None = None


class WebhookDeliveryRow(SQLModel, table=True):
    """The outbox and its log: written with a run's terminal entry, so that no crash loses a delivery. ``webhook_id`` is
    empty if the run's own start asked for it."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "ix_webhook_deliveries_due",
            "next_ms",
            sqlite_where=text("status = 'PENDING'"),
            postgresql_where=text("status = 'PENDING'"),
        ),
        Index("ix_webhook_deliveries_webhook", "webhook_id", "created_ms", "id"),
        Index("ix_webhook_deliveries_run", "run_id"),
    )
    id: str = Field(primary_key=True)
    run_id: str
    webhook_id: str
    owner_id: str
    status: str
    attempts: int
    next_ms: int = Field(sa_type=_MS)
    answer: int | None = None
    error: str | None = None
    created_ms: int = Field(sa_type=_MS)
    done_ms: int | None = Field(default=None, sa_type=_MS)


class ScheduleRow(SQLModel, table=True):
    """Runs that start again and again. ``run`` is the start's JSON; ``next_ms`` is NULL while it does not fire."""

    __tablename__ = "schedules"
    __table_args__ = (
        Index("ix_schedules_owner", "owner_id", "name", unique=True),
        Index("ix_schedules_due", "next_ms"),
    )
    id: str = Field(primary_key=True)
    owner_id: str
    name: str
    cron: str
    time_zone: str
    run: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    missed: str
    overlap: str
    paused: bool = False
    next_ms: int | None = Field(default=None, sa_type=_MS)
    last_ms: int | None = Field(default=None, sa_type=_MS)
    last_run_id: str | None = None
    last_error: str | None = None
    created_ms: int = Field(sa_type=_MS)


class UsageRow(SQLModel, table=True):
    """What a user's runs of one day (counted from 1 January 1970, UTC) have used, as they said at their ends."""

    __tablename__ = "usage"
    __table_args__ = ({"sqlite_with_rowid": False},)
    owner_id: str = Field(primary_key=True)
    day: int = Field(primary_key=True)
    runs: int
    input_tokens: int = Field(sa_type=BigInteger)
    output_tokens: int = Field(sa_type=BigInteger)
    cost_micros: int = Field(sa_type=BigInteger)


class BudgetRow(SQLModel, table=True):
    """A user's own budget for a period, in the server's place; NULL: no limit."""

    __tablename__ = "budgets"
    owner_id: str = Field(primary_key=True)
    tokens: int | None = Field(default=None, sa_type=BigInteger)
    cost_micros: int | None = Field(default=None, sa_type=BigInteger)


class SearchTextRow(SQLModel, table=True):
    """What can be searched: the words of one run, or a title (``run_id`` is NULL). ``owner`` is the owner as one word
    of the index. Triggers of the migration keep the full-text table ``search_fts`` in step."""

    __tablename__ = "search_texts"
    id: int | None = Field(default=None, primary_key=True)
    thread_id: str = Field(index=True)
    run_id: str | None = Field(default=None, index=True)
    owner: str
    text: str


METADATA = SQLModel.metadata
