"""Table `accepted_envelopes`: what was answered 200, so that a retry gets the same answer and counts once."""

from datetime import datetime

from tacita.store.connection import Connection


async def accepted_for(connection: Connection, digest: bytes) -> str | None:
    """Return the model version that an earlier 200 named for this envelope, or None when there was none."""
    cursor = await connection.execute("SELECT model_version FROM accepted_envelopes WHERE digest = %s", [digest])
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def remember(connection: Connection, digest: bytes, model_version: str, now: datetime) -> None:
    """Note that the envelope of `digest` (32 bytes) is accepted."""
    await connection.execute(
        "INSERT INTO accepted_envelopes (digest, model_version, accepted_at) VALUES (%s, %s, %s)",
        [digest, model_version, now],
    )


async def forget(connection: Connection, before: datetime) -> int:
    """Delete envelopes accepted before a moment, too stale to be sent again; return how many went."""
    cursor = await connection.execute("DELETE FROM accepted_envelopes WHERE accepted_at <= %s", [before])
    return cursor.rowcount
