"""A share of one sum of cells in another, from noisy sums of known noise: the estimate and two intervals.

Part of a release's cells (say, the escalated ones) over a whole that contains them. Numerator and denominator are both
noisy, so the intervals are Fieller's (1954): all shares t for which part - t x whole lies within its own standard
deviations of zero. Nothing is linearised, and where the whole itself drowns in noise the interval is 0 to 1.

There are two targets of inference, and each share has an interval for each:

* **cohort**: the share in the sum of these devices' clipped, weighted contributions: what the release would show
  without its noise. The only randomness is the noise, whose size is known: the coverage is the nominal level, exactly,
  whatever the devices hold (up to the discreteness of a noise of more than 100,000 steps).
* **population**: the share in the expected contribution of a device of the population that these are drawn from,
  independently of each other. Devices are the units: one device's interactions may all be alike, and how much they are
  is not released. So the sampling variance is its largest possible one (`_sampling`), and the coverage is at least the
  nominal level (by the normal approximation to a sum over devices); it is wider than need be where devices are mixed.

Clipping scales all cells of a device by one factor, so shares *within* a device are unchanged (up to truncation by less
than 1/1024 of a weighted count a cell), but a device that is clipped harder counts for less: shares are weighted by
device, not by interaction. Interactions beyond `MAX_COUNTED_NODES` a round don't count at all.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from tacita.privacy import policy, tables
from tacita.privacy.tables import Table

LEVEL, QUANTILE = 0.95, 1.959964
"""Two-sided confidence level of each interval by itself, and its standard normal quantile."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a share, within 0 to 1."""

    low: float
    high: float


@dataclass(frozen=True)
class Sums:
    """Releases added up.

    Attributes:
        vector: 452 noisy fixed-point cells.
        variance: of the noise in each cell, in squared fixed-point units.
        releases: how many were added; a device is in each of them at most once.
    """

    vector: npt.NDArray[np.float64]
    variance: float
    releases: int


@dataclass(frozen=True)
class Share:
    """An estimated share with its two intervals at `LEVEL`."""

    estimate: float
    cohort: Interval
    population: Interval


def share(sums: Sums, table: Table, part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> Share:
    """Estimate what share of the cells in `whole` lies in `part`.

    Args:
        sums: the releases.
        table: the table that the cells belong to.
        part: which of its cells count, shaped by its axes; all of them in `whole`.
        whole: which of its cells are counted against.
    """
    counts = tables.table_counts(sums.vector, table)
    inside, outside = float(counts[part].sum()), float(counts[whole & ~part].sum())
    of_part, of_rest = int(part.sum()), int((whole & ~part).sum())
    noise = sums.variance / table.fixed_weight**2
    total = inside + outside
    estimate = min(1.0, max(0.0, inside / total)) if total > 0 else 0.5
    return Share(
        estimate,
        _fieller(inside, total, noise * of_part, noise * of_rest, 0.0),
        _fieller(inside, total, noise * of_part, noise * of_rest, _sampling(sums, table, total, of_part, of_rest)),
    )


def _sampling(sums: Sums, table: Table, total: float, of_part: int, of_rest: int) -> float:
    """Return v such that the sampling variance of part - t x whole is at most v t (1 - t), t being the true share.

    A device adds A to the part and B to the rest, 0 <= A <= a, 0 <= B <= b. Its (1-t)A - tB has mean zero and a square
    of at most (1-t)²aA + t²bB, whose expectation is t(1-t)((1-t)a + tb) times that of A + B: devices that are all one
    or all the other attain it. The sum of expectations is estimated by the release's own total. With several releases
    one device may be in all of them, so its bounds grow by their number.
    """
    longest = policy.CLIP_NORM / table.fixed_weight
    most = max(min(policy.MAX_COUNTED_NODES, sqrt(cells) * longest) for cells in (of_part, of_rest))
    return sums.releases * most * max(total, 0.0)


def _fieller(part: float, whole: float, noise_part: float, noise_rest: float, sampling: float) -> Interval:
    """Return the t in [0, 1] with (part - t whole)² <= q² ((1-t)² noise_part + t² noise_rest + t (1-t) sampling)."""
    square = QUANTILE**2
    a = whole**2 - square * (noise_part + noise_rest - sampling)
    b = -2 * part * whole + square * (2 * noise_part - sampling)
    c = part**2 - square * noise_part
    discriminant = b * b - 4 * a * c
    if a <= 0 or whole <= 0 or discriminant < 0:
        return Interval(0.0, 1.0)
    low, high = ((-b + sign * sqrt(discriminant)) / (2 * a) for sign in (-1, 1))
    return Interval(min(1.0, max(0.0, low)), min(1.0, max(0.0, high)))
