"""Crashes at any statement: a pool whose connections count what they send, and die, or are killed, before the k-th."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool

from tacita.store.connection import Pool


class Crash(BaseException):
    """The process ends here, as far as the code under test can tell."""


def raise_crash(_: psycopg.AsyncConnection[Any], __: str) -> None:
    raise Crash


def end_backend(connection: psycopg.AsyncConnection[Any], dsn: str) -> None:
    """End the connection's server process through another connection (pg_terminate_backend)."""
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])


def kill_backend(connection: psycopg.AsyncConnection[Any], _: str) -> None:
    """Kill -9 the connection's server process: PostgreSQL restarts all of itself from its log."""
    os.kill(connection.info.backend_pid, signal.SIGKILL)


def kill_self(_: psycopg.AsyncConnection[Any], __: str) -> None:
    """Kill -9 this process."""
    os.kill(os.getpid(), signal.SIGKILL)


Fault = Callable[[psycopg.AsyncConnection[Any], str], None]


@dataclass
class Faults:
    """What was sent, in order, and the one fault that happens before statement `at` (from 1; 0: never)."""

    dsn: str
    fault: Fault = raise_crash
    at: int = 0
    sent: list[str] = field(default_factory=list)

    def before(self, connection: psycopg.AsyncConnection[Any], statement: str) -> None:
        self.sent.append(" ".join(statement.split()))
        if len(self.sent) == self.at:
            self.fault(connection, self.dsn)

    def pool(self, dsn: str, size: int) -> AbstractAsyncContextManager[Pool]:
        """Stand in for `open_pool`."""
        faults = self

        class Cursor(psycopg.AsyncCursor[Any]):
            async def execute(self, query: Any, *arguments: Any, **options: Any) -> "Cursor":
                faults.before(self.connection, str(query))
                return await super().execute(query, *arguments, **options)

            @asynccontextmanager
            async def copy(self, statement: Any, *arguments: Any, **options: Any) -> AsyncIterator[psycopg.AsyncCopy]:
                faults.before(self.connection, str(statement))
                async with super().copy(statement, *arguments, **options) as copy:
                    yield copy
                    faults.before(self.connection, "end of " + str(statement))

        class Connection(psycopg.AsyncConnection[Any]):
            async def commit(self) -> None:
                if self.info.transaction_status != TransactionStatus.INTRANS:
                    await super().commit()
                    return
                faults.before(self, "COMMIT")
                await super().commit()
                faults.before(self, "after COMMIT")

        return AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=size,
            timeout=10.0,
            connection_class=Connection,
            kwargs={"cursor_factory": Cursor, "row_factory": namedtuple_row},
            open=False,
        )
