"""Freezing cohorts whose evidence is against them, and carrying out what the operator decides of them (privacy §1).

What a round counts already stays counted. What comes of a frozen cohort afterwards is held: cleared before the round
closes, it counts in it, once; refused, or undecided by then, it is erased.
"""

import structlog

from tacita.privacy import e_process, policy
from tacita.privacy.bounding import Counts
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import cohorts, contributions, held, rounds
from tacita.store.cohorts import Label, State
from tacita.store.connection import Connection, run_transaction
from tacita.store.sealing import RoundKey, open_round_key

_log = structlog.get_logger()
_SHARD = 0


async def judge(shop: Workshop) -> list[Label]:
    """Freeze every tested cohort whose E has reached the alarm; return those frozen now."""

    async def freeze(connection: Connection) -> list[Label]:
        frozen = []
        for cohort, evidence in await cohorts.everything(connection):
            if cohort.state is State.TESTED and e_process.alarms(evidence.counts):
                await cohorts.move(connection, cohort.number, [State.TESTED], State.FROZEN, shop.clock())
                frozen.append(cohort.label)
        return frozen

    frozen = await run_transaction(shop.pool, freeze)
    for label in frozen:
        _log.warning("cohort frozen", app_version=label.app_version, model_version=label.model_version)
    return frozen


async def clear(shop: Workshop, label: Label) -> int:
    """Count a cohort's graphs from now on whatever its evidence says, and those held; return of how many devices.

    Raises:
        StoreError: there is no such cohort.
        StepFailed: it isn't frozen or refused.
    """

    async def do(connection: Connection) -> int:
        await rounds.hold_closing(connection)
        number = await _decide(shop, connection, label, State.CLEARED)
        current = await rounds.collecting(connection)
        if current is None:
            raise StepFailed("no round is collecting")
        key = open_round_key(shop.keyring, current)
        taken = await held.take(connection, number)
        await _count(connection, key, [(tag, sealed) for _, tag, sealed in taken])
        return len(taken)

    return await run_transaction(shop.pool, do)


async def refuse(shop: Workshop, label: Label) -> int:
    """Refuse a cohort's graphs from now on (403), and erase what is held of it; return how many devices' that was.

    Raises:
        StoreError: there is no such cohort.
        StepFailed: it is refused already.
    """

    async def do(connection: Connection) -> int:
        await rounds.hold_closing(connection)
        number = await _decide(shop, connection, label, State.REFUSED)
        return len(await held.take(connection, number))

    return await run_transaction(shop.pool, do)


async def _decide(shop: Workshop, connection: Connection, label: Label, verdict: State) -> int:
    cohort = await cohorts.lock(connection, label)
    olds = [state for state in State if state not in {verdict, State.TESTED}]
    if not await cohorts.move(connection, cohort.number, olds, verdict, shop.clock()):
        raise StepFailed(f"the cohort is {cohort.state.value}; there is nothing to decide")
    return cohort.number


async def _count(connection: Connection, key: RoundKey, taken: list[tuple[bytes, bytes]]) -> None:
    """Merge held contributions into the round's; not one that would break the node limit with what counts already."""
    counted = await contributions.find(connection, key.round, [tag for tag, _ in taken])
    merged: list[tuple[bytes, bytes]] = []
    for tag, sealed in taken:
        more = key.open_contribution(tag, sealed)
        earlier = key.open_contribution(tag, counted[tag]).counts if tag in counted else Counts.none()
        if earlier.nodes + more.counts.nodes <= policy.MAX_COUNTED_NODES:
            merged.append((tag, key.seal_contribution(tag, earlier + more.counts, more.ledger_tag)))
    await contributions.put(connection, key.round, merged)
    await contributions.add_devices(connection, key.round, _SHARD, sum(tag not in counted for tag, _ in merged))
