"""Crypto-erasure: a round's secret is destroyed once nothing of the round has to be opened (privacy §2)."""

from tacita.crypto import round_secrets
from tacita.rounds.workshop import Workshop
from tacita.store import rounds
from tacita.store.connection import run_transaction


async def destroy_spent_secrets(shop: Workshop) -> None:
    """Destroy the secrets of rounds that are abandoned, or released and revealed. What a crash left is done now."""
    held = round_secrets.held(shop.keyring.folder)
    for number in await run_transaction(shop.pool, lambda connection: rounds.past_opening(connection, held)):
        round_secrets.destroy(shop.keyring.folder, number)
