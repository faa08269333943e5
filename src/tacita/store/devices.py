"""Table `devices`: enrolled devices and their sealed keys; and the tags of the nodes they were counted for."""

from collections.abc import Iterable
from datetime import datetime

from tacita.store.connection import Connection

TAG_BYTES = 8
"""A counted node's tag is this many bytes of an HMAC: 100 nodes of one device collide with chance 3e-16."""


async def sealed_keys(connection: Connection, device: bytes) -> bytes | None:
    """Return the sealed key of `device` (the 32 bytes of its hash), or None when it isn't enrolled."""
    cursor = await connection.execute("SELECT sealed_keys FROM devices WHERE device = %s", [device])
    row = await cursor.fetchone()
    return None if row is None else bytes(row[0])


async def lock_keys(connection: Connection, device: bytes) -> bytes | None:
    """Return the sealed key like `sealed_keys`, and lock the device's row until the transaction ends.

    Two graphs of one device, or a graph and a re-key, are thus handled one after the other.
    """
    cursor = await connection.execute("SELECT sealed_keys FROM devices WHERE device = %s FOR UPDATE", [device])
    row = await cursor.fetchone()
    return None if row is None else bytes(row[0])


async def enrol(connection: Connection, device: bytes, key: bytes, now: datetime) -> bool:
    """Insert a device with its sealed key; return False, changing nothing, when it is enrolled already."""
    cursor = await connection.execute(
        "INSERT INTO devices (device, sealed_keys, enrolled_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [device, key, now],
    )
    return cursor.rowcount == 1


async def replace_keys(connection: Connection, device: bytes, key: bytes, now: datetime) -> None:
    """Give an enrolled device another sealed key (contract §5.3). Its counted nodes' tags stay."""
    await connection.execute(
        "UPDATE devices SET sealed_keys = %s, rekeyed_at = %s WHERE device = %s", [key, now, device]
    )


async def counted_tags(connection: Connection, device: bytes, since: datetime) -> set[bytes]:
    """Return the tags of the nodes that `device` was counted for after `since`, in any round."""
    cursor = await connection.execute(
        "SELECT tags FROM counted_nodes WHERE device = %s AND counted_at > %s", [device, since]
    )
    joined = b"".join([bytes(row[0]) for row in await cursor.fetchall()])
    return {joined[i : i + TAG_BYTES] for i in range(0, len(joined), TAG_BYTES)}


async def add_counted_tags(connection: Connection, device: bytes, tags: Iterable[bytes], now: datetime) -> None:
    """Remember that the nodes of these tags were counted."""
    await connection.execute(
        "INSERT INTO counted_nodes (device, counted_at, tags) VALUES (%s, %s, %s)", [device, now, b"".join(tags)]
    )


async def forget_counted_tags(connection: Connection, before: datetime) -> int:
    """Delete tags counted before a moment; return how many rows went."""
    cursor = await connection.execute("DELETE FROM counted_nodes WHERE counted_at <= %s", [before])
    return cursor.rowcount
