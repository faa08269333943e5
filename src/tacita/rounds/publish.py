"""evaluated → published: blobs by digest, signed metadata, then the flip in the registry. Also the genesis model.

With a model go its deltas from the last few published ones, where they are smaller than the model itself.
"""

import asyncio
import tempfile
from pathlib import Path

from tacita.models import trust
from tacita.models.deltas.maker import make_delta
from tacita.models.deltas.structure import FORMAT as DELTA_FORMAT
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import deltas, registry, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.deltas import Delta
from tacita.store.registry import Model
from tacita.store.rounds import Round, State

DELTA_BASES = 4
"""From how many of the last published models deltas are made; who has an older one takes the whole file."""


async def _sign(shop: Workshop, model: Model) -> None:
    """Put a model's file among the targets and sign it into the chain. Repeating it changes nothing.

    Raises:
        NotApproved: its evaluation is missing or was not passed.
    """
    approved = await run_transaction(shop.pool, lambda connection: registry.approved(connection, model.version))
    await shop.blobs.put_named(
        f"targets/{model.sha256}.{model.target_name}", await shop.blobs.get(model.sha256), immutable=True
    )
    custom = {"base_version": model.base_version, "format": model.format}
    signers, size = trust.signers(shop.role_keys), model.size_bytes
    await trust.publish(shop.blobs, signers, approved, model.target_name, size, model.sha256, custom, shop.clock())


async def _sign_deltas(shop: Workshop, model: Model) -> list[Delta]:
    """Make and sign the model's deltas. They are deterministic, so repeating it changes nothing."""
    approved = await run_transaction(shop.pool, lambda connection: registry.approved(connection, model.version))
    models = await run_transaction(shop.pool, registry.everything)
    bases = [m for m in models if m.state == "published" and m.number < model.number][-DELTA_BASES:]
    made = []
    for base in bases:
        data = await _delta(shop, base, model)
        if data is None:
            continue
        delta = Delta(model.version, base.version, await shop.blobs.put(data), len(data))
        await shop.blobs.put_named(f"targets/{delta.sha256}.{delta.target_name}", data, immutable=True)
        custom = {"base_version": base.version, "format": DELTA_FORMAT}
        signers, name = trust.signers(shop.role_keys), delta.target_name
        await trust.publish(shop.blobs, signers, approved, name, len(data), delta.sha256, custom, shop.clock())
        made.append(delta)
    return made


async def _delta(shop: Workshop, base: Model, model: Model) -> bytes | None:
    """Return the delta between two models' files, or None where it isn't smaller than the newer one."""
    with tempfile.TemporaryDirectory(dir=shop.runs) as name:
        folder = Path(name)
        (folder / "base").write_bytes(await shop.blobs.get(base.sha256))
        (folder / "target").write_bytes(await shop.blobs.get(model.sha256))
        made = await asyncio.to_thread(make_delta, folder / "base", folder / "target", folder / "delta")
        return (folder / "delta").read_bytes() if made else None


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
    made = await _sign_deltas(shop, model)

    async def flip(connection: Connection) -> None:
        now = shop.clock()
        await registry.publish(connection, model.version, now)
        for delta in made:
            await deltas.add(connection, delta)
        await rounds.advance(connection, current.number, State.EVALUATED, State.PUBLISHED, now, model.version)

    await run_transaction(shop.pool, flip)
