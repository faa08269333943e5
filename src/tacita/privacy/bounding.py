"""From a graph's nodes to bounded counts, and from counts to one clipped integer vector (privacy §3).

`Counts` is what the store keeps (sealed) while a round is open; several graphs of one device add up in it before the
clip. `ContributionVector` can't be constructed beyond the L2 bound, whatever made it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import isqrt

import numpy as np
import numpy.typing as npt

from tacita.errors import TacitaError
from tacita.privacy import policy, tables
from tacita.privacy.cells import cells
from tacita.privacy.columns import NodeColumns

_STARTS = list(tables.OFFSETS.values())


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

    @cached_property
    def nodes(self) -> int:
        """How many nodes were counted; each hits one cell of every table."""
        return int(np.add.reduceat(self.cells, _STARTS).max())

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


def count_nodes(
    nodes: NodeColumns,
    now: datetime,
    tags: Sequence[bytes],
    already_counted: Collection[bytes],
    room: int,
) -> tuple[Counts, list[bytes]]:
    """Choose the nodes that count and count them.

    Args:
        nodes: columns of a graph that broke no rule.
        now: the server's present moment, which node ages are measured from.
        tags: the keyed name of each node, in the columns' order.
        already_counted: tags of the nodes this device was counted for before, in any round.
        room: how many more nodes of this device count in this round.

    Returns:
        The counts of the newest `room` fresh nodes, and their tags.
    """
    oldest = now.timestamp() - policy.MAX_NODE_AGE.total_seconds()
    chosen: dict[bytes, int] = {}
    times = nodes.times
    for index in sorted(range(len(nodes)), key=times.__getitem__, reverse=True):
        if len(chosen) >= room or times[index] < oldest:
            break
        tag = tags[index]
        if tag not in already_counted and tag not in chosen:
            chosen[tag] = index
    hit = cells(nodes)
    if len(chosen) < len(nodes):
        hit = hit[:, list(chosen.values())]
    return Counts(np.bincount(hit.ravel(), minlength=tables.CELLS)), list(chosen)
