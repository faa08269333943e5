"""evaluated → published: blob by digest, signed metadata, then the flip in the registry. Also the genesis model."""

from tacita.models import trust
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import registry, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.registry import Model
from tacita.store.rounds import Round, State


async def _sign(shop: Workshop, model: Model) -> None:
    """Put a model's file among the targets and sign it into the chain. Repeating it changes nothing."""
    if model.state == "rejected":
        raise StepFailed(f"{model.version} was not measurably better; it can't be signed")
    await shop.blobs.put_named(
        f"targets/{model.sha256}.{model.target_name}", await shop.blobs.get(model.sha256), immutable=True
    )
    custom = {"version": model.version, "base_version": model.base_version, "format": model.format}
    signers = trust.signers(shop.role_keys)
    await trust.publish(shop.blobs, signers, model.target_name, model.size_bytes, model.sha256, custom, shop.clock())


async def publish_genesis(shop: Workshop, model: Model) -> None:
    """Register, sign and publish the model that a deployment starts with."""
    await trust.initialise(shop.blobs, trust.signers(shop.role_keys), shop.clock())
    await run_transaction(shop.pool, lambda connection: registry.add_candidate(connection, model))
    await _sign(shop, model)
    await run_transaction(shop.pool, lambda connection: registry.publish(connection, model.version, shop.clock()))


async def publish(shop: Workshop, current: Round) -> None:
    """Sign and publish the round's model. Killed anywhere in between, the next call ends in the same state."""
    model = await run_transaction(shop.pool, lambda connection: registry.get(connection, current.model_version))
    if model is None:
        raise StepFailed(f"round {current.number} has no candidate")
    await _sign(shop, model)

    async def flip(connection: Connection) -> None:
        now = shop.clock()
        await registry.publish(connection, model.version, now)
        await rounds.advance(connection, current.number, State.EVALUATED, State.PUBLISHED, now, model.version)

    await run_transaction(shop.pool, flip)
