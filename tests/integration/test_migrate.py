"""Migrations on a real database."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tacita.store.errors import SchemaTooNew, StoreUnavailable
from tacita.store.migrate import current_version, migrate


def test_an_empty_database_has_no_version(empty_database: str) -> None:
    assert current_version(empty_database) is None


def test_migrating_makes_the_tables(empty_database: str) -> None:
    migrate(empty_database)

    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('devices') IS NOT NULL").fetchone() == (True,)


def test_migrating_twice_changes_nothing(database: str) -> None:
    before = current_version(database)

    migrate(database)

    assert before is not None
    assert current_version(database) == before


def test_processes_that_migrate_at_once_wait_for_each_other(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(migrate, [empty_database] * 4))

    assert current_version(empty_database) is not None


def test_a_database_newer_than_the_code_is_refused(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(SchemaTooNew, match="9999"):
        migrate(database)


def test_a_dead_database_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        migrate(f"postgresql://tacita@/tacita?host={tmp_path}")
