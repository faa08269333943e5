"""New keys for roles of the signed chain, in place of stolen or old ones."""

from collections.abc import Iterable

from tacita.crypto.signing import generate_signing_secret
from tacita.models import trust
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import deltas, registry, rounds
from tacita.store.connection import Connection, run_transaction


async def rotate(shop: Workshop, roles: Iterable[str]) -> list[str]:
    """Let a new key in the ring sign for each role, and no other; return what was signed and is none of ours.

    What a thief had signed doesn't stay signed: a target that the registry doesn't know is dropped. Killed anywhere in
    between, the ring holds a key too many, and the repetition makes another.

    Raises:
        StepFailed: a driver is at work.
        TrustError: the keys in the ring can't sign, the root's among them.
    """
    async with rounds.driving(shop.pool) as ours:
        if not ours:
            raise StepFailed("a round is being driven; try again in a moment")
        fresh = {role: generate_signing_secret() for role in roles}
        appointed = {role: [trust.signer(secret)] for role, secret in fresh.items()}
        present = trust.signers(shop.role_keys)
        old = [name for name in shop.role_keys if name.partition("-")[0] in fresh]
        new = {role: f"tuf-{role}-{appointed[role][0].public_key.keyid[:16]}" for role in fresh}
        for role, secret in fresh.items():
            shop.keyring.put(new[role], secret)
        known = await run_transaction(shop.pool, _known)
        signed = await trust.signed_targets(shop.blobs, shop.clock())
        strange = sorted(path for path, digest in signed.items() if known.get(path) != digest)
        await trust.rotate(shop.blobs, present, appointed, shop.clock(), strange)
        for name in old:
            shop.keyring.remove(f"tuf-{name}")
        return strange


async def _known(connection: Connection) -> dict[str, str]:
    models = {m.target_name: m.sha256 for m in await registry.everything(connection) if m.state == "published"}
    return models | {delta.target_name: delta.sha256 for delta in await deltas.everything(connection)}
