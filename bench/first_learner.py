"""The first learner, kept to be compared with: counts added up, variances fitted, softmax with fixed floors.

Random effects for every subset of axes, their variances by EM; what a choice's count is drawn to is the mean pack.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import erf, sqrt

import msgspec
import numpy as np
import numpy.typing as npt

from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy import tables
from tacita.privacy.tables import Table
from tacita.training.effects import Posterior
from tacita.training.evidence import choice_shares

Array = npt.NDArray[np.float64]

_STEPS, _START, _PRIOR = 30, 0.03**2, 0.02**2
_TOLERANCE, _SHARE_FLOOR = 0.25, 0.125
_FULL_SHARPNESS = 3
_phi = np.vectorize(lambda x: 0.5 * (1 + erf(x / sqrt(2))))


@dataclass(frozen=True)
class FirstLearner:
    """The first learner; with a half-life in rounds, older releases weigh less in the sum."""

    half_life: float | None = None

    def __call__(self, file: ReleaseFile, base: PolicyPack) -> PolicyPack:
        """Return the pack that it would have made; calibration and escalation are left as they are."""
        packs = [file.pack(release.model_version) for release in file.releases]
        sharpness = min(len(packs), _FULL_SHARPNESS)
        routing = _fitted(*self._summed(file.releases, packs, tables.ROUTING))
        gain = routing.mean[..., 1] - routing.mean[..., 0]
        own = _within(routing)
        deviation = np.sqrt(own[:, 0, 0] + own[:, 1, 1] - 2 * own[:, 0, 1]).reshape(gain.shape)
        quality = 0.05 + 0.9 * _phi(sharpness * gain / deviation)
        emotion = _fitted(*self._summed(file.releases, packs, tables.EMOTION))
        return with_choices(base, file.target_version, quality, _softmax(emotion, 0.6 * sharpness))

    def _summed(self, releases: Sequence[Release], packs: Sequence[PolicyPack], table: Table) -> tuple[Array, Array]:
        newest = releases[-1].round
        weights = np.array([0.5 ** ((newest - r.round) / self.half_life) if self.half_life else 1.0 for r in releases])
        counts = np.tensordot(weights, np.array([tables.table_counts(r.vector, table) for r in releases]), 1)
        noise = float(sum((w * r.sigma / table.fixed_weight) ** 2 for w, r in zip(weights, releases, strict=True)))
        logged = np.average([choice_shares(pack, table) for pack in packs], axis=0, weights=weights)
        seen = counts.sum(-1)
        rate = min(0.95, max(0.05, float(counts[..., 1].sum()) / max(float(counts.sum()), 1.0)))
        contexts = seen.sum(-1)
        floored = np.maximum(contexts, _SHARE_FLOOR * max(float(contexts.sum()), 1.0) / contexts.size)
        expected = floored[..., None] * logged
        tolerance = (_TOLERANCE * expected) ** 2
        drawn = np.maximum(expected + tolerance / (tolerance + 2 * noise) * (seen - expected), expected / 4)
        surplus = (1 - rate) * counts[..., 1] - rate * counts[..., 0]
        variance = noise * ((1 - rate) ** 2 + rate**2) + drawn * rate * (1 - rate)
        return surplus / drawn, variance / drawn**2


def with_choices(base: PolicyPack, version: str, quality: Array, emotion: Array) -> PolicyPack:
    """Return a pack with these choices, and the base's other tables.

    Args:
        base: the pack to change.
        version: the new pack's.
        quality: P("quality"), query type 7 x complexity 4.
        emotion: P(emotion), pleasure 4 x arousal 3 x emotion 6.
    """
    rows = tuple(tuple(tuple(row) for row in each) for each in emotion.round(6).tolist())
    return msgspec.structs.replace(
        base, version=version, routing=tuple(map(tuple, quality.round(6).tolist())), emotion=rows
    )


def _within(belief: Posterior) -> Array:
    choices = belief.mean.shape[-1]
    contexts = np.arange(belief.mean.size // choices)
    own = belief.covariance.reshape(len(contexts), choices, len(contexts), choices)
    return np.asarray(own[contexts, :, contexts, :])


def _softmax(belief: Posterior, sharpness: float) -> Array:
    choices = belief.mean.shape[-1]
    centred = np.eye(choices) - 1 / choices
    spread = np.einsum("ij,cjk,ki->c", centred, _within(belief), centred) / (choices - 1)
    deviation = np.sqrt(spread).reshape(*belief.mean.shape[:-1], 1)
    weight = np.exp(sharpness * (belief.mean - belief.mean.max(-1, keepdims=True)) / deviation)
    return np.asarray(0.02 + (1 - choices * 0.02) * weight / weight.sum(-1, keepdims=True))


def _fitted(estimates: Array, variances: Array) -> Posterior:
    """Return the posterior under variances of effects that EM fits to the same table (Dempster, Laird & Rubin 1977)."""
    shape = estimates.shape
    cells = np.indices(shape).reshape(len(shape), -1)
    subsets = [axes for size in range(1, len(shape) + 1) for axes in combinations(range(len(shape)), size)]
    kernels = np.array(
        [np.all(cells[list(a), :, None] == cells[list(a), None, :], axis=0) for a in subsets], np.float64
    )
    levels = np.array([np.prod([shape[axis] for axis in axes]) for axes in subsets], np.float64)
    y, noise, tau = estimates.ravel(), np.diag(variances.ravel()), np.full(len(levels), _START)
    for _ in range(_STEPS):
        precision = np.linalg.inv(np.tensordot(tau, kernels, 1) + 1.0 + noise)
        score = precision @ y
        explained = np.einsum("i,kij,j->k", score, kernels, score, optimize=True)
        squares = tau**2 * (explained - np.tensordot(kernels, precision, 2)) + tau * levels
        tau = (squares + _PRIOR) / (levels + 1)
    prior = np.tensordot(tau, kernels, 1) + 1.0
    gain = prior @ np.linalg.inv(prior + noise)
    return Posterior((gain @ y).reshape(shape), prior - gain @ prior)
