"""A real PostgreSQL for every test that asks for one: a server a worker, a database a test."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from tacita.store.migrate import migrate
from tacita.store.postgres import EmbeddedPostgres

os.environ.setdefault("COLUMNS", "160")  # before a console is made: a table under test is not folded by a pipe's width

_TEMPLATE = "template_migrated"
_numbers = count()


def _command(dsn: str, command: str, *names: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SQL(command).format(*map(Identifier, names)))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: EmbeddedPostgres) -> str:
    _command(postgres.dsn, "CREATE DATABASE {}", _TEMPLATE)
    migrate(make_conninfo(postgres.dsn, dbname=_TEMPLATE))
    return _TEMPLATE


def fresh_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _command(server.dsn, "CREATE DATABASE {} TEMPLATE {}", name, template)
    yield make_conninfo(server.dsn, dbname=name)
    _command(server.dsn, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def database(postgres: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """Yield the DSN of a fresh database that is migrated."""
    yield from fresh_database(postgres, migrated_template)


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Yield the DSN of a fresh database without tables."""
    yield from fresh_database(postgres, "template0")


@pytest.fixture
def server_folder(tmp_path: Path) -> Path:
    """Return where a test may start a server of its own; too long for a socket, as deployments may be."""
    return tmp_path / ("deep" * 30)
