"""Re-sealing what lies under the key-encryption key, row by row, while the deployment serves (decision 25).

Who seals under that key within a transaction holds `hold_kek` first. The change to the new key waits for those that
still seal under the old one; everyone after it sees the new. So one pass over the rows meets every value under the old.
"""

from collections.abc import Callable
from functools import partial

from tacita.crypto.keyring import Keyring
from tacita.store.connection import Connection, Pool, run_transaction
from tacita.store.sealing import resealed_device_keys, resealed_round_key

BATCH = 500
"""Devices in one transaction, which holds no lock that a submission waits for."""


async def hold_kek(connection: Connection) -> None:
    """Keep the key-encryption key from changing until this transaction ends. Who seals shares this lock."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared(hashtext('tacita.kek'))")


async def change_kek(pool: Pool, change: Callable[[], None]) -> None:
    """Do `change` while nobody seals under the old key in a transaction that hasn't ended."""

    async def alone(connection: Connection) -> None:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('tacita.kek'))")
        change()

    await run_transaction(pool, alone)


async def reseal_devices(pool: Pool, keyring: Keyring, done: Callable[[int], None]) -> int:
    """Seal every device's keys under the present key; return how many weren't. It may be cut off and begun again.

    Args:
        pool: connections to the store.
        keyring: opens the old, seals the new.
        done: told after each batch how many rows it had.
    """
    after, count = b"", 0
    while True:
        last, rows, changed = await run_transaction(pool, partial(_batch, keyring=keyring, after=after))
        if not rows:
            return count
        after, count = last, count + changed
        done(rows)


async def _batch(connection: Connection, keyring: Keyring, after: bytes) -> tuple[bytes, int, int]:
    """Re-seal the devices behind `after`; a row that changes meanwhile was sealed under the new key, and stays."""
    cursor = await connection.execute(
        "SELECT device, sealed_keys FROM devices WHERE device > %s ORDER BY device LIMIT %s", [after, BATCH]
    )
    rows = [(bytes(device), bytes(sealed)) for device, sealed in await cursor.fetchall()]
    anew = [(device, old, resealed_device_keys(keyring, device, old)) for device, old in rows]
    changed = [(device, old, new) for device, old, new in anew if new is not None]
    if changed:
        devices, old, new = (list(column) for column in zip(*changed, strict=True))
        await connection.execute(
            "UPDATE devices SET sealed_keys = anew.sealed FROM unnest(%b::bytea[], %b::bytea[], %b::bytea[])"
            " AS anew (device, was, sealed) WHERE devices.device = anew.device AND devices.sealed_keys = anew.was",
            [devices, old, new],
        )
    return (rows[-1][0] if rows else after), len(rows), len(changed)


async def reseal_rounds(pool: Pool, keyring: Keyring) -> int:
    """Seal the keys of rounds that still have one under the present key; return how many weren't."""

    async def do(connection: Connection) -> int:
        cursor = await connection.execute("SELECT round, sealed_key FROM rounds WHERE sealed_key IS NOT NULL")
        count = 0
        for number, old in await cursor.fetchall():
            new = resealed_round_key(keyring, number, bytes(old))
            if new is not None:
                await connection.execute(
                    "UPDATE rounds SET sealed_key = %s WHERE round = %s AND sealed_key = %s", [new, number, old]
                )
                count += 1
        return count

    return await run_transaction(pool, do)
