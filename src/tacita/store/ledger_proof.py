"""The proof of the ledger: its chain, each device's windows, and its sums against what the releases state (privacy §4).

The chain is read as a stream and the windows are summed by the database, so that no ledger is too long for memory.
Whoever can write the database can also compute a whole new chain: compare `head` with one that was noted before.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum

from tacita.privacy import policy
from tacita.store.connection import Connection
from tacita.store.ledger import GENESIS, Entry

MAX_FINDINGS = 100
"""More findings than this are counted only."""

_AT_ONCE = 5_000
Tick = Callable[[int], None]
"""Told how many more entries were read."""


class Flaw(StrEnum):
    """What can be wrong with an entry, or with the entries of a round."""

    CHANGED = "changed"
    MISSING = "missing"
    OVER_CAP = "over_cap"
    UNLIKE_RELEASE = "unlike_release"


@dataclass(frozen=True)
class Finding:
    """One flaw: the entry where it shows, the round that it is of where that is known, and what is the case."""

    flaw: Flaw
    entry: int | None
    round: int | None
    detail: str


@dataclass(frozen=True)
class Proof:
    """What a whole reading of the ledger came to.

    Attributes:
        entries: how many there are.
        head: the last entry's chain value, 32 bytes; two readings with one head have one history.
        findings: the first `MAX_FINDINGS` flaws; none means that all holds.
        flaws: how many there are in all.
    """

    entries: int
    head: bytes
    findings: tuple[Finding, ...]
    flaws: int


async def prove(connection: Connection, tick: Tick = lambda _: None) -> Proof:
    """Read the whole ledger as it is at one moment, and find every flaw. Must be the first thing in its transaction."""
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    return await _read(connection, tick)


async def _read(connection: Connection, tick: Tick) -> Proof:
    findings: list[Finding] = []
    flaws = entries = 0
    head = GENESIS
    async for entry, finding in _chain(connection):
        head, entries = entry.chain, entries + 1
        if entries % _AT_ONCE == 0:
            tick(_AT_ONCE)
        flaws += finding is not None
        if finding is not None and len(findings) < MAX_FINDINGS:
            findings.append(finding)
    tick(entries % _AT_ONCE)
    for check in (_over_cap, _unlike_releases):
        async for finding in check(connection):
            flaws += 1
            if len(findings) < MAX_FINDINGS:
                findings.append(finding)
    return Proof(entries, head, tuple(findings), flaws)


async def _chain(connection: Connection) -> AsyncIterator[tuple[Entry, Finding | None]]:
    """Yield every entry in its order, with what its number or chain value is wrong by."""
    previous, number = GENESIS, 1
    async with connection.cursor(name="chain") as cursor:
        cursor.itersize = _AT_ONCE
        await cursor.execute("SELECT entry, tag, round, nano_rho, charged_at, chain FROM ledger ORDER BY entry")
        async for found, tag, round_number, nano_rho, charged_at, chain in cursor:
            entry = Entry(found, bytes(tag), round_number, int(nano_rho), charged_at, bytes(chain))
            finding = None
            if entry.entry != number:
                detail = f"entry {entry.entry} stands where entry {number} is due"
                finding = Finding(Flaw.MISSING, number, None, detail)
            elif entry.chain != entry.expected_chain(previous):
                detail = f"the chain value of entry {number} is not that of its content and the entry before"
                finding = Finding(Flaw.CHANGED, number, entry.round, detail)
            yield entry, finding
            previous, number = entry.chain, entry.entry + 1


async def _over_cap(connection: Connection) -> AsyncIterator[Finding]:
    """Yield each charge with which its device had spent more than the cap in the window that ends with it."""
    just_inside = policy.BUDGET_WINDOW.total_seconds() - 1e-6  # what was charged a whole window ago has left it
    async with connection.cursor(name="windows") as cursor:
        cursor.itersize = _AT_ONCE
        await cursor.execute(
            "SELECT entry, round, spent FROM ("
            "  SELECT entry, round, sum(nano_rho) OVER (PARTITION BY tag ORDER BY charged_at"
            "    RANGE make_interval(secs => %s) PRECEDING) AS spent FROM ledger"
            ") AS windows WHERE spent > %s ORDER BY entry",
            [just_inside, policy.BUDGET_CAP],
        )
        async for entry, round_number, spent in cursor:
            detail = f"with entry {entry} its device has spent {spent} of {policy.BUDGET_CAP} nano-rho in one window"
            yield Finding(Flaw.OVER_CAP, entry, round_number, detail)


async def _unlike_releases(connection: Connection) -> AsyncIterator[Finding]:
    """Yield each round whose charges are not its release's devices times its charge."""
    cursor = await connection.execute(
        "SELECT round, first, last, coalesce(charges, 0) AS charges, coalesce(spent, 0) AS spent,"
        " coalesce(devices, 0) AS devices, coalesce(due, 0) AS due"
        " FROM (SELECT round, min(entry) AS first, max(entry) AS last, count(*) AS charges, sum(nano_rho) AS spent,"
        "   min(nano_rho) AS least, max(nano_rho) AS most FROM ledger GROUP BY round) AS charged"
        " FULL JOIN (SELECT round, (statement->>'devices')::bigint AS devices,"
        "   (statement->>'nano_rho')::bigint AS due FROM releases) AS released USING (round)"
        " WHERE charges IS DISTINCT FROM devices OR least <> due OR most <> due ORDER BY round"
    )
    async for round_number, first, last, charges, spent, devices, due in cursor:
        where = "no entry" if first is None else f"entries {first} to {last}"
        detail = (
            f"round {round_number} charged {charges} devices {spent} nano-rho in all ({where});"
            f" its release states {devices} devices at {due} nano-rho each"
        )
        yield Finding(Flaw.UNLIKE_RELEASE, first, round_number, detail)
