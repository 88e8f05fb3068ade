"""conversations, files, schedules and webhooks."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The words are stored once, in search_texts; the index refers to them (https://sqlite.org/fts5.html, section 4.4.3).
SEARCH = (
    "CREATE VIRTUAL TABLE search_fts USING fts5(owner, text, content='search_texts', content_rowid='id',"
    " tokenize='unicode61 remove_diacritics 2', prefix='2 3')",
    "CREATE TRIGGER search_texts_insert AFTER INSERT ON search_texts BEGIN"
    " INSERT INTO search_fts (rowid, owner, text) VALUES (new.id, new.owner, new.text); END",
    "CREATE TRIGGER search_texts_delete AFTER DELETE ON search_texts BEGIN"
    " INSERT INTO search_fts (search_fts, rowid, owner, text) VALUES ('delete', old.id, old.owner, old.text); END",
)


def upgrade() -> None:
    """Apply."""
    _conversations()
    _files()
    _webhooks()
    _schedules()
    _usage()


def _conversations() -> None:
    op.add_column("threads", sa.Column("active_ms", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("threads", sa.Column("first_words", sa.String(), nullable=False, server_default=""))
    op.add_column("threads", sa.Column("title", sa.String(), nullable=True))
    op.execute(
        "UPDATE threads SET active_ms = coalesce((SELECT max(coalesce(ended_ms, created_ms)) FROM runs"
        " WHERE thread_id = threads.id), created_ms)"
    )
    op.drop_index("ix_threads_owner_id", "threads")
    op.create_index("ix_threads_active", "threads", ["owner_id", "active_ms", "id"], unique=False)

    op.create_table(
        "unindexed",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO unindexed (run_id) SELECT id FROM runs WHERE terminal IS NOT NULL")
    op.create_table(
        "search_texts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("thread_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_search_texts_thread_id", "search_texts", ["thread_id"], unique=False)
    op.create_index("ix_search_texts_run_id", "search_texts", ["run_id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        for statement in SEARCH:
            op.execute(statement)


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("mime", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_files_owner", "files", ["owner_id", "created_ms", "id"], unique=False)
    op.create_table(
        "file_uses",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("file_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "file_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_file_uses_file_id", "file_uses", ["file_id"], unique=False)


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("statuses", sa.String(), nullable=True),
        sa.Column("agents", sa.String(), nullable=True),
        sa.Column("everyone", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_webhooks_owner", "webhooks", ["owner_id", "name"], unique=True)
    op.create_index(
        "ix_webhooks_everyone",
        "webhooks",
        ["id"],
        unique=False,
        sqlite_where=sa.text("everyone"),
        postgresql_where=sa.text("everyone"),
    )
    op.create_table(
        "run_webhooks",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("done_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["next_ms"],
        unique=False,
        sqlite_where=sa.text("status = 'PENDING'"),
        postgresql_where=sa.text("status = 'PENDING'"),
    )
    columns = ["webhook_id", "created_ms", "id"]
    op.create_index("ix_webhook_deliveries_webhook", "webhook_deliveries", columns, unique=False)
    op.create_index("ix_webhook_deliveries_run", "webhook_deliveries", ["run_id"], unique=False)


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("cron", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("run", sa.LargeBinary(), nullable=False),
        sa.Column("missed", sa.String(), nullable=False),
        sa.Column("overlap", sa.String(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_run_id", sa.String(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_schedules_owner", "schedules", ["owner_id", "name"], unique=True)
    op.create_index("ix_schedules_due", "schedules", ["next_ms"], unique=False)


def _usage() -> None:
    op.create_table(
        "usage",
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "day"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budgets",
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_micros", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("owner_id"),
    )


def downgrade() -> None:
    """Take back."""
    for table in (
        "budgets",
        "usage",
        "schedules",
        "webhook_deliveries",
        "run_webhooks",
        "webhooks",
        "file_uses",
        "files",
    ):
        op.drop_table(table)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_fts")
    op.drop_table("search_texts")
    op.drop_table("unindexed")
    op.drop_index("ix_threads_active", "threads")
    op.create_index("ix_threads_owner_id", "threads", ["owner_id"], unique=False)
    for column in ("title", "first_words", "active_ms"):
        op.drop_column("threads", column)
