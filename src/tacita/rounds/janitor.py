"""What is due from time to time: forgetting what is past its age, refreshing timestamps."""

from tacita.crypto import enrolment_keys
from tacita.models import trust
from tacita.privacy import policy
from tacita.rounds.workshop import Workshop
from tacita.store import cohorts, envelopes, withdrawals
from tacita.store.connection import Connection, run_transaction


async def tidy(shop: Workshop) -> None:
    """Forget what is past its age (privacy §3, contract §5.1) and keep the TUF chain from expiring."""

    async def forget(connection: Connection) -> None:
        now = shop.clock()
        await envelopes.forget(connection, now - policy.COUNTED_NODE_MEMORY)
        await cohorts.forget(connection, now - policy.COHORT_MEMORY)
        await withdrawals.forget(connection, now - policy.MAX_GRAPH_AGE)

    await run_transaction(shop.pool, forget)
    enrolment_keys.destroy_expired(shop.keyring, shop.clock())
    await trust.refresh(shop.blobs, trust.signers(shop.role_keys), shop.clock())
