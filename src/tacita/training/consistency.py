"""Is a release like the others? Chi-square tests under the noise that is known and the sampling that is allowed for.

Two things hold in every honest release. Choices in a context follow the packs that devices ran. And what doesn't depend
on the pack (how often each context comes up, how often a choice in it goes well, how often it is handed over) is the
same as in the other releases. Colluding devices that want to teach something wrong must break one of the two, unless
they copy the fleet so closely that their pull is weak. Neither test says who is right: only that somebody isn't.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy import tables
from tacita.privacy.tables import Table
from tacita.training.evidence import choice_shares

Array = npt.NDArray[np.float64]

FALSE_ALARMS = 1e-3
"""How often an honest release is called unlike the others, at most (docs/threat-model.md says what was measured)."""

CLUSTERING = 4.0
"""How many times the variance of independent interactions is allowed for: those of one device resemble each other."""

_CHOICES = (tables.ROUTING, tables.EMOTION)


@dataclass(frozen=True)
class _Deviations:
    """Independent standard deviations, and how many parameters were fitted to the same counts."""

    values: Array
    fitted: int

    @property
    def p_value(self) -> float:
        """Return the chance of so large a sum of squares or so large a single one, whichever is rarer."""
        squares = float((self.values**2).sum())
        together = float(special.chdtrc(max(1, self.values.size - self.fitted), squares))
        largest = min(1.0, 2 * self.values.size * float(special.ndtr(-np.abs(self.values).max())))
        return min(1.0, 2 * min(together, largest))


@dataclass(frozen=True)
class _Summed:
    """A table's counts over some releases, and the variance of the privacy noise in each."""

    counts: Array
    noise: float

    @classmethod
    def of(cls, releases: Sequence[Release], table: Table) -> "_Summed":
        counts = np.sum([tables.table_counts(each.vector, table) for each in releases], axis=0)
        return cls(counts, sum((each.sigma / table.fixed_weight) ** 2 for each in releases))

    def contexts(self, axes: int) -> tuple[Array, Array]:
        """Return the counts of contexts (the first `axes` axes), at least 1, and their variances."""
        rest = tuple(range(axes, self.counts.ndim))
        cells = np.prod(self.counts.shape[axes:])
        seen = np.maximum(self.counts.sum(rest), 1.0)
        return seen, cells * self.noise + CLUSTERING * seen


def suspicion(release: Release, others: Sequence[Release], file: ReleaseFile) -> float:
    """Return the p-value of a release being honest, given all packs that the file holds and the other releases."""
    tests = [_against_packs(_Summed.of([release], table), file.packs, table) for table in _CHOICES]
    if others:
        tests += _differences(release, others, file)
    return min(1.0, len(tests) * min(each.p_value for each in tests))


def _differences(release: Release, others: Sequence[Release], file: ReleaseFile) -> list[_Deviations]:
    parts = []
    for table in _CHOICES:
        new, old = (_Summed.of(each, table) for each in ([release], others))
        parts.append(_contexts(new, old, axes=2))
        parts.append(_outcomes(new, old, *(_fitted(each, file.packs, table) for each in (new, old))))
    return [*parts, _handed_over(*(_Summed.of(each, tables.ESCALATION) for each in ([release], others)))]


def _fitted(summed: _Summed, packs: Sequence[PolicyPack], table: Table) -> Array:
    """Return P(choice | context) of the mixture of packs that fits best: not every device updates at once."""
    seen = summed.counts.sum(-1)
    context, _ = summed.contexts(2)
    each = np.stack([context[..., None] * choice_shares(pack, table) for pack in packs], -1)
    scale = np.sqrt(2 * summed.noise + CLUSTERING * np.maximum(each.mean(-1), 0))
    weights, _ = optimize.nnls((each / scale[..., None]).reshape(-1, len(packs)), (seen / scale).ravel())
    weights = weights / weights.sum() if weights.sum() > 0 else np.full(len(packs), 1 / len(packs))
    return np.asarray(np.stack([choice_shares(pack, table) for pack in packs], -1) @ weights)


