"""Table `releases`: every differentially private release that was made; its vector is sealed until it is revealed.

A draw is committed with its charge and the scrub, and revealed in a transaction that can be repeated: what a rolled
back attempt drew was only ever written sealed (decision 21).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from tacita.privacy.release import Release, Statement
from tacita.store.connection import Connection


@dataclass(frozen=True)
class Published:
    """A release as anybody may see it: what it guarantees, its digest (hex) and when it was made."""

    statement: Statement
    digest: str
    released_at: datetime


async def add_draw(
    connection: Connection, statement: Statement, digest: str, sealed_vector: bytes, now: datetime
) -> None:
    """Insert the one draw of a round; a second one fails."""
    await connection.execute(
        "INSERT INTO releases (round, digest, released_at, statement, sealed_vector) VALUES (%s, %s, %s, %s, %s)",
        [statement.round, digest, now, Jsonb(msgspec.to_builtins(statement)), sealed_vector],
    )


async def sealed_vector(connection: Connection, round_number: int) -> bytes | None:
    """Return the sealed vector of a release that isn't revealed yet, or None when there is no such release."""
    cursor = await connection.execute("SELECT sealed_vector FROM releases WHERE round = %s", [round_number])
    row = await cursor.fetchone()
    return None if row is None or row[0] is None else bytes(row[0])


async def reveal(connection: Connection, round_number: int, vector: list[int]) -> None:
    """Put a committed draw in the clear. Repeating it changes nothing."""
    await connection.execute(
        "UPDATE releases SET vector = %s::bigint[], sealed_vector = NULL WHERE round = %s AND vector IS NULL",
        [vector, round_number],
    )


async def up_to(connection: Connection, round_number: int | None) -> list[Release]:
    """Return the revealed releases of all rounds up to `round_number` (None: of all), oldest first."""
    cursor = await connection.execute(
        "SELECT statement, vector FROM releases WHERE vector IS NOT NULL AND round <= coalesce(%s, round)"
        " ORDER BY round",
        [round_number],
    )
    return [Release(msgspec.convert(statement, Statement), vector) for statement, vector in await cursor.fetchall()]


async def everything(connection: Connection) -> list[Release]:
    """Return all revealed releases, oldest first."""
    return await up_to(connection, None)


async def published(connection: Connection, rounds: Sequence[int] | None = None) -> list[Published]:
    """Return the statements of the releases of these rounds (None: of all), oldest first."""
    cursor = await connection.execute(
        "SELECT statement, digest, released_at FROM releases WHERE %s::int[] IS NULL OR round = ANY(%s) ORDER BY round",
        [rounds, rounds],
    )
    return [Published(msgspec.convert(said, Statement), digest, at) for said, digest, at in await cursor.fetchall()]
