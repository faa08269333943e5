"""The learner: from all releases so far to the next policy pack, aware of the noise's size (privacy §5).

Releases are pooled under their known noise (`pooling`), rates are believed as far as they are measured (`effects`), and
choices are made as often as they are believed to be the best (`exploration`). All three are smooth functions of the
released counts, which `judge` relies on. The constants were chosen on simulated worlds with seeds 1000 to 1039; what
they are worth on others is in docs/learning-value.md.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tacita.models.policy_pack import PolicyPack, Table2, Table3
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy import tables
from tacita.training import exploration
from tacita.training.effects import Posterior, posterior
from tacita.training.evidence import Evidence
from tacita.training.pooling import pooled

Array = npt.NDArray[np.float64]

ROUTING_FLOOR, EMOTION_FLOOR = 0.02, 0.005
"""The least probability of a choice after one release."""

ROUTING_DRIFT, EMOTION_DRIFT, RATE_DRIFT = 1.3e-5, 2e-4, 2e-4
"""The variance that an effect is taken to wander by from round to round; the last for calibration and escalation."""

_DIGITS = 6


def believed(evidence: Evidence, drift: float) -> Posterior:
    """Return the posterior of each cell's rate of yes, less the table's own rate."""
    return posterior(*pooled(evidence, drift), choice=evidence.logged is not None)


def routing_policy(evidence: Evidence) -> Array:
    """Return P(model), query type 7 x complexity 4 x model 2."""
    return exploration.shares(believed(evidence, ROUTING_DRIFT), len(evidence.counts), ROUTING_FLOOR)


def emotion_policy(evidence: Evidence) -> Array:
    """Return P(emotion), pleasure 4 x arousal 3 x emotion 6."""
    return exploration.shares(believed(evidence, EMOTION_DRIFT), len(evidence.counts), EMOTION_FLOOR)


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
    return PolicyPack(
        version=file.target_version,
        base_version=base.version,
        releases=tuple(release.digest for release in releases),
        routing=_table2(routing_policy(Evidence.of(releases, tables.ROUTING, packs))[..., 1]),
        emotion=_table3(emotion_policy(Evidence.of(releases, tables.EMOTION, packs))),
        calibration=_table2(_rates(releases, tables.CALIBRATION)),
        escalation=_table2(_rates(releases, tables.ESCALATION)),
    )


def _rates(releases: Sequence[Release], table: tables.Table) -> Array:
    evidence = Evidence.of(releases, table)
    return np.clip(evidence.rate + believed(evidence, RATE_DRIFT).mean, 0.0, 1.0)


def _table2(values: Array) -> Table2:
    return tuple(tuple(round(float(p), _DIGITS) for p in row) for row in values)


def _table3(values: Array) -> Table3:
    return tuple(_table2(rows) for rows in values)
