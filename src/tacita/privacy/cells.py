"""Which cell of each of the five tables a node falls into (privacy §3).

A bin is the number of edges that a value reaches, and a cell is a weighted sum of bins and codes. So a cell is linear
in "value reaches edge" and the codes, and one small matrix product finds all five cells of all nodes.
"""

import numpy as np
import numpy.typing as npt

from tacita.privacy import tables
from tacita.privacy.columns import CODES, NUMBERS, NodeColumns
from tacita.protocol import contexts

_AXES = {
    "routing": ("query_type", "complexity", "model", "continued"),
    "emotion": ("pleasure", "arousal", "emotion", "continued"),
    "calibration": ("confidence", "query_type", "continued"),
    "latency": ("response_time", "query_type", "model"),
    "escalation": ("query_type", "complexity", "escalated"),
}
_BINNED = (
    ("complexity", contexts.COMPLEXITY_EDGES),
    ("pleasure", contexts.PLEASURE_EDGES),
    ("arousal", contexts.AROUSAL_EDGES),
    ("confidence", contexts.CONFIDENCE_EDGES),
    ("response_time", contexts.RESPONSE_TIME_EDGES),
)
_STEPS = [(axis, edge) for axis, edges in _BINNED for edge in edges]
_STEP_ROWS = np.array([NUMBERS.index(axis) for axis, _ in _STEPS])
_STEP_EDGES = np.array([[edge] for _, edge in _STEPS], np.float32)


def _strides() -> npt.NDArray[np.float32]:
    """Return (5, steps and codes): how far each moves a node's cell in each table."""
    features = [axis for axis, _ in _STEPS] + list(CODES)
    strides = np.zeros((len(tables.TABLES), len(features)), np.float32)
    for row, table in enumerate(tables.TABLES):
        for place, axis in enumerate(_AXES[table.name]):
            strides[row, [feature == axis for feature in features]] = np.prod(table.shape[place + 1 :])
    return strides


_STRIDES = _strides()
_OFFSETS = np.array([[tables.OFFSETS[table.name]] for table in tables.TABLES], np.float32)


def cells(nodes: NodeColumns) -> npt.NDArray[np.intp]:
    """Return (5, n): the cells of the contribution vector that each of n sound nodes falls into, one in each table.

    Values are compared with edges as float32, as `contexts.bins` does; the products are whole numbers below 452, which
    float32 holds exactly.
    """
    reached = nodes.numbers.take(_STEP_ROWS, axis=0) >= _STEP_EDGES
    features = np.concatenate([reached, nodes.codes], dtype=np.float32)
    return (_STRIDES @ features + _OFFSETS).astype(np.intp)
