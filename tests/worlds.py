"""Releases of a simulated world without its phones: each device's tables drawn from the truth, clipped, summed, noised.

The five tables of a device are drawn independently of each other, and its noise is continuous; apart from that this is
the real path, which `tests/unit/training/test_worlds.py` compares it with.
"""

import hashlib
from collections.abc import Sequence
from math import erf, log, sqrt

import numpy as np
import numpy.typing as npt

from tacita.fleet.world import COMPLEXITY_MIX, INCLINATION, LATENCY_S, LATENCY_SPREAD, World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy import mechanism, policy, tables
from tacita.protocol import contexts
from tacita.training.learner import learn

Array = npt.NDArray[np.float64]

SIGMA = mechanism.sigma_for(policy.ROUND_CHARGE)
DEVICES, NODES = 1_000, 100
_AT_ONCE = 1_000


def release(
    world: World, pack: PolicyPack, number: int, seed: int, *, devices: int = DEVICES, sigma: float = SIGMA
) -> Release:
    """Return the release of a round in which everybody ran `pack`."""
    rng = np.random.default_rng([seed, number])
    summed = np.zeros(tables.CELLS)
    kinds = len(INCLINATION)
    for kind in range(kinds):
        shares = _shares(world, pack, kind)
        left = (devices + kinds - 1 - kind) // kinds
        while left > 0:
            summed += _contributed(rng, shares, min(left, _AT_ONCE))
            left -= _AT_ONCE
    vector = np.rint(summed + rng.normal(0, sigma, tables.CELLS)).astype(int)
    return Release(
        round=number,
        digest=hashlib.sha256(vector.tobytes()).hexdigest(),
        model_version=pack.version,
        vector=tuple(vector.tolist()),
        sigma=sigma,
        devices=devices,
        nano_rho=policy.ROUND_CHARGE,
        epsilon=1.0,
        delta=policy.DELTA,
        policy_hash=policy.policy_hash(),
    )


def _contributed(rng: np.random.Generator, shares: Sequence[Array], devices: int) -> Array:
    """Return the sum of some alike devices' clipped vectors."""
    counts = np.concatenate([rng.multinomial(NODES, cells.ravel(), devices) for cells in shares], axis=1)
    weighted = (counts * tables.WEIGHTS).astype(np.float64)
    scale = np.minimum(1.0, policy.CLIP_NORM / np.linalg.norm(weighted, axis=1, keepdims=True))
    return np.asarray(np.floor(weighted * scale).sum(0))


def _shares(world: World, pack: PolicyPack, kind: int) -> list[Array]:
    """Return the probability of each cell, table by table, for one kind of user."""
    quality, shown = np.array(pack.routing), np.array(pack.emotion)
    asked = world.query_mix[kind][:, None] * COMPLEXITY_MIX
    mood = world.mood_weights(kind)
    by_model = asked[..., None] * np.stack([1 - quality, quality], -1)
    by_emotion = mood[..., None] * shown
    lift = INCLINATION[kind] + (by_model * world.routing).sum() + (by_emotion * world.emotion).sum()
    continued = {
        "routing": lift + world.routing - (by_model * world.routing).sum(),
        "emotion": lift + world.emotion - (by_emotion * world.emotion).sum(),
    }
    latency = np.array([_response_times(m) for m in range(2)])
    flat = np.broadcast_to(world.query_mix[kind] / contexts.CONFIDENCE_BINS, (contexts.CONFIDENCE_BINS, 7))
    return [
        np.stack([by_model * (1 - continued["routing"]), by_model * continued["routing"]], -1),
        np.stack([by_emotion * (1 - continued["emotion"]), by_emotion * continued["emotion"]], -1),
        np.stack([flat * (1 - lift), flat * lift], -1),
        np.einsum("mt,qm->tqm", latency, by_model.sum(1)),
        np.stack([asked * (1 - world.escalation), asked * world.escalation], -1),
    ]


def _response_times(model: int) -> Array:
    edges = [(log(edge / LATENCY_S[model])) / LATENCY_SPREAD for edge in contexts.RESPONSE_TIME_EDGES]
    below = [0.0, *(0.5 * (1 + erf(edge / sqrt(2))) for edge in edges), 1.0]
    return np.diff(below)


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
