"""Table `refusals`: every refusal, counted by day, reason and app version (contract §2.7)."""

from datetime import date

from tacita.store.connection import Connection

MAX_VERSIONS_A_DAY = 200
"""Unauthenticated senders choose the app version; past this many in a day, the rest count as `other`."""

OTHER = "other"


async def add(connection: Connection, day: date, reason: str, app_version: str, amount: int) -> None:
    """Add `amount` refusals to a day's counter."""
    await connection.execute(
        "INSERT INTO refusals (day, reason, app_version, refused)"
        " SELECT %(day)s, %(reason)s, CASE WHEN count(DISTINCT app_version) < %(most)s"
        " OR bool_or(app_version = %(version)s) THEN %(version)s ELSE %(other)s END, %(amount)s"
        " FROM refusals WHERE day = %(day)s"
        " ON CONFLICT (day, reason, app_version) DO UPDATE SET refused = refusals.refused + excluded.refused",
        {
            "day": day,
            "reason": reason,
            "version": app_version,
            "other": OTHER,
            "most": MAX_VERSIONS_A_DAY,
            "amount": amount,
        },
    )


async def totals(connection: Connection) -> list[tuple[str, str, int]]:
    """Return (reason, app version, refused) over all days, most first."""
    cursor = await connection.execute(
        "SELECT reason, app_version, sum(refused)::bigint FROM refusals GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    )
    return [(reason, version, int(amount)) for reason, version, amount in await cursor.fetchall()]
