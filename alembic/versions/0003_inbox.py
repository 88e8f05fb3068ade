"""Questions to people and their answers, messages into live runs, results of steps."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "input_requests",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("interrupt", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("answered_by", sa.String(), nullable=True),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "id"),
        sa.UniqueConstraint("run_id", "key"),
    )
    op.create_table(
        "messages",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("thread_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("for_next", sa.Boolean(), nullable=False),
        sa.Column("sent_ms", sa.BigInteger(), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=True),
        sa.Column("taken_attempt", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    waiting = sa.text("taken_by IS NULL")
    op.create_index(
        "ix_messages_waiting",
        "messages",
        ["thread_id", "number"],
        unique=False,
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_messages_run_id", "messages", ["run_id"], unique=False)
    op.create_index("ix_messages_taken_by", "messages", ["taken_by"], unique=False)
    op.create_table(
        "run_steps",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key"),
    )
    op.add_column("runs", sa.Column("rolled_back_by", sa.String(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("runs", "rolled_back_by")
    op.drop_table("run_steps")
    op.drop_table("messages")
    op.drop_table("input_requests")
