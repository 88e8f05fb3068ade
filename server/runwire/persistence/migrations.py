"""Bringing a database's schema up to date, by Alembic. Floor 4; imported by admin commands only: serving needs no
Alembic.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from alembic import command
from runwire.persistence.tables import METADATA

_PACKAGE = Path(__file__).resolve().parents[1]


def scripts_folder() -> Path:
    """Return where the migration scripts lie: inside an installed package, or beside the sources of a checkout."""
    packaged = _PACKAGE / "_migrations"
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / "alembic"


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts_folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the schema to the newest revision, or another one for a test, in one transaction."""
    with engine.begin() as connection:
        command.upgrade(_config(connection), revision)


def newest_revision() -> str:
    """Return the newest revision that the scripts know."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "the package ships at least one migration"
    return head


def drift(engine: sa.Engine) -> list[str]:
    """Return how the schema differs from the table classes; empty when it does not."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _described})
        return [str(difference) for difference in compare_metadata(context, METADATA)]


def _described(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    return not (kind == "table" and name is not None and (name.startswith("sqlite_") or "_fts" in name))
