"""Connections, and transactions that lose races or their server."""

import asyncio
import time
from pathlib import Path

import psycopg
import pytest

from tacita.store.connection import Connection, Pool, connect, open_pool, run_transaction, session
from tacita.store.errors import StoreError, StoreUnavailable
from tacita.store.postgres import EmbeddedPostgres


async def _value(connection: Connection) -> int:
    cursor = await connection.execute("SELECT value FROM counter")
    row = await cursor.fetchone()
    assert row is not None
    return int(row.value)


async def _make_counter(pool: Pool) -> None:
    async def make(connection: Connection) -> None:
        await connection.execute("CREATE TABLE counter AS SELECT 0 AS value")

    await run_transaction(pool, make)


async def _read_and_add(connection: Connection) -> None:
    await connection.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    value = await _value(connection)
    await asyncio.sleep(0.05)
    await connection.execute("UPDATE counter SET value = %s", [value + 1])


def test_a_transaction_commits(database: str) -> None:
    async def scenario() -> int:
        async with open_pool(database, 2) as pool:
            await _make_counter(pool)
            return await run_transaction(pool, _value)

    assert asyncio.run(scenario()) == 0


def test_a_failed_transaction_leaves_nothing(database: str) -> None:
    async def fail(connection: Connection) -> None:
        await connection.execute("UPDATE counter SET value = 9")
        raise StoreError("no")

    async def scenario() -> int:
        async with open_pool(database, 2) as pool:
            await _make_counter(pool)
            with pytest.raises(StoreError, match="no"):
                await run_transaction(pool, fail)
            return await run_transaction(pool, _value)

    assert asyncio.run(scenario()) == 0


def test_transactions_that_fail_to_serialise_are_run_again(database: str) -> None:
    async def scenario() -> int:
        async with open_pool(database, 3) as pool:
            await _make_counter(pool)
            await asyncio.gather(*(run_transaction(pool, _read_and_add) for _ in range(3)))
            return await run_transaction(pool, _value)

    assert asyncio.run(scenario()) == 3


def test_a_race_that_is_always_lost_ends(database: str) -> None:
    attempts = 0

    async def lose(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    async def scenario() -> None:
        async with open_pool(database, 1) as pool:
            await run_transaction(pool, lose)

    with pytest.raises(StoreUnavailable):
        asyncio.run(scenario())
    assert attempts == 6


def test_connections_lost_while_idle_are_replaced_unnoticed(database: str) -> None:
    async def scenario() -> int:
        async with open_pool(database, 4) as pool:
            await _make_counter(pool)
            await asyncio.gather(*(run_transaction(pool, _read_and_add) for _ in range(4)))
            async with await connect(database) as other:
                await other.execute(
                    "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            return await run_transaction(pool, _value)

    assert asyncio.run(scenario()) == 4


def test_a_pool_works_again_once_its_server_does(server_folder: Path) -> None:
    async def scenario(server: EmbeddedPostgres) -> int:
        async with open_pool(server.dsn, 2) as pool:
            await _make_counter(pool)
            server.__exit__(None, None, None)
            with pytest.raises(StoreUnavailable):
                await run_transaction(pool, _value)
            server.__enter__()
            return await _eventually(pool)

    async def _eventually(pool: Pool) -> int:
        for _ in range(5):
            try:
                return await run_transaction(pool, _value)
            except StoreUnavailable:
                continue
        raise AssertionError("the pool did not recover")

    with EmbeddedPostgres(server_folder, durable=False) as server:
        assert asyncio.run(scenario(server)) == 0


def test_a_dead_database_is_told_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_pool(f"postgresql://tacita@/tacita?host={tmp_path}", 2):
            pass

    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        asyncio.run(scenario())
    assert time.monotonic() - started < 2


def test_waiting_for_a_connection_that_never_comes_free_ends(database: str) -> None:
    async def scenario() -> None:
        async with open_pool(database, 1) as pool, session(pool), session(pool):
            pass

    with pytest.raises(StoreUnavailable):
        asyncio.run(scenario())


def test_a_session_commits_at_its_end(database: str) -> None:
    async def scenario() -> int:
        async with open_pool(database, 1) as pool:
            async with session(pool) as connection:
                await connection.execute("CREATE TABLE counter AS SELECT 5 AS value")
            return await run_transaction(pool, _value)

    assert asyncio.run(scenario()) == 5


def test_a_query_that_is_wrong_is_not_taken_for_a_dead_database(database: str) -> None:
    async def wrong(connection: Connection) -> None:
        await connection.execute("SELECT nonsense")

    async def scenario() -> None:
        async with open_pool(database, 1) as pool:
            await run_transaction(pool, wrong)

    with pytest.raises(psycopg.errors.UndefinedColumn):
        asyncio.run(scenario())
