"""From a graph's nodes to bounded counts, and from counts to one clipped integer vector (privacy §3).

`Counts` is what the store keeps (sealed) while a round is open; several graphs of one device add up in it before the
clip. `ContributionVector` can't be constructed beyond the L2 bound, whatever made it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from math import isqrt

import numpy as np
import numpy.typing as npt

from tacita.errors import TacitaError
from tacita.privacy import policy, tables
from tacita.privacy.columns import NodeColumns
from tacita.protocol import contexts


class UnboundedContribution(TacitaError):  # noqa: N818 - named for what was refused
    """A vector or its counts would break the bound that sensitivity rests on; it is never built."""


@dataclass(frozen=True)
class Counts:
    """How often each cell was hit by one device in one round: 452 counts of at most 100 nodes.

    Raises:
        UnboundedContribution: wrong shape, negative, or more than `MAX_COUNTED_NODES` nodes in any table.
    """

    cells: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.cells.shape != (tables.CELLS,) or self.cells.min() < 0 or self.nodes > policy.MAX_COUNTED_NODES:
            raise UnboundedContribution("counts break the bound of nodes per device and round")

    @property
    def nodes(self) -> int:
        """How many nodes were counted; each hits one cell of every table."""
        return max(int(self.cells[tables.OFFSETS[t.name] :][: t.cells].sum()) for t in tables.TABLES)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.cells + other.cells)

    def to_bytes(self) -> bytes:
        """Return 452 bytes, one a cell."""
        return self.cells.astype(np.uint8).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Counts":
        """Return the counts of `to_bytes`."""
        return cls(np.frombuffer(data, np.uint8).astype(np.int64))

    @classmethod
    def none(cls) -> "Counts":
        """Return the counts of a device that hasn't contributed yet."""
        return cls(np.zeros(tables.CELLS, np.int64))


@dataclass(frozen=True)
class ContributionVector:
    """One device's whole contribution to one round: 452 fixed-point integers of L2 norm at most `CLIP_NORM`.

    Raises:
        UnboundedContribution: the norm, checked in integers, is over the bound.
    """

    cells: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.cells.shape != (tables.CELLS,) or self.cells.dtype != np.int64:
            raise UnboundedContribution("a contribution vector has 452 integers")
        if sum(int(x) * int(x) for x in self.cells) > policy.CLIP_NORM**2:
            raise UnboundedContribution("a contribution vector breaks the L2 bound")


def clip(counts: Counts) -> ContributionVector:
    """Weigh the counts into fixed point and scale the whole vector down to L2 norm `CLIP_NORM` where it is longer."""
    weighted = counts.cells * tables.WEIGHTS
    squared = int(weighted @ weighted)
    if squared > policy.CLIP_NORM**2:
        norm = isqrt(squared - 1) + 1  # rounded up, so that the scaled vector is never too long
        weighted = weighted * policy.CLIP_NORM // norm
    return ContributionVector(weighted)


def _cells(nodes: NodeColumns, chosen: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    query_type, model = nodes.query_type[chosen], nodes.model[chosen]
    continued = nodes.continued[chosen].astype(np.int64)
    complexity = contexts.bins(nodes.complexity[chosen], contexts.COMPLEXITY_EDGES)
    pleasure = contexts.bins(nodes.mood[chosen, 0], contexts.PLEASURE_EDGES)
    arousal = contexts.bins(nodes.mood[chosen, 1], contexts.AROUSAL_EDGES)
    confidence = contexts.bins(nodes.confidence[chosen], contexts.CONFIDENCE_EDGES)
    response_time = contexts.bins(nodes.response_time[chosen], contexts.RESPONSE_TIME_EDGES)
    axes = {
        "routing": (query_type, complexity, model, continued),
        "emotion": (pleasure, arousal, nodes.emotion[chosen], continued),
        "calibration": (confidence, query_type, continued),
        "latency": (response_time, query_type, model),
        "escalation": (query_type, complexity, nodes.escalated[chosen].astype(np.int64)),
    }
    hit = [tables.OFFSETS[t.name] + np.ravel_multi_index(axes[t.name], t.shape) for t in tables.TABLES]
    return np.bincount(np.concatenate(hit), minlength=tables.CELLS).astype(np.int64)


def count_nodes(
    nodes: NodeColumns,
    now: datetime,
    tag: Callable[[str], bytes],
    already_counted: Collection[bytes],
    room: int,
) -> tuple[Counts, list[bytes]]:
    """Choose the nodes that count and count them.

    Args:
        nodes: columns of a graph that broke no rule.
        now: the server's present moment, which node ages are measured from.
        tag: the keyed, truncated name of a node id.
        already_counted: tags of the nodes this device was counted for before, in any round.
        room: how many more nodes of this device count in this round.

    Returns:
        The counts of the newest `room` fresh nodes, and their tags.
    """
    oldest = now.timestamp() - policy.MAX_NODE_AGE.total_seconds()
    chosen: dict[bytes, int] = {}
    for index in np.argsort(-nodes.unix_times, kind="stable"):
        if len(chosen) >= room or nodes.unix_times[index] < oldest:
            break
        name = tag(nodes.ids[index])
        if name not in already_counted and name not in chosen:
            chosen[name] = int(index)
    return Counts(_cells(nodes, np.array(list(chosen.values()), np.intp))), list(chosen)
