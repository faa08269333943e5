"""The server's start while the embedded database dies: found by a siege."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from tacita.cli import serve
from tacita.config import Database
from tacita.store.errors import StoreUnavailable
from tacita.store.migrate import migrate
from tacita.store.postgres import EmbeddedPostgres
from tacita.store.postmaster import find_postmaster


def _killing_first(server: EmbeddedPostgres, kills: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def migrate_after_a_kill(dsn: str) -> None:
        if kills:
            running = find_postmaster(server.data)
            assert running is not None
            os.kill(running.pid, kills.pop())
            while find_postmaster(server.data) is not None:
                pass
        migrate(dsn)

    monkeypatch.setattr(serve, "migrate", migrate_after_a_kill)


def test_an_embedded_database_that_dies_at_the_start_is_started_again(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedPostgres(server_folder, durable=False) as server:
        _killing_first(server, [signal.SIGKILL] * 2, monkeypatch)

        serve.migrate_patiently(Database(server.dsn, server))

        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("SELECT count(*) FROM devices").fetchone() == (0,)


def test_an_own_database_that_does_not_answer_is_told_at_once(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedPostgres(server_folder, durable=False) as server:
        _killing_first(server, [signal.SIGKILL], monkeypatch)

        with pytest.raises(StoreUnavailable):
            serve.migrate_patiently(Database(server.dsn, None))
