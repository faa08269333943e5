"""The exact chances of the bins that a rate's recomputed noise falls in, for the bounds that the policy states."""

import numpy as np
import numpy.typing as npt
from scipy import stats

from tacita.privacy import policy
from tacita.privacy.evidence import NOISE_BINS

Array = npt.NDArray[np.float64]

_EDGES = np.linspace(0, 1, NOISE_BINS + 1)
_SCALE = policy.APP_RATE_NOISE


def _bins_seen(truth: float, seen: Array) -> Array:
    """Return the bins' chances, a row for each share seen among the nodes that were left, at one true share."""
    noise = stats.laplace(truth, _SCALE)
    with np.errstate(divide="ignore"):
        reach = np.clip(seen[:, None] + stats.laplace.ppf(_EDGES, scale=_SCALE), 0, 1)
    inside = np.diff(noise.cdf(reach), axis=1)
    low, high = stats.laplace.cdf(-seen, scale=_SCALE)[:, None], stats.laplace.cdf(1 - seen, scale=_SCALE)[:, None]
    clamped_low = np.diff(np.minimum(_EDGES, low), axis=1) / low * noise.cdf(0)
    clamped_high = np.diff(np.maximum(_EDGES, high), axis=1) / (1 - high) * noise.sf(1)
    return np.asarray(inside + clamped_low + clamped_high)


def greatest_rate_bins(total: int) -> Array:
    """Return each bin's greatest chance over every true count, nodes sampled away as the app does."""
    most = int(policy.COHORT_MOST_MISSING * total)
    missing = np.arange(most + 1)
    weights = stats.binom.pmf(missing, total, 1 - policy.APP_KEEPS_NODE)
    chances = []
    for count in np.unique(np.linspace(0, total, 26).astype(int)):
        chance = np.zeros(NOISE_BINS)
        for lost, weight in zip(missing, weights / weights.sum(), strict=True):
            left = total - lost
            seen = np.arange(max(0, count - lost), min(count, left) + 1)
            if weight > 1e-7:
                chance += weight * (
                    stats.hypergeom.pmf(seen, total, count, left) @ _bins_seen(count / total, seen / left)
                )
        chances.append(chance)
    return np.asarray(np.max(chances, axis=0))
