"""Alembic's environment: runs the migrations on the connection that `runwire db` hands over.

The connection comes in `config.attributes["connection"]`; without one (somebody typed `alembic revision`) the database
of `RUNWIRE_DATA` is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from alembic import context
from runwire.persistence.database import database_file, open_engine
from runwire.persistence.tables import METADATA


def include_object(_object: Any, name: str | None, kind: str, _reflected: bool, _compare_to: Any) -> bool:
    """Leave out what no table class describes: full-text tables and SQLite's own."""
    return not (kind == "table" and name is not None and (name.startswith("sqlite_") or "_fts" in name))


def migrate(connection: Any) -> None:
    """Run the migrations, all of them or none."""
    context.configure(
        connection=connection, target_metadata=METADATA, include_object=include_object, render_as_batch=True
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    engine = open_engine(database_file(Path(os.environ.get("RUNWIRE_DATA", "./data"))))
    with engine.begin() as connection:
        migrate(connection)
