"""saved tests and browser configurations."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "saved",
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "kind", "id", "version"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "test_runs",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("task_id", sa.String(), nullable=True),
        sa.Column("task_version", sa.Integer(), nullable=True),
        sa.Column("configuration", sa.String(), nullable=True),
        sa.Column("suite_run_id", sa.String(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_index("ix_test_runs_task", "test_runs", ["task_id"], unique=False)
    op.create_index("ix_test_runs_suite", "test_runs", ["suite_run_id", "position"], unique=False)
    op.create_table(
        "suite_runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("suite_id", sa.String(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_suite_runs_owner", "suite_runs", ["owner_id", "created_ms", "id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("suite_runs")
    op.drop_table("test_runs")
    op.drop_table("saved")
