"""What releases say of one table: noisy counts in units of interactions, their known noise, how choices were made.

The released counts are sums of clipped contributions: fewer than the interactions, in the same proportions. Rates are
what is learned, so the clip's scale cancels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """Counts of one table whose last axis is a yes/no outcome, of one or more releases.

    Attributes:
        counts: noisy counts, release x context axes x [choice axis] x 2, oldest release first.
        noise: the variance of the privacy noise in each count, a release.
        ages: rounds since each release; 0 for the newest.
        logged: P(choice | context) of the pack that a release's devices ran, release x context axes x choice axis; None
            for a table without a choice.
    """

    counts: Array
    noise: Array
    ages: Array
    logged: Array | None = None

    @classmethod
    def of(cls, releases: Sequence[Release], table: Table, packs: Sequence[PolicyPack] = ()) -> "Evidence":
        """Cut a table out of releases: post-processing, free of charge (privacy §5).

        Args:
            releases: one or more, oldest first.
            table: which table.
            packs: the pack that each release's devices ran, in the same order, for a table of choices.
        """
        rounds = np.array([release.round for release in releases], np.float64)
        return cls(
            counts=np.array([tables.table_counts(release.vector, table) for release in releases]),
            noise=np.array([(release.sigma / table.fixed_weight) ** 2 for release in releases]),
            ages=rounds[-1] - rounds,
            logged=np.array([choice_shares(pack, table) for pack in packs]) if packs else None,
        )

    @property
    def newest(self) -> "Evidence":
        """What the newest release says alone."""
        logged = None if self.logged is None else self.logged[-1:]
        return Evidence(self.counts[-1:], self.noise[-1:], self.ages[-1:], logged)

    def with_newest(self, counts: Array) -> "Evidence":
        """Return what would have been learned had the newest release's counts been these."""
        return replace(self, counts=np.concatenate([self.counts[:-1], counts[None]]))

    @property
    def rate(self) -> float:
        """The share of yes in the whole table."""
        yes, no = float(self.counts[..., 1].sum()), float(self.counts[..., 0].sum())
        return min(0.95, max(0.05, yes / max(yes + no, 1.0)))

    def seen(self) -> Array:
        """Return how often each cell was seen, at least a little, without its outcome axis: release x cells.

        Contexts are as frequent in one release as in another; a choice's noisy count is drawn to what its pack says.
        """
        seen = self.counts.sum(-1)
        every = _along(np.maximum(seen.reshape(len(seen), -1).sum(1), 1.0), seen)
        if self.logged is None:
            return np.asarray(every * _shares(seen.sum(0)))
        expected = every * _shares(seen.sum((0, -1)))[..., None] * self.logged
        tolerance = (_POLICY_TOLERANCE * expected) ** 2
        drawn = expected + tolerance / (tolerance + 2 * _along(self.noise, seen)) * (seen - expected)
        return np.asarray(np.maximum(drawn, expected / 4))

    def surplus(self) -> tuple[Array, Array]:
        """Return yes minus what the table's rate would give, release x cells, and its privacy noise's variance."""
        rate = self.rate
        surplus = (1 - rate) * self.counts[..., 1] - rate * self.counts[..., 0]
        return surplus, _along(self.noise, surplus) * ((1 - rate) ** 2 + rate**2)


def _along(values: Array, cells: Array) -> Array:
    """Return one value a release, shaped so that it meets `cells` (release x any axes)."""
    return values.reshape(-1, *[1] * (cells.ndim - 1))


def _shares(seen: Array) -> Array:
    floored = np.maximum(seen, _SHARE_FLOOR * max(float(seen.sum()), 1.0) / seen.size)
    return np.asarray(floored / floored.sum())


def choice_shares(pack: PolicyPack, table: Table) -> Array:
    """Return P(choice | context) of a pack for the routing or the emotion table."""
    if table is tables.EMOTION:
        return np.array(pack.emotion)
    quality = np.array(pack.routing)
    return np.stack([1 - quality, quality], -1)
