"""Table `contributions`: one sealed row a device and round, until the round is released (privacy §2)."""

from tacita.store.connection import Connection


async def find(connection: Connection, round_number: int, tag: bytes) -> bytes | None:
    """Return the sealed contribution under a per-round tag, or None."""
    cursor = await connection.execute(
        "SELECT sealed FROM contributions WHERE round = %s AND tag = %s", [round_number, tag]
    )
    row = await cursor.fetchone()
    return None if row is None else bytes(row[0])


async def put(connection: Connection, round_number: int, tag: bytes, sealed: bytes) -> None:
    """Insert or replace the contribution under a per-round tag."""
    await connection.execute(
        "INSERT INTO contributions (round, tag, sealed) VALUES (%s, %s, %s)"
        " ON CONFLICT (round, tag) DO UPDATE SET sealed = excluded.sealed",
        [round_number, tag, sealed],
    )


async def count(connection: Connection, round_number: int) -> int:
    """Return how many distinct devices have contributed to a round."""
    cursor = await connection.execute("SELECT count(*) FROM contributions WHERE round = %s", [round_number])
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def all_of(connection: Connection, round_number: int) -> list[tuple[bytes, bytes]]:
    """Return (tag, sealed) of every contribution to a round, in the order of the tags."""
    cursor = await connection.execute(
        "SELECT tag, sealed FROM contributions WHERE round = %s ORDER BY tag", [round_number]
    )
    return [(bytes(tag), bytes(sealed)) for tag, sealed in await cursor.fetchall()]


async def scrub(connection: Connection, round_number: int) -> int:
    """Delete every contribution to a round; return how many went."""
    cursor = await connection.execute("DELETE FROM contributions WHERE round = %s", [round_number])
    return cursor.rowcount
