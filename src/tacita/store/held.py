"""Table `held_contributions`: what devices of a frozen cohort sent to the open round, until the operator decides."""

from collections.abc import Sequence

from psycopg.rows import tuple_row

from tacita.store.connection import Connection


async def find(connection: Connection, round_number: int, tags: Sequence[bytes]) -> dict[tuple[bytes, int], bytes]:
    """Return what is held of some devices, by their per-round tags: (tag, cohort) to sealed."""
    async with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        await cursor.execute(
            "SELECT tag, cohort, sealed FROM held_contributions WHERE round = %s AND tag = ANY(%s::bytea[])",
            [round_number, list(tags)],
        )
        return {(bytes(tag), cohort): bytes(sealed) for tag, cohort, sealed in await cursor.fetchall()}


async def put(connection: Connection, round_number: int, rows: Sequence[tuple[bytes, int, bytes]]) -> None:
    """Insert or replace held contributions, each (tag, cohort, sealed)."""
    await connection.execute(
        "INSERT INTO held_contributions (round, tag, cohort, sealed)"
        " SELECT %s, tag, cohort, sealed"
        " FROM unnest(%s::bytea[], %s::integer[], %s::bytea[]) AS row (tag, cohort, sealed)"
        " ON CONFLICT (round, tag, cohort) DO UPDATE SET sealed = excluded.sealed",
        [round_number, [tag for tag, _, _ in rows], [c for _, c, _ in rows], [sealed for _, _, sealed in rows]],
    )


async def take(connection: Connection, cohort: int) -> list[tuple[int, bytes, bytes]]:
    """Delete what is held of a cohort; return it: (round, tag, sealed)."""
    cursor = await connection.execute(
        "DELETE FROM held_contributions WHERE cohort = %s RETURNING round, tag, sealed", [cohort]
    )
    return [(number, bytes(tag), bytes(sealed)) for number, tag, sealed in await cursor.fetchall()]


async def counts(connection: Connection) -> dict[int, int]:
    """Return how many devices' contributions are held, by cohort."""
    cursor = await connection.execute("SELECT cohort, count(*) FROM held_contributions GROUP BY cohort")
    return {int(cohort): int(held) for cohort, held in await cursor.fetchall()}


async def scrub(connection: Connection, round_number: int) -> int:
    """Delete what is still held of a round; return how many devices' contributions went."""
    cursor = await connection.execute("DELETE FROM held_contributions WHERE round = %s", [round_number])
    return cursor.rowcount
