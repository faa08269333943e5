"""Simulated devices' contributions, by the real counting and clipping, without a server."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from tacita.fleet.world import World, user_kind, user_rng
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PolicyPack
from tacita.privacy import policy
from tacita.privacy.bounding import ContributionVector, clip, count_nodes
from tacita.privacy.columns import node_columns
from tacita.protocol.graph import Node

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def contributed(nodes: list[Node]) -> ContributionVector:
    """Return what one device contributes."""
    counts, _ = count_nodes(
        node_columns(nodes), NOW, [node.id.encode() for node in nodes], (), policy.MAX_COUNTED_NODES
    )
    return clip(counts)


def contributions(
    world: World, seed: int, devices: int, *, pack: PolicyPack | None = None, number: int = 1
) -> list[ContributionVector]:
    """Return the vectors of a simulated fleet; each device has 100 interactions."""
    ran = pack or genesis_pack()
    return [
        contributed(world.interactions(user_rng(seed, user, number), ran, user_kind(user), 100, NOW))
        for user in range(devices)
    ]


def drawn(
    pool: Sequence[ContributionVector], devices: int, rng: np.random.Generator
) -> tuple[list[ContributionVector], npt.NDArray[np.int64]]:
    """Draw a cohort from a population, with replacement; return it and its sum without noise."""
    chosen = [pool[i] for i in rng.integers(len(pool), size=devices)]
    return chosen, np.sum([vector.cells for vector in chosen], axis=0)
