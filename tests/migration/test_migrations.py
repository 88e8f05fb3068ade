"""The migrations lead from nothing to exactly the tables of the code, and the server knows which is the newest."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from runwire.errors import DatabaseOutOfDate, StorageUnavailable
from runwire.persistence import database, migrations
from runwire.persistence.purge import TABLES_OF_A_RUN
from runwire.persistence.tables import METADATA


def _engine(folder: Path) -> sa.Engine:
    return database.open_engine(database.database_file(folder))


def test_head_revision_of_the_code_is_the_scripts_head() -> None:
    assert migrations.newest_revision() == database.HEAD_REVISION


def test_there_is_one_line_of_revisions() -> None:
    scripts = ScriptDirectory(str(migrations.scripts_folder()))
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_upgrading_nothing_makes_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = _engine(tmp_path)
    migrations.upgrade(engine)
    assert migrations.drift(engine) == []
    tables = {name for name in sa.inspect(engine).get_table_names() if "_fts" not in name}
    assert tables == set(METADATA.tables) | {"alembic_version"}
    database.check_schema(engine)


def test_upgrading_again_changes_nothing(tmp_path: Path) -> None:
    engine = _engine(tmp_path)
    migrations.upgrade(engine)
    before = database.database_file(tmp_path).read_bytes()
    migrations.upgrade(engine)
    assert database.database_file(tmp_path).read_bytes() == before


def test_the_first_schema_has_what_later_issues_need() -> None:
    """Decisions that shape the first migration (architecture): owner, attempt, fence, epoch, rank; gapless seq."""
    runs = METADATA.tables["runs"].columns
    assert {"owner_id", "attempt", "fence", "epoch", "rank", "cancel_requested_ms"} <= set(runs.keys())
    entries = METADATA.tables["entries"]
    assert [column.name for column in entries.primary_key.columns] == ["run_id", "seq"]


def test_every_table_that_names_a_run_is_purged_with_it() -> None:
    named = {name for name, table in METADATA.tables.items() if "run_id" in table.columns}
    assert set(TABLES_OF_A_RUN) == named


def test_conversations_of_the_first_schema_get_their_activity_and_are_to_be_indexed(tmp_path: Path) -> None:
    engine = _engine(tmp_path)
    migrations.upgrade(engine, "0004")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO threads (id, owner_id, created_ms) VALUES ('t', 'ann', 5)")
        connection.exec_driver_sql(
            "INSERT INTO runs (id, owner_id, thread_id, agent, status, attempt, fence, epoch, priority, rank,"
            " timeout_s, on_disconnect, input, body_hash, created_ms, ended_ms, first_seq, terminal)"
            " VALUES ('r', 'ann', 't', 'echo', 'SUCCEEDED', 1, 1, 'e', 'normal', 1, 1, 'continue', x'00', 'h', 6, 9, 1,"
            " x'00')"
        )
    migrations.upgrade(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT active_ms, first_words FROM threads").all() == [(9, "")]
        assert connection.exec_driver_sql("SELECT run_id FROM unindexed").scalars().all() == ["r"]


def test_one_seq_cannot_be_stored_twice(tmp_path: Path) -> None:
    engine = _engine(tmp_path)
    migrations.upgrade(engine)
    insert = "INSERT INTO entries (run_id, seq, kind, frame) VALUES ('r', 1, 'event', x'00')"
    with engine.begin() as connection:
        connection.exec_driver_sql(insert)
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql(insert)


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_another_revision_is_refused_with_the_command(tmp_path: Path, revision: str) -> None:
    engine = _engine(tmp_path)
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (revision,))
    with pytest.raises(DatabaseOutOfDate, match=f"revision {revision}.*runwire db upgrade"):
        database.check_schema(engine)


def test_no_schema_and_no_database_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseOutOfDate, match="runwire db upgrade"):
        database.check_schema(_engine(tmp_path))
    database.database_file(tmp_path).write_bytes(b"not a database, but as long as a header of one would have to be" * 9)
    with pytest.raises(StorageUnavailable, match="not a database"):
        database.check_schema(_engine(tmp_path))


def test_a_failing_migration_leaves_nothing_half_done(tmp_path: Path) -> None:
    """All of it or none: a table that is in the way stops the upgrade, and nothing of it stays."""
    engine = _engine(tmp_path)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE web_sessions (other TEXT)")
    with pytest.raises(sa.exc.OperationalError):
        migrations.upgrade(engine)
    assert set(sa.inspect(engine).get_table_names()) <= {"web_sessions", "alembic_version"}
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() is None


def test_the_incarnation_changes_only_when_commits_may_be_lost(tmp_path: Path) -> None:
    """Protocol, L6: killed and started again keeps it; killed together with the machine does not."""
    engine = _engine(tmp_path)
    migrations.upgrade(engine)
    first = database.open_incarnation(engine, boot_id="boot1")
    assert database.open_incarnation(engine, boot_id="boot1") == first, "kill -9 of the process"
    database.mark_clean(engine)
    assert database.open_incarnation(engine, boot_id="boot2") == first, "a clean end, then a reboot"
    second = database.open_incarnation(engine, boot_id="boot3")
    assert second != first, "the machine went down under a running server"
    assert database.open_incarnation(engine, boot_id="boot3") == second
