"""Posterior of a table of rates under noise of known variance: a random-effects model fitted by empirical Bayes.

Each cell's rate is the sum of one effect for every subset of its axes (two axes: row, column, row by column). Each kind
of effect has its own variance, found by EM (Dempster, Laird & Rubin 1977) with a weak prior, so that noisy cells shrink
towards their margins exactly as far as the table as a whole says that they should.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_EM_STEPS = 30
_START_VARIANCE = 0.03**2
_PRIOR_VARIANCE, _PRIOR_WEIGHT = 0.02**2, 1.0
_GRAND_MEAN_VARIANCE = 1.0


@dataclass(frozen=True)
class Posterior:
    """What is believed of a table: its mean, and the covariance of its cells in C order."""

    mean: Array
    covariance: Array


def _same_level(shape: tuple[int, ...]) -> Iterator[tuple[int, Array]]:
    """Yield, for each non-empty subset of axes, its number of levels and which cells share one."""
    levels = np.indices(shape).reshape(len(shape), -1)
    for size in range(1, len(shape) + 1):
        for axes in combinations(range(len(shape)), size):
            same = np.all(levels[list(axes), :, None] == levels[list(axes), None, :], axis=0)
            yield int(np.prod([shape[axis] for axis in axes])), same.astype(np.float64)


def posterior(estimates: Array, variances: Array) -> Posterior:
    """Return the posterior of a table of effects.

    Args:
        estimates: unbiased estimates, any number of axes.
        variances: the known variance of each estimate, same shape.
    """
    y, noise = estimates.ravel(), np.diag(variances.ravel())
    counts, kernels = zip(*_same_level(estimates.shape), strict=True)
    stack, levels = np.array(kernels), np.array(counts, np.float64)
    tau = np.full(len(levels), _START_VARIANCE)
    for _ in range(_EM_STEPS):
        precision = np.linalg.inv(np.tensordot(tau, stack, 1) + _GRAND_MEAN_VARIANCE + noise)
        score = precision @ y
        explained = np.einsum("i,kij,j->k", score, stack, score, optimize=True)
        spread = np.tensordot(stack, precision, 2)
        squares = tau**2 * (explained - spread) + tau * levels
        tau = (squares + _PRIOR_WEIGHT * _PRIOR_VARIANCE) / (levels + _PRIOR_WEIGHT)
    prior = np.tensordot(tau, stack, 1) + _GRAND_MEAN_VARIANCE
    gain = prior @ np.linalg.inv(prior + noise)
    return Posterior((gain @ y).reshape(estimates.shape), prior - gain @ prior)
