"""Bringing a database's tables up to date. Alembic keeps the books; a migration itself is a plain SQL file."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import psycopg
from alembic import command, op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import OperationalError

from tacita.store.errors import SchemaTooNew, StoreUnavailable

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('tacita.migrate'))"
_CONNECT_TIMEOUT_S = 5


def migrate(dsn: str) -> None:
    """Run the pending migrations, all in one transaction. Processes that do so at once wait for each other.

    Raises:
        SchemaTooNew: the database is newer than this code.
        StoreUnavailable: no database answers.
    """
    with _transaction(dsn) as connection, as_file(files("tacita.store") / "migrations") as folder:
        connection.exec_driver_sql(_LOCK)
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = connection
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        version = _version(connection)
        if version is not None and version not in known:
            raise SchemaTooNew(f"the database is at version {version}, newer than this tacita knows: upgrade tacita")
        command.upgrade(config, "head")


def current_version(dsn: str) -> str | None:
    """Return the last migration that ran, or None for an empty database.

    Raises:
        StoreUnavailable: no database answers.
    """
    with _transaction(dsn) as connection:
        return _version(connection)


def run_sql_beside(migration: str) -> None:
    """Run the SQL file beside a migration's Python file; only a migration calls this."""
    driver = op.get_bind().connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("migrations run on psycopg")
    driver.execute(Path(migration).with_suffix(".sql").read_bytes())


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _transaction(dsn: str) -> Iterator[Connection]:
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn, connect_timeout=_CONNECT_TIMEOUT_S),
        poolclass=NullPool,
    )
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise StoreUnavailable(f"the database does not answer: {str(error.orig).splitlines()[0]}") from error
