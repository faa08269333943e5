"""closed → released: noise, charge and scrub in one transaction (privacy §4). After a crash all happened, or nothing.

A device whose window can't pay is left out. With too few left, the round is abandoned: scrubbed, nothing charged.
The noisy vector is committed sealed, then revealed, then the round's secret is destroyed: each of these can be
repeated, and noise that a crash made void was never written in the clear (decision 21).
"""

from datetime import datetime

from tacita.crypto import round_secrets
from tacita.privacy import accountant, bounding, policy
from tacita.privacy.policy import NanoRho
from tacita.privacy.release import Cohort, release
from tacita.rounds.erasure import destroy_spent_secrets
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import contributions, ledger, releases, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.rounds import Round, State
from tacita.store.sealing import Contribution, open_draw, open_round_key, seal_draw


async def release_round(shop: Workshop, number: int) -> None:
    """Make the one release of a closed round, or abandon it; a round that isn't closed any more is left alone."""

    async def do(connection: Connection) -> None:
        current = await rounds.lock(connection, number)
        if current.state is not State.CLOSED:
            return
        now = shop.clock()
        paying = await _paying(connection, await _opened(shop, connection, current), now)
        await contributions.scrub(connection, number)
        if len(paying) < shop.round_size:
            reason = f"{len(paying)} devices can pay for a release; {shop.round_size} are needed"
            await rounds.advance(connection, number, State.CLOSED, State.ABANDONED, now, reason)
            return
        cohort = Cohort(number, [bounding.clip(contribution.counts) for contribution in paying])
        made = release(cohort, minimum=shop.round_size)
        tags = [contribution.ledger_tag for contribution in paying]
        await ledger.charge(connection, tags, number, made.statement.nano_rho, now)
        sealed = seal_draw(shop.keyring, number, made.vector)
        await releases.add_draw(connection, made.statement, made.digest(), sealed, now)
        detail = f"{made.statement.devices} devices, digest {made.digest()}"
        await rounds.advance(connection, number, State.CLOSED, State.RELEASED, shop.clock(), detail)

    await run_transaction(shop.pool, do)
    await reveal(shop, number)


async def reveal(shop: Workshop, number: int) -> None:
    """Put the draw that a round's release committed in the clear, and destroy the round's secret."""

    async def do(connection: Connection) -> None:
        sealed = await releases.sealed_vector(connection, number)
        if sealed is not None:
            await releases.reveal(connection, number, open_draw(shop.keyring, number, sealed))

    await run_transaction(shop.pool, do)
    await destroy_spent_secrets(shop)


async def abandon_unreleased(shop: Workshop, number: int, reason: str) -> None:
    """Abandon a closed round: scrubbed, nothing charged. Also one whose release can't be revealed any more.

    The latter is what is left to do when the round's secret was lost: its draw is charged for, and opens for nobody.

    Raises:
        StepFailed: the round is neither.
    """

    async def give_up(connection: Connection) -> None:
        current = await rounds.lock(connection, number)
        lost = number not in round_secrets.held(shop.keyring.folder)
        drawn = await releases.sealed_vector(connection, number) is not None
        if current.state is not State.CLOSED and not (drawn and lost):
            raise StepFailed(f"round {number} is {current.state.value}; only what isn't released can be abandoned")
        await contributions.scrub(connection, number)
        await rounds.advance(connection, number, current.state, State.ABANDONED, shop.clock(), reason)

    await run_transaction(shop.pool, give_up)
    await destroy_spent_secrets(shop)


async def _opened(shop: Workshop, connection: Connection, current: Round) -> list[Contribution]:
    key = open_round_key(shop.keyring, current)
    rows = await contributions.all_of(connection, current.number)
    return [key.open_contribution(tag, sealed) for tag, sealed in rows]


async def _paying(connection: Connection, cohort: list[Contribution], now: datetime) -> list[Contribution]:
    """Return the contributions of devices whose window has room for this round's charge."""
    spent = await ledger.histories(connection, [c.ledger_tag for c in cohort], now - policy.BUDGET_WINDOW)
    return [
        contribution
        for contribution in cohort
        if accountant.next_eligible(
            [(when, NanoRho(amount)) for when, amount in spent.get(contribution.ledger_tag, [])], now
        )
        is None
    ]
