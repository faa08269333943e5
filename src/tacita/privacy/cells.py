"""Which cell of each of the five tables a node falls into (privacy §3).

A cell is a weighted sum of a node's places on the table's axes, so one small product of matrices finds all of them.
A mood's place stands for two axes, pleasure and arousal, in C order; it is the first of its table.
"""

from math import prod

import numpy as np
import numpy.typing as npt

from tacita.privacy import tables
from tacita.privacy.axes import AXES
from tacita.privacy.columns import NodeColumns

_TABLE_AXES = {
    "routing": ("query_type", "complexity", "model", "continued"),
    "emotion": ("mood", "emotion", "continued"),
    "calibration": ("confidence", "query_type", "continued"),
    "latency": ("response_time", "query_type", "model"),
    "escalation": ("query_type", "complexity", "escalated"),
}


def _strides() -> npt.NDArray[np.float32]:
    """Return (5, 10): how far one place on each axis moves a node's cell in each table."""
    names = list(AXES)
    strides = np.zeros((len(tables.TABLES), len(names)), np.float32)
    for row, table in enumerate(tables.TABLES):
        axes = _TABLE_AXES[table.name]
        for axis, position in zip(reversed(axes), range(len(table.shape), 0, -1), strict=False):
            strides[row, names.index(axis)] = prod(table.shape[position:])
    return strides


_STRIDES = _strides()
_OFFSETS = np.array([[tables.OFFSETS[table.name]] for table in tables.TABLES], np.float32)


def cells(nodes: NodeColumns) -> npt.NDArray[np.intp]:
    """Return (5, n): the cells of the contribution vector that each of n sound nodes falls into, one in each table.

    The product is of whole numbers below 452, which float32 holds exactly.
    """
    places = np.frombuffer(nodes.places, np.uint8).reshape(len(AXES), len(nodes))
    return (_STRIDES @ places.astype(np.float32) + _OFFSETS).astype(np.intp)
