"""Limits and pauses of the queue."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_QUEUED = sa.text("status = 'QUEUED'")


def _queue_index(name: str, *columns: str) -> None:
    op.create_index(name, "runs", list(columns), unique=False, sqlite_where=_QUEUED, postgresql_where=_QUEUED)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "queue_pauses",
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("paused_by", sa.String(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("agent"),
    )
    _queue_index("ix_runs_lanes", "owner_id", "agent", "rank", "id", "status")
    op.drop_index("ix_runs_queue", "runs")
    _queue_index("ix_runs_queue", "rank", "id", "agent", "status")


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_runs_queue", "runs")
    _queue_index("ix_runs_queue", "rank", "id")
    op.drop_index("ix_runs_lanes", "runs")
    op.drop_table("queue_pauses")
