"""Tables `rounds` and `round_events`: the state machine that everything of a round is guarded by (design §1)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tacita.protocol.ids import model_version
from tacita.store.connection import Connection, Pool, session
from tacita.store.errors import StoreError


class State(StrEnum):
    """Where a round is on its walk."""

    COLLECTING = "collecting"
    CLOSED = "closed"
    RELEASED = "released"
    TRAINED = "trained"
    EVALUATED = "evaluated"
    PUBLISHED = "published"
    ABANDONED = "abandoned"


FINISHED = frozenset({State.PUBLISHED, State.ABANDONED})


@dataclass(frozen=True)
class Round:
    """One round as the store has it. `sealed_key` is there only while contributions are."""

    number: int
    state: State
    model_version: str
    sealed_key: bytes | None
    reason: str | None


@dataclass(frozen=True)
class Event:
    """A state that a round reached, when, and what was to say of it."""

    round: int
    state: State
    happened_at: datetime
    detail: str


_COLUMNS = "SELECT round, state, model_version, sealed_key, reason FROM rounds"


def _round(row: tuple[int, str, str, bytes | None, str | None]) -> Round:
    number, state, version, sealed_key, reason = row
    return Round(number, State(state), version, None if sealed_key is None else bytes(sealed_key), reason)


HOLD_OPEN = "pg_advisory_xact_lock_shared(hashtext('tacita.round.closing'))"
"""The call in SQL that `hold_open` makes."""


async def hold_open(connection: Connection) -> None:
    """Keep the collecting round from closing until this transaction ends. Submissions share this lock."""
    await connection.execute(f"SELECT {HOLD_OPEN}")


async def hold_closing(connection: Connection) -> None:
    """Wait until every submission under way has committed, and keep new ones out until this transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('tacita.round.closing'))")


@asynccontextmanager
async def driving(pool: Pool) -> AsyncIterator[bool]:
    """Hold the one driver's lock for as long as the context lasts; yield False when another driver holds it."""
    async with session(pool) as connection:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(hashtext('tacita.driver'))")
        row = await cursor.fetchone()
        await connection.commit()
        ours = bool(row and row[0])
        try:
            yield ours
        finally:
            if ours:
                await connection.execute("SELECT pg_advisory_unlock(hashtext('tacita.driver'))")
                await connection.commit()


async def collecting(connection: Connection) -> Round | None:
    """Return the round that collects, or None before the first."""
    cursor = await connection.execute(f"{_COLUMNS} WHERE state = 'collecting'")
    row = await cursor.fetchone()
    return None if row is None else _round(row)


async def get(connection: Connection, number: int) -> Round | None:
    """Return a round by its number."""
    cursor = await connection.execute(f"{_COLUMNS} WHERE round = %s", [number])
    row = await cursor.fetchone()
    return None if row is None else _round(row)


async def lock(connection: Connection, number: int) -> Round:
    """Return an existing round, locked until the transaction ends.

    Raises:
        StoreError: there is no such round.
    """
    cursor = await connection.execute(f"{_COLUMNS} WHERE round = %s FOR UPDATE", [number])
    row = await cursor.fetchone()
    if row is None:
        raise StoreError(f"there is no round {number}")
    return _round(row)


async def everything(connection: Connection) -> list[Round]:
    """Return all rounds, oldest first."""
    cursor = await connection.execute(f"{_COLUMNS} ORDER BY round")
    return [_round(row) for row in await cursor.fetchall()]


async def unfinished(connection: Connection) -> Round | None:
    """Return the oldest round that is closed and not finished: rounds are finished in their order."""
    cursor = await connection.execute(
        f"{_COLUMNS} WHERE state NOT IN ('collecting', 'published', 'abandoned') ORDER BY round LIMIT 1"
    )
    row = await cursor.fetchone()
    return None if row is None else _round(row)


async def hold_unreleased(connection: Connection) -> list[Round]:
    """Return the rounds that hold contributions, oldest first; none can be released until this transaction ends.

    A release that is under way is waited for, and its round is then not among them.
    """
    cursor = await connection.execute(f"{_COLUMNS} WHERE state IN ('collecting', 'closed') ORDER BY round FOR SHARE")
    return [_round(row) for row in await cursor.fetchall()]


async def past_opening(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Return those of the rounds `numbers` of which nothing has to be opened any more: their secrets can go."""
    cursor = await connection.execute(
        "SELECT round FROM rounds LEFT JOIN releases USING (round) WHERE round = ANY(%s)"
        " AND state NOT IN ('collecting', 'closed') AND sealed_vector IS NULL ORDER BY round",
        [list(numbers)],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def open_next(connection: Connection, number: int, sealed_key: bytes, now: datetime) -> None:
    """Open round `number`, which trains model number + 1, with its sealed round key."""
    await connection.execute(
        "INSERT INTO rounds (round, state, model_version, sealed_key) VALUES (%s, 'collecting', %s, %s)",
        [number, model_version(number + 1), sealed_key],
    )
    await record(connection, Event(number, State.COLLECTING, now, ""))


async def advance(connection: Connection, number: int, old: State, new: State, now: datetime, detail: str = "") -> bool:
    """Move a round from `old` to `new` if it still is in `old` (a guarded compare-and-set); tell whether it was.

    Leaving `closed` destroys the round's key, and with it what its contributions could be opened with.
    """
    cursor = await connection.execute(
        "UPDATE rounds SET state = %(new)s, reason = CASE WHEN %(new)s = 'abandoned' THEN %(detail)s END,"
        " sealed_key = CASE WHEN %(new)s = 'closed' THEN sealed_key END WHERE round = %(round)s AND state = %(old)s",
        {"new": new.value, "old": old.value, "round": number, "detail": detail},
    )
    if cursor.rowcount == 0:
        return False
    await record(connection, Event(number, new, now, detail))
    return True


async def record(connection: Connection, event: Event) -> None:
    """Add an event to a round's story."""
    await connection.execute(
        "INSERT INTO round_events (round, state, happened_at, detail) VALUES (%s, %s, %s, %s)",
        [event.round, event.state.value, event.happened_at, event.detail],
    )


async def story(connection: Connection, number: int) -> list[Event]:
    """Return a round's events in the order of their time."""
    cursor = await connection.execute(
        "SELECT state, happened_at, detail FROM round_events WHERE round = %s ORDER BY happened_at, state", [number]
    )
    return [Event(number, State(state), at, detail) for state, at, detail in await cursor.fetchall()]
