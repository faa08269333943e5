"""Tables `contributions` and `round_devices`: one sealed row a device and round until the release, and their number.

The number of distinct devices is never counted row by row: each worker adds to a shard of its own, so that no two
workers wait for one counter, and its sum costs the same at any size.
"""

from collections.abc import Sequence

from tacita.store.connection import Connection

SHARDS = 1_024
"""A worker's shard is its process id modulo this; two that share one only wait for each other's commit."""


async def add_devices(connection: Connection, round_number: int, shard: int, devices: int) -> None:
    """Add to a round's number of distinct devices (negative: devices whose contribution was erased)."""
    await connection.execute(
        "INSERT INTO round_devices AS counter (round, shard, devices) VALUES (%s, %s, %s)"
        " ON CONFLICT (round, shard) DO UPDATE SET devices = counter.devices + excluded.devices",
        [round_number, shard, devices],
    )


async def count(connection: Connection, round_number: int) -> int:
    """Return how many distinct devices have contributed to a round that still holds contributions."""
    cursor = await connection.execute(
        "SELECT coalesce(sum(devices), 0)::bigint FROM round_devices WHERE round = %s", [round_number]
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def all_of(connection: Connection, round_number: int) -> list[tuple[bytes, bytes]]:
    """Return (tag, sealed) of every contribution to a round, in the order of the tags."""
    cursor = await connection.execute(
        "SELECT tag, sealed FROM contributions WHERE round = %s ORDER BY tag", [round_number]
    )
    return [(bytes(tag), bytes(sealed)) for tag, sealed in await cursor.fetchall()]


async def find(connection: Connection, round_number: int, tags: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the sealed contributions to a round that have one of these per-round tags, by their tags."""
    cursor = await connection.execute(
        "SELECT tag, sealed FROM contributions WHERE round = %s AND tag = ANY(%s::bytea[])", [round_number, list(tags)]
    )
    return {bytes(tag): bytes(sealed) for tag, sealed in await cursor.fetchall()}


async def put(connection: Connection, round_number: int, rows: Sequence[tuple[bytes, bytes]]) -> None:
    """Insert or replace contributions, each (tag, sealed)."""
    await connection.execute(
        "INSERT INTO contributions (round, tag, sealed)"
        " SELECT %s, tag, sealed FROM unnest(%s::bytea[], %s::bytea[]) AS row (tag, sealed)"
        " ON CONFLICT (round, tag) DO UPDATE SET sealed = excluded.sealed",
        [round_number, [tag for tag, _ in rows], [sealed for _, sealed in rows]],
    )


async def scrub(connection: Connection, round_number: int) -> int:
    """Delete every contribution to a round; return how many went."""
    await connection.execute("DELETE FROM round_devices WHERE round = %s", [round_number])
    cursor = await connection.execute("DELETE FROM contributions WHERE round = %s", [round_number])
    return cursor.rowcount
