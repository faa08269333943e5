"""collecting → closed: at enough distinct devices the round closes and the next one opens, in one transaction."""

from tacita.rounds.erasure import destroy_spent_secrets
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import contributions, held, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.resealing import hold_kek
from tacita.store.rounds import State
from tacita.store.sealing import new_round_key


async def close_if_full(shop: Workshop) -> int | None:
    """Close the collecting round if it has `round_size` distinct devices; return its number, or None if it hasn't."""

    async def enough(connection: Connection) -> bool:
        current = await rounds.collecting(connection)
        return current is not None and await contributions.count(connection, current.number) >= shop.round_size

    async def close(connection: Connection) -> int | None:
        await rounds.hold_closing(connection)
        await hold_kek(connection)
        current = await rounds.collecting(connection)
        if current is None:
            return None
        devices = await contributions.count(connection, current.number)
        if devices < shop.round_size:
            return None
        now = shop.clock()
        await held.scrub(connection, current.number)
        await rounds.advance(connection, current.number, State.COLLECTING, State.CLOSED, now, f"{devices} devices")
        key = new_round_key(shop.keyring, current.number + 1)
        await rounds.open_next(connection, current.number + 1, key, now)
        return current.number

    return await run_transaction(shop.pool, close) if await run_transaction(shop.pool, enough) else None


async def open_first(shop: Workshop) -> None:
    """Open round 1 if there is no round yet."""

    async def open_it(connection: Connection) -> None:
        await rounds.hold_closing(connection)
        await hold_kek(connection)
        if await rounds.get(connection, 1) is None:
            await rounds.open_next(connection, 1, new_round_key(shop.keyring, 1), shop.clock())

    await run_transaction(shop.pool, open_it)


async def abandon(shop: Workshop, reason: str) -> int:
    """Abandon the collecting round: scrub its contributions, charge nothing, open the next; return its number.

    Raises:
        StepFailed: no round is collecting.
    """

    async def give_up(connection: Connection) -> int:
        await rounds.hold_closing(connection)
        await hold_kek(connection)
        current = await rounds.collecting(connection)
        if current is None:
            raise StepFailed("no round is collecting")
        now = shop.clock()
        await contributions.scrub(connection, current.number)
        await held.scrub(connection, current.number)
        await rounds.advance(connection, current.number, State.COLLECTING, State.ABANDONED, now, reason)
        await rounds.open_next(connection, current.number + 1, new_round_key(shop.keyring, current.number + 1), now)
        return current.number

    number = await run_transaction(shop.pool, give_up)
    await destroy_spent_secrets(shop)
    return number
