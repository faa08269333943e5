"""Table `releases`: every differentially private release that was made, as canonical JSON."""

from datetime import datetime

import msgspec
from psycopg.types.json import Jsonb

from tacita.privacy.release import Release
from tacita.store.connection import Connection


async def add(connection: Connection, release: Release, now: datetime) -> None:
    """Insert a release under its round and digest."""
    await connection.execute(
        "INSERT INTO releases (round, digest, released_at, body) VALUES (%s, %s, %s, %s)",
        [release.statement.round, release.digest(), now, Jsonb(msgspec.to_builtins(release))],
    )


async def up_to(connection: Connection, round_number: int) -> list[Release]:
    """Return the releases of all rounds up to `round_number`, oldest first."""
    cursor = await connection.execute("SELECT body FROM releases WHERE round <= %s ORDER BY round", [round_number])
    return [msgspec.convert(row[0], Release) for row in await cursor.fetchall()]


async def everything(connection: Connection) -> list[Release]:
    """Return all releases, oldest first."""
    cursor = await connection.execute("SELECT body FROM releases ORDER BY round")
    return [msgspec.convert(row[0], Release) for row in await cursor.fetchall()]
