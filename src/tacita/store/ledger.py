"""Table `ledger`: what each device's budget was spent on; append-only, hash-chained (privacy §4)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tacita.store.connection import Connection

GENESIS = bytes(32)
"""The chain value before the first entry."""


@dataclass(frozen=True)
class Entry:
    """One charge: a device's keyed tag, the round it paid for, and how much, in units of 1e-9 rho."""

    entry: int
    tag: bytes
    round: int
    nano_rho: int
    charged_at: datetime
    chain: bytes

    def expected_chain(self, previous: bytes) -> bytes:
        """Return SHA-256 over the previous entry's chain value and this entry's content."""
        content = f"|{self.entry}|{self.tag.hex()}|{self.round}|{self.nano_rho}|{self.charged_at.timestamp():.6f}"
        return hashlib.sha256(previous + content.encode()).digest()


async def history(connection: Connection, tag: bytes, since: datetime) -> list[tuple[datetime, int]]:
    """Return (when, nano-rho) of a device's charges after `since`."""
    cursor = await connection.execute(
        "SELECT charged_at, nano_rho FROM ledger WHERE tag = %s AND charged_at > %s", [tag, since]
    )
    return [(when, int(amount)) for when, amount in await cursor.fetchall()]


async def rounds_of(connection: Connection, tag: bytes) -> list[int]:
    """Return the rounds that a device was charged for: those whose releases its data went into, and no others."""
    cursor = await connection.execute("SELECT round FROM ledger WHERE tag = %s ORDER BY round", [tag])
    return [int(row[0]) for row in await cursor.fetchall()]


async def histories(
    connection: Connection, tags: Sequence[bytes], since: datetime
) -> dict[bytes, list[tuple[datetime, int]]]:
    """Return, for many devices at once, what `history` returns for each that has any."""
    cursor = await connection.execute(
        "SELECT tag, charged_at, nano_rho FROM ledger WHERE tag = ANY(%s) AND charged_at > %s", [list(tags), since]
    )
    found: dict[bytes, list[tuple[datetime, int]]] = {}
    for tag, when, amount in await cursor.fetchall():
        found.setdefault(bytes(tag), []).append((when, int(amount)))
    return found


async def charge(
    connection: Connection, tags: Sequence[bytes], round_number: int, nano_rho: int, now: datetime
) -> None:
    """Append one charge a tag. The unique (tag, round) makes a second charge for one round fail."""
    await connection.execute("LOCK TABLE ledger IN SHARE ROW EXCLUSIVE MODE")
    cursor = await connection.execute("SELECT entry, chain FROM ledger ORDER BY entry DESC LIMIT 1")
    row = await cursor.fetchone()
    last, chain = (0, GENESIS) if row is None else (int(row[0]), bytes(row[1]))
    columns = "entry, tag, round, nano_rho, charged_at, chain"
    async with connection.cursor() as copying, copying.copy(f"COPY ledger ({columns}) FROM STDIN") as copy:
        for number, tag in enumerate(tags, start=last + 1):
            unchained = Entry(number, tag, round_number, nano_rho, now, b"")
            chain = unchained.expected_chain(chain)
            await copy.write_row((number, tag, round_number, nano_rho, now, chain))


async def distribution(connection: Connection, since: datetime) -> list[tuple[int, int]]:
    """Return (nano-rho, devices): how many devices spent how much after `since`, least first."""
    cursor = await connection.execute(
        "SELECT spent, count(*) FROM (SELECT sum(nano_rho) AS spent FROM ledger WHERE charged_at > %s GROUP BY tag)"
        " AS sums GROUP BY spent ORDER BY spent",
        [since],
    )
    return [(int(spent), int(devices)) for spent, devices in await cursor.fetchall()]


async def length(connection: Connection) -> int:
    """Return how many entries there are."""
    cursor = await connection.execute("SELECT count(*) FROM ledger")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0
