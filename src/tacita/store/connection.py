"""Connections to PostgreSQL, and transactions that are retried when they lose a race."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from tacita.store.errors import StoreUnavailable

Connection: TypeAlias = psycopg.AsyncConnection[Any]
"""A connection outside of autocommit; its rows are named tuples."""

Pool: TypeAlias = AsyncConnectionPool[Connection]

_Result = TypeVar("_Result")
_CONNECT_TIMEOUT_S = 5
_WAIT_TIMEOUT_S = 3.0
_RECONNECT_TIMEOUT_S = 5.0
_MORE_ATTEMPTS = 5


class _LostBeforeCommit(StoreUnavailable):
    """The connection broke while nothing of the transaction can have been committed."""


_RETRIED = (SerializationFailure, DeadlockDetected, _LostBeforeCommit)
_again = AsyncRetrying(
    retry=retry_if_exception_type(_RETRIED),
    stop=stop_after_attempt(_MORE_ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.01, max=0.3),
    reraise=True,
)


async def connect(dsn: str) -> Connection:
    """Open one connection.

    Raises:
        StoreUnavailable: no database answers within 5 seconds.
    """
    with_options = {"connect_timeout": _CONNECT_TIMEOUT_S, "row_factory": namedtuple_row}
    try:
        return await psycopg.AsyncConnection.connect(dsn, **with_options)  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        raise _unavailable(error) from error


@asynccontextmanager
async def open_pool(dsn: str, size: int, *, patient: bool = False) -> AsyncIterator[Pool]:
    """Yield a pool of at most `size` connections, closed at the end.

    Args:
        dsn: the database.
        size: of the pool.
        patient: open it even while no database answers; its users are told then.

    Raises:
        StoreUnavailable: no database answers, unless patient.
    """
    if not patient:
        async with await connect(dsn):
            pass  # a dead database is told at once, with its reason
    pool: Pool = AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        timeout=_WAIT_TIMEOUT_S,
        reconnect_timeout=_RECONNECT_TIMEOUT_S,
        kwargs={"connect_timeout": _CONNECT_TIMEOUT_S, "row_factory": namedtuple_row},
        open=False,
    )
    async with pool:
        yield pool


@asynccontextmanager
async def session(pool: Pool) -> AsyncIterator[Connection]:
    """Lend a connection of the pool; commit at the end, roll back on an exception.

    Raises:
        StoreUnavailable: none came free within 3 seconds, or the database went away.
    """
    try:
        async with pool.connection() as connection:
            yield connection
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise _unavailable(error) from error


async def run_transaction(pool: Pool, function: Callable[[Connection], Awaitable[_Result]]) -> _Result:
    """Run `function` in a transaction of its own and commit.

    It is run again, from its beginning, when it deadlocks or fails to serialise, and when the connection turns out
    to have been lost before the commit was asked for (the server was restarted). A connection lost in the commit itself
    is not retried: it may have been committed.

    Raises:
        StoreUnavailable: no database answers, or all attempts lost their race.
    """
    try:
        with suppress(*_RETRIED):
            return await _attempt(pool, function)  # nearly always enough; the machinery of retries costs 65 µs
        return await _again(_attempt, pool, function)
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise _unavailable(error) from error


async def _attempt(pool: Pool, function: Callable[[Connection], Awaitable[_Result]]) -> _Result:
    try:
        async with pool.connection() as connection:
            try:
                result = await function(connection)
            except psycopg.OperationalError as error:
                if connection.closed:
                    raise _LostBeforeCommit(_reason(error)) from error
                raise
            await connection.commit()
    except _LostBeforeCommit:
        await pool.check()  # its other connections were most likely lost with this one
        raise
    return result


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"the database does not answer: {_reason(error)}")


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
