"""The loop that walks rounds: close when full, then one idempotent step after the other, until nothing is left to do.

Two drivers at once are safe: whoever holds the advisory lock drives, and each step is guarded by a compare-and-set.
"""

import asyncio
from contextlib import suppress

import structlog

from tacita.errors import TacitaError
from tacita.rounds import close, cohorts, janitor
from tacita.rounds.erasure import destroy_spent_secrets
from tacita.rounds.publish import publish
from tacita.rounds.release import release_round, reveal
from tacita.rounds.train import evaluate, train
from tacita.rounds.workshop import Workshop
from tacita.store import rounds
from tacita.store.connection import run_transaction
from tacita.store.rounds import Round, State

_log = structlog.get_logger()
_MAX_WAIT_S = 60.0
_TIDY_EVERY_S = 3_600.0


async def step(shop: Workshop) -> Round | None:
    """Do the next step of the oldest unfinished round; return the round as it was before, or None if there is none."""
    current = await run_transaction(shop.pool, rounds.unfinished)
    if current is None:
        return None
    match current.state:
        case State.CLOSED:
            await release_round(shop, current.number)
        case State.RELEASED:
            await reveal(shop, current.number)
            await train(shop, current)
        case State.TRAINED:
            await evaluate(shop, current)
        case State.EVALUATED:
            await publish(shop, current)
        case _:  # the query returns these four only
            raise AssertionError(current.state)
    return current


async def drive_to_end(shop: Workshop) -> list[int]:
    """Judge the cohorts, close the collecting round if it is full, finish every unfinished one; return those walked."""
    await destroy_spent_secrets(shop)
    await cohorts.judge(shop)
    await close.close_if_full(shop)
    walked: list[int] = []
    while (current := await step(shop)) is not None:
        if current.number not in walked:
            walked.append(current.number)
    return walked


async def drive(shop: Workshop, stop: asyncio.Event, poll_s: float) -> None:
    """Drive rounds until `stop` is set; a failing step is logged and tried again, ever more slowly.

    Args:
        shop: the driver's tools.
        stop: set to end the loop after the step under way.
        poll_s: seconds between two looks at the collecting round.
    """
    loop = asyncio.get_running_loop()
    wait, tidied = poll_s, -_TIDY_EVERY_S
    while not stop.is_set():
        try:
            async with rounds.driving(shop.pool) as ours:
                if ours:
                    await drive_to_end(shop)
                    if loop.time() - tidied >= _TIDY_EVERY_S:
                        await janitor.tidy(shop)
                        tidied = loop.time()
            wait = poll_s
        except TacitaError as error:
            wait = min(2 * wait, _MAX_WAIT_S)
            _log.warning("step failed", error=str(error), retry_in_s=wait)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait)
