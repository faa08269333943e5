"""The axes that interactions are coarsened to: closed sets and bin edges (privacy §3).

A phone looks its context up in a policy pack with the same bins that the server counts contributions in, so the
edges live here, below both. All values are compared as float32, so that Swift's two Float texts of one value
(contract §1.4) always fall into the same bin.
"""

import numpy as np
import numpy.typing as npt

QUERY_TYPES = ("greeting", "question", "command", "search", "timeBased", "emotional", "conversational")
EMOTIONS = ("HAPPY", "SAD", "EXCITED", "CALM", "SURPRISED", "ANGRY")
MODELS = ("fast", "quality")

COMPLEXITY_EDGES = (0.1, 0.3, 0.6)
PLEASURE_EDGES = (-0.5, 0.0, 0.5)
AROUSAL_EDGES = (-0.33, 0.33)
RESPONSE_TIME_EDGES = (1.0, 2.0, 3.0, 4.0)
CONFIDENCE_EDGES = (0.55, 0.7, 0.83, 0.92)

COMPLEXITY_BINS = len(COMPLEXITY_EDGES) + 1
PLEASURE_BINS = len(PLEASURE_EDGES) + 1
AROUSAL_BINS = len(AROUSAL_EDGES) + 1
RESPONSE_TIME_BINS = len(RESPONSE_TIME_EDGES) + 1
CONFIDENCE_BINS = len(CONFIDENCE_EDGES) + 1


def bins(values: npt.ArrayLike, edges: tuple[float, ...]) -> npt.NDArray[np.intp]:
    """Return the bin of each value: bin i holds edges[i-1] <= value < edges[i], compared as float32.

    Args:
        values: any shape of numbers.
        edges: the inner edges, ascending; k edges make k + 1 bins.
    """
    return np.searchsorted(np.asarray(edges, np.float32), np.asarray(values, np.float32), side="right")
