"""read-only links to a run or a conversation."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "shares",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("thread_id", sa.String(), nullable=True),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_index("ix_shares_owner", "shares", ["owner_id", "created_ms", "id"], unique=False)
    op.create_index("ix_shares_run_id", "shares", ["run_id"], unique=False)
    op.create_index("ix_shares_thread_id", "shares", ["thread_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("shares")
