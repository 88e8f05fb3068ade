"""retries, children and limits of runs."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PARENT = sa.text("parent_id IS NOT NULL")


def upgrade() -> None:
    """Apply."""
    op.add_column("runs", sa.Column("agent_version", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("max_attempts", sa.Integer(), nullable=False, server_default="3"))
    op.add_column("runs", sa.Column("not_before_ms", sa.BigInteger(), nullable=True))
    op.add_column("runs", sa.Column("limits", sa.LargeBinary(), nullable=True))
    op.add_column("runs", sa.Column("parent_id", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("retry_of", sa.String(), nullable=True))
    op.add_column("runs", sa.Column("from_seq", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_runs_parent", "runs", ["parent_id"], unique=False, sqlite_where=_PARENT, postgresql_where=_PARENT
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_runs_parent", table_name="runs")
    for column in ("from_seq", "retry_of", "parent_id", "limits", "not_before_ms", "max_attempts", "agent_version"):
        op.drop_column("runs", column)
