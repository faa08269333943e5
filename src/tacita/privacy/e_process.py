"""The cohort's test: an e-process on its histograms, valid at every moment it is looked at (privacy §1).

Each graph falls in a bin whose chance is at most b, whatever the device's data, if the app is honest. A bet on other
chances a multiplies a stake by a/b at each graph. So what a stake has become under one bet, or under a mixture of bets,
depends on the histogram's counts alone, and is a test supermartingale: by Ville's inequality it ever reaches E with a
chance of at most 1/E, however often one looks (Ramdas, Grünwald, Vovk & Shafer 2023, "Game-theoretic statistics and
safe anytime-valid inference"). The mean of several such stakes is one too, however their histograms hang together.

The bets: a fraction of the noise (`policy.TOO_LITTLE_NOISE`), and all histograms at once (Krichevsky & Trofimov 1981),
which finds constant noise and re-used seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

import numpy as np
import numpy.typing as npt
from scipy import special

from tacita.privacy import evidence, policy

Array = npt.NDArray[np.float64]


def _scaled_bins(fraction: float) -> tuple[float, ...]:
    """Return the chances of the noise's ten bins when only this fraction of Laplace noise is added."""

    def below(level: float) -> float:
        """Return the chance of noise under the honest noise's quantile of `level`."""
        tail = float((2 * min(level, 1 - level)) ** (1 / fraction)) / 2
        return tail if level < 0.5 else 1 - tail

    levels = [below(i / evidence.NOISE_BINS) for i in range(evidence.NOISE_BINS + 1)]
    return tuple(high - low for low, high in pairwise(levels))


_LESS = tuple(_scaled_bins(fraction) for fraction in policy.TOO_LITTLE_NOISE)


@dataclass(frozen=True)
class Histogram:
    """One histogram of a cohort.

    Attributes:
        name: what it looks at.
        start: its first cell.
        bounds: the greatest chance of each bin for an honest app.
        bets: chances of each bin that are bet on beside the mixture of all.
    """

    name: str
    start: int
    bounds: tuple[float, ...]
    bets: tuple[tuple[float, ...], ...] = ()

    def log_stake(self, counts: npt.NDArray[np.int64]) -> Array:
        """Return the natural logarithm of what a stake of 1 on this histogram has become.

        Args:
            counts: (…, `evidence.CELLS`): all the cells of any number of cohorts.
        """
        own = counts[..., self.start : self.start + len(self.bounds)]
        stakes = [_log_any(own), *(np.asarray(own @ np.log(bet)) for bet in self.bets)]
        return _log_mean(stakes) - np.asarray(own @ np.log(self.bounds))


def _log_any(counts: npt.NDArray[np.int64]) -> Array:
    """Return log of the chance of one sequence with these counts, its bins' chances drawn from Dirichlet(1/2, …)."""
    half = counts.shape[-1] / 2
    whole = special.gammaln(half) - special.gammaln(counts.sum(-1) + half)
    return np.asarray(whole + (special.gammaln(counts + 0.5) - special.gammaln(0.5)).sum(-1))


def _log_mean(logarithms: Sequence[npt.ArrayLike]) -> Array:
    return np.asarray(np.logaddexp.reduce(np.array(logarithms)) - log(len(logarithms)))


_PHASES = (policy.PHASE_BIN_BOUND,) * policy.PHASE_BINS
HISTOGRAMS = (
    Histogram("fastModelUsage's noise", evidence.RATE, policy.RATE_BIN_BOUNDS, _LESS),
    Histogram("avgResponseTime's noise", evidence.LATENCY, policy.LATENCY_BIN_BOUNDS, _LESS),
    Histogram("successRate's phase", evidence.SUCCESS_PHASE, _PHASES),
    Histogram("fastModelUsage's phase", evidence.FAST_PHASE, _PHASES),
    Histogram("sampling", evidence.SAMPLING, (1.0, policy.ALL_KEPT_BOUND)),
)


def log_e(counts: npt.ArrayLike) -> Array:
    """Return the natural logarithm of each cohort's E.

    Args:
        counts: (…, `evidence.CELLS`): how many of a cohort's graphs fell in each bin.
    """
    cells = np.asarray(counts, np.int64)
    return _log_mean([histogram.log_stake(cells) for histogram in HISTOGRAMS])


def alarms(counts: npt.ArrayLike) -> bool:
    """Tell whether one cohort's E has reached `policy.COHORT_ALARM`."""
    return bool(log_e(counts) >= log(policy.COHORT_ALARM))


def loudest(counts: npt.ArrayLike) -> str:
    """Return the name of the histogram that speaks loudest against one cohort."""
    cells = np.asarray(counts, np.int64)
    return max(HISTOGRAMS, key=lambda histogram: float(histogram.log_stake(cells))).name
