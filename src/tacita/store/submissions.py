"""What a batch of submissions needs to know of its devices, and what it adds: one statement each, whatever its size.

All of it happens in one transaction, under a lock on each device, so that two graphs of one device, or a graph and a
re-key or a withdrawal, are handled one after the other, in whichever worker they come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import tuple_row

from tacita.privacy.evidence import CELLS
from tacita.store import devices, rounds
from tacita.store.cohorts import Evidence, State
from tacita.store.connection import Connection
from tacita.store.errors import RowRefused

_LOCK = (
    f"SELECT {rounds.HOLD_OPEN}, (SELECT count(pg_advisory_xact_lock(%b::int4, key))"  # noqa: S608 - constants
    " FROM unnest(%b::int4[]) AS key)"
)

_STANDINGS = """
SELECT (SELECT round FROM rounds WHERE state = 'collecting'),
    (SELECT array_agg(ARRAY[cohort::text, state]) FROM cohorts WHERE state IN ('frozen', 'refused')),
    d.sealed_keys, a.digests, a.rounds, a.tags, c.sealed, l.spent
FROM unnest(%b::bytea[], %b::bytea[], %b::bytea[]) WITH ORDINALITY AS asked (device, tag, name, place)
LEFT JOIN devices d ON d.device = asked.device
LEFT JOIN LATERAL (
    SELECT array_agg(digest) AS digests, array_agg(round) AS rounds, string_agg(tags, ''::bytea) AS tags
    FROM accepted_envelopes WHERE device = asked.device
) a ON true
LEFT JOIN contributions c ON c.round = %b::int4 AND c.tag = asked.tag
LEFT JOIN LATERAL (
    SELECT sum(nano_rho)::bigint AS spent FROM ledger WHERE tag = asked.name AND charged_at > %b::timestamptz
) l ON true
ORDER BY asked.place"""

_RECORD = """
WITH contributed AS (
    INSERT INTO contributions (round, tag, sealed)
    SELECT %b::int4, tag, sealed FROM unnest(%b::bytea[], %b::bytea[]) AS row (tag, sealed)
    ON CONFLICT (round, tag) DO UPDATE SET sealed = excluded.sealed
), counted AS (
    INSERT INTO round_devices AS counter (round, shard, devices)
    SELECT %b::int4, %b::int2, %b::int8 WHERE %b::int8 > 0
    ON CONFLICT (round, shard) DO UPDATE SET devices = counter.devices + excluded.devices
), testified AS (
    INSERT INTO cohort_counts AS kept (cohort, shard, graphs, counts)
    SELECT cohort, %b::int2, graphs, (%b::int8[])[(place - 1) * %b::int8 + 1 : place * %b::int8]
    FROM unnest(%b::int4[], %b::int8[]) WITH ORDINALITY AS row (cohort, graphs, place) JOIN cohorts USING (cohort)
    ON CONFLICT (cohort, shard) DO UPDATE SET graphs = kept.graphs + excluded.graphs, counts = (
        SELECT array_agg(before + more ORDER BY bin)
        FROM unnest(kept.counts, excluded.counts) WITH ORDINALITY AS each (before, more, bin))
)
INSERT INTO accepted_envelopes (device, accepted_at, round, digest, tags)
SELECT device, %b::timestamptz, %b::int4, digest, tags
FROM unnest(%b::bytea[], %b::bytea[], %b::bytea[]) AS row (device, digest, tags)"""


@dataclass(frozen=True)
class Asked:
    """A device as it is asked after: the 32 bytes of its hash, its tag in the collecting round, its ledger tag."""

    device: bytes
    tag: bytes
    ledger_tag: bytes


@dataclass(frozen=True)
class Found:
    """What the store holds of a device.

    Attributes:
        collecting: the number of the collecting round, None before the first.
        sealed_keys: its sealed keys, None when it isn't enrolled.
        accepted: the round of each accepted envelope, by digest.
        tags: all its counted nodes' tags, joined.
        contribution: its sealed contribution to the collecting round, None when there is none.
        spent: nano-rho charged within the budget's window.
        decided: the cohorts that are frozen or refused, by their numbers; the same for every device of a batch.
    """

    collecting: int | None
    sealed_keys: bytes | None
    accepted: dict[bytes, int]
    tags: bytes
    contribution: bytes | None
    spent: int
    decided: dict[int, State]


@dataclass(frozen=True)
class Accepted:
    """One envelope to be remembered as accepted, with the joined tags of the nodes that it was counted for."""

    device: bytes
    digest: bytes
    tags: bytes


async def lock_and_find(
    connection: Connection, asked: Sequence[Asked], round_number: int, since: datetime
) -> list[Found]:
    """Lock every device until the transaction ends, keep the round from closing, and return what there is of each.

    Args:
        connection: in a transaction.
        asked: distinct devices.
        round_number: the round that their tags are of.
        since: where the budget's window begins.
    """
    keys = sorted({devices.lock_key(each.device) for each in asked})
    columns = [[each.device for each in asked], [each.tag for each in asked], [each.ledger_tag for each in asked]]
    async with connection.pipeline(), connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        await connection.execute(_LOCK, [devices.LOCK_CLASS, keys], prepare=True)
        await cursor.execute(_STANDINGS, [*columns, round_number, since], prepare=True)
        rows = await cursor.fetchall()
    decided = {int(number): State(state) for number, state in rows[0][1] or ()}
    return [
        Found(
            collecting,
            keys,
            dict(zip(digests or (), rounds or (), strict=True)),
            tags or b"",
            sealed,
            spent or 0,
            decided,
        )
        for collecting, _, keys, digests, rounds, tags, sealed, spent in rows
    ]


async def record(
    connection: Connection,
    round_number: int,
    contributions: Sequence[tuple[bytes, bytes]],
    new_devices: tuple[int, int],
    evidence: Mapping[int, Evidence],
    accepted: Sequence[Accepted],
    now: datetime,
) -> None:
    """Write what a batch adds to the locked devices.

    Args:
        connection: in the transaction that locked them.
        round_number: the collecting round.
        contributions: (tag, sealed) of each contribution that is new or changed.
        new_devices: the worker's shard, and how many of the contributions are new.
        evidence: what the batch says of its cohorts, by their numbers.
        accepted: the envelopes that are answered 200 with this commit.
        now: when they are accepted.

    Raises:
        RowRefused: the database refused a row; the transaction can only be rolled back.
    """
    shard, added = new_devices
    rows = [[tag for tag, _ in contributions], [sealed for _, sealed in contributions]]
    envelopes = [[a.device for a in accepted], [a.digest for a in accepted], [a.tags for a in accepted]]
    cells = [count for each in evidence.values() for count in each.counts]
    graphs = [each.graphs for each in evidence.values()]
    testified = [shard, cells, CELLS, CELLS, list(evidence), graphs]
    parameters = [round_number, *rows, round_number, shard, added, added, *testified, now, round_number, *envelopes]
    try:
        await connection.execute(_RECORD, parameters, prepare=True)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise RowRefused(f"a row of the batch is refused: {type(error).__name__}") from None
