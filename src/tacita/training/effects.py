"""Posterior of a table of rates under noise of known variance: a hierarchical model, averaged over what it can't know.

A cell's rate is a sum of random effects, one for each subset of its axes (two axes: row, column, row by column). How
large effects are, and whether axes explain them or every cell goes its own way, is not known and hardly estimable from
one release; so the posterior is the average over a grid of such hypotheses, weighted by how likely they make the data
(Bayesian model averaging, Hoeting et al. 1999). Noisy cells shrink towards their margins as far as the table supports.
All of it is a smooth function of the estimates.
"""

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_SIZES = (0.005, 0.015, 0.03, 0.06, 0.12, 0.24)
"""Standard deviations that effects may have altogether."""

_FULL_SHARES = (1.0, 0.1)
"""Shares of the variance that belong to single cells: all, or little."""

_CHOICE_SHARE = 0.1
"""Where axes explain the rest: the share of the choice by itself, whatever the context."""

_CONTEXT_VARIANCE = 0.1**2
"""Of a context's own rate, common to all choices: nothing that a choice depends on."""

_GRAND_MEAN_VARIANCE = 1.0


@dataclass(frozen=True)
class Posterior:
    """What is believed of a table: its mean, and the covariance of its cells in C order."""

    mean: Array
    covariance: Array


def _same_level(shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """Return which cells share a level of `axes`: one where they do."""
    levels = np.indices(shape).reshape(len(shape), -1)[list(axes)]
    return np.asarray(np.all(levels[:, :, None] == levels[:, None, :], axis=0), np.float64)


@cache
def _priors(shape: tuple[int, ...], *, choice: bool) -> Array:
    """Return the prior covariance of the cells under each hypothesis, hypothesis x cells x cells."""
    every = tuple(range(len(shape)))
    subsets = [axes for size in every[1:] for axes in combinations(every, size) if not choice or every[-1] in axes]
    alone = [axes for axes in subsets if choice and len(axes) == 1]
    parts = [axes for axes in subsets if axes not in alone]
    nuisance = _CONTEXT_VARIANCE * _same_level(shape, every[:-1]) if choice else 0.0
    made = []
    for full in _FULL_SHARES:
        by_choice = _CHOICE_SHARE * (full < 1) if choice else 0.0
        kernel = full * _same_level(shape, every)
        kernel = kernel + sum((by_choice * _same_level(shape, axes) for axes in alone), np.zeros_like(kernel))
        for axes in parts:
            kernel = kernel + (1 - full - by_choice) / len(parts) * _same_level(shape, axes)
        made += [size**2 * kernel + nuisance + _GRAND_MEAN_VARIANCE for size in _SIZES]
    return np.array(made)


def posterior(estimates: Array, variances: Array, *, choice: bool) -> Posterior:
    """Return the posterior of a table of effects.

    Args:
        estimates: unbiased estimates, two or more axes.
        variances: the known variance of each estimate, same shape.
        choice: whether the last axis is a choice, so that only differences along it matter.
    """
    y = estimates.ravel()
    priors = _priors(estimates.shape, choice=choice)
    spread = priors + np.diag(variances.ravel())
    inverse = np.linalg.inv(spread)
    scores = inverse @ y
    halves = np.log(np.diagonal(np.linalg.cholesky(spread), axis1=1, axis2=2)).sum(1)
    evidence = -scores @ y / 2 - halves
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    means = np.einsum("hij,hj->hi", priors, scores)
    mean = weights @ means
    within = np.tensordot(weights, priors - priors @ inverse @ priors, 1)
    return Posterior(
        mean.reshape(estimates.shape), within + np.einsum("h,hi,hj->ij", weights, means - mean, means - mean)
    )
