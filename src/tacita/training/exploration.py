"""From what is believed of choices to how often each is made: Thompson sampling, sharper with each release.

A choice is made as often as it is believed to be the best (Thompson 1933). What a pack hardly tries, the next rounds
can hardly measure; what it tries in vain costs regret now. So the probabilities are flattened at first and sharpened as
releases add up, and a floor keeps every choice alive, lower with each release. All are smooth functions of the
posterior, which `judge` relies on.
"""

from math import erf, sqrt

import numpy as np
import numpy.typing as npt

from tacita.training.effects import Posterior

Array = npt.NDArray[np.float64]

_FIRST_POWER, _SHARPENING = 0.5, 0.7
"""After k releases, probabilities of being the best are raised to the power of _FIRST_POWER k ** _SHARPENING."""

_GRID = 161
_LEAST = 1e-12
_phi = np.vectorize(lambda x: 0.5 * (1 + erf(x / sqrt(2))))


def shares(belief: Posterior, releases: int, floor: float) -> Array:
    """Return P(choice | context), shaped as the belief's mean.

    Args:
        belief: of rates, context axes x choices.
        releases: how many it was learned from.
        floor: the least probability of a choice after one release; it falls with the root of their number.
    """
    choices = belief.mean.shape[-1]
    best = np.maximum(_best(belief), _LEAST) ** (_FIRST_POWER * releases**_SHARPENING)
    least = floor / sqrt(releases)
    return np.asarray(least + (1 - choices * least) * best / best.sum(-1, keepdims=True))


def _best(belief: Posterior) -> Array:
    """Return each choice's probability of being the best of its context."""
    choices = belief.mean.shape[-1]
    mean = belief.mean.reshape(-1, choices)
    contexts = np.arange(len(mean))
    own = belief.covariance.reshape(len(mean), choices, len(mean), choices)[contexts, :, contexts, :]
    found = _better_of_two(mean, own) if choices == 2 else _best_of_many(mean, own)
    return found.reshape(belief.mean.shape)


def _better_of_two(mean: Array, own: Array) -> Array:
    gain = mean[:, 1] - mean[:, 0]
    second = _phi(gain / np.sqrt(own[:, 0, 0] + own[:, 1, 1] - 2 * own[:, 0, 1]))
    return np.stack([1 - second, second], -1)


def _best_of_many(mean: Array, own: Array) -> Array:
    """Integrate over the best's value, taking what differs between a context's choices as independent.

    Args:
        mean: context x choice.
        own: context x choice x choice, the covariance within each context.
    """
    choices = mean.shape[1]
    centred = np.eye(choices) - 1 / choices
    variance = np.einsum("ij,cjk,ik->ci", centred, own, centred) * choices / (choices - 1)
    deviation = np.sqrt(variance)[..., None]
    middle = mean[..., None]
    low, high = (middle - 4 * deviation).max(1), (middle + 5 * deviation).max(1)
    value = (low + (high - low) * np.linspace(0, 1, _GRID))[:, None, :]
    z = (value - middle) / deviation
    below = np.log(_normal_cdf(z))
    others = np.exp(below.sum(1, keepdims=True) - below)
    found = (np.exp(-z * z / 2) / deviation * others).sum(-1) + _LEAST
    return np.asarray(found / found.sum(-1, keepdims=True))


def _normal_cdf(z: Array) -> Array:
    """Return the standard normal distribution function within 2e-4 (Page 1977), for whole arrays at once."""
    bounded = np.clip(z, -8, 8)
    return np.asarray(1 / (1 + np.exp(-1.5976 * bounded - 0.070566 * bounded**3)))
