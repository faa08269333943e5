"""The five tables of one contribution vector, 452 cells together (privacy §3).

A vector is the tables' cells in this order, each table in C order of its axes.
"""

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from tacita.protocol import contexts

FIXED_POINT = 1_024
"""Weighted counts are integers in units of 1/1024 (privacy §3)."""


@dataclass(frozen=True)
class Table:
    """One table: its axes' sizes, and the weight of a count in it, in fixed point."""

    name: str
    shape: tuple[int, ...]
    fixed_weight: int

    @property
    def cells(self) -> int:
        """The number of cells."""
        return prod(self.shape)


_QUERY_TYPES, _MODELS, _EMOTIONS = len(contexts.QUERY_TYPES), len(contexts.MODELS), len(contexts.EMOTIONS)

ROUTING = Table("routing", (_QUERY_TYPES, contexts.COMPLEXITY_BINS, _MODELS, 2), 2 * FIXED_POINT)
EMOTION = Table("emotion", (contexts.PLEASURE_BINS, contexts.AROUSAL_BINS, _EMOTIONS, 2), 2 * FIXED_POINT)
CALIBRATION = Table("calibration", (contexts.CONFIDENCE_BINS, _QUERY_TYPES, 2), FIXED_POINT // 2)
LATENCY = Table("latency", (contexts.RESPONSE_TIME_BINS, _QUERY_TYPES, _MODELS), FIXED_POINT // 2)
ESCALATION = Table("escalation", (_QUERY_TYPES, contexts.COMPLEXITY_BINS, 2), FIXED_POINT // 2)

TABLES = (ROUTING, EMOTION, CALIBRATION, LATENCY, ESCALATION)
OFFSETS = {table.name: sum(t.cells for t in TABLES[:i]) for i, table in enumerate(TABLES)}
CELLS = sum(table.cells for table in TABLES)
TABLE_OF: npt.NDArray[np.int64] = np.repeat(np.arange(len(TABLES)), [t.cells for t in TABLES])
"""Each cell's table, as its place in `TABLES`."""

WEIGHTS: npt.NDArray[np.int64] = np.concatenate([np.full(t.cells, t.fixed_weight, np.int64) for t in TABLES])


def table_counts(vector: npt.ArrayLike, table: Table) -> npt.NDArray[np.float64]:
    """Return one table of a summed or released vector in units of interactions, shaped by its axes.

    Args:
        vector: 452 fixed-point integers.
        table: which table to cut out.
    """
    start = OFFSETS[table.name]
    cut = np.asarray(vector, np.float64)[start : start + table.cells]
    return cut.reshape(table.shape) / table.fixed_weight
