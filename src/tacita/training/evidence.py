"""What releases say of one table, in units of interactions: noisy counts, their known noise, and how choices were made.

The released counts are sums of clipped contributions: fewer than the interactions, in the same proportions. Rates are
what is learned, so the clip's scale cancels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import Release
from tacita.privacy import tables
from tacita.privacy.tables import Table

Array = npt.NDArray[np.float64]

_POLICY_TOLERANCE = 0.25
"""How far (relative standard deviation) devices may stray from the pack that they should run."""

_SHARE_FLOOR = 0.125
"""A context is never believed rarer than this share of an equal share: noise alone could say so."""


@dataclass(frozen=True)
class Evidence:
    """Summed counts of one table whose last axis is a yes/no outcome.

    Attributes:
        counts: noisy counts, context axes x [choice axis] x 2.
        noise: the variance of the privacy noise in each count.
        releases: how many releases were summed.
    """

    counts: Array
    noise: float
    releases: int

    @classmethod
    def of(cls, releases: Sequence[Release], table: Table) -> "Evidence":
        """Sum a table over releases: post-processing, free of charge (privacy §5)."""
        counts = sum((tables.table_counts(r.vector, table) for r in releases), np.zeros(table.shape))
        return cls(counts, sum((r.sigma / table.fixed_weight) ** 2 for r in releases), len(releases))

    @property
    def rate(self) -> float:
        """The share of yes in the whole table."""
        yes, no = float(self.counts[..., 1].sum()), float(self.counts[..., 0].sum())
        return min(0.95, max(0.05, yes / max(yes + no, 1.0)))

    def totals(self, logged: Array | None = None) -> Array:
        """Return how often each cell was seen, at least a little, without its outcome axis.

        Args:
            logged: P(choice | context) of the packs that the devices ran; a choice's noisy count is drawn to it.
        """
        seen = self.counts.sum(-1)
        if logged is None:
            return _floored(seen)
        expected = _floored(seen.sum(-1))[..., None] * logged
        tolerance = (_POLICY_TOLERANCE * expected) ** 2
        drawn = expected + tolerance / (tolerance + 2 * self.noise) * (seen - expected)
        return np.asarray(np.maximum(drawn, expected / 4))

    def surplus(self) -> tuple[Array, float]:
        """Return yes minus what the table's rate would give, a cell, and its privacy noise's variance."""
        rate = self.rate
        surplus = (1 - rate) * self.counts[..., 1] - rate * self.counts[..., 0]
        return surplus, self.noise * ((1 - rate) ** 2 + rate**2)


def _floored(seen: Array) -> Array:
    return np.maximum(seen, _SHARE_FLOOR * max(float(seen.sum()), 1.0) / seen.size)


def choice_shares(pack: PolicyPack, table: Table) -> Array:
    """Return P(choice | context) of a pack for the routing or the emotion table."""
    if table is tables.EMOTION:
        return np.array(pack.emotion)
    quality = np.array(pack.routing)
    return np.stack([1 - quality, quality], -1)


def logged_shares(releases: Sequence[Release], packs: Sequence[PolicyPack], table: Table) -> Array:
    """Return P(choice | context) over all releases, each weighed by its devices.

    Args:
        releases: the releases.
        packs: the pack that each release's devices ran, in the same order.
        table: routing or emotion.
    """
    weights = np.array([r.devices for r in releases], np.float64)
    shares = np.array([choice_shares(pack, table) for pack in packs])
    return np.asarray(np.tensordot(weights / weights.sum(), shares, 1))
