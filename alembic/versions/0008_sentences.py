"""what a model made of a test's sentence."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "sentences",
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("sentence", sa.String(), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("reading", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "scope", "sentence", "occurrence"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sentences_age", "sentences", ["owner_id", "created_ms"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("sentences")
