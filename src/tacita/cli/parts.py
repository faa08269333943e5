"""Opening the shared parts that commands work with: the database, the keys, the blobs, a driver's tools."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tacita import config
from tacita.api.door import Door
from tacita.api.rate import RateLimit
from tacita.clock import system_clock
from tacita.config import Deployment
from tacita.crypto.enrolment_keys import EnrolmentKeys
from tacita.rounds.launchers.local import LocalLauncher
from tacita.rounds.workshop import Workshop
from tacita.store.blobs import open_blobs
from tacita.store.connection import Pool, open_pool
from tacita.store.migrate import migrate

_Result = TypeVar("_Result")
_COMMAND_CONNECTIONS = 2


@asynccontextmanager
async def open_workshop(deployment: Deployment, dsn: str) -> AsyncIterator[Workshop]:
    """Yield the tools of a round driver (or of a command that does a driver's step) on a running database."""
    keyring = deployment.keyring()
    async with open_pool(dsn, _COMMAND_CONNECTIONS) as pool:
        yield Workshop(
            pool=pool,
            keyring=keyring,
            blobs=open_blobs(deployment.settings.blobs, deployment.blobs),
            launcher=LocalLauncher(deployment.settings.training_timeout_seconds),
            runs=deployment.runs,
            round_size=deployment.settings.round_size,
            clock=system_clock,
        )


@asynccontextmanager
async def open_door(deployment: Deployment, dsn: str) -> AsyncIterator[Door]:
    """Yield what the endpoints of one API worker share.

    A worker that is restarted while the database is away must start all the same: uvicorn's supervisor takes a worker
    that fails to start for a reason to end the whole server.
    """
    keyring = deployment.keyring()
    async with open_pool(dsn, deployment.settings.pool_size, patient=True) as pool:
        door = Door(
            pool=pool,
            keyring=keyring,
            enrolment_keys=EnrolmentKeys(keyring),
            ledger_key=keyring.ledger_key(),
            blobs=open_blobs(deployment.settings.blobs, deployment.blobs),
            clock=system_clock,
            rate=RateLimit.open(
                deployment.rates,
                keyring.ledger_key(),
                deployment.settings.submissions_per_hour,
                deployment.settings.submission_burst,
            ),
            app_attest=deployment.app_attest(),
        )
        yield door
        await door.close()


def with_workshop(folder: Path, work: Callable[[Workshop], Awaitable[_Result]]) -> _Result:
    """Open a deployment, bring its database up and up to date, and do `work` with a driver's tools."""
    deployment = config.load(folder)

    async def run(dsn: str) -> _Result:
        async with open_workshop(deployment, dsn) as shop:
            return await work(shop)

    with deployment.database() as database:
        migrate(database.dsn)
        return asyncio.run(run(database.dsn))


def with_pool(folder: Path, work: Callable[[Pool], Awaitable[_Result]]) -> _Result:
    """Open a deployment and do `work` on its database."""
    return with_workshop(folder, lambda shop: work(shop.pool))