def _against_packs(summed: _Summed, packs: Sequence[PolicyPack], table: Table) -> _Deviations:
    """Return how far the choices stray from what the packs would choose, whitened: one less than choices a context."""
    shares = _fitted(summed, packs, table)
    seen, (context, _) = summed.counts.sum(-1), summed.contexts(2)
    choices = shares.shape[-1]
    deviations = []
    for index in np.ndindex(*context.shape):
        expected = context[index] * shares[index]
        centring = np.eye(choices) - np.outer(shares[index], np.ones(choices))
        covariance = centring @ np.diag(2 * summed.noise + CLUSTERING * expected) @ centring.T
        values, vectors = np.linalg.eigh(covariance)
        deviations.append((vectors[:, 1:].T @ (centring @ seen[index])) / np.sqrt(values[1:]))
    return _Deviations(np.concatenate(deviations), len(packs) - 1)


def _contexts(new: _Summed, old: _Summed, axes: int) -> _Deviations:
    """Return how far the mix of contexts differs."""
    (seen, variance), (before, variance_before) = new.contexts(axes), old.contexts(axes)
    scale = seen.sum() / before.sum()
    return _Deviations((seen - scale * before) / np.sqrt(variance + scale**2 * variance_before), 1)


def _outcomes(new: _Summed, old: _Summed, shares: Array, shares_before: Array) -> _Deviations:
    """Return how far the rates of yes differ, cell by cell, but for a shift that all cells share."""
    both = new.counts + old.counts
    rate = min(0.95, max(0.05, float(both[..., 1].sum() / max(both.sum(), 1.0))))

    def surplus(summed: _Summed, chosen: Array) -> tuple[Array, Array]:
        context, _ = summed.contexts(2)
        seen = np.maximum(context[..., None] * chosen, 1.0)
        extra = (1 - rate) * summed.counts[..., 1] - rate * summed.counts[..., 0]
        variance = summed.noise * ((1 - rate) ** 2 + rate**2) + CLUSTERING * seen * rate * (1 - rate)
        return extra / seen, variance / seen**2

    (now, variance), (before, variance_before) = surplus(new, shares), surplus(old, shares_before)
    weight = 1 / (variance + variance_before)
    difference = now - before
    shift = float((weight * difference).sum() / weight.sum())
    return _Deviations((difference - shift) * np.sqrt(weight), 1)


def _handed_over(new: _Summed, old: _Summed) -> _Deviations:
    """Return how far the shares that are handed to the online model differ, context by context."""
    rates, variances = [], []
    for summed in (new, old):
        seen, _ = summed.contexts(2)
        rate = np.clip(summed.counts[..., 1] / seen, 0.01, 0.99)
        rates.append(summed.counts[..., 1] / seen)
        noise = summed.noise * ((1 - rate) ** 2 + rate**2)
        variances.append((noise + CLUSTERING * seen * rate * (1 - rate)) / seen**2)
    return _Deviations((rates[0] - rates[1]) / np.sqrt(variances[0] + variances[1]), 0)


def outliers(file: ReleaseFile) -> dict[str, float]:
    """Return the releases that are unlike the others, by digest, each with its p-value.

    The most suspicious one is set aside first, and the rest are compared again without it: three honest releases show a
    fourth up even if it came first. Of two that disagree, the newer one is set aside.
    """
    kept, aside = list(file.releases), dict[str, float]()
    while kept:
        p_values = [suspicion(each, [other for other in kept if other is not each], file) for each in kept]
        lowest = min(p_values)
        if lowest >= FALSE_ALARMS:
            break
        worst = max(i for i, p in enumerate(p_values) if p <= lowest * (1 + 1e-9)) if len(kept) > 2 else len(kept) - 1
        aside[kept[worst].digest] = p_values[worst]
        kept.pop(worst)
    return aside
