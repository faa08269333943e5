"""Releases of a simulated world without simulating its devices: expected counts, sampled, with Gaussian noise."""

import hashlib
from collections.abc import Sequence

import numpy as np

from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy import mechanism, policy, tables
from tacita.training.learner import learn

SIGMA = mechanism.sigma_for(policy.ROUND_CHARGE)
COUNTED = 56_000
"""Interactions of 1,000 devices as the clipped sum shows them (measured on the simulated fleet)."""


def release(
    world: World, pack: PolicyPack, number: int, seed: int, *, counted: int = COUNTED, sigma: float = SIGMA
) -> Release:
    """Return the release of a round in which everybody ran `pack`."""
    rng = np.random.default_rng([seed, number])
    quality, emotion = np.array(pack.routing), np.array(pack.emotion)
    both = np.stack([1 - quality, quality], -1)
    routing_p, emotion_p = 0.5 + world.routing, 0.5 + world.emotion
    routing_n = world.routing_weights[..., None] * both
    emotion_n = world.emotion_weights[..., None] * emotion
    flat = np.full((5, 7), 1 / 35)
    expected = {
        "routing": np.stack([routing_n * (1 - routing_p), routing_n * routing_p], -1),
        "emotion": np.stack([emotion_n * (1 - emotion_p), emotion_n * emotion_p], -1),
        "calibration": np.stack([flat / 2, flat / 2], -1),
        "latency": np.stack([flat / 2, flat / 2], -1),
        "escalation": np.stack(
            [world.routing_weights * (1 - world.escalation), world.routing_weights * world.escalation], -1
        ),
    }
    cells = [rng.poisson(counted * expected[t.name]).ravel() * t.fixed_weight for t in tables.TABLES]
    vector = np.rint(np.concatenate(cells) + rng.normal(0, sigma, tables.CELLS)).astype(int)
    return Release(
        round=number,
        digest=hashlib.sha256(vector.tobytes()).hexdigest(),
        model_version=pack.version,
        vector=tuple(vector.tolist()),
        sigma=sigma,
        devices=1_000,
        nano_rho=policy.ROUND_CHARGE,
        epsilon=1.0,
        delta=policy.DELTA,
        policy_hash=policy.policy_hash(),
    )


def file_of(releases: Sequence[Release], packs: Sequence[PolicyPack]) -> ReleaseFile:
    """Return the release file that the next model is trained from."""
    version = f"granite-3b-v{len(releases) + 1}"
    return ReleaseFile(target_version=version, releases=tuple(releases), packs=tuple(packs))


def learned(world: World, rounds: int, seed: int, *, sigma: float = SIGMA) -> list[tuple[ReleaseFile, PolicyPack]]:
    """Return each round's release file and the pack that was learned from it, each pack run in the next round."""
    packs, releases, made = [genesis_pack()], list[Release](), []
    for number in range(1, rounds + 1):
        releases.append(release(world, packs[-1], number, seed, sigma=sigma))
        file = file_of(releases, packs)
        packs.append(learn(file, packs[-1]))
        made.append((file, packs[-1]))
    return made


def without_effects(world: World) -> World:
    """Return a world in which no choice makes a difference."""
    return World(
        np.zeros_like(world.routing),
        np.zeros_like(world.emotion),
        world.query_mix,
        world.pleasure_mix,
        world.arousal_mix,
        world.escalation,
    )
