"""schema.sql, the readable whole, says what the migrations do."""

import subprocess
from importlib.resources import files

import psycopg

from tacita.store.postgres import binary


def _dump(dsn: str) -> list[str]:
    command = [str(binary("pg_dump")), "--schema-only", "--exclude-table=alembic_version", "--restrict-key=x", dsn]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_schema_sql_is_what_the_migrations_make(empty_database: str, database: str) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute((files("tacita.store") / "schema.sql").read_bytes())

    assert _dump(empty_database) == _dump(database)
