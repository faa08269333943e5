"""Several releases' evidence of one table as one estimate a cell: generalised least squares under the known noise.

Adding counts up would be simpler, and worse in two ways. First, every release brings the same noise to a cell, however
rarely its pack made that choice; so each release weighs by how much it can know. Second, the level of all rates moves
from release to release (better packs; other weeks), and a choice made more often in good times would look good
(Simpson's paradox); so each release's level is estimated too, and only differences within a release count.
"""

import numpy as np
import numpy.typing as npt

from tacita.training.evidence import Evidence

Array = npt.NDArray[np.float64]

_LEVEL_VARIANCE = 0.1**2


def pooled(evidence: Evidence, drift: float) -> tuple[Array, Array]:
    """Return each cell's estimated rate of yes, less the table's own rate, and the estimate's variance.

    Solves y = level of the release + effect of the cell + error for the effects, the levels having mean zero.

    Args:
        evidence: one or more releases.
        drift: the variance that an effect wanders by from round to round: the older, the less it says.
    """
    seen, (surplus, noise), rate = evidence.seen(), evidence.surplus(), evidence.rate
    shape, releases = seen.shape[1:], len(seen)
    rates = (surplus / seen).reshape(releases, -1)
    variance = ((noise + seen * rate * (1 - rate)) / seen**2).reshape(releases, -1) + drift * evidence.ages[:, None]
    precision = 1 / variance
    together = precision.sum(0)
    mean = (precision * rates).sum(0) / together
    shared = np.diag(precision.sum(1) + 1 / _LEVEL_VARIANCE) - (precision / together) @ precision.T
    levels = np.linalg.solve(shared, (precision * (rates - mean)).sum(1))
    effects = mean - (precision * levels[:, None]).sum(0) / together
    return effects.reshape(shape), (1 / together).reshape(shape)
