"""What is due from time to time: forgetting accepted envelopes past their age, and refreshing signed timestamps."""

from tacita.models import trust
from tacita.privacy import policy
from tacita.rounds.workshop import Workshop
from tacita.store import envelopes
from tacita.store.connection import Connection, run_transaction


async def tidy(shop: Workshop) -> None:
    """Forget what is past its age (privacy §3) and keep the TUF chain from expiring."""

    async def forget(connection: Connection) -> None:
        now = shop.clock()
        await envelopes.forget(connection, now - policy.COUNTED_NODE_MEMORY)

    await run_transaction(shop.pool, forget)
    await trust.refresh(shop.blobs, trust.signers(shop.role_keys), shop.clock())
