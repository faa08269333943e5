"""Table `withdrawals`, and what a withdrawal erases (contract §5.5, privacy §7).

No row names a device: the tag is keyed, and the receipt opens only with the signature of the request that it answers.
"""

from dataclasses import dataclass
from datetime import datetime

from tacita.store import contributions
from tacita.store.connection import Connection

_SHARD = 0


@dataclass(frozen=True)
class Remembered:
    """A device's latest withdrawal: when it says that it was signed, and its sealed receipt."""

    signed_at: datetime
    sealed_receipt: bytes


async def find(connection: Connection, tag: bytes) -> Remembered | None:
    """Return the latest withdrawal of the device of this keyed tag, or None."""
    cursor = await connection.execute("SELECT signed_at, sealed_receipt FROM withdrawals WHERE tag = %s", [tag])
    row = await cursor.fetchone()
    return None if row is None else Remembered(row[0], bytes(row[1]))


async def remember(connection: Connection, tag: bytes, signed_at: datetime, sealed_receipt: bytes) -> None:
    """Remember a withdrawal in the place of the device's earlier one."""
    await connection.execute(
        "INSERT INTO withdrawals (tag, signed_at, sealed_receipt) VALUES (%s, %s, %s) ON CONFLICT (tag) DO UPDATE"
        " SET signed_at = excluded.signed_at, sealed_receipt = excluded.sealed_receipt",
        [tag, signed_at, sealed_receipt],
    )


async def forget(connection: Connection, before: datetime) -> int:
    """Delete withdrawals signed before a moment, too stale to be sent again; return how many went."""
    cursor = await connection.execute("DELETE FROM withdrawals WHERE signed_at <= %s", [before])
    return cursor.rowcount


async def erase_device(connection: Connection, device: bytes) -> int:
    """Erase a locked device's keys, and the records of its accepted envelopes; return how many of these there were."""
    await connection.execute("DELETE FROM devices WHERE device = %s", [device])
    cursor = await connection.execute("DELETE FROM accepted_envelopes WHERE device = %s", [device])
    return cursor.rowcount


async def erase_contribution(connection: Connection, round_number: int, tag: bytes) -> bool:
    """Erase what a locked device gave to a round that is held unreleased, counted or held; tell whether it did."""
    here = [round_number, tag]
    counted = await connection.execute("DELETE FROM contributions WHERE round = %s AND tag = %s", here)
    held = await connection.execute("DELETE FROM held_contributions WHERE round = %s AND tag = %s", here)
    if counted.rowcount > 0:
        await contributions.add_devices(connection, round_number, _SHARD, -1)
    return counted.rowcount + held.rowcount > 0
