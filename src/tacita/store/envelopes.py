"""Table `accepted_envelopes`: what was answered 200, and for which nodes it was counted."""

from datetime import datetime

from tacita.store.connection import Connection


async def accepted_for(connection: Connection, device: bytes, digest: bytes) -> int | None:
    """Return the round that an earlier 200 counted this envelope into, or None when there was none."""
    cursor = await connection.execute(
        "SELECT round FROM accepted_envelopes WHERE device = %s AND digest = %s", [device, digest]
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def forget(connection: Connection, before: datetime) -> int:
    """Delete what was accepted before a moment: too stale to be sent again, its nodes too old to count again."""
    cursor = await connection.execute("DELETE FROM accepted_envelopes WHERE accepted_at <= %s", [before])
    return cursor.rowcount
