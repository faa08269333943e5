"""The learner: from all releases so far to the next policy pack, aware of the noise's size (privacy §5).

A choice's probability follows the posterior: Phi of the believed gain in standard deviations for the two models, its
softmax for the six emotions. So a pack explores where it isn't sure, and less with each release; a floor keeps every
choice alive. Both are smooth functions of the released counts, which `judge` relies on.
"""

from collections.abc import Sequence
from math import erf, sqrt

import numpy as np
import numpy.typing as npt

from tacita.models.policy_pack import PolicyPack, Table2, Table3
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy import tables
from tacita.training.effects import Posterior, posterior
from tacita.training.evidence import Evidence, logged_shares

Array = npt.NDArray[np.float64]

ROUTING_SHARPNESS, ROUTING_FLOOR = 1.0, 0.05
EMOTION_SHARPNESS, EMOTION_FLOOR = 0.6, 0.02
FULL_SHARPNESS_RELEASES = 3
"""Explore first, exploit later: what a sharp pack hardly tries, the next round can hardly measure. So sharpness grows
with each release, up to this many (docs/decisions)."""

_DIGITS = 6
_phi = np.vectorize(lambda x: 0.5 * (1 + erf(x / sqrt(2))))


def rates(evidence: Evidence, logged: Array | None = None) -> Posterior:
    """Return the posterior of each cell's rate of yes, less the table's own rate."""
    seen = evidence.totals(logged)
    surplus, noise = evidence.surplus()
    sampling = seen * evidence.rate * (1 - evidence.rate)
    return posterior(surplus / seen, (noise + sampling) / seen**2)


def routing_policy(evidence: Evidence, logged: Array) -> Array:
    """Return P("quality"), query type 7 x complexity 4."""
    belief = rates(evidence, logged)
    gain = belief.mean[..., 1] - belief.mean[..., 0]
    pairs = belief.covariance.reshape(gain.size, 2, gain.size, 2)
    each = np.arange(gain.size)
    own = pairs[each, :, each, :]
    deviation = np.sqrt(own[:, 0, 0] + own[:, 1, 1] - 2 * own[:, 0, 1]).reshape(gain.shape)
    better = np.asarray(_phi(_sharpness(ROUTING_SHARPNESS, evidence) * gain / deviation), np.float64)
    return np.asarray(ROUTING_FLOOR + (1 - 2 * ROUTING_FLOOR) * better)


def emotion_policy(evidence: Evidence, logged: Array) -> Array:
    """Return P(emotion), pleasure 4 x arousal 3 x emotion 6."""
    belief = rates(evidence, logged)
    emotions = belief.mean.shape[-1]
    cells = belief.mean[..., 0].size
    blocks = belief.covariance.reshape(cells, emotions, cells, emotions)
    own = blocks[np.arange(cells), :, np.arange(cells), :]
    centred = np.eye(emotions) - 1 / emotions
    spread = np.einsum("ij,cjk,ki->c", centred, own, centred) / (emotions - 1)
    deviation = np.sqrt(spread).reshape(*belief.mean.shape[:-1], 1)
    sharpness = _sharpness(EMOTION_SHARPNESS, evidence)
    weight = np.exp(sharpness * (belief.mean - belief.mean.max(-1, keepdims=True)) / deviation)
    share = weight / weight.sum(-1, keepdims=True)
    return np.asarray(EMOTION_FLOOR + (1 - emotions * EMOTION_FLOOR) * share)


def _sharpness(of_one_release: float, evidence: Evidence) -> float:
    return of_one_release * min(evidence.releases, FULL_SHARPNESS_RELEASES)


def learn(file: ReleaseFile, base: PolicyPack) -> PolicyPack:
    """Return the pack that all releases so far teach.

    Args:
        file: the releases, the packs that their devices ran, and the version to make.
        base: the pack that is published now.

    Raises:
        ReleaseFileError: the file lacks a pack that a release's devices ran.
    """
    releases = file.releases
    packs = [file.pack(release.model_version) for release in releases]

    def choice(table: tables.Table) -> tuple[Evidence, Array]:
        return Evidence.of(releases, table), logged_shares(releases, packs, table)

    return PolicyPack(
        version=file.target_version,
        base_version=base.version,
        releases=tuple(release.digest for release in releases),
        routing=_table2(routing_policy(*choice(tables.ROUTING))),
        emotion=_table3(emotion_policy(*choice(tables.EMOTION))),
        calibration=_table2(_shares(releases, tables.CALIBRATION)),
        escalation=_table2(_shares(releases, tables.ESCALATION)),
    )


def _shares(releases: Sequence[Release], table: tables.Table) -> Array:
    evidence = Evidence.of(releases, table)
    return np.clip(evidence.rate + rates(evidence).mean, 0.0, 1.0)


def _table2(values: Array) -> Table2:
    return tuple(tuple(round(float(p), _DIGITS) for p in row) for row in values)


def _table3(values: Array) -> Table3:
    return tuple(_table2(rows) for rows in values)
