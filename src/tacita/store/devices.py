"""Table `devices`: enrolled devices and their sealed keys."""

from collections.abc import Sequence
from datetime import datetime

from tacita.store.connection import Connection

LOCK_CLASS = 1
"""The first number of a device's advisory lock."""


def lock_key(device: bytes) -> int:
    """Return the second number of a device's advisory lock: 4 bytes of its hash. Who shares one only waits."""
    return int.from_bytes(device[:4], "big", signed=True)


async def lock(connection: Connection, device: bytes) -> None:
    """Lock `device` (the 32 bytes of its hash) until the transaction ends, in whichever worker; it needs no row.

    Who also holds the round open (`rounds.hold_open`) does that first, as submissions do.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(%s::int4, %s::int4)", [LOCK_CLASS, lock_key(device)])


async def sealed_keys(connection: Connection, devices: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return the sealed keys of those of `devices` that are enrolled."""
    cursor = await connection.execute(
        "SELECT device, sealed_keys FROM devices WHERE device = ANY(%b)", [list(devices)], prepare=True
    )
    return {bytes(device): bytes(sealed) for device, sealed in await cursor.fetchall()}


async def enrol(connection: Connection, device: bytes, key: bytes, now: datetime) -> bool:
    """Insert a device with its sealed key; return False, changing nothing, when it is enrolled already."""
    cursor = await connection.execute(
        "INSERT INTO devices (device, sealed_keys, enrolled_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [device, key, now],
    )
    return cursor.rowcount == 1


async def replace_keys(connection: Connection, device: bytes, key: bytes, now: datetime) -> None:
    """Give an enrolled device another sealed key (contract §5.3). Its accepted envelopes stay."""
    await connection.execute(
        "UPDATE devices SET sealed_keys = %s, rekeyed_at = %s WHERE device = %s", [key, now, device]
    )
